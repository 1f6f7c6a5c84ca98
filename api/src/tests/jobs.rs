//! Commands, their keys, and how they are told of.

use super::{ANNA, Answer, BEN, Method, NOW, Value, World, answer, json};
use async_trait::async_trait;
use engine::{
    bus::{Bus, Message, Subscription, Unreachable},
    store::{Bearing, Logged, Step, StepKey},
};
use futures::future::join_all;
use reqwest::multipart::{Form, Part};
use schemas::{
    codec,
    data_type::DataType,
    event::{Account, Envelope, Head, Lane, Settled},
    id::{EventId, SyncId},
    topics::{self, TopicName},
};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

#[tokio::test]
async fn the_same_key_on_the_same_command_is_the_same_job() {
    let world = World::new().await;
    let (source, destination) = world.configured().await;
    let body = json!({"source": source, "destinations": [destination], "data_type": "steps"});
    let first = world.post_job("\"key 1\"", &body).await;
    first.is(202);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), format!("/v1/sync-jobs/{id}"));
    assert!(first.header("traceparent").starts_with(&format!("00-{}-", id.replace('-', ""))));
    assert_eq!(world.post_job("\"key 1\"", &body).await.json()["id"], id);
    assert_ne!(world.post_job("key2", &body).await.json()["id"], id);
    let racing = join_all((0..8).map(|_| world.post_job("race", &body))).await;
    assert!(racing.iter().all(|it| it.status == 202 && it.json() == racing[0].json()), "{racing:?}");

    let mut other = body.clone();
    other["from"] = json!("2026-01-01T00:00:00Z");
    world.post_job("\"key 1\"", &other).await.is_problem(422, "key_reused", "a key of its own");
    let listed = world.get("/v1/sync-jobs", ANNA).await;
    assert_eq!(listed.json().as_array().unwrap().len(), 3);
    assert_eq!(world.get("/v1/sync-jobs", BEN).await.json(), json!([]));
}

#[tokio::test]
async fn a_command_without_a_good_key_is_refused() {
    let world = World::new().await;
    world.send(Method::POST, "/v1/sync-jobs", &json!({})).await.is_problem(400, "key_missing", "Idempotency-Key");
    world.post_job(&"k".repeat(256), &json!({})).await.is_problem(400, "key_invalid", "255");
    world.post_job("a b", &json!({})).await.is_problem(400, "key_invalid", "quoted");
}

#[tokio::test]
async fn a_command_that_cannot_work_is_refused_with_what_would() {
    let world = World::new().await;
    let (source, destination) = world.configured().await;
    let job = |data_type: &str| json!({"source": source, "destinations": [destination], "data_type": data_type});
    let weight = world.post_job("1", &job("weight")).await;
    weight.is_problem(422, "impossible", "it gives steps");
    let nowhere = json!({"source": Uuid::nil(), "destinations": [destination], "data_type": "steps"});
    world.post_job("2", &nowhere).await.is_problem(404, "not_found", "no connection");
    let people = &world.app.connect.accounts.people;
    people.set_state(&world.anna, source, engine::people::ConnectionState::NeedsReauth).await.unwrap();
    world.post_job("3", &job("steps")).await.is_problem(409, "needs_reauth", "connected again");
}

#[tokio::test]
async fn a_job_is_told_of_to_its_person_alone() {
    let world = World::new().await;
    let id = world.job().await;
    let path = format!("/v1/sync-jobs/{id}");
    let status = world.get(&path, ANNA).await;
    status.is(200);
    assert_eq!(status.json()["state"], "queued");
    assert_eq!(status.json()["data_type"], "steps");
    assert_eq!(status.json()["accepted_at"], NOW.to_string());
    for path in [path.clone(), format!("{path}/events")] {
        world.get(&path, BEN).await.is_problem(404, "not_found", "sync job");
    }
    world.get(&format!("/v1/sync-jobs/{}", Uuid::nil()), ANNA).await.is_problem(404, "not_found", "sync job");
    world.get("/v1/sync-jobs/1", ANNA).await.is_problem(404, "not_found", "no id");
    world.get(&format!("/v1/records/{}/explain", Uuid::nil()), ANNA).await.is_problem(404, "not_found", "record");
}

/// Says that a job is over, as the last stage would.
async fn settle(world: &World, id: &str) {
    let sync = SyncId(id.parse().unwrap());
    let head = Head::root(sync, world.anna.clone(), NOW).derive("settle", 0, NOW);
    let body = Settled {
        source: Account { connection: world.connected("watch").await, provider: "watch".into() },
        data_type: Some(DataType::Steps),
        read: Vec::new(),
        destinations: Vec::new(),
        issues: Vec::new(),
        stretches: Vec::new(),
        checkpoint: Some(NOW),
        end: None,
        lane: Lane::Hot,
    };
    let event = Envelope { head: head.clone(), body };
    let key = StepKey { subject: head.subject, sync, stage: "settle".into(), cause: EventId(sync.0) };
    let output = Logged { id: head.id, topic: topics::SETTLED.name, bytes: codec::encode(&event).into() };
    let step = Step { key, at: NOW, bearing: Bearing::Closes, outputs: vec![output], roots: Vec::new() };
    world.app.store.log.append(step).await.unwrap();
}

fn told(chunk: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(chunk).unwrap();
    let data = text.lines().find_map(|it| it.strip_prefix("data: "))?;
    Some(serde_json::from_str(data).unwrap())
}

