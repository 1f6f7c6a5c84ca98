//! Where each thing is, and where it is not and why.

use crate::{
    app::Shared,
    auth::Person,
    problem::{Code, Problem, Problems},
    views::{DataTypeName, MatrixView},
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use engine::matrix::Question;
use schemas::{data_type::DataType, time::Instant};
use serde::Deserialize;
use utoipa::IntoParams;

/// What is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Which type.
    #[param(value_type = DataTypeName, inline)]
    data_type: DataType,
    /// Things that began then or later; without it, 31 days before `to`.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Instant>,
    /// Things that began earlier than this; without it, until now.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Instant>,
}

/// Each thing of a type against each connection: there, on its way, or absent and why. The stretch may be 31 days long;
/// at most 500 things are told, the latest. Times are in UTC. What was left out before anything was planned for it is
/// known from the latest 100 jobs.
#[utoipa::path(get, path = "/v1/sync-matrix", operation_id = "get_sync_matrix", tag = "records", params(Asked),
    responses((status = 200, description = "The things, the latest first.", body = MatrixView), Problems))]
pub(crate) async fn matrix(
    State(web): State<Shared>,
    Person(subject): Person,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<MatrixView>, Problem> {
    let invalid = |it: String| Problem::new(Code::Invalid, it);
    let Query(asked) = asked.map_err(|it| invalid(it.body_text()))?;
    let app = &web.app;
    let accounts = &app.connect.accounts;
    let question = Question::new(asked.data_type, (asked.from, asked.to), accounts.clock.now());
    let question = question.map_err(|it| invalid(it.to_string()))?;
    let place = (&app.store, &app.contents, &accounts.people, &accounts.catalog);
    Ok(Json(engine::matrix::matrix(place, &subject, &question).await?.into()))
}
