//! Delivering what waited for its time.

use super::{Runner, UNREACHABLE_PAUSE};
use crate::{bus::Unreachable, failpoint, stage::message, store::Timer};
use metrics::counter;
use schemas::time::Instant;
use std::time::Duration;
use tokio::sync::watch;

/// How many due timers are taken at once.
const DUE_MAX: usize = 100;
/// How far a fired timer moves on: the longest that a delivery which was lost with this process is waited for.
const MOVED: Duration = Duration::from_secs(300);
/// The longest pause between two looks: new timers may be earlier than the next one known now.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

impl Runner {
    /// Delivers due timers until `stop` turns true. A fired timer moves on by five minutes: it is removed once its
    /// step is published, so that a delivery that is lost is made again.
    pub async fn fire_timers(&self, mut stop: watch::Receiver<bool>) {
        let mut wait = None;
        while !*stop.borrow() {
            let fired = self.fire_due(&stop).await;
            match &fired {
                Ok(_) => wait = None,
                Err(err) => drop(wait.get_or_insert_with(|| self.waits.begin("timers", err))),
            }
            let next = fired.ok().flatten();
            let pause = next.unwrap_or_else(|| self.clock.now().plus(UNREACHABLE_PAUSE));
            let wake = pause.min(self.clock.now().plus(LOOK_PAUSE));
            tokio::select! {
                () = self.clock.sleep_until(wake) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn fire_due(&self, stop: &watch::Receiver<bool>) -> Result<Option<Instant>, Unreachable> {
        loop {
            let due = self.store.timers.due(self.clock.now(), DUE_MAX).await?;
            if due.is_empty() {
                return self.store.timers.next().await;
            }
            for timer in due {
                self.fire(&timer, stop).await?;
                counter!("syncwell_timers_fired_total", "stage" => timer.stage.clone()).increment(1);
                failpoint::reached(&timer.stage, "timer_fired");
            }
        }
    }

    /// Fires one, and goes on until it has: once it has moved nobody else looks for it before its new time.
    async fn fire(&self, timer: &Timer, stop: &watch::Receiver<bool>) -> Result<(), Unreachable> {
        let mut wait = None;
        loop {
            match self.deliver(timer).await {
                Err(err) if !*stop.borrow() => {
                    wait.get_or_insert_with(|| self.waits.begin("timers", &err));
                    tokio::time::sleep(UNREACHABLE_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn deliver(&self, timer: &Timer) -> Result<(), Unreachable> {
        let event = self.store.log.event(&timer.subject, timer.sync, timer.event).await?;
        // Before it is published: its stage may put it off again at once, and that time stands.
        let moved = Timer { at: self.clock.now().plus(MOVED), ..timer.clone() };
        self.store.timers.schedule(moved).await?;
        match event {
            Some(event) => self.bus.publish(vec![message(&timer.subject, &event)]).await,
            None => self.end_expired_timer(timer).await,
        }
    }
}
