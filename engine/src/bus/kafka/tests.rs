//! The real thing, where servers are given; else what needs none.

mod foreign;
mod registry;
mod secure;

use super::{
    KafkaBus, Names, Settings,
    topics::{Admin, Change},
};
use crate::{
    bus::{
        Bus, Busy, Delivery, Message, Subscription,
        registry::{Refused, push},
    },
    contract::{self, PATIENCE, servers},
};
use bytes::Bytes;
use schemas::{
    event::{Kind, Lane},
    id::{EventId, Subject},
    topics::TopicName,
};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

const HOT: TopicName = TopicName { kind: Kind::Fetched, lane: Some(Lane::Hot) };

/// A namespace of its own in the servers that are given.
struct Bench {
    settings: Settings,
    admin: Admin,
}

impl Bench {
    /// None where there are no servers.
    async fn start() -> Option<Self> {
        Self::start_with(BTreeMap::new()).await
    }

    async fn start_with(properties: BTreeMap<String, String>) -> Option<Self> {
        let (bus, registry) = (servers::bus()?, servers::registry()?);
        let url = format!("{bus}/{}", servers::unique());
        let settings = Settings::parse(&url, properties, Some(&registry), None).unwrap();
        let admin = Admin::new(settings.clone()).unwrap();
        let make = async || {
            admin.apply(&admin.plan(None, false).await?).await?;
            push(&registry, &Names::new(&settings.namespace)).await
        };
        servers::prepare(make, Refused::may_pass).await.unwrap();
        Some(Self { settings, admin })
    }

    /// Lets a topic carry larger messages, as an operator could.
    async fn allow(&self, topic: &str, bytes: u32) {
        let change = Change::Alter {
            topic: topic.to_owned(),
            name: "max.message.bytes",
            from: String::new(),
            to: bytes.to_string(),
        };
        self.apply(change).await;
    }

    /// Makes a change that is not planned, and waits until it is seen.
    async fn apply(&self, change: Change) {
        self.admin.apply(&[change]).await.unwrap();
        self.plan_until(|it| !it.is_empty()).await;
    }

    /// The plan, once it is as wanted: a broker tells of changes a moment after it made them.
    async fn plan_until(&self, is_wanted: impl Fn(&[Change]) -> bool) -> Vec<Change> {
        let plan = async {
            loop {
                let plan = self.admin.plan(None, false).await.unwrap();
                if is_wanted(&plan) {
                    return plan;
                }
            }
        };
        tokio::time::timeout(PATIENCE, plan).await.expect("a change is seen")
    }

    async fn bus(&self) -> Arc<KafkaBus> {
        open(&self.settings).await.unwrap()
    }

    async fn end(self) {
        self.admin.delete_all().await.unwrap();
    }
}

/// Opens a bus as a process that starts does: it waits for servers.
async fn open(settings: &Settings) -> Result<Arc<KafkaBus>, Refused> {
    servers::prepare(async || KafkaBus::open(settings.clone()).await, Refused::may_pass).await
}

fn framed(text: &str) -> Bytes {
    let id = schemas::codec::current(schemas::codec::Subject::Event(Kind::Fetched)).id;
    [&[0], &id.to_be_bytes()[..], text.as_bytes()].concat().into()
}

