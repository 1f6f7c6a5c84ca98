//! How an event ends whose content is no longer kept: as one whose payload has expired.

use super::Runner;
use crate::{
    bus::Unreachable,
    stage::{lane_of, logged},
    status::stage_of,
    store::{Bearing, Step, StepKey, Timer},
};
use schemas::{
    event::{Envelope, Head, Mode, Outcome, Reason},
    id::{EventId, Subject, SyncId},
    topics::{self, TopicName},
};
use tracing::warn;

impl Runner {
    /// A timer is due whose event the log cannot give any more.
    pub(super) async fn end_expired_timer(&self, timer: &Timer) -> Result<(), Unreachable> {
        let open = self.store.log.open(&timer.subject, timer.sync).await?;
        let waits = open.into_iter().find(|it| it.0 == timer.event && stage_of(it.1.kind) == Some(&*timer.stage));
        match waits {
            Some((id, topic)) => self.end_expired((&timer.subject, timer.sync), id, topic).await,
            // It was answered meanwhile, or what waited for it only follows.
            None => self.store.timers.remove(&timer.stage, timer.event).await,
        }
    }

    /// Appends the step that its stage would have made of it, and publishes the outcome, so that its sync can end.
    pub(super) async fn end_expired(
        &self,
        (subject, sync): (&Subject, SyncId),
        id: EventId,
        topic: TopicName,
    ) -> Result<(), Unreachable> {
        let Some(stage) = stage_of(topic.kind) else { return Ok(()) };
        warn!(event = %id, %sync, stage, "the content of an event is no longer kept; it ends as payload_expired");
        let (now, lane) = (self.clock.now(), lane_of(topic));
        let gone = Head { id, cause: id, sync, subject: subject.clone(), at: now, mode: Mode::Live };
        let end = Some(Reason::PayloadExpired);
        let body = Outcome { stage: stage.into(), destination: None, end, results: None, counts: Vec::new(), lane };
        let outcome = logged(&Envelope { head: gone.derive(stage, 0, now), body }, topics::outcomes(lane).name);
        let key = StepKey { subject: subject.clone(), sync, stage: stage.into(), cause: id };
        let step = Step { key, at: now, bearing: Bearing::Within, outputs: vec![outcome], roots: Vec::new() };
        let stands = self.store.log.append(step).await?;
        self.publish(&stands).await?;
        self.store.timers.remove(stage, id).await
    }
}
