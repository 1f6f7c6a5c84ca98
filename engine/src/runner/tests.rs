//! Redelivery, crashes, timers and rejections, on a bus in memory and a real store.

mod cut;
mod expired;
mod following;
mod timers;
mod together;
mod waiting;

use self::cut::{CutBus, CutLog, Cuts};
use super::{Runner, Waits};
use crate::{
    bus::{Bus, Message, Subscription, Unreachable, memory::MemoryBus},
    clock::{Clock, ManualClock},
    stage::{Answer, Later, Made, Stage, logged, root},
    store::{Bearing, Logged, Step, StepKey, Store, Timer, sqlite::SqliteStore},
    topology::Topology,
};
use schemas::{
    codec,
    event::{
        Account, Cover, Envelope, Fetched, Head, Kind, Lane, Normalized, Outcome, Payload, Reading, Reason, Rejected,
        Requested, Side, Trigger,
    },
    id::{ConnectionId, EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::{self, TopicName},
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

const T0: Instant = Instant(1_780_000_000_000);
const PAGES: i32 = 3;

type Say = Option<Answer<Requested, Fetched>>;

/// Makes pages, unless it was told to say something else first; at the second page it begins another sync, too.
#[derive(Debug, Default)]
struct Fetch {
    says: Arc<Mutex<Vec<Say>>>,
}

impl Stage for Fetch {
    type In = Requested;
    type Out = Fetched;
    const NAME: &'static str = "fetch";
    const AT_ONCE: usize = 8;

    async fn process(&self, input: &Envelope<Requested>) -> Result<Answer<Requested, Fetched>, Unreachable> {
        // Taken before it is looked at: a panic must not poison what it says next.
        let said = self.says.lock().unwrap().pop();
        match said {
            Some(Some(said)) => return Ok(said),
            Some(None) => panic!("a bug that this event meets"),
            None => {}
        }
        let (number, head) = (input.body.reading.pages, input.head.derive(Self::NAME, 0, T0));
        let page = Envelope { body: fetched(&input.body, &head), head };
        let (mut again, mut roots) = (Vec::new(), Vec::new());
        let is_child = input.body.trigger == Trigger::Split;
        if number + 1 < PAGES && !is_child {
            let reading = Reading { pages: number + 1, ..Reading::default() };
            let body = Requested { reading, ..input.body.clone() };
            again.push(Envelope { head: input.head.derive(Self::NAME, 1, T0), body });
        }
        if number == 1 {
            let head = Head::root(child(input.head.sync), input.head.subject.clone(), T0);
            let body = Requested { trigger: Trigger::Split, reading: Reading::default(), ..input.body.clone() };
            roots.push(Envelope { head, body });
        }
        Ok(Answer::Made(Made { outputs: vec![page], again, roots }))
    }
}

#[derive(Debug)]
struct Normalize;

impl Stage for Normalize {
    type In = Fetched;
    type Out = Normalized;
    const NAME: &'static str = "normalize";
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Normalized>, Unreachable> {
        let (fetched, head) = (&input.body, input.head.derive(Self::NAME, 0, T0));
        let body = Normalized {
            side: fetched.side,
            account: fetched.account.clone(),
            source: fetched.source.clone(),
            data_type: None,
            destinations: Vec::new(),
            records: fetched.page.clone(),
            counts: Vec::new(),
            issues: Vec::new(),
            fetched_at: T0,
            window: None,
            last: fetched.last,
            mapper_version: 1,
            lane: fetched.lane,
        };
        Ok(Answer::Made(Made::only(vec![Envelope { head, body }])))
    }
}

fn subject() -> Subject {
    Subject("someone".into())
}

fn sync(n: u128) -> SyncId {
    SyncId(Uuid::from_u128(n))
}

fn child(of: SyncId) -> SyncId {
    SyncId::under(of, "child")
}

fn requested(sync: SyncId) -> Envelope<Requested> {
    let body = Requested {
        source: Account { connection: ConnectionId(Uuid::from_u128(1)), provider: "watch".into() },
        data_type: None,
        destinations: Vec::new(),
        cover: Cover::Range(Interval { from: Instant(0), to: T0 }),
        reading: Reading::default(),
        trigger: Trigger::Manual,
        lane: Lane::Hot,
        expires_at: None,
        fingerprint: String::new(),
    };
    Envelope { head: Head::root(sync, subject(), T0), body }
}

fn fetched(of: &Requested, head: &Head) -> Fetched {
    let page = Payload {
        carrier: head.id,
        key_version: 1,
        content_type: "application/json".into(),
        size: 1,
        hash: String::new(),
        sealed: Some(vec![7]),
        blob: None,
    };
    Fetched {
        side: Side::Source,
        account: of.source.clone(),
        source: of.source.clone(),
        data_type: None,
        destinations: Vec::new(),
        page,
        number: of.reading.pages,
        fetched_at: T0,
        window: None,
        last: of.reading.pages + 1 == PAGES,
        api_version: String::new(),
        lane: of.lane,
    }
}

struct Bench {
    store: Store,
    clock: Clock,
    hands: ManualClock,
    cuts: Arc<Cuts>,
    says: Arc<Mutex<Vec<Say>>>,
    bus: Arc<MemoryBus>,
    repeats: bool,
    waits: Waits,
    gone: Arc<Mutex<HashSet<EventId>>>,
    meanwhile: Arc<Mutex<Option<Step>>>,
    _directory: tempfile::TempDir,
}

/// A process that ends when it is dropped.
struct Running(
    JoinHandle<()>,
    #[expect(dead_code, reason = "held so that nobody is told to stop")] watch::Sender<bool>,
);

impl Running {
    /// Dies, and is dead when this returns: a process that was killed does nothing any more, least of all publish on a
    /// bus that is gone.
    async fn die(mut self) {
        self.0.abort();
        drop((&mut self.0).await);
        // Its stages' tasks end at their next turn.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(directory.path()).unwrap();
        let cuts = Arc::new(Cuts::default());
        let (gone, meanwhile) = (Arc::<Mutex<HashSet<EventId>>>::default(), Arc::<Mutex<Option<Step>>>::default());
        let (log, cut) = (store.log, cuts.clone());
        store.log = Arc::new(CutLog { inner: log, cuts: cut, gone: gone.clone(), meanwhile: meanwhile.clone() });
        let (clock, hands) = Clock::manual(T0);
        let (says, bus) = (Arc::default(), MemoryBus::new());
        Self {
            store,
            clock,
            hands,
            cuts,
            says,
            bus,
            repeats: false,
            waits: Waits::default(),
            gone,
            meanwhile,
            _directory: directory,
        }
    }

    fn runner(&self) -> Runner {
        let bus = CutBus { inner: self.bus.clone(), cuts: self.cuts.clone(), repeats: self.repeats };
        Runner { bus: Arc::new(bus), store: self.store.clone(), clock: self.clock.clone(), waits: self.waits.clone() }
    }

    fn start(&self) -> Running {
        let (runner, (stop, stopped)) = (self.runner(), watch::channel(false));
        let topology = Topology::from(topics::requested(Lane::Hot))
            .then(Fetch { says: self.says.clone() }, topics::fetched(Lane::Hot))
            .then(Normalize, topics::normalized(Lane::Hot))
            .rejecting_to(topics::REJECTED);
        let run = async move { futures::join!(runner.run(&topology, stopped.clone()), runner.fire_timers(stopped)) };
        Running(
            tokio::spawn(async move {
                run.await;
            }),
            stop,
        )
    }

    /// Accepts a sync, as the intake does.
    async fn accept(&self, sync: SyncId) {
        let event = requested(sync);
        let begin = async || self.runner().begin(&event.head, root(&event)).await;
        // The client tries again with the same key.
        while begin().await.is_err() {}
        let logged = root(&event);
        let message = Message { topic: logged.topic, key: subject(), id: logged.id, bytes: logged.bytes };
        self.bus.publish(vec![message]).await.unwrap();
    }

    /// Waits until the store has done what a dead process had asked of it.
    async fn flush(&self) {
        let key = crate::store::RowKey { subject: String::new(), kind: "flush", id: "flush".into() };
        self.store.rows.put(&key, 0, "".into(), &[]).await.unwrap();
        self.store.rows.delete(&key, 1).await.unwrap();
    }

    async fn events(&self, sync: SyncId) -> Vec<Logged> {
        self.store.log.events(&subject(), sync).await.unwrap()
    }

    async fn is_over(&self, sync: SyncId) -> bool {
        let open = self.store.log.open(&subject(), sync).await.unwrap();
        // Nothing takes `Normalized` here.
        !self.events(sync).await.is_empty() && open.iter().all(|it| it.1.kind == Kind::Normalized)
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !holds().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// The log of a sync and of its child, by id.
    async fn log(&self) -> Vec<(EventId, TopicName, Vec<u8>)> {
        let mut all = self.events(sync(1)).await;
        all.extend(self.events(child(sync(1))).await);
        let mut all: Vec<_> = all.into_iter().map(|it| (it.id, it.topic, it.bytes.to_vec())).collect();
        all.sort();
        all
    }

    /// What was published of a kind, by listening from the start.
    async fn listen(&self, name: TopicName) -> Box<dyn Subscription> {
        self.bus.subscribe("test", &[name]).await.unwrap()
    }
}

/// Runs a sync to its end while the process dies at these calls. Each time the bus forgets everything.
async fn run_with(cuts: &[(usize, bool)], repeats: bool) -> (Vec<(EventId, TopicName, Vec<u8>)>, bool) {
    let mut bench = Bench { repeats, ..Bench::new() };
    bench.cuts.at.lock().unwrap().1.extend(cuts.iter().copied());
    bench.accept(sync(1)).await;
    loop {
        let running = bench.start();
        let over = bench
            .until("the sync is over", async || bench.is_over(sync(1)).await && bench.is_over(child(sync(1))).await);
        tokio::select! {
            () = over => break,
            () = bench.cuts.died.notified() => {}
        }
        running.die().await;
        bench.flush().await;
        bench.bus = MemoryBus::new();
        while bench.runner().republish_open().await.is_err() {}
    }
    let met = bench.cuts.at.lock().unwrap().1.is_empty();
    (bench.log().await, met)
}

#[tokio::test]
async fn any_cut_and_any_repetition_give_the_same_log() {
    let (expected, _) = run_with(&[], false).await;
    // Each page is asked for, read and mapped; the child has one page of its own.
    assert_eq!(expected.len(), 3 * 3 + 3);
    assert_eq!(run_with(&[], true).await.0, expected, "everything comes twice");
    for is_done in [false, true] {
        for call in 1.. {
            let (log, met) = run_with(&[(call, is_done), (call + 5, !is_done)], call % 2 == 0).await;
            assert_eq!(log, expected, "the process died at call {call}, done: {is_done}");
            if !met {
                break;
            }
        }
    }
}

#[tokio::test]
async fn later_is_a_timer_and_its_firing_delivers_again() {
    let bench = Bench::new();
    let at = T0.plus(Duration::from_secs(60));
    let (id, _running) = bench.put_off().await;
    let timer = async || bench.store.timers.get("fetch", id).await.unwrap();
    let expected =
        Timer { stage: "fetch".into(), event: id, subject: subject(), sync: sync(1), at, attempts: 0, first_at: T0 };
    assert_eq!(timer().await, Some(expected));
    bench.until("the event is acknowledged", async || bench.bus.backlog().count == 0).await;
    assert_eq!(bench.events(sync(1)).await.len(), 1, "nothing is appended: it stays open");
    bench.hands.advance(Duration::from_secs(60));
    bench.until("it is delivered again", async || bench.is_over(sync(1)).await).await;
    assert_eq!(timer().await, None, "the step removes it");
}

#[tokio::test]
async fn what_fails_too_often_is_rejected() {
    let bench = Bench::new();
    let failed = Some(Answer::Later(Later { at: None, gives_up: Some((2, Reason::Malformed)) }));
    *bench.says.lock().unwrap() = vec![failed.clone(), failed];
    let mut rejected = bench.listen(topics::REJECTED.name).await;
    let id = requested(sync(1)).head.id;
    bench.accept(sync(1)).await;
    let _running = bench.start();
    let timer = async || bench.store.timers.get("fetch", id).await.unwrap();
    bench.until("the timer is written", async || timer().await.is_some_and(|it| it.attempts == 1)).await;
    bench.hands.advance(Duration::from_secs(7 * 3600));
    let delivered = rejected.next(1, usize::MAX).await.unwrap().remove(0);
    let rejected: Envelope<Rejected> = codec::decode(&delivered.bytes).unwrap();
    assert_eq!((rejected.body.reason, rejected.body.attempts), (Reason::Malformed, 2));
    bench.until("the timer is gone", async || timer().await.is_none()).await;
}

#[tokio::test]
async fn an_end_is_an_outcome_and_a_rejection_is_two_events() {
    for (said, n_events) in [(Answer::End(Reason::Withdrawn), 2), (Answer::Reject(Reason::Unsupported), 3)] {
        let bench = Bench::new();
        let reason = match said {
            Answer::End(reason) | Answer::Reject(reason) => reason,
            _ => Reason::Other,
        };
        bench.says.lock().unwrap().push(Some(said));
        bench.accept(sync(1)).await;
        let _running = bench.start();
        bench.until("it is answered", async || bench.events(sync(1)).await.len() == n_events).await;
        let events = bench.events(sync(1)).await;
        let outcome: Envelope<Outcome> = codec::decode(&events[1].bytes).unwrap();
        assert_eq!((outcome.body.end, outcome.body.stage.as_str()), (Some(reason), "fetch"));
        if let Some(event) = events.get(2) {
            let rejected: Envelope<Rejected> = codec::decode(&event.bytes).unwrap();
            assert_eq!((rejected.body.reason, rejected.body.original), (reason, events[0].bytes.to_vec()));
        }
        assert!(bench.is_over(sync(1)).await);
    }
}

#[tokio::test]
async fn bytes_that_are_no_event_are_rejected_and_hold_nothing_up() {
    let bench = Bench::new();
    let mut rejected = bench.listen(topics::REJECTED.name).await;
    let topic = topics::requested(Lane::Hot).name;
    let garbage = Message { topic, key: subject(), id: EventId(Uuid::nil()), bytes: "no event".into() };
    let running = bench.start();
    bench.bus.publish(vec![garbage]).await.unwrap();
    bench.accept(sync(1)).await;
    let delivered = rejected.next(1, usize::MAX).await.unwrap().remove(0);
    let event: Envelope<Rejected> = codec::decode(&delivered.bytes).unwrap();
    assert_eq!((event.body.reason, event.body.original.as_slice()), (Reason::Undecodable, b"no event".as_slice()));
    assert_eq!((event.body.topic, event.body.offset), (topic.to_string(), 0));
    bench.until("the next one is done", async || bench.is_over(sync(1)).await).await;
    drop((rejected, running));
    let mut group = bench.bus.subscribe("syncwell.hot.fetch", &[topic]).await.unwrap();
    assert!(futures::FutureExt::now_or_never(group.next(1, usize::MAX)).is_none(), "its offset is committed, too");
}

#[tokio::test]
async fn what_is_open_and_has_no_timer_is_published_again() {
    let bench = Bench::new();
    let ids: Vec<SyncId> = (1..=4).map(sync).collect();
    for id in &ids {
        bench.accept(*id).await;
    }
    let timer = |of: SyncId| Timer {
        stage: "fetch".into(),
        event: requested(of).head.id,
        subject: subject(),
        sync: of,
        at: T0,
        attempts: 0,
        first_at: T0,
    };
    bench.store.timers.schedule(timer(ids[1])).await.unwrap();
    // The third and the fourth have ended early; only the fourth is settled.
    let mut outcomes = Vec::new();
    for id in &ids[2..] {
        let head = requested(*id).head;
        let end = Some(Reason::Withdrawn);
        let (stage, lane) = ("fetch".to_owned(), Lane::Hot);
        let body = Outcome { stage, destination: None, end, results: None, counts: Vec::new(), lane };
        let outcome = logged(&Envelope { head: head.derive("fetch", 0, T0), body }, topics::outcomes(lane).name);
        outcomes.push(outcome.id);
        let key = |stage: &str| StepKey { subject: subject(), sync: *id, stage: stage.into(), cause: head.id };
        let step =
            |stage: &str, bearing, outputs| Step { key: key(stage), at: T0, bearing, outputs, roots: Vec::new() };
        bench.store.log.append(step("fetch", Bearing::Within, vec![outcome])).await.unwrap();
        if *id == ids[3] {
            bench.store.log.append(step("settle", Bearing::Closes, Vec::new())).await.unwrap();
        }
    }
    let lost = Bench { bus: MemoryBus::new(), ..bench };
    let (mut requests, mut ends) =
        (lost.listen(topics::requested(Lane::Hot).name).await, lost.listen(topics::outcomes(Lane::Hot).name).await);
    assert_eq!(lost.runner().republish_open().await.unwrap(), 2);
    let request: Envelope<Requested> = codec::decode(&requests.next(9, usize::MAX).await.unwrap()[0].bytes).unwrap();
    let end: Envelope<Outcome> = codec::decode(&ends.next(9, usize::MAX).await.unwrap()[0].bytes).unwrap();
    assert_eq!((request.head.sync, end.head.id), (ids[0], outcomes[0]));
}

#[tokio::test]
async fn an_event_that_makes_a_stage_panic_is_rejected_and_stops_nobody_else() {
    let bench = Bench::new();
    *bench.says.lock().unwrap() = vec![None, None, None];
    let mut rejected = bench.listen(topics::REJECTED.name).await;
    let id = requested(sync(1)).head.id;
    bench.accept(sync(1)).await;
    let _running = bench.start();
    for attempts in 1..3 {
        let timer = async || bench.store.timers.get("fetch", id).await.unwrap();
        bench.until("the timer is written", async || timer().await.is_some_and(|it| it.attempts == attempts)).await;
        bench.until("it is acknowledged", async || bench.bus.backlog().count == 0).await;
        bench.hands.advance(Duration::from_secs(7 * 3600));
    }
    let delivered = rejected.next(1, usize::MAX).await.unwrap().remove(0);
    let rejected: Envelope<Rejected> = codec::decode(&delivered.bytes).unwrap();
    assert_eq!((rejected.body.reason, rejected.body.attempts), (Reason::Malformed, 3));
    bench.accept(sync(2)).await;
    bench.until("another sync goes on", async || bench.is_over(sync(2)).await).await;
}

#[tokio::test]
async fn waiting_for_a_permit_does_not_age() {
    let bench = Bench::new();
    let wait = Some(Answer::Later(Later { at: Some(T0.plus(Duration::from_secs(73 * 3600))), gives_up: None }));
    let fail = Some(Answer::Later(Later { at: None, gives_up: Some((12, Reason::AttemptsSpent)) }));
    // Said from the last to the first.
    *bench.says.lock().unwrap() = vec![fail, wait];
    let id = requested(sync(1)).head.id;
    bench.accept(sync(1)).await;
    let _running = bench.start();
    let timer = async || bench.store.timers.get("fetch", id).await.unwrap();
    bench.until("it waits", async || timer().await.is_some()).await;
    bench.until("it is acknowledged", async || bench.bus.backlog().count == 0).await;
    bench.hands.advance(Duration::from_secs(73 * 3600));
    bench.until("it failed once", async || timer().await.is_some_and(|it| it.attempts == 1)).await;
    bench.hands.advance(Duration::from_secs(7 * 3600));
    bench.until("it is tried again", async || bench.is_over(sync(1)).await).await;
}
