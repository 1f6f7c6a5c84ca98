//! Runs a topology: recall, process, append, publish, acknowledge.
//!
//! Redelivery, crash recovery, idempotency and replay are all in `Worker::handle`: before a stage runs, the log is
//! asked what that stage made of this event; if it knows, that is the answer.

mod expired;
mod meters;
mod rejection;
mod timers;
mod waits;

pub use self::waits::Waits;

use crate::{
    backoff::backoff,
    bus::{Bus, Busy, Delivery, Message, Unreachable, still_held},
    clock::Clock,
    failpoint,
    lanes::Lanes,
    stage::{AnyAnswer, AnyStage, Later, Work, lane_of, message},
    store::{Bearing, Logged, Step, StepKey, Store, Timer},
    topology::{Node, Topology},
};
use futures::FutureExt;
use meters::Meters;
use metrics::counter;
use schemas::{
    event::{Head, Reason, Requested},
    id::{EventId, Subject, SyncId},
    topics::TopicName,
};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tracing::{Instrument, error, info_span, warn};
use waits::Wait;

/// The most deliveries, and bytes of them, taken in one micro-batch; how many are held in all, the bus bounds.
const BATCH_MAX: (usize, usize) = (256, 16 << 20);
/// How many a stage works on at the same time that calls others outside.
const RUNNING_MAX: usize = 64;
/// How many a stage has under way at the same time that takes a person's events in order: it waits for our own servers
/// alone, and each request to those costs less the more there are at once. What it made waits for the bus with hundreds
/// of others.
const RUNNING_IN_ORDER_MAX: usize = 1024;
/// How many of those it works on or appends: what a store takes well at once.
const WORKING_MAX: usize = 256;
/// How long a drain waits for work in flight.
const DRAIN_MAX: Duration = Duration::from_secs(8);
/// The pause after one of our own servers was out of reach.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(500);
/// How often an event may make its stage panic before it is rejected.
const PANICS_MAX: i32 = 3;
/// The age at which a failing event is given up, whatever its attempts.
const AGE_MAX: Duration = Duration::from_secs(72 * 3600);

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
            let (node, rejected, meters) = (node.clone(), topology.rejected, Meters::of(node));
            stages.spawn(
                Arc::new(Worker { runner: self.clone(), node, rejected, meters, working: Semaphore::new(WORKING_MAX) })
                    .run(stop.clone()),
            );
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

/// One stage at work.
#[derive(Debug)]
struct Worker {
    runner: Runner,
    node: Node,
    rejected: TopicName,
    meters: Meters,
    /// Permits to work and to append.
    working: Semaphore,
}

/// One delivery, decoded.
struct Input {
    delivery: Delivery,
    work: Box<dyn Work>,
    recalled: Option<Step>,
}

type LaneKey = (Subject, String);

impl Worker {
    fn stage(&self) -> &dyn AnyStage {
        &*self.node.stage
    }

