//! What stands between a stage and a connector: permit, token, deadline, size cap and error classes.

use crate::{
    bus::still_held,
    clock::Clock,
    provider::{ProviderError, Verb},
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{AUTHORIZATION, DATE, HeaderMap, RETRY_AFTER},
};
use schemas::time::Instant;
use serde::de::DeserializeOwned;
use std::{fmt, sync::Arc, time::Duration};

/// Hands out permits for calls and hears what the provider answered.
#[async_trait]
pub trait Permits: fmt::Debug + Send + Sync {
    /// Waits for a slot that is near, or says [`ProviderError::Throttled`] with the time of one that is not.
    async fn permit(&self, verb: Verb) -> Result<(), ProviderError>;

    /// Takes note of an answer: usage headers, `Retry-After`, failures.
    async fn observe(&self, verb: Verb, answer: Result<&Reply, &ProviderError>);
}

/// Permits without limit: for the command line and tests of connectors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

#[async_trait]
impl Permits for Unlimited {
    async fn permit(&self, _: Verb) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn observe(&self, _: Verb, _: Result<&Reply, &ProviderError>) {}
}

/// Our registration at a provider.
#[derive(Clone, Default)]
pub struct Client {
    /// Our id there.
    pub id: String,
    /// Our secret there.
    pub secret: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A client for one provider that already holds permit, token and deadline.
#[derive(Clone)]
pub struct Session {
    /// The HTTP client: no redirects, no proxies of the environment, no retries.
    pub http: reqwest::Client,
    /// Base of the provider's API, without a slash at the end.
    pub base_url: String,
    /// Base of the provider's token endpoint, without a slash at the end.
    pub token_url: String,
    /// Bearer token of the connection; absent while there is none.
    pub access_token: Option<String>,
    /// Our registration there.
    pub client: Client,
    /// The most time one call may take, from its start to the last byte of the answer.
    pub call_max: Duration,
    /// The greatest answer that is read, in bytes.
    pub body_bytes_max: usize,
    /// No byte of a write leaves after this moment (the send window of a claim), nor once the partition of the event
    /// that asks for it is lost.
    pub send_by: Option<tokio::time::Instant>,
    /// The clock that `send_by` was taken from.
    pub clock: Clock,
    /// Where permits come from.
    pub permits: Arc<dyn Permits>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The HTTP client that every session shares: RFC 9110 semantics, but no redirect is followed (a token must not
/// travel to another host), no proxy is taken from the environment, nothing is retried.
///
/// # Errors
/// When no TLS backend can be set up.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("syncwell/", env!("CARGO_PKG_VERSION")))
        .build()
}

impl Session {
    /// A call to the provider's API; `path` begins with a slash. Carries the bearer token.
    pub fn api(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        match &self.access_token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    /// A call to the provider's token endpoint; carries no bearer token.
    pub fn auth(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.token_url))
    }

    /// Whether the send window of its claim is over.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.send_by.is_some_and(|by| self.clock.monotonic() > by)
    }

    /// Sends one call and reads its whole answer, whatever its status.
    ///
    /// # Errors
    /// [`ProviderError::Throttled`] or [`ProviderError::Late`] before anything is sent;
    /// [`ProviderError::Unavailable`] when nothing can have been done; [`ProviderError::Unknown`] when a write may
    /// have been done; [`ProviderError::Malformed`] when the answer is too large.
    pub async fn send(&self, verb: Verb, request: RequestBuilder) -> Result<Reply, ProviderError> {
        self.permits.permit(verb).await?;
        // Nothing may be awaited between this check and the first byte.
        if verb == Verb::Write && (self.is_late() || still_held().is_err()) {
            return Err(ProviderError::Late);
        }
        let sent = tokio::time::timeout(self.call_max, self.exchange(verb, request)).await;
        let answer = sent.unwrap_or_else(|_| Err(lost(verb, "no answer in time")));
        self.permits.observe(verb, answer.as_ref()).await;
        answer
    }

    async fn exchange(&self, verb: Verb, request: RequestBuilder) -> Result<Reply, ProviderError> {
        let response = request.send().await.map_err(|err| {
            // A failed connection sent nothing; after that, nobody knows.
            if err.is_connect() || err.is_builder() {
                ProviderError::Unavailable { what: "cannot connect".into() }
            } else {
                lost(verb, if err.is_timeout() { "no answer in time" } else { "connection broken" })
            }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| lost(verb, "the answer was cut off"))?;
            if body.len() + piece.len() > self.body_bytes_max {
                let what = format!("an answer of more than {} bytes", self.body_bytes_max);
                return Err(if verb == Verb::Write {
                    ProviderError::Unknown { what }
                } else {
                    ProviderError::Malformed { what }
                });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Reply { status, headers, body: body.freeze() })
    }
}

/// After the first byte a write may have been done; a read has done nothing.
fn lost(verb: Verb, what: &str) -> ProviderError {
    let what = what.to_owned();
    if verb == Verb::Read { ProviderError::Unavailable { what } } else { ProviderError::Unknown { what } }
}

/// An answer of a provider, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON of this shape.
    ///
    /// # Errors
    /// [`ProviderError::Malformed`], naming the place but no value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|err| ProviderError::Malformed {
            what: format!("not the expected JSON at line {} column {}", err.line(), err.column()),
        })
    }

    /// The provider's own clock (RFC 9110 section 6.6.1).
    #[must_use]
    pub fn provider_time(&self) -> Option<Instant> {
        http_date(self.headers.get(DATE)?.to_str().ok()?)
    }

    /// When the provider wants to be asked again (RFC 9110 section 10.2.3), at most 24 h after `now`.
    #[must_use]
    pub fn retry_after(&self, now: Instant) -> Option<Instant> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let at = match text.parse::<u64>() {
            Ok(seconds) => now.plus(Duration::from_secs(seconds.min(86_400))),
            Err(_) => http_date(text)?,
        };
        Some(at.max(now).min(now.plus(Duration::from_secs(86_400))))
    }

    /// The error that this answer stands for by its status alone (SEMANTICS of HTTP, RFC 9110 section 15); a
    /// connector looks at its provider's own codes first. Call it only for a status that is not a success.
    #[must_use]
    pub fn error(&self, verb: Verb) -> ProviderError {
        let what = format!("status {}", self.status.as_u16());
        match self.status.as_u16() {
            401 => ProviderError::TokenExpired,
            403 => ProviderError::Forbidden { reason: what },
            404 | 410 => ProviderError::NotFound,
            // When to try again is in the headers, which the permits have seen already.
            429 => ProviderError::Throttled { until: None },
            408 | 409 | 425 | 500..=599 if verb == Verb::Write => ProviderError::Unknown { what },
            408 | 409 | 425 | 500..=599 => ProviderError::Unavailable { what },
            300..=499 => ProviderError::Refused { reason: what },
            _ => ProviderError::Malformed { what },
        }
    }
}

fn http_date(text: &str) -> Option<Instant> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Instant)
}
