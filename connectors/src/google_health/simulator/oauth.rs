//! Consent page, token endpoint, revocation.

use super::{
    Simulator,
    api::json_answer,
    state::{ACCESS_SECONDS, Access, Code},
};
use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};
use url::form_urlencoded;

type Form = BTreeMap<String, String>;

fn form(bytes: &[u8]) -> Form {
    form_urlencoded::parse(bytes).into_owned().collect()
}

fn refused(code: &str) -> Response<Body> {
    json_answer(400, &json!({"error": code, "error_description": "Refused by the simulator."}))
}

/// The consent page: the person set by `consent_as` (or named by `login_hint`) says yes at once.
pub(super) async fn authorize(State(simulator): State<Simulator>, RawQuery(query): RawQuery) -> Response<Body> {
    let query = form(query.unwrap_or_default().as_bytes());
    let get = |key: &str| query.get(key).map_or("", String::as_str);
    let is_whole = get("response_type") == "code"
        && !get("client_id").is_empty()
        && !get("redirect_uri").is_empty()
        && !get("scope").is_empty()
        && (get("code_challenge").is_empty() || get("code_challenge_method") == "S256");
    if !is_whole {
        return refused("invalid_request");
    }
    let now = simulator.kit.now();
    let mut state = simulator.state();
    let consent = state.consent.clone();
    let user = if get("login_hint").is_empty() { consent.user.as_str() } else { get("login_hint") };
    let mut back = form_urlencoded::Serializer::new(String::new());
    if consent.is_denied || user.is_empty() {
        back.append_pair("error", "access_denied");
    } else {
        let number = state.number();
        let code = format!("4/{number}-{user}");
        let scope: Vec<&str> = get("scope").split(' ').filter(|it| !consent.unticked.contains(*it)).collect();
        let ends_at = now.plus(Duration::from_secs(600));
        let access = Access { user: user.into(), scope: scope.join(" "), ends_at };
        let held = Code { access, challenge: get("code_challenge").into(), redirect: get("redirect_uri").into() };
        state.user(user);
        state.codes.insert(code.clone(), held);
        back.append_pair("code", &code).append_pair("scope", &scope.join(" "));
    }
    let back = back.append_pair("state", get("state")).finish();
    let redirect = get("redirect_uri");
    let parting = if redirect.contains('?') { '&' } else { '?' };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::FOUND;
    if let Ok(location) = format!("{redirect}{parting}{back}").parse() {
        response.headers_mut().insert("location", location);
    }
    response
}

/// Trades codes and refresh tokens.
pub(super) async fn token(State(simulator): State<Simulator>, body: Bytes) -> Response<Body> {
    let form = form(&body);
    let get = |key: &str| form.get(key).map_or("", String::as_str);
    if get("client_id").is_empty() || get("client_secret").is_empty() {
        return json_answer(401, &json!({"error": "invalid_client"}));
    }
    let now = simulator.kit.now();
    let mut state = simulator.state();
    match get("grant_type") {
        "authorization_code" => {
            // A code is good once, right or wrong.
            let Some(code) = state.codes.remove(get("code")) else {
                return refused("invalid_grant");
            };
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
            let is_proven = code.challenge.is_empty() || code.challenge == challenge;
            if !is_proven || code.redirect != get("redirect_uri") || code.access.ends_at < now {
                return refused("invalid_grant");
            }
            let tokens = state.grant(&code.access.user, &code.access.scope, now);
            json_answer(
                200,
                &json!({
                    "access_token": tokens.access, "refresh_token": tokens.refresh, "expires_in": ACCESS_SECONDS,
                    "scope": tokens.scope, "token_type": "Bearer",
                }),
            )
        }
        "refresh_token" => {
            let Some(held) = state.refresh.get(get("refresh_token")).cloned() else {
                return refused("invalid_grant");
            };
            let tokens = state.grant(&held.user, &held.scope, now);
            // Google keeps the old refresh token and gives no new one.
            if let Some(new) = tokens.refresh {
                state.refresh.remove(&new);
            }
            json_answer(
                200,
                &json!({
                    "access_token": tokens.access, "expires_in": ACCESS_SECONDS, "scope": tokens.scope, "token_type": "Bearer",
                }),
            )
        }
        _ => refused("unsupported_grant_type"),
    }
}

/// Withdraws everything that was granted with a token.
pub(super) async fn revoke(
    State(simulator): State<Simulator>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response<Body> {
    let (query, body) = (form(query.unwrap_or_default().as_bytes()), form(&body));
    let token = body.get("token").or_else(|| query.get("token")).map_or("", String::as_str);
    let mut state = simulator.state();
    let held = state.refresh.get(token).or_else(|| state.access.get(token)).map(|it| it.user.clone());
    match held {
        Some(user) => {
            state.withdraw(&user);
            json_answer(200, &json!({}))
        }
        None => refused("invalid_token"),
    }
}
