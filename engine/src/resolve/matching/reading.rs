//! Everything that is no session: one reading that came on two ways, or the same stretch of an interval or a series.

use super::{
    evidence::{ASK_MIN, Case, Figures, SAME_MIN, Verdict},
    view::QUARTER_MS,
    workout::{QUARTERS_MAX, quarters},
};
use schemas::{
    data_type::DataType,
    record::{Body, Entity, Nutrition, Record},
};

/// The greatest difference of times for two renderings of one measurement, ms: one may be stamped to the minute.
const READING_MS: u64 = 60_000;
/// A kilogram of a scale that shows tenths of a pound is off by up to this much, kg.
const POUND_GRAIN_KG: f64 = 0.0454;

/// A series covers at most one UTC hour: two of one hour are what two devices say of the same time.
const HOUR_MS: i64 = 3_600_000;

const fn is_series(record: &Record) -> bool {
    matches!(record.body, Body::Series(_))
}

const fn hour(record: &Record) -> i64 {
    record.time.start.0.div_euclid(HOUR_MS)
}

/// Whether two readings may be one at all, by their times alone.
pub(super) fn is_candidate(a: &Record, b: &Record) -> bool {
    let apart = a.time.start.0.abs_diff(b.time.start.0);
    if is_series(a) && is_series(b) {
        return hour(a) == hour(b);
    }
    if !is_moment(a) || !is_moment(b) {
        return apart < 1_000 && a.time.end.0.abs_diff(b.time.end.0) < 1_000;
    }
    apart <= READING_MS || (is_rare(a.data_type) && zone(a, b).is_some())
}

/// What speaks for two readings being one. Symmetric.
#[expect(clippy::cast_precision_loss, reason = "at most a minute, in ms")]
pub(super) fn compare(a: &Record, b: &Record) -> Case {
    let mut case = Case::new();
    if is_series(a) && is_series(b) {
        case.add("times", SAME_MIN + 4.0, Figures::Text("series of the same hour"));
        return case;
    }
    if !is_moment(a) || !is_moment(b) {
        // It is the same one only if it is the same stretch.
        case.add("times", SAME_MIN + 4.0, Figures::Text("the same start and end, to the second"));
        return case;
    }
    let apart = a.time.start.0.abs_diff(b.time.start.0);
    let values = values(&a.body, &b.body, a.data_type);
    if apart > READING_MS {
        let minutes = zone(a, b).unwrap_or(0) * 15;
        case.add("zone", ASK_MIN, Figures::Zone { minutes, rest_s: 0.0 });
        say(&mut case, values);
        // One number is little to go by: a person who weighs in the morning and in the evening may weigh the same.
        case.at_most(if matches!(values, Values::Equal(..)) { Verdict::Ask } else { Verdict::Different });
        return case;
    }
    let is_to_the_minute = [a, b].iter().any(|it| it.time.start.0.rem_euclid(60_000) == 0);
    let near = if apart < 1_000 {
        4.0
    } else if is_to_the_minute || is_rare(a.data_type) {
        3.0 - apart as f64 / READING_MS as f64
    } else {
        // A device that measures every few seconds has told two readings.
        -4.0
    };
    case.add("times", near, Figures::One("", apart as f64 / 1_000.0, "s apart"));
    say(&mut case, values);
    case.at_most(match values {
        Values::Other(..) if apart < 1_000 && is_rare(a.data_type) => Verdict::Ask,
        Values::Other(..) | Values::OtherText => Verdict::Different,
        Values::Equal(..) | Values::Silent => Verdict::Same,
    });
    case
}

/// How two values go together.
#[derive(Clone, Copy)]
enum Values {
    /// The same, but for rounding.
    Equal(f64, f64),
    Other(f64, f64),
    /// Another medicine, another food.
    OtherText,
    /// There are none to compare.
    Silent,
}

fn say(case: &mut Case, values: Values) {
    match values {
        Values::Equal(a, b) => case.add("value", 1.5, Figures::Two(a, b, "")),
        Values::Other(a, b) => case.add("value", -4.0, Figures::Two(a, b, "")),
        Values::OtherText => case.add("value", -6.0, Figures::Text("they name different things")),
        Values::Silent => {}
    }
}

