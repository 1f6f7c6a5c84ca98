//! Items that read through to the live ones until they are changed.

use crate::{
    bus::Unreachable,
    item::{Guard, ItemKey, ItemRow, ItemState, Origin, Partition, Patch, Planned},
    store::Items,
};
use async_trait::async_trait;
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject},
    record::Span,
    time::{Instant, Interval},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a plan was made from: if the row says something else by the time of a repair, it has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::replay) struct Base {
    /// The version that was planned last.
    pub(in crate::replay) planned_version: i64,
    /// Keyed hash of its content.
    pub(in crate::replay) planned_hash: String,
    /// Whether it was a deletion.
    pub(in crate::replay) planned_delete: bool,
    /// When the record there was last changed by somebody else.
    pub(in crate::replay) edited_at: Option<Instant>,
}

impl Base {
    /// What a row says now.
    pub(in crate::replay) fn of(row: &ItemRow) -> Self {
        Self {
            planned_version: row.planned_version,
            planned_hash: row.planned_hash.clone(),
            planned_delete: row.planned_delete,
            edited_at: row.seen_modified_at,
        }
    }
}

type OriginKey = (Subject, ConnectionId, ConnectionId, String);

/// Items over live ones.
#[derive(Debug)]
pub(in crate::replay) struct OverItems {
    live: Arc<dyn Items>,
    own: Mutex<Own>,
}

#[derive(Debug, Default)]
struct Own {
    rows: HashMap<ItemKey, ItemRow>,
    seqs: HashMap<Partition, i64>,
    origins: HashMap<OriginKey, Origin>,
    /// By item and the version that was planned; `None` where there was no row.
    bases: HashMap<(ItemKey, i64), Option<Base>>,
    /// What the live rows said of every item that was planned here; `None` where there was no row.
    firsts: HashMap<ItemKey, Option<Base>>,
}

