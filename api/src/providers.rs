//! What there is to connect.

use crate::{app::Shared, auth::Person, problem::Problems, views::ProviderView};
use axum::{Json, extract::State};

/// Every provider, and what can be read and written there.
#[utoipa::path(get, path = "/v1/providers", operation_id = "list_providers", tag = "providers",
    responses((status = 200, description = "Every provider.", body = [ProviderView]), Problems))]
pub(crate) async fn list(State(web): State<Shared>, _: Person) -> Json<Vec<ProviderView>> {
    let connect = &web.app.connect;
    let view = |it: &engine::provider::Profile| ProviderView::new(it, connect.needs_grant(it.id));
    Json(connect.accounts.catalog.iter().map(|it| view(it.profile())).collect())
}
