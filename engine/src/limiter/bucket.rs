//! What is counted of a provider's limits: pure.

use super::Share;
use crate::provider::{Limit, Usage, Verb};
use schemas::time::Instant;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// The share of a window that cold work may use, in percent.
const COLD_PERCENT: u32 = 30;
/// The share of a window that repairs may use, in percent.
const REPAIR_PERCENT: u32 = 10;

/// Under limits of at least this many calls a process takes some ahead: one change of the store a call would be the
/// bound, not the provider.
const LEASE_FROM: u32 = 10_000;
/// The share of a window that one process takes ahead, in thousandths.
const LEASE_PERMILLE: u32 = 1;
/// The most calls that one process takes ahead.
const LEASE_MAX: u32 = 256;
/// A lease ends so much earlier than its window: the provider's clock may be ahead of ours.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How long a process goes by what it knows of a bucket: others may have met a block.
const FRESH: Duration = Duration::from_secs(1);

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
    pub(super) fn make(&self, bucket: &mut Bucket, leases: &mut Leases, now: Instant) -> Option<Instant> {
        match self {
            Self::Reserve { limits, verb, share } => {
                if let Some(until) = bucket.blocked(now) {
                    return Some(until);
                }
                if leases.take(*verb, *share, now) {
                    return None;
                }
                let reserved = bucket.reserve(limits, *verb, *share, now);
                if reserved.is_ok() {
                    leases.fill(bucket, limits, *verb, *share, now);
                }
                reserved.err()
            }
            Self::Learn { limits, usage, until, at } => {
                let counted = bucket.windows.clone();
                bucket.learn(limits, usage, *until, *at, now);
                if bucket.windows != counted {
                    // The provider counts more than we do: what was taken ahead may not be there.
                    *leases = Leases::default();
                }
                None
            }
        }
    }
}

/// What this process knows of a bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    bucket: Bucket,
    seen_at: Option<Instant>,
    leases: Leases,
}

impl Known {
    /// The bucket as the store has it now, and what is left of the leases.
    pub(super) fn new(bucket: Bucket, seen_at: Instant, leases: Leases) -> Self {
        Self { bucket, seen_at: Some(seen_at), leases }
    }

    /// Makes a change that needs no look at the store, if it is one: a call that is counted already, or news that are
    /// none. What is counted in a window only grows, so that what was known of it is a lower bound.
    pub(super) fn make(&mut self, change: &Change, now: Instant) -> bool {
        match change {
            Change::Reserve { limits, verb, share } => {
                let is_fresh = self.seen_at.is_some_and(|at| now.since(at) <= FRESH);
                let mut is_counted =
                    || !limits.iter().any(|it| it.counts(*verb)) || self.leases.take(*verb, *share, now);
                is_fresh && self.bucket.blocked(now).is_none() && is_counted()
            }
            Change::Learn { until: Some(_), .. } => false,
            Change::Learn { limits, usage, at, .. } => {
                let mut after = self.bucket.clone();
                after.learn(limits, usage, None, *at, now);
                after.windows == self.bucket.windows
            }
        }
    }

    /// Takes the leases away while the store is asked: nobody may use one twice.
    pub(super) fn take_leases(&mut self) -> Leases {
        std::mem::take(&mut self.leases)
    }
}

/// Calls of this process that are counted already and have not gone out: how many, and until when they may.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(HashMap<(Verb, Share), (u32, Instant)>);

