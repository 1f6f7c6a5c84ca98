//! A scripted destination, a real store and a clock that tests move: the guarantees of effects, as rules.

mod destination;
mod direct;
mod faulty;
mod read_back;
mod resolve;
mod restate;
mod simulation;
mod write;

use super::Write;
use crate::{
    accounts::{Accounts, Endpoint},
    bus::Unreachable,
    clock::{Clock, ManualClock},
    contents::Contents,
    item::{ItemKey, ItemRow, ItemState, Partition, Plan, Planned, month_of},
    limiter::Limiter,
    people::{Connection, ConnectionState, People},
    provider::{Catalog, Profile},
    resolve::summary,
    session::http_client,
    stage::{Answer, Later, Stage},
    standing::Standing,
    store::{Store, sqlite::SqliteStore},
    vault::{Kek, Vault},
};
use destination::Destination;
use faulty::{Faulty, Trouble};
use schemas::{
    data_type::DataType,
    event::{
        self, Account, Action, Decision, Decisions, Deletes, Envelope, Head, Lane, OperationResult, Outcome, Resolved,
        Results, Rule, Side,
    },
    id::{ConnectionId, ItemId, OpId, Subject, SyncId},
    record::{self, Body, Record, Span},
    time::Instant,
    workout::Workout,
};
use simulation::Sleepers;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use uuid::Uuid;

const T0: Instant = Instant(1_780_000_000_000);
const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(2));
const ITEM: ItemId = ItemId(Uuid::from_u128(5));
/// Q of a destination that lists with [`destination::LAG`].
const Q: Duration = Duration::from_secs(80);

