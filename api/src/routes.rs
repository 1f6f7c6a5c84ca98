//! Every route, in one table.

use crate::{
    App, analytics,
    app::{Shared, Web},
    configs, connections, dry_runs,
    edge::{Pace, bounded, observed, panicked},
    imports, jobs, matrix, operator,
    problem::{Code, Problem},
    providers, records, reviews, rewinds,
    serve::Stop,
    stream, system, webhooks,
};
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    middleware::from_fn_with_state,
    routing::{MethodRouter, delete, get, post},
};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

/// The room that a form takes besides its file.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Every path, how long it may take, and what it does.
pub(crate) fn routes() -> Vec<(&'static str, Pace, MethodRouter<Shared>)> {
    let mut routes = system::of_every_role();
    routes.extend([
        ("/metrics", Pace::Quick, get(system::metrics)),
        ("/v1/providers", Pace::Quick, get(providers::list)),
        ("/v1/connections", Pace::Quick, get(connections::list)),
        ("/v1/connections/{name}", Pace::Provider, post(connections::start).delete(connections::disconnect)),
        ("/v1/connections/{id}/rewind", Pace::Provider, post(rewinds::rewind)),
        ("/v1/connections/{provider}/callback", Pace::Provider, get(connections::callback)),
        ("/v1/sync-configs", Pace::Quick, get(configs::list).put(configs::put)),
        ("/v1/sync-configs/apply", Pace::Provider, post(dry_runs::apply)),
        ("/v1/sync-configs/dry-run", Pace::Provider, post(dry_runs::dry_run)),
        ("/v1/sync-configs/{id}", Pace::Quick, delete(configs::remove)),
        ("/v1/sync-jobs", Pace::Quick, get(jobs::list).post(jobs::submit)),
        ("/v1/sync-jobs/{id}", Pace::Quick, get(jobs::status)),
        ("/v1/sync-jobs/{id}/events", Pace::Quick, get(stream::events)),
        ("/v1/sync-jobs/{id}/records", Pace::Quick, get(records::of_job)),
        ("/v1/imports", Pace::Import, post(imports::import)),
        ("/v1/records/{id}/explain", Pace::Quick, get(records::explain)),
        ("/v1/records/{id}/split", Pace::Provider, post(reviews::split)),
        ("/v1/sync-matrix", Pace::Quick, get(matrix::matrix)),
        ("/v1/reviews", Pace::Quick, get(reviews::list)),
        ("/v1/reviews/{id}/answer", Pace::Provider, post(reviews::answer)),
        ("/v1/user/me/analytics", Pace::Quick, get(analytics::get).put(analytics::put)),
        ("/v1/operator/audit", Pace::Quick, get(operator::audit)),
        ("/v1/operator/open-events", Pace::Quick, post(operator::republish_open)),
        ("/v1/operator/redrives", Pace::Provider, post(operator::redrive)),
        ("/v1/operator/rejects", Pace::Provider, get(operator::list_rejects)),
        ("/v1/operator/repairs", Pace::Provider, post(operator::begin_repair)),
        ("/v1/operator/replays", Pace::Quick, get(operator::list_replays).post(operator::begin_shadow)),
        ("/v1/operator/replays/{name}", Pace::Provider, get(operator::get_replay)),
        ("/v1/operator/tokens", Pace::Quick, post(operator::make_token)),
        ("/v1/operator/topics/{topic}/events", Pace::Quick, get(operator::tail_topic)),
        ("/v1/webhooks/{provider}", Pace::Quick, get(webhooks::handshake).post(webhooks::hear)),
    ]);
    routes
}

/// The API over an app. Its streams end when `stop` turns true or its sender is gone.
pub fn router(app: App, stop: watch::Receiver<bool>) -> Router {
    table(app, routes(), stop)
}

/// These routes over an app.
pub(crate) fn table(
    app: App,
    routes: Vec<(&'static str, Pace, MethodRouter<Shared>)>,
    stop: watch::Receiver<bool>,
) -> Router {
    let import_bytes_max = app.limits.import_bytes_max.saturating_add(FORM_BYTES_MAX);
    let web = Web::new(app);
    let mut router = Router::new();
    for (path, pace, methods) in routes {
        router = router.route(path, methods.layer(from_fn_with_state((web.clone(), pace), bounded)));
    }
    let no_such_route = || async { Problem::new(Code::NoSuchRoute, "see docs/openapi.json for the paths there are") };
    let no_such_method = || async { Problem::new(Code::MethodNotAllowed, "see the `Allow` header for those it has") };
    router
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_route)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(import_bytes_max))
        .layer(from_fn_with_state(web.clone(), observed))
        .layer(Extension(Stop(stop)))
        .with_state(web)
}
