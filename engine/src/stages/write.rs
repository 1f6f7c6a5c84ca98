//! Write: brings the operations of a decision to their destination, each once.
//!
//! The algorithm is section 2 of the semantics; `write/claimed.rs` is its classes C and D, `write/direct.rs` its
//! classes A and B. It goes through all operations of its event, then answers, or comes back when the earliest is due.

mod claimed;
mod direct;
pub(in crate::stages) mod read_back;
mod restate;

use super::{Tally, made};
use crate::{
    accounts::{Accounts, Caller},
    backoff::backoff,
    bus::{Unreachable, still_held},
    calls::Deliver,
    contents::Contents,
    item::{Guard, ItemKey, ItemRow, ItemState, Origin, Partition, Patch},
    people::Connection,
    provider::{Action as Send, DataProvider, Delivery, ProviderError, WriteOperation},
    stage::{Answer, Later, Stage},
    standing::Standing,
    store::Items,
};
use schemas::{
    event::{Action, Decision, Decisions, Envelope, Fate, OperationResult, Outcome, Reason, Resolved, Results},
    id::Subject,
    time::Instant,
};
use std::{sync::Arc, time::Duration};

/// S: the greatest age of a claim at which a send may begin.
const SEND_MAX: Duration = Duration::from_secs(5);
/// P: the longest pause of a process between that check and the first byte that is accounted for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// D: the most time from the first byte sent until a provider can no longer apply it; includes the call's deadline.
const APPLY_MAX: Duration = Duration::from_secs(30);
/// What clocks of two machines may differ by.
const SKEW_MAX: Duration = Duration::from_secs(5);
/// How many sends of one operation may fail.
const ATTEMPTS_MAX: i32 = 12;

/// Writes to destinations.
#[derive(Debug)]
pub struct Write {
    /// How providers are called.
    pub accounts: Accounts,
    /// What opens decisions and seals results.
    pub contents: Contents,
    /// Whether a sync is still wanted.
    pub standing: Standing,
    /// The rows of the destinations.
    pub items: Arc<dyn Items>,
}

/// One operation at work.
struct Job<'a> {
    input: &'a Envelope<Resolved>,
    decision: &'a Decision,
    connection: Option<&'a Connection>,
    provider: &'a dyn DataProvider,
    key: ItemKey,
    /// When this visit of it began.
    began_at: Instant,
    /// Whether what was written is read back.
    reads_back: bool,
    /// How it must end, if it must.
    must_end: Option<Ending>,
}

/// How an operation ends that was not applied.
#[derive(Clone, Copy)]
struct Ending {
    state: ItemState,
    fate: Fate,
    reason: Reason,
}

impl Ending {
    const fn ended(reason: Reason) -> Self {
        Self { state: ItemState::Ended, fate: Fate::Ended, reason }
    }

    const fn refused(reason: Reason) -> Self {
        Self { state: ItemState::Refused, fate: Fate::Refused, reason }
    }

    /// After a definite no. A permission that is missing may be granted: the record itself was not refused.
    const fn after_no(reason: Reason) -> Self {
        match reason {
            Reason::Forbidden => Self::ended(reason),
            reason => Self::refused(reason),
        }
    }

    const fn unknown(reason: Reason) -> Self {
        Self { state: ItemState::Unknown, fate: Fate::Unknown, reason }
    }
}

/// How far an operation has come.
enum Progress {
    /// It is over.
    Done(OperationResult),
    /// It goes on then.
    Due(Instant),
}

impl Job<'_> {
    fn subject(&self) -> &Subject {
        &self.input.head.subject
    }

    fn caller<'a>(&'a self, connection: &'a Connection, send_by: Option<tokio::time::Instant>) -> Caller<'a> {
        Caller { subject: self.subject(), connection, lane: self.input.body.lane, mode: self.input.head.mode, send_by }
    }

    fn result(&self, fate: Fate, reason: Option<Reason>, row: &ItemRow, external_id: Option<String>) -> Progress {
        let holds = matches!(fate, Fate::Created | Fate::Updated);
        Progress::Done(OperationResult {
            op: schemas::id::OpId::derived(self.key.partition.destination, self.decision.item, self.decision.version),
            item: self.decision.item,
            month: self.key.partition.month.clone(),
            data_type: self.decision.data_type,
            action: self.decision.action,
            fate,
            reason,
            detail: None,
            version: row.version,
            hash: (!row.hash.is_empty()).then(|| row.hash.clone()),
            external_id,
            owned: row.owned,
            lost: if holds { self.decision.lost.clone() } else { Vec::new() },
        })
    }
}

impl Stage for Write {
    type In = Resolved;
    type Out = Outcome;
    const NAME: &'static str = "write";
    const AT_ONCE: usize = 8;

