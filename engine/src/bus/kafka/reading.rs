//! Reads a stretch of a partition outside of any group: for replays by place, and for looking.

use super::Settings;
use crate::bus::Unreachable;
use bytes::Bytes;
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    client::Client,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// How long Kafka may take to answer, or to give the next message.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long one look for a message lasts.
const LOOK: Duration = Duration::from_millis(100);

/// The messages at these offsets, as they lie there. Where the partition begins later, its first message comes instead
/// of those that are gone, so that the gap is seen. Blocks.
pub(super) fn read(
    settings: &Settings,
    topic: &str,
    partition: i32,
    offsets: Range<i64>,
) -> Result<Vec<(i64, Bytes)>, Unreachable> {
    let fail = |err: KafkaError| Unreachable(format!("partition {partition} of {topic} cannot be read: {err}"));
    let consumer: BaseConsumer = settings.consumer("reading").create().map_err(fail)?;
    let (low, high) = watermarks(consumer.client(), topic, partition).map_err(fail)?;
    let from = offsets.start.max(low);
    let to = offsets.end.max(low.saturating_add(1)).min(high);
    let mut found = Vec::new();
    if from >= to || offsets.is_empty() {
        return Ok(found);
    }
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(fail)?;
    consumer.assign(&wanted).map_err(fail)?;
    let mut heard = Instant::now();
    loop {
        match consumer.poll(LOOK) {
            Some(Ok(message)) if message.offset() >= to => return Ok(found),
            Some(Ok(message)) => {
                heard = Instant::now();
                found.push((message.offset(), Bytes::copy_from_slice(message.payload().unwrap_or_default())));
                if message.offset() + 1 >= to {
                    return Ok(found);
                }
            }
            // The error callback of librdkafka repeats what does not pass; time bounds the rest.
            Some(Err(_)) | None if heard.elapsed() < ANSWER_MAX => {}
            Some(Err(err)) => return Err(fail(err)),
            None => {
                return Err(Unreachable(format!(
                    "partition {partition} of {topic} gives nothing after {}",
                    found.len()
                )));
            }
        }
    }
}

/// The first offset of a partition and the one after its last. A partition that was just made, or whose broker has just
/// gone, has a leader in a moment: that is waited for.
fn watermarks<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Result<(i64, i64), KafkaError> {
    let begun = Instant::now();
    loop {
        match client.fetch_watermarks(topic, partition, ANSWER_MAX) {
            Err(err) if has_no_leader(&err) && begun.elapsed() < ANSWER_MAX => std::thread::sleep(LOOK),
            answer => return answer,
        }
    }
}

fn has_no_leader(err: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    matches!(err.rdkafka_error_code(), Some(LeaderNotAvailable | NotLeaderForPartition))
}

/// What each partition of a topic holds, by number. Blocks.
pub(super) fn held<C: ClientContext>(client: &Client<C>, topic: &str) -> Result<Vec<Range<i64>>, Unreachable> {
    let fail = |err: KafkaError| Unreachable(format!("what {topic} holds cannot be asked for: {err}"));
    let metadata = client.fetch_metadata(Some(topic), ANSWER_MAX).map_err(fail)?;
    let mut partitions: Vec<i32> = metadata.topics().iter().flat_map(|it| it.partitions()).map(|it| it.id()).collect();
    partitions.sort_unstable();
    let span = |id: i32| watermarks(client, topic, id).map(|(low, high)| low..high).map_err(fail);
    partitions.into_iter().map(span).collect()
}
