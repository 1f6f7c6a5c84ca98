//! Notifications: who is believed, and what is said.

use super::setup::{USER, at, window};
use crate::google_health::{
    GoogleHealth,
    simulator::{keyset_json, notification, sign, verification},
};
use engine::provider::{
    Change, DataProvider, Notification, VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use schemas::{
    data_type::DataType,
    time::{Instant, Interval},
};
use std::time::Duration;

const SECRET: &str = "Bearer the-secret-of-our-subscription";

fn secrets() -> WebhookSecrets {
    WebhookSecrets {
        verify_token: SECRET.into(),
        keyset: keyset_json().into_bytes(),
        require_signature: true,
        now: Instant(0),
        ..WebhookSecrets::default()
    }
}

fn call(
    secrets: &WebhookSecrets,
    secret: Option<&str>,
    signature: Option<(&'static str, &str)>,
    body: &str,
) -> Result<WebhookAnswer, VerifyError> {
    let mut headers = HeaderMap::new();
    if let Some(secret) = secret {
        headers.insert(AUTHORIZATION, HeaderValue::from_str(secret).unwrap());
    }
    if let Some((name, value)) = signature {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let request = WebhookRequest { method: "POST", query: "", headers: &headers, body: body.as_bytes() };
    GoogleHealth::default().verify(secrets, &request)
}

fn said(data_type: DataType, from: Instant, to: Instant) -> Vec<Notification> {
    vec![Notification {
        account: USER.into(),
        change: Change::Windows { data_type, windows: vec![Interval { from, to }] },
    }]
}

fn body() -> String {
    notification(USER, "steps", "UPSERT", &[window("2026-05-03T06:00:00Z", "2026-05-03T07:00:00Z")])
}

#[test]
fn the_handshake_shows_that_we_know_the_secret_and_ask_for_it() {
    #[track_caller]
    fn check(secret: Option<&str>, status: u16) {
        let answer = call(&secrets(), secret, None, &verification()).unwrap();
        assert_eq!((answer.status, answer.notifications), (status, Vec::new()));
    }
    check(Some(SECRET), 201);
    check(None, 401);
    check(Some("Bearer another"), 401);
    check(Some(""), 401);
    let unset = WebhookSecrets { verify_token: String::new(), ..secrets() };
    assert_eq!(call(&unset, Some(""), None, &verification()).unwrap().status, 401, "no secret is no key");
}

#[test]
fn a_signed_notification_says_which_windows_to_read() {
    let expected = said(DataType::Steps, at("2026-05-03T06:00:00Z"), at("2026-05-03T07:00:00Z"));
    for header in ["x-healthapi-signature", "google-health-api-signature"] {
        for operation in ["UPSERT", "DELETE"] {
            let body =
                notification(USER, "steps", operation, &[window("2026-05-03T06:00:00Z", "2026-05-03T07:00:00Z")]);
            let answer = call(&secrets(), Some(SECRET), Some((header, &sign(body.as_bytes()))), &body).unwrap();
            assert_eq!((answer.status, answer.notifications), (204, expected.clone()));
        }
    }
    let recorded = include_str!("../fixtures/berlin/webhook.notification.json");
    let answer =
        call(&secrets(), Some(SECRET), Some(("x-healthapi-signature", &sign(recorded.as_bytes()))), recorded).unwrap();
    assert_eq!(answer.notifications, expected);
}

#[test]
fn who_cannot_prove_to_be_google_is_not_believed() {
    #[track_caller]
    fn check(secret: Option<&str>, signature: Option<&str>, body: &str, expected: &str) {
        let err = call(&secrets(), secret, signature.map(|it| ("x-healthapi-signature", it)), body).unwrap_err();
        assert!(err.0.contains(expected), "{err}");
    }
    let (body, other) = (body(), notification(USER, "steps", "DELETE", &[]));
    let good = sign(body.as_bytes());
    check(None, Some(&good), &body, "Authorization");
    check(Some("Bearer another"), Some(&good), &body, "Authorization");
    check(Some(SECRET), None, &body, "not signed");
    check(Some(SECRET), Some(&good), &other, "does not fit");
    check(Some(SECRET), Some(&format!("{good} ")), &other, "does not fit");
    check(Some(SECRET), Some("AQ=="), &body, "too short");
    check(Some(SECRET), Some("!"), &body, "base64");
    check(Some(SECRET), Some("AAAAAAEwBgIBAQIBAQ=="), &body, "Tink");
    check(Some(SECRET), Some("AQAAAAEwBgIBAQIBAQ=="), &body, "key 1 is not in the keyset");
    check(Some(SECRET), Some(&good), "<html>", "JSON");
    check(Some(SECRET), Some(&sign(b"7")), "7", "neither");
}

#[test]
fn a_key_that_google_published_is_read_and_refuses_what_it_did_not_sign() {
    let published = include_bytes!("../fixtures/recorded/webhook_keyset_shape.json").to_vec();
    let secrets = WebhookSecrets { keyset: published, ..secrets() };
    // Its key id, with a signature of another key.
    let (body, der) = (body(), "MAYCAQECAQE=");
    let bytes = [&[1][..], &12_345_u32.to_be_bytes(), &base64_of(der)].concat();
    let signature = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let err = call(&secrets, Some(SECRET), Some(("x-healthapi-signature", &signature)), &body).unwrap_err();
    assert!(err.0.contains("does not fit"), "{err}");
}

fn base64_of(text: &str) -> Vec<u8> {
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
}

#[test]
fn without_required_signatures_the_secret_is_enough_but_a_wrong_signature_is_not() {
    let secrets = WebhookSecrets { require_signature: false, ..secrets() };
    assert_eq!(call(&secrets, Some(SECRET), None, &body()).unwrap().status, 204);
    let wrong = sign(b"something else");
    assert!(call(&secrets, Some(SECRET), Some(("x-healthapi-signature", &wrong)), &body()).is_err());
}

#[test]
fn the_older_shape_with_civil_times_is_widened_to_every_zone() {
    let recorded = include_str!("../fixtures/recorded/webhook_v1_civil.json");
    let answer =
        call(&secrets(), Some(SECRET), Some(("x-healthapi-signature", &sign(recorded.as_bytes()))), recorded).unwrap();
    let hours = |it: u64| Duration::from_secs(it * 3_600);
    let (from, to) = (at("2026-03-07T17:29:00Z").minus(hours(14)), at("2026-03-07T17:34:00Z").plus(hours(12)));
    let mut expected = said(DataType::Steps, from, to);
    expected[0].account = "user-uuid-456".into();
    assert_eq!(answer.notifications, expected);
}

#[test]
fn what_is_new_to_us_is_passed_over_and_the_rest_is_heard() {
    let known: serde_json::Value = serde_json::from_str(&body()).unwrap();
    let unknown: serde_json::Value = serde_json::from_str(&body().replace("steps", "aura")).unwrap();
    let items = serde_json::json!([unknown[0], {"data": 7}, 7, {}, known[0]]).to_string();
    let answer =
        call(&secrets(), Some(SECRET), Some(("x-healthapi-signature", &sign(items.as_bytes()))), &items).unwrap();
    assert_eq!(answer.notifications.len(), 1);
    let hrv = body().replace("steps", "heart-rate-variability");
    let answer = call(&secrets(), Some(SECRET), Some(("x-healthapi-signature", &sign(hrv.as_bytes()))), &hrv).unwrap();
    assert_eq!(answer.notifications.len(), 2, "RMSSD and SDNN come with one type of Google's");
}
