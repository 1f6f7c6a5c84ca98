//! Merging two workouts of three hours, a sample a second: the track of a watch and the heart rate of a strap.

use benches::records::{record, workout};
use criterion::Throughput;
use engine::resolve::{MergePolicy, Part, merge};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    workout::{Column, Streams},
};
use std::hint::black_box;

/// Three hours, a sample a second.
const N_SAMPLES: i32 = 10_800;

fn main() {
    let mut criterion = benches::criterion();
    let (watch, without) = (run("Garmin Forerunner 245", 0, |_| ()), run("Garmin Forerunner 245", 0, no_pulse));
    let strap = run("Polar H10", 0, only_pulse);
    let late = run("Polar H10", 7, only_pulse);
    // Nothing to compare clocks by; the same clock; a clock to be found; the same workout twice.
    let cases = [
        ("track_and_heart_rate", [&without, &strap], false),
        ("better_heart_rate", [&watch, &strap], false),
        ("another_clock", [&watch, &late], false),
        ("twice_the_same", [&watch, &watch], true),
    ];
    let mut group = criterion.benchmark_group("merge/two_of_three_hours");
    group.throughput(Throughput::Elements(2 * u64::from(N_SAMPLES.unsigned_abs())));
    for (name, records, is_unchanged) in cases {
        let parts = records.map(|record| Part { record, rank: 0 });
        let policy = MergePolicy::default();
        let merged = merge(&parts, &policy);
        assert_eq!(merged.same_as.is_some(), is_unchanged, "{name}: not what is to be measured");
        group.bench_function(name, |it| it.iter(|| merge(black_box(&parts), &policy)));
    }
    group.finish();
    criterion.final_summary();
}

/// A run as a device records it, with its heart rate going up and down.
fn run(device: &str, late: i64, change: impl Fn(&mut Streams)) -> Record {
    let mut workout = workout(N_SAMPLES);
    let pulse = |it: i32| 140.0 + 15.0 * (f64::from(it) / 47.0).sin() + 6.0 * (f64::from(it) / 13.0).cos();
    workout.streams.heart_rate = Column((0..N_SAMPLES).map(pulse).collect());
    change(&mut workout.streams);
    let body = Body::Workout(Box::new(workout));
    let mut record = record(DataType::Workout, device, late, i64::from(N_SAMPLES), body);
    record.origin.device = Some(device.into());
    record
}

fn no_pulse(streams: &mut Streams) {
    streams.heart_rate = Column::default();
}

fn only_pulse(streams: &mut Streams) {
    let (offsets_ms, heart_rate) = (streams.offsets_ms.clone(), streams.heart_rate.clone());
    *streams = Streams { offsets_ms, heart_rate, ..Streams::default() };
}
