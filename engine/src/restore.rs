//! After a loss in the store: rows are folded again from events, which come from the log or, where the log itself is
//! older than what was lost, from the bus.
//!
//! No stage may run meanwhile. Everything may be done twice: what stands and is newer is left alone. What events do
//! not hold stays lost: keys and tokens, connections, configs, consents, cancellations, large contents.

mod bus;
mod steps;

use crate::{
    bus::Unreachable,
    runner::Runner,
    stages::{Resolve, Settle, Write},
    store::{Log, Logged, StepKey},
};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::{
    codec::{self, DecodeError},
    event::{Envelope, Fetched, Head, Kind, Normalized, Outcome, Rejected, Requested, Resolved, Settled, Side},
    id::{EventId, ItemId, Subject, SyncId},
    time::{Instant, Interval},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

/// How many steps of the log are read at once.
const STEPS_MAX: usize = 1_000;
/// How many syncs are looked at at once.
const SYNCS_MAX: usize = 200;
/// How many people are worked on at the same time.
const PEOPLE_AT_ONCE: usize = 32;

/// Folds events into log and rows.
#[derive(Clone, Debug)]
pub struct Restore {
    /// Where events and rows are.
    pub runner: Runner,
    /// What plans rows and notes what was seen.
    pub resolve: Arc<Resolve>,
    /// What notes what a destination holds.
    pub write: Arc<Write>,
    /// What moves checkpoints.
    pub settle: Arc<Settle>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// Where the bus no longer has what was said since: one line each.
    pub gaps: Vec<String>,
}

impl Restored {
    fn add(&mut self, what: &'static str, count: usize) {
        if count > 0 {
            *self.counts.entry(what).or_default() += u64::try_from(count).unwrap_or(u64::MAX);
        }
    }

    fn join(&mut self, other: Self) {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.gaps.extend(other.gaps);
    }
}

/// The items whose rows this run has made: an older look may be folded into those, and into no others.
#[derive(Clone, Debug, Default)]
pub struct RowsMade(Arc<Mutex<HashSet<ItemId>>>);

impl RowsMade {
    pub(crate) fn add(&self, item: ItemId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
    }

    pub(crate) fn has(&self, item: ItemId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&item)
    }
}

/// An event and its head.
#[derive(Clone, Debug)]
struct Said {
    head: Head,
    logged: Logged,
}

impl Said {
    fn of(mut logged: Logged) -> Result<Self, DecodeError> {
        let head = head_of(&logged)?;
        logged.id = head.id;
        Ok(Self { head, logged })
    }

    const fn kind(&self) -> Kind {
        self.logged.topic.kind
    }
}

fn head_of(logged: &Logged) -> Result<Head, DecodeError> {
    let bytes = &logged.bytes;
    Ok(match logged.topic.kind {
        Kind::Requested => codec::decode::<Envelope<Requested>>(bytes)?.head,
        Kind::Fetched => codec::decode::<Envelope<Fetched>>(bytes)?.head,
        Kind::Normalized => codec::decode::<Envelope<Normalized>>(bytes)?.head,
        Kind::Resolved => codec::decode::<Envelope<Resolved>>(bytes)?.head,
        Kind::Outcome => codec::decode::<Envelope<Outcome>>(bytes)?.head,
        Kind::Settled => codec::decode::<Envelope<Settled>>(bytes)?.head,
        Kind::Rejected => codec::decode::<Envelope<Rejected>>(bytes)?.head,
        Kind::Analytics => codec::decode::<Envelope<schemas::event::Analytics>>(bytes)?.head,
    })
}

/// Where an event is looked up by its id: among those at hand, then in the log.
struct Past<'a> {
    at_hand: HashMap<EventId, &'a Said>,
    log: &'a dyn Log,
}

impl<'a> Past<'a> {
    fn new(said: &'a [Said], log: &'a dyn Log) -> Self {
        Self { at_hand: said.iter().map(|it| (it.head.id, it)).collect(), log }
    }

    async fn event(&self, subject: &Subject, sync: SyncId, id: EventId) -> Result<Option<Logged>, Unreachable> {
        match self.at_hand.get(&id) {
            Some(said) => Ok(Some(said.logged.clone())),
            None => self.log.event(subject, sync, id).await,
        }
    }
}

