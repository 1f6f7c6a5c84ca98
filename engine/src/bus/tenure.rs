//! What a member of a group holds of a partition, as long as it has it.
//!
//! A tenure ends when the partition goes to another member. Before that the work that has begun may end, and what is
//! done is noted for the group; after a loss (the group has given the partition away without asking) nothing is.

use super::Unreachable;
use crate::offsets::OffsetTracker;
use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// The most messages of a partition that are on their way.
const COUNT_MAX: usize = 10_000;
/// The most bytes of a partition that are on their way.
const BYTES_MAX: usize = 64 << 20;
/// The greatest age of a message that is on its way, while more are taken.
const AGE_MAX: Duration = Duration::from_secs(60);
/// The most bytes of all partitions of a process that are on their way.
const BUDGET_BYTES_MAX: usize = 256 << 20;
/// A partition rests from this share of a limit on …
const REST_AT: f64 = 0.8;
/// … until it is down to this one.
const RESUME_AT: f64 = 0.5;

tokio::task_local! {
    /// The tenure of the input that this task works on.
    static CURRENT: Tenure;
}

/// Whether the partition of the input that this task works on is still held: to be asked before anything that another
/// member may be doing by now. True outside of such work.
///
/// # Errors
/// When it is not. The work is abandoned; the other member does it.
pub fn still_held() -> Result<(), Unreachable> {
    match CURRENT.try_with(Tenure::is_held) {
        Ok(false) => Err(Unreachable("the partition went to another member".into())),
        _ => Ok(()),
    }
}

/// Bytes that are on their way, of all partitions of a process.
#[derive(Clone, Debug, Default)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// How many.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// When the thread that hears of losses last listened. A process that was frozen must not act on what it held before
/// it has listened again.
#[derive(Debug)]
pub struct Pulse {
    begun: Instant,
    last_ms: AtomicU64,
    silence_max: Duration,
}

