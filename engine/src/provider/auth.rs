//! How a person grants us access, and the tokens that come of it.

use schemas::time::Instant;
use std::fmt;

/// What is needed to send a person to a provider.
#[derive(Clone, Copy, Debug)]
pub struct Authorize<'a> {
    /// Base of the authorization server.
    pub auth_url: &'a str,
    /// Our id there.
    pub client_id: &'a str,
    /// Where the person comes back to, exactly as registered.
    pub redirect: &'a str,
    /// Unguessable, single use (RFC 9700).
    pub state: &'a str,
    /// PKCE challenge, S256, for providers that take it.
    pub challenge: &'a str,
}

/// What a person granted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The tokens.
    pub tokens: Tokens,
    /// The provider's id of the account.
    pub account: String,
}

/// The tokens of a connection. Never shown: no `Debug` of the values, no event carries them.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tokens {
    /// Bearer token.
    pub access: String,
    /// Refresh token, where there is one. A provider that returns none on refresh keeps the old one valid.
    pub refresh: Option<String>,
    /// When `access` ends, if the provider says so.
    pub expires_at: Option<Instant>,
    /// The scopes really granted, as the provider writes them.
    pub scope: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
