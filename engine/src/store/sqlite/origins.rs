//! Which items the records of a connection lead to.

use super::columns;
use crate::item::Origin;
use rusqlite::{Connection, OptionalExtension, Row, params};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject, SyncId},
    time::Interval,
};

pub(super) const GET: &str =
    "SELECT connection, record, destination, item, month, data_type, starts_at, source_at, seen_by
    FROM origins WHERE subject = ?1 AND connection = ?2 AND destination = ?3 AND record = ?4";
pub(super) const WITHIN: &str =
    "SELECT connection, record, destination, item, month, data_type, starts_at, source_at, seen_by
    FROM origins WHERE subject = ?1 AND connection = ?2 AND destination = ?3 AND data_type = ?4
    AND starts_at >= ?5 AND starts_at < ?6 ORDER BY starts_at, record";

pub(super) fn get(
    database: &Connection,
    subject: &Subject,
    connection: ConnectionId,
    destination: ConnectionId,
    records: &[String],
) -> rusqlite::Result<Vec<Option<Origin>>> {
    let mut statement = database.prepare_cached(GET)?;
    let mut get = |record: &String| {
        let key = params![subject.0, connection.0.as_bytes(), destination.0.as_bytes(), record];
        statement.query_row(key, origin).optional()
    };
    records.iter().map(&mut get).collect()
}

pub(super) fn within(
    database: &Connection,
    subject: &Subject,
    connection: ConnectionId,
    destination: ConnectionId,
    data_type: DataType,
    window: Interval,
) -> rusqlite::Result<Vec<Origin>> {
    let mut statement = database.prepare_cached(WITHIN)?;
    let (connection, destination) = (connection.0.as_bytes(), destination.0.as_bytes());
    let place = params![subject.0, connection, destination, data_type.name(), window.from.0, window.to.0];
    statement.query_map(place, origin)?.collect()
}

/// An older state of a record is only noted as seen: where a newer one leads and when it was stays.
pub(super) fn note(database: &Connection, subject: &Subject, origin: &Origin) -> rusqlite::Result<()> {
    database
        .prepare_cached(
            "INSERT INTO origins
                 (subject, connection, destination, record, item, month, data_type, starts_at, source_at, seen_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (subject, connection, destination, record) DO UPDATE SET
                 item = iif(excluded.source_at >= source_at, excluded.item, item),
                 month = iif(excluded.source_at >= source_at, excluded.month, month),
                 data_type = iif(excluded.source_at >= source_at, excluded.data_type, data_type),
                 starts_at = iif(excluded.source_at >= source_at, excluded.starts_at, starts_at),
                 source_at = max(excluded.source_at, source_at), seen_by = excluded.seen_by",
        )?
        .execute(params![
            subject.0,
            origin.connection.0.as_bytes(),
            origin.destination.0.as_bytes(),
            origin.record,
            origin.item.0.as_bytes(),
            origin.month,
            origin.data_type.name(),
            origin.starts_at.0,
            origin.source_at.0,
            origin.seen_by.0.as_bytes()
        ])
        .map(drop)
}

fn origin(row: &Row<'_>) -> rusqlite::Result<Origin> {
    Ok(Origin {
        connection: ConnectionId(columns::uuid(row, 0)?),
        record: row.get(1)?,
        destination: ConnectionId(columns::uuid(row, 2)?),
        item: ItemId(columns::uuid(row, 3)?),
        month: row.get(4)?,
        data_type: columns::data_type(row, 5)?,
        starts_at: columns::instant(row, 6)?,
        source_at: columns::instant(row, 7)?,
        seen_by: SyncId(columns::uuid(row, 8)?),
    })
}