    fn lane(input: &Envelope<Resolved>) -> String {
        format!("{}/{}", input.body.destination.account.connection, input.head.sync)
    }

    async fn process(&self, input: &Envelope<Resolved>) -> Result<Answer<Resolved, Outcome>, Unreachable> {
        let resolved = &input.body;
        let decisions = match &resolved.decisions {
            None => Decisions::default(),
            Some(sealed) => match self.contents.open_value::<Decisions>(&input.head.subject, sealed).await? {
                Some(decisions) => decisions,
                None => return Ok(Answer::End(Reason::PayloadExpired)),
            },
        };
        let Some(provider) = self.accounts.catalog.get(&resolved.destination.account.provider).cloned() else {
            return Ok(Answer::Reject(Reason::Unsupported));
        };
        let (mut results, mut due): (Vec<OperationResult>, Option<Instant>) = (Vec::new(), None);
        let operations = decisions.decisions.iter().filter(|it| it.action != Action::Skip);
        for (index, decision) in operations.enumerate() {
            let reads_back = read_back::is_due(provider.profile(), index);
            match self.operation(input, decision, &*provider, reads_back).await? {
                Progress::Done(result) => results.push(result),
                Progress::Due(at) => due = Some(due.map_or(at, |earliest| earliest.min(at))),
            }
        }
        if let Some(at) = due {
            return Ok(Answer::Later(Later { at: Some(at), gives_up: None }));
        }
        let mut tally = Tally::default();
        for count in &resolved.counts {
            tally.add_many(count.data_type, count.fate, count.reason, count.count);
        }
        for result in &results {
            tally.add(result.data_type, result.fate, result.reason);
        }
        let head = input.head.derive(Self::NAME, 0, self.accounts.clock.now());
        let results =
            if results.is_empty() { None } else { Some(self.contents.seal_value(&head, &Results { results }).await?) };
        let body = Outcome {
            stage: Self::NAME.into(),
            destination: Some(resolved.destination.clone()),
            end: None,
            results,
            counts: tally.counts(),
            lane: resolved.lane,
        };
        made(vec![Envelope { head, body }])
    }
}

impl Write {
    async fn operation(
        &self,
        input: &Envelope<Resolved>,
        decision: &Decision,
        provider: &dyn DataProvider,
        reads_back: bool,
    ) -> Result<Progress, Unreachable> {
        let resolved = &input.body;
        // Looked at before every claim: what is no longer wanted must end.
        let standing = self.standing.destination(&input.head, &resolved.destination).await?;
        let cancelled = self.standing.sync(&input.head, resolved.expires_at).await?;
        let partition = Partition {
            subject: input.head.subject.clone(),
            destination: resolved.destination.account.connection,
            month: decision.month.clone(),
        };
        let mut job = Job {
            input,
            decision,
            connection: standing.as_ref().ok(),
            provider,
            key: ItemKey { partition, item: decision.item },
            began_at: self.accounts.clock.now(),
            reads_back,
            must_end: cancelled.or(standing.as_ref().err().copied()).map(Ending::ended),
        };
        let Some(row) = self.items.get(&job.key).await? else {
            // Resolve planned it before it said so: a row that is not there was lost with its store.
            return Err(Unreachable(format!("the row of item {} is not there", decision.item)));
        };
        if let Some(settled) = self.settled(&job, &row).await? {
            return Ok(settled);
        }
        match self.delivery(&job, &row).await? {
            Some(Delivery::Versioned) => self.versioned(&job, row).await,
            // An earlier version of another class may still be under way: it is waited for and looked for first.
            Some(Delivery::Deduplicated) if row.claim.is_some() || row.unsure => {
                self.claimed(&job, Delivery::Listable { keyed: false }).await
            }
            Some(Delivery::Deduplicated) => self.deduplicated(&job, row).await,
            Some(class @ (Delivery::Listable { .. } | Delivery::Once)) => self.claimed(&job, class).await,
            None => {
                job.must_end = job.must_end.or(Some(Ending::refused(cannot(decision, &row))));
                let create = provider.profile().of(decision.data_type).and_then(|it| it.create);
                let class = create.filter(|it| *it == Delivery::Once);
                self.claimed(&job, class.unwrap_or(Delivery::Listable { keyed: false })).await
            }
        }
    }

