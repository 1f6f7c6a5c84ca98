//! One record of what several sources tell of one thing, and where each of its values comes from: pure.
//!
//! Read [`merge`] first, then `order` (which source is the base), `workout` (what becomes of a workout's fields),
//! `streams` with `track`, `quality`, `device`, `clock` and `rows` (what becomes of what was measured along the way),
//! `numbers` and `words`, and `sleep`. `docs/merging.md` has the rules as tables.

mod clock;
mod device;
mod lineage;
mod numbers;
mod order;
mod quality;
mod rows;
mod series;
mod sleep;
mod streams;
#[cfg(test)]
mod tests;
mod track;
mod words;
mod workout;

pub(super) use series::{held, is_counted, is_same_count};

use schemas::{
    data_type::DataType,
    id::ConnectionId,
    record::{Body, Nothing, Origin, Policy, Record, RecordState, Span},
    time::Instant,
};
use std::{collections::BTreeMap, mem::discriminant};

/// Version of these rules; raised when a record would come out differently.
pub const MERGE_VERSION: i32 = 2;

/// One source's record of the thing.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What it tells.
    pub record: &'a Record,
    /// Its place in the person's priorities, 0 first. Parts of equal rank are ordered by what they have measured.
    pub rank: u32,
}

/// How much of the other sources goes into the record of the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combine {
    /// Nothing: the first-ranked source as a whole.
    First,
    /// Each field from the source that has it best.
    #[default]
    Intelligently,
    /// The highest distance and energy; every other field as with [`Self::Intelligently`].
    HighestTotals,
}

/// The person's word on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// That provider's value, if it has one (its catalogue name).
    Provider(String),
    /// That device's value, if it has one (its name as the provider gives it; case does not matter).
    Device(String),
    /// The highest value; of no effect on a field that is no number.
    Highest,
    /// The lowest value; of no effect on a field that is no number.
    Lowest,
}

impl Prefer {
    /// Whether it names the source with that origin.
    fn names(&self, origin: &Origin) -> bool {
        match self {
            Self::Provider(it) => origin.provider == *it,
            Self::Device(it) => origin.device.as_ref().is_some_and(|device| device.eq_ignore_ascii_case(it)),
            Self::Highest | Self::Lowest => false,
        }
    }
}

/// By what records are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergePolicy {
    /// How much of the other sources is taken.
    pub combine: Combine,
    /// The person's word by field: a name of [`Lineage::field`], or `gps` for all five columns of a track. `start`
    /// chooses the source that is the base; `stages` does so for a night, `value` for all that is no session.
    pub fields: BTreeMap<String, Prefer>,
}

impl MergePolicy {
    /// Whether records of counts are cut to what they count beyond others: not where the person takes whole records, or
    /// says which number counts.
    #[must_use]
    pub fn counts_once(&self) -> bool {
        self.combine != Combine::First && !series::is_chosen(self)
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The one record. It has the origin of the base.
    pub record: Record,
    /// Where each of its fields comes from.
    pub lineage: Vec<Lineage>,
    /// The part that says the same already, if one does: time and values are equal. If it is the base, the whole
    /// record is equal to that part's.
    pub same_as: Option<usize>,
}

/// Where a field, or a stretch of a stream, comes from.
///
/// Stretches of one field do not overlap. A measured moment of a stream covers the time to the next one if that is at
/// most 15 s away, else one millisecond; the stretches of a stream are exactly the time that its moments cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The field: `start`, `distance_m`, `streams.heart_rate`, `laps`, `stages` …
    pub field: String,
    /// The part that it was taken from: its place in what was given to [`merge`].
    pub part: usize,
    /// Where the stretch begins, ms after the record's start.
    pub from_ms: i64,
    /// The first moment after it, ms after the record's start.
    pub to_ms: i64,
    /// The rule that chose it: a stable name, see `docs/merging.md`.
    pub rule: &'static str,
    /// Why, in words, with figures.
    pub note: String,
}

