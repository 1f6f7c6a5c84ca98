//! Whether partitions move: what every group has committed against what was written, asked of Kafka itself.
//!
//! A partition stalls from the moment at which it is seen to have a backlog until its group commits a further offset
//! there, or has no backlog. While Kafka does not answer, nothing moves.

use anyhow::{Context, Result};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
};
use schemas::topics::PARTITIONS;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Each stage, and the topic that it reads, in the hot lane.
const STAGES: [(&str, &str); 5] = [
    ("fetch", "requested"),
    ("normalize", "fetched"),
    ("resolve", "normalized"),
    ("write", "resolved"),
    ("settle", "outcome"),
];
/// How often Kafka is asked.
const PAUSE: Duration = Duration::from_millis(400);
/// How long it may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Looks at all partitions until it is stopped.
#[derive(Debug)]
pub(crate) struct Watch {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

type Place = (&'static str, i32);

#[derive(Debug, Default)]
struct State {
    /// Partitions with a backlog: what is committed, and since when it has not moved.
    waiting: HashMap<Place, (i64, Instant)>,
    /// Messages that are not done; none while Kafka does not answer.
    backlog: Option<i64>,
    /// How often in a row there was no backlog.
    n_empty: u32,
    longest: (Duration, Option<Place>),
}

impl Watch {
    /// Begins to look.
    pub(crate) fn start(brokers: &str, namespace: &str) -> Result<Self> {
        let topics: Vec<String> = topics(namespace);
        let mut groups = Vec::new();
        for ((stage, _), topic) in STAGES.into_iter().zip(topics) {
            let mut config = ClientConfig::new();
            config.set_log_level(RDKafkaLogLevel::Critical);
            config.set("bootstrap.servers", brokers).set("group.id", format!("{namespace}.hot.{stage}"));
            groups.push(Group::new(stage, topic, config).context("ask Kafka about groups")?);
        }
        let (state, stop) = (Arc::<Mutex<State>>::default(), Arc::<AtomicBool>::default());
        let (seen, stopped) = (state.clone(), stop.clone());
        let watching = std::thread::Builder::new().name("lag".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let sample: Option<Vec<Vec<Seen>>> = groups.iter_mut().map(Group::look).collect();
                lock(&seen).take(sample.map(|it| it.into_iter().flatten().collect()), Instant::now());
                std::thread::sleep(PAUSE);
            }
        })?;
        Ok(Self { state, stop, thread: Some(watching) })
    }

    /// Stops looking.
    pub(crate) fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has said so.
        drop(self.thread.take().map(JoinHandle::join));
    }

    /// A round begins: every stall begins anew.
    pub(crate) fn forget_stalls(&self) {
        let mut state = lock(&self.state);
        state.longest = (Duration::ZERO, None);
        state.n_empty = 0;
        let now = Instant::now();
        state.waiting.values_mut().for_each(|it| it.1 = now);
    }

    /// The longest stall since then, and where it was.
    pub(crate) fn longest_stall(&self) -> (Duration, String) {
        let (longest, place) = lock(&self.state).longest;
        (longest, place.map_or_else(|| "none".into(), |(stage, partition)| format!("{stage}/{partition}")))
    }

    /// Messages that are not done, as far as is known.
    pub(crate) fn backlog(&self) -> i64 {
        lock(&self.state).backlog.unwrap_or(-1)
    }

    /// Which partitions have one, and where their group stands.
    pub(crate) fn waiting(&self) -> String {
        let state = lock(&self.state);
        let tell = |(place, it): (&Place, &(i64, Instant))| format!("{}/{} at {}", place.0, place.1, it.0);
        state.waiting.iter().map(tell).collect::<Vec<_>>().join(", ")
    }

    /// Waits until there is no backlog; says whether it went.
    pub(crate) async fn no_backlog_within(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if lock(&self.state).n_empty >= 3 {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }
}

/// What a partition looks like: where, what is committed, and the next offset to be written.
type Seen = (Place, i64, i64);

/// One group that is asked about, and the client that asks.
struct Group {
    stage: &'static str,
    topic: String,
    config: ClientConfig,
    consumer: BaseConsumer,
}

impl Group {
    fn new(stage: &'static str, topic: String, config: ClientConfig) -> Result<Self> {
        let consumer = config.create()?;
        Ok(Self { stage, topic, config, consumer })
    }

    /// What its partitions look like; none while Kafka does not answer. Then the next look begins with a new client: one
    /// whose coordinator died may ask for it for minutes, because it takes part in nothing.
    fn look(&mut self) -> Option<Vec<Seen>> {
        let seen = self.ask();
        if seen.is_none()
            && let Ok(consumer) = self.config.create()
        {
            self.consumer = consumer;
        }
        seen
    }

    fn ask(&self) -> Option<Vec<Seen>> {
        let mut wanted = TopicPartitionList::new();
        let partitions = 0..i32::try_from(PARTITIONS).ok()?;
        for partition in partitions.clone() {
            wanted.add_partition(&self.topic, partition);
        }
        let committed = self.consumer.committed_offsets(wanted, ANSWER_MAX).ok()?;
        let look = |partition| {
            let (low, end) = self.consumer.fetch_watermarks(&self.topic, partition, ANSWER_MAX).ok()?;
            let next = match committed.find_partition(&self.topic, partition)?.offset() {
                Offset::Offset(next) => next,
                _ => low,
            };
            Some(((self.stage, partition), next, end))
        };
        partitions.map(look).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn take(&mut self, sample: Option<Vec<Seen>>, now: Instant) {
        self.backlog = sample.as_ref().map(|it| it.iter().map(|(_, next, end)| (end - next).max(0)).sum());
        self.n_empty = if self.backlog == Some(0) { self.n_empty + 1 } else { 0 };
        for (place, since) in self.waiting.iter().map(|(place, it)| (*place, it.1)) {
            let stall = now.duration_since(since);
            if stall > self.longest.0 {
                self.longest = (stall, Some(place));
            }
        }
        for (place, next, end) in sample.unwrap_or_default() {
            if next >= end {
                self.waiting.remove(&place);
                continue;
            }
            let waiting = self.waiting.entry(place).or_insert((next, now));
            if waiting.0 != next {
                *waiting = (next, now);
            }
        }
    }
}

/// The topics that the stages read, as Kafka knows them.
fn topics(namespace: &str) -> Vec<String> {
    STAGES.iter().map(|(_, topic)| format!("{namespace}.hot.{topic}")).collect()
}

#[cfg(test)]
mod tests {
    use super::State;
    use std::time::{Duration, Instant};

    #[test]
    fn a_partition_stalls_while_it_has_a_backlog_and_does_not_move() {
        let (mut state, begun) = (State::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        let place = ("write", 3);
        for (seconds, sample, longest) in [
            (0, Some((5, 5)), 0),
            (9, Some((5, 6)), 0),
            (12, Some((5, 8)), 3),
            (14, None, 5),
            (15, Some((6, 8)), 6),
            (18, Some((8, 8)), 6),
            (40, Some((8, 8)), 6),
        ] {
            state.take(sample.map(|(next, end)| vec![(place, next, end)]), at(seconds));
            assert_eq!(state.longest.0, Duration::from_secs(longest), "after {seconds} s");
        }
        assert_eq!((state.backlog, state.n_empty, state.longest.1), (Some(0), 2, Some(place)));
    }
}
