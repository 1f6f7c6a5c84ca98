//! What is the same and what is not, each as a sentence; and what holds for any two records.

use super::{MATCH_VERSION, Verdict, compare, groups, is_candidate, summary};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    record::{Body, Entity, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Sleep, SleepStage, Span},
    time::Instant,
    workout::{Column, Sport, Streams, Workout},
};

/// 07:23:41 on a Tuesday.
const T0: i64 = 1_780_298_621_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

fn record(data_type: DataType, start: i64, end: i64, body: Body) -> Record {
    Record {
        data_type,
        origin: Origin::named("watch", "a"),
        time: Span { start: Instant(start), end: Instant(end), offset_seconds: None, zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

/// A run without streams: when, how long (s), how far (m).
fn run(start: i64, seconds: i64, metres: f64) -> Record {
    let body = Workout { sport: Sport::Running, distance_m: Some(metres), ..Workout::default() };
    record(DataType::Workout, start, start + seconds * 1_000, Body::Workout(Box::new(body)))
}

/// A run of 43:37 with a track and a heart rate; `day` says which day's form, `way` which direction.
fn tracked(start: i64, day: f64, way: f64) -> Record {
    let mut it = run(start, 2_617, 8_432.0 + 31.0 * day);
    let seconds: Vec<f64> = (0..=2_617).map(f64::from).collect();
    let metres = |second: &f64| way * (second * 3.2 + 60.0 * (second / 90.0 + day).sin());
    let beat = |second: &f64| 140.0 + 20.0 * (second / 200.0 + 1.7 * day).sin() + 4.0 * day;
    let body = workout_of(&mut it);
    body.streams = Streams {
        offsets_ms: (0..=2_617).map(|it| it * 1_000).collect(),
        latitude: Column(seconds.iter().map(|it| 52.5 + metres(it) / 111_195.0).collect()),
        longitude: Column(seconds.iter().map(|it| 13.4 + (metres(it) / 2_000.0).sin() * 0.005).collect()),
        heart_rate: Column(seconds.iter().map(|it| beat(it).round()).collect()),
        ..Streams::default()
    };
    it
}

fn workout_of(record: &mut Record) -> &mut Workout {
    let Body::Workout(it) = &mut record.body else { panic!("no workout") };
    it
}

fn with(mut record: Record, change: impl FnOnce(&mut Workout)) -> Record {
    change(workout_of(&mut record));
    record
}

fn later(mut record: Record, by: i64) -> Record {
    (record.time.start.0, record.time.end.0) = (record.time.start.0 + by, record.time.end.0 + by);
    record
}

fn bare(record: Record) -> Record {
    with(record, |it| it.streams = Streams::default())
}

/// Compares both ways, full and as rows keep them, and checks what comes of it.
#[track_caller]
fn check(a: &Record, b: &Record, expected: Verdict) {
    let it = compare(a, b);
    assert_eq!(it.verdict, expected, "{it:#?}");
    assert_eq!(it, compare(b, a), "it is symmetric");
    for (a, b) in [(summary(a), b.clone()), (a.clone(), summary(b)), (summary(a), summary(b))] {
        assert_eq!(it, compare(&a, &b), "a summary compares as its record");
    }
    assert!(is_candidate(a, b) || expected == Verdict::Different);
    assert!((0.0..=1.0).contains(&it.score) && !it.evidence.is_empty());
}

#[test]
fn a_copy_is_the_same_whatever_a_service_leaves_out_or_changes() {
    let it = tracked(T0, 0.0, 1.0);
    let copies = [
        it.clone(),
        bare(it.clone()),
        with(it.clone(), |it| it.sport = Sport::Walking),
        with(bare(it.clone()), |it| it.sport = Sport::Other),
        with(bare(it.clone()), |it| it.distance_m = Some(8_430.0)),
        with(it.clone(), |it| it.streams.latitude = Column::default()),
        later(bare(it.clone()), 19_000),
        later(it.clone(), 7 * MINUTE),
    ];
    for copy in &copies {
        check(&it, copy, Verdict::Same);
    }
}

#[test]
fn a_zone_error_needs_content_that_agrees_exactly() {
    let it = tracked(T0, 0.0, 1.0);
    for shift in [HOUR, -5 * HOUR, 330 * MINUTE, 345 * MINUTE, -14 * HOUR] {
        check(&it, &later(it.clone(), shift), Verdict::Same);
        check(&it, &later(bare(it.clone()), shift), Verdict::Same);
        // The clock agrees to the second, the day's form does not.
        check(&it, &tracked(T0 + shift, 1.0, 1.0), Verdict::Different);
        check(&bare(it.clone()), &bare(tracked(T0 + shift, 1.0, -1.0)), Verdict::Ask);
        check(&bare(it.clone()), &run(T0 + shift, 2_650, 8_470.0), Verdict::Different);
    }
    check(&it, &later(it.clone(), 15 * HOUR), Verdict::Different);
    check(&it, &later(it.clone(), 5 * HOUR + 7 * MINUTE), Verdict::Different);
}

#[test]
fn a_sensor_that_fails_for_a_while_is_no_other_heart() {
    let it = tracked(T0, 0.0, 1.0);
    // Another device: its own distance and energy, and steps taken for beats from one second on to another.
    let failing = |from: usize, to: usize| {
        with(it.clone(), |it| {
            it.distance_m = Some(8_520.0);
            it.streams.heart_rate.0[from..to].iter_mut().for_each(|it| *it += 25.0);
        })
    };
    check(&it, &failing(800, 1_900), Verdict::Same);
    check(&it, &later(failing(800, 1_400), 5 * HOUR), Verdict::Same);
    // For most of it, and all along: that may be another heart.
    check(&it, &failing(300, 2_200), Verdict::Ask);
    check(&it, &failing(0, 2_618), Verdict::Ask);
    let told = compare(&it, &failing(800, 1_900)).evidence;
    let told = told.iter().find(|it| it.feature == "heart_rate").map(|it| it.detail.clone()).unwrap_or_default();
    assert!(told.contains("as if a sensor failed"), "{told}");
}

#[test]
fn a_commute_is_never_the_way_back() {
    let (there, mut back) = (tracked(T0, 0.0, 1.0), tracked(T0 + 9 * HOUR, 0.6, -1.0));
    back.time.end.0 += 14_000;
    check(&there, &back, Verdict::Different);
    check(&there, &bare(back.clone()), Verdict::Different);
    check(&there, &tracked(T0 + 24 * HOUR, 0.0, 1.0), Verdict::Different);
}

#[test]
fn a_ride_to_work_and_one_back_that_have_two_figures_in_common_are_not_one() {
    let told = |it: Record, energy: f64, heart_rate: (f64, f64)| {
        with(it, |it| {
            it.energy_kcal = Some(energy);
            (it.heart_rate_mean, it.heart_rate_max) = (Some(heart_rate.0), Some(heart_rate.1));
        })
    };
    // Both told to the minute, ten hours apart; distance and heart rates are equal, or all but one second and one metre.
    let there = told(run(T0, 1_620, 8_290.0), 236.0, (126.0, 150.0));
    check(&there, &told(run(T0 + 10 * HOUR, 1_680, 8_290.0), 247.0, (126.0, 150.0)), Verdict::Ask);
    let there = told(run(T0, 1_296, 5_831.0), 166.0, (119.0, 137.0));
    check(&there, &told(run(T0 + 10 * HOUR, 1_297, 5_832.0), 179.0, (120.0, 136.0)), Verdict::Ask);
    // A copy in another zone has them all.
    check(&there, &later(there.clone(), 10 * HOUR), Verdict::Same);
}

#[test]
fn pauses_may_be_counted_by_one_and_not_by_the_other() {
    let paused = with(run(T0, 4_500, 10_020.0), |it| it.moving_ms = Some(3_600_000));
    check(&paused, &run(T0, 3_600, 10_020.0), Verdict::Same);
    check(&paused, &run(T0 + 5_000, 4_488, 10_090.0), Verdict::Same);
}

#[test]
fn a_part_is_asked_about_and_a_leg_is_another() {
    let whole = tracked(T0, 0.0, 1.0);
    let half = with(whole.clone(), |it| {
        it.distance_m = Some(4_190.0);
        it.streams.offsets_ms.truncate(1_300);
    });
    let half = Record { time: Span { end: Instant(T0 + 1_300_000), ..half.time.clone() }, ..half };
    check(&whole, &half, Verdict::Ask);
    check(&bare(whole.clone()), &bare(half.clone()), Verdict::Ask);
    check(&half, &run(T0 + 1_305_000, 1_312, 4_242.0), Verdict::Different);
    let race = with(run(T0 - HOUR, 9_000, 50_000.0), |it| it.sport = Sport::Multisport);
    check(&race, &whole, Verdict::Different);
}

#[test]
fn two_hearts_on_one_way_are_asked_about() {
    let mine = tracked(T0, 0.0, 1.0);
    let yours = with(tracked(T0 + 4_000, 0.0, 1.0), |it| it.streams.heart_rate.0.iter_mut().for_each(|it| *it += 17.0));
    check(&mine, &yours, Verdict::Ask);
}

#[test]
fn what_was_typed_in_is_the_same_by_its_time_and_else_asked_about() {
    let typed = |start, seconds, metres| {
        let mut it = run(start, seconds, metres);
        it.origin.method = RecordingMethod::Manual;
        it
    };
    let hour = T0.div_euclid(HOUR) * HOUR;
    check(&run(T0, 2_617, 8_432.0), &typed(hour + 25 * MINUTE, 2_700, 8_500.0), Verdict::Same);
    check(&run(T0, 2_617, 8_432.0), &typed(hour + 55 * MINUTE, 2_700, 8_500.0), Verdict::Ask);
    check(&run(T0, 2_617, 8_432.0), &typed(hour + 4 * HOUR, 2_700, 8_500.0), Verdict::Different);
}

#[test]
fn a_night_is_one_and_a_nap_another() {
    let stages = |n: i64| {
        let kinds = [SleepStage::Light, SleepStage::Deep, SleepStage::Light, SleepStage::Rem, SleepStage::Awake];
        Sleep {
            stage_offsets_ms: (0..n).map(|it| it * 10 * MINUTE).collect(),
            stage_durations_ms: vec![10 * MINUTE; usize::try_from(n).unwrap()],
            stages: (0..n).map(|it| kinds[usize::try_from(it * it % 5).unwrap()]).collect(),
            is_nap: n < 18,
        }
    };
    let sleep = |start: i64, n: i64| record(DataType::Sleep, start, start + n * 10 * MINUTE, Body::Sleep(stages(n)));
    let night = sleep(T0, 48);
    let in_bed = record(DataType::Sleep, T0 - 30 * MINUTE, T0 + 490 * MINUTE, Body::Sleep(Sleep::default()));
    check(&night, &in_bed, Verdict::Same);
    check(&night, &later(night.clone(), 6 * HOUR), Verdict::Same);
    check(&in_bed, &later(in_bed.clone(), 6 * HOUR), Verdict::Ask);
    check(&night, &sleep(T0 + 11 * HOUR, 6), Verdict::Different);
    check(&night, &sleep(T0 + 24 * HOUR, 48), Verdict::Different);
    check(&night, &record(DataType::Sleep, T0, T0 + 4 * HOUR, Body::Sleep(Sleep::default())), Verdict::Ask);
}

#[test]
fn a_reading_is_the_same_on_two_ways_and_another_a_moment_later() {
    let of = |data_type, at, value| record(data_type, at, at, Body::Quantity(Quantity { value }));
    let weight = |at, value| of(DataType::Weight, at, value);
    let minute = T0.div_euclid(MINUTE) * MINUTE;
    check(&weight(T0, 81.37), &weight(minute, 81.4), Verdict::Same);
    check(&weight(T0, 81.37), &weight(T0 + 1_000, 179.4 * 0.453_592_37), Verdict::Same);
    check(&weight(T0, 81.37), &weight(T0 + 30_000, 81.8), Verdict::Different);
    check(&weight(T0, 81.37), &weight(T0, 81.8), Verdict::Ask);
    check(&weight(T0, 81.37), &weight(T0 + 5 * HOUR, 81.37), Verdict::Ask);
    check(&weight(T0, 81.37), &weight(T0 + 2 * MINUTE, 81.37), Verdict::Different);
    check(&of(DataType::HeartRate, T0, 72.0), &of(DataType::HeartRate, T0 + 5_000, 72.0), Verdict::Different);
    check(&of(DataType::HrvRmssd, T0, 42.0), &of(DataType::HrvSdnn, T0, 42.0), Verdict::Different);
    let medicine = |title: &str| {
        record(DataType::Medication, T0, T0, Body::Entity(Entity { title: title.into(), ..Entity::default() }))
    };
    check(&medicine("Ibuprofen"), &medicine("ibuprofen "), Verdict::Same);
    check(&medicine("Ibuprofen"), &medicine("Vitamin D"), Verdict::Different);
    let steps = |start, end| record(DataType::Steps, start, end, Body::Quantity(Quantity { value: 500.0 }));
    check(&steps(T0, T0 + HOUR), &steps(T0 + 900, T0 + HOUR), Verdict::Same);
    check(&steps(T0, T0 + HOUR), &steps(T0, T0 + HOUR + 2_000), Verdict::Different);
}

#[test]
fn what_is_no_record_of_that_time_is_different() {
    let it = run(T0, 3_600, 10_000.0);
    check(&it, &Record { deleted: true, ..it.clone() }, Verdict::Different);
    check(&it, &Record { is_daily_total: true, ..it.clone() }, Verdict::Different);
    assert_eq!(MATCH_VERSION, 3);
}

#[test]
fn a_chain_never_makes_one_of_two() {
    // A typed entry lies between two recordings that are not the same.
    let (a, c) = (run(T0, 2_400, 7_000.0), run(T0 + 35 * MINUTE, 2_400, 7_000.0));
    let b = run(T0 + 8 * MINUTE, 2_500, 7_000.0);
    let groups_of = |records: &[Record]| {
        let mut all: Vec<Vec<i64>> =
            groups(records).iter().map(|it| it.iter().map(|index| records[*index].time.start.0).collect()).collect();
        all.iter_mut().for_each(|it: &mut Vec<i64>| it.sort_unstable());
        all.sort();
        all
    };
    let records = [a, b, c];
    let expected = groups_of(&records);
    for order in [[0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
        assert_eq!(groups_of(&order.map(|it| records[it].clone())), expected);
    }
    for group in groups(&records) {
        for (a, b) in group.iter().flat_map(|a| group.iter().map(move |b| (*a, *b))) {
            assert_ne!(compare(&records[a], &records[b]).verdict, Verdict::Different);
        }
    }
}

#[test]
fn a_summary_is_small() {
    let mut it = tracked(T0, 0.0, 1.0);
    it.time.end = Instant(T0 + 2_617_000);
    let json = serde_json::to_vec(&summary(&it)).unwrap();
    assert!(json.len() < 8_000, "{} bytes", json.len());
    assert_eq!(summary(&summary(&it)), summary(&it), "and as small as it gets");
    let read: Record = serde_json::from_slice(&json).unwrap();
    assert_eq!(compare(&read, &it), compare(&it, &it), "it compares as it did when it is read again");
}

#[test]
fn millions_of_samples_are_one_pass() {
    let n = 3_000_000;
    let it = with(run(T0, 3_000, 9_000.0), |it| {
        it.streams.offsets_ms = (0..n).collect();
        it.streams.heart_rate = Column(vec![140.0; usize::try_from(n).unwrap()]);
    });
    assert_eq!(compare(&it, &bare(it.clone())).verdict, Verdict::Same);
}

/// Any number that a source may tell.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -200.0..20_000.0, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

/// A moment: near T0, at the ends of a calendar, or anywhere.
fn moment() -> impl Strategy<Value = i64> {
    prop_oneof![6 => T0..T0 + 2 * HOUR, 1 => Just(0), 1 => Just(4_070_908_800_000), 1 => any::<i64>()]
}

prop_compose! {
    fn any_workout()(
        start in moment(), length in prop_oneof![6 => 0i64..8_000_000, 1 => any::<i64>()], sport in 0usize..4,
        figures in prop::array::uniform4(prop::option::of(number())), moving in prop::option::of(any::<i64>()),
        offsets in prop::collection::vec(prop_oneof![5 => -1_000i64..8_000_000, 1 => any::<i64>()], 0..80),
        columns in prop::array::uniform5(prop::collection::vec(number(), 0..80)), is_manual in any::<bool>(),
        offset in prop::option::of(any::<i32>()),
    ) -> Record {
        let [distance_m, energy_kcal, heart_rate_mean, heart_rate_max] = figures;
        let [latitude, longitude, heart_rate, speed, distance] = columns.map(Column);
        let sport = [Sport::Running, Sport::Other, Sport::Multisport, Sport::Cycling][sport];
        let streams = Streams { offsets_ms: offsets, latitude, longitude, heart_rate, speed, distance, ..Streams::default() };
        let body = Workout {
            sport, moving_ms: moving, distance_m, energy_kcal, heart_rate_mean, heart_rate_max, streams, ..Workout::default()
        };
        let mut it = record(DataType::Workout, start, start.saturating_add(length), Body::Workout(Box::new(body)));
        it.time.offset_seconds = offset;
        it.origin.method = if is_manual { RecordingMethod::Manual } else { RecordingMethod::Active };
        it
    }
}

prop_compose! {
    fn any_sleep()(
        start in moment(), length in prop_oneof![6 => 0i64..40_000_000, 1 => any::<i64>()], is_nap in any::<bool>(),
        offsets in prop::collection::vec(any::<i64>(), 0..20), durations in prop::collection::vec(any::<i64>(), 0..20),
        n in 0usize..20,
    ) -> Record {
        let stages = [SleepStage::Light, SleepStage::Deep, SleepStage::Rem, SleepStage::Awake];
        let stages = (0..n).map(|it| stages[it % 4]).collect();
        let body = Sleep { stage_offsets_ms: offsets, stage_durations_ms: durations, stages, is_nap };
        record(DataType::Sleep, start, start.saturating_add(length), Body::Sleep(body))
    }
}

prop_compose! {
    fn any_reading()(start in moment(), length in prop_oneof![4 => Just(0), 1 => any::<i64>()], value in number()) -> Record {
        let body = Body::Quantity(Quantity { value });
        record(DataType::Weight, start, start.saturating_add(length), body)
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![4 => any_workout(), 1 => any_sleep(), 1 => any_reading()]
}

proptest! {
    #[test]
    fn any_two_records_compare_the_same_both_ways_and_as_summaries(a in any_record(), b in any_record()) {
        let it = compare(&a, &b);
        prop_assert!((0.0..=1.0).contains(&it.score));
        prop_assert!(it.evidence.iter().all(|it| it.weight.is_finite()));
        prop_assert_eq!(&it, &compare(&b, &a));
        prop_assert_eq!(&it, &compare(&summary(&a), &b));
        prop_assert_eq!(&it, &compare(&summary(&a), &summary(&b)));
        prop_assert!(is_candidate(&a, &b) || it.verdict == Verdict::Different);
        prop_assert!(a.deleted || compare(&a, &a).verdict == Verdict::Same, "{:#?}", compare(&a, &a));
    }

    #[test]
    fn groups_hold_nothing_that_differs_and_do_not_depend_on_the_order(
        records in prop::collection::vec(any_record(), 0..9), turn in 0usize..9,
    ) {
        let found = groups(&records);
        let mut indices: Vec<usize> = found.iter().flatten().copied().collect();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..records.len()).collect::<Vec<_>>(), "each record is in one group");
        for group in &found {
            for (a, b) in group.iter().flat_map(|a| group.iter().map(move |b| (*a, *b))).filter(|it| it.0 != it.1) {
                prop_assert_ne!(compare(&records[a], &records[b]).verdict, Verdict::Different);
            }
        }
        let mut turned = records.clone();
        turned.rotate_left(turn.min(records.len()));
        turned.reverse();
        let told = |records: &[Record], groups: Vec<Vec<usize>>| {
            let of = |it: Vec<usize>| {
                let mut texts: Vec<String> = it.iter().map(|it| format!("{:?}", records[*it])).collect();
                texts.sort();
                texts
            };
            let mut all: Vec<Vec<String>> = groups.into_iter().map(of).collect();
            all.sort();
            all
        };
        prop_assert_eq!(told(&records, found), told(&turned, groups(&turned)));
    }
}
