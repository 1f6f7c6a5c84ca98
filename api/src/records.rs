//! Why records are where they are.

use crate::{
    app::Shared,
    auth::Person,
    extract::Id,
    problem::{Problem, Problems},
    views::{DataTypeName, ExplanationView},
};
use axum::{Json, extract::State};
use engine::explain::Decided;
use schemas::{
    data_type::DataType,
    event::{Action, Reason},
    id::{ConnectionId, ItemId, SyncId},
    time::Instant,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a record is where it is.
#[utoipa::path(get, path = "/v1/records/{id}/explain", operation_id = "explain_record", tag = "records",
    params(("id" = uuid::Uuid, Path, description = "The record's id.")),
    responses((status = 200, description = "One explanation a destination.", body = [ExplanationView]), Problems))]
pub(crate) async fn explain(
    State(web): State<Shared>,
    Person(subject): Person,
    Id(id): Id,
) -> Result<Json<Vec<ExplanationView>>, Problem> {
    let app = &web.app;
    let accounts = &app.connect.accounts;
    let place = (&app.store, &app.contents, &accounts.people, &accounts.catalog);
    let found = engine::explain::explain(place, &subject, ItemId(id)).await?;
    if found.is_empty() {
        return Err(Problem::not_found("record"));
    }
    Ok(Json(found.into_iter().map(ExplanationView::from).collect()))
}

/// What was decided about one record, in short.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DecidedView {
    /// The record, by which it can be explained.
    #[schema(value_type = uuid::Uuid)]
    record: ItemId,
    /// Its type.
    #[schema(value_type = DataTypeName)]
    data_type: DataType,
    /// When it starts.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Instant,
    /// The destination.
    #[schema(value_type = uuid::Uuid)]
    destination: ConnectionId,
    /// `skip`, `create`, `update` or `delete`.
    #[schema(value_type = String)]
    action: Action,
    /// Why, for a skip.
    #[schema(value_type = Option<String>)]
    reason: Option<Reason>,
}

impl From<Decided> for DecidedView {
    fn from(it: Decided) -> Self {
        let Decided { record, data_type, starts_at, destination, action, reason } = it;
        Self { record, data_type, starts_at, destination, action, reason }
    }
}

/// What was decided in a sync job, record by record.
#[utoipa::path(get, path = "/v1/sync-jobs/{id}/records", tag = "records",
    params(("id" = uuid::Uuid, Path, description = "The job's id.")),
    responses((status = 200, description = "One decision a record and destination.", body = [DecidedView]), Problems))]
pub(crate) async fn of_job(
    State(web): State<Shared>,
    Person(subject): Person,
    Id(id): Id,
) -> Result<Json<Vec<DecidedView>>, Problem> {
    let app = &web.app;
    let found = engine::explain::decided(&app.store, &app.contents, &subject, SyncId(id)).await?;
    let found = found.ok_or_else(|| Problem::not_found("sync job"))?;
    Ok(Json(found.into_iter().map(DecidedView::from).collect()))
}
