//! What happens: seven events, each with its head.

use crate::{
    data_type::DataType,
    id::{ConfigId, ConnectionId, EventId, ItemId, OpId, Subject, SyncId},
    record::{Record, Span},
    time::{Instant, Interval},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// An event as stages see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<E> {
    /// Who, when, of what.
    pub head: Head,
    /// What happened.
    pub body: E,
}

/// The head of every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its id, derived from its cause.
    pub id: EventId,
    /// The event that it was made of; its own id for the first event of a sync.
    pub cause: EventId,
    /// The sync that it belongs to.
    pub sync: SyncId,
    /// The person, as a keyed hash; the partition key, the same along the whole flow.
    pub subject: Subject,
    /// When it was made.
    pub at: Instant,
    /// Whether it may touch the world.
    pub mode: Mode,
}

impl Head {
    /// The head of the first event of a sync.
    #[must_use]
    pub fn root(sync: SyncId, subject: Subject, at: Instant) -> Self {
        let id = EventId::root(sync);
        Self { id, cause: id, sync, subject, at, mode: Mode::Live }
    }

    /// The head of output `index` that `stage` makes of this event.
    #[must_use]
    pub fn derive(&self, stage: &str, index: usize, at: Instant) -> Self {
        Self { id: EventId::derived(self.id, stage, index), cause: self.id, at, ..self.clone() }
    }
}

/// Whether an event may touch the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is happening now.
    #[default]
    Live,
    /// A replay that only looks.
    Shadow,
    /// A replay that repairs.
    Repair,
}

