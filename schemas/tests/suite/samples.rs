//! One full and one minimal value of every schema. Full: every optional field is there, every kind of body and
//! cover occurs, columns have gaps. Minimal: everything that can be absent or empty is.

use schemas::{
    codec::{DecodeError, Framed, Subject as Schema, current, decode, encode},
    data_type::DataType,
    event::{
        Account, Action, Analytics, Candidate, Count, Cover, Decision, Decisions, Deletes, Delivered, Destination,
        DestinationCounts, Envelope, Evidence, Fate, Fetched, FieldChoice, Head, Held, IssueCount, Lane, Mode, Named,
        Normalized, OperationResult, Outcome, PartOfDay, Payload, Reading, Reason, Rejected, Requested, Resolved,
        Results, Rule, Settled, Side, Source, Stretch, StretchState, Trigger, TypeSpan, Verdict,
    },
    id::{ConfigId, ConnectionId, EventId, ItemId, OpId, Subject, SyncId},
    record::{Body, RecordingMethod, Records},
    time::{Instant, Interval},
    workout::Sport,
};
use serde_json::Value;
use std::fmt::Debug;

mod records;

pub(crate) use records::{record, records, tombstone, workout};

/// A value, without its type.
pub(crate) struct Sample {
    /// What it is a value of.
    pub(crate) schema: Schema,
    /// `full` or `minimal`.
    pub(crate) kind: &'static str,
    /// Schema, version and kind, as its golden files are named.
    pub(crate) name: String,
    /// It, framed.
    pub(crate) bytes: Vec<u8>,
    /// It, as JSON.
    pub(crate) json: Value,
    /// Decodes and encodes bytes as a value of its type.
    pub(crate) recode: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    /// Whether it is equal to what its bytes decode to.
    pub(crate) comes_back: Box<dyn Fn() -> bool>,
}

/// Every sample.
pub(crate) fn all() -> Vec<Sample> {
    let mut all = Vec::new();
    all.extend(pair(event(requested()), event(requested_minimal())));
    all.extend(pair(event(fetched()), event(fetched_minimal())));
    all.extend(pair(event(normalized()), event(normalized_minimal())));
    all.extend(pair(event(resolved()), event(resolved_minimal())));
    all.extend(pair(event(outcome()), event(outcome_minimal())));
    all.extend(pair(event(settled()), event(settled_minimal())));
    all.extend(pair(event(rejected()), event(rejected_minimal())));
    all.extend(pair(event(analytics()), event(analytics_minimal())));
    all.extend(pair(records(), Records::default()));
    all.extend(pair(decisions(), Decisions::default()));
    all.extend(pair(results(), Results::default()));
    all
}

fn pair<T: Framed + Clone + PartialEq + Debug + 'static>(full: T, minimal: T) -> [Sample; 2] {
    [("full", full), ("minimal", minimal)].map(|(kind, value)| Sample {
        schema: T::SUBJECT,
        kind,
        name: format!("{}.v{}.{kind}", T::SUBJECT, current(T::SUBJECT).version),
        bytes: encode(&value),
        json: serde_json::to_value(&value).unwrap(),
        recode: |bytes| decode::<T>(bytes).map(|it| encode(&it)),
        comes_back: Box::new(move || decode::<T>(&encode(&value)).as_ref() == Ok(&value)),
    })
}

fn subject() -> Subject {
    Subject("9f2c7d5a41b8e0637c1d".into())
}

fn connection(account: &str) -> ConnectionId {
    ConnectionId::derived(&subject(), "strava", account)
}

fn sync() -> SyncId {
    SyncId::for_key(&subject(), "/v1/sync-jobs", "key-1")
}

fn item(record: &str) -> ItemId {
    ItemId::derived(connection("b"), "workout", connection("a"), record)
}

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(1_777_788_150 + seconds)
}

fn event<E>(body: E) -> Envelope<E> {
    let root = Head::root(sync(), subject(), at(0));
    let mut head = root.derive("fetch", 3, Instant(at(61).0 + 7));
    head.mode = Mode::Repair;
    Envelope { head, body }
}

fn account(name: &str) -> Account {
    Account { connection: connection(name), provider: "strava".into() }
}

fn config() -> ConfigId {
    ConfigId::derived(&subject(), connection("a"), connection("b"))
}

fn destination() -> Destination {
    Destination {
        account: account("b"),
        config: Some(config()),
        config_version: 12,
        rule: Rule::Newest,
        deletes: Deletes::Ask,
    }
}

fn bare_destination() -> Destination {
    Destination {
        account: account("b"),
        config: None,
        config_version: 0,
        rule: Rule::PrioritiseSource,
        deletes: Deletes::Keep,
    }
}

fn interval(from: i64, to: i64) -> Interval {
    Interval { from: at(from), to: at(to) }
}

fn payload() -> Payload {
    Payload {
        carrier: EventId::root(sync()),
        key_version: 2,
        content_type: "application/json".into(),
        size: 4_321,
        hash: "0f1e2d3c".into(),
        sealed: Some(vec![0, 1, 127, 128, 255]),
        blob: None,
    }
}

