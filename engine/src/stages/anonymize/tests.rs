//! Nothing but the allow-list leaves, of nobody but those who said yes, and it ends with its quarter.

use super::Anonymize;
use crate::{
    clock::{Clock, ManualClock},
    contents::Contents,
    people::People,
    provider::{
        Access, Auth, Catalog, DataProvider, FetchRequest, MapperError, Normal, Page, Profile, ProviderError, RawPage,
        Receipt, WriteOperation,
    },
    session::Session,
    stage::{Answer, Stage},
    store::{Store, sqlite::SqliteStore},
    vault::{Kek, Vault},
};
use async_trait::async_trait;
use proptest::{collection::btree_map, option, prelude::*};
use schemas::{
    analytics::ALLOWED,
    codec::encode,
    data_type::DataType,
    event::{
        self, Account, Action, Analytics, Decision, Decisions, Deletes, Envelope, FieldChoice, Head, Lane, Mode,
        PartOfDay, Resolved, Rule, Side,
    },
    id::{ConnectionId, ItemId, OpId, Subject, SyncId},
    record::{
        BloodPressure, Body, Entity, Nutrition, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Series,
        Sleep, SleepStage, Span,
    },
    time::Instant,
    workout::{Column, Lap, Sport, Streams, Workout},
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tempfile::TempDir;
use uuid::Uuid;

/// A Saturday, 2026-08-15T04:30:00Z.
const T0: Instant = Instant(1_786_768_200_000);
/// In every text that a record has.
const CANARY: &str = "CANARY";
/// A place that nobody may learn, as bytes of a column and as text.
const LATITUDE: f64 = 52.520_008_177;

/// A provider of which only the terms are asked for.
#[derive(Debug)]
struct Watch(Profile);

fn profile(policy: Policy) -> Profile {
    Profile {
        id: "watch",
        title: "Watch",
        access: Access::Pull,
        auth: Auth::None,
        types: Vec::new(),
        limits: Vec::new(),
        body_bytes_max: 0,
        read_after_write: Duration::ZERO,
        reads_back: false,
        overlap: Duration::ZERO,
        history_max: None,
        base_url: "",
        auth_url: "",
        token_url: "",
        policy,
        mapper_version: 1,
        api_version: "1",
    }
}

#[async_trait]
impl DataProvider for Watch {
    fn profile(&self) -> &Profile {
        &self.0
    }

    async fn fetch(&self, _: &Session, _: &FetchRequest) -> Result<Page, ProviderError> {
        Err(ProviderError::NotFound)
    }

    fn normalize(&self, _: &RawPage<'_>) -> Result<Normal, MapperError> {
        Err(MapperError("nothing is read".into()))
    }

    async fn write(&self, _: &Session, _: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        Err(ProviderError::NotFound)
    }
}

struct Bench {
    hands: ManualClock,
    store: Store,
    people: People,
    stage: Anonymize,
    _directory: TempDir,
}

impl Bench {
    async fn new(policy: Policy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path()).unwrap();
        let (clock, hands) = Clock::manual(T0);
        let vault = Vault::open(store.vault.clone(), Kek::from_text(&"07".repeat(32)).unwrap()).await.unwrap();
        let people = People { rows: store.rows.clone(), vault: vault.clone(), clock: clock.clone() };
        let contents = Contents { vault, blobs: store.blobs.clone() };
        let provider = Arc::new(Watch(profile(policy)));
        let stage = Anonymize { catalog: Catalog::new([provider as _]), contents, people: people.clone(), clock };
        people.set_analytics(&subject(), true).await.unwrap();
        Self { hands, store, people, stage, _directory: directory }
    }

    /// Gives the stage what Resolve made of these records; `None` is a deletion.
    async fn resolved(&self, decisions: Vec<Decision>) -> Envelope<Resolved> {
        let sync = SyncId(Uuid::from_u128(100));
        let head = Head::root(sync, subject(), self.stage.clock.now());
        let operations = i32::try_from(decisions.len()).unwrap();
        let sealed = self.stage.contents.seal_value(&head, &Decisions { decisions }).await.unwrap();
        let body = Resolved {
            side: Side::Source,
            source: Account { connection: connection(1), provider: "watch".into() },
            destination: event::Destination {
                account: Account { connection: connection(2), provider: "watch".into() },
                config: None,
                config_version: 1,
                rule: Rule::PrioritiseSource,
                deletes: Deletes::Mirror,
            },
            decisions: Some(sealed),
            operations,
            counts: Vec::new(),
            lane: Lane::Hot,
            expires_at: None,
        };
        Envelope { head, body }
    }

    async fn release(&self, input: &Envelope<Resolved>) -> Vec<Envelope<Analytics>> {
        match self.stage.process(input).await.unwrap() {
            Answer::Made(made) => made.outputs,
            Answer::Nothing => Vec::new(),
            other => panic!("a follower ends nothing: {other:?}"),
        }
    }

    async fn release_one(&self, record: Record) -> Vec<Envelope<Analytics>> {
        self.release(&self.resolved(vec![decision(1, Some(record))]).await).await
    }
}

