//! Events to measure with: one of every kind, as the flow makes them for a page with a few records.

use crate::records::{at, connection, subject};
use schemas::{
    data_type::DataType,
    event::{
        Account, Count, Cover, Deletes, Destination, DestinationCounts, Envelope, Event, Fate, Fetched, Head, Lane,
        Normalized, Outcome, Payload, Reading, Reason, Rejected, Requested, Resolved, Rule, Settled, Side, Stretch,
        StretchState, Trigger,
    },
    id::{ConfigId, EventId, SyncId},
    time::Interval,
};

/// The sync of that number.
#[must_use]
pub fn sync(number: u64) -> SyncId {
    SyncId::for_key(&subject(), "sync-jobs", &number.to_string())
}

/// An event with a head as the third stage makes it.
#[must_use]
pub fn event<E: Event>(body: E) -> Envelope<E> {
    Envelope { head: Head::root(sync(0), subject(), at(0)).derive("normalize", 0, at(1)), body }
}

/// The account at a provider.
#[must_use]
pub fn account(provider: &str) -> Account {
    Account { connection: connection(provider), provider: provider.into() }
}

fn destination() -> Destination {
    let config = ConfigId::derived(&subject(), connection("strava"), connection("google_health"));
    Destination {
        account: account("google_health"),
        config: Some(config),
        config_version: 3,
        rule: Rule::PrioritiseSource,
        deletes: Deletes::Keep,
    }
}

/// A sealed content of that many bytes, riding in its event.
fn payload(n_bytes: usize) -> Payload {
    Payload {
        carrier: EventId::root(sync(0)),
        key_version: 1,
        content_type: "application/vnd.confluent.avro".into(),
        size: i64::try_from(n_bytes).unwrap_or(i64::MAX),
        hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
        sealed: Some((0..n_bytes).map(|it| it.to_le_bytes()[0]).collect()),
        blob: None,
    }
}

fn counts(fate: Fate) -> Vec<Count> {
    vec![
        Count { data_type: DataType::Workout, fate, reason: None, count: 3 },
        Count { data_type: DataType::Workout, fate: Fate::Skipped, reason: Some(Reason::Unchanged), count: 2 },
    ]
}

fn window() -> Interval {
    Interval { from: at(-86_400), to: at(0) }
}

/// A sync over a day is asked for.
#[must_use]
pub fn requested() -> Envelope<Requested> {
    event(Requested {
        source: account("strava"),
        data_type: Some(DataType::Workout),
        destinations: vec![destination()],
        cover: Cover::Range(window()),
        reading: Reading::default(),
        trigger: Trigger::Manual,
        lane: Lane::Hot,
        expires_at: None,
        fingerprint: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
    })
}

/// A page of that many bytes was read.
#[must_use]
pub fn fetched(n_bytes: usize) -> Envelope<Fetched> {
    event(Fetched {
        side: Side::Source,
        account: account("strava"),
        source: account("strava"),
        data_type: Some(DataType::Workout),
        destinations: vec![destination()],
        page: payload(n_bytes),
        number: 0,
        fetched_at: at(2),
        window: Some(window()),
        last: true,
        api_version: "v3".into(),
        lane: Lane::Hot,
    })
}

/// Its records, that many bytes.
#[must_use]
pub fn normalized(n_bytes: usize) -> Envelope<Normalized> {
    event(Normalized {
        side: Side::Source,
        account: account("strava"),
        source: account("strava"),
        data_type: Some(DataType::Workout),
        destinations: vec![destination()],
        records: payload(n_bytes),
        counts: counts(Fate::Read),
        issues: Vec::new(),
        fetched_at: at(2),
        window: Some(window()),
        last: true,
        mapper_version: 1,
        lane: Lane::Hot,
    })
}

/// What was decided about them, 4 KiB.
#[must_use]
pub fn resolved() -> Envelope<Resolved> {
    event(Resolved {
        side: Side::Source,
        source: account("strava"),
        destination: destination(),
        decisions: Some(payload(4 << 10)),
        operations: 3,
        counts: counts(Fate::Read),
        lane: Lane::Hot,
        expires_at: None,
    })
}

/// What became of it, 1 KiB.
#[must_use]
pub fn outcome() -> Envelope<Outcome> {
    event(Outcome {
        stage: "write".into(),
        destination: Some(destination()),
        end: None,
        results: Some(payload(1 << 10)),
        counts: counts(Fate::Created),
        lane: Lane::Hot,
    })
}

/// The end of the sync.
#[must_use]
pub fn settled() -> Envelope<Settled> {
    event(Settled {
        source: account("strava"),
        data_type: Some(DataType::Workout),
        read: counts(Fate::Read),
        destinations: vec![DestinationCounts {
            account: account("google_health"),
            counts: counts(Fate::Created),
            end: None,
        }],
        issues: Vec::new(),
        stretches: vec![Stretch { interval: window(), state: StretchState::Fetched, reason: None }],
        checkpoint: Some(at(0)),
        end: None,
        lane: Lane::Hot,
    })
}

/// An event that no stage could take.
#[must_use]
pub fn rejected() -> Envelope<Rejected> {
    event(Rejected {
        stage: "normalize".into(),
        reason: Reason::Malformed,
        topic: "syncwell.hot.fetched".into(),
        partition: 7,
        offset: 5_000_000,
        attempts: 5,
        first_at: at(-900),
        code_version: "0.1.0".into(),
        original: vec![7; 1 << 10],
    })
}
