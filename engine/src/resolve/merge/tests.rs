//! One helper module for all: records of devices, and what a merge of them must always be.

mod invariants;
mod nights;
mod properties;
mod streams;
mod workouts;

use super::{Combine, Lineage, MergePolicy, Merged, Part, Prefer, merge};
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::Instant,
    workout::{Column, Sport, Streams, Workout},
};

/// A Sunday morning, ms.
const START: i64 = 1_777_788_000_000;

/// A workout of a device: begins `later_ms` after the others, this many seconds long.
fn record(device: &str, later_ms: i64, seconds: i64, workout: Workout) -> Record {
    let mut origin = Origin::named(device.split(' ').next().unwrap_or(device).to_lowercase(), device);
    origin.device = Some(device.into());
    origin.method = RecordingMethod::Active;
    let start = Instant(START + later_ms);
    let end = Instant(start.0 + seconds * 1_000);
    Record {
        data_type: DataType::Workout,
        origin,
        time: Span { start, end, offset_seconds: Some(7_200), zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body: Body::Workout(Box::new(workout)),
    }
}

fn run(streams: Streams) -> Workout {
    Workout { sport: Sport::Running, streams, ..Workout::default() }
}

/// One moment every `every_ms` for so many seconds, from `from_ms` on.
fn moments(from_ms: i64, seconds: i64, every_ms: i64) -> Vec<i64> {
    (0..).map(|it| from_ms + it * every_ms).take_while(|it| *it <= from_ms + seconds * 1_000).collect()
}

fn column(moments: &[i64], value: impl Fn(f64) -> f64) -> Column {
    Column(moments.iter().map(|it| value(*it as f64 / 1_000.0)).collect())
}

/// A heart rate, by seconds since the start.
fn pulse(at: f64) -> f64 {
    140.0 + 15.0 * (at / 47.0).sin() + 6.0 * (at / 13.0).cos()
}

/// What a watch without a heart rate sensor measures.
fn gps(moments: Vec<i64>) -> Streams {
    Streams {
        latitude: column(&moments, |it| 52.5 + it * 2e-5),
        longitude: column(&moments, |it| 13.4 + (it / 300.0).sin() * 1e-3),
        altitude: column(&moments, |it| 40.0 + (it / 100.0).sin() * 5.0),
        speed: column(&moments, |it| 3.0 + (it / 60.0).sin() * 0.5 + (it / 17.0).cos() * 0.4),
        distance: column(&moments, |it| it * 3.0),
        offsets_ms: moments,
        ..Streams::default()
    }
}

/// What a strap measures.
fn heart(moments: Vec<i64>, value: impl Fn(f64) -> f64) -> Streams {
    Streams { heart_rate: column(&moments, value), offsets_ms: moments, ..Streams::default() }
}

fn workout(record: &Record) -> &Workout {
    match &record.body {
        Body::Workout(it) => it,
        _ => panic!("not a workout"),
    }
}

/// Merges records in the order of the person's priorities, after which the invariants hold.
fn ranked(records: &[&Record], policy: &MergePolicy) -> Merged {
    let parts: Vec<_> = records.iter().zip(0..).map(|(record, rank)| Part { record, rank }).collect();
    invariants::check(&parts, policy)
}

/// Merges records that the person said nothing about, after which the invariants hold.
fn unranked(records: &[&Record]) -> Merged {
    let parts: Vec<_> = records.iter().map(|record| Part { record, rank: 0 }).collect();
    invariants::check(&parts, &MergePolicy::default())
}

fn by_field(field: &str, prefer: Prefer) -> MergePolicy {
    MergePolicy { fields: [(field.to_owned(), prefer)].into(), ..MergePolicy::default() }
}

/// The parts and rules of a field, in order of time.
fn sources_of(merged: &Merged, field: &str) -> Vec<(usize, &'static str)> {
    merged.lineage.iter().filter(|it| it.field == field).map(|it| (it.part, it.rule)).collect()
}

fn stretches_of<'m>(merged: &'m Merged, field: &str) -> Vec<&'m Lineage> {
    merged.lineage.iter().filter(|it| it.field == field).collect()
}
