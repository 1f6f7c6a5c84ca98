//! What a look at a destination found: rows of foreign records, and whether ours were changed there.

use super::{Page, Resolve, Tally};
use crate::{
    bus::Unreachable,
    item::{ItemKey, ItemRow, Origin, Partition, Planned, Seen, month_of},
};
use bytes::Bytes;
use schemas::{
    event::{Destination, Fate, Resolved},
    id::ItemId,
    record::Record,
};
use std::collections::BTreeMap;

impl Resolve {
    /// Notes what a page of a destination shows; `None` if every race was lost.
    pub(super) async fn note_seen(
        &self,
        page: &Page<'_>,
        destination: &Destination,
    ) -> Result<Option<Resolved>, Unreachable> {
        for _ in 0..super::RACES_MAX {
            if let Some(tally) = self.try_note(page, destination).await? {
                let input = page.input;
                return Ok(Some(Resolved {
                    side: input.body.side,
                    source: input.body.source.clone(),
                    destination: destination.clone(),
                    decisions: None,
                    operations: 0,
                    counts: tally.counts(),
                    lane: input.body.lane,
                    expires_at: None,
                }));
            }
        }
        Ok(None)
    }

    async fn try_note(&self, page: &Page<'_>, destination: &Destination) -> Result<Option<Tally>, Unreachable> {
        let (subject, connection) = (page.subject(), destination.account.connection);
        let (known, mut seqs) = self.window(page, connection).await?;
        let mut keys = Vec::with_capacity(page.records.len());
        for record in &page.records {
            keys.push(self.contents.origin_key(subject, connection, &record.origin.record).await?);
        }
        let origins = self.items.origins(subject, connection, connection, &keys).await?;
        let (mut tally, mut noted) = (Tally::default(), Vec::new());
        let mut by_month: BTreeMap<String, Vec<Planned>> = BTreeMap::new();
        for ((record, key), origin) in page.records.iter().zip(&keys).zip(origins) {
            tally.add(record.data_type, Fate::Seen, None);
            let place = self.place(page, destination, record, origin.as_ref());
            let row = known.iter().find(|it| it.row.key.item == place.item).map(|it| &it.row);
            page.note_made(place.item, row);
            if let Some(seen) = self.seen(page, destination, record, place.item, row).await? {
                // An owned row keeps the summary of what we wrote: that is what the matcher compares.
                let summary = if row.is_some_and(|it| it.owned) {
                    None
                } else {
                    Some(self.seal_summary(subject, place.item, record, &[]).await?)
                };
                by_month
                    .entry(place.partition.month.clone())
                    .or_default()
                    .push(planned(record, place.item, summary, seen));
            }
            noted.push(Origin {
                connection,
                record: key.clone(),
                destination: connection,
                item: place.item,
                month: place.partition.month,
                data_type: record.data_type,
                starts_at: record.time.start,
                source_at: record.origin.modified_at.unwrap_or(page.input.body.fetched_at),
                seen_by: page.input.head.sync,
            });
        }
        self.items.note_origins(subject, noted).await?;
        for row in self.gone_there(page, destination, &known.iter().map(|it| &it.row).collect::<Vec<_>>()).await? {
            let seen = Seen {
                hash: String::new(),
                at: page.input.body.fetched_at,
                modified_at: None,
                external_id: Bytes::new(),
            };
            by_month.entry(row.key.partition.month.clone()).or_default().push(Planned {
                item: row.key.item,
                data_type: row.data_type,
                starts_at: row.starts_at,
                ends_at: row.ends_at,
                summary: None,
                plan: None,
                seen: Some(seen),
            });
        }
        for (month, plans) in by_month {
            let partition = Partition { subject: subject.clone(), destination: connection, month };
            let seq = match seqs.remove(&partition.month) {
                Some(seq) => seq,
                None => self.items.seq(&partition).await?,
            };
            if !self.items.plan(&partition, seq, plans).await? {
                return Ok(None);
            }
        }
        Ok(Some(tally))
    }

