//! The port to outside services: the verbs of a provider and a profile that says what it can do.

mod auth;
mod issues;
mod profile;
mod read;
mod webhook;
mod write;

pub use auth::{Authorize, Grant, Tokens};
pub use issues::{ISSUES, IssueKind, may_miss};
pub use profile::{Access, Auth, Delivery, Limit, Profile, Scope, TypeProfile, Usage, Verb, Verbs};
pub use read::{FetchRequest, Found, Issue, MapperError, Normal, Page, Part, RawPage, ReadSeek, SplitError, What};
pub use webhook::{Change, Notification, VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets};
pub use write::{Action, ProviderError, Receipt, WriteOperation};

use crate::session::Session;
use async_trait::async_trait;
use schemas::{data_type::DataType, record::Record, time::Interval};
use std::{collections::BTreeMap, fmt, sync::Arc};

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

    /// The same by the mapper of that version; `None` for a version that this build no longer has. A connector that
    /// keeps an older mapper, so that a replay gives what it gave, says so here.
    fn normalize_as(&self, version: i32, page: &RawPage<'_>) -> Option<Result<Normal, MapperError>> {
        (version == self.profile().mapper_version).then(|| self.normalize(page))
    }

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

/// How many operations of one page are read back where the provider's limits count the calls: all of daily work, and of
/// a history as many as tell what the provider makes of such records.
pub const READ_BACKS_MAX: usize = 10;

/// The greatest page, in bytes.
pub const PAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

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
