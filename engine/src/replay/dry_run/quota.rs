//! How long a provider's limits make calls take.

use crate::{
    limiter::cold_max,
    provider::{Limit, Verb},
};
use std::time::Duration;

/// How long it takes at least until these reads and writes may all have begun, at the share of history, if each limit
/// gives its most in the first window: the longest of what the limits ask for.
pub(super) fn takes(limits: &[Limit], reads: u64, writes: u64) -> Duration {
    let of = |limit: &Limit| {
        let counted = |verb, n: u64| if limit.counts(verb) { n } else { 0 };
        let n_calls = counted(Verb::Read, reads).saturating_add(counted(Verb::Write, writes));
        let windows = n_calls.div_ceil(u64::from(cold_max(limit))).saturating_sub(1);
        limit.window.saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX))
    };
    limits.iter().map(of).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::takes;
    use crate::provider::{Limit, Scope, Verbs};
    use std::time::Duration;

    #[track_caller]
    fn check(reads: u64, writes: u64, seconds: u64) {
        let limit = |name, verbs, seconds, calls_max| Limit {
            name,
            scope: Scope::App,
            verbs,
            window: Duration::from_secs(seconds),
            calls_max,
        };
        let limits = [limit("quarter", Verbs::All, 900, 100), limit("day", Verbs::Reads, 86_400, 1_000)];
        assert_eq!(takes(&limits, reads, writes), Duration::from_secs(seconds));
    }

    #[test]
    fn what_fits_into_one_window_waits_for_none() {
        check(0, 0, 0);
        check(10, 20, 0);
    }

    #[test]
    fn one_call_more_than_the_share_of_history_waits_for_the_next_window() {
        check(0, 31, 900);
        check(0, 61, 1_800);
    }

    #[test]
    fn the_longest_wait_counts_and_writes_are_no_reads() {
        check(301, 0, 86_400);
        check(0, 301, 9_000);
    }

    #[test]
    fn no_count_is_too_large_and_without_limits_nothing_waits() {
        assert!(takes(&[], u64::MAX, u64::MAX).is_zero());
        check(u64::MAX, u64::MAX, 86_400 * u64::from(u32::MAX));
    }
}
