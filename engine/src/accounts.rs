//! Sessions of connections: the token, its refresh by one process at a time, and what an error means for the account.

use crate::{
    bus::Unreachable,
    calls::Call,
    clock::Clock,
    limiter::{Limiter, Share},
    people::{Connection, People},
    provider::{Auth, Catalog, DataProvider, Limit, ProviderError, Tokens, WebhookSecrets},
    session::{Client, Session, Unlimited},
};
use rand::Rng;
use schemas::{
    event::{Lane, Mode},
    id::{ConnectionId, Subject},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

/// C of SEMANTICS: the most time from the first byte of a call to the last of its answer.
pub const CALL_MAX: Duration = Duration::from_secs(25);
/// How long one process may refresh a token before another takes over.
const REFRESH_LEASE: Duration = Duration::from_secs(65);
/// A token that ends within this is refreshed before it is used.
const EXPIRES_SOON: Duration = Duration::from_secs(60);
/// How often a read that failed is tried in place.
const READ_TRIES: u32 = 3;

/// Where a provider's service is, and who we are there.
#[derive(Clone, Default)]
pub struct Endpoint {
    /// Base of its API.
    pub base_url: String,
    /// Base of its authorization server.
    pub auth_url: String,
    /// Base of its token endpoint.
    pub token_url: String,
    /// Our registration.
    pub client: Client,
    /// What its notifications are checked with.
    pub webhooks: WebhookSecrets,
    /// Calls allowed per window, by [`crate::provider::Limit::name`], where our tier differs from the profile.
    pub limits: BTreeMap<String, u32>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// Everything needed to call providers on behalf of people.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// Every provider.
    pub catalog: Catalog,
    /// Where they are.
    pub endpoints: Arc<HashMap<String, Endpoint>>,
    /// Who is connected.
    pub people: People,
    /// Permits.
    pub limiter: Limiter,
    /// The HTTP client that every session shares.
    pub http: reqwest::Client,
    /// The time.
    pub clock: Clock,
}

/// For whom and in which lane calls are made.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The person.
    pub subject: &'a Subject,
    /// The connection.
    pub connection: &'a Connection,
    /// The lane.
    pub lane: Lane,
    /// Whether it is a repair, which has a smaller share.
    pub mode: Mode,
    /// No byte of a write leaves after this moment.
    pub send_by: Option<tokio::time::Instant>,
}

/// The right to refresh a connection's token, held by one process at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lease {
    until: Instant,
    of_version: i64,
}

impl Accounts {
    /// A session without a person: for authorization.
    ///
    /// # Errors
    /// When no such provider is known or configured.
    pub fn anonymous(&self, provider: &str) -> Result<(Arc<dyn DataProvider>, Session), ProviderError> {
        let unknown = || ProviderError::Unsupported { what: format!("no provider is called {provider}") };
        let found = self.catalog.get(provider).ok_or_else(unknown)?.clone();
        let endpoint = self.endpoints.get(provider).ok_or_else(unknown)?;
        let session = Session {
            http: self.http.clone(),
            base_url: endpoint.base_url.clone(),
            token_url: endpoint.token_url.clone(),
            access_token: None,
            client: endpoint.client.clone(),
            call_max: CALL_MAX,
            body_bytes_max: found.profile().body_bytes_max,
            send_by: None,
            clock: self.clock.clone(),
            permits: Arc::new(Unlimited),
        };
        Ok((found, session))
    }

    /// A read: refreshed once if the token is not accepted, tried again in place while the provider is not available.
    ///
    /// # Errors
    /// The outer one when one of our own servers is out of reach.
    pub async fn read<C: Call>(
        &self,
        caller: Caller<'_>,
        call: &C,
    ) -> Result<Result<C::Output, ProviderError>, Unreachable> {
        for _ in 1..READ_TRIES {
            match self.call(caller, call).await? {
                Err(ProviderError::Unavailable { .. }) => {
                    let pause = rand::rng().random_range(Duration::from_millis(200)..Duration::from_secs(2));
                    tokio::time::sleep(pause).await;
                }
                answer => return Ok(answer),
            }
        }
        self.call(caller, call).await
    }

    /// A call: refreshed once if the token is not accepted. A withdrawn access is noted at the connection.
    ///
    /// # Errors
    /// The outer one when one of our own servers is out of reach.
    pub async fn call<C: Call>(
        &self,
        caller: Caller<'_>,
        call: &C,
    ) -> Result<Result<C::Output, ProviderError>, Unreachable> {
        let mut refused = None;
        for _ in 0..2 {
            let (provider, session, version) = match self.open(caller, refused).await? {
                Ok(opened) => opened,
                Err(err) => return self.noted(caller, Err(err)).await,
            };
            match call.run(&*provider, &session).await {
                Err(ProviderError::TokenExpired) => refused = Some(version),
                answer => return self.noted(caller, answer).await,
            }
        }
        // A fresh token is not accepted either.
        self.noted(caller, Err(ProviderError::AccessRevoked)).await
    }

    async fn noted<T>(
        &self,
        caller: Caller<'_>,
        answer: Result<T, ProviderError>,
    ) -> Result<Result<T, ProviderError>, Unreachable> {
        if matches!(answer, Err(ProviderError::AccessRevoked)) {
            self.people.note_revoked(caller.subject, caller.connection).await?;
        }
        Ok(answer)
    }