impl OverItems {
    pub(super) fn over(live: Arc<dyn Items>) -> Self {
        Self { live, own: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Own> {
        // Each change is whole by itself.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self) {
        *self.lock() = Own::default();
    }

    /// What this version of an item was planned from; `None` if it was not planned here.
    pub(in crate::replay) fn base(&self, key: &ItemKey, version: i64) -> Option<Option<Base>> {
        self.lock().bases.get(&(key.clone(), version)).cloned()
    }

    /// What the live row of an item said before anything was planned here; `None` if there was none.
    pub(in crate::replay) fn first(&self, key: &ItemKey) -> Option<Base> {
        self.lock().firsts.get(key).cloned().flatten()
    }

    fn origin_of(&self, key: &OriginKey, live: Option<Origin>) -> Option<Origin> {
        self.lock().origins.get(key).cloned().or(live)
    }
}

fn is_within(row: &ItemRow, window: Interval) -> bool {
    row.starts_at < window.to && row.ends_at >= window.from
}

#[async_trait]
impl Items for OverItems {
    async fn window(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<(Vec<ItemRow>, Vec<(Partition, i64)>), Unreachable> {
        let (mut rows, mut seqs) = self.live.window(subject, destination, data_type, window).await?;
        let own = self.lock();
        for (partition, seq) in &mut seqs {
            *seq = own.seqs.get(partition).copied().unwrap_or(*seq);
        }
        rows.retain(|it| !own.rows.contains_key(&it.key));
        let of = |it: &&ItemRow| {
            let place = &it.key.partition;
            place.subject == *subject && place.destination == destination && it.data_type == data_type
        };
        let has_month = |it: &&ItemRow| seqs.iter().any(|(partition, _)| *partition == it.key.partition);
        rows.extend(own.rows.values().filter(of).filter(has_month).filter(|it| is_within(it, window)).cloned());
        rows.sort_by_key(|it| (it.starts_at, it.key.item));
        Ok((rows, seqs))
    }

    async fn seq(&self, partition: &Partition) -> Result<i64, Unreachable> {
        let own = self.lock().seqs.get(partition).copied();
        match own {
            Some(seq) => Ok(seq),
            None => self.live.seq(partition).await,
        }
    }

    async fn get(&self, key: &ItemKey) -> Result<Option<ItemRow>, Unreachable> {
        let own = self.lock().rows.get(key).cloned();
        if own.is_some() { Ok(own) } else { self.live.get(key).await }
    }

    async fn find(&self, subject: &Subject, item: ItemId) -> Result<Vec<ItemRow>, Unreachable> {
        let mut rows = self.live.find(subject, item).await?;
        let own = self.lock();
        rows.retain(|it| !own.rows.contains_key(&it.key));
        rows.extend(
            own.rows.values().filter(|it| it.key.item == item && it.key.partition.subject == *subject).cloned(),
        );
        rows.sort_by(|a, b| {
            let place = |it: &ItemRow| (it.key.partition.destination, it.key.partition.month.clone());
            place(a).cmp(&place(b))
        });
        Ok(rows)
    }

    async fn plan(&self, partition: &Partition, seq: i64, plans: Vec<Planned>) -> Result<bool, Unreachable> {
        let stands = self.seq(partition).await?;
        let mut before = Vec::with_capacity(plans.len());
        for planned in &plans {
            before.push(self.get(&ItemKey { partition: partition.clone(), item: planned.item }).await?);
        }
        let mut own = self.lock();
        // Somebody else of this shadow may have planned meanwhile.
        if stands != seq || own.seqs.get(partition).is_some_and(|it| *it != seq) {
            return Ok(false);
        }
        own.seqs.insert(partition.clone(), seq + 1);
        for (planned, before) in plans.into_iter().zip(before) {
            let key = ItemKey { partition: partition.clone(), item: planned.item };
            // An earlier plan of this very batch counts.
            let before = own.rows.get(&key).cloned().or(before);
            if let Some(plan) = &planned.plan {
                let base = before.as_ref().map(Base::of);
                own.firsts.entry(key.clone()).or_insert_with(|| base.clone());
                own.bases.insert((key.clone(), plan.version), base);
            }
            own.rows.insert(key.clone(), with_plan(key, before, planned));
        }
        Ok(true)
    }

    async fn change(&self, key: &ItemKey, guard: Guard, patch: Patch) -> Result<bool, Unreachable> {
        let live = self.live.get(key).await?;
        let mut own = self.lock();
        let Some(mut row) = own.rows.get(key).cloned().or(live) else { return Ok(false) };
        let holds = guard.planned_version.is_none_or(|it| row.planned_version == it)
            && guard.version_below.is_none_or(|it| row.version < it)
            && guard.state_not.is_none_or(|it| row.state != it)
            && guard.claim.is_none_or(|it| row.claim.as_ref().map(|claim| claim.token) == it);
        if holds {
            apply(&mut row, patch);
            own.rows.insert(key.clone(), row);
        }
        Ok(holds)
    }

    async fn origins(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        records: &[String],
    ) -> Result<Vec<Option<Origin>>, Unreachable> {
        let live = self.live.origins(subject, connection, destination, records).await?;
        let key = |record: &String| (subject.clone(), connection, destination, record.clone());
        Ok(records.iter().zip(live).map(|(record, live)| self.origin_of(&key(record), live)).collect())
    }

    async fn note_origins(&self, subject: &Subject, origins: Vec<Origin>) -> Result<(), Unreachable> {
        for origin in origins {
            let records = [origin.record.clone()];
            let stands = self.origins(subject, origin.connection, origin.destination, &records).await?.pop().flatten();
            let noted = match stands {
                // An older state is only noted as seen.
                Some(stands) if stands.source_at > origin.source_at => Origin { seen_by: origin.seen_by, ..stands },
                _ => origin,
            };
            let key = (subject.clone(), noted.connection, noted.destination, noted.record.clone());
            self.lock().origins.insert(key, noted);
        }
        Ok(())
    }

    async fn origins_within(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Origin>, Unreachable> {
        let live = self.live.origins_within(subject, connection, destination, data_type, window).await?;
        let own = self.lock();
        let key = |it: &Origin| (subject.clone(), connection, destination, it.record.clone());
        let mut all: Vec<Origin> = live.into_iter().filter(|it| !own.origins.contains_key(&key(it))).collect();
        let of = own.origins.iter().filter(|(key, _)| (&key.0, key.1, key.2) == (subject, connection, destination));
        let within =
            |it: &&Origin| it.data_type == data_type && window.from <= it.starts_at && it.starts_at < window.to;
        all.extend(of.map(|it| it.1).filter(within).cloned());
        all.sort_by(|a, b| (a.starts_at, &a.record).cmp(&(b.starts_at, &b.record)));
        Ok(all)
    }
}

/// A row after a plan.
fn with_plan(key: ItemKey, before: Option<ItemRow>, planned: Planned) -> ItemRow {
    let time = Span { start: planned.starts_at, end: planned.ends_at, offset_seconds: None, zone: None };
    // What was only seen is held by its destination.
    let new = || ItemRow { state: ItemState::Applied, ..ItemRow::new(key, planned.data_type, &time) };
    let mut row = before.unwrap_or_else(new);
    (row.data_type, row.starts_at, row.ends_at) = (planned.data_type, planned.starts_at, planned.ends_at);
    if let Some(summary) = planned.summary {
        row.summary = summary;
    }
    if let Some(plan) = planned.plan {
        row.planned_version = plan.version;
        row.planned_hash = plan.hash;
        row.planned_by = Some(plan.by);
        row.planned_delete = plan.delete;
        if row.state != ItemState::Unknown {
            (row.state, row.reason) = (plan.state, plan.reason);
        }
    }
    if let Some(seen) = planned.seen {
        row.seen_hash = seen.hash;
        row.seen_at = Some(seen.at);
        row.seen_modified_at = seen.modified_at;
        if row.external_id.is_empty() {
            row.external_id = seen.external_id;
        }
    }
    row
}

fn apply(row: &mut ItemRow, patch: Patch) {
    fn set<T>(field: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *field = value;
        }
    }
    set(&mut row.state, patch.state);
    set(&mut row.reason, patch.reason);
    set(&mut row.version, patch.version);
    set(&mut row.hash, patch.hash);
    set(&mut row.external_id, patch.external_id);
    set(&mut row.handle, patch.handle);
    set(&mut row.owned, patch.owned);
    set(&mut row.claim, patch.claim);
    set(&mut row.unsure, patch.unsure);
    set(&mut row.unsure_prints, patch.unsure_prints);
    set(&mut row.attempts, patch.attempts);
}
