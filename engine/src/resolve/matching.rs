//! Whether two records are renderings of the same thing. Pure; `docs/matching.md` says how its figures were found.
//!
//! Read in this order: [`compare`], then `workout` (readings of the clock), `content` (what is looked at), `view` and
//! `streams` (tracks and heart rates), `sleep`, `reading` (all other types), `evidence` (bands), `groups`.

mod content;
mod evidence;
mod facts;
mod groups;
mod reading;
mod sleep;
mod sport;
mod streams;
mod view;
mod workout;

pub use evidence::{Evidence, Match};
pub use groups::groups;
pub use schemas::event::Verdict;

use crate::item::Print;
use evidence::{Case, Figures};
use facts::{Facts, Stretch};
use schemas::{
    data_type::DataType,
    record::{Body, Record, RecordingMethod, Series},
    workout::Workout,
};
use std::cmp::Ordering;
pub(super) use view::View;

/// Version of what [`compare`] says; raised when it would say something else of the same two records.
pub const MATCH_VERSION: i32 = 3;

/// Compares two records. Symmetric to the last bit; never a panic, never NaN, in linear time.
///
/// What a row keeps of a record ([`summary`]) compares as the record itself. Records of different types, totals of days
/// with parts of them, and tombstones are different.
#[must_use]
pub fn compare(a: &Record, b: &Record) -> Match {
    Viewed::new(a, &View::of(a)).compare(Viewed::new(b, &View::of(b)))
}

/// A record with the view of its streams: made once for all that it is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Viewed<'a> {
    record: &'a Record,
    view: &'a View,
}

impl<'a> Viewed<'a> {
    pub(super) const fn new(record: &'a Record, view: &'a View) -> Self {
        Self { record, view }
    }

    /// What [`compare`] says of the two records.
    pub(super) fn compare(self, other: Self) -> Match {
        case(self, other).into_match()
    }

    /// The same, if they may be one: the evidence of others is not put into words.
    pub(super) fn may_be(self, other: Self) -> Option<Match> {
        let case = case(self, other);
        (case.verdict() != Verdict::Different).then(|| case.into_match())
    }
}

/// Whether two records may be the same at all, by their types and times alone: what is not, [`compare`] calls
/// different. Looks at no stream and allocates nothing.
#[must_use]
pub fn is_candidate(a: &Record, b: &Record) -> bool {
    if a.data_type != b.data_type || a.is_daily_total != b.is_daily_total || a.deleted || b.deleted {
        return false;
    }
    if !is_session(a.data_type) {
        return reading::is_candidate(a, b);
    }
    let is_manual = |it: &Record| it.origin.method == RecordingMethod::Manual;
    workout::is_candidate(Stretch::of(a), Stretch::of(b), is_manual(a) != is_manual(b))
}

/// A comparison without its words.
struct Compared {
    total: f64,
    verdict: Verdict,
}

fn compared(a: Viewed<'_>, b: Viewed<'_>) -> Compared {
    let case = case(a, b);
    Compared { total: case.total(), verdict: case.verdict() }
}

fn case(one: Viewed<'_>, other: Viewed<'_>) -> Case {
    let (a, b) = (one.record, other.record);
    if !is_candidate(a, b) {
        let mut case = Case::new();
        case.add(
            "apart",
            -9.0,
            Figures::Text(if a.data_type == b.data_type { "too far apart" } else { "other types" }),
        );
        return case;
    }
    match (&a.body, &b.body) {
        (Body::Workout(of_a), Body::Workout(of_b)) => {
            workout::compare(&Facts::of(a, of_a, one.view), &Facts::of(b, of_b, other.view))
        }
        (Body::Sleep(of_a), Body::Sleep(of_b)) => {
            sleep::compare(&sleep::Night::of(a, of_a), &sleep::Night::of(b, of_b))
        }
        _ => reading::compare(a, b),
    }
}

/// An order of records by when and whose they are.
fn order(one: Viewed<'_>, other: Viewed<'_>) -> Ordering {
    let (a, b) = (one.record, other.record);
    let key = |it: &Record| (it.time.start, it.time.end, it.data_type, it.is_daily_total, it.deleted);
    let of = &a.origin;
    key(a)
        .cmp(&key(b))
        .then_with(|| (&of.provider, &of.record).cmp(&(&b.origin.provider, &b.origin.record)))
        .then_with(|| of.connection.cmp(&b.origin.connection))
        .then_with(|| match (&a.body, &b.body) {
            (Body::Workout(of_a), Body::Workout(of_b)) => {
                Facts::of(a, of_a, one.view).order(&Facts::of(b, of_b, other.view))
            }
            _ => a.content().cmp(&b.content()),
        })
}

/// The farthest that two starts of candidates among these are apart, ms.
fn window_ms(records: &[Record]) -> i64 {
    let longest = records.iter().map(|it| Stretch::of(it).length()).max().unwrap_or(0);
    longest.max(workout::QUARTERS_MAX * view::QUARTER_MS + workout::REST_MAX_MS)
}

/// What a row keeps of a record, and all that the matcher reads: of a workout's streams at most 128 moments of
/// position, heart rate and speed, rounded; no laps; of a series no values.
#[must_use]
pub fn summary(record: &Record) -> Record {
    let body = match &record.body {
        Body::Workout(it) => Body::Workout(Box::new(shortened(record, it))),
        Body::Series(_) => Body::Series(Series::default()),
        other => other.clone(),
    };
    // Field by field: a clone would copy all samples first.
    Record {
        data_type: record.data_type,
        origin: record.origin.clone(),
        time: record.time.clone(),
        is_daily_total: record.is_daily_total,
        state: record.state,
        deleted: record.deleted,
        policy: record.policy.clone(),
        body,
    }
}

fn shortened(record: &Record, of: &Workout) -> Workout {
    Workout {
        sport: of.sport,
        sport_detail: of.sport_detail.clone(),
        title: of.title.clone(),
        notes: of.notes.clone(),
        moving_ms: of.moving_ms,
        distance_m: of.distance_m,
        energy_kcal: of.energy_kcal,
        ascent_m: of.ascent_m,
        heart_rate_mean: of.heart_rate_mean,
        heart_rate_max: of.heart_rate_max,
        cadence_mean: of.cadence_mean,
        power_mean: of.power_mean,
        steps: of.steps,
        laps: Vec::new(),
        streams: View::of(record).streams(record.time.start.0),
    }
}

/// What a record would look like at a destination.
#[must_use]
pub fn print(record: &Record) -> Print {
    #[expect(clippy::cast_possible_truncation, reason = "a rounded metric far below 2^53")]
    let metric = match &record.body {
        Body::Workout(workout) => workout.distance_m.map(|it| it.round() as i64),
        Body::Quantity(quantity) => Some((quantity.value * 1000.0).round() as i64),
        _ => None,
    };
    Print { start: record.time.start, end: record.time.end, metric, claimed_at: None }
}

/// Whether a type may have more than one record of a person at one moment.
#[must_use]
pub const fn is_session(data_type: DataType) -> bool {
    matches!(data_type, DataType::Workout | DataType::Sleep)
}

#[cfg(test)]
mod tests;
