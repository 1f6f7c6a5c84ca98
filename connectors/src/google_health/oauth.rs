//! Granting, renewing and withdrawing access: OAuth 2.0 at Google
//! (developers.google.com/identity/protocols/oauth2/web-server), with PKCE (RFC 7636).

use super::{errors, profile::SCOPES};
use engine::{
    provider::{Authorize, Grant, ProviderError, Tokens, Verb},
    session::{Reply, Session},
};
use reqwest::Method;
use serde::Deserialize;
use std::time::Duration;
use url::form_urlencoded;

/// Where a person grants access. `offline` and `consent` make Google give a refresh token every time.
pub(super) fn authorize_url(request: &Authorize<'_>) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", request.client_id)
        .append_pair("redirect_uri", request.redirect)
        .append_pair("response_type", "code")
        .append_pair("scope", &SCOPES.join(" "))
        .append_pair("access_type", "offline")
        .append_pair("prompt", "consent")
        .append_pair("state", request.state)
        .append_pair("code_challenge", request.challenge)
        .append_pair("code_challenge_method", "S256")
        .finish();
    format!("{}/o/oauth2/v2/auth?{query}", request.auth_url)
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
    #[serde(default)]
    scope: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OAuthError {
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    health_user_id: String,
}

/// Trades a code for tokens, and asks whose account it is.
pub(super) async fn exchange(
    session: &Session,
    code: &str,
    verifier: &str,
    redirect: &str,
) -> Result<Grant, ProviderError> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect),
        ("client_id", &session.client.id),
        ("client_secret", &session.client.secret),
    ];
    let tokens = token(session, &form, None).await.map_err(|err| match err {
        ProviderError::AccessRevoked => ProviderError::Refused {
            reason: "invalid_grant: the code was used before or is too old; connect again".into(),
        },
        other => other,
    })?;
    let mut session = session.clone();
    session.access_token = Some(tokens.access.clone());
    let reply = session.send(Verb::Read, session.api(Method::GET, "/v4/users/me/identity")).await?;
    let identity: Identity = errors::success(reply, Verb::Read)?.json()?;
    if identity.health_user_id.is_empty() {
        return Err(ProviderError::Malformed { what: "the identity has an empty healthUserId".into() });
    }
    Ok(Grant { tokens, account: identity.health_user_id })
}

/// A new access token; Google mostly gives no new refresh token, and then the old one stays.
pub(super) async fn refresh(session: &Session, tokens: &Tokens) -> Result<Tokens, ProviderError> {
    let refresh = tokens.refresh.as_deref().ok_or(ProviderError::AccessRevoked)?;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", &session.client.id),
        ("client_secret", &session.client.secret),
    ];
    token(session, &form, Some(tokens)).await
}

async fn token(session: &Session, form: &[(&str, &str)], old: Option<&Tokens>) -> Result<Tokens, ProviderError> {
    let reply = session.send(Verb::Auth, session.auth(Method::POST, "/token").form(form)).await?;
    if !reply.status.is_success() {
        return Err(refused(&reply));
    }
    let answer: TokenAnswer = reply.json()?;
    let expires_at = match (reply.provider_time(), answer.expires_in) {
        (Some(now), Some(seconds)) => Some(now.plus(Duration::from_secs(seconds))),
        _ => None,
    };
    let scope = if answer.scope.is_empty() { old.map(|it| it.scope.clone()).unwrap_or_default() } else { answer.scope };
    Ok(Tokens {
        access: answer.access_token,
        refresh: answer.refresh_token.or_else(|| old.and_then(|it| it.refresh.clone())),
        expires_at,
        scope,
    })
}

/// The token endpoint has errors of its own (RFC 6749 section 5.2).
fn refused(reply: &Reply) -> ProviderError {
    let code = serde_json::from_slice::<OAuthError>(&reply.body).unwrap_or_default().error;
    match (reply.status.as_u16(), code.as_str()) {
        (_, "invalid_grant") => ProviderError::AccessRevoked,
        (400 | 401 | 403, "invalid_client" | "unauthorized_client" | "deleted_client") => ProviderError::Refused {
            reason: "Google does not know our client id and secret; check the configuration".into(),
        },
        (400 | 401 | 403, _) => ProviderError::Refused { reason: format!("status {}", reply.status.as_u16()) },
        (429, _) => errors::error(reply, Verb::Auth),
        _ => reply.error(Verb::Auth),
    }
}

/// Withdraws our access; the refresh token takes every access token with it. Access that is gone already is no error.
pub(super) async fn revoke(session: &Session, tokens: &Tokens) -> Result<(), ProviderError> {
    let token = tokens.refresh.as_deref().unwrap_or(&tokens.access);
    // In the body, as RFC 7009 has it: a token has no place in a URL.
    let reply = session.send(Verb::Auth, session.auth(Method::POST, "/revoke").form(&[("token", token)])).await?;
    let code = serde_json::from_slice::<OAuthError>(&reply.body).unwrap_or_default().error;
    if reply.status.is_success() || (reply.status.as_u16() == 400 && code == "invalid_token") {
        return Ok(());
    }
    Err(refused(&reply))
}