fn message(key: &str, bytes: Bytes) -> Message {
    Message { topic: HOT, key: Subject(key.into()), id: EventId(Uuid::nil()), bytes }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_bus_does() {
    let Some(bench) = Bench::start().await else { return };
    contract::bus::check(bench.bus().await, "run").await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_a_partition_is_read_without_a_group() {
    let Some(bench) = Bench::start().await else { return };
    let bus = bench.bus().await;
    let sent: Vec<Bytes> = ["a", "b", "c", "d"].into_iter().map(framed).collect();
    bus.publish(sent.iter().map(|it| message("anna", it.clone())).collect()).await.unwrap();
    let mut found = Vec::new();
    for partition in 0..i32::try_from(schemas::topics::PARTITIONS).unwrap() {
        let all = bus.read(HOT, partition, 0..100).await.unwrap().expect("Kafka keeps its topics");
        let some = bus.read(HOT, partition, 1..3).await.unwrap().unwrap();
        assert_eq!(some, all.get(1..3).unwrap_or_default(), "only those offsets");
        assert_eq!(bus.read(HOT, partition, 50..60).await.unwrap(), Some(vec![]), "beyond the end there is nothing");
        found.extend(all);
    }
    let expected: Vec<_> = (0..).zip(sent).collect();
    assert_eq!(found, expected, "all of one person, in order, framed as ours");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_planned_made_and_left_alone() {
    let Some(bench) = Bench::start().await else { return };
    assert_eq!(bench.admin.plan(None, false).await.unwrap(), [], "what was made needs no change");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_told_with_the_next_step() {
    let (Some(bus), Some(registry)) = (servers::bus(), servers::registry()) else { return };
    let open = async |url: &str| {
        let settings = Settings::parse(url, BTreeMap::new(), Some(&registry), None).unwrap();
        KafkaBus::open(settings).await
    };
    let none = format!("{bus}/{}", servers::unique());
    let is_away = |it: &Refused| matches!(it, Refused::Unreachable(_));
    let said = servers::prepare(async || open(&none).await, is_away).await.unwrap_err();
    assert!(matches!(&said, Refused::NotYet(it) if it.contains("syncwell topics apply")), "{said}");
    let said = open("kafka://127.0.0.1:1/x").await.unwrap_err();
    assert!(matches!(&said, Refused::Unreachable(it) if it.contains("127.0.0.1:1")), "{said}");
}

/// Takes these many messages of a member, and is done with them.
async fn take(member: &mut dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let waited = tokio::time::timeout(PATIENCE, member.next(100, 64 << 20)).await;
        taken.extend(waited.expect("a message comes").unwrap());
    }
    taken.iter().filter_map(Delivery::begin).for_each(Busy::done);
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_refuse_to_lose_events_and_to_change_a_count() {
    let Some(bench) = Bench::start().await else { return };
    let topic = Names::new(&bench.settings.namespace).topic(HOT).to_owned();
    let longer = |to: &str| Change::Alter {
        topic: topic.clone(),
        name: "retention.ms",
        from: "604800000".into(),
        to: to.into(),
    };
    bench.apply(longer("-1")).await;
    let plan = bench.admin.plan(None, false).await.unwrap();
    assert!(matches!(&plan[..], [Change::Refuse { why, .. }] if why.contains("--allow-shorter-retention")), "{plan:?}");
    let plan = bench.admin.plan(None, true).await.unwrap();
    assert!(matches!(&plan[..], [Change::Alter { to, .. }] if to == "604800000"), "{plan:?}");
    bench.admin.apply(&plan).await.unwrap();
    bench.plan_until(<[Change]>::is_empty).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backlog_is_what_no_group_here_has_done() {
    let Some(bench) = Bench::start().await else { return };
    let bus = bench.bus().await;
    bus.publish((0..5).map(|it| message(&it.to_string(), framed("x"))).collect()).await.unwrap();
    assert_eq!(bus.backlog().count, 0, "a topic that nobody here subscribes to does not count");
    let mut member = bus.subscribe("backlog", &[HOT]).await.unwrap();
    assert_eq!(bus.backlog().count, 5);
    bus.publish(vec![message("6", framed("x"))]).await.unwrap();
    assert_eq!(bus.backlog().count, 6);
    take(&mut *member, 6).await;
    assert_eq!(bus.backlog(), crate::bus::Backlog::default());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_where_java_puts_it() {
    let Some(bench) = Bench::start().await else { return };
    let jars = std::env::var("SYNCWELL_STACK_JARS").unwrap_or_default();
    let jars = std::path::Path::new(&jars).join("kafka");
    if !jars.exists() {
        eprintln!("SYNCWELL_STACK_JARS names no directory with Kafka's jars; LEFT OUT the Java producer");
        return bench.end().await;
    }
    let bus = bench.bus().await;
    let mut member = bus.subscribe("java", &[HOT]).await.unwrap();
    let keys: Vec<String> = (0..200).map(|it| format!("{:032x}", it * 7_919)).collect();
    bus.publish(keys.iter().map(|it| message(it, framed("ours"))).collect()).await.unwrap();
    let topic = Names::new(&bench.settings.namespace).topic(HOT).to_owned();
    let (brokers, source) =
        (bench.settings.brokers.clone(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/Produce.java"));
    let class_path = format!("{}/*", jars.display());
    let mut java = std::process::Command::new("java");
    java.args(["-cp", &class_path, source, &brokers, &topic]).args(&keys);
    let ran = tokio::task::spawn_blocking(move || java.output()).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let taken = take(&mut *member, 2 * keys.len()).await;
    for key in &keys {
        let places: Vec<i32> = taken.iter().filter(|it| it.key.0 == *key).map(|it| it.partition).collect();
        assert!(places.len() == 2 && places[0] == places[1], "{key} is on {places:?}");
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_silent_for_too_long_notes_nothing_and_begins_again() {
    let short = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "5999")];
    let short = short.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    // Its thread may be silent for a millisecond only: sooner or later it is.
    let Some(bench) = Bench::start_with(short).await else { return };
    let bus = bench.bus().await;
    bus.publish(vec![message("anna", framed("one"))]).await.unwrap();
    if let Ok(mut member) = bus.subscribe("silent", &[HOT]).await {
        let failed = async { while member.next(1, 1).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, failed).await.expect("it fails, and is made anew");
    }
    let patient = Settings { properties: BTreeMap::new(), ..bench.settings.clone() };
    let bus = open(&patient).await.unwrap();
    let mut member = bus.subscribe("silent", &[HOT]).await.unwrap();
    let taken = take(&mut *member, 1).await;
    assert_eq!(taken[0].bytes, framed("one"), "nothing was noted");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_turn_is_read_once() {
    let Some(bench) = Bench::start().await else { return };
    let bus = bench.bus().await;
    let mut member = bus.subscribe("turns", &[HOT]).await.unwrap();
    bus.publish((0..9).map(|_| message("anna", framed("x"))).collect()).await.unwrap();
    for _ in 0..9 {
        let taken = tokio::time::timeout(PATIENCE, member.next(1, 1)).await.expect("a message comes").unwrap();
        assert!(taken.len() == 1 && taken[0].bytes == framed("x"), "{taken:?}");
    }
    bench.end().await;
}
