//! The port to transport: it may repeat a message and may lose all of them, but keeps the order of a key.

pub mod memory;

use async_trait::async_trait;
use bytes::Bytes;
use schemas::{id::EventId, id::Subject, topics::TopicName};
use std::{fmt, ops::Range};

/// One of our own servers (bus, store, vault) is out of reach. Nobody is rejected for it: whoever meets it stops
/// without acknowledging, and the work is done again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Something to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub topic: TopicName,
    /// The person: messages of one key stay in order and on one partition.
    pub key: Subject,
    /// The event's id.
    pub id: EventId,
    /// The framed event.
    pub bytes: Bytes,
}

/// Something that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// From which topic.
    pub topic: TopicName,
    /// From which partition.
    pub partition: i32,
    /// Its place in the partition, ascending; there may be gaps.
    pub offset: i64,
    /// The person.
    pub key: Subject,
    /// The framed event.
    pub bytes: Bytes,
}

/// How far a group has come in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Of which topic.
    pub topic: TopicName,
    /// Of which partition.
    pub partition: i32,
    /// The next offset to read (not the last one read).
    pub next: i64,
}

/// Transport.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// Publishes these, in order; returns when all are safely published.
    ///
    /// # Errors
    /// When that is not known for at least one of them; all are then published again.
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Unreachable>;

    /// Joins a group that shares the messages of these topics; begins where the group has committed.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    async fn subscribe(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable>;

    /// What a partition of a topic still holds at these offsets, in order, each with its offset; `None` if this
    /// transport keeps nothing that was delivered. For replays by place: what they need is then in the log.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    async fn read(
        &self,
        _topic: TopicName,
        _partition: i32,
        _offsets: Range<i64>,
    ) -> Result<Option<Vec<(i64, Bytes)>>, Unreachable> {
        Ok(None)
    }

    /// How much is on its way, for back pressure at the intake. Topics that nobody subscribes to do not count.
    fn backlog(&self) -> Backlog;
}

/// How much was published and not yet committed by every group that subscribed to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages.
    pub count: usize,
    /// Bytes of their events.
    pub bytes: usize,
}

/// A member of a group. Dropping it leaves the group; what it did not commit is delivered again.
#[async_trait]
pub trait Subscription: fmt::Debug + Send {
    /// The next messages: waits for one, then takes what is there, up to these many and about these many bytes
    /// (one message is always given, however large). Safe to cancel: what was not returned is not lost.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    async fn next(&mut self, count_max: usize, bytes_max: usize) -> Result<Vec<Delivery>, Unreachable>;

    /// Says how far the group has come.
    ///
    /// # Errors
    /// When the bus cannot be reached; the messages may then be delivered again.
    async fn commit(&mut self, positions: &[Position]) -> Result<(), Unreachable>;
}
