//! Strava, API v3: workouts in and out.
//!
//! Read in this order: [`Strava`] (the verbs), `profile.rs` (what it can do), `fetch.rs` and `write.rs` (how),
//! `normalize.rs`, `streams.rs` and `sport.rs` (what an activity is here), `project.rs` (what Strava keeps),
//! `webhook.rs`, `fault.rs`, and [`simulator`] (the other side).

mod fault;
mod fetch;
mod marker;
mod normalize;
mod profile;
mod project;
pub mod simulator;
mod sport;
mod streams;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;
mod write;

use async_trait::async_trait;
use engine::{
    provider::{
        Action, Authorize, DataProvider, Delivery, FetchRequest, Found, Grant, MapperError, Normal, Page, Profile,
        ProviderError, RawPage, Receipt, Tokens, Usage, Verb, VerifyError, WebhookAnswer, WebhookRequest,
        WebhookSecrets, WriteOperation,
    },
    session::{Reply, Session},
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap},
};
use schemas::{
    data_type::DataType,
    record::Record,
    time::{Instant, Interval},
};

/// The provider's name.
pub const ID: &str = "strava";

/// The scopes that are asked for, separated by commas as Strava wants it.
pub const SCOPE: &str = "read,activity:read_all,activity:write";

/// The Strava connector.
#[derive(Clone, Debug)]
pub struct Strava {
    profile: Profile,
}

impl Default for Strava {
    fn default() -> Self {
        Self { profile: profile::profile() }
    }
}

#[async_trait]
impl DataProvider for Strava {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn authorize_url(&self, request: &Authorize<'_>) -> Option<String> {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", request.client_id)
            .append_pair("redirect_uri", request.redirect)
            .append_pair("response_type", "code")
            .append_pair("approval_prompt", "auto")
            .append_pair("scope", SCOPE)
            .append_pair("state", request.state)
            .finish();
        Some(format!("{}/oauth/authorize?{query}", request.auth_url))
    }

    /// Strava says the granted scopes in the callback's query, not in this answer; a scope that was unticked shows
    /// as [`ProviderError::Forbidden`] at the first call that needs it.
    async fn exchange(&self, session: &Session, code: &str, _: &str, _: &str) -> Result<Grant, ProviderError> {
        let (tokens, account) = token(session, &[("grant_type", "authorization_code"), ("code", code)], None).await?;
        let account = account.ok_or_else(|| ProviderError::Malformed { what: "no athlete in the grant".into() })?;
        Ok(Grant { tokens, account: account.to_string() })
    }

    async fn refresh(&self, session: &Session, tokens: &Tokens) -> Result<Tokens, ProviderError> {
        let Some(refresh) = tokens.refresh.as_deref() else {
            return Err(ProviderError::AccessRevoked);
        };
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        Ok(token(session, &form, Some(tokens)).await?.0)
    }

    /// Needs a living access token; [`ProviderError::TokenExpired`] asks for a refresh first, which itself says
    /// [`ProviderError::AccessRevoked`] when there is nothing left to withdraw.
    async fn revoke(&self, session: &Session, tokens: &Tokens) -> Result<(), ProviderError> {
        let request =
            session.auth(Method::POST, "/oauth/deauthorize").header(AUTHORIZATION, format!("Bearer {}", tokens.access));
        let reply = session.send(Verb::Auth, request).await?;
        if reply.status.is_success() { Ok(()) } else { Err(fault::of_api(&reply, Verb::Auth)) }
    }

    async fn fetch(&self, session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
        fetch::fetch(session, request).await
    }

    fn normalize(&self, page: &RawPage<'_>) -> Result<Normal, MapperError> {
        normalize::normalize(page)
    }

    fn project(&self, record: &Record) -> Result<Record, String> {
        project::project(record)
    }

    async fn find(
        &self,
        session: &Session,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Found>, ProviderError> {
        if data_type != DataType::Workout {
            return Ok(Vec::new());
        }
        fetch::find(session, window).await
    }

    /// A file that is uploaded is deduplicated; an activity that is typed in is not, but can be listed: it is claimed,
    /// and after a lost answer looked for by our mark before it is sent again.
    fn delivery(&self, action: &Action<'_>) -> Option<Delivery> {
        match action {
            Action::Create { record } if !write::is_uploaded(record) => Some(Delivery::Listable { keyed: false }),
            Action::Create { .. } => Some(Delivery::Deduplicated),
            Action::Update { .. } => Some(Delivery::Listable { keyed: false }),
            Action::Delete { .. } => None,
        }
    }

    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        write::write(session, operation).await
    }

    async fn poll(
        &self,
        session: &Session,
        operation: &WriteOperation<'_>,
        handle: &str,
    ) -> Result<Receipt, ProviderError> {
        write::poll(session, operation.item, handle).await
    }

    fn verify(&self, secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
        webhook::verify(secrets, request)
    }

    fn usage(&self, headers: &HeaderMap) -> Vec<Usage> {
        fault::usage(headers)
    }
}

/// Asks the token endpoint; the client's id and secret go into the body. Also says whose account it is, if told.
async fn token(
    session: &Session,
    form: &[(&str, &str)],
    old: Option<&Tokens>,
) -> Result<(Tokens, Option<u64>), ProviderError> {
    let mut fields = vec![("client_id", session.client.id.as_str()), ("client_secret", &session.client.secret)];
    fields.extend_from_slice(form);
    let reply = session.send(Verb::Auth, session.auth(Method::POST, "/oauth/token").form(&fields)).await?;
    if !reply.status.is_success() {
        return Err(fault::of_token(&reply));
    }
    tokens(&reply, old)
}

fn tokens(reply: &Reply, old: Option<&Tokens>) -> Result<(Tokens, Option<u64>), ProviderError> {
    // The old pair may be spent, so this is no plain failure.
    let answer: wire::Token =
        reply.json().map_err(|_| ProviderError::Unknown { what: "a token answer that cannot be read".into() })?;
    // Seconds beyond the year 275760 are no date; the token is then asked for its end by using it.
    let expires_at =
        answer.expires_at.filter(|it| (0.0..8.64e12).contains(it)).map(|it| Instant::from_seconds(it as i64));
    let tokens = Tokens {
        access: answer.access_token,
        // Whatever comes back is stored; if nothing does, the old one stays good.
        refresh: answer.refresh_token.or_else(|| old.and_then(|it| it.refresh.clone())),
        expires_at,
        scope: answer.scope.unwrap_or_else(|| old.map(|it| it.scope.clone()).unwrap_or_default()),
    };
    Ok((tokens, answer.athlete.id))
}
