use super::{losses, told};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    record::{
        BloodPressure, Body, Entity, Nothing, Nutrition, Origin, Policy, Quantity, Record, RecordState, Series, Sleep,
        SleepStage, Span,
    },
    time::Instant,
    workout::{Column, Lap, Sport, Streams, Workout},
};

const START: i64 = 1_780_000_000_250;
const HOUR: i64 = 3_600_000;

fn record(data_type: DataType, body: Body) -> Record {
    let zone = Some(String::from("Europe/Berlin"));
    Record {
        data_type,
        origin: Origin::named("watch", "1"),
        time: Span { start: Instant(START), end: Instant(START + HOUR), offset_seconds: Some(7_200), zone },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

fn workout() -> Workout {
    let lap = |offset_ms| Lap { offset_ms, elapsed_ms: 60_400, distance_m: Some(201.25), ..Lap::default() };
    Workout {
        sport: Sport::TrailRunning,
        sport_detail: Some("ridge".into()),
        title: Some("Along the river".into()),
        notes: Some("with Ada".into()),
        moving_ms: Some(3_500_400),
        distance_m: Some(5_040.37),
        energy_kcal: Some(305.0),
        heart_rate_mean: Some(151.5),
        steps: Some(6_000),
        laps: vec![lap(0), lap(60_400)],
        streams: Streams {
            offsets_ms: vec![0, 1_000, 2_000, 3_000],
            latitude: Column(vec![51.123_456_78, 51.123_556_78, f64::NAN, 51.123_656_78]),
            heart_rate: Column(vec![150.0, 151.0, 152.0, 153.0]),
            ..Streams::default()
        },
        ..Workout::default()
    }
}

fn of(workout: Workout) -> Record {
    record(DataType::Workout, Body::Workout(Box::new(workout)))
}

/// What is lost of a workout when its record becomes what `to` makes of it.
#[track_caller]
fn check(to: impl FnOnce(&mut Record, &mut Workout), lost: &[&str]) {
    let wanted = of(workout());
    let (mut held, mut there) = (of(Workout::default()), workout());
    to(&mut held, &mut there);
    if matches!(held.body, Body::Workout(_)) {
        held.body = Body::Workout(Box::new(there));
    }
    assert_eq!(told(&losses(&wanted, &held)), lost);
}

#[test]
fn of_a_record_and_itself_nothing_is_lost() {
    check(|_, _| {}, &[]);
}

#[test]
fn what_is_held_and_was_not_wanted_is_no_loss() {
    check(|_, it| it.ascent_m = Some(80.0), &[]);
    check(|_, it| it.streams.power = Column(vec![200.0; 4]), &[]);
    check(|it, _| it.origin.device = Some("watch".into()), &[]);
}

#[test]
fn a_field_that_is_not_held_is_named() {
    check(|_, it| it.energy_kcal = None, &["energy_kcal: it is not held"]);
    check(|_, it| it.steps = None, &["steps: it is not held"]);
    check(|_, it| it.laps.clear(), &["laps: none of 2 laps is held"]);
    check(|_, it| it.laps.truncate(1), &["laps: 1 of 2 laps are held"]);
    check(|_, it| it.laps[1].distance_m = None, &["laps.distance_m: 1 of 2 laps are held"]);
    check(|it, _| it.time.zone = None, &["time.zone: it is not held"]);
    check(|it, _| it.time.offset_seconds = None, &["time.offset_seconds: it is not held"]);
}

#[test]
fn texts_are_told_without_their_words() {
    check(|_, it| it.title = None, &["title: it is not held"]);
    check(|_, it| it.title = Some("Along".into()), &["title: it is held cut short"]);
    check(|_, it| it.notes = Some("other".into()), &["notes: it is held in other words"]);
}

#[test]
fn another_sport_is_a_loss() {
    check(|_, it| it.sport = Sport::Running, &["sport: it is held as another sport"]);
}

#[test]
fn samples_are_counted() {
    check(|_, it| it.streams.heart_rate = Column::default(), &["streams.heart_rate: none of 4 samples is held"]);
    check(|_, it| it.streams.heart_rate.0[1] = f64::NAN, &["streams.heart_rate: 3 of 4 samples are held"]);
    check(|_, it| it.streams.latitude.0.truncate(2), &["streams.latitude: 2 of 3 samples are held"]);
    let every_second = |_: &mut Record, it: &mut Workout| {
        it.streams.offsets_ms = vec![0, 2_000];
        it.streams.latitude = Column(vec![51.123_456_78, f64::NAN]);
        it.streams.heart_rate = Column(vec![150.0, 152.0]);
    };
    let lost = ["streams.latitude: 1 of 3 samples are held", "streams.heart_rate: 2 of 4 samples are held"];
    check(every_second, &lost);
}

#[test]
fn precision_is_told_by_its_kind() {
    check(|_, it| it.distance_m = Some(5_040.0), &["distance_m: rounded to whole metres"]);
    check(|_, it| it.distance_m = Some(5_040.4), &["distance_m: held less exactly, by less than 0.1 metres"]);
    check(|_, it| it.distance_m = Some(4_000.0), &["distance_m: held as another number"]);
    check(|_, it| it.heart_rate_mean = Some(152.0), &["heart_rate_mean: rounded to whole beats a minute"]);
    check(|_, it| it.moving_ms = Some(3_500_000), &["moving_ms: rounded to whole seconds"]);
    check(|_, it| it.moving_ms = Some(3_480_000), &["moving_ms: rounded to whole minutes"]);
    check(
        |_, it| it.streams.latitude.0.iter_mut().for_each(|it| *it = (*it * 1e6).round() / 1e6),
        &["streams.latitude: held less exactly, by less than 0.000001 degrees"],
    );
    check(|_, it| it.streams.heart_rate.0[0] = 70.0, &["streams.heart_rate: 1 of 4 samples are held as other numbers"]);
    // What a decimal text and back changes is nothing.
    check(|_, it| it.distance_m = Some(5_040.370_000_000_001), &[]);
}

#[test]
fn times_are_rounded_or_shifted() {
    let whole = |it: &mut Record, there: &mut Workout| {
        it.time.start = Instant(START - 250);
        it.time.end = Instant(START - 250 + HOUR);
        // The moments themselves stay where they were.
        there.streams.offsets_ms.iter_mut().for_each(|it| *it += 250);
        there.laps.iter_mut().for_each(|it| it.offset_ms += 250);
    };
    check(whole, &["time.start: rounded to whole seconds", "time.end: rounded to whole seconds"]);
    let by_a_zone = |it: &mut Record, _: &mut Workout| it.time.end = Instant(START + 2 * HOUR);
    check(by_a_zone, &["time.end: it is shifted by whole quarters of an hour, as a zone would"]);
    check(|it, _| it.time.end = Instant(START + HOUR + 70_001), &["time.end: shifted"]);
    check(|_, it| it.streams.offsets_ms[1] = 1_400, &["streams.offsets_ms: held less exactly, by less than a second"]);
}

#[test]
fn a_record_that_is_not_there_or_another_is_lost_as_a_whole() {
    check(|it, _| it.deleted = true, &["record: it is not there"]);
    let other = |it: &mut Record, _: &mut Workout| it.body = Body::Quantity(Quantity { value: 1.0 });
    check(other, &["body: it is held as another kind of record"]);
    check(|it, _| it.data_type = DataType::Steps, &["data_type: it is held as another type"]);
}

/// What is lost between two bodies of a type.
#[track_caller]
fn check_bodies(data_type: DataType, wanted: Body, held: Body, lost: &[&str]) {
    assert_eq!(told(&losses(&record(data_type, wanted), &record(data_type, held))), lost);
}

#[test]
fn other_kinds_are_compared_field_by_field_too() {
    let weight = |value| Body::Quantity(Quantity { value });
    let lost = ["value: held less exactly, by less than 0.001 kg"];
    check_bodies(DataType::Weight, weight(70.123_4), weight(70.123), &lost);
    let series = |n: i64| {
        Body::Series(Series { offsets_ms: (0..n).map(|it| it * 1_000).collect(), values: vec![60.0; n as usize] })
    };
    check_bodies(DataType::HeartRate, series(9), series(7), &["values: 7 of 9 samples are held"]);
    let sleep = |stages: &[SleepStage]| {
        Body::Sleep(Sleep {
            stage_offsets_ms: (0..).map(|it| it * 600_000).take(stages.len()).collect(),
            stage_durations_ms: vec![600_000; stages.len()],
            stages: stages.to_vec(),
            is_nap: true,
        })
    };
    let wanted = sleep(&[SleepStage::OutOfBed, SleepStage::Deep, SleepStage::InBed]);
    let lost = ["stages: 2 of 3 stages are held", "stages: 1 of 3 stages are held as others"];
    check_bodies(DataType::Sleep, wanted, sleep(&[SleepStage::Awake, SleepStage::Deep]), &lost);
    let pressure = |pulse| Body::BloodPressure(BloodPressure { systolic: 120.0, diastolic: 80.0, pulse });
    check_bodies(DataType::BloodPressure, pressure(Some(60.0)), pressure(None), &["pulse: it is not held"]);
    let food = |names: &[&str]| {
        let nutrients_g = names.iter().map(|it| ((*it).to_owned(), 1.0)).collect();
        Body::Nutrition(Nutrition { nutrients_g, ..Nutrition::default() })
    };
    let lost = ["nutrients_g: 1 of 2 nutrients are held"];
    check_bodies(DataType::Nutrition, food(&["fat", "fiber"]), food(&["fat"]), &lost);
}

fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), any::<f64>(), -1e3..1e3]
}

