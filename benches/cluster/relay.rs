//! The bare relay: raw bytes in, raw bytes out, one thread a core, with the settings that SyncWell has.

use super::worker::until_input_ends;
use anyhow::Result;
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    num::NonZero,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// The longest sleep of a thread that has nothing to do.
const PAUSE: Duration = Duration::from_millis(1);

/// Between what.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Way {
    /// Some brokers.
    #[arg(long)]
    brokers: String,
    /// The group.
    #[arg(long)]
    group: String,
    /// The topic that is read.
    #[arg(long)]
    from: String,
    /// The topic that is written.
    #[arg(long)]
    to: String,
}

/// Runs until standard input ends.
pub(crate) fn run(way: &Way) -> Result<()> {
    let stop = AtomicBool::new(false);
    let n_threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(|| pass_on(way, &stop))).collect();
        until_input_ends();
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().try_for_each(|it| it.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
    })
}

fn pass_on(way: &Way, stop: &AtomicBool) -> Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &way.brokers)
        .set("group.id", &way.group)
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "20")
        .create()?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &way.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random")
        .create()?;
    consumer.subscribe(&[&way.from])?;
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(Duration::ZERO) else {
            producer.poll(Duration::ZERO);
            thread::sleep(PAUSE);
            continue;
        };
        let message = message?;
        let (key, payload) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        let mut record = BaseRecord::to(&way.to).key(key).payload(payload);
        while let Err((err, back)) = producer.send(record) {
            if !matches!(err, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return Err(err.into());
            }
            producer.poll(PAUSE);
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(10))?;
    Ok(())
}
