//! What was measured along exercises: the calls for it, and what becomes of the answers.

use super::setup::{Bench, Case, USER, at, demo, empty, window};
use crate::{
    formats::tcx,
    google_health::{GoogleHealth, simulator::RecordedRun},
    simulator::{Fault, FaultKind},
};
use engine::provider::{DataProvider, Normal, PAGE_BYTES_MAX, ProviderError, RawPage, What};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    time::Interval,
    workout::Workout,
};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../fixtures/berlin/exercise.recorded.json");
const ID: &str = "2026443605080188808";

fn normal(version: i32, body: &str) -> Normal {
    let page = RawPage {
        data_type: Some(DataType::Workout),
        content_type: "application/json",
        body: body.as_bytes(),
        name: "",
    };
    GoogleHealth::default().normalize_as(version, &page).unwrap().unwrap()
}

#[track_caller]
fn workout(record: &Record) -> &Workout {
    match &record.body {
        Body::Workout(it) => it,
        other => panic!("no workout: {other:?}"),
    }
}

/// The fixture's page with another answer in place of its recording.
fn page_with(answer: &Value) -> String {
    let mut page: Value = serde_json::from_str(RECORDED).unwrap();
    page["tcx"][ID] = answer.clone();
    page.to_string()
}

fn codes(normal: &Normal) -> Vec<&str> {
    normal.issues.iter().map(|it| it.code).collect()
}

#[test]
fn an_exercise_has_what_its_recording_has_and_googles_own_figures() {
    let normal = normal(2, RECORDED);
    assert_eq!((normal.records.len(), normal.issues), (1, Vec::new()));
    let record = &normal.records[0];
    assert_eq!((record.time.start, record.time.end), (at("2026-05-03T06:02:30Z"), at("2026-05-03T06:47:30Z")));
    assert_eq!((record.origin.record.as_str(), record.origin.device.as_deref()), (ID, Some("Charge 6")));
    let workout = workout(record);
    let streams = &workout.streams;
    assert_eq!(streams.offsets_ms, (0..10).map(|it| it * 300_000).collect::<Vec<i64>>());
    assert_eq!(streams.heart_rate.0, [96.0, 138.0, 147.0, 150.0, 152.0, 153.0, 155.0, 156.0, 158.0, 149.0]);
    assert_eq!((streams.latitude.get(0), streams.longitude.get(0)), (Some(52.52), Some(13.405)));
    assert_eq!((streams.latitude.get(4), streams.longitude.get(4)), (None, None), "no position there");
    assert_eq!((streams.latitude.n_measured(), streams.altitude.n_measured()), (9, 10));
    assert_eq!((streams.distance.get(9), streams.speed.is_empty()), (Some(7_425.1), true));
    let laps: Vec<_> = workout.laps.iter().map(|it| (it.offset_ms, it.elapsed_ms, it.distance_m)).collect();
    assert_eq!(laps, [(0, 1_500_000, Some(4_120.0)), (1_500_000, 1_200_000, Some(3_305.1))]);
    let own = (workout.distance_m, workout.energy_kcal, workout.heart_rate_mean, workout.heart_rate_max);
    assert_eq!(own, (Some(7_425.1), Some(505.0), Some(149.0), None));
}

#[test]
fn a_recording_of_a_real_device_comes_with_everything_that_is_in_it() {
    let recordings = [
        include_str!("../../files/fixtures/tcx/test.tcx"),
        include_str!("../../files/fixtures/tcx/no_hr.tcx"),
        include_str!("../../files/fixtures/tcx/sample.tcx"),
        include_str!("../../files/fixtures/tcx/walking_activity_1.tcx"),
    ];
    for text in recordings {
        let file = tcx::read(text.as_bytes(), "").unwrap();
        let expected = &file.records[0];
        let mut page: Value = serde_json::from_str(&page_with(&json!({"tcxData": text}))).unwrap();
        let interval = &mut page["answers"][0]["dataPoints"][0]["exercise"]["interval"];
        interval["startTime"] = json!(expected.time.start.to_string());
        interval["endTime"] = json!(expected.time.end.to_string());
        let normal = normal(2, &page.to_string());
        assert_eq!(workout(&normal.records[0]).streams, workout(expected).streams);
        assert_eq!(normal.issues.len(), file.issues.len());
    }
}

