//! The health host: who may call, what is read.

use super::{
    Simulator,
    filter::{Filter, Times, times},
    recorded,
    state::{Access, Stored, camel},
    writes,
};
use crate::simulator::bearer;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded;

pub(super) fn json_answer(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert("content-type", axum::http::HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}

/// An error as Google writes it (AIP-193).
pub(super) fn error(code: u16, status: &str, reason: &str, message: &str) -> Response<Body> {
    let mut error = json!({"code": code, "message": message, "status": status});
    if !reason.is_empty() {
        error["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
        }]);
    }
    json_answer(code, &json!({"error": error}))
}

pub(super) fn invalid(message: &str) -> Response<Body> {
    error(400, "INVALID_ARGUMENT", "", message)
}

pub(super) fn not_found() -> Response<Body> {
    error(404, "NOT_FOUND", "", "Requested entity was not found.")
}

const SCOPE: &str = "https://www.googleapis.com/auth/googlehealth.";

/// The scope that a type's data are under.
fn scope(data_type: &str, verb: &str) -> String {
    let group = match data_type {
        "sleep" => "sleep",
        "nutrition-log" | "hydration-log" => "nutrition",
        "steps"
        | "distance"
        | "floors"
        | "altitude"
        | "total-calories"
        | "exercise"
        | "vo2-max"
        | "run-vo2-max"
        | "daily-vo2-max"
        | "active-minutes"
        | "sedentary-period"
        | "active-zone-minutes" => "activity_and_fitness",
        "settings" => "settings",
        "location" => "location",
        _ => "health_metrics_and_measurements",
    };
    format!("{SCOPE}{group}.{verb}")
}

/// A call that was let in.
pub(super) struct Call<'a> {
    pub(super) simulator: &'a Simulator,
    pub(super) user: String,
    pub(super) access: Access,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Value,
}

/// Every call to the health host.
pub(super) async fn handle(
    State(simulator): State<Simulator>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let access = match admit(&simulator, &headers) {
        Ok(access) => access,
        Err(response) => return *response,
    };
    let Some(path) = uri.path().strip_prefix("/v4/") else { return not_found() };
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let query = form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    let call = Call { simulator: &simulator, user: access.user.clone(), access, query, body };
    let parts: Vec<&str> = path.split('/').collect();
    if parts.first() != Some(&"users") || !parts.get(1).is_some_and(|it| *it == "me" || *it == call.user) {
        return error(403, "PERMISSION_DENIED", "", "The caller does not have permission");
    }
    match (method.as_str(), parts.get(2..).unwrap_or_default()) {
        ("GET", ["identity"]) => identity(&call),
        ("GET", ["profile"]) => json_answer(200, &json!({"name": format!("users/{}/profile", call.user)})),
        ("GET", ["settings"]) => settings(&call),
        (verb, ["dataTypes", data_type, "dataPoints"]) => match verb {
            "GET" => list(&call, data_type, false),
            "POST" => writes::create(&call, data_type),
            _ => not_found(),
        },
        ("GET", ["dataTypes", data_type, "dataPoints:reconcile"]) => list(&call, data_type, true),
        ("POST", ["dataTypes", data_type, "dataPoints:dailyRollUp"]) => roll_up(&call, data_type, true),
        ("POST", ["dataTypes", data_type, "dataPoints:rollUp"]) => roll_up(&call, data_type, false),
        ("POST", ["dataTypes", data_type, "dataPoints:batchDelete"]) => writes::batch_delete(&call, data_type),
        ("GET", ["dataTypes", data_type, "dataPoints", id]) => match id.split_once(':') {
            None => get(&call, data_type, id),
            Some((id, "exportExerciseTcx")) if *data_type == "exercise" => recorded::export(&call, id),
            Some(_) => not_found(),
        },
        ("PATCH", ["dataTypes", data_type, "dataPoints", id]) => writes::patch(&call, data_type, id),
        _ => not_found(),
    }
}

/// Token, account, rate: in the order in which Google looks.
fn admit(simulator: &Simulator, headers: &HeaderMap) -> Result<Access, Box<Response<Body>>> {
    let now = simulator.kit.now();
    let calls_max = simulator.state().calls_max;
    let mut state = simulator.state();
    let access = state.access.get(bearer(headers)).filter(|it| it.ends_at > now).cloned().ok_or_else(|| {
        let message = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.";
        Box::new(error(401, "UNAUTHENTICATED", "CREDENTIALS_MISSING", message))
    })?;
    let user = state.user(&access.user);
    if !user.is_linked {
        let message = "The account is not linked to Google Health.";
        return Err(Box::new(error(400, "FAILED_PRECONDITION", "ACCOUNT_NOT_LINKED", message)));
    }
    let minute = now.0.div_euclid(60_000);
    if user.calls.0 != minute {
        user.calls = (minute, 0);
    }
    user.calls.1 += 1;
    if user.calls.1 > calls_max {
        return Err(Box::new(error(
            429,
            "RESOURCE_EXHAUSTED",
            "RATE_LIMIT_EXCEEDED",
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'.",
        )));
    }
    Ok(access)
}

