//! The repair: exactly the plan of a shadow, in the cold lane, at a small share of every budget.

use super::{
    Left, Refused, Repaired, Replay, ReplayError, ReplayState, Replays,
    lease::Running,
    overlay::Base,
    plan::{Decided, Operation, Part, plan_hash},
};
use crate::{
    bus::Unreachable,
    item::{ItemKey, ItemRow, ItemState, Origin, Partition, Plan, Planned, Seen},
    resolve::{RULE_VERSION, keep},
    stage::message,
    stage::{logged, root},
    store::{Bearing, Logged, Step, StepKey},
};
use bytes::Bytes;
use schemas::{
    event::{
        Account, Action, Count, Cover, Decisions, Delivered, Destination, Envelope, Fate, Head, Lane, Mode, Reading,
        Reason, Requested, Resolved, Trigger,
    },
    id::{EventId, Subject, SyncId},
    topics,
};
use std::{collections::BTreeMap, time::Duration};

/// The oldest plan that is still applied.
const PLAN_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How often a plan that lost its race begins again.
const RACES_MAX: u32 = 20;
/// How many events may be on their way before more are published.
const BACKLOG_MAX: usize = 1_000;
/// The most names that are remembered of what was done.
const TOLD_MAX: usize = 1_000;

impl Replays {
    /// Begins to apply a plan: it runs on by itself, and [`Replays::get`] says how it stands. A plan that was applied
    /// is not applied again. Whoever applies it is another than who made it, unless they say that they are `alone`.
    ///
    /// # Errors
    /// When no plan has this hash, or the one that has it is stale.
    pub async fn begin_repair(&self, plan: &str, by: &str, alone: bool) -> Result<Replay, ReplayError> {
        let found = self.list().await?.into_iter().find(|it| it.plan.as_deref() == Some(plan));
        let Some(mut replay) = found else {
            return Err(Refused(format!(
                "no shadow has the plan {plan}; `syncwell replay list` shows those there are"
            ))
            .into());
        };
        if replay.state == ReplayState::Repaired {
            return Ok(replay);
        }
        if let Some(why) = self.stale(&replay).await? {
            return Err(Refused(format!("the plan is stale: {why}; run the shadow {} again", replay.name)).into());
        }
        if replay.by == by && !alone {
            let why = "a plan is applied by another person than who made it; `--alone` does it nevertheless";
            return Err(Refused(why.into()).into());
        }
        let Some(running) = self.claim(&replay.name).await? else {
            return Err(Refused(format!("replay {} is running; wait for it", replay.name)).into());
        };
        let how = if replay.by == by { ", alone" } else { "" };
        self.audit.note(by, "replay repair", format!("{}: plan {plan}{how}", replay.name)).await?;
        replay.repair = Some(Repaired { by: by.into(), at: self.now(), ..Repaired::default() });
        replay.state = ReplayState::Repairing;
        self.put(&replay).await?;
        let (replays, begun) = (self.clone(), replay.clone());
        tokio::spawn(async move { replays.run_repair(begun, running).await });
        Ok(replay)
    }

    /// Why a plan no longer holds, if it does not.
    async fn stale(&self, replay: &Replay) -> Result<Option<String>, Unreachable> {
        if self.now().since(replay.began_at) > PLAN_AGE_MAX {
            return Ok(Some(format!("it was made at {}, more than seven days ago", replay.began_at)));
        }
        if replay.rule_version != RULE_VERSION {
            return Ok(Some(format!("it was made by the rules {}, these are {RULE_VERSION}", replay.rule_version)));
        }
        if replay.selection.mapper_version.is_none() {
            for provider in self.accounts.catalog.iter().map(|it| it.profile()) {
                let used = replay.mappers.get(provider.id);
                if used.is_some_and(|it| *it != provider.mapper_version) {
                    return Ok(Some(format!("the mapper of {} is {} now", provider.title, provider.mapper_version)));
                }
            }
        }
        let mut digests = BTreeMap::new();
        for (subject, key) in self.parts(&replay.name).await? {
            if let Some(part) = self.part(&replay.name, &subject, key).await? {
                digests.insert(key.1, part.digest());
            }
        }
        let is_same = replay.plan.as_deref() == Some(plan_hash(&replay.name, &digests).as_str());
        Ok((!is_same).then(|| "a part of it is gone".to_owned()))
    }

    async fn run_repair(&self, mut replay: Replay, mut running: Running) {
        let mut done = replay.repair.take().unwrap_or_default();
        let Some(repaired) = running.during(self.repair(&replay.name, &mut done)).await else { return };
        match repaired {
            Ok(()) => (replay.state, replay.error) = (ReplayState::Repaired, None),
            Err(err) => (replay.state, replay.error) = (ReplayState::Failed, Some(err.to_string())),
        }
        replay.repair = Some(done);
        if let Err(err) = self.put(&replay).await {
            tracing::warn!(%err, "how a repair ended could not be noted; begin it again");
        }
        // Last: what neither runs nor has ended was interrupted.
        running.end().await;
    }