impl Restore {
    /// Makes the rows of items, origins and checkpoints again that the log tells of and that are not there.
    ///
    /// # Errors
    /// When the store cannot be reached; giving the command again goes on.
    pub async fn rebuild(&self) -> Result<Restored, Unreachable> {
        let ever = Interval { from: Instant(i64::MIN), to: Instant(i64::MAX) };
        let (mut restored, made, mut after) = (self.mark().await?, RowsMade::default(), None);
        let log = &*self.runner.store.log;
        loop {
            let page = log.scan(ever, None, after, STEPS_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            let keys: Vec<StepKey> = page.into_iter().map(|it| it.1).collect();
            let mut said = Vec::new();
            for step in log.recall(&keys).await?.into_iter().flatten() {
                restored.add("steps read", 1);
                for output in step.outputs {
                    match Said::of(output) {
                        Ok(it) => said.push(it),
                        Err(_) => restored.add("events that this build cannot read", 1),
                    }
                }
            }
            restored.join(self.fold(&said, &made).await?);
        }
        restored.add(UNDER_WAY, self.take_over_open(&mut HashSet::new()).await?);
        Ok(restored)
    }

    /// Catches a store up that was restored from a snapshot: what the bus holds since then goes into the log, the rows
    /// are folded from it, what may have been sent is to be looked for before it is sent again, and what waits for its
    /// stage is published again.
    ///
    /// # Errors
    /// When bus or store cannot be reached; giving the command again goes on.
    pub async fn catch_up(&self, since: Instant) -> Result<Restored, Unreachable> {
        let (mut restored, made, mut taken) = (self.mark().await?, RowsMade::default(), HashSet::new());
        for partition in 0..i32::try_from(schemas::topics::PARTITIONS).unwrap_or(i32::MAX) {
            let Some((said, gaps)) = self.said_since(partition, since).await? else {
                restored.gaps.push("this transport keeps nothing of its topics".into());
                break;
            };
            restored.gaps.extend(gaps);
            restored.add("events read", said.len());
            restored.add("steps put into the log", self.append(&said).await?);
            restored.join(self.fold(&said, &made).await?);
            restored.add(UNDER_WAY, self.take_over_unanswered(&said, &mut taken).await?);
        }
        restored.add(UNDER_WAY, self.take_over_open(&mut taken).await?);
        restored.add("events published again", self.runner.republish_open().await?);
        Ok(restored)
    }

    /// From now on, what no row tells of may nevertheless have been sent before.
    async fn mark(&self) -> Result<Restored, Unreachable> {
        self.write.standing.note_restored().await?;
        Ok(Restored::default())
    }

    /// Folds events into rows: those of a person in order, many people at once.
    async fn fold(&self, said: &[Said], made: &RowsMade) -> Result<Restored, Unreachable> {
        let past = Past::new(said, &*self.runner.store.log);
        let mut people: BTreeMap<&Subject, Vec<&Said>> = BTreeMap::new();
        for it in said {
            people.entry(&it.head.subject).or_default().push(it);
        }
        let past = &past;
        let folds = people.into_values().map(|of_one| async move {
            let mut restored = Restored::default();
            for it in of_one {
                self.fold_one(it, past, made, &mut restored).await?;
            }
            Ok::<_, Unreachable>(restored)
        });
        let folds: Vec<_> = folds.collect();
        let all: Vec<Restored> = stream::iter(folds).buffer_unordered(PEOPLE_AT_ONCE).try_collect().await?;
        let mut restored = Restored::default();
        all.into_iter().for_each(|it| restored.join(it));
        Ok(restored)
    }

    async fn fold_one(
        &self,
        said: &Said,
        past: &Past<'_>,
        made: &RowsMade,
        restored: &mut Restored,
    ) -> Result<(), Unreachable> {
        let (head, logged) = (&said.head, &said.logged);
        match said.kind() {
            Kind::Normalized => {
                let page = logged.event::<Normalized>()?;
                if page.body.side == Side::Destination {
                    let read = self.resolve.restate_look(&page, made).await?;
                    restored.add(if read { "looks at destinations" } else { UNREADABLE }, 1);
                }
            }
            Kind::Resolved => {
                let page = match past.event(&head.subject, head.sync, head.cause).await? {
                    Some(it) if it.topic.kind == Kind::Normalized => Some(it.event::<Normalized>()?),
                    _ => None,
                };
                match self.resolve.restate(&logged.event()?, page.as_ref(), made).await? {
                    Some(n_rows) => restored.add("items planned", n_rows),
                    None => restored.add(UNREADABLE, 1),
                }
            }
            Kind::Outcome => match self.write.restate(&logged.event()?, made).await? {
                Some(n_rows) => restored.add("items held", n_rows),
                None => restored.add(UNREADABLE, 1),
            },
            Kind::Settled => restored.add("checkpoints", self.settle.restate(head).await?),
            Kind::Requested | Kind::Fetched | Kind::Rejected | Kind::Analytics => {}
        }
        Ok(())
    }

    /// Decisions at hand that no outcome answers.
    async fn take_over_unanswered(&self, said: &[Said], taken: &mut HashSet<EventId>) -> Result<usize, Unreachable> {
        let outcomes = said.iter().filter(|it| it.kind() == Kind::Outcome);
        let answered: HashSet<EventId> = outcomes.map(|it| it.head.cause).collect();
        let mut n_taken = 0;
        for it in said.iter().filter(|it| it.kind() == Kind::Resolved && !answered.contains(&it.head.id)) {
            taken.insert(it.head.id);
            n_taken += self.write.take_over(&it.logged.event()?).await?;
        }
        Ok(n_taken)
    }

    /// Decisions in the log that no step of Write answers, but for those taken already.
    async fn take_over_open(&self, taken: &mut HashSet<EventId>) -> Result<usize, Unreachable> {
        let log = &*self.runner.store.log;
        let (mut after, mut n_taken) = (None, 0);
        loop {
            let syncs = log.unsettled(after, SYNCS_MAX).await?;
            let Some((_, last)) = syncs.last() else { return Ok(n_taken) };
            after = Some(*last);
            for (subject, sync) in syncs {
                for (id, _) in log.open(&subject, sync).await?.into_iter().filter(|it| it.1.kind == Kind::Resolved) {
                    if taken.insert(id)
                        && let Some(event) = log.event(&subject, sync, id).await?
                    {
                        n_taken += self.write.take_over(&event.event()?).await?;
                    }
                }
            }
        }
    }
}

/// What may have been sent, and is looked for before it is sent again.
const UNDER_WAY: &str = "operations under way";
/// What cannot be folded: its content is gone, or its key.
const UNREADABLE: &str = "events whose content is gone";
