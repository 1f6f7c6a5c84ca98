//! What time it is. Everything that needs the wall clock is given one of these, so that tests and replays decide.

use schemas::time::Instant;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// A wall clock; clones show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// The machine's clock, and how much later than it this one is.
    Real { ahead: Duration },
    /// A clock that only moves when it is told to; `since` and `start` are one moment on its two scales.
    Manual { now: Arc<watch::Sender<Instant>>, start: Instant, since: tokio::time::Instant },
}

/// The longest nap of a sleeper: a machine's clock may be set while it sleeps.
const NAP_MAX: Duration = Duration::from_secs(30);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn real() -> Self {
        Self::shifted(Duration::ZERO)
    }

    /// A clock that runs as the machine's does, ahead of it by that much.
    #[must_use]
    pub const fn shifted(by: Duration) -> Self {
        Self(Source::Real { ahead: by })
    }

    /// A clock that stands at `start` until it is moved.
    #[must_use]
    pub fn manual(start: Instant) -> (Self, ManualClock) {
        let now = Arc::new(watch::Sender::new(start));
        let since = tokio::time::Instant::now();
        (Self(Source::Manual { now: Arc::clone(&now), start, since }), ManualClock(now))
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::Real { ahead } => machine_time().plus(*ahead),
            Source::Manual { now, .. } => *now.borrow(),
        }
    }

    /// The present moment on a scale that is never set back: for how long something took within this process.
    #[must_use]
    pub fn monotonic(&self) -> tokio::time::Instant {
        match &self.0 {
            Source::Real { .. } => tokio::time::Instant::now(),
            Source::Manual { now, start, since } => *since + now.borrow().since(*start),
        }
    }

    /// Returns once this clock shows `at` or later.
    pub async fn sleep_until(&self, at: Instant) {
        match &self.0 {
            Source::Real { .. } => loop {
                let left = at.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP_MAX)).await;
            },
            // The channel cannot close: this clock holds its sender.
            Source::Manual { now, .. } => drop(now.subscribe().wait_for(|now| *now >= at).await),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the machine is asked")]
fn machine_time() -> Instant {
    // A machine that believes to be before 1970 is taken to be in 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant(0).plus(since)
}

/// The hands of a manual clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Instant>>);

impl ManualClock {
    /// Moves the clock on and wakes who slept until then.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = now.plus(by));
    }

    /// Moves the clock on to `at` and wakes who slept until then; a clock that is later stays where it is.
    pub fn advance_to(&self, at: Instant) {
        self.0.send_modify(|now| *now = (*now).max(at));
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Instant};
    use futures::FutureExt;
    use std::time::Duration;

    const START: Instant = Instant(1_000_000);

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_to_its_time() {
        let (clock, hands) = Clock::manual(START);
        let at = START.plus(Duration::from_secs(10));
        let mut sleeper = Box::pin(clock.sleep_until(at));
        assert!(sleeper.as_mut().now_or_never().is_none(), "not before its time");
        hands.advance(Duration::from_millis(9_999));
        assert!(sleeper.as_mut().now_or_never().is_none(), "not a millisecond before");
        hands.advance_to(at);
        assert!(sleeper.as_mut().now_or_never().is_some(), "at its time");
        assert_eq!(clock.clone().now(), at, "clones show the same time");
        assert!(clock.sleep_until(at).now_or_never().is_some(), "who comes late does not sleep");
    }

    #[test]
    fn a_manual_clock_never_goes_back() {
        let (clock, hands) = Clock::manual(START);
        hands.advance_to(Instant(0));
        assert_eq!(clock.now(), START);
        let before = clock.monotonic();
        hands.advance(Duration::from_secs(5));
        assert_eq!(clock.monotonic() - before, Duration::from_secs(5), "both scales move together");
    }

    #[tokio::test]
    async fn a_shifted_clock_is_ahead_of_the_real_one() {
        let hour = Duration::from_secs(3600);
        let (real, shifted) = (Clock::real(), Clock::shifted(hour));
        let before = real.now().plus(hour);
        assert!(shifted.now() >= before && shifted.now() <= real.now().plus(hour));
        assert!(real.sleep_until(real.now()).now_or_never().is_some());
        real.sleep_until(real.now().plus(Duration::from_millis(5))).await;
    }
}