#[test]
fn moments_outside_of_the_exercise_are_left_out_and_the_rest_is_relative_to_its_start() {
    // The exercise is from 06:02:30 to 06:47:30.
    let check = |shift_ms: i64, expected: &[i64], codes_expected: &[&str]| {
        let run = RecordedRun { every_seconds: 900, ..RecordedRun::new(at("2026-05-03T06:02:30Z"), 2_700) };
        let normal = normal(2, &page_with(&json!({"tcxData": run.ahead_by(shift_ms).tcx()})));
        let streams = &workout(&normal.records[0]).streams;
        assert_eq!(streams.offsets_ms, expected, "{shift_ms}");
        assert_eq!(streams.heart_rate.0.len(), expected.len());
        assert_eq!(streams.latitude.0.len(), expected.len());
        assert_eq!(codes(&normal), codes_expected, "{shift_ms}");
    };
    check(0, &[0, 900_000, 1_800_000, 2_700_000], &[]);
    check(1_500, &[1_500, 901_500, 1_801_500], &["malformed"]);
    check(-1_500, &[898_500, 1_798_500, 2_698_500], &["malformed"]);
    check(7_200_000, &[], &["malformed", "no_streams"]);
    check(i64::MAX / 4, &[], &["malformed", "no_streams"]);
}

#[test]
fn an_exercise_without_a_recording_is_its_summary_and_an_issue() {
    let summary = normal(1, RECORDED);
    assert_eq!(summary.issues, []);
    let answers = [
        json!("forbidden"),
        json!("not_found"),
        json!("refused"),
        json!("too_large"),
        json!("a code of later"),
        json!({}),
        json!({"tcxData": ""}),
        json!({"tcxData": 7}),
        json!({"tcxData": "<html></html>"}),
        json!({"tcxData": "no XML"}),
        json!([]),
        json!(null),
    ];
    for answer in answers {
        let normal = normal(2, &page_with(&answer));
        assert_eq!((&normal.records, codes(&normal)), (&summary.records, vec!["no_streams"]), "{answer}");
    }
    // A course is no recording, and one that is cut off gives what is whole.
    let course = "<TrainingCenterDatabase><Courses/></TrainingCenterDatabase>";
    assert_eq!(codes(&normal(2, &page_with(&json!({"tcxData": course})))), ["no_streams", "unknown_type"]);
    let run = RecordedRun::new(at("2026-05-03T06:02:30Z"), 60).tcx();
    let cut = normal(2, &page_with(&json!({"tcxData": run[..run.len() * 2 / 3]})));
    assert_eq!(codes(&cut), ["truncated"]);
    assert!(workout(&cut.records[0]).streams.offsets_ms.len() > 30);
}

#[test]
fn the_first_mapper_gives_what_it_gave_and_the_second_takes_pages_of_its_time() {
    let old = include_str!("../fixtures/berlin/exercise.list.json");
    assert_eq!(normal(1, old), normal(2, old));
    assert_eq!(normal(1, RECORDED), normal(1, old));
    assert!(
        GoogleHealth::default()
            .normalize_as(3, &RawPage { data_type: None, content_type: "", body: b"{}", name: "" })
            .is_none()
    );
    let part = RECORDED.replacen("\"tcx\":", "\"part\":{\"from\":1,\"to\":1},\"tcx\":", 1);
    assert_eq!(normal(2, &part), Normal::default(), "the page takes none of its answer's points");
}

fn may() -> Interval {
    window("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")
}

impl Bench {
    /// How often a recording was asked for.
    fn exports(&self) -> usize {
        self.simulator.kit().journal().iter().filter(|it| it.path.ends_with(":exportExerciseTcx")).count()
    }

    async fn workouts(&self, what: What) -> Result<(Vec<Record>, usize), ProviderError> {
        self.all(DataType::Workout, what).await
    }
}

