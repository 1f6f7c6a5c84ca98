//! What a destination was found to hold, noted again in rows that were lost; and what may be there without a trace.

use super::{Job, Write, claimed};
use crate::{
    bus::Unreachable,
    item::{Claim, Guard, ItemKey, ItemRow, ItemState, Origin, Partition, Patch, Plan, Planned},
    provider::Delivery,
    restore::RowsMade,
};
use bytes::Bytes;
use schemas::{
    event::{Action, Decisions, Envelope, Fate, OperationResult, Outcome, Reason, Resolved, Results},
    id::OpId,
    time::Instant,
};

impl Write {
    /// Notes again what an outcome says of its items. How many rows heard news; `None` if the results can no longer be
    /// read.
    pub(crate) async fn restate(
        &self,
        outcome: &Envelope<Outcome>,
        made: &RowsMade,
    ) -> Result<Option<usize>, Unreachable> {
        let (Some(sealed), Some(destination)) = (&outcome.body.results, &outcome.body.destination) else {
            return Ok(Some(0));
        };
        let subject = &outcome.head.subject;
        let opened = self.contents.open_value::<Results>(subject, sealed).await?;
        let Some(Results { results }) = opened else { return Ok(None) };
        let destination = destination.account.connection;
        let mut n_changed = 0;
        for it in results {
            let partition = Partition { subject: subject.clone(), destination, month: it.month.clone() };
            let key = ItemKey { partition, item: it.item };
            n_changed += usize::from(self.restate_result(outcome, &key, &it, made).await?);
        }
        Ok(Some(n_changed))
    }

    async fn restate_result(
        &self,
        outcome: &Envelope<Outcome>,
        key: &ItemKey,
        result: &OperationResult,
        made: &RowsMade,
    ) -> Result<bool, Unreachable> {
        let row = match self.items.get(key).await? {
            Some(row) if row.planned_version >= result.version => row,
            _ if result.version == 0 => return Ok(false),
            row => self.replan(outcome, key, result, row, made).await?,
        };
        if result.version <= row.version {
            return self.restate_end(key, result, &row).await;
        }
        let external_id = result.external_id.as_deref();
        if let (Some(external_id), true) = (external_id, result.owned) {
            self.restate_written(outcome, key, result, external_id).await?;
        }
        let sealed = match external_id {
            Some(it) => self.contents.seal_external(&outcome.head.subject, key.item, it).await?,
            None => Bytes::new(),
        };
        let is_planned = row.planned_version == result.version;
        // What is known now leaves no doubt; a newer version may be under way.
        let is_known = is_planned && made_it(result.fate);
        let patch = Patch {
            state: is_known.then_some(ItemState::Applied),
            reason: is_known.then(String::new),
            version: Some(result.version),
            hash: Some(result.hash.clone().unwrap_or_default()),
            external_id: Some(sealed),
            handle: is_known.then(String::new),
            owned: Some(result.owned),
            claim: is_known.then_some(None),
            unsure: is_known.then_some(false),
            unsure_prints: is_known.then(Vec::new),
            attempts: is_known.then_some(0),
        };
        let guard = Guard { version_below: Some(result.version), ..Guard::default() };
        self.items.change(key, guard, patch).await
    }

    /// A row whose decision is gone: all that is known of it is what the outcome says. Its time is not.
    async fn replan(
        &self,
        outcome: &Envelope<Outcome>,
        key: &ItemKey,
        result: &OperationResult,
        row: Option<ItemRow>,
        made: &RowsMade,
    ) -> Result<ItemRow, Unreachable> {
        if row.is_none() {
            made.add(key.item);
        }
        let month = Instant::parse(&format!("{}-01T00:00:00Z", key.partition.month)).unwrap_or_default();
        let (starts_at, ends_at) = row.map_or((month, month), |it| (it.starts_at, it.ends_at));
        loop {
            let planned = Planned {
                item: key.item,
                data_type: result.data_type,
                starts_at,
                ends_at,
                summary: None,
                plan: Some(Plan {
                    version: result.version,
                    hash: result.hash.clone().unwrap_or_default(),
                    by: (outcome.head.cause, outcome.head.sync),
                    state: ItemState::Planned,
                    reason: String::new(),
                    delete: result.action == Action::Delete,
                }),
                seen: None,
            };
            let seq = self.items.seq(&key.partition).await?;
            if self.items.plan(&key.partition, seq, vec![planned]).await?
                && let Some(row) = self.items.get(key).await?
            {
                return Ok(row);
            }
        }
    }

    /// An operation that ended without effect, if it was the one that is planned.
    async fn restate_end(&self, key: &ItemKey, result: &OperationResult, row: &ItemRow) -> Result<bool, Unreachable> {
        let op = OpId::derived(key.partition.destination, key.item, row.planned_version);
        let state = match (result.fate, result.reason) {
            (Fate::Ended, Some(Reason::Superseded)) => return Ok(false),
            (Fate::Ended, _) => ItemState::Ended,
            (Fate::Refused, _) => ItemState::Refused,
            (Fate::Unknown, _) => ItemState::Unknown,
            (Fate::HandedOver, _) => ItemState::Handed,
            _ => return Ok(false),
        };
        let waits = matches!(row.state, ItemState::Planned | ItemState::Sent);
        if result.op != op || row.version >= row.planned_version || !waits {
            return Ok(false);
        }
        let reason = result.reason.map(|it| it.code()).unwrap_or_default();
        let patch = Patch { state: Some(state), reason: Some(reason), claim: Some(None), ..Patch::default() };
        let guard = Guard { planned_version: Some(row.planned_version), ..Guard::default() };
        self.items.change(key, guard, patch).await
    }

