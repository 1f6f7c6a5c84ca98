//! How an event ends that no stage takes, and one that ends early.

use super::worker::{Input, Worker};
use crate::{
    bus::{Delivery, Unreachable},
    stage::{Work, lane_of, logged},
    store::{Bearing, Logged, Step, StepKey},
};
use schemas::{
    event::{Envelope, Head, Mode, Outcome, Reason, Rejected},
    id::{EventId, SyncId},
    time::Instant,
    topics,
};
use tracing::{error, warn};

/// The largest original that travels with its rejection; of a larger one only the place is told.
const ORIGINAL_BYTES_MAX: usize = 900_000;

impl Worker {
    pub(super) fn ended(&self, work: &dyn Work, reason: Reason, index: usize) -> Logged {
        let lane = lane_of(self.node.from);
        let head = work.head().derive(self.stage().name(), index, self.runner.clock.now());
        let stage = self.stage().name().to_owned();
        let body = Outcome { stage, destination: None, end: Some(reason), results: None, counts: Vec::new(), lane };
        logged(&Envelope { head, body }, topics::outcomes(lane).name)
    }

    /// A rejection is two events: the outcome that lets the sync end, and what an operator redrives. No sync waits for
    /// a follower.
    pub(super) fn rejected(&self, input: &Input, reason: Reason, attempts: i32) -> Vec<Logged> {
        let now = self.runner.clock.now();
        let head = input.work.head().derive(self.stage().name(), 1, now);
        let body = self.rejection(&input.delivery, reason, attempts, now);
        let ended = (!self.stage().follows()).then(|| self.ended(&*input.work, reason, 0));
        ended.into_iter().chain([logged(&Envelope { head, body }, self.rejected)]).collect()
    }

    fn rejection(&self, delivery: &Delivery, reason: Reason, attempts: i32, at: Instant) -> Rejected {
        // What cannot be published would be published for ever. It stays where it was; the place is told.
        let fits = delivery.bytes.len() <= ORIGINAL_BYTES_MAX;
        let original = if fits { delivery.bytes.to_vec() } else { Vec::new() };
        if !fits {
            warn!(topic = %delivery.topic, partition = delivery.partition, offset = delivery.offset, bytes = delivery.bytes.len(), "the original is too large to travel with its rejection");
        }
        Rejected {
            stage: self.stage().name().into(),
            reason,
            topic: delivery.topic.to_string(),
            partition: delivery.partition,
            offset: delivery.offset,
            attempts,
            first_at: at,
            code_version: env!("CARGO_PKG_VERSION").into(),
            original,
        }
    }

    /// Rejects bytes that are no event, unless their partition was lost meanwhile.
    pub(super) async fn reject_undecodable(&self, delivery: &Delivery, why: &str) -> Result<(), Unreachable> {
        let Some(busy) = delivery.begin() else { return Ok(()) };
        error!(stage = self.stage().name(), topic = %delivery.topic, partition = delivery.partition, offset = delivery.offset, why, "rejected what cannot be decoded");
        match delivery.tenure.clone().hold(self.append_undecodable(delivery)).await {
            Ok(()) => busy.done(),
            Err(err) if delivery.tenure.is_held() => return Err(err),
            Err(_) => {}
        }
        Ok(())
    }

    /// Bytes that are no event have no id: their cause is where they were.
    async fn append_undecodable(&self, delivery: &Delivery) -> Result<(), Unreachable> {
        let place = format!("{}/{}/{}", delivery.topic, delivery.partition, delivery.offset);
        let sync = SyncId::for_key(&delivery.key, "undecodable", &place);
        let (cause, now) = (EventId::root(sync), self.runner.clock.now());
        let id = EventId::derived(cause, self.stage().name(), 0);
        let head = Head { id, cause, sync, subject: delivery.key.clone(), at: now, mode: Mode::Live };
        let body = self.rejection(delivery, Reason::Undecodable, 1, now);
        let key = StepKey { subject: delivery.key.clone(), sync, stage: self.stage().name().into(), cause };
        let outputs = vec![logged(&Envelope { head, body }, self.rejected)];
        let step = Step { key, at: now, bearing: Bearing::Within, outputs, roots: Vec::new() };
        let stands = self.runner.store.log.append(step).await?;
        self.meters.count("rejected");
        self.runner.publish(&stands).await
    }
}
