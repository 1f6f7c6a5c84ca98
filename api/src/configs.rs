//! What is synced from where to where.

use crate::{
    app::Shared,
    auth::Person,
    extract::{Id, Json},
    policies::PoliciesView,
    problem::{Problem, Problems},
    views::{ConfigView, DataTypeName, DeletesName, RuleName},
};
use axum::{extract::State, http::StatusCode};
use engine::{connect::ConfigCommand, resolve::policy::Policies};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::{ConfigId, ConnectionId},
};
use serde::Deserialize;
use utoipa::ToSchema;

/// What a sync config is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutConfig {
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
    /// What else is wanted of the records; what is left out stands at its default, whatever was wanted before.
    #[serde(default)]
    #[schema(value_type = Option<PoliciesView>)]
    policies: Policies,
    /// Whether it runs; if left out, it does.
    #[serde(default = "yes")]
    #[schema(value_type = Option<bool>)]
    enabled: bool,
}

impl From<PutConfig> for ConfigCommand {
    fn from(it: PutConfig) -> Self {
        let PutConfig { source, destination, data_types, rule, deletes, policies, enabled } = it;
        Self { source, destination, data_types, rule, deletes, policies, enabled }
    }
}

const fn yes() -> bool {
    true
}

/// Every sync config of the person.
#[utoipa::path(get, path = "/v1/sync-configs", operation_id = "list_sync_configs", tag = "sync configs",
    responses((status = 200, description = "Every config.", body = [ConfigView]), Problems))]
pub(crate) async fn list(
    State(web): State<Shared>,
    Person(subject): Person,
) -> Result<axum::Json<Vec<ConfigView>>, Problem> {
    let configs = web.app.connect.accounts.people.configs(&subject).await?;
    Ok(axum::Json(configs.into_iter().map(ConfigView::from).collect()))
}

/// Makes or changes the sync config between two connections. What cannot work is refused, with what would.
#[utoipa::path(put, path = "/v1/sync-configs", operation_id = "put_sync_config", tag = "sync configs", request_body = PutConfig,
    responses((status = 200, description = "The config as it stands now.", body = ConfigView), Problems))]
pub(crate) async fn put(
    State(web): State<Shared>,
    Person(subject): Person,
    Json(body): Json<PutConfig>,
) -> Result<axum::Json<ConfigView>, Problem> {
    let (_, config) = web.app.connect.configure(&subject, &body.into()).await?;
    Ok(axum::Json(config.into()))
}

/// Removes a sync config.
#[utoipa::path(delete, path = "/v1/sync-configs/{id}", operation_id = "remove_sync_config", tag = "sync configs",
    params(("id" = uuid::Uuid, Path, description = "The config's id.")),
    responses((status = 204, description = "Removed."), Problems))]
pub(crate) async fn remove(
    State(web): State<Shared>,
    Person(subject): Person,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let removed = web.app.connect.accounts.people.delete_config(&subject, ConfigId(id)).await?;
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("sync config")) }
}
