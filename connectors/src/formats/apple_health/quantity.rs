//! Quantity types of HealthKit and their units. The unit of an export follows the phone's settings, so it is always
//! read and never assumed.

use crate::formats::{number, xml::Node};
use schemas::data_type::DataType;

/// Our type for one of HealthKit's, if it has the same meaning. Basal energy has none: our total holds the active
/// energy too.
pub(super) fn data_type(kind: &str) -> Option<DataType> {
    Some(match kind.strip_prefix("HKQuantityTypeIdentifier")? {
        "StepCount" => DataType::Steps,
        "HeartRate" => DataType::HeartRate,
        "RestingHeartRate" => DataType::RestingHeartRate,
        "HeartRateVariabilitySDNN" => DataType::HrvSdnn,
        "OxygenSaturation" => DataType::OxygenSaturation,
        "BodyMass" => DataType::Weight,
        "BodyFatPercentage" => DataType::BodyFat,
        "LeanBodyMass" => DataType::LeanMass,
        "BodyMassIndex" => DataType::Bmi,
        "Height" => DataType::Height,
        "DistanceWalkingRunning" | "DistanceCycling" => DataType::Distance,
        "ActiveEnergyBurned" => DataType::ActiveEnergy,
        "FlightsClimbed" => DataType::Floors,
        "RespiratoryRate" => DataType::RespiratoryRate,
        "BodyTemperature" => DataType::BodyTemperature,
        "BloodGlucose" => DataType::BloodGlucose,
        "VO2Max" => DataType::Vo2Max,
        "DietaryWater" => DataType::Hydration,
        _ => return None,
    })
}

/// The value of a record in our unit, or the code and text of an issue.
pub(super) fn quantity(data_type: DataType, node: &Node) -> Result<f64, (&'static str, String)> {
    let unit = node.attribute("unit").unwrap_or_default();
    let value = node.attribute("value").and_then(number).ok_or(("malformed", "the value is no number".to_owned()))?;
    let value = convert(data_type, unit, value).ok_or(("bad_unit", format!("{unit:?} is no unit of {data_type}")))?;
    let (min, max) = data_type.plausible();
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(("out_of_range", "the value is outside of what can be".to_owned()))
    }
}

fn convert(data_type: DataType, unit: &str, value: f64) -> Option<f64> {
    Some(match data_type {
        DataType::Weight | DataType::LeanMass => value * kilograms(unit)?,
        DataType::Distance => value * metres(unit)?,
        DataType::Height => value * metres(unit)? * 100.0,
        DataType::ActiveEnergy => value * kilocalories(unit)?,
        DataType::OxygenSaturation | DataType::BodyFat => match unit {
            // HealthKit's percent is a fraction of one; other apps' imports are of a hundred. No living person has
            // one percent of either.
            "%" if value <= 1.0 => value * 100.0,
            "%" => value,
            _ => return None,
        },
        DataType::HeartRate | DataType::RestingHeartRate | DataType::RespiratoryRate => match unit {
            "count/min" => value,
            "count/s" | "Hz" => value * 60.0,
            _ => return None,
        },
        DataType::HrvSdnn => match unit {
            "ms" => value,
            "s" => value * 1_000.0,
            _ => return None,
        },
        DataType::BodyTemperature => match unit {
            "degC" => value,
            "degF" => (value - 32.0) / 1.8,
            "K" => value - 273.15,
            _ => return None,
        },
        DataType::BloodGlucose => match unit {
            "mg/dL" => value,
            // The unit is written with the molar mass: `mmol<180.1558800000541>/L`.
            _ if unit.starts_with("mmol") && unit.ends_with("/L") => value * 18.016,
            _ => return None,
        },
        DataType::BloodPressure => match unit {
            "mmHg" => value,
            "kPa" => value * 7.500_617,
            _ => return None,
        },
        DataType::Vo2Max => unit.to_lowercase().starts_with("ml/").then_some(value)?,
        DataType::Hydration => match unit {
            "mL" => value,
            "L" => value * 1_000.0,
            "fl_oz_us" => value * 29.573_529_562_5,
            "fl_oz_imp" => value * 28.413_062_5,
            "cup_us" => value * 236.588_236_5,
            _ => return None,
        },
        DataType::Steps | DataType::Floors | DataType::Bmi => (unit == "count").then_some(value)?,
        _ => return None,
    })
}

fn kilograms(unit: &str) -> Option<f64> {
    Some(match unit {
        "kg" => 1.0,
        "g" => 0.001,
        "lb" => 0.453_592_37,
        "oz" => 0.028_349_523_125,
        "st" => 6.350_293_18,
        _ => return None,
    })
}

/// Metres of a unit of length.
pub(super) fn metres(unit: &str) -> Option<f64> {
    Some(match unit {
        "m" => 1.0,
        "km" => 1_000.0,
        "cm" => 0.01,
        "mm" => 0.001,
        "mi" => 1_609.344,
        "yd" => 0.914_4,
        "ft" => 0.304_8,
        "in" => 0.025_4,
        _ => return None,
    })
}

/// Kilocalories of a unit of energy; `Cal` with a capital is a kilocalorie.
pub(super) fn kilocalories(unit: &str) -> Option<f64> {
    Some(match unit {
        "kcal" | "Cal" => 1.0,
        "cal" => 0.001,
        "kJ" => 1.0 / 4.184,
        "J" => 1.0 / 4_184.0,
        _ => return None,
    })
}
