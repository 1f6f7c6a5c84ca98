//! Questions that only the person can answer: whether two records are one thing, and (`gone`) whether what was written of a
//! record goes, too, now that its source no longer has it. What they say is heard for that pair, or that deletion, alone,
//! until they say otherwise.
//!
//! An answer is noted first, then the two records are resolved again, out of the events that hold them: no provider is
//! asked. Taking a record apart is answering a question that was never asked.

mod gone;
#[cfg(test)]
mod tests;

pub use gone::Deletion;

use crate::{
    bus::Unreachable,
    item::{ItemKey, Partition},
    people::People,
    replay::Replays,
    resolve::{OnGone, kept, pair_id, place},
    sources::Sources,
    stage::logged,
};
use schemas::{
    data_type::DataType,
    event::{Envelope, Evidence, Head, Lane, Normalized, Requested, Source, Trigger, Verdict},
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    record::{Body, Record, Records},
    time::Instant,
    topics,
    workout::Streams,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

const KIND: &str = "review";

/// A question whether two records are one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Its id: that of the pair.
    pub id: Uuid,
    /// What the records are about.
    pub data_type: DataType,
    /// The destination at which they met first.
    pub destination: ConnectionId,
    /// The item there that the second one is, or was, part of.
    pub item: ItemId,
    /// The two records.
    pub sides: [Side; 2],
    /// How well they fit, 0 to 1.
    pub score: f64,
    /// What speaks for and against it.
    pub evidence: Vec<Evidence>,
    /// When it was asked.
    pub asked_at: Instant,
    /// What the person said; absent until they do.
    pub verdict: Option<Verdict>,
    /// When they said it last.
    pub answered_at: Option<Instant>,
}

/// A question that only the person can answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Whether two records are one thing.
    SameRecord(Box<Review>),
    /// Whether our copy of a record goes, too, now that its source no longer has it.
    Delete(Box<Deletion>),
}

impl From<Review> for Question {
    fn from(it: Review) -> Self {
        Self::SameRecord(Box::new(it))
    }
}

impl From<Deletion> for Question {
    fn from(it: Deletion) -> Self {
        Self::Delete(Box::new(it))
    }
}

/// What the person may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Two records are one thing.
    Same,
    /// They are not.
    Different,
    /// Our copy of a record that is gone goes, too.
    Delete,
    /// It stays.
    Keep,
}

impl Answer {
    /// What was said of a pair.
    #[must_use]
    pub const fn of_pair(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Same => Some(Self::Same),
            Verdict::Different => Some(Self::Different),
            Verdict::Ask => None,
        }
    }
}

impl From<OnGone> for Answer {
    fn from(it: OnGone) -> Self {
        match it {
            OnGone::Delete => Self::Delete,
            OnGone::Keep => Self::Keep,
        }
    }
}

/// A record that a question is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Where it is.
    pub source: Source,
    /// It, without samples.
    pub record: Record,
}

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// There is no such question or record.
    #[error("{0}")]
    NotFound(String),
    /// What is asked for cannot be: says why, and what would.
    #[error("{0}")]
    Impossible(String),
    /// One of our own servers is out of reach.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// A record as a question tells of it: without laps and samples.
#[must_use]
pub fn told(record: &Record) -> Record {
    let mut short = record.clone();
    if let Body::Workout(workout) = &mut short.body {
        workout.laps.clear();
        workout.streams = Streams::default();
    }
    short
}

impl People {
    /// All questions of a person, answered or not, but for the withdrawn ones.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn questions(&self, subject: &Subject) -> Result<Vec<Question>, Unreachable> {
        let pairs = self.reviews(subject).await?.into_iter().map(Question::from);
        let gone = self.deletions(subject).await?.into_iter().filter(|it| it.over_at.is_none());
        Ok(pairs.chain(gone.map(Question::from)).collect())
    }

    /// All questions of a person whether two records are one thing, answered or not, by id.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub(crate) async fn reviews(&self, subject: &Subject) -> Result<Vec<Review>, Unreachable> {
        self.list(subject, KIND).await
    }

    /// Asks. A question that stands is not asked again, but tells of the records as they are now.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub(crate) async fn ask(&self, subject: &Subject, review: &Review) -> Result<(), Unreachable> {
        loop {
            let stands = self.review(subject, review.id).await?;
            let (version, asked_at) = match stands {
                Some((_, it)) if it.verdict.is_some() || is_told_the_same(&it, review) => return Ok(()),
                Some((version, it)) => (version, it.asked_at),
                None => (0, review.asked_at),
            };
            let review = Review { asked_at, ..review.clone() };
            if self.put(subject, KIND, &review.id.to_string(), version, &review, &[]).await? {
                return Ok(());
            }
        }
    }

    async fn review(&self, subject: &Subject, id: Uuid) -> Result<Option<(i64, Review)>, Unreachable> {
        self.get(subject, KIND, &id.to_string()).await
    }
}