/// Merges what several sources tell of one thing. The order of `parts` makes no difference to the record.
///
/// A part that cannot be a rendering of the same thing (deleted, of another type, a nap beside a night) gives nothing.
/// Without any part the result is a tombstone of no type.
#[must_use]
pub fn merge(parts: &[Part<'_>], policy: &MergePolicy) -> Merged {
    let is_first = policy.combine == Combine::First;
    let forbids = parts.iter().any(|it| it.record.policy.no_combining);
    let mut order = order::of(parts, policy, is_first || forbids);
    let Some(base) = order.first().copied() else { return nothing() };
    if parts.len() == 1 {
        return alone(parts, base, "only_source", "no other source has it");
    }
    if forbids {
        return alone(parts, base, "terms_forbid_combining", "the terms of a source forbid to combine its records");
    }
    if is_first {
        return alone(parts, base, "first_source", "the first source as a whole");
    }
    let is_of = |whole: usize, it: usize| is_rendering(parts[whole].record, parts[it].record);
    // Two parts of a night have nothing in common but the whole one.
    let whole = order.iter().copied().filter(|it| is_of(base, *it)).max_by_key(|it| length_ms(&parts[*it].record.time));
    order.retain(|it| *it == base || is_of(base, *it) || whole.is_some_and(|whole| is_of(whole, *it)));
    if order.len() == 1 {
        return alone(parts, base, "only_source", "no other source has the same thing");
    }
    let mut merged = without_repeats(parts, &order, policy);
    if merged.same_as.is_none() {
        merged.same_as = order.iter().copied().find(|it| says_the_same(parts[*it].record, &merged.record));
    }
    merged
}

/// So many parts are looked at for one that repeats the others.
const SUSPECTS_MAX: usize = 4;

/// A part that says what the others say together (an earlier result of theirs) adds nothing, so that merging again
/// changes nothing. Such a part has the origin, start and end of another, which was its base.
fn without_repeats(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> Merged {
    let order = &without_copies(parts, order)[..];
    let is_suspect = |place: &usize| {
        let it = parts[order[*place]].record;
        order.iter().any(|other| *other != order[*place] && is_alike(it, parts[*other].record))
    };
    if order.len() > 2 {
        for place in (0..order.len()).rev().filter(is_suspect).take(SUSPECTS_MAX) {
            let mut others = order.to_vec();
            let suspect = parts[others.remove(place)].record;
            let merged = combine(parts, &others, policy);
            if suspect.policy == merged.record.policy && says_the_same(suspect, &merged.record) {
                return merged;
            }
        }
    }
    combine(parts, order, policy)
}

/// The order without the parts that are the same as one before them; two at least.
fn without_copies(parts: &[Part<'_>], order: &[usize]) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::with_capacity(order.len());
    for index in order {
        let it = parts[*index].record;
        let is_copy = |other: &usize| {
            let other = parts[*other].record;
            is_alike(it, other) && it.policy == other.policy && says_the_same(it, other)
        };
        if !kept.iter().any(is_copy) {
            kept.push(*index);
        }
    }
    if kept.len() < 2 { order.iter().copied().take(2).collect() } else { kept }
}

/// Whether two records may be versions of one.
fn is_alike(a: &Record, b: &Record) -> bool {
    a.origin == b.origin && a.time == b.time
}

/// Merges the parts in `order`, the base first.
fn combine(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> Merged {
    match &parts[order[0]].record.body {
        Body::Workout(_) => workout::merge(parts, order, policy),
        Body::Sleep(_) => sleep::merge(parts, order, policy),
        Body::Series(_) => series::merge(parts, order, policy),
        // The person's word on which number counts goes before the union.
        Body::Quantity(_) if series::is_counted(parts[order[0]].record) && !series::is_chosen(policy) => {
            series::merge(parts, order, policy)
        }
        _ => {
            let (rule, note) = order::reason(parts, order, policy);
            alone(parts, order[0], rule, note)
        }
    }
}

/// A record of one source.
#[cfg(test)]
pub(super) fn alone_of(record: &Record) -> Merged {
    merge(&[Part { record, rank: 0 }], &MergePolicy::default())
}

/// The base as it is.
fn alone(parts: &[Part<'_>], base: usize, rule: &'static str, note: &str) -> Merged {
    let record = parts[base].record.clone();
    let lineage = lineage::of_whole(&record, base, rule, note);
    Merged { record, lineage, same_as: Some(base) }
}

fn nothing() -> Merged {
    let record = Record {
        data_type: DataType::Unknown,
        origin: Origin::named("", ""),
        time: Span::at(Instant(0), None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: Policy::default(),
        body: Body::Nothing(Nothing {}),
    };
    Merged { record, lineage: Vec::new(), same_as: None }
}

fn is_rendering(base: &Record, other: &Record) -> bool {
    let is_same_kind = base.data_type == other.data_type
        && base.is_daily_total == other.is_daily_total
        && base.deleted == other.deleted
        && discriminant(&base.body) == discriminant(&other.body);
    is_same_kind
        && match (&base.body, &other.body) {
            (Body::Sleep(a), Body::Sleep(b)) => a.is_nap == b.is_nap && overlap(&base.time, &other.time),
            _ => true,
        }
}

fn overlap(a: &Span, b: &Span) -> bool {
    a.start < b.end && b.start < a.end
}

fn says_the_same(a: &Record, b: &Record) -> bool {
    a.data_type == b.data_type
        && (a.time.start, a.time.end) == (b.time.start, b.time.end)
        && (a.is_daily_total, a.deleted) == (b.is_daily_total, b.deleted)
        && match (&a.body, &b.body) {
            (Body::Workout(one), Body::Workout(other)) => one.streams == other.streams && is_same_content(a, b),
            _ => is_same_content(a, b),
        }
}

/// Equal, or equal but for numbers that are none, which are not equal to themselves.
fn is_same_content(a: &Record, b: &Record) -> bool {
    a.body == b.body || a.content() == b.content()
}

/// What all of the sources allow.
fn strictest<'a>(policies: impl Iterator<Item = &'a Policy>) -> Policy {
    policies.fold(Policy::default(), |sum, it| Policy {
        retention_days: match (sum.retention_days, it.retention_days) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
        no_ai: sum.no_ai || it.no_ai,
        no_combining: sum.no_combining || it.no_combining,
    })
}

/// The record's length, ms; not negative.
fn length_ms(time: &Span) -> i64 {
    time.end.0.saturating_sub(time.start.0).max(0)
}

/// A source's account there, for a total order.
fn account(origin: &Origin) -> Option<&ConnectionId> {
    origin.connection.as_ref()
}
