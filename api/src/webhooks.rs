//! Notifications of providers.

use crate::{
    app::Shared,
    extract::read,
    problem::{Code, Problem, Problems},
};
use axum::{
    extract::{Path, RawQuery, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use engine::provider::WebhookRequest;

/// Hears a notification of a provider. Proven by its signature over the raw body.
#[utoipa::path(post, path = "/v1/webhooks/{provider}", tag = "webhooks", operation_id = "hear_notification",
    security(()),
    params(("provider" = String, Path, description = "The provider's name.")),
    responses((status = 200, description = "Taken; in the status and words that this provider wants to hear.",
        body = String, content_type = "application/json"), Problems))]
pub(crate) async fn hear(
    State(web): State<Shared>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read(&parts.headers, body, web.app.limits.webhook_bytes_max).await?;
    let query = query.unwrap_or_default();
    let notification =
        WebhookRequest { method: parts.method.as_str(), query: &query, headers: &parts.headers, body: &body };
    let answer = web.app.connect.notified(&provider, &notification).await?;
    let answer = answer.map_err(|why| Problem::new(Code::NotBelieved, why))?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    if answer.body.is_empty() {
        return Ok(status.into_response());
    }
    Ok((status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response())
}

/// Answers the handshake by which a provider makes sure that notifications are wanted here.
#[utoipa::path(get, path = "/v1/webhooks/{provider}", tag = "webhooks", operation_id = "answer_handshake",
    security(()),
    params(("provider" = String, Path, description = "The provider's name.")),
    responses((status = 200, description = "What this provider wants to hear.", body = String,
        content_type = "application/json"), Problems))]
pub(crate) async fn handshake(
    web: State<Shared>,
    provider: Path<String>,
    query: RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    hear(web, provider, query, request).await
}
