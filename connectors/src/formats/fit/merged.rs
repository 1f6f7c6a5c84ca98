//! One real run as two devices had it, merged, and written as one FIT file that other readers read.

use super::{read, write};
use engine::resolve::{MergePolicy, Merged, Part, merge};
use schemas::{
    record::{Body, Record},
    time::Instant,
    workout::{Column, Sport, Streams, Workout},
};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::PathBuf};

/// The band's clock is ahead by so much, ms.
const AHEAD_MS: i64 = 7_000;
/// The band is started before the watch, and stopped after it, by so much, ms.
const LONGER_MS: i64 = 60_000;
/// The band keeps one value in so many ms.
const EVERY_MS: i64 = 5_000;

/// What fitdecode sees in the merged file.
#[derive(Deserialize)]
struct Expected {
    merged: BTreeMap<String, Recording>,
}

#[derive(Deserialize)]
struct Recording {
    n_points: usize,
    n_heart_rate: usize,
    heart_rate_sum: f64,
    n_position: usize,
    n_laps: usize,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures")
}

fn workout(record: &Record) -> &Workout {
    match &record.body {
        Body::Workout(it) => it,
        _ => panic!("not a workout"),
    }
}

fn only_workout(bytes: &[u8]) -> Record {
    let normal = read(bytes, "run.fit").unwrap();
    normal.records.into_iter().find(|it| matches!(it.body, Body::Workout(_))).unwrap()
}

/// The run as it was recorded, with positions and heart rate each second.
fn recorded() -> Record {
    only_workout(&fs::read(fixtures().join("fit/activity-small-fenix2-run.fit")).unwrap())
}

/// The run on a watch that measures no heart rate.
fn watch(recorded: &Record) -> Record {
    let mut workout = workout(recorded).clone();
    workout.streams.heart_rate = Column::default();
    (workout.heart_rate_mean, workout.heart_rate_max) = (None, None);
    workout.laps.iter_mut().for_each(|it| (it.heart_rate_mean, it.heart_rate_max) = (None, None));
    Record { body: Body::Workout(Box::new(workout)), ..recorded.clone() }
}

/// The run on a band that measures heart rate only, with another clock, longer, and by another name.
fn band(recorded: &Record) -> Record {
    let source = &workout(recorded).streams;
    let length_ms = recorded.time.end.0 - recorded.time.start.0;
    let measured: Vec<(i64, f64)> =
        source.offsets_ms.iter().copied().zip(source.heart_rate.0.iter().copied()).collect();
    let (mut offsets_ms, mut values) = (Vec::new(), Vec::new());
    let mut due = -LONGER_MS;
    while due <= length_ms + LONGER_MS {
        // Before and after the run the heart beats as at its ends.
        let next = measured.partition_point(|it| it.0 < due).min(measured.len() - 1);
        offsets_ms.push(due + LONGER_MS);
        values.push(measured[next].1);
        due += EVERY_MS;
    }
    let streams = Streams { offsets_ms, heart_rate: Column(values), ..Streams::default() };
    let workout = Workout { sport: Sport::Other, sport_detail: Some("Cardio".into()), streams, ..Workout::default() };
    let mut band = recorded.clone();
    band.origin.provider = "band".into();
    band.origin.record = "1".into();
    band.origin.device = Some("Polar H10".into());
    band.time.start = Instant(recorded.time.start.0 - LONGER_MS + AHEAD_MS);
    band.time.end = Instant(recorded.time.end.0 + LONGER_MS + AHEAD_MS);
    band.body = Body::Workout(Box::new(workout));
    band
}

fn merged(parts: &[&Record]) -> Merged {
    let parts: Vec<_> = parts.iter().map(|record| Part { record, rank: 0 }).collect();
    merge(&parts, &MergePolicy::default())
}

/// The heart rate at a moment, by what is written in a track.
fn pulse_at(record: &Record, at: i64) -> Option<f64> {
    let streams = &workout(record).streams;
    let row = streams.offsets_ms.iter().position(|it| record.time.start.0 + it == at)?;
    streams.heart_rate.get(row)
}

