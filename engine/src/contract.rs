//! What every adapter of a port must do, sentence by sentence of the port's documentation.
//!
//! An adapter's own tests call these checks. A check panics with the sentence that does not hold.

pub mod bus;
mod items;
mod rows;
pub mod servers;
pub mod store;

use schemas::{
    id::{ConnectionId, EventId, Subject, SyncId},
    time::Instant,
};
use std::time::Duration;
use uuid::Uuid;

/// How long anything may take before it counts as never happening: servers of tests share one small machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Gives each check ids of its own, so that checks can share a backend that others use too.
#[derive(Debug)]
struct Names {
    space: Uuid,
    next: u64,
}

impl Names {
    /// `run` tells this run from earlier ones against the same server.
    fn new(run: &str, check: &str) -> Self {
        Self { space: Uuid::new_v5(&Uuid::new_v5(&Uuid::NAMESPACE_OID, run.as_bytes()), check.as_bytes()), next: 0 }
    }

    fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::new_v5(&self.space, &self.next.to_be_bytes())
    }

    fn subject(&mut self) -> Subject {
        Subject(self.id().simple().to_string())
    }

    fn sync(&mut self) -> SyncId {
        SyncId(self.id())
    }

    fn event(&mut self) -> EventId {
        EventId(self.id())
    }

    fn connection(&mut self) -> ConnectionId {
        ConnectionId(self.id())
    }
}

/// The moment of an RFC 3339 text that a check is written with.
fn at(text: &str) -> Instant {
    Instant::parse(text).expect("the checks are written with RFC 3339 times")
}
