//! What a sync config would do, and exactly that done.

use crate::{
    app::Shared,
    auth::{Bearer, Person},
    extract::Json,
    policies::PoliciesView,
    problem::{Code, Problem, Problems},
    views::{ConfigView, CountView, DataTypeName, DeletesName, RuleName},
};
use axum::{extract::State, http::StatusCode};
use engine::{
    connect::ConfigCommand,
    replay::{Calls, DryRun, Left, Proposal, Repaired},
    resolve::policy::Policies,
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::{ConnectionId, ItemId, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a sync config would be, as `PUT /v1/sync-configs` takes it, and of which stretch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostDryRun {
    /// Where to read.
    #[schema(value_type = uuid::Uuid)]
    source: ConnectionId,
    /// Where to write.
    #[schema(value_type = uuid::Uuid)]
    destination: ConnectionId,
    /// Which types.
    #[schema(value_type = Vec<DataTypeName>)]
    data_types: Vec<DataType>,
    /// What happens when both sides have changed a record; if left out, the source's content is written.
    #[serde(default)]
    #[schema(value_type = Option<RuleName>)]
    rule: Rule,
    /// What happens when the source's record is gone; if left out, our copy stays.
    #[serde(default)]
    #[schema(value_type = Option<DeletesName>)]
    deletes: Deletes,
    /// What else is wanted of the records; what is left out stands at its default.
    #[serde(default)]
    #[schema(value_type = Option<PoliciesView>)]
    policies: Policies,
    /// Whether it runs; if left out, it does.
    #[serde(default = "yes")]
    #[schema(value_type = Option<bool>)]
    enabled: bool,
    /// Only records that began from then on: as a backfill from then, whose reads are counted too.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Instant>,
    /// Only records that began before then.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Instant>,
}

const fn yes() -> bool {
    true
}

/// What a sync config would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DryRunView {
    /// The plan, to be applied within a day. The same question over the same records has the same one.
    plan: String,
    /// The config as it would stand.
    config: ConfigView,
    /// Only records that began from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Instant>,
    /// Only records that began before then.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Instant>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    made_at: Instant,
    /// How many records of the source are known.
    records: u64,
    /// Pages of the source that can no longer be read: their records are in no count.
    unread_pages: u64,
    /// When the source was last read; absent if it never was. What it has got since is in no count.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Instant>,
    /// What would become of the records, by type, fate and reason. Those `skipped` as `in_review` are questions.
    counts: Vec<CountView>,
    /// The calls that it takes.
    calls: Vec<CallsView>,
    /// How long the providers' limits make these calls take at least, in seconds, if nothing else is under way.
    takes_seconds: u64,
    /// How many records would be made in stretches of the destination that nobody has looked at: it may have them.
    unlooked: u64,
    /// What was done of it; absent until it is applied.
    applied: Option<AppliedView>,
}

/// Calls at a provider.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallsView {
    /// The provider.
    provider: String,
    /// What they are about.
    #[schema(value_type = DataTypeName)]
    data_type: DataType,
    /// `create`, `update`, `delete`, or `read`, of which there are at least these many.
    verb: String,
    /// How many.
    count: u64,
}

/// What was done of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppliedView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// How many operations were published.
    operations: u64,
    /// The jobs that carry them; none if there was nothing to do.
    #[schema(value_type = Vec<uuid::Uuid>)]
    jobs: Vec<SyncId>,
    /// What moved while it was being applied, and was left as it is.
    left: Vec<LeftView>,
}

/// A record that was left as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LeftView {
    /// Which.
    #[schema(value_type = uuid::Uuid)]
    record: ItemId,
    /// Why.
    reason: String,
}

impl From<Left> for LeftView {
    fn from(it: Left) -> Self {
        Self { record: it.item, reason: it.reason }
    }
}

impl From<Repaired> for AppliedView {
    fn from(it: Repaired) -> Self {
        Self {
            at: it.at,
            operations: it.operations,
            jobs: it.syncs.into_iter().map(|it| it.1).collect(),
            left: it.left.into_iter().map(LeftView::from).collect(),
        }
    }
}

impl From<Calls> for CallsView {
    fn from(it: Calls) -> Self {
        let Calls { provider, data_type, verb, count } = it;
        Self { provider, data_type, verb, count }
    }
}

impl From<DryRun> for DryRunView {
    fn from(it: DryRun) -> Self {
        Self {
            plan: it.plan,
            config: it.proposal.config.into(),
            from: it.proposal.from,
            to: it.proposal.to,
            made_at: it.made_at,
            records: it.records,
            unread_pages: it.unread,
            read_at: it.read_at,
            counts: it.counts.into_iter().map(CountView::from).collect(),
            calls: it.calls.into_iter().map(CallsView::from).collect(),
            takes_seconds: it.takes_seconds,
            unlooked: it.unlooked,
            applied: it.applied.map(AppliedView::from),
        }
    }
}

/// Which plan to apply.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostApply {
    /// The plan of a dry run.
    plan: String,
    /// Also make records where nobody has looked whether the destination has them already.
    #[serde(default)]
    unlooked: bool,
}

/// Says what a sync config would do, decided over what was read of the source before. No provider is asked and nothing
/// is changed; the plan is kept for a day.
#[utoipa::path(post, path = "/v1/sync-configs/dry-run", operation_id = "dry_run_sync_config", tag = "sync configs",
    request_body = PostDryRun,
    responses((status = 200, description = "What it would do.", body = DryRunView), Problems))]
pub(crate) async fn dry_run(
    State(web): State<Shared>,
    Person(subject): Person,
    Json(body): Json<PostDryRun>,
) -> Result<axum::Json<DryRunView>, Problem> {
    let PostDryRun { source, destination, data_types, rule, deletes, policies, enabled, from, to } = body;
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Problem::new(Code::Invalid, "to: must be later than `from`"));
    }
    let command = ConfigCommand { source, destination, data_types, rule, deletes, policies, enabled };
    let config = web.app.connect.proposed(&subject, &command).await?;
    let dry_run = web.app.replays.dry_run(&subject, Proposal { config, from, to }).await?;
    Ok(axum::Json(dry_run.into()))
}

/// Puts the config of a dry run, and does exactly what its plan says. If anything that it rests on has moved since,
/// nothing is done (`moved`). Applying it twice is applying it once, so this needs no idempotency key.
#[utoipa::path(post, path = "/v1/sync-configs/apply", operation_id = "apply_dry_run", tag = "sync configs",
    request_body = PostApply,
    responses((status = 202, description = "The config stands, and its jobs are on their way.", body = DryRunView), Problems))]
pub(crate) async fn apply(
    State(web): State<Shared>,
    Bearer(token): Bearer,
    Json(body): Json<PostApply>,
) -> Result<(StatusCode, axum::Json<DryRunView>), Problem> {
    let (replays, subject) = (&web.app.replays, &token.subject);
    let found = replays.dry_run_of(subject, &body.plan).await?;
    if found.applied.is_none() {
        // What could work when it was planned may no longer: a connection is gone, or a config that is routed to.
        let it = found.proposal.config;
        let (source, destination) = (it.source, it.destination);
        let (data_types, policies) = (it.data_types, it.policies);
        let (rule, deletes, enabled) = (it.rule, it.deletes, it.enabled);
        let command = ConfigCommand { source, destination, data_types, rule, deletes, policies, enabled };
        web.app.connect.proposed(subject, &command).await?;
    }
    let applied = replays.apply_dry_run(subject, &body.plan, &token.label, body.unlooked).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(applied.into())))
}
