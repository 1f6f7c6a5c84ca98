//! The port to outside services: the verbs of a provider and a profile that says what it can do.

use crate::session::Session;
use async_trait::async_trait;
use bytes::Bytes;
use schemas::{
    data_type::DataType,
    id::{ItemId, OpId},
    record::Record,
    time::{Instant, Interval},
};
use std::{collections::BTreeMap, fmt, io, sync::Arc, time::Duration};

/// The verbs against one outside service.
///
/// A connector neither refreshes a token nor waits nor retries: the [`Session`] it is given holds permit, token and
/// deadline, and an error says what happens next.
#[async_trait]
pub trait DataProvider: fmt::Debug + Send + Sync {
    /// What this service can do.
    fn profile(&self) -> &Profile;

    /// The page of the service at which a person grants access (OAuth 2.0, RFC 6749 section 4.1.1).
    /// `None` where nothing is to be granted (files).
    fn authorize_url(&self, _request: &Authorize<'_>) -> Option<String> {
        None
    }

    /// Trades the code of a callback for tokens, and says whose account it is.
    async fn exchange(
        &self,
        _session: &Session,
        _code: &str,
        _verifier: &str,
        _redirect: &str,
    ) -> Result<Grant, ProviderError> {
        Err(ProviderError::Unsupported { what: "authorization".into() })
    }

    /// Trades a refresh token for a new pair.
    async fn refresh(&self, _session: &Session, _tokens: &Tokens) -> Result<Tokens, ProviderError> {
        Err(ProviderError::Unsupported { what: "token refresh".into() })
    }

    /// Withdraws our access at the service.
    async fn revoke(&self, _session: &Session, _tokens: &Tokens) -> Result<(), ProviderError> {
        Ok(())
    }

    /// One page of what the service has, oldest or newest first as the service likes.
    async fn fetch(&self, session: &Session, request: &FetchRequest) -> Result<Page, ProviderError>;

    /// The canonical records of a page. Pure: the same page gives the same records, for ever, for one mapper version.
    /// A page that is no page of this service is an error; one bad record among good ones is an issue.
    fn normalize(&self, page: &RawPage<'_>) -> Result<Normal, MapperError>;

    /// What of `record` this service can hold, in its own precision; compared and hashed instead of the whole.
    /// `Err` says why it can hold nothing of it.
    fn project(&self, record: &Record) -> Result<Record, String> {
        Ok(record.clone())
    }

    /// Everything that the service holds in a window, read completely: for reconciling an unknown write.
    async fn find(
        &self,
        session: &Session,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Found>, ProviderError> {
        let mut found = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = self
                .fetch(session, &FetchRequest { data_type, what: What::Window(window), cursor: cursor.take() })
                .await?;
            let raw =
                RawPage { data_type: Some(data_type), content_type: &page.content_type, body: &page.body, name: "" };
            let normal = self.normalize(&raw).map_err(|err| ProviderError::Malformed { what: err.to_string() })?;
            found.extend(normal.records.into_iter().map(|record| Found {
                external_id: record.origin.record.clone(),
                marker: record.origin.marker.clone(),
                record,
            }));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(found),
            }
        }
        Err(ProviderError::Malformed { what: format!("more than {PAGES_MAX} pages for one window") })
    }

    /// The delivery class of an operation: the profile's, unless it depends on the record (an upload of a file is
    /// deduplicated where a typed-in activity is not). `None` if the service cannot do it.
    fn delivery(&self, action: &Action<'_>) -> Option<Delivery> {
        let profile = self.profile();
        match action {
            Action::Create { record } => profile.of(record.data_type)?.create,
            Action::Update { record, .. } => profile.of(record.data_type)?.update,
            Action::Delete { data_type, .. } => profile.of(*data_type)?.delete,
        }
    }

    /// Brings one operation to the service.
    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError>;

