//! Commands to sync, and how they stand.

use crate::{
    app::Shared,
    auth::Person,
    extract::{Id, IdempotencyKey, Json},
    problem::{Problem, Problems},
    views::{Accepted, DataTypeName, JobStatus, JobView},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use engine::intake::SyncCommand;
use schemas::{
    data_type::DataType,
    event::Lane,
    id::{ConnectionId, SyncId},
    time::Instant,
};
use serde::Deserialize;
use utoipa::ToSchema;

/// The most jobs in a list.
const JOBS_MAX: usize = 100;

/// What is to be synced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostJob {
    /// Where to read.
    #[schema(value_type = uuid::Uuid)]
    source: ConnectionId,
    /// Where to write: for each of these there must be a sync config.
    #[schema(value_type = Vec<uuid::Uuid>)]
    destinations: Vec<ConnectionId>,
    /// What.
    #[schema(value_type = DataTypeName)]
    data_type: DataType,
    /// From when; if left out, from where the last job ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Instant>,
    /// Until when; if left out, until now.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Instant>,
}

/// Takes a command to sync. The same key on the same command is the same job.
#[utoipa::path(post, path = "/v1/sync-jobs", operation_id = "submit_sync_job", tag = "sync jobs", request_body = PostJob,
    params(("Idempotency-Key" = String, Header, description = "New for every command; 1 to 255 characters.")),
    responses((status = 202, description = "Accepted.", body = Accepted,
        headers(("Location" = String, description = "Where its status is."))), Problems))]
pub(crate) async fn submit(
    State(web): State<Shared>,
    Person(subject): Person,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<PostJob>,
) -> Result<Response, Problem> {
    let PostJob { source, destinations, data_type, from, to } = body;
    let command = SyncCommand { source, destinations, data_type, from, to, lane: Lane::Hot };
    let id = web.app.intake.submit(&subject, &key, &command).await?;
    Ok(accepted(id))
}

/// The answer to a command that was taken. The trace of the request is that of the job (W3C Trace Context): the
/// second half of an id is never zero.
pub(crate) fn accepted(id: SyncId) -> Response {
    let trace = id.0.simple().to_string();
    let parent = trace.get(16..).unwrap_or(&trace);
    let headers = [("location", format!("/v1/sync-jobs/{id}")), ("traceparent", format!("00-{trace}-{parent}-01"))];
    (StatusCode::ACCEPTED, headers, axum::Json(Accepted { id })).into_response()
}

/// The person's latest jobs, newest first.
#[utoipa::path(get, path = "/v1/sync-jobs", operation_id = "list_sync_jobs", tag = "sync jobs",
    responses((status = 200, description = "At most 100 jobs.", body = [JobView]), Problems))]
pub(crate) async fn list(
    State(web): State<Shared>,
    Person(subject): Person,
) -> Result<axum::Json<Vec<JobView>>, Problem> {
    let jobs = web.app.store.log.syncs(&subject, JOBS_MAX).await?;
    let view = |(id, accepted_at, settled)| JobView { id, accepted_at, settled };
    Ok(axum::Json(jobs.into_iter().map(view).collect()))
}

/// How a job stands.
#[utoipa::path(get, path = "/v1/sync-jobs/{id}", operation_id = "get_sync_job", tag = "sync jobs",
    params(("id" = uuid::Uuid, Path, description = "The job's id.")),
    responses((status = 200, description = "How it stands.", body = JobStatus), Problems))]
pub(crate) async fn status(
    State(web): State<Shared>,
    Person(subject): Person,
    Id(id): Id,
) -> Result<axum::Json<JobStatus>, Problem> {
    let status = web.app.intake.status(&subject, SyncId(id)).await?;
    let status = status.ok_or_else(|| Problem::not_found("sync job"))?;
    Ok(axum::Json(JobStatus::new(SyncId(id), status)))
}