    /// What can be said without another look: it is superseded, already there, or was ended before.
    async fn settled(&self, job: &Job<'_>, row: &ItemRow) -> Result<Option<Progress>, Unreachable> {
        let version = job.decision.version;
        let external_id = self.contents.open_external(job.subject(), row).await?;
        if row.version >= version {
            let ours = row.planned_by.is_none_or(|it| it.1 == job.input.head.sync) || row.version > version;
            let (fate, reason) =
                if ours { (fate_of(job.decision.action), None) } else { (Fate::Skipped, Some(Reason::Unchanged)) };
            return Ok(Some(job.result(fate, reason, row, external_id)));
        }
        if row.planned_version > version {
            return Ok(Some(job.result(Fate::Ended, Some(Reason::Superseded), row, external_id)));
        }
        Ok(match row.state {
            ItemState::Unknown => Some(job.result(Fate::Unknown, Some(Reason::AnswerLost), row, external_id)),
            ItemState::Refused => {
                let reason = serde_json::from_value(serde_json::Value::String(row.reason.clone())).ok();
                Some(job.result(Fate::Refused, reason, row, external_id))
            }
            _ => None,
        })
    }

    async fn delivery(&self, job: &Job<'_>, row: &ItemRow) -> Result<Option<Delivery>, Unreachable> {
        let external_id = self.contents.open_external(job.subject(), row).await?;
        let send = match send_of(job.decision, external_id.as_deref()) {
            None if job.decision.action == Action::Delete => {
                // It may have been made all the same: the class says how that is found out.
                Some(Send::Delete { external_id: "", data_type: job.decision.data_type })
            }
            send => send,
        };
        Ok(send.and_then(|it| job.provider.delivery(&it)))
    }

    /// One call to the destination; creates or updates as the row's `external_id` says.
    async fn send(
        &self,
        job: &Job<'_>,
        external_id: Option<&str>,
        send_by: Option<tokio::time::Instant>,
    ) -> Result<Result<crate::provider::Receipt, ProviderError>, Unreachable> {
        let Some(connection) = job.connection else { return Ok(Err(ProviderError::AccessRevoked)) };
        let Some(send) = send_of(job.decision, external_id) else {
            // A deletion of what was never made there: it is gone already.
            return Ok(Err(ProviderError::NotFound));
        };
        still_held()?;
        let operation = self.write_operation(job, send);
        let caller = job.caller(connection, send_by);
        let answer = self.accounts.call(caller, &Deliver(&operation)).await?;
        crate::failpoint::reached(Self::NAME, "send");
        Ok(answer)
    }

    /// Why a destination takes nothing more: a person's own disconnecting is also seen as a token that is refused.
    async fn withdrawn(&self, job: &Job<'_>) -> Result<Reason, Unreachable> {
        let standing = self.standing.destination(&job.input.head, &job.input.body.destination).await?;
        Ok(standing.err().unwrap_or(Reason::AccessRevoked))
    }

    fn write_operation<'a>(&self, job: &Job<'_>, action: Send<'a>) -> WriteOperation<'a> {
        let (item, version) = (job.decision.item, job.decision.version);
        let op = schemas::id::OpId::derived(job.key.partition.destination, item, version);
        WriteOperation { op, item, version, action }
    }

    /// The destination holds the version: noted in the row, first where the record leads.
    async fn record(
        &self,
        job: &Job<'_>,
        token: Option<uuid::Uuid>,
        external_id: &str,
        owned: bool,
    ) -> Result<Progress, Unreachable> {
        let (subject, decision) = (job.subject(), job.decision);
        let gone = decision.action == Action::Delete;
        if !gone {
            self.note_written(job, external_id).await?;
        }
        let sealed = if gone {
            bytes::Bytes::new()
        } else {
            self.contents.seal_external(subject, decision.item, external_id).await?
        };
        let hash = match &decision.record {
            Some(record) => self.contents.vault.keyed_hash(subject, "content", &record.content()).await?,
            None => String::new(),
        };
        let held = Patch {
            version: Some(decision.version),
            hash: Some(hash),
            external_id: Some(sealed),
            handle: Some(String::new()),
            owned: Some(owned && !gone),
            unsure: Some(false),
            unsure_prints: Some(Vec::new()),
            attempts: Some(0),
            ..Patch::default()
        };
        // Only one's own claim is closed: another's, and its doubt, stay with that one.
        let mut ways = vec![(None, Patch { unsure: None, unsure_prints: None, ..held.clone() })];
        if let Some(token) = token {
            ways.insert(0, (Some(Some(token)), Patch { claim: Some(None), ..held }));
        }
        let mut recorded = false;
        for (claim, patch) in ways {
            let any = Guard { version_below: Some(decision.version), claim, ..Guard::default() };
            let planned = Guard { planned_version: Some(decision.version), ..any.clone() };
            let of_plan = Patch { state: Some(ItemState::Applied), reason: Some(String::new()), ..patch.clone() };
            // `state` speaks of the planned version only.
            recorded = recorded
                || self.items.change(&job.key, planned, of_plan).await?
                || self.items.change(&job.key, any, patch).await?;
        }
        crate::failpoint::reached(Self::NAME, "record");
        if !recorded {
            tracing::debug!(item = %decision.item, "a newer version was recorded meanwhile");
        }
        let row = self.row(job).await?;
        let mut progress = job.result(fate_of(decision.action), None, &row, (!gone).then(|| external_id.to_owned()));
        if let (Progress::Done(result), true, true) = (&mut progress, recorded, owned && !gone) {
            result.lost.extend(self.read_back(job, external_id).await?);
        }
        Ok(progress)
    }