/// The same run of two devices, one with GPS and one that feels the pulse.
async fn two_devices() -> Bench {
    let bench = empty().await;
    let run = RecordedRun { every_seconds: 10, ..RecordedRun::new(at("2026-05-03T06:00:00Z"), 1_800) };
    bench.simulator.add_run(USER, "1001", &run.by_gps_watch());
    bench.simulator.add_run(USER, "1002", &run.by_heart_rate_band().ahead_by(7_000));
    bench
}

#[tokio::test]
async fn a_watch_has_the_way_and_a_band_has_the_heart_rate() {
    let bench = two_devices().await;
    for what in [What::Window(may()), What::Named(vec!["1002".into(), "1001".into()])] {
        let (records, n_pages) = bench.workouts(what).await.unwrap();
        assert_eq!((records.len(), n_pages), (2, 1));
        let by = |id: &str| workout(records.iter().find(|it| it.origin.record == id).unwrap());
        let (watch, band) = (&by("1001").streams, &by("1002").streams);
        assert_eq!((watch.offsets_ms.len(), band.offsets_ms.len()), (181, 181));
        assert_eq!((watch.latitude.n_measured(), watch.heart_rate.n_measured()), (181, 0));
        assert_eq!((band.latitude.n_measured(), band.heart_rate.n_measured()), (0, 181));
        assert_eq!((watch.offsets_ms[0], band.offsets_ms[0]), (0, 0), "relative to its own exercise");
        assert_eq!((by("1001").heart_rate_mean, by("1002").heart_rate_mean.is_some()), (None, true));
    }
    assert_eq!(bench.exports(), 4);
}

#[tokio::test]
async fn only_what_a_device_may_have_recorded_is_asked_for() {
    let bench = two_devices().await;
    let run = RecordedRun::new(at("2026-05-04T06:00:00Z"), 600);
    let with = |id: &str, key: &str, value: &str| {
        let mut point = run.exercise(id);
        point["dataSource"][key] = value.into();
        bench.simulator.add(USER, "exercise", point);
    };
    with("2001", "recordingMethod", "MANUAL");
    with("2002", "platform", "GOOGLE_WEB_API");
    let mut neither = run.by_gps_watch().exercise("2003");
    neither["exercise"]["exerciseMetadata"] = json!({});
    bench.simulator.add(USER, "exercise", neither);
    let (records, _) = bench.workouts(What::Window(may())).await.unwrap();
    assert_eq!((records.len(), bench.exports()), (5, 2));
    // A look reads no samples, and neither does a search.
    bench.simulator.kit().clear_journal();
    let (records, _) = bench.workouts(What::Look(may())).await.unwrap();
    let found = bench.provider.find(&bench.session, DataType::Workout, may()).await.unwrap();
    assert_eq!((records.len(), found.len(), bench.exports()), (5, 5, 0));
    assert!(records.iter().all(|it| workout(it).streams.offsets_ms.is_empty()));
}

#[tokio::test]
async fn without_the_scope_of_location_exercises_are_read_without_recordings() {
    let mut bench = two_devices().await;
    let scope = "https://www.googleapis.com/auth/googlehealth.activity_and_fitness.readonly";
    bench.session.access_token = Some(bench.simulator.grant(USER, scope).access);
    let page = bench.page(DataType::Workout, What::Window(may()), None).await.unwrap();
    let normal = bench.normal(DataType::Workout, &page);
    assert_eq!((normal.records.len(), codes(&normal)), (2, vec!["no_streams", "no_streams"]));
    assert!(normal.issues[0].text.contains("connect again"));
    assert_eq!(bench.exports(), 1, "the next one would be refused as well");
}

