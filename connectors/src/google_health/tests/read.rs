//! Access and reading, over real HTTP.

use super::setup::{Bench, Case, USER, at, demo, empty, window};
use crate::simulator::{Fault, FaultKind};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use engine::provider::{Authorize, DataProvider, Grant, ProviderError, What};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, time::Duration};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0";
const REDIRECT: &str = "https://app.example/callback";

/// Goes through the consent page and trades the code that comes back.
async fn connect(bench: &Bench, verifier: &str) -> Result<Grant, ProviderError> {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let request = Authorize {
        auth_url: &bench.session.base_url,
        client_id: "client",
        redirect: REDIRECT,
        state: "s t",
        challenge: &challenge,
    };
    let url = bench.provider.authorize_url(&request).unwrap();
    let reply = bench.session.http.get(url).send().await.unwrap();
    assert_eq!(reply.status(), 302);
    let back = url::Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
    let get = |key: &str| back.query_pairs().find(|it| it.0 == key).map(|it| it.1.into_owned());
    assert_eq!(get("state").as_deref(), Some("s t"));
    let code = get("code").ok_or(ProviderError::AccessRevoked)?;
    bench.provider.exchange(&bench.session, &code, verifier, REDIRECT).await
}

#[tokio::test]
async fn a_person_connects_renews_and_withdraws() {
    let bench = empty().await;
    bench.simulator.consent_as(USER, &[]);
    let grant = connect(&bench, VERIFIER).await.unwrap();
    assert_eq!(grant.account, USER);
    assert!(grant.tokens.scope.contains("googlehealth.sleep.writeonly"));
    let life = grant.tokens.expires_at.unwrap().since(bench.simulator.kit().now());
    assert!(life > Duration::from_secs(3_500), "{life:?}");

    let renewed = bench.provider.refresh(&bench.session, &grant.tokens).await.unwrap();
    assert_ne!(renewed.access, grant.tokens.access);
    assert_eq!((renewed.refresh.clone(), renewed.scope.clone()), (grant.tokens.refresh, grant.tokens.scope));

    bench.provider.revoke(&bench.session, &renewed).await.unwrap();
    bench.provider.revoke(&bench.session, &renewed).await.unwrap();
    assert_eq!(bench.provider.refresh(&bench.session, &renewed).await, Err(ProviderError::AccessRevoked));
}

#[tokio::test]
async fn a_code_is_no_good_without_the_verifier_of_its_challenge() {
    let bench = empty().await;
    bench.simulator.consent_as(USER, &[]);
    let err = connect(&bench, "another-verifier-of-at-least-forty-three-chars").await.unwrap_err();
    assert!(matches!(err, ProviderError::Refused { .. }), "{err}");
}

