//! The union of a day of steps of three sources: the pure part alone.

use benches::records::record;
use criterion::Throughput;
use engine::resolve::series::{Strand, union};
use schemas::{
    data_type::DataType,
    record::{Body, Quantity, Record, Series},
};
use std::hint::black_box;

/// Minutes of a day.
const N_MINUTES: i64 = 1_440;

fn main() {
    let mut criterion = benches::criterion();
    let band = series("band", |minute| (6 * 60..12 * 60).contains(&minute));
    let watch = series("watch", |minute| (10 * 60..23 * 60).contains(&minute));
    let phone: Vec<Record> = (0..N_MINUTES).step_by(10).map(interval).collect();
    let mut group = criterion.benchmark_group("series/union_of_a_day");
    group.throughput(Throughput::Elements(N_MINUTES.unsigned_abs() * 2 + 144));
    for (name, ranks) in [("ranked", [0, 1, 2]), ("equal", [0, 0, 0])] {
        let sources = [&band, &watch, &phone].into_iter().zip(ranks);
        let strands: Vec<Strand<'_>> =
            sources.flat_map(|(records, rank)| records.iter().map(move |record| Strand { record, rank })).collect();
        let once = union(&strands);
        assert!(once.issues.is_empty() && once.pieces.len() > 1_000, "{name}: not what is to be measured");
        group.bench_function(name, |it| it.iter(|| union(black_box(&strands))));
    }
    group.finish();
    criterion.final_summary();
}

/// Steps of a minute: three of four minutes are walked, in bouts.
fn walked(minute: i64) -> f64 {
    let steps = i32::try_from(minute * 37 % 113).unwrap_or(0);
    if minute / 5 % 4 == 0 { 0.0 } else { f64::from(steps) }
}

/// A series an hour, with zeros while it is not worn.
fn series(device: &str, is_worn: impl Fn(i64) -> bool) -> Vec<Record> {
    let hour = |hour: i64| {
        let minutes = hour * 60..hour * 60 + 60;
        let values = minutes.map(|it| if is_worn(it) { walked(it) } else { 0.0 }).collect();
        let body = Body::Series(Series { offsets_ms: (0..60).map(|it| it * 60_000).collect(), values });
        of(device, record(DataType::Steps, &format!("{device}-{hour}"), hour * 3_600, 3_600, body))
    };
    (0..24).map(hour).collect()
}

/// What the phone counted in ten minutes.
fn interval(minute: i64) -> Record {
    let value = (minute..minute + 10).map(walked).sum();
    let body = Body::Quantity(Quantity { value });
    of("phone", record(DataType::Steps, &format!("phone-{minute}"), minute * 60, 600, body))
}

fn of(device: &str, mut record: Record) -> Record {
    record.origin.device = Some(device.into());
    record
}
