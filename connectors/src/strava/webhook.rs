//! Notifications of a push subscription (`https://developers.strava.com/docs/webhooks/`).

use super::wire;
use engine::provider::{Change, Notification, VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets};
use hmac::{Hmac, KeyInit, Mac};
use schemas::data_type::DataType;
use sha2::Sha256;
use std::{collections::BTreeMap, time::Duration};

/// How old, or how far ahead, a signature may be.
const SIGNATURE_AGE_MAX: Duration = Duration::from_secs(300);

/// The header of a signature: `t=<seconds since 1970>,v1=<hex HMAC-SHA-256 of "{t}.{body}" under the client secret>`.
pub(super) const SIGNATURE: &str = "x-strava-signature";

/// Whether a notification is Strava's, and what it says. A notification is only ever a hint to read the activity
/// with its owner's token; what it says of the activity is not used.
pub(super) fn verify(secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
    match request.method {
        "GET" => handshake(secrets, request.query),
        "POST" => event(secrets, request),
        _ => Err(VerifyError("strava notifies by GET and POST only".into())),
    }
}

fn handshake(secrets: &WebhookSecrets, query: &str) -> Result<WebhookAnswer, VerifyError> {
    let pairs: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let get = |name: &str| pairs.get(name).map(AsRef::as_ref).unwrap_or("");
    if get("hub.mode") != "subscribe" {
        return Err(VerifyError("the handshake is not one of a subscription".into()));
    }
    if secrets.verify_token.is_empty() || !is_same(get("hub.verify_token"), &secrets.verify_token) {
        return Err(VerifyError("the handshake carries another verify token".into()));
    }
    let challenge = get("hub.challenge");
    if challenge.is_empty() || challenge.len() > 256 {
        return Err(VerifyError("the handshake has no usable challenge".into()));
    }
    let body = serde_json::json!({ "hub.challenge": challenge }).to_string();
    Ok(WebhookAnswer { status: 200, body, notifications: Vec::new() })
}

/// Compares in a time that depends on the length only.
fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn event(secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
    match request.headers.get(SIGNATURE) {
        Some(it) => check_signature(secrets, it.to_str().unwrap_or(""), request.body)?,
        None if secrets.require_signature => {
            return Err(VerifyError("the notification is not signed".into()));
        }
        None => {}
    }
    let event: wire::Event = serde_json::from_slice(request.body)
        .map_err(|_| VerifyError("the notification is not the expected JSON".into()))?;
    let (Some(owner), Some(object)) = (event.owner_id, event.object_id) else {
        return Err(VerifyError("the notification names no owner or object".into()));
    };
    let subscription = event.subscription_id.map(|it| it.to_string()).unwrap_or_default();
    if !secrets.subscription.is_empty() && subscription != secrets.subscription {
        return Err(VerifyError("the notification is of another subscription".into()));
    }
    let change = match (event.object_type.as_deref(), event.aspect_type.as_deref()) {
        // A deletion is read as well: only the answer *not there* makes it one.
        (Some("activity"), Some("create" | "update" | "delete")) => {
            Some(Change::Named { data_type: DataType::Workout, ids: vec![object.to_string()] })
        }
        // Believed as it comes, so an unsigned one can be forged: require signatures where Strava sends them.
        (Some("athlete"), Some("update")) if is_unauthorized(&event.updates) => Some(Change::Revoked),
        _ => None,
    };
    let notifications = change.into_iter().map(|change| Notification { account: owner.to_string(), change }).collect();
    Ok(WebhookAnswer { status: 200, body: String::new(), notifications })
}

fn is_unauthorized(updates: &serde_json::Value) -> bool {
    updates.get("authorized").is_some_and(|it| it == "false" || *it == serde_json::Value::Bool(false))
}

fn check_signature(secrets: &WebhookSecrets, header: &str, body: &[u8]) -> Result<(), VerifyError> {
    if secrets.client_secret.is_empty() {
        return Err(VerifyError("the notification is signed but no client secret is configured".into()));
    }
    let part = |name: &str| header.split(',').find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='));
    let (Some(at), Some(tag)) = (part("t"), part("v1").and_then(|it| hex::decode(it).ok())) else {
        return Err(VerifyError("the signature is not of the form t=…,v1=…".into()));
    };
    let seconds: i64 = at.parse().map_err(|_| VerifyError("the signature has no readable time".into()))?;
    if mac(&secrets.client_secret, at, body).verify_slice(&tag).is_err() {
        return Err(VerifyError("the signature does not fit the body".into()));
    }
    let age_seconds = secrets.now.seconds().saturating_sub(seconds).unsigned_abs();
    if age_seconds > SIGNATURE_AGE_MAX.as_secs() {
        return Err(VerifyError("the signature is too old or from the future".into()));
    }
    Ok(())
}

/// What a signature is made of.
fn mac(secret: &str, at: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

/// The value of a signature header, as Strava makes it.
pub(super) fn sign(secret: &str, at_seconds: i64, body: &[u8]) -> String {
    let at = at_seconds.to_string();
    format!("t={at},v1={}", hex::encode(mac(secret, &at, body).finalize().into_bytes()))
}
