//! TCX and GPX against what an independent reader sees in the same recordings.

use super::{gpx, tcx};
use engine::provider::Normal;
use proptest::prelude::*;
use schemas::{
    record::{Body, Record},
    workout::{Sport, Workout},
};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::PathBuf};

#[derive(Deserialize)]
struct Expected {
    tcx: BTreeMap<String, Tcx>,
    gpx: BTreeMap<String, Gpx>,
}

#[derive(Deserialize)]
struct Tcx {
    n_activities: usize,
    n_points: usize,
    n_heart_rate: usize,
    n_position: usize,
    n_laps: usize,
    distance_m: f64,
    seconds: f64,
    calories: f64,
}

#[derive(Deserialize)]
struct Gpx {
    n_tracks: usize,
    n_points: usize,
    n_timed: usize,
    n_heart_rate: usize,
    n_altitude: usize,
    seconds: Option<f64>,
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures")
}

fn expected() -> Expected {
    serde_json::from_str(&fs::read_to_string(fixtures().join("fitdecode.json")).unwrap()).unwrap()
}

fn recording(kind: &str, name: &str) -> Vec<u8> {
    fs::read(fixtures().join(kind).join(name)).unwrap()
}

fn workout(record: &Record) -> &Workout {
    match &record.body {
        Body::Workout(it) => it,
        other => panic!("{other:?}"),
    }
}

fn sum(normal: &Normal, count: fn(&Workout) -> usize) -> usize {
    normal.records.iter().map(|it| count(workout(it))).sum()
}

#[track_caller]
fn check_tcx(name: &str, expected: &Tcx) {
    let normal = tcx::read(&recording("tcx", name), name).unwrap();
    let total =
        |value: fn(&Workout) -> Option<f64>| normal.records.iter().filter_map(|it| value(workout(it))).sum::<f64>();
    assert_eq!(normal.records.len(), expected.n_activities, "{name}");
    assert_eq!(sum(&normal, |it| it.streams.offsets_ms.len()), expected.n_points, "{name}: points");
    assert_eq!(sum(&normal, |it| it.streams.heart_rate.n_measured()), expected.n_heart_rate, "{name}: heart rates");
    assert_eq!(sum(&normal, |it| it.streams.latitude.n_measured()), expected.n_position, "{name}: positions");
    assert_eq!(sum(&normal, |it| it.laps.len()), expected.n_laps, "{name}: laps");
    assert!((total(|it| it.distance_m) - expected.distance_m).abs() < 1e-6, "{name}: distance");
    assert!((total(|it| it.moving_ms.map(|it| it as f64)) - expected.seconds * 1_000.0).abs() < 1.0, "{name}: time");
    assert_eq!(total(|it| it.energy_kcal), expected.calories, "{name}: energy");
}

#[track_caller]
fn check_gpx(name: &str, expected: &Gpx) {
    let normal = gpx::read(&recording("gpx", name), name).unwrap();
    assert_eq!(normal.records.len(), expected.n_tracks, "{name}");
    assert_eq!(sum(&normal, |it| it.streams.offsets_ms.len()), expected.n_timed, "{name}: points");
    assert_eq!(sum(&normal, |it| it.streams.latitude.n_measured()), expected.n_timed, "{name}: positions");
    assert_eq!(sum(&normal, |it| it.streams.heart_rate.n_measured()), expected.n_heart_rate, "{name}: heart rates");
    assert_eq!(sum(&normal, |it| it.streams.altitude.n_measured()), expected.n_altitude, "{name}: altitudes");
    let times = normal.records.iter().map(|it| (it.time.start.0, it.time.end.0));
    let seconds = times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).map(|it| (it.1 - it.0) as f64 / 1_000.0);
    assert!((seconds.unwrap_or(-1.0) - expected.seconds.unwrap_or(-1.0)).abs() < 0.002, "{name}: time");
    let codes: Vec<_> = normal.issues.iter().map(|it| it.code).collect();
    assert_eq!(codes.contains(&"no_time"), expected.n_timed < expected.n_points, "{name}: {codes:?}");
    assert!(!normal.records.is_empty() || !codes.is_empty(), "{name}: a file without records says why");
}

#[test]
fn every_tcx_recording_is_read_as_an_independent_reader_reads_it() {
    let all = expected().tcx;
    assert_eq!(all.len(), 8);
    all.iter().for_each(|(name, it)| check_tcx(name, it));
}

