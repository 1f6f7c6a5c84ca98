//! For those who run the server.

use crate::{
    app::Shared,
    auth::Person,
    problem::{Code, Problem, Problems},
};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

/// This process lives.
#[utoipa::path(get, path = "/healthz", tag = "system", security(()),
    responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// This process can take work.
#[utoipa::path(get, path = "/readyz", tag = "system", security(()),
    responses((status = 200, description = "It can.", body = String, content_type = "text/plain"), Problems))]
pub(crate) async fn readyz(State(web): State<Shared>) -> Result<&'static str, Problem> {
    if *web.app.ready.borrow() {
        Ok("ready\n")
    } else {
        Err(Problem::new(Code::Busy, "this process does not take work yet, or no more"))
    }
}

/// The metrics, in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "system",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"), Problems))]
pub(crate) async fn metrics(State(web): State<Shared>, _: Person) -> Response {
    let text = (web.app.metrics)();
    // The version of the text format that Prometheus asks for.
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
