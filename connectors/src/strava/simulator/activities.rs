//! Activities: listed, read, made by hand, changed.

use super::{Simulator, answer, render, state::Held};
use crate::strava::sport;
use axum::{
    body::Body,
    extract::{Form, Path, Query, State},
    http::{HeaderMap, Response},
};
use schemas::time::Instant;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

type Fields = HashMap<String, String>;

/// The most activities in one page of a listing.
const PER_PAGE_MAX: usize = 200;

/// Fields that only the detailed form has.
const DETAILED: [&str; 14] = [
    "description",
    "calories",
    "laps",
    "device_name",
    "embed_token",
    "segment_efforts",
    "splits_metric",
    "splits_standard",
    "best_efforts",
    "photos",
    "gear",
    "perceived_exertion",
    "similar_activities",
    "available_zones",
];

pub(super) async fn athlete(State(simulator): State<Simulator>, headers: HeaderMap) -> Response<Body> {
    match answer::caller(&simulator, &headers, "") {
        Ok(caller) => answer::json(200, &json!({ "id": caller.athlete, "resource_state": 2 })),
        Err(response) => *response,
    }
}

fn is_private(held: &Held) -> bool {
    held.detail["private"] == true || held.detail["visibility"] == "only_me"
}

fn start(detail: &Value) -> i64 {
    detail["start_date"].as_str().and_then(Instant::parse).unwrap_or_default().seconds()
}

/// Oldest first where `after` is given, else newest first; both bounds are excluded.
pub(super) async fn list(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response<Body> {
    let caller = match answer::caller(&simulator, &headers, "activity:read") {
        Ok(it) => it,
        Err(response) => return *response,
    };
    let number = |name: &str| query.get(name).and_then(|it| it.parse::<i64>().ok());
    let (after, before) = (number("after"), number("before"));
    let page = number("page").and_then(|it| usize::try_from(it).ok()).unwrap_or(1).max(1);
    let per_page = number("per_page").and_then(|it| usize::try_from(it).ok()).unwrap_or(30).clamp(1, PER_PAGE_MAX);
    let state = simulator.state();
    let mut listed: Vec<&Held> = state
        .activities
        .values()
        .filter(|it| it.athlete == caller.athlete && (caller.may("activity:read_all") || !is_private(it)))
        .filter(|it| after.is_none_or(|after| start(&it.detail) > after))
        .filter(|it| before.is_none_or(|before| start(&it.detail) < before))
        .collect();
    listed.sort_by_key(|it| start(&it.detail));
    if after.is_none() {
        listed.reverse();
    }
    let summaries = listed.into_iter().skip((page - 1).saturating_mul(per_page)).take(per_page).map(summary);
    answer::json(200, &Value::Array(summaries.collect()))
}

fn summary(held: &Held) -> Value {
    let mut summary: Map<String, Value> = held.detail.as_object().cloned().unwrap_or_default();
    summary.retain(|name, _| !DETAILED.contains(&name.as_str()));
    summary.insert("resource_state".into(), json!(2));
    Value::Object(summary)
}

/// An activity that the caller may see.
fn visible(simulator: &Simulator, headers: &HeaderMap, id: u64) -> Result<Held, Box<Response<Body>>> {
    let caller = answer::caller(simulator, headers, "activity:read")?;
    let held = simulator.state().activities.get(&id).cloned();
    held.filter(|it| it.athlete == caller.athlete && (caller.may("activity:read_all") || !is_private(it)))
        .ok_or_else(|| Box::new(answer::missing("Activity")))
}

pub(super) async fn detail(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> Response<Body> {
    match visible(&simulator, &headers, id) {
        Ok(held) => answer::json(200, &held.detail),
        Err(response) => *response,
    }
}

pub(super) async fn laps(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> Response<Body> {
    match visible(&simulator, &headers, id) {
        Ok(held) => answer::json(200, held.detail.get("laps").unwrap_or(&json!([]))),
        Err(response) => *response,
    }
}

/// Only `key_by_type=true`; streams that are not asked for by `keys` are left out.
pub(super) async fn streams(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Query(query): Query<Fields>,
) -> Response<Body> {
    let held = match visible(&simulator, &headers, id) {
        Ok(held) => held,
        Err(response) => return *response,
    };
    let keys: Vec<&str> = query.get("keys").map_or("", String::as_str).split(',').collect();
    match held.streams {
        Some(Value::Object(mut streams)) => {
            streams.retain(|key, _| keys.contains(&key.as_str()));
            answer::json(200, &Value::Object(streams))
        }
        _ => answer::missing("Stream"),
    }
}

/// `POST /activities`: detects no duplicate, whatever is sent.
pub(super) async fn create(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Response<Body> {
    let caller = match answer::caller(&simulator, &headers, "activity:write") {
        Ok(it) => it,
        Err(response) => return *response,
    };
    for field in ["name", "sport_type", "start_date_local", "elapsed_time"] {
        if form.get(field).is_none_or(String::is_empty) {
            return answer::fault(400, "Bad Request", ("Activity", field, "missing"));
        }
    }
    let mut state = simulator.state();
    let Some(athlete) = state.athletes.get(&caller.athlete).cloned() else {
        return answer::missing("Athlete");
    };
    match render::by_hand(&form, &athlete) {
        Ok(detail) => {
            let id = state.add(caller.athlete, detail, None);
            let detail = state.activities.get(&id).map(|it| it.detail.clone()).unwrap_or_default();
            answer::changed(201, &detail, format!("create {id}"))
        }
        Err(field) => answer::fault(400, "Bad Request", ("Activity", field, "invalid")),
    }
}

/// `PUT /activities/{id}`: name, description, sport and flags.
pub(super) async fn update(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Form(form): Form<Fields>,
) -> Response<Body> {
    let caller = match answer::caller(&simulator, &headers, "activity:write") {
        Ok(it) => it,
        Err(response) => return *response,
    };
    if form.get("sport_type").is_some_and(|it| !sport::is_known(it)) {
        return answer::fault(400, "Bad Request", ("Activity", "sport_type", "invalid"));
    }
    let mut state = simulator.state();
    let Some(held) = state.activities.get_mut(&id).filter(|it| it.athlete == caller.athlete) else {
        return answer::missing("Activity");
    };
    for field in ["name", "description"] {
        if let Some(value) = form.get(field) {
            held.detail[field] = json!(value);
        }
    }
    if let Some(sport) = form.get("sport_type") {
        held.detail["sport_type"] = json!(sport);
        held.detail["type"] = json!(sport);
    }
    for field in ["trainer", "commute"] {
        if let Some(value) = form.get(field) {
            held.detail[field] = json!(value == "1" || value == "true");
        }
    }
    answer::changed(200, &held.detail.clone(), format!("update {id}"))
}
