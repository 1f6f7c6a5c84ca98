use super::read;
use engine::provider::Normal;
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    record::{Body, RecordingMethod, SleepStage},
    workout::Sport,
};
use std::{fs, path::PathBuf};

fn recording(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures/apple_health").join(name)).unwrap()
}

fn export(elements: &str) -> Normal {
    read(format!("<HealthData>{elements}</HealthData>").as_bytes(), "export.xml").unwrap()
}

fn sample(kind: &str, unit: &str, value: &str) -> String {
    let kind = format!("HKQuantityTypeIdentifier{kind}");
    format!(
        "<Record type=\"{kind}\" sourceName=\"Watch\" unit=\"{unit}\" value=\"{value}\" \
         startDate=\"2024-01-02 07:30:00 +0100\" endDate=\"2024-01-02 07:31:00 +0100\"/>"
    )
}

#[track_caller]
fn check(kind: &str, unit: &str, value: &str, expected: (DataType, f64)) {
    let normal = export(&sample(kind, unit, value));
    assert_eq!(normal.issues, []);
    let found = match &normal.records[0].body {
        Body::Quantity(it) => it.value,
        Body::Series(it) => it.values[0],
        other => panic!("{other:?}"),
    };
    assert_eq!(normal.records[0].data_type, expected.0);
    assert!((found - expected.1).abs() < 1e-3, "{found}");
    assert_eq!(normal.records[0].time.start.to_string(), "2024-01-02T06:30:00Z");
    assert_eq!(normal.records[0].time.offset_seconds, Some(3_600));
}

#[test]
fn every_type_is_read_in_the_unit_that_it_is_written_in() {
    check("StepCount", "count", "3000", (DataType::Steps, 3_000.0));
    check("HeartRate", "count/min", "72", (DataType::HeartRate, 72.0));
    check("HeartRate", "count/s", "1.2", (DataType::HeartRate, 72.0));
    check("RestingHeartRate", "count/min", "55", (DataType::RestingHeartRate, 55.0));
    check("HeartRateVariabilitySDNN", "ms", "41.5", (DataType::HrvSdnn, 41.5));
    check("OxygenSaturation", "%", "0.97", (DataType::OxygenSaturation, 97.0));
    check("OxygenSaturation", "%", "97", (DataType::OxygenSaturation, 97.0));
    check("BodyMass", "lb", "165", (DataType::Weight, 74.843));
    check("BodyMass", "kg", "74.8", (DataType::Weight, 74.8));
    check("BodyMass", "st", "12", (DataType::Weight, 76.204));
    check("BodyFatPercentage", "%", "0.183", (DataType::BodyFat, 18.3));
    check("Height", "ft", "6", (DataType::Height, 182.88));
    check("Height", "cm", "182", (DataType::Height, 182.0));
    check("DistanceWalkingRunning", "mi", "1", (DataType::Distance, 1_609.344));
    check("DistanceWalkingRunning", "km", "1.5", (DataType::Distance, 1_500.0));
    check("ActiveEnergyBurned", "Cal", "12", (DataType::ActiveEnergy, 12.0));
    check("ActiveEnergyBurned", "kJ", "41.84", (DataType::ActiveEnergy, 10.0));
    check("FlightsClimbed", "count", "4", (DataType::Floors, 4.0));
    check("RespiratoryRate", "count/min", "14", (DataType::RespiratoryRate, 14.0));
    check("BodyTemperature", "degF", "98.6", (DataType::BodyTemperature, 37.0));
    check("BloodGlucose", "mmol&lt;180.1558800000541&gt;/L", "5.5", (DataType::BloodGlucose, 99.088));
    check("VO2Max", "mL/min·kg", "44.1", (DataType::Vo2Max, 44.1));
    check("DietaryWater", "fl_oz_us", "8", (DataType::Hydration, 236.588));
}

#[test]
fn an_unknown_unit_a_strange_value_and_an_unknown_type_are_issues_not_records() {
    let normal = export(
        &[
            sample("BodyMass", "stone", "12"),
            sample("BodyMass", "kg", "7500"),
            sample("BodyMass", "kg", "heavy"),
            sample("AppleStandTime", "min", "3"),
            sample("BodyMass", "kg", "75").replace("2024-01-02", "yesterday"),
        ]
        .concat(),
    );
    let codes: Vec<_> = normal.issues.iter().map(|it| it.code).collect();
    assert_eq!(normal.records, []);
    assert_eq!(codes, ["bad_unit", "out_of_range", "malformed", "no_time", "unknown_type"]);
    assert!(normal.issues.iter().all(|it| !it.text.contains("7500")), "an issue never holds a value");
}

fn stage(value: &str, start: &str, end: &str) -> String {
    format!(
        "<Record type='HKCategoryTypeIdentifierSleepAnalysis' sourceName='Watch' value='HKCategoryValueSleepAnalysis{value}' \
         startDate='2024-01-0{start}:00 +0000' endDate='2024-01-0{end}:00 +0000'/>"
    )
}

#[test]
fn stages_that_are_less_than_three_hours_apart_are_one_night() {
    let normal = export(
        &[
            stage("AsleepCore", "1 23:00", "2 02:00"),
            stage("InBed", "1 22:45", "2 07:00"),
            stage("AsleepREM", "2 04:30", "2 06:45"),
            stage("AsleepUnspecified", "2 13:00", "2 13:40"),
        ]
        .concat(),
    );
    assert_eq!(normal.records.len(), 2);
    let Body::Sleep(night) = &normal.records[0].body else { panic!() };
    assert_eq!(night.stages, [SleepStage::Light, SleepStage::Rem]);
    assert_eq!(night.stage_offsets_ms, [900_000, 20_700_000]);
    assert_eq!(normal.records[0].time.end.to_string(), "2024-01-02T07:00:00Z");
    let Body::Sleep(nap) = &normal.records[1].body else { panic!() };
    assert_eq!((nap.stages[0], nap.stage_durations_ms[0]), (SleepStage::Asleep, 2_400_000));
}

