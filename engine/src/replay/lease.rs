//! That a replay runs somewhere: a row that whoever runs it renews, so that every process knows.

use super::{Replays, nobody};
use crate::bus::Unreachable;
use schemas::time::Instant;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tracing::warn;

const KIND: &str = "replay_lease";
/// How long a lease lasts that is not renewed.
const LEASE: Duration = Duration::from_secs(30);
/// How long a lease may be given back after its replay has ended, and the pause between two looks.
const ENDING_MAX: Duration = Duration::from_secs(1);
const ENDING_PAUSE: Duration = Duration::from_millis(50);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);

/// The row; its version is what tells one holder from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    until: Instant,
}

/// That a replay runs here.
#[derive(Debug)]
pub(super) struct Running {
    replays: Replays,
    name: String,
    version: i64,
}

impl Replays {
    /// Claims a replay for this process; `None` while it runs somewhere. How it ended is noted before its lease is given
    /// back, so one that seems to run still may be done: that is waited for a moment.
    pub(super) async fn claim(&self, name: &str) -> Result<Option<Running>, Unreachable> {
        let begun = tokio::time::Instant::now();
        loop {
            let found = self.lease(name).await?;
            if found.is_none_or(|it| it.1.until <= self.now()) {
                let version = found.map_or(0, |it| it.0);
                let mut running = Running { replays: self.clone(), name: name.into(), version };
                return Ok(running.renew().await?.then_some(running));
            }
            if begun.elapsed() > ENDING_MAX {
                return Ok(None);
            }
            tokio::time::sleep(ENDING_PAUSE).await;
        }
    }

    /// Whether a replay runs in any process; one that died is thought to for half a minute.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn is_running(&self, name: &str) -> Result<bool, Unreachable> {
        Ok(self.lease(name).await?.is_some_and(|it| it.1.until > self.now()))
    }

    async fn lease(&self, name: &str) -> Result<Option<(i64, Lease)>, Unreachable> {
        self.people().get(&nobody(), KIND, name).await
    }
}

impl Running {
    /// Does this, and renews the lease meanwhile; `None`, and it is given up, once another process has the lease.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => {
                    warn!(replay = self.name, "another process has taken this replay up; it is given up here");
                    return None;
                }
                Err(err) => warn!(replay = self.name, %err, "that a replay runs could not be noted"),
            }
        }
    }

    /// Whether it is still, or only now, ours.
    async fn renew(&mut self) -> Result<bool, Unreachable> {
        let lease = Lease { until: self.replays.now().plus(LEASE) };
        let people = self.replays.people();
        // One's own earlier attempt may have been done though its answer was lost: then the version has moved, and the
        // next process waits for the lease to end.
        let is_ours = people.put(&nobody(), KIND, &self.name, self.version, &lease, &[]).await?;
        self.version += i64::from(is_ours);
        Ok(is_ours)
    }

    /// It runs no more.
    pub(super) async fn end(self) {
        let people = self.replays.people();
        if let Err(err) = people.delete(&nobody(), KIND, &self.name, self.version).await {
            warn!(replay = self.name, %err, "that a replay has ended could not be noted; half a minute does it");
        }
    }
}
