//! Every merge keeps the invariants: of workouts as devices record them, and of records that nobody should make.

use super::{invariants, *};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use schemas::{
    record::{BloodPressure, Nothing, Quantity, Series, Sleep, SleepStage},
    workout::Lap,
};

/// Cases of each kind; always the same ones.
const N_CASES: u32 = 150;

const DEVICES: [Option<&str>; 6] =
    [None, Some("Garmin Fenix 7"), Some("Polar H10"), Some("iPhone 15"), Some("Favero Assioma"), Some("Thing")];
const METHODS: [RecordingMethod; 5] = [
    RecordingMethod::Unknown,
    RecordingMethod::Manual,
    RecordingMethod::Automatic,
    RecordingMethod::Active,
    RecordingMethod::Derived,
];

#[track_caller]
fn check_all(parts: impl Strategy<Value = Vec<(Record, u32)>>, n_cases: u32) {
    let config = ProptestConfig {
        cases: n_cases,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&(parts, policy()), |(parts, policy)| {
        let parts: Vec<_> = parts.iter().map(|it| Part { record: &it.0, rank: it.1 }).collect();
        invariants::check(&parts, &policy);
        Ok(())
    });
    if let Err(err) = outcome {
        panic!("{err}");
    }
}

#[test]
fn workouts_as_devices_record_them_keep_the_invariants() {
    check_all(vec((tame(), 0..3_u32), 1..5), N_CASES);
}

#[test]
fn workouts_that_nobody_should_make_keep_the_invariants() {
    check_all(vec((wild(), 0..3_u32), 0..5), N_CASES);
}

#[test]
fn nights_keep_the_invariants_and_their_stages_do_not_overlap() {
    check_all(vec((night(), 0..3_u32), 1..5), N_CASES);
}

#[test]
fn records_of_all_kinds_keep_the_invariants() {
    check_all(vec((any_kind(), 0..3_u32), 0..5), N_CASES);
}

fn policy() -> impl Strategy<Value = MergePolicy> {
    let prefer = prop_oneof![
        Just(Prefer::Highest),
        Just(Prefer::Lowest),
        select(vec!["a", "b"]).prop_map(|it| Prefer::Provider(it.into())),
        select(vec!["Polar H10", "iphone 15"]).prop_map(|it| Prefer::Device(it.into())),
    ];
    let field = select(vec![
        "start",
        "gps",
        "streams.heart_rate",
        "streams.altitude",
        "distance_m",
        "heart_rate_mean",
        "title",
        "notes",
        "laps",
        "sport",
        "value",
        "energy_kcal",
    ]);
    let fields = proptest::collection::btree_map(field.prop_map(str::to_owned), prefer, 0..3);
    let combine = prop_oneof![
        1 => Just(Combine::First),
        6 => Just(Combine::Intelligently),
        2 => Just(Combine::HighestTotals),
    ];
    (combine, fields).prop_map(|(combine, fields)| MergePolicy { combine, fields })
}

fn origin() -> impl Strategy<Value = (Origin, Policy)> {
    let of = (select(vec!["a", "b", "c"]), select(vec!["1", "2"]), select(&DEVICES[..]), select(&METHODS[..]));
    let policy = (option::weighted(0.2, 1..30_i32), prop::bool::weighted(0.1), prop::bool::weighted(0.03));
    (of, option::of(0..3_i64), policy).prop_map(|((provider, id, device, method), modified_at, policy)| {
        let mut origin = Origin::named(provider, id);
        origin.device = device.map(str::to_owned);
        origin.method = method;
        origin.modified_at = modified_at.map(Instant);
        let (retention_days, no_ai, no_combining) = policy;
        (origin, Policy { retention_days, no_ai, no_combining })
    })
}

