use super::{read, write};
use engine::provider::Normal;
use proptest::prelude::*;
use rustyfit::{
    Encoder,
    profile::{
        mesgdef::{FileId, Monitoring, MonitoringInfo, WeightScale},
        typedef::{self, DateTime},
    },
    proto::{FIT, Message},
};
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::Instant,
    workout::{Column, Lap, Sport, Streams, Workout},
};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::PathBuf};

#[derive(Deserialize)]
struct Expected {
    fit: BTreeMap<String, Recording>,
}

#[derive(Deserialize)]
struct Recording {
    is_whole: bool,
    n_points: usize,
    n_heart_rate: usize,
    heart_rate_sum: f64,
    n_position: usize,
    n_power: usize,
    n_laps: usize,
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    elapsed_ms: i64,
    timer_ms: i64,
    distance_m: Option<f64>,
    energy_kcal: Option<f64>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures")
}

fn recording(name: &str) -> Vec<u8> {
    fs::read(fixtures().join("fit").join(name)).unwrap()
}

fn workouts(normal: &Normal) -> Vec<(&Record, &Workout)> {
    let of = |it: &'_ Record| matches!(it.body, Body::Workout(_));
    normal
        .records
        .iter()
        .filter(|it| of(it))
        .map(|it| match &it.body {
            Body::Workout(workout) => (it, workout.as_ref()),
            _ => unreachable!(),
        })
        .collect()
}

fn codes(normal: &Normal) -> Vec<&'static str> {
    normal.issues.iter().map(|it| it.code).collect()
}

#[track_caller]
fn check(name: &str, expected: &Recording) {
    let normal = read(&recording(name), name).unwrap();
    let workouts = workouts(&normal);
    let sum = |count: fn(&Workout) -> usize| workouts.iter().map(|it| count(it.1)).sum::<usize>();
    let pulses = workouts.iter().flat_map(|it| &it.1.streams.heart_rate.0).filter(|it| !it.is_nan());
    assert_eq!(sum(|it| it.streams.offsets_ms.len()), expected.n_points, "{name}: points");
    assert_eq!(sum(|it| it.streams.heart_rate.n_measured()), expected.n_heart_rate, "{name}: heart rates");
    assert_eq!(pulses.sum::<f64>(), expected.heart_rate_sum, "{name}: sum of heart rates");
    assert_eq!(sum(|it| it.streams.latitude.n_measured()), expected.n_position, "{name}: positions");
    assert_eq!(sum(|it| it.streams.power.n_measured()), expected.n_power, "{name}: powers");
    assert_eq!(sum(|it| it.laps.len()), expected.n_laps, "{name}: laps");
    assert_eq!(codes(&normal).contains(&"truncated"), !expected.is_whole, "{name}: whole");
    assert_eq!(workouts.len(), expected.sessions.len().max(1), "{name}: sessions");
    for ((record, workout), session) in workouts.iter().zip(&expected.sessions) {
        let (start, end) = (record.time.start.0, record.time.end.0);
        let last = workout.streams.offsets_ms.last().copied().unwrap_or(0);
        assert_eq!(end - start, session.elapsed_ms.max(last), "{name}: duration");
        assert_eq!(workout.moving_ms, Some(session.timer_ms), "{name}: moving time");
        assert_eq!(workout.distance_m, session.distance_m, "{name}: distance");
        assert_eq!(workout.energy_kcal, session.energy_kcal, "{name}: energy");
        assert!(
            workout.streams.offsets_ms.is_sorted()
                && workout.streams.offsets_ms.first() >= Some(&0).filter(|_| last > 0)
        );
    }
}