impl Call<'_> {
    /// The refusal of a call that the token's scopes do not allow.
    pub(super) fn refusal(&self, data_type: &str, verb: &str) -> Option<Response<Body>> {
        let is_allowed = self.access.allows(&scope(data_type, verb));
        (!is_allowed).then(|| {
            error(
                403,
                "PERMISSION_DENIED",
                "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                "Request had insufficient authentication scopes.",
            )
        })
    }

    fn stored(&self, data_type: &str) -> Vec<Stored> {
        self.simulator.state().user(&self.user).points.get(data_type).cloned().unwrap_or_default()
    }
}

fn identity(call: &Call<'_>) -> Response<Body> {
    json_answer(200, &json!({"name": "users/me/identity", "healthUserId": call.user, "legacyUserId": "ABC123"}))
}

fn settings(call: &Call<'_>) -> Response<Body> {
    if let Some(refusal) = call.refusal("settings", "readonly") {
        return refusal;
    }
    let mut state = call.simulator.state();
    let user = state.user(&call.user);
    let name = format!("users/{}/settings", call.user);
    json_answer(200, &json!({"name": name, "timeZone": user.zone, "utcOffset": format!("{}s", user.offset_seconds)}))
}

fn get(call: &Call<'_>, data_type: &str, id: &str) -> Response<Body> {
    if let Some(refusal) = call.refusal(data_type, "readonly") {
        return refusal;
    }
    match call.simulator.state().find(&call.user, data_type, id) {
        Some(stored) => json_answer(200, &stored.value),
        None => not_found(),
    }
}

/// Which types are listed and which only rolled up (Google's table of data types).
fn is_listed(data_type: &str, is_reconciled: bool) -> bool {
    !matches!((data_type, is_reconciled), ("floors", false) | ("total-calories" | "calories-in-heart-rate-zone", _))
}

/// A page of data points, newest first.
fn list(call: &Call<'_>, data_type: &str, is_reconciled: bool) -> Response<Body> {
    if let Some(refusal) = call.refusal(data_type, "readonly") {
        return refusal;
    }
    let get = |key: &str| call.query.get(key).map_or("", String::as_str);
    if !is_listed(data_type, is_reconciled) {
        return invalid("The data type does not support this method.");
    }
    let Some(filter) = Filter::parse(data_type, get("filter")) else {
        return invalid("Invalid filter expression.");
    };
    let Some(before) = token_in(get("pageToken")) else { return invalid("Invalid page token.") };
    let (default, most) = if matches!(data_type, "sleep" | "exercise") { (25, 25) } else { (1_440, 10_000) };
    let size = match get("pageSize") {
        "" | "0" => default,
        text => text.parse::<usize>().map_or(default, |it| it.min(most)),
    };
    let mut points: Vec<(Times, Stored)> = call
        .stored(data_type)
        .into_iter()
        .filter_map(|it| Some((times(data_type, &it.value)?, it)))
        .filter(|(times, _)| filter.takes(times))
        .collect();
    if is_reconciled {
        points = reconcile(points);
    }
    points.sort_by_key(|(times, stored)| std::cmp::Reverse((times.start, stored.number)));
    points.retain(|(times, stored)| (times.start, stored.number) < before);
    let mut state = call.simulator.state();
    if state.n_empty_pages > 0 {
        state.n_empty_pages -= 1;
        let nonce = state.number();
        return json_answer(200, &json!({"nextPageToken": token_out(before, nonce)}));
    }
    let rest = points.split_off(points.len().min(size));
    let mut answer = json!({});
    if let (false, Some((times, stored))) = (rest.is_empty(), points.last()) {
        answer["nextPageToken"] = json!(token_out((times.start, stored.number), 0));
    }
    if !points.is_empty() {
        answer["dataPoints"] = points.into_iter().map(|(_, it)| written(data_type, it, is_reconciled)).collect();
    }
    json_answer(200, &answer)
}

fn written(data_type: &str, stored: Stored, is_reconciled: bool) -> Value {
    if !is_reconciled {
        return stored.value;
    }
    let field = camel(data_type);
    let mut point = json!({});
    if let Some(name) = stored.value.get("name") {
        point["dataPointName"] = name.clone();
    }
    point[&field] = stored.value.get(&field).cloned().unwrap_or_default();
    point
}

fn token_out(before: (i64, u64), nonce: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}:{nonce}", before.0, before.1))
}

