//! Series of several sources made one: pure, independent of the order of what is given.
//!
//! A band and a phone count the same walk. [`union()`] takes, moment by moment, the source that comes first of those
//! that were recording, so that the total is neither the sum nor one source's alone. [`check_daily_total`] holds a
//! provider's own total of a day against it. [`merge_series`] does the same for what is measured and not counted
//! (heart rate), [`same_reading`] says whether two weighings are one. The rules as tables: `docs/series.md`.
//!
//! Reading order: this page, `read` (what counts at all), `own` (what a source says twice), `cover` and `cut` (who has
//! which time and what an interval that was cut still counts), `fill` (one day, source after source).

mod check;
pub(crate) mod cover;
mod cut;
mod days;
mod fill;
mod own;
mod read;
mod reading;
mod samples;
#[cfg(test)]
mod tests;

pub use check::{DailyCheck, check_daily_total};
pub use reading::same_reading;
pub use samples::{Merged, Sample, Stretch, merge_series};

use schemas::{data_type::DataType, record::Record, time::Instant};
use std::collections::BTreeMap;

/// What a source must be silent for (no record, or zeros) before another may speak in its place, ms. Below an hour a
/// person sits; from an hour on the source may not have been worn.
pub(crate) const SILENCE_MS: i64 = 3_600_000;

/// How a piece came to be counted.
pub mod rule {
    /// The source has the highest priority of those with anything on that day.
    pub const FIRST: &str = "first_priority";
    /// Of sources of equal priority this one counted most on that day.
    pub const COUNTED_MOST: &str = "counted_most";
    /// Of sources of equal priority this one has most samples in that quarter of an hour.
    pub const DENSEST: &str = "densest";
    /// The sources before it have no record here, for an hour or at an end.
    pub const FILLS_GAP: &str = "fills_gap";
    /// A source before it has only zeros here, for an hour or at an end.
    pub const FILLS_ZEROS: &str = "fills_long_zero";
    /// The rest of an interval that was cut: its value by time.
    pub const SHARE: &str = "share_by_time";
    /// The rest of an interval that was cut: what it counted beyond the sources before it, less than its share.
    pub const DIFFERENCE: &str = "difference";
    /// Others counted all of its time, or more in it than the interval has.
    pub const ELSEWHERE: &str = "counted_elsewhere";
    /// A source recorded that nothing was counted, and no source counted anything.
    pub const ZERO: &str = "zero";
}

/// One record of one source: a quantity over an interval, or a series.
///
/// In a series of counts a value holds from its offset to the next one, but no longer than is usual in that series
/// (the median) nor than the last one does to the end of the record, so that an offset left out is silence.
#[derive(Clone, Copy, Debug)]
pub struct Strand<'a> {
    /// The record.
    pub record: &'a Record,
    /// Priority of its source, 0 first. Equal ones are decided by what was counted, day by day. A source with several
    /// has the highest of them.
    pub rank: u32,
}

/// What is counted in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Its first moment.
    pub from: Instant,
    /// The first moment after it.
    pub to: Instant,
    /// What was counted, in the unit of the type.
    pub value: f64,
    /// Index of the strand it is from.
    pub strand: usize,
    /// Why it is this one, a constant of [`rule`].
    pub rule: &'static str,
}

/// One series out of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Union {
    /// What it is about: the type of the first usable strand by priority; absent if there is none.
    pub data_type: Option<DataType>,
    /// In order of time; no two have a moment in common, none crosses midnight on the wall clock.
    pub pieces: Vec<Piece>,
    /// The sum of the pieces.
    pub total: f64,
    /// What was left out, and why; in order of strands.
    pub issues: Vec<Issue>,
}

/// Something about a strand that was left out, whole or in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue {
    /// Index of the strand.
    pub strand: usize,
    /// What is wrong with it.
    pub kind: IssueKind,
}

/// Why a strand, or values of it, do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssueKind {
    /// Its type or its body is not one that this function is for.
    NotOfThisKind,
    /// It is of another type than the series.
    OtherType,
    /// It is a provider's own total of a day, see [`check_daily_total`].
    DailyTotal,
    /// It is a tombstone.
    Deleted,
    /// It ends before it begins, or is longer than a month.
    BadInterval,
    /// A value is negative, not a number or beyond measure.
    BadValue,
    /// A series' columns are not of one length, or not in order of time.
    BadColumns,
    /// Its source does not allow it to be combined with others.
    CombiningForbidden,
}

/// Whether values of a type are counted over time and may be summed up.
#[must_use]
pub const fn is_additive(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::Steps | DataType::Distance | DataType::ActiveEnergy | DataType::TotalEnergy | DataType::Floors
    )
}

/// Whether a type is counted in whole numbers: what is cut out of one stays whole.
const fn is_counted(data_type: DataType) -> bool {
    matches!(data_type, DataType::Steps | DataType::Floors)
}

/// The first and the last day of each of these strands of counts, on the wall clock that [`union()`] splits days by,
/// counted from 1970-01-01; `None` of what it leaves out.
#[must_use]
pub(crate) fn days(strands: &[Strand<'_>]) -> Vec<Option<(i64, i64)>> {
    let read = read::read(strands, is_additive, read::Shape::Counts);
    let clock = days::Clock::of(strands, &read);
    let mut days = vec![None; strands.len()];
    for index in &read.used {
        let time = &strands[*index].record.time;
        days[*index] = Some((clock.day(time.start.0), clock.day(time.end.0.saturating_sub(1).max(time.start.0))));
    }
    days
}

/// The union of the strands of one additive type.
///
/// The same for any order of strands, but for their indices; the pieces of a union, given as strands of the same
/// sources, give that union again. Days are by the wall clock as the strands' offsets tell it.
#[must_use]
pub fn union(strands: &[Strand<'_>]) -> Union {
    let read = read::read(strands, is_additive, read::Shape::Counts);
    let Some(data_type) = read.data_type else {
        return Union { issues: read.issues, ..Union::default() };
    };
    let counted = is_counted(data_type);
    let clock = days::Clock::of(strands, &read);
    let sources: Vec<fill::Source<'_>> =
        read.sources.into_iter().map(|it| fill::Source::new(it.key, it.rank, own::once(it.parts, counted))).collect();
    let mut days: BTreeMap<i64, Vec<fill::Share>> = BTreeMap::new();
    for (source, it) in sources.iter().enumerate() {
        for part in &it.parts {
            clock.split(part, counted, |day, part| {
                let shares = days.entry(day).or_default();
                match shares.last_mut().filter(|it| it.source == source) {
                    Some(share) => share.parts.push(part),
                    None => shares.push(fill::Share { source, parts: vec![part] }),
                }
            });
        }
    }
    let mut parts: Vec<cut::Part> = days.into_values().flat_map(|it| fill::day(&sources, it, counted)).collect();
    parts.sort_by_key(|it| it.from);
    let pieces: Vec<Piece> = parts.iter().map(cut::Part::piece).collect();
    let total = pieces.iter().map(|it| it.value).sum();
    Union { data_type: Some(data_type), pieces, total, issues: read.issues }
}
