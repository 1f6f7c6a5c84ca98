//! What clients are told, as JSON. The engine's values in the words of the API.

mod explained;
mod matrix;

pub use explained::{CandidateView, DecisionView, EvidenceView, ExplanationView, FieldView, SourceView};
pub use matrix::{CellView, ColumnView, MatrixView, ThingView};

use crate::policies::PoliciesView;
use engine::{
    people::{Config, Connection, ConnectionState},
    provider::{Delivery, Profile},
    resolve::policy::Policies,
    status::{State, Status},
};
use schemas::{
    data_type::DataType,
    event::{Account, Count, Deletes, DestinationCounts, Fate, Reason, Rule, StretchState},
    id::{ConfigId, ConnectionId, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// What a provider can do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProviderView {
    /// Its name in this API.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Whether it is connected by a grant of the person; else a folder or a file is given.
    pub needs_grant: bool,
    /// Per type, what can be done. A type that is not listed can do nothing.
    pub types: Vec<ProviderTypeView>,
}

/// What a provider can do with a type. The letters are the delivery classes: `A` it compares versions itself, `B` it
/// detects duplicates, `C` what it holds can be listed, `D` a write is tried at most once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProviderTypeView {
    /// The type.
    #[schema(value_type = DataTypeName)]
    pub data_type: DataType,
    /// Whether it can be read.
    pub read: bool,
    /// The class in which new records are written; absent if they cannot be.
    #[schema(value_type = Option<String>)]
    pub create: Option<char>,
    /// The class in which our records are changed; absent if they cannot be.
    #[schema(value_type = Option<String>)]
    pub update: Option<char>,
    /// The class in which our records are deleted; absent if they cannot be.
    #[schema(value_type = Option<String>)]
    pub delete: Option<char>,
}

impl ProviderView {
    /// What a profile says, in the words of the API.
    #[must_use]
    pub fn new(profile: &Profile, needs_grant: bool) -> Self {
        let types = profile.types.iter().map(|it| ProviderTypeView {
            data_type: it.data_type,
            read: it.read,
            create: it.create.map(Delivery::letter),
            update: it.update.map(Delivery::letter),
            delete: it.delete.map(Delivery::letter),
        });
        Self { id: profile.id, title: profile.title, needs_grant, types: types.collect() }
    }
}

/// An account of the person at a provider.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConnectionView {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ConnectionId,
    /// Which provider.
    pub provider: String,
    /// The provider's id of the account; for a folder, its path.
    pub account: String,
    /// How it stands: `active`, `needs_reauth` or `disconnected`.
    #[schema(value_type = String)]
    pub state: ConnectionState,
    /// The scopes that were granted, as the provider writes them.
    pub scope: String,
    /// When it was last connected.
    #[schema(value_type = String, format = DateTime)]
    pub connected_at: Instant,
}

impl From<Connection> for ConnectionView {
    fn from(it: Connection) -> Self {
        let Connection { id, provider, account, state, scope, base_url: _, connected_at } = it;
        Self { id, provider, account, state, scope, connected_at }
    }
}

/// What the person wants synced from one connection to another.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConfigView {
    /// Its id: the same for the same two connections.
    #[schema(value_type = uuid::Uuid)]
    pub id: ConfigId,
    /// Where to read.
    #[schema(value_type = uuid::Uuid)]
    pub source: ConnectionId,
    /// Where to write.
    #[schema(value_type = uuid::Uuid)]
    pub destination: ConnectionId,
    /// Which types.
    #[schema(value_type = Vec<DataTypeName>)]
    pub data_types: Vec<DataType>,
    /// What happens when both sides have changed a record.
    #[schema(value_type = RuleName)]
    pub rule: Rule,
    /// What happens when the source's record is gone.
    #[schema(value_type = DeletesName)]
    pub deletes: Deletes,
    /// What else is wanted of the records; only what is not at its default.
    #[schema(value_type = PoliciesView)]
    pub policies: Policies,
    /// Whether it runs.
    pub enabled: bool,
}

impl From<Config> for ConfigView {
    fn from(it: Config) -> Self {
        let Config { id, source, destination, data_types, rule, deletes, policies, enabled } = it;
        Self { id, source, destination, data_types, rule, deletes, policies, enabled }
    }
}

/// A command that was accepted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The job's id.
    #[schema(value_type = uuid::Uuid)]
    pub id: SyncId,
}

