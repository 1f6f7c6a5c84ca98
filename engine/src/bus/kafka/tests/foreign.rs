//! Messages that others have written: what is not ours, and what is of another version.

use super::{Bench, HOT, PATIENCE, framed, message, open, take};
use crate::{
    bus::{Bus, Unreachable, kafka::Names, registry::Refused},
    clock::Clock,
    runner::{Runner, Waits},
    stage::{Answer, Made, Stage},
    store::sqlite::SqliteStore,
    topology::Topology,
};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::{
    codec,
    event::{Account, Envelope, Fetched, Head, Kind, Lane, Normalized, Payload, Reason, Rejected, Side},
    id::{ConnectionId, Subject, SyncId},
    time::Instant,
    topics,
};
use tokio::sync::watch;
use uuid::Uuid;

/// Key, value, and what is said of it.
type Strange<'a> = (Option<&'a str>, Option<&'a [u8]>, &'a str);

/// A producer that is not ours.
pub(super) fn producer(bench: &Bench) -> BaseProducer {
    let mut config = bench.settings.client();
    config.set("message.max.bytes", "30000000").set("partitioner", "murmur2_random").create().unwrap()
}

pub(super) fn send(producer: &BaseProducer, topic: &str, key: Option<&str>, value: Option<&[u8]>) {
    let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic);
    record.key = key;
    record.payload = value;
    producer.send(record).map_err(|it| it.0).unwrap();
    producer.flush(PATIENCE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_given_with_the_reason_and_what_follows_comes() {
    let Some(bench) = Bench::start().await else { return };
    let bus = bench.bus().await;
    let (names, producer) = (Names::new(&bench.settings.namespace), producer(&bench));
    let topic = names.topic(HOT).to_owned();
    bench.allow(&topic, 25_000_000).await;
    let large = vec![1; 20_000_000];
    let strange: [Strange<'_>; 6] = [
        (None, Some(b"no event"), "not framed"),
        (Some("anna"), None, "tombstone"),
        (Some("anna"), Some(&[0, 0, 0]), "not framed"),
        (Some("anna"), Some(b"\x7b\"json\": true}"), "not framed"),
        (Some("anna"), Some(&[0, 0x7f, 0xff, 0xff, 0xff, 1, 2]), "not known to the registry"),
        (Some("anna"), Some(&large), "not framed"),
    ];
    let mut member = bus.subscribe("poison", &[HOT]).await.unwrap();
    for (key, value, wanted) in strange {
        send(&producer, &topic, key, value);
        let taken = take(&mut *member, 1).await.remove(0);
        let why = taken.unreadable.unwrap_or_default();
        assert!(why.contains(wanted), "{why}, not {wanted}");
        assert_eq!(taken.key.0, key.unwrap_or("none"));
        assert_eq!(&taken.bytes[..], value.unwrap_or_default(), "the bytes are as they came");
    }
    bus.publish(vec![message("anna", framed("good"))]).await.unwrap();
    let taken = take(&mut *member, 1).await.remove(0);
    assert_eq!((taken.unreadable, taken.bytes), (None, framed("good")), "what follows is read, under our own id");
    bench.end().await;
}

pub(super) fn fetched() -> Envelope<Fetched> {
    let account = Account { connection: ConnectionId(Uuid::from_u128(1)), provider: "watch".into() };
    let head = Head::root(SyncId(Uuid::from_u128(7)), Subject("anna".into()), Instant(0));
    let page = Payload {
        carrier: head.id,
        key_version: 1,
        content_type: "application/json".into(),
        size: 1,
        hash: String::new(),
        sealed: Some(vec![7]),
        blob: None,
    };
    let body = Fetched {
        side: Side::Source,
        account: account.clone(),
        source: account,
        data_type: None,
        destinations: Vec::new(),
        page,
        number: 1,
        fetched_at: Instant(0),
        window: None,
        last: true,
        api_version: String::new(),
        lane: Lane::Hot,
    };
    Envelope { head, body }
}

/// The schema of a build that says more.
pub(super) fn newer() -> serde_json::Value {
    let mut newer: serde_json::Value =
        serde_json::from_str(codec::current(codec::Subject::Event(Kind::Fetched)).text).unwrap();
    let extra = serde_json::json!({ "name": "extra", "type": ["null", "string"], "default": null });
    newer["fields"].as_array_mut().unwrap().push(extra);
    newer
}

/// Asks the registry for something, as another build would.
pub(super) async fn ask(
    bench: &Bench,
    method: reqwest::Method,
    path: &str,
    body: serde_json::Value,
) -> serde_json::Value {
    let url = format!("{}{path}", bench.settings.registry);
    let answer = reqwest::Client::new().request(method, url).json(&body).send().await.unwrap();
    answer.error_for_status().unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_read_and_one_that_cannot_be_read_ends_the_start() {
    let Some(bench) = Bench::start().await else { return };
    let bus = bench.bus().await;
    let topic = Names::new(&bench.settings.namespace).topic(HOT).to_owned();
    let mut newer = newer();
    let versions = format!("/subjects/{topic}-value/versions");
    let register = async |schema: &serde_json::Value| {
        ask(&bench, reqwest::Method::POST, &versions, serde_json::json!({ "schema": schema.to_string() })).await
    };
    let id = u32::try_from(register(&newer).await["id"].as_u64().unwrap()).unwrap();
    let ours = codec::encode(&fetched());
    let theirs = [&[0], &id.to_be_bytes()[..], &ours[codec::FRAME_BYTES..], &[0]].concat();
    let mut member = bus.subscribe("newer", &[HOT]).await.unwrap();
    send(&producer(&bench), &topic, Some("anna"), Some(&theirs));
    let taken = take(&mut *member, 1).await.remove(0);
    assert_eq!((taken.unreadable, taken.bytes.to_vec()), (None, ours), "it is framed as ours");
    bench.bus().await;

    let level = serde_json::json!({ "compatibility": "NONE" });
    ask(&bench, reqwest::Method::PUT, &format!("/config/{topic}-value"), level).await;
    newer["fields"].as_array_mut().unwrap().retain(|it| it["name"] != "head");
    register(&newer).await;
    let said = open(&bench.settings).await.unwrap_err();
    assert!(matches!(&said, Refused::Wrong(it) if it.contains("not compatible with this build")), "{said}");
    bench.end().await;
}

/// Lets everything through.
#[derive(Debug)]
struct Pass;

impl Stage for Pass {
    type In = Fetched;
    type Out = Normalized;
    const NAME: &'static str = "normalize";
    const AT_ONCE: usize = 1;

    async fn process(&self, _: &Envelope<Fetched>) -> Result<Answer<Fetched, Normalized>, Unreachable> {
        Ok(Answer::Made(Made::only(Vec::new())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runner_rejects_each_once_and_goes_on() {
    let Some(bench) = Bench::start().await else { return };
    let (bus, directory) = (bench.bus().await, tempfile::tempdir().unwrap());
    let store = SqliteStore::open(directory.path()).unwrap();
    let runner = Runner { bus: bus.clone(), store, clock: Clock::real(), waits: Waits::default() };
    let topology = Topology::from(topics::fetched(Lane::Hot))
        .then(Pass, topics::normalized(Lane::Hot))
        .rejecting_to(topics::REJECTED);
    let topic = Names::new(&bench.settings.namespace).topic(HOT).to_owned();
    bench.allow(&topic, 25_000_000).await;
    let (producer, large) = (producer(&bench), vec![1; 20_000_000]);
    let strange: [(Option<&str>, Option<&[u8]>); 4] = [
        (None, Some(b"no event")),
        (Some("anna"), None),
        (Some("anna"), Some(&[0, 0, 0, 0, 99])),
        (Some("anna"), Some(&large)),
    ];
    for (key, value) in strange {
        send(&producer, &topic, key, value);
    }
    bus.publish(vec![crate::bus::Message {
        topic: HOT,
        key: Subject("anna".into()),
        id: fetched().head.id,
        bytes: codec::encode(&fetched()).into(),
    }])
    .await
    .unwrap();
    let (stop, stopped) = watch::channel(false);
    let mut rejected = bus.subscribe("rejected", &[topics::REJECTED.name]).await.unwrap();
    let running = tokio::spawn(async move { runner.run(&topology, stopped).await });
    let taken = take(&mut *rejected, strange.len()).await;
    for delivery in &taken {
        let event: Envelope<Rejected> = codec::decode(&delivery.bytes).unwrap();
        assert_eq!((event.body.reason, event.body.topic), (Reason::Undecodable, HOT.to_string()));
    }
    let done = async {
        while bus.backlog().count > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("nothing is stuck");
    stop.send_replace(true);
    running.await.unwrap();
    bench.end().await;
}
