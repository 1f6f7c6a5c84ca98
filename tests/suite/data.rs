//! Records of the persons in the scenarios, as their providers keep them.

use schemas::time::Instant;
use serde_json::{Value, json};
use std::time::Duration;
use tests::at;

/// A run at Strava without streams, half an hour long.
pub(crate) fn run(start: &str, name: &str) -> Value {
    let local = at(start).plus(Duration::from_secs(7_200)).to_string();
    json!({
        "resource_state": 3, "name": name, "distance": 5_200.0, "moving_time": 1_800, "elapsed_time": 1_800,
        "type": "Run", "sport_type": "Run", "start_date": start, "start_date_local": local,
        "timezone": "(GMT+02:00) Europe/Berlin", "utc_offset": 7_200.0, "start_latlng": [], "manual": false,
        "trainer": false, "commute": false, "private": false, "visibility": "everyone", "external_id": "watch-1.fit",
    })
}

/// A run at Strava with streams, as it was recorded.
pub(crate) fn recorded_run() -> (Value, Option<Value>) {
    let mut all = connectors::strava::simulator::demo_activities(0);
    let first = all.swap_remove(0);
    (first.detail, first.streams)
}

fn interval(start: Instant, end: Instant, offset_seconds: Option<i32>) -> Value {
    let mut interval = json!({"startTime": start.to_string(), "endTime": end.to_string()});
    if let Some(offset) = offset_seconds {
        interval["startUtcOffset"] = json!(format!("{offset}s"));
        interval["endUtcOffset"] = json!(format!("{offset}s"));
    }
    interval
}

fn named(data_type: &str, id: &str) -> String {
    format!("users/me/dataTypes/{data_type}/dataPoints/{id}")
}

/// An exercise at Google Health, half an hour long.
pub(crate) fn exercise(id: &str, start: &str, offset_seconds: Option<i32>) -> Value {
    let start = at(start);
    json!({
        "name": named("exercise", id),
        "dataSource": {"recordingMethod": "ACTIVELY_MEASURED", "platform": "FITBIT"},
        "exercise": {
            "interval": interval(start, start.plus(Duration::from_secs(1_800)), offset_seconds),
            "exerciseType": "RUNNING", "displayName": "Run", "activeDuration": "1800s",
            "metricsSummary": {"caloriesKcal": 305.0, "distanceMillimeters": 5_200_000.0},
        },
    })
}

/// A weighing at Google Health.
pub(crate) fn weight(id: &str, time: &str, grams: i64) -> Value {
    json!({
        "name": named("weight", id),
        "dataSource": {"recordingMethod": "MANUAL", "platform": "FITBIT"},
        "weight": {"sampleTime": {"physicalTime": time, "utcOffset": "7200s"}, "weightGrams": grams},
    })
}
