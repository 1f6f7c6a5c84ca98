//! What is to happen at a destination because of a page: pure, no await, no clock.
//!
//! [`Window`] is what is known of the destination; [`Window::decide`] takes the source's records one after the other,
//! each seeing what was decided before it, so that two records of one run in one page are one item.

mod candidates;
mod matching;

pub use matching::{
    Evidence, MATCH_VERSION, Match, Verdict, compare, groups, is_candidate, is_session, print, summary,
};

use crate::{
    item::{ItemKey, ItemRow, ItemState, Origin, Plan, Seen},
    provider::TypeProfile,
};
use candidates::Matches;
use schemas::{
    event::{Action, Candidate, Decision, Deletes, Fate, FieldChoice, Reason, Rule},
    id::{EventId, ItemId, OpId, SyncId},
    record::{Body, Record, RecordState},
    time::Instant,
};

/// Version of these rules; raised when a decision would come out differently.
pub const RULE_VERSION: i32 = 2;

/// A row of the destination with its summary opened.
#[derive(Clone, Debug)]
pub struct Known {
    /// The row.
    pub row: ItemRow,
    /// The record without samples.
    pub summary: Record,
}

impl Known {
    /// Whether it was a foreign record that the destination no longer has.
    fn is_gone(&self) -> bool {
        self.row.planned_version == 0 && self.row.seen_hash.is_empty()
    }
}

/// A record of the source, with what the shell found out about it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The record as the mapper gave it.
    pub record: Record,
    /// Keyed hash of its id at the source.
    pub key: String,
    /// What the destination can hold of it, or why nothing.
    pub projected: Result<Record, String>,
    /// Keyed hash of the content of `projected`.
    pub hash: String,
    /// The provider's modified time, else when the page was read.
    pub source_at: Instant,
    /// The item that it led to before.
    pub origin: Option<Origin>,
    /// Whether it is our own copy, read back.
    pub echo: bool,
    /// The item it would become by itself: derived from its id at the source.
    pub item: ItemId,
    /// The month that item's row would be kept in.
    pub month: String,
}

/// By what a page is decided.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The config's rule.
    pub rule: Rule,
    /// The config's word on deletions.
    pub deletes: Deletes,
    /// What the destination can do, per type.
    pub types: &'a [TypeProfile],
    /// The source's provider.
    pub source: &'a str,
    /// Whether an old page is looked at once more, in a shadow: when it was read says nothing of when it changed.
    pub is_again: bool,
    /// The event that is being resolved, and its sync.
    pub by: (EventId, SyncId),
    /// The destination.
    pub destination: schemas::id::ConnectionId,
}

/// A decision, what it plans and what it counts as.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// The plan, if it is a new one.
    pub plan: Option<Plan>,
    /// What to forget or note of what was seen there.
    pub seen: Option<Seen>,
    /// What it counts as; absent for an operation, which its outcome counts.
    pub fate: Option<Fate>,
    /// Which record of the page it is about (keyed hash of its id), to be noted as leading to the item.
    pub key: String,
}

/// What is known of the destination in the window of a page.
#[derive(Clone, Debug, Default)]
pub struct Window {
    known: Vec<Known>,
}

impl Window {
    /// A window of these rows.
    #[must_use]
    pub fn new(known: Vec<Known>) -> Self {
        Self { known }
    }

    /// Decides about one record of the source.
    pub fn decide(&mut self, policy: &Policy<'_>, incoming: &Incoming) -> Decided {
        let it = Case { policy, incoming };
        if incoming.echo {
            return it.skip(None, Fate::Skipped, Reason::Echo, Vec::new());
        }
        let by_origin = incoming.origin.as_ref().and_then(|origin| self.position(origin.item));
        let found = by_origin.into_iter().chain(self.position(incoming.item));
        if let Some(index) = found.into_iter().find(|index| !self.hides_nothing(*index, incoming)) {
            let decided = it.of_known(&self.known[index]);
            self.apply(index, &decided, incoming);
            return decided;
        }
        if incoming.record.deleted {
            return it.skip(None, Fate::Skipped, Reason::NotFound, Vec::new());
        }
        // What a person would be asked about is a record of its own until somebody says otherwise.
        let hides = |index: usize| !self.hides_nothing(index, incoming);
        let Matches { best, candidates, asks: _ } = candidates::matches(&self.known, &incoming.record, hides);
        if let Some(index) = best {
            let decided = it.of_match(&self.known[index], candidates);
            self.apply(index, &decided, incoming);
            return decided;
        }
        // A record whose row was not found stays the item that it led to.
        let led_to = incoming.origin.as_ref().filter(|_| by_origin.is_none());
        let (item, month) = led_to.map_or((incoming.item, &incoming.month), |origin| (origin.item, &origin.month));
        let decided = it.of_new(item, month);
        if let Some(plan) = &decided.plan {
            self.known.push(it.planned_row(item, month, plan));
        }
        decided
    }

