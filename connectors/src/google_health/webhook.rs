//! Whether a notification is from Google, and what it says.
//!
//! Two proofs: the secret that we gave at subscription, in `Authorization`, and an ECDSA P-256 signature over the raw
//! body in Tink's form, base64 of `0x01 ‖ key id (u32, big endian) ‖ DER signature`
//! (developers.google.com/tink/wire-format). Google publishes the keys as a Tink JSON keyset.

use super::profile::FEEDS;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::NaiveDateTime;
use engine::provider::{Change, Notification, VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets};
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::{DerSignature, VerifyingKey, signature::Verifier};
use schemas::{
    data_type::DataType,
    time::{Instant, Interval},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use std::{collections::BTreeSet, time::Duration};

/// The name in Google's discovery document, and the one that clients have met.
const SIGNATURE_HEADERS: [&str; 2] = ["x-healthapi-signature", "google-health-api-signature"];
/// How far a wall clock may be ahead of UTC and behind it.
const AHEAD: Duration = Duration::from_secs(14 * 3_600);
const BEHIND: Duration = Duration::from_secs(12 * 3_600);

/// Checks a request and reads it.
///
/// # Errors
/// Why it is not believed. The handshake is answered, not refused: Google wants to see a 401.
pub(super) fn verify(secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
    if request.method != "POST" {
        return Err(refused("google sends notifications by POST only"));
    }
    let is_authorized = is_authorized(secrets, request);
    let body: Value = serde_json::from_slice(request.body).map_err(|_| refused("the notification is no JSON"))?;
    if body.get("type").and_then(Value::as_str) == Some("verification") {
        return Ok(answer(if is_authorized { 201 } else { 401 }, Vec::new()));
    }
    if !is_authorized {
        return Err(refused("the notification's Authorization is not the secret given at subscription"));
    }
    let header = SIGNATURE_HEADERS.into_iter().find_map(|it| request.headers.get(it));
    match header {
        Some(_) if secrets.keyset.is_empty() && !secrets.require_signature => {}
        Some(header) => {
            let text = header.to_str().map_err(|_| refused("the signature is no base64"))?;
            check(&secrets.keyset, text, request.body)?;
        }
        None if secrets.require_signature => return Err(refused("the notification is not signed")),
        None => {}
    }
    Ok(answer(204, notifications(&body)?))
}

fn refused(text: &str) -> VerifyError {
    VerifyError(text.into())
}

fn answer(status: u16, notifications: Vec<Notification>) -> WebhookAnswer {
    WebhookAnswer { status, body: String::new(), notifications }
}

/// Compares in constant time, by comparing keyed hashes. No secret set means that nothing is believed.
fn is_authorized(secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> bool {
    let given = request.headers.get("authorization").map_or(&b""[..], |it| it.as_bytes());
    let expected = secrets.verify_token.as_bytes();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(expected) else { return false };
    let tag = mac.clone().chain_update(expected).finalize().into_bytes();
    !expected.is_empty() && mac.chain_update(given).verify_slice(&tag).is_ok()
}

#[derive(Deserialize)]
struct Keyset {
    #[serde(default)]
    key: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    key_data: KeyData,
    #[serde(default)]
    status: String,
    key_id: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyData {
    type_url: String,
    value: String,
}

fn check(keyset: &[u8], signature: &str, body: &[u8]) -> Result<(), VerifyError> {
    let bytes = STANDARD.decode(signature.trim()).map_err(|_| refused("the signature is no base64"))?;
    let (prefix, der) = bytes.split_first_chunk::<5>().ok_or_else(|| refused("the signature is too short"))?;
    let [1, id @ ..] = *prefix else { return Err(refused("the signature is not in Tink's form")) };
    let id = u32::from_be_bytes(id);
    let keyset: Keyset = serde_json::from_slice(keyset)
        .map_err(|_| refused("the keyset is no Tink JSON keyset; fetch Google's again"))?;
    let key = keyset
        .key
        .iter()
        .find(|it| it.key_id == id && it.status == "ENABLED" && it.key_data.type_url.ends_with(".EcdsaPublicKey"))
        .ok_or_else(|| VerifyError(format!("key {id} is not in the keyset; fetch Google's again")))?;
    let key = STANDARD.decode(&key.key_data.value).ok().and_then(|it| public_key(&it));
    let key = key.ok_or_else(|| VerifyError(format!("key {id} of the keyset is no P-256 key")))?;
    let signature = DerSignature::from_bytes(der).map_err(|_| refused("the signature is no ECDSA signature"))?;
    key.verify(body, &signature).map_err(|_| refused("the signature does not fit the notification"))
}

/// The key in a serialised `google.crypto.tink.EcdsaPublicKey`: x is field 3, y is field 4, big-endian.
fn public_key(mut message: &[u8]) -> Option<VerifyingKey> {
    let (mut x, mut y) = (None, None);
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => drop(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (value, rest) = message.split_at_checked(length)?;
                message = rest;
                match tag >> 3 {
                    3 => x = Some(coordinate(value)?),
                    4 => y = Some(coordinate(value)?),
                    _ => {}
                }
            }
            _ => return None,
        }
    }
    VerifyingKey::from_sec1_bytes(&[&[4][..], &x?, &y?].concat()).ok()
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// 32 bytes, whether Tink left zeros out in front or put one there.
fn coordinate(bytes: &[u8]) -> Option<[u8; 32]> {
    let n_zeros = bytes.iter().take_while(|it| **it == 0).count();
    let digits = bytes.get(n_zeros..)?;
    let mut whole = [0; 32];
    whole.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    Some(whole)
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Data {
    health_user_id: String,
    data_type: String,
    intervals: Vec<Stretch>,
    #[serde(flatten)]
    older: Stretch,
}

/// A stretch of time: physical, or civil as notifications were at first.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stretch {
    physical_time_interval: Option<Ends>,
    civil_iso8601_time_interval: Option<Ends>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ends {
    start_time: String,
    end_time: String,
}

/// One notification or a list of them. What is new to us is passed over: it must not keep the rest from being read.
fn notifications(body: &Value) -> Result<Vec<Notification>, VerifyError> {
    let items = match body {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => std::slice::from_ref(body),
        _ => return Err(refused("the notification is neither an object nor a list")),
    };
    let mut all = Vec::new();
    for item in items {
        let Some(data) = item.get("data").and_then(|it| Data::deserialize(it).ok()) else {
            continue;
        };
        // Whether something was changed or deleted: the window is read again.
        let windows: Vec<Interval> = data.intervals.iter().chain([&data.older]).filter_map(window).collect();
        if data.health_user_id.is_empty() || windows.is_empty() {
            continue;
        }
        let types: BTreeSet<DataType> =
            FEEDS.iter().filter(|it| it.name == data.data_type.replace('_', "-")).map(|it| it.data_type).collect();
        all.extend(types.into_iter().map(|data_type| Notification {
            account: data.health_user_id.clone(),
            change: Change::Windows { data_type, windows: windows.clone() },
        }));
    }
    Ok(all)
}

fn window(stretch: &Stretch) -> Option<Interval> {
    let window = match (&stretch.physical_time_interval, &stretch.civil_iso8601_time_interval) {
        (Some(it), _) => Interval { from: Instant::parse(&it.start_time)?, to: Instant::parse(&it.end_time)? },
        // The zone is not said: the window is as wide as wall clocks differ from UTC.
        (None, Some(it)) => {
            Interval { from: civil(&it.start_time)?.minus(AHEAD), to: civil(&it.end_time)?.plus(BEHIND) }
        }
        (None, None) => return None,
    };
    // A sample's interval may have no length.
    (window.from <= window.to)
        .then_some(Interval { to: Instant(window.to.0.max(window.from.0.saturating_add(1))), ..window })
}

fn civil(text: &str) -> Option<Instant> {
    let at: NaiveDateTime = text.parse().ok()?;
    Some(Instant(at.and_utc().timestamp_millis()))
}