fn subject() -> Subject {
    Subject("5ub1ec70f50me0ne".into())
}

fn connection(number: u128) -> ConnectionId {
    ConnectionId(Uuid::from_u128(0xc0_ffee_0000 + number))
}

fn decision(version: i64, record: Option<Record>) -> Decision {
    let item = ItemId(Uuid::from_u128(0x17_e300));
    let data_type = record.as_ref().map_or(DataType::Weight, |it| it.data_type);
    Decision {
        sources: Vec::new(),
        lost: Vec::new(),
        item,
        month: "2026-08".into(),
        data_type,
        action: match (version, &record) {
            (_, None) => Action::Delete,
            (1, _) => Action::Create,
            _ => Action::Update,
        },
        version,
        op: Some(OpId::derived(connection(2), item, version)),
        reason: None,
        rule: "newest".into(),
        rule_version: 1,
        candidates: Vec::new(),
        fields: Vec::new(),
        origin_record: format!("{CANARY}-record"),
        source_at: T0,
        time: record.as_ref().map_or_else(|| Span::at(T0, None), |it| it.time.clone()),
        record,
    }
}

fn record(data_type: DataType, body: Body) -> Record {
    let origin = Origin {
        provider: "watch".into(),
        connection: Some(connection(1)),
        record: format!("{CANARY}-record"),
        modified_at: Some(T0),
        device: Some(format!("{CANARY}-serial")),
        method: RecordingMethod::Automatic,
        marker: Some(format!("{CANARY}-marker")),
    };
    let zone = Some(format!("{CANARY}/Zone"));
    Record {
        data_type,
        origin,
        time: Span { start: T0, end: T0.plus(Duration::from_secs(3_601)), offset_seconds: Some(7_200), zone },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

fn weighing(kilograms: f64) -> Record {
    record(DataType::Weight, Body::Quantity(Quantity { value: kilograms }))
}

fn ride() -> Workout {
    Workout {
        sport: Sport::Cycling,
        distance_m: Some(20_890.0),
        heart_rate_mean: Some(143.7),
        streams: Streams {
            offsets_ms: vec![0],
            latitude: Column(vec![LATITUDE]),
            longitude: Column(vec![LATITUDE]),
            ..Streams::default()
        },
        ..Workout::default()
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z]{0,8}".prop_map(|it| format!("{CANARY}{it}"))
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..100_000.0, Just(f64::NAN), Just(f64::INFINITY), any::<f64>()]
}

fn workout() -> impl Strategy<Value = Body> {
    let numbers = (option::of(number()), option::of(number()), option::of(number()), option::of(any::<i64>()));
    (text(), text(), text(), numbers).prop_map(|(title, notes, detail, (distance, energy, heart_rate, whole))| {
        Body::Workout(Box::new(Workout {
            sport_detail: Some(detail),
            title: Some(title),
            notes: Some(notes),
            moving_ms: whole,
            distance_m: distance,
            energy_kcal: energy,
            heart_rate_mean: heart_rate,
            steps: whole,
            laps: vec![Lap { distance_m: distance, ..Lap::default() }],
            ..ride()
        }))
    })
}

fn body() -> impl Strategy<Value = Body> {
    let pressure = (number(), number(), option::of(number()))
        .prop_map(|(systolic, diastolic, pulse)| Body::BloodPressure(BloodPressure { systolic, diastolic, pulse }));
    let food = (text(), text(), option::of(number()), btree_map(text(), number(), 0..3)).prop_map(
        |(name, meal, energy_kcal, nutrients_g)| {
            Body::Nutrition(Nutrition { name: Some(name), meal: Some(meal), energy_kcal, nutrients_g })
        },
    );
    let entity = (text(), btree_map(text(), number(), 0..3), btree_map(text(), text(), 0..3))
        .prop_map(|(title, numbers, texts)| Body::Entity(Entity { title, numbers, texts }));
    let sleep = any::<(i64, bool)>().prop_map(|(ms, is_nap)| {
        let stages = vec![SleepStage::Deep, SleepStage::Rem];
        Body::Sleep(Sleep { stage_offsets_ms: vec![0, ms], stage_durations_ms: vec![ms, ms], stages, is_nap })
    });
    let series = prop::collection::vec(number(), 0..5)
        .prop_map(|values| Body::Series(Series { offsets_ms: (0..).take(values.len()).collect(), values }));
    prop_oneof![
        number().prop_map(|value| Body::Quantity(Quantity { value })),
        series,
        workout(),
        sleep,
        pressure,
        food,
        entity
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    let when = (any::<i64>(), any::<i64>(), option::of(any::<i32>()), any::<bool>());
    (prop::sample::select(DataType::ALL.to_vec()), body(), when).prop_map(
        |(data_type, body, (start, end, offset_seconds, is_daily_total))| {
            let mut it = record(data_type, body);
            (it.time.start, it.time.end, it.time.offset_seconds) = (Instant(start), Instant(end), offset_seconds);
            it.is_daily_total = is_daily_total;
            it
        },
    )
}

/// The paths of all values that are in a JSON value.
fn paths(at: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, it)| paths(&format!("{at}.{name}"), it, found)),
        Value::Array(items) => items.iter().for_each(|it| paths(&format!("{at}[]"), it, found)),
        _ => drop(found.insert(at.trim_start_matches('.').to_owned())),
    }
}

