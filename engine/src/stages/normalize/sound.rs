//! Whether a record can be what it says it is: what is repaired, and what is left out. Pure and linear.
//!
//! A record that [`is_sound`] passes as it came, byte for byte. Of one that is not, each flaw is named by an issue. A
//! record that is left out has one issue, the reason.

mod columns;
mod repair;
#[cfg(test)]
mod tests;

use crate::provider::Issue;
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    time::Instant,
    workout::Streams,
};
use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

/// 1 January 1990: no device is older, but many a clock that was never set.
const NOT_BEFORE: Instant = Instant::from_seconds(631_152_000);

/// The longest record that is believed.
const LENGTH_MAX: Duration = Duration::from_secs(31 * 86_400);

/// The most samples of one record: 23 days with one a second.
const SAMPLES_MAX: usize = 2_000_000;

/// What is wrong with a record, as the issue that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    code: &'static str,
    text: &'static str,
}

const fn flaw(code: &'static str, text: &'static str) -> Flaw {
    Flaw { code, text }
}

const BACKWARDS: Flaw = flaw("ends_before_start", "it ends before it begins");
const PAST: Flaw = flaw("past", "it begins before 1990");
const FUTURE: Flaw = flaw("future", "it begins more than a day after it was read");
const TOO_LONG: Flaw = flaw("too_long", "it is longer than 31 days");
const TOO_MANY: Flaw = flaw("too_many_samples", "it has more than 2,000,000 samples");
const OUT_OF_RANGE: Flaw = flaw("out_of_range", "a value is outside of the range of its type");
const UNEVEN_SERIES: Flaw = flaw("malformed", "a series has not as many values as times");
const EMPTY: Flaw = flaw("empty", "it has neither a length nor samples");
const SAME: Flaw = flaw("duplicate", "the page has it twice; one was taken");
const REPEATED_ID: Flaw = flaw("repeated_id", "another record of the page has its id; the later one was taken");
const NO_ZONE: Flaw = flaw("no_time_zone", "nothing says how far the person's clock was from UTC");

/// The records that are sound, or could be made so, in the order in which they came; and an issue for everything that
/// was left out, repaired or noted. What mappers noted already is not noted again.
pub(super) fn sound(mut records: Vec<Record>, not_after: Instant, issues: &mut Vec<Issue>) -> Vec<Record> {
    records.retain_mut(|record| is_sound(record, not_after) || is_made_sound(record, not_after, issues));
    let records = without_repeated(records, issues);
    note_zones(&records, issues);
    records
}

/// Repairs what can be; says whether the record may stay.
fn is_made_sound(record: &mut Record, not_after: Instant, issues: &mut Vec<Issue>) -> bool {
    // Far too many samples are not put in order first.
    let is_hopeless = doubt(record, not_after) == Some(TOO_MANY);
    let repaired = if is_hopeless { Vec::new() } else { repair::repair(record) };
    let reason = doubt(record, not_after);
    match reason {
        Some(reason) => issues.push(issue(record, reason)),
        None => issues.extend(repaired.into_iter().map(|it| issue(record, it))),
    }
    reason.is_none()
}

/// Whether nothing is to be repaired in a record, and nothing speaks against it.
#[must_use]
pub(super) fn is_sound(record: &Record, not_after: Instant) -> bool {
    // A tombstone says that a record is gone; when that was nobody may know, and it has no values.
    record.deleted || (doubt(record, not_after).is_none() && repair::is_whole(record))
}

fn issue(record: &Record, flaw: Flaw) -> Issue {
    Issue { code: flaw.code, at: record.origin.record.clone(), text: flaw.text.into() }
}

