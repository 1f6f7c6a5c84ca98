//! The push subscription and its notifications.

use super::{Simulator, answer, state::Subscription};
use crate::strava::webhook;
use axum::{
    body::Body,
    extract::{Form, Path, Query, State},
    http::Response,
};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};

type Fields = HashMap<String, String>;

/// Strava waits two seconds for the answer to a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// The id of the subscription where none was made, so that tests need not make one.
const SUBSCRIPTION: u64 = 120_475;

/// A notification, ready to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The body.
    pub body: String,
    /// The value of `X-Strava-Signature`; whether it is sent is up to the test.
    pub signature: String,
}

pub(super) fn event(
    simulator: &Simulator,
    object_type: &str,
    object: u64,
    aspect: &str,
    owner: u64,
    updates: Value,
) -> WebhookEvent {
    let at_seconds = simulator.now().seconds();
    let subscription = simulator.state().subscription.as_ref().map_or(SUBSCRIPTION, |it| it.id);
    let body = json!({
        "aspect_type": aspect,
        "event_time": at_seconds,
        "object_id": object,
        "object_type": object_type,
        "owner_id": owner,
        "subscription_id": subscription,
        "updates": updates,
    })
    .to_string();
    let signature = webhook::sign(&simulator.options.client_secret, at_seconds, body.as_bytes());
    WebhookEvent { body, signature }
}

fn is_client(simulator: &Simulator, fields: &Fields) -> bool {
    let is = |name: &str, value: &str| fields.get(name).is_some_and(|it| it == value);
    is("client_id", &simulator.options.client_id) && is("client_secret", &simulator.options.client_secret)
}

fn stranger() -> Response<Body> {
    answer::fault(401, "Authorization Error", ("Application", "", "invalid"))
}

fn view(simulator: &Simulator, it: &Subscription) -> Value {
    json!({
        "id": it.id,
        "resource_state": 2,
        "application_id": simulator.options.client_id.parse::<u64>().ok(),
        "callback_url": it.callback_url,
        "created_at": it.created_at.to_string(),
        "updated_at": it.created_at.to_string(),
    })
}

pub(super) async fn list(State(simulator): State<Simulator>, Query(query): Query<Fields>) -> Response<Body> {
    if !is_client(&simulator, &query) {
        return stranger();
    }
    let all: Vec<Value> = simulator.state().subscription.iter().map(|it| view(&simulator, it)).collect();
    answer::json(200, &Value::Array(all))
}

/// One per application; the callback must answer the handshake first.
pub(super) async fn create(State(simulator): State<Simulator>, Form(form): Form<Fields>) -> Response<Body> {
    if !is_client(&simulator, &form) {
        return stranger();
    }
    let refuse = |code| answer::fault(400, "Bad Request", ("PushSubscription", "callback url", code));
    if simulator.state().subscription.is_some() {
        return answer::fault(400, "Bad Request", ("PushSubscription", "", "already exists"));
    }
    let callback_url = form.get("callback_url").cloned().unwrap_or_default();
    let challenge = simulator.state().draw_token("challenge");
    if !shakes_hands(&callback_url, &challenge, form.get("verify_token").map_or("", String::as_str)).await {
        return refuse("not verifiable");
    }
    let created_at = simulator.now();
    let mut state = simulator.state();
    let id = state.draw();
    let made = Subscription { id, callback_url, created_at };
    let body = view(&simulator, &made);
    state.subscription = Some(made);
    answer::changed(201, &body, format!("create subscription {id}"))
}

async fn shakes_hands(callback_url: &str, challenge: &str, verify_token: &str) -> bool {
    let query = [("hub.mode", "subscribe"), ("hub.challenge", challenge), ("hub.verify_token", verify_token)];
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(HANDSHAKE_MAX).build() else {
        return false;
    };
    let Ok(reply) = client.get(callback_url).query(&query).send().await else { return false };
    reply.status().as_u16() == 200
        && reply.json::<Value>().await.is_ok_and(|it| it.get("hub.challenge") == Some(&json!(challenge)))
}

pub(super) async fn delete(
    State(simulator): State<Simulator>,
    Path(id): Path<u64>,
    Query(query): Query<Fields>,
) -> Response<Body> {
    if !is_client(&simulator, &query) {
        return stranger();
    }
    let mut state = simulator.state();
    if state.subscription.as_ref().is_none_or(|it| it.id != id) {
        return answer::missing("PushSubscription");
    }
    state.subscription = None;
    let mut response = answer::changed(204, &Value::Null, format!("delete subscription {id}"));
    *response.body_mut() = Body::empty();
    response
}
