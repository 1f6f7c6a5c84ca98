//! Class A (the destination compares versions itself) and class B (it detects duplicates).

use super::{ATTEMPTS_MAX, Ending, Job, Progress, Write, definite, send_of};
use crate::{
    bus::{Unreachable, still_held},
    calls::Poll,
    item::{Guard, ItemRow, ItemState, Patch},
    provider::{ProviderError, Receipt},
};
use schemas::event::{Action, Reason};

impl Write {
    /// Class A: no claim, no wait; a repeated or late write is refused by the destination itself.
    pub(super) async fn versioned(&self, job: &Job<'_>, row: ItemRow) -> Result<Progress, Unreachable> {
        if let Some(ending) = job.must_end {
            return self.close(job, None, ending).await;
        }
        let external_id = self.contents.open_external(job.subject(), &row).await?;
        let answer = self.send(job, external_id.as_deref(), None).await?;
        self.conclude(job, row, answer).await
    }

    /// Class B: SENT is stored before the upload; whoever holds the event may poll it to its end.
    pub(super) async fn deduplicated(&self, job: &Job<'_>, row: ItemRow) -> Result<Progress, Unreachable> {
        if row.state == ItemState::Sent && !row.handle.is_empty() {
            let answer = self.poll(job, &row).await?;
            if matches!(answer, Err(ProviderError::NotFound)) && job.must_end.is_none() {
                // Nobody knows the handle any more: it is sent again, and a duplicate is told.
                return self.change_planned(job, Patch { handle: Some(String::new()), ..Patch::default() }).await;
            }
            let answer = match answer {
                // Not being allowed to ask says nothing about what was sent.
                Err(ProviderError::NotFound | ProviderError::Forbidden { .. } | ProviderError::Unsupported { .. }) => {
                    Err(ProviderError::AccessRevoked)
                }
                answer => answer,
            };
            return self.conclude(job, row, answer).await;
        }
        match job.must_end {
            // It may have been taken and can no longer be asked after.
            Some(_) if row.state == ItemState::Sent => {
                return self.close(job, None, Ending::unknown(Reason::AnswerLost)).await;
            }
            Some(ending) => return self.close(job, None, ending).await,
            None => {}
        }
        still_held()?;
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
        let caller = job.caller(connection, None);
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
            Ok(Receipt::Duplicate { external_id, ours: true })
                if row.external_id.is_empty() && !self.is_only_version(job).await? =>
            {
                // It holds an earlier version: that is noted, and brought up to this one by an update.
                self.note_written(job, &external_id).await?;
                let sealed = self.contents.seal_external(job.subject(), job.decision.item, &external_id).await?;
                let held = Patch {
                    state: Some(ItemState::Planned),
                    version: Some(job.decision.version - 1),
                    external_id: Some(sealed),
                    owned: Some(true),
                    ..Patch::default()
                };
                self.change_planned(job, held).await
            }
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
            // Nothing was sent: whoever holds the partition now sends it.
            Err(ProviderError::Late) => {
                still_held()?;
                Ok(Progress::Due(now))
            }
            Err(ProviderError::TokenExpired | ProviderError::AccessRevoked) => {
                self.close(job, None, in_doubt(&row, self.withdrawn(job).await?)).await
            }
            Err(err) => match definite(&err) {
                Some(reason) => {
                    tracing::info!(item = %job.decision.item, %err, "an operation was refused");
                    self.close(job, None, Ending::after_no(reason)).await
                }
                // Nothing was done, or the destination will say so when it is sent again.
                None if row.attempts + 1 >= ATTEMPTS_MAX => {
                    self.close(job, None, in_doubt(&row, Reason::AttemptsSpent)).await
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

    /// Changes a row on the way, and goes on at once.
    async fn change_planned(&self, job: &Job<'_>, patch: Patch) -> Result<Progress, Unreachable> {
        let version = Some(job.decision.version);
        let guard = Guard { planned_version: version, version_below: version, ..Guard::default() };
        self.items.change(&job.key, guard, patch).await?;
        Ok(Progress::Due(self.accounts.clock.now()))
    }
}

/// What was sent and not settled is unknown, never ended.
fn in_doubt(row: &ItemRow, reason: Reason) -> Ending {
    if row.state == ItemState::Sent { Ending::unknown(reason) } else { Ending::ended(reason) }
}