/// What of an input may not be found in what is released, as bytes.
fn secrets(input: &Envelope<Resolved>) -> Vec<Vec<u8>> {
    let head = &input.head;
    let ids = [head.id.0, head.cause.0, head.sync.0, connection(1).0, connection(2).0];
    let ops = (1..=2).map(|it| decision(it, None)).flat_map(|it| [it.item.0, it.op.unwrap().0]);
    let texts = ids.into_iter().chain(ops).flat_map(|it| [it.to_string().into_bytes(), it.as_bytes().to_vec()]);
    let others = [
        CANARY.as_bytes().to_vec(),
        head.subject.0.clone().into_bytes(),
        LATITUDE.to_le_bytes().to_vec(),
        b"52.52".to_vec(),
    ];
    texts.chain(others).collect()
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|it| it == secret)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_but_the_allow_list_leaves(records in prop::collection::vec(any_record(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new(Policy::default()).await;
            let decisions = records.into_iter().zip(1..).map(|(it, version)| decision(version, Some(it))).collect();
            let input = bench.resolved(decisions).await;
            let allowed: BTreeSet<String> = ALLOWED.iter().map(|it| it.path.to_owned()).collect();
            for event in bench.release(&input).await {
                let (bytes, json) = (encode(&event), serde_json::to_value(&event).unwrap());
                let mut found = BTreeSet::new();
                paths("", &json, &mut found);
                assert_eq!(found, allowed, "every field is on the list");
                for secret in secrets(&input) {
                    let is_there = holds(&bytes, &secret) || holds(json.to_string().as_bytes(), &secret);
                    assert!(!is_there, "{json}");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_ride_is_told_in_bins() {
    let bench = Bench::new(Policy::default()).await;
    let released = bench.release_one(record(DataType::Workout, Body::Workout(Box::new(ride())))).await;
    let [Envelope { head, body }] = &released[..] else { panic!("one event, not {released:?}") };
    assert_eq!(body.epoch, "2026-Q3");
    assert_eq!((body.week.as_str(), body.is_weekend, body.part_of_day), ("2026-W33", true, PartOfDay::Morning));
    assert_eq!((body.distance_km, body.heart_rate_mean, body.duration_min), (Some(20.5), Some(140), Some(60)));
    assert_eq!(body.sport, Some(Sport::Cycling));
    assert_eq!(head.at, Instant::parse("2026-08-15T00:00:00Z").unwrap());
    assert_eq!((head.cause, head.sync.0, head.mode), (head.id, head.id.0, Mode::Live));
}

#[tokio::test]
async fn only_what_was_resolved_after_a_yes_and_before_a_no_is_released() {
    let bench = Bench::new(Policy::default()).await;
    let input = bench.resolved(vec![decision(1, Some(weighing(71.3)))]).await;
    assert_eq!(bench.release(&input).await.len(), 1);
    bench.people.set_analytics(&subject(), false).await.unwrap();
    assert!(bench.release(&input).await.is_empty(), "a no stops it at once");
    bench.hands.advance(Duration::from_secs(1));
    bench.people.set_analytics(&subject(), true).await.unwrap();
    assert!(bench.release(&input).await.is_empty(), "a yes is not for what was before it");
    let somebody = Envelope { head: Head { subject: Subject("else".into()), ..input.head }, ..input };
    assert!(bench.release(&somebody).await.is_empty(), "who never said anything said no");
}

#[tokio::test]
async fn what_a_source_forbids_is_not_released() {
    let forbidding = [
        Policy { no_ai: true, ..Policy::default() },
        Policy { no_combining: true, ..Policy::default() },
        Policy { retention_days: Some(29), ..Policy::default() },
    ];
    for policy in forbidding {
        let bench = Bench::new(Policy::default()).await;
        let tagged = Record { policy: policy.clone(), ..weighing(71.3) };
        assert!(bench.release_one(tagged).await.is_empty(), "{policy:?}");
        let bench = Bench::new(policy.clone()).await;
        let both = vec![decision(1, Some(weighing(71.3))), decision(2, None)];
        let input = bench.resolved(both).await;
        assert!(bench.release(&input).await.is_empty(), "{policy:?}");
    }
    let bench = Bench::new(Policy { retention_days: Some(30), ..Policy::default() }).await;
    assert_eq!(bench.release_one(weighing(71.3)).await.len(), 1);
    let mut elsewhere = weighing(71.3);
    elsewhere.origin.provider = "nobody knows".into();
    assert!(bench.release_one(elsewhere).await.is_empty(), "terms that are not known allow nothing");
    let mut mixed = decision(1, Some(weighing(71.3)));
    mixed.fields =
        vec![FieldChoice { field: "quantity".into(), provider: "nobody knows".into(), ..FieldChoice::default() }];
    let input = bench.resolved(vec![mixed]).await;
    assert!(bench.release(&input).await.is_empty());
}

#[tokio::test]
async fn a_shadow_is_not_released_and_what_comes_again_has_the_same_id() {
    let bench = Bench::new(Policy::default()).await;
    let mut input = bench.resolved(vec![decision(1, Some(weighing(71.3)))]).await;
    assert_eq!(bench.release(&input).await, bench.release(&input).await);
    let again = bench.release(&input).await[0].head.id;
    input.head.mode = Mode::Repair;
    assert_eq!(bench.release(&input).await[0].head.id, again);
    input.head.mode = Mode::Shadow;
    assert!(bench.release(&input).await.is_empty());
}

#[tokio::test]
async fn a_record_has_one_pseudonym_until_it_is_deleted() {
    let bench = Bench::new(Policy::default()).await;
    let all = vec![decision(1, Some(weighing(71.3))), decision(2, Some(weighing(75.0))), decision(3, None)];
    let mut released = bench.release(&bench.resolved(all).await).await;
    // What a complete reading did not show is known by the keyed hash of its id alone.
    let mut gone = decision(4, None);
    gone.origin_record = bench.stage.contents.origin_key(&subject(), connection(1), &gone.origin_record).await.unwrap();
    released.extend(bench.release(&bench.resolved(vec![gone]).await).await);
    assert_eq!(released.len(), 4);
    assert!(released.iter().all(|it| it.body.record == released[0].body.record));
    assert_eq!(released.iter().map(|it| it.head.id).collect::<BTreeSet<_>>().len(), 4);
    let [.., deleted] = &released[..] else { panic!("four events") };
    assert_eq!((deleted.body.action, deleted.body.week.as_str(), deleted.body.value), (Action::Delete, "", None));
}

#[tokio::test]
async fn a_new_quarter_has_new_pseudonyms_and_the_old_key_is_destroyed_a_day_later() {
    let bench = Bench::new(Policy::default()).await;
    let vault = &bench.stage.contents.vault;
    let before = bench.release_one(weighing(71.3)).await.remove(0);
    let next = Instant::parse("2026-10-01T00:00:00Z").unwrap();
    bench.hands.advance_to(next);
    let after = bench.release_one(weighing(71.3)).await.remove(0);
    assert_ne!(before.head.subject, after.head.subject);
    assert_ne!((before.body.record, before.head.id), (after.body.record, after.head.id));
    assert_eq!(vault.destroy_epochs(next.plus(Duration::from_secs(3_600))).await.unwrap(), 0, "for a day it stays");
    assert_eq!(vault.destroy_epochs(next.plus(Duration::from_secs(86_400))).await.unwrap(), 1);
    assert!(vault.pseudonyms(T0).await.is_err(), "nobody can make those of the old quarter any more");
    let again = Vault::open(bench.store.vault.clone(), Kek::from_text(&"07".repeat(32)).unwrap()).await.unwrap();
    assert_eq!(again.pseudonyms(next).await.unwrap().text("subject", subject().0.as_bytes()), after.head.subject.0);
}
