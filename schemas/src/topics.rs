//! Where events go: the topic catalogue, as data.

use crate::{
    analytics::RETENTION_DAYS,
    event::{Analytics, Event, Fetched, Kind, Lane, Normalized, Outcome, Rejected, Requested, Resolved, Settled},
};
use std::{fmt, marker::PhantomData};

/// A topic that carries events of one kind. Its type keeps the wiring right.
pub struct Topic<E> {
    /// Which it is.
    pub name: TopicName,
    carries: PhantomData<fn() -> E>,
}

impl<E> Clone for Topic<E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E> Copy for Topic<E> {}

impl<E> fmt::Debug for Topic<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.name, f)
    }
}

/// The name of a topic: what it carries and, for topics of a lane, which lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName {
    /// What it carries.
    pub kind: Kind,
    /// Which lane; absent for topics that all lanes share.
    pub lane: Option<Lane>,
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lane {
            Some(lane) => write!(f, "syncwell.{}.{}", lane.name(), self.kind.name()),
            None => write!(f, "syncwell.{}", self.kind.name()),
        }
    }
}

const fn in_lane<E: Event>(lane: Lane) -> Topic<E> {
    Topic { name: TopicName { kind: E::KIND, lane: Some(lane) }, carries: PhantomData }
}

const fn shared<E: Event>() -> Topic<E> {
    Topic { name: TopicName { kind: E::KIND, lane: None }, carries: PhantomData }
}

/// Syncs asked for, and their next pages.
#[must_use]
pub const fn requested(lane: Lane) -> Topic<Requested> {
    in_lane(lane)
}

/// Pages as they came.
#[must_use]
pub const fn fetched(lane: Lane) -> Topic<Fetched> {
    in_lane(lane)
}

/// Canonical records.
#[must_use]
pub const fn normalized(lane: Lane) -> Topic<Normalized> {
    in_lane(lane)
}

/// Decisions.
#[must_use]
pub const fn resolved(lane: Lane) -> Topic<Resolved> {
    in_lane(lane)
}

/// Results.
#[must_use]
pub const fn outcomes(lane: Lane) -> Topic<Outcome> {
    in_lane(lane)
}

/// Syncs that are over, of all lanes.
pub const SETTLED: Topic<Settled> = shared();

/// What no stage could take, of all lanes.
pub const REJECTED: Topic<Rejected> = shared();

/// What analysts may see, of all lanes.
pub const ANALYTICS: Topic<Analytics> = shared();

/// What an operator needs to know of a topic to create it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: TopicName,
    /// The field that keys it: on every topic the subject in the head, which for analysts is a pseudonym.
    pub key: &'static str,
    /// Schema of its values: the file in `avro/` without version.
    pub schema: &'static str,
    /// How long events are kept, days.
    pub retention_days: u32,
    /// What happens to old events, as Kafka names it.
    pub cleanup: &'static str,
    /// The largest event, bytes. Larger contents are kept apart, and a rejected original that is larger stays away.
    pub message_bytes_max: u32,
    /// Partitions: the same number on every topic, and never changed.
    pub partitions: u32,
}

/// Partitions of every topic. A new number needs a new generation of topics.
pub const PARTITIONS: u32 = 8;

/// The largest event of every topic, bytes: Kafka's own default.
const MESSAGE_BYTES_MAX: u32 = 1_048_588;

/// Every topic.
#[must_use]
pub fn catalogue() -> Vec<TopicSpec> {
    let lanes = [Kind::Requested, Kind::Fetched, Kind::Normalized, Kind::Resolved, Kind::Outcome];
    let in_lanes = Lane::ALL.into_iter().flat_map(|lane| lanes.map(|kind| TopicName { kind, lane: Some(lane) }));
    let shared = [Kind::Settled, Kind::Rejected, Kind::Analytics].map(|kind| TopicName { kind, lane: None });
    in_lanes
        .chain(shared)
        .map(|name| TopicSpec {
            name,
            key: "head.subject",
            schema: name.kind.name(),
            retention_days: match name.kind {
                // Outcomes outlive the oldest snapshot of a store, which is caught up from them.
                Kind::Outcome => 35,
                Kind::Settled | Kind::Rejected => 30,
                Kind::Analytics => RETENTION_DAYS,
                _ => 7,
            },
            cleanup: "delete",
            message_bytes_max: MESSAGE_BYTES_MAX,
            partitions: PARTITIONS,
        })
        .collect()
}
