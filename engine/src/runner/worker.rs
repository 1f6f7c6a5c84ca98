//! One stage at work: takes deliveries in micro-batches and works on many at the same time, each lane in order.

use super::{Runner, UNREACHABLE_PAUSE, meters::Meters, waits::Wait};
use crate::{
    bus::{Busy, Delivery, Unreachable},
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
    sync::{Semaphore, mpsc, watch},
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
/// How many of those share a task at most: a task an event costs more than most of their work.
const TOGETHER_MAX: usize = 16;
/// How many tasks they are spread over, if there are so many: for every core something to do.
const TASKS_MIN: usize = 16;
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
        // Room for all that run: nobody waits to say that it is done.
        let (free, mut freed) = mpsc::channel(running_max);
        let mut stopping = false;
        let mut drained_by = tokio::time::Instant::now();
        loop {
            loop {
                let begun = self.begin(&mut lanes);
                if begun.is_empty() {
                    break;
                }
                running.spawn(self.clone().together(begun, stop.clone(), free.clone()));
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
                    finished.map_err(|err| Unreachable(format!("a task ended: {err}")))??;
                }
                Some(lane) = freed.recv() => {
                    lanes.done(lane);
                    while let Ok(lane) = freed.try_recv() {
                        lanes.done(lane);
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

    /// Begins what may begin now and shares a task: no two of one lane. What calls others outside does not share: a
    /// provider's answer is parsed while others could go on.
    fn begin(&self, lanes: &mut Waiting) -> Vec<Begun> {
        let shared = TOGETHER_MAX.min(lanes.n_ready().div_ceil(TASKS_MIN));
        let count_max = if self.is_in_order() { shared } else { 1 };
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

    /// Several events in one task. None waits for another one: each has its own answers of store and bus, and says
    /// itself when its lane is free.
    async fn together(
        self: Arc<Self>,
        begun: Vec<Begun>,
        stop: watch::Receiver<bool>,
        free: mpsc::Sender<Place>,
    ) -> Result<(), Unreachable> {
        let mut working: FuturesUnordered<_> = begun.into_iter().map(|it| self.held(it, &stop)).collect();
        while let Some(ended) = working.next().await {
            if free.send(ended?).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// One event, as long as its partition is held: what is abandoned with a lost partition, the other member does.
    /// While one of our own servers is out of reach the event waits here, and the partition stays: leaving the group
    /// would make all its members wait.
    async fn held(&self, begun: Begun, stop: &watch::Receiver<bool>) -> Result<Place, Unreachable> {
        let Begun { lane, input, busy } = begun;
        let tenure = &input.delivery.tenure;
        let mut wait = None;
        while let Err(err) = tenure.clone().hold(self.handle(&input, wait.is_none())).await {
            if !tenure.is_held() {
                return Ok(lane);
            }
            self.out_of_reach(err, &mut wait, stop).await?;
        }
        drop(wait);
        busy.done();
        failpoint::reached(self.stage().name(), "acknowledge");
        Ok(lane)
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
