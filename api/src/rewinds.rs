//! What was written to a connection, brought back to a moment.

use crate::{
    app::Shared,
    auth::Bearer,
    dry_runs::{AppliedView, LeftView},
    extract::{Id, Json},
    problem::{Problem, Problems},
};
use axum::{extract::State, http::StatusCode};
use engine::replay::Rewound;
use schemas::{
    id::{ConfigId, ConnectionId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// To when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostRewind {
    /// The moment that is gone back to; it must be over.
    #[schema(value_type = String, format = DateTime)]
    to: Instant,
    /// Only says what it would take.
    #[serde(default)]
    dry_run: bool,
}

/// What a rewind does, or would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RewoundView {
    /// How many records are made again (`create`), changed (`update`) and deleted (`delete`).
    operations: BTreeMap<String, u64>,
    /// The sync configs that write to the connection. They are paused (`enabled` is false), so that no sync undoes the
    /// rewind; once one is enabled again, its next sync brings what the source then has.
    #[schema(value_type = Vec<uuid::Uuid>)]
    paused: Vec<ConfigId>,
    /// What stays as it is although it stood otherwise then, and why: `cannot_delete`, `cannot_update`, `not_writable`
    /// (the destination), `edited_there` (by the person, since), `not_kept` (what stood then is not in the log),
    /// `answer_lost` (nobody knows what is there), `under_way` (something is being written), `foreign` (it is not ours),
    /// `moved` (while it was being done).
    left: Vec<LeftView>,
    /// What was done; absent of a dry run.
    done: Option<AppliedView>,
}

impl From<Rewound> for RewoundView {
    fn from(it: Rewound) -> Self {
        Self {
            operations: it.operations,
            paused: it.paused,
            left: it.left.into_iter().map(LeftView::from).collect(),
            done: it.done.map(AppliedView::from),
        }
    }
}

/// Brings what was written to a connection back to a moment: what was made since is deleted, what was changed is as it
/// was, what was deleted is made again. Only what is ours is touched. The sync configs that write there are paused. Doing
/// it twice is doing it once, so this needs no idempotency key.
#[utoipa::path(post, path = "/v1/connections/{id}/rewind", operation_id = "rewind_connection", tag = "connections",
    params(("id" = uuid::Uuid, Path, description = "The connection's id.")), request_body = PostRewind,
    responses(
        (status = 200, description = "What it would take: a dry run.", body = RewoundView),
        (status = 202, description = "Its jobs are on their way.", body = RewoundView), Problems))]
pub(crate) async fn rewind(
    State(web): State<Shared>,
    Bearer(token): Bearer,
    Id(id): Id,
    Json(body): Json<PostRewind>,
) -> Result<(StatusCode, axum::Json<RewoundView>), Problem> {
    let how = (body.dry_run, token.label.as_str());
    let rewound = web.app.replays.rewind(&token.subject, ConnectionId(id), body.to, how).await?;
    let status = if body.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, axum::Json(rewound.into())))
}
