use super::{
    Cluster, OpenError, ScyllaStore,
    address::Address,
    connect,
    schema::{self, Options},
};
use crate::{
    contract::{self, servers},
    item::{Claim, Guard, ItemKey, Partition, Patch, Planned, Print},
    store::{Bearing, Items, Log, Logged, RowKey, Rows, Step, StepKey, Store, Timer, Timers},
};
use bytes::Bytes;
use futures::future::join_all;
use schemas::{
    data_type::DataType,
    event::{Kind, Lane},
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    time::Instant,
    topics::TopicName,
};
use scylla::{client::session::Session, statement::Statement};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use uuid::Uuid;

/// What is lost of the next conditional request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is made, but nobody hears of it.
    Answer,
    /// It never arrives.
    Request,
}

/// Losses that a test has asked for, the next one last.
#[derive(Debug, Default)]
pub(super) struct Losing(Mutex<Vec<Lost>>);

impl Losing {
    pub(super) fn take(&self) -> Option<Lost> {
        self.0.lock().unwrap().pop()
    }

    fn ask(&self, losses: &[Lost]) {
        *self.0.lock().unwrap() = losses.to_vec();
    }
}

/// A keyspace of one test.
struct Space {
    address: Address,
}

impl Space {
    /// A name that nobody has, on the servers that there are; `None` if there are none.
    fn new() -> Option<Self> {
        Some(Self { address: Address::parse(&format!("{}/{}", servers::store()?, servers::unique())).unwrap() })
    }

    /// The same, with its tables.
    async fn made(options: &Options) -> Option<Self> {
        let space = Self::new()?;
        servers::prepare(async || schema::migrate(&space.address, options).await, OpenError::may_pass).await.unwrap();
        Some(space)
    }

    async fn open(&self) -> Arc<Cluster> {
        let opened = servers::prepare(async || Cluster::open(&self.address).await, OpenError::may_pass).await;
        Arc::new(opened.unwrap())
    }

    async fn store(&self) -> Store {
        servers::prepare(async || ScyllaStore::open(&self.address).await, OpenError::may_pass).await.unwrap()
    }

    async fn admin(&self) -> Session {
        connect::connect(&self.address).await.unwrap()
    }

    /// Takes the keyspace away.
    async fn end(self) {
        let drop = format!("DROP KEYSPACE IF EXISTS {}", self.address.keyspace);
        let mut drop = Statement::new(drop);
        drop.set_request_timeout(Some(Duration::from_secs(50)));
        self.admin().await.query_unpaged(drop, ()).await.unwrap();
    }
}

#[tokio::test]
async fn it_does_what_every_store_does() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let store = space.store().await;
    Box::pin(contract::store::check(&store, "run")).await;
    drop(store);
    space.end().await;
}

#[tokio::test]
async fn it_holds_what_was_acknowledged_after_it_was_opened_again() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let open = async || space.store().await;
    contract::store::check_survives(open().await, open, "run").await;
    space.end().await;
}

#[tokio::test]
async fn any_number_may_migrate_at_once_and_again() {
    let Some(space) = Space::new() else { return };
    let err = ScyllaStore::open(&space.address).await.unwrap_err();
    assert!(matches!(err, OpenError::Older { found: 0, .. }), "{err}");
    assert!(err.to_string().contains("run `syncwell store migrate`"), "{err}");
    let options = Options::default();
    let done = join_all((0..8).map(|_| schema::migrate(&space.address, &options))).await;
    let known = schema::known();
    let done: Vec<(i32, i32)> = done.into_iter().map(Result::unwrap).collect();
    assert!(done.iter().all(|it| it.1 == known), "{done:?}");
    assert_eq!(done.iter().filter(|it| it.0 == 0).count(), 1, "one of them did it: {done:?}");
    assert_eq!(schema::migrate(&space.address, &options).await.unwrap(), (known, known), "and again, for nothing");
    space.open().await;
    let note =
        |version: i32| format!("INSERT INTO {}.migrations (id, version) VALUES (0, {version})", space.address.keyspace);
    space.admin().await.query_unpaged(note(99), ()).await.unwrap();
    for err in [
        ScyllaStore::open(&space.address).await.unwrap_err(),
        schema::migrate(&space.address, &options).await.unwrap_err(),
    ] {
        assert!(matches!(err, OpenError::Newer { found: 99, .. }), "{err}");
        assert!(err.to_string().contains("this binary is older than the store"), "{err}");
    }
    space.end().await;
}

