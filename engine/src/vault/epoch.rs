//! Pseudonyms that end: each quarter of a year has a key of its own, which is destroyed once the quarter is over.

use super::{ATTEMPTS_MAX, Key, Vault, contended};
use crate::{bus::Unreachable, clock::Clock, store::RowKey};
use bytes::Bytes;
use chrono::Datelike;
use schemas::time::Instant;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use uuid::{Builder, Uuid};

/// The key of an epoch, wrapped; empty once it is destroyed, so that nobody makes another one of that name.
const EPOCH: &str = "epoch";
/// How long a key stays after its quarter: for workers whose clocks are behind.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked whether a quarter has ended.
const LOOK_PAUSE: Duration = Duration::from_secs(3600);

/// Keyed hashes of one epoch. Once its key is destroyed nobody can make them again, or link them to another epoch's.
#[derive(Clone, Debug)]
pub struct Pseudonyms {
    epoch: String,
    key: Arc<Key>,
}

impl Pseudonyms {
    /// Which quarter they are of, `2026-Q4`.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The pseudonym of something, for one purpose: 32 hex digits.
    #[must_use]
    pub fn text(&self, purpose: &str, of: &[u8]) -> String {
        self.key.derive(purpose.as_bytes()).hash(of)
    }

    /// The pseudonym of something, for one purpose, as an id (RFC 9562, version 8).
    #[must_use]
    pub fn id(&self, purpose: &str, of: &[u8]) -> Uuid {
        let mut bytes = [0; 16];
        let digits = self.text(purpose, of);
        hex::decode_to_slice(digits, &mut bytes).expect("a keyed hash is 32 hex digits");
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

/// The quarter of a moment.
fn epoch_of(at: Instant) -> String {
    let utc = at.utc();
    format!("{}-Q{}", utc.year(), utc.month0() / 3 + 1)
}

impl Vault {
    /// The pseudonyms of the quarter that `now` is in, with a key that is made on first use.
    ///
    /// # Errors
    /// When the vault cannot be reached, or the key is destroyed: the clock is then more than a day behind.
    pub async fn pseudonyms(&self, now: Instant) -> Result<Pseudonyms, Unreachable> {
        let epoch = epoch_of(now);
        if let Some(held) = self.epoch().as_ref().filter(|it| it.epoch == epoch) {
            return Ok(held.clone());
        }
        for _ in 0..ATTEMPTS_MAX {
            let (place, aad) = (place(&epoch), format!("{EPOCH} {epoch}"));
            if let Some(row) = self.shared.rows.get(&place).await? {
                if row.body.is_empty() {
                    return Err(Unreachable(format!("the key of epoch {epoch} is destroyed: set the clock right")));
                }
                let broken = || Unreachable(format!("the key of epoch {epoch} does not match its seal"));
                let key = self.shared.kek.0.unwrap(aad.as_bytes(), &row.body).ok_or_else(broken)?;
                let held = Pseudonyms { epoch, key: Arc::new(key) };
                *self.epoch() = Some(held.clone());
                return Ok(held);
            }
            // Whoever loses a race reads the key that stands.
            let wrapped = self.shared.kek.0.wrap(aad.as_bytes(), &Key::random()?)?;
            self.shared.rows.put(&place, 0, Bytes::from(wrapped), &[]).await?;
        }
        Err(contended())
    }

    /// Destroys the keys of quarters that ended more than a day before `now`; says how many.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn destroy_epochs(&self, now: Instant) -> Result<usize, Unreachable> {
        let kept = epoch_of(now.minus(GRACE));
        let mut n_destroyed = 0;
        for row in self.shared.rows.list("", EPOCH).await? {
            if row.id < kept && !row.body.is_empty() {
                n_destroyed +=
                    usize::from(self.shared.rows.put(&place(&row.id), row.version, Bytes::new(), &[]).await?);
            }
        }
        let mut held = self.epoch();
        if held.as_ref().is_some_and(|it| it.epoch < kept) {
            *held = None;
        }
        Ok(n_destroyed)
    }

    /// Destroys the keys of quarters that are over, until `stop` turns true.
    pub async fn rotate_epochs(&self, clock: &Clock, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            match self.destroy_epochs(clock.now()).await {
                Ok(0) => {}
                Ok(n_keys) => tracing::info!(n_keys, "destroyed the keys of analytics epochs that are over"),
                Err(err) => tracing::warn!(%err, "keys of analytics epochs that are over cannot be destroyed yet"),
            }
            tokio::select! {
                () = clock.sleep_until(clock.now().plus(LOOK_PAUSE)) => {}
                changed = stop.changed() => if changed.is_err() { return },
            }
        }
    }
}

fn place(epoch: &str) -> RowKey {
    RowKey { subject: String::new(), kind: EPOCH, id: epoch.to_owned() }
}