/// Why a record is left out, if it is.
fn doubt(record: &Record, not_after: Instant) -> Option<Flaw> {
    let time = &record.time;
    if n_samples(&record.body) > SAMPLES_MAX {
        return Some(TOO_MANY);
    }
    if let Some(flaw) = doubted_values(record) {
        return Some(flaw);
    }
    if time.end < time.start {
        Some(BACKWARDS)
    } else if time.start < NOT_BEFORE {
        Some(PAST)
    } else if time.start > not_after {
        Some(FUTURE)
    } else if time.end > time.start.plus(LENGTH_MAX) && !matches!(record.body, Body::Entity(_)) {
        // A plan or a medication may well go on for months.
        Some(TOO_LONG)
    } else {
        let is_session = matches!(record.body, Body::Workout(_) | Body::Sleep(_));
        (is_session && time.end == time.start && repair::last_sample_ms(&record.body) <= 0).then_some(EMPTY)
    }
}

/// The same for its values alone: what no living person can have.
fn doubted_values(record: &Record) -> Option<Flaw> {
    let (least, most) = record.data_type.plausible();
    let fits = |value: f64| value >= least && value <= most;
    let plausible = match &record.body {
        Body::Quantity(quantity) => fits(quantity.value),
        Body::Series(series) if series.offsets_ms.len() != series.values.len() => return Some(UNEVEN_SERIES),
        // A sample that is no number is left out by itself.
        Body::Series(series) if series.values.iter().all(|it| !it.is_finite()) => return Some(EMPTY),
        Body::Series(series) => series.values.iter().all(|it| !it.is_finite() || fits(*it)),
        Body::BloodPressure(pressure) => fits(pressure.systolic) && fits(pressure.diastolic),
        _ => true,
    };
    (!plausible).then_some(OUT_OF_RANGE)
}

fn n_samples(body: &Body) -> usize {
    match body {
        Body::Series(it) => it.offsets_ms.len().max(it.values.len()),
        Body::Sleep(it) => it.stages.len().max(it.stage_offsets_ms.len()).max(it.stage_durations_ms.len()),
        Body::Workout(it) => n_moments(&it.streams),
        _ => 0,
    }
}

fn n_moments(streams: &Streams) -> usize {
    streams.columns().into_iter().map(|it| it.0.len()).fold(streams.offsets_ms.len(), usize::max)
}

/// One record an id: of two that are the same the first, of two that differ the one that was changed last, as far as
/// both say it, else the later one.
fn without_repeated(records: Vec<Record>, issues: &mut Vec<Issue>) -> Vec<Record> {
    if records.len() < 2 {
        return records;
    }
    let mut standing: HashMap<(DataType, &str), usize> = HashMap::with_capacity(records.len());
    let mut is_gone = vec![false; records.len()];
    for (index, record) in records.iter().enumerate() {
        let mut place = match standing.entry((record.data_type, record.origin.record.as_str())) {
            // Without an id nothing says that two are one.
            Entry::Vacant(_) if record.origin.record.is_empty() => continue,
            Entry::Vacant(it) => {
                it.insert(index);
                continue;
            }
            Entry::Occupied(it) => it,
        };
        let other = &records[*place.get()];
        if other == record {
            is_gone[index] = true;
            issues.push(issue(record, SAME));
            continue;
        }
        let changed = other.origin.modified_at.zip(record.origin.modified_at);
        let is_older = changed.is_some_and(|(other, this)| this < other);
        let older = if is_older { index } else { place.insert(index) };
        is_gone[older] = true;
        issues.push(issue(record, REPEATED_ID));
    }
    drop(standing);
    let mut is_gone = is_gone.into_iter();
    records.into_iter().filter(|_| is_gone.next() == Some(false)).collect()
}

/// Notes each record of which neither an offset nor a zone is known, as far as the mapper has not done so.
fn note_zones(records: &[Record], issues: &mut Vec<Issue>) {
    let n_noted = issues.iter().filter(|it| it.code == NO_ZONE.code).count();
    let is_unknown = |it: &&Record| !it.deleted && it.time.offset_seconds.is_none() && it.time.zone.is_none();
    let unknown = records.iter().filter(is_unknown).skip(n_noted);
    issues.extend(unknown.map(|it| issue(it, NO_ZONE)).collect::<Vec<_>>());
}