impl Pulse {
    /// A thread that listens now; a silence longer than this is a loss.
    #[must_use]
    pub fn new(silence_max: Duration) -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), last_ms: AtomicU64::new(0), silence_max })
    }

    /// It listens; `false` if it was silent for too long.
    pub fn beat(&self) -> bool {
        let is_alive = self.is_alive();
        self.last_ms.store(self.now_ms(), Ordering::Release);
        is_alive
    }

    fn is_alive(&self) -> bool {
        let silence = self.now_ms().saturating_sub(self.last_ms.load(Ordering::Acquire));
        u128::from(silence) <= self.silence_max.as_millis()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Called when work ends: the next offset to read, if it has moved, and whether no work is left.
pub(super) type Heard = Box<dyn Fn(Option<i64>, bool) + Send + Sync>;

/// What a member holds of a partition. Clones are the same tenure.
#[derive(Clone)]
pub struct Tenure(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Told when no work is left.
    idle: Condvar,
    pulse: Option<Arc<Pulse>>,
    budget: Budget,
    heard: Heard,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    tracker: OffsetTracker,
    /// The next offset to read; none before anything is done.
    reached: Option<i64>,
    n_busy: usize,
    rests: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Held,
    /// Nothing new is begun; what has begun may end.
    Draining,
    Ended,
}

impl Tenure {
    /// The tenure of a partition that was just given; `heard` is told when work ends.
    pub(super) fn new(pulse: Option<Arc<Pulse>>, budget: Budget, heard: Heard) -> Self {
        let state =
            State { phase: Phase::Held, tracker: OffsetTracker::default(), reached: None, n_busy: 0, rests: false };
        Self(Arc::new(Inner { state: Mutex::new(state), idle: Condvar::new(), pulse, budget, heard }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, each change is whole by itself.
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Once too late is too late for ever: work may have been abandoned for it.
        if state.phase != Phase::Ended && self.0.pulse.as_ref().is_some_and(|it| !it.is_alive()) {
            self.ended(&mut state);
        }
        state
    }

    fn ended(&self, state: &mut State) {
        state.phase = Phase::Ended;
        let tracker = std::mem::take(&mut state.tracker);
        self.0.budget.0.fetch_sub(tracker.bytes(), Ordering::Relaxed);
    }

    /// Whether the partition is still this member's.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lock().phase != Phase::Ended
    }

    /// Begins the work on an offset; none if the partition is no longer held or is about to go.
    #[must_use]
    pub fn begin(&self, offset: i64) -> Option<Busy> {
        let mut state = self.lock();
        if state.phase != Phase::Held {
            return None;
        }
        state.n_busy += 1;
        drop(state);
        Some(Busy { tenure: self.clone(), offset, is_done: false })
    }

    /// Does this work as the holder of the partition, see [`still_held`].
    pub async fn hold<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// A message was delivered.
    pub(super) fn delivered(&self, offset: i64, bytes: usize) {
        let mut state = self.lock();
        if state.phase != Phase::Ended {
            let before = state.tracker.bytes();
            state.tracker.delivered(offset, bytes);
            self.0.budget.0.fetch_add(state.tracker.bytes() - before, Ordering::Relaxed);
        }
    }

    /// Whether so much is on its way that no more is to be taken.
    pub(super) fn rests(&self) -> bool {
        let mut state = self.lock();
        let share = self.share(&state);
        if share >= REST_AT {
            state.rests = true;
        } else if share <= RESUME_AT {
            state.rests = false;
        }
        state.rests || state.phase != Phase::Held
    }

    /// How much is on its way, as a share of the limit that is nearest.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more precision")]
    fn share(&self, state: &State) -> f64 {
        let tracker = &state.tracker;
        let Some(oldest) = tracker.oldest() else { return 0.0 };
        let shares = [
            tracker.n_open() as f64 / COUNT_MAX as f64,
            tracker.bytes() as f64 / BYTES_MAX as f64,
            oldest.elapsed().as_secs_f64() / AGE_MAX.as_secs_f64(),
            self.0.budget.bytes() as f64 / BUDGET_BYTES_MAX as f64,
        ];
        shares.into_iter().fold(0.0, f64::max)
    }

    /// The next offset to read: everything before it is done. None before anything is.
    pub(super) fn reached(&self) -> Option<i64> {
        self.lock().reached
    }

    /// Nothing new is begun from now on; `true` if nothing is left to end.
    pub(super) fn drain(&self) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Held {
            state.phase = Phase::Draining;
        }
        state.n_busy == 0
    }

    /// Waits until nothing is left to end, or until then.
    pub(super) fn wait(&self, until: Instant) {
        let mut state = self.lock();
        while state.n_busy > 0 && state.phase != Phase::Ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends it; gives the position that the group may note.
    pub(super) fn end(&self) -> Option<i64> {
        let mut state = self.lock();
        if state.phase == Phase::Ended {
            return None;
        }
        self.ended(&mut state);
        state.reached
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.budget.0.fetch_sub(state.tracker.bytes(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenure").field(&self.lock().phase).finish()
    }
}

/// Work on a message that has begun. Dropping it says that it was not done.
#[derive(Debug)]
#[must_use]
pub struct Busy {
    tenure: Tenure,
    offset: i64,
    is_done: bool,
}

impl Busy {
    /// The work is done: the message is not delivered again, unless the partition was lost meanwhile.
    pub fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.tenure.lock();
        state.n_busy -= 1;
        let mut moved = None;
        if self.is_done && state.phase != Phase::Ended {
            let before = state.tracker.bytes();
            state.tracker.done(self.offset);
            moved = state.tracker.advance();
            state.reached = moved.or(state.reached);
            self.tenure.0.budget.0.fetch_sub(before - state.tracker.bytes(), Ordering::Relaxed);
        }
        let is_idle = state.n_busy == 0;
        drop(state);
        if is_idle {
            self.tenure.0.idle.notify_all();
        }
        (self.tenure.0.heard)(moved, is_idle);
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Budget, COUNT_MAX, Pulse, Tenure, still_held};
    use std::time::{Duration, Instant};

    fn tenure(budget: &Budget) -> Tenure {
        Tenure::new(None, budget.clone(), Box::new(|_, _| {}))
    }

    #[test]
    fn only_what_is_done_without_a_hole_is_reached() {
        let budget = Budget::default();
        let tenure = tenure(&budget);
        for offset in [3, 4, 7] {
            tenure.delivered(offset, 10);
        }
        let begun: Vec<_> = [3, 4, 7].into_iter().filter_map(|it| tenure.begin(it)).collect();
        let [first, second, third] = <[_; 3]>::try_from(begun).unwrap();
        third.done();
        assert_eq!(tenure.reached(), None);
        first.done();
        assert_eq!(tenure.reached(), Some(4));
        drop(second);
        assert_eq!(tenure.reached(), Some(4), "what is dropped is not done");
        assert_eq!(budget.bytes(), 20, "two are on their way: one waits for the other");
        assert_eq!(tenure.end(), Some(4));
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn a_drain_lets_end_what_has_begun_and_begins_nothing() {
        let tenure = tenure(&Budget::default());
        tenure.delivered(1, 1);
        tenure.delivered(2, 1);
        let busy = tenure.begin(1).unwrap();
        assert!(!tenure.drain());
        assert!(tenure.begin(2).is_none() && tenure.is_held());
        let working = std::thread::spawn(move || busy.done());
        tenure.wait(Instant::now() + Duration::from_secs(30));
        working.join().unwrap();
        assert_eq!(tenure.end(), Some(2));
        assert!(!tenure.is_held());
    }

    #[test]
    fn what_is_done_after_the_end_is_not_done() {
        let tenure = tenure(&Budget::default());
        tenure.delivered(1, 1);
        let busy = tenure.begin(1).unwrap();
        tenure.end();
        busy.done();
        assert_eq!(tenure.reached(), None);
        assert!(tenure.begin(1).is_none());
    }

    #[test]
    fn a_partition_rests_until_half_of_it_is_done() {
        for (count, bytes) in [(COUNT_MAX, 1), (100, BYTES_MAX / 100)] {
            let tenure = tenure(&Budget::default());
            let offset = |it: usize| i64::try_from(it).unwrap();
            let full = count * 8 / 10;
            for it in 0..full {
                assert!(!tenure.rests());
                tenure.delivered(offset(it), bytes);
            }
            tenure.delivered(offset(full), bytes);
            assert!(tenure.rests());
            for it in 0..=full {
                let left = full + 1 - it;
                assert_eq!(tenure.rests(), left > count / 2, "{left} of {count} left");
                tenure.begin(offset(it)).unwrap().done();
            }
        }
    }

    #[test]
    fn a_silence_of_the_listener_ends_it_for_good() {
        let pulse = Pulse::new(Duration::ZERO);
        let tenure = Tenure::new(Some(pulse.clone()), Budget::default(), Box::new(|_, _| {}));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
        assert!(!tenure.is_held());
        assert!(!pulse.beat());
        assert!(!tenure.is_held(), "work may have been abandoned meanwhile");
    }

    #[tokio::test]
    async fn work_knows_whether_its_partition_is_held() {
        let tenure = tenure(&Budget::default());
        assert!(still_held().is_ok(), "nothing is held outside of work");
        let inside = tenure.clone();
        tenure
            .hold(async move {
                assert!(still_held().is_ok());
                inside.end();
                assert!(still_held().is_err());
            })
            .await;
    }
}
