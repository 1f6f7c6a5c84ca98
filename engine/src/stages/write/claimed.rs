//! Classes C (listable) and D (at most once): a claim on the row, a send window, a quarantine.
//!
//! Safe because a claim keeps others out for Q = S + P + D + L + skew: whoever takes it over afterwards can read at
//! the destination everything that the earlier claimer may have sent. Honest residue: a process frozen for more than
//! P between the check and the first byte can still write a second record.

use super::{ATTEMPTS_MAX, Ending, Job, Progress, SEND_MAX, Write, cannot, definite};
use crate::{
    bus::{Unreachable, still_held},
    calls::Find,
    item::{Claim, Guard, ItemKey, ItemRow, ItemState, Partition, Patch, Print},
    provider::{Delivery, Found, ProviderError, Receipt},
    resolve::{Verdict, compare, print},
    stage::Stage,
};
use schemas::{
    event::{Action, Reason},
    time::{Instant, Interval},
};
use std::time::Duration;
use uuid::Uuid;

/// How many times one visit begins the algorithm again before it comes back later.
const ROUNDS_MAX: u32 = 8;
/// How far around the claimed times the destination is read.
const FIND_TOLERANCE: Duration = Duration::from_secs(24 * 3600);
/// A record found there is the claimed one if its start is this near.
const PRINT_TOLERANCE_MS: u64 = 180_000;
/// By how much a destination may round a start, ms.
const ROUNDING_MS: u64 = 4_000;

/// What a visit holds while it sends.
struct Held {
    token: Uuid,
    /// Our own clock when the claim was made, from before the request went to the store.
    since: tokio::time::Instant,
    at: Instant,
    row: ItemRow,
}

/// What a complete read of the destination says about an item.
enum Answered {
    /// It holds this version.
    Ours(String),
    /// It holds another version of it, under this id.
    Older(String),
    /// It holds nothing of it.
    Nothing,
}

/// When to look again at a row that somebody else claimed: soon while the claim is young, for whoever is at work closes
/// it in seconds, and less and less often, for whoever is not leaves it for the whole quarantine.
fn next_look(claimed_at: Instant, now: Instant) -> Instant {
    now.plus(now.since(claimed_at).max(SEND_MAX))
}

/// Whether the visit goes on after a step.
enum Next<T> {
    Go(T),
    Again,
    Stop(Progress),
}

impl Write {
    pub(super) async fn claimed(&self, job: &Job<'_>, class: Delivery) -> Result<Progress, Unreachable> {
        for _ in 0..ROUNDS_MAX {
            let row = self.row(job).await?;
            if let Some(settled) = self.settled(job, &row).await? {
                return Ok(settled);
            }
            if let Some(at) = self.may_be_there(job, &row).await? {
                // Once Q has passed since then it is taken over, and looked for, like any claim whose holder is gone.
                self.claim_for_nobody(job, &row, at).await?;
                continue;
            }
            let held = match self.claim(job, row, class).await? {
                Next::Go(held) => held,
                Next::Again => continue,
                Next::Stop(progress) => return Ok(progress),
            };
            crate::failpoint::reached(Self::NAME, "claim");
            let held = match self.reconcile(job, held, class).await? {
                Next::Go(held) => held,
                Next::Again => continue,
                Next::Stop(progress) => return Ok(progress),
            };
            // The send window: nothing is awaited between the session's own check of it and the first byte.
            let send_by = held.since + SEND_MAX;
            let external_id = self.contents.open_external(job.subject(), &held.row).await?;
            if self.delivery(job, &held.row).await?.is_none() {
                // What was found there can no longer be changed.
                return self.close(job, Some(held.token), Ending::refused(cannot(job.decision, &held.row))).await;
            }
            if self.accounts.clock.monotonic() > send_by {
                self.release(job, held.token, None).await?;
                continue;
            }
            let answer = self.send(job, external_id.as_deref(), Some(send_by)).await?;
            match self.classify(job, held, external_id, answer, class).await? {
                Next::Go(()) | Next::Again => {}
                Next::Stop(progress) => return Ok(progress),
            }
        }
        Ok(Progress::Due(self.accounts.clock.now().plus(SEND_MAX)))
    }