fn blob() -> Payload {
    Payload { sealed: None, blob: Some("blobs/0f1e2d3c".into()), ..payload() }
}

fn counts() -> Vec<Count> {
    vec![
        Count { data_type: DataType::Workout, fate: Fate::Created, reason: None, count: 3 },
        Count { data_type: DataType::Vo2Max, fate: Fate::Skipped, reason: Some(Reason::Unchanged), count: 70_000 },
        Count { data_type: DataType::Unknown, fate: Fate::Unknown, reason: Some(Reason::AnswerLost), count: 1 },
    ]
}

fn issues() -> Vec<IssueCount> {
    vec![IssueCount { code: "out_of_range".into(), count: 2 }]
}

fn requested() -> Requested {
    Requested {
        source: account("a"),
        data_type: Some(DataType::HeartRate),
        destinations: vec![destination(), bare_destination()],
        cover: Cover::Delivered(Delivered { parts: vec![payload(), blob()], delivered_at: at(-5) }),
        reading: Reading {
            looks_done: 1,
            cursor: Some(payload()),
            pages: 7,
            parts_done: 2,
            held: Some(Held {
                page: blob(),
                fetched_at: at(1),
                spans: vec![TypeSpan { data_type: DataType::Sleep, span: interval(-60, 0) }],
                next: Some(blob()),
            }),
        },
        trigger: Trigger::Replay,
        lane: Lane::Cold,
        expires_at: Some(at(3_600)),
        fingerprint: "ab12".into(),
    }
}

fn requested_minimal() -> Requested {
    Requested {
        source: account("a"),
        data_type: None,
        destinations: Vec::new(),
        cover: Cover::Range(interval(-3_600, 0)),
        reading: Reading::default(),
        trigger: Trigger::Manual,
        lane: Lane::Hot,
        expires_at: None,
        fingerprint: String::new(),
    }
}

fn fetched() -> Fetched {
    Fetched {
        side: Side::Destination,
        account: account("b"),
        source: account("a"),
        data_type: Some(DataType::BloodPressure),
        destinations: vec![destination()],
        page: payload(),
        number: 4,
        fetched_at: at(2),
        window: Some(interval(-3_600, 0)),
        last: true,
        api_version: "v3".into(),
        lane: Lane::Cold,
    }
}

fn fetched_minimal() -> Fetched {
    Fetched {
        side: Side::Source,
        data_type: None,
        destinations: Vec::new(),
        number: 0,
        window: None,
        last: false,
        api_version: String::new(),
        lane: Lane::Hot,
        ..fetched()
    }
}

fn normalized() -> Normalized {
    Normalized {
        side: Side::Destination,
        account: account("b"),
        source: account("a"),
        data_type: Some(DataType::Steps),
        destinations: vec![destination(), destination()],
        records: blob(),
        counts: counts(),
        issues: issues(),
        fetched_at: at(2),
        window: Some(interval(-3_600, 0)),
        last: true,
        mapper_version: 5,
        lane: Lane::Cold,
    }
}

fn normalized_minimal() -> Normalized {
    Normalized {
        side: Side::Source,
        data_type: None,
        destinations: Vec::new(),
        records: payload(),
        counts: Vec::new(),
        issues: Vec::new(),
        window: None,
        last: false,
        mapper_version: 1,
        lane: Lane::Hot,
        ..normalized()
    }
}

fn resolved() -> Resolved {
    Resolved {
        side: Side::Source,
        source: account("a"),
        destination: destination(),
        decisions: Some(payload()),
        operations: 9,
        counts: counts(),
        lane: Lane::Cold,
        expires_at: Some(at(3_600)),
    }
}

fn resolved_minimal() -> Resolved {
    Resolved {
        destination: bare_destination(),
        decisions: None,
        operations: 0,
        counts: Vec::new(),
        lane: Lane::Hot,
        expires_at: None,
        ..resolved()
    }
}

fn outcome() -> Outcome {
    Outcome {
        stage: "write".into(),
        destination: Some(destination()),
        end: Some(Reason::SplitOff),
        results: Some(payload()),
        counts: counts(),
        lane: Lane::Cold,
    }
}

fn outcome_minimal() -> Outcome {
    Outcome { stage: "fetch".into(), destination: None, end: None, results: None, counts: Vec::new(), lane: Lane::Hot }
}

fn settled() -> Settled {
    Settled {
        source: account("a"),
        data_type: Some(DataType::MealPlan),
        read: counts(),
        destinations: vec![DestinationCounts {
            account: account("b"),
            counts: counts(),
            end: Some(Reason::AccessRevoked),
        }],
        issues: issues(),
        stretches: vec![
            Stretch { interval: interval(-60, -30), state: StretchState::Empty, reason: None },
            Stretch { interval: interval(-30, 0), state: StretchState::Refused, reason: Some(Reason::Forbidden) },
        ],
        checkpoint: Some(at(-30)),
        end: Some(Reason::Cancelled),
        lane: Lane::Cold,
    }
}

