//! [`Resolved`]: what is to happen at one destination, and why.

use super::{Account, Count, Destination, Event, Kind, Lane, Payload, Reason, Side};
use crate::{
    data_type::DataType,
    id::{ConnectionId, EventId, ItemId, OpId, SyncId},
    record::{Record, Span},
    time::Instant,
};
use serde::{Deserialize, Serialize};

/// What is to happen at one destination because of one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// Which side the page was read from; a destination's page gives no operations.
    pub side: Side,
    /// The sync's source.
    pub source: Account,
    /// The destination.
    pub destination: Destination,
    /// The decisions ([`Decisions`] in Avro); absent if there are none.
    pub decisions: Option<Payload>,
    /// How many decisions lead to an operation.
    pub operations: i32,
    /// What was decided, by type, action and reason.
    pub counts: Vec<Count>,
    /// Which lane it travels in.
    pub lane: Lane,
    /// When the sync is no longer wanted.
    pub expires_at: Option<Instant>,
}

/// The sealed content of a [`Resolved`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// The decisions, in the order of the page.
    pub decisions: Vec<Decision>,
}

/// What was decided about one record, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The item at the destination.
    pub item: ItemId,
    /// The month of the item's first known start, `2026-05`: part of where its row is.
    pub month: String,
    /// Its type.
    pub data_type: DataType,
    /// What is to be done.
    pub action: Action,
    /// The version that this brings; for a skip, the one that stands.
    pub version: i64,
    /// The operation; absent for a skip.
    pub op: Option<OpId>,
    /// Why, for a skip.
    pub reason: Option<Reason>,
    /// The rule that decided, such as `prioritise_source`.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: i32,
    /// The records at the destination that were considered as the same one.
    pub candidates: Vec<Candidate>,
    /// Which source won each field that differs, by field.
    pub fields: Vec<FieldChoice>,
    /// The source's id of the record.
    pub origin_record: String,
    /// When the source last changed it, or read it out.
    pub source_at: Instant,
    /// When the record was.
    pub time: Span,
    /// The record to be; absent for a deletion or a skip.
    pub record: Option<Record>,
    /// Every source's record that the record to be is made of, the one that it began with first.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// What of the record to be the destination cannot hold, by field, each with why.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// What is to be done with an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    #[default]
    Skip,
    /// A new record is made.
    Create,
    /// Our record is changed.
    Update,
    /// Our record is deleted.
    Delete,
}

/// A record at the destination that was considered as the same one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its item.
    pub item: ItemId,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Whether it is ours.
    pub owned: bool,
    /// What the matcher made of it.
    #[serde(default)]
    pub verdict: Verdict,
    /// What speaks for and against it, strongest first.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
}

/// Whether two records are renderings of the same thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are two things.
    #[default]
    Different,
    /// Only the person can tell.
    Ask,
    /// They are one thing.
    Same,
}

impl Verdict {
    /// Its name outside of Rust.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::Ask => "ask",
            Self::Same => "same",
        }
    }
}

/// What one feature of two records says of their being the same thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The feature.
    pub feature: String,
    /// How much it says: positive for the same, negative against.
    pub weight: f64,
    /// Its figures, in a sentence.
    pub detail: String,
}

/// Which source won a field, or a stretch of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChoice {
    /// The field.
    pub field: String,
    /// The provider whose value it has.
    pub provider: String,
    /// The connection that it was read from.
    #[serde(default)]
    pub connection: Option<ConnectionId>,
    /// The record's id there; empty if it is the decision's own.
    #[serde(default)]
    pub record: String,
    /// The device that measured it, as the provider names it.
    #[serde(default)]
    pub device: Option<String>,
    /// Where the stretch begins that it is said of, in milliseconds from the record's start.
    #[serde(default)]
    pub offset_ms: i64,
    /// How long that stretch is, in milliseconds; 0 if it is said of the whole record.
    #[serde(default)]
    pub duration_ms: i64,
    /// The rule that chose it.
    #[serde(default)]
    pub rule: String,
    /// What that rule saw, in a sentence.
    #[serde(default)]
    pub note: String,
}

/// One source's record of the thing that an item is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The connection that has it.
    pub connection: ConnectionId,
    /// Which provider that is.
    pub provider: String,
    /// The record's id there.
    pub record: String,
    /// Keyed hash of that id.
    pub key: String,
    /// Keyed hash of what the destination could hold of it.
    pub hash: String,
    /// When the source last changed it, or read it out.
    pub source_at: Instant,
    /// The sync that read it.
    pub sync: SyncId,
    /// The Normalized event that has it.
    pub event: EventId,
}

impl Event for Resolved {
    const KIND: Kind = Kind::Resolved;
}