    /// Step 2: claims the row, or takes over a claim that has stood for Q.
    async fn claim(&self, job: &Job<'_>, row: ItemRow, class: Delivery) -> Result<Next<Held>, Unreachable> {
        still_held()?;
        let since = self.accounts.clock.monotonic();
        let at = self.accounts.clock.now();
        let token = draw_token();
        let claim = Claim { token, at, print: print_of(job, at) };
        let version = job.decision.version;
        let guard = |claim: Option<Uuid>| Guard {
            planned_version: Some(version),
            version_below: Some(version),
            state_not: Some(ItemState::Unknown),
            claim: Some(claim),
        };
        let changed = match &row.claim {
            Some(open) => {
                let free_at = open.at.plus(self.quarantine(job));
                if at < free_at {
                    return Ok(Next::Stop(Progress::Due(next_look(open.at, at).min(free_at))));
                }
                if class == Delivery::Once {
                    let lost = Ending::unknown(Reason::AnswerLost);
                    let progress = self.close(job, Some(open.token), lost).await?;
                    return Ok(Next::Stop(progress));
                }
                let mut prints = row.unsure_prints.clone();
                prints.push(open.print.clone());
                let patch = Patch {
                    claim: Some(Some(claim)),
                    unsure: Some(true),
                    unsure_prints: Some(prints),
                    // Whoever held it so long has failed.
                    attempts: Some(row.attempts + 1),
                    ..Patch::default()
                };
                self.items.change(&job.key, guard(Some(open.token)), patch).await?
            }
            None => {
                if let Some(ending) = job.must_end.filter(|_| !row.unsure) {
                    return Ok(Next::Stop(self.close(job, None, ending).await?));
                }
                let patch = Patch { claim: Some(Some(claim)), ..Patch::default() };
                self.items.change(&job.key, guard(None), patch).await?
            }
        };
        if !changed {
            return Ok(Next::Again);
        }
        // `unsure` and `external_id` count as they stand after the claim.
        let row = self.row(job).await?;
        Ok(Next::Go(Held { token, since, at, row }))
    }

    /// Step 3: a row that is unsure stays so until a complete read of the destination answers.
    async fn reconcile(&self, job: &Job<'_>, held: Held, class: Delivery) -> Result<Next<Held>, Unreachable> {
        let must_end = job.must_end.or_else(|| spent(&held.row));
        if !held.row.unsure {
            return match job.must_end {
                Some(ending) => Ok(Next::Stop(self.close(job, Some(held.token), ending).await?)),
                None => Ok(Next::Go(held)),
            };
        }
        // An id that we chose needs no look, but for a deletion that must know whether there is anything.
        let keyed = matches!(class, Delivery::Listable { keyed: true });
        let is_known = job.decision.action != Action::Delete || !held.row.external_id.is_empty();
        if keyed && is_known && must_end.is_none() {
            return Ok(Next::Go(held));
        }
        let answered = match self.look(job, &held.row).await? {
            Ok(answered) => answered,
            Err(err) => return self.look_failed(job, held, &err).await,
        };
        match must_end {
            Some(ending) => self.end_after(job, held.token, answered, ending).await,
            None => match answered {
                Answered::Ours(external_id) => {
                    Ok(Next::Stop(self.record(job, Some(held.token), &external_id, true).await?))
                }
                Answered::Older(external_id) => {
                    let patch = self.older(job, &external_id).await?;
                    self.renew(job, held, patch).await
                }
                Answered::Nothing => self.renew(job, held, Patch::default()).await,
            },
        }
    }

    /// An operation that must end, once the destination was read: applied if it is there. What else is there of the
    /// item is noted, so that its next version changes it instead of making a second one.
    async fn end_after<T>(
        &self,
        job: &Job<'_>,
        token: Uuid,
        answered: Answered,
        ending: Ending,
    ) -> Result<Next<T>, Unreachable> {
        let patch = match answered {
            Answered::Ours(external_id) => {
                return Ok(Next::Stop(self.record(job, Some(token), &external_id, true).await?));
            }
            Answered::Older(external_id) => self.older(job, &external_id).await?,
            Answered::Nothing => Patch::default(),
        };
        let sure = Patch { unsure: Some(false), unsure_prints: Some(Vec::new()), ..patch };
        if !self.items.change(&job.key, mine(token), sure).await? {
            return Ok(Next::Again);
        }
        Ok(Next::Stop(self.close(job, Some(token), ending).await?))
    }

