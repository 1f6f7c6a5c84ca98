//! Runs a topology: recall, process, append, publish, acknowledge.
//!
//! Redelivery, crash recovery, idempotency and replay are all in `Worker::step`: before a stage runs, the log is asked
//! what that stage made of this event; if it knows, that is the answer.

mod expired;
mod meters;
mod rejection;
mod step;
mod timers;
mod waits;
mod worker;

pub use self::waits::Waits;

use self::worker::Worker;
use crate::{
    bus::{Bus, Message, Unreachable, still_held},
    clock::Clock,
    stage::message,
    store::{Bearing, Logged, Step, StepKey, Store},
    topology::Topology,
};
use schemas::{
    event::{Head, Requested},
    id::{EventId, Subject, SyncId},
    topics::TopicName,
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet};

/// The pause after one of our own servers was out of reach.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(500);

/// What a topology runs on.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Transport.
    pub bus: Arc<dyn Bus>,
    /// Memory.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What waits for bus or store: those that live in one process share it.
    pub waits: Waits,
}

impl Runner {
    /// Runs every stage of a topology until `stop` turns true; then drains and returns.
    pub async fn run(&self, topology: &Topology, stop: watch::Receiver<bool>) {
        let mut stages = JoinSet::new();
        for node in &topology.nodes {
            stages.spawn(Arc::new(Worker::new(self.clone(), node.clone(), topology.rejected)).run(stop.clone()));
        }
        while stages.join_next().await.is_some() {}
    }

    /// Publishes a step's outputs and begins the syncs that it roots.
    async fn publish(&self, step: &Step) -> Result<(), Unreachable> {
        let mut messages = Vec::with_capacity(step.outputs.len() + step.roots.len());
        for root in &step.roots {
            let head = root.event::<Requested>()?.head;
            self.begin(&head, root.clone()).await?;
            messages.push(message(&step.key.subject, root));
        }
        messages.extend(step.outputs.iter().map(|it| message(&step.key.subject, it)));
        if messages.is_empty() {
            return Ok(());
        }
        still_held()?;
        self.bus.publish(messages).await
    }

    /// Appends the event that begins a sync, unless it is there; returns the one that stands.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn begin(&self, head: &Head, event: Logged) -> Result<Step, Unreachable> {
        let key = StepKey { subject: head.subject.clone(), sync: head.sync, stage: "intake".into(), cause: head.id };
        let step = Step { key, at: head.at, bearing: Bearing::Opens, outputs: vec![event], roots: Vec::new() };
        self.store.log.append(step).await
    }

    /// Publishes again what a lost bus held: the open events of every sync that has not ended, but for those that a
    /// timer will deliver. For a `memory://` bus, at start; for another, when an operator says that it was lost.
    ///
    /// # Errors
    /// When bus or store cannot be reached.
    pub async fn republish_open(&self) -> Result<usize, Unreachable> {
        let (mut after, mut n_published) = (None, 0);
        loop {
            let syncs = self.store.log.unsettled(after, 200).await?;
            let Some((_, last)) = syncs.last() else { return Ok(n_published) };
            after = Some(*last);
            for (subject, sync) in &syncs {
                n_published += self.republish_sync(subject, *sync).await?;
            }
        }
    }

    async fn republish_sync(&self, subject: &Subject, sync: SyncId) -> Result<usize, Unreachable> {
        // In this order: others work on the sync meanwhile, and what is open now must be among the events that are kept,
        // or it would be taken for expired.
        let open = self.store.log.open(subject, sync).await?;
        let events = self.store.log.events(subject, sync).await?;
        // Before anything goes on: a step may stand whose roots were never begun.
        let mut messages = self.begin_roots(subject, sync, &events).await?;
        for (id, topic) in &open {
            if !self.waits_for_bus(*id, *topic).await? {
                continue;
            }
            match events.iter().find(|it| it.id == *id) {
                Some(event) => messages.push(message(subject, event)),
                None => self.end_expired((subject, sync), *id, *topic).await?,
            }
        }
        if open.is_empty() {
            // Nothing is open, yet the sync has not ended: its last outcome never reached Settle.
            let outcome = events.iter().rfind(|it| it.topic.kind == schemas::event::Kind::Outcome);
            messages.extend(outcome.map(|it| message(subject, it)));
        }
        let n_messages = messages.len();
        if n_messages > 0 {
            self.bus.publish(messages).await?;
        }
        Ok(n_messages)
    }

    /// Whether an open event is delivered by nobody but the bus: no timer will.
    async fn waits_for_bus(&self, id: EventId, topic: TopicName) -> Result<bool, Unreachable> {
        let stage = crate::status::stage_of(topic.kind).unwrap_or_default();
        Ok(self.store.timers.get(stage, id).await?.is_none())
    }

    /// Begins the syncs that the steps of this one root, and gives the events of those that nobody has taken.
    async fn begin_roots(
        &self,
        subject: &Subject,
        sync: SyncId,
        events: &[Logged],
    ) -> Result<Vec<Message>, Unreachable> {
        let key = |event: &Logged| {
            let stage = crate::status::stage_of(event.topic.kind)?.into();
            Some(StepKey { subject: subject.clone(), sync, stage, cause: event.id })
        };
        let keys: Vec<_> = events.iter().filter_map(key).collect();
        let mut messages = Vec::new();
        for root in self.store.log.recall(&keys).await?.into_iter().flatten().flat_map(|it| it.roots) {
            let head = root.event::<Requested>()?.head;
            self.begin(&head, root.clone()).await?;
            let open = self.store.log.open(subject, head.sync).await?;
            if open.iter().any(|it| it.0 == root.id) && self.waits_for_bus(root.id, root.topic).await? {
                messages.push(message(subject, &root));
            }
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests;
