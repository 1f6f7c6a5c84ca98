//! What three open systems do with two workouts, from their public sources, in our words. `docs/matching.md` says where.
//!
//! They are given what they would be: start, end, distance and sport of workouts; other types they do not compare.

use schemas::{
    record::{Body, Record},
    workout::Sport,
};

/// A system: its name, and whether it takes two records as one.
pub(crate) type Rival = (&'static str, fn(&Record, &Record) -> bool);

/// All of them.
pub(crate) const RIVALS: [Rival; 3] =
    [("tapiriik", tapiriik), ("ConnectStats", connect_stats), ("duplicate-cleaner", duplicate_cleaner)];

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Starts less than three minutes apart; or within 38 hours, and, with the hour of the day taken as zero, less than a
/// minute apart or 30 minutes give or take half a minute; and the sports equal, not told, or variants.
fn tapiriik(a: &Record, b: &Record) -> bool {
    let Some((of_a, of_b)) = sports(a, b) else { return false };
    let (from, to) = (a.time.start.0, b.time.start.0);
    let apart = from.abs_diff(to) as i64;
    let without_hour = |it: i64| it.div_euclid(DAY_MS) * DAY_MS + it.rem_euclid(HOUR_MS);
    let hourless = without_hour(from).abs_diff(without_hour(to)) as i64;
    let is_zone = apart < 38 * HOUR_MS && (hourless < 60_000 || (hourless - 1_800_000).abs() < 30_000);
    let is_near = apart < 180_000 || is_zone;
    is_near && (of_a == Sport::Other || of_b == Sport::Other || family(of_a) == family(of_b))
}

/// More than nine tenths of the shorter one in common.
fn connect_stats(a: &Record, b: &Record) -> bool {
    let (length_a, length_b) = (length(a), length(b));
    let common = a.time.end.0.min(b.time.end.0) - a.time.start.0.max(b.time.start.0);
    sports(a, b).is_some() && length_b > 60_000 && common > 0 && common as f64 > 0.9 * length_a.min(length_b) as f64
}

/// On one day, of one sport, within ten minutes as they are or an hour earlier or later, distance and duration within
/// 5 %, and with that shift at least eight tenths of the shorter one in common.
fn duplicate_cleaner(a: &Record, b: &Record) -> bool {
    let Some((of_a, of_b)) = sports(a, b) else { return false };
    let day = |it: &Record| it.time.start.0.div_euclid(DAY_MS);
    let (metres_a, metres_b) = (distance(a), distance(b));
    let is_alike = |a: f64, b: f64| (a == 0.0 && b == 0.0) || (a > 0.0 && b > 0.0 && (a - b).abs() <= 0.05 * a.max(b));
    let (length_a, length_b) = (length(a), length(b));
    let fits = |shift: i64| {
        let start = a.time.start.0 + shift;
        let common = (start + length_a).min(b.time.end.0) - start.max(b.time.start.0);
        (start - b.time.start.0).abs() <= 600_000 && common as f64 >= 0.8 * length_a.min(length_b) as f64
    };
    of_a == of_b
        && day(a) == day(b)
        && is_alike(metres_a, metres_b)
        && is_alike(length_a as f64, length_b as f64)
        && [0, HOUR_MS, -HOUR_MS].into_iter().any(fits)
}

fn sports(a: &Record, b: &Record) -> Option<(Sport, Sport)> {
    match (&a.body, &b.body) {
        (Body::Workout(a), Body::Workout(b)) => Some((a.sport, b.sport)),
        _ => None,
    }
}

fn length(record: &Record) -> i64 {
    record.time.end.0 - record.time.start.0
}

fn distance(record: &Record) -> f64 {
    if let Body::Workout(it) = &record.body { it.distance_m.unwrap_or(0.0) } else { 0.0 }
}

/// Variants of one sport.
fn family(sport: Sport) -> u8 {
    match sport {
        Sport::Running | Sport::TrailRunning | Sport::TreadmillRunning => 1,
        Sport::Cycling | Sport::MountainBiking | Sport::GravelCycling | Sport::IndoorCycling | Sport::EBiking => 2,
        Sport::PoolSwimming | Sport::OpenWaterSwimming => 3,
        Sport::Walking | Sport::Hiking => 4,
        other => 10 + other as u8,
    }
}