#[tokio::test]
async fn a_stream_tells_of_every_change_and_ends_when_the_job_is_over() {
    let world = World::new().await;
    let id = world.job().await;
    let request = world.request(Method::GET, &format!("/v1/sync-jobs/{id}/events")).bearer_auth(ANNA);
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = told(&stream.chunk().await.unwrap().unwrap()).unwrap();
    assert_eq!((&first["state"], &first["id"]), (&json!("queued"), &json!(id)));
    settle(&world, &id).await;
    let mut last = Value::Null;
    while let Some(chunk) = stream.chunk().await.unwrap() {
        last = told(&chunk).unwrap_or(last);
    }
    assert_eq!(last["state"], "done");
    assert_eq!(last["checkpoint"], NOW.to_string());
    assert_eq!(world.get("/v1/sync-jobs", ANNA).await.json()[0]["settled"], true);
}

#[tokio::test]
async fn streams_of_a_person_are_counted_and_given_back() {
    let mut world = World::with(|app| app.limits.streams_per_principal_max = 1).await;
    let path = format!("/v1/sync-jobs/{}/events", world.job().await);
    let mut stream = world.request(Method::GET, &path).bearer_auth(ANNA).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    world.get(&path, ANNA).await.is_problem(429, "too_many_requests", "close one");
    world.stop.send(true).unwrap();
    assert!(stream.chunk().await.unwrap().is_none(), "a server that stops ends its streams");
    (&mut world.server).await.unwrap();
    assert!(world.request(Method::GET, "/healthz").send().await.is_err(), "and takes no more connections");
}

/// A bus that cannot be reached.
#[derive(Debug)]
struct Away;

#[async_trait]
impl Bus for Away {
    fn backlog(&self) -> engine::bus::Backlog {
        engine::bus::Backlog::default()
    }

    async fn publish(&self, _: Vec<Message>) -> Result<(), Unreachable> {
        Err(Unreachable("kafka at 10.0.0.7 is away".into()))
    }

    async fn subscribe(&self, _: &str, _: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable> {
        Err(Unreachable("kafka at 10.0.0.7 is away".into()))
    }
}

#[tokio::test]
async fn a_command_that_is_not_on_the_bus_is_to_be_sent_again() {
    let world = World::with(|app| app.intake.runner.bus = Arc::new(Away)).await;
    let (source, destination) = world.configured().await;
    let body = json!({"source": source, "destinations": [destination], "data_type": "steps"});
    let busy = world.post_job("key", &body).await;
    busy.is_problem(503, "busy", "with the same key");
    assert_eq!(busy.header("retry-after"), "1");
    assert!(!busy.text.contains("10.0.0.7"), "what is away is our own business");
}

async fn import(world: &World, form: Form, key: Option<&str>) -> Answer {
    let request = world.request(Method::POST, "/v1/imports").bearer_auth(ANNA).multipart(form);
    answer(match key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    })
    .await
}

fn form(file: &'static str, destination: impl ToString) -> Form {
    Form::new()
        .part("file", Part::bytes(file.as_bytes()).file_name("ride.fit"))
        .text("destination", destination.to_string())
}

#[tokio::test]
async fn a_file_is_imported_once_to_its_destinations() {
    let world = World::new().await;
    let scale = world.connected("scale").await;
    let first = import(&world, form("%a\nb", scale), None).await;
    first.is(202);
    assert_eq!(import(&world, form("%a\nb", scale), None).await.json(), first.json());
    assert_ne!(import(&world, form("%a\nc", scale), None).await.json(), first.json());
    let status = world.get(first.header("location"), ANNA).await;
    assert_eq!(status.json()["source"]["provider"], "files");
    import(&world, form("%a", scale), Some("key")).await.is(202);
    let large = Part::bytes([b"%".as_slice(), &[b'x'; 3 << 20]].concat());
    let large = Form::new().text("destination", scale.to_string()).part("file", large);
    import(&world, large, None).await.is(202);
    import(&world, form("%b", scale), Some("key")).await.is_problem(422, "key_reused", "key");
}

#[tokio::test]
async fn an_import_that_cannot_work_is_refused() {
    let world = World::with(|app| (app.limits.import_bytes_max, app.limits.import_pages_bytes_max) = (100, 10)).await;
    let (scale, watch) = (world.connected("scale").await, world.connected("watch").await);
    let check = async |form: Form, status, code, says| import(&world, form, None).await.is_problem(status, code, says);
    check(form("a", scale), 422, "impossible", "ride.fit is no file of ours; give one that begins with %").await;
    check(form("%a", watch), 422, "impossible", "nothing can be written to watch").await;
    check(form("%a", Uuid::nil()), 404, "not_found", "no connection").await;
    check(form("%a", "scale"), 422, "invalid", "destination").await;
    check(form("%12345678901", scale), 413, "too_large", "holds more than 10 bytes").await;
    check(Form::new().text("destination", scale.to_string()), 422, "invalid", "file: is missing").await;
    check(Form::new().part("file", Part::bytes(b"%".as_slice())), 422, "invalid", "destination").await;
    check(form("%a", scale).text("colour", "red"), 422, "invalid", "neither").await;
    let large = Form::new().part("file", Part::bytes([b'%'; 101].as_slice()));
    check(large, 413, "too_large", "at most 100 bytes").await;
    let enormous = Form::new().part("file", Part::bytes(vec![b'%'; 1 << 20]));
    check(enormous, 413, "too_large", "at most 100 bytes").await;
    world.send(Method::POST, "/v1/imports", &json!({})).await.is_problem(415, "unsupported_media_type", "multipart");
}

#[tokio::test]
async fn a_token_that_has_ended_is_no_token() {
    let world = World::new().await;
    world.get("/v1/sync-jobs", ANNA).await.is(200);
    world.hands.advance(Duration::from_secs(3601));
    world.get("/v1/sync-jobs", ANNA).await.is_problem(401, "unauthorized", "has ended");
}
