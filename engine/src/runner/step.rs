//! What a worker does with one event: recall, process, append, publish.

use super::worker::{Input, Worker};
use crate::{
    backoff::backoff,
    bus::{Unreachable, still_held},
    failpoint,
    stage::{AnyAnswer, Later, Work, lane_of},
    store::{Bearing, Step, StepKey, Timer},
};
use futures::FutureExt;
use schemas::event::Reason;
use std::{panic::AssertUnwindSafe, time::Duration};
use tracing::{Instrument, error, info_span};

/// How often an event may make its stage panic before it is rejected.
const PANICS_MAX: i32 = 3;
/// The age at which a failing event is given up, whatever its attempts.
const AGE_MAX: Duration = Duration::from_secs(72 * 3600);

impl Worker {
    pub(super) fn key(&self, work: &dyn Work) -> StepKey {
        let head = work.head();
        StepKey {
            subject: head.subject.clone(),
            sync: head.sync,
            stage: self.stage().name().into(),
            cause: work.cause(),
        }
    }

    /// One event: recall, process, append, publish. On the first attempt what was recalled with its batch is trusted.
    pub(super) async fn handle(&self, input: &Input, is_first: bool) -> Result<(), Unreachable> {
        let (head, stage) = (input.work.head(), self.stage().name());
        let lane = lane_of(self.node.from).name();
        let span = info_span!("step", stage, lane, event = %head.id, sync = %head.sync, subject = %head.subject);
        let begun = std::time::Instant::now();
        let result = self.step(input, is_first).instrument(span).await;
        self.meters.took(begun.elapsed(), result.as_ref().map_or("unreachable", |it| *it));
        result.map(|_| ())
    }

    async fn step(&self, input: &Input, is_first: bool) -> Result<&'static str, Unreachable> {
        let (store, work, name) = (&self.runner.store, &*input.work, self.stage().name());
        let mut recalled = input.recalled.clone();
        if recalled.is_none() && (!is_first || self.stage().closes()) {
            // The attempt before may have appended it; an earlier event of the same batch may have ended the sync.
            recalled = store.log.recall(&[self.key(work)]).await?.pop().flatten();
        }
        if let Some(step) = recalled {
            self.runner.publish(&step).await?;
            store.timers.remove(name, work.head().id).await?;
            return Ok("recalled");
        }
        let working = self.working.acquire().await.map_err(|err| Unreachable(err.to_string()))?;
        // A bug that one event meets must not stop the stage for everybody.
        let answer = match AssertUnwindSafe(work.process()).catch_unwind().await {
            Ok(answer) => answer?,
            Err(_) => {
                error!(stage = name, "a stage panicked; the event is tried again, then rejected");
                AnyAnswer::Later(Later { at: None, gives_up: Some((PANICS_MAX, Reason::Malformed)) })
            }
        };
        failpoint::reached(name, "process");
        let (outputs, roots, what) = match answer {
            AnyAnswer::Nothing => return Ok("nothing"),
            AnyAnswer::Made { outputs, roots } => (outputs, roots, "out"),
            AnyAnswer::Followed(messages) => {
                // Before the step, which does not keep them: a cut between the two makes the same ones again.
                still_held()?;
                self.runner.bus.publish(messages).await?;
                (Vec::new(), Vec::new(), "out")
            }
            AnyAnswer::Later(later) => match self.put_off(work, later).await? {
                None => return Ok("later"),
                Some((reason, attempts)) => (self.rejected(input, reason, attempts), Vec::new(), "rejected"),
            },
            AnyAnswer::End(_) if self.stage().follows() => (Vec::new(), Vec::new(), "ended"),
            AnyAnswer::End(reason) => (vec![self.ended(work, reason, 0)], Vec::new(), "ended"),
            AnyAnswer::Reject(reason) => (self.rejected(input, reason, 1), Vec::new(), "rejected"),
        };
        let bearing = if self.stage().closes() { Bearing::Closes } else { Bearing::Within };
        let step = Step { key: self.key(work), at: self.runner.clock.now(), bearing, outputs, roots };
        let stands = store.log.append(step).await?;
        failpoint::reached(name, "append");
        drop(working);
        self.runner.publish(&stands).await?;
        failpoint::reached(name, "publish");
        // Only now: another member that met this event meanwhile may have put it off, and count on its timer alone.
        store.timers.remove(name, work.head().id).await?;
        Ok(what)
    }

    /// Writes the timer of an event that is to come again; or says why it is given up, and after how many attempts.
    async fn put_off(&self, work: &dyn Work, later: Later) -> Result<Option<(Reason, i32)>, Unreachable> {
        let (timers, now, head) = (&self.runner.store.timers, self.runner.clock.now(), work.head());
        let name = self.stage().name();
        let earlier = timers.get(name, head.id).await?;
        let (mut attempts, mut first_at) = earlier.map_or((0, now), |it| (it.attempts, it.first_at));
        if let Some((attempts_max, reason)) = later.gives_up {
            if attempts == 0 {
                // Waiting for a permit is no failure and does not age.
                first_at = now;
            }
            attempts += 1;
            if attempts >= attempts_max || now.since(first_at) > AGE_MAX {
                return Ok(Some((reason, attempts)));
            }
        }
        let at = later.at.unwrap_or_else(|| now.plus(backoff(attempts)));
        let timer = Timer {
            stage: name.into(),
            event: head.id,
            subject: head.subject.clone(),
            sync: head.sync,
            at,
            attempts,
            first_at,
        };
        timers.schedule(timer).await?;
        failpoint::reached(name, "timer_written");
        Ok(None)
    }
}
