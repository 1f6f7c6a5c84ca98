//! How well two records fit as renderings of the same thing.

use crate::item::Print;
use schemas::{
    data_type::DataType,
    event::{Evidence, Verdict},
    record::{Body, Record, Series},
    workout::Streams,
};

/// The greatest difference of starts for two renderings of one session, ms (three minutes, as sync services commonly
/// allow between a watch and a phone).
const SESSION_START_MS: f64 = 180_000.0;
/// The greatest difference of times for two renderings of one measurement, ms.
const SAMPLE_MS: u64 = 60_000;

/// The version of these rules.
pub const MATCH_VERSION: i32 = 1;

/// Whether two records are renderings of the same thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// What comes of it.
    pub verdict: Verdict,
    /// How well they fit, 0 to 1.
    pub score: f64,
    /// What speaks for and against it, strongest first.
    pub evidence: Vec<Evidence>,
}

/// How well two records fit.
#[must_use]
pub fn compare(a: &Record, b: &Record) -> Match {
    let score = score(a, b);
    let verdict = if score >= 0.6 { Verdict::Same } else { Verdict::Different };
    Match { verdict, score, evidence: Vec::new() }
}

/// 0 (not the same) to 1 (the same). Symmetric. Records of different types never fit.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
fn score(a: &Record, b: &Record) -> f64 {
    if a.data_type != b.data_type || a.is_daily_total != b.is_daily_total || a.deleted || b.deleted {
        return 0.0;
    }
    let apart = a.time.start.0.abs_diff(b.time.start.0);
    if is_session(a.data_type) {
        if apart as f64 > SESSION_START_MS {
            return 0.0;
        }
        let closeness = 1.0 - apart as f64 / SESSION_START_MS;
        return 0.4 * closeness + 0.6 * likeness(a, b);
    }
    let (a_length, b_length) = (length(a), length(b));
    if a_length == 0 && b_length == 0 {
        // A sample: the same measurement may be stamped to the second by one and to the minute by another.
        return if apart <= SAMPLE_MS { 1.0 - 0.3 * apart as f64 / SAMPLE_MS as f64 } else { 0.0 };
    }
    // An interval or a series: it is the same one only if it is the same stretch.
    if apart < 1000 && a.time.end.0.abs_diff(b.time.end.0) < 1000 { 1.0 } else { 0.0 }
}

/// How alike two sessions are that begin together: by the better of duration and distance, because one source may
/// count pauses and another not.
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
fn likeness(a: &Record, b: &Record) -> f64 {
    let duration = ratio(length(a) as f64, length(b) as f64);
    match (&a.body, &b.body) {
        (Body::Workout(a), Body::Workout(b)) => match (a.distance_m, b.distance_m) {
            (Some(a), Some(b)) if a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() => duration.max(ratio(a, b)),
            _ => duration,
        },
        _ => duration,
    }
}

fn length(record: &Record) -> i64 {
    record.time.end.0.saturating_sub(record.time.start.0)
}

fn ratio(a: f64, b: f64) -> f64 {
    if a <= 0.0 && b <= 0.0 {
        return 1.0;
    }
    (a.min(b) / a.max(b)).clamp(0.0, 1.0)
}

/// A record without its samples: what the matcher reads.
#[must_use]
pub fn summary(record: &Record) -> Record {
    let mut short = record.clone();
    match &mut short.body {
        Body::Workout(workout) => {
            workout.laps.clear();
            workout.streams = Streams::default();
        }
        Body::Series(series) => *series = Series::default(),
        _ => {}
    }
    short
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