#[test]
fn every_gpx_recording_is_read_as_an_independent_reader_reads_it() {
    let all = expected().gpx;
    assert_eq!(all.len(), 14);
    all.iter().for_each(|(name, it)| check_gpx(name, it));
}

#[test]
fn a_tcx_may_lack_calories_and_carry_power() {
    let text = "<TrainingCenterDatabase><Activities><Activity Sport='Running'><Id>2024-05-01T10:00:00+02:00</Id>\
        <Lap StartTime='2024-05-01T10:00:00+02:00'><TotalTimeSeconds>60</TotalTimeSeconds><Track><Trackpoint>\
        <Time>2024-05-01T08:00:30Z</Time><Extensions><ns3:TPX><ns3:Watts>250</ns3:Watts><ns3:RunCadence>85</ns3:RunCadence>\
        <ns3:Speed>3.5</ns3:Speed></ns3:TPX></Extensions></Trackpoint></Track></Lap>\
        <Creator><Name>Forerunner</Name></Creator></Activity></Activities></TrainingCenterDatabase>";
    let normal = tcx::read(text.as_bytes(), "x").unwrap();
    let run = workout(&normal.records[0]);
    assert_eq!(
        (run.energy_kcal, run.streams.power.get(0), run.streams.cadence.get(0)),
        (None, Some(250.0), Some(170.0))
    );
    assert_eq!(run.streams.speed.get(0), Some(3.5));
    assert_eq!(normal.records[0].time.offset_seconds, Some(7_200));
    assert_eq!(normal.records[0].origin.device.as_deref(), Some("Forerunner"));
}

#[test]
fn a_gpx_track_keeps_its_sport_title_and_extensions() {
    let text = "<gpx><trk><name>Round the lake</name><type>trail_running</type><trkseg><trkpt lat='1' lon='2'>\
        <time>2024-05-01T08:00:30Z</time><extensions><power>210</power><gpxtpx:TrackPointExtension><gpxtpx:atemp>21.5\
        </gpxtpx:atemp><gpxtpx:hr>140</gpxtpx:hr><gpxtpx:cad>84</gpxtpx:cad></gpxtpx:TrackPointExtension></extensions>\
        </trkpt></trkseg></trk></gpx>";
    let normal = gpx::read(text.as_bytes(), "x").unwrap();
    let run = workout(&normal.records[0]);
    assert_eq!((run.sport, run.title.as_deref()), (Sport::TrailRunning, Some("Round the lake")));
    let at = &run.streams;
    assert_eq!((at.power.get(0), at.temperature.get(0)), (Some(210.0), Some(21.5)));
    assert_eq!((at.heart_rate.get(0), at.cadence.get(0)), (Some(140.0), Some(168.0)));
}

#[test]
fn a_file_that_is_cut_off_gives_its_points_and_an_attack_gives_nothing() {
    let bytes = recording("gpx", "riderx3.gpx");
    let normal = gpx::read(&bytes[..100_000], "x").unwrap();
    assert!(sum(&normal, |it| it.streams.offsets_ms.len()) > 200);
    assert_eq!(normal.issues[0].code, "truncated");
    let bytes = recording("tcx", "2.tcx");
    let normal = tcx::read(&bytes[..100_000], "x").unwrap();
    assert!(sum(&normal, |it| it.streams.offsets_ms.len()) > 100);
    assert_eq!(normal.issues[0].code, "truncated");
    for attack in ["<gpx>&x;</gpx>", "<!DOCTYPE gpx [<!ENTITY x 'y'>]><gpx><trk><name>&x;</name></trk></gpx>"] {
        assert!(gpx::read(attack.as_bytes(), "x").unwrap_err().0.contains("never expanded"));
    }
    assert!(gpx::read(&recording("gpx", "badcharacter.xml"), "x").is_err());
    assert!(tcx::read(b"<gpx/>", "x").unwrap_err().0.contains("TrainingCenterDatabase"));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(gpx::read(&bytes, "x"));
        drop(tcx::read(&bytes, "x"));
    }

    #[test]
    fn no_change_of_a_recording_makes_a_reader_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..20)) {
        for (kind, name) in [("gpx", "garminconnect_sample_activity.gpx"), ("tcx", "pool_swim-activity_1.tcx")] {
            let mut bytes = recording(kind, name);
            let len = bytes.len();
            changes.iter().for_each(|(at, value)| bytes[at % len] = *value);
            drop(if kind == "gpx" { gpx::read(&bytes, name) } else { tcx::read(&bytes, name) });
        }
    }
}
