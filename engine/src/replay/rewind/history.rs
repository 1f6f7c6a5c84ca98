//! What was decided for a destination and what it held when, read from the log.

use crate::{
    bus::Unreachable,
    replay::Replays,
    store::{Logged, StepKey},
};
use schemas::{
    codec,
    event::{Action, Decision, Decisions, Envelope, Fate, Kind, Outcome, Resolved, Results, Side},
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    time::{Instant, Interval},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// How many steps of the log are read at once.
const STEPS_MAX: usize = 500;
/// How many events' decisions are kept open at once: those of one event tend to be asked for together.
const OPENED_MAX: usize = 4;

/// Where a version was decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) sync: SyncId,
    pub(super) event: EventId,
    pub(super) at: Instant,
}

/// That the destination held a version.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) at: Instant,
    pub(super) version: i64,
    pub(super) hash: String,
    pub(super) is_gone: bool,
}

/// What is known of an item.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) month: String,
    /// By version; the last event that said it.
    pub(super) decided: BTreeMap<i64, Decided>,
    /// In order of time.
    pub(super) held: Vec<Held>,
}

/// What the destination held of an item at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// This version.
    Version(i64),
    /// What the log holds of it begins later.
    NotKept,
}

impl Past {
    /// What it held at a moment.
    pub(super) fn at(&self, moment: Instant) -> Then {
        match self.held.iter().rfind(|it| it.at <= moment) {
            Some(it) if it.is_gone => Then::Nothing,
            Some(it) => Then::Version(it.version),
            // That it was first decided later is known only if the log has that decision.
            None if self.decided.get(&1).is_some_and(|it| it.at > moment) => Then::Nothing,
            None => Then::NotKept,
        }
    }

    /// What it held last.
    pub(super) fn now(&self) -> Option<&Held> {
        self.held.last()
    }
}

impl Replays {
    /// What was decided for a destination and what it held, by item.
    pub(super) async fn past_of(
        &self,
        subject: &Subject,
        destination: ConnectionId,
    ) -> Result<BTreeMap<ItemId, Past>, Unreachable> {
        let log = &self.runner.store.log;
        let ever = Interval { from: Instant(i64::MIN), to: Instant(i64::MAX) };
        let (mut past, mut after): (BTreeMap<ItemId, Past>, _) = (BTreeMap::new(), None);
        loop {
            let steps = log.scan(ever, Some(subject), after, STEPS_MAX).await?;
            let Some(last) = steps.last() else { break };
            after = Some(last.clone());
            // What a person or an operator has repaired was published in place of a page.
            let says = |it: &StepKey| matches!(it.stage.as_str(), "resolve" | "write" | "fetch");
            let keys: Vec<StepKey> = steps.into_iter().map(|it| it.1).filter(says).collect();
            for step in log.recall(&keys).await?.into_iter().flatten() {
                for event in &step.outputs {
                    self.note(subject, destination, event, &mut past).await?;
                }
            }
        }
        for it in past.values_mut() {
            it.held.sort_by_key(|it: &Held| (it.at, it.version));
        }
        Ok(past)
    }

