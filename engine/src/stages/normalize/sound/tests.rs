//! What of a page goes on, and what is said of the rest.

use super::{SAMPLES_MAX, is_sound, sound};
use crate::provider::{ISSUES, Issue};
use proptest::prelude::*;
use schemas::{
    codec,
    data_type::DataType,
    record::{
        BloodPressure, Body, Entity, Nothing, Nutrition, Origin, Policy, Quantity, Record, RecordState, Records,
        Series, Sleep, SleepStage, Span,
    },
    time::Instant,
    workout::{Column, Lap, Streams, Workout},
};
use std::collections::BTreeSet;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A day after the page was read.
const NOT_AFTER: i64 = 1_782_000_000_000 + DAY_MS;
const START: i64 = 1_781_900_000_000;

fn record(data_type: DataType, (start, end): (i64, i64), body: Body) -> Record {
    Record {
        data_type,
        origin: Origin::named("files", "r"),
        time: Span { start: Instant(start), end: Instant(end), offset_seconds: Some(7_200), zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

fn weight(start: i64, kilograms: f64) -> Record {
    record(DataType::Weight, (start, start), Body::Quantity(Quantity { value: kilograms }))
}

fn workout(end: i64, workout: Workout) -> Record {
    record(DataType::Workout, (START, end), Body::Workout(Box::new(workout)))
}

/// An hour's workout with these times, heart rates and latitudes.
fn streams(offsets_ms: &[i64], heart_rate: &[f64], latitude: &[f64]) -> Record {
    let column = |it: &[f64]| Column(it.to_vec());
    let (latitude, longitude) = (column(latitude), column(latitude));
    let streams = Streams {
        offsets_ms: offsets_ms.to_vec(),
        heart_rate: column(heart_rate),
        latitude,
        longitude,
        ..Streams::default()
    };
    workout(START + HOUR_MS, Workout { streams, ..Workout::default() })
}

fn series(offsets_ms: &[i64], values: &[f64]) -> Record {
    let body = Body::Series(Series { offsets_ms: offsets_ms.to_vec(), values: values.to_vec() });
    record(DataType::HeartRate, (START, START + HOUR_MS), body)
}

fn sleep(end: i64, offsets_ms: &[i64], durations_ms: &[i64], stages: &[SleepStage]) -> Record {
    let (stage_offsets_ms, stage_durations_ms) = (offsets_ms.to_vec(), durations_ms.to_vec());
    let body = Sleep { stage_offsets_ms, stage_durations_ms, stages: stages.to_vec(), is_nap: false };
    record(DataType::Sleep, (START, end), Body::Sleep(body))
}

fn of_page(records: Vec<Record>) -> (Vec<Record>, Vec<&'static str>) {
    let mut issues = Vec::new();
    let records = sound(records, Instant(NOT_AFTER), &mut issues);
    (records, issues.iter().map(|it| it.code).collect())
}

/// What becomes of a record, and the codes of what is said of it.
#[track_caller]
fn check(given: Record, expected: Option<Record>, codes: &[&str]) {
    let (records, said) = of_page(vec![given.clone()]);
    assert_eq!((&records, said.as_slice()), (&expected.clone().into_iter().collect(), codes), "{given:?}");
    assert_eq!(is_sound(&given, Instant(NOT_AFTER)), expected == Some(given));
    // What was put right is right.
    assert_eq!(of_page(records.clone()), (records, Vec::new()));
}

#[track_caller]
fn stays(given: Record) {
    check(given.clone(), Some(given), &[]);
}

#[track_caller]
fn left_out(given: Record, code: &str) {
    check(given, None, &[code]);
}

#[test]
fn a_record_that_is_as_it_should_be_passes_as_it_came() {
    stays(weight(START, 70.0));
    stays(series(&[0, 1_000, 2_000], &[60.0, 61.0, 60.0]));
    stays(streams(&[0, 1_000, 2_000], &[60.0, f64::NAN, 61.0], &[]));
    stays(sleep(START + 8 * HOUR_MS, &[0, HOUR_MS], &[HOUR_MS, HOUR_MS], &[SleepStage::Light, SleepStage::Deep]));
    stays(sleep(START + 8 * HOUR_MS, &[], &[], &[]));
    stays(workout(START + 31 * DAY_MS, Workout::default()));
    let mut gone = record(DataType::Workout, (0, 0), Body::Nothing(Nothing {}));
    gone.deleted = true;
    gone.time.offset_seconds = None;
    stays(gone);
    // A plan goes on for months.
    stays(record(DataType::MealPlan, (START, START + 90 * DAY_MS), Body::Entity(Entity::default())));
}

#[test]
fn a_time_that_cannot_be_leaves_the_record_out() {
    left_out(workout(START - 1, Workout::default()), "ends_before_start");
    left_out(workout(i64::MIN, Workout::default()), "ends_before_start");
    left_out(weight(0, 70.0), "past");
    left_out(weight(631_151_999_999, 70.0), "past");
    stays(weight(631_152_000_000, 70.0));
    stays(weight(NOT_AFTER, 70.0));
    left_out(weight(NOT_AFTER + 1, 70.0), "future");
    left_out(weight(i64::MAX, 70.0), "future");
    left_out(weight(i64::MIN, 70.0), "past");
    left_out(workout(START + 31 * DAY_MS + 1, Workout::default()), "too_long");
    left_out(workout(i64::MAX, Workout::default()), "too_long");
}

#[test]
fn a_session_without_length_needs_samples() {
    let recorded = |end, offsets: &[i64]| {
        let mut record = streams(offsets, &[], &[]);
        record.time.end = Instant(end);
        record
    };
    left_out(recorded(START, &[]), "empty");
    left_out(recorded(START, &[0]), "empty");
    left_out(recorded(START, &[-5_000, -1_000]), "empty");
    check(recorded(START, &[0, 60_000]), Some(recorded(START + 60_000, &[0, 60_000])), &["no_end"]);
    check(recorded(START, &[60_000, 0]), Some(recorded(START + 60_000, &[0, 60_000])), &["unsorted", "no_end"]);
    left_out(recorded(START, &[0, i64::MAX]), "too_long");
    let night = |end| sleep(end, &[0, HOUR_MS], &[HOUR_MS, HOUR_MS], &[SleepStage::Light, SleepStage::Deep]);
    check(night(START), Some(night(START + 2 * HOUR_MS)), &["no_end"]);
    left_out(sleep(START, &[0, HOUR_MS], &[HOUR_MS], &[SleepStage::Deep]), "empty");
    left_out(series(&[], &[]), "empty");
}

#[test]
fn values_that_nobody_has_leave_the_record_out() {
    for value in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        left_out(weight(START, value), "out_of_range");
        let pressure = BloodPressure { systolic: value, diastolic: 80.0, pulse: None };
        left_out(record(DataType::BloodPressure, (START, START), Body::BloodPressure(pressure)), "out_of_range");
    }
    left_out(series(&[0, 1_000], &[60.0, 1_000.0]), "out_of_range");
    left_out(series(&[0, 1_000], &[60.0]), "malformed");
    left_out(series(&[0, 1_000], &[f64::NAN, f64::INFINITY]), "empty");
}

#[test]
fn more_samples_than_any_device_has_leave_the_record_out() {
    let offsets: Vec<i64> = (0..=SAMPLES_MAX as i64).rev().collect();
    let heart_rate = vec![60.0; offsets.len()];
    left_out(streams(&offsets, &[], &[]), "too_many_samples");
    left_out(streams(&[0, 1_000], &heart_rate, &[]), "too_many_samples");
    left_out(series(&offsets, &heart_rate), "too_many_samples");
    let most: Vec<i64> = (0..SAMPLES_MAX as i64).collect();
    assert!(is_sound(&streams(&most, &heart_rate[1..], &[]), Instant(NOT_AFTER)));
}

#[test]
fn samples_are_put_in_order_with_one_a_moment() {
    check(
        series(&[2_000, 0, 1_000, 0], &[62.0, 60.0, 61.0, 59.0]),
        Some(series(&[0, 1_000, 2_000], &[59.0, 61.0, 62.0])),
        &["unsorted", "repeated_time"],
    );
    check(series(&[0, 0], &[60.0, 61.0]), Some(series(&[0], &[61.0])), &["repeated_time"]);
    // A chest strap and a watch write two records for each second.
    const GAP: f64 = f64::NAN;
    check(
        streams(&[0, 0, 1_000, 1_000], &[60.0, GAP, 61.0, 62.0], &[GAP, 52.0, GAP, GAP]),
        Some(streams(&[0, 1_000], &[60.0, 62.0], &[52.0, GAP])),
        &["repeated_time"],
    );
    check(
        streams(&[i64::MAX, i64::MIN, 0], &[60.0, 61.0, 62.0], &[]),
        Some(streams(&[i64::MIN, 0, i64::MAX], &[61.0, 62.0, 60.0], &[])),
        &["unsorted"],
    );
    let end = START + 8 * HOUR_MS;
    check(
        sleep(end, &[HOUR_MS, 0, 0], &[1, 2, 3], &[SleepStage::Deep, SleepStage::Light, SleepStage::Rem]),
        Some(sleep(end, &[0, HOUR_MS], &[3, 1], &[SleepStage::Rem, SleepStage::Deep])),
        &["unsorted", "repeated_time"],
    );
}

#[test]
fn a_position_of_two_samples_of_one_moment_is_that_of_one_of_them() {
    let with = |offsets: &[i64], latitude: &[f64], longitude: &[f64]| {
        let mut record = streams(offsets, &[], latitude);
        if let Body::Workout(it) = &mut record.body {
            it.streams.longitude = Column(longitude.to_vec());
        }
        record
    };
    let once = |latitude, longitude| with(&[5], &[latitude], &[longitude]);
    check(with(&[5, 5], &[1.0, 2.0], &[11.0, 12.0]), Some(once(2.0, 12.0)), &["repeated_time"]);
    check(with(&[5, 5], &[1.0, f64::NAN], &[11.0, 12.0]), Some(once(1.0, 11.0)), &["repeated_time"]);
    check(with(&[5, 5], &[1.0, f64::NAN], &[f64::NAN, 12.0]), Some(once(f64::NAN, 12.0)), &["repeated_time"]);
}

#[test]
fn a_column_of_another_length_is_dropped_and_the_others_stay() {
    check(streams(&[0, 1], &[60.0], &[1.0, 2.0]), Some(streams(&[0, 1], &[], &[1.0, 2.0])), &["uneven_columns"]);
    check(streams(&[0, 1], &[60.0, 61.0], &[1.0]), Some(streams(&[0, 1], &[60.0, 61.0], &[])), &["uneven_columns"]);
    check(streams(&[], &[60.0], &[1.0]), Some(streams(&[], &[], &[])), &["uneven_columns"]);
    let end = START + 8 * HOUR_MS;
    check(sleep(end, &[0], &[1, 2], &[SleepStage::Deep]), Some(sleep(end, &[], &[], &[])), &["uneven_columns"]);
}

#[test]
fn a_number_that_is_none_is_dropped_and_the_rest_stays() {
    let run = |distance_m, heart_rate_mean| {
        let laps = vec![Lap { elapsed_ms: 1_000, distance_m, ..Lap::default() }];
        workout(START + HOUR_MS, Workout { distance_m, heart_rate_mean, laps, ..Workout::default() })
    };
    check(run(Some(f64::NAN), Some(140.0)), Some(run(None, Some(140.0))), &["not_finite"]);
    check(run(Some(5.0), Some(f64::INFINITY)), Some(run(Some(5.0), None)), &["not_finite"]);
    check(
        streams(&[0, 1], &[f64::NEG_INFINITY, 61.0], &[]),
        Some(streams(&[0, 1], &[f64::NAN, 61.0], &[])),
        &["not_finite"],
    );
    check(series(&[0, 1, 2], &[60.0, f64::NAN, 61.0]), Some(series(&[0, 2], &[60.0, 61.0])), &["not_finite"]);
    let pressure = |pulse| {
        let body = BloodPressure { systolic: 120.0, diastolic: 80.0, pulse };
        record(DataType::BloodPressure, (START, START), Body::BloodPressure(body))
    };
    check(pressure(Some(f64::NAN)), Some(pressure(None)), &["not_finite"]);
    let food = |energy_kcal, nutrients: &[(&str, f64)]| {
        let nutrients_g = nutrients.iter().map(|it| (it.0.to_owned(), it.1)).collect();
        let body = Nutrition { energy_kcal, nutrients_g, ..Nutrition::default() };
        record(DataType::Nutrition, (START, START), Body::Nutrition(body))
    };
    check(
        food(Some(f64::NAN), &[("fat", 1.0), ("protein", f64::INFINITY)]),
        Some(food(None, &[("fat", 1.0)])),
        &["not_finite"],
    );
}

#[test]
fn a_record_of_which_no_zone_is_known_is_noted_once() {
    let mut record = weight(START, 70.0);
    record.time.offset_seconds = None;
    let (records, codes) = of_page(vec![record.clone()]);
    assert_eq!((records, codes.as_slice()), (vec![record.clone()], ["no_time_zone"].as_slice()));
    let mut issues = vec![Issue { code: "no_time_zone", at: "r".into(), text: "the mapper said so".into() }];
    sound(vec![record.clone()], Instant(NOT_AFTER), &mut issues);
    assert_eq!(issues.len(), 1);
    record.time.zone = Some("Europe/Berlin".into());
    stays(record);
}

#[test]
fn of_two_records_with_one_id_one_stays() {
    let with = |id: &str, kilograms, modified_at: Option<i64>| {
        let mut record = weight(START, kilograms);
        record.origin.record = id.into();
        record.origin.modified_at = modified_at.map(Instant);
        record
    };
    let check = |given: &[Record], kept: &[usize], codes: &[&str]| {
        let (records, said) = of_page(given.to_vec());
        let expected: Vec<Record> = kept.iter().map(|it| given[*it].clone()).collect();
        assert_eq!((records, said.as_slice()), (expected, codes), "{given:?}");
    };
    let (a, other, b) = (with("a", 70.0, None), with("a", 71.0, None), with("b", 70.0, None));
    check(&[a.clone(), b.clone(), a.clone()], &[0, 1], &["duplicate"]);
    check(&[a.clone(), b.clone(), other.clone()], &[1, 2], &["repeated_id"]);
    check(&[a.clone(), other.clone(), a.clone(), other.clone()], &[3], &["repeated_id"; 3]);
    let (older, newer) = (with("a", 70.0, Some(5)), with("a", 71.0, Some(6)));
    check(&[older.clone(), newer.clone()], &[1], &["repeated_id"]);
    check(&[newer.clone(), older.clone()], &[0], &["repeated_id"]);
    check(&[newer, older, other], &[2], &["repeated_id"; 2]);
    // Of another type, or without an id, they are two.
    let mut height = record(DataType::Height, (START, START), Body::Quantity(Quantity { value: 180.0 }));
    height.origin.record = "a".into();
    check(&[a, height], &[0, 1], &[]);
    check(&[with("", 70.0, None), with("", 71.0, None)], &[0, 1], &[]);
    // One that is left out takes no other with it.
    let bad = with("b", f64::NAN, None);
    check(&[b, bad], &[0], &["out_of_range"]);
}

/// A number of those that are likely to go wrong.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![20.0..200.0, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)]
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![Just(Vec::new()), prop::collection::vec(60.0..100.0, 4), prop::collection::vec(number(), 0..6)]
}

fn offsets() -> impl Strategy<Value = Vec<i64>> {
    let wild = prop_oneof![0_i64..5, Just(i64::MIN), Just(i64::MAX)];
    prop_oneof![Just(vec![0, 1, 2, 3]), prop::collection::vec(0_i64..5, 0..6), prop::collection::vec(wild, 0..6)]
}

fn body() -> impl Strategy<Value = (DataType, Body)> {
    let stages = || prop::collection::vec(prop_oneof![Just(SleepStage::Deep), Just(SleepStage::Rem)], 0..6);
    let a_workout = (offsets(), numbers(), numbers(), numbers(), prop::option::of(number())).prop_map(
        |(offsets_ms, heart_rate, latitude, longitude, distance_m)| {
            let [heart_rate, latitude, longitude] = [heart_rate, latitude, longitude].map(Column);
            let streams = Streams { offsets_ms, heart_rate, latitude, longitude, ..Streams::default() };
            (DataType::Workout, Body::Workout(Box::new(Workout { distance_m, streams, ..Workout::default() })))
        },
    );
    let a_night = (offsets(), offsets(), stages()).prop_map(|(stage_offsets_ms, stage_durations_ms, stages)| {
        (DataType::Sleep, Body::Sleep(Sleep { stage_offsets_ms, stage_durations_ms, stages, is_nap: false }))
    });
    let a_series = (offsets(), numbers())
        .prop_map(|(offsets_ms, values)| (DataType::HeartRate, Body::Series(Series { offsets_ms, values })));
    prop_oneof![
        number().prop_map(|value| (DataType::Weight, Body::Quantity(Quantity { value }))),
        a_series,
        a_workout,
        a_night,
    ]
}

prop_compose! {
    fn any_record()(
        (data_type, body) in body(),
        start in prop_oneof![6 => Just(START), 1 => any::<i64>()],
        length in prop_oneof![Just(0), Just(HOUR_MS), Just(40 * DAY_MS), any::<i64>()],
        id in "[ab]?",
        modified_at in prop::option::of((0_i64..3).prop_map(Instant)),
        deleted in prop::bool::weighted(0.1),
    ) -> Record {
        let mut record = record(data_type, (start, start.saturating_add(length)), body);
        record.origin.record = id;
        record.origin.modified_at = modified_at;
        if deleted {
            (record.deleted, record.body) = (true, Body::Nothing(Nothing {}));
        }
        record
    }
}

/// As they travel.
fn bytes(records: Vec<Record>) -> Vec<u8> {
    codec::encode(&Records { records })
}

proptest! {
    #[test]
    fn what_goes_on_is_sound_has_an_id_of_its_own_and_would_go_on_again(
        given in prop::collection::vec(any_record(), 0..8),
    ) {
        let (records, codes) = of_page(given.clone());
        let mut ids = BTreeSet::new();
        for record in &records {
            prop_assert!(is_sound(record, Instant(NOT_AFTER)), "{:?}", record);
            let id = &record.origin.record;
            prop_assert!(id.is_empty() || ids.insert((record.data_type, id.clone())));
        }
        prop_assert!(codes.iter().all(|code| ISSUES.iter().any(|it| it.code == *code)), "{:?}", codes);
        // Each that is missing has its issue.
        prop_assert!(given.len() - records.len() <= codes.len());
        prop_assert_eq!(of_page(given), (records.clone(), codes));
        prop_assert_eq!(bytes(of_page(records.clone()).0), bytes(records));
    }

    #[test]
    fn records_that_are_sound_pass_byte_for_byte(given in prop::collection::vec(any_record(), 0..8)) {
        let mut given: Vec<Record> = given.into_iter().filter(|it| is_sound(it, Instant(NOT_AFTER))).collect();
        for (index, record) in given.iter_mut().enumerate() {
            record.origin.record = index.to_string();
        }
        let (records, codes) = of_page(given.clone());
        prop_assert_eq!(bytes(records), bytes(given));
        prop_assert_eq!(codes, Vec::<&str>::new());
    }
}
