//! Files become parts, parts become records.

use crate::files::{APPLE_HEALTH, FIT, Files, GPX, TCX};
use engine::provider::{DataProvider, Normal, Part, RawPage, ReadSeek, SplitError};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    workout::Workout,
};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};
use zip::{ZipWriter, write::SimpleFileOptions};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures").join(name)).unwrap()
}

fn cut(file: impl ReadSeek + 'static, name: &str) -> Result<Vec<Part>, SplitError> {
    Files::default().split(Box::new(file), name)?.collect()
}

fn read(parts: &[Part]) -> Normal {
    let mut whole = Normal::default();
    for part in parts {
        assert!(part.body.len() <= 4 << 20);
        let page = RawPage { data_type: None, content_type: &part.content_type, body: &part.body, name: "file" };
        let normal = Files::default().normalize(&page).unwrap();
        whole.records.extend(normal.records);
        whole.issues.extend(normal.issues);
    }
    whole
}

fn workout(record: &Record) -> Option<&Workout> {
    match &record.body {
        Body::Workout(it) => Some(it),
        _ => None,
    }
}

#[test]
fn a_file_is_known_by_its_content_whatever_its_name() {
    for (fixture_name, content_type) in [
        ("fit/garmin-fenix-5-run.fit", FIT),
        ("tcx/dead_end.tcx", TCX),
        ("gpx/riderx3.gpx", GPX),
        ("apple_health/tagbug_example.xml", APPLE_HEALTH),
    ] {
        let bytes = fixture(fixture_name);
        let parts = cut(Cursor::new(bytes.clone()), "renamed.txt").unwrap();
        assert_eq!(parts.len(), 1, "{fixture_name}");
        assert_eq!(parts[0].content_type, content_type);
        assert!(content_type == APPLE_HEALTH || parts[0].body == bytes);
        assert!(!read(&parts).records.is_empty());
    }
}

#[track_caller]
fn check_refused(bytes: Vec<u8>, expected: &str) {
    match cut(Cursor::new(bytes), "thing.fit") {
        Ok(parts) => panic!("{} parts instead of a refusal: {expected}", parts.len()),
        Err(err) => assert!(err.0.contains(expected), "{err}"),
    }
}