    async fn note(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        event: &Logged,
        past: &mut BTreeMap<ItemId, Past>,
    ) -> Result<(), Unreachable> {
        match event.topic.kind {
            Kind::Resolved => {
                let Ok(Envelope { head, body }) = codec::decode::<Envelope<Resolved>>(&event.bytes) else {
                    return Ok(());
                };
                let sealed = body.decisions.filter(|_| body.destination.account.connection == destination);
                let Some(sealed) = sealed.filter(|_| body.side == Side::Source) else { return Ok(()) };
                let opened = self.contents.open_value::<Decisions>(subject, &sealed).await?.unwrap_or_default();
                for it in opened.decisions.into_iter().filter(|it| it.action != Action::Skip) {
                    let of = past.entry(it.item).or_default();
                    of.month = it.month;
                    let decided = Decided { sync: head.sync, event: head.id, at: head.at };
                    // The same version may be said again: when it was first said is what counts.
                    let first = of.decided.get(&it.version).map_or(head.at, |it| it.at.min(head.at));
                    of.decided.insert(it.version, Decided { at: first, ..decided });
                }
            }
            Kind::Outcome => {
                let Ok(Envelope { head, body }) = codec::decode::<Envelope<Outcome>>(&event.bytes) else {
                    return Ok(());
                };
                let is_there = body.destination.is_some_and(|it| it.account.connection == destination);
                let Some(sealed) = body.results.filter(|_| is_there) else { return Ok(()) };
                let opened = self.contents.open_value::<Results>(subject, &sealed).await?;
                for it in opened.map(|it| it.results).unwrap_or_default() {
                    if matches!(it.fate, Fate::Created | Fate::Updated | Fate::Deleted) {
                        let of = past.entry(it.item).or_default();
                        of.month = it.month;
                        let is_gone = it.action == Action::Delete;
                        let hash = it.hash.unwrap_or_default();
                        of.held.push(Held { at: head.at, version: it.version, hash, is_gone });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Decisions of the log, opened.
pub(super) struct Opened<'a> {
    replays: &'a Replays,
    subject: &'a Subject,
    events: HashMap<EventId, Option<Arc<(Resolved, Decisions)>>>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(replays: &'a Replays, subject: &'a Subject) -> Self {
        Self { replays, subject, events: HashMap::new() }
    }

    /// What was decided about an item in an event, and the event; `None` if it is no longer kept.
    pub(super) async fn decision(
        &mut self,
        at: Decided,
        item: ItemId,
    ) -> Result<Option<(Resolved, Decision)>, Unreachable> {
        if !self.events.contains_key(&at.event) {
            if self.events.len() >= OPENED_MAX {
                self.events.clear();
            }
            let opened = self.open(at).await?;
            self.events.insert(at.event, opened.map(Arc::new));
        }
        let Some(opened) = self.events.get(&at.event).cloned().flatten() else { return Ok(None) };
        let found = opened.1.decisions.iter().rfind(|it| it.item == item && it.action != Action::Skip);
        Ok(found.map(|it| (opened.0.clone(), it.clone())))
    }

    async fn open(&self, at: Decided) -> Result<Option<(Resolved, Decisions)>, Unreachable> {
        let found = self.replays.runner.store.log.event(self.subject, at.sync, at.event).await?;
        let Some(found) = found else { return Ok(None) };
        let mut resolved = found.event::<Resolved>()?.body;
        let Some(sealed) = resolved.decisions.take() else { return Ok(None) };
        let opened = self.replays.contents.open_value::<Decisions>(self.subject, &sealed).await?;
        Ok(opened.map(|it| (resolved, it)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Decided, Held, Past, Then};
    use schemas::{
        id::{EventId, SyncId},
        time::Instant,
    };
    use uuid::Uuid;

    /// What was held at moment 10 by an item that was first decided then, and held these (moment, version, gone) after.
    #[track_caller]
    fn check(first: Option<i64>, held: &[(i64, i64, bool)], expected: Then) {
        let mut past = Past::default();
        let said = |at| Decided { sync: SyncId(Uuid::nil()), event: EventId(Uuid::nil()), at: Instant(at) };
        past.decided.extend(first.map(|at| (1, said(at))));
        let held = held.iter().map(|(at, version, is_gone)| Held {
            at: Instant(*at),
            version: *version,
            hash: String::new(),
            is_gone: *is_gone,
        });
        past.held.extend(held);
        assert_eq!(past.at(Instant(10)), expected);
    }

    #[test]
    fn the_last_version_that_was_there_by_then_is_the_one_that_stood() {
        check(Some(1), &[(2, 1, false), (5, 2, false), (11, 3, false)], Then::Version(2));
        check(Some(1), &[(2, 1, false), (10, 2, false)], Then::Version(2));
    }

    #[test]
    fn what_was_deleted_by_then_or_made_later_was_not_there() {
        check(Some(1), &[(2, 1, false), (5, 2, true), (11, 3, false)], Then::Nothing);
        check(Some(11), &[(12, 1, false)], Then::Nothing);
    }

    #[test]
    fn what_was_decided_before_the_log_begins_or_sent_around_then_is_not_known() {
        check(None, &[(12, 7, false)], Then::NotKept);
        check(Some(9), &[(12, 1, false)], Then::NotKept);
    }
}
