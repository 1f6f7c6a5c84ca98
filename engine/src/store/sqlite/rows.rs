//! Rows changed by compare-and-set, in two tables of the same shape.

use super::Database;
use crate::{
    bus::Unreachable,
    store::{Row, RowKey, Rows},
};
use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// One of the two tables.
#[derive(Debug)]
pub(super) struct Table {
    database: Arc<Database>,
    /// Whether nothing may be left of an earlier body.
    wipes: bool,
    sql: &'static Sql,
}

/// The statements of a table.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) get: &'static str,
    pub(super) list: &'static str,
    pub(super) find: &'static str,
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
    name: &'static str,
    unname: &'static str,
}

pub(super) static ROWS: Sql = Sql {
    get: "SELECT id, version, body FROM rows WHERE subject = ?1 AND kind = ?2 AND id = ?3",
    list: "SELECT id, version, body FROM rows WHERE subject = ?1 AND kind = ?2 ORDER BY id",
    find: "SELECT subject, id FROM rows_index WHERE kind = ?1 AND name = ?2 ORDER BY subject, id",
    insert: "INSERT OR IGNORE INTO rows (subject, kind, id, version, body) VALUES (?1, ?2, ?3, 1, ?4)",
    update: "UPDATE rows SET version = version + 1, body = ?4 WHERE subject = ?1 AND kind = ?2 AND id = ?3 AND version = ?5",
    delete: "DELETE FROM rows WHERE subject = ?1 AND kind = ?2 AND id = ?3 AND version = ?4",
    name: "INSERT OR IGNORE INTO rows_index (kind, name, subject, id) VALUES (?1, ?2, ?3, ?4)",
    unname: "DELETE FROM rows_index WHERE subject = ?1 AND kind = ?2 AND id = ?3",
};

pub(super) static VAULT: Sql = Sql {
    get: "SELECT id, version, body FROM vault WHERE subject = ?1 AND kind = ?2 AND id = ?3",
    list: "SELECT id, version, body FROM vault WHERE subject = ?1 AND kind = ?2 ORDER BY id",
    find: "SELECT subject, id FROM vault_index WHERE kind = ?1 AND name = ?2 ORDER BY subject, id",
    insert: "INSERT OR IGNORE INTO vault (subject, kind, id, version, body) VALUES (?1, ?2, ?3, 1, ?4)",
    update: "UPDATE vault SET version = version + 1, body = ?4 WHERE subject = ?1 AND kind = ?2 AND id = ?3 AND version = ?5",
    delete: "DELETE FROM vault WHERE subject = ?1 AND kind = ?2 AND id = ?3 AND version = ?4",
    name: "INSERT OR IGNORE INTO vault_index (kind, name, subject, id) VALUES (?1, ?2, ?3, ?4)",
    unname: "DELETE FROM vault_index WHERE subject = ?1 AND kind = ?2 AND id = ?3",
};

impl Table {
    pub(super) fn rows(database: &Arc<Database>) -> Self {
        Self { database: Arc::clone(database), wipes: false, sql: &ROWS }
    }

    pub(super) fn vault(database: &Arc<Database>) -> Self {
        Self { database: Arc::clone(database), wipes: true, sql: &VAULT }
    }
}

#[async_trait]
impl Rows for Table {
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, Unreachable> {
        let (sql, key) = (self.sql, key.clone());
        self.database
            .read(move |connection| {
                connection
                    .prepare_cached(sql.get)?
                    .query_row(params![key.subject, key.kind, key.id], row)
                    .optional()
            })
            .await
    }

    async fn list(&self, subject: &str, kind: &'static str) -> Result<Vec<Row>, Unreachable> {
        let (sql, subject) = (self.sql, subject.to_owned());
        self.database
            .read(move |connection| {
                connection
                    .prepare_cached(sql.list)?
                    .query_map(params![subject, kind], row)?
                    .collect()
            })
            .await
    }

    async fn put(
        &self,
        key: &RowKey,
        expected: i64,
        body: Bytes,
        index: &[String],
    ) -> Result<bool, Unreachable> {
        let (sql, key, index) = (self.sql, key.clone(), index.to_vec());
        self.database
            .write(move |connection| put(connection, sql, &key, expected, &body, &index))
            .await
    }

    async fn delete(&self, key: &RowKey, expected: i64) -> Result<bool, Unreachable> {
        let (sql, key) = (self.sql, key.clone());
        let work = move |connection: &Connection| {
            let place = params![key.subject, key.kind, key.id, expected];
            let deleted = connection.prepare_cached(sql.delete)?.execute(place)? > 0;
            if deleted {
                connection.prepare_cached(sql.unname)?.execute(params![
                    key.subject,
                    key.kind,
                    key.id
                ])?;
            }
            Ok(deleted)
        };
        if self.wipes { self.database.wipe(work).await } else { self.database.write(work).await }
    }

    async fn find(
        &self,
        kind: &'static str,
        name: &str,
    ) -> Result<Vec<(String, String)>, Unreachable> {
        let (sql, name) = (self.sql, name.to_owned());
        self.database
            .read(move |connection| {
                let to_pair = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                connection
                    .prepare_cached(sql.find)?
                    .query_map(params![kind, name], to_pair)?
                    .collect()
            })
            .await
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { id: row.get(0)?, version: row.get(1)?, body: Bytes::from(row.get::<_, Vec<u8>>(2)?) })
}

fn put(
    connection: &Connection,
    sql: &Sql,
    key: &RowKey,
    expected: i64,
    body: &Bytes,
    index: &[String],
) -> rusqlite::Result<bool> {
    let changed = if expected == 0 {
        connection.prepare_cached(sql.insert)?.execute(params![
            key.subject,
            key.kind,
            key.id,
            &body[..]
        ])?
    } else {
        connection.prepare_cached(sql.update)?.execute(params![
            key.subject,
            key.kind,
            key.id,
            &body[..],
            expected
        ])?
    };
    if changed == 0 {
        return Ok(false);
    }
    connection.prepare_cached(sql.unname)?.execute(params![key.subject, key.kind, key.id])?;
    for name in index {
        connection.prepare_cached(sql.name)?.execute(params![
            key.kind,
            name,
            key.subject,
            key.id
        ])?;
    }
    Ok(true)
}
