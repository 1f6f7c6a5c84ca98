//! For those who run the server.

use crate::{
    app::Shared,
    auth::{bearer, token_of},
    edge::Pace,
    problem::{Code, Problem, Problems},
};
use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use sha2::{Digest, Sha256};
use std::{fmt, sync::Arc};
use tokio::sync::watch;

/// What a process says of itself to those who run it.
#[derive(Clone)]
pub struct Probes {
    /// The metrics in the Prometheus text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether this process can take work; else why not, in words that name no address.
    pub ready: watch::Receiver<Result<(), String>>,
    /// A token that opens `/metrics`: what a scraper is given.
    pub metrics_token: Option<String>,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("ready", &*self.ready.borrow()).finish_non_exhaustive()
    }
}

impl FromRef<Shared> for Probes {
    fn from_ref(web: &Shared) -> Self {
        web.app.probes.clone()
    }
}

impl Probes {
    /// Digests are compared, so that the time it takes says nothing about the token.
    fn is_scraper(&self, headers: &HeaderMap) -> bool {
        let (Some(wanted), Some(sent)) = (&self.metrics_token, bearer(headers)) else { return false };
        Sha256::digest(wanted) == Sha256::digest(sent)
    }

    fn rendered(&self) -> Response {
        // The version of the text format that Prometheus asks for.
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], (self.metrics)()).into_response()
    }
}

/// The probes alone: of a process that has no API, has not begun yet, or drains. Without a `metrics_token` its metrics
/// are open: they name no token_of, and nobody but the operator knows this address.
pub fn probes(probes: Probes) -> Router {
    let metrics = |State(probes): State<Probes>, headers: HeaderMap| async move {
        if probes.metrics_token.is_none() || probes.is_scraper(&headers) {
            return Ok(probes.rendered());
        }
        Err(Problem::new(Code::Unauthorized, "send the metrics token as `Authorization: Bearer <token>`"))
    };
    let mut router = Router::new().route("/metrics", get(metrics));
    for (path, _, methods) in of_every_role() {
        router = router.route(path, methods);
    }
    let elsewhere = || async { Problem::new(Code::Busy, "this process takes no commands; another one does, or soon") };
    router.fallback(elsewhere).with_state(probes)
}

/// What every process answers, whatever its roles.
pub(crate) fn of_every_role<S: Clone + Send + Sync + 'static>() -> Vec<(&'static str, Pace, MethodRouter<S>)>
where
    Probes: FromRef<S>,
{
    vec![("/healthz", Pace::Probe, get(healthz)), ("/readyz", Pace::Probe, get(readyz))]
}

/// This process lives.
#[utoipa::path(get, path = "/healthz", tag = "system", security(()),
    responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// This process can take work.
#[utoipa::path(get, path = "/readyz", tag = "system", security(()),
    responses((status = 200, description = "It can.", body = String, content_type = "text/plain"), Problems))]
pub(crate) async fn readyz(State(probes): State<Probes>) -> Result<&'static str, Problem> {
    match &*probes.ready.borrow() {
        Ok(()) => Ok("ready\n"),
        Err(why) => Err(Problem::new(Code::Busy, format!("this process does not take work: {why}"))),
    }
}

/// The metrics, in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"), Problems))]
pub(crate) async fn metrics(State(web): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let probes = &web.app.probes;
    // A scraper is answered even when people's tokens cannot be looked up.
    if !probes.is_scraper(&headers) {
        token_of(&headers, &web).await?;
    }
    Ok(probes.rendered())
}
