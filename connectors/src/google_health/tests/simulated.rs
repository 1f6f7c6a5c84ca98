//! The simulator is as strict as Google where the connector never goes, so that nothing else can either.

use super::setup::{Bench, USER, demo, empty};
use crate::google_health::{
    GoogleHealth,
    simulator::{Simulator, demo_points},
};
use engine::provider::{DataProvider, RawPage};
use reqwest::Method;
use schemas::{data_type::DataType, record::Body};
use serde_json::{Value, json};

impl Bench {
    async fn raw(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("/v4/users/me/dataTypes/{path}");
        let reply = self.session.api(method, &path).json(body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }
}

fn interval(start: &str, end: &str) -> Value {
    json!({"startTime": start, "startUtcOffset": "0s", "endTime": end, "endUtcOffset": "0s"})
}

#[tokio::test]
async fn what_google_does_not_create_is_refused() {
    let bench = empty().await;
    let hour = interval("2026-06-01T05:00:00Z", "2026-06-01T06:00:00Z");
    let empty = interval("2026-06-01T05:00:00Z", "2026-06-01T05:00:00Z");
    let sample = json!({"physicalTime": "2026-06-01T05:00:00Z", "utcOffset": "0s"});
    let cases = [
        ("steps", json!({"steps": {"interval": hour, "count": "5"}})),
        ("heart-rate", json!({"heartRate": {"sampleTime": sample, "beatsPerMinute": "60"}})),
        ("sleep", json!({"sleep": {"interval": empty}})),
        ("weight", json!({"weight": {"sampleTime": sample}})),
        ("weight", json!({"weight": {"sampleTime": {"physicalTime": "2026-06-01T05:00:00Z"}, "weightGrams": 75_000}})),
        ("weight", json!({"height": {"sampleTime": sample, "heightMillimeters": "1800"}})),
        (
            "weight",
            json!({"name": "users/me/dataTypes/weight/dataPoints/A_B", "weight": {"sampleTime": sample, "weightGrams": 1}}),
        ),
        ("weight", Value::Null),
    ];
    for (data_type, body) in cases {
        let (status, answer) = bench.raw(Method::POST, &format!("{data_type}/dataPoints"), &body).await;
        assert_eq!((status, &answer["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{data_type} {body}");
        assert_eq!(bench.simulator.points(USER, data_type), Vec::<Value>::new());
    }
    let body = json!({"weight": {"sampleTime": sample, "weightGrams": 75_000}});
    let (status, answer) = bench.raw(Method::POST, "weight/dataPoints", &body).await;
    assert_eq!(
        (status, &answer["done"], &answer["response"]["dataSource"]["platform"]),
        (200, &json!(true), &json!("GOOGLE_WEB_API"))
    );
}

#[tokio::test]
async fn filters_that_google_does_not_know_are_refused() {
    let bench = demo().await;
    let cases = [
        ("steps", "steps.interval.end_time >= \"2026-05-03T00:00:00Z\""),
        ("steps", "weight.interval.start_time >= \"2026-05-03T00:00:00Z\""),
        ("steps", "steps.interval.start_time <= \"2026-05-03T00:00:00Z\""),
        ("steps", "steps.interval.start_time >= 2026-05-03"),
        ("exercise", "exercise.interval.start_time >= \"2026-05-03T00:00:00Z\""),
        ("sleep", "sleep.interval.civil_start_time >= \"2026-05-03\""),
        ("daily-resting-heart-rate", "daily_resting_heart_rate.date >= \"2026-05-03T00:00:00Z\""),
    ];
    for (data_type, filter) in cases {
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let (status, _) = bench.raw(Method::GET, &format!("{data_type}/dataPoints?filter={query}"), &Value::Null).await;
        assert_eq!(status, 400, "{filter}");
    }
    for data_type in ["floors", "total-calories"] {
        let (status, _) = bench.raw(Method::GET, &format!("{data_type}/dataPoints"), &Value::Null).await;
        assert_eq!(status, 400, "{data_type} is not listed");
    }
}

#[tokio::test]
async fn sums_by_hour_and_by_day_are_those_of_the_points() {
    let bench = demo().await;
    let body = json!({"range": {"startTime": "2026-05-02T22:00:00Z", "endTime": "2026-05-03T22:00:00Z"}, "windowSize": "7200s"});
    let (status, hours) = bench.raw(Method::POST, "steps/dataPoints:rollUp", &body).await;
    assert_eq!(status, 200);
    let date = |day: u8| json!({"date": {"year": 2026, "month": 5, "day": day}});
    let body = json!({"range": {"start": date(3), "end": date(4)}, "windowSizeDays": 1});
    let (status, day) = bench.raw(Method::POST, "steps/dataPoints:dailyRollUp", &body).await;
    assert_eq!(status, 200);
    let recorded = include_str!("../fixtures/berlin/steps.dailyRollUp.response.json");
    assert_eq!(day, serde_json::from_str::<Value>(recorded).unwrap());

    let body = hours.to_string();
    let page =
        RawPage { data_type: Some(DataType::Steps), content_type: "application/json", body: body.as_bytes(), name: "" };
    let normal = GoogleHealth::default().normalize(&page).unwrap();
    assert!(normal.records.iter().all(|it| !it.is_daily_total && it.time.end.0 - it.time.start.0 == 7_200_000));
    let sum: f64 = normal.records.iter().map(|it| if let Body::Quantity(it) = &it.body { it.value } else { 0.0 }).sum();
    assert_eq!(sum, 11_234.0, "the day's steps in the ground truth");
    let body = json!({"range": {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-05-03T22:00:00Z"}, "windowSize": "7200s"});
    assert_eq!(bench.raw(Method::POST, "steps/dataPoints:rollUp", &body).await.0, 400, "more than ninety days");
}

#[test]
fn a_demo_person_is_the_same_one_every_time_and_all_of_theirs_can_be_mapped() {
    assert_eq!(demo_points(7), demo_points(7));
    assert_ne!(demo_points(7), demo_points(8));
    let simulator = Simulator::new(crate::simulator::Kit::default());
    simulator.seed_demo(USER, 7);
    for (data_type, expected) in [("weight", 16), ("sleep", 16), ("exercise", 7), ("steps", 24 + 24 + 14 * 15)] {
        let points = simulator.points(USER, data_type);
        assert!(points.len() + 3 >= expected && points.len() <= expected, "{data_type}: {}", points.len());
        let body = json!({"dataPoints": points}).to_string();
        let page = RawPage { data_type: None, content_type: "application/json", body: body.as_bytes(), name: "" };
        let normal = GoogleHealth::default().normalize(&page).unwrap();
        assert_eq!((normal.records.len(), normal.issues), (points.len(), Vec::new()), "{data_type}");
    }
}
