//! Sample records: one of every kind of body, and the parts they are made of.

use super::{at, connection, item};
use schemas::{
    data_type::DataType,
    record::{
        BloodPressure, Body, Entity, Nothing, Nutrition, Origin, Policy, Quantity, Record,
        RecordState, RecordingMethod, Records, Series, Sleep, SleepStage, Span,
    },
    time::Instant,
    workout::{Column, Lap, Sport, Streams, Workout},
};
use std::collections::BTreeMap;

/// A record of which every field is there.
pub(crate) fn record(data_type: DataType, body: Body) -> Record {
    Record {
        data_type,
        origin: Origin {
            provider: "strava".into(),
            connection: Some(connection("a")),
            record: "r-1".into(),
            modified_at: Some(at(-10)),
            device: Some("Uhr Größe 2 ⌚".into()),
            method: RecordingMethod::Active,
            marker: Some(item("1").to_string()),
        },
        time: span(),
        is_daily_total: true,
        state: RecordState::Open,
        deleted: false,
        policy: Policy { retention_days: Some(7), no_ai: true, no_combining: true },
        body,
    }
}

/// A record of which only what must be there is there: a tombstone.
pub(crate) fn tombstone() -> Record {
    Record {
        data_type: DataType::Steps,
        origin: Origin {
            provider: "files".into(),
            connection: None,
            record: "r-2".into(),
            modified_at: None,
            device: None,
            method: RecordingMethod::Unknown,
            marker: None,
        },
        time: Span::at(Instant(-1), None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: Policy::default(),
        body: Body::Nothing(Nothing {}),
    }
}

/// A record of every kind of body.
pub(crate) fn records() -> Records {
    let sleep = Sleep {
        stage_offsets_ms: vec![0, 600_000],
        stage_durations_ms: vec![600_000, 1_200_000],
        stages: vec![SleepStage::Awake, SleepStage::Rem],
        is_nap: true,
    };
    let nutrition = Nutrition {
        name: Some("Brötchen".into()),
        meal: Some("breakfast".into()),
        energy_kcal: Some(210.5),
        nutrients_g: BTreeMap::from([("fat".into(), 1.5), ("protein".into(), 7.0)]),
    };
    let entity = Entity {
        title: "Ibuprofen".into(),
        numbers: BTreeMap::from([("dose_mg".into(), 400.0)]),
        texts: BTreeMap::from([("note".into(), "after meals".into())]),
    };
    let pressure = BloodPressure { systolic: 118.0, diastolic: 76.0, pulse: Some(61.0) };
    let series = Series { offsets_ms: vec![0, 5_000, 10_000], values: vec![61.0, 62.5, -0.0] };
    Records {
        records: vec![
            tombstone(),
            record(DataType::Weight, Body::Quantity(Quantity { value: 71.3 })),
            record(DataType::HeartRate, Body::Series(series)),
            record(DataType::Workout, Body::Workout(Box::new(workout()))),
            record(DataType::Workout, Body::Workout(Box::default())),
            record(DataType::Sleep, Body::Sleep(sleep)),
            record(DataType::BloodPressure, Body::BloodPressure(pressure)),
            record(DataType::Nutrition, Body::Nutrition(nutrition)),
            record(DataType::Nutrition, Body::Nutrition(Nutrition::default())),
            record(DataType::Medication, Body::Entity(entity)),
        ],
    }
}

/// A workout with every value, laps, and columns with gaps.
pub(crate) fn workout() -> Workout {
    Workout {
        sport: Sport::EBiking,
        sport_detail: Some("e-mountain bike".into()),
        title: Some("Morning".into()),
        notes: Some("windy".into()),
        moving_ms: Some(3_500_000),
        distance_m: Some(10_050.25),
        energy_kcal: Some(512.0),
        ascent_m: Some(120.5),
        heart_rate_mean: Some(141.0),
        heart_rate_max: Some(171.0),
        cadence_mean: Some(82.0),
        power_mean: Some(180.5),
        steps: Some(4_200),
        laps: vec![Lap {
            offset_ms: 0,
            elapsed_ms: 1_800_000,
            distance_m: Some(5_000.0),
            energy_kcal: Some(250.0),
            heart_rate_mean: Some(139.0),
            heart_rate_max: Some(160.0),
        }],
        streams: Streams {
            offsets_ms: vec![0, 1_000, 2_000],
            latitude: Column(vec![52.5, f64::NAN, 52.501]),
            longitude: Column(vec![13.4, f64::NAN, 13.401]),
            altitude: Column(vec![34.0, 34.2, f64::NAN]),
            heart_rate: Column(vec![f64::NAN, 120.0, 121.0]),
            cadence: Column(vec![80.0, 81.0, 82.0]),
            power: Column(vec![150.0, 160.0, 170.0]),
            speed: Column(vec![2.5, 2.75, 3.0]),
            distance: Column(vec![0.0, 2.75, 5.75]),
            temperature: Column(vec![18.0, 18.0, 18.5]),
        },
    }
}

/// A span of which every field is there.
pub(super) fn span() -> Span {
    Span {
        start: at(-3_600),
        end: Instant(at(0).0 + 500),
        offset_seconds: Some(7_200),
        zone: Some("Europe/Berlin".into()),
    }
}