    /// Asks after an asynchronous write (class B); `handle` is what [`Receipt::Pending`] gave.
    async fn poll(
        &self,
        _session: &Session,
        _operation: &WriteOperation<'_>,
        _handle: &str,
    ) -> Result<Receipt, ProviderError> {
        Err(ProviderError::Unsupported { what: "polling".into() })
    }

    /// Whether a notification is really from this service, and what it says. Works on the raw bytes.
    fn verify(&self, _secrets: &WebhookSecrets, _request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
        Err(VerifyError("this provider sends no notifications".into()))
    }

    /// Cuts one uploaded file into pages that each stand for themselves (at most [`PAGE_BYTES_MAX`]).
    /// The same file is cut in the same way every time.
    fn split(
        &self,
        _file: Box<dyn ReadSeek>,
        _name: &str,
    ) -> Result<Box<dyn Iterator<Item = Result<Part, SplitError>> + Send>, SplitError> {
        Err(SplitError("this provider takes no files".into()))
    }

    /// The delay before the usage that this answer reports allows another call, from the service's own headers.
    fn usage(&self, _headers: &reqwest::header::HeaderMap) -> Vec<Usage> {
        Vec::new()
    }
}

/// The most pages that one window or job may take: an endless page-token loop ends here.
pub const PAGES_MAX: u32 = 1_000;

/// The greatest page, in bytes.
pub const PAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A file to be cut.
pub trait ReadSeek: io::Read + io::Seek + Send {}
impl<T: io::Read + io::Seek + Send> ReadSeek for T {}

/// One page of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media type, as `normalize` wants it.
    pub content_type: String,
    /// The bytes.
    pub body: Bytes,
}

/// Why a file cannot be cut: says what is wrong with it and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SplitError(pub String);

/// Every provider of a build, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog(BTreeMap<&'static str, Arc<dyn DataProvider>>);

impl Catalog {
    /// A catalogue of these providers, by the id in each profile.
    #[must_use]
    pub fn new(providers: impl IntoIterator<Item = Arc<dyn DataProvider>>) -> Self {
        Self(providers.into_iter().map(|it| (it.profile().id, it)).collect())
    }

    /// The provider of that name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<dyn DataProvider>> {
        self.0.get(id)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn DataProvider>> {
        self.0.values()
    }
}

/// What a provider can do, as data.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name in events, configuration, the API and on the command line.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How its data come to us.
    pub access: Access,
    /// How a person grants access.
    pub auth: Auth,
    /// What can be read and written, per type. A type that is not listed can do nothing.
    pub types: Vec<TypeProfile>,
    /// Its rate limits.
    pub limits: Vec<Limit>,
    /// The greatest answer that is read, in bytes.
    pub body_bytes_max: usize,
    /// L of the quarantine: how long after a write a read may not yet see it.
    pub read_after_write: Duration,
    /// How far back a range is read again, because records may appear behind the checkpoint.
    pub overlap: Duration,
    /// How far back its data go at all; `None` where there is no limit.
    pub history_max: Option<Duration>,
    /// Where its service is; a simulator's address in tests and demos.
    pub base_url: &'static str,
    /// Where its authorization server is, when it is another host.
    pub auth_url: &'static str,
    /// Where its tokens are given, when it is another host.
    pub token_url: &'static str,
    /// Version of the mapper; raised whenever `normalize` gives another result for some page.
    pub mapper_version: i32,
    /// Version of the service's interface that this connector speaks.
    pub api_version: &'static str,
}

impl Profile {
    /// What can be done with a type; `None` if nothing.
    #[must_use]
    pub fn of(&self, data_type: DataType) -> Option<&TypeProfile> {
        self.types.iter().find(|it| it.data_type == data_type)
    }
}

/// How a provider's data come to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// We ask.
    Pull,
    /// It says that there is something, then we ask.
    NotifyThenPull,
    /// A file is given to us, or written by us.
    File,
}

