//! Contents of events, sealed under their person's key: small ones ride in the event, large ones lie in blobs.

use crate::{
    bus::Unreachable,
    store::Blobs,
    vault::{Unsealed, Vault},
};
use bytes::Bytes;
use schemas::{
    codec::{self, Framed},
    event::{Head, Payload},
    id::{EventId, Subject},
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The most sealed bytes that ride in an event.
pub const RIDING_BYTES_MAX: usize = 256 * 1024;

/// The media type of a value in Avro with Confluent framing.
pub const AVRO: &str = "application/vnd.confluent.avro";

/// The purpose of [`Payload::hash`], apart from all other keyed hashes.
const HASH_DOMAIN: &str = "content";

/// Seals contents and opens them.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Who has the keys.
    pub vault: Vault,
    /// Where large contents lie.
    pub blobs: Arc<dyn Blobs>,
}

impl Contents {
    /// Seals a content to the person of this event and to the event that carries it. Each time gives other bytes,
    /// but the same `hash`.
    ///
    /// # Errors
    /// When the vault or the blobs are out of reach.
    pub async fn seal(&self, head: &Head, content_type: &str, content: &[u8]) -> Result<Payload, Unreachable> {
        let sealed = self.vault.seal(&head.subject, carrier_aad(&head.id), content).await?;
        let mut payload = Payload {
            carrier: head.id,
            key_version: sealed.key_version,
            content_type: content_type.to_owned(),
            size: i64::try_from(content.len()).unwrap_or(i64::MAX),
            hash: self.vault.keyed_hash(&head.subject, HASH_DOMAIN, content).await?,
            sealed: None,
            blob: None,
        };
        if sealed.bytes.len() <= RIDING_BYTES_MAX {
            payload.sealed = Some(sealed.bytes);
        } else {
            let name = hex::encode(Sha256::digest(&sealed.bytes));
            self.blobs.put(&head.subject, &name, Bytes::from(sealed.bytes)).await?;
            payload.blob = Some(name);
        }
        Ok(payload)
    }

    /// The content of a payload of this person; `None` if its key or its blob is gone, or it does not match its seal:
    /// what was altered is logged and ends its own sync, and holds up nobody else.
    ///
    /// # Errors
    /// When the vault or the blobs are out of reach.
    pub async fn open(&self, subject: &Subject, payload: &Payload) -> Result<Option<Vec<u8>>, Unreachable> {
        let lying;
        let sealed: &[u8] = match (&payload.sealed, &payload.blob) {
            (Some(riding), _) => riding,
            (None, Some(name)) => match self.blobs.get(subject, name).await? {
                Some(content) => {
                    lying = content;
                    &lying
                }
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        match self.vault.open_seal(subject, payload.key_version, carrier_aad(&payload.carrier), sealed).await? {
            Unsealed::Opened(content) => Ok(Some(content)),
            Unsealed::Gone => Ok(None),
            Unsealed::Broken => {
                tracing::error!(%subject, carrier = %payload.carrier, "a sealed content does not match its seal");
                Ok(None)
            }
        }
    }

    /// Seals a value, in Avro.
    ///
    /// # Errors
    /// When the vault or the blobs are out of reach.
    pub async fn seal_value<T: Framed + Sync>(&self, head: &Head, value: &T) -> Result<Payload, Unreachable> {
        self.seal(head, AVRO, &codec::encode(value)).await
    }

    /// The value of a payload of this person; `None` where [`Contents::open`] says so.
    ///
    /// # Errors
    /// As [`Contents::open`], and when it is a value of another kind or of a version that this build does not know.
    pub async fn open_value<T: Framed>(&self, subject: &Subject, payload: &Payload) -> Result<Option<T>, Unreachable> {
        let Some(content) = self.open(subject, payload).await? else { return Ok(None) };
        let unknown = |err| Unreachable(format!("a sealed content is {err}: it may need a newer syncwell"));
        codec::decode(&content).map(Some).map_err(unknown)
    }
}

/// What binds a seal to the event that first carried it; the vault adds the person and the key's version.
fn carrier_aad(carrier: &EventId) -> &[u8] {
    carrier.0.as_bytes()
}
