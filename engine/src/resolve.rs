//! What is to happen at a destination because of a page: pure, no await, no clock.
//!
//! [`Window`] is what is known of the destination; [`Window::decide`] takes the source's records one after the other,
//! each seeing what was decided before it, so that two records of one run in one page are one item.

mod answers;
mod candidates;
mod case;
mod counts;
pub mod entity;
mod kept;
pub mod losses;
mod matching;
mod merge;
pub mod policy;
pub mod series;
pub mod sleep;
mod window;

pub use answers::{Answers, Gone, OnGone, Place, gone_id, pair_id, place};
pub(crate) use case::is_foreign;
pub use counts::{Counted, Counts, is_cut};
pub use kept::{keep, kept};
pub use matching::{
    Evidence, MATCH_VERSION, Match, Verdict, compare, groups, is_candidate, is_session, print, summary,
};
pub use merge::{Combine, Lineage, MERGE_VERSION, MergePolicy, Merged, Part, Prefer, merge};
pub use window::{Others, Window};

use crate::{
    item::{ItemRow, Origin, Plan, Seen},
    provider::TypeProfile,
};
use schemas::{
    event::{Action, Decision, Deletes, Fate, FieldChoice, Reason, Rule, Source},
    id::{ConnectionId, EventId, ItemId, SyncId},
    record::{Body, Record},
    time::Instant,
};
use std::collections::BTreeMap;

/// Version of these rules; raised when a decision would come out differently.
pub const RULE_VERSION: i32 = 3;

/// A row of the destination with its summary opened.
#[derive(Clone, Debug)]
pub struct Known {
    /// The row.
    pub row: ItemRow,
    /// The record without samples.
    pub summary: Record,
    /// The sources' records that it was made of, the one that it began with first; of a foreign one, itself.
    pub sources: Vec<Source>,
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
    /// The connection that it was read from.
    pub connection: ConnectionId,
    /// What it comes to together with the other sources of its item.
    pub join: Join,
    /// Where it was read, if that is not the page that is decided about.
    pub read_in: Option<Source>,
}

/// What a record comes to together with the other sources of its item.
#[derive(Clone, Debug, Default)]
pub enum Join {
    /// It is the only source, or nothing is news.
    #[default]
    Alone,
    /// This.
    With(Box<Joined>),
    /// What another source said is no longer kept.
    Lost,
}

/// What several sources' records come to.
#[derive(Clone, Debug)]
pub struct Joined {
    /// What the destination can hold of it, or why nothing.
    pub projected: Result<Record, String>,
    /// Keyed hash of the content of `projected`.
    pub hash: String,
    /// The sources' records, the one that the item began with first.
    pub sources: Vec<Source>,
    /// Which of them won each field and stretch.
    pub fields: Vec<FieldChoice>,
    /// What of it the destination cannot hold, by field, each with why.
    pub lost: Vec<String>,
}

impl Incoming {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        (self.connection, &self.key)
    }

    /// What the destination is to hold.
    fn projected(&self) -> &Result<Record, String> {
        if let Join::With(joined) = &self.join { &joined.projected } else { &self.projected }
    }

    /// Keyed hash of that.
    fn hash(&self) -> &str {
        if let Join::With(joined) = &self.join { &joined.hash } else { &self.hash }
    }

    /// It, as a decision tells of it.
    #[must_use]
    pub fn source(&self, policy: &Policy<'_>) -> Source {
        if let Some(read_in) = &self.read_in {
            return read_in.clone();
        }
        Source {
            connection: self.connection,
            provider: policy.source.to_owned(),
            record: self.record.origin.record.clone(),
            key: self.key.clone(),
            // What a replay maps anew is in no event of the log: the next reading says where it is.
            hash: if policy.is_again { String::new() } else { self.hash.clone() },
            source_at: self.source_at,
            sync: policy.by.1,
            event: policy.by.0,
        }
    }
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
    pub destination: ConnectionId,
    /// Whether records of several sources are combined.
    pub combines: bool,
    /// Whether the person is asked where only they can tell.
    pub asks: bool,
}

impl Policy<'_> {
    /// Whether these two, which are the same thing, are to be combined.
    fn combines(&self, record: &Record, known: &Record) -> bool {
        self.combines && is_joined(record) && !self.forbids(record, known)
    }

    /// Whether the terms of a source forbid to combine them.
    fn forbids(&self, record: &Record, known: &Record) -> bool {
        is_joined(record) && (record.policy.no_combining || known.policy.no_combining)
    }
}

/// Whether more than one source may add to a record of this kind: of a single reading there is nothing to join.
fn is_joined(record: &Record) -> bool {
    is_session(record.data_type) || matches!(record.body, Body::Series(_)) || merge::is_counted(record)
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
    /// What the row is to keep although nothing is planned: the sources are not those that it names.
    pub noted: Option<(Record, Vec<Source>)>,
}

/// Of the operations on one item that a page leads to, one goes out: the last version, which holds what those before it
/// would have brought. Their records are in it, or are the same.
pub fn one_operation_each(decided: &mut [Decided]) {
    let mut last: BTreeMap<ItemId, (i64, usize)> = BTreeMap::new();
    for (index, it) in decided.iter().enumerate().filter(|it| it.1.decision.op.is_some()) {
        let at = last.entry(it.decision.item).or_insert((it.decision.version, index));
        if it.decision.version > at.0 {
            *at = (it.decision.version, index);
        }
    }
    let is_before = |(index, it): &(usize, &mut Decided)| {
        it.decision.op.is_some() && last.get(&it.decision.item).is_some_and(|last| last.1 != *index)
    };
    for (_, it) in decided.iter_mut().enumerate().filter(is_before) {
        it.decision.action = Action::Skip;
        it.decision.reason = Some(Reason::Matched);
        it.decision.op = None;
        it.decision.record = None;
        (it.decision.fields, it.decision.sources, it.decision.lost) = (Vec::new(), Vec::new(), Vec::new());
        (it.plan, it.seen, it.fate) = (None, None, Some(Fate::Skipped));
    }
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
