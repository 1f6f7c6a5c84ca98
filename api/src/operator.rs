//! What operators look at and repair: topics, rejects, replays. Every route needs a token with the operator's right,
//! and everything that changes something is noted with the token's label.

use crate::{
    app::Shared,
    auth::Operator,
    extract::Json as Body,
    problem::{Code, Problem, Problems},
    serve::{Stop, stopped},
};
use axum::{
    Extension, Json,
    body::Body as HttpBody,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::{
    audit::Entry,
    people::AccessToken,
    rejects::{self, Reject},
    replay::{Left, Planned, RecordChange, Replay, ReplayError, ReplayState, Selection},
    tail,
};
use futures::stream;
use schemas::{
    event::Reason,
    id::{EventId, Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// The most rejects in one answer or one redrive.
const REJECTS_MAX: usize = 1_000;
/// The most records, operations and left items in one diff.
const FOUND_MAX: usize = 1_000;
/// The longest that a token lasts.
const TOKEN_MAX: Duration = Duration::from_secs(365 * 86_400);
/// The pause between two looks at the log.
const PAUSE: Duration = Duration::from_millis(300);

impl From<ReplayError> for Problem {
    fn from(err: ReplayError) -> Self {
        match err {
            ReplayError::Refused(why) => Self::new(Code::Impossible, why.0),
            ReplayError::Unreachable(err) => err.into(),
        }
    }
}

/// What is to be replayed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostReplay {
    /// Its name: 1 to 64 letters, digits, `-`, `_` or `.`.
    name: String,
    /// Which pages: `from`, `to`, `subject`, `provider`, `data_type`, `stage`, `place`, `mapper_version`.
    #[serde(default)]
    #[schema(value_type = Object)]
    selection: Selection,
    /// Of this user of the installation, instead of a `subject`.
    #[serde(default)]
    user: Option<String>,
}

/// A replay: how it stands, in counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayView {
    /// What is kept of it: name, state, totals, plan, repair.
    #[schema(value_type = Object)]
    replay: Replay,
    /// Whether it runs, in whichever process; one that died is thought to for half a minute.
    running: bool,
}

async fn view(web: &Shared, replay: Replay) -> Result<ReplayView, Problem> {
    let running = is_unfinished(&replay) && web.app.replays.is_running(&replay.name).await?;
    Ok(ReplayView { replay, running })
}

/// Whether it was begun and not ended: it runs, or was interrupted.
const fn is_unfinished(replay: &Replay) -> bool {
    matches!(replay.state, ReplayState::Looking | ReplayState::Repairing)
}

/// Begins a shadow: the stages run again over what the log holds, in a world of their own.
#[utoipa::path(post, path = "/v1/operator/replays", operation_id = "begin_shadow", tag = "operators",
    request_body = PostReplay,
    responses((status = 202, description = "It runs; ask for it by its name.", body = ReplayView), Problems))]
pub(crate) async fn begin_shadow(
    State(web): State<Shared>,
    Operator(token): Operator,
    Body(body): Body<PostReplay>,
) -> Result<Response, Problem> {
    let mut selection = body.selection;
    if let Some(user) = &body.user {
        selection.subject = Some(web.app.contents.vault.subject_of(user));
    }
    let replay = web.app.replays.begin_shadow(&body.name, selection, &token.label).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&web, replay).await?)).into_response())
}

/// All replays.
#[utoipa::path(get, path = "/v1/operator/replays", operation_id = "list_replays", tag = "operators",
    responses((status = 200, description = "By name.", body = [ReplayView]), Problems))]
pub(crate) async fn list_replays(
    State(web): State<Shared>,
    Operator(_token): Operator,
) -> Result<Json<Vec<ReplayView>>, Problem> {
    let all = web.app.replays.list().await?;
    let mut views = Vec::with_capacity(all.len());
    for replay in all {
        views.push(view(&web, replay).await?);
    }
    Ok(Json(views))
}

/// Whether values are shown.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct DiffQuery {
    /// Also the records with their values, which are a person's health data: that is noted in the audit.
    #[serde(default)]
    values: bool,
}

