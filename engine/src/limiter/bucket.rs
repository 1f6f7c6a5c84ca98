//! What is counted of a provider's limits: pure.

use super::Share;
use crate::provider::{Limit, Usage, Verb, Verbs};
use schemas::time::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The share of a window that cold work may use, in percent.
const COLD_PERCENT: u32 = 30;
/// The share of a window that repairs may use, in percent.
const REPAIR_PERCENT: u32 = 10;

/// What is counted in one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// Per limit: (number of the window since 1970, calls in it, cold calls in it).
    windows: BTreeMap<String, (i64, u32, u32)>,
    /// Per limit: (number of the window since 1970, calls of repairs in it).
    #[serde(default)]
    repairs: BTreeMap<String, (i64, u32)>,
    /// Nobody calls before this.
    blocked_until: Option<Instant>,
}

/// What is to happen to a bucket.
#[derive(Debug)]
pub(super) enum Change {
    /// A call is to go out.
    Reserve {
        /// What it counts for.
        limits: Vec<Limit>,
        /// What it does.
        verb: Verb,
        /// How much of a window it may use.
        share: Share,
    },
    /// The provider has answered one.
    Learn {
        /// The limits of the bucket.
        limits: Vec<Limit>,
        /// What it says of them.
        usage: Vec<Usage>,
        /// Nobody calls before this.
        until: Option<Instant>,
        /// When it answered.
        at: Instant,
    },
}

impl Change {
    /// Makes it; when a call may go out, if not now.
    pub(super) fn make(&self, bucket: &mut Bucket, now: Instant) -> Option<Instant> {
        match self {
            Self::Reserve { limits, verb, share } => bucket.reserve(limits, *verb, *share, now).err(),
            Self::Learn { limits, usage, until, at } => {
                bucket.learn(limits, usage, *until, *at, now);
                None
            }
        }
    }
}

impl Bucket {
    /// Reserves a call now, or says when the first slot will be.
    pub(super) fn reserve(&mut self, limits: &[Limit], verb: Verb, share: Share, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.blocked_until.filter(|it| *it > now) {
            return Err(until);
        }
        let counted = || limits.iter().filter(|it| it.verbs == Verbs::All || verb == Verb::Read);
        for limit in counted() {
            let (window, ends) = self.window(limit, now);
            let (used, cold) =
                self.windows.get(limit.name).filter(|it| it.0 == window).map_or((0, 0), |it| (it.1, it.2));
            let cold_max = (limit.calls_max.saturating_mul(COLD_PERCENT) / 100).max(1);
            let repairs = self.repairs.get(limit.name).filter(|it| it.0 == window).map_or(0, |it| it.1);
            let repair_max = (limit.calls_max.saturating_mul(REPAIR_PERCENT) / 100).max(1);
            let is_spent = match share {
                Share::Hot => false,
                Share::Cold => cold >= cold_max,
                Share::Repair => cold >= cold_max || repairs >= repair_max,
            };
            if used >= limit.calls_max || is_spent {
                return Err(ends);
            }
        }
        for limit in counted() {
            let (window, _) = self.window(limit, now);
            let entry = self.counted(limit, window);
            entry.1 += 1;
            entry.2 += u32::from(share != Share::Hot);
            if share == Share::Repair {
                let repairs = self.repairs.entry(limit.name.into()).or_insert((window, 0));
                *repairs = if repairs.0 == window { (window, repairs.1 + 1) } else { (window, 1) };
            }
        }
        Ok(())
    }

    /// The provider's own word wins: its counts where they are higher, its pause where it is longer.
    pub(super) fn learn(
        &mut self,
        limits: &[Limit],
        usage: &[Usage],
        until: Option<Instant>,
        at: Instant,
        now: Instant,
    ) {
        self.blocked_until = self.blocked_until.filter(|it| *it > now).max(until);
        for said in usage {
            let Some(limit) = limits.iter().find(|it| it.name == said.name) else { continue };
            let (window, _) = self.window(limit, now);
            if window_of(limit, at).0 < window {
                // It speaks of a window that is over.
                continue;
            }
            let entry = self.counted(limit, window);
            // A smaller limit than we know leaves as much less room.
            entry.1 = entry.1.max(said.used.saturating_add(limit.calls_max.saturating_sub(said.limit)));
        }
    }

    /// The number of the window that a call counts in, and when it ends: the one that `now` is in, or the next one if
    /// a process whose clock is ahead of ours counts in that already. What it counted must not be forgotten.
    fn window(&self, limit: &Limit, now: Instant) -> (i64, Instant) {
        let (window, ends) = window_of(limit, now);
        match self.windows.get(limit.name) {
            Some(it) if it.0 == window + 1 => (it.0, ends.plus(limit.window)),
            _ => (window, ends),
        }
    }

    /// What is counted in a window.
    fn counted(&mut self, limit: &Limit, window: i64) -> &mut (i64, u32, u32) {
        let entry = self.windows.entry(limit.name.into()).or_insert((window, 0, 0));
        if entry.0 != window {
            *entry = (window, 0, 0);
        }
        entry
    }
}