/// How a person grants access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing to grant.
    None,
    /// OAuth 2.0 authorization code.
    OAuth2 {
        /// Whether the service takes PKCE (RFC 7636, S256).
        pkce: bool,
        /// Whether an old refresh token still works after its answer was lost.
        refresh_reusable: bool,
    },
}

/// What can be done with one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeProfile {
    /// The type.
    pub data_type: DataType,
    /// Whether it can be read.
    pub read: bool,
    /// How new records are written; `None` if they cannot be.
    pub create: Option<Delivery>,
    /// How records of ours are changed.
    pub update: Option<Delivery>,
    /// How records of ours are deleted.
    pub delete: Option<Delivery>,
    /// Whether others write there too, so that a look is needed before a write.
    pub look: bool,
}

/// How far a destination keeps a repeated write from being a second record (delivery classes A to D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A: the destination compares versions itself.
    Versioned,
    /// B: the destination detects duplicates.
    Deduplicated,
    /// C: it does neither, but what it holds can be listed. `keyed`: we choose the record's id, so that a second
    /// create is refused or replaces, and no listing is needed.
    Listable {
        /// Whether we choose the record's id there.
        keyed: bool,
    },
    /// D: neither; a write is tried at most once.
    Once,
}

impl Delivery {
    /// The letter of the class.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Versioned => 'A',
            Self::Deduplicated => 'B',
            Self::Listable { .. } => 'C',
            Self::Once => 'D',
        }
    }
}

/// A rate limit: at most `calls_max` calls per window, windows beginning at whole multiples of `window` since 1970
/// (Strava's quarter-hours and UTC days are such multiples).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name, the last part of the bucket's name.
    pub name: &'static str,
    /// Whose calls it counts.
    pub scope: Scope,
    /// Which calls it counts.
    pub verbs: Verbs,
    /// How long a window is.
    pub window: Duration,
    /// The most calls in a window.
    pub calls_max: u32,
}

/// Whose calls a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the whole application.
    App,
    /// Those of one connection.
    Connection,
}

/// Which calls a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// All of them.
    All,
    /// Those that read.
    Reads,
}

/// What a call does at the provider, for limits and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Asks for, renews or withdraws tokens; not counted by limits.
    Auth,
}

impl Verb {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Auth => "auth",
        }
    }
}

/// What a provider's headers say of a limit: `used` of `limit` in the running window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The [`Limit::name`] it speaks of.
    pub name: &'static str,
    /// Calls made in the running window.
    pub used: u32,
    /// Calls allowed in it.
    pub limit: u32,
}

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

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Records of this type.
    pub data_type: DataType,
    /// Which of them.
    pub what: What,
    /// Where the last page said to go on; absent for the first.
    pub cursor: Option<String>,
}

/// Which records to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All whose start (for sleep: end) lies in it.
    Window(Interval),
    /// The ones of these ids; one that is gone comes back as a tombstone.
    Named(Vec<String>),
}

/// One page, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The bytes of the answer; for a page that takes several calls, a JSON object that holds each answer as it came.
    pub body: Bytes,
    /// Media type of `body`.
    pub content_type: String,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
    /// The provider's own clock (its `Date` header) when it answered, if it said so.
    pub provider_time: Option<Instant>,
}

/// A page to be mapped.
#[derive(Clone, Copy, Debug)]
pub struct RawPage<'a> {
    /// The type asked for; absent for a file, which may hold several.
    pub data_type: Option<DataType>,
    /// Media type of `body`.
    pub content_type: &'a str,
    /// The bytes.
    pub body: &'a [u8],
    /// The file's name, for files; else empty.
    pub name: &'a str,
}

/// What a mapper made of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normal {
    /// The records. `origin.connection` is not set; the stage sets it.
    pub records: Vec<Record>,
    /// What was left out or repaired, and why.
    pub issues: Vec<Issue>,
}