#[test]
fn heart_rates_of_an_hour_and_source_are_one_series() {
    let at = |time: &str, value: &str| {
        sample("HeartRate", "count/min", value).replace("07:30:00", time).replace("07:31:00", time)
    };
    let other = at("07:20:00", "80").replace("Watch", "Strap");
    let normal = export(&[at("07:59:59", "61"), at("07:10:00", "60"), at("08:00:00", "62"), other].concat());
    let series: Vec<_> = normal
        .records
        .iter()
        .map(|it| match &it.body {
            Body::Series(series) => {
                (it.origin.device.as_deref().unwrap(), series.offsets_ms.clone(), series.values.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("Strap", vec![0], vec![80.0]),
        ("Watch", vec![0, 2_999_000], vec![60.0, 61.0]),
        ("Watch", vec![0], vec![62.0]),
    ];
    assert_eq!(series, expected);
}

#[test]
fn steps_of_phone_and_watch_stay_apart_and_a_repeated_record_is_kept_once() {
    let steps = sample("StepCount", "count", "100");
    let normal = export(&[steps.clone(), steps.replace("Watch", "iPhone"), steps].concat());
    assert_eq!(normal.records.len(), 2);
    assert_ne!(normal.records[0].origin.record, normal.records[1].origin.record);
    assert_eq!(normal.issues[0].code, "duplicate");
}

#[test]
fn a_blood_pressure_is_one_record_though_its_parts_are_repeated() {
    let parts =
        [sample("BloodPressureSystolic", "mmHg", "121"), sample("BloodPressureDiastolic", "mmHg", "79")].concat();
    let times = "startDate='2024-01-02 07:30:00 +0100' endDate='2024-01-02 07:30:00 +0100'";
    let normal = export(&format!(
        "{parts}<Correlation type='HKCorrelationTypeIdentifierBloodPressure' sourceName='Cuff' {times}>{parts}\
         <MetadataEntry key='HKWasUserEntered' value='1'/></Correlation>"
    ));
    assert_eq!(normal.records.len(), 1);
    let Body::BloodPressure(pressure) = &normal.records[0].body else { panic!() };
    assert_eq!((pressure.systolic, pressure.diastolic), (121.0, 79.0));
    assert_eq!(normal.records[0].origin.method, RecordingMethod::Manual);
}

#[test]
fn the_recordings_are_read() {
    let normal = read(&recording("dogsheep_export.xml"), "export.xml").unwrap();
    let types: Vec<_> = normal.records.iter().map(|it| it.data_type).collect();
    assert_eq!(types, [DataType::Bmi, DataType::Workout, DataType::HeartRate]);
    assert_eq!(normal.records[2].origin.device.as_deref(), Some("Apple Watch (Watch2,4)"));
    let Body::Workout(run) = &normal.records[1].body else { panic!() };
    assert_eq!((run.sport, run.streams.offsets_ms.len(), run.moving_ms), (Sport::Running, 2, Some(311_647)));
    assert!((run.distance_m.unwrap() - 800.126).abs() < 0.01);
    assert_eq!(
        (normal.records[1].time.zone.as_deref(), normal.records[1].time.offset_seconds),
        (Some("America/Los_Angeles"), None)
    );

    let normal = read(&recording("tagbug_example.xml"), "export.xml").unwrap();
    let types: Vec<_> = normal.records.iter().map(|it| it.data_type).collect();
    assert_eq!(types, [DataType::Steps, DataType::HeartRate, DataType::HeartRate, DataType::Sleep]);

    let normal = read(&recording("paulstaab_export.xml"), "export.xml").unwrap();
    let n_workouts = normal.records.iter().filter(|it| it.data_type == DataType::Workout).count();
    assert_eq!(n_workouts, 8);
    // Its heart rates have no unit, and none is assumed.
    assert_eq!(normal.issues.iter().filter(|it| it.code == "bad_unit").count(), 5);
}

#[test]
fn a_statistic_of_a_workout_comes_before_its_total() {
    let normal = read(&recording("paulstaab_export.xml"), "export.xml").unwrap();
    let run = normal.records.iter().find(|it| it.time.start.to_string() == "2023-12-28T06:30:00Z").unwrap();
    let Body::Workout(run) = &run.body else { panic!() };
    assert_eq!(run.distance_m, Some(2_500.0));
    assert!((run.energy_kcal.unwrap() - 215.105).abs() < 0.001);
    assert!(
        normal.issues.iter().any(|it| it.code == "truncated" && it.text.contains("route")),
        "its route is in another file"
    );
}

#[test]
fn an_export_that_is_cut_off_gives_what_is_whole() {
    let bytes = recording("dogsheep_export.xml");
    let normal = read(&bytes[..1_900], "export.xml").unwrap();
    assert_eq!(normal.records.len(), 2);
    assert_eq!(normal.issues[0].code, "truncated");
}

proptest! {
    #[test]
    fn no_change_of_a_recording_makes_the_reader_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..20)) {
        let mut bytes = recording("dogsheep_export.xml");
        let len = bytes.len();
        changes.iter().for_each(|(at, value)| bytes[at % len] = *value);
        drop(read(&bytes, "export.xml"));
    }
}
