//! Why records are where they are.

use crate::{
    app::Shared,
    auth::Person,
    extract::Id,
    problem::{Problem, Problems},
    views::ExplanationView,
};
use axum::{Json, extract::State};
use schemas::id::ItemId;

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
    let found = engine::explain::explain(&app.store, &app.contents, &subject, ItemId(id)).await?;
    if found.is_empty() {
        return Err(Problem::not_found("record"));
    }
    Ok(Json(found.into_iter().map(ExplanationView::from).collect()))
}