#[tokio::test]
async fn a_recording_that_is_not_there_costs_the_exercise_nothing() {
    let bench = two_devices().await;
    bench.simulator.add(USER, "exercise", RecordedRun::new(at("2026-05-05T06:00:00Z"), 60).exercise("3001"));
    let answer = |status, body: &str| FaultKind::Answer { status, headers: Vec::new(), body: body.into() };
    for kind in [answer(404, ""), answer(400, "{}"), answer(403, ""), FaultKind::Endless] {
        bench.simulator.kit().plan(Fault::once("GET", "1001:export", kind.clone()));
        let page = bench.page(DataType::Workout, What::Window(may()), None).await.unwrap();
        let normal = bench.normal(DataType::Workout, &page);
        assert_eq!(normal.records.len(), 3, "{kind:?}");
        // The one that never had a recording is always among them.
        assert!(codes(&normal).len() >= 2 && codes(&normal).iter().all(|it| *it == "no_streams"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_page_whose_recording_does_not_come_now_is_given_up() {
    let bench = two_devices().await;
    let answer = |status, body: &str| FaultKind::Answer {
        status,
        headers: vec![("retry-after", "30".into())],
        body: body.into(),
    };
    let cases: [Case; 6] = [
        (answer(429, ""), |it| matches!(it, ProviderError::Throttled { until: Some(_) })),
        (answer(401, ""), |it| *it == ProviderError::TokenExpired),
        (answer(503, ""), |it| matches!(it, ProviderError::Unavailable { .. })),
        (answer(200, "<html>"), |it| matches!(it, ProviderError::Malformed { .. })),
        (FaultKind::HalfBody, |it| matches!(it, ProviderError::Unavailable { .. })),
        (FaultKind::Refused, |it| matches!(it, ProviderError::Unavailable { .. })),
    ];
    for (kind, fits) in cases {
        for what in [What::Window(may()), What::Named(vec!["1001".into()])] {
            bench.simulator.kit().plan(Fault::once("GET", "1001:export", kind.clone()));
            let err = bench.workouts(what.clone()).await.unwrap_err();
            assert!(fits(&err), "{kind:?}: {err:?}");
            assert_eq!(workout(&bench.workouts(what).await.unwrap().0[0]).streams.offsets_ms.len(), 181);
        }
    }
}

/// A recording whose answer has at least so many bytes, and hardly more: with comments behind it.
fn padded(tcx: String, n_bytes: usize) -> String {
    let missing = n_bytes.saturating_sub(json!({"tcxData": tcx}).to_string().len());
    let comment = format!("<!--{}-->", " ".repeat(93));
    tcx + &comment.repeat(missing.div_ceil(comment.len()))
}

/// So many exercises, one a day, each with a recording of so many bytes.
async fn large(n_exercises: i64, n_bytes: usize) -> (Bench, Vec<String>) {
    let bench = empty().await;
    let mut ids = Vec::new();
    for day in 0..n_exercises {
        let start = schemas::time::Instant(at("2026-05-03T06:00:00Z").0 + day * 86_400_000);
        let run = RecordedRun { every_seconds: 60, ..RecordedRun::new(start, 600) };
        let id = format!("{}", 1_000 + day);
        bench.simulator.add(USER, "exercise", run.exercise(&id));
        bench.simulator.add_tcx(USER, &id, padded(run.tcx(), n_bytes));
        ids.push(id);
    }
    ids.reverse();
    (bench, ids)
}

#[tokio::test]
async fn recordings_that_do_not_fit_into_one_page_are_on_the_next() {
    let (bench, ids) = large(5, 4 << 20).await;
    for what in [What::Window(may()), What::Named(ids.clone())] {
        let (mut got, mut sizes, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = bench.page(DataType::Workout, what.clone(), cursor).await.unwrap();
            assert!(page.body.len() <= PAGE_BYTES_MAX);
            let normal = bench.normal(DataType::Workout, &page);
            assert_eq!(normal.issues, []);
            assert!(normal.records.iter().all(|it| workout(it).streams.offsets_ms.len() == 11));
            sizes.push(normal.records.len());
            got.extend(normal.records.into_iter().map(|it| it.origin.record));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((&got, sizes), (&ids, vec![2, 2, 1]), "each once, newest first");
    }
}

#[tokio::test]
async fn a_recording_larger_than_a_page_is_left_out_and_the_others_go_on() {
    for n_bytes in [PAGE_BYTES_MAX + 1, PAGE_BYTES_MAX - 200] {
        let (bench, ids) = large(1, n_bytes).await;
        bench.simulator.add_run(USER, "small", &RecordedRun::new(at("2026-05-02T06:00:00Z"), 60));
        let (mut n_streams, mut issues, mut cursor) = (Vec::new(), 0, None);
        loop {
            let page = bench.page(DataType::Workout, What::Window(may()), cursor).await.unwrap();
            assert!(page.body.len() <= PAGE_BYTES_MAX);
            let normal = bench.normal(DataType::Workout, &page);
            issues += codes(&normal).iter().filter(|it| **it == "no_streams").count();
            n_streams.extend(normal.records.iter().map(|it| workout(it).streams.offsets_ms.len()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((n_streams, issues, ids.len()), (vec![0, 61], 1, 1), "{n_bytes}");
    }
}

#[tokio::test]
async fn an_exercise_that_goes_between_two_pages_takes_no_other_with_it() {
    let (bench, ids) = large(4, 4 << 20).await;
    let first = bench.page(DataType::Workout, What::Window(may()), None).await.unwrap();
    assert_eq!(bench.normal(DataType::Workout, &first).records.len(), 2);
    // The one after which to go on is deleted, and a new one is at the top.
    assert!(bench.simulator.delete(USER, "exercise", &ids[1]));
    bench.simulator.add_run(USER, "new", &RecordedRun::new(at("2026-05-20T06:00:00Z"), 60));
    let (mut got, mut cursor) = (Vec::new(), first.next);
    while let Some(next) = cursor {
        let page = bench.page(DataType::Workout, What::Window(may()), Some(next)).await.unwrap();
        got.extend(bench.normal(DataType::Workout, &page).records.into_iter().map(|it| it.origin.record));
        cursor = page.next;
    }
    assert_eq!(got, ["new", &ids[0], &ids[2], &ids[3]]);
}

#[tokio::test]
async fn more_exercises_than_a_page_holds_are_read_to_the_last() {
    let (bench, ids) = large(27, 0).await;
    let (records, n_pages) = bench.workouts(What::Window(may())).await.unwrap();
    let got: Vec<&str> = records.iter().map(|it| it.origin.record.as_str()).collect();
    assert_eq!((got, n_pages, bench.exports()), (ids.iter().map(String::as_str).collect(), 3, 27));
    let (records, n_pages) = bench.workouts(What::Named(ids)).await.unwrap();
    assert_eq!((records.len(), n_pages), (27, 3));
}

#[tokio::test]
async fn every_exercise_of_the_demo_has_a_recording() {
    let bench = demo().await;
    let what = What::Window(window("2026-05-01T00:00:00Z", "2026-07-10T00:00:00Z"));
    let (records, _) = bench.workouts(what).await.unwrap();
    assert_eq!(records.len(), 7);
    assert!(records.iter().all(|it| workout(it).streams.heart_rate.n_measured() > 100));
    assert_eq!(records.iter().filter(|it| workout(it).streams.latitude.n_measured() > 100).count(), 5);
}

#[tokio::test]
async fn a_recording_needs_both_scopes_and_what_has_no_position_is_given_when_asked_for_alone() {
    let bench = two_devices().await;
    let path =
        |id: &str, query: &str| format!("/v4/users/me/dataTypes/exercise/dataPoints/{id}:exportExerciseTcx{query}");
    let ask = async |path: String| {
        let reply = bench.session.api(reqwest::Method::GET, &path).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<Value>().await.unwrap())
    };
    assert!(ask(path("1001", "")).await.1["tcxData"].is_string());
    assert_eq!(ask(path("1002", "")).await, (200, json!({})), "without GPS only in part");
    assert!(ask(path("1002", "?partialData=true")).await.1["tcxData"].is_string());
    assert_eq!(ask(path("1001", "?partialData=perhaps")).await.0, 400);
    assert_eq!(ask(path("9999", "?partialData=true")).await.0, 404);
    let scope = "https://www.googleapis.com/auth/googlehealth";
    for only in ["activity_and_fitness", "location"] {
        let token = bench.simulator.grant(USER, &format!("{scope}.{only}.readonly")).access;
        let session = engine::session::Session { access_token: Some(token), ..bench.session.clone() };
        let reply = session.api(reqwest::Method::GET, &path("1001", "")).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 403, "{only}");
    }
}
