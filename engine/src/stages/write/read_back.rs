//! What the destination holds of what was just written: read there at once and compared.
//!
//! Only after the row says that it is applied, so that nothing which happens here can fail or repeat the write. A crash
//! in between costs the comparison: who comes afterwards finds the row applied, and tells what was known before the
//! write.

use super::{Job, SKEW_MAX, Write};
use crate::{
    bus::Unreachable,
    calls::ReadPage,
    provider::{FetchRequest, Profile, ProviderError, READ_BACKS_MAX, RawPage, What},
    resolve::losses::{losses, told},
};
use schemas::record::Record;

/// What the destination shows of a record, if it is there.
type Shown = Result<Option<Record>, ProviderError>;

/// Whether the operation with that many before it in its page is to be read back.
pub(in crate::stages) fn is_due(profile: &Profile, n_before: usize) -> bool {
    profile.reads_back && (profile.limits.is_empty() || n_before < READ_BACKS_MAX)
}

impl Write {
    /// What is not there of what was written, or why nobody knows.
    pub(super) async fn read_back(&self, job: &Job<'_>, external_id: &str) -> Result<Vec<String>, Unreachable> {
        let Some(wanted) = job.decision.record.as_ref().filter(|_| job.reads_back && job.must_end.is_none()) else {
            return Ok(Vec::new());
        };
        let unread = |why: &str| Ok(vec![format!("not read back: {why}")]);
        match self.held(job, external_id).await? {
            Ok(Some(held)) => {
                let lost = told(&losses(wanted, &held));
                if !lost.is_empty() && !self.is_of_this_write(job, &held).await? {
                    return unread("what the destination shows may be from before the write");
                }
                Ok(lost)
            }
            Ok(None) => unread("the destination does not show it yet"),
            Err(err) => {
                tracing::debug!(item = %job.decision.item, %err, "what was written could not be read back");
                unread(match err {
                    ProviderError::Throttled { .. } => "the provider's limits leave no room",
                    ProviderError::Malformed { .. } => "the destination's answer could not be read",
                    _ => "the destination did not answer",
                })
            }
        }
    }

    /// Whether what is shown cannot be an earlier version: some providers need a while to show what was written.
    async fn is_of_this_write(&self, job: &Job<'_>, held: &Record) -> Result<bool, Unreachable> {
        let shows_at_once = job.provider.profile().read_after_write.is_zero();
        let is_changed_since = held.origin.modified_at.is_some_and(|it| it >= job.began_at.minus(SKEW_MAX));
        Ok(shows_at_once || is_changed_since || self.is_only_version(job).await?)
    }

    /// One call, tried once.
    async fn held(&self, job: &Job<'_>, external_id: &str) -> Result<Shown, Unreachable> {
        let Some(connection) = job.connection else { return Ok(Err(ProviderError::AccessRevoked)) };
        let data_type = job.decision.data_type;
        let request = FetchRequest { data_type, what: What::Named(vec![external_id.to_owned()]), cursor: None };
        let page = match self.accounts.call(job.caller(connection, None), &ReadPage(&request)).await? {
            Ok(page) => page,
            Err(err) => return Ok(Err(err)),
        };
        let raw = RawPage { data_type: Some(data_type), content_type: &page.content_type, body: &page.body, name: "" };
        Ok(match job.provider.normalize(&raw) {
            Ok(normal) => Ok(normal.records.into_iter().find(|it| it.origin.record == external_id && !it.deleted)),
            Err(err) => Err(ProviderError::Malformed { what: err.to_string() }),
        })
    }
}
