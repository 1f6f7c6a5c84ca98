//! Days by the wall clock, as far as the strands tell it.

use super::{Strand, cover::Span, cut::Part, read::Read};

const DAY_MS: i64 = 86_400_000;
/// No wall clock is farther from UTC, seconds.
const OFFSET_MAX_SECONDS: u32 = 18 * 3600;

/// The offset of the wall clock from UTC over time: that of the last strand that began, and before the first its own.
/// Every moment has one day, whatever sources say of their offsets; without any offset days are those of UTC.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// From when which offset holds, ms; in order.
    changes: Vec<(i64, i64)>,
}

impl Clock {
    /// The clock of the strands that are used.
    pub(super) fn of(strands: &[Strand<'_>], read: &Read<'_>) -> Self {
        let times = read.used.iter().map(|it| (&strands[*it].record.time, strands[*it].rank));
        let known = times.filter_map(|(time, rank)| {
            let seconds = time.offset_seconds.filter(|it| it.unsigned_abs() <= OFFSET_MAX_SECONDS)?;
            Some((time.start.0, rank, i64::from(seconds) * 1000))
        });
        let mut known: Vec<(i64, u32, i64)> = known.collect();
        known.sort_unstable();
        known.dedup_by_key(|it| it.0);
        let mut changes: Vec<(i64, i64)> = known.into_iter().map(|(start, _, offset)| (start, offset)).collect();
        changes.dedup_by_key(|it| it.1);
        Self { changes }
    }

    /// The day of a moment on the wall clock, counted from 1970-01-01.
    pub(super) fn day(&self, at: i64) -> i64 {
        at.saturating_add(self.offset(at)).div_euclid(DAY_MS)
    }

    fn offset(&self, at: i64) -> i64 {
        let after = self.changes.partition_point(|it| it.0 <= at);
        self.changes.get(after.saturating_sub(1)).map_or(0, |it| it.1)
    }

    /// The first moment after `at` at which the offset or the day changes.
    fn next(&self, at: i64) -> i64 {
        let offset = self.offset(at);
        let midnight = (self.day(at).saturating_add(1)).saturating_mul(DAY_MS).saturating_sub(offset);
        let change = self.changes.get(self.changes.partition_point(|it| it.0 <= at)).map_or(i64::MAX, |it| it.0);
        // At the end of time there is no midnight any more.
        if midnight > at { midnight.min(change) } else { change }
    }

    /// Gives the part, cut at every midnight in it, day by day.
    pub(super) fn split(&self, part: &Part, counted: bool, mut give: impl FnMut(i64, Part)) {
        let mut from = part.from;
        let mut day = self.day(from);
        let mut at = self.next(from);
        while at < part.to {
            let next_day = self.day(at);
            if next_day != day {
                let value = part.share(Span { from, to: at }, counted);
                give(day, Part { from, to: at, value, ..*part });
                (from, day) = (at, next_day);
            }
            at = self.next(at);
        }
        let value = part.share(Span { from, to: part.to }, counted);
        give(day, Part { from, to: part.to, value, ..*part });
    }
}