/// The number of the window that `now` is in, and when it ends.
pub(super) fn window_of(limit: &Limit, now: Instant) -> (i64, Instant) {
    let length = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX).max(1);
    let window = now.0.div_euclid(length);
    (window, Instant((window + 1).saturating_mul(length)))
}

#[cfg(test)]
mod tests {
    use super::{super::Share, Bucket};
    use crate::provider::{Limit, Scope, Usage, Verb, Verbs};
    use proptest::prelude::*;
    use schemas::time::Instant;
    use std::{collections::HashMap, time::Duration};

    const LIMITS: [Limit; 2] = [
        Limit { name: "all", scope: Scope::App, verbs: Verbs::All, window: Duration::from_secs(900), calls_max: 7 },
        Limit { name: "reads", scope: Scope::App, verbs: Verbs::Reads, window: Duration::from_secs(900), calls_max: 4 },
    ];

    proptest! {
        #[test]
        fn no_more_is_issued_than_a_window_allows(calls in prop::collection::vec((0i64..400, any::<bool>(), any::<bool>()), 1..200)) {
            let mut bucket = Bucket::default();
            let mut now = Instant(0);
            let mut issued: HashMap<(i64, bool), u32> = HashMap::new();
            for (pause, read, cold) in calls {
                now = now.plus(Duration::from_secs(pause.unsigned_abs()));
                let verb = if read { Verb::Read } else { Verb::Write };
                let share = if cold { Share::Cold } else { Share::Hot };
                match bucket.reserve(&LIMITS, verb, share, now) {
                    Ok(()) => *issued.entry((now.seconds() / 900, read)).or_default() += 1,
                    Err(at) => prop_assert!(at > now),
                }
            }
            for ((window, read), count) in &issued {
                let other = issued.get(&(*window, !read)).copied().unwrap_or(0);
                prop_assert!(count + other <= 7);
                prop_assert!(!read || *count <= 4);
            }
        }

        #[test]
        fn processes_whose_clocks_differ_issue_no_more_than_twice_a_window(calls in prop::collection::vec((0i64..30, 0i64..60), 1..200)) {
            let (mut bucket, mut now, mut issued) = (Bucket::default(), Instant(0), HashMap::new());
            for (pause, ahead) in calls {
                now = now.plus(Duration::from_secs(pause.unsigned_abs()));
                let told = now.plus(Duration::from_secs(ahead.unsigned_abs()));
                if bucket.reserve(&LIMITS[..1], Verb::Write, Share::Hot, told).is_ok() {
                    *issued.entry(now.seconds() / 900).or_insert(0_u32) += 1;
                }
            }
            // Those of this window, and of the next one by the clocks that are there already: never one of them anew.
            prop_assert!(issued.values().all(|it| *it <= 14), "{issued:?}");
        }
    }

    #[test]
    fn a_repair_uses_no_more_than_its_share() {
        let limit = Limit { calls_max: 50, ..LIMITS[0] };
        let mut bucket = Bucket::default();
        let mut take = |share, now| bucket.reserve(&[limit], Verb::Write, share, now).is_ok();
        let now = Instant(0);
        assert_eq!((0..50).filter(|_| take(Share::Repair, now)).count(), 5, "a tenth");
        assert_eq!((0..50).filter(|_| take(Share::Cold, now)).count(), 10, "of the three tenths of cold work");
        assert_eq!((0..50).filter(|_| take(Share::Hot, now)).count(), 35, "the rest is there for who waits");
        assert!(take(Share::Repair, Instant::from_seconds(900)), "and anew in the next window");
    }

    #[test]
    fn who_comes_late_forgets_nothing_and_is_counted() {
        let (mut bucket, limits) = (Bucket::default(), &LIMITS[..1]);
        let (before, after) = (Instant::from_seconds(899), Instant::from_seconds(901));
        let n_issued = (0..9).filter(|it| {
            let now = if it % 2 == 0 { after } else { before };
            bucket.reserve(limits, Verb::Write, Share::Hot, now).is_ok()
        });
        assert_eq!(n_issued.count(), 7, "a clock that is two seconds behind counts with the others");
        assert_eq!(
            bucket.reserve(limits, Verb::Write, Share::Hot, before),
            Err(Instant::from_seconds(1800)),
            "until that window is over"
        );
    }

    #[test]
    fn what_a_provider_says_of_a_window_counts_in_that_window() {
        let limits = &LIMITS[..1];
        let said = [Usage { name: "all", used: 7, limit: 7 }];
        for (at, now, is_spent) in [(899, 899, true), (899, 901, false), (901, 901, true)] {
            let mut bucket = Bucket::default();
            let (at, now) = (Instant::from_seconds(at), Instant::from_seconds(now));
            bucket.learn(limits, &said, None, at, now);
            let reserved = bucket.reserve(limits, Verb::Write, Share::Hot, now);
            assert_eq!(reserved.is_err(), is_spent, "said at {at}, heard at {now}");
        }
    }
}