    /// Decides about a record that the source no longer has: its window was read completely, and it was not there.
    pub fn decide_gone(&mut self, policy: &Policy<'_>, incoming: &Incoming) -> Option<Decided> {
        let index = self.position(incoming.item)?;
        let decided = Case { policy, incoming }.of_gone(&self.known[index]);
        self.apply(index, &decided, incoming);
        Some(decided)
    }

    fn position(&self, item: ItemId) -> Option<usize> {
        self.known.iter().position(|it| it.row.key.item == item)
    }

    /// A foreign record that is gone from the destination hides nothing, nor does another record's item that was
    /// deleted there.
    fn hides_nothing(&self, index: usize, incoming: &Incoming) -> bool {
        let known = &self.known[index];
        known.is_gone() || (known.row.planned_delete && known.row.key.item != incoming.item)
    }

    /// A later record of the page sees what was decided for an earlier one.
    fn apply(&mut self, index: usize, decided: &Decided, incoming: &Incoming) {
        if let Some(plan) = &decided.plan {
            let known = &mut self.known[index];
            set_plan(&mut known.row, plan);
            if let Ok(record) = &incoming.projected {
                known.summary = summary(record);
            }
        }
    }
}

fn set_plan(row: &mut ItemRow, plan: &Plan) {
    row.planned_version = plan.version;
    row.planned_hash.clone_from(&plan.hash);
    row.planned_by = Some(plan.by);
    row.planned_delete = plan.delete;
    row.state = plan.state;
}

/// One record under one policy.
struct Case<'a> {
    policy: &'a Policy<'a>,
    incoming: &'a Incoming,
}

