//! What happens when partitions come and go.

use super::Shared;
use crate::bus::{
    Budget, Pulse, Tenure,
    kafka::{
        Names,
        progress::{Place, Progress},
        told::Told,
    },
};
use rdkafka::{
    ClientContext, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    error::{KafkaError, KafkaResult},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long it may take to find out where a group stands.
const ASK_MAX: Duration = Duration::from_secs(3);

/// What a member holds, and what it does when that changes.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) member: u64,
    pub(super) group: String,
    pub(super) names: Arc<Names>,
    pub(super) progress: Arc<Progress>,
    pub(super) told: Arc<Told>,
    pub(super) shared: Arc<Shared>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) budget: Budget,
    /// How long work in flight may take to end before its partition goes.
    pub(super) drain_max: Duration,
    pub(super) tenures: Mutex<HashMap<Place, Tenure>>,
    /// What the group was last told.
    pub(super) noted: Mutex<HashMap<Place, i64>>,
    pub(super) has_joined: AtomicBool,
    /// Whether a commit went wrong, so that all positions are to be told again.
    pub(super) recommit: AtomicBool,
}

impl Context {
    pub(super) fn tenures(&self) -> MutexGuard<'_, HashMap<Place, Tenure>> {
        self.tenures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn noted(&self) -> MutexGuard<'_, HashMap<Place, i64>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self, list: &TopicPartitionList) -> Vec<Place> {
        let place = |it: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            self.names.back(it.topic()).map(|topic| (topic, it.partition()))
        };
        list.elements().iter().filter_map(place).collect()
    }

    /// Positions as the group notes them.
    pub(super) fn positions(&self, reached: &[(Place, i64)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), next) in reached {
            // An offset that was read is one that can be written.
            drop(list.add_partition_offset(self.names.topic(*topic), *partition, Offset::Offset(*next)));
        }
        list
    }

    fn assigned(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let mut wanted = TopicPartitionList::new();
        for it in list.elements() {
            wanted.add_partition(it.topic(), it.partition());
        }
        // Only for the backlog: a group goes on where it stands whatever is known here.
        // All questions together have one limit: meanwhile nobody polls.
        let until = Instant::now() + ASK_MAX;
        let committed = consumer.committed_offsets(wanted, ASK_MAX).ok();
        for place in self.places(list) {
            let topic = self.names.topic(place.0);
            let left = until.saturating_duration_since(Instant::now());
            let asked = if left.is_zero() { None } else { consumer.fetch_watermarks(topic, place.1, left).ok() };
            let (low, high) = asked.unwrap_or((0, 0));
            let known = committed.as_ref().and_then(|it| it.find_partition(topic, place.1));
            let begins = match known.map(|it| it.offset()) {
                Some(Offset::Offset(next)) => next.max(low),
                _ => low,
            };
            let tenure = Tenure::new(Some(self.pulse.clone()), self.budget.clone(), Box::new(|_, _| {}));
            self.progress.end(place, high);
            self.progress.held(self.member, place, begins, tenure.clone());
            self.tenures().insert(place, tenure);
        }
        self.pulse.beat();
    }

    /// Gives partitions back: lets end what has begun, then notes how far it came. Runs on the polling thread, which
    /// nothing here waits for.
    fn revoked(&self, consumer: &BaseConsumer<Self>, places: &[Place]) {
        let going: Vec<(Place, Tenure)> = {
            let mut tenures = self.tenures();
            places.iter().filter_map(|place| tenures.remove(place).map(|it| (*place, it))).collect()
        };
        let begun = Instant::now();
        let is_lost = consumer.assignment_lost();
        if !is_lost {
            for (_, tenure) in &going {
                tenure.drain();
            }
            going.iter().for_each(|it| it.1.wait(begun + self.drain_max));
        }
        let reached = |(place, tenure): &(Place, Tenure)| tenure.end().map(|next| (*place, next));
        let reached: Vec<(Place, i64)> = going.iter().filter_map(reached).collect();
        self.shared.forget();
        for (place, _) in &going {
            self.progress.gone(self.member, *place);
        }
        if is_lost {
            metrics::counter!("syncwell_bus_lost_total", "group" => self.group.clone()).increment(1);
            tracing::warn!(
                group = self.group,
                partitions = going.len(),
                "partitions were lost; others go on with them"
            );
        } else if !reached.is_empty()
            && let Err(err) = consumer.commit(&self.positions(&reached), CommitMode::Sync)
        {
            tracing::warn!(group = self.group, %err, "how far partitions came could not be noted; some work is done again");
        }
        metrics::histogram!("syncwell_bus_drain_seconds", "group" => self.group.clone())
            .record(begun.elapsed().as_secs_f64());
    }

    /// All is lost: nothing is noted, nothing goes on.
    pub(super) fn lose(&self) {
        for (place, tenure) in std::mem::take(&mut *self.tenures()) {
            tenure.end();
            self.progress.gone(self.member, place);
        }
        self.shared.forget();
    }
}

impl ClientContext for Context {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.told.error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.told.statistics(&statistics);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        metrics::counter!("syncwell_bus_rebalances_total", "group" => self.group.clone()).increment(1);
        match rebalance {
            Rebalance::Assign(list) => self.assigned(consumer, list),
            Rebalance::Revoke(list) => self.revoked(consumer, &self.places(list)),
            Rebalance::Error(err) => {
                tracing::warn!(group = self.group, %err, "a rebalance failed");
                self.lose();
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            // One that rested when it went would rest for ever when it comes back: nothing holds on to that but us.
            if let Err(err) = consumer.resume(list) {
                tracing::debug!(group = self.group, %err, "partitions that came could not be resumed");
            }
            self.has_joined.store(true, Ordering::Release);
        }
        // A commit that was under way may have been lost with the group's last generation, and nobody is told.
        self.recommit.store(true, Ordering::Release);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(err) = result {
            tracing::debug!(group = self.group, %err, "a commit went wrong; it is tried again");
            self.recommit.store(true, Ordering::Release);
        }
    }
}