/// What a replay found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Diff {
    /// The replay, with its counts and its plan.
    #[schema(value_type = Object)]
    replay: Replay,
    /// Whether it runs, in whichever process; one that died is thought to for half a minute.
    running: bool,
    /// Operations that would follow, at most 1000.
    #[schema(value_type = Vec<Object>)]
    operations: Vec<Planned>,
    /// Records that come out differently and are left alone, at most 1000, and why.
    #[schema(value_type = Vec<Object>)]
    left: Vec<Left>,
    /// Records that come out differently, with their values, at most 1000; absent unless they were asked for.
    #[schema(value_type = Option<Vec<Object>>)]
    records: Option<Vec<PersonsRecord>>,
}

/// A record of a person that comes out differently.
#[derive(Debug, Serialize)]
pub(crate) struct PersonsRecord {
    subject: Subject,
    #[serde(flatten)]
    change: RecordChange,
}

/// What a replay found: by default without any value of a person.
#[utoipa::path(get, path = "/v1/operator/replays/{name}", operation_id = "get_replay", tag = "operators",
    params(("name" = String, Path, description = "The replay's name."), DiffQuery),
    responses((status = 200, description = "What came out.", body = Diff), Problems))]
pub(crate) async fn get_replay(
    State(web): State<Shared>,
    Operator(token): Operator,
    Path(name): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Result<Json<Diff>, Problem> {
    let replays = &web.app.replays;
    let (_, replay) = replays.get(&name).await?.ok_or_else(|| Problem::not_found("replay"))?;
    if query.values {
        replays.audit.note(&token.label, "replay diff --values", name.clone()).await?;
    }
    // While it runs there is nothing whole to be shown.
    let found = if !is_unfinished(&replay) { replays.found(&name, FOUND_MAX).await? } else { Default::default() };
    let (records, operations, left) = found;
    let records =
        query.values.then(|| records.into_iter().map(|(subject, change)| PersonsRecord { subject, change }).collect());
    let ReplayView { replay, running } = view(&web, replay).await?;
    Ok(Json(Diff { replay, running, operations, left, records }))
}

/// Which plan is to be applied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostRepair {
    /// The plan's hash, as the diff says it.
    plan: String,
    /// Whether the plan may be applied by who made it.
    #[serde(default)]
    alone: bool,
}

/// Applies exactly the plan of a shadow. A plan that was applied is not applied again.
#[utoipa::path(post, path = "/v1/operator/repairs", operation_id = "begin_repair", tag = "operators",
    request_body = PostRepair,
    responses((status = 202, description = "It runs; ask for the replay.", body = ReplayView), Problems))]
pub(crate) async fn begin_repair(
    State(web): State<Shared>,
    Operator(token): Operator,
    Body(body): Body<PostRepair>,
) -> Result<Response, Problem> {
    let replay = web.app.replays.begin_repair(&body.plan, &token.label, body.alone).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&web, replay).await?)).into_response())
}

/// Publishes again the open events of every sync that has not ended: after all of the bus was lost. It runs in the
/// background, and the audit says when it is done. What was not lost is only delivered once more.
#[utoipa::path(post, path = "/v1/operator/open-events", operation_id = "republish_open", tag = "operators",
    responses((status = 202, description = "It runs; the audit tells its end."), Problems))]
pub(crate) async fn republish_open(
    State(web): State<Shared>,
    Operator(token): Operator,
) -> Result<StatusCode, Problem> {
    web.app.replays.begin_republishing(&token.label).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Which rejects are meant.
#[derive(Clone, Debug, Default, Deserialize, ToSchema, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RejectsWanted {
    /// Rejected from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[param(value_type = Option<String>)]
    from: Option<Instant>,
    /// Rejected before then.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[param(value_type = Option<String>)]
    to: Option<Instant>,
    /// Of one person.
    #[schema(value_type = Option<String>)]
    #[param(value_type = Option<String>)]
    subject: Option<Subject>,
    /// For this reason.
    #[schema(value_type = Option<String>)]
    #[param(value_type = Option<String>)]
    reason: Option<Reason>,
    /// By this stage.
    stage: Option<String>,
    /// This very one.
    #[schema(value_type = Option<uuid::Uuid>)]
    #[param(value_type = Option<uuid::Uuid>)]
    id: Option<EventId>,
}

