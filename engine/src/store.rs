//! The port to memory: it says each thing once. One small trait a concern; [`Store`] holds them all.

mod common;
pub mod scylla;
pub mod sqlite;

use crate::{
    bus::Unreachable,
    item::{Guard, ItemKey, ItemRow, Origin, Partition, Patch, Planned},
};
use async_trait::async_trait;
use bytes::Bytes;
use schemas::{
    codec,
    data_type::DataType,
    event::{Envelope, Event},
    id::{ConnectionId, EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use std::{fmt, sync::Arc};

/// Everything that is remembered.
#[derive(Clone, Debug)]
pub struct Store {
    /// What every stage made of every event.
    pub log: Arc<dyn Log>,
    /// The records of every person at every destination.
    pub items: Arc<dyn Items>,
    /// What is to happen later.
    pub timers: Arc<dyn Timers>,
    /// Large contents, sealed.
    pub blobs: Arc<dyn Blobs>,
    /// Connections, configs, access tokens, checkpoints, limits: rows changed by compare-and-set.
    pub rows: Arc<dyn Rows>,
    /// Wrapped keys and sealed provider tokens: rows too, but never restored from an old snapshot.
    pub vault: Arc<dyn Rows>,
}

/// How a step is known: what this stage made of this event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StepKey {
    /// The person.
    pub subject: Subject,
    /// The sync: with the subject, the partition that the step is in.
    pub sync: SyncId,
    /// The stage.
    pub stage: String,
    /// The event; for Settle, whose steps are one a sync, the sync's id.
    pub cause: EventId,
}

/// What a stage made of an event: the unit in which the log grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How it is known.
    pub key: StepKey,
    /// When it was made.
    pub at: Instant,
    /// What it does to its sync.
    pub bearing: Bearing,
    /// What came out, in order: events of this sync.
    pub outputs: Vec<Logged>,
    /// Events that begin other syncs. They are kept with the step, so that a recall can begin them again, but they
    /// are events of their own syncs: [`Log::open`] and [`Log::events`] of this sync do not give them.
    pub roots: Vec<Logged>,
}

/// What a step does to its sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Begins it: the sync is listed as open from now on.
    Opens,
    /// Goes on with it.
    Within,
    /// Ends it: it is no longer listed as open.
    Closes,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub id: EventId,
    /// The topic it belongs on.
    pub topic: TopicName,
    /// The framed event.
    pub bytes: Bytes,
}

impl Logged {
    /// The event as stages see it.
    ///
    /// # Errors
    /// When it is not one of this kind: the log is broken, and nobody is to be rejected for it.
    pub fn event<E: Event>(&self) -> Result<Envelope<E>, Unreachable> {
        codec::decode(&self.bytes)
            .map_err(|err| Unreachable(format!("the log holds an event that cannot be read: {err}")))
    }
}

/// What every stage made of every event. Append-only.
#[async_trait]
pub trait Log: fmt::Debug + Send + Sync {
    /// Appends a step unless one of this key is there, atomically, and returns the one that stands. A timer of
    /// (stage, cause) stays: whoever appends may be cut off before it publishes, and another member may by then count
    /// on that timer alone.
    async fn append(&self, step: Step) -> Result<Step, Unreachable>;

    /// The steps of these keys, in the order asked for.
    async fn recall(&self, keys: &[StepKey]) -> Result<Vec<Option<Step>>, Unreachable>;

    /// The events of a sync that wait for their stage: every `Requested`, `Fetched`, `Normalized` and `Resolved` for
    /// which `fetch`, `normalize`, `resolve` or `write` has no step. Ids and topics only, in order of appending.
    async fn open(&self, subject: &Subject, sync: SyncId) -> Result<Vec<(EventId, TopicName)>, Unreachable>;

    /// All events of a sync, in order of appending.
    async fn events(&self, subject: &Subject, sync: SyncId) -> Result<Vec<Logged>, Unreachable>;

    /// One event of a sync.
    async fn event(&self, subject: &Subject, sync: SyncId, id: EventId) -> Result<Option<Logged>, Unreachable>;

    /// Syncs that have begun and not ended, by id, after `after`: for publishing again what a lost bus held.
    async fn unsettled(&self, after: Option<SyncId>, count_max: usize) -> Result<Vec<(Subject, SyncId)>, Unreachable>;

    /// The syncs of a person, newest first: (sync, when it began, whether it has ended).
    async fn syncs(&self, subject: &Subject, count_max: usize) -> Result<Vec<(SyncId, Instant, bool)>, Unreachable>;

