//! The OpenAPI document, from the handlers.

use crate::{
    analytics, configs, connections, dry_runs, imports, jobs, matrix, operator, problem, providers, records, reviews,
    rewinds, stream, system, webhooks,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// The OpenAPI document of every route.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "SyncWell", description = "Syncs health data between services. Every route needs an access token \
        but for `/healthz`, `/readyz`, the callback of a grant and notifications, which prove themselves otherwise."),
    paths(
        system::healthz, system::readyz, system::metrics,
        providers::list,
        connections::list, connections::start, connections::disconnect, connections::callback,
        rewinds::rewind,
        configs::list, configs::put, configs::remove, dry_runs::dry_run, dry_runs::apply,
        jobs::list, jobs::submit, jobs::status, stream::events,
        imports::import, records::explain, records::of_job,
        matrix::matrix,
        reviews::list, reviews::answer, reviews::split,
        analytics::get, analytics::put,
        webhooks::hear, webhooks::handshake,
        operator::begin_shadow, operator::list_replays, operator::get_replay, operator::begin_repair,
        operator::republish_open,
        operator::list_rejects, operator::redrive, operator::tail_topic, operator::make_token, operator::audit,
    ),
    security(("bearer" = [])),
    modifiers(&Shared)
)]
struct Document;

/// What no single handler says.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.schemas.extend([problem::schema()]);
    }
}
