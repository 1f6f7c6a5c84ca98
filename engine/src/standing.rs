//! Whether a sync is still wanted: looked at right before a call, a plan or a claim.

use crate::{
    bus::Unreachable,
    clock::Clock,
    people::{Connection, ConnectionState, People},
    resolve::policy::Policies,
};
use schemas::{
    event::{Account, Destination, Head, Reason},
    id::{Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Looks at configs, connections and cancellations.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who is connected to what, and what they want.
    pub people: People,
    /// The time.
    pub clock: Clock,
    /// When the store was last restored, read once: no stage runs while it is.
    restored_at: Arc<OnceCell<Option<Instant>>>,
}

/// That the store was restored, or its rows made again.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RestoredAt {
    at: Instant,
}

/// That a sync was cancelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cancelled {
    at: Instant,
}

impl Standing {
    /// Looks at the rows of these people.
    #[must_use]
    pub fn new(people: People, clock: Clock) -> Self {
        Self { people, clock, restored_at: Arc::default() }
    }

    /// When the store was last restored: of records from before, a row may be missing that was written.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn restored_at(&self) -> Result<Option<Instant>, Unreachable> {
        let read = async || {
            let found = self.people.get::<RestoredAt>(&Subject(String::new()), "restored", "store").await?;
            Ok(found.map(|(_, it)| it.at))
        };
        self.restored_at.get_or_try_init(read).await.copied()
    }

    /// Notes that the store is being restored now.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn note_restored(&self) -> Result<(), Unreachable> {
        let (nobody, now) = (Subject(String::new()), RestoredAt { at: self.clock.now() });
        loop {
            let version = self.people.get::<RestoredAt>(&nobody, "restored", "store").await?.map_or(0, |it| it.0);
            if self.people.put(&nobody, "restored", "store", version, &now, &[]).await? {
                return Ok(());
            }
        }
    }

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

    /// What the person wants done with the records for a destination, as of now: an import has no config, and one that
    /// was removed wants nothing.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn policies(&self, head: &Head, destination: &Destination) -> Result<Policies, Unreachable> {
        let Some(config) = destination.config else { return Ok(Policies::default()) };
        Ok(self.people.config(&head.subject, config).await?.map_or_else(Policies::default, |it| it.1.policies))
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
