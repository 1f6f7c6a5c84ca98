//! Encoding and decoding: every kind of record, every event, and a workout of 10,000 samples, as bytes a second and as
//! samples a second.

use benches::{events, records};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use schemas::codec::{Framed, decode, encode};
use std::hint::black_box;

fn main() {
    let mut criterion = benches::criterion();
    kinds(&mut criterion);
    events(&mut criterion);
    samples(&mut criterion);
    criterion.final_summary();
}

/// Encodes and decodes one value; `n` is what a throughput is counted in, absent: bytes.
fn both<T: Framed>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, n: Option<Throughput>, value: &T) {
    let bytes = encode(value);
    assert!(decode::<T>(&bytes).is_ok(), "{name} is not read back");
    group.throughput(n.unwrap_or(Throughput::Bytes(bytes.len() as u64)));
    group.bench_function(BenchmarkId::new("encode", name), |it| it.iter(|| encode(black_box(value))));
    group.bench_function(BenchmarkId::new("decode", name), |it| it.iter(|| decode::<T>(black_box(&bytes))));
}

fn kinds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/record");
    for (name, page) in records::kinds() {
        both(&mut group, name, None, &page);
    }
    both(&mut group, "page_of_200_weights", None, &records::weight_page(200));
    both(&mut group, "workout_10000", None, &records::workout_page(records::N_SAMPLES));
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/event");
    both(&mut group, "requested", None, &events::requested());
    both(&mut group, "fetched_16k", None, &events::fetched(16 << 10));
    both(&mut group, "normalized_16k", None, &events::normalized(16 << 10));
    both(&mut group, "resolved_4k", None, &events::resolved());
    both(&mut group, "outcome_1k", None, &events::outcome());
    both(&mut group, "settled", None, &events::settled());
    both(&mut group, "rejected_1k", None, &events::rejected());
    group.finish();
}

fn samples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/sample");
    let page = records::workout_page(records::N_SAMPLES);
    let n = Throughput::Elements(u64::from(records::N_SAMPLES.unsigned_abs()));
    both(&mut group, "workout_10000", Some(n), &page);
    let content = |it: &mut criterion::Bencher<'_>| {
        it.iter(|| black_box(&page).records.iter().map(|it| it.content().len()).sum::<usize>())
    };
    group.bench_function(BenchmarkId::new("content", "workout_10000"), content);
    group.finish();
}
