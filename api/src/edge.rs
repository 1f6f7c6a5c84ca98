//! What every request passes on its way in and out: a name, a span, a limit, an end.

use crate::{
    Limits,
    app::Shared,
    problem::{Code, Problem},
};
use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Response as HttpResponse},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use std::{any::Any, time::Duration};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

/// How long a request may take, and whether it may be turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Asked by machines that would restart us: never turned away.
    Probe,
    /// Needs only our own servers.
    Quick,
    /// Calls a provider.
    Provider,
    /// Takes a file.
    Import,
}

impl Pace {
    const fn longest(self, limits: &Limits) -> Duration {
        match self {
            Self::Probe | Self::Quick => limits.request_max,
            Self::Provider => limits.provider_request_max,
            Self::Import => limits.import_max,
        }
    }
}

/// A body that came too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub(crate) struct TooSlow;

/// Names a request, and says in one line and two metrics what became of it. The path as it was sent is never noted: it
/// may hold a `state` or a code.
pub(crate) async fn observed(State(web): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = sent_id(request.headers()).unwrap_or_else(|| web.request_id());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let span = tracing::info_span!("request", id, method, route);
    let answered = async {
        let mut response = next.run(request).await;
        let (status, took) = (response.status().as_u16(), started.elapsed());
        metrics::counter!("syncwell_http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string())
            .increment(1);
        metrics::histogram!("syncwell_http_request_seconds", "route" => route.clone()).record(took.as_secs_f64());
        tracing::info!(status, milliseconds = took.as_millis(), "answered");
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    };
    answered.instrument(span).await
}

/// The name that a client gave its request, if it is one that may stand in a log.
fn sent_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    ((1..=64).contains(&id.len()) && id.chars().all(plain)).then(|| id.to_owned())
}

/// A closed set, so that a client cannot make series of metrics.
fn method_name(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// Turns away what is too much, and gives the rest an end.
pub(crate) async fn bounded(State((web, pace)): State<(Shared, Pace)>, request: Request, next: Next) -> Response {
    let permit = web.requests.try_acquire();
    if permit.is_err() && pace != Pace::Probe {
        metrics::counter!("syncwell_http_shed_total").increment(1);
        return Problem::new(Code::Busy, "too many requests are worked on; send the same one again").into_response();
    }
    let limits = &web.app.limits;
    let request = request.map(|body| paced(body, limits));
    match timeout(pace.longest(limits), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::TimedOut, "send the same request again, with the same key").into_response(),
    }
}

/// A body that ends with [`TooSlow`] if its bytes do not keep coming.
fn paced(body: Body, limits: &Limits) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let (idle_max, rate_min, started) = (limits.body_idle_max, limits.body_rate_min, Instant::now());
    let frames = stream::try_unfold((body.into_data_stream(), 0_u64), move |(mut rest, n_bytes)| async move {
        let Ok(next) = timeout(idle_max, rest.next()).await else { return Err(axum::Error::new(TooSlow)) };
        let Some(bytes) = next.transpose()? else { return Ok(None) };
        let n_bytes = n_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let measured = started.elapsed().saturating_sub(idle_max).as_secs();
        if n_bytes < measured.saturating_mul(rate_min) {
            return Err(axum::Error::new(TooSlow));
        }
        Ok(Some((bytes, (rest, n_bytes))))
    });
    Body::from_stream(frames)
}

/// What a body's error means.
pub(crate) fn body_problem(err: &(dyn std::error::Error + 'static)) -> Problem {
    let mut cause = Some(err);
    while let Some(it) = cause {
        if it.is::<TooSlow>() {
            return Problem::new(Code::TooSlow, "the body came too slowly; send it faster, or in smaller parts");
        }
        cause = it.source();
    }
    Problem::new(Code::Malformed, "the body ended early or cannot be read; send it whole")
}

/// A panic of a handler, as a problem that says nothing of it: the panic hook has noted it.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> HttpResponse<Body> {
    metrics::counter!("syncwell_http_panics_total").increment(1);
    Problem::new(Code::Internal, "a fault of ours, which was noted").into_response()
}