/// What can be the body of an event.
pub trait Event:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Its kind, which names its schema.
    const KIND: Kind;
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Requested`].
    Requested,
    /// [`Fetched`].
    Fetched,
    /// [`Normalized`].
    Normalized,
    /// [`Resolved`].
    Resolved,
    /// [`Outcome`].
    Outcome,
    /// [`Settled`].
    Settled,
    /// [`Rejected`].
    Rejected,
}

impl Kind {
    /// Its name in logs, metrics and topic names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Fetched => "fetched",
            Self::Normalized => "normalized",
            Self::Resolved => "resolved",
            Self::Outcome => "outcome",
            Self::Settled => "settled",
            Self::Rejected => "rejected",
        }
    }
}

/// Content that only the person's key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The event that first carried it: part of what the seal is bound to, so that a replay can open it.
    pub carrier: EventId,
    /// Which of the person's keys sealed it.
    pub key_version: i32,
    /// Media type of the content.
    pub content_type: String,
    /// Size of the content, bytes.
    pub size: i64,
    /// Keyed hash of the content, hex: tells equal contents without opening them.
    pub hash: String,
    /// The sealed content (nonce, then ciphertext), up to 256 KiB; absent if `blob` is set.
    #[serde(with = "optional_bytes")]
    pub sealed: Option<Vec<u8>>,
    /// The name under which the sealed content is stored, for a larger one.
    pub blob: Option<String>,
}

mod optional_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|it| serde_bytes::Bytes::new(it)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<serde_bytes::ByteBuf>::deserialize(from)?.map(serde_bytes::ByteBuf::into_vec))
    }
}

/// An account of a person at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// The connection.
    pub connection: ConnectionId,
    /// Which provider.
    pub provider: String,
}

/// Where records are to go, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The account.
    pub account: Account,
    /// The config that wants it; absent for an import.
    pub config: Option<ConfigId>,
    /// The version of that config.
    pub config_version: i64,
    /// What happens when both sides have the record.
    pub rule: Rule,
    /// What happens when the source's record is gone.
    pub deletes: Deletes,
}

/// What happens when both sides have changed a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The source's content is written.
    #[default]
    PrioritiseSource,
    /// The destination's content stays.
    PrioritiseDestination,
    /// The one that was changed last.
    Newest,
}

/// What happens at a destination when the source's record is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// Our copy stays.
    #[default]
    Keep,
    /// Our copy is deleted, where the destination can.
    Mirror,
}

/// A sync, or its next page, is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requested {
    /// Where to read.
    pub source: Account,
    /// What to read; absent for a delivered body, which may hold several types.
    pub data_type: Option<DataType>,
    /// Where it is for.
    pub destinations: Vec<Destination>,
    /// What to cover: fixed in the first event of a sync and inherited.
    pub cover: Cover,
    /// How far the reading has come.
    pub reading: Reading,
    /// Who asked.
    pub trigger: Trigger,
    /// Which lane it travels in.
    pub lane: Lane,
    /// When it is no longer wanted.
    pub expires_at: Option<Instant>,
    /// SHA-256 of the command's canonical JSON, hex: tells a repeated command from another under the same key.
    pub fingerprint: String,
}

/// What a sync is to cover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// Everything in a stretch of time.
    Range(Interval),
    /// Named records, from a notification.
    Named(Named),
    /// A body that was delivered to us: a push, a device upload, a file.
    Delivered(Delivered),
}

/// Named records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Their ids at the source: a JSON array of texts.
    pub ids: Payload,
}

/// A body that was delivered to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Its pages, each standing for itself.
    pub parts: Vec<Payload>,
    /// When it was delivered: the age of what it holds, where the records do not say.
    pub delivered_at: Instant,
}

/// How far the reading of a sync has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// How many looks at destinations are complete.
    pub looks_done: i32,
    /// Where to go on with the present look, or with the source.
    pub cursor: Option<Payload>,
    /// Pages read so far in the whole sync.
    pub pages: i32,
    /// Parts of a delivered body published so far.
    pub parts_done: i32,
    /// A source page that was read before the looks that it calls for.
    pub held: Option<Held>,
}

/// A source page that waits for looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The page.
    pub page: Payload,
    /// When the source read it out.
    pub fetched_at: Instant,
    /// Each type in it, with the stretch that its records lie in.
    pub spans: Vec<TypeSpan>,
}

/// A type and the stretch that records of it lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSpan {
    /// The type.
    pub data_type: DataType,
    /// The stretch.
    pub span: Interval,
}

/// Who asked for a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or client, by a command.
    #[default]
    Manual,
    /// A schedule.
    Schedule,
    /// A provider's notification.
    Notification,
    /// A file or a device's upload.
    Delivery,
    /// A destination that could not be read was split off another sync.
    Split,
    /// A replay.
    Replay,
}

/// A lane: an instance of the flow with topics and limits of its own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A person is waiting.
    #[default]
    Hot,
    /// History and daily work.
    Cold,
}

impl Lane {
    /// Both live lanes.
    pub const ALL: [Self; 2] = [Self::Hot, Self::Cold];

    /// Its name in topics and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }
}

/// Which side of a sync a page was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The source.
    #[default]
    Source,
    /// A destination, before anything is written there.
    Destination,
}

/// One page of one connection, as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fetched {
    /// Which side it was read from.
    pub side: Side,
    /// Which account it was read from.
    pub account: Account,
    /// The sync's source.
    pub source: Account,
    /// The type that was asked for; absent for a delivered body.
    pub data_type: Option<DataType>,
    /// The destinations it is for; for a destination's page, that destination.
    pub destinations: Vec<Destination>,
    /// The page.
    pub page: Payload,
    /// Its number in the sync, from 0.
    pub number: i32,
    /// When it was read: the provider's clock where it says, else ours.
    pub fetched_at: Instant,
    /// The stretch that the whole reading, of which this is a page, covers; absent for named records and bodies.
    pub window: Option<Interval>,
    /// Whether it is the last page of that reading, so that the window is completely read.
    pub last: bool,
    /// The version of the provider's interface.
    pub api_version: String,
    /// Which lane it travels in.
    pub lane: Lane,
}

/// The canonical records of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalized {
    /// Which side it was read from.
    pub side: Side,
    /// Which account it was read from.
    pub account: Account,
    /// The sync's source.
    pub source: Account,
    /// The type that was asked for; absent for a delivered body.
    pub data_type: Option<DataType>,
    /// The destinations it is for.
    pub destinations: Vec<Destination>,
    /// The records ([`crate::record::Records`] in Avro).
    pub records: Payload,
    /// How many there are, by type.
    pub counts: Vec<Count>,
    /// What was left out or repaired, by code.
    pub issues: Vec<IssueCount>,
    /// When the page was read.
    pub fetched_at: Instant,
    /// The stretch that the reading covers, as in [`Fetched`].
    pub window: Option<Interval>,
    /// Whether it is the last page of that reading.
    pub last: bool,
    /// The mapper that made it.
    pub mapper_version: i32,
    /// Which lane it travels in.
    pub lane: Lane,
}

/// How many issues of a kind a page had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueCount {
    /// The issue's stable code.
    pub code: String,
    /// How many.
    pub count: i32,
}

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
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
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

/// How many records met which fate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Count {
    /// Their type.
    pub data_type: DataType,
    /// Their fate.
    pub fate: Fate,
    /// Why, where a fate has reasons.
    pub reason: Option<Reason>,
    /// How many.
    pub count: i64,
}

/// What became of a record.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Read at the source.
    #[default]
    Read,
    /// Seen at the destination.
    Seen,
    /// Made at the destination.
    Created,
    /// Changed there.
    Updated,
    /// Deleted there.
    Deleted,
    /// Left alone, with a reason.
    Skipped,
    /// Handed to a device, which will report.
    HandedOver,
    /// Refused for good, with a reason.
    Refused,
    /// Ended without effect, with a reason.
    Ended,
    /// Nobody can know whether the destination has it.
    Unknown,
}

/// Why something was skipped, ended or refused. A closed set.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A reason that this build does not know; a newer writer gave it.
    #[default]
    Other,
    /// The destination already holds this content from us.
    Unchanged,
    /// The destination already has this record from elsewhere.
    Foreign,
    /// It is our own copy, read back.
    Echo,
    /// A newer state of the record was already seen.
    Stale,
    /// The rule lets the destination's content stand.
    DestinationPreferred,
    /// The destination's content was changed later.
    DestinationNewer,
    /// Deletions are not carried over by this config.
    DeletionKept,
    /// The destination cannot hold records of this kind.
    NotWritable,
    /// The destination cannot change a record.
    CannotUpdate,
    /// The destination cannot delete a record.
    CannotDelete,
    /// A newer version of the item is on its way.
    Superseded,
    /// The config was changed, paused or removed.
    Withdrawn,
    /// The account's access was withdrawn; it must be connected again.
    AccessRevoked,
    /// The account was disconnected here.
    Disconnected,
    /// The sync was cancelled.
    Cancelled,
    /// The person was erased.
    Erased,
    /// Another sync covered it.
    Covered,
    /// It was no longer wanted.
    Expired,
    /// It failed too often.
    AttemptsSpent,
    /// The provider's answer could not be read.
    Malformed,
    /// Bytes that are no event.
    Undecodable,
    /// The content's key is gone.
    PayloadExpired,
    /// A scope is missing or the account is not linked.
    Forbidden,
    /// The provider refused it for good.
    ProviderRefused,
    /// The record to change is no longer there.
    NotFound,
    /// More pages than a sync may have.
    TooManyPages,
    /// The answer was lost, and the destination cannot tell.
    AnswerLost,
    /// This build has no such provider or verb.
    Unsupported,
    /// A destination could not be read and was split off as a sync of its own.
    SplitOff,
}

impl Reason {
    /// Its stable code in JSON, tables and metrics.
    #[must_use]
    pub fn code(self) -> String {
        // The serde name is the code: one list, not two.
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(code)) => code,
            _ => String::from("other"),
        }
    }
}

/// How one [`Resolved`] ended, or how a sync ended early.
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

impl Event for Requested {
    const KIND: Kind = Kind::Requested;
}
impl Event for Fetched {
    const KIND: Kind = Kind::Fetched;
}
impl Event for Normalized {
    const KIND: Kind = Kind::Normalized;
}
impl Event for Resolved {
    const KIND: Kind = Kind::Resolved;
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
