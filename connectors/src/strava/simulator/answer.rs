//! Answers, rate limits and scopes.

use super::Simulator;
use crate::simulator::{Effect, bearer};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, Response, StatusCode},
    middleware::Next,
};
use serde_json::{Value, json};

/// A JSON answer.
pub(super) fn json(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = "application/json; charset=utf-8".parse() {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

/// A JSON answer to a call that changed something, noted for the journal.
pub(super) fn changed(status: u16, body: &Value, effect: String) -> Response<Body> {
    let mut response = json(status, body);
    response.extensions_mut().insert(Effect(effect));
    response
}

/// An error in Strava's form.
pub(super) fn fault(status: u16, message: &str, (resource, field, code): (&str, &str, &str)) -> Response<Body> {
    json(status, &json!({ "message": message, "errors": [{ "resource": resource, "field": field, "code": code }] }))
}

/// The answer for an activity, upload or subscription that is not there.
pub(super) fn missing(resource: &str) -> Response<Body> {
    fault(404, "Record Not Found", (resource, "id", "invalid"))
}

/// Whose token a call carries and what it may do.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub athlete: u64,
    scope: String,
}

impl Caller {
    pub(super) fn may(&self, scope: &str) -> bool {
        self.scope.split(',').any(|it| it == scope)
    }

    /// Reading activities at all; `activity:read_all` includes it.
    pub(super) fn may_read(&self) -> bool {
        self.may("activity:read") || self.may("activity:read_all")
    }
}

/// The caller, if their token is good and has one of the scopes that `needs` names.
pub(super) fn caller(simulator: &Simulator, headers: &HeaderMap, needs: &str) -> Result<Caller, Box<Response<Body>>> {
    let state = simulator.state();
    let Some((_, family)) = state.family(bearer(headers), simulator.now()) else {
        let item = ("Athlete", "access_token", "invalid");
        return Err(Box::new(fault(401, "Authorization Error", item)));
    };
    let caller = Caller { athlete: family.athlete, scope: family.scope.clone() };
    let is_allowed = match needs {
        "" => true,
        "activity:read" => caller.may_read(),
        scope => caller.may(scope),
    };
    if is_allowed {
        return Ok(caller);
    }
    let field = format!("{needs}_permission");
    Err(Box::new(fault(401, "Authorization Error", ("AccessToken", &field, "missing"))))
}

/// Counts every call, refused ones too, and refuses those above a limit.
pub(super) async fn metered(State(simulator): State<Simulator>, request: Request, next: Next) -> Response<Body> {
    let is_read = request.method() == Method::GET;
    let options = simulator.options.clone();
    let counter = {
        let mut state = simulator.state();
        state.counter.count(simulator.now(), is_read);
        state.counter
    };
    let over = |used: [u32; 2], max: [u32; 2]| used[0] > max[0] || used[1] > max[1];
    let is_over = over(counter.n_calls, options.calls_max) || (is_read && over(counter.n_reads, options.reads_max));
    let mut response = match is_over {
        true if options.errors_as_text => {
            json(429, &json!({ "errors": "Rate Limit Exceeded", "status": 429, "message": "Too Many Requests" }))
        }
        true => fault(429, "Rate Limit Exceeded", ("Application", "rate limit", "exceeded")),
        false => next.run(request).await,
    };
    let pair = |it: [u32; 2]| format!("{},{}", it[0], it[1]);
    // Strava leaves the reading usage out of answers to calls that write.
    let reads = if is_read { pair(counter.n_reads) } else { ",".into() };
    let headers = [
        ("x-ratelimit-limit", pair(options.calls_max)),
        ("x-ratelimit-usage", pair(counter.n_calls)),
        ("x-readratelimit-limit", pair(options.reads_max)),
        ("x-readratelimit-usage", reads),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
