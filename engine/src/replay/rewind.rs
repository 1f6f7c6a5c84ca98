//! Rewinds: what was written to one destination is brought back to a moment.
//!
//! What stood then is read from the log (`history.rs`), each item as it held it at the time; what differs is planned as
//! a new version and goes the ordinary way, as a repair does. The configs that write there are paused first, so that no
//! sync undoes it.

mod history;

use self::history::{Opened, Past, Then};
use super::{
    Left, PlanError, Repaired, Replays,
    overlay::Base,
    plan::{Decided, Operation, Part, PartKey},
    shadow::verb_of,
};
use crate::{
    bus::Unreachable,
    item::{ItemKey, ItemRow, ItemState, Partition},
    provider::TypeProfile,
    resolve::RULE_VERSION,
};
use schemas::{
    event::{Action, Decision, Destination, Head, Mode, Reason, Resolved, Side},
    id::{ConfigId, ConnectionId, EventId, OpId, Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const KIND: &str = "rewind";
/// The most operations of one sync of a rewind.
const PART_MAX: usize = 100;

/// What a rewind does, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewound {
    /// How many records are made, changed and deleted: `create`, `update`, `delete`.
    pub operations: BTreeMap<String, u64>,
    /// The configs that wrote there: they are paused.
    pub paused: Vec<ConfigId>,
    /// What stays as it is although it stood otherwise, and why.
    pub left: Vec<Left>,
    /// What was done; `None` of a dry run.
    pub done: Option<Repaired>,
}

/// A rewind on its way: given again, it goes on with this plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Underway {
    /// What its plan is kept as.
    name: String,
    rewound: Rewound,
    is_over: bool,
}

/// An operation, and what it is said in.
struct Step {
    source: Resolved,
    operation: Operation,
}

/// Why an item stays as it is.
const EDITED: &str = "edited_there";
const UNDER_WAY: &str = "under_way";
const NOT_KEPT: &str = "not_kept";

impl Replays {
    /// Brings what was written to a destination back to a moment, or only says what that would take. Only what is ours
    /// is touched, and nothing that the person has edited there since. Doing it twice is doing it once.
    ///
    /// # Errors
    /// [`PlanError`].
    pub async fn rewind(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        to: Instant,
        (is_dry, who): (bool, &str),
    ) -> Result<Rewound, PlanError> {
        if to >= self.now() {
            return Err(PlanError::Impossible("a rewind goes to a moment that is over; name an earlier one".into()));
        }
        let found = self.people().connection(subject, destination).await?;
        let missing = || PlanError::NotFound(format!("no connection {destination}"));
        let (_, connection) = found.ok_or_else(missing)?;
        if is_dry {
            return Ok(self.rewinding(subject, (destination, &connection.provider), to).await?.0);
        }
        let lease = format!("rewind/{}/{destination}", subject.0);
        let Some(mut running) = self.claim(&lease).await? else {
            return Err(PlanError::Impossible("a rewind of this connection is under way; wait for it".into()));
        };
        self.audit.note_of(subject, who, "rewind", format!("{destination} to {to}")).await?;
        let work = self.rewind_now(subject, (destination, &connection.provider), to, who);
        let done = running.during(Box::pin(work)).await;
        running.end().await;
        done.ok_or_else(|| Unreachable("another process has taken this rewind over".into()))?
    }

    async fn rewind_now(
        &self,
        subject: &Subject,
        (destination, provider): (ConnectionId, &str),
        to: Instant,
        who: &str,
    ) -> Result<Rewound, PlanError> {
        // No sync is to write there from now on, nor undo it later.
        let paused = self.pause(subject, destination).await?;
        let id = format!("{destination}/{to}");
        let stands = self.people().get::<Underway>(subject, KIND, &id).await?;
        let (version, mut underway) = match stands {
            Some((version, underway)) if !underway.is_over => (version, underway),
            stands => {
                let (rewound, steps) = self.rewinding(subject, (destination, provider), to).await?;
                let version = stands.map_or(0, |it| it.0);
                let name = format!("rewind-{destination}-{}-{version}", to.0);
                self.keep_steps(subject, &name, steps).await?;
                let underway = Underway { name, rewound, is_over: false };
                if !self.people().put(subject, KIND, &id, version, &underway, &[]).await? {
                    return Err(Unreachable("this rewind was changed meanwhile".into()).into());
                }
                (version + 1, underway)
            }
        };
        underway.rewound.paused = paused;
        let mut done = Repaired { by: who.into(), at: self.now(), ..Repaired::default() };
        for (_, key) in self.parts(&underway.name).await? {
            let Some(part) = self.part(&underway.name, subject, key).await? else { continue };
            self.apply(subject, key.1, part, (Mode::Live, &mut done)).await?;
        }
        underway.rewound.left.append(&mut done.left);
        underway.rewound.done = Some(done);
        underway.is_over = true;
        self.people().put(subject, KIND, &id, version, &underway, &[]).await?;
        self.forget_parts(&underway.name).await?;
        Ok(underway.rewound)
    }