/// A job in a list.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct JobView {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: SyncId,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Instant,
    /// Whether it is over.
    pub settled: bool,
}

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct JobStatus {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: SyncId,
    /// `queued`, `running`, `done`, `partial` (some of it was refused, left out or is unknown), `failed` or
    /// `cancelled`.
    #[schema(value_type = String)]
    pub state: State,
    /// Why it ended early, if it did.
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
    /// Where it reads.
    pub source: AccountView,
    /// What it reads; absent for an import.
    #[schema(value_type = Option<DataTypeName>)]
    pub data_type: Option<DataType>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Instant,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Instant>,
    /// Pages read so far at the source.
    pub pages: usize,
    /// What was read at the source.
    pub read: Vec<CountView>,
    /// What became of it, per destination.
    pub destinations: Vec<DestinationView>,
    /// What was left out or repaired while mapping.
    pub issues: Vec<IssueView>,
    /// Which stretches of time were read, and how; known when it is over.
    pub stretches: Vec<StretchView>,
    /// Up to where everything has been read, if this job moved it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checkpoint: Option<Instant>,
}

/// A connection and its provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountView {
    /// The connection.
    #[schema(value_type = uuid::Uuid)]
    pub connection: ConnectionId,
    /// Which provider.
    pub provider: String,
}

/// How many records met which fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountView {
    /// Their type.
    #[schema(value_type = DataTypeName)]
    pub data_type: DataType,
    /// Their fate: `read`, `seen`, `created`, `updated`, `deleted`, `skipped`, `handed_over`, `refused`, `ended` or
    /// `unknown`.
    #[schema(value_type = String)]
    pub fate: Fate,
    /// Why, where a fate has reasons.
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
    /// How many.
    pub count: i64,
}

/// What became of records at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DestinationView {
    /// The destination.
    pub account: AccountView,
    /// Counts by type, fate and reason.
    pub counts: Vec<CountView>,
    /// Why it was left early; absent if it was not.
    #[schema(value_type = Option<String>)]
    pub end: Option<Reason>,
}

/// How many issues of a kind there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IssueView {
    /// The issue's stable code.
    pub code: String,
    /// How many.
    pub count: i32,
}

/// A stretch of time and whether it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StretchView {
    /// Its start.
    #[schema(value_type = String, format = DateTime)]
    pub from: Instant,
    /// Its end, which is not in it.
    #[schema(value_type = String, format = DateTime)]
    pub to: Instant,
    /// `unread`, `fetched`, `empty` or `refused`.
    #[schema(value_type = String)]
    pub state: StretchState,
    /// Why, if it was not read.
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
}

impl JobStatus {
    /// A status, in the words of the API.
    #[must_use]
    pub fn new(id: SyncId, status: Status) -> Self {
        Self {
            id,
            state: status.state,
            reason: status.reason,
            source: status.source.into(),
            data_type: status.data_type,
            accepted_at: status.accepted_at,
            settled_at: status.settled_at,
            pages: status.pages,
            read: status.read.into_iter().map(CountView::from).collect(),
            destinations: status.destinations.into_iter().map(DestinationView::from).collect(),
            issues: status.issues.into_iter().map(|it| IssueView { code: it.code, count: it.count }).collect(),
            stretches: status
                .stretches
                .into_iter()
                .map(|it| StretchView {
                    from: it.interval.from,
                    to: it.interval.to,
                    state: it.state,
                    reason: it.reason,
                })
                .collect(),
            checkpoint: status.checkpoint,
        }
    }
}

impl From<Account> for AccountView {
    fn from(it: Account) -> Self {
        Self { connection: it.connection, provider: it.provider }
    }
}

impl From<Count> for CountView {
    fn from(it: Count) -> Self {
        Self { data_type: it.data_type, fate: it.fate, reason: it.reason, count: it.count }
    }
}

impl From<DestinationCounts> for DestinationView {
    fn from(it: DestinationCounts) -> Self {
        let counts = it.counts.into_iter().map(CountView::from).collect();
        Self { account: it.account.into(), counts, end: it.end }
    }
}

/// The name of a type of record, for the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub struct DataTypeName;

/// The name of a rule, for the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub struct RuleName;

/// The name of what happens to deleted records, for the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub struct DeletesName;

fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> RefOr<Schema> {
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

impl PartialSchema for DataTypeName {
    fn schema() -> RefOr<Schema> {
        one_of(DataType::ALL.map(DataType::name))
    }
}

impl ToSchema for DataTypeName {}

impl PartialSchema for RuleName {
    fn schema() -> RefOr<Schema> {
        one_of(["prioritise_source", "prioritise_destination", "newest"])
    }
}

impl ToSchema for RuleName {}

impl PartialSchema for DeletesName {
    fn schema() -> RefOr<Schema> {
        one_of(["keep", "mirror", "ask"])
    }
}

impl ToSchema for DeletesName {}
