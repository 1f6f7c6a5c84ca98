//! What may leave in the clear, for analysts: the allow-list of fields, and how coarse each of them is.
//!
//! [`ALLOWED`] is the one place. A test compares it with the schema, another looks for anything else in what is made,
//! and `docs/analytics.md` shows it.

use crate::data_type::DataType;

/// How long what was released stays, days.
pub const RETENTION_DAYS: u32 = 30;

/// A field that analysts may see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowed {
    /// Where it is in an event, `body.distance_km`.
    pub path: &'static str,
    /// What is left of the value it is made of.
    pub grain: Grain,
}

/// What is left of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grain {
    /// A keyed hash of this with the epoch's key.
    Pseudonym(&'static str),
    /// One of a closed set.
    Code,
    /// This.
    Coarse(&'static str),
    /// The lower edge of its bin.
    Binned(Bin),
    /// The lower edge of its bin, which depends on the type: [`value_bin`].
    BinnedByType,
}

/// Bins of equal width. Values beyond an end are in the bin at that end, so that who is far out is one of many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// How wide a bin is.
    pub width: f64,
    /// Lower edge of the lowest bin.
    pub least: f64,
    /// Lower edge of the highest bin.
    pub most: f64,
}

impl Bin {
    const fn new(width: f64, least: f64, most: f64) -> Self {
        Self { width, least, most }
    }

    /// The lower edge of a value's bin; `None` for what is no number.
    #[must_use]
    pub fn of(self, value: f64) -> Option<f64> {
        value.is_finite().then(|| ((value / self.width).floor() * self.width).clamp(self.least, self.most))
    }

    /// As [`Bin::of`], for bins whose edges are whole numbers.
    #[must_use]
    pub fn whole(self, value: f64) -> Option<i32> {
        #[expect(clippy::cast_possible_truncation, reason = "edges are small whole numbers, and a cast saturates")]
        self.of(value).map(|it| it as i32)
    }
}

/// Durations, min: up to twelve hours.
pub const MINUTES: Bin = Bin::new(5.0, 0.0, 720.0);
/// Distances of workouts, km.
pub const DISTANCE_KM: Bin = Bin::new(0.5, 0.0, 100.0);
/// Energy of workouts and food, kcal.
pub const ENERGY_KCAL: Bin = Bin::new(50.0, 0.0, 3_000.0);
/// Metres climbed.
pub const ASCENT_M: Bin = Bin::new(50.0, 0.0, 2_000.0);
/// Heart rates, /min.
pub const HEART_RATE: Bin = Bin::new(5.0, 35.0, 200.0);
/// Steps of workouts.
pub const STEPS: Bin = Bin::new(500.0, 0.0, 40_000.0);
/// Systolic pressures, mm\[Hg\].
pub const SYSTOLIC: Bin = Bin::new(5.0, 80.0, 180.0);
/// Diastolic pressures, mm\[Hg\].
pub const DIASTOLIC: Bin = Bin::new(5.0, 50.0, 120.0);

