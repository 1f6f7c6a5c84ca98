//! Whether two readings of a scale are one.

use super::read::Key;
use schemas::{
    data_type::DataType,
    record::{Body, Record},
};

/// One way may give the second, another the minute of a reading: they differ by less than that, ms.
const APART_MAX_MS: u64 = 60_000;

/// How far two renderings of one value may be apart, in the unit of the type; none for types that no scale gives.
///
/// A weight rounded to 0.1 kg by one way and to 0.2 lb by another differs by up to 0.095 kg.
const fn tolerance(data_type: DataType) -> Option<f64> {
    match data_type {
        DataType::Weight
        | DataType::LeanMass
        | DataType::MuscleMass
        | DataType::BoneMass
        | DataType::BodyWater
        | DataType::BodyFat
        | DataType::Bmi => Some(0.1),
        _ => None,
    }
}

/// Whether two records are one reading of a scale that came through two ways. Symmetric.
///
/// The times may differ by less than a minute and the values by rounding (kg and lb). Two readings by one source are
/// the same only at the very same moment: a source that stamps to the second knows which are two.
#[must_use]
pub fn same_reading(a: &Record, b: &Record) -> bool {
    let (Some(tolerance), Body::Quantity(x), Body::Quantity(y)) = (tolerance(a.data_type), &a.body, &b.body) else {
        return false;
    };
    let is_comparable = a.data_type == b.data_type && !a.deleted && !b.deleted && a.is_daily_total == b.is_daily_total;
    let apart = a.time.start.0.abs_diff(b.time.start.0);
    let is_then = if Key::of(a) == Key::of(b) { apart == 0 } else { apart < APART_MAX_MS };
    // Binary fractions: 75.2 - 75.1 is a little more than 0.1.
    is_comparable && is_then && (x.value - y.value).abs() <= tolerance + 1e-6
}