    /// Another version of the item is at the destination under this id.
    async fn older(&self, job: &Job<'_>, external_id: &str) -> Result<Patch, Unreachable> {
        self.note_written(job, external_id).await?;
        let sealed = self.contents.seal_external(job.subject(), job.decision.item, external_id).await?;
        let version = Some(job.decision.version - 1);
        Ok(Patch { external_id: Some(sealed), version, owned: Some(true), ..Patch::default() })
    }

    async fn look_failed(&self, job: &Job<'_>, held: Held, err: &ProviderError) -> Result<Next<Held>, Unreachable> {
        // The claim may go; the doubt may not.
        let (at, attempts) = match err {
            ProviderError::Throttled { until } => (until.unwrap_or_else(|| self.backoff(0)), None),
            ProviderError::AccessRevoked | ProviderError::Forbidden { .. } => {
                let ending = Ending::unknown(self.withdrawn(job).await?);
                return Ok(Next::Stop(self.close(job, Some(held.token), ending).await?));
            }
            // Reading is tried as often again as sending.
            _ if held.row.attempts + 1 >= 2 * ATTEMPTS_MAX => {
                let ending = Ending::unknown(Reason::AnswerLost);
                return Ok(Next::Stop(self.close(job, Some(held.token), ending).await?));
            }
            _ => (self.backoff(held.row.attempts), Some(held.row.attempts + 1)),
        };
        self.release(job, held.token, attempts).await?;
        Ok(Next::Stop(Progress::Due(at)))
    }

    /// A fresh token by compare-and-set on the one before: the time of reading does not count against the send window.
    async fn renew(&self, job: &Job<'_>, held: Held, patch: Patch) -> Result<Next<Held>, Unreachable> {
        let since = self.accounts.clock.monotonic();
        let at = self.accounts.clock.now();
        let token = draw_token();
        let claim = Claim { token, at, print: print_of(job, at) };
        let patch = Patch { claim: Some(Some(claim)), unsure: Some(false), unsure_prints: Some(Vec::new()), ..patch };
        if !self.items.change(&job.key, mine(held.token), patch).await? {
            return Ok(Next::Again);
        }
        let row = self.row(job).await?;
        Ok(Next::Go(Held { token, since, at, row }))
    }

    /// Reads the destination completely around every time that may have been sent.
    async fn look(&self, job: &Job<'_>, row: &ItemRow) -> Result<Result<Answered, ProviderError>, Unreachable> {
        let Some(connection) = job.connection else { return Ok(Err(ProviderError::AccessRevoked)) };
        let prints: Vec<Print> =
            row.unsure_prints.iter().cloned().chain(row.claim.as_ref().map(|it| it.print.clone())).collect();
        let from = prints.iter().map(|it| it.start).min().unwrap_or(row.starts_at);
        let to = prints.iter().map(|it| it.end).max().unwrap_or(row.ends_at);
        let window = Interval { from, to: Instant(to.0.saturating_add(1)) }.widened(FIND_TOLERANCE);
        let data_type = job.decision.data_type;
        let caller = job.caller(connection, None);
        let found = match self.accounts.read(caller, &Find(data_type, window)).await? {
            Ok(found) => found,
            Err(err) => return Ok(Err(err)),
        };
        self.judge(job, row, &prints, found).await.map(Ok)
    }

