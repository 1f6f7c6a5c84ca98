//! What one record comes to under one policy, given the row that it is.

use super::{
    Decided, Gone, Incoming, Join, Known, OnGone, Policy, RULE_VERSION, body_name,
    losses::{losses, told},
    place, rule_name, summary,
};
use crate::{
    item::{ItemKey, ItemRow, ItemState, Plan, Seen},
    provider::TypeProfile,
};
use schemas::{
    event::{Action, Candidate, Decision, Deletes, Fate, FieldChoice, Reason, Rule, Source},
    id::{ItemId, OpId},
    record::{Record, RecordState},
    time::Instant,
};

/// One record under one policy.
pub(super) struct Case<'a> {
    pub(super) policy: &'a Policy<'a>,
    pub(super) incoming: &'a Incoming,
    /// The latest deletion of the record that the person was asked about for this destination.
    pub(super) gone: Option<Gone>,
}

impl Case<'_> {
    fn can(&self) -> Option<&TypeProfile> {
        self.policy.types.iter().find(|it| it.data_type == self.incoming.record.data_type)
    }

    /// A record that led to this item before, or would become it.
    pub(super) fn of_known(&self, known: &Known) -> Decided {
        let (row, incoming) = (&known.row, self.incoming);
        if incoming.origin.as_ref().is_some_and(|it| incoming.source_at < it.source_at) {
            return self.skip(Some(row), Fate::Skipped, Reason::Stale, Vec::new());
        }
        if incoming.record.deleted {
            return self.of_gone(known);
        }
        if is_foreign(row) {
            return self.skip(Some(row), Fate::Skipped, Reason::Foreign, Vec::new());
        }
        if row.state == ItemState::Unknown {
            return self.skip(Some(row), Fate::Unknown, Reason::AnswerLost, Vec::new());
        }
        self.of_one_of_several(known, Vec::new())
    }

    /// A record of an item that may have other sources.
    fn of_one_of_several(&self, known: &Known, candidates: Vec<Candidate>) -> Decided {
        let (row, incoming) = (&known.row, self.incoming);
        let own = known.sources.iter().find(|it| place(it) == incoming.place());
        match &incoming.join {
            Join::Alone if row.key.item != incoming.item => {
                // What another source of the same thing says differently is no change of it.
                return self.same_content(known, candidates);
            }
            // It is in there already, as it is.
            Join::Alone if known.sources.len() > 1 && own.is_some_and(|it| it.hash == incoming.hash) => {
                return self.same_content(known, candidates);
            }
            // What the others said is no longer kept: by itself it would take theirs away.
            Join::Lost => return self.of_lost(known, candidates),
            Join::Alone | Join::With(_) => {}
        }
        if incoming.projected().is_err() {
            return self.skip(Some(row), Fate::Refused, Reason::NotWritable, candidates);
        }
        if row.planned_hash == incoming.hash() && !row.planned_delete {
            return self.same_content(known, candidates);
        }
        self.changed(known, candidates)
    }

    /// What the other sources said is no longer kept: nothing changes until they are read again.
    fn of_lost(&self, known: &Known, candidates: Vec<Candidate>) -> Decided {
        let is_in_it = known.sources.iter().any(|it| place(it) == self.incoming.place());
        let mut decided = if is_in_it || known.row.version >= known.row.planned_version {
            self.skip(Some(&known.row), Fate::Skipped, Reason::PayloadExpired, candidates)
        } else {
            self.same_content(known, candidates)
        };
        // The next reading of any of them is news, unchanged or not: so each is where it can be read again.
        let unread = |it: &Source| match &self.incoming {
            own if place(it) == own.place() && !own.record.deleted => own.source(self.policy),
            _ => it.clone(),
        };
        let sources: Vec<Source> =
            known.sources.iter().map(|it| Source { hash: String::new(), ..unread(it) }).collect();
        if decided.plan.is_none() && !self.policy.is_again && sources != known.sources {
            decided.noted = Some((known.summary.clone(), sources));
        }
        decided
    }

    /// The row was planned with this very content: done, or the same operation again.
    fn same_content(&self, known: &Known, candidates: Vec<Candidate>) -> Decided {
        let row = &known.row;
        let by_another = row.key.item != self.incoming.item;
        let is_in_it = known.sources.iter().any(|it| place(it) == self.incoming.place());
        let stands = if !by_another || is_in_it {
            Reason::Unchanged
        } else if self.policy.forbids(&self.incoming.record, &known.summary) {
            Reason::CombiningForbidden
        } else {
            Reason::Matched
        };
        let mut decided = match row.state {
            _ if row.version >= row.planned_version => self.skip(Some(row), Fate::Skipped, stands, candidates),
            ItemState::Handed => self.skip(Some(row), Fate::HandedOver, Reason::Unchanged, candidates),
            ItemState::Unknown => self.skip(Some(row), Fate::Unknown, Reason::AnswerLost, candidates),
            ItemState::Refused => self.skip(Some(row), Fate::Refused, reason_of(row), candidates),
            ItemState::Planned | ItemState::Sent | ItemState::Applied | ItemState::Ended => {
                let action = if row.planned_delete { Action::Delete } else { write_action(row) };
                self.operation(row.key.item, &row.key.partition.month, action, row.planned_version, candidates, None)
            }
        };
        if let Join::With(joined) = &self.incoming.join
            && joined.sources != known.sources
            && joined.hash == row.planned_hash
        {
            decided.noted = Some((known.summary.clone(), joined.sources.clone()));
        }
        decided
    }

    /// The source's content is not the one that was planned.
    fn changed(&self, known: &Known, candidates: Vec<Candidate>) -> Decided {
        let row = &known.row;
        if self.incoming.record.state == RecordState::Open && known.summary.state == RecordState::Final {
            // What may not be all of it (half a file, a score that is pending) never replaces what was complete.
            return self.skip(Some(row), Fate::Skipped, Reason::Stale, candidates);
        }
        if let Some(edited_at) = row.seen_modified_at {
            match self.policy.rule {
                Rule::PrioritiseSource => {}
                Rule::PrioritiseDestination => {
                    return self.skip(Some(row), Fate::Skipped, Reason::DestinationPreferred, candidates);
                }
                Rule::Newest if edited_at > self.changed_at() => {
                    return self.skip(Some(row), Fate::Skipped, Reason::DestinationNewer, candidates);
                }
                Rule::Newest => {}
            }
        }
        let action = if row.planned_delete { Action::Create } else { write_action(row) };
        let can = self.can();
        let possible = match action {
            Action::Update => can.is_some_and(|it| it.update.is_some()),
            _ => can.is_some_and(|it| it.create.is_some()),
        };
        if !possible {
            let reason = if action == Action::Update { Reason::CannotUpdate } else { Reason::NotWritable };
            // What a second source adds is refused to nobody: the thing is there.
            let is_in_it = known.sources.iter().any(|it| place(it) == self.incoming.place());
            let fate = if is_in_it || known.sources.is_empty() { Fate::Refused } else { Fate::Skipped };
            return self.skip(Some(row), fate, reason, candidates);
        }
        let version = row.planned_version + 1;
        let plan = self.plan(version, self.incoming.hash().to_owned(), false);
        // What is there now is not what will be there: the next look takes a new reading.
        let forget = Seen {
            hash: String::new(),
            at: self.incoming.source_at,
            modified_at: None,
            external_id: bytes::Bytes::new(),
        };
        let mut decided =
            self.operation(row.key.item, &row.key.partition.month, action, version, candidates, Some(plan));
        decided.seen = Some(forget);
        decided
    }

    /// When the source's content became what it is, as far as that is known.
    fn changed_at(&self) -> Instant {
        let is_untimed = self.incoming.record.origin.modified_at.is_none();
        if self.policy.is_again && is_untimed { Instant(i64::MIN) } else { self.incoming.source_at }
    }

    /// The source no longer has the record.
    pub(super) fn of_gone(&self, known: &Known) -> Decided {
        let row = &known.row;
        if is_foreign(row) {
            return self.skip(Some(row), Fate::Skipped, Reason::Foreign, Vec::new());
        }
        let is_in_it = known.sources.iter().any(|it| place(it) == self.incoming.place());
        let is_by_others = row.key.item != self.incoming.item || !known.sources.is_empty();
        if is_by_others && !is_in_it && !row.planned_delete {
            // Other sources still have it. That this one has not, was seen before.
            return self.skip(Some(row), Fate::Skipped, Reason::DeletionKept, Vec::new());
        }
        if row.planned_delete {
            return self.same_content(known, Vec::new());
        }
        if row.state == ItemState::Unknown {
            return self.skip(Some(row), Fate::Unknown, Reason::AnswerLost, Vec::new());
        }
        if self.policy.deletes == Deletes::Keep {
            return self.skip(Some(row), Fate::Skipped, Reason::DeletionKept, Vec::new());
        }
        if self.policy.deletes == Deletes::Ask
            && let Some(reason) = self.waits(row)
        {
            return self.skip(Some(row), Fate::Skipped, reason, Vec::new());
        }
        match &self.incoming.join {
            // Other sources still have it: what it was made of without this one.
            Join::With(joined) if joined.hash == row.planned_hash => return self.same_content(known, Vec::new()),
            Join::With(_) => return self.changed(known, Vec::new()),
            Join::Lost => return self.of_lost(known, Vec::new()),
            Join::Alone => {}
        }
        self.deleted(known)
    }

    /// Why our copy stays although the source no longer has the record, where the person is asked; `None` if it does not.
    fn waits(&self, row: &ItemRow) -> Option<Reason> {
        let is_alone = matches!(self.incoming.join, Join::Alone);
        // What never got there, and is not on its way, is nobody's loss.
        let may_be_there = row.version > 0 || !matches!(row.state, ItemState::Ended | ItemState::Refused);
        match self.gone {
            Some(Gone { over_at: Some(at), .. }) if self.incoming.source_at < at => Some(Reason::Stale),
            Some(Gone { over_at: None, said: Some(OnGone::Delete), .. }) => None,
            Some(Gone { over_at: None, said: Some(OnGone::Keep), .. }) => Some(Reason::DeletionKept),
            Some(Gone { over_at: None, said: None, .. }) => Some(Reason::InReview),
            // Where other sources still have it, nothing goes but what only this one said.
            Some(Gone { over_at: Some(_), .. }) | None => (is_alone && may_be_there).then_some(Reason::InReview),
        }
    }

    /// The item by itself, which the person said is another one: that one holds it.
    pub(super) fn of_left(&self, known: &Known) -> Decided {
        let mut decided = if known.row.state == ItemState::Unknown {
            self.skip(Some(&known.row), Fate::Unknown, Reason::AnswerLost, Vec::new())
        } else {
            self.deleted(known)
        };
        // The record leads to the other item from now on.
        decided.key = String::new();
        decided
    }

    fn deleted(&self, known: &Known) -> Decided {
        let row = &known.row;
        if self.can().is_none_or(|it| it.delete.is_none()) {
            return self.skip(Some(row), Fate::Refused, Reason::CannotDelete, Vec::new());
        }
        let version = row.planned_version + 1;
        let plan = self.plan(version, String::new(), true);
        let month = &row.key.partition.month;
        let mut decided = self.operation(row.key.item, month, Action::Delete, version, Vec::new(), Some(plan));
        // A tombstone does not know when the record was.
        decided.decision.time = known.summary.time.clone();
        decided
    }

    /// A record that is new to us but fits one that is there.
    pub(super) fn of_match(&self, known: &Known, candidates: Vec<Candidate>) -> Decided {
        let row = &known.row;
        if is_foreign(row) {
            return self.skip(Some(row), Fate::Skipped, Reason::Foreign, candidates);
        }
        if row.state == ItemState::Unknown {
            return self.skip(Some(row), Fate::Unknown, Reason::AnswerLost, candidates);
        }
        // A second source of the same run: it is already on its way, or there.
        self.of_one_of_several(known, candidates)
    }

    /// A record that is new to us and to the destination.
    pub(super) fn of_new(&self, item: ItemId, month: &str) -> Decided {
        let possible = self.incoming.projected().is_ok() && self.can().is_some_and(|it| it.create.is_some());
        if !possible {
            return self.skip(None, Fate::Refused, Reason::NotWritable, Vec::new());
        }
        let plan = self.plan(1, self.incoming.hash().to_owned(), false);
        self.operation(item, month, Action::Create, 1, Vec::new(), Some(plan))
    }

    fn plan(&self, version: i64, hash: String, delete: bool) -> Plan {
        Plan { version, hash, by: self.policy.by, state: ItemState::Planned, reason: String::new(), delete }
    }

    pub(super) fn planned_row(&self, item: ItemId, month: &str, plan: &Plan) -> Known {
        let record = self.incoming.projected().as_ref().unwrap_or(&self.incoming.record);
        let partition = crate::item::Partition {
            subject: schemas::id::Subject(String::new()),
            destination: self.policy.destination,
            month: month.into(),
        };
        let mut row = ItemRow::new(ItemKey { partition, item }, record.data_type, &record.time);
        set_plan(&mut row, plan);
        Known { row, summary: summary(record), sources: self.sources() }
    }

    pub(super) fn skip(
        &self,
        row: Option<&ItemRow>,
        fate: Fate,
        reason: Reason,
        candidates: Vec<Candidate>,
    ) -> Decided {
        let (item, month, version) = row.map_or_else(
            || (self.incoming.item, self.incoming.month.clone(), 0),
            |it| (it.key.item, it.key.partition.month.clone(), it.planned_version),
        );
        let mut decision = self.decision(item, &month, Action::Skip, version, candidates);
        decision.reason = Some(reason);
        Decided { decision, plan: None, seen: None, fate: Some(fate), key: self.incoming.key.clone(), noted: None }
    }

    fn operation(
        &self,
        item: ItemId,
        month: &str,
        action: Action,
        version: i64,
        candidates: Vec<Candidate>,
        plan: Option<Plan>,
    ) -> Decided {
        let mut decision = self.decision(item, month, action, version, candidates);
        decision.op = Some(OpId::derived(self.policy.destination, item, version));
        if action != Action::Delete {
            // A projection drops what the destination cannot hold, not whether the source has said all.
            let state = self.incoming.record.state;
            decision.record = self.incoming.projected().clone().ok().map(|it| Record { state, ..it });
            decision.fields = self.fields(decision.record.as_ref());
            decision.sources = self.sources();
            decision.lost = self.lost(decision.record.as_ref());
            if let (Join::With(_), Some(record)) = (&self.incoming.join, &decision.record) {
                decision.time = record.time.clone();
            }
        }
        Decided { decision, plan, seen: None, fate: None, key: self.incoming.key.clone(), noted: None }
    }

    /// Which source won each field: the only one gives the record as a whole.
    fn fields(&self, record: Option<&Record>) -> Vec<FieldChoice> {
        if let Join::With(joined) = &self.incoming.join {
            return joined.fields.clone();
        }
        let choice = |it: &Record| FieldChoice {
            field: body_name(&it.body).into(),
            provider: self.policy.source.into(),
            connection: Some(self.incoming.connection),
            record: self.incoming.record.origin.record.clone(),
            device: self.incoming.record.origin.device.clone(),
            rule: String::from("only_source"),
            ..FieldChoice::default()
        };
        record.map(choice).into_iter().collect()
    }

    /// What the destination cannot hold of what the sources say.
    fn lost(&self, to_be: Option<&Record>) -> Vec<String> {
        match (&self.incoming.join, to_be) {
            (Join::With(joined), _) => joined.lost.clone(),
            (Join::Alone | Join::Lost, Some(to_be)) => told(&losses(&self.incoming.record, to_be)),
            (Join::Alone | Join::Lost, None) => Vec::new(),
        }
    }

    fn sources(&self) -> Vec<Source> {
        match &self.incoming.join {
            Join::With(joined) => joined.sources.clone(),
            Join::Alone | Join::Lost => vec![self.incoming.source(self.policy)],
        }
    }

    fn decision(
        &self,
        item: ItemId,
        month: &str,
        action: Action,
        version: i64,
        candidates: Vec<Candidate>,
    ) -> Decision {
        let incoming = self.incoming;
        Decision {
            item,
            month: month.into(),
            data_type: incoming.record.data_type,
            action,
            version,
            op: None,
            reason: None,
            rule: rule_name(self.policy.rule).into(),
            rule_version: RULE_VERSION,
            candidates,
            fields: Vec::new(),
            origin_record: incoming.record.origin.record.clone(),
            source_at: incoming.source_at,
            time: incoming.record.time.clone(),
            record: None,
            sources: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// Whether the record there is somebody else's: seen but never planned, or found as the duplicate of what we sent.
pub(crate) fn is_foreign(row: &ItemRow) -> bool {
    row.planned_version == 0 || (row.version > 0 && !row.owned && !row.external_id.is_empty())
}

fn write_action(row: &ItemRow) -> Action {
    if row.version == 0 || row.external_id.is_empty() { Action::Create } else { Action::Update }
}

fn reason_of(row: &ItemRow) -> Reason {
    serde_json::from_value(serde_json::Value::String(row.reason.clone())).unwrap_or(Reason::ProviderRefused)
}

pub(super) fn set_plan(row: &mut ItemRow, plan: &Plan) {
    row.planned_version = plan.version;
    row.planned_hash.clone_from(&plan.hash);
    row.planned_by = Some(plan.by);
    row.planned_delete = plan.delete;
    row.state = plan.state;
}
