//! The rules of series, each as a sentence.

mod counts;
mod measured;
mod properties;
mod real;

use super::{Strand, Union, union};
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Quantity, Record, RecordState, Series, Span},
    time::Instant,
};

/// Midnight of 2026-05-03 in UTC.
const T0: i64 = 1_777_766_400_000;

fn minute(n: i64) -> Instant {
    Instant(T0 + n * 60_000)
}

/// A quantity of a source from one moment to another.
fn count(source: &str, from: Instant, to: Instant, value: f64) -> Record {
    Record {
        data_type: DataType::Steps,
        origin: Origin::named(source, format!("{source}/{}/{}", from.0, to.0)),
        time: Span { start: from, end: to, offset_seconds: Some(0), zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: schemas::record::Policy::default(),
        body: Body::Quantity(Quantity { value }),
    }
}

/// Steps of a source in minutes of the day.
fn steps(source: &str, from: i64, to: i64, value: f64) -> Record {
    count(source, minute(from), minute(to), value)
}

/// A series of a source: minutes of the day and values, until `end`.
fn series(source: &str, data_type: DataType, points: &[(i64, f64)], end: i64) -> Record {
    let start = points.first().map_or(0, |it| it.0);
    let body = Body::Series(Series {
        offsets_ms: points.iter().map(|it| (it.0 - start) * 60_000).collect(),
        values: points.iter().map(|it| it.1).collect(),
    });
    Record { data_type, body, ..steps(source, start, end, 0.0) }
}

/// The union of records with ranks.
fn of(records: &[(u32, Record)]) -> Union {
    union(&strands(records))
}

fn strands(records: &[(u32, Record)]) -> Vec<Strand<'_>> {
    records.iter().map(|(rank, record)| Strand { record, rank: *rank }).collect()
}

/// The pieces as (source, from, to, value, rule), in minutes of the day.
fn told(union: &Union, records: &[(u32, Record)]) -> Vec<(String, i64, i64, f64, &'static str)> {
    let piece = |it: &super::Piece| {
        let source = records[it.strand].1.origin.provider.clone();
        (source, (it.from.0 - T0) / 60_000, (it.to.0 - T0) / 60_000, it.value, it.rule)
    };
    union.pieces.iter().map(piece).collect()
}