impl Case<'_> {
    fn can(&self) -> Option<&TypeProfile> {
        self.policy.types.iter().find(|it| it.data_type == self.incoming.record.data_type)
    }

    /// A record that led to this item before, or would become it.
    fn of_known(&self, known: &Known) -> Decided {
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
        if row.key.item != incoming.item {
            // Another source of the same thing: what it says differently is no change of it.
            return self.same_content(row, Vec::new());
        }
        if incoming.projected.is_err() {
            return self.skip(Some(row), Fate::Refused, Reason::NotWritable, Vec::new());
        }
        if row.planned_hash == incoming.hash && !row.planned_delete {
            return self.same_content(row, Vec::new());
        }
        self.changed(known)
    }

    /// The row was planned with this very content: done, or the same operation again.
    fn same_content(&self, row: &ItemRow, candidates: Vec<Candidate>) -> Decided {
        let by_another = row.key.item != self.incoming.item;
        match row.state {
            // The record that it was planned with is in this very page.
            _ if by_another && row.planned_by == Some(self.policy.by) => {
                self.skip(Some(row), Fate::Skipped, Reason::Unchanged, candidates)
            }
            _ if row.version >= row.planned_version => {
                self.skip(Some(row), Fate::Skipped, Reason::Unchanged, candidates)
            }
            ItemState::Handed => self.skip(Some(row), Fate::HandedOver, Reason::Unchanged, candidates),
            ItemState::Unknown => self.skip(Some(row), Fate::Unknown, Reason::AnswerLost, candidates),
            ItemState::Refused => self.skip(Some(row), Fate::Refused, reason_of(row), candidates),
            ItemState::Planned | ItemState::Sent | ItemState::Applied | ItemState::Ended => {
                let action = if row.planned_delete { Action::Delete } else { write_action(row) };
                self.operation(row.key.item, &row.key.partition.month, action, row.planned_version, candidates, None)
            }
        }
    }

    /// The source's content is not the one that was planned.
    fn changed(&self, known: &Known) -> Decided {
        let row = &known.row;
        if self.incoming.record.state == RecordState::Open && known.summary.state == RecordState::Final {
            // What may not be all of it (half a file, a score that is pending) never replaces what was complete.
            return self.skip(Some(row), Fate::Skipped, Reason::Stale, Vec::new());
        }
        if let Some(edited_at) = row.seen_modified_at {
            match self.policy.rule {
                Rule::PrioritiseSource => {}
                Rule::PrioritiseDestination => {
                    return self.skip(Some(row), Fate::Skipped, Reason::DestinationPreferred, Vec::new());
                }
                Rule::Newest if edited_at > self.changed_at() => {
                    return self.skip(Some(row), Fate::Skipped, Reason::DestinationNewer, Vec::new());
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
            return self.skip(Some(row), Fate::Refused, reason, Vec::new());
        }
        let version = row.planned_version + 1;
        let plan = self.plan(version, self.incoming.hash.clone(), false);
        // What is there now is not what will be there: the next look takes a new reading.
        let forget = Seen {
            hash: String::new(),
            at: self.incoming.source_at,
            modified_at: None,
            external_id: bytes::Bytes::new(),
        };
        let mut decided =
            self.operation(row.key.item, &row.key.partition.month, action, version, Vec::new(), Some(plan));
        decided.seen = Some(forget);
        decided
    }

    /// When the source's content became what it is, as far as that is known.
    fn changed_at(&self) -> Instant {
        let is_untimed = self.incoming.record.origin.modified_at.is_none();
        if self.policy.is_again && is_untimed { Instant(i64::MIN) } else { self.incoming.source_at }
    }

    /// The source no longer has the record.
    fn of_gone(&self, known: &Known) -> Decided {
        let row = &known.row;
        if is_foreign(row) {
            return self.skip(Some(row), Fate::Skipped, Reason::Foreign, Vec::new());
        }
        if row.key.item != self.incoming.item {
            // It is another source's item, which still has it.
            return self.skip(Some(row), Fate::Skipped, Reason::DeletionKept, Vec::new());
        }
        if row.planned_delete {
            return self.same_content(row, Vec::new());
        }
        if row.state == ItemState::Unknown {
            return self.skip(Some(row), Fate::Unknown, Reason::AnswerLost, Vec::new());
        }
        if self.policy.deletes == Deletes::Keep {
            return self.skip(Some(row), Fate::Skipped, Reason::DeletionKept, Vec::new());
        }
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
    fn of_match(&self, known: &Known, candidates: Vec<Candidate>) -> Decided {
        let row = &known.row;
        if is_foreign(row) {
            return self.skip(Some(row), Fate::Skipped, Reason::Foreign, candidates);
        }
        // A second source of the same run: it is already on its way, or there.
        self.same_content(row, candidates)
    }

    /// A record that is new to us and to the destination.
    fn of_new(&self, item: ItemId, month: &str) -> Decided {
        let possible = self.incoming.projected.is_ok() && self.can().is_some_and(|it| it.create.is_some());
        if !possible {
            return self.skip(None, Fate::Refused, Reason::NotWritable, Vec::new());
        }
        let plan = self.plan(1, self.incoming.hash.clone(), false);
        self.operation(item, month, Action::Create, 1, Vec::new(), Some(plan))
    }

    fn plan(&self, version: i64, hash: String, delete: bool) -> Plan {
        Plan { version, hash, by: self.policy.by, state: ItemState::Planned, reason: String::new(), delete }
    }

    fn planned_row(&self, item: ItemId, month: &str, plan: &Plan) -> Known {
        let record = self.incoming.projected.as_ref().unwrap_or(&self.incoming.record);
        let partition = crate::item::Partition {
            subject: schemas::id::Subject(String::new()),
            destination: self.policy.destination,
            month: month.into(),
        };
        let mut row = ItemRow::new(ItemKey { partition, item }, record.data_type, &record.time);
        set_plan(&mut row, plan);
        Known { row, summary: summary(record) }
    }

    fn skip(&self, row: Option<&ItemRow>, fate: Fate, reason: Reason, candidates: Vec<Candidate>) -> Decided {
        let (item, month, version) = row.map_or_else(
            || (self.incoming.item, self.incoming.month.clone(), 0),
            |it| (it.key.item, it.key.partition.month.clone(), it.planned_version),
        );
        let mut decision = self.decision(item, &month, Action::Skip, version, candidates);
        decision.reason = Some(reason);
        Decided { decision, plan: None, seen: None, fate: Some(fate), key: self.incoming.key.clone() }
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
            decision.record = self.incoming.projected.clone().ok().map(|it| Record { state, ..it });
            decision.fields = self.fields(decision.record.as_ref());
        }
        Decided { decision, plan, seen: None, fate: None, key: self.incoming.key.clone() }
    }

    /// Which source won each field: for now one source gives a record as a whole.
    fn fields(&self, record: Option<&Record>) -> Vec<FieldChoice> {
        record
            .map(|it| FieldChoice { field: body_name(&it.body).into(), provider: self.policy.source.into() })
            .into_iter()
            .collect()
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
        }
    }
}

/// Whether the record there is somebody else's: seen but never planned, or found as the duplicate of what we sent.
fn is_foreign(row: &ItemRow) -> bool {
    row.planned_version == 0 || (row.version > 0 && !row.owned && !row.external_id.is_empty())
}

fn write_action(row: &ItemRow) -> Action {
    if row.version == 0 || row.external_id.is_empty() { Action::Create } else { Action::Update }
}

fn reason_of(row: &ItemRow) -> Reason {
    serde_json::from_value(serde_json::Value::String(row.reason.clone())).unwrap_or(Reason::ProviderRefused)
}

/// The stable name of a rule.
#[must_use]
pub const fn rule_name(rule: Rule) -> &'static str {
    match rule {
        Rule::PrioritiseSource => "prioritise_source",
        Rule::PrioritiseDestination => "prioritise_destination",
        Rule::Newest => "newest",
    }
}

/// The kind of a body, as it is named in JSON.
#[must_use]
pub const fn body_name(body: &Body) -> &'static str {
    match body {
        Body::Nothing(_) => "nothing",
        Body::Quantity(_) => "quantity",
        Body::Series(_) => "series",
        Body::Workout(_) => "workout",
        Body::Sleep(_) => "sleep",
        Body::BloodPressure(_) => "blood_pressure",
        Body::Nutrition(_) => "nutrition",
        Body::Entity(_) => "entity",
    }
}

#[cfg(test)]
mod tests;