#[tokio::test]
async fn who_may_not_enter_is_told_why_and_what_to_do() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let admin = space.admin().await;
    let role = servers::unique();
    let make = format!("CREATE ROLE {role} WITH PASSWORD = 'canary' AND LOGIN = true");
    admin.query_unpaged(make, ()).await.unwrap();
    let as_role = |password: &str| Address { user: Some((role.clone(), password.into())), ..space.address.clone() };
    let err = ScyllaStore::open(&as_role("canary")).await.unwrap_err();
    assert!(matches!(err, OpenError::Forbidden { .. }), "{err}");
    let err = schema::migrate(&as_role("canary"), &Options::default()).await.unwrap_err();
    assert!(matches!(err, OpenError::Forbidden { .. }), "{err}");
    let err = ScyllaStore::open(&as_role("canary-2")).await.unwrap_err();
    assert!(matches!(err, OpenError::Login { .. }) && !err.to_string().contains("canary"), "{err}");
    admin.query_unpaged(format!("DROP ROLE {role}"), ()).await.unwrap();
    let nowhere = Address { hosts: vec!["127.0.0.1:1".into()], ..space.address.clone() };
    let err = ScyllaStore::open(&nowhere).await.unwrap_err();
    assert!(matches!(err, OpenError::Away { .. }) && err.may_pass(), "{err}");
    assert!(err.to_string().contains("127.0.0.1:1") && !err.to_string().contains("\n"), "{err}");
    space.end().await;
}

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(7, number)
}

fn anna() -> Subject {
    Subject("anna".into())
}

/// A step that is told by its number, with an output.
fn step(number: u64) -> Step {
    let topic = TopicName { kind: Kind::Fetched, lane: Some(Lane::Hot) };
    let output = Logged { id: EventId(id(number + 1)), topic, bytes: Bytes::from(format!("bytes of {number}")) };
    let key = StepKey { subject: anna(), sync: SyncId(id(0)), stage: "fetch".into(), cause: EventId(id(number)) };
    Step { key, at: Instant(1_800_000_000_000), bearing: Bearing::Opens, outputs: vec![output], roots: Vec::new() }
}

#[tokio::test]
async fn what_became_of_a_lost_request_is_found_out() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let store = space.open().await;
    let rows = super::rows::Table::rows(&store);
    let month = Partition { subject: anna(), destination: ConnectionId(id(1)), month: "2026-05".into() };
    let losses = [
        vec![],
        vec![Lost::Answer],
        vec![Lost::Request],
        vec![Lost::Request, Lost::Answer],
        vec![Lost::Answer, Lost::Request],
    ];
    for (number, losses) in (0..).zip(&losses) {
        let lose = || store.losing.ask(losses);
        lose();
        let made = step(100 * (number + 1));
        assert_eq!(store.append(made.clone()).await.unwrap(), made, "a step that stands is ours: {losses:?}");
        let other = Step { at: Instant(5), ..made.clone() };
        lose();
        assert_eq!(store.append(other).await.unwrap(), made, "and nobody else's: {losses:?}");

        let seq = store.seq(&month).await.unwrap();
        let item = ItemId(id(200 + number));
        let at = Instant::parse("2026-05-03T06:00:00Z").unwrap();
        let planned = Planned {
            item,
            data_type: DataType::Workout,
            starts_at: at,
            ends_at: at,
            summary: None,
            plan: None,
            seen: None,
        };
        lose();
        assert!(store.plan(&month, seq, vec![planned.clone()]).await.unwrap(), "a plan is made: {losses:?}");
        assert_eq!(store.seq(&month).await.unwrap(), seq + 1, "once");
        lose();
        assert!(!store.plan(&month, seq, vec![planned]).await.unwrap(), "a plan that lost has lost");

        let key = ItemKey { partition: month.clone(), item };
        let print = Print { start: at, end: at, metric: None, claimed_at: None };
        let claim = |token: u64| Patch {
            claim: Some(Some(Claim { token: id(token), at, print: print.clone() })),
            ..Patch::default()
        };
        let unclaimed = Guard { claim: Some(None), ..Guard::default() };
        lose();
        assert!(store.change(&key, unclaimed.clone(), claim(1)).await.unwrap(), "a claim is ours: {losses:?}");
        lose();
        assert!(!store.change(&key, unclaimed, claim(2)).await.unwrap(), "and nobody else's: {losses:?}");

        let key = RowKey { subject: "anna".into(), kind: "test", id: number.to_string() };
        let put = async |expected: i64| {
            lose();
            rows.put(&key, expected, Bytes::from_static(b"body"), &["name".into()]).await.unwrap()
        };
        assert!(put(0).await && put(1).await, "a put is made: {losses:?}");
        assert!(!put(0).await && !put(1).await, "a put that lost has lost: {losses:?}");
        assert_eq!(rows.get(&key).await.unwrap().map(|it| it.version), Some(2));
        lose();
        assert!(rows.delete(&key, 2).await.unwrap(), "a row is deleted: {losses:?}");
        assert!(!rows.delete(&key, 2).await.unwrap(), "once");
        store.losing.ask(&[]);
    }
    assert_eq!(rows.find("test", "name").await.unwrap(), []);
    space.end().await;
}

