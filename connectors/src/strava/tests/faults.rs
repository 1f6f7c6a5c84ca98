//! What goes wrong, and what it is called.

use super::{Bench, always, at, foreign, json, measured};
use crate::{
    simulator::{Fault, FaultKind},
    strava::{Strava, simulator::Options},
};
use engine::provider::{Action, DataProvider, ProviderError, Usage, Verb, What, WriteOperation};
use schemas::id::{ItemId, OpId};
use serde_json::json as value;

fn answer(status: u16, body: &str) -> FaultKind {
    FaultKind::Answer { status, headers: vec![], body: body.into() }
}

async fn read(kind: FaultKind) -> ProviderError {
    let bench = Bench::new(Options::default()).await;
    bench.seed_golden();
    bench.simulator.kit.plan(Fault { times: 9, ..Fault::once("", "", kind) });
    bench.fetch(What::Window(always()), None).await.unwrap_err()
}

async fn write(kind: FaultKind) -> ProviderError {
    let bench = Bench::new(Options::default()).await;
    let record = bench.strava.project(&foreign(measured())).unwrap();
    bench.simulator.kit.plan(Fault { times: 9, ..Fault::once("", "", kind) });
    let id = "6f0c0c2e-0d5f-5b1e-9a53-0a1b2c3d4e5f".parse().unwrap();
    let operation =
        WriteOperation { op: OpId(id), item: ItemId(id), version: 1, action: Action::Create { record: &record } };
    bench.strava.write(&bench.session, &operation).await.unwrap_err()
}

#[tokio::test]
async fn a_read_that_failed_has_done_nothing() {
    let check = async |kind: FaultKind, expected: &str| assert_eq!(read(kind).await.to_string(), expected);
    check(answer(500, "{}"), "the provider is not available: status 500").await;
    check(answer(503, "<html>"), "the provider is not available: status 503").await;
    check(answer(403, "{}"), "not allowed: status 403").await;
    check(answer(404, ""), "the record is not there").await;
    check(answer(302, ""), "refused by the provider: status 302").await;
    check(FaultKind::HalfBody, "the provider is not available: the answer was cut off").await;
    check(FaultKind::Endless, "the provider's answer cannot be read: an answer of more than 4194304 bytes").await;
    let html = answer(200, "<html>Strava is down for maintenance</html>");
    check(html, "the provider's answer cannot be read: not the expected JSON at line 1 column 1").await;
    check(
        answer(200, "[{\"name\":\"no id\"}]"),
        "the provider's answer cannot be read: an entry of the listing has no id",
    )
    .await;
}

#[tokio::test]
async fn a_write_that_may_have_been_done_is_unknown() {
    for kind in [
        answer(500, "{}"),
        answer(502, "<html>"),
        answer(408, ""),
        answer(201, "<html>"),
        answer(201, "{}"),
        FaultKind::HalfBody,
        FaultKind::ReplyLost,
        FaultKind::Endless,
    ] {
        let (err, kind) = (write(kind.clone()).await, kind);
        assert!(matches!(err, ProviderError::Unknown { .. }), "{kind:?}: {err}");
    }
    let refused =
        value!({ "message": "Bad Request", "errors": [{ "resource": "Upload", "field": "data", "code": "empty" }] });
    let err = write(answer(400, &refused.to_string())).await;
    assert_eq!(err, ProviderError::Refused { reason: "status 400: Upload data empty".into() });
    let garbled = write(answer(201, "{\"id\":7,\"error\":\"secret.fit is malformed\",\"status\":\"\"}")).await;
    assert_eq!(garbled, ProviderError::Refused { reason: "strava could not make an activity of the file".into() });
}

#[tokio::test]
async fn an_error_repeats_codes_but_no_words() {
    let body = value!({ "errors": [{ "resource": "Activity", "field": "heart rate was 190", "code": "invalid" }] });
    let err = read(answer(400, &body.to_string())).await;
    assert_eq!(err, ProviderError::Refused { reason: "status 400: Activity invalid".into() });
}

#[tokio::test]
async fn unauthorized_says_whether_the_token_ended_or_a_scope_is_missing() {
    let recorded = json(include_str!("../fixtures/authorization_error.json"));
    assert_eq!(read(answer(401, &recorded["json"].to_string())).await, ProviderError::TokenExpired);
    assert_eq!(read(answer(401, "")).await, ProviderError::TokenExpired);
    let missing =
        value!({ "errors": [{ "resource": "AccessToken", "field": "activity:read_permission", "code": "missing" }] });
    let reason = "the scope activity:read was not granted; connect again and leave it ticked".to_owned();
    assert_eq!(read(answer(401, &missing.to_string())).await, ProviderError::Forbidden { reason });
}