    async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(err) = self.clone().subscribed(&mut stop).await {
                // What was not acknowledged is delivered again.
                warn!(stage = self.stage().name(), %err, "stopped without acknowledging; tries again");
                self.meters.stopped();
                tokio::time::sleep(UNREACHABLE_PAUSE).await;
            }
        }
    }

    async fn subscribed(self: Arc<Self>, stop: &mut watch::Receiver<bool>) -> Result<(), Unreachable> {
        let lane = lane_of(self.node.from).name();
        let group = format!("syncwell.{lane}.{}", self.stage().name());
        let mut subscription = self.runner.bus.subscribe(&group, &[self.node.from]).await?;
        let running_max = if self.stage().at_once() == 1 { RUNNING_IN_ORDER_MAX } else { RUNNING_MAX };
        let mut lanes: Lanes<LaneKey, Subject, Input> = Lanes::new(self.stage().at_once(), running_max);
        let mut running = JoinSet::new();
        let mut stopping = false;
        let mut drained_by = tokio::time::Instant::now();
        loop {
            while let Some((key, input)) = lanes.start() {
                let Some(busy) = input.delivery.begin() else {
                    // The partition went to another member, who does it.
                    self.meters.count("dropped");
                    lanes.done(&key);
                    continue;
                };
                let (worker, stop) = (self.clone(), stop.clone());
                running.spawn(async move { (key, worker.held(&input, busy, &stop).await) });
            }
            if stopping && running.is_empty() {
                break;
            }
            tokio::select! {
                batch = subscription.next(BATCH_MAX.0, BATCH_MAX.1), if !stopping => {
                    for input in self.take(batch?, stop).await? {
                        let head = input.work.head();
                        lanes.push((head.subject.clone(), input.work.lane()), head.subject.clone(), input);
                    }
                }
                Some(finished) = running.join_next() => {
                    let (key, result) = finished.map_err(|err| Unreachable(format!("a task ended: {err}")))?;
                    result?;
                    lanes.done(&key);
                }
                changed = stop.changed(), if !stopping => {
                    stopping = changed.is_err() || *stop.borrow();
                    if stopping {
                        // What has begun may end; what has not is delivered again.
                        lanes.clear();
                        drained_by = tokio::time::Instant::now() + DRAIN_MAX;
                    }
                }
                () = tokio::time::sleep_until(drained_by), if stopping => break,
            }
        }
        running.shutdown().await;
        subscription.leave().await;
        Ok(())
    }

    /// One event, as long as its partition is held: what is abandoned with a lost partition, the other member does.
    /// While one of our own servers is out of reach the event waits here, and the partition stays: leaving the group
    /// would make all its members wait.
    async fn held(&self, input: &Input, busy: Busy, stop: &watch::Receiver<bool>) -> Result<(), Unreachable> {
        let tenure = &input.delivery.tenure;
        let mut wait = None;
        while let Err(err) = tenure.clone().hold(self.handle(input, wait.is_none())).await {
            if !tenure.is_held() {
                return Ok(());
            }
            self.out_of_reach(err, &mut wait, stop).await?;
        }
        drop(wait);
        busy.done();
        failpoint::reached(self.stage().name(), "acknowledge");
        Ok(())
    }

    /// One of our own servers is out of reach: begins the wait, if this is the first attempt, and pauses. The error
    /// again once `stop` is true: what was not acknowledged is delivered again.
    async fn out_of_reach(
        &self,
        err: Unreachable,
        wait: &mut Option<Wait>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Unreachable> {
        if *stop.borrow() {
            return Err(err);
        }
        let begin = || {
            counter!("syncwell_stage_waited_total", "stage" => self.stage().name()).increment(1);
            self.runner.waits.begin(self.stage().name(), &err)
        };
        wait.get_or_insert_with(begin);
        tokio::time::sleep(UNREACHABLE_PAUSE).await;
        Ok(())
    }

    /// Decodes a batch and recalls it in one read; what cannot be decoded is rejected here.
    async fn take(&self, batch: Vec<Delivery>, stop: &watch::Receiver<bool>) -> Result<Vec<Input>, Unreachable> {
        let mut taken = Vec::with_capacity(batch.len());
        let mut keys = Vec::with_capacity(batch.len());
        for delivery in batch {
            let decoded = match &delivery.unreadable {
                Some(why) => Err(why.clone()),
                None => self.node.stage.clone().decode(&delivery.bytes).map_err(|err| err.to_string()),
            };
            match decoded {
                Ok(work) => {
                    keys.push(self.key(&*work));
                    taken.push(Input { delivery, work, recalled: None });
                }
                Err(why) => {
                    let mut wait = None;
                    while let Err(err) = self.reject_undecodable(&delivery, &why).await {
                        self.out_of_reach(err, &mut wait, stop).await?;
                    }
                }
            }
        }
        let mut wait = None;
        let steps = loop {
            match self.runner.store.log.recall(&keys).await {
                Ok(steps) => break steps,
                Err(err) => self.out_of_reach(err, &mut wait, stop).await?,
            }
        };
        drop(wait);
        failpoint::reached(self.stage().name(), "recall");
        for (input, step) in taken.iter_mut().zip(steps) {
            input.recalled = step;
        }
        Ok(taken)
    }

    fn key(&self, work: &dyn Work) -> StepKey {
        let head = work.head();
        StepKey {
            subject: head.subject.clone(),
            sync: head.sync,
            stage: self.stage().name().into(),
            cause: work.cause(),
        }
    }

    /// One event: recall, process, append, publish.
    async fn handle(&self, input: &Input, is_first: bool) -> Result<(), Unreachable> {
        let (head, name) = (input.work.head(), self.stage().name());
        let lane = lane_of(self.node.from).name();
        let span = info_span!("step", stage = name, lane, event = %head.id, sync = %head.sync, subject = %head.subject);
        let begun = std::time::Instant::now();
        let result = self.step(input, is_first).instrument(span).await;
        self.meters.took(begun.elapsed(), result.as_ref().map_or("unreachable", |it| *it));
        result.map(|_| ())
    }

    async fn step(&self, input: &Input, is_first: bool) -> Result<&'static str, Unreachable> {
        let (store, work, name) = (&self.runner.store, &*input.work, self.stage().name());
        let mut recalled = input.recalled.clone();
        if recalled.is_none() && (!is_first || self.stage().closes()) {
            // The attempt before may have appended it; an earlier event of the same batch may have ended the sync.
            recalled = store.log.recall(&[self.key(work)]).await?.pop().flatten();
        }
        if let Some(step) = recalled {
            self.runner.publish(&step).await?;
            store.timers.remove(name, work.head().id).await?;
            return Ok("recalled");
        }
        let working = self.working.acquire().await.map_err(|err| Unreachable(err.to_string()))?;
        // A bug that one event meets must not stop the stage for everybody.
        let answer = match AssertUnwindSafe(work.process()).catch_unwind().await {
            Ok(answer) => answer?,
            Err(_) => {
                error!(stage = name, "a stage panicked; the event is tried again, then rejected");
                AnyAnswer::Later(Later { at: None, gives_up: Some((PANICS_MAX, Reason::Malformed)) })
            }
        };
        failpoint::reached(name, "process");
        let (outputs, roots, what) = match answer {
            AnyAnswer::Nothing => return Ok("nothing"),
            AnyAnswer::Made { outputs, roots } => (outputs, roots, "out"),
            AnyAnswer::Followed(messages) => {
                // Before the step, which does not keep them: a cut between the two makes the same ones again.
                still_held()?;
                self.runner.bus.publish(messages).await?;
                (Vec::new(), Vec::new(), "out")
            }
            AnyAnswer::Later(later) => match self.put_off(work, later).await? {
                None => return Ok("later"),
                Some((reason, attempts)) => (self.rejected(input, reason, attempts), Vec::new(), "rejected"),
            },
            AnyAnswer::End(_) if self.stage().follows() => (Vec::new(), Vec::new(), "ended"),
            AnyAnswer::End(reason) => (vec![self.ended(work, reason, 0)], Vec::new(), "ended"),
            AnyAnswer::Reject(reason) => (self.rejected(input, reason, 1), Vec::new(), "rejected"),
        };
        let bearing = if self.stage().closes() { Bearing::Closes } else { Bearing::Within };
        let step = Step { key: self.key(work), at: self.runner.clock.now(), bearing, outputs, roots };
        let stands = store.log.append(step).await?;
        failpoint::reached(name, "append");
        drop(working);
        self.runner.publish(&stands).await?;
        failpoint::reached(name, "publish");
        Ok(what)
    }

    /// Writes the timer of an event that is to come again; or says why it is given up, and after how many attempts.
    async fn put_off(&self, work: &dyn Work, later: Later) -> Result<Option<(Reason, i32)>, Unreachable> {
        let (timers, now, head) = (&self.runner.store.timers, self.runner.clock.now(), work.head());
        let name = self.stage().name();
        let earlier = timers.get(name, head.id).await?;
        let (mut attempts, mut first_at) = earlier.map_or((0, now), |it| (it.attempts, it.first_at));
        if let Some((attempts_max, reason)) = later.gives_up {
            if attempts == 0 {
                // Waiting for a permit is no failure and does not age.
                first_at = now;
            }
            attempts += 1;
            if attempts >= attempts_max || now.since(first_at) > AGE_MAX {
                return Ok(Some((reason, attempts)));
            }
        }
        let at = later.at.unwrap_or_else(|| now.plus(backoff(attempts)));
        let timer = Timer {
            stage: name.into(),
            event: head.id,
            subject: head.subject.clone(),
            sync: head.sync,
            at,
            attempts,
            first_at,
        };
        timers.schedule(timer).await?;
        failpoint::reached(name, "timer_written");
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
