//! Whether a sync is still wanted: looked at right before a call, a plan or a claim.

use crate::{
    bus::Unreachable,
    clock::Clock,
    people::{Connection, ConnectionState, People},
};
use schemas::{
    event::{Account, Destination, Head, Reason},
    id::SyncId,
    time::Instant,
};
use serde::{Deserialize, Serialize};

/// Looks at configs, connections and cancellations.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who is connected to what, and what they want.
    pub people: People,
    /// The time.
    pub clock: Clock,
}

/// That a sync was cancelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cancelled {
    at: Instant,
}

impl Standing {
    /// Notes that a sync is cancelled.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn cancel(&self, head: &Head) -> Result<(), Unreachable> {
        let cancelled = Cancelled { at: self.clock.now() };
        self.people.put(&head.subject, "cancelled", &head.sync.to_string(), 0, &cancelled, &[]).await.map(|_| ())
    }

    /// Why a sync is no longer wanted at all, if it is not.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn sync(&self, head: &Head, expires_at: Option<Instant>) -> Result<Option<Reason>, Unreachable> {
        if expires_at.is_some_and(|at| at <= self.clock.now()) {
            return Ok(Some(Reason::Expired));
        }
        let SyncId(id) = head.sync;
        let cancelled = self.people.get::<Cancelled>(&head.subject, "cancelled", &id.to_string()).await?;
        Ok(cancelled.map(|_| Reason::Cancelled))
    }

    /// The connection of an account, or why it cannot be used.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn account(&self, head: &Head, account: &Account) -> Result<Result<Connection, Reason>, Unreachable> {
        let found = self.people.connection(&head.subject, account.connection).await?;
        Ok(match found {
            None => Err(Reason::Disconnected),
            Some((_, it)) => match it.state {
                ConnectionState::Active => Ok(it),
                ConnectionState::NeedsReauth => Err(Reason::AccessRevoked),
                ConnectionState::Disconnected => Err(Reason::Disconnected),
            },
        })
    }

    /// The connection of a destination, or why nothing is to be written there any more.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn destination(
        &self,
        head: &Head,
        destination: &Destination,
    ) -> Result<Result<Connection, Reason>, Unreachable> {
        if let Some(config) = destination.config {
            let stands = self.people.config(&head.subject, config).await?;
            if stands.is_none_or(|(_, it)| !it.enabled) {
                return Ok(Err(Reason::Withdrawn));
            }
        }
        self.account(head, &destination.account).await
    }
}
