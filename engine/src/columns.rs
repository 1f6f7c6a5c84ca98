//! Sealed columns of rows.

use crate::{bus::Unreachable, contents::Contents, item::ItemRow, vault::Sealed};
use bytes::Bytes;
use schemas::id::{ConnectionId, ItemId, Subject};

/// A sealed value as one column: the key's version, then nonce and ciphertext.
pub(crate) fn pack(sealed: &Sealed) -> Bytes {
    let mut column = Vec::with_capacity(4 + sealed.bytes.len());
    column.extend_from_slice(&sealed.key_version.to_be_bytes());
    column.extend_from_slice(&sealed.bytes);
    column.into()
}

/// The reverse of [`pack`]; `None` for a column that is cut off.
pub(crate) fn unpack(column: &[u8]) -> Option<Sealed> {
    let (key_version, bytes) = column.split_first_chunk()?;
    Some(Sealed { key_version: i32::from_be_bytes(*key_version), bytes: bytes.to_vec() })
}

impl Contents {
    /// Seals a column of the row `id`.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn seal_row(&self, subject: &Subject, id: &str, content: &[u8]) -> Result<Bytes, Unreachable> {
        self.vault.seal(subject, id.as_bytes(), content).await.map(|it| pack(&it))
    }

    /// Opens a column of the row `id`; `None` if it is empty or its key is gone.
    ///
    /// # Errors
    /// When the vault cannot be reached, or the column was not sealed for this row.
    pub async fn open_row(&self, subject: &Subject, id: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, Unreachable> {
        if sealed.is_empty() {
            return Ok(None);
        }
        let sealed = unpack(sealed).ok_or_else(|| Unreachable(format!("a column of row {id} is cut off")))?;
        self.vault.unseal(subject, sealed.key_version, id.as_bytes(), &sealed.bytes).await
    }

    /// Keyed hash of a record's id at a connection.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn origin_key(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        record: &str,
    ) -> Result<String, Unreachable> {
        self.vault.keyed_hash(subject, "origin", format!("{connection}/{record}").as_bytes()).await
    }

    /// Seals the id that an item has at its destination.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn seal_external(
        &self,
        subject: &Subject,
        item: ItemId,
        external_id: &str,
    ) -> Result<Bytes, Unreachable> {
        self.seal_row(subject, &format!("{item}/external"), external_id.as_bytes()).await
    }

    /// The id that an item has at its destination; `None` while it has none.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn open_external(&self, subject: &Subject, row: &ItemRow) -> Result<Option<String>, Unreachable> {
        let opened = self.open_row(subject, &format!("{}/external", row.key.item), &row.external_id).await?;
        Ok(opened.and_then(|it| String::from_utf8(it).ok()))
    }
}
