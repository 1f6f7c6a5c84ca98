//! What a provider notifies us of.

use schemas::{
    data_type::DataType,
    time::{Instant, Interval},
};
use std::fmt;

/// The secrets that a provider's notifications are checked with.
#[derive(Clone, Default)]
pub struct WebhookSecrets {
    /// Our client secret at the provider.
    pub client_secret: String,
    /// The token of subscription handshakes, or the shared `Authorization` value.
    pub verify_token: String,
    /// The provider's public keys, as it publishes them (a Tink JSON keyset); empty if it has none.
    pub keyset: Vec<u8>,
    /// The id of our subscription there; empty to accept any.
    pub subscription: String,
    /// Whether a notification without a signature is refused.
    pub require_signature: bool,
    /// Now, for the age of a signature.
    pub now: Instant,
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecrets").finish_non_exhaustive()
    }
}

/// A notification as it came.
#[derive(Clone, Copy, Debug)]
pub struct WebhookRequest<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// The query string, undecoded.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a reqwest::header::HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
}

/// What to answer and what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// HTTP status to answer with.
    pub status: u16,
    /// Body to answer with (JSON), possibly empty.
    pub body: String,
    /// What was said.
    pub notifications: Vec<Notification>,
}

/// Something that a provider notified us of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The provider's id of the account.
    pub account: String,
    /// What happened.
    pub change: Change,
}

/// What happened at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Records were made, changed or deleted: read them.
    Named {
        /// Of which type.
        data_type: DataType,
        /// Their ids.
        ids: Vec<String>,
    },
    /// Records in these stretches were made, changed or deleted: read them.
    Windows {
        /// Of which type.
        data_type: DataType,
        /// Where.
        windows: Vec<Interval>,
    },
    /// The person withdrew our access.
    Revoked,
}

/// Why a notification is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VerifyError(pub String);
