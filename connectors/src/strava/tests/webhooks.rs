//! Notifications.

use super::{ATHLETE, Bench, at, json};
use crate::{
    simulator::{Kit, serve},
    strava::{Strava, simulator::Options, webhook::SIGNATURE},
};
use axum::{Router, extract::RawQuery, routing::get};
use engine::provider::{
    Change, DataProvider, Notification, VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets,
};
use reqwest::header::HeaderMap;
use schemas::{data_type::DataType, time::Instant};

fn secrets(now: Instant) -> WebhookSecrets {
    WebhookSecrets {
        client_secret: "client-secret".into(),
        verify_token: "verify-token".into(),
        subscription: "120475".into(),
        now,
        ..WebhookSecrets::default()
    }
}

fn verify(
    secrets: &WebhookSecrets,
    method: &str,
    query: &str,
    signature: Option<&str>,
    body: &str,
) -> Result<WebhookAnswer, VerifyError> {
    let mut headers = HeaderMap::new();
    if let Some(signature) = signature {
        headers.insert(SIGNATURE, signature.parse().unwrap());
    }
    Strava::default().verify(secrets, &WebhookRequest { method, query, headers: &headers, body: body.as_bytes() })
}

fn post(secrets: &WebhookSecrets, signature: Option<&str>, body: &str) -> Result<Vec<Notification>, String> {
    let answer = verify(secrets, "POST", "", signature, body).map_err(|err| err.to_string())?;
    assert_eq!(answer.status, 200);
    Ok(answer.notifications)
}

#[test]
fn a_golden_notification_names_the_activity_or_the_end_of_access() {
    let secrets = secrets(Instant::default());
    let made = post(&secrets, None, include_str!("../fixtures/golden/berlin_plain/webhook_create.json")).unwrap();
    let change = Change::Named { data_type: DataType::Workout, ids: vec!["13794812352".into()] };
    assert_eq!(made, [Notification { account: ATHLETE.to_string(), change }]);
    let ended = post(&secrets, None, include_str!("../fixtures/golden/newyork_plain/webhook_deauth.json")).unwrap();
    assert_eq!(ended, [Notification { account: ATHLETE.to_string(), change: Change::Revoked }]);
}

#[tokio::test]
async fn every_aspect_of_an_activity_means_to_read_it() {
    let bench = Bench::new(Options::default()).await;
    for aspect in ["create", "update", "delete"] {
        let event = bench.simulator.activity_event(ATHLETE, 17, aspect);
        let change = Change::Named { data_type: DataType::Workout, ids: vec!["17".into()] };
        assert_eq!(
            post(&secrets(bench.simulator.kit.now()), Some(&event.signature), &event.body).unwrap()[0].change,
            change
        );
    }
    let event = bench.simulator.deauthorization_event(ATHLETE);
    assert_eq!(post(&secrets(bench.simulator.kit.now()), None, &event.body).unwrap()[0].change, Change::Revoked);
}

#[test]
fn what_concerns_no_record_is_answered_and_says_nothing() {
    let body = |object, aspect, updates| {
        format!(
            "{{\"object_type\":\"{object}\",\"aspect_type\":\"{aspect}\",\"object_id\":1,\"owner_id\":1,\"subscription_id\":120475,\"updates\":{updates}}}"
        )
    };
    let check = |body: String| assert_eq!(post(&secrets(Instant::default()), None, &body), Ok(vec![]), "{body}");
    check(body("athlete", "update", "{}"));
    check(body("athlete", "update", "{\"authorized\":\"true\"}"));
    check(body("route", "create", "{}"));
    check(body("activity", "kudos", "{}"));
}

#[tokio::test]
async fn a_notification_is_believed_only_with_a_fresh_signature_of_its_body_where_one_is_required() {
    let bench = Bench::new(Options::default()).await;
    let event = bench.simulator.activity_event(ATHLETE, 17, "create");
    let (signature, body) = (event.signature.as_str(), event.body.as_str());
    let now = bench.simulator.kit.now();
    let strict = |seconds: i64| WebhookSecrets { require_signature: true, ..secrets(Instant(now.0 + seconds * 1000)) };
    let why =
        |secrets: &WebhookSecrets, signature: Option<&str>, body: &str| post(secrets, signature, body).unwrap_err();
    assert!(post(&strict(0), Some(signature), body).is_ok());
    assert!(post(&strict(298), Some(signature), body).is_ok());
    assert_eq!(why(&strict(302), Some(signature), body), "the signature is too old or from the future");
    assert_eq!(why(&strict(-302), Some(signature), body), "the signature is too old or from the future");
    assert_eq!(why(&strict(0), None, body), "the notification is not signed");
    let forged = body.replace("17", "18");
    assert_eq!(why(&strict(0), Some(signature), &forged), "the signature does not fit the body");
    // A signature that comes is checked even where none is required.
    assert_eq!(why(&secrets(now), Some(signature), &forged), "the signature does not fit the body");
    for bad in ["", "t=1", "v1=00", "t=x,v1=00", "t=1,v1=zz"] {
        assert!(post(&strict(0), Some(bad), body).is_err(), "{bad}");
    }
    let nameless = WebhookSecrets { client_secret: String::new(), ..strict(0) };
    assert!(why(&nameless, Some(signature), body).contains("no client secret"));
}