/// The bins of a type's values, in its unit. `None`: the type has no one value, or nothing of it is released.
#[must_use]
pub const fn value_bin(data_type: DataType) -> Option<Bin> {
    let (width, least, most) = match data_type {
        DataType::HeartRate | DataType::RestingHeartRate => return Some(HEART_RATE),
        DataType::HrvRmssd | DataType::HrvSdnn => (5.0, 0.0, 200.0),
        DataType::Steps => return Some(STEPS),
        DataType::Distance => (500.0, 0.0, 50_000.0),
        DataType::ActiveEnergy => (50.0, 0.0, 3_000.0),
        DataType::TotalEnergy => (50.0, 500.0, 6_000.0),
        DataType::Floors => (5.0, 0.0, 100.0),
        DataType::Weight => (2.0, 40.0, 140.0),
        DataType::Height => (5.0, 145.0, 200.0),
        DataType::BodyFat => (2.0, 6.0, 50.0),
        DataType::LeanMass | DataType::MuscleMass | DataType::BodyWater => (2.0, 20.0, 100.0),
        DataType::BoneMass => (0.5, 1.0, 6.0),
        DataType::Bmi => (1.0, 15.0, 45.0),
        DataType::OxygenSaturation => (2.0, 80.0, 98.0),
        DataType::RespiratoryRate => (2.0, 6.0, 30.0),
        DataType::BodyTemperature => (0.5, 35.0, 40.0),
        DataType::SkinTemperatureDelta => (0.5, -3.0, 3.0),
        DataType::BloodGlucose => (10.0, 40.0, 300.0),
        DataType::Vo2Max => (2.0, 20.0, 70.0),
        DataType::Readiness | DataType::Score => (5.0, 0.0, 100.0),
        DataType::Hydration => (250.0, 0.0, 6_000.0),
        DataType::Unknown
        | DataType::Workout
        | DataType::Sleep
        | DataType::BloodPressure
        | DataType::Nutrition
        | DataType::HealthMetric
        | DataType::Medication
        | DataType::Meal
        | DataType::Exercise
        | DataType::MealPlan => return None,
    };
    Some(Bin::new(width, least, most))
}

/// Whether anything of a type is released: not of those that are a person's own words, nor of what is not known.
#[must_use]
pub const fn is_released(data_type: DataType) -> bool {
    !matches!(
        data_type,
        DataType::Unknown
            | DataType::HealthMetric
            | DataType::Medication
            | DataType::Meal
            | DataType::Exercise
            | DataType::MealPlan
    )
}

const fn allowed(path: &'static str, grain: Grain) -> Allowed {
    Allowed { path, grain }
}

/// Every field that analysts may see, in the order of the schema. Nothing else leaves in the clear.
pub const ALLOWED: [Allowed; 32] = [
    allowed("head.id", Grain::Pseudonym("the operation: the version of the record at a destination")),
    allowed("head.cause", Grain::Coarse("repeats `head.id`")),
    allowed("head.sync", Grain::Coarse("repeats `head.id`")),
    allowed("head.subject", Grain::Pseudonym("the person")),
    allowed("head.at", Grain::Coarse("midnight (UTC) of the day on which it was released")),
    allowed("head.mode", Grain::Coarse("always `live`")),
    allowed("body.epoch", Grain::Coarse("the quarter of the release")),
    allowed("body.record", Grain::Pseudonym("the record's source and id there")),
    allowed("body.action", Grain::Code),
    allowed("body.data_type", Grain::Code),
    allowed("body.provider", Grain::Code),
    allowed("body.method", Grain::Code),
    allowed("body.week", Grain::Coarse("the ISO week; no date")),
    allowed("body.is_weekend", Grain::Coarse("Saturday or Sunday, or not")),
    allowed("body.part_of_day", Grain::Coarse("six hours; `unknown` where the source gives no offset from UTC")),
    allowed("body.is_daily_total", Grain::Code),
    allowed("body.duration_min", Grain::Binned(MINUTES)),
    allowed("body.value", Grain::BinnedByType),
    allowed("body.sport", Grain::Code),
    allowed("body.moving_min", Grain::Binned(MINUTES)),
    allowed("body.distance_km", Grain::Binned(DISTANCE_KM)),
    allowed("body.energy_kcal", Grain::Binned(ENERGY_KCAL)),
    allowed("body.ascent_m", Grain::Binned(ASCENT_M)),
    allowed("body.heart_rate_mean", Grain::Binned(HEART_RATE)),
    allowed("body.heart_rate_max", Grain::Binned(HEART_RATE)),
    allowed("body.steps", Grain::Binned(STEPS)),
    allowed("body.asleep_min", Grain::Binned(MINUTES)),
    allowed("body.deep_min", Grain::Binned(MINUTES)),
    allowed("body.rem_min", Grain::Binned(MINUTES)),
    allowed("body.is_nap", Grain::Code),
    allowed("body.systolic", Grain::Binned(SYSTOLIC)),
    allowed("body.diastolic", Grain::Binned(DIASTOLIC)),
];