    /// A session of a connection; `refused` is the version of a token that the provider did not accept.
    async fn open(
        &self,
        caller: Caller<'_>,
        refused: Option<i64>,
    ) -> Result<Result<(Arc<dyn DataProvider>, Session, i64), ProviderError>, Unreachable> {
        let connection = caller.connection;
        let (provider, mut session) = match self.anonymous(&connection.provider) {
            Ok(opened) => opened,
            Err(err) => return Ok(Err(err)),
        };
        if let Some(base_url) = &connection.base_url {
            session.base_url.clone_from(base_url);
        }
        let mut version = 0;
        if let Auth::OAuth2 { .. } = provider.profile().auth {
            match self.token(caller, &*provider, &session, refused).await? {
                Ok((found, tokens)) => {
                    version = found;
                    session.access_token = Some(tokens.access);
                }
                Err(err) => return Ok(Err(err)),
            }
        }
        session.permits =
            self.limiter.permits(provider.clone(), self.limits_of(&*provider), Some(connection.id), share_of(caller));
        session.send_by = caller.send_by;
        Ok(Ok((provider, session, version)))
    }

    /// A provider's limits as they are for us.
    fn limits_of(&self, provider: &dyn DataProvider) -> Vec<Limit> {
        let profile = provider.profile();
        let ours = self.endpoints.get(profile.id).map(|it| &it.limits);
        let of = |limit: &Limit| {
            let calls_max = ours.and_then(|it| it.get(limit.name)).copied().unwrap_or(limit.calls_max);
            Limit { calls_max, ..*limit }
        };
        profile.limits.iter().map(of).collect()
    }

    /// The token that stands, refreshed if it must be. One process refreshes at a time; the new pair is stored
    /// before it is used.
    async fn token(
        &self,
        caller: Caller<'_>,
        provider: &dyn DataProvider,
        session: &Session,
        refused: Option<i64>,
    ) -> Result<Result<(i64, Tokens), ProviderError>, Unreachable> {
        let (subject, id) = (caller.subject, caller.connection.id);
        let give_up = self.clock.now().plus(REFRESH_LEASE + Duration::from_secs(10));
        let mut is_fresh = false;
        loop {
            let Some((version, tokens)) = self.people.vault.get_tokens(subject, id).await? else {
                return Ok(Err(ProviderError::AccessRevoked));
            };
            let now = self.clock.now();
            let ends_soon = tokens.expires_at.is_some_and(|at| at <= now.plus(EXPIRES_SOON));
            // A pair that was just given is used, whatever our clock makes of its end.
            if refused != Some(version) && (!ends_soon || is_fresh) {
                return Ok(Ok((version, tokens)));
            }
            if tokens.refresh.is_none() {
                return Ok(Err(ProviderError::AccessRevoked));
            }
            if self.lease(subject, id, version, now).await? {
                // Whoever held the lease before may have spent this pair since it was read.
                let stands = self.people.vault.get_tokens(subject, id).await?;
                let refreshed = if stands.is_some_and(|it| it.0 == version) {
                    self.refresh(subject, id, version, provider, session, &tokens).await?
                } else {
                    Ok(())
                };
                self.release(subject, id).await?;
                if let Err(err) = refreshed {
                    return Ok(Err(err));
                }
                is_fresh = true;
            } else if now > give_up {
                return Ok(Err(ProviderError::Unavailable { what: "another process refreshes the token".into() }));
            } else {
                // Another task or process refreshes it; its new pair is seen by reading again.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn refresh(
        &self,
        subject: &Subject,
        id: ConnectionId,
        version: i64,
        provider: &dyn DataProvider,
        session: &Session,
        tokens: &Tokens,
    ) -> Result<Result<(), ProviderError>, Unreachable> {
        let answer = provider.refresh(session, tokens).await;
        match answer {
            Ok(new) => {
                // A lost race means that somebody connected the account anew: that pair stands.
                self.people.vault.put_tokens(subject, id, version, &new).await?;
                Ok(Ok(()))
            }
            Err(ProviderError::AccessRevoked | ProviderError::TokenExpired) => {
                let stands = self.people.vault.get_tokens(subject, id).await?;
                if stands.is_some_and(|it| it.0 != version) {
                    Ok(Ok(()))
                } else {
                    Ok(Err(ProviderError::AccessRevoked))
                }
            }
            Err(ProviderError::Unknown { what }) => Ok(Err(ProviderError::Unavailable { what })),
            Err(err) => Ok(Err(err)),
        }
    }

    async fn lease(
        &self,
        subject: &Subject,
        id: ConnectionId,
        of_version: i64,
        now: Instant,
    ) -> Result<bool, Unreachable> {
        let found = self.people.get::<Lease>(subject, "refresh_lease", &id.to_string()).await?;
        let (version, held) = found.map_or((0, None), |it| (it.0, Some(it.1)));
        if held.is_some_and(|it| it.until > now && it.of_version == of_version) {
            return Ok(false);
        }
        let lease = Lease { until: now.plus(REFRESH_LEASE), of_version };
        self.people.put(subject, "refresh_lease", &id.to_string(), version, &lease, &[]).await
    }

    async fn release(&self, subject: &Subject, id: ConnectionId) -> Result<(), Unreachable> {
        let found = self.people.get::<Lease>(subject, "refresh_lease", &id.to_string()).await?;
        if let Some((version, lease)) = found {
            let over = Lease { until: Instant(0), ..lease };
            self.people.put(subject, "refresh_lease", &id.to_string(), version, &over, &[]).await?;
        }
        Ok(())
    }
}

fn share_of(caller: Caller<'_>) -> Share {
    match (caller.mode, caller.lane) {
        (Mode::Repair, _) => Share::Repair,
        (_, Lane::Cold) => Share::Cold,
        (_, Lane::Hot) => Share::Hot,
    }
}
