//! The JSON of Google Health API v4 (discovery document of 2026-04-16), read leniently: what may be missing is
//! optional, int64 comes as text or number, what is not known is passed over.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use schemas::time::Instant;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// Offsets from UTC lie within 18 hours (google.type.DateTime).
const OFFSET_SECONDS_MAX: i64 = 18 * 3_600;

/// A number that is written as one or as text, as JSON has no int64. Always finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Number {
    /// The number in a JSON value, if it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let number = match value {
            Value::Number(it) => it.as_f64(),
            Value::String(it) => it.trim().parse().ok(),
            _ => None,
        };
        number.filter(|it| it.is_finite()).map(Self)
    }

    /// The nearest whole number.
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and the number is finite")]
    pub(super) fn whole(self) -> i64 {
        self.0.round() as i64
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Self::of(&value).ok_or_else(|| de::Error::custom("expected a finite number, or one as text"))
    }
}

/// A length of time such as `"3600s"` or `"1.5s"` (google.protobuf.Duration in JSON), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Millis(pub(super) i64);

impl Millis {
    fn parse(text: &str) -> Option<Self> {
        let seconds: f64 = text.trim().strip_suffix('s')?.parse().ok()?;
        // The format's own limit is 315,576,000,000 s.
        (seconds.abs() <= 315_576_000_000.0).then(|| Self(Number(seconds * 1000.0).whole()))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected seconds such as \"3600s\""))
    }
}

/// Seconds east of UTC, if the offset is one that exists.
pub(super) fn offset_seconds(offset: Option<Millis>) -> Option<i32> {
    let seconds = offset?.0 / 1000;
    i32::try_from(seconds).ok().filter(|_| seconds.abs() <= OFFSET_SECONDS_MAX)
}

/// A calendar date.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Date {
    year: i32,
    month: u32,
    day: u32,
}

impl Date {
    /// The date, if there is such a day and its year has four digits.
    pub(super) fn civil(self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(self.year, self.month, self.day).filter(|_| (1..=9999).contains(&self.year))
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct TimeOfDay {
    hours: u32,
    minutes: u32,
    seconds: u32,
    nanos: u32,
}

/// A wall-clock time without zone.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Civil {
    date: Date,
    time: Option<TimeOfDay>,
}

impl Civil {
    /// The wall-clock time, if it exists; midnight where no time is given.
    pub(super) fn date_time(self) -> Option<NaiveDateTime> {
        let time = self.time.unwrap_or_default();
        let of_day = NaiveTime::from_hms_nano_opt(time.hours, time.minutes, time.seconds, time.nanos)?;
        Some(NaiveDateTime::new(self.date.civil()?, of_day))
    }
}

/// A moment in UTC of a wall-clock time that is `offset` seconds ahead of UTC.
pub(super) fn instant(civil: NaiveDateTime, offset_seconds: i32) -> Instant {
    Instant(civil.and_utc().timestamp_millis().saturating_sub(i64::from(offset_seconds) * 1000))
}

/// The wall-clock time at a moment, `offset` seconds ahead of UTC.
pub(super) fn civil(at: Instant, offset_seconds: i32) -> NaiveDateTime {
    let local = at.0.saturating_add(i64::from(offset_seconds) * 1000);
    DateTime::from_timestamp_millis(local).unwrap_or_default().naive_utc()
}

/// An observed interval, or that of a session.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Interval {
    pub(super) start_time: Option<String>,
    pub(super) start_utc_offset: Option<Millis>,
    pub(super) end_time: Option<String>,
    pub(super) end_utc_offset: Option<Millis>,
    pub(super) civil_start_time: Option<Civil>,
    pub(super) civil_end_time: Option<Civil>,
}

/// The moment of a sample.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SampleTime {
    pub(super) physical_time: Option<String>,
    pub(super) utc_offset: Option<Millis>,
    pub(super) civil_time: Option<Civil>,
}

/// Where a point comes from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DataSource {
    pub(super) recording_method: String,
    pub(super) platform: String,
    pub(super) device: Device,
    pub(super) application: Application,
}

/// What measured a point.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) display_name: String,
    pub(super) form_factor: String,
    pub(super) manufacturer: String,
}

/// What brought a point.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Application {
    pub(super) package_name: String,
    pub(super) web_client_id: String,
    pub(super) google_web_client_id: String,
}

/// A sleep session.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Sleep {
    pub(super) stages: Vec<Stage>,
    pub(super) metadata: SleepMetadata,
    pub(super) update_time: Option<String>,
}

/// A stage of a sleep session.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Stage {
    pub(super) start_time: String,
    pub(super) end_time: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// What Google says of its work on a sleep session.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SleepMetadata {
    pub(super) processed: Option<bool>,
    pub(super) nap: bool,
}

/// A bout of exercise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exercise {
    pub(super) exercise_type: String,
    pub(super) display_name: Option<String>,
    pub(super) notes: Option<String>,
    pub(super) active_duration: Option<Millis>,
    pub(super) metrics_summary: Metrics,
    pub(super) split_summaries: Vec<Split>,
    pub(super) update_time: Option<String>,
}

/// The figures of an exercise or of a lap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metrics {
    pub(super) calories_kcal: Option<Number>,
    pub(super) distance_millimeters: Option<Number>,
    pub(super) elevation_gain_millimeters: Option<Number>,
    pub(super) average_heart_rate_beats_per_minute: Option<Number>,
    pub(super) steps: Option<Number>,
    pub(super) mobility_metrics: Mobility,
}

/// The figures of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Mobility {
    pub(super) avg_cadence_steps_per_minute: Option<Number>,
}

/// A lap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Split {
    pub(super) start_time: String,
    pub(super) end_time: String,
    pub(super) metrics_summary: Metrics,
}

/// Food taken (not in the discovery document of April 2026; the shape that clients of mid-2026 read).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Nutrition {
    pub(super) food_display_name: Option<String>,
    pub(super) meal_type: Option<String>,
    pub(super) energy: Amount,
    pub(super) total_fat: Amount,
    pub(super) total_carbohydrate: Amount,
    pub(super) nutrients: Vec<Nutrient>,
}

/// An amount of energy or mass.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Amount {
    pub(super) kcal: Option<Number>,
    pub(super) grams: Option<Number>,
}

/// One nutrient of a food.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Nutrient {
    pub(super) nutrient: String,
    pub(super) quantity: Amount,
}

/// The settings of an account.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Settings {
    pub(super) time_zone: Option<String>,
    pub(super) utc_offset: Option<Millis>,
}
