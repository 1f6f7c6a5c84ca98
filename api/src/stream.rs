//! The live stream of a job, as server-sent events.

use crate::{
    app::Shared,
    auth::Person,
    extract::Id,
    problem::{Code, Problem, Problems},
    serve::{Stop, stopped},
    shares::Share,
    views::JobStatus,
};
use axum::{
    Extension,
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use engine::{bus::Unreachable, status::Status};
use futures::{Stream, stream};
use schemas::id::{Subject, SyncId};
use std::time::Duration;
use tokio::time::Instant;

/// The first and the longest pause between two looks at the log.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));

/// How a job stands, on every change until it is over: events of the name `status`, each with a whole status. The
/// stream ends when the job is over, when the server stops, or after an hour; a client then asks again.
#[utoipa::path(get, path = "/v1/sync-jobs/{id}/events", operation_id = "follow_sync_job", tag = "sync jobs",
    params(("id" = uuid::Uuid, Path, description = "The job's id.")),
    responses((status = 200, description = "Server-sent events; the data of each is a JobStatus.",
        body = JobStatus, content_type = "text/event-stream"), Problems))]
pub(crate) async fn events(
    State(web): State<Shared>,
    Person(subject): Person,
    Id(id): Id,
    Extension(stop): Extension<Stop>,
) -> Result<Sse<impl Stream<Item = Result<Event, Unreachable>>>, Problem> {
    let sync = SyncId(id);
    let first = web.app.intake.status(&subject, sync).await?.ok_or_else(|| Problem::not_found("sync job"))?;
    let share = web.streams.take(subject.clone()).ok_or_else(|| {
        Problem::new(Code::TooManyRequests, "too many live streams are open; close one").with("retry-after", "1".into())
    })?;
    let ends_at = Instant::now() + web.app.limits.stream_max;
    let live = Live { web, subject, sync, stop, ends_at, told: None, first: Some(first), _share: share };
    let events = stream::try_unfold(live, Live::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Live {
    web: Shared,
    subject: Subject,
    sync: SyncId,
    stop: Stop,
    ends_at: Instant,
    /// What was read before the stream began.
    first: Option<Status>,
    /// What the client was told last.
    told: Option<JobStatus>,
    _share: Share<Subject>,
}

impl Live {
    async fn next(mut self) -> Result<Option<(Event, Self)>, Unreachable> {
        if self.told.as_ref().is_some_and(|it| it.state.is_terminal()) {
            return Ok(None);
        }
        let mut pause = PAUSES.0;
        loop {
            let status = match self.first.take() {
                Some(first) => Some(first),
                None => self.web.app.intake.status(&self.subject, self.sync).await?,
            };
            let Some(status) = status.map(|it| JobStatus::new(self.sync, it)) else { return Ok(None) };
            if self.told.as_ref() != Some(&status) {
                let event = Event::default().event("status").json_data(&status);
                let event = event.map_err(|err| Unreachable(format!("a status cannot be written: {err}")))?;
                self.told = Some(status);
                return Ok(Some((event, self)));
            }
            let wake = self.ends_at.min(Instant::now() + pause);
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                () = stopped(&mut self.stop.0) => return Ok(None),
            }
            if wake == self.ends_at {
                return Ok(None);
            }
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
    }
}