/// A writer with everything around it.
struct Bench {
    clock: Clock,
    hands: Arc<ManualClock>,
    store: Store,
    contents: Contents,
    standing: Standing,
    accounts: Accounts,
    there: Arc<Destination>,
    faulty: Arc<Faulty>,
    sleepers: Arc<Sleepers>,
    write: Write,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new(profile: Profile, marks: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path()).unwrap();
        let (clock, hands) = Clock::manual(T0.plus(Duration::from_secs(86_400)));
        let vault = Vault::open(store.vault.clone(), Kek::from_text(&"07".repeat(32)).unwrap()).await.unwrap();
        let people = People { rows: store.rows.clone(), vault: vault.clone(), clock: clock.clone() };
        let contents = Contents { vault, blobs: store.blobs.clone() };
        let hands = Arc::new(hands);
        let sleepers = Arc::new(Sleepers::new(clock.clone(), hands.clone()));
        let there = Arc::new(Destination::new(profile, clock.clone(), marks, sleepers.clone()));
        let accounts = Accounts {
            catalog: Catalog::new([there.clone() as _]),
            endpoints: Arc::new(HashMap::from([("cloud".into(), Endpoint::default())])),
            people: people.clone(),
            limiter: Limiter::new(store.rows.clone(), clock.clone()),
            http: http_client().unwrap(),
            clock: clock.clone(),
        };
        let standing = Standing::new(people, clock.clone());
        let faulty = Faulty {
            inner: store.items.clone(),
            hands: hands.clone(),
            sleepers: sleepers.clone(),
            plan: Mutex::default(),
        };
        let faulty = Arc::new(faulty);
        let write = Write {
            accounts: accounts.clone(),
            contents: contents.clone(),
            standing: standing.clone(),
            items: faulty.clone(),
        };
        let bench = Self {
            clock,
            hands,
            store,
            contents,
            standing,
            accounts,
            there,
            faulty,
            sleepers,
            write,
            _directory: directory,
        };
        bench.connect(ConnectionState::Active).await;
        bench
    }

    /// Sets how the account at the destination stands.
    async fn connect(&self, state: ConnectionState) {
        let people = &self.accounts.people;
        let connection = Connection {
            id: CONNECTION,
            provider: "cloud".into(),
            account: "someone".into(),
            state,
            scope: String::new(),
            base_url: None,
            connected_at: T0,
        };
        let version = people.connection(&subject(), CONNECTION).await.unwrap().map_or(0, |it| it.0);
        assert!(people.put_connection(&subject(), version, &connection).await.unwrap());
    }

    /// What goes wrong from here on: the number of the call to the items, and how.
    fn trouble(&self, with: impl IntoIterator<Item = (usize, Trouble)>) {
        *self.faulty.plan.lock().unwrap() = (0, with.into_iter().collect());
    }

    /// Plans a version as Resolve does, and gives the event that Write gets. `None` plans a deletion.
    async fn plan(&self, version: i64, record: Option<Record>) -> Envelope<Resolved> {
        let time = record.as_ref().map_or(run(10_000.0).time, |it| it.time.clone());
        let partition = Partition { subject: subject(), destination: CONNECTION, month: month_of(T0) };
        let sync = SyncId(Uuid::from_u128(100 + u128::try_from(version).unwrap()));
        let head = Head::root(sync, subject(), self.clock.now());
        let (hash, summary) = match &record {
            Some(record) => (
                self.contents.vault.keyed_hash(&subject(), "content", &record.content()).await.unwrap(),
                Some(serde_json::to_vec(&summary(record)).unwrap()),
            ),
            None => (String::new(), None),
        };
        let summary = match summary {
            Some(json) => Some(self.contents.seal_row(&subject(), &ITEM.to_string(), &json).await.unwrap()),
            None => None,
        };
        let delete = record.is_none();
        let plan =
            Plan { version, hash, by: (head.id, sync), state: ItemState::Planned, reason: String::new(), delete };
        let planned = Planned {
            item: ITEM,
            data_type: DataType::Workout,
            starts_at: time.start,
            ends_at: time.end,
            summary,
            plan: Some(plan),
            seen: None,
        };
        let seq = self.store.items.seq(&partition).await.unwrap();
        assert!(self.store.items.plan(&partition, seq, vec![planned]).await.unwrap());
        self.event(head, version, time, record).await
    }

    async fn event(&self, head: Head, version: i64, time: Span, record: Option<Record>) -> Envelope<Resolved> {
        let decision = Decision {
            sources: Vec::new(),
            lost: Vec::new(),
            item: ITEM,
            month: month_of(T0),
            data_type: DataType::Workout,
            action: match (version, &record) {
                (_, None) => Action::Delete,
                (1, _) => Action::Create,
                _ => Action::Update,
            },
            version,
            op: Some(OpId::derived(CONNECTION, ITEM, version)),
            reason: None,
            rule: "prioritise_source".into(),
            rule_version: 1,
            candidates: Vec::new(),
            fields: Vec::new(),
            origin_record: "a".into(),
            source_at: T0,
            time,
            record,
        };
        let sealed = self.contents.seal_value(&head, &Decisions { decisions: vec![decision] }).await.unwrap();
        let account = Account { connection: CONNECTION, provider: "cloud".into() };
        let body = Resolved {
            side: Side::Source,
            source: Account { connection: ConnectionId(Uuid::from_u128(1)), provider: "watch".into() },
            destination: event::Destination {
                account,
                config: None,
                config_version: 1,
                rule: Rule::PrioritiseSource,
                deletes: Deletes::Mirror,
            },
            decisions: Some(sealed),
            operations: 1,
            counts: Vec::new(),
            lane: Lane::Hot,
            expires_at: None,
        };
        Envelope { head, body }
    }

    async fn visit(&self, input: &Envelope<Resolved>) -> Result<Answer<Resolved, Outcome>, Unreachable> {
        self.write.process(input).await
    }

    /// A visit that does not come to an end: when it comes back.
    #[track_caller]
    fn later(&self, answer: Result<Answer<Resolved, Outcome>, Unreachable>) -> Instant {
        match answer {
            Ok(Answer::Later(Later { at: Some(at), .. })) => at,
            other => panic!("expected to come back later, not {other:?}"),
        }
    }

    /// Visits, and comes back whenever it is due, until the operation is over.
    async fn settle(&self, input: &Envelope<Resolved>) -> OperationResult {
        for _ in 0..80 {
            match self.visit(input).await {
                Ok(Answer::Made(mut made)) => {
                    let outcome = made.outputs.remove(0).body;
                    let results: Results =
                        self.contents.open_value(&subject(), &outcome.results.unwrap()).await.unwrap().unwrap();
                    return results.results.into_iter().next().unwrap();
                }
                Ok(Answer::Later(Later { at: Some(at), .. })) => self.hands.advance_to(at),
                // The process died and is started again.
                Err(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        panic!("the operation does not end");
    }

    async fn row(&self) -> ItemRow {
        let partition = Partition { subject: subject(), destination: CONNECTION, month: month_of(T0) };
        self.store.items.get(&ItemKey { partition, item: ITEM }).await.unwrap().unwrap()
    }

    /// The destination holds exactly this one record of ours, and the row says so.
    async fn holds_once(&self, version: i64, record: &Record) {
        let held = self.there.holds();
        assert_eq!(held.len(), 1, "one record, not {held:#?}");
        assert_eq!(held[0].record.as_ref().map(Record::content), Some(record.content()), "of the newest version");
        let row = self.row().await;
        assert_eq!((row.version, row.state, row.owned), (version, ItemState::Applied, true));
        assert_eq!(self.contents.open_external(&subject(), &row).await.unwrap().as_deref(), Some(held[0].id.as_str()));
        assert!(row.claim.is_none() && !row.unsure && row.unsure_prints.is_empty(), "nothing is left open: {row:?}");
    }
}

fn subject() -> Subject {
    Subject("someone".into())
}

fn run(distance_m: f64) -> Record {
    let end = T0.plus(Duration::from_secs(3600));
    Record {
        data_type: DataType::Workout,
        origin: record::Origin::named("watch", "a"),
        time: Span { start: T0, end, offset_seconds: None, zone: None },
        is_daily_total: false,
        state: record::RecordState::Final,
        deleted: false,
        policy: record::Policy::default(),
        body: Body::Workout(Box::new(Workout { distance_m: Some(distance_m), ..Workout::default() })),
    }
}
