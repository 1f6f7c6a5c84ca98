//! Sealed columns of rows.

use crate::{bus::Unreachable, contents::Contents, item::ItemRow, vault::Sealed};
use bytes::Bytes;
use schemas::id::{ItemId, Subject};

impl Contents {
    /// Seals a column of the row `id`.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn seal_row(&self, subject: &Subject, id: &str, content: &[u8]) -> Result<Bytes, Unreachable> {
        Ok(self.vault.seal(subject, id.as_bytes(), content).await?.to_bytes())
    }

    /// Opens a column of the row `id`; `None` if it is empty or its key is gone.
    ///
    /// # Errors
    /// When the vault cannot be reached, or the column was not sealed for this row.
    pub async fn open_row(&self, subject: &Subject, id: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, Unreachable> {
        if sealed.is_empty() {
            return Ok(None);
        }
        let sealed = Sealed::from_bytes(sealed).ok_or_else(|| Unreachable(format!("a column of row {id} is cut off")))?;
        self.vault.open(subject, sealed.key_version, id.as_bytes(), &sealed.bytes).await
    }

    /// Seals the id that an item has at its destination.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn seal_external(&self, subject: &Subject, item: ItemId, external_id: &str) -> Result<Bytes, Unreachable> {
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
