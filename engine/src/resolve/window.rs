//! What is known of the destination around a page, and which of it each record of the page is.

use super::{
    Answers, Decided, Gone, Incoming, Known, OnGone, Policy,
    candidates::{self, Matches},
    case::{Case, is_foreign, set_plan},
    gone_id,
    matching::View,
    place,
    sleep::is_part,
    summary,
};
use schemas::{
    data_type::DataType,
    event::{Candidate, Fate, Reason, Source, Verdict},
    id::ItemId,
    record::Record,
    time::Instant,
};
use std::{collections::HashSet, sync::OnceLock};
use uuid::Uuid;

/// What is known of the destination in the window of a page.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub(super) known: Vec<Known>,
    /// Of each of them what the matcher looks at, once it was looked at.
    views: Vec<OnceLock<View>>,
    answers: Answers,
}

/// The other sources of the thing that a record is.
#[derive(Clone, Debug)]
pub struct Others {
    /// Their records, in the order in which they came.
    pub sources: Vec<Source>,
    /// Which place among them is the record's own.
    pub at: usize,
}

/// Which known record an incoming one is.
enum Found {
    /// It led to this row before, or would become it.
    Led(usize),
    /// It fits this one, which it never led to.
    Fits(usize, Vec<Candidate>),
    /// It may be one of these: only the person can tell.
    Doubtful(Vec<Candidate>),
    /// None; the row that it led to was not found, if `true`.
    None(bool),
}

impl Window {
    /// A window of these rows.
    #[must_use]
    pub fn new(known: Vec<Known>) -> Self {
        let views = vec![OnceLock::new(); known.len()];
        Self { known, views, answers: Answers::default() }
    }

    /// The same, where the person has said this.
    #[must_use]
    pub fn with_answers(self, answers: Answers) -> Self {
        Self { answers, ..self }
    }

    /// The other sources of the thing that a record is, if the decision rests on their contents too; none if it was one
    /// of several and is now the only one.
    #[must_use]
    pub fn others(&self, policy: &Policy<'_>, incoming: &Incoming) -> Option<Others> {
        if incoming.echo {
            return None;
        }
        let (index, fits) = match self.find(policy, incoming) {
            Found::Led(index) => (index, false),
            Found::Fits(index, _) => (index, true),
            Found::Doubtful(_) | Found::None(_) => return None,
        };
        let known = &self.known[index];
        if is_foreign(&known.row) || known.sources.is_empty() || known.row.planned_delete {
            return None;
        }
        let at = known.sources.iter().position(|it| place(it) == incoming.place());
        let own = at.map(|it| &known.sources[it]);
        let rest: Vec<Source> = known
            .sources
            .iter()
            .filter(|it| place(it) != incoming.place())
            .filter(|it| !self.answers.are_different(place(it), incoming.place()))
            .filter(|it| !incoming.record.deleted || !self.is_gone(policy, it))
            .cloned()
            .collect();
        let is_held = known.row.version >= known.row.planned_version;
        let is_wanted = match own {
            Some(own) if known.sources.len() < 2 => own.hash.is_empty(),
            Some(_) if incoming.record.deleted => !rest.is_empty(),
            Some(own) => own.hash != incoming.hash || rest.len() + 1 != known.sources.len() || !is_held,
            None => {
                let joins = fits || known.row.key.item != incoming.item;
                joins && !incoming.record.deleted && policy.combines(&incoming.record, &known.summary)
            }
        };
        let at = at.unwrap_or(rest.len());
        is_wanted.then_some(Others { sources: rest, at })
    }

    /// Whether a source's record is gone, and the person has not said that what we have of it stays: then it is none
    /// of those that keep an item.
    fn is_gone(&self, policy: &Policy<'_>, source: &Source) -> bool {
        let gone = self.answers.gone(policy.destination, place(source));
        gone.is_some_and(|it| it.over_at.is_none() && it.said != Some(OnGone::Keep))
    }

    /// Decides about one record of the source.
    pub fn decide(&mut self, policy: &Policy<'_>, incoming: &Incoming) -> Decided {
        let it = self.case(policy, incoming);
        if incoming.echo {
            return it.skip(None, Fate::Skipped, Reason::Echo, Vec::new());
        }
        match self.find(policy, incoming) {
            Found::Led(index) => {
                let decided = it.of_known(&self.known[index]);
                self.apply(index, &decided);
                decided
            }
            Found::Fits(index, candidates) => {
                let decided = it.of_match(&self.known[index], candidates);
                self.apply(index, &decided);
                decided
            }
            Found::Doubtful(candidates) => it.skip(None, Fate::Skipped, Reason::InReview, candidates),
            Found::None(_) if incoming.record.deleted => it.skip(None, Fate::Skipped, Reason::NotFound, Vec::new()),
            Found::None(is_lost) => {
                // A record whose row was not found stays the item that it led to.
                let led_to = incoming.origin.as_ref().filter(|_| is_lost);
                let (item, month) =
                    led_to.map_or((incoming.item, &incoming.month), |origin| (origin.item, &origin.month));
                let decided = it.of_new(item, month);
                if let Some(plan) = &decided.plan {
                    self.known.push(it.planned_row(item, month, plan));
                    self.views.push(OnceLock::new());
                }
                decided
            }
        }
    }

