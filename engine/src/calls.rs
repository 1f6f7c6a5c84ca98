//! The calls that stages make through [`Accounts`](crate::accounts::Accounts): each a verb of a provider with what it
//! needs.

use crate::{
    provider::{DataProvider, FetchRequest, Found, Page, ProviderError, Receipt, WriteOperation},
    session::Session,
};
use async_trait::async_trait;
use schemas::{data_type::DataType, time::Interval};

/// A call that can be made again with another token.
#[async_trait]
pub trait Call: Send + Sync {
    /// What it gives.
    type Output: Send;

    /// Makes it.
    async fn run(&self, provider: &dyn DataProvider, session: &Session) -> Result<Self::Output, ProviderError>;
}

/// Reads a page.
pub(crate) struct ReadPage<'a>(pub(crate) &'a FetchRequest);

#[async_trait]
impl Call for ReadPage<'_> {
    type Output = Page;

    async fn run(&self, provider: &dyn DataProvider, session: &Session) -> Result<Page, ProviderError> {
        let page = provider.fetch(session, self.0).await?;
        if page.next.is_some() && page.next == self.0.cursor {
            return Err(ProviderError::Malformed { what: "the next page is the same page".into() });
        }
        Ok(page)
    }
}

/// Reads a window completely.
pub(crate) struct Find(pub(crate) DataType, pub(crate) Interval);

#[async_trait]
impl Call for Find {
    type Output = Vec<Found>;

    async fn run(&self, provider: &dyn DataProvider, session: &Session) -> Result<Vec<Found>, ProviderError> {
        provider.find(session, self.0, self.1).await
    }
}

/// Sends an operation.
pub(crate) struct Deliver<'a>(pub(crate) &'a WriteOperation<'a>);

#[async_trait]
impl Call for Deliver<'_> {
    type Output = Receipt;

    async fn run(&self, provider: &dyn DataProvider, session: &Session) -> Result<Receipt, ProviderError> {
        provider.write(session, self.0).await
    }
}

/// Asks after an operation that was sent.
pub(crate) struct Poll<'a>(pub(crate) &'a WriteOperation<'a>, pub(crate) &'a str);

#[async_trait]
impl Call for Poll<'_> {
    type Output = Receipt;

    async fn run(&self, provider: &dyn DataProvider, session: &Session) -> Result<Receipt, ProviderError> {
        provider.poll(session, self.0, self.1).await
    }
}
