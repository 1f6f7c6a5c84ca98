//! Reading over HTTP.

use super::{ATHLETE, Bench, always, at, normalize, workout};
use crate::{
    simulator::{Fault, FaultKind},
    strava::simulator::{Athlete, Options, demo_activities},
};
use engine::provider::{DataProvider, ProviderError, What};
use schemas::{data_type::DataType, time::Interval};
use serde_json::json as value;
use std::collections::BTreeSet;

fn generous() -> Options {
    Options { calls_max: [9_999, 9_999], reads_max: [9_999, 9_999], ..Options::default() }
}

fn plain(start: &str) -> serde_json::Value {
    value!({
        "name": "Ride", "sport_type": "Ride", "type": "Ride", "start_date": start, "start_date_local": start,
        "utc_offset": 0, "timezone": "(GMT+00:00) Europe/London", "elapsed_time": 600, "moving_time": 600,
        "distance": 3000.0, "manual": true,
    })
}

#[tokio::test]
async fn a_window_gives_every_activity_once_five_a_page() {
    let bench = Bench::new(generous()).await;
    let demo = demo_activities(7);
    for it in demo.clone() {
        bench.simulator.seed_activity(ATHLETE, it.detail, it.streams);
    }
    bench.simulator.seed_athlete(Athlete { id: 2, offset_seconds: 0, zone: "Europe/London".into() });
    bench.simulator.seed_activity(2, plain("2026-01-01T00:00:00Z"), None);
    let records = bench.read(What::Window(always())).await;
    let ids: BTreeSet<u64> = records.iter().map(|it| it.origin.record.parse().unwrap()).collect();
    assert_eq!(records.len(), demo.len());
    assert_eq!(ids, bench.simulator.activities(ATHLETE).into_iter().collect());
    assert_eq!(records.iter().filter(|it| !workout(it).streams.offsets_ms.is_empty()).count(), 2);
}

#[tokio::test]
async fn a_page_says_the_providers_time_and_its_type() {
    let bench = Bench::new(Options::default()).await;
    bench.seed_golden();
    let page = bench.fetch(What::Window(always()), None).await.unwrap();
    assert_eq!(page.content_type, "application/vnd.syncwell.strava+json");
    assert_eq!(page.provider_time.unwrap().seconds() / 60, at("2026-05-04T10:07:00Z").seconds() / 60);
    let run = normalize(&page.body).unwrap().records.remove(0);
    assert_eq!(workout(&run).energy_kcal, Some(505.0));
    assert_eq!(workout(&run).streams.offsets_ms.len(), 271);
}

#[tokio::test]
async fn a_window_begins_at_its_first_moment_and_ends_before_its_last() {
    let bench = Bench::new(Options::default()).await;
    for start in ["2026-05-01T09:59:59Z", "2026-05-01T10:00:00Z", "2026-05-01T10:59:59Z", "2026-05-01T11:00:00Z"] {
        bench.simulator.seed_activity(ATHLETE, plain(start), None);
    }
    let check = async |from: &str, to: &str, expected: &[&str]| {
        let window = Interval { from: at(from), to: at(to) };
        let records = bench.read(What::Window(window)).await;
        let starts: Vec<String> = records.iter().map(|it| it.time.start.to_string()).collect();
        assert_eq!(starts, expected, "{from} to {to}");
    };
    let both = ["2026-05-01T10:00:00Z", "2026-05-01T10:59:59Z"];
    check("2026-05-01T10:00:00Z", "2026-05-01T11:00:00Z", &both).await;
    check("2026-05-01T09:59:59.500Z", "2026-05-01T10:59:59.500Z", &both).await;
    check("2026-05-01T10:00:00.500Z", "2026-05-01T10:59:59Z", &[]).await;
}

#[tokio::test]
async fn more_activities_than_a_listing_page_holds_are_all_read() {
    let bench = Bench::new(generous()).await;
    for minute in 0..205 {
        let start = at("2026-04-01T00:00:00Z").plus(std::time::Duration::from_secs(minute * 600));
        bench.simulator.seed_activity(ATHLETE, plain(&start.to_string()), None);
    }
    assert_eq!(bench.read(What::Window(always())).await.len(), 205);
    assert_eq!(bench.strava.find(&bench.session, DataType::Workout, always()).await.unwrap().len(), 205);
    let listings = bench.simulator.kit.journal().iter().filter(|it| it.path.ends_with("/athlete/activities")).count();
    assert_eq!(listings, 6, "two full listings, each ended by its empty page");
}

#[tokio::test]
async fn an_activity_deleted_between_listing_and_reading_is_a_tombstone() {
    let bench = Bench::new(Options::default()).await;
    let ids: Vec<u64> = (1..=7)
        .map(|day| bench.simulator.seed_activity(ATHLETE, plain(&format!("2026-04-0{day}T08:00:00Z")), None))
        .collect();
    let first = bench.fetch(What::Window(always()), None).await.unwrap();
    bench.simulator.delete_activity(ids[6]);
    bench.simulator.edit_activity(ids[5], |it| it["name"] = value!("Changed"));
    let rest = bench.fetch(What::Window(always()), first.next).await.unwrap();
    let rest = normalize(&rest.body).unwrap().records;
    assert_eq!(workout(&rest[0]).title.as_deref(), Some("Changed"));
    assert!(rest[1].deleted);
    assert_eq!(rest[1].origin.record, ids[6].to_string());
}

