//! The mapper against what really was on two days: every value in the ground truth that Google's format can carry.
//! Values are exact unless a tolerance is stated.

use crate::google_health::GoogleHealth;
use engine::provider::{DataProvider, Normal, RawPage};
use schemas::{
    data_type::DataType,
    record::{Body, Record, RecordingMethod, SleepStage},
    time::Instant,
    workout::Sport,
};
use serde_json::Value;
use std::collections::BTreeMap;

struct Scenario {
    truth: &'static str,
    steps: &'static str,
    steps_day: &'static str,
    sleep: &'static str,
    exercise: &'static str,
    heart_rate: &'static str,
    weight: &'static str,
    resting: &'static str,
    hrv: &'static str,
    oxygen: &'static str,
}

const BERLIN: Scenario = Scenario {
    truth: include_str!("../fixtures/berlin/ground_truth.json"),
    steps: include_str!("../fixtures/berlin/steps.list.json"),
    steps_day: include_str!("../fixtures/berlin/steps.dailyRollUp.response.json"),
    sleep: include_str!("../fixtures/berlin/sleep.list.json"),
    exercise: include_str!("../fixtures/berlin/exercise.list.json"),
    heart_rate: include_str!("../fixtures/berlin/heart-rate.list.json"),
    weight: include_str!("../fixtures/berlin/weight.list.json"),
    resting: include_str!("../fixtures/berlin/daily-resting-heart-rate.list.json"),
    hrv: include_str!("../fixtures/berlin/daily-heart-rate-variability.list.json"),
    oxygen: include_str!("../fixtures/berlin/daily-oxygen-saturation.list.json"),
};

const NEWYORK: Scenario = Scenario {
    truth: include_str!("../fixtures/newyork/ground_truth.json"),
    steps: include_str!("../fixtures/newyork/steps.list.json"),
    steps_day: include_str!("../fixtures/newyork/steps.dailyRollUp.response.json"),
    sleep: include_str!("../fixtures/newyork/sleep.list.json"),
    exercise: include_str!("../fixtures/newyork/exercise.list.json"),
    heart_rate: include_str!("../fixtures/newyork/heart-rate.list.json"),
    weight: include_str!("../fixtures/newyork/weight.list.json"),
    resting: include_str!("../fixtures/newyork/daily-resting-heart-rate.list.json"),
    hrv: include_str!("../fixtures/newyork/daily-heart-rate-variability.list.json"),
    oxygen: include_str!("../fixtures/newyork/daily-oxygen-saturation.list.json"),
};

const SCENARIOS: [(&str, Scenario); 2] = [("berlin", BERLIN), ("newyork", NEWYORK)];

fn truth(scenario: &Scenario) -> Value {
    serde_json::from_str(scenario.truth).unwrap()
}

fn normal(data_type: Option<DataType>, body: &str) -> Normal {
    let page = RawPage { data_type, content_type: "application/json", body: body.as_bytes(), name: "" };
    GoogleHealth::default().normalize(&page).unwrap()
}

/// The records of a page without issues; the same whether the type is said or found.
#[track_caller]
fn records(data_type: DataType, body: &str) -> Vec<Record> {
    let said = normal(Some(data_type), body);
    assert_eq!(said.issues, []);
    assert_eq!(normal(None, body).records, said.records);
    said.records
}