#[test]
fn every_recording_is_read_as_an_independent_reader_reads_it() {
    let text = fs::read_to_string(fixtures().join("fitdecode.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.fit.len(), 22);
    for (name, recording) in &expected.fit {
        check(name, recording);
    }
}

#[test]
fn a_multisport_file_is_several_workouts_whose_points_do_not_mix() {
    let normal = read(&recording("activity-large-fenxi2-multisport.fit"), "m").unwrap();
    let workouts = workouts(&normal);
    assert_eq!(workouts.len(), 7);
    for pair in workouts.windows(2) {
        let last = pair[0].1.streams.offsets_ms.last().unwrap() + pair[0].0.time.start.0;
        assert!(last <= pair[1].0.time.start.0 + 1_000, "a point of one session lies in the next");
    }
    assert_eq!(workouts[0].0.time.offset_seconds, Some(7_200));
    let ids: std::collections::BTreeSet<_> = workouts.iter().map(|it| &it.0.origin.record).collect();
    assert_eq!(ids.len(), 7);
}

#[test]
fn a_watch_without_a_set_clock_is_placed_by_its_wall_clock() {
    let normal = read(&recording("compressed-speed-distance.fit"), "old").unwrap();
    let workouts = workouts(&normal);
    assert_eq!(workouts[0].0.time.end.to_string(), "2012-02-13T12:20:59.273Z");
    assert!(codes(&normal).contains(&"no_time_zone"));
    // The compressed distances run over sixteen times and still end where the session says.
    let last = workouts[0].1.streams.distance.0.iter().rfind(|it| !it.is_nan()).unwrap();
    assert!((last - workouts[0].1.distance_m.unwrap()).abs() < 20.0, "{last}");
}

fn encode(messages: Vec<Message>) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut fit = FIT { messages, ..FIT::default() };
    Encoder::new().encode(embedded_io_adapters::std::FromStd::new(&mut bytes), &mut fit).unwrap();
    bytes.into_inner()
}

fn file_id(kind: typedef::File) -> Message {
    let time_created = DateTime(1_000_000_000);
    Message::from(FileId {
        r#type: kind,
        manufacturer: typedef::Manufacturer::TANITA,
        serial_number: 77,
        time_created,
        ..FileId::new()
    })
}

#[test]
fn a_weighing_gives_a_record_for_each_value_that_was_measured() {
    let mut scale = WeightScale::new();
    scale.timestamp = DateTime(1_000_000_100);
    scale.weight = typedef::Weight(7_550);
    scale.percent_fat = 1_830;
    scale.percent_hydration = 5_500;
    scale.bone_mass = 310;
    scale.muscle_mass = 5_840;
    scale.bmi = 231;
    let mut calculating = WeightScale::new();
    calculating.timestamp = DateTime(1_000_000_200);
    calculating.weight = typedef::Weight(0xfffe);
    let bytes = encode(vec![file_id(typedef::File::WEIGHT), Message::from(scale), Message::from(calculating)]);
    let normal = read(&bytes, "scale.fit").unwrap();
    let values: Vec<_> = normal
        .records
        .iter()
        .map(|it| match &it.body {
            Body::Quantity(value) => (it.data_type, value.value),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (DataType::Weight, 75.5),
        (DataType::BodyFat, 18.3),
        (DataType::BodyWater, 41.525),
        (DataType::BoneMass, 3.1),
        (DataType::MuscleMass, 58.4),
        (DataType::Bmi, 23.1),
    ];
    assert_eq!(values, expected);
    assert_eq!(normal.records[0].time.start, Instant::from_seconds(1_000_000_100 + 631_065_600));
    assert_eq!(normal.records[0].origin.device.as_deref(), Some("tanita"));
}

#[test]
fn steps_are_the_differences_of_a_count_that_runs_up_from_midnight() {
    let mut info = MonitoringInfo::new();
    info.timestamp = DateTime(1_000_000_000);
    info.local_timestamp = typedef::LocalDateTime(1_000_003_600);
    let moment = |time: u32, cycles: u32| {
        let mut it = Monitoring::new();
        it.timestamp = DateTime(time);
        it.activity_type = typedef::ActivityType::WALKING;
        it.cycles = cycles;
        Message::from(it)
    };
    let mut pulse = Monitoring::new();
    pulse.timestamp_16 = ((1_000_000_960_u32) & 0xffff) as u16;
    pulse.heart_rate = 64;
    let messages = vec![
        file_id(typedef::File::MONITORING_B),
        Message::from(info),
        moment(1_000_000_060, 40),
        moment(1_000_000_900, 100),
        moment(1_000_000_950, 100),
        Message::from(pulse),
        moment(1_000_001_000, 30),
    ];
    let normal = read(&encode(messages), "day.fit").unwrap();
    let steps: Vec<_> = normal
        .records
        .iter()
        .filter_map(|it| match &it.body {
            Body::Quantity(value) => {
                Some((it.time.start.seconds() - 1_631_065_600, it.time.end.seconds() - 1_631_065_600, value.value))
            }
            _ => None,
        })
        .collect();
    assert_eq!(steps, [(0, 60, 40.0), (60, 900, 60.0), (950, 1_000, 30.0)]);
    assert_eq!(normal.records[0].time.offset_seconds, Some(3_600));
    let Body::Series(pulses) = &normal.records.last().unwrap().body else { panic!() };
    assert_eq!(pulses.values, [64.0]);
    assert_eq!(normal.records.last().unwrap().time.start.seconds(), 1_631_066_560);
}

fn sample() -> Record {
    let n = 40;
    let column = |value: fn(f64) -> f64| {
        Column::from_options((0..n).map(|it| (it != 7).then(|| value(f64::from(it)))).collect())
    };
    let workout = Workout {
        sport: Sport::TrailRunning,
        moving_ms: Some(35_000),
        distance_m: Some(123.45),
        energy_kcal: Some(12.0),
        ascent_m: Some(9.0),
        heart_rate_mean: Some(141.0),
        heart_rate_max: Some(160.0),
        cadence_mean: Some(171.0),
        power_mean: Some(250.0),
        steps: Some(112),
        laps: vec![
            Lap { offset_ms: 0, elapsed_ms: 20_500, distance_m: Some(60.0), ..Lap::default() },
            Lap { offset_ms: 20_000, elapsed_ms: 19_500, heart_rate_mean: Some(150.0), ..Lap::default() },
        ],
        streams: Streams {
            offsets_ms: (0..n).map(|it| i64::from(it) * 1_000).collect(),
            latitude: column(|it| 52.5 + it / 10_000.0),
            longitude: column(|it| -13.4 - it / 10_000.0),
            altitude: column(|it| 34.2 + it),
            heart_rate: column(|it| 120.0 + it),
            cadence: column(|it| 170.0 + it / 10.0),
            power: column(|it| 200.0 + it),
            speed: column(|it| 2.5 + it / 100.0),
            distance: column(|it| it * 3.1),
            temperature: column(|it| it - 20.0),
        },
        ..Workout::default()
    };
    let start = Instant::parse("2024-05-04T06:00:00Z").unwrap();
    let end = Instant(start.0 + 39_500);
    Record {
        data_type: DataType::Workout,
        origin: Origin {
            provider: "files".into(),
            connection: None,
            record: "w".into(),
            modified_at: None,
            device: None,
            method: RecordingMethod::Active,
            marker: None,
        },
        time: Span { start, end, offset_seconds: Some(-12_600), zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body: Body::Workout(Box::new(workout)),
    }
}

fn near(a: &Column, b: &Column, within: f64) -> bool {
    a.0.len() == b.0.len() && a.0.iter().zip(&b.0).all(|(a, b)| (a - b).abs() <= within || (a.is_nan() && b.is_nan()))
}

#[track_caller]
fn check_round_trip(record: &Record) {
    let bytes = write(record, "item-1").unwrap();
    assert_eq!(bytes, write(record, "item-1").unwrap(), "the same record gives the same bytes");
    let normal = read(&bytes, "w.fit").unwrap();
    assert!(normal.issues.iter().all(|it| it.code == "no_time_zone"), "{:?}", normal.issues);
    let (again, found) = workouts(&normal)[0];
    let Body::Workout(wanted) = &record.body else { panic!() };
    assert_eq!(
        (again.time.start, again.time.end, again.time.offset_seconds),
        (record.time.start, record.time.end, record.time.offset_seconds)
    );
    assert_eq!(again.origin.marker.as_deref(), Some("item-1"));
    let (a, b) = (&found.streams, &wanted.streams);
    assert_eq!(a.offsets_ms, b.offsets_ms);
    assert!(near(&a.latitude, &b.latitude, 1e-7) && near(&a.longitude, &b.longitude, 1e-7));
    assert!(
        near(&a.altitude, &b.altitude, 0.1001)
            && near(&a.speed, &b.speed, 0.000_501)
            && near(&a.distance, &b.distance, 0.005_001)
    );
    assert!(
        near(&a.heart_rate, &b.heart_rate, 0.5)
            && near(&a.power, &b.power, 0.5)
            && near(&a.temperature, &b.temperature, 0.5)
    );
    assert!(near(&a.cadence, &b.cadence, 1.0 / 64.0));
    let rest = |it: &Workout| Workout { streams: Streams::default(), laps: Vec::new(), ..it.clone() };
    assert_eq!(rest(found), rest(wanted));
    if !wanted.laps.is_empty() {
        assert_eq!(found.laps, wanted.laps);
    }
}

#[test]
fn a_written_workout_reads_back_with_equal_values() {
    check_round_trip(&sample());
}

#[test]
fn every_sport_survives_the_way_through_fit() {
    let sports = [
        Sport::Other,
        Sport::Running,
        Sport::TrailRunning,
        Sport::TreadmillRunning,
        Sport::Walking,
        Sport::Hiking,
        Sport::Cycling,
        Sport::MountainBiking,
        Sport::GravelCycling,
        Sport::IndoorCycling,
        Sport::EBiking,
        Sport::PoolSwimming,
        Sport::OpenWaterSwimming,
        Sport::Rowing,
        Sport::IndoorRowing,
        Sport::Paddling,
        Sport::StandUpPaddling,
        Sport::StrengthTraining,
        Sport::Yoga,
        Sport::Pilates,
        Sport::Elliptical,
        Sport::StairClimbing,
        Sport::Hiit,
        Sport::CrossCountrySkiing,
        Sport::AlpineSkiing,
        Sport::Snowboarding,
        Sport::Skating,
        Sport::Climbing,
        Sport::Golf,
        Sport::RacketSport,
        Sport::TeamSport,
        Sport::Dancing,
        Sport::MartialArts,
        Sport::Multisport,
        Sport::Transition,
    ];
    for sport in sports {
        let mut record = sample();
        let Body::Workout(workout) = &mut record.body else { panic!() };
        workout.sport = sport;
        if !super::sport::is_on_foot(workout.sport) {
            workout.steps = None;
        }
        check_round_trip(&record);
    }
}

#[test]
fn what_cannot_be_written_says_why() {
    let mut early = sample();
    early.time.start = Instant(0);
    assert!(write(&early, "m").unwrap_err().contains("1998"));
    let mut other = sample();
    other.body = Body::Nothing(schemas::record::Nothing {});
    assert!(write(&other, "m").unwrap_err().contains("only a workout"));
    assert!(write(&sample(), &"m".repeat(300)).unwrap_err().contains("200 bytes"));
}

#[test]
fn what_is_no_fit_file_is_said_to_be_what_it_is() {
    for (bytes, expected) in [(&b""[..], "an empty file"), (b"<gpx/>", "a GPX file"), (b"PK\x03\x04", "a zip archive")]
    {
        assert_eq!(read(bytes, "x").unwrap_err().0, format!("this is {expected}, not a FIT file"));
    }
}

#[test]
fn a_damaged_file_gives_what_is_whole_and_an_issue() {
    let whole = write(&sample(), "m").unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cut = &whole[..whole.len() - 300];
    let mut trailed = whole.clone();
    trailed.extend_from_slice(b"rubbish");
    let mut chained = whole.clone();
    chained.extend_from_slice(&whole[..14]);
    let table: [(&[u8], &str, usize); 4] = [
        (&flipped, "bad_checksum", 40),
        (cut, "truncated", 37),
        (&trailed, "malformed", 40),
        (&chained, "truncated", 40),
    ];
    for (bytes, code, n_min) in table {
        let normal = read(bytes, "damaged.fit").unwrap();
        assert!(codes(&normal).contains(&code), "{code}: {:?}", normal.issues);
        assert!(workouts(&normal)[0].1.streams.offsets_ms.len() >= n_min, "{code}");
    }
}

#[test]
fn a_file_of_settings_has_no_records_and_says_so() {
    let normal = read(&encode(vec![file_id(typedef::File::SETTINGS)]), "s.fit").unwrap();
    assert_eq!((normal.records.len(), codes(&normal)), (0, vec!["unknown_type"]));
    assert!(normal.issues[0].text.contains("settings"), "{}", normal.issues[0].text);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut headed = vec![14, 0x20, 0, 0, 0xff, 0, 0, 0, b'.', b'F', b'I', b'T', 0, 0];
        headed.extend_from_slice(&bytes);
        prop_assert!(read(&headed, "x").is_ok());
        prop_assert!(read(&bytes, "x").is_err() || bytes.len() >= 12);
    }

    #[test]
    fn no_change_of_a_real_file_makes_the_reader_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..40), cut in any::<usize>()) {
        for name in ["garmin-fenix-5-run.fit", "2015-10-13-08-43-15.fit"] {
            let mut bytes = recording(name);
            let len = bytes.len();
            for (at, value) in &changes {
                bytes[at % len] = *value;
            }
            bytes.truncate(len - cut % (len / 4));
            drop(read(&bytes, name));
        }
    }

    #[test]
    fn any_workout_reads_back(heart_rates in proptest::collection::vec(proptest::option::of(15_u8..=254), 1..60), start in 1_000_000_000_i64..2_000_000_000, quarters in -48_i32..=56) {
        let mut record = sample();
        let n = heart_rates.len();
        record.time.start = Instant::from_seconds(start);
        record.time.end = Instant::from_seconds(start + 60);
        record.time.offset_seconds = Some(quarters * 900);
        let Body::Workout(workout) = &mut record.body else { panic!() };
        workout.laps = vec![Lap { offset_ms: 0, elapsed_ms: 60_000, ..Lap::default() }];
        workout.streams = Streams {
            offsets_ms: (0..n).map(|it| it as i64 * 1_000).collect(),
            heart_rate: Column::from_options(heart_rates.iter().map(|it| it.map(f64::from)).collect()),
            ..Streams::default()
        };
        check_round_trip(&record);
    }
}