#[tokio::test]
async fn a_late_activity_behind_the_cursor_is_found_by_reading_the_range_again() {
    let bench = Bench::new(Options::default()).await;
    bench.simulator.seed_activity(ATHLETE, plain("2026-05-02T08:00:00Z"), None);
    assert_eq!(bench.read(What::Window(always())).await.len(), 1);
    bench.simulator.seed_activity(ATHLETE, plain("2026-05-01T08:00:00Z"), None);
    assert_eq!(bench.read(What::Window(always())).await.len(), 2);
}

#[tokio::test]
async fn named_ids_are_read_and_those_that_are_gone_are_tombstones() {
    let bench = Bench::new(Options::default()).await;
    let id = bench.seed_golden();
    let named: Vec<String> = std::iter::once(id.to_string()).chain((1..=6).map(|it| it.to_string())).collect();
    let records = bench.read(What::Named(named)).await;
    assert_eq!(records.iter().map(|it| it.deleted).collect::<Vec<_>>(), [false, true, true, true, true, true, true]);
    assert_eq!(bench.read(What::Named(Vec::new())).await, []);
    let bad = bench.fetch(What::Named(vec!["../athlete".into()]), None).await;
    assert!(matches!(bad, Err(ProviderError::Refused { .. })));
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_malformed_and_asks_nothing() {
    let bench = Bench::new(Options::default()).await;
    let id = bench.seed_golden();
    let cursors = [
        "",
        "2",
        "next-page-token",
        "{}",
        "{\"page\":0,\"first\":0,\"ids\":[]}",
        "{\"page\":-1,\"first\":0,\"ids\":[]}",
        "{\"page\":501,\"first\":0,\"ids\":[]}",
        "{\"page\":1,\"first\":0,\"ids\":[],\"more\":1}",
    ];
    for cursor in cursors {
        let err = bench.fetch(What::Window(always()), Some(cursor.into())).await.unwrap_err();
        assert!(matches!(err, ProviderError::Malformed { .. }), "{cursor}: {err}");
    }
    let foreign = format!("{{\"page\":0,\"first\":0,\"ids\":[{}]}}", id + 1);
    let err = bench.fetch(What::Named(vec![id.to_string()]), Some(foreign)).await.unwrap_err();
    assert!(matches!(err, ProviderError::Malformed { .. }));
    assert_eq!(bench.simulator.kit.journal(), []);
}

#[tokio::test]
async fn a_listing_that_repeats_itself_ends() {
    let bench = Bench::new(Options::default()).await;
    let id = bench.seed_golden();
    let body = value!([{ "id": id, "start_date": "2026-05-03T06:02:30Z", "sport_type": "Run" }]).to_string();
    let kind = FaultKind::Answer { status: 200, headers: vec![], body };
    bench.simulator.kit.plan(Fault { times: 9, ..Fault::once("GET", "/athlete/activities", kind) });
    let first = bench.fetch(What::Window(always()), None).await.unwrap();
    let second = bench.fetch(What::Window(always()), first.next).await.unwrap_err();
    assert_eq!(second, ProviderError::Malformed { what: "the listing repeats a page".into() });
    let found = bench.strava.find(&bench.session, DataType::Workout, always()).await.unwrap_err();
    assert_eq!(found, second);
}

#[tokio::test]
async fn private_activities_are_read_only_with_the_scope_for_them() {
    let mut bench = Bench::new(Options::default()).await;
    let id = bench.seed_golden();
    bench.simulator.edit_activity(id, |it| it["visibility"] = value!("only_me"));
    assert_eq!(bench.read(What::Window(always())).await.len(), 1);
    bench.session.access_token = Some(bench.simulator.grant(ATHLETE, "read,activity:read").access);
    assert_eq!(bench.read(What::Window(always())).await.len(), 0);
}

#[tokio::test]
async fn another_type_is_unsupported() {
    let bench = Bench::new(Options::default()).await;
    let request =
        engine::provider::FetchRequest { data_type: DataType::Steps, what: What::Window(always()), cursor: None };
    let err = bench.strava.fetch(&bench.session, &request).await.unwrap_err();
    assert_eq!(err, ProviderError::Unsupported { what: "reading steps".into() });
}

#[tokio::test]
async fn a_page_ends_before_it_grows_too_large_and_the_rest_comes_in_the_next() {
    let bench = Bench::new(Options::default()).await;
    let filler = "x".repeat(3_900_000);
    for day in 1..=5 {
        let mut detail = plain(&format!("2026-04-0{day}T08:00:00Z"));
        detail["manual"] = value!(false);
        let streams = value!({ "time": { "data": [0, 1] }, "moving": { "data": filler } });
        bench.simulator.seed_activity(ATHLETE, detail, Some(streams));
    }
    let (mut cursor, mut sizes) = (None, Vec::new());
    loop {
        let page = bench.fetch(What::Window(always()), cursor).await.unwrap();
        assert!(page.body.len() <= engine::provider::PAGE_BYTES_MAX);
        sizes.push(normalize(&page.body).unwrap().records.len());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1, 0]);
}

#[tokio::test]
async fn an_answer_about_another_activity_is_malformed() {
    let bench = Bench::new(Options::default()).await;
    let id = bench.seed_golden();
    let body = include_str!("../fixtures/activity.json").to_owned();
    let kind = FaultKind::Answer { status: 200, headers: vec![], body };
    bench.simulator.kit.plan(Fault::once("GET", "/activities/", kind));
    let err = bench.fetch(What::Named(vec![id.to_string()]), None).await.unwrap_err();
    let what = "the answer is not the activity that was asked for".into();
    assert_eq!(err, ProviderError::Malformed { what });
}