/// Something that was left out of a page or repaired. Never holds a health value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Issue {
    /// Stable code: `bad_unit`, `out_of_range`, `no_time`, `no_time_zone`, `truncated`, `unknown_type`, `malformed`,
    /// `duplicate`, `bad_checksum`.
    pub code: &'static str,
    /// Which record or place in the file it concerns (an id, an element, a byte offset).
    pub at: String,
    /// What it means, for a person.
    pub text: String,
}

/// Why a page could not be mapped at all: says what it is instead, never its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MapperError(pub String);

/// A record found at a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its id there.
    pub external_id: String,
    /// The mark that we left in it, if it is one of ours.
    pub marker: Option<String>,
    /// The record.
    pub record: Record,
}

/// An operation to be brought to a provider.
#[derive(Clone, Copy, Debug)]
pub struct WriteOperation<'a> {
    /// Its id; the same on every attempt.
    pub op: OpId,
    /// The item: the mark to leave in the record, and its id there where we may choose it.
    pub item: ItemId,
    /// The item's version that this brings.
    pub version: i64,
    /// What to do.
    pub action: Action<'a>,
}

/// What to do at a provider.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Make a new record.
    Create {
        /// What it is to be, as [`DataProvider::project`] gave it.
        record: &'a Record,
    },
    /// Change one of ours.
    Update {
        /// Its id there.
        external_id: &'a str,
        /// What it is to be.
        record: &'a Record,
    },
    /// Delete one of ours.
    Delete {
        /// Its id there.
        external_id: &'a str,
        /// Of which type it is.
        data_type: DataType,
    },
}

/// What a provider said to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It holds the record now, under this id.
    Applied {
        /// The record's id there.
        external_id: String,
    },
    /// It took the record and works on it (class B); ask later with the handle.
    Pending {
        /// What to ask with.
        handle: String,
        /// How long to wait before asking.
        wait: Duration,
    },
    /// It already holds such a record.
    Duplicate {
        /// The record's id there.
        external_id: String,
        /// Whether that record carries our mark.
        ours: bool,
    },
}

/// Why a call gave no result, named by what happens next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Too many calls: nothing was done; again at that time. Not an attempt.
    #[error("throttled by the provider's rate limit")]
    Throttled {
        /// When to try again; `None` if the provider did not say.
        until: Option<Instant>,
    },
    /// The access token is no longer good: refresh it once and call again.
    #[error("the access token was not accepted")]
    TokenExpired,
    /// The person or the provider withdrew our access: the person must connect again.
    #[error("access was withdrawn; the account must be connected again")]
    AccessRevoked,
    /// Access is good but this is not allowed with it: a scope was not granted, an account is not linked.
    #[error("not allowed: {reason}")]
    Forbidden {
        /// Which scope, which account.
        reason: String,
    },
    /// The send window had passed before the first byte: nothing was sent; claim again.
    #[error("the send window had passed")]
    Late,
    /// Nothing was done, and it may work later.
    #[error("the provider is not available: {what}")]
    Unavailable {
        /// What was seen (a status, a failed connection), never a body.
        what: String,
    },
    /// It may have been done or not: only a look at the destination can tell.
    #[error("the provider's answer was lost: {what}")]
    Unknown {
        /// What was seen.
        what: String,
    },
    /// This will never be accepted as it is.
    #[error("refused by the provider: {reason}")]
    Refused {
        /// The provider's stable code or our own words, never a body or a value.
        reason: String,
    },
    /// The thing to be changed or deleted is not there.
    #[error("the record is not there")]
    NotFound,
    /// The answer is not what this service is known to give.
    #[error("the provider's answer cannot be read: {what}")]
    Malformed {
        /// What is wrong with it, never its values.
        what: String,
    },
    /// This provider has no such verb.
    #[error("the provider cannot do this: {what}")]
    Unsupported {
        /// What it cannot do.
        what: String,
    },
}

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
