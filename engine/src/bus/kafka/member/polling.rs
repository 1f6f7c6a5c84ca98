//! The thread of a member: it alone talks to the group, and never works on a message.

use super::{Shared, Stage, context::Context};
use crate::bus::{
    Budget, Delivery, NO_KEY, Pulse, Tenure,
    kafka::{
        Names, Settings,
        progress::{Place, Progress},
        told::Told,
    },
};
use bytes::Bytes;
use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};
use schemas::{id::Subject, topics::TopicName};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// How often positions are noted for the group, and partitions are rested or resumed.
const TICK: Duration = Duration::from_millis(100);
/// How often all positions are told again, moved or not: a commit that was under way while the group rebalanced may be
/// lost without a word.
const TELL_AGAIN: Duration = Duration::from_secs(5);
/// The longest sleep while there is nothing; news end it.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// The most messages that are handed over at once.
const BATCH_MAX: usize = 256;
/// The longest time that work in flight gets to end before its partition goes.
const DRAIN_MAX: Duration = Duration::from_secs(5);

pub(super) struct Polling {
    pub(super) id: u64,
    pub(super) group: String,
    pub(super) topics: Vec<TopicName>,
    pub(super) settings: Arc<Settings>,
    pub(super) names: Arc<Names>,
    pub(super) progress: Arc<Progress>,
    pub(super) budget: Budget,
    pub(super) shared: Arc<Shared>,
    pub(super) stage: watch::Sender<Stage>,
}

impl Polling {
    /// Runs until it is told to stop, or until it must be made anew.
    pub(super) fn run(self) {
        self.progress.joins();
        let mut joining = Joining { progress: self.progress.clone(), is_over: false };
        if let Err(why) = self.poll(&mut joining) {
            self.shared.fail(why);
        }
        drop(joining);
        self.stage.send_replace(Stage::Left);
    }

    fn consumer(&self) -> Result<BaseConsumer<Context>, KafkaError> {
        let context = Context {
            member: self.id,
            group: self.group.clone(),
            names: self.names.clone(),
            progress: self.progress.clone(),
            told: Told::new(&self.group).be_loud(),
            shared: self.shared.clone(),
            pulse: Pulse::new(self.settings.silence_max()),
            budget: self.budget.clone(),
            drain_max: DRAIN_MAX.min(self.settings.session() / 2),
            tenures: Mutex::default(),
            noted: Mutex::default(),
            has_joined: AtomicBool::new(false),
            recommit: AtomicBool::new(false),
        };
        let mut consumer: BaseConsumer<Context> = self.settings.consumer(&self.group).create_with_context(context)?;
        let polling = std::thread::current();
        consumer.set_nonempty_callback(move || polling.unpark());
        let topics: Vec<&str> = self.topics.iter().map(|it| self.names.topic(*it)).collect();
        consumer.subscribe(&topics)?;
        Ok(consumer)
    }

    fn poll(&self, joining: &mut Joining) -> Result<(), String> {
        let consumer = self.consumer().map_err(|err| format!("no member of a group can be made: {err}"))?;
        let context = consumer.context().clone();
        let (mut batch, mut n_idle) = (Vec::new(), 0);
        let (mut resting, mut ticked, mut told) = (HashSet::new(), Instant::now(), Instant::now());
        while !self.shared.is_stopped() {
            let is_due = ticked.elapsed() >= TICK;
            if !context.pulse.beat() || (is_due && context.tenures().values().any(|it| !it.is_held())) {
                // A process that was frozen may have been given up by the group: it begins again, with nothing.
                context.lose();
                return Err("was silent for too long, and begins again".into());
            }
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    n_idle = 0;
                    batch.extend(self.delivery(&context, &message));
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    context.lose();
                    return Err(format!("Kafka does not want this member any more: {code}"));
                }
                // Told by the error callback already.
                Some(Err(_)) | None => n_idle += 1,
            }
            if !batch.is_empty() && (n_idle > 0 || batch.len() >= BATCH_MAX) {
                self.shared.push(&mut batch);
            }
            if context.has_joined.load(Ordering::Acquire) && joining.over() {
                self.stage.send_replace(Stage::Joined);
            }
            if is_due {
                ticked = Instant::now();
                if told.elapsed() >= TELL_AGAIN {
                    told = Instant::now();
                    context.recommit.store(true, Ordering::Release);
                }
                commit(&consumer, &context);
                rest(&consumer, &context, &mut resting);
            }
            if n_idle > 2 {
                std::thread::park_timeout(SLEEP_MAX);
                n_idle = 0;
            }
        }
        // Closing gives every partition back: it drains and notes how far they came.
        drop(consumer);
        context.lose();
        Ok(())
    }

    /// A message as the runner sees it; none if its partition is no longer held.
    fn delivery(&self, context: &Context, message: &BorrowedMessage<'_>) -> Option<Delivery> {
        let topic = self.names.back(message.topic())?;
        let place: Place = (topic, message.partition());
        let tenure: Tenure = context.tenures().get(&place)?.clone();
        let key = message.key().and_then(|it| std::str::from_utf8(it).ok()).filter(|it| !it.is_empty());
        let unreadable = message.payload().is_none().then(|| "it is a tombstone".to_owned());
        let bytes = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        tenure.delivered(message.offset(), bytes.len());
        Some(Delivery {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            key: Subject(key.unwrap_or(NO_KEY).to_owned()),
            bytes,
            unreadable,
            tenure,
        })
    }
}

/// Notes how far partitions have come. Not waited for: a commit that is lost costs a redelivery.
fn commit(consumer: &BaseConsumer<Context>, context: &Context) {
    let again = context.recommit.swap(false, Ordering::AcqRel);
    let mut noted = context.noted();
    let reached: HashMap<Place, i64> =
        context.tenures().iter().filter_map(|(place, it)| it.reached().map(|next| (*place, next))).collect();
    let news: Vec<(Place, i64)> = reached
        .iter()
        .filter(|(place, next)| again || noted.get(place) != Some(next))
        .map(|it| (*it.0, *it.1))
        .collect();
    if news.is_empty() {
        return;
    }
    *noted = reached;
    if consumer.commit(&context.positions(&news), CommitMode::Async).is_err() {
        context.recommit.store(true, Ordering::Release);
    }
}

/// Rests partitions of which too much is on its way, and resumes those of which there is less. Polling goes on.
fn rest(consumer: &BaseConsumer<Context>, context: &Context, resting: &mut HashSet<Place>) {
    let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
    let tenures = context.tenures();
    resting.retain(|it| tenures.contains_key(it));
    for (place, tenure) in &*tenures {
        let rests = tenure.rests();
        let topic = context.names.topic(place.0);
        if rests && resting.insert(*place) {
            pause.add_partition(topic, place.1);
        } else if !rests && resting.remove(place) {
            resume.add_partition(topic, place.1);
        }
    }
    drop(tenures);
    for (list, result) in [(&pause, consumer.pause(&pause)), (&resume, consumer.resume(&resume))] {
        if let Err(err) = result
            && list.count() > 0
        {
            tracing::debug!(%err, "a partition could not be rested or resumed");
        }
    }
}

/// Counts a member that does not know yet what it holds.
struct Joining {
    progress: Arc<Progress>,
    is_over: bool,
}

impl Joining {
    /// It knows; `true` the first time.
    fn over(&mut self) -> bool {
        let was_over = std::mem::replace(&mut self.is_over, true);
        if !was_over {
            self.progress.joined();
        }
        !was_over
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        self.over();
    }
}
