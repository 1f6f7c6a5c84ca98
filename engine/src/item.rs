//! Items: one row a record of a person at one destination, ours or foreign, with its planned and its written version.

use bytes::Bytes;
use schemas::{
    data_type::DataType,
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    record::Span,
    time::Instant,
};
use uuid::Uuid;

/// Where rows are kept together: what one conditional batch may touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The person.
    pub subject: Subject,
    /// The destination.
    pub destination: ConnectionId,
    /// The month of the items' first known starts, UTC, `2026-05`; fixed with the item.
    pub month: String,
}

/// The month that an item with this first known start is kept in.
#[must_use]
pub fn month_of(start: Instant) -> String {
    start.utc().format("%Y-%m").to_string()
}

/// How a row is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ItemKey {
    /// Its partition.
    pub partition: Partition,
    /// The item.
    pub item: ItemId,
}

/// How the planned version of an item fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemState {
    /// Decided, not yet sent.
    Planned,
    /// Sent to a destination that works on it (class B); `handle` asks after it.
    Sent,
    /// Handed to a device's outbox (class A).
    Handed,
    /// The destination holds it.
    Applied,
    /// Ended without effect.
    Ended,
    /// Refused for good.
    Refused,
    /// Nobody can know; nothing more is sent until a person decides.
    Unknown,
}

impl ItemState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Planned, Self::Sent, Self::Handed, Self::Applied, Self::Ended, Self::Refused, Self::Unknown];

    /// Its name in the store and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sent => "sent",
            Self::Handed => "handed",
            Self::Applied => "applied",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// A row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRow {
    /// How it is known.
    pub key: ItemKey,
    /// Its type.
    pub data_type: DataType,
    /// When the record starts.
    pub starts_at: Instant,
    /// When it ends.
    pub ends_at: Instant,
    /// The record without samples, sealed: what the matcher reads.
    pub summary: Bytes,
    /// The version that was decided last; 0 for a foreign record.
    pub planned_version: i64,
    /// Keyed hash of its content; empty for a deletion or a foreign record.
    pub planned_hash: String,
    /// The event whose processing planned it, and the sync that event is in.
    pub planned_by: Option<(EventId, SyncId)>,
    /// How the planned version fares.
    pub state: ItemState,
    /// Why, where a state has reasons: a [`schemas::event::Reason`] code.
    pub reason: String,
    /// Whether the planned version is a deletion.
    pub planned_delete: bool,
    /// The version that the destination holds; 0 for none of ours.
    pub version: i64,
    /// Keyed hash of what it holds from us.
    pub hash: String,
    /// The record's id there, sealed; empty while it has none.
    pub external_id: Bytes,
    /// What to ask after a sent upload with; empty if there is none.
    pub handle: String,
    /// Whether the record there is ours.
    pub owned: bool,
    /// Keyed hash of what was last seen there; empty if it was never seen.
    pub seen_hash: String,
    /// When it was last seen there.
    pub seen_at: Option<Instant>,
    /// When the record there was last changed, as the destination says; for the rule `newest`.
    pub seen_modified_at: Option<Instant>,
    /// Who may be sending; open while set, whatever `state` says.
    pub claim: Option<Claim>,
    /// Whether a send may have reached the destination unnoticed; stays until a complete read there has answered.
    pub unsure: bool,
    /// What earlier claims may have sent, kept until that read: (start, fingerprint).
    pub unsure_prints: Vec<Print>,
    /// Sends that failed.
    pub attempts: i32,
}

impl ItemRow {
    /// A row of which nothing is planned, written or seen.
    #[must_use]
    pub fn new(key: ItemKey, data_type: DataType, time: &Span) -> Self {
        Self {
            key,
            data_type,
            starts_at: time.start,
            ends_at: time.end,
            summary: Bytes::new(),
            planned_version: 0,
            planned_hash: String::new(),
            planned_by: None,
            state: ItemState::Planned,
            reason: String::new(),
            planned_delete: false,
            version: 0,
            hash: String::new(),
            external_id: Bytes::new(),
            handle: String::new(),
            owned: false,
            seen_hash: String::new(),
            seen_at: None,
            seen_modified_at: None,
            claim: None,
            unsure: false,
            unsure_prints: Vec::new(),
            attempts: 0,
        }
    }
}