fn settled_minimal() -> Settled {
    Settled {
        source: account("a"),
        data_type: None,
        read: Vec::new(),
        destinations: Vec::new(),
        issues: Vec::new(),
        stretches: Vec::new(),
        checkpoint: None,
        end: None,
        lane: Lane::Hot,
    }
}

fn rejected() -> Rejected {
    Rejected {
        stage: "normalize".into(),
        reason: Reason::Undecodable,
        topic: "syncwell.hot.fetched".into(),
        partition: 7,
        offset: 5_000_000_000,
        attempts: 5,
        first_at: at(-900),
        code_version: "0.1.0".into(),
        original: vec![0, 0, 0, 0, 2, 255],
    }
}

fn rejected_minimal() -> Rejected {
    Rejected { partition: 0, offset: 0, attempts: 0, original: Vec::new(), ..rejected() }
}

fn analytics() -> Analytics {
    Analytics {
        method: RecordingMethod::Active,
        week: "2026-W18".into(),
        is_weekend: true,
        part_of_day: PartOfDay::Evening,
        is_daily_total: true,
        duration_min: Some(45),
        value: Some(61.5),
        sport: Some(Sport::TrailRunning),
        moving_min: Some(40),
        distance_km: Some(7.5),
        energy_kcal: Some(450),
        ascent_m: Some(100),
        heart_rate_mean: Some(140),
        heart_rate_max: Some(175),
        steps: Some(6_500),
        asleep_min: Some(420),
        deep_min: Some(85),
        rem_min: Some(90),
        is_nap: Some(false),
        systolic: Some(115),
        diastolic: Some(75),
        ..analytics_minimal()
    }
}

fn analytics_minimal() -> Analytics {
    let (epoch, record) = ("2026-Q2".into(), "6d0c1b9a3f5e7d8890a1b2c3d4e5f607".into());
    Analytics::bare(epoch, record, Action::Update, DataType::Workout, "files".into())
}

fn decisions() -> Decisions {
    let full = Decision {
        item: item("1"),
        month: "2026-05".into(),
        data_type: DataType::Workout,
        action: Action::Update,
        version: 3,
        op: Some(OpId::derived(connection("b"), item("1"), 3)),
        reason: Some(Reason::Superseded),
        rule: "newest".into(),
        rule_version: 1,
        candidates: vec![Candidate {
            item: item("2"),
            score: 0.875,
            owned: true,
            verdict: Verdict::Same,
            evidence: vec![Evidence {
                feature: "start".into(),
                weight: 2.5,
                detail: "the starts are 3 s apart".into(),
            }],
        }],
        fields: vec![
            FieldChoice { field: "distance_m".into(), provider: "strava".into(), ..FieldChoice::default() },
            FieldChoice {
                field: "streams.heart_rate".into(),
                provider: "google_health".into(),
                connection: Some(connection("c")),
                record: "7".into(),
                device: Some("strap".into()),
                offset_ms: 1_000,
                duration_ms: 60_000,
                rule: "best_heart_rate".into(),
                note: "a chest strap, one sample a second".into(),
            },
        ],
        origin_record: "1".into(),
        source_at: at(-1),
        time: records::span(),
        record: Some(record(DataType::Workout, Body::Workout(Box::new(workout())))),
        sources: vec![Source {
            connection: connection("a"),
            provider: "strava".into(),
            record: "1".into(),
            key: "5a".repeat(32),
            hash: "c3".repeat(32),
            source_at: at(-1),
            sync: sync(),
            event: EventId::root(sync()),
        }],
        lost: vec!["streams.power: it is not held".into()],
    };
    let bare = Decision {
        action: Action::Skip,
        op: None,
        reason: None,
        candidates: Vec::new(),
        fields: Vec::new(),
        record: None,
        sources: Vec::new(),
        lost: Vec::new(),
        ..full.clone()
    };
    Decisions { decisions: vec![full, bare] }
}

fn results() -> Results {
    let full = OperationResult {
        op: OpId::derived(connection("b"), item("1"), 3),
        item: item("1"),
        month: "2026-05".into(),
        data_type: DataType::Weight,
        action: Action::Delete,
        fate: Fate::Refused,
        reason: Some(Reason::ProviderRefused),
        detail: Some("the provider has no such field".into()),
        version: 3,
        hash: Some("77aa".into()),
        external_id: Some("w-1".into()),
        owned: true,
        lost: vec!["cadence_mean: it has no such field".into()],
    };
    let bare = OperationResult {
        reason: None,
        detail: None,
        hash: None,
        external_id: None,
        owned: false,
        lost: Vec::new(),
        ..full.clone()
    };
    Results { results: vec![full, bare] }
}

/// A request for named records: the cover that no sample in [`all`] has.
pub(crate) fn named() -> Envelope<Requested> {
    event(Requested { cover: Cover::Named(Named { ids: payload() }), ..requested_minimal() })
}