    /// Decides about a record that the source no longer has: its window was read completely, and it was not there.
    pub fn decide_gone(&mut self, policy: &Policy<'_>, incoming: &Incoming) -> Option<Decided> {
        let index = self.position(incoming.item)?;
        let decided = self.case(policy, incoming).of_gone(&self.known[index]);
        self.apply(index, &decided);
        Some(decided)
    }

    /// Decides about the item that a record was by itself before the person said that it is the same as another, or that
    /// one came to be a sleep that it is a part of: that one holds it now.
    pub fn decide_left(&mut self, policy: &Policy<'_>, incoming: &Incoming) -> Option<Decided> {
        let index = self.position(incoming.item)?;
        let known = &self.known[index];
        let is_alone = known.sources.len() < 2 && known.row.planned_version > 0 && !known.row.planned_delete;
        if !is_alone || is_foreign(&known.row) || incoming.echo || incoming.record.deleted {
            return None;
        }
        // The other one is made of this record already, because the person said so, or as a part of that sleep.
        let holds = |it: &Known| {
            let (own, others): (Vec<_>, Vec<_>) =
                it.sources.iter().cloned().partition(|it| place(it) == incoming.place());
            !own.is_empty()
                && match self.answers.of(incoming.place(), &others) {
                    Some(said) => said == Verdict::Same,
                    None => self.is_one_sleep(policy, incoming, it),
                }
        };
        self.known.iter().enumerate().find(|(other, it)| *other != index && !it.row.planned_delete && holds(it))?;
        let decided = self.case(policy, incoming).of_left(&self.known[index]);
        self.apply(index, &decided);
        Some(decided)
    }

    /// Decides again about an item of one or more sources, because what others count of its time has changed.
    pub fn decide_again(&mut self, policy: &Policy<'_>, incoming: &Incoming) -> Option<Decided> {
        let index = self.position(incoming.item)?;
        let decided = self.case(policy, incoming).of_known(&self.known[index]);
        self.apply(index, &decided);
        Some(decided)
    }

    /// All rows of the window, with what was decided about them so far.
    #[must_use]
    pub fn rows(&self) -> &[Known] {
        &self.known
    }

    /// What the person has said.
    #[must_use]
    pub const fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The questions about deletions that there is nothing to ask about any more: a page that was read then shows the
    /// record again, or its item is being deleted for another reason before anything was said.
    #[must_use]
    pub fn over(&self, policy: &Policy<'_>, incoming: &[Incoming], read_at: Instant) -> Vec<Uuid> {
        let shown: HashSet<Uuid> = match self.answers.all_gone().next() {
            Some(_) => {
                // What was read out of the log again is not shown by this page.
                let there = incoming.iter().filter(|it| !it.record.deleted && it.read_in.is_none());
                there.map(|it| gone_id(policy.destination, it.place())).collect()
            }
            None => HashSet::new(),
        };
        let is_over = |(id, gone): &(Uuid, Gone)| {
            let is_deleted = || self.get(gone.item).is_some_and(|it| it.row.planned_delete);
            (read_at > gone.at && shown.contains(id)) || (gone.said.is_none() && is_deleted())
        };
        let mut over: Vec<Uuid> = self.answers.all_gone().filter(is_over).map(|it| it.0).collect();
        over.sort_unstable();
        over
    }

    /// A row of the window.
    #[must_use]
    pub fn get(&self, item: ItemId) -> Option<&Known> {
        self.position(item).map(|index| &self.known[index])
    }

