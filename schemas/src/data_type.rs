//! The canonical data types, each with one fixed unit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a record is about. Its name in JSON, Avro, the API and the command line is the snake-case one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// A type that this build does not know; a newer writer made it.
    Unknown,
    /// A bout of exercise, with laps and streams.
    Workout,
    /// A sleep session with stages.
    Sleep,
    /// Heart rate.
    HeartRate,
    /// Heart rate at rest.
    RestingHeartRate,
    /// Heart rate variability as RMSSD; never mixed with SDNN.
    HrvRmssd,
    /// Heart rate variability as SDNN; never mixed with RMSSD.
    HrvSdnn,
    /// Steps taken.
    Steps,
    /// Distance on foot or wheels outside of a workout.
    Distance,
    /// Energy spent by moving.
    ActiveEnergy,
    /// Energy spent in all, resting included.
    TotalEnergy,
    /// Floors climbed.
    Floors,
    /// Body weight.
    Weight,
    /// Body height.
    Height,
    /// Share of fat in the body.
    BodyFat,
    /// Mass without fat.
    LeanMass,
    /// Mass of muscle.
    MuscleMass,
    /// Mass of bone.
    BoneMass,
    /// Mass of water.
    BodyWater,
    /// Body mass index.
    Bmi,
    /// Oxygen saturation of the blood.
    OxygenSaturation,
    /// Breaths.
    RespiratoryRate,
    /// Temperature of the body.
    BodyTemperature,
    /// Skin temperature as a difference from the person's own baseline.
    SkinTemperatureDelta,
    /// Blood pressure.
    BloodPressure,
    /// Glucose in the blood.
    BloodGlucose,
    /// Greatest oxygen uptake.
    Vo2Max,
    /// Readiness, or recovery, as the provider scores it.
    Readiness,
    /// Another score of a provider.
    Score,
    /// Drink taken.
    Hydration,
    /// Food taken.
    Nutrition,
    /// A health metric that a device's user wrote down.
    HealthMetric,
    /// A medication, with dose and times.
    Medication,
    /// A meal of a plan or diary.
    Meal,
    /// An exercise of a plan.
    Exercise,
    /// A plan of meals.
    MealPlan,
}

impl DataType {
    /// Every known type, in the order of this page.
    pub const ALL: [Self; 35] = [
        Self::Workout,
        Self::Sleep,
        Self::HeartRate,
        Self::RestingHeartRate,
        Self::HrvRmssd,
        Self::HrvSdnn,
        Self::Steps,
        Self::Distance,
        Self::ActiveEnergy,
        Self::TotalEnergy,
        Self::Floors,
        Self::Weight,
        Self::Height,
        Self::BodyFat,
        Self::LeanMass,
        Self::MuscleMass,
        Self::BoneMass,
        Self::BodyWater,
        Self::Bmi,
        Self::OxygenSaturation,
        Self::RespiratoryRate,
        Self::BodyTemperature,
        Self::SkinTemperatureDelta,
        Self::BloodPressure,
        Self::BloodGlucose,
        Self::Vo2Max,
        Self::Readiness,
        Self::Score,
        Self::Hydration,
        Self::Nutrition,
        Self::HealthMetric,
        Self::Medication,
        Self::Meal,
        Self::Exercise,
        Self::MealPlan,
    ];