    /// As it is noted when it is written: what we wrote is found again when it is read back.
    async fn restate_written(
        &self,
        outcome: &Envelope<Outcome>,
        key: &ItemKey,
        result: &OperationResult,
        external_id: &str,
    ) -> Result<(), Unreachable> {
        let (subject, connection) = (&outcome.head.subject, key.partition.destination);
        let row = self.items.get(key).await?;
        let origin = Origin {
            connection,
            record: self.contents.origin_key(subject, connection, external_id).await?,
            destination: connection,
            item: key.item,
            month: key.partition.month.clone(),
            data_type: result.data_type,
            starts_at: row.map_or(outcome.head.at, |it| it.starts_at),
            source_at: outcome.head.at,
            seen_by: outcome.head.sync,
        };
        self.items.note_origins(subject, vec![origin]).await
    }

    /// Operations that were decided and whose end nobody knows may have been sent: each is claimed by nobody as of now,
    /// so that whoever goes on waits the quarantine and reads the destination first. How many they are.
    pub(crate) async fn take_over(&self, input: &Envelope<Resolved>) -> Result<usize, Unreachable> {
        let (Some(sealed), Some(provider)) =
            (&input.body.decisions, self.accounts.catalog.get(&input.body.destination.account.provider))
        else {
            return Ok(0);
        };
        let opened = self.contents.open_value::<Decisions>(&input.head.subject, sealed).await?;
        let mut n_taken = 0;
        for decision in opened.unwrap_or_default().decisions.iter().filter(|it| it.action != Action::Skip) {
            let partition = Partition {
                subject: input.head.subject.clone(),
                destination: input.body.destination.account.connection,
                month: decision.month.clone(),
            };
            let key = ItemKey { partition, item: decision.item };
            let Some(row) = self.items.get(&key).await? else { continue };
            let is_open = row.version < decision.version
                && row.planned_version == decision.version
                && matches!(row.state, ItemState::Planned | ItemState::Sent);
            let job = Job {
                input,
                decision,
                connection: None,
                provider: &**provider,
                key,
                began_at: self.accounts.clock.now(),
                reads_back: false,
                must_end: None,
            };
            if is_open && claims(self.delivery(&job, &row).await?) {
                n_taken += usize::from(self.claim_for_nobody(&job, &row, self.accounts.clock.now()).await?);
            }
        }
        Ok(n_taken)
    }

    /// A first send of a record from before the store was restored: it may be there already, and only its row is lost.
    pub(super) async fn may_be_there(&self, job: &Job<'_>, row: &ItemRow) -> Result<Option<Instant>, Unreachable> {
        let is_first = row.version == 0 && row.claim.is_none() && !row.unsure && row.attempts == 0;
        if is_first && row.external_id.is_empty() { self.restored_after(job).await } else { Ok(None) }
    }

    /// Whether no version of the item but this one was ever sent: of one that may have had a row before a restore
    /// nobody knows.
    pub(super) async fn is_only_version(&self, job: &Job<'_>) -> Result<bool, Unreachable> {
        Ok(job.decision.version == 1 && self.restored_after(job).await?.is_none())
    }

    /// When the store was restored, if that was after the record began and this is its first version since.
    async fn restored_after(&self, job: &Job<'_>) -> Result<Option<Instant>, Unreachable> {
        let restored_at = self.standing.restored_at().await?;
        Ok(restored_at.filter(|it| job.decision.version == 1 && job.decision.time.start < *it))
    }

    /// Puts an open claim on a row as of then, which nobody will come back to.
    pub(super) async fn claim_for_nobody(
        &self,
        job: &Job<'_>,
        row: &ItemRow,
        at: Instant,
    ) -> Result<bool, Unreachable> {
        let stands = row.claim.as_ref();
        let mut prints = row.unsure_prints.clone();
        prints.extend(stands.map(|it| it.print.clone()));
        let claim = Claim { token: claimed::draw_token(), at, print: claimed::print_of(job, at) };
        let guard = Guard {
            planned_version: Some(job.decision.version),
            version_below: Some(job.decision.version),
            state_not: Some(ItemState::Unknown),
            claim: Some(stands.map(|it| it.token)),
        };
        let patch = Patch { claim: Some(Some(claim)), unsure_prints: Some(prints), ..Patch::default() };
        self.items.change(&job.key, guard, patch).await
    }
}

/// Whether effects of this class are kept single by claims.
const fn claims(class: Option<Delivery>) -> bool {
    matches!(class, Some(Delivery::Listable { .. } | Delivery::Once))
}

const fn made_it(fate: Fate) -> bool {
    matches!(fate, Fate::Created | Fate::Updated | Fate::Deleted | Fate::Skipped)
}