fn not_found(id: Uuid) -> ReviewError {
    ReviewError::NotFound(format!("no question {id}; `GET /v1/reviews` lists those there are"))
}

fn is_told_the_same(one: &Review, other: &Review) -> bool {
    let hashes = |it: &Review| it.sides.clone().map(|it| it.source.hash);
    hashes(one) == hashes(other)
}

/// What an answer led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The questions as they stand now.
    pub reviews: Vec<Question>,
    /// The syncs in which the records are resolved again.
    pub syncs: Vec<SyncId>,
}

impl Replays {
    /// Notes what the person says, and resolves the records that it is about again. The same answer again changes nothing.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn answer(
        &self,
        subject: &Subject,
        id: Uuid,
        answer: Answer,
        who: &str,
    ) -> Result<Answered, ReviewError> {
        let pair = self.accounts.people.review(subject, id).await?;
        let wrong = |what: &str| Err(ReviewError::Impossible(what.into()));
        let (review, verdict) = match (pair, answer) {
            (Some((_, review)), Answer::Same) => (review, Verdict::Same),
            (Some((_, review)), Answer::Different) => (review, Verdict::Different),
            (Some(_), _) => {
                return wrong("the question is whether two records are one thing: say `same` or `different`");
            }
            (None, Answer::Delete) => return self.answer_of_gone(subject, id, OnGone::Delete, who).await,
            (None, Answer::Keep) => return self.answer_of_gone(subject, id, OnGone::Keep, who).await,
            (None, _) if self.accounts.people.is_of_gone(subject, id).await? => {
                return wrong("the question is whether what is there of a record goes, too: say `delete` or `keep`");
            }
            (None, _) => return Err(not_found(id)),
        };
        let review = self.say(subject, review, verdict, who).await?;
        let sources: Vec<Source> = review.sides.iter().map(|it| it.source.clone()).collect();
        let syncs = self.resolve_again(subject, &[&review], &sources).await?;
        Ok(Answered { reviews: vec![review.into()], syncs })
    }

    /// Takes an item of several sources apart: the record of `connection`, or every one but the first. What was taken
    /// apart stays so until the person answers the question otherwise.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn split(
        &self,
        subject: &Subject,
        item: ItemId,
        connection: Option<ConnectionId>,
        who: &str,
    ) -> Result<Answered, ReviewError> {
        let rows = self.runner.store.items.find(subject, item).await?;
        let Some(row) = rows.into_iter().next() else {
            return Err(ReviewError::NotFound(format!("no record {item}")));
        };
        let opened = self.contents.open_row(subject, &item.to_string(), &row.summary).await?;
        let Some((record, sources)) = opened.and_then(|it| kept(&it)) else {
            return Err(ReviewError::Impossible(format!("what the record {item} is made of is no longer kept")));
        };
        if sources.len() < 2 {
            return Err(ReviewError::Impossible(format!(
                "the record {item} has one source only: nothing to take apart"
            )));
        }
        let leaving: Vec<&Source> = match connection {
            None => sources.iter().skip(1).collect(),
            Some(it) => sources.iter().filter(|source| source.connection == it).collect(),
        };
        if leaving.is_empty() {
            let has: Vec<_> = sources.iter().map(|it| it.connection.to_string()).collect();
            let has = has.join(", ");
            return Err(ReviewError::Impossible(format!(
                "the record {item} is made of records of {has}, not of that one"
            )));
        }
        let destination = row.key.partition.destination;
        let means = (&self.contents, &self.accounts.people);
        let mut opened = Sources::new(&*self.runner.store.log, means, subject, destination);
        let mut records = HashMap::new();
        for it in &sources {
            // What a source had may no longer be kept: then the question tells of what it was part of.
            let had = opened.record(it).await?.unwrap_or_else(|| record.clone());
            records.insert(place(it), told(&had));
        }
        let mut reviews = Vec::new();
        for out in &leaving {
            for stays in sources.iter().filter(|it| place(it) != place(out)) {
                let side = |it: &Source| Side { source: it.clone(), record: records[&place(it)].clone() };
                let review = self.never_asked((destination, item), [side(out), side(stays)]);
                let review = self.accounts.people.review(subject, review.id).await?.map_or(review, |it| it.1);
                reviews.push(self.say(subject, review, Verdict::Different, who).await?);
            }
        }
        let all: Vec<&Review> = reviews.iter().collect();
        let syncs = self.resolve_again(subject, &all, &sources).await?;
        Ok(Answered { reviews: reviews.into_iter().map(Question::from).collect(), syncs })
    }

    fn never_asked(&self, (destination, item): (ConnectionId, ItemId), sides: [Side; 2]) -> Review {
        let [out, stays] = &sides;
        Review {
            id: pair_id(place(&out.source), place(&stays.source)),
            data_type: out.record.data_type,
            destination,
            item,
            sides,
            score: 1.0,
            evidence: Vec::new(),
            asked_at: self.accounts.people.clock.now(),
            verdict: None,
            answered_at: None,
        }
    }

    /// Notes an answer: in the person's audit first, then in the question.
    async fn say(
        &self,
        subject: &Subject,
        mut review: Review,
        verdict: Verdict,
        who: &str,
    ) -> Result<Review, Unreachable> {
        let id = review.id.to_string();
        loop {
            let stands = self.accounts.people.review(subject, review.id).await?;
            let version = stands.as_ref().map_or(0, |it| it.0);
            if let Some((_, stands)) = stands {
                if stands.verdict == Some(verdict) {
                    return Ok(stands);
                }
                review = stands;
            }
            let said = if verdict == Verdict::Same { "same" } else { "different" };
            self.audit.note_of(subject, who, "review answer", format!("{id}: {said}")).await?;
            review.verdict = Some(verdict);
            review.answered_at = Some(self.accounts.people.clock.now());
            if self.accounts.people.put(subject, KIND, &id, version, &review, &[]).await? {
                return Ok(review);
            }
        }
    }

    /// Resolves records again, out of the events that hold them, each as a sync of its own. Under the same answers
    /// that is done once, however often it is asked for.
    async fn resolve_again(
        &self,
        subject: &Subject,
        reviews: &[&Review],
        sources: &[Source],
    ) -> Result<Vec<SyncId>, Unreachable> {
        let answers: Vec<_> = reviews.iter().map(|it| format!("{}/{:?}", it.id, it.answered_at)).collect();
        let occasion = format!("review/{}", answers.join("/"));
        // What the destination itself has is no source's record: only the other one is decided again.
        let is_there = |it: &&Source| reviews.iter().any(|review| review.destination == it.connection);
        let mut syncs = Vec::new();
        let Some(destination) = reviews.first().map(|it| it.destination) else { return Ok(syncs) };
        for source in sources.iter().filter(|it| !is_there(it)) {
            let (source, read_at) = self.latest(subject, destination, source).await?;
            let Some(logged) = self.runner.store.log.event(subject, source.sync, source.event).await? else {
                continue;
            };
            let old = logged.event::<Normalized>()?;
            let opened = self.contents.open_value::<Records>(subject, &old.body.records).await?;
            let found = opened.and_then(|it| it.records.into_iter().rfind(|it| it.origin.record == source.record));
            let Some(record) = found else { continue };
            let mut old = old;
            old.body.fetched_at = read_at.map_or(old.body.fetched_at, |it| it.max(old.body.fetched_at));
            syncs.push(self.again(subject, &old, record, &occasion).await?);
        }
        Ok(syncs)
    }

    /// The source as the row of the item that it leads to now has it, and when it was last seen as that: since the
    /// question was asked it may have changed, or been read again.
    async fn latest(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        source: &Source,
    ) -> Result<(Source, Option<Instant>), Unreachable> {
        let items = &self.runner.store.items;
        let keys = [source.key.clone()];
        let Some(origin) = items.origins(subject, source.connection, destination, &keys).await?.pop().flatten() else {
            return Ok((source.clone(), None));
        };
        let partition = Partition { subject: subject.clone(), destination, month: origin.month };
        let row = items.get(&ItemKey { partition, item: origin.item }).await?;
        let opened = match &row {
            Some(row) => self.contents.open_row(subject, &origin.item.to_string(), &row.summary).await?,
            None => None,
        };
        let sources = opened.and_then(|it| kept(&it)).map(|it| it.1).unwrap_or_default();
        let found = sources.into_iter().find(|it| place(it) == place(source));
        Ok((found.unwrap_or_else(|| source.clone()), Some(origin.source_at)))
    }

    async fn again(
        &self,
        subject: &Subject,
        old: &Envelope<Normalized>,
        record: Record,
        occasion: &str,
    ) -> Result<SyncId, Unreachable> {
        let sync = SyncId::under(old.head.sync, &format!("{occasion}/{}", record.origin.record));
        let root = Head::root(sync, subject.clone(), self.accounts.people.clock.now());
        let fingerprint = String::from("an answer of the person");
        let begun = crate::replay::replayed(old.body.source.clone(), old.body.destinations.clone(), fingerprint, &root);
        let first = Requested { trigger: Trigger::Manual, lane: Lane::Hot, ..begun };
        let head = Head { id: EventId::derived(root.id, occasion, 0), cause: root.id, ..root.clone() };
        let records = self.contents.seal_value(&head, &Records { records: vec![record] }).await?;
        let (counts, issues) = (Vec::new(), Vec::new());
        let body =
            Normalized { records, counts, issues, window: None, last: false, lane: Lane::Hot, ..old.body.clone() };
        let page = logged(&Envelope { head, body }, topics::normalized(Lane::Hot).name);
        self.publish(&Envelope { head: root, body: first }, vec![page]).await?;
        Ok(sync)
    }
}
