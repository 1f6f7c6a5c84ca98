//! When something was written, and by whom: a hybrid logical clock.

use schemas::time::Instant;
use serde::{Deserialize, Serialize};

/// Who wrote it. The server is after every device, so that a tie is its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A device, by the name that the server gave it.
    Device(String),
    /// The server itself.
    Server,
}

/// A time of a hybrid logical clock. In order of physical time, then of the counter, then of the node: of two writes
/// one is always the later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Physical time, as far as it is known.
    pub at: Instant,
    /// Tells writes of one millisecond apart.
    #[serde(default)]
    pub counter: u32,
    /// Who wrote.
    pub node: Node,
}

impl Stamp {
    /// A first write at that time.
    #[must_use]
    pub const fn new(at: Instant, node: Node) -> Self {
        Self { at, counter: 0, node }
    }

    /// The time of a node's next write, having seen `self`: later than it even if the node's clock is behind.
    #[must_use]
    pub fn next(&self, now: Instant, node: Node) -> Self {
        if now > self.at {
            return Self::new(now, node);
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { at: self.at, counter, node },
            // The counter of a millisecond is used up: the next one.
            None => Self::new(Instant(self.at.0.saturating_add(1)), node),
        }
    }
}
