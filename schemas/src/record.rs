//! Canonical records: one shape for every provider, one unit for every type.

use crate::{
    data_type::DataType,
    id::ConnectionId,
    time::{Instant, Interval},
    workout::Workout,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod content;

/// One record of a person, as every provider's mapper gives it and every destination takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// What it is about; decides the unit of its values.
    pub data_type: DataType,
    /// Where it comes from.
    pub origin: Origin,
    /// When it was: for a sample `end` equals `start`.
    pub time: Span,
    /// A provider's own total of a day (midnight to midnight, local), not to be added to the parts of that day.
    #[serde(default)]
    pub is_daily_total: bool,
    /// Whether the provider may still change it by itself.
    #[serde(default)]
    pub state: RecordState,
    /// A tombstone: the record is gone at its origin. `body` is then of the kind `nothing`.
    #[serde(default)]
    pub deleted: bool,
    /// What the source allows to be done with it.
    #[serde(default)]
    pub policy: Policy,
    /// The values.
    pub body: Body,
}

/// Where a record comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The provider, by its catalogue name (`strava`, `google_health`, `files`).
    pub provider: String,
    /// The person's account there; absent in the output of a mapper alone.
    #[serde(default)]
    pub connection: Option<ConnectionId>,
    /// The record's id there, or one derived from (type, start, end) where the provider gives none.
    pub record: String,
    /// When the provider last changed it, where it says so.
    #[serde(default)]
    pub modified_at: Option<Instant>,
    /// The device that measured it, as the provider names it.
    #[serde(default)]
    pub device: Option<String>,
    /// How it came to be.
    #[serde(default)]
    pub method: RecordingMethod,
    /// The mark that we left in a record of our own writing (the item id), if this is one.
    #[serde(default)]
    pub marker: Option<String>,
}

/// How a record came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingMethod {
    /// The provider does not say.
    #[default]
    Unknown,
    /// A person typed it in.
    Manual,
    /// A device measured it by itself.
    Automatic,
    /// A person started and ended the measuring.
    Active,
    /// Computed from other records.
    Derived,
}

/// Whether a provider may still change a record by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// It will stay, but for a person's edits.
    #[default]
    Final,
    /// It is still being measured or scored.
    Open,
}

/// What a source allows to be done with its records (its terms of use).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// How long a copy may be kept, in days; absent where there is no limit.
    #[serde(default)]
    pub retention_days: Option<i32>,
    /// Not to be used to train or prompt a model.
    #[serde(default)]
    pub no_ai: bool,
    /// Not to be combined with records of other sources or other people.
    #[serde(default)]
    pub no_combining: bool,
}

/// When a record was, in UTC and on the person's wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// Its first moment.
    pub start: Instant,
    /// The first moment after it; equals `start` for a sample.
    pub end: Instant,
    /// Offset of the person's wall clock from UTC at `start`, in seconds, east positive; absent if not known.
    #[serde(default)]
    pub offset_seconds: Option<i32>,
    /// IANA zone (`Europe/Berlin`), where the source says it.
    #[serde(default)]
    pub zone: Option<String>,
}

impl Span {
    /// A sample at one moment.
    #[must_use]
    pub const fn at(start: Instant, offset_seconds: Option<i32>) -> Self {
        Self { start, end: start, offset_seconds, zone: None }
    }

    /// The span as an interval; a sample is one millisecond long.
    #[must_use]
    pub fn interval(&self) -> Interval {
        Interval { from: self.start, to: Instant(self.end.0.max(self.start.0.saturating_add(1))) }
    }
}

/// The values of a record. In JSON an object with one key, the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// No values: the body of a tombstone.
    Nothing(Nothing),
    /// One number.
    Quantity(Quantity),
    /// Many numbers over time.
    Series(Series),
    /// A bout of exercise.
    Workout(Box<Workout>),
    /// A sleep session.
    Sleep(Sleep),
    /// A blood pressure.
    BloodPressure(BloodPressure),
    /// Food taken.
    Nutrition(Nutrition),
    /// An entity of the device protocol: health metric, medication, meal, exercise, meal plan.
    Entity(Entity),
}

/// No values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// One number, in the unit of the record's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantity {
    /// The value.
    pub value: f64,
}

/// Many numbers over time, as columns. A series covers at most one UTC hour, so that what a record is does not
/// depend on how a provider cuts its pages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Milliseconds after the record's start, ascending.
    pub offsets_ms: Vec<i64>,
    /// The values, one an offset, in the unit of the record's type.
    pub values: Vec<f64>,
}

/// A sleep session. Stages are columns of equal length, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sleep {
    /// Milliseconds after the record's start at which each stage begins.
    pub stage_offsets_ms: Vec<i64>,
    /// How long each stage lasts, in milliseconds.
    pub stage_durations_ms: Vec<i64>,
    /// Which stage it is.
    pub stages: Vec<SleepStage>,
    /// Whether it is a nap rather than the main sleep of a day.
    #[serde(default)]
    pub is_nap: bool,
}

/// A stage of sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SleepStage {
    /// The source does not say.
    Unknown,
    /// Awake, in bed.
    Awake,
    /// Asleep, stage not known.
    Asleep,
    /// Light (N1, N2; Apple's core).
    Light,
    /// Deep (N3).
    Deep,
    /// REM.
    Rem,
    /// In bed, not known whether asleep.
    InBed,
    /// Out of bed during the session.
    OutOfBed,
}

/// A blood pressure, in `mm[Hg]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BloodPressure {
    /// Systolic, `mm[Hg]`.
    pub systolic: f64,
    /// Diastolic, `mm[Hg]`.
    pub diastolic: f64,
    /// Pulse at the time, /min.
    #[serde(default)]
    pub pulse: Option<f64>,
}

/// Food taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nutrition {
    /// What it was, in the person's words.
    #[serde(default)]
    pub name: Option<String>,
    /// Which meal: `breakfast`, `lunch`, `dinner`, `snack`.
    #[serde(default)]
    pub meal: Option<String>,
    /// Energy, kcal.
    #[serde(default)]
    pub energy_kcal: Option<f64>,
    /// Nutrients by name (`protein`, `carbohydrate`, `fat`, `fiber`, `sugar`, `sodium` …), grams.
    #[serde(default)]
    pub nutrients_g: BTreeMap<String, f64>,
}

/// An entity of the device protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entity {
    /// Its title, in the person's words.
    pub title: String,
    /// Numbers by name; the name ends in the unit (`dose_mg`, `sets_count`).
    #[serde(default)]
    pub numbers: BTreeMap<String, f64>,
    /// Texts by name.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
}

/// The canonical records of a page: the sealed content of a `Normalized` event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Records {
    /// The records, in the order of the page.
    pub records: Vec<Record>,
}
