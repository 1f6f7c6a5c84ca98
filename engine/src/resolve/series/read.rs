//! What of the strands counts at all, as parts of each source.

use super::{Issue, IssueKind, Strand, cut::Part};
use schemas::{
    data_type::DataType,
    id::ConnectionId,
    record::{Body, Record},
    time::Instant,
};
use std::collections::{BTreeMap, BTreeSet};

/// The longest interval, and the longest series, ms: 31 days.
const LENGTH_MAX_MS: i64 = 31 * 86_400_000;
/// The greatest value: far beyond any of a month, and small enough for sums of millions to be exact.
const VALUE_MAX: f64 = 1e9;
/// The rule of a part of which nothing is decided yet.
pub(super) const UNDECIDED: &str = "";

/// A source: an account at a provider, and a device there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    provider: &'a str,
    connection: Option<ConnectionId>,
    device: Option<&'a str>,
}

impl<'a> Key<'a> {
    /// The source of a record.
    pub(super) fn of(record: &'a Record) -> Self {
        let origin = &record.origin;
        Self { provider: &origin.provider, connection: origin.connection, device: origin.device.as_deref() }
    }
}

/// What values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Counted over time: a value holds for a stretch.
    Counts,
    /// Measured at a moment: a value is one millisecond long.
    Samples,
}

/// A part, and when its source last changed it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The part.
    pub(super) part: Part,
    /// When it was changed, if the source says so.
    pub(super) modified_at: Option<Instant>,
}

/// What one source says.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    /// Which one it is.
    pub(super) key: Key<'a>,
    /// The highest priority of its strands.
    pub(super) rank: u32,
    /// All that it says; in an order that is the same for any order of strands.
    pub(super) parts: Vec<Told>,
}

/// What is usable.
#[derive(Clone, Debug, Default)]
pub(super) struct Read<'a> {
    /// The type that the series is of.
    pub(super) data_type: Option<DataType>,
    /// The sources, in order of their keys.
    pub(super) sources: Vec<Source<'a>>,
    /// The strands that are used.
    pub(super) used: Vec<usize>,
    /// What was left out.
    pub(super) issues: Vec<Issue>,
}