fn around(body: Body, (origin, policy): (Origin, Policy), start: i64, end: i64) -> Record {
    Record {
        data_type: DataType::Workout,
        origin,
        time: Span { start: Instant(start), end: Instant(end), offset_seconds: None, zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy,
        body,
    }
}

fn texts() -> impl Strategy<Value = (Option<String>, Option<String>)> {
    let title = select(vec!["Morning Run", "With Anna", " ", "Run"]).prop_map(str::to_owned);
    let notes = select(vec!["windy", "it was windy", "new shoes", ""]).prop_map(str::to_owned);
    (option::of(title), option::of(notes))
}

fn numbers(value: impl Strategy<Value = f64> + Clone) -> impl Strategy<Value = Workout> {
    let sport = select(vec![Sport::Other, Sport::Running, Sport::Cycling]);
    let totals = vec(option::of(value.clone()), 7);
    let lap = (any::<i64>(), any::<i64>(), option::of(value)).prop_map(|(offset_ms, elapsed_ms, distance_m)| Lap {
        offset_ms: offset_ms % 1_000_000,
        elapsed_ms: elapsed_ms % 1_000_000,
        distance_m,
        ..Lap::default()
    });
    let whole = (option::of(0..900_000_i64), option::of(0..5_000_i64));
    (sport, totals, whole, texts(), vec(lap, 0..3)).prop_map(|(sport, totals, whole, (title, notes), laps)| Workout {
        sport,
        title,
        notes,
        moving_ms: whole.0,
        steps: whole.1,
        distance_m: totals[0],
        energy_kcal: totals[1],
        ascent_m: totals[2],
        heart_rate_mean: totals[3],
        heart_rate_max: totals[4],
        cadence_mean: totals[5],
        power_mean: totals[6],
        laps,
        ..Workout::default()
    })
}

/// A workout that begins within 20 s of the others, with some columns, gaps, and moments that are not quite regular.
fn tame() -> impl Strategy<Value = Record> {
    let columns = vec(prop_oneof![2 => Just(0_u8), 3 => Just(1), 1 => Just(2)], 9);
    let step = select(vec![250_i64, 1_000, 1_000, 5_000, 20_000, 60_000]);
    let jitters = vec((0..10_u8, -120..120_i64, 0..40_u8), 0..120);
    let time = (-20_000..20_000_i64, 60..900_i64);
    (origin(), numbers(100.0..105.0), columns, step, jitters, time).prop_map(
        |(origin, mut workout, columns, step, jitters, (later, seconds))| {
            let mut at = 0;
            for (stretch, jitter, _) in &jitters {
                at += step + jitter + if *stretch == 0 { 40_000 } else { 0 };
                workout.streams.offsets_ms.push(at);
            }
            for (index, name) in super::super::track::Name::ALL.into_iter().enumerate() {
                let (low, high) = name.plausible();
                let value = |(at, jitter): (&i64, &(u8, i64, u8))| {
                    let wave = ((at + later) as f64 / 30_000.0).sin() * 0.2 + 0.5 + jitter.1 as f64 / 10_000.0;
                    let is_gap = columns[index] == 2 && jitter.2 < 20;
                    if is_gap { f64::NAN } else { low + (high - low) * wave }
                };
                if columns[index] > 0 {
                    name.of_mut(&mut workout.streams).0 =
                        workout.streams.offsets_ms.clone().iter().zip(&jitters).map(value).collect();
                }
            }
            around(Body::Workout(Box::new(workout)), origin, START + later, START + later + seconds * 1_000)
        },
    )
}

/// A number that no device measures, or an ordinary one.
fn value() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        4 => 0.0..200.0_f64,
        2 => Just(f64::NAN),
        1 => select(vec![f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -0.0, 0.0, -1.0, f64::MIN_POSITIVE]),
    ]
}

fn moment() -> impl Strategy<Value = i64> + Clone {
    prop_oneof![8 => -2_000..60_000_i64, 1 => select(vec![i64::MIN, i64::MAX, -1, 0, i64::MAX - 1]), 1 => any::<i64>()]
}

