//! Whether analysts may see what is released of a person's records.

use crate::{
    app::Shared,
    auth::{Bearer, Person},
    extract::Json,
    problem::{Problem, Problems},
};
use axum::extract::State;
use engine::people::AnalyticsConsent;
use schemas::time::Instant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the person says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutAnalytics {
    /// Whether analysts may see it.
    enabled: bool,
}

/// Whether analysts may see what is released of the person's records.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnalyticsView {
    /// Whether they may; no, unless the person said yes.
    enabled: bool,
    /// When the person last changed their mind; absent if they never said anything.
    #[schema(value_type = Option<String>, format = DateTime)]
    changed_at: Option<Instant>,
}

impl From<AnalyticsConsent> for AnalyticsView {
    fn from(it: AnalyticsConsent) -> Self {
        Self { enabled: it.enabled, changed_at: it.changed_at }
    }
}

/// Whether analysts may see what is released of the person's records.
#[utoipa::path(get, path = "/v1/user/me/analytics", operation_id = "get_analytics", tag = "user",
    responses((status = 200, description = "What the person said.", body = AnalyticsView), Problems))]
pub(crate) async fn get(
    State(web): State<Shared>,
    Person(subject): Person,
) -> Result<axum::Json<AnalyticsView>, Problem> {
    Ok(axum::Json(web.app.connect.accounts.people.analytics(&subject).await?.into()))
}

/// Lets analysts see what is released of the person's records from now on, or no longer. A change of mind is noted in the
/// audit.
#[utoipa::path(put, path = "/v1/user/me/analytics", operation_id = "put_analytics", tag = "user", request_body = PutAnalytics,
    responses((status = 200, description = "What the person said, as it stands now.", body = AnalyticsView), Problems))]
pub(crate) async fn put(
    State(web): State<Shared>,
    Bearer(token): Bearer,
    Json(body): Json<PutAnalytics>,
) -> Result<axum::Json<AnalyticsView>, Problem> {
    let (people, audit) = (&web.app.connect.accounts.people, &web.app.replays.audit);
    if people.analytics(&token.subject).await?.enabled != body.enabled {
        let said = if body.enabled { "yes" } else { "no" };
        audit.note_of(&token.subject, &token.label, "consent analytics", said.into()).await?;
    }
    Ok(axum::Json(people.set_analytics(&token.subject, body.enabled).await?.into()))
}