/// Reads the strands of the type that the first by priority has.
pub(super) fn read<'a>(strands: &'a [Strand<'a>], is_kind: fn(DataType) -> bool, shape: Shape) -> Read<'a> {
    let mut read = Read::default();
    let mut usable: Vec<usize> = Vec::with_capacity(strands.len());
    for (index, strand) in strands.iter().enumerate() {
        match unusable(strand.record, is_kind) {
            Some(kind) => read.issues.push(Issue { strand: index, kind }),
            None => usable.push(index),
        }
    }
    let first = usable.iter().map(|it| (strands[*it].rank, strands[*it].record.data_type)).min();
    read.data_type = first.map(|it| it.1);
    usable.retain(|it| {
        let is_same = Some(strands[*it].record.data_type) == read.data_type;
        if !is_same {
            read.issues.push(Issue { strand: *it, kind: IssueKind::OtherType });
        }
        is_same
    });
    forbid(strands, &mut usable, &mut read.issues);
    usable.sort_by(|a, b| canonical(&strands[*a]).cmp(&canonical(&strands[*b])));
    let mut sources: BTreeMap<Key<'a>, Source<'a>> = BTreeMap::new();
    for index in &usable {
        let strand = &strands[*index];
        let key = Key::of(strand.record);
        let source = sources.entry(key).or_insert_with(|| Source { key, rank: strand.rank, parts: Vec::new() });
        source.rank = source.rank.min(strand.rank);
        let mut kinds = BTreeSet::new();
        parts(*index, strand.record, shape, &mut source.parts, &mut kinds);
        read.issues.extend(kinds.into_iter().map(|kind| Issue { strand: *index, kind }));
    }
    read.sources = sources.into_values().collect();
    read.used = usable;
    read.issues.sort_unstable();
    read
}

fn unusable(record: &Record, is_kind: fn(DataType) -> bool) -> Option<IssueKind> {
    if record.deleted {
        return Some(IssueKind::Deleted);
    }
    if !is_kind(record.data_type) || !matches!(record.body, Body::Quantity(_) | Body::Series(_)) {
        return Some(IssueKind::NotOfThisKind);
    }
    record.is_daily_total.then_some(IssueKind::DailyTotal)
}

/// Leaves out what may not be combined with others. If that is everything, the first source stands alone.
fn forbid(strands: &[Strand<'_>], usable: &mut Vec<usize>, issues: &mut Vec<Issue>) {
    let key = |it: &usize| Key::of(strands[*it].record);
    let is_one = usable.first().is_none_or(|first| usable.iter().all(|it| key(it) == key(first)));
    let forbids = |it: &usize| strands[*it].record.policy.no_combining;
    if is_one || !usable.iter().any(forbids) {
        return;
    }
    let alone = if usable.iter().all(forbids) {
        usable.iter().map(|it| (strands[*it].rank, key(it))).min().map(|it| it.1)
    } else {
        None
    };
    usable.retain(|it| {
        let may = !forbids(it) || alone == Some(key(it));
        if !may {
            issues.push(Issue { strand: *it, kind: IssueKind::CombiningForbidden });
        }
        may
    });
}

/// By what strands are told apart, whatever order they are given in.
fn canonical<'a>(strand: &'a Strand<'_>) -> (u32, Key<'a>, i64, i64, &'a str, Vec<u64>) {
    let record = strand.record;
    let values = match &record.body {
        Body::Quantity(it) => vec![it.value.to_bits()],
        _ => Vec::new(),
    };
    (strand.rank, Key::of(record), record.time.start.0, record.time.end.0, &record.origin.record, values)
}

fn parts(strand: usize, record: &Record, shape: Shape, told: &mut Vec<Told>, kinds: &mut BTreeSet<IssueKind>) {
    let (start, end) = (record.time.start.0, record.time.end.0);
    if end < start || end.saturating_sub(start) > LENGTH_MAX_MS {
        kinds.insert(IssueKind::BadInterval);
        return;
    }
    let mut tell = |from: i64, to: i64, value: f64, kinds: &mut BTreeSet<IssueKind>| {
        let is_value = value.is_finite() && value.abs() <= VALUE_MAX && (shape == Shape::Samples || value >= 0.0);
        if from >= to || to.saturating_sub(from) > LENGTH_MAX_MS {
            kinds.insert(IssueKind::BadInterval);
        } else if is_value {
            // A negative zero is a zero.
            let part = Part { from, to, value: value + 0.0, strand, rule: UNDECIDED };
            told.push(Told { part, modified_at: record.origin.modified_at });
        } else {
            kinds.insert(IssueKind::BadValue);
        }
    };
    match &record.body {
        Body::Quantity(it) => {
            let to = if shape == Shape::Samples { start } else { end };
            tell(start, to.max(start.saturating_add(1)), it.value, kinds);
        }
        Body::Series(series) => {
            if series.offsets_ms.len() != series.values.len() {
                kinds.insert(IssueKind::BadColumns);
            }
            let points = || series.offsets_ms.iter().copied().zip(series.values.iter().copied());
            if points().zip(points().skip(1)).all(|(a, b)| a.0 < b.0) {
                each(start, end, shape, points(), &mut |from, to, value| tell(from, to, value, kinds));
                return;
            }
            kinds.insert(IssueKind::BadColumns);
            let mut sorted: Vec<(i64, f64)> = points().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
            sorted.dedup_by_key(|it| it.0);
            each(start, end, shape, sorted.iter().copied(), &mut |from, to, value| tell(from, to, value, kinds));
        }
        _ => {}
    }
}

/// Every value of a series with the stretch for which it holds.
fn each(
    start: i64,
    end: i64,
    shape: Shape,
    points: impl Iterator<Item = (i64, f64)> + Clone,
    tell: &mut dyn FnMut(i64, i64, f64),
) {
    let last = points.clone().last().map_or(end, |it| start.saturating_add(it.0));
    // How long the last one holds is how long each does, if the record's end tells; and no longer than is usual.
    let tail = end.saturating_sub(last);
    let step = match (shape, usual_step(points.clone().map(|it| it.0))) {
        (Shape::Samples, _) => Some(1),
        (Shape::Counts, Some(usual)) if tail > 0 => Some(usual.min(tail)),
        (Shape::Counts, usual) => usual,
    };
    let mut nexts = points.clone().skip(1);
    for (offset, value) in points {
        let from = start.saturating_add(offset);
        let next = nexts.next().map(|it| start.saturating_add(it.0));
        // What comes last ends with the record, if that has an end after it.
        let limit = next.or((end > from).then_some(end));
        let to = match (step, limit) {
            (Some(step), Some(limit)) => from.saturating_add(step).min(limit),
            (Some(step), None) => from.saturating_add(step),
            (None, limit) => limit.unwrap_or(from.saturating_add(1)),
        };
        tell(from, to, value);
    }
}

/// The median distance of neighbours; none for fewer than two.
fn usual_step(offsets: impl Iterator<Item = i64> + Clone) -> Option<i64> {
    let mut steps: Vec<i64> = offsets.clone().zip(offsets.skip(1)).map(|(a, b)| b.saturating_sub(a)).collect();
    let middle = steps.len().checked_sub(1)? / 2;
    Some(*steps.select_nth_unstable(middle).1)
}
