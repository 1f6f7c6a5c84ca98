//! Deciding about records against known ones: the pure part alone, without store or seals. One record against a window of
//! fifty, of which nine are near enough to be compared, and a page of 200 against 200.

use benches::{
    events::sync,
    records::{at, connection, record, subject, workout},
};
use criterion::{BatchSize, Throughput};
use engine::{
    item::{ItemKey, ItemRow, ItemState, Origin, Partition, month_of},
    resolve::{Incoming, Join, Known, Policy, Window, summary},
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Fate, Rule},
    id::{EventId, ItemId},
    record::{Body, Record},
};
use std::hint::black_box;

/// Records of a page, and rows of its window.
const N_RECORDS: i64 = 200;

/// Samples of a workout on the page: ten minutes, one a second.
const N_SAMPLES: i32 = 600;

fn main() {
    let mut criterion = benches::criterion();
    let catalog = connectors::catalog();
    let types = &catalog.get("files").expect("files are in every build").profile().types;
    let policy = Policy {
        rule: Rule::PrioritiseSource,
        deletes: Deletes::Keep,
        types,
        source: "google_health",
        is_again: false,
        by: (EventId::root(sync(1)), sync(1)),
        destination: connection("files"),
        combines: true,
        asks: true,
    };
    one_against_fifty(&mut criterion, &policy);
    let known: Vec<Known> = (0..N_RECORDS).map(|it| known(it, it * 3_600)).collect();
    // The same records again; records that fit none of the known (and are off by no time zone); the same workouts as another source has them.
    let cases = [
        ("unchanged", page(0, true), Some(Fate::Skipped)),
        ("new", page(1_350, false), None),
        ("matched", page(60, false), Some(Fate::Skipped)),
    ];
    let mut group = criterion.benchmark_group("resolve/200_against_200");
    group.throughput(Throughput::Elements(N_RECORDS.unsigned_abs()));
    for (name, page, expected) in cases {
        let decide = |mut window: Window| {
            let decided: Vec<_> = page.iter().map(|it| window.decide(&policy, black_box(it))).collect();
            decided
        };
        let fates = decide(Window::new(known.clone()));
        assert!(fates.iter().all(|it| it.fate == expected), "{name}: not what is to be measured");
        group.bench_function(name, |it| {
            it.iter_batched(|| Window::new(known.clone()), decide, BatchSize::SmallInput);
        });
    }
    group.finish();
    criterion.final_summary();
}

/// One record of a page: where nothing fits it, and where another source has it already. Every two and three quarters of
/// an hour there is a workout, so that nine lie within the reach of a wrong time zone. `fresh` looks at all rows for the
/// first time, `in_page` as the next record of a page does.
fn one_against_fifty(criterion: &mut criterion::Criterion, policy: &Policy<'_>) {
    let known: Vec<Known> = (0..50).map(|it| known(it, it * 9_900)).collect();
    let one = |shift: i64| incoming(run(25, 25 * 9_900 + shift), None);
    let cases = [("alone", one(1_350), None), ("matched", one(60), Some(Fate::Skipped))];
    let mut group = criterion.benchmark_group("resolve/one_against_50");
    for (name, incoming, expected) in &cases {
        let decide = |mut window: Window| (window.decide(policy, black_box(incoming)), window);
        let seen = decide(Window::new(known.clone())).1;
        assert_eq!(decide(Window::new(known.clone())).0.fate, *expected, "{name}: not what is to be measured");
        for (how, window) in [("fresh", Window::new(known.clone())), ("in_page", seen)] {
            // A decision about a new record adds a row.
            group.bench_function(format!("{name}/{how}"), |it| {
                it.iter_batched(|| window.clone(), decide, BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

/// Workout `number`, each somewhere else, at so many seconds.
fn run(number: i64, at: i64) -> Record {
    let mut body = workout(N_SAMPLES);
    let apart = f64::from(i32::try_from(number).expect("few records"));
    body.distance_m = Some(10_000.0 + 37.0 * apart);
    // Each in a direction of its own.
    let direction = 1e-5 * (apart % 11.0 - 5.0);
    body.streams.latitude.0.iter_mut().zip(0..).for_each(|(it, at)| *it += 0.01 * apart + direction * f64::from(at));
    body.streams.heart_rate.0.iter_mut().for_each(|it| *it += 7.0 * (apart % 9.0));
    let body = Body::Workout(Box::new(body));
    record(DataType::Workout, &format!("run-{number}-{at}"), at, i64::from(N_SAMPLES), body)
}

fn item(record: &Record) -> ItemId {
    ItemId::derived(connection("files"), "workout", connection("google_health"), &record.origin.record)
}

/// The row of a workout that was written before.
fn known(number: i64, at: i64) -> Known {
    let record = run(number, at);
    let month = month_of(record.time.start);
    let partition = Partition { subject: subject(), destination: connection("files"), month };
    let mut row = ItemRow::new(ItemKey { partition, item: item(&record) }, record.data_type, &record.time);
    row.state = ItemState::Applied;
    row.owned = true;
    (row.planned_version, row.version) = (1, 1);
    row.planned_hash = hash(number);
    row.hash = hash(number);
    Known { row, summary: summary(&record), sources: Vec::new() }
}

fn hash(number: i64) -> String {
    format!("{number:064x}")
}

/// The page: every workout shifted by some seconds, known by its origin or not.
fn page(shift: i64, is_known: bool) -> Vec<Incoming> {
    let of_page = |number: i64| {
        let record = run(number, number * 3_600 + shift);
        let origin = is_known.then(|| Origin {
            connection: connection("google_health"),
            record: hash(number),
            destination: connection("files"),
            item: item(&record),
            month: month_of(record.time.start),
            data_type: record.data_type,
            starts_at: record.time.start,
            source_at: at(0),
            seen_by: sync(0),
        });
        Incoming { hash: hash(number), ..incoming(record, origin) }
    };
    (0..N_RECORDS).map(of_page).collect()
}

fn incoming(record: Record, origin: Option<Origin>) -> Incoming {
    Incoming {
        key: record.origin.record.clone(),
        projected: Ok(record.clone()),
        hash: String::from("another"),
        source_at: at(N_RECORDS * 3_600),
        origin,
        echo: false,
        item: item(&record),
        month: month_of(record.time.start),
        connection: connection("google_health"),
        join: Join::Alone,
        read_in: None,
        record,
    }
}
