//! Bytes from anywhere are an error or a value, never a panic and never a gigabyte.

use crate::samples::{self, Sample};
use proptest::{collection::vec, option, prelude::*};
use schemas::{
    codec::{FIELD_BYTES_MAX, Subject, current, decode, encode},
    data_type::DataType,
    event::Kind,
    record::{Body, Quantity, Record, RecordState, Records, Series},
    time::Instant,
    workout::{Column, Streams, Workout},
};

fn number() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

fn column(length: usize) -> impl Strategy<Value = Column> {
    prop_oneof![
        Just(Column::default()),
        vec(option::of(number()), length)
            .prop_map(|it| Column(it.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect())),
    ]
}

fn streams() -> impl Strategy<Value = Streams> {
    (0..20_usize).prop_flat_map(|n| {
        (vec(any::<i64>(), n), column(n), column(n), column(n)).prop_map(
            |(offsets_ms, latitude, power, speed)| Streams {
                offsets_ms,
                latitude,
                power,
                speed,
                ..Streams::default()
            },
        )
    })
}

fn body() -> impl Strategy<Value = Body> {
    let series = (vec(any::<i64>(), 0..9), vec(number(), 0..9))
        .prop_map(|(offsets_ms, values)| Body::Series(Series { offsets_ms, values }));
    let workout = (streams(), option::of(".*"), option::of(any::<i64>())).prop_map(
        |(streams, title, steps)| {
            Body::Workout(Box::new(Workout { streams, title, steps, ..Workout::default() }))
        },
    );
    prop_oneof![number().prop_map(|value| Body::Quantity(Quantity { value })), series, workout]
}

fn record() -> impl Strategy<Value = Record> {
    let data_type = prop::sample::select(DataType::ALL.to_vec());
    (data_type, body(), any::<(i64, i64, bool, bool)>(), option::of(any::<i32>()), option::of(".*"))
        .prop_map(
            |(data_type, body, (start, end, is_daily_total, is_final), offset_seconds, zone)| {
                let mut record = samples::record(data_type, body);
                (record.time.start, record.time.end) = (Instant(start), Instant(end));
                (record.time.offset_seconds, record.time.zone) = (offset_seconds, zone);
                record.is_daily_total = is_daily_total;
                record.state = if is_final { RecordState::Final } else { RecordState::Open };
                record
            },
        )
}

/// A change of bytes: at a place, something is put over, in, or out.
fn changed(mut bytes: Vec<u8>, changes: &[(usize, u8, u8)]) -> Vec<u8> {
    for (place, how, byte) in changes {
        // The framing stays, else nothing but the framing would be tried.
        let place = 5 + place % (bytes.len() - 4);
        match (how % 4, bytes.get_mut(place)) {
            (0, Some(old)) => *old = *byte,
            (1, Some(_)) => bytes.truncate(place),
            (2, Some(_)) => drop(bytes.remove(place)),
            _ => bytes.insert(place, *byte),
        }
    }
    bytes
}

/// What happens to be a value can be written, and is then read as the same one.
fn is_refused_or_a_value(sample: &Sample, bytes: &[u8]) -> bool {
    (sample.recode)(bytes).map_or(true, |it| (sample.recode)(&it) == Ok(it))
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(records in vec(record(), 0..5)) {
        let records = Records { records };
        let bytes = encode(&records);
        let back = decode::<Records>(&bytes).unwrap();
        // Bytes are compared, for NaN is not equal to itself outside of columns.
        prop_assert_eq!(encode(&back), bytes);
        for (back, record) in back.records.iter().zip(&records.records) {
            prop_assert_eq!(back.content(), record.content());
        }
    }

    #[test]
    fn random_bytes_do_no_harm(datum in vec(any::<u8>(), 0..300)) {
        for sample in samples::all() {
            let framed = [sample.bytes.get(..5).unwrap(), &datum].concat();
            prop_assert!(is_refused_or_a_value(&sample, &framed));
            prop_assert!(is_refused_or_a_value(&sample, &datum));
        }
    }

    #[test]
    fn changed_bytes_do_no_harm(changes in vec(any::<(usize, u8, u8)>(), 1..6)) {
        for sample in samples::all() {
            let bytes = changed(sample.bytes.clone(), &changes);
            prop_assert!(is_refused_or_a_value(&sample, &bytes));
        }
    }
}