fn token_in(token: &str) -> Option<(i64, u64)> {
    if token.is_empty() {
        return Some((i64::MAX, u64::MAX));
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// One stream of all sources: where two overlap, a wearable's point stands, else the one that came first.
fn reconcile(points: Vec<(Times, Stored)>) -> Vec<(Times, Stored)> {
    let source = |it: &Stored| it.value.get("dataSource").cloned().unwrap_or_default();
    let sources: BTreeSet<String> = points.iter().map(|it| source(&it.1).to_string()).collect();
    if sources.len() < 2 {
        return points;
    }
    let mut ranked = points;
    ranked.sort_by_key(|(_, it)| (source(it)["platform"] != "FITBIT", it.number));
    let mut kept: Vec<(Times, Stored)> = Vec::new();
    for (times, stored) in ranked {
        let clash = kept.iter().any(|(other, it)| {
            let overlaps = times.start < other.end.max(other.start + 1) && other.start < times.end.max(times.start + 1);
            overlaps && source(it) != source(&stored)
        });
        if !clash {
            kept.push((times, stored));
        }
    }
    kept
}

/// The key of a value in a point, the key of its sum, and whether sums are int64 (as text).
fn summed(data_type: &str) -> Option<(&'static str, &'static str, bool)> {
    match data_type {
        "steps" | "floors" => Some(("count", "countSum", true)),
        "distance" => Some(("millimeters", "millimetersSum", true)),
        "total-calories" => Some(("kcal", "kcalSum", false)),
        _ => None,
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0.0)
}

fn civil_day(value: Option<&Value>) -> Option<i64> {
    let date = value?.get("date")?;
    let part = |key: &str| date.get(key).and_then(Value::as_i64);
    let day = NaiveDate::from_ymd_opt(
        i32::try_from(part("year")?).ok()?,
        u32::try_from(part("month")?).ok()?,
        u32::try_from(part("day")?).ok()?,
    )?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

const DAY_MS: i64 = 86_400_000;

/// Sums by civil day, or by physical windows; windows without data are left out.
fn roll_up(call: &Call<'_>, data_type: &str, is_daily: bool) -> Response<Body> {
    if let Some(refusal) = call.refusal(data_type, "readonly") {
        return refusal;
    }
    let Some((key, sum_key, is_int)) = summed(data_type) else {
        return invalid("The data type cannot be rolled up.");
    };
    let range = call.body.get("range").cloned().unwrap_or_default();
    let asked = if is_daily {
        let days = call.body.get("windowSizeDays").and_then(Value::as_i64).unwrap_or(1);
        civil_day(range.get("start")).zip(civil_day(range.get("end"))).map(|it| (it.0, it.1, days * DAY_MS))
    } else {
        let size = call
            .body
            .get("windowSize")
            .and_then(Value::as_str)
            .and_then(|it| it.strip_suffix('s')?.parse::<i64>().ok());
        let ends = super::filter::physical(range.get("startTime")).zip(super::filter::physical(range.get("endTime")));
        ends.zip(size).map(|((from, to), size)| (from, to, size * 1000))
    };
    let Some((from, to, size)) = asked.filter(|it| it.0 < it.1 && it.2 > 0) else {
        return invalid("Invalid range or window.");
    };
    let days_max = if data_type == "total-calories" { 14 } else { 90 };
    if to - from > days_max * DAY_MS {
        return invalid("The range is too long for this data type.");
    }
    let field = camel(data_type);
    let points = call.stored(data_type).into_iter().filter_map(|it| Some((times(data_type, &it.value)?, it)));
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    for (times, stored) in reconcile(points.collect()) {
        let at = if is_daily { times.start + times.offset_ms } else { times.start };
        if (from..to).contains(&at) {
            *sums.entry((at - from).div_euclid(size)).or_default() += number(&stored.value[&field][key]);
        }
    }
    let points: Vec<Value> = sums
        .into_iter()
        .map(|(window, sum)| {
            let (start, end) = (from + window * size, from + (window + 1) * size);
            let sum = if is_int { json!(format!("{sum:.0}")) } else { json!(sum) };
            let mut point = if is_daily {
                json!({"civilStartTime": civil(start), "civilEndTime": civil(end)})
            } else {
                let text = |ms| schemas::time::Instant(ms).to_string();
                json!({"startTime": text(start), "endTime": text(end)})
            };
            point[&field] = json!({ sum_key: sum });
            point
        })
        .collect();
    json_answer(200, &json!({"rollupDataPoints": points}))
}

/// A wall-clock time as Google writes it.
pub(super) fn civil(ms: i64) -> Value {
    use chrono::Timelike as _;
    let at = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    json!({
        "date": {"year": at.year(), "month": at.month(), "day": at.day()},
        "time": {"hours": at.hour(), "minutes": at.minute(), "seconds": at.second()},
    })
}
