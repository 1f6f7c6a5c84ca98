//! Class A (the destination compares versions itself) and class B (it detects duplicates).

use super::{ATTEMPTS_MAX, Job, Progress, Write, definite, send_of};
use crate::{
    accounts::Caller,
    bus::Unreachable,
    calls::Poll,
    item::{Guard, ItemRow, ItemState, Patch},
    provider::{ProviderError, Receipt},
};
use schemas::event::{Action, Fate, Reason};

impl Write {
    /// Class A: no claim, no wait; a repeated or late write is refused by the destination itself.
    pub(super) async fn versioned(&self, job: &Job<'_>, row: ItemRow) -> Result<Progress, Unreachable> {
        if let Some(reason) = job.must_end {
            return self.close(job, &row, ItemState::Ended, Fate::Ended, reason).await;
        }
        let external_id = self.contents.open_external(job.subject(), &row).await?;
        let answer = self.send(job, external_id.as_deref(), None).await?;
        self.conclude(job, row, answer).await
    }

    /// Class B: SENT is stored before the upload; whoever holds the event may poll it to its end.
    pub(super) async fn deduplicated(&self, job: &Job<'_>, row: ItemRow) -> Result<Progress, Unreachable> {
        if row.state == ItemState::Sent && !row.handle.is_empty() {
            let answer = self.poll(job, &row).await?;
            return self.conclude(job, row, answer).await;
        }
        if let Some(reason) = job.must_end.filter(|_| row.state != ItemState::Sent) {
            return self.close(job, &row, ItemState::Ended, Fate::Ended, reason).await;
        }
        if job.must_end.is_some() {
            // It may have been taken and can no longer be asked after.
            return self.close(job, &row, ItemState::Unknown, Fate::Unknown, Reason::AnswerLost).await;
        }
        let guard = Guard {
            planned_version: Some(job.decision.version),
            version_below: Some(job.decision.version),
            state_not: Some(ItemState::Unknown),
            claim: None,
        };
        let sent = Patch { state: Some(ItemState::Sent), handle: Some(String::new()), ..Patch::default() };
        if !self.items.change(&job.key, guard, sent).await? {
            return Ok(Progress::Due(self.accounts.clock.now()));
        }
        crate::failpoint::reached(<Write as crate::stage::Stage>::NAME, "claim");
        let external_id = self.contents.open_external(job.subject(), &row).await?;
        let answer = self.send(job, external_id.as_deref(), None).await?;
        self.conclude(job, row, answer).await
    }

    async fn poll(&self, job: &Job<'_>, row: &ItemRow) -> Result<Result<Receipt, ProviderError>, Unreachable> {
        let Some(connection) = job.connection else { return Ok(Err(ProviderError::AccessRevoked)) };
        let external_id = self.contents.open_external(job.subject(), row).await?;
        let Some(send) = send_of(job.decision, external_id.as_deref()) else { return Ok(Err(ProviderError::NotFound)) };
        let operation = self.write_operation(job, send);
        let caller = Caller { subject: job.subject(), connection, lane: job.input.body.lane, send_by: None };
        self.accounts.call(caller, &Poll(&operation, &row.handle)).await
    }

    /// What an answer means for a row that nobody claims.
    async fn conclude(
        &self,
        job: &Job<'_>,
        row: ItemRow,
        answer: Result<Receipt, ProviderError>,
    ) -> Result<Progress, Unreachable> {
        let now = self.accounts.clock.now();
        match answer {
            Ok(Receipt::Applied { external_id }) => self.record(job, None, &external_id, true).await,
            Ok(Receipt::Duplicate { external_id, ours }) => self.record(job, None, &external_id, ours).await,
            Ok(Receipt::Pending { handle, wait }) => {
                let guard = Guard {
                    planned_version: Some(job.decision.version),
                    version_below: Some(job.decision.version),
                    ..Guard::default()
                };
                let patch = Patch { state: Some(ItemState::Sent), handle: Some(handle), ..Patch::default() };
                self.items.change(&job.key, guard, patch).await?;
                Ok(Progress::Due(now.plus(wait)))
            }
            Err(ProviderError::NotFound) if job.decision.action == Action::Delete => {
                self.record(job, None, "", false).await
            }
            Err(ProviderError::Throttled { until }) => {
                Ok(Progress::Due(until.unwrap_or_else(|| now.plus(super::super::THROTTLED_PAUSE))))
            }
            Err(ProviderError::TokenExpired | ProviderError::AccessRevoked) => {
                let (state, fate) = if row.state == ItemState::Sent {
                    (ItemState::Unknown, Fate::Unknown)
                } else {
                    (ItemState::Ended, Fate::Ended)
                };
                self.close(job, &row, state, fate, Reason::AccessRevoked).await
            }
            Err(err) => match definite(&err) {
                Some(reason) => {
                    tracing::info!(item = %job.decision.item, %err, "an operation was refused");
                    self.close(job, &row, ItemState::Refused, Fate::Refused, reason).await
                }
                // Nothing was done, or the destination will say so when it is sent again.
                None if row.attempts + 1 >= ATTEMPTS_MAX => {
                    let sent = row.state == ItemState::Sent;
                    let (state, fate) =
                        if sent { (ItemState::Unknown, Fate::Unknown) } else { (ItemState::Ended, Fate::Ended) };
                    self.close(job, &row, state, fate, Reason::AttemptsSpent).await
                }
                None => {
                    let guard = Guard { planned_version: Some(job.decision.version), ..Guard::default() };
                    let patch = Patch { attempts: Some(row.attempts + 1), ..Patch::default() };
                    self.items.change(&job.key, guard, patch).await?;
                    Ok(Progress::Due(self.backoff(row.attempts)))
                }
            },
        }
    }
}