/// A number as Avro writes it.
fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[track_caller]
fn refuses(subject: Subject, datum: &[u8]) {
    let sample = samples::all().into_iter().find(|it| it.schema == subject).unwrap();
    let bytes = [&[0], current(subject).id.to_be_bytes().as_slice(), datum].concat();
    assert!((sample.recode)(&bytes).is_err());
}

#[test]
fn a_length_alone_takes_no_memory() {
    for length in [FIELD_BYTES_MAX as i64, i64::MAX, i64::MIN, i64::MIN + 1, -1, 1 << 40] {
        // The first field of an event is a text, that of sealed content an array.
        refuses(Subject::Event(Kind::Requested), &varint(length));
        refuses(Subject::Records, &varint(length));
        refuses(Subject::Records, &[varint(length), varint(length)].concat());
        // Numbers of a series, which are made room for before they are read.
        let series = Body::Series(Series { offsets_ms: Vec::new(), values: Vec::new() });
        let bytes =
            encode(&Records { records: vec![samples::record(DataType::HeartRate, series)] });
        let upto = bytes.len() - 3;
        refuses(Subject::Records, &[bytes.get(5..upto).unwrap(), &varint(length)].concat());
    }
    // Without our limit the library's own would stand here, which is eight times as large.
    assert_eq!(apache_avro::util::max_allocation_bytes(usize::MAX), FIELD_BYTES_MAX);
}

#[test]
fn framing_that_is_not_ours_is_refused_by_name() {
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(
            decode::<Records>(bytes).unwrap_err().to_string(),
            format!("not a records: {expected}")
        );
    }
    check(&[], "too short to be framed");
    check(&[0, 0, 0, 0], "too short to be framed");
    check(&[1, 0, 0, 0, 8, 0], "no magic byte");
    check(&[0, 0, 0, 1, 8, 0], "schema id 264 is not known");
    check(&[0, 0, 0, 0, 9, 0], "it is a decisions");
    check(&[0, 0, 0, 0, 8], "the datum does not fit its schema");
    check(&[0, 0, 0, 0, 8, 0, 7], "1 bytes are left over");
    assert_eq!(decode::<Records>(&[0, 0, 0, 0, 8, 0]), Ok(Records::default()));
}

#[test]
fn a_workout_of_ten_thousand_samples_is_columns() {
    const SAMPLES: usize = 10_000;
    #[track_caller]
    fn check(columns: usize, streams: Streams) {
        let workout = Workout { streams, ..Workout::default() };
        let record = samples::record(DataType::Workout, Body::Workout(Box::new(workout)));
        let bytes = encode(&Records { records: vec![record] });
        // Eight bytes a number, at most four an offset of a few hours, and the record itself once.
        assert!(bytes.len() < SAMPLES * (columns * 8 + 4) + 1_000, "{} bytes", bytes.len());
        assert_eq!(decode::<Records>(&bytes).unwrap().records.len(), 1);
    }
    let offsets_ms: Vec<i64> = (0..10_000).map(|it| it * 1_000).collect();
    let column = Column((0..10_000).map(f64::from).collect());
    check(
        1,
        Streams {
            offsets_ms: offsets_ms.clone(),
            heart_rate: column.clone(),
            ..Streams::default()
        },
    );
    let [latitude, longitude, altitude, heart_rate, cadence, power, speed, distance, temperature] =
        std::array::from_fn(|_| column.clone());
    check(
        9,
        Streams {
            offsets_ms,
            latitude,
            longitude,
            altitude,
            heart_rate,
            cadence,
            power,
            speed,
            distance,
            temperature,
        },
    );
}
