//! What is compared and hashed of a record.

use crate::{check_file, samples};
use schemas::{
    data_type::DataType,
    record::{Body, Nothing, Policy, Quantity, Record, RecordState, Series},
    time::Instant,
    workout::{Column, Workout},
};

fn record(body: Body) -> Record {
    samples::record(DataType::Weight, body)
}

fn weight(value: f64) -> Record {
    record(Body::Quantity(Quantity { value }))
}

fn workout(change: impl Fn(&mut Workout)) -> Record {
    let mut workout = samples::workout();
    change(&mut workout);
    record(Body::Workout(Box::new(workout)))
}

#[track_caller]
fn check(one: &Record, other: &Record, is_equal: bool) {
    assert_eq!(one.content() == other.content(), is_equal, "{one:?} {other:?}");
}

#[test]
fn the_form_never_changes() {
    let lines: Vec<_> =
        samples::records().records.iter().map(|it| hex::encode(it.content()) + "\n").collect();
    check_file("tests/golden/content.hex", &lines.concat());
}

#[test]
fn the_form_is_the_documented_one() {
    let expected: Vec<u8> = [
        b"\x01".as_slice(),
        b"\0\0\0\0\0\0\0\x09data_typet\0\0\0\0\0\0\0\x06weight",
        b"\0\0\0\0\0\0\0\x05starti\0\0\0\0\0\0\0\x01",
        b"\0\0\0\0\0\0\0\x03endi\0\0\0\0\0\0\0\x02",
        b"\0\0\0\0\0\0\0\x0eis_daily_totalb",
        b"\0\0\0\0\0\0\0\x08quantityg\0\0\0\0\0\0\0\x16",
        b"\0\0\0\0\0\0\0\x05valuef\x3f\xf0\0\0\0\0\0\0",
    ]
    .concat();
    let mut record = weight(1.0);
    (record.time.start, record.time.end) = (Instant(1), Instant(2));
    assert_eq!(record.content(), expected);
}

#[test]
fn who_told_it_and_what_may_be_done_with_it_do_not_matter() {
    let mut other = weight(71.0);
    other.origin = samples::tombstone().origin;
    other.policy = Policy::default();
    other.state = RecordState::Final;
    other.time.offset_seconds = None;
    other.time.zone = None;
    check(&weight(71.0), &other, true);
}

#[test]
fn what_it_says_matters() {
    let base = weight(71.0);
    check(&base, &weight(71.5), false);
    check(&base, &Record { data_type: DataType::LeanMass, ..base.clone() }, false);
    check(&base, &Record { deleted: true, ..base.clone() }, false);
    check(&base, &Record { is_daily_total: false, ..base.clone() }, false);
    check(&base, &record(Body::Nothing(Nothing {})), false);
    let series = Series { offsets_ms: Vec::new(), values: vec![71.0] };
    check(&base, &record(Body::Series(series)), false);
    let mut later = base.clone();
    later.time.start.0 += 1;
    check(&base, &later, false);
    let mut longer = base.clone();
    longer.time.end.0 += 1;
    check(&base, &longer, false);
}

#[test]
fn every_value_of_a_workout_matters() {
    let base = workout(|_| {});
    check(&base, &workout(|it| it.title = None), false);
    check(&base, &workout(|it| it.title = Some(String::new())), false);
    check(&base, &workout(|it| it.laps.push(it.laps[0].clone())), false);
    check(&base, &workout(|it| it.laps[0].heart_rate_max = None), false);
    check(&base, &workout(|it| it.streams.offsets_ms[2] += 1), false);
    check(&base, &workout(|it| it.streams.temperature.0[2] += 1.0), false);
    check(&base, &workout(|it| it.streams.power = it.streams.cadence.clone()), false);
}

#[test]
fn a_number_has_one_form() {
    check(&weight(0.0), &weight(-0.0), true);
    check(&weight(f64::NAN), &weight(f64::from_bits(0xfff8_0000_0000_0001)), true);
    check(&weight(f64::INFINITY), &weight(f64::NEG_INFINITY), false);
}

#[test]
fn a_column_without_a_value_is_no_column() {
    let none = workout(|it| it.streams.power = Column::default());
    check(&none, &workout(|it| it.streams.power = Column(vec![f64::NAN; 3])), true);
}

#[test]
fn texts_do_not_run_into_each_other() {
    let one = workout(|it| (it.title, it.notes) = (Some("ab".into()), Some("c".into())));
    check(&one, &workout(|it| (it.title, it.notes) = (Some("a".into()), Some("bc".into()))), false);
}