    pub(super) fn case<'a>(&self, policy: &'a Policy<'a>, incoming: &'a Incoming) -> Case<'a> {
        Case { policy, incoming, gone: self.answers.gone(policy.destination, incoming.place()) }
    }

    pub(super) fn position(&self, item: ItemId) -> Option<usize> {
        self.known.iter().position(|it| it.row.key.item == item)
    }

    fn find(&self, policy: &Policy<'_>, incoming: &Incoming) -> Found {
        let by_origin = incoming.origin.as_ref().and_then(|origin| self.position(origin.item));
        let by_itself = self.position(incoming.item);
        let is_it = |index: &usize| {
            let has_left = self.is_apart(*index, incoming) || self.is_other_sleep(*index, incoming);
            !self.hides_nothing(*index, incoming) && !has_left
        };
        let led = by_origin.into_iter().chain(by_itself).find(is_it);
        let said = self.said_to_be(policy, incoming);
        match (led, said) {
            // Of two items that are one thing, the one of the lower id stays: whoever looks agrees.
            (Some(led), Some(said)) if self.known[said].row.key.item < self.known[led].row.key.item => {
                return Found::Led(said);
            }
            (Some(led), _) => return Found::Led(led),
            (None, Some(said)) if !incoming.record.deleted => return Found::Fits(said, Vec::new()),
            (None, _) => {}
        }
        if incoming.record.deleted {
            return Found::None(by_origin.is_none());
        }
        let may_be_it = |index: usize| {
            let known = &self.known[index];
            !self.hides_nothing(index, incoming)
                && !is_another_sleep(incoming, known)
                && self.answers.of(incoming.place(), &known.sources) != Some(Verdict::Different)
        };
        let Matches { best, candidates } = candidates::matches(&self.known, &self.views, &incoming.record, may_be_it);
        match best {
            Some((index, Verdict::Same)) => Found::Fits(index, candidates),
            Some((_, Verdict::Ask)) if policy.asks => Found::Doubtful(candidates),
            _ => Found::None(by_origin.is_none()),
        }
    }

    /// A foreign record that is gone from the destination hides nothing, nor does another record's item that was
    /// deleted there.
    fn hides_nothing(&self, index: usize, incoming: &Incoming) -> bool {
        let known = &self.known[index];
        known.is_gone() || (known.row.planned_delete && known.row.key.item != incoming.item)
    }

    /// Whether the person took a record out of this item. Its own item it keeps: the other source leaves that.
    fn is_apart(&self, index: usize, incoming: &Incoming) -> bool {
        let known = &self.known[index];
        known.row.key.item != incoming.item
            && self.answers.of(incoming.place(), &known.sources) == Some(Verdict::Different)
    }

    /// Whether an item that another record began no longer holds the sleep that this one is: what both were parts of is
    /// gone.
    fn is_other_sleep(&self, index: usize, incoming: &Incoming) -> bool {
        let (known, record) = (&self.known[index], &incoming.record);
        let is_sleep = record.data_type == DataType::Sleep && !record.deleted;
        let held = &known.summary.time;
        is_sleep
            && known.row.key.item != incoming.item
            && (record.time.end <= held.start || held.end <= record.time.start)
    }

    /// Whether a record is a part of the sleep that an item is, or the other way round, and the two are to be combined.
    /// Where they are not, half of a night would hide the whole one: then the person is asked.
    fn is_one_sleep(&self, policy: &Policy<'_>, incoming: &Incoming, known: &Known) -> bool {
        let length = |it: &Record| it.time.end.0.saturating_sub(it.time.start.0);
        is_part(&incoming.record, &known.summary)
            && if is_foreign(&known.row) {
                length(&incoming.record) < length(&known.summary) && self.position(incoming.item).is_none()
            } else {
                policy.combines(&incoming.record, &known.summary)
            }
    }

    /// The item that the person said this record is, or of whose sleep it is a part.
    fn said_to_be(&self, policy: &Policy<'_>, incoming: &Incoming) -> Option<usize> {
        let is_it = |(index, known): &(usize, &Known)| {
            !self.hides_nothing(*index, incoming)
                && known.sources.iter().all(|it| place(it) != incoming.place())
                && match self.answers.of(incoming.place(), &known.sources) {
                    Some(said) => said == Verdict::Same,
                    None => self.is_one_sleep(policy, incoming, known),
                }
        };
        self.known.iter().enumerate().filter(is_it).min_by_key(|(_, it)| it.row.key.item).map(|(index, _)| index)
    }

    /// A later record of the page sees what was decided for an earlier one.
    fn apply(&mut self, index: usize, decided: &Decided) {
        let known = &mut self.known[index];
        if let Some((_, sources)) = &decided.noted {
            known.sources.clone_from(sources);
        }
        if let Some(plan) = &decided.plan {
            set_plan(&mut known.row, plan);
            if let Some(record) = &decided.decision.record {
                known.summary = summary(record);
                self.views[index] = OnceLock::new();
                known.sources.clone_from(&decided.decision.sources);
            }
        }
    }
}

/// Whether it is another sleep of the account that an item is of: one account does not tell of a sleep twice, hours apart,
/// as two do of which one is in another time zone.
fn is_another_sleep(incoming: &Incoming, known: &Known) -> bool {
    let (one, other) = (&incoming.record.time, &known.summary.time);
    let is_apart = one.end <= other.start || other.end <= one.start;
    incoming.record.data_type == DataType::Sleep
        && is_apart
        && known.sources.iter().any(|it| it.connection == incoming.connection)
}