#[test]
fn what_is_no_recording_is_refused_by_what_it_is() {
    check_refused(Vec::new(), "thing.fit is an empty file");
    check_refused(b"{}".to_vec(), "is JSON");
    check_refused(b"\x1f\x8b\x08\x00".to_vec(), "is a gzip file");
    check_refused(b"<html></html>".to_vec(), "an XML document of another kind");
    check_refused(vec![0; 100], "unknown kind");
    let mut huge = fixture("fit/garmin-fenix-5-run.fit");
    huge.resize(11 << 20, 0);
    check_refused(huge, "larger than the");
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn a_zipped_export_gives_workouts_with_their_routes() {
    let parts = cut(Cursor::new(fixture("apple_health/paulstaab_export.zip")), "export.zip").unwrap();
    let normal = read(&parts);
    let plain = read(&cut(Cursor::new(fixture("apple_health/paulstaab_export.xml")), "export.xml").unwrap());
    assert_eq!(normal.records.len(), plain.records.len());
    let n_points = |normal: &Normal| -> Vec<usize> {
        normal
            .records
            .iter()
            .filter_map(workout)
            .map(|it| it.streams.latitude.n_measured())
            .filter(|it| *it > 0)
            .collect()
    };
    assert_eq!(n_points(&normal), [11, 4, 6, 7]);
    assert_eq!(n_points(&plain), [0; 0]);
    assert!(!normal.issues.iter().any(|it| it.text.contains("route")), "{:?}", normal.issues);
    assert!(plain.issues.iter().any(|it| it.text.contains("route")));
}

#[test]
fn a_route_of_the_apple_layout_is_found_in_its_folder() {
    let route = fixture("apple_health/dogsheep/apple_health_export/workout-routes/route_2019-06-11_3.00pm.gpx");
    let export = "<HealthData><Workout workoutActivityType='HKWorkoutActivityTypeWalking' startDate='2019-06-11 15:00:00 -0700' \
        endDate='2019-06-11 15:10:00 -0700'><WorkoutRoute><FileReference path='/workout-routes/route_2019-06-11_3.00pm.gpx'/>\
        </WorkoutRoute></Workout></HealthData>";
    let bytes = zipped(&[
        ("apple_health_export/workout-routes/route_2019-06-11_3.00pm.gpx", &route),
        ("apple_health_export/export_cda.xml", b"<ClinicalDocument/>"),
        ("apple_health_export/export.xml", export.as_bytes()),
    ]);
    let normal = read(&cut(Cursor::new(bytes), "export.zip").unwrap());
    let walk = workout(&normal.records[0]).unwrap();
    assert_eq!(walk.streams.latitude.n_measured(), 3);
    assert_eq!(walk.streams.speed.get(0), Some(0.180_883));
}

/// A long export that is made while it is read, so that a test of streaming does not hold it.
struct LongExport {
    line: u64,
    n_lines: u64,
    rest: Cursor<Vec<u8>>,
}

impl LongExport {
    fn new(n_lines: u64) -> Self {
        Self { line: 0, n_lines, rest: Cursor::new(b"<HealthData>".to_vec()) }
    }

    fn text(line: u64) -> String {
        let at = chrono::DateTime::from_timestamp(1_600_000_000 + 10 * i64::try_from(line).unwrap(), 0).unwrap();
        let at = at.format("%Y-%m-%d %H:%M:%S +0000");
        format!(
            "<Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"Watch\" unit=\"count/min\" \
             creationDate=\"{at}\" startDate=\"{at}\" endDate=\"{at}\" value=\"{}\"/>\n",
            60 + line % 60
        )
    }
}

impl Read for LongExport {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.rest.read(into)?;
        if n > 0 || self.line > self.n_lines {
            return Ok(n);
        }
        let text = if self.line == self.n_lines { "</HealthData>".to_owned() } else { Self::text(self.line) };
        self.line += 1;
        self.rest = Cursor::new(text.into_bytes());
        self.rest.read(into)
    }
}

impl Seek for LongExport {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        assert_eq!(to, SeekFrom::Start(0));
        *self = Self::new(self.n_lines);
        Ok(0)
    }
}

#[test]
fn an_export_of_a_hundred_megabytes_is_cut_without_breaking_an_hour() {
    let n_lines = 500_000;
    let (mut n_values, mut n_bytes, mut ids) = (0, 0, BTreeSet::new());
    for part in Files::default().split(Box::new(LongExport::new(n_lines)), "export.xml").unwrap() {
        let part = part.unwrap();
        n_bytes += part.body.len();
        for record in read(&[part]).records {
            let Body::Series(series) = &record.body else { panic!() };
            n_values += series.values.len();
            assert!(ids.insert(record.origin.record), "an hour is in two parts");
        }
    }
    assert_eq!(n_values, usize::try_from(n_lines).unwrap());
    assert_eq!(ids.len(), 1_390);
    assert!(n_bytes > 100_000_000, "{n_bytes}");
}

#[test]
fn dropping_the_parts_ends_the_work() {
    let mut parts = Files::default().split(Box::new(LongExport::new(u64::MAX)), "export.xml").unwrap();
    assert!(parts.next().unwrap().is_ok());
    drop(parts);
}

