//! The authorization server.

use super::{Simulator, answer};
use crate::simulator::bearer;
use axum::{
    body::Body,
    extract::{Form, Query, State},
    http::{HeaderMap, Response, StatusCode},
};
use engine::provider::Tokens;
use serde_json::json;
use std::collections::HashMap;

type Fields = HashMap<String, String>;

fn get<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// The authorization page, approved at once. `athlete` in the query says who approves (else the first one seeded),
/// `untick` which scopes they untick besides those of the options, `deny=1` that they do not approve.
pub(super) async fn authorize(State(simulator): State<Simulator>, Query(query): Query<Fields>) -> Response<Body> {
    if get(&query, "client_id") != simulator.options.client_id {
        return answer::fault(400, "Bad Request", ("Application", "client_id", "invalid"));
    }
    let Ok(mut back) = url::Url::parse(get(&query, "redirect_uri")) else {
        return answer::fault(400, "Bad Request", ("Application", "redirect_uri", "invalid"));
    };
    let state_text = get(&query, "state").to_owned();
    if get(&query, "deny") == "1" {
        back.query_pairs_mut().append_pair("state", &state_text).append_pair("error", "access_denied");
        return redirect(&back);
    }
    let mut state = simulator.state();
    let athlete = get(&query, "athlete").parse().ok().or(state.first_athlete);
    let Some(athlete) = athlete.filter(|it| state.athletes.contains_key(it)) else {
        return answer::fault(400, "Bad Request", ("Athlete", "id", "invalid"));
    };
    let unticked: Vec<&str> =
        get(&query, "untick").split(',').chain(simulator.options.unticked.iter().map(String::as_str)).collect();
    let scope: Vec<&str> = get(&query, "scope").split(',').filter(|it| !unticked.contains(it)).collect();
    let scope = scope.join(",");
    let family = state.approve(athlete, &scope);
    let code = state.draw_token("code");
    state.codes.insert(code.clone(), family);
    back.query_pairs_mut().append_pair("state", &state_text).append_pair("code", &code).append_pair("scope", &scope);
    redirect(&back)
}

fn redirect(to: &url::Url) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(to) = to.as_str().parse() {
        response.headers_mut().insert("location", to);
    }
    response
}

/// Codes and refresh tokens for tokens. A code is good once.
pub(super) async fn token(State(simulator): State<Simulator>, Form(form): Form<Fields>) -> Response<Body> {
    let invalid = |resource, field| answer::fault(400, "Bad Request", (resource, field, "invalid"));
    if get(&form, "client_id") != simulator.options.client_id {
        return invalid("Application", "client_id");
    }
    if get(&form, "client_secret") != simulator.options.client_secret {
        return answer::fault(401, "Authorization Error", ("Application", "", "invalid"));
    }
    let expires_at = simulator.now().plus(simulator.options.access_max);
    let mut state = simulator.state();
    match get(&form, "grant_type") {
        "authorization_code" => {
            let family = state.codes.remove(get(&form, "code"));
            let Some((family, athlete)) = family.and_then(|it| Some((it, state.family_of(it)?.athlete))) else {
                return invalid("RequestToken", "code");
            };
            let tokens = state.issue(family, expires_at);
            drop(state);
            let mut body = pair(&simulator, &tokens);
            body["athlete"] = json!({ "id": athlete, "resource_state": 2 });
            answer::json(200, &body)
        }
        "refresh_token" => {
            match state.renew(get(&form, "refresh_token"), simulator.options.rotate_refresh, expires_at) {
                Some(tokens) => {
                    drop(state);
                    answer::json(200, &pair(&simulator, &tokens))
                }
                None => invalid("RefreshToken", "refresh_token"),
            }
        }
        _ => invalid("Application", "grant_type"),
    }
}

fn pair(simulator: &Simulator, tokens: &Tokens) -> serde_json::Value {
    let expires_at = tokens.expires_at.unwrap_or_default();
    json!({
        "token_type": "Bearer",
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_at": expires_at.seconds(),
        "expires_in": expires_at.since(simulator.now()).as_secs(),
    })
}

/// Withdraws the access that a token stands for.
pub(super) async fn deauthorize(State(simulator): State<Simulator>, headers: HeaderMap) -> Response<Body> {
    let token = bearer(&headers).to_owned();
    let mut state = simulator.state();
    let family = state.family(&token, simulator.now()).map(|(id, _)| id);
    match family {
        Some(family) => {
            state.kill(family);
            answer::json(200, &json!({ "access_token": token }))
        }
        None => answer::fault(401, "Authorization Error", ("Athlete", "access_token", "invalid")),
    }
}