    async fn repair(&self, name: &str, done: &mut Repaired) -> Result<(), Unreachable> {
        for (subject, key) in self.parts(name).await? {
            let Some(part) = self.part(name, &subject, key).await? else { continue };
            while self.runner.bus.backlog().count > BACKLOG_MAX {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            self.apply(&subject, key.1, part, (Mode::Repair, done)).await?;
        }
        Ok(())
    }

    /// Plans what has not moved, and publishes it as a sync.
    pub(super) async fn apply(
        &self,
        subject: &Subject,
        sync: SyncId,
        part: Part,
        (mode, done): (Mode, &mut Repaired),
    ) -> Result<(), Unreachable> {
        let mut resolved = Vec::new();
        for decided in part.decided {
            let (kept, left) = self.plan_live(subject, &decided).await?;
            done.left.extend(left);
            if !kept.is_empty() {
                resolved.push(self.resolved(decided, kept, mode).await?);
            }
        }
        done.left.truncate(TOLD_MAX);
        let Some(first) = resolved.first() else { return Ok(()) };
        done.operations += resolved.iter().map(|it| u64::from(it.body.operations.unsigned_abs())).sum::<u64>();
        if done.syncs.len() < TOLD_MAX {
            done.syncs.push((subject.clone(), sync));
        }
        let mut destinations: Vec<Destination> = Vec::new();
        for it in &resolved {
            if destinations.iter().all(|known| known.account != it.body.destination.account) {
                destinations.push(it.body.destination.clone());
            }
        }
        let head = Head { mode, ..Head::root(sync, subject.clone(), self.now()) };
        let fingerprint = format!("replay of {}", first.head.sync);
        let body = replayed(first.body.source.clone(), destinations, fingerprint, &head);
        let outputs = resolved.iter().map(|it| logged(it, topics::resolved(Lane::Cold).name)).collect();
        self.publish(&Envelope { head, body }, outputs).await
    }

    /// Begins a sync whose first event is answered already, with these events. Doing it twice is doing it once.
    pub(crate) async fn publish(&self, first: &Envelope<Requested>, outputs: Vec<Logged>) -> Result<(), Unreachable> {
        let (subject, sync) = (&first.head.subject, first.head.sync);
        let key = StepKey { subject: subject.clone(), sync, stage: "fetch".into(), cause: first.head.id };
        let step = Step { key, at: self.now(), bearing: Bearing::Within, outputs, roots: Vec::new() };
        // The answer first: nobody is ever to answer this event by asking a provider.
        let stands = self.runner.store.log.append(step).await?;
        self.runner.begin(&first.head, root(first)).await?;
        self.runner.bus.publish(stands.outputs.iter().map(|it| message(subject, it)).collect()).await
    }

    /// Plans the operations of an event in the live rows, each from what the shadow saw; gives those that stand, and
    /// those that are left alone.
    async fn plan_live(
        &self,
        subject: &Subject,
        decided: &Decided,
    ) -> Result<(Vec<Operation>, Vec<Left>), Unreachable> {
        let (destination, items) = (decided.body.destination.account.connection, &self.runner.store.items);
        let mut months: BTreeMap<String, Vec<&Operation>> = BTreeMap::new();
        for operation in &decided.operations {
            months.entry(operation.decision.month.clone()).or_default().push(operation);
        }
        let (mut all_kept, mut all_left) = (Vec::new(), Vec::new());
        for (month, operations) in months {
            let partition = Partition { subject: subject.clone(), destination, month };
            let mut raced = 0;
            let (kept, left) = loop {
                let seq = items.seq(&partition).await?;
                let (mut kept, mut left, mut plans) = (Vec::new(), Vec::new(), Vec::new());
                for operation in &operations {
                    let key = ItemKey { partition: partition.clone(), item: operation.decision.item };
                    let row = items.get(&key).await?;
                    match self.stands(subject, decided, operation, row.as_ref()).await? {
                        Stands::Done => kept.push((*operation).clone()),
                        Stands::As => {
                            kept.push((*operation).clone());
                            plans.push(self.planned(subject, decided, operation).await?);
                        }
                        Stands::Moved => left.push(Left {
                            subject: subject.clone(),
                            destination,
                            item: operation.decision.item,
                            reason: "moved".into(),
                        }),
                    }
                }
                if plans.is_empty() {
                    break (kept, left);
                }
                self.note_origins(subject, decided, &kept).await?;
                if items.plan(&partition, seq, plans).await? {
                    break (kept, left);
                }
                raced += 1;
                if raced > RACES_MAX {
                    return Err(Unreachable(format!("somebody else plans in {} all the time", partition.month)));
                }
            };
            all_kept.extend(kept);
            all_left.extend(left);
        }
        Ok((all_kept, all_left))
    }

    /// Whether an item is still as the shadow saw it.
    pub(super) async fn stands(
        &self,
        subject: &Subject,
        decided: &Decided,
        operation: &Operation,
        row: Option<&ItemRow>,
    ) -> Result<Stands, Unreachable> {
        let decision = &operation.decision;
        if row.is_some_and(|it| it.planned_by == Some(by(decided)) && it.planned_version == decision.version) {
            return Ok(Stands::Done);
        }
        if !operation.is_new {
            // The version that stands is sent again, if it still stands.
            let stands = row.is_some_and(|it| it.planned_version == decision.version);
            return Ok(if stands { Stands::Done } else { Stands::Moved });
        }
        if row.map(Base::of) != operation.base || row.is_some_and(|it| it.state == ItemState::Unknown) {
            return Ok(Stands::Moved);
        }
        let (source, destination) = (decided.body.source.connection, decided.body.destination.account.connection);
        let record = self.origin_key(subject, decided, operation).await?;
        let origin = self.runner.store.items.origins(subject, source, destination, &[record]).await?.pop().flatten();
        let is_newer = origin.is_some_and(|it| it.source_at > decision.source_at);
        Ok(if is_newer { Stands::Moved } else { Stands::As })
    }

    async fn origin_key(&self, subject: &Subject, of: &Decided, operation: &Operation) -> Result<String, Unreachable> {
        let named = format!("{}/{}", of.body.source.connection, operation.decision.origin_record);
        self.contents.vault.keyed_hash(subject, "origin", named.as_bytes()).await
    }

    async fn note_origins(&self, subject: &Subject, of: &Decided, kept: &[Operation]) -> Result<(), Unreachable> {
        let mut origins = Vec::with_capacity(kept.len());
        for operation in kept {
            let decision = &operation.decision;
            origins.push(Origin {
                connection: of.body.source.connection,
                record: self.origin_key(subject, of, operation).await?,
                destination: of.body.destination.account.connection,
                item: decision.item,
                month: decision.month.clone(),
                data_type: decision.data_type,
                starts_at: decision.time.start,
                source_at: decision.source_at,
                seen_by: of.head.sync,
            });
        }
        self.runner.store.items.note_origins(subject, origins).await
    }

    /// The plan of an operation, as Resolve made it in the shadow.
    async fn planned(&self, subject: &Subject, of: &Decided, operation: &Operation) -> Result<Planned, Unreachable> {
        let decision = &operation.decision;
        let sealed = match &decision.record {
            Some(record) => {
                let json = keep(record, &decision.sources)
                    .map_err(|err| Unreachable(format!("a summary cannot be written: {err}")))?;
                Some(self.contents.seal_row(subject, &decision.item.to_string(), &json).await?)
            }
            None => None,
        };
        let is_change = operation.base.as_ref().is_some_and(|it| it.planned_version > 0);
        // What is there now is not what will be there: the next look takes a new reading.
        let forget = Seen { hash: String::new(), at: decision.source_at, modified_at: None, external_id: Bytes::new() };
        Ok(Planned {
            item: decision.item,
            data_type: decision.data_type,
            starts_at: decision.time.start,
            ends_at: decision.time.end,
            summary: sealed,
            plan: Some(Plan {
                version: decision.version,
                hash: operation.hash.clone(),
                by: by(of),
                state: ItemState::Planned,
                reason: String::new(),
                delete: decision.action == Action::Delete,
            }),
            seen: (is_change && decision.action != Action::Delete).then_some(forget),
        })
    }

    /// The event of the shadow with what is left of its decisions, now to be done.
    async fn resolved(
        &self,
        decided: Decided,
        kept: Vec<Operation>,
        mode: Mode,
    ) -> Result<Envelope<Resolved>, Unreachable> {
        let Decided { head, body, operations } = decided;
        let n_left = operations.len().saturating_sub(kept.len());
        let head = Head { mode, at: self.now(), ..head };
        let mut counts = Vec::new();
        if let (Some(first), true) = (operations.first(), n_left > 0) {
            let count = i64::try_from(n_left).unwrap_or(i64::MAX);
            let data_type = first.decision.data_type;
            counts.push(Count { data_type, fate: Fate::Skipped, reason: Some(Reason::Stale), count });
        }
        let decisions = Decisions { decisions: kept.into_iter().map(|it| it.decision).collect() };
        let n_operations = i32::try_from(decisions.decisions.len()).unwrap_or(i32::MAX);
        let sealed = self.contents.seal_value(&head, &decisions).await?;
        let body = Resolved { decisions: Some(sealed), operations: n_operations, counts, lane: Lane::Cold, ..body };
        Ok(Envelope { head, body })
    }
}

/// How an item stands when its operation is to be planned.
pub(super) enum Stands {
    /// As the shadow saw it.
    As,
    /// It was planned by this very event.
    Done,
    /// It has moved since.
    Moved,
}

/// The event of the shadow that planned, and its sync.
fn by(decided: &Decided) -> (EventId, SyncId) {
    (decided.head.cause, decided.head.sync)
}

/// The first event of a sync that was read long ago: it covers nothing, so that it moves no checkpoint.
pub(crate) fn replayed(source: Account, destinations: Vec<Destination>, fingerprint: String, head: &Head) -> Requested {
    Requested {
        source,
        data_type: None,
        destinations,
        cover: Cover::Delivered(Delivered { parts: Vec::new(), delivered_at: head.at }),
        reading: Reading::default(),
        trigger: Trigger::Replay,
        lane: Lane::Cold,
        expires_at: None,
        fingerprint,
    }
}
