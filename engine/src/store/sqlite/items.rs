//! The records of every person at every destination.
//!
//! An item is kept in the month of its first known start, and a look at a window begins one month before it: an item
//! that is longer than [`ITEM_LENGTH_MAX`] is not found in the later part of its time.

use super::{Database, columns, origins};
use crate::{
    bus::Unreachable,
    item::{Claim, Guard, ItemKey, ItemRow, ItemState, Origin, Partition, Patch, Plan, Planned, Seen},
    store::{
        Items,
        common::{ITEM_LENGTH_MAX, holds, months_of},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    time::Interval,
};
use std::collections::BTreeMap;

pub(super) const GET: &str =
    "SELECT * FROM item_rows WHERE subject = ?1 AND destination = ?2 AND month = ?3 AND item = ?4";
/// The plus keeps SQLite from looking through all months of the person.
pub(super) const FIND: &str = "SELECT * FROM item_rows WHERE item = ?2 AND +subject = ?1 ORDER BY destination, month";
pub(super) const WINDOW: &str = "SELECT * FROM item_rows
    WHERE subject = ?1 AND destination = ?2 AND month BETWEEN ?3 AND ?4
    AND data_type = ?5 AND starts_at >= ?6 AND starts_at < ?7 AND ends_at >= ?8 ORDER BY starts_at, item";
pub(super) const SEQ: &str = "SELECT plan_seq FROM partitions WHERE subject = ?1 AND destination = ?2 AND month = ?3";
pub(super) const MONTHS: &str = "SELECT month, plan_seq FROM partitions
    WHERE subject = ?1 AND destination = ?2 AND month BETWEEN ?3 AND ?4";
pub(super) const PARTITION: &str =
    "SELECT num, plan_seq FROM partitions WHERE subject = ?1 AND destination = ?2 AND month = ?3";

#[async_trait]
impl Items for Database {
    async fn seq(&self, partition: &Partition) -> Result<i64, Unreachable> {
        let partition = partition.clone();
        self.read(move |connection| {
            let place = params![partition.subject.0, partition.destination.0.as_bytes(), partition.month];
            connection.prepare_cached(SEQ)?.query_row(place, |row| row.get(0)).optional().map(Option::unwrap_or_default)
        })
        .await
    }

    async fn window(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<(Vec<ItemRow>, Vec<(Partition, i64)>), Unreachable> {
        let subject = subject.clone();
        self.read(move |connection| {
            let months = months_of(window);
            let (Some(first), Some(last)) = (months.first(), months.last()) else {
                return Ok((Vec::new(), Vec::new()));
            };
            let place = params![subject.0, destination.0.as_bytes(), first, last];
            let mut found = connection.prepare_cached(MONTHS)?;
            let found = found.query_map(place, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let seqs: BTreeMap<String, i64> = found.collect::<rusqlite::Result<_>>()?;
            let earliest = window.from.minus(ITEM_LENGTH_MAX).0;
            let mut rows = connection.prepare_cached(WINDOW)?;
            let rows = rows.query_map(
                params![
                    subject.0,
                    destination.0.as_bytes(),
                    first,
                    last,
                    data_type.name(),
                    earliest,
                    window.to.0,
                    window.from.0
                ],
                item_row,
            )?;
            let rows = rows.collect::<rusqlite::Result<_>>()?;
            let partition = |month| Partition { subject: subject.clone(), destination, month };
            let with_seq = |month: String| (seqs.get(&month).copied().unwrap_or(0), month);
            let seqs = months.into_iter().map(with_seq).map(|(seq, month)| (partition(month), seq)).collect();
            Ok((rows, seqs))
        })
        .await
    }

    async fn get(&self, key: &ItemKey) -> Result<Option<ItemRow>, Unreachable> {
        let key = key.clone();
        self.read(move |connection| get(connection, &key)).await
    }

    async fn find(&self, subject: &Subject, item: ItemId) -> Result<Vec<ItemRow>, Unreachable> {
        let subject = subject.clone();
        self.read(move |connection| {
            connection.prepare_cached(FIND)?.query_map(params![subject.0, item.0.as_bytes()], item_row)?.collect()
        })
        .await
    }

    async fn plan(&self, partition: &Partition, seq: i64, plans: Vec<Planned>) -> Result<bool, Unreachable> {
        let partition = partition.clone();
        self.write(move |connection| {
            let Some(number) = raise_plan_seq(connection, &partition, seq)? else {
                return Ok(false);
            };
            plans.iter().try_for_each(|it| plan(connection, number, it))?;
            Ok(true)
        })
        .await
    }

    async fn change(&self, key: &ItemKey, guard: Guard, patch: Patch) -> Result<bool, Unreachable> {
        let key = key.clone();
        self.write(move |connection| {
            let allowed = get(connection, &key)?.is_some_and(|row| holds(&guard, &row));
            if allowed {
                change(connection, &key, patch)?;
            }
            Ok(allowed)
        })
        .await
    }

    async fn origins(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        records: &[String],
    ) -> Result<Vec<Option<Origin>>, Unreachable> {
        let (subject, records) = (subject.clone(), records.to_vec());
        self.read(move |database| origins::get(database, &subject, connection, destination, &records)).await
    }

    async fn note_origins(&self, subject: &Subject, origins: Vec<Origin>) -> Result<(), Unreachable> {
        let subject = subject.clone();
        self.write(move |database| origins.iter().try_for_each(|it| origins::note(database, &subject, it))).await
    }

    async fn origins_within(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Origin>, Unreachable> {
        let subject = subject.clone();
        self.read(move |database| origins::within(database, &subject, connection, destination, data_type, window)).await
    }
}

fn get(connection: &Connection, key: &ItemKey) -> rusqlite::Result<Option<ItemRow>> {
    let Partition { subject, destination, month } = &key.partition;
    let place = params![subject.0, destination.0.as_bytes(), month, key.item.0.as_bytes()];
    connection.prepare_cached(GET)?.query_row(place, item_row).optional()
}

fn item_row(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
    let partition = Partition {
        subject: Subject(row.get(0)?),
        destination: ConnectionId(columns::uuid(row, 1)?),
        month: row.get(2)?,
    };
    let state: String = row.get(11)?;
    let planned_by = columns::uuid_or_none(row, 9)?.zip(columns::uuid_or_none(row, 10)?);
    let claim = match columns::uuid_or_none(row, 22)? {
        Some(token) => Some(Claim { token, at: columns::instant(row, 23)?, print: columns::json(row, 24)? }),
        None => None,
    };
    Ok(ItemRow {
        key: ItemKey { partition, item: ItemId(columns::uuid(row, 3)?) },
        data_type: columns::data_type(row, 4)?,
        starts_at: columns::instant(row, 5)?,
        ends_at: columns::instant(row, 6)?,
        planned_version: row.get(7)?,
        planned_hash: row.get(8)?,
        planned_by: planned_by.map(|(event, sync)| (EventId(event), SyncId(sync))),
        state: ItemState::ALL.into_iter().find(|it| it.name() == state).ok_or_else(|| columns::bad(11, "state"))?,
        reason: row.get(12)?,
        planned_delete: row.get(13)?,
        version: row.get(14)?,
        hash: row.get(15)?,
        external_id: columns::bytes(row, 16)?,
        handle: row.get(17)?,
        owned: row.get(18)?,
        seen_hash: row.get(19)?,
        seen_at: columns::instant_or_none(row, 20)?,
        seen_modified_at: columns::instant_or_none(row, 21)?,
        claim,
        unsure: row.get(25)?,
        unsure_prints: columns::json(row, 26)?,
        attempts: row.get(27)?,
        summary: columns::bytes(row, 28)?,
    })
}

/// Raises a partition's `plan_seq` if it is `seq`, and gives the partition's number.
fn raise_plan_seq(connection: &Connection, partition: &Partition, seq: i64) -> rusqlite::Result<Option<i64>> {
    let Partition { subject, destination, month } = partition;
    let place = params![subject.0, destination.0.as_bytes(), month];
    let to_pair = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let stands = connection.prepare_cached(PARTITION)?.query_row(place, to_pair).optional()?;
    let number: i64 = match stands {
        Some((number, stands)) if stands == seq => number,
        None if seq == 0 => {
            let sql = "INSERT INTO partitions (subject, destination, month) VALUES (?1, ?2, ?3) RETURNING num";
            connection.prepare_cached(sql)?.query_row(place, |row| row.get(0))?
        }
        _ => return Ok(None),
    };
    connection.prepare_cached("UPDATE partitions SET plan_seq = plan_seq + 1 WHERE num = ?1")?.execute([number])?;
    Ok(Some(number))
}

fn plan(connection: &Connection, partition: i64, planned: &Planned) -> rusqlite::Result<()> {
    let item = planned.item.0.as_bytes();
    let summary = planned.summary.as_deref();
    // What was only seen is held by its destination.
    connection
        .prepare_cached(
            "INSERT INTO items (partition, item, data_type, starts_at, ends_at, summary,
                 planned_version, planned_hash, state, reason, planned_delete)
             VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, x''), 0, '', ?7, '', 0)
             ON CONFLICT (partition, item) DO UPDATE SET data_type = excluded.data_type,
                 starts_at = excluded.starts_at, ends_at = excluded.ends_at, summary = coalesce(?6, summary)",
        )?
        .execute(params![
            partition,
            item,
            planned.data_type.name(),
            planned.starts_at.0,
            planned.ends_at.0,
            summary,
            ItemState::Applied.name()
        ])?;
    if let Some(Plan { version, hash, by: (event, sync), state, reason, delete }) = &planned.plan {
        connection
            .prepare_cached(
                "UPDATE items SET planned_version = ?3, planned_hash = ?4, planned_event = ?5, planned_sync = ?6,
                     reason = iif(state = ?10, reason, ?8), planned_delete = ?9, state = iif(state = ?10, state, ?7)
                 WHERE partition = ?1 AND item = ?2",
            )?
            .execute(params![
                partition,
                item,
                version,
                hash,
                event.0.as_bytes(),
                sync.0.as_bytes(),
                state.name(),
                reason,
                delete,
                ItemState::Unknown.name()
            ])?;
    }
    if let Some(Seen { hash, at, modified_at, external_id }) = &planned.seen {
        connection
            .prepare_cached(
                "UPDATE items SET seen_hash = ?3, seen_at = ?4, seen_modified_at = ?5,
                     external_id = iif(external_id = x'', ?6, external_id)
                 WHERE partition = ?1 AND item = ?2",
            )?
            .execute(params![partition, item, hash, at.0, modified_at.map(|it| it.0), &external_id[..]])?;
    }
    Ok(())
}

fn change(connection: &Connection, key: &ItemKey, patch: Patch) -> rusqlite::Result<()> {
    let Partition { subject, destination, month } = &key.partition;
    let claim = patch.claim.as_ref();
    let open = claim.and_then(Option::as_ref);
    let print = open.map(|it| columns::to_json(&it.print)).transpose()?;
    let prints = patch.unsure_prints.as_ref().map(columns::to_json).transpose()?;
    connection
        .prepare_cached(
            "UPDATE items SET state = coalesce(?5, state), reason = coalesce(?6, reason),
                 version = coalesce(?7, version), hash = coalesce(?8, hash),
                 external_id = coalesce(?9, external_id), handle = coalesce(?10, handle),
                 owned = coalesce(?11, owned), claim_token = iif(?12, ?13, claim_token),
                 claim_at = iif(?12, ?14, claim_at), claim_print = iif(?12, ?15, claim_print),
                 unsure = coalesce(?16, unsure), unsure_prints = coalesce(?17, unsure_prints),
                 attempts = coalesce(?18, attempts)
             WHERE item = ?4 AND partition =
                 (SELECT num FROM partitions WHERE subject = ?1 AND destination = ?2 AND month = ?3)",
        )?
        .execute(params![
            subject.0,
            destination.0.as_bytes(),
            month,
            key.item.0.as_bytes(),
            patch.state.map(ItemState::name),
            patch.reason,
            patch.version,
            patch.hash,
            patch.external_id.as_ref().map(<Bytes as AsRef<[u8]>>::as_ref),
            patch.handle,
            patch.owned,
            claim.is_some(),
            open.map(|it| it.token.into_bytes()),
            open.map(|it| it.at.0),
            print,
            patch.unsure,
            prints,
            patch.attempts
        ])
        .map(drop)
}
