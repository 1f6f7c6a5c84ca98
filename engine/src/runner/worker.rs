//! One stage at work: takes deliveries in micro-batches, works on several at once, and publishes what they made together.

use super::{Runner, UNREACHABLE_PAUSE, meters::Meters, step::Made, waits::Wait};
use crate::{
    bus::{Busy, Delivery, Message, Unreachable},
    failpoint,
    lanes::{Lanes, Place},
    stage::{AnyStage, Work, lane_of},
    store::Step,
    topology::Node,
};
use futures::{StreamExt, stream::FuturesUnordered};
use metrics::counter;
use schemas::{id::Subject, topics::TopicName};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tracing::warn;

/// The most deliveries, and bytes of them, taken in one micro-batch; how many are held in all, the bus bounds.
const BATCH_MAX: (usize, usize) = (256, 16 << 20);
/// How many a stage works on at the same time that calls others outside.
const RUNNING_MAX: usize = 64;
/// How many a stage has under way at the same time that takes a person's events in order: it waits for our own servers
/// alone, and each request to those costs less the more there are at once. What it made waits for the bus with hundreds
/// of others.
const RUNNING_IN_ORDER_MAX: usize = 1024;
/// How many of those are one task, whose outputs are published in one call.
const TOGETHER_MAX: usize = 16;
/// How many of those it works on or appends: what a store takes well at once.
const WORKING_MAX: usize = 256;
/// How long a drain waits for work in flight.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// One stage at work.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) runner: Runner,
    pub(super) node: Node,
    pub(super) rejected: TopicName,
    pub(super) meters: Meters,
    /// Permits to work and to append.
    pub(super) working: Semaphore,
}

/// One delivery, decoded.
pub(super) struct Input {
    pub(super) delivery: Delivery,
    pub(super) work: Box<dyn Work>,
    pub(super) recalled: Option<Step>,
}

/// One input, begun.
struct Begun {
    lane: Place,
    input: Input,
    busy: Busy,
}

/// What became of inputs that were begun together.
struct Over {
    /// The lanes that are free again.
    free: Vec<Place>,
    /// Those that met a server out of reach: each is tried again by itself.
    again: Vec<(Begun, Unreachable)>,
}

type Waiting = Lanes<(Subject, String), Subject, Input>;

impl Worker {
    pub(super) fn new(runner: Runner, node: Node, rejected: TopicName) -> Self {
        let meters = Meters::of(&node);
        Self { runner, node, rejected, meters, working: Semaphore::new(WORKING_MAX) }
    }

    pub(super) fn stage(&self) -> &dyn AnyStage {
        &*self.node.stage
    }

    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
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
        let running_max = if self.is_in_order() { RUNNING_IN_ORDER_MAX } else { RUNNING_MAX };
        let mut lanes: Waiting = Lanes::new(self.stage().at_once(), running_max);
        let mut running = JoinSet::new();
        let mut stopping = false;
        let mut drained_by = tokio::time::Instant::now();
        loop {
            loop {
                let begun = self.begin(&mut lanes);
                if begun.is_empty() {
                    break;
                }
                running.spawn(self.clone().first(begun));
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
                    let over = finished.map_err(|err| Unreachable(format!("a task ended: {err}")))??;
                    for lane in over.free {
                        lanes.done(lane);
                    }
                    for (begun, err) in over.again {
                        running.spawn(self.clone().again(begun, err, stop.clone()));
                    }
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

    /// Whether it takes a person's events in order, and so waits for our own servers alone.
    fn is_in_order(&self) -> bool {
        self.stage().at_once() == 1
    }

    /// Begins what may begin now and is worked on together: no two of one lane, and only one if others may have to
    /// wait long for it.
    fn begin(&self, lanes: &mut Waiting) -> Vec<Begun> {
        let count_max = if self.is_in_order() { TOGETHER_MAX } else { 1 };
        let mut begun = Vec::new();
        while begun.len() < count_max
            && let Some((lane, input)) = lanes.start()
        {
            if let Some(busy) = input.delivery.begin() {
                begun.push(Begun { lane, input, busy });
            } else {
                // The partition went to another member, who does it.
                self.meters.count("dropped");
                lanes.done(lane);
            }
        }
        begun
    }

    async fn first(self: Arc<Self>, begun: Vec<Begun>) -> Result<Over, Unreachable> {
        Ok(self.together(begun, true).await)
    }

    /// One event again that met a server out of reach, until it is done or its partition is lost. It waits here, and
    /// the partition stays: leaving the group would make all its members wait.
    async fn again(
        self: Arc<Self>,
        mut begun: Begun,
        mut err: Unreachable,
        stop: watch::Receiver<bool>,
    ) -> Result<Over, Unreachable> {
        let mut wait = None;
        loop {
            self.out_of_reach(err, &mut wait, &stop).await?;
            let mut over = self.together(vec![begun], false).await;
            let Some(failed) = over.again.pop() else { return Ok(over) };
            (begun, err) = failed;
        }
    }

    /// Makes steps of these at the same time and publishes them in one call, as long as their partitions are held:
    /// what is abandoned with a lost partition, the other member does.
    async fn together(&self, begun: Vec<Begun>, is_first: bool) -> Over {
        let since = std::time::Instant::now();
        let mut over = Over { free: Vec::with_capacity(begun.len()), again: Vec::new() };
        let mut made = Vec::with_capacity(begun.len());
        let make = |begun: Begun| async move {
            let tenure = begun.input.delivery.tenure.clone();
            let made = tenure.hold(self.make(&begun.input, is_first)).await;
            (begun, made)
        };
        let mut making: FuturesUnordered<_> = begun.into_iter().map(make).collect();
        while let Some((begun, result)) = making.next().await {
            match result {
                Ok(it) => made.push((begun, it)),
                Err(err) => self.failed(begun, err, since, &mut over),
            }
        }
        // Another member may be doing by now what was made here.
        let is_held = |it: &(Begun, Made)| it.0.input.delivery.tenure.is_held();
        let (mut made, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(is_held);
        over.free.extend(lost.into_iter().map(|it| it.0.lane));
        let messages: Vec<Message> = made.iter_mut().flat_map(|it| std::mem::take(&mut it.1.messages)).collect();
        let published = if messages.is_empty() { Ok(()) } else { self.runner.bus.publish(messages).await };
        let took = since.elapsed();
        for (begun, made) in made {
            let ended = match &published {
                Ok(()) => self.end(&begun, &made).await,
                Err(err) => Err(err.clone()),
            };
            match ended {
                Ok(()) => {
                    self.meters.took(took, made.result);
                    begun.busy.done();
                    failpoint::reached(self.stage().name(), "acknowledge");
                    over.free.push(begun.lane);
                }
                Err(err) => self.failed(begun, err, since, &mut over),
            }
        }
        over
    }

    /// One that met an error: to be tried again, unless its partition is lost.
    fn failed(&self, begun: Begun, err: Unreachable, since: std::time::Instant, over: &mut Over) {
        self.meters.took(since.elapsed(), "unreachable");
        if begun.input.delivery.tenure.is_held() {
            over.again.push((begun, err));
        } else {
            over.free.push(begun.lane);
        }
    }

    /// After what it made is published. A recalled event may have been put off before its step was appended elsewhere.
    async fn end(&self, begun: &Begun, made: &Made) -> Result<(), Unreachable> {
        if made.is_recalled() {
            return self.runner.store.timers.remove(self.stage().name(), begun.input.work.head().id).await;
        }
        if made.is_appended() {
            failpoint::reached(self.stage().name(), "publish");
        }
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
}
