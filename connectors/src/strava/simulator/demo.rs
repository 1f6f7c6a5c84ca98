//! A person's activities for demonstrations, made of real recordings.

use schemas::time::Instant;
use serde_json::{Value, json};
use std::time::Duration;

const RECORDED: &str = include_str!("../fixtures/activity.json");
const RIDE: &str = include_str!("../fixtures/dblock-ride.json");
const LISTED: &str = include_str!("../fixtures/demo_listing.json");
const GOLDEN: [(&str, &str); 2] = [
    (
        include_str!("../fixtures/golden/berlin_plain/activity.json"),
        include_str!("../fixtures/golden/berlin_plain/streams_key_by_type.json"),
    ),
    (
        include_str!("../fixtures/golden/newyork_plain/activity.json"),
        include_str!("../fixtures/golden/newyork_plain/streams_key_by_type.json"),
    ),
];

/// An activity for [`super::Simulator::seed_activity`].
#[derive(Clone, Debug, PartialEq)]
pub struct DemoActivity {
    /// Its detailed form.
    pub detail: Value,
    /// Its streams by type, where they are known in full.
    pub streams: Option<Value>,
}

/// Some fifty activities: two with complete streams, the others as Strava listed them. Each seed is another person:
/// the same activities under other ids, and by up to a year earlier.
#[must_use]
pub fn demo_activities(seed: u64) -> Vec<DemoActivity> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut all: Vec<DemoActivity> = GOLDEN
        .into_iter()
        .map(|(detail, streams)| DemoActivity { detail: parse(detail), streams: Some(parse(streams)) })
        .collect();
    all.extend([RECORDED, RIDE].into_iter().map(|it| DemoActivity { detail: parse(it), streams: None }));
    let listed = parse(LISTED).as_array().cloned().unwrap_or_default();
    all.extend(listed.into_iter().map(|detail| DemoActivity { detail, streams: None }));
    let earlier = Duration::from_secs(86_400 * (seed % 366));
    for (index, it) in all.iter_mut().enumerate() {
        // Not the recorded ids: two seeds in one simulator must not meet.
        it.detail["id"] = json!(17_000_000_000 + (seed % 1_000_000) * 10_000 + index as u64);
        shift(&mut it.detail, earlier);
    }
    all
}

/// Moves an activity and its laps back in time; streams count from the start and need no change.
fn shift(detail: &mut Value, earlier: Duration) {
    for field in ["start_date", "start_date_local"] {
        if let Some(at) = detail.get(field).and_then(Value::as_str).and_then(Instant::parse) {
            detail[field] = json!(at.minus(earlier).to_string());
        }
    }
    for lap in detail.get_mut("laps").and_then(Value::as_array_mut).into_iter().flatten() {
        shift(lap, earlier);
    }
}
