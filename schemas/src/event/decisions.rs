//! [`Resolved`]: what is to happen at one destination, and why.

use super::{Account, Count, Destination, Event, Kind, Lane, Payload, Reason, Side};
use crate::{
    data_type::DataType,
    id::{ItemId, OpId},
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
}

/// Which source won a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChoice {
    /// The field.
    pub field: String,
    /// The provider whose value it has.
    pub provider: String,
}

impl Event for Resolved {
    const KIND: Kind = Kind::Resolved;
}
