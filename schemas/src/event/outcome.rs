//! [`Outcome`], [`Settled`] and [`Rejected`]: how it ended.

use super::{Account, Action, Count, Destination, Event, Fate, IssueCount, Kind, Lane, Payload, Reason};
use crate::{
    data_type::DataType,
    id::{ItemId, OpId},
    time::{Instant, Interval},
};
use serde::{Deserialize, Serialize};

/// How one [`Resolved`](super::Resolved) ended, or how a sync ended early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The stage that says so.
    pub stage: String,
    /// The destination; absent if the end came before there was one.
    pub destination: Option<Destination>,
    /// Why it ended without operations; absent if it did not.
    pub end: Option<Reason>,
    /// The operations' results ([`Results`] in Avro); absent if there were none.
    pub results: Option<Payload>,
    /// What became of them, by type, fate and reason.
    pub counts: Vec<Count>,
    /// Which lane it travels in.
    pub lane: Lane,
}

/// The sealed content of an [`Outcome`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// One result an operation.
    pub results: Vec<OperationResult>,
}

/// How one operation ended: all that the item's row holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationResult {
    /// The operation.
    pub op: OpId,
    /// The item.
    pub item: ItemId,
    /// The month of its row.
    pub month: String,
    /// Its type.
    pub data_type: DataType,
    /// What was done.
    pub action: Action,
    /// What became of it.
    pub fate: Fate,
    /// Why, where a fate has reasons.
    pub reason: Option<Reason>,
    /// What the provider or connector said, in words without values.
    pub detail: Option<String>,
    /// The version that the destination holds now.
    pub version: i64,
    /// Keyed hash of the content it holds, hex.
    pub hash: Option<String>,
    /// The record's id there.
    pub external_id: Option<String>,
    /// Whether the record there is ours.
    pub owned: bool,
    /// What of the record the destination does not hold, by field, each with why.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// A sync is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Its source.
    pub source: Account,
    /// The type that was asked for; absent for a delivered body.
    pub data_type: Option<DataType>,
    /// What was read at the source, by type.
    pub read: Vec<Count>,
    /// What became of it, per destination.
    pub destinations: Vec<DestinationCounts>,
    /// What was left out or repaired while mapping, by code.
    pub issues: Vec<IssueCount>,
    /// Which stretches were read, and how.
    pub stretches: Vec<Stretch>,
    /// Up to where everything has been read, if this sync moved it.
    pub checkpoint: Option<Instant>,
    /// Why the sync ended early; absent if it did not.
    pub end: Option<Reason>,
    /// Which lane it travelled in.
    pub lane: Lane,
}

/// What became of a sync's records at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationCounts {
    /// The destination.
    pub account: Account,
    /// Counts by type, fate and reason.
    pub counts: Vec<Count>,
    /// Why it was left early; absent if it was not.
    pub end: Option<Reason>,
}

/// A stretch of time and whether it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When.
    pub interval: Interval,
    /// How it was read.
    pub state: StretchState,
    /// Why, if it was not.
    pub reason: Option<Reason>,
}

/// Whether a stretch of time was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StretchState {
    /// Not read: an error is never an empty success.
    #[default]
    Unread,
    /// Read, and there were records.
    Fetched,
    /// Read, and there was nothing.
    Empty,
    /// The provider refuses to give it.
    Refused,
}

/// What no stage could take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// The stage that refused it.
    pub stage: String,
    /// Why.
    pub reason: Reason,
    /// Where it was: the topic.
    pub topic: String,
    /// Where it was: the partition.
    pub partition: i32,
    /// Where it was: the offset.
    pub offset: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first tried.
    pub first_at: Instant,
    /// The version of the code that refused it.
    pub code_version: String,
    /// The event as it came, still framed and sealed.
    #[serde(with = "serde_bytes")]
    pub original: Vec<u8>,
}

impl Event for Outcome {
    const KIND: Kind = Kind::Outcome;
}

impl Event for Settled {
    const KIND: Kind = Kind::Settled;
}

impl Event for Rejected {
    const KIND: Kind = Kind::Rejected;
}