#[test]
fn an_export_that_is_cut_off_gives_what_is_whole_and_says_so() {
    let bytes = fixture("apple_health/dogsheep_export.xml");
    let normal = read(&cut(Cursor::new(bytes[..1_900].to_vec()), "export.xml").unwrap());
    assert_eq!(normal.records.len(), 2);
    assert_eq!(normal.issues[0].code, "truncated");
    assert!(normal.issues[0].text.contains("2 elements before that were kept"), "{}", normal.issues[0].text);

    let long: String = (0..20_000).map(LongExport::text).collect();
    let whole = zipped(&[("apple_health_export/export.xml", format!("<HealthData>{long}</HealthData>").as_bytes())]);
    let normal = read(&cut(Cursor::new(whole[..whole.len() / 2].to_vec()), "export.zip").unwrap());
    assert!(normal.records.len() > 10);
    assert_eq!(normal.issues[0].code, "truncated");
}

#[test]
fn a_doctype_that_is_not_well_formed_is_passed_over() {
    let doctype = "<?xml version='1.0'?><!DOCTYPE HealthData [<!ELEMENT a (b'c> <!ATTLIST x \"]>\n<HealthData>";
    let export = String::from_utf8(fixture("apple_health/tagbug_example.xml")).unwrap();
    let export = export.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<HealthData locale=\"en_US\">", doctype);
    assert!(export.contains("DOCTYPE"));
    assert_eq!(read(&cut(Cursor::new(export.into_bytes()), "export.xml").unwrap()).records.len(), 4);
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let bomb = format!("<HealthData>{}</HealthData>", "<a/>".repeat(5 << 20));
    check_refused(zipped(&[("export.xml", bomb.as_bytes())]), "more than 200 times its size");
    let spaces = format!("<HealthData>{}</HealthData>", " ".repeat(30 << 20));
    check_refused(zipped(&[("export.xml", spaces.as_bytes())]), "longer than");
    let entities = "<!DOCTYPE HealthData [<!ENTITY a \"aaaa\">]><HealthData><Record x='&a;'/></HealthData>";
    check_refused(entities.into(), "never expanded");
    check_refused(format!("<HealthData>{}", "<a>".repeat(100)).into(), "nested more than 64");
    check_refused(format!("<HealthData><Record>{}</Record></HealthData>", "x".repeat(3 << 20)).into(), "longer than");
}

#[test]
fn an_archive_without_an_export_or_with_tricks_in_it_is_refused() {
    check_refused(zipped(&[("a.txt", b"hello")]), "without the export.xml");
    let inner = zipped(&[("export.xml", &fixture("apple_health/tagbug_example.xml"))]);
    check_refused(zipped(&[("inner.zip", &inner)]), "without the export.xml");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("export.xml", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    check_refused(zip.finish().unwrap().into_inner(), "symbolic link");
    let names: Vec<String> = (0..10_001).map(|it| it.to_string()).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|it| (it.as_str(), &b""[..])).collect();
    check_refused(zipped(&entries), "more than 10000 entries");
    check_refused(b"PK\x03\x04rubbish".to_vec(), "broken zip archive");
}

#[test]
fn the_same_file_is_cut_in_the_same_way() {
    let cut = || cut(LongExport::new(60_000), "export.xml").unwrap();
    let parts = cut();
    assert!(parts.len() > 2);
    assert_eq!(parts, cut());
    assert!(read(&parts).records.iter().all(|it| it.data_type == DataType::HeartRate));
}

proptest! {
    #[test]
    fn no_bytes_make_the_split_panic(kind in 0_usize..5, changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..20), bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        let name = ["apple_health/paulstaab_export.zip", "apple_health/dogsheep_export.xml", "fit/garmin-fenix-5-run.fit", "gpx/wahoo_example.gpx", ""][kind];
        let mut file = if name.is_empty() { bytes } else { fixture(name) };
        let len = file.len();
        changes.iter().for_each(|(at, value)| file[at % len] = *value);
        if let Ok(parts) = cut(Cursor::new(file), "x") {
            for part in parts {
                let page = RawPage { data_type: None, content_type: &part.content_type, body: &part.body, name: "x" };
                drop(Files::default().normalize(&page));
            }
        }
    }
}