    /// The name used everywhere outside of Rust.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Workout => "workout",
            Self::Sleep => "sleep",
            Self::HeartRate => "heart_rate",
            Self::RestingHeartRate => "resting_heart_rate",
            Self::HrvRmssd => "hrv_rmssd",
            Self::HrvSdnn => "hrv_sdnn",
            Self::Steps => "steps",
            Self::Distance => "distance",
            Self::ActiveEnergy => "active_energy",
            Self::TotalEnergy => "total_energy",
            Self::Floors => "floors",
            Self::Weight => "weight",
            Self::Height => "height",
            Self::BodyFat => "body_fat",
            Self::LeanMass => "lean_mass",
            Self::MuscleMass => "muscle_mass",
            Self::BoneMass => "bone_mass",
            Self::BodyWater => "body_water",
            Self::Bmi => "bmi",
            Self::OxygenSaturation => "oxygen_saturation",
            Self::RespiratoryRate => "respiratory_rate",
            Self::BodyTemperature => "body_temperature",
            Self::SkinTemperatureDelta => "skin_temperature_delta",
            Self::BloodPressure => "blood_pressure",
            Self::BloodGlucose => "blood_glucose",
            Self::Vo2Max => "vo2_max",
            Self::Readiness => "readiness",
            Self::Score => "score",
            Self::Hydration => "hydration",
            Self::Nutrition => "nutrition",
            Self::HealthMetric => "health_metric",
            Self::Medication => "medication",
            Self::Meal => "meal",
            Self::Exercise => "exercise",
            Self::MealPlan => "meal_plan",
        }
    }

    /// The UCUM unit of its values; empty where a record has fields with units of their own.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::HeartRate | Self::RestingHeartRate | Self::RespiratoryRate => "/min",
            Self::HrvRmssd | Self::HrvSdnn => "ms",
            Self::Steps => "{steps}",
            Self::Distance => "m",
            Self::ActiveEnergy | Self::TotalEnergy => "kcal",
            Self::Floors => "{floors}",
            Self::Weight | Self::LeanMass | Self::MuscleMass | Self::BoneMass | Self::BodyWater => {
                "kg"
            }
            Self::Height => "cm",
            Self::BodyFat | Self::OxygenSaturation => "%",
            Self::Bmi => "kg/m2",
            Self::BodyTemperature | Self::SkinTemperatureDelta => "Cel",
            Self::BloodPressure => "mm[Hg]",
            Self::BloodGlucose => "mg/dL",
            Self::Vo2Max => "mL/kg/min",
            Self::Readiness | Self::Score => "{score}",
            Self::Hydration => "mL",
            Self::Unknown
            | Self::Workout
            | Self::Sleep
            | Self::Nutrition
            | Self::HealthMetric
            | Self::Medication
            | Self::Meal
            | Self::Exercise
            | Self::MealPlan => "",
        }
    }

    /// Its LOINC code (FHIR `Observation.code`), where there is one that is agreed on.
    ///
    /// Sources of those that are checked: the Open mHealth schema reference, HL7 Physical Activity 1.0.1, HL7
    /// Personal Health Record, US Core examples.
    #[must_use]
    pub const fn loinc(self) -> Option<Loinc> {
        let (code, is_checked) = match self {
            Self::Workout => ("55411-3", false),
            Self::Sleep => ("93832-4", true),
            Self::HeartRate => ("8867-4", true),
            Self::RestingHeartRate => ("40443-4", true),
            Self::HrvSdnn => ("80404-7", false),
            Self::Steps => ("55423-8", true),
            Self::Distance => ("55430-3", false),
            Self::ActiveEnergy => ("41981-2", true),
            Self::Weight => ("29463-7", true),
            Self::Height => ("8302-2", true),
            Self::BodyFat => ("41982-0", true),
            Self::Bmi => ("39156-5", false),
            Self::OxygenSaturation => ("2708-6", false),
            Self::RespiratoryRate => ("9279-1", false),
            Self::BodyTemperature => ("8310-5", true),
            Self::BloodPressure => ("85354-9", false),
            Self::BloodGlucose => ("2339-0", false),
            Self::Vo2Max => ("60842-2", false),
            Self::Hydration => ("9108-2", false),
            _ => return None,
        };
        Some(Loinc { code, is_checked })
    }

    /// The Open mHealth (IEEE 1752.1) schema that says the same, where there is one.
    #[must_use]
    pub const fn omh(self) -> Option<&'static str> {
        Some(match self {
            Self::Workout | Self::Distance => "omh:physical-activity:1.2",
            Self::Sleep => "omh:sleep-episode:1.1",
            Self::HeartRate | Self::RestingHeartRate => "omh:heart-rate:2.0",
            Self::Steps => "omh:step-count:3.0",
            Self::ActiveEnergy => "omh:calories-burned:2.0",
            Self::Weight => "omh:body-weight:3.0",
            Self::Height => "omh:body-height:2.0",
            Self::BodyFat => "omh:body-fat-percentage:2.0",
            Self::Bmi => "omh:body-mass-index:3.0",
            Self::OxygenSaturation => "omh:oxygen-saturation:2.0",
            Self::RespiratoryRate => "omh:respiratory-rate:2.0",
            Self::BodyTemperature => "omh:body-temperature:4.0",
            Self::BloodPressure => "omh:blood-pressure:4.0",
            Self::BloodGlucose => "omh:blood-glucose:4.0",
            _ => return None,
        })
    }

    /// The kinds of [`crate::record::Body`] that hold its values, by their names in JSON; a tombstone has `nothing`.
    #[must_use]
    pub const fn body_kinds(self) -> &'static [&'static str] {
        match self {
            Self::Workout => &["workout"],
            Self::Sleep => &["sleep"],
            Self::BloodPressure => &["blood_pressure"],
            Self::Nutrition => &["nutrition"],
            Self::HealthMetric
            | Self::Medication
            | Self::Meal
            | Self::Exercise
            | Self::MealPlan => &["entity"],
            // Those that a device measures many times an hour.
            Self::HeartRate
            | Self::HrvRmssd
            | Self::HrvSdnn
            | Self::OxygenSaturation
            | Self::RespiratoryRate
            | Self::BodyTemperature
            | Self::SkinTemperatureDelta
            | Self::BloodGlucose => &["quantity", "series"],
            Self::Unknown => &[],
            _ => &["quantity"],
        }
    }

    /// The values a living person can have, in [`Self::unit`]; what lies outside is an issue, not a record.
    /// The limits are wide on purpose: they catch a wrong unit, not a rare person.
    #[must_use]
    pub const fn plausible(self) -> (f64, f64) {
        match self {
            Self::HeartRate | Self::RestingHeartRate => (15.0, 350.0),
            Self::HrvRmssd | Self::HrvSdnn => (0.0, 1_000.0),
            Self::Steps => (0.0, 300_000.0),
            Self::Distance => (0.0, 2_000_000.0),
            Self::ActiveEnergy | Self::TotalEnergy => (0.0, 50_000.0),
            Self::Floors => (0.0, 5_000.0),
            Self::Weight => (0.5, 700.0),
            Self::LeanMass | Self::MuscleMass | Self::BodyWater => (0.1, 500.0),
            Self::BoneMass => (0.1, 30.0),
            Self::Height => (20.0, 300.0),
            Self::BodyFat => (0.5, 90.0),
            Self::OxygenSaturation => (30.0, 100.0),
            Self::RespiratoryRate => (2.0, 120.0),
            Self::Bmi => (5.0, 250.0),
            Self::BodyTemperature => (20.0, 46.0),
            Self::SkinTemperatureDelta => (-20.0, 20.0),
            Self::BloodPressure => (10.0, 400.0),
            Self::BloodGlucose => (5.0, 2_000.0),
            Self::Vo2Max => (5.0, 110.0),
            Self::Readiness | Self::Score => (-1_000.0, 100_000.0),
            Self::Hydration => (0.0, 30_000.0),
            Self::Unknown
            | Self::Workout
            | Self::Sleep
            | Self::Nutrition
            | Self::HealthMetric
            | Self::Medication
            | Self::Meal
            | Self::Exercise
            | Self::MealPlan => (f64::MIN, f64::MAX),
        }
    }
}

/// A code of LOINC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loinc {
    /// The code.
    pub code: &'static str,
    /// Whether it was seen in a source for this very use; otherwise it is to be checked before it is relied on.
    pub is_checked: bool,
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no data type.
#[derive(Debug, thiserror::Error)]
#[error("no data type is called {0:?}; known are {all}", all = DataType::ALL.map(DataType::name).join(", "))]
pub struct UnknownDataType(pub String);

impl FromStr for DataType {
    type Err = UnknownDataType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == text)
            .ok_or_else(|| UnknownDataType(text.into()))
    }
}
