//! The records of every person at every destination.
//!
//! A month of a destination is one partition. Its `plan_seq` is a static column, so that a plan is one conditional
//! batch. Guards are built into conditions; there are as many texts as there are kinds of guard.

use super::{
    CONCURRENT, Cluster, columns,
    columns::{LEFT, NULL, blob, id, number, text, truth},
    cql::{Change, Stands, Value, Way},
    origins,
};
use crate::{
    bus::Unreachable,
    item::{Guard, ItemKey, ItemRow, Origin, Partition, Patch, Planned},
    store::{
        Items,
        common::{ITEM_LENGTH_MAX, holds, months_of},
    },
};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use row::ItemColumns;
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject},
    time::Interval,
};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

mod draft;
mod row;

pub(super) use row::data_type;

const MONTH: &str = "SELECT item, plan_seq, data_type, starts_at, ends_at, summary, planned_version,
    planned_hash, planned_event, planned_sync, state, reason, planned_delete, version, hash, external_id, handle, owned,
    seen_hash, seen_at, seen_modified_at, claim_token, claim_at, claim_print, unsure, unsure_prints, attempts, mark
    FROM items WHERE subject = ? AND destination = ? AND month = ?";
const SOME: &str = "SELECT item, plan_seq, data_type, starts_at, ends_at, summary, planned_version,
    planned_hash, planned_event, planned_sync, state, reason, planned_delete, version, hash, external_id, handle, owned,
    seen_hash, seen_at, seen_modified_at, claim_token, claim_at, claim_print, unsure, unsure_prints, attempts, mark
    FROM items WHERE subject = ? AND destination = ? AND month = ? AND item IN ?";
const SEQ: &str = "SELECT plan_seq, plan_mark FROM items WHERE subject = ? AND destination = ? AND month = ? LIMIT 1";
const FIRST: &str = "UPDATE items SET plan_seq = ?, plan_mark = ?
    WHERE subject = ? AND destination = ? AND month = ? IF plan_seq = null";
const NEXT: &str = "UPDATE items SET plan_seq = ?, plan_mark = ?
    WHERE subject = ? AND destination = ? AND month = ? IF plan_seq = ?";
const PUT_MONTH: &str = "INSERT INTO item_months (subject, destination, month) VALUES (?, ?, ?)";
const MONTHS: &str =
    "SELECT month FROM item_months WHERE subject = ? AND destination = ? AND month >= ? AND month <= ?";
const PUT_PLACE: &str = "INSERT INTO item_places (subject, item, destination, month) VALUES (?, ?, ?, ?)";
const PLACES: &str = "SELECT destination, month FROM item_places WHERE subject = ? AND item = ?";

pub(super) const STATEMENTS: [(&str, Way); 9] = [
    (MONTH, Way::Serial),
    (SOME, Way::Serial),
    (SEQ, Way::Serial),
    (FIRST, Way::Conditional),
    (NEXT, Way::Conditional),
    (PUT_MONTH, Way::Write),
    (MONTHS, Way::Read),
    (PUT_PLACE, Way::Write),
    (PLACES, Way::Read),
];

/// How often a plan is put together anew because a row was changed meanwhile.
const PLAN_TRIES: usize = 16;

