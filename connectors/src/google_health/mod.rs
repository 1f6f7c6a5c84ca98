//! Google Health API v4: successor of the Fitbit Web API and of Google Fit, readable and, for seven types, writable.
//!
//! Read in this order: [`profile`] (what there is), [`fetch`] with [`recordings`] and [`normalize`] with [`streams`]
//! (in), [`project`] and [`write`] (out).

mod errors;
mod fetch;
mod names;
mod normalize;
mod oauth;
mod points;
mod profile;
mod project;
mod recordings;
pub mod simulator;
mod streams;
mod webhook;
mod wire;
mod write;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use engine::{
    provider::{
        Authorize, DataProvider, FetchRequest, Found, Grant, MapperError, Normal, PAGES_MAX, Page, Profile,
        ProviderError, RawPage, Receipt, Tokens, VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets, What,
        WriteOperation,
    },
    session::Session,
};
use normalize::Mapping;
use schemas::{data_type::DataType, record::Record, time::Interval};
use std::time::Duration;

/// A night is found by its end; none is longer than this after its start.
const SLEEP_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The connector to Google Health API v4.
#[derive(Clone, Debug)]
pub struct GoogleHealth {
    profile: Profile,
}

impl Default for GoogleHealth {
    fn default() -> Self {
        Self { profile: profile::profile() }
    }
}

#[async_trait]
impl DataProvider for GoogleHealth {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn authorize_url(&self, request: &Authorize<'_>) -> Option<String> {
        Some(oauth::authorize_url(request))
    }

    async fn exchange(
        &self,
        session: &Session,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Grant, ProviderError> {
        oauth::exchange(session, code, verifier, redirect).await
    }

    async fn refresh(&self, session: &Session, tokens: &Tokens) -> Result<Tokens, ProviderError> {
        oauth::refresh(session, tokens).await
    }

    async fn revoke(&self, session: &Session, tokens: &Tokens) -> Result<(), ProviderError> {
        oauth::revoke(session, tokens).await
    }

    async fn fetch(&self, session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
        fetch::fetch(session, request).await
    }

    fn normalize(&self, page: &RawPage<'_>) -> Result<Normal, MapperError> {
        normalize::normalize(page, Mapping::Whole)
    }

    fn normalize_as(&self, version: i32, page: &RawPage<'_>) -> Option<Result<Normal, MapperError>> {
        match version {
            1 => Some(normalize::normalize(page, Mapping::Summaries)),
            profile::MAPPER_VERSION => Some(self.normalize(page)),
            _ => None,
        }
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
        // Sleep is listed by its end, but looked for by when it was; civil filters give more than the window.
        let end = if data_type == DataType::Sleep { window.to.plus(SLEEP_MAX) } else { window.to };
        // Which record it is can be seen without its samples.
        let what = What::Look(Interval { from: window.from, to: end });
        let mut request = FetchRequest { data_type, what, cursor: None };
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let page = self.fetch(session, &request).await?;
            let raw =
                RawPage { data_type: Some(data_type), content_type: &page.content_type, body: &page.body, name: "" };
            let normal = self.normalize(&raw).map_err(|err| ProviderError::Malformed { what: err.to_string() })?;
            let records = normal.records.into_iter().filter(|it| it.time.interval().overlaps(&window));
            found.extend(records.map(|record| Found {
                external_id: record.origin.record.clone(),
                marker: record.origin.marker.clone(),
                record,
            }));
            request.cursor = page.next;
            if request.cursor.is_none() {
                return Ok(found);
            }
        }
        Err(ProviderError::Malformed { what: format!("more than {PAGES_MAX} pages for one window") })
    }

    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        write::write(session, operation).await
    }

    fn verify(&self, secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
        webhook::verify(secrets, request)
    }
}