    async fn judge(
        &self,
        job: &Job<'_>,
        row: &ItemRow,
        prints: &[Print],
        found: Vec<Found>,
    ) -> Result<Answered, Unreachable> {
        let marker = job.decision.item.to_string();
        let known = self.contents.open_external(job.subject(), row).await?;
        let first_claimed = prints.iter().filter_map(|it| it.claimed_at).min();
        let mut fits = Vec::new();
        for it in found {
            let marked = it.marker.as_deref() == Some(&marker);
            let named = known.as_deref() == Some(&it.external_id);
            // Without our mark it is ours only if no such record was seen there before our first claim.
            let printed =
                it.marker.is_none() && row.seen_hash.is_empty() && prints.iter().any(|print| looks_like(print, &it));
            if marked || named || (printed && !self.was_there(job, &it.external_id, first_claimed).await?) {
                fits.push(it);
            }
        }
        let Some(best) = fits.into_iter().max_by_key(|it| it.marker.is_some()) else { return Ok(Answered::Nothing) };
        let same = match (&job.decision.record, job.decision.action) {
            (_, Action::Delete) | (None, _) => false,
            (Some(record), _) => {
                let is_first = self.is_only_version(job).await?;
                job.provider.project(&best.record).is_ok_and(|it| equal_there(record, &it, is_first))
            }
        };
        Ok(if same { Answered::Ours(best.external_id) } else { Answered::Older(best.external_id) })
    }

    /// Whether a record there was seen as somebody else's before our first claim.
    async fn was_there(
        &self,
        job: &Job<'_>,
        external_id: &str,
        first_claimed: Option<Instant>,
    ) -> Result<bool, Unreachable> {
        let (subject, connection) = (job.subject(), job.key.partition.destination);
        let record = self.written_key(job, external_id).await?;
        let origin = self.items.origins(subject, connection, connection, &[record]).await?.pop().flatten();
        let Some(origin) = origin.filter(|it| it.item != job.decision.item) else { return Ok(false) };
        let partition = Partition { month: origin.month, ..job.key.partition.clone() };
        let row = self.items.get(&ItemKey { partition, item: origin.item }).await?;
        // Ours or not, what another item holds is not this one.
        Ok(row.is_some_and(|it| it.planned_version > 0 || it.seen_at < first_claimed))
    }

    /// Steps 6 and 7: what the answer means.
    async fn classify(
        &self,
        job: &Job<'_>,
        held: Held,
        sent_to: Option<String>,
        answer: Result<Receipt, ProviderError>,
        class: Delivery,
    ) -> Result<Next<()>, Unreachable> {
        let stop = |progress| Ok(Next::Stop(progress));
        match answer {
            Ok(Receipt::Applied { external_id }) => stop(self.record(job, Some(held.token), &external_id, true).await?),
            Ok(Receipt::Duplicate { external_id, ours: false }) => {
                stop(self.record(job, Some(held.token), &external_id, false).await?)
            }
            Ok(Receipt::Duplicate { external_id, ours: true }) => self.duplicate(job, held, sent_to, external_id).await,
            // Only class B answers so; a profile that says otherwise is treated as an answer that was lost.
            Ok(Receipt::Pending { .. }) | Err(ProviderError::Unknown { .. } | ProviderError::Malformed { .. }) => {
                if class == Delivery::Once {
                    return stop(self.close(job, Some(held.token), Ending::unknown(Reason::AnswerLost)).await?);
                }
                stop(Progress::Due(held.at.plus(self.quarantine(job))))
            }
            Err(ProviderError::Late) => {
                self.release(job, held.token, None).await?;
                Ok(Next::Again)
            }
            Err(ProviderError::NotFound) if job.decision.action == Action::Delete => {
                stop(self.record(job, Some(held.token), "", false).await?)
            }
            Err(ProviderError::Throttled { until }) => {
                self.release(job, held.token, None).await?;
                stop(Progress::Due(
                    until.unwrap_or_else(|| self.accounts.clock.now().plus(super::super::THROTTLED_PAUSE)),
                ))
            }
            Err(ProviderError::TokenExpired | ProviderError::AccessRevoked) => {
                self.end(job, &held, Ending::ended(self.withdrawn(job).await?)).await
            }
            Err(err) => match definite(&err) {
                Some(reason) => {
                    tracing::info!(item = %job.decision.item, %err, "an operation was refused");
                    self.end(job, &held, Ending::after_no(reason)).await
                }
                None if held.row.attempts + 1 >= ATTEMPTS_MAX => {
                    self.end(job, &held, Ending::ended(Reason::AttemptsSpent)).await
                }
                None => {
                    self.release(job, held.token, Some(held.row.attempts + 1)).await?;
                    stop(Progress::Due(self.backoff(held.row.attempts)))
                }
            },
        }
    }