#[async_trait]
impl Items for Cluster {
    async fn window(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<(Vec<ItemRow>, Vec<(Partition, i64)>), Unreachable> {
        let months = months_of(window);
        let (Some(first), Some(last)) = (months.first(), months.last()) else {
            return Ok((Vec::new(), Vec::new()));
        };
        // A month is listed before anything is planned in it.
        let listed: Vec<(String,)> = self.read(MONTHS, (&subject.0, destination.0.as_bytes(), first, last)).await?;
        let read = async |(month,): (String,)| {
            let partition = Partition { subject: subject.clone(), destination, month };
            let rows = self.month(&partition).await?;
            Ok::<_, Unreachable>((partition, rows))
        };
        let reads: Vec<_> = listed.into_iter().map(read).collect();
        let read: Vec<_> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
        let earliest = window.from.minus(ITEM_LENGTH_MAX);
        let (mut found, mut seqs) = (Vec::new(), BTreeMap::new());
        for (partition, rows) in read {
            // Within a month this comes with the first rows, or before them.
            let seq = rows.first().and_then(|it| it.plan_seq).unwrap_or(0);
            for row in rows {
                let Some(row) = self.item_row(&partition, row)? else { continue };
                let in_time = row.starts_at >= earliest && row.starts_at < window.to && row.ends_at >= window.from;
                if row.data_type == data_type && in_time {
                    found.push(row);
                }
            }
            seqs.insert(partition.month, seq);
        }
        found.sort_by_key(|it| (it.starts_at, it.key.item));
        let with_seq = |month: String| {
            let seq = seqs.get(&month).copied().unwrap_or(0);
            (Partition { subject: subject.clone(), destination, month }, seq)
        };
        Ok((found, months.into_iter().map(with_seq).collect()))
    }

    async fn seq(&self, partition: &Partition) -> Result<i64, Unreachable> {
        Ok(self.seq_and_mark(partition).await?.0)
    }

    async fn get(&self, key: &ItemKey) -> Result<Option<ItemRow>, Unreachable> {
        Ok(self.get_marked(key).await?.map(|it| it.0))
    }

    async fn find(&self, subject: &Subject, item: ItemId) -> Result<Vec<ItemRow>, Unreachable> {
        let places: Vec<(Vec<u8>, String)> = self.read(PLACES, (&subject.0, item.0.as_bytes())).await?;
        let get = async |(destination, month): (Vec<u8>, String)| {
            let destination = ConnectionId(columns::to_id(&destination).ok_or_else(|| self.broken("destination"))?);
            self.get(&ItemKey { partition: Partition { subject: subject.clone(), destination, month }, item }).await
        };
        let gets: Vec<_> = places.into_iter().map(get).collect();
        let rows: Vec<_> = stream::iter(gets).buffered(CONCURRENT).try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn plan(&self, partition: &Partition, seq: i64, plans: Vec<Planned>) -> Result<bool, Unreachable> {
        if self.seq(partition).await? != seq {
            return Ok(false);
        }
        self.list(partition, seq, &plans).await?;
        // The mark tells this plan from another that raised the same seq.
        let mark = columns::draw();
        for _ in 0..PLAN_TRIES {
            let stand = self.rows_of(partition, plans.iter().map(|it| it.item)).await?;
            let mut parts = vec![self.raise(partition, seq, mark).await?];
            for (item, draft) in draft::drafts(&plans, &stand) {
                let (sql, values) = draft.statement(partition, item);
                parts.push((self.prepared(&sql, Way::Conditional).await?, values));
            }
            let look = || self.look_at_plan(partition, seq, mark).boxed();
            if self.decide(&Change(parts), &look).await? {
                return Ok(true);
            }
            let (now, by) = self.seq_and_mark(partition).await?;
            if now != seq {
                return Ok(by == Some(mark));
            }
            // A row was changed between the read and the batch: the plan is the same, its conditions are not.
        }
        Err(Unreachable(format!("the store {} takes no plan: its rows never rest; try again", self.shown)))
    }

    async fn change(&self, key: &ItemKey, guard: Guard, patch: Patch) -> Result<bool, Unreachable> {
        let mark = columns::draw();
        let (sql, values) = draft::change(key, &guard, &patch, mark).map_err(|err| self.unreachable(&err))?;
        let change = self.conditional(&sql, values).await?;
        // A change of somebody else that came after ours hides it. If the guard still holds it may be made again; if
        // it does not, whoever asked reads the row and sees how it stands.
        let look = || {
            async {
                Ok(match self.get_marked(key).await? {
                    Some((_, Some(by))) if by == mark => Stands::Ours,
                    Some((row, _)) if holds(&guard, &row) => Stands::Unchanged,
                    _ => Stands::Other,
                })
            }
            .boxed()
        };
        self.decide(&change, &look).await
    }

    async fn origins(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        records: &[String],
    ) -> Result<Vec<Option<Origin>>, Unreachable> {
        self.get_origins(&origins::Place { subject, connection, destination }, records).await
    }

    async fn note_origins(&self, subject: &Subject, origins: Vec<Origin>) -> Result<(), Unreachable> {
        self.put_origins(subject, origins).await
    }

    async fn origins_within(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Origin>, Unreachable> {
        self.origins_by_time(&origins::Place { subject, connection, destination }, data_type, window).await
    }
}

impl Cluster {
    async fn month(&self, partition: &Partition) -> Result<Vec<ItemColumns>, Unreachable> {
        let Partition { subject, destination, month } = partition;
        self.serial(MONTH, (&subject.0, destination.0.as_bytes(), month)).await
    }

    /// The present `plan_seq`, and the mark of the plan that raised it last.
    async fn seq_and_mark(&self, partition: &Partition) -> Result<(i64, Option<Uuid>), Unreachable> {
        let Partition { subject, destination, month } = partition;
        let place = (&subject.0, destination.0.as_bytes(), month);
        let found: Vec<(Option<i64>, Option<Vec<u8>>)> = self.serial(SEQ, place).await?;
        let (seq, mark) = found.into_iter().next().unwrap_or_default();
        Ok((seq.unwrap_or(0), mark.and_then(|it| columns::to_id(&it))))
    }

    async fn get_marked(&self, key: &ItemKey) -> Result<Option<(ItemRow, Option<Uuid>)>, Unreachable> {
        let mut rows = self.marked_rows(&key.partition, &[key.item]).await?;
        Ok(rows.pop())
    }

    async fn marked_rows(
        &self,
        partition: &Partition,
        items: &[ItemId],
    ) -> Result<Vec<(ItemRow, Option<Uuid>)>, Unreachable> {
        let Partition { subject, destination, month } = partition;
        let items: Vec<Vec<u8>> = items.iter().map(|it| it.0.as_bytes().to_vec()).collect();
        let rows: Vec<ItemColumns> = self.serial(SOME, (&subject.0, destination.0.as_bytes(), month, &items)).await?;
        let mut whole = Vec::with_capacity(rows.len());
        for row in rows {
            let mark = row.mark.as_deref().and_then(columns::to_id);
            whole.extend(self.item_row(partition, row)?.map(|it| (it, mark)));
        }
        Ok(whole)
    }

    async fn rows_of(
        &self,
        partition: &Partition,
        items: impl Iterator<Item = ItemId> + Send,
    ) -> Result<HashMap<ItemId, ItemRow>, Unreachable> {
        let items: Vec<ItemId> = items.collect();
        if items.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.marked_rows(partition, &items).await?;
        Ok(rows.into_iter().map(|(row, _)| (row.key.item, row)).collect())
    }

    fn item_row(&self, partition: &Partition, row: ItemColumns) -> Result<Option<ItemRow>, Unreachable> {
        // A partition of which only the seq is there gives one row without an item.
        if row.item.is_none() {
            return Ok(None);
        }
        row.whole(partition).map(Some).ok_or_else(|| self.broken("row of an item"))
    }

    /// Lists month and items before they are planned.
    async fn list(&self, partition: &Partition, seq: i64, plans: &[Planned]) -> Result<(), Unreachable> {
        let Partition { subject, destination, month } = partition;
        let destination = destination.0.as_bytes();
        if seq == 0 {
            self.write(PUT_MONTH, (&subject.0, destination, month)).await?;
        }
        let put = plans.iter().map(|it| self.write(PUT_PLACE, (&subject.0, it.item.0.as_bytes(), destination, month)));
        let put: Vec<_> = put.collect();
        stream::iter(put).buffer_unordered(CONCURRENT).try_collect().await
    }

    async fn raise(
        &self,
        partition: &Partition,
        seq: i64,
        mark: Uuid,
    ) -> Result<(scylla::statement::prepared::PreparedStatement, Vec<Value>), Unreachable> {
        let Partition { subject, destination, month } = partition;
        let mut values =
            vec![number(seq.saturating_add(1)), id(mark), text(&subject.0), id(destination.0), text(month)];
        if seq > 0 {
            values.push(number(seq));
        }
        Ok((self.prepared(if seq == 0 { FIRST } else { NEXT }, Way::Conditional).await?, values))
    }

    /// What became of a plan: once somebody planned on top of it this cannot be told, and it is said to have lost.
    /// Who lost begins again, and finds its own rows planned as it wanted them.
    async fn look_at_plan(&self, partition: &Partition, seq: i64, mark: Uuid) -> Result<Stands, Unreachable> {
        let (now, by) = self.seq_and_mark(partition).await?;
        Ok(match by {
            Some(by) if by == mark => Stands::Ours,
            _ if now == seq => Stands::Unchanged,
            _ => Stands::Other,
        })
    }
}