#[track_caller]
fn only(data_type: DataType, body: &str) -> Record {
    let mut all = records(data_type, body);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn quantity(record: &Record) -> f64 {
    match &record.body {
        Body::Quantity(it) => it.value,
        other => panic!("no quantity: {other:?}"),
    }
}

fn at(value: &Value) -> Instant {
    Instant::parse(value.as_str().unwrap()).unwrap()
}

#[test]
fn the_steps_of_every_hour_and_of_the_day_are_those_that_were_taken() {
    for (name, scenario) in SCENARIOS {
        let truth = truth(&scenario);
        let hours = records(DataType::Steps, scenario.steps);
        let got: BTreeMap<Instant, f64> = hours.iter().map(|it| (it.time.start, quantity(it))).collect();
        assert_eq!(got.len(), hours.len(), "{name}: two records of one hour");
        for hour in truth["steps"]["hourly"].as_array().unwrap() {
            let expected = hour["steps"].as_f64().unwrap();
            assert_eq!(got.get(&at(&hour["start_utc"])).copied().unwrap_or(0.0), expected, "{name}");
        }
        let total = truth["steps"]["total"].as_f64().unwrap();
        assert_eq!(got.values().sum::<f64>(), total, "{name}");
        assert!(hours.iter().all(|it| it.time.end.0 - it.time.start.0 == 3_600_000 && !it.is_daily_total));
        assert!(hours.iter().all(|it| it.origin.device.as_deref() == Some("Charge 6")));

        let day = normal(Some(DataType::Steps), scenario.steps_day);
        assert_eq!(quantity(&day.records[0]), total, "{name}");
        assert!(day.records[0].is_daily_total);
        assert_eq!(day.issues.iter().map(|it| it.code).collect::<Vec<_>>(), ["no_time_zone"]);
    }
}

#[test]
fn a_night_has_its_times_and_stages() {
    for (name, scenario) in SCENARIOS {
        let truth = &truth(&scenario)["sleep"];
        let record = only(DataType::Sleep, scenario.sleep);
        assert_eq!((record.time.start, record.time.end), (at(&truth["start_utc"]), at(&truth["end_utc"])), "{name}");
        assert!(record.time.offset_seconds.is_some());
        let Body::Sleep(sleep) = &record.body else { panic!("no sleep") };
        let mut seconds = BTreeMap::new();
        let segments = truth["segments"].as_array().unwrap();
        assert_eq!(sleep.stages.len(), segments.len(), "{name}");
        for (index, segment) in segments.iter().enumerate() {
            let start = Instant(record.time.start.0 + sleep.stage_offsets_ms[index]);
            let end = Instant(start.0 + sleep.stage_durations_ms[index]);
            assert_eq!((start, end), (at(&segment["start_utc"]), at(&segment["end_utc"])), "{name}");
            let stage = match sleep.stages[index] {
                SleepStage::Awake => "awake",
                SleepStage::Light => "light",
                SleepStage::Deep => "deep",
                SleepStage::Rem => "rem",
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(stage, segment["stage"], "{name}");
            *seconds.entry(stage).or_insert(0) += sleep.stage_durations_ms[index] / 1000;
        }
        for (stage, expected) in truth["stages_s"].as_object().unwrap() {
            assert_eq!(seconds.get(stage.as_str()).copied(), expected.as_i64(), "{name} {stage}");
        }
        assert!(!sleep.is_nap);
    }
}

#[test]
fn a_run_has_its_times_and_figures() {
    for (name, scenario) in SCENARIOS {
        let truth = &truth(&scenario)["workout"];
        let record = only(DataType::Workout, scenario.exercise);
        assert_eq!((record.time.start, record.time.end), (at(&truth["start_utc"]), at(&truth["end_utc"])), "{name}");
        let Body::Workout(run) = &record.body else { panic!("no workout") };
        assert_eq!((run.sport, run.sport_detail.as_deref()), (Sport::Running, None));
        assert_eq!(run.title.as_deref(), Some("Run"));
        // Millimetres in Google's format, tenths of a metre in the truth.
        assert!((run.distance_m.unwrap() - truth["distance_m"].as_f64().unwrap()).abs() < 0.001, "{name}");
        assert_eq!(run.energy_kcal, truth["calories_kcal"].as_f64(), "{name}");
        assert_eq!(run.heart_rate_mean, truth["avg_hr"].as_f64(), "{name}");
        assert_eq!(run.moving_ms, truth["elapsed_s"].as_i64().map(|it| it * 1000), "{name}");
        assert_eq!(record.origin.method, RecordingMethod::Active);
    }
}

#[test]
fn heart_rate_is_one_series_an_hour_however_the_pages_are_cut() {
    for (name, scenario) in SCENARIOS {
        let truth = &truth(&scenario)["workout"];
        let all = records(DataType::HeartRate, scenario.heart_rate);
        let list: Value = serde_json::from_str(scenario.heart_rate).unwrap();
        let mut n_samples = 0;
        let mut greatest: f64 = 0.0;
        for record in &all {
            assert_eq!(record.origin.record, format!("heart_rate:{}", record.time.start));
            assert_eq!(record.time.start.0 % 3_600_000, 0);
            let Body::Series(series) = &record.body else { panic!("no series") };
            assert!(series.offsets_ms.is_sorted() && series.offsets_ms.iter().all(|it| (0..3_600_000).contains(it)));
            assert_eq!(series.offsets_ms.len(), series.values.len());
            n_samples += series.values.len();
            greatest = series.values.iter().copied().fold(greatest, f64::max);
        }
        assert_eq!(n_samples, list["dataPoints"].as_array().unwrap().len(), "{name}");
        // The greatest of the day was in the run.
        assert_eq!(Some(greatest), truth["max_hr"].as_f64(), "{name}");

        let points = list["dataPoints"].as_array().unwrap();
        let (first, second) = points.split_at(points.len() / 3);
        let cut = serde_json::json!({"answers": [{"dataPoints": first}, {"dataPoints": second}]}).to_string();
        assert_eq!(records(DataType::HeartRate, &cut), all, "{name}");
    }
}

#[test]
fn body_and_daily_values_are_those_that_were_measured() {
    for (name, scenario) in SCENARIOS {
        let truth = truth(&scenario);
        let weight = only(DataType::Weight, scenario.weight);
        assert_eq!(weight.time.start, at(&truth["weight"]["time_utc"]), "{name}");
        assert_eq!(Some(quantity(&weight)), truth["weight"]["kg"].as_f64(), "{name}");
        assert_eq!((weight.origin.method, weight.origin.marker), (RecordingMethod::Manual, None));
        let daily = [
            (DataType::RestingHeartRate, scenario.resting, "resting_hr"),
            (DataType::HrvRmssd, scenario.hrv, "hrv_rmssd_ms"),
            (DataType::OxygenSaturation, scenario.oxygen, "spo2_pct"),
        ];
        for (data_type, body, key) in daily {
            let day = normal(Some(data_type), body);
            assert_eq!(Some(quantity(&day.records[0])), truth[key].as_f64(), "{name} {key}");
            assert!(!day.records[0].is_daily_total, "a mean is no total");
            assert_eq!(day.issues[0].code, "no_time_zone");
        }
    }
}

#[test]
fn with_the_settings_of_the_account_a_day_is_a_local_one() {
    let body =
        format!(r#"{{"answers":[{}],"settings":{{"timeZone":"Europe/Berlin","utcOffset":"7200s"}}}}"#, BERLIN.resting);
    let record = only(DataType::RestingHeartRate, &body);
    assert_eq!(record.time.start, Instant::parse("2026-05-03T00:00:00+02:00").unwrap());
    assert_eq!(record.time.end, Instant::parse("2026-05-04T00:00:00+02:00").unwrap());
    assert_eq!((record.time.offset_seconds, record.time.zone.as_deref()), (Some(7_200), Some("Europe/Berlin")));
    let utc = normal(Some(DataType::RestingHeartRate), BERLIN.resting);
    assert_eq!(utc.records[0].origin.record, record.origin.record, "the day is the same record wherever midnight was");
}

#[test]
fn what_cannot_be_is_an_issue_and_the_rest_is_kept() {
    #[track_caller]
    fn check(data_type: DataType, body: &str, n_records: usize, codes: &[&str]) {
        let normal = normal(Some(data_type), body);
        assert_eq!(normal.records.len(), n_records);
        assert_eq!(normal.issues.iter().map(|it| it.code).collect::<Vec<_>>(), codes);
    }
    let weight = |grams: &str, time: &str| {
        format!(r#"{{"weight":{{"sampleTime":{{"physicalTime":"{time}","utcOffset":"0s"}},"weightGrams":{grams}}}}}"#)
    };
    let good = weight("\"75100\"", "2026-05-03T05:05:00Z");
    let list = |bad: &str| format!(r#"{{"dataPoints":[{good},{bad}]}}"#);
    check(DataType::Weight, &list(&weight("7510000", "2026-05-03T06:05:00Z")), 1, &["out_of_range"]);
    check(DataType::Weight, &list(&weight("75000", "yesterday")), 1, &["no_time"]);
    check(DataType::Weight, &list(&weight("null", "2026-05-03T06:05:00Z")), 1, &["malformed"]);
    check(DataType::Weight, &list(&good), 1, &["duplicate"]);
    check(DataType::Weight, &list(r#"{"altitude":{}}"#), 1, &["unknown_type"]);
    check(DataType::Weight, &list("7"), 1, &["unknown_type"]);
    check(DataType::Height, &list("7"), 0, &["unknown_type", "unknown_type"]);
    check(DataType::Weight, "{}", 0, &[]);
}

#[test]
fn what_is_no_page_is_an_error_and_not_an_empty_one() {
    for body in [
        "<html></html>",
        "[]",
        "7",
        "",
        r#"{"error":{"code":500}}"#,
        r#"{"records":[]}"#,
        r#"{"dataPoints":7}"#,
        r#"{"answers":7}"#,
    ] {
        let page = RawPage { data_type: None, content_type: "application/json", body: body.as_bytes(), name: "" };
        assert!(GoogleHealth::default().normalize(&page).is_err(), "{body}");
    }
}

#[test]
fn a_figure_that_cannot_be_is_left_out_of_a_run_and_the_run_is_kept() {
    let body = BERLIN.exercise.replace("7425100.0", "74251000000.0").replace("\"149\"", "\"1490\"");
    let normal = normal(Some(DataType::Workout), &body);
    let Body::Workout(run) = &normal.records[0].body else { panic!("no workout") };
    assert_eq!((run.distance_m, run.heart_rate_mean, run.energy_kcal), (None, None, Some(505.0)));
    let codes: Vec<&str> = normal.issues.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["out_of_range", "out_of_range"]);
}

#[test]
fn of_two_samples_at_one_moment_the_first_is_taken() {
    let sample = |rate: u8| {
        serde_json::json!({"heartRate": {"beatsPerMinute": rate.to_string(), "sampleTime": {
            "physicalTime": "2026-05-03T06:00:01Z", "utcOffset": "0s"}}})
    };
    let body = serde_json::json!({"dataPoints": [sample(60), sample(90)]}).to_string();
    let normal = normal(Some(DataType::HeartRate), &body);
    let Body::Series(series) = &normal.records[0].body else { panic!("no series") };
    assert_eq!((series.offsets_ms.as_slice(), series.values.as_slice()), (&[1_000][..], &[60.0][..]));
    assert_eq!(normal.issues.iter().map(|it| it.code).collect::<Vec<_>>(), ["duplicate"]);
}