/// Unsorted and repeated moments, columns of other lengths, times at the ends of time.
fn wild() -> impl Strategy<Value = Record> {
    let columns = vec(prop_oneof![1 => Just(Vec::new()), 2 => vec(value(), 0..20)], 9);
    let instant = prop_oneof![6 => START..START + 30_000, 1 => select(vec![i64::MIN, i64::MAX, 0])];
    let time = (instant.clone(), instant);
    (origin(), numbers(value()), vec(moment(), 0..15), columns, time, prop::bool::weighted(0.05)).prop_map(
        |(origin, mut workout, moments, columns, (start, end), is_sorted)| {
            workout.streams.offsets_ms = moments;
            if is_sorted {
                workout.streams.offsets_ms.sort_unstable();
            }
            for (name, column) in super::super::track::Name::ALL.into_iter().zip(columns) {
                name.of_mut(&mut workout.streams).0 = column;
            }
            around(Body::Workout(Box::new(workout)), origin, start, end)
        },
    )
}

fn night() -> impl Strategy<Value = Record> {
    let stage = select(vec![
        SleepStage::Unknown,
        SleepStage::Awake,
        SleepStage::Asleep,
        SleepStage::Light,
        SleepStage::Deep,
        SleepStage::Rem,
        SleepStage::InBed,
    ]);
    let stages = vec((0..30_000_i64, -10..9_000_i64, stage), 0..12);
    let time = (-5_000..5_000_i64, 0..30_000_i64);
    (origin(), stages, any::<bool>(), prop::bool::weighted(0.2), time).prop_map(
        |(origin, mut stages, is_sorted, is_nap, (later, length))| {
            if is_sorted {
                stages.sort_by_key(|it| it.0);
            }
            let sleep = Sleep {
                stage_offsets_ms: stages.iter().map(|it| it.0).collect(),
                stage_durations_ms: stages.iter().map(|it| it.1).collect(),
                stages: stages.iter().map(|it| it.2).collect(),
                is_nap,
            };
            let record = around(Body::Sleep(sleep), origin, START + later, START + later + length);
            Record { data_type: DataType::Sleep, ..record }
        },
    )
}

fn any_kind() -> impl Strategy<Value = Record> {
    let quantity = (value(), select(vec![DataType::Weight, DataType::Distance]))
        .prop_map(|(value, data_type)| (data_type, Body::Quantity(Quantity { value })));
    let series = (vec(moment(), 0..5), vec(value(), 0..5))
        .prop_map(|(offsets_ms, values)| (DataType::HeartRate, Body::Series(Series { offsets_ms, values })));
    let pressure = (0.0..200.0, 0.0..200.0).prop_map(|(systolic, diastolic)| {
        (DataType::BloodPressure, Body::BloodPressure(BloodPressure { systolic, diastolic, pulse: None }))
    });
    let nothing = Just((DataType::Weight, Body::Nothing(Nothing {})));
    let body = prop_oneof![4 => quantity, 1 => series, 1 => pressure, 1 => nothing];
    let kind = (origin(), body, moment(), moment()).prop_map(|(origin, (data_type, body), start, end)| {
        let deleted = matches!(body, Body::Nothing(_));
        Record { data_type, deleted, ..around(body, origin, start, end) }
    });
    prop_oneof![5 => kind, 1 => tame(), 1 => night(), 1 => wild()]
}

#[test]
fn a_million_samples_are_merged() {
    let moments: Vec<i64> = (0..1_000_000).map(|it| it * 1_000).collect();
    let watch = record("Garmin Fenix 7", 0, 1_000_000, run(gps(moments.clone())));
    let strap = record("Polar H10", 0, 1_000_000, run(heart(moments, pulse)));
    let parts = [Part { record: &watch, rank: 0 }, Part { record: &strap, rank: 0 }];
    let merged = merge(&parts, &MergePolicy::default());
    let streams = &workout(&merged.record).streams;
    assert_eq!((streams.offsets_ms.len(), streams.heart_rate.n_measured()), (1_000_000, 1_000_000));
}