    /// What we wrote is found again when it is read back.
    async fn note_written(&self, job: &Job<'_>, external_id: &str) -> Result<(), Unreachable> {
        let (subject, connection) = (job.subject(), job.key.partition.destination);
        let record = self.written_key(job, external_id).await?;
        let origin = Origin {
            connection,
            record,
            destination: connection,
            item: job.decision.item,
            month: job.key.partition.month.clone(),
            data_type: job.decision.data_type,
            starts_at: job.decision.time.start,
            // Newer than any look that took it for somebody else's.
            source_at: self.accounts.clock.now(),
            seen_by: job.input.head.sync,
        };
        self.items.note_origins(subject, vec![origin]).await
    }

    /// Keyed hash of a record's id at the destination, as Resolve keys what it reads there.
    async fn written_key(&self, job: &Job<'_>, external_id: &str) -> Result<String, Unreachable> {
        let named = format!("{}/{external_id}", job.key.partition.destination);
        self.contents.vault.keyed_hash(job.subject(), "origin", named.as_bytes()).await
    }

    /// An operation that ends without effect, while nobody else holds a claim on its row; `claim` is one's own, or
    /// one that has stood for Q.
    async fn close(&self, job: &Job<'_>, claim: Option<uuid::Uuid>, ending: Ending) -> Result<Progress, Unreachable> {
        let guard = Guard {
            planned_version: Some(job.decision.version),
            version_below: Some(job.decision.version),
            claim: Some(claim),
            ..Guard::default()
        };
        let patch = Patch {
            state: Some(ending.state),
            reason: Some(ending.reason.code()),
            claim: Some(None),
            attempts: Some(0),
            ..Patch::default()
        };
        if self.items.change(&job.key, guard, patch).await? {
            let row = self.row(job).await?;
            return Ok(job.result(ending.fate, Some(ending.reason), &row, None));
        }
        // Somebody was faster: what the row says then is what is said.
        Ok(Progress::Due(self.accounts.clock.now()))
    }

    async fn row(&self, job: &Job<'_>) -> Result<ItemRow, Unreachable> {
        let gone = || Unreachable(format!("the row of item {} is gone", job.decision.item));
        self.items.get(&job.key).await?.ok_or_else(gone)
    }

    /// Q: how long an open claim keeps others out.
    fn quarantine(&self, job: &Job<'_>) -> Duration {
        SEND_MAX + PAUSE_MAX + APPLY_MAX + SKEW_MAX + job.provider.profile().read_after_write
    }

    /// When to try again, after `attempts` earlier ones failed and now this one.
    fn backoff(&self, attempts: i32) -> Instant {
        self.accounts.clock.now().plus(backoff(attempts.saturating_add(1)))
    }
}

fn fate_of(action: Action) -> Fate {
    match action {
        Action::Create => Fate::Created,
        Action::Update => Fate::Updated,
        Action::Delete => Fate::Deleted,
        Action::Skip => Fate::Skipped,
    }
}

/// What a decision asks of the destination, given the id of the record there; `None` for a deletion of nothing.
fn send_of<'a>(decision: &'a Decision, external_id: Option<&'a str>) -> Option<Send<'a>> {
    match (decision.action, external_id, &decision.record) {
        (Action::Delete, Some(external_id), _) => Some(Send::Delete { external_id, data_type: decision.data_type }),
        (_, Some(external_id), Some(record)) => Some(Send::Update { external_id, record }),
        (_, None, Some(record)) => Some(Send::Create { record }),
        _ => None,
    }
}

/// Why a destination that has no such verb cannot do what was decided.
fn cannot(decision: &Decision, row: &ItemRow) -> Reason {
    match decision.action {
        Action::Delete => Reason::CannotDelete,
        _ if row.external_id.is_empty() => Reason::NotWritable,
        _ => Reason::CannotUpdate,
    }
}

/// What a definite answer that is no success means.
fn definite(err: &ProviderError) -> Option<Reason> {
    match err {
        ProviderError::Refused { .. } => Some(Reason::ProviderRefused),
        ProviderError::Forbidden { .. } => Some(Reason::Forbidden),
        ProviderError::Unsupported { .. } => Some(Reason::Unsupported),
        ProviderError::NotFound => Some(Reason::NotFound),
        _ => None,
    }
}
