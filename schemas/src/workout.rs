//! Workouts: summary, laps and streams.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// A bout of exercise. A value that the source does not give is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workout {
    /// What kind of exercise.
    pub sport: Sport,
    /// The source's own name of the sport, where it says more than `sport`.
    #[serde(default)]
    pub sport_detail: Option<String>,
    /// The person's title of it.
    #[serde(default)]
    pub title: Option<String>,
    /// The person's notes on it.
    #[serde(default)]
    pub notes: Option<String>,
    /// Time moving, ms; start to end, pauses included, is the record's span.
    #[serde(default)]
    pub moving_ms: Option<i64>,
    /// Distance, m.
    #[serde(default)]
    pub distance_m: Option<f64>,
    /// Energy spent, kcal.
    #[serde(default)]
    pub energy_kcal: Option<f64>,
    /// Metres climbed.
    #[serde(default)]
    pub ascent_m: Option<f64>,
    /// Mean heart rate, /min.
    #[serde(default)]
    pub heart_rate_mean: Option<f64>,
    /// Greatest heart rate, /min.
    #[serde(default)]
    pub heart_rate_max: Option<f64>,
    /// Mean cadence, /min (steps on foot, turns on a bike).
    #[serde(default)]
    pub cadence_mean: Option<f64>,
    /// Mean power, W.
    #[serde(default)]
    pub power_mean: Option<f64>,
    /// Steps taken.
    #[serde(default)]
    pub steps: Option<i64>,
    /// Its laps, in order.
    #[serde(default)]
    pub laps: Vec<Lap>,
    /// What was measured along the way.
    #[serde(default)]
    pub streams: Streams,
}

/// One lap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lap {
    /// Milliseconds after the workout's start at which it begins.
    pub offset_ms: i64,
    /// How long it lasts, pauses included, ms.
    pub elapsed_ms: i64,
    /// Distance, m.
    #[serde(default)]
    pub distance_m: Option<f64>,
    /// Energy spent, kcal.
    #[serde(default)]
    pub energy_kcal: Option<f64>,
    /// Mean heart rate, /min.
    #[serde(default)]
    pub heart_rate_mean: Option<f64>,
    /// Greatest heart rate, /min.
    #[serde(default)]
    pub heart_rate_max: Option<f64>,
}

/// What was measured along the way, as columns: every column is empty or as long as `offsets_ms`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Streams {
    /// Milliseconds after the workout's start, ascending.
    pub offsets_ms: Vec<i64>,
    /// Latitude, deg, WGS 84.
    #[serde(default)]
    pub latitude: Column,
    /// Longitude, deg, WGS 84.
    #[serde(default)]
    pub longitude: Column,
    /// Altitude above the sea, m.
    #[serde(default)]
    pub altitude: Column,
    /// Heart rate, /min.
    #[serde(default)]
    pub heart_rate: Column,
    /// Cadence, /min.
    #[serde(default)]
    pub cadence: Column,
    /// Power, W.
    #[serde(default)]
    pub power: Column,
    /// Speed, m/s.
    #[serde(default)]
    pub speed: Column,
    /// Distance since the start, m.
    #[serde(default)]
    pub distance: Column,
    /// Air temperature, Cel.
    #[serde(default)]
    pub temperature: Column,
}

impl Streams {
    /// Its columns, in the order of the type.
    #[must_use]
    pub const fn columns(&self) -> [&Column; 9] {
        let Self {
            offsets_ms: _,
            latitude,
            longitude,
            altitude,
            heart_rate,
            cadence,
            power,
            speed,
            distance,
            temperature,
        } = self;
        [latitude, longitude, altitude, heart_rate, cadence, power, speed, distance, temperature]
    }

    /// The same, to be changed.
    #[must_use]
    pub const fn columns_mut(&mut self) -> [&mut Column; 9] {
        let Self {
            offsets_ms: _,
            latitude,
            longitude,
            altitude,
            heart_rate,
            cadence,
            power,
            speed,
            distance,
            temperature,
        } = self;
        [latitude, longitude, altitude, heart_rate, cadence, power, speed, distance, temperature]
    }
}

/// One column of numbers. A moment at which nothing was measured is NaN in Avro and `null` in JSON.
#[derive(Clone, Debug, Default)]
pub struct Column(pub Vec<f64>);

impl Column {
    /// A column of as many moments, or an empty one if nothing was measured at any of them.
    #[must_use]
    pub fn from_options(values: Vec<Option<f64>>) -> Self {
        if values.iter().all(Option::is_none) {
            return Self::default();
        }
        Self(values.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect())
    }

    /// The value at a moment, if one was measured.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<f64> {
        self.0.get(index).copied().filter(|it| !it.is_nan())
    }

    /// Whether the source has no such column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many moments have a value.
    #[must_use]
    pub fn n_measured(&self) -> usize {
        self.0.iter().filter(|it| !it.is_nan()).count()
    }
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        // Two gaps are equal, though NaN is not equal to itself.
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
    }
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.collect_seq(self.0.iter().map(|it| (!it.is_nan()).then_some(*it)))
        } else {
            self.0.serialize(to)
        }
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let values = Vec::<Option<f64>>::deserialize(from)?;
            Ok(Self(values.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect()))
        } else {
            Vec::deserialize(from).map(Self)
        }
    }
}

impl JsonSchema for Column {
    fn schema_name() -> Cow<'static, str> {
        "Column".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": {"type": ["number", "null"]},
            "description": "One number a moment; null where nothing was measured."
        })
    }
}

/// A kind of exercise: those that at least two providers tell apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sport {
    /// Any other; `sport_detail` may say which.
    #[default]
    Other,
    /// Running, road or track.
    Running,
    /// Running on trails.
    TrailRunning,
    /// Running on a treadmill.
    TreadmillRunning,
    /// Walking.
    Walking,
    /// Hiking.
    Hiking,
    /// Cycling on roads.
    Cycling,
    /// Mountain biking.
    MountainBiking,
    /// Gravel or cyclocross.
    GravelCycling,
    /// Cycling on a trainer or in a virtual world.
    IndoorCycling,
    /// Cycling with a motor's help.
    EBiking,
    /// Swimming in a pool.
    PoolSwimming,
    /// Swimming in open water.
    OpenWaterSwimming,
    /// Rowing on water.
    Rowing,
    /// Rowing on a machine.
    IndoorRowing,
    /// Kayaking or canoeing.
    Paddling,
    /// Stand-up paddling.
    StandUpPaddling,
    /// Strength training.
    StrengthTraining,
    /// Yoga.
    Yoga,
    /// Pilates.
    Pilates,
    /// Elliptical machine.
    Elliptical,
    /// Stairs or stepper.
    StairClimbing,
    /// High-intensity intervals.
    Hiit,
    /// Cross-country skiing.
    CrossCountrySkiing,
    /// Downhill skiing.
    AlpineSkiing,
    /// Snowboarding.
    Snowboarding,
    /// Skating, inline or on ice.
    Skating,
    /// Climbing.
    Climbing,
    /// Golf.
    Golf,
    /// Tennis, badminton, squash and the like.
    RacketSport,
    /// Football, basketball and the like.
    TeamSport,
    /// Dancing.
    Dancing,
    /// Boxing or martial arts.
    MartialArts,
    /// One bout of several sports.
    Multisport,
    /// The change between two sports of a multisport bout.
    Transition,
}