impl From<RejectsWanted> for rejects::Wanted {
    fn from(it: RejectsWanted) -> Self {
        let RejectsWanted { from, to, subject, reason, stage, id } = it;
        Self { from, to, subject, reason, stage, ids: id.into_iter().collect() }
    }
}

/// A reject: never what is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RejectView {
    /// Id, time, person, sync, stage, reason, place, attempts, size.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    reject: Reject,
}

/// What no stage could take, oldest first.
#[utoipa::path(get, path = "/v1/operator/rejects", operation_id = "list_rejects", tag = "operators",
    params(RejectsWanted),
    responses((status = 200, description = "At most 1000.", body = [RejectView]), Problems))]
pub(crate) async fn list_rejects(
    State(web): State<Shared>,
    Operator(_token): Operator,
    Query(wanted): Query<RejectsWanted>,
) -> Result<Json<Vec<RejectView>>, Problem> {
    let found = web.app.replays.rejects(&wanted.into(), REJECTS_MAX).await?;
    Ok(Json(found.into_iter().map(|reject| RejectView { reject }).collect()))
}

/// What is to be taken up again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostRedrive {
    /// Under one name a reject is taken up once.
    name: String,
    /// Which rejects.
    #[serde(default)]
    wanted: RejectsWanted,
    /// The most rejects, up to 1000.
    #[serde(default)]
    count_max: Option<usize>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What was done with a reject, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RedrivenView {
    /// The reject, the sync that it is taken up in, or why it cannot be.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    redriven: rejects::Redriven,
}

/// Takes rejects up again, each as a sync of its own that names the old one.
#[utoipa::path(post, path = "/v1/operator/redrives", operation_id = "redrive", tag = "operators",
    request_body = PostRedrive,
    responses((status = 200, description = "One answer a reject.", body = [RedrivenView]), Problems))]
pub(crate) async fn redrive(
    State(web): State<Shared>,
    Operator(token): Operator,
    Body(body): Body<PostRedrive>,
) -> Result<Json<Vec<RedrivenView>>, Problem> {
    let count_max = body.count_max.unwrap_or(100).min(REJECTS_MAX);
    let wanted = body.wanted.into();
    let all = web.app.replays.redrive(&wanted, (&body.name, count_max), &token.label, body.dry_run).await?;
    Ok(Json(all.into_iter().map(|redriven| RedrivenView { redriven }).collect()))
}

/// Which events are told.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct TailQuery {
    /// Of one person.
    #[param(value_type = Option<String>)]
    subject: Option<Subject>,
    /// Of one sync.
    #[param(value_type = Option<uuid::Uuid>)]
    sync: Option<SyncId>,
    /// Said from then on; without it, from now on.
    #[param(value_type = Option<String>)]
    from: Option<Instant>,
    /// Whether to go on with what comes; else the stream ends with what there is.
    #[serde(default)]
    follow: bool,
}

/// Events of a topic as JSON lines, from the log. What is sealed stays sealed. What analysts see is on the bus alone,
/// under pseudonyms and days; it is told from there.
#[utoipa::path(get, path = "/v1/operator/topics/{topic}/events", operation_id = "tail", tag = "operators",
    params(("topic" = String, Path, description = "The topic's name."), TailQuery),
    responses((status = 200, description = "One event a line.", body = String, content_type = "application/x-ndjson"),
        Problems))]
