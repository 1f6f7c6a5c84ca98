//! [`Analytics`]: what analysts may see of a record. Every field is on the allow-list of [`crate::analytics`].

use super::{Action, Event, Kind};
use crate::{data_type::DataType, record::RecordingMethod, workout::Sport};
use serde::{Deserialize, Serialize};

/// A record was made, changed or deleted: what analysts may see of it. Its head is pseudonymous too: nothing in it
/// occurs on another topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analytics {
    /// The quarter whose pseudonyms these are, `2026-Q4`.
    pub epoch: String,
    /// A pseudonym of the record: the same for every version of it and every destination, within the epoch.
    pub record: String,
    /// What is done with it.
    pub action: Action,
    /// What the record is about.
    pub data_type: DataType,
    /// The provider that it comes from, by its catalogue name.
    pub provider: String,
    /// How it came to be.
    pub method: RecordingMethod,
    /// The week it begins in on the person's wall clock, `2026-W47`; empty for a deletion.
    pub week: String,
    /// Whether it begins on a Saturday or Sunday.
    pub is_weekend: bool,
    /// The part of the day it begins in.
    pub part_of_day: PartOfDay,
    /// Whether it is a provider's own total of a day.
    pub is_daily_total: bool,
    /// How long it lasts, pauses included, min.
    pub duration_min: Option<i32>,
    /// The value of a quantity, or the mean of a series, in the unit of the type.
    pub value: Option<f64>,
    /// What kind of exercise.
    pub sport: Option<Sport>,
    /// Time moving, min.
    pub moving_min: Option<i32>,
    /// Distance of a workout, km.
    pub distance_km: Option<f64>,
    /// Energy spent in a workout, or taken with food, kcal.
    pub energy_kcal: Option<i32>,
    /// Metres climbed in a workout.
    pub ascent_m: Option<i32>,
    /// Mean heart rate of a workout, or the pulse of a blood pressure, /min.
    pub heart_rate_mean: Option<i32>,
    /// Greatest heart rate of a workout, /min.
    pub heart_rate_max: Option<i32>,
    /// Steps taken in a workout.
    pub steps: Option<i32>,
    /// Time asleep in a night or nap, min.
    pub asleep_min: Option<i32>,
    /// Time in deep sleep, min.
    pub deep_min: Option<i32>,
    /// Time in REM sleep, min.
    pub rem_min: Option<i32>,
    /// Whether a sleep is a nap.
    pub is_nap: Option<bool>,
    /// Systolic blood pressure, mm\[Hg\].
    pub systolic: Option<i32>,
    /// Diastolic blood pressure, mm\[Hg\].
    pub diastolic: Option<i32>,
}

impl Analytics {
    /// That something is done with a record, and nothing about the record: all that is said of a deletion.
    #[must_use]
    pub fn bare(epoch: String, record: String, action: Action, data_type: DataType, provider: String) -> Self {
        Self {
            epoch,
            record,
            action,
            data_type,
            provider,
            method: RecordingMethod::Unknown,
            week: String::new(),
            is_weekend: false,
            part_of_day: PartOfDay::Unknown,
            is_daily_total: false,
            duration_min: None,
            value: None,
            sport: None,
            moving_min: None,
            distance_km: None,
            energy_kcal: None,
            ascent_m: None,
            heart_rate_mean: None,
            heart_rate_max: None,
            steps: None,
            asleep_min: None,
            deep_min: None,
            rem_min: None,
            is_nap: None,
            systolic: None,
            diastolic: None,
        }
    }
}

/// A part of the day on the person's wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartOfDay {
    /// Not known, or the record is of a whole day.
    #[default]
    Unknown,
    /// From 0 to 6 o'clock.
    Night,
    /// From 6 to 12 o'clock.
    Morning,
    /// From 12 to 18 o'clock.
    Afternoon,
    /// From 18 to 24 o'clock.
    Evening,
}

impl Event for Analytics {
    const KIND: Kind = Kind::Analytics;
}