#[test]
fn a_notification_of_another_subscription_or_without_an_owner_is_refused() {
    let event = include_str!("../fixtures/golden/berlin_plain/webhook_create.json");
    let other = WebhookSecrets { subscription: "7".into(), ..secrets(Instant::default()) };
    assert_eq!(post(&other, None, event), Err("the notification is of another subscription".into()));
    let any = WebhookSecrets { subscription: String::new(), ..secrets(Instant::default()) };
    assert!(post(&any, None, event).is_ok());
    let mut nobody = json(event);
    nobody["owner_id"] = serde_json::Value::Null;
    assert!(post(&any, None, &nobody.to_string()).is_err());
    for body in ["", "[]", "17", "<html>"] {
        assert!(post(&any, None, body).is_err(), "{body}");
    }
    assert!(verify(&any, "DELETE", "", None, event).is_err());
}

#[test]
fn a_handshake_is_answered_only_with_our_verify_token() {
    let secrets = secrets(Instant::default());
    let shake = |query: &str| verify(&secrets, "GET", query, None, "");
    let answer = shake("hub.mode=subscribe&hub.challenge=15f7%22d1a&hub.verify_token=verify-token").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"hub.challenge\":\"15f7\\\"d1a\"}"));
    assert!(shake("hub.mode=subscribe&hub.challenge=1&hub.verify_token=verify-tokem").is_err());
    assert!(shake("hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=verify-token").is_err());
    assert!(shake("hub.mode=subscribe&hub.verify_token=verify-token").is_err());
    let unset = WebhookSecrets::default();
    assert!(verify(&unset, "GET", "hub.mode=subscribe&hub.challenge=1&hub.verify_token=", None, "").is_err());
}

#[tokio::test]
async fn a_subscription_is_made_by_a_handshake_once() {
    let bench = Bench::new(Options::default()).await;
    let shake = |RawQuery(query): RawQuery| async move {
        let secrets = secrets(at("2026-05-04T10:07:00Z"));
        verify(&secrets, "GET", &query.unwrap_or_default(), None, "").map(|it| it.body).unwrap_or_default()
    };
    let callback =
        serve(Kit::default(), ([127, 0, 0, 1], 0).into(), Router::new().route("/hook", get(shake))).await.unwrap();
    let url = format!("{}/push_subscriptions", bench.session.base_url);
    let (id, secret) = (("client_id", "24523"), ("client_secret", "client-secret"));
    let subscribe = async |token: &str| {
        let hook = format!("{}/hook", callback.url);
        let form = [id, secret, ("callback_url", hook.as_str()), ("verify_token", token)];
        let reply = bench.session.http.post(&url).form(&form).send().await.unwrap();
        (reply.status().as_u16(), reply.json::<serde_json::Value>().await.unwrap())
    };
    assert_eq!(subscribe("wrong").await.0, 400);
    let (status, made) = subscribe("verify-token").await;
    assert_eq!(status, 201);
    let recorded = json(include_str!("../fixtures/push_subscriptions.json"));
    let keys = |it: &serde_json::Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&made), keys(&recorded["json"][0]));
    assert_eq!(subscribe("verify-token").await.0, 400);
    assert_eq!(bench.simulator.callback_url(), Some(format!("{}/hook", callback.url)));
    let listed: serde_json::Value =
        bench.session.http.get(&url).query(&[id, secret]).send().await.unwrap().json().await.unwrap();
    assert_eq!(listed, serde_json::json!([made]));
    let event = json(&bench.simulator.activity_event(ATHLETE, 17, "create").body);
    assert_eq!(event["subscription_id"], made["id"]);
    let gone = bench.session.http.delete(format!("{url}/{}", made["id"])).query(&[id, secret]).send().await.unwrap();
    assert_eq!((gone.status().as_u16(), bench.simulator.callback_url()), (204, None));
}