    /// Pauses the configs that write to a connection; all that are paused then.
    async fn pause(&self, subject: &Subject, destination: ConnectionId) -> Result<Vec<ConfigId>, Unreachable> {
        let mut paused = Vec::new();
        for config in self.people().configs(subject).await?.into_iter().filter(|it| it.destination == destination) {
            while let Some((version, mut stands)) = self.people().config(subject, config.id).await? {
                let was_enabled = std::mem::replace(&mut stands.enabled, false);
                if !was_enabled || self.people().put_config(subject, version, &stands).await? {
                    paused.push(config.id);
                    break;
                }
            }
        }
        Ok(paused)
    }

    async fn keep_steps(&self, subject: &Subject, name: &str, steps: Vec<Step>) -> Result<(), Unreachable> {
        self.forget_parts(name).await?;
        for (number, steps) in (0..).zip(chunks(steps)) {
            let root = SyncId::under(SyncId(uuid::Uuid::nil()), &format!("{}/{name}/{number}", subject.0));
            let key: PartKey = (number, root);
            let cause = EventId::root(root);
            let mut decided: Vec<Decided> = Vec::new();
            for Step { source, operation } in steps {
                let same = decided.iter_mut().find(|it| it.body.source == source.source);
                if let Some(same) = same {
                    same.operations.push(operation);
                    continue;
                }
                let id = EventId::derived(cause, "rewind", decided.len());
                let (subject, at, mode) = (subject.clone(), self.now(), Mode::Live);
                let head = Head { id, cause, sync: root, subject, at, mode };
                decided.push(Decided { head, body: source, operations: vec![operation] });
            }
            self.put_part(name, subject, key, &Part { decided, ..Part::default() }).await?;
        }
        Ok(())
    }

    /// What a rewind takes, decided from the log and the rows as they are.
    async fn rewinding(
        &self,
        subject: &Subject,
        (destination, provider): (ConnectionId, &str),
        to: Instant,
    ) -> Result<(Rewound, Vec<Step>), Unreachable> {
        let (mut rewound, mut steps) = (Rewound::default(), Vec::new());
        let configs = self.people().configs(subject).await?;
        rewound.paused = configs.into_iter().filter(|it| it.destination == destination).map(|it| it.id).collect();
        let mut opened = Opened::new(self, subject);
        for (item, past) in self.past_of(subject, destination).await? {
            // What was last written before then stands as it did.
            if past.now().is_none_or(|it| it.at <= to) {
                continue;
            }
            let partition = Partition { subject: subject.clone(), destination, month: past.month.clone() };
            let Some(row) = self.runner.store.items.get(&ItemKey { partition, item }).await? else { continue };
            let can = self.accounts.catalog.get(provider).and_then(|it| it.profile().of(row.data_type)).copied();
            match self.back(&mut opened, (&row, &past), to, can).await? {
                Ok(Some(step)) => {
                    let verb = verb_of(step.operation.decision.action).to_owned();
                    *rewound.operations.entry(verb).or_default() += 1;
                    steps.push(step);
                }
                Ok(None) => {}
                Err(reason) => rewound.left.push(Left { subject: subject.clone(), destination, item, reason }),
            }
        }
        Ok((rewound, steps))
    }

