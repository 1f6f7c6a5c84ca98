//! Records to measure with: one of every kind of body, of the size that a watch or an app gives it.

use schemas::{
    data_type::DataType,
    id::{ConnectionId, Subject},
    record::{
        BloodPressure, Body, Entity, Nutrition, Origin, Policy, Quantity, Record, RecordState, RecordingMethod,
        Records, Series, Sleep, SleepStage, Span,
    },
    time::Instant,
    workout::{Column, Lap, Sport, Streams, Workout},
};
use std::collections::BTreeMap;

/// Samples of the large workout: not quite three hours, one a second.
pub const N_SAMPLES: i32 = 10_000;

/// The person that the values are of.
#[must_use]
pub fn subject() -> Subject {
    Subject("9f2c7d5a41b8e0637c1d".into())
}

/// A connection of that person.
#[must_use]
pub fn connection(provider: &str) -> ConnectionId {
    ConnectionId::derived(&subject(), provider, "account")
}

/// A moment, in seconds after the morning of 3 May 2026.
#[must_use]
pub const fn at(seconds: i64) -> Instant {
    Instant::from_seconds(1_777_788_000 + seconds)
}

/// A record of that type, id and start, this long.
#[must_use]
pub fn record(data_type: DataType, id: &str, start: i64, seconds: i64, body: Body) -> Record {
    Record {
        data_type,
        origin: Origin {
            provider: "google_health".into(),
            connection: Some(connection("google_health")),
            record: id.into(),
            modified_at: Some(at(start + 60)),
            device: Some("Pixel Watch 2".into()),
            method: RecordingMethod::Automatic,
            marker: None,
        },
        time: Span {
            start: at(start),
            end: at(start + seconds),
            offset_seconds: Some(7_200),
            zone: Some("Europe/Berlin".into()),
        },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

/// Every kind of record, alone on its page, by name.
#[must_use]
pub fn kinds() -> Vec<(&'static str, Records)> {
    let one = |data_type, seconds, body| Records { records: vec![record(data_type, "record-1", 0, seconds, body)] };
    vec![
        ("weight", one(DataType::Weight, 0, Body::Quantity(Quantity { value: 71.3 }))),
        ("heart_rate_hour", one(DataType::HeartRate, 3_600, heart_rate())),
        ("sleep_night", one(DataType::Sleep, 28_800, sleep())),
        ("blood_pressure", one(DataType::BloodPressure, 0, pressure())),
        ("meal", one(DataType::Nutrition, 0, meal())),
        ("medication", one(DataType::Medication, 0, medication())),
        ("workout_summary", one(DataType::Workout, 3_600, Body::Workout(Box::new(workout(0))))),
    ]
}

/// A page with one workout of that many samples, in all nine columns.
#[must_use]
pub fn workout_page(n_samples: i32) -> Records {
    let body = Body::Workout(Box::new(workout(n_samples)));
    Records { records: vec![record(DataType::Workout, "record-1", 0, i64::from(n_samples.max(60)), body)] }
}

/// A page with that many weighings, one a day.
#[must_use]
pub fn weight_page(n_records: i32) -> Records {
    let weight = |day: i32| {
        let body = Body::Quantity(Quantity { value: 70.0 + f64::from(day % 10) / 10.0 });
        record(DataType::Weight, &format!("record-{day}"), i64::from(day) * 86_400, 0, body)
    };
    Records { records: (0..n_records).map(weight).collect() }
}

/// A run of that many samples, one a second.
#[must_use]
pub fn workout(n_samples: i32) -> Workout {
    let column = |first: f64, step: f64| Column((0..n_samples).map(|it| first + step * f64::from(it % 97)).collect());
    let lap = |number: i64| Lap {
        offset_ms: number * 300_000,
        elapsed_ms: 300_000,
        distance_m: Some(1_000.0),
        energy_kcal: Some(62.0),
        heart_rate_mean: Some(149.0),
        heart_rate_max: Some(161.0),
    };
    Workout {
        sport: Sport::Running,
        title: Some("Morning Run".into()),
        moving_ms: Some(3_500_000),
        distance_m: Some(10_050.25),
        energy_kcal: Some(612.0),
        ascent_m: Some(120.5),
        heart_rate_mean: Some(149.0),
        heart_rate_max: Some(171.0),
        cadence_mean: Some(166.0),
        laps: (0..10).map(lap).collect(),
        streams: Streams {
            offsets_ms: (0..n_samples).map(|it| i64::from(it) * 1_000).collect(),
            latitude: column(52.5163, 1e-5),
            longitude: column(13.3777, 1e-5),
            altitude: column(34.0, 0.1),
            heart_rate: column(120.0, 0.5),
            cadence: column(160.0, 0.25),
            power: column(210.0, 1.0),
            speed: column(2.5, 0.01),
            distance: column(0.0, 2.75),
            temperature: column(18.0, 0.01),
        },
        ..Workout::default()
    }
}

/// An hour, one value every five seconds.
fn heart_rate() -> Body {
    let values = (0..720).map(|it| 58.0 + f64::from(it % 23)).collect();
    Body::Series(Series { offsets_ms: (0..720).map(|it| it * 5_000).collect(), values })
}

/// A night of thirty stages.
fn sleep() -> Body {
    let stages = [SleepStage::Light, SleepStage::Deep, SleepStage::Light, SleepStage::Rem, SleepStage::Awake];
    Body::Sleep(Sleep {
        stage_offsets_ms: (0..30).map(|it| it * 960_000).collect(),
        stage_durations_ms: vec![960_000; 30],
        stages: stages.into_iter().cycle().take(30).collect(),
        is_nap: false,
    })
}

fn pressure() -> Body {
    Body::BloodPressure(BloodPressure { systolic: 118.0, diastolic: 76.0, pulse: Some(61.0) })
}

fn meal() -> Body {
    let nutrients = [("protein", 7.0), ("carbohydrate", 32.0), ("fat", 1.5), ("fiber", 3.1), ("sodium", 0.4)];
    Body::Nutrition(Nutrition {
        name: Some("bread roll".into()),
        meal: Some("breakfast".into()),
        energy_kcal: Some(210.5),
        nutrients_g: nutrients.into_iter().map(|(name, grams)| (name.to_owned(), grams)).collect(),
    })
}

fn medication() -> Body {
    Body::Entity(Entity {
        title: "Ibuprofen".into(),
        numbers: BTreeMap::from([("dose_mg".into(), 400.0)]),
        texts: BTreeMap::from([("note".into(), "after meals".into())]),
    })
}