#[tokio::test]
async fn throttled_lasts_to_the_end_of_the_window_that_is_used_up() {
    let recorded = json(include_str!("../fixtures/activity_with_ratelimit_exceeded.json"));
    let throttled = |pairs: [&str; 4], body: &serde_json::Value| FaultKind::Answer {
        status: 429,
        headers: vec![
            ("X-Ratelimit-Limit", pairs[0].into()),
            ("X-Ratelimit-Usage", pairs[1].into()),
            ("X-Readratelimit-Limit", pairs[2].into()),
            ("X-Readratelimit-Usage", pairs[3].into()),
        ],
        body: body.to_string(),
    };
    let as_text = &recorded["json"];
    let as_list = &value!({ "message": "Rate Limit Exceeded", "errors": [{ "resource": "Application", "field": "rate limit", "code": "exceeded" }] });
    let check = async |kind, until: &str| {
        assert_eq!(read(kind).await, ProviderError::Throttled { until: Some(at(until)) });
    };
    check(throttled(["200,2000", "150,800", "100,1000", "101,500"], as_text), "2026-05-04T10:15:00Z").await;
    check(throttled(["200,2000", "150,2001", "100,1000", "80,900"], as_list), "2026-05-05T00:00:00Z").await;
    check(throttled(["200,2000", "150,1800", "100,1000", "80,1000"], as_list), "2026-05-05T00:00:00Z").await;
    let retry = FaultKind::Answer { status: 429, headers: vec![("retry-after", "0".into())], body: String::new() };
    assert!(
        matches!(read(retry).await, ProviderError::Throttled { until: Some(it) } if it < at("2026-05-04T10:08:00Z"))
    );
}

#[test]
fn both_pairs_of_usage_headers_are_read_in_any_case_and_missing_numbers_left_out() {
    let usage = |pairs: &[(&'static str, &'static str)]| {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        Strava::default()
            .usage(&headers)
            .into_iter()
            .map(|Usage { name, used, limit }| (name, used, limit))
            .collect::<Vec<_>>()
    };
    let recorded = json(include_str!("../fixtures/deauthorize.json"));
    assert_eq!(recorded["headers"]["X-Readratelimit-Usage"], "78,221");
    let both = [
        ("X-Ratelimit-Limit", "200,2000"),
        ("X-RATELIMIT-USAGE", "79,222"),
        ("x-readratelimit-limit", "100,1000"),
        ("X-ReadRateLimit-Usage", "78, 221"),
    ];
    let expected = [("quarter", 79, 200), ("day", 222, 2_000), ("reads_quarter", 78, 100), ("reads_day", 221, 1_000)];
    assert_eq!(usage(&both), expected);
    let of_a_write = [both[0], both[1], both[2], ("X-ReadRateLimit-Usage", ",")];
    assert_eq!(usage(&of_a_write), expected[..2]);
    assert_eq!(usage(&[("x-ratelimit-usage", "many"), ("x-ratelimit-limit", "200")]), []);
    assert_eq!(usage(&[]), []);
    let profile = Strava::default().profile().clone();
    for (name, _, limit) in expected {
        assert_eq!(profile.limits.iter().find(|it| it.name == name).unwrap().calls_max, limit);
    }
}

#[tokio::test]
async fn refused_calls_count_and_the_next_quarter_hour_begins_at_nothing() {
    for errors_as_text in [false, true] {
        let options = Options { calls_max: [200, 2_000], reads_max: [3, 1_000], errors_as_text, ..Options::default() };
        let bench = Bench::new(options).await;
        let ask = async || {
            let request = bench.session.api(reqwest::Method::GET, "/athlete");
            let reply = bench.session.send(Verb::Read, request).await.unwrap();
            let usage = bench.strava.usage(&reply.headers);
            (reply.status.as_u16(), usage.iter().find(|it| it.name == "reads_quarter").unwrap().used)
        };
        for used in 1..=3 {
            assert_eq!(ask().await, (200, used));
        }
        assert_eq!(ask().await, (429, 4));
        assert_eq!(ask().await, (429, 5));
        let err = bench.fetch(What::Window(always()), None).await.unwrap_err();
        assert_eq!(err, ProviderError::Throttled { until: Some(at("2026-05-04T10:15:00Z")) });
        bench.simulator.kit.set_now(at("2026-05-04T10:15:00Z"));
        assert_eq!(ask().await, (200, 1));
    }
}
