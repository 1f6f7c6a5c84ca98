//! What goes out: one idempotent producer a process, and one answer a batch.

use super::{Names, Settings, progress::Progress, told::Told};
use crate::bus::{
    Backlog, Message, Unreachable,
    registry::{Refused, Registry},
};
use bytes::BytesMut;
use rdkafka::{
    ClientContext, Message as _, Statistics,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use schemas::id::{EventId, Subject};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// How long a sender waits for room before it looks again.
const ROOM_PAUSE: Duration = Duration::from_millis(100);

/// The messages of one publish.
pub(super) struct Batch {
    /// How many are not answered yet, and one while they are still being handed over.
    n_left: AtomicUsize,
    bytes: usize,
    failed: Mutex<Option<String>>,
    answer: Mutex<Option<oneshot::Sender<Result<(), Unreachable>>>>,
    outgoing: Arc<Counts>,
}

impl Batch {
    /// One is answered; the last one answers for all.
    fn one(&self, failed: Option<String>) {
        if failed.is_some() {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        }
        if self.n_left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.outgoing.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answer) = answer {
            // Whoever asked may have gone.
            drop(
                answer
                    .send(failed.map_or(Ok(()), |it| Err(Unreachable(format!("Kafka did not take a message: {it}"))))),
            );
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    bytes: AtomicUsize,
    count: AtomicUsize,
    room: Notify,
}

pub(super) struct Context {
    progress: Arc<Progress>,
    told: Arc<Told>,
    counts: Arc<Counts>,
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

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        let failed = match result {
            Ok(message) => {
                self.progress.written(message.topic(), message.partition(), message.offset());
                None
            }
            Err((err, _)) => Some(err.to_string()),
        };
        self.counts.count.fetch_sub(1, Ordering::Relaxed);
        self.counts.room.notify_waiters();
        batch.one(failed);
    }
}

pub(super) type Sender = ThreadedProducer<Context>;

/// The producer of a process.
pub(super) struct Outgoing {
    settings: Arc<Settings>,
    progress: Arc<Progress>,
    told: Arc<Told>,
    counts: Arc<Counts>,
    sender: Mutex<Sender>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Outgoing {
    pub(super) fn new(settings: Arc<Settings>, progress: Arc<Progress>, told: Arc<Told>) -> Result<Self, Refused> {
        let counts = Arc::new(Counts::default());
        let sender = Self::make(&settings, &progress, &told, &counts)
            .map_err(|err| Refused::Wrong(format!("Kafka cannot be configured so ({err}); correct [kafka]")))?;
        Ok(Self { settings, progress, told, counts, sender: Mutex::new(sender) })
    }

    fn make(
        settings: &Settings,
        progress: &Arc<Progress>,
        told: &Arc<Told>,
        counts: &Arc<Counts>,
    ) -> Result<Sender, KafkaError> {
        let (progress, told, counts) = (progress.clone(), told.clone(), counts.clone());
        settings.producer().create_with_context(Context { progress, told, counts })
    }

    pub(super) fn producer(&self) -> Sender {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn backlog(&self) -> Backlog {
        let load = |it: &AtomicUsize| it.load(Ordering::Relaxed);
        Backlog { count: load(&self.counts.count), bytes: load(&self.counts.bytes) }
    }

    /// Publishes these, in order. Who stops waiting for it takes nothing back.
    pub(super) async fn publish(
        &self,
        messages: Vec<Message>,
        names: &Names,
        registry: &Registry,
    ) -> Result<(), Unreachable> {
        let bytes = messages.iter().map(|it| it.bytes.len()).sum();
        let (answer, answered) = oneshot::channel();
        let batch = Arc::new(Batch {
            n_left: AtomicUsize::new(messages.len() + 1),
            bytes,
            failed: Mutex::default(),
            answer: Mutex::new(Some(answer)),
            outgoing: self.counts.clone(),
        });
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut handed = Handed { batch: batch.clone(), n_left: messages.len() };
        let sender = self.producer();
        for Message { topic, key, id, bytes } in messages {
            // Whoever made it has mostly let go of it by now.
            let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
            registry.put_in(topic, &mut bytes);
            let sent = self.send(&sender, names.topic(topic), (&key, id), &bytes, &batch).await;
            if let Err(err) = sent {
                // The rest is not tried: order is kept, and all are published again.
                self.renew(&sender);
                return Err(Unreachable(format!("Kafka did not take a message: {err}")));
            }
            handed.n_left -= 1;
        }
        drop(handed);
        let answer = answered.await.unwrap_or_else(|_| Err(Unreachable("the producer has ended".into())));
        if answer.is_err() {
            self.renew(&sender);
        }
        answer
    }

    /// Hands one message to the library; waits while its queue is full.
    async fn send(
        &self,
        sender: &Sender,
        topic: &str,
        (key, id): (&Subject, EventId),
        bytes: &[u8],
        batch: &Arc<Batch>,
    ) -> Result<(), KafkaError> {
        let id = id.to_string();
        loop {
            let room = self.counts.room.notified();
            let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(&id) });
            let record = BaseRecord::with_opaque_to(topic, batch.clone()).key(&key.0).payload(bytes);
            self.counts.count.fetch_add(1, Ordering::Relaxed);
            let Err((err, record)) = sender.send(record.headers(headers)) else { return Ok(()) };
            self.counts.count.fetch_sub(1, Ordering::Relaxed);
            drop(record);
            if err.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(err);
            }
            // Told of room, or after a while, in case it was told before we listened.
            drop(tokio::time::timeout(ROOM_PAUSE, room).await);
        }
    }

    /// A producer that has met a fatal error sends nothing any more: another one takes its place.
    fn renew(&self, broken: &Sender) {
        let Some((code, reason)) = broken.client().fatal_error() else { return };
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.client().fatal_error().is_none() {
            return;
        }
        tracing::warn!(%code, reason, "the producer has failed for good; another one takes its place");
        if let Ok(made) = Self::make(&self.settings, &self.progress, &self.told, &self.counts) {
            *sender = made;
        }
    }
}

/// Counts as answered what was never handed over, however its publish ends.
struct Handed {
    batch: Arc<Batch>,
    n_left: usize,
}

impl Drop for Handed {
    fn drop(&mut self) {
        for _ in 0..self.n_left {
            self.batch.one(Some("it was not handed over".into()));
        }
        self.batch.one(None);
    }
}