fn odd_column() -> impl Strategy<Value = Column> {
    prop::collection::vec(odd(), 0..9).prop_map(Column)
}

fn odd_body() -> impl Strategy<Value = Body> {
    let offsets = || prop::collection::vec(prop_oneof![any::<i64>(), -9_000..9_000i64], 0..9);
    let lap = (any::<i64>(), any::<i64>(), prop::option::of(odd()))
        .prop_map(|(offset_ms, elapsed_ms, distance_m)| Lap { offset_ms, elapsed_ms, distance_m, ..Lap::default() });
    let workouts = (
        (offsets(), odd_column(), odd_column()),
        prop::collection::vec(lap, 0..4),
        (prop::option::of(odd()), prop::option::of(any::<i64>()), prop::option::of("[a-c]{0,3}")),
    );
    let workouts = workouts.prop_map(|((offsets_ms, latitude, power), laps, (distance_m, steps, title))| {
        let streams = Streams { offsets_ms, latitude, power, ..Streams::default() };
        Body::Workout(Box::new(Workout { distance_m, steps, title, laps, streams, ..Workout::default() }))
    });
    let stage = prop_oneof![Just(SleepStage::Deep), Just(SleepStage::InBed)];
    let sleeps = (offsets(), offsets(), prop::collection::vec(stage, 0..9), any::<bool>());
    let sleeps = sleeps.prop_map(|(stage_offsets_ms, stage_durations_ms, stages, is_nap)| {
        Body::Sleep(Sleep { stage_offsets_ms, stage_durations_ms, stages, is_nap })
    });
    let entities = prop::collection::btree_map("[a-b]", odd(), 0..3)
        .prop_map(|numbers| Body::Entity(Entity { numbers, ..Entity::default() }));
    prop_oneof![
        Just(Body::Nothing(Nothing {})),
        odd().prop_map(|value| Body::Quantity(Quantity { value })),
        (offsets(), odd_column())
            .prop_map(|(offsets_ms, values)| Body::Series(Series { offsets_ms, values: values.0 })),
        workouts,
        sleeps,
        entities,
    ]
}

prop_compose! {
    fn odd_record()(body in odd_body(), start in any::<i64>(), end in any::<i64>(), offset in any::<Option<i32>>()) -> Record {
        let time = Span { start: Instant(start), end: Instant(end), offset_seconds: offset, zone: None };
        Record { time, ..record(DataType::Workout, body) }
    }
}

proptest! {
    #[test]
    fn no_record_loses_anything_to_itself(it in odd_record()) {
        prop_assert_eq!(losses(&it, &it), []);
    }

    #[test]
    fn any_two_records_can_be_compared(a in odd_record(), b in odd_record()) {
        let lost = losses(&a, &b);
        prop_assert!(lost.len() < 60);
        prop_assert!(a.content() != b.content() || lost.iter().all(|it| it.field.starts_with("time.")));
    }
}