/// Who may be sending an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Drawn for each claim: tells one's own from another's.
    pub token: Uuid,
    /// When it was made, taken before the request went to the store.
    pub at: Instant,
    /// What would be found there if it was sent.
    pub print: Print,
}

/// What a record would look like at the destination.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Print {
    /// Its start.
    pub start: Instant,
    /// Its end.
    pub end: Instant,
    /// Its key metric, if it has one: distance in m, weight in g …, rounded.
    pub metric: Option<i64>,
    /// When the claim was made: what was seen there before is somebody else's.
    #[serde(default)]
    pub claimed_at: Option<Instant>,
}

/// What Resolve decided for one item. A row that is not there is made with these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The item.
    pub item: ItemId,
    /// Its type.
    pub data_type: DataType,
    /// When the record starts.
    pub starts_at: Instant,
    /// When it ends.
    pub ends_at: Instant,
    /// The record without samples, sealed; `None` leaves the one that stands.
    pub summary: Option<Bytes>,
    /// A new planned version; `None` only notes what was seen or raises `plan_seq`.
    pub plan: Option<Plan>,
    /// What was seen at the destination; `None` leaves what stands.
    pub seen: Option<Seen>,
}

/// A planned version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its number.
    pub version: i64,
    /// Keyed hash of its content; empty for a deletion.
    pub hash: String,
    /// The event whose processing planned it, and the sync that event is in.
    pub by: (EventId, SyncId),
    /// PLANNED, or ENDED for one that ends before it was sent.
    pub state: ItemState,
    /// Why, for ENDED.
    pub reason: String,
    /// Whether it is a deletion.
    pub delete: bool,
}

/// What was seen at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Keyed hash of it; empty if the record is gone there.
    pub hash: String,
    /// When it was seen.
    pub at: Instant,
    /// When it was last changed there, as the destination says.
    pub modified_at: Option<Instant>,
    /// Its id there, sealed; set only on a row that has none.
    pub external_id: Bytes,
}

/// What must hold for a row to be changed. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// The planned version is this.
    pub planned_version: Option<i64>,
    /// The written version is lower than this.
    pub version_below: Option<i64>,
    /// The state is not this.
    pub state_not: Option<ItemState>,
    /// The claim's token is this (`Some(None)`: there is no claim).
    pub claim: Option<Option<Uuid>>,
}

/// What to change in a row. What is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// How the planned version fares.
    pub state: Option<ItemState>,
    /// Why.
    pub reason: Option<String>,
    /// The version that the destination holds.
    pub version: Option<i64>,
    /// Keyed hash of what it holds.
    pub hash: Option<String>,
    /// The record's id there, sealed; empty once it is deleted.
    pub external_id: Option<Bytes>,
    /// What to ask after a sent upload with.
    pub handle: Option<String>,
    /// Whether the record there is ours.
    pub owned: Option<bool>,
    /// The claim (`Some(None)`: closes it).
    pub claim: Option<Option<Claim>>,
    /// Whether a send may have reached the destination unnoticed.
    pub unsure: Option<bool>,
    /// What earlier claims may have sent.
    pub unsure_prints: Option<Vec<Print>>,
    /// Sends that failed.
    pub attempts: Option<i32>,
}

/// Which item a record of a connection leads to at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The connection that has the record.
    pub connection: ConnectionId,
    /// Keyed hash of the record's id there.
    pub record: String,
    /// The destination.
    pub destination: ConnectionId,
    /// The item there.
    pub item: ItemId,
    /// The month of the item's row.
    pub month: String,
    /// Its type.
    pub data_type: DataType,
    /// When the record starts.
    pub starts_at: Instant,
    /// The newest state of the record that was seen: the provider's modified time, else the page's. Only goes up.
    pub source_at: Instant,
    /// The sync that last saw it.
    pub seen_by: SyncId,
}
