//! A log and timers in memory, for one shadow.

use crate::{
    bus::Unreachable,
    status::stage_of,
    store::{Bearing, Log, Logged, Step, StepKey, Timer, Timers},
};
use async_trait::async_trait;
use schemas::{
    event::Kind,
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// What was said, and what is to happen later.
#[derive(Debug)]
pub(in crate::replay) struct OwnLog {
    /// What is read where a single event is named: a decision may rest on another source's, from before.
    live: Arc<dyn Log>,
    state: Mutex<State>,
    /// Raised with every step.
    n_steps: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    steps: HashMap<StepKey, Step>,
    /// Keys in order of appending.
    order: Vec<StepKey>,
    syncs: HashMap<(Subject, SyncId), OfSync>,
    timers: HashMap<(String, EventId), Timer>,
}

#[derive(Debug, Default)]
struct OfSync {
    number: usize,
    began_at: Option<Instant>,
    ended: bool,
    events: Vec<Logged>,
}

impl OwnLog {
    pub(super) fn over(live: Arc<dyn Log>) -> Self {
        Self { live, state: Mutex::default(), n_steps: watch::Sender::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when no event of a sync waits for its stage any more.
    pub(in crate::replay) async fn answered(&self, subject: &Subject, sync: SyncId) {
        let mut news = self.n_steps.subscribe();
        while !self.lock().open(subject, sync).is_empty() {
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn forget(&self) {
        *self.lock() = State::default();
    }
}

impl State {
    fn open(&self, subject: &Subject, sync: SyncId) -> Vec<(EventId, TopicName)> {
        let Some(of) = self.syncs.get(&(subject.clone(), sync)) else { return Vec::new() };
        let waits = |event: &&Logged| {
            let stage = stage_of(event.topic.kind).filter(|_| event.topic.kind != Kind::Outcome);
            stage.is_some_and(|stage| {
                let key = StepKey { subject: subject.clone(), sync, stage: stage.into(), cause: event.id };
                !self.steps.contains_key(&key)
            })
        };
        of.events.iter().filter(waits).map(|it| (it.id, it.topic)).collect()
    }
}

#[async_trait]
impl Log for OwnLog {
    async fn append(&self, step: Step) -> Result<Step, Unreachable> {
        {
            let mut state = self.lock();
            if let Some(stands) = state.steps.get(&step.key) {
                return Ok(stands.clone());
            }
            let number = state.syncs.len();
            let place = (step.key.subject.clone(), step.key.sync);
            let of = state.syncs.entry(place).or_insert_with(|| OfSync { number, ..OfSync::default() });
            if step.bearing == Bearing::Opens {
                of.began_at = of.began_at.or(Some(step.at));
            }
            of.ended |= step.bearing == Bearing::Closes;
            of.events.extend(step.outputs.iter().cloned());
            state.order.push(step.key.clone());
            state.steps.insert(step.key.clone(), step.clone());
        }
        self.n_steps.send_modify(|it| *it += 1);
        Ok(step)
    }

    async fn recall(&self, keys: &[StepKey]) -> Result<Vec<Option<Step>>, Unreachable> {
        let state = self.lock();
        Ok(keys.iter().map(|key| state.steps.get(key).cloned()).collect())
    }

    async fn open(&self, subject: &Subject, sync: SyncId) -> Result<Vec<(EventId, TopicName)>, Unreachable> {
        Ok(self.lock().open(subject, sync))
    }

    async fn events(&self, subject: &Subject, sync: SyncId) -> Result<Vec<Logged>, Unreachable> {
        Ok(self.lock().syncs.get(&(subject.clone(), sync)).map(|it| it.events.clone()).unwrap_or_default())
    }

    async fn event(&self, subject: &Subject, sync: SyncId, id: EventId) -> Result<Option<Logged>, Unreachable> {
        let own = self.events(subject, sync).await?.into_iter().find(|it| it.id == id);
        if own.is_some() { Ok(own) } else { self.live.event(subject, sync, id).await }
    }

    async fn unsettled(&self, after: Option<SyncId>, count_max: usize) -> Result<Vec<(Subject, SyncId)>, Unreachable> {
        let state = self.lock();
        let open = state.syncs.iter().filter(|(_, it)| it.began_at.is_some() && !it.ended).map(|it| it.0);
        let mut open: Vec<_> = open.filter(|it| after.is_none_or(|after| it.1 > after)).cloned().collect();
        open.sort_by_key(|it| it.1);
        open.truncate(count_max);
        Ok(open)
    }

    async fn syncs(&self, subject: &Subject, count_max: usize) -> Result<Vec<(SyncId, Instant, bool)>, Unreachable> {
        let state = self.lock();
        let of = state.syncs.iter().filter(|it| it.0.0 == *subject);
        let mut of: Vec<_> = of.filter_map(|(key, it)| Some((it.began_at?, it.number, key.1, it.ended))).collect();
        of.sort_by_key(|it| std::cmp::Reverse((it.0, it.1)));
        of.truncate(count_max);
        Ok(of.into_iter().map(|it| (it.2, it.0, it.3)).collect())
    }

    async fn scan(
        &self,
        span: Interval,
        subject: Option<&Subject>,
        after: Option<(Instant, StepKey)>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        let state = self.lock();
        let mut all: Vec<(Instant, &StepKey)> =
            state.order.iter().filter_map(|key| state.steps.get(key).map(|it| (it.at, key))).collect();
        all.sort_by_key(|it| it.0);
        let skipped = after.and_then(|(_, after)| all.iter().position(|it| *it.1 == after)).map_or(0, |it| it + 1);
        let wanted = |it: &&(Instant, &StepKey)| {
            span.from <= it.0 && it.0 < span.to && subject.is_none_or(|subject| it.1.subject == *subject)
        };
        let page = all.iter().skip(skipped).filter(wanted).take(count_max);
        Ok(page.map(|(at, key)| (*at, (*key).clone())).collect())
    }
}

#[async_trait]
impl Timers for OwnLog {
    async fn schedule(&self, timer: Timer) -> Result<(), Unreachable> {
        self.lock().timers.insert((timer.stage.clone(), timer.event), timer);
        Ok(())
    }

    async fn get(&self, stage: &str, event: EventId) -> Result<Option<Timer>, Unreachable> {
        Ok(self.lock().timers.get(&(stage.to_owned(), event)).cloned())
    }

    async fn due(&self, now: Instant, count_max: usize) -> Result<Vec<Timer>, Unreachable> {
        let state = self.lock();
        let mut due: Vec<Timer> = state.timers.values().filter(|it| it.at <= now).cloned().collect();
        due.sort_by_key(|it| it.at);
        due.truncate(count_max);
        Ok(due)
    }

    async fn next(&self) -> Result<Option<Instant>, Unreachable> {
        Ok(self.lock().timers.values().map(|it| it.at).min())
    }

    async fn remove(&self, stage: &str, event: EventId) -> Result<(), Unreachable> {
        self.lock().timers.remove(&(stage.to_owned(), event));
        Ok(())
    }

    async fn hasten(&self, sync: SyncId, at: Instant) -> Result<usize, Unreachable> {
        let mut state = self.lock();
        let of: BTreeMap<_, _> = state.timers.iter_mut().filter(|it| it.1.sync == sync).collect();
        let n_timers = of.len();
        of.into_values().for_each(|it| it.at = it.at.min(at));
        Ok(n_timers)
    }
}
