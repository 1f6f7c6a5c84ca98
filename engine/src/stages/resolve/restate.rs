//! What a page led to before, noted again in rows that were lost: nothing is decided anew.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    item::{ItemKey, ItemRow, ItemState, Origin, Partition, Plan, Planned, Seen},
    restore::RowsMade,
};
use bytes::Bytes;
use schemas::{
    event::{Action, Decision, Decisions, Envelope, Normalized, Reason, Resolved, Side},
    id::ItemId,
    record::Records,
};
use std::collections::{BTreeMap, HashSet};

impl Page<'_> {
    /// Whether what the page shows may change a row: an older look says nothing about a row that stands, but about one
    /// that this run has made out of older events still.
    pub(super) fn may_change(&self, row: &ItemRow) -> bool {
        let Some(made) = self.again else { return true };
        let is_older = row.seen_at.is_some_and(|it| it < self.input.body.fetched_at);
        made.has(row.key.item) || (row.planned_version == 0 && is_older)
    }

    pub(super) fn note_made(&self, item: ItemId, row: Option<&ItemRow>) {
        if let (Some(made), None) = (self.again, row) {
            made.add(item);
        }
    }
}

impl Resolve {
    /// Notes again what a page of a destination showed; `false` if it can no longer be read.
    pub(crate) async fn restate_look(
        &self,
        input: &Envelope<Normalized>,
        made: &RowsMade,
    ) -> Result<bool, Unreachable> {
        let opened = self.contents.open_value::<Records>(&input.head.subject, &input.body.records).await?;
        let Some(opened) = opened else { return Ok(false) };
        let page = Page { input, records: opened.records, again: Some(made), left_out: BTreeMap::new() };
        for destination in &input.body.destinations {
            self.note_seen(&page, destination).await?;
        }
        Ok(true)
    }

    /// Notes again what was decided: where records lead, and the plans that no row holds. How many rows were planned;
    /// `None` if the decisions can no longer be read.
    pub(crate) async fn restate(
        &self,
        resolved: &Envelope<Resolved>,
        page: Option<&Envelope<Normalized>>,
        made: &RowsMade,
    ) -> Result<Option<usize>, Unreachable> {
        let Some(sealed) = resolved.body.decisions.as_ref().filter(|_| resolved.body.side == Side::Source) else {
            return Ok(Some(0));
        };
        let opened = self.contents.open_value::<Decisions>(&resolved.head.subject, sealed).await?;
        let Some(Decisions { decisions }) = opened else { return Ok(None) };
        self.restate_origins(resolved, page, &decisions).await?;
        let mut months: BTreeMap<&str, BTreeMap<ItemId, &Decision>> = BTreeMap::new();
        for it in decisions.iter().filter(|it| it.action != Action::Skip) {
            months.entry(&it.month).or_default().insert(it.item, it);
        }
        let mut n_planned = 0;
        for (month, of_month) in months {
            n_planned += self.restate_month(resolved, month, &of_month, made).await?;
        }
        Ok(Some(n_planned))
    }

    async fn restate_month(
        &self,
        resolved: &Envelope<Resolved>,
        month: &str,
        decisions: &BTreeMap<ItemId, &Decision>,
        made: &RowsMade,
    ) -> Result<usize, Unreachable> {
        let destination = resolved.body.destination.account.connection;
        let partition = Partition { subject: resolved.head.subject.clone(), destination, month: month.into() };
        for _ in 0..super::RACES_MAX {
            let seq = self.items.seq(&partition).await?;
            let mut plans = Vec::new();
            for (item, decision) in decisions {
                let row = self.items.get(&ItemKey { partition: partition.clone(), item: *item }).await?;
                if row.is_none() {
                    made.add(*item);
                }
                if row.is_none_or(|it| it.planned_version < decision.version) {
                    plans.push(self.replanned(resolved, decision).await?);
                }
            }
            let n_plans = plans.len();
            if n_plans == 0 || self.items.plan(&partition, seq, plans).await? {
                return Ok(n_plans);
            }
        }
        Err(Unreachable(format!("items of {month} are being planned; stop all workers, then give the command again")))
    }

    async fn replanned(&self, resolved: &Envelope<Resolved>, decision: &Decision) -> Result<Planned, Unreachable> {
        let (head, time) = (&resolved.head, &decision.time);
        let (summary, hash) = match &decision.record {
            Some(record) => (
                Some(self.seal_summary(&head.subject, decision.item, record, &decision.sources).await?),
                self.contents.vault.keyed_hash(&head.subject, "content", &record.content()).await?,
            ),
            None => (None, String::new()),
        };
        // As when it was decided: what is there is no longer what will be there.
        let forget = Seen { hash: String::new(), at: decision.source_at, modified_at: None, external_id: Bytes::new() };
        let is_delete = decision.action == Action::Delete;
        Ok(Planned {
            item: decision.item,
            data_type: decision.data_type,
            starts_at: time.start,
            ends_at: time.end,
            summary,
            plan: Some(Plan {
                version: decision.version,
                hash,
                by: (head.cause, head.sync),
                state: ItemState::Planned,
                reason: String::new(),
                delete: is_delete,
            }),
            seen: (decision.version > 1 && !is_delete).then_some(forget),
        })
    }

    /// Where the records of the page lead. What was found to be gone is no record of the page.
    async fn restate_origins(
        &self,
        resolved: &Envelope<Resolved>,
        page: Option<&Envelope<Normalized>>,
        decisions: &[Decision],
    ) -> Result<(), Unreachable> {
        let subject = &resolved.head.subject;
        let opened = match page {
            Some(page) => self.contents.open_value::<Records>(subject, &page.body.records).await?,
            None => None,
        };
        let of_page: Option<HashSet<String>> = opened.map(|it| {
            let standing = it.records.into_iter().filter(|it| !it.deleted);
            standing.map(|it| it.origin.record).collect()
        });
        let connection = page.map_or(resolved.body.source.connection, |it| it.body.account.connection);
        let mut origins = Vec::new();
        for it in decisions {
            let leads_nowhere = matches!(it.reason, Some(Reason::Echo | Reason::NotFound | Reason::NotWritable));
            let is_of_page = of_page.as_ref().map_or(it.record.is_some(), |all| all.contains(&it.origin_record));
            // What a deletion says of a record that is there is that another item holds it.
            let is_left = it.action == Action::Delete;
            if !is_of_page || is_left || (leads_nowhere && it.version == 0) {
                continue;
            }
            origins.push(Origin {
                connection,
                record: self.contents.origin_key(subject, connection, &it.origin_record).await?,
                destination: resolved.body.destination.account.connection,
                item: it.item,
                month: it.month.clone(),
                data_type: it.data_type,
                starts_at: it.time.start,
                source_at: it.source_at,
                seen_by: resolved.head.sync,
            });
        }
        self.items.note_origins(subject, origins).await
    }
}
