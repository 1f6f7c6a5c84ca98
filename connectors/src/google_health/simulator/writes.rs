//! Creating, changing and deleting data points.

use super::{
    api::{Call, civil, error, invalid, json_answer, not_found},
    filter::{Times, times},
    state::camel,
};
use crate::simulator::Effect;
use axum::{body::Body, http::Response};
use serde_json::{Value, json};

/// The seven types that others may create.
const WRITABLE: [&str; 7] = ["weight", "body-fat", "height", "sleep", "exercise", "nutrition-log", "hydration-log"];

fn operation(effect: &str, name: &str, point: Option<&Value>, number: u64) -> Response<Body> {
    let response = point.cloned().unwrap_or_else(|| json!({}));
    let mut answer =
        json_answer(200, &json!({"name": format!("operations/{number}"), "done": true, "response": response}));
    answer.extensions_mut().insert(Effect(format!("{effect} {name}")));
    answer
}

fn is_id(id: &str) -> bool {
    (4..=63).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
}

/// The point as Google keeps it: platform and civil times are its own.
fn kept(call: &Call<'_>, data_type: &str, id: &str, times: &Times) -> Value {
    let now = call.simulator.kit.now().to_string();
    let mut point = call.body.clone();
    point["name"] = json!(format!("users/{}/dataTypes/{data_type}/dataPoints/{id}", call.user));
    if !point["dataSource"].is_object() {
        point["dataSource"] = json!({});
    }
    point["dataSource"]["platform"] = json!("GOOGLE_WEB_API");
    let value = &mut point[camel(data_type)];
    let (start, end) = (civil(times.start + times.offset_ms), civil(times.end + times.offset_ms));
    if value.get("interval").is_some() {
        value["interval"]["civilStartTime"] = start;
        value["interval"]["civilEndTime"] = end;
    } else {
        value["sampleTime"]["civilTime"] = start;
    }
    if matches!(data_type, "sleep" | "exercise") {
        value["createTime"] = json!(now);
        value["updateTime"] = json!(now);
    }
    if data_type == "sleep" {
        let is_staged = value["stages"].as_array().is_some_and(|it| !it.is_empty());
        let is_nap = !is_staged && times.end - times.start < 3 * 3_600_000;
        value["metadata"] = json!({"processed": true, "nap": is_nap});
    }
    point
}

/// What is wrong with a point that is to be written.
fn fault(data_type: &str, point: &Value) -> Option<&'static str> {
    let Some(value) = point.get(camel(data_type)) else {
        return Some("The value of the data type is missing.");
    };
    let Some(times) = times(data_type, point) else {
        return Some("Time or UTC offset is missing or invalid.");
    };
    let is_session = value.get("interval").is_some();
    if is_session && times.end <= times.start {
        return Some("The interval must not be empty.");
    }
    let has = |pointer: &str| value.pointer(pointer).is_some_and(|it| !it.is_null());
    let is_whole = match data_type {
        "weight" => value["weightGrams"].is_number(),
        "body-fat" => value["percentage"].is_number(),
        "height" => value["heightMillimeters"].as_str().is_some_and(|it| it.parse::<i64>().is_ok()),
        "exercise" => has("/exerciseType") && has("/displayName") && has("/metricsSummary"),
        "hydration-log" => value.pointer("/amountConsumed/milliliters").is_some_and(Value::is_number),
        _ => true,
    };
    (!is_whole).then_some("A required field is missing.")
}

/// `dataPoints.create`: with our id or Google's own.
pub(super) fn create(call: &Call<'_>, data_type: &str) -> Response<Body> {
    if !WRITABLE.contains(&data_type) {
        return invalid("The data type does not support this method.");
    }
    if let Some(refusal) = call.refusal(data_type, "writeonly") {
        return refusal;
    }
    if let Some(message) = fault(data_type, &call.body) {
        return invalid(message);
    }
    let Some(times) = times(data_type, &call.body) else { return invalid("Time is missing.") };
    let number = call.simulator.state().number();
    let id = match call.body.get("name").and_then(Value::as_str) {
        None => format!("{}", 5_000_000_000_000_000_000_u64 + number),
        Some(name) => match name.strip_prefix(&format!("users/me/dataTypes/{data_type}/dataPoints/")) {
            Some(id) if is_id(id) => id.to_owned(),
            _ => return invalid("Invalid data point name."),
        },
    };
    let point = kept(call, data_type, &id, &times);
    let mut state = call.simulator.state();
    if state.find(&call.user, data_type, &id).is_some() {
        return error(409, "ALREADY_EXISTS", "", "Requested entity already exists");
    }
    state.add(&call.user, data_type, point.clone());
    let name = point["name"].as_str().unwrap_or_default().to_owned();
    operation("create", &name, Some(&point), number)
}

/// `dataPoints.patch`: the whole point is replaced.
pub(super) fn patch(call: &Call<'_>, data_type: &str, id: &str) -> Response<Body> {
    if !WRITABLE.contains(&data_type) {
        return invalid("The data type does not support this method.");
    }
    if let Some(refusal) = call.refusal(data_type, "writeonly") {
        return refusal;
    }
    if data_type == "nutrition-log" {
        return error(500, "INTERNAL", "", "Internal error encountered.");
    }
    if let Some(message) = fault(data_type, &call.body) {
        return invalid(message);
    }
    let Some(times) = times(data_type, &call.body) else { return invalid("Time is missing.") };
    let point = kept(call, data_type, id, &times);
    let mut state = call.simulator.state();
    let number = state.number();
    let Some(stored) = state.find(&call.user, data_type, id) else { return not_found() };
    stored.value = point.clone();
    let name = point["name"].as_str().unwrap_or_default().to_owned();
    operation("update", &name, Some(&point), number)
}

/// `dataPoints.batchDelete`: all of the names or none.
pub(super) fn batch_delete(call: &Call<'_>, parent: &str) -> Response<Body> {
    let names: Vec<&str> =
        call.body.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return invalid("The names are missing.");
    }
    let mut wanted = Vec::new();
    for name in &names {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["users", user, "dataTypes", data_type, "dataPoints", id]
                if (*user == "me" || *user == call.user) && (parent == "-" || parent == *data_type) =>
            {
                wanted.push((*data_type, *id));
            }
            _ => return invalid("Invalid data point name."),
        }
    }
    if let Some(refusal) = wanted.iter().find_map(|(data_type, _)| call.refusal(data_type, "writeonly")) {
        return refusal;
    }
    let mut state = call.simulator.state();
    if wanted.iter().any(|(data_type, id)| state.find(&call.user, data_type, id).is_none()) {
        return not_found();
    }
    for (data_type, id) in &wanted {
        state.delete(&call.user, data_type, id);
    }
    let number = state.number();
    operation("delete", &names.join(","), None, number)
}
