//! The port to transport: it may repeat a message and may lose all of them, but keeps the order of a key.

pub mod kafka;
pub mod memory;
pub mod registry;
mod tenure;

pub use self::tenure::{Budget, Busy, Pulse, Tenure, still_held};

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
#[derive(Clone, Debug)]
pub struct Delivery {
    /// From which topic.
    pub topic: TopicName,
    /// From which partition.
    pub partition: i32,
    /// Its place in the partition, ascending; there may be gaps.
    pub offset: i64,
    /// The person; [`NO_KEY`] where the message has none.
    pub key: Subject,
    /// The framed event.
    pub bytes: Bytes,
    /// Why nobody can read it, if the bus knows already: `bytes` are then as they came.
    pub unreadable: Option<String>,
    /// What its receiver holds of the partition.
    pub tenure: Tenure,
}

/// The key of messages that have none: they are not ours.
pub const NO_KEY: &str = "none";

impl Delivery {
    /// Begins the work on it; none if the partition is no longer held.
    #[must_use]
    pub fn begin(&self) -> Option<Busy> {
        self.tenure.begin(self.offset)
    }
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
    /// transport keeps nothing that was delivered, and somebody subscribes to the topic. For replays by place, which
    /// find what they need in the log then, and for topics that only others read.
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

    /// What a topic still holds: the offsets of each partition, by its number; `None` as for [`Bus::read`].
    ///
    /// # Errors
    /// When the bus cannot be reached.
    async fn held(&self, _topic: TopicName) -> Result<Option<Vec<Range<i64>>>, Unreachable> {
        Ok(None)
    }

    /// How much is on its way, for back pressure at the intake. Topics that nobody subscribes to do not count.
    fn backlog(&self) -> Backlog;
}

/// How much was published and is not yet done by every group that subscribed to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages.
    pub count: usize,
    /// Bytes of their events.
    pub bytes: usize,
}

/// A member of a group. Dropping it leaves the group; what is not done is delivered again.
///
/// What has come is counted as done by [`Busy::done`]; how far that is without a hole, the bus notes for the group by
/// itself, soon, and at the latest when the partition goes to another member.
#[async_trait]
pub trait Subscription: fmt::Debug + Send {
    /// The next messages: waits for one, then takes what is there, up to these many and about these many bytes
    /// (one message is always given, however large). Safe to cancel: what was not returned is not lost. A partition
    /// of which too much is on its way gives nothing until there is less.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    async fn next(&mut self, count_max: usize, bytes_max: usize) -> Result<Vec<Delivery>, Unreachable>;

    /// Leaves the group. When this returns, all tenures have ended, and what was done is noted for the group if the
    /// bus could be reached.
    async fn leave(&mut self);
}