#[tokio::test]
async fn an_unticked_scope_is_forbidden_and_the_rest_can_be_read() {
    let mut bench = demo().await;
    let scope = "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.readonly";
    bench.simulator.consent_as(USER, &[scope]);
    let grant = connect(&bench, VERIFIER).await.unwrap();
    assert!(!grant.tokens.scope.contains(scope));
    bench.session.access_token = Some(grant.tokens.access);
    let err = bench.weights().await.unwrap_err();
    assert!(matches!(&err, ProviderError::Forbidden { reason } if reason.contains("did not grant")), "{err}");
    let what = What::Window(window("2026-06-01T00:00:00Z", "2026-07-10T00:00:00Z"));
    assert!(!bench.all(DataType::Sleep, what).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn an_account_without_google_health_is_told_what_to_do() {
    let bench = demo().await;
    bench.simulator.set_linked(USER, false);
    let err = bench.weights().await.unwrap_err();
    assert!(matches!(&err, ProviderError::Forbidden { reason } if reason.contains("Google Health app")), "{err}");
}

#[tokio::test]
async fn an_error_is_named_by_what_happens_next() {
    let bench = demo().await;
    let answer = |status, body: &str| FaultKind::Answer {
        status,
        headers: vec![("retry-after", "30".into())],
        body: body.into(),
    };
    let exhausted = include_str!("../fixtures/recorded/error_resource_exhausted.json");
    let unauthenticated = include_str!("../fixtures/recorded/error_unauthenticated.json");
    let not_linked = include_str!("../fixtures/recorded/error_account_not_linked.json");
    let no_scope = include_str!("../fixtures/recorded/error_access_token_scope_insufficient.json");
    let html = "<html>Sorry…</html>";
    let cases: [Case; 12] = [
        (answer(429, exhausted), |it| matches!(it, ProviderError::Throttled { until: Some(_) })),
        (answer(401, unauthenticated), |it| *it == ProviderError::TokenExpired),
        (answer(400, not_linked), |it| matches!(it, ProviderError::Forbidden { .. })),
        (answer(403, no_scope), |it| matches!(it, ProviderError::Forbidden { .. })),
        (answer(400, "{}"), |it| matches!(it, ProviderError::Refused { .. })),
        (answer(502, html), |it| matches!(it, ProviderError::Unavailable { .. })),
        (answer(200, html), |it| matches!(it, ProviderError::Malformed { .. })),
        (answer(200, ""), |it| matches!(it, ProviderError::Malformed { .. })),
        (answer(200, r#"{"dataPoints":7}"#), |it| matches!(it, ProviderError::Malformed { .. })),
        (FaultKind::HalfBody, |it| matches!(it, ProviderError::Unavailable { .. })),
        (FaultKind::Refused, |it| matches!(it, ProviderError::Unavailable { .. })),
        (FaultKind::Endless, |it| matches!(it, ProviderError::Malformed { .. })),
    ];
    for (kind, fits) in cases {
        bench.simulator.kit().plan(Fault::once("GET", "dataPoints", kind.clone()));
        let err = bench.weights().await.unwrap_err();
        assert!(fits(&err), "{kind:?}: {err:?}");
        assert!(bench.weights().await.is_ok(), "{kind:?}");
    }
    bench.simulator.expire_access();
    assert_eq!(bench.weights().await, Err(ProviderError::TokenExpired));
    bench.simulator.withdraw(USER);
    assert_eq!(bench.provider.refresh(&bench.session, &bench.tokens).await, Err(ProviderError::AccessRevoked));
}

#[tokio::test]
async fn the_limit_of_a_person_holds_for_a_minute() {
    let bench = demo().await;
    bench.simulator.set_calls_max(2);
    let now = bench.simulator.kit().now();
    bench.simulator.kit().set_now(now);
    while bench.weights().await.is_ok() {}
    assert!(matches!(bench.weights().await, Err(ProviderError::Throttled { .. })));
    bench.simulator.kit().set_now(now.plus(Duration::from_secs(60)));
    assert!(bench.weights().await.is_ok());
}

#[tokio::test]
async fn every_night_is_read_though_a_page_holds_twenty_five() {
    let bench = empty().await;
    for night in 0..60_i64 {
        let start = at("2026-04-01T21:00:00Z").0 + night * 86_400_000;
        let interval = json!({
            "startTime": schemas::time::Instant(start).to_string(), "startUtcOffset": "7200s",
            "endTime": schemas::time::Instant(start + 28_800_000).to_string(), "endUtcOffset": "7200s",
        });
        let point = json!({"name": format!("x/night-{night}"), "sleep": {"interval": interval}});
        bench.simulator.add(USER, "sleep", point);
    }
    let what = What::Window(window("2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z"));
    let (records, n_pages) = bench.all(DataType::Sleep, what.clone()).await.unwrap();
    let ids: BTreeSet<&str> = records.iter().map(|it| it.origin.record.as_str()).collect();
    assert_eq!((records.len(), ids.len(), n_pages), (60, 60, 3));
    assert!(records.is_sorted_by_key(|it| std::cmp::Reverse(it.time.start)), "newest first");

    bench.simulator.empty_pages(2);
    let (records, n_pages) = bench.all(DataType::Sleep, what).await.unwrap();
    assert_eq!((records.len(), n_pages), (60, 5), "an empty page is not the end");
}

#[tokio::test]
async fn a_circle_of_page_tokens_is_an_error() {
    let bench = demo().await;
    for tokens in [["a", "a", "a"], ["a", "b", "a"]] {
        let body = |token: &str| FaultKind::Answer {
            status: 200,
            headers: Vec::new(),
            body: json!({"nextPageToken": token}).to_string(),
        };
        for token in tokens {
            bench.simulator.kit().plan(Fault::once("GET", "dataPoints", body(token)));
        }
        let err = bench.weights().await.unwrap_err();
        assert!(matches!(&err, ProviderError::Malformed { what } if what.contains("circle")), "{tokens:?}: {err:?}");
        bench.simulator.kit().clear_faults();
    }
    let what = What::Window(window("2026-05-03T00:00:00Z", "2026-05-04T00:00:00Z"));
    for cursor in ["", "{", r#"{"feed":7}"#, r#"{"feed":-1}"#] {
        let err = bench.page(DataType::Weight, what.clone(), Some(cursor.into())).await.unwrap_err();
        assert!(matches!(err, ProviderError::Malformed { .. }), "{cursor}");
    }
}

#[tokio::test]
async fn heart_rate_comes_in_whole_hours_whatever_window_is_asked_for() {
    let bench = demo().await;
    let whole = What::Window(window("2026-05-03T00:00:00Z", "2026-05-04T00:00:00Z"));
    let (day, n_pages) = bench.all(DataType::HeartRate, whole).await.unwrap();
    assert_eq!(n_pages, 12, "two hours a page");
    assert!(!day.is_empty());
    let run = What::Window(window("2026-05-03T06:20:00Z", "2026-05-03T06:40:00Z"));
    let (hour, _) = bench.all(DataType::HeartRate, run).await.unwrap();
    let same: Vec<&Record> = day.iter().filter(|it| it.origin.record == "heart_rate:2026-05-03T06:00:00Z").collect();
    assert_eq!(hour.iter().collect::<Vec<_>>(), same);
    bench.simulator.empty_pages(1);
    let run = What::Window(window("2026-05-03T06:20:00Z", "2026-05-03T06:40:00Z"));
    assert_eq!(bench.all(DataType::HeartRate, run).await.unwrap().0, hour);
}

#[tokio::test]
async fn two_wearers_of_one_walk_are_one_walk() {
    let bench = empty().await;
    let point = |platform: &str, count: &str| {
        json!({"dataSource": {"platform": platform}, "steps": {"count": count, "interval": {
            "startTime": "2026-05-03T06:00:00Z", "startUtcOffset": "0s", "endTime": "2026-05-03T07:00:00Z", "endUtcOffset": "0s"}}})
    };
    bench.simulator.add(USER, "steps", point("HEALTH_CONNECT", "1919"));
    bench.simulator.add(USER, "steps", point("FITBIT", "2506"));
    let what = What::Window(window("2026-05-03T00:00:00Z", "2026-05-04T00:00:00Z"));
    let (records, _) = bench.all(DataType::Steps, what).await.unwrap();
    assert_eq!(
        records.iter().map(|it| &it.body).collect::<Vec<_>>(),
        [&Body::Quantity(schemas::record::Quantity { value: 2506.0 })]
    );
}

#[tokio::test]
async fn daily_energy_is_summed_by_google_and_laid_on_the_persons_days() {
    let bench = empty().await;
    bench.simulator.set_clock(USER, "Europe/Berlin", 7_200);
    for day in 0..20_i64 {
        let start = at("2026-05-01T10:00:00Z").0 + day * 86_400_000;
        let interval = json!({
            "startTime": schemas::time::Instant(start).to_string(), "startUtcOffset": "7200s",
            "endTime": schemas::time::Instant(start + 3_600_000).to_string(), "endUtcOffset": "7200s",
        });
        bench.simulator.add(USER, "total-calories", json!({"totalCalories": {"interval": interval, "kcal": 2_000.5}}));
    }
    let what = What::Window(window("2026-05-01T00:00:00Z", "2026-05-21T00:00:00Z"));
    let (records, n_pages) = bench.all(DataType::TotalEnergy, what).await.unwrap();
    assert_eq!((records.len(), n_pages), (20, 2), "fourteen days a call");
    assert!(records.iter().all(|it| it.is_daily_total && it.time.end.0 - it.time.start.0 == 86_400_000));
    assert_eq!(records[0].time.start, at("2026-05-01T00:00:00+02:00"));
    assert_eq!(records[0].body, Body::Quantity(schemas::record::Quantity { value: 2_000.5 }));
}

#[tokio::test]
async fn every_type_of_the_profile_can_be_read() {
    let bench = demo().await;
    for it in &bench.provider.profile().types {
        let what = What::Window(window("2026-05-02T00:00:00Z", "2026-05-05T00:00:00Z"));
        let (records, _) =
            bench.all(it.data_type, what).await.unwrap_or_else(|err| panic!("{}: {err:?}", it.data_type));
        assert!(records.iter().all(|record| record.data_type == it.data_type));
        let empty = What::Window(window("2026-05-04T00:00:00Z", "2026-05-04T00:00:00Z"));
        assert!(bench.page(it.data_type, empty, None).await.is_ok(), "{}", it.data_type);
    }
    let what = What::Window(window("2026-05-02T00:00:00Z", "2026-05-05T00:00:00Z"));
    let err = bench.page(DataType::BloodGlucose, what, None).await.unwrap_err();
    assert!(matches!(err, ProviderError::Unsupported { .. }));
}

#[tokio::test]
async fn what_changes_behind_the_cursor_is_seen_when_the_window_is_read_again() {
    let bench = demo().await;
    let before = bench.weights().await.unwrap();
    assert_eq!(before.len(), 16, "one of each fixture and fourteen days");
    let late = json!({"name": "x/late-1", "weight": {"sampleTime": {"physicalTime": "2026-06-20T05:00:00Z", "utcOffset": "0s"}, "weightGrams": 70_000}});
    bench.simulator.add(USER, "weight", late);
    bench.simulator.edit(USER, "weight", "w-2026-06-25", &json!({"weightGrams": 71_234.0}));
    assert!(bench.simulator.delete(USER, "weight", "w-2026-06-26"));
    let after = bench.weights().await.unwrap();
    let get = |id: &str| after.iter().find(|it| it.origin.record == id).map(|it| &it.body);
    assert!(get("late-1").is_some());
    assert_eq!(get("w-2026-06-25"), Some(&Body::Quantity(schemas::record::Quantity { value: 71.234 })));
    assert_eq!(get("w-2026-06-26"), None);
    assert_eq!(after.len(), 16);
}

#[tokio::test]
async fn a_record_asked_for_by_name_that_is_gone_comes_back_as_a_tombstone() {
    let bench = demo().await;
    let ids: Vec<String> = ["w-2026-06-25", "w-gone", "w-2026-06-26", "../../profile"].map(Into::into).to_vec();
    let what = What::Named(ids[..3].to_vec());
    let (records, _) = bench.all(DataType::Weight, what).await.unwrap();
    let got: Vec<(&str, bool)> = records.iter().map(|it| (it.origin.record.as_str(), it.deleted)).collect();
    assert_eq!(got, [("w-2026-06-25", false), ("w-2026-06-26", false), ("w-gone", true)]);
    let (records, _) = bench.all(DataType::Weight, What::Named(ids[3..].to_vec())).await.unwrap();
    assert!(records[0].deleted, "an id cannot leave its collection");
    let many = What::Named((0..45).map(|it| format!("none-{it}")).collect());
    let (records, n_pages) = bench.all(DataType::Weight, many).await.unwrap();
    assert_eq!((records.len(), n_pages), (45, 3));
}

#[tokio::test]
async fn without_the_scope_of_the_settings_days_are_read_and_laid_on_utc() {
    let mut bench = demo().await;
    bench.simulator.set_clock(USER, "Europe/Berlin", 7_200);
    let what = What::Window(window("2026-05-02T12:00:00Z", "2026-05-03T12:00:00Z"));
    let (local, _) = bench.all(DataType::RestingHeartRate, what.clone()).await.unwrap();
    let scope = "https://www.googleapis.com/auth/googlehealth.health_metrics_and_measurements.readonly";
    bench.session.access_token = Some(bench.simulator.grant(USER, scope).access);
    let page = bench.page(DataType::RestingHeartRate, what, None).await.unwrap();
    let normal = bench.normal(DataType::RestingHeartRate, &page);
    assert_eq!(normal.issues.iter().map(|it| it.code).collect::<Vec<_>>(), ["no_time_zone"]);
    assert_eq!(normal.records[0].time.start, at("2026-05-03T00:00:00Z"));
    assert_eq!(local[0].time.start, at("2026-05-03T00:00:00+02:00"));
    assert_eq!((&local[0].origin, &local[0].body), (&normal.records[0].origin, &normal.records[0].body));
}