    /// Which row a record of the destination is: the one it led to before, the one whose mark it carries, or a new
    /// one of its own.
    fn place(&self, page: &Page<'_>, destination: &Destination, record: &Record, origin: Option<&Origin>) -> ItemKey {
        let connection = destination.account.connection;
        let marked = record.origin.marker.as_deref().and_then(|it| it.parse().ok()).map(ItemId);
        let own = ItemId::derived(connection, record.data_type.name(), connection, &record.origin.record);
        let item = origin.map(|it| it.item).or(marked).unwrap_or(own);
        let month = origin.map_or_else(|| month_of(record.time.start), |it| it.month.clone());
        ItemKey { partition: Partition { subject: page.subject().clone(), destination: connection, month }, item }
    }

    /// What is news about a row; `None` if nothing is.
    async fn seen(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        record: &Record,
        item: ItemId,
        row: Option<&ItemRow>,
    ) -> Result<Option<Seen>, Unreachable> {
        let (subject, at) = (page.subject(), page.input.body.fetched_at);
        let provider = self.accounts.catalog.get(&destination.account.provider);
        let content = provider.and_then(|it| it.project(record).ok()).unwrap_or_else(|| record.clone()).content();
        let hash = self.contents.vault.keyed_hash(subject, "content", &content).await?;
        let new = |hash: String, modified_at, external_id| Ok(Some(Seen { hash, at, modified_at, external_id }));
        if row.is_some_and(|it| !page.may_change(it)) {
            return Ok(None);
        }
        let Some(row) = row else {
            let external_id = self.contents.seal_external(subject, item, &record.origin.record).await?;
            return new(hash, record.origin.modified_at, external_id);
        };
        if row.planned_version == 0 {
            return if row.seen_hash == hash { Ok(None) } else { new(hash, record.origin.modified_at, Bytes::new()) };
        }
        if row.version < row.planned_version {
            // A newer version is on its way: what is there now says nothing about it.
            return Ok(None);
        }
        if row.seen_hash.is_empty() {
            // The first reading after our write is what the service made of it: later ones are compared with it.
            return new(hash, None, Bytes::new());
        }
        if row.seen_hash == hash || row.seen_modified_at.is_some() {
            return Ok(None);
        }
        new(row.seen_hash.clone(), Some(record.origin.modified_at.unwrap_or(at)), Bytes::new())
    }

    /// Foreign rows whose record is no longer there: only when the look was complete.
    async fn gone_there(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        rows: &[&ItemRow],
    ) -> Result<Vec<ItemRow>, Unreachable> {
        let normalized = &page.input.body;
        let (Some(window), Some(data_type), true) = (normalized.window, normalized.data_type, normalized.last) else {
            return Ok(Vec::new());
        };
        let Some(sure) = super::gone::surely_read(data_type, window) else { return Ok(Vec::new()) };
        let connection = destination.account.connection;
        let noted = self.items.origins_within(page.subject(), connection, connection, data_type, sure).await?;
        let sync = page.input.head.sync;
        let is_seen = |row: &ItemRow| noted.iter().any(|it| it.item == row.key.item && it.seen_by == sync);
        // Also a row that no record leads to any more: what it stood for was recognised as ours.
        let unseen: Vec<ItemRow> = rows
            .iter()
            .filter(|row| row.planned_version == 0 && !row.seen_hash.is_empty() && row.data_type == data_type)
            .filter(|row| page.may_change(row))
            .filter(|row| sure.from <= row.starts_at && row.starts_at < sure.to && !is_seen(row))
            .map(|row| (*row).clone())
            .collect();
        if unseen.is_empty() {
            return Ok(Vec::new());
        }
        // What this sync saw may carry the mark of another one by now.
        let Some(shown) = self.shown(page).await? else { return Ok(Vec::new()) };
        let was_shown = |row: &ItemRow| noted.iter().any(|it| it.item == row.key.item && shown.contains(&it.record));
        Ok(unseen.into_iter().filter(|row| !was_shown(row)).collect())
    }
}

fn planned(record: &Record, item: ItemId, summary: Option<Bytes>, seen: Seen) -> Planned {
    Planned {
        item,
        data_type: record.data_type,
        starts_at: record.time.start,
        ends_at: record.time.end,
        summary,
        plan: None,
        seen: Some(seen),
    }
}