#[tokio::test]
async fn a_store_that_never_answers_is_out_of_reach() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let store = space.open().await;
    store.losing.ask(&[Lost::Request; 20]);
    let err = store.append(step(1)).await.unwrap_err();
    assert!(err.0.contains(&space.address.keyspace) && err.0.contains("; "), "{err}");
    space.end().await;
}

#[tokio::test]
async fn a_step_stands_when_its_payloads_are_gone() {
    let kept = Options { payloads_kept: Duration::from_secs(1), ..Options::default() };
    let Some(space) = Space::made(&kept).await else { return };
    let store = space.open().await;
    let made = step(1);
    store.append(made.clone()).await.unwrap();
    let sync = made.key.sync;
    // Awaited, not slept for: the server's own clock ends it.
    while !store.events(&anna(), sync).await.unwrap().is_empty() {}
    assert_eq!(store.event(&anna(), sync, made.outputs[0].id).await.unwrap(), None, "the event is none");
    let without = Step { outputs: Vec::new(), ..made.clone() };
    let recalled = store.recall(std::slice::from_ref(&made.key)).await.unwrap();
    assert_eq!(recalled, [Some(without.clone())], "the step stands, with what is left");
    let other = Step { at: Instant(9), outputs: Vec::new(), ..made.clone() };
    assert_eq!(store.append(other).await.unwrap(), without, "and nobody makes another");
    let open = store.open(&anna(), sync).await.unwrap();
    assert_eq!(open, [(made.outputs[0].id, made.outputs[0].topic)], "what was open is still known by its id");
    space.end().await;
}

#[tokio::test]
async fn timers_are_shared_and_those_of_a_process_that_died_are_taken_over() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let (first, second) = (space.open().await, space.open().await);
    let at = Instant(1_000);
    for number in 0..40 {
        let (event, sync) = (EventId(Uuid::from_u128(u128::MAX / 40 * number)), SyncId(id(3)));
        let timer = Timer { stage: "fetch".into(), event, subject: anna(), sync, at, attempts: 0, first_at: at };
        first.schedule(timer).await.unwrap();
    }
    assert_eq!(first.due(at, 100).await.unwrap().len(), 40, "one process sees all at once");
    assert_eq!(second.due(at, 100).await.unwrap(), [], "what one reads another does not");
    assert_eq!(second.next().await.unwrap(), Some(at), "but it knows that something is left");
    // At its next look the first sees that it is not alone, and the second takes what it gave back.
    first.leases.lock().await.ask_again();
    let kept = first.due(at, 100).await.unwrap();
    second.leases.lock().await.ask_again();
    let taken = second.due(at, 100).await.unwrap();
    assert!((12..=28).contains(&kept.len()) && kept.iter().all(|it| !taken.contains(it)), "{}", kept.len());
    assert_eq!(kept.len() + taken.len(), 40, "every timer has one who fires it");
    // The first dies: the server's own clock ends its leases.
    drop(first);
    let all_taken = async { while second.due(at, 100).await.unwrap().len() < 40 {} };
    tokio::time::timeout(Duration::from_secs(15), all_taken).await.expect("within ten seconds none is without");
    space.end().await;
}

#[tokio::test]
async fn whoever_comes_and_goes_every_shard_is_somebodys() {
    let Some(space) = Space::made(&Options::default()).await else { return };
    let mut all = vec![space.open().await];
    for n_processes in 1..=5 {
        // Twice: who has more gives back, and who has less takes it.
        for _ in 0..2 {
            for it in &all {
                it.leases.lock().await.ask_again();
                it.due(Instant(0), 1).await.unwrap();
            }
        }
        let mut held = Vec::new();
        for it in &all {
            let its = it.leases.lock().await.held();
            assert!(its.len() <= 16_usize.div_ceil(n_processes), "{n_processes} processes, one has {}", its.len());
            held.extend(its);
        }
        held.sort_unstable();
        assert_eq!(held, (0..16).collect::<Vec<i8>>(), "{n_processes} processes: each shard has one holder");
        all.push(space.open().await);
    }
    space.end().await;
}