    /// The id that we chose is taken by our own record. If only this version was ever sent there, that is what it
    /// holds; else it is brought up to this version by an update.
    async fn duplicate(
        &self,
        job: &Job<'_>,
        held: Held,
        sent_to: Option<String>,
        external_id: String,
    ) -> Result<Next<()>, Unreachable> {
        if sent_to.is_some() || self.is_only_version(job).await? {
            return Ok(Next::Stop(self.record(job, Some(held.token), &external_id, true).await?));
        }
        let sealed = self.contents.seal_external(job.subject(), job.decision.item, &external_id).await?;
        let patch = Patch { external_id: Some(sealed), claim: Some(None), owned: Some(true), ..Patch::default() };
        self.items.change(&job.key, mine(held.token), patch).await?;
        Ok(Next::Again)
    }

    async fn end(&self, job: &Job<'_>, held: &Held, ending: Ending) -> Result<Next<()>, Unreachable> {
        if !held.row.unsure {
            return Ok(Next::Stop(self.close(job, Some(held.token), ending).await?));
        }
        // An earlier send is still in doubt: the destination is read before it ends.
        match self.look(job, &held.row).await? {
            Ok(answered) => self.end_after(job, held.token, answered, ending).await,
            Err(err) => {
                let held = Held { row: held.row.clone(), ..*held };
                Ok(match self.look_failed(job, held, &err).await? {
                    Next::Stop(progress) => Next::Stop(progress),
                    Next::Go(_) | Next::Again => Next::Again,
                })
            }
        }
    }

    /// Gives the claim back: nothing was sent under it.
    async fn release(&self, job: &Job<'_>, token: Uuid, attempts: Option<i32>) -> Result<(), Unreachable> {
        let patch = Patch { claim: Some(None), attempts, ..Patch::default() };
        self.items.change(&job.key, mine(token), patch).await.map(|_| ())
    }
}

/// How an item ends whose sends were lost too often.
fn spent(row: &ItemRow) -> Option<Ending> {
    (row.attempts >= ATTEMPTS_MAX).then_some(Ending::ended(Reason::AttemptsSpent))
}

fn mine(token: Uuid) -> Guard {
    Guard { claim: Some(Some(token)), ..Guard::default() }
}

pub(super) fn print_of(job: &Job<'_>, claimed_at: Instant) -> Print {
    let (time, claimed_at) = (&job.decision.time, Some(claimed_at));
    match &job.decision.record {
        Some(record) => Print { claimed_at, ..print(record) },
        None => Print { start: time.start, end: time.end, metric: None, claimed_at },
    }
}

/// Whether a record found there may be what was claimed: its start within three minutes, and its key metric or, where
/// there is none, its length alike.
fn looks_like(claimed: &Print, found: &Found) -> bool {
    let there = print(&found.record);
    if claimed.start.0.abs_diff(there.start.0) > PRINT_TOLERANCE_MS {
        return false;
    }
    match (claimed.metric, there.metric) {
        (Some(a), Some(b)) => a.abs_diff(b) <= a.unsigned_abs().max(b.unsigned_abs()) / 50 + 1,
        _ => {
            claimed.end.0.saturating_sub(claimed.start.0).abs_diff(there.end.0.saturating_sub(there.start.0))
                <= PRINT_TOLERANCE_MS
        }
    }
}

/// Whether the destination holds this very content. Of a first version a good fit is enough where the destination
/// does not keep all: nothing else was sent. A later one may differ from the one before it by a word.
fn equal_there(ours: &schemas::record::Record, there: &schemas::record::Record, is_first: bool) -> bool {
    ours.content() == there.content() || (is_first && fits(ours, there))
}

/// Whether a record is ours as a destination that does not keep all would tell it: the same start, but for what is
/// lost by rounding, the same key metric, and the same in the matcher's eyes.
fn fits(ours: &schemas::record::Record, there: &schemas::record::Record) -> bool {
    ours.time.start.0.abs_diff(there.time.start.0) <= ROUNDING_MS
        && print(ours).metric == print(there).metric
        && compare(ours, there).verdict == Verdict::Same
}

/// A claim's token is drawn, not derived: it tells one attempt from another.
pub(super) fn draw_token() -> Uuid {
    Uuid::from_u128(rand::random())
}