#[test]
fn one_file_holds_the_track_of_the_watch_and_every_heart_rate_of_the_band() {
    let recorded = recorded();
    let (watch, band) = (watch(&recorded), band(&recorded));
    let merged = merged(&[&band, &watch]);
    let written = only_workout(&write(&merged.record, "merged").unwrap());
    let (before, after) = (&workout(&watch).streams, &workout(&written).streams);
    // Every moment of the watch with its position (to what FIT keeps of one), and few more: where the watch left out the
    // second in which the band measured.
    for (index, at) in before.offsets_ms.iter().enumerate() {
        let row = after.offsets_ms.binary_search(at).unwrap();
        for (before, after) in [(&before.latitude, &after.latitude), (&before.longitude, &after.longitude)] {
            let is_near = before.get(index).zip(after.get(row)).is_some_and(|(a, b)| (a - b).abs() < 1e-7);
            assert!(is_near || before.get(index).is_none(), "at {at}");
        }
    }
    let n_added = after.offsets_ms.len() - before.offsets_ms.len();
    assert!(n_added < 10, "{n_added} moments are the band's");
    assert_eq!(after.latitude.n_measured(), before.latitude.n_measured() + n_added);
    assert_eq!(after.heart_rate.n_measured(), workout(&merged.record).streams.heart_rate.n_measured());
    let (mut n_checked, mut n_outside) = (0, 0);
    for (offset, value) in workout(&band).streams.offsets_ms.iter().zip(&workout(&band).streams.heart_rate.0) {
        let at = band.time.start.0 + offset;
        if (watch.time.start.0..=watch.time.end.0).contains(&at) && !value.is_nan() {
            assert_eq!(pulse_at(&written, at), Some(*value), "at {at}");
            n_checked += 1;
        } else {
            n_outside += 1;
        }
    }
    assert!(n_checked > 500 && n_outside > 20, "{n_checked} within the run, {n_outside} outside of it");
    let it = workout(&written);
    assert_eq!((it.sport, it.laps.len()), (Sport::Running, workout(&watch).laps.len()));
    assert_eq!((written.time.start, written.time.end), (watch.time.start, watch.time.end));
}

#[test]
fn the_merged_file_is_the_one_that_an_independent_reader_has_read() {
    let recorded = recorded();
    let merged = merged(&[&watch(&recorded), &band(&recorded)]);
    let bytes = write(&merged.record, "merged").unwrap();
    let path = fixtures().join("merged/run.fit");
    if std::env::var_os("SYNCWELL_REGENERATE").is_some() {
        fs::write(&path, &bytes).unwrap();
    }
    let is_there = fs::read(&path).is_ok_and(|it| it == bytes);
    assert!(is_there, "the merged file is another: set SYNCWELL_REGENERATE, then run fitdecode.py");
    let text = fs::read_to_string(fixtures().join("fitdecode.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    let expected = &expected.merged["run.fit"];
    let streams = &workout(&merged.record).streams;
    assert_eq!(streams.offsets_ms.len(), expected.n_points);
    assert_eq!(streams.latitude.n_measured(), expected.n_position);
    assert_eq!(streams.heart_rate.n_measured(), expected.n_heart_rate);
    let beats: f64 = streams.heart_rate.0.iter().filter(|it| !it.is_nan()).map(|it| it.round()).sum();
    assert_eq!(beats, expected.heart_rate_sum);
    assert_eq!(workout(&merged.record).laps.len(), expected.n_laps);
}

#[test]
fn the_clock_of_the_band_is_found_where_the_watch_measures_heart_rate_too() {
    let recorded = recorded();
    // At the wrist the heart rate is a little off.
    let mut wrist = recorded.clone();
    if let Body::Workout(it) = &mut wrist.body {
        it.streams.heart_rate.0.iter_mut().enumerate().for_each(|(index, it)| *it += (index % 3) as f64 - 1.0);
    }
    let merged = merged(&[&wrist, &band(&recorded)]);
    let stretches = merged.lineage.iter().filter(|it| it.field == "streams.heart_rate");
    let notes: Vec<_> = stretches.map(|it| (it.part, it.rule, it.note.as_str())).collect();
    assert_eq!((notes[0].0, notes[0].1), (1, "best_heart_rate"), "{notes:?}");
    // One value in five seconds tells the clock to a second or so.
    let is_found = [-8, -7, -6].iter().any(|it| notes[0].2.contains(&format!("clock moved by {it} s")));
    assert!(is_found, "{notes:?}");
}