    /// Steps appended within a span, of one person or of all, in order of time: when, and how each is known.
    /// At most `count_max`, after the one that ended the page before.
    async fn scan(
        &self,
        span: Interval,
        subject: Option<&Subject>,
        after: Option<(Instant, StepKey)>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable>;
}

/// The records of every person at every destination. Every change is conditional; none is blind.
#[async_trait]
pub trait Items: fmt::Debug + Send + Sync {
    /// The rows of one type at a destination that overlap a window, with the present `plan_seq` of every month the
    /// window touches. The `plan_seq`s are read before the rows.
    async fn window(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<(Vec<ItemRow>, Vec<(Partition, i64)>), Unreachable>;

    /// The present `plan_seq` of a month; 0 where nothing was ever planned.
    async fn seq(&self, partition: &Partition) -> Result<i64, Unreachable>;

    /// One row, as it stands (a serial read).
    async fn get(&self, key: &ItemKey) -> Result<Option<ItemRow>, Unreachable>;

    /// Rows of a person by item id, whatever the destination and month: for explaining.
    async fn find(&self, subject: &Subject, item: schemas::id::ItemId) -> Result<Vec<ItemRow>, Unreachable>;

    /// Writes plans into one partition if its `plan_seq` is still `seq`, and raises it; `false`, and nothing
    /// written, if it is not. A plan sets only the planned columns (and inserts a row that is not there); it never
    /// touches a claim and never overwrites the state UNKNOWN.
    async fn plan(&self, partition: &Partition, seq: i64, plans: Vec<Planned>) -> Result<bool, Unreachable>;

    /// Changes one row if the guard holds; `false` if it does not or there is no row.
    async fn change(&self, key: &ItemKey, guard: Guard, patch: Patch) -> Result<bool, Unreachable>;

    /// The items that these records of a connection lead to, in the order asked for.
    async fn origins(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        records: &[String],
    ) -> Result<Vec<Option<Origin>>, Unreachable>;

    /// Notes where records lead; `source_at` only ever goes up.
    async fn note_origins(&self, subject: &Subject, origins: Vec<Origin>) -> Result<(), Unreachable>;

    /// The records of a connection that lead to items of this type at a destination within a window: for finding
    /// those that are gone.
    async fn origins_within(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Origin>, Unreachable>;
}

/// An event to be delivered again, or for the first time, at a later moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// For which stage.
    pub stage: String,
    /// Which event.
    pub event: EventId,
    /// The person and the sync that the event is in.
    pub subject: Subject,
    /// The sync that the event is in.
    pub sync: SyncId,
    /// When.
    pub at: Instant,
    /// Attempts that have failed.
    pub attempts: i32,
    /// When it was first put off.
    pub first_at: Instant,
}

/// What is to happen later.
#[async_trait]
pub trait Timers: fmt::Debug + Send + Sync {
    /// Sets the timer of (stage, event), in place of an earlier one.
    async fn schedule(&self, timer: Timer) -> Result<(), Unreachable>;

    /// The timer of (stage, event).
    async fn get(&self, stage: &str, event: EventId) -> Result<Option<Timer>, Unreachable>;

    /// Timers that are due, earliest first.
    async fn due(&self, now: Instant, count_max: usize) -> Result<Vec<Timer>, Unreachable>;

    /// When the next one is due.
    async fn next(&self) -> Result<Option<Instant>, Unreachable>;

    /// Removes the timer of (stage, event), if there is one.
    async fn remove(&self, stage: &str, event: EventId) -> Result<(), Unreachable>;

    /// Makes every timer of a sync due at `at`, if it would be later; says how many there were.
    async fn hasten(&self, sync: SyncId, at: Instant) -> Result<usize, Unreachable>;
}

/// Large contents, by name. Names are hashes: putting twice is putting once.
#[async_trait]
pub trait Blobs: fmt::Debug + Send + Sync {
    /// Keeps a content.
    async fn put(&self, subject: &Subject, name: &str, content: Bytes) -> Result<(), Unreachable>;

    /// A content that was put; `None` if it was not or is gone.
    async fn get(&self, subject: &Subject, name: &str) -> Result<Option<Bytes>, Unreachable>;
}

/// How a row is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowKey {
    /// The person; empty for rows of the whole installation.
    pub subject: String,
    /// What kind of row: `connection`, `config`, `access_token`, `checkpoint` …
    pub kind: &'static str,
    /// Which one.
    pub id: String,
}

/// A row and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How it is known: the id part of its key.
    pub id: String,
    /// Its version, from 1.
    pub version: i64,
    /// Its content.
    pub body: Bytes,
}

/// Rows changed by compare-and-set.
#[async_trait]
pub trait Rows: fmt::Debug + Send + Sync {
    /// A row.
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, Unreachable>;

    /// All rows of a kind of a person, by id.
    async fn list(&self, subject: &str, kind: &'static str) -> Result<Vec<Row>, Unreachable>;

    /// Sets a row if its version is still `expected` (0: it is not there); `false` if it is not. The new version is
    /// one higher. `index` names it for [`Rows::find`], in place of its earlier names.
    async fn put(&self, key: &RowKey, expected: i64, body: Bytes, index: &[String]) -> Result<bool, Unreachable>;

    /// Removes a row if its version is still `expected`; `false` if it is not.
    async fn delete(&self, key: &RowKey, expected: i64) -> Result<bool, Unreachable>;

    /// The rows of a kind that have this name in their index: (subject, id).
    async fn find(&self, kind: &'static str, name: &str) -> Result<Vec<(String, String)>, Unreachable>;
}
