//! What happens: seven events, each with its head; and what analysts are told of it, an eighth.
//!
//! This file is what they have in common; then one file for each part of the flow, in its order: `requested`, `pages`,
//! `decisions`, `outcome`, then `analytics`, with `payload` (sealed content) and `fate` (what becomes of a record) beside
//! them.

mod analytics;
mod decisions;
mod fate;
mod outcome;
mod pages;
mod payload;
mod requested;

pub use analytics::{Analytics, PartOfDay};
pub use decisions::{Action, Candidate, Decision, Decisions, Evidence, FieldChoice, Resolved, Source, Verdict};
pub use fate::{Count, Fate, Reason};
pub use outcome::{DestinationCounts, OperationResult, Outcome, Rejected, Results, Settled, Stretch, StretchState};
pub use pages::{Fetched, IssueCount, Normalized, Side};
pub use payload::Payload;
pub use requested::{
    Account, Cover, Deletes, Delivered, Destination, Held, Lane, Named, Reading, Requested, Rule, Trigger, TypeSpan,
};

use crate::{
    id::{EventId, Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// An event as stages see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<E> {
    /// Who, when, of what.
    pub head: Head,
    /// What happened.
    pub body: E,
}

/// The head of every event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its id, derived from its cause.
    pub id: EventId,
    /// The event that it was made of; its own id for the first event of a sync.
    pub cause: EventId,
    /// The sync that it belongs to.
    pub sync: SyncId,
    /// The person, as a keyed hash; the partition key, the same along the whole flow.
    pub subject: Subject,
    /// When it was made.
    pub at: Instant,
    /// Whether it may touch the world.
    pub mode: Mode,
}

impl Head {
    /// The head of the first event of a sync.
    #[must_use]
    pub fn root(sync: SyncId, subject: Subject, at: Instant) -> Self {
        let id = EventId::root(sync);
        Self { id, cause: id, sync, subject, at, mode: Mode::Live }
    }

    /// The head of output `index` that `stage` makes of this event.
    #[must_use]
    pub fn derive(&self, stage: &str, index: usize, at: Instant) -> Self {
        Self { id: EventId::derived(self.id, stage, index), cause: self.id, at, ..self.clone() }
    }
}

/// Whether an event may touch the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is happening now.
    #[default]
    Live,
    /// A replay that only looks.
    Shadow,
    /// A replay that repairs.
    Repair,
}

/// What can be the body of an event.
pub trait Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its kind, which names its schema.
    const KIND: Kind;
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Requested`].
    Requested,
    /// [`Fetched`].
    Fetched,
    /// [`Normalized`].
    Normalized,
    /// [`Resolved`].
    Resolved,
    /// [`Outcome`].
    Outcome,
    /// [`Settled`].
    Settled,
    /// [`Rejected`].
    Rejected,
    /// [`Analytics`].
    Analytics,
}

impl Kind {
    /// Its name in logs, metrics and topic names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Fetched => "fetched",
            Self::Normalized => "normalized",
            Self::Resolved => "resolved",
            Self::Outcome => "outcome",
            Self::Settled => "settled",
            Self::Rejected => "rejected",
            Self::Analytics => "analytics",
        }
    }
}
