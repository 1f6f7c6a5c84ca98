//! A row of an item as it lies in its columns. A column that was never written is empty.

use crate::{
    item::{Claim, ItemKey, ItemRow, ItemState, Partition},
    store::scylla::columns::to_id,
};
use bytes::Bytes;
use schemas::{
    data_type::DataType,
    id::{EventId, ItemId, SyncId},
    time::Instant,
};
use scylla::DeserializeRow;

#[derive(DeserializeRow)]
pub(super) struct ItemColumns {
    pub(super) item: Option<Vec<u8>>,
    pub(super) plan_seq: Option<i64>,
    data_type: Option<String>,
    starts_at: Option<i64>,
    ends_at: Option<i64>,
    summary: Option<Vec<u8>>,
    planned_version: Option<i64>,
    planned_hash: Option<String>,
    planned_event: Option<Vec<u8>>,
    planned_sync: Option<Vec<u8>>,
    state: Option<String>,
    reason: Option<String>,
    planned_delete: Option<bool>,
    version: Option<i64>,
    hash: Option<String>,
    external_id: Option<Vec<u8>>,
    handle: Option<String>,
    owned: Option<bool>,
    seen_hash: Option<String>,
    seen_at: Option<i64>,
    seen_modified_at: Option<i64>,
    claim_token: Option<Vec<u8>>,
    claim_at: Option<i64>,
    claim_print: Option<String>,
    unsure: Option<bool>,
    unsure_prints: Option<String>,
    attempts: Option<i32>,
    pub(super) mark: Option<Vec<u8>>,
}

impl ItemColumns {
    /// The row; `None` if it holds what this build does not know.
    pub(super) fn whole(self, partition: &Partition) -> Option<ItemRow> {
        let state = self.state?;
        let planned_by = match (self.planned_event, self.planned_sync) {
            (Some(event), Some(sync)) => Some((EventId(to_id(&event)?), SyncId(to_id(&sync)?))),
            _ => None,
        };
        let claim = match self.claim_token {
            None => None,
            Some(token) => Some(Claim {
                token: to_id(&token)?,
                at: Instant(self.claim_at?),
                print: serde_json::from_str(&self.claim_print?).ok()?,
            }),
        };
        Some(ItemRow {
            key: ItemKey { partition: partition.clone(), item: ItemId(to_id(&self.item?)?) },
            data_type: data_type(&self.data_type?)?,
            starts_at: Instant(self.starts_at?),
            ends_at: Instant(self.ends_at?),
            summary: self.summary.map(Bytes::from).unwrap_or_default(),
            planned_version: self.planned_version.unwrap_or(0),
            planned_hash: self.planned_hash.unwrap_or_default(),
            planned_by,
            state: ItemState::ALL.into_iter().find(|it| it.name() == state)?,
            reason: self.reason.unwrap_or_default(),
            planned_delete: self.planned_delete.unwrap_or(false),
            version: self.version.unwrap_or(0),
            hash: self.hash.unwrap_or_default(),
            external_id: self.external_id.map(Bytes::from).unwrap_or_default(),
            handle: self.handle.unwrap_or_default(),
            owned: self.owned.unwrap_or(false),
            seen_hash: self.seen_hash.unwrap_or_default(),
            seen_at: self.seen_at.map(Instant),
            seen_modified_at: self.seen_modified_at.map(Instant),
            claim,
            unsure: self.unsure.unwrap_or(false),
            unsure_prints: self.unsure_prints.map_or(Some(Vec::new()), |it| serde_json::from_str(&it).ok())?,
            attempts: self.attempts.unwrap_or(0),
        })
    }
}

/// The type of this name; `None` for one that this build does not know.
pub(in crate::store::scylla) fn data_type(name: &str) -> Option<DataType> {
    if name == DataType::Unknown.name() { Some(DataType::Unknown) } else { name.parse().ok() }
}