pub(crate) async fn tail_topic(
    State(web): State<Shared>,
    Operator(_token): Operator,
    Path(topic): Path<String>,
    Query(query): Query<TailQuery>,
    Extension(stop): Extension<Stop>,
) -> Result<Response, Problem> {
    let topic = tail::topic_of(&topic).map_err(|err| Problem::new(Code::NotFound, err.0))?;
    let from = query.from.unwrap_or_else(|| web.app.intake.runner.clock.now());
    let wanted = tail::Wanted { topic, subject: query.subject, sync: query.sync, from };
    let ends_at = tokio::time::Instant::now() + web.app.limits.stream_max;
    let first = tail::Position::first(&*web.app.intake.runner.bus, topic, query.from.is_none()).await?;
    let state = (web, wanted, first, stop);
    let follow = query.follow;
    let lines = stream::try_unfold(state, move |(web, wanted, mut position, mut stop)| async move {
        loop {
            let means = (&*web.app.store.log, &*web.app.intake.runner.bus);
            let (told, has_more) = tail::next(means, &wanted, &mut position).await?;
            if !told.is_empty() {
                let text: String = told.iter().map(|it| format!("{it}\n")).collect();
                return Ok::<_, engine::bus::Unreachable>(Some((text, (web, wanted, position, stop))));
            }
            if has_more {
                continue;
            }
            if !follow || tokio::time::Instant::now() > ends_at {
                return Ok(None);
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stopped(&mut stop.0) => return Ok(None),
            }
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], HttpBody::from_stream(lines)).into_response())
}

/// An access token that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostToken {
    /// Whose it is: a user of this installation.
    user: String,
    /// What it is called: the audit names who did something by it.
    label: String,
    /// How many days it lasts, at most 365.
    days: u64,
    /// Whether it has the operator's right.
    #[serde(default)]
    operator: bool,
}

/// A new access token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// The token: shown only now.
    token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
}

/// Makes an access token.
#[utoipa::path(post, path = "/v1/operator/tokens", operation_id = "make_token", tag = "operators",
    request_body = PostToken,
    responses((status = 201, description = "Made.", body = TokenView), Problems))]
pub(crate) async fn make_token(
    State(web): State<Shared>,
    Operator(by): Operator,
    Body(body): Body<PostToken>,
) -> Result<Response, Problem> {
    if body.label.is_empty() || body.label.len() > 100 || body.user.is_empty() || body.days == 0 {
        let detail = "a token has a user, a label of 1 to 100 characters, and lasts for a day or more";
        return Err(Problem::new(Code::Invalid, detail));
    }
    let lasts = Duration::from_secs(body.days.saturating_mul(86_400)).min(TOKEN_MAX);
    let expires_at = web.app.intake.runner.clock.now().plus(lasts);
    let right = if body.operator { " with the operator's right" } else { "" };
    web.app.replays.audit.note(&by.label, "token", format!("{}{right}, until {expires_at}", body.label)).await?;
    let secret =
        engine::connect::draw_secret().map_err(|_| Problem::new(Code::Internal, "the system gives no randomness"))?;
    let token = format!("swt_{secret}");
    let subject = web.app.contents.vault.subject_of(&body.user);
    let of = AccessToken { subject, expires_at: Some(expires_at), label: body.label, operator: body.operator };
    web.app.connect.accounts.people.put_token(&token, &of).await?;
    Ok((StatusCode::CREATED, Json(TokenView { token, expires_at })).into_response())
}

/// Something that an operator did, or a person about what is theirs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// When, who, what, to what.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: Entry,
}

/// Whose audit is told.
#[derive(Debug, Deserialize, IntoParams)]
pub(crate) struct AuditQuery {
    /// What is noted among what is this person's: their consents. Without it, what operators did.
    #[param(value_type = Option<String>)]
    subject: Option<Subject>,
}

/// What operators did, or what is noted among what is a person's, oldest first.
#[utoipa::path(get, path = "/v1/operator/audit", operation_id = "list_audit", tag = "operators",
    params(AuditQuery),
    responses((status = 200, description = "Everything.", body = [AuditView]), Problems))]
pub(crate) async fn audit(
    State(web): State<Shared>,
    Operator(_token): Operator,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Vec<AuditView>>, Problem> {
    let audit = &web.app.replays.audit;
    let all = match &query.subject {
        Some(person) => audit.list_of(person).await?,
        None => audit.list().await?,
    };
    Ok(Json(all.into_iter().map(|entry| AuditView { entry }).collect()))
}