fn values(a: &Body, b: &Body, data_type: DataType) -> Values {
    match (a, b) {
        (Body::Quantity(a), Body::Quantity(b)) if is_mass(data_type) => numbers(a.value, b.value, 0.1, POUND_GRAIN_KG),
        (Body::Quantity(a), Body::Quantity(b)) if matches!(data_type, DataType::BodyFat | DataType::Bmi) => {
            numbers(a.value, b.value, 0.1, 0.0)
        }
        (Body::Quantity(a), Body::Quantity(b)) => numbers(a.value, b.value, 1.0, 0.0),
        (Body::BloodPressure(a), Body::BloodPressure(b)) => match numbers(a.diastolic, b.diastolic, 1.0, 0.0) {
            Values::Equal(..) => numbers(a.systolic, b.systolic, 1.0, 0.0),
            other => other,
        },
        (Body::Nutrition(a), Body::Nutrition(b)) => foods(a, b),
        (Body::Entity(a), Body::Entity(b)) => entities(a, b),
        _ => Values::Silent,
    }
}

/// Equal but for rounding: each may be off by half of the grain that it is told in (no coarser than `coarsest`), both
/// together by `extra`.
fn numbers(a: f64, b: f64, coarsest: f64, extra: f64) -> Values {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { Values::Silent } else { Values::Other(0.0, 0.0) };
    }
    let off = grain(a).max(grain(b)).min(coarsest) * 0.51 + extra + 1e-6 * a.abs().max(b.abs()).min(1e12);
    let (lower, upper) = (a.min(b), a.max(b));
    let is_equal = a.total_cmp(&b).is_eq() || upper - lower <= off;
    if is_equal { Values::Equal(lower, upper) } else { Values::Other(lower, upper) }
}

/// The last decimal in which a number is told; no coarser than one.
fn grain(value: f64) -> f64 {
    let grains = [1.0, 0.1, 0.01, 0.001];
    grains.into_iter().find(|it| (value / it - (value / it).round()).abs() < 1e-6).unwrap_or(0.0)
}

fn foods(a: &Nutrition, b: &Nutrition) -> Values {
    let is_other_name = a.name.as_ref().zip(b.name.as_ref()).is_some_and(|(a, b)| !is_same_text(a, b));
    match (a.energy_kcal, b.energy_kcal) {
        _ if is_other_name => Values::OtherText,
        (Some(a), Some(b)) => numbers(a, b, 1.0, 1.0),
        _ => Values::Silent,
    }
}

fn entities(a: &Entity, b: &Entity) -> Values {
    if !is_same_text(&a.title, &b.title) {
        return Values::OtherText;
    }
    let pairs = a.numbers.iter().filter_map(|(name, value)| b.numbers.get(name).map(|other| (*value, *other)));
    pairs.map(|(a, b)| numbers(a, b, 1.0, 0.0)).find(|it| matches!(it, Values::Other(..))).unwrap_or(Values::Silent)
}

fn is_same_text(a: &str, b: &str) -> bool {
    let letters = |it: &str| it.trim().chars().flat_map(char::to_lowercase).collect::<String>();
    a == b || letters(a) == letters(b)
}

fn is_moment(record: &Record) -> bool {
    record.time.end <= record.time.start
}

/// The quarters of an hour between two readings that are told to the second and agree in it.
fn zone(a: &Record, b: &Record) -> Option<i64> {
    let apart = i64::try_from(a.time.start.0.abs_diff(b.time.start.0)).ok()?;
    let quarters = quarters(apart).filter(|it| *it <= QUARTERS_MAX)?;
    let is_to_the_second = [a, b].iter().all(|it| it.time.start.0.rem_euclid(60_000) >= 1_000);
    (is_to_the_second && apart.abs_diff(quarters * QUARTER_MS) < 1_000).then_some(quarters)
}

/// What is measured a few times a day at most.
const fn is_rare(data_type: DataType) -> bool {
    is_mass(data_type)
        || matches!(
            data_type,
            DataType::Height
                | DataType::BodyFat
                | DataType::Bmi
                | DataType::BloodPressure
                | DataType::Vo2Max
                | DataType::RestingHeartRate
                | DataType::BodyTemperature
                | DataType::Readiness
                | DataType::Score
                | DataType::Hydration
                | DataType::Nutrition
                | DataType::HealthMetric
                | DataType::Medication
                | DataType::Meal
                | DataType::Exercise
                | DataType::MealPlan
        )
}

const fn is_mass(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::Weight | DataType::LeanMass | DataType::MuscleMass | DataType::BoneMass | DataType::BodyWater
    )
}