impl Leases {
    /// Uses one.
    fn take(&mut self, verb: Verb, share: Share, now: Instant) -> bool {
        match self.0.get_mut(&(verb, share)) {
            Some((left, until)) if *left > 0 && now < *until => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// Takes some ahead, under limits that are wide enough.
    fn fill(&mut self, bucket: &mut Bucket, limits: &[Limit], verb: Verb, share: Share, now: Instant) {
        let counted = || limits.iter().filter(|it| it.counts(verb));
        let (Some(calls_max), Some(ends)) =
            (counted().map(|it| it.calls_max).min(), counted().map(|it| bucket.window(it, now).1).min())
        else {
            return;
        };
        let until = ends.minus(LEASE_MARGIN);
        if calls_max < LEASE_FROM || until <= now {
            return;
        }
        let wanted = (calls_max / 1000 * LEASE_PERMILLE).min(LEASE_MAX);
        let taken = (0..wanted).take_while(|_| bucket.reserve(limits, verb, share, now).is_ok()).count();
        self.0.insert((verb, share), (u32::try_from(taken).unwrap_or(0), until));
    }
}

/// The most calls of a window that history and daily work may make.
pub(crate) const fn cold_max(limit: &Limit) -> u32 {
    let share = limit.calls_max.saturating_mul(COLD_PERCENT) / 100;
    if share == 0 { 1 } else { share }
}

impl Bucket {
    /// Reserves a call now, or says when the first slot will be.
    pub(super) fn reserve(&mut self, limits: &[Limit], verb: Verb, share: Share, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.blocked(now) {
            return Err(until);
        }
        let counted = || limits.iter().filter(|it| it.counts(verb));
        for limit in counted() {
            let (window, ends) = self.window(limit, now);
            let (used, cold) =
                self.windows.get(limit.name).filter(|it| it.0 == window).map_or((0, 0), |it| (it.1, it.2));
            let cold_max = cold_max(limit);
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

    /// Until when nobody calls, if that is not over.
    fn blocked(&self, now: Instant) -> Option<Instant> {
        self.blocked_until.filter(|it| *it > now)
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
    use super::{super::Share, Bucket, Change, Known, Leases};
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

    /// Asks a process for a call: what it knows, else the store. Whether it asked the store, and when the call may go out.
    fn ask(known: &mut Known, stored: &mut Bucket, change: &Change, now: Instant) -> (bool, Option<Instant>) {
        if known.make(change, now) {
            return (false, None);
        }
        let mut leases = known.take_leases();
        let answer = change.make(stored, &mut leases, now);
        *known = Known::new(stored.clone(), now, leases);
        (true, answer)
    }

    fn hot(limit: Limit) -> Change {
        Change::Reserve { limits: vec![limit], verb: Verb::Write, share: Share::Hot }
    }

    #[test]
    fn under_wide_limits_few_calls_ask_the_store_and_under_narrow_ones_each_does() {
        for (calls_max, n_expected) in [(9_999, 500), (10_000, 46), (100_000, 5), (9_000_000, 2)] {
            let change = hot(Limit { calls_max, ..LIMITS[0] });
            let (mut known, mut stored) = (Known::default(), Bucket::default());
            let asked = (0..500).filter(|_| ask(&mut known, &mut stored, &change, Instant(0)).0).count();
            assert_eq!(asked, n_expected, "of {calls_max}");
        }
    }

    #[test]
    fn a_block_that_another_process_met_is_heard_of_within_a_second() {
        let change = hot(Limit { calls_max: 100_000, ..LIMITS[0] });
        let (mut known, mut stored) = (Known::default(), Bucket::default());
        assert_eq!(ask(&mut known, &mut stored, &change, Instant(0)), (true, None));
        let until = Instant::from_seconds(60);
        stored.learn(&[], &[], Some(until), Instant(0), Instant(0));
        assert_eq!(ask(&mut known, &mut stored, &change, Instant(900)), (false, None), "it goes by what it knows");
        assert_eq!(ask(&mut known, &mut stored, &change, Instant(1_001)), (true, Some(until)));
        assert_eq!(ask(&mut known, &mut stored, &change, Instant(1_002)), (true, Some(until)), "and goes on so");
    }

    #[test]
    fn what_was_taken_ahead_is_given_up_when_the_provider_counts_more() {
        let limit = Limit { calls_max: 100_000, ..LIMITS[0] };
        let (mut known, mut stored) = (Known::default(), Bucket::default());
        assert_eq!(ask(&mut known, &mut stored, &hot(limit), Instant(0)), (true, None));
        let usage = vec![Usage { name: "all", used: 100_000, limit: 100_000 }];
        let spent = Change::Learn { limits: vec![limit], usage, until: None, at: Instant(0) };
        assert!(ask(&mut known, &mut stored, &spent, Instant(0)).0, "the others are told");
        let ends = Some(Instant::from_seconds(900));
        assert_eq!(ask(&mut known, &mut stored, &hot(limit), Instant(0)), (true, ends), "nothing is left");
    }

    #[test]
    fn news_that_are_none_ask_nobody() {
        let limits = vec![LIMITS[0]];
        let say = |used| Change::Learn {
            limits: limits.clone(),
            usage: vec![Usage { name: "all", used, limit: 7 }],
            until: None,
            at: Instant(0),
        };
        let mut stored = Bucket::default();
        stored.learn(&limits, &[Usage { name: "all", used: 4, limit: 7 }], None, Instant(0), Instant(0));
        let mut known = Known::new(stored, Instant(0), Leases::default());
        for (used, is_none) in [(3, true), (4, true), (5, false)] {
            assert_eq!(known.make(&say(used), Instant(0)), is_none, "{used} calls");
        }
        assert!(known.make(&say(5), Instant::from_seconds(900)), "of a window that is over");
    }

    proptest! {
        #[test]
        fn three_processes_with_leases_issue_no_more_than_a_window_allows(
            calls in prop::collection::vec((0i64..20, 0usize..3, any::<bool>()), 1..2000), calls_max in 10_000u32..10_200,
        ) {
            let limit = Limit { calls_max, window: Duration::from_secs(60), ..LIMITS[0] };
            let change = hot(limit);
            let mut stored = Bucket::default();
            // Most of the window is used already.
            for _ in 0..calls_max - 40 {
                stored.reserve(&[limit], Verb::Write, Share::Hot, Instant(0)).unwrap();
            }
            let (mut processes, mut now, mut issued) = (vec![Known::default(); 3], Instant(0), 0);
            for (pause, process, dies) in calls {
                now = now.plus(Duration::from_millis(pause.unsigned_abs()));
                if dies && pause == 0 {
                    processes[process] = Known::default();
                }
                issued += u32::from(ask(&mut processes[process], &mut stored, &change, now).1.is_none() && now.seconds() < 60);
            }
            prop_assert!(issued <= 40, "{issued}");
        }
    }
}