    /// How an item is brought back; none if it is as it was, or why it cannot be.
    async fn back(
        &self,
        opened: &mut Opened<'_>,
        (row, past): (&ItemRow, &Past),
        to: Instant,
        can: Option<TypeProfile>,
    ) -> Result<Result<Option<Step>, String>, Unreachable> {
        let item = row.key.item;
        let (then, Some(now)) = (past.at(to), past.now()) else { return Ok(Ok(None)) };
        let wanted = match then {
            Then::NotKept => return Ok(Err(NOT_KEPT.into())),
            Then::Nothing if now.is_gone => return Ok(Ok(None)),
            Then::Nothing => None,
            Then::Version(version) => {
                let hash = past.held.iter().rfind(|it| it.version == version).map(|it| it.hash.as_str());
                if !now.is_gone && hash == Some(now.hash.as_str()) {
                    return Ok(Ok(None));
                }
                Some(version)
            }
        };
        if let Some(reason) = stands_in_the_way(row, now.version) {
            return Ok(Err(reason));
        }
        let action = match wanted {
            None => Action::Delete,
            Some(_) if now.is_gone => Action::Create,
            Some(_) => Action::Update,
        };
        let (possible, reason) = match action {
            Action::Delete => (can.and_then(|it| it.delete), Reason::CannotDelete),
            Action::Update => (can.and_then(|it| it.update), Reason::CannotUpdate),
            Action::Create | Action::Skip => (can.and_then(|it| it.create), Reason::NotWritable),
        };
        if possible.is_none() {
            return Ok(Err(reason.code()));
        }
        let Some(at) = past.decided.get(&wanted.unwrap_or(now.version)).copied() else {
            return Ok(Err(NOT_KEPT.into()));
        };
        let Some((source, decision)) = opened.decision(at, item).await? else { return Ok(Err(NOT_KEPT.into())) };
        if action != Action::Delete && decision.record.is_none() {
            return Ok(Err(NOT_KEPT.into()));
        }
        Ok(Ok(Some(self.step(row, source, decision, action).await?)))
    }

    /// The next version of an item, with the content of an earlier one.
    async fn step(
        &self,
        row: &ItemRow,
        source: Resolved,
        decision: Decision,
        action: Action,
    ) -> Result<Step, Unreachable> {
        let Partition { subject, destination, .. } = &row.key.partition;
        let (version, from) = (row.planned_version + 1, source.source.connection);
        let key = [self.contents.origin_key(subject, from, &decision.origin_record).await?];
        let origin = self.runner.store.items.origins(subject, from, *destination, &key).await?.pop().flatten();
        let is_gone = action == Action::Delete;
        let decision = Decision {
            month: row.key.partition.month.clone(),
            action,
            version,
            op: Some(OpId::derived(*destination, row.key.item, version)),
            rule: "rewind".into(),
            rule_version: RULE_VERSION,
            candidates: Vec::new(),
            // No state of the source that was seen already is taken for news.
            source_at: origin.map_or(decision.source_at, |it| it.source_at.max(decision.source_at)),
            record: decision.record.filter(|_| !is_gone),
            sources: if is_gone { Vec::new() } else { decision.sources },
            fields: if is_gone { Vec::new() } else { decision.fields },
            ..decision
        };
        let hash = match &decision.record {
            Some(record) => self.contents.vault.keyed_hash(subject, "content", &record.content()).await?,
            None => String::new(),
        };
        let operation = Operation { decision, hash, base: Some(Base::of(row)), is_new: true };
        // Of no config: those that write there are paused.
        let of = Destination { config: None, config_version: 0, ..source.destination };
        let (decisions, counts, expires_at) = (None, Vec::new(), None);
        let source =
            Resolved { side: Side::Source, destination: of, decisions, counts, expires_at, operations: 0, ..source };
        Ok(Step { source, operation })
    }
}

/// Why nothing may be done with an item that was last seen to hold this version.
fn stands_in_the_way(row: &ItemRow, version: i64) -> Option<String> {
    if row.state == ItemState::Unknown {
        return Some(Reason::AnswerLost.code());
    }
    if row.version != version || row.planned_version > row.version && row.state != ItemState::Ended {
        return Some(UNDER_WAY.into());
    }
    if !row.owned && !row.planned_delete {
        return Some(Reason::Foreign.code());
    }
    row.seen_modified_at.filter(|_| !row.planned_delete).map(|_| EDITED.into())
}

fn chunks(mut steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    while steps.len() > PART_MAX {
        let rest = steps.split_off(PART_MAX);
        all.push(std::mem::replace(&mut steps, rest));
    }
    if !steps.is_empty() {
        all.push(steps);
    }
    all
}
