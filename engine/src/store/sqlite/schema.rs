//! The tables, and how an older database becomes a present one.

use rusqlite::{Connection, config::DbConfig};
use std::time::Duration;

/// Why a database cannot be brought to the present schema.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    /// It belongs to another program.
    #[error("it belongs to another program")]
    Foreign,
    /// It is of a version that this build does not know.
    #[error("schema version {found} is newer than {known}")]
    Newer { found: i32, known: i32 },
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Tells our databases from others ("sync", `PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x7379_6e63;

/// One script a version; a published one never changes, it gets a successor.
const MIGRATIONS: [&str; 2] = [V1, V2];

/// Sets the connection up for writing and brings the database to the present schema.
pub(super) fn migrate(connection: &Connection) -> Result<(), MigrateError> {
    let number = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i32>(0));
    let n_tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let n_tables = n_tables.map_err(|err| match err.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => MigrateError::Foreign,
        _ => MigrateError::Sqlite(err),
    })?;
    if n_tables > 0 && number("application_id")? != APPLICATION_ID {
        return Err(MigrateError::Foreign);
    }
    let (found, known) = (number("user_version")?, i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX));
    if found > known {
        return Err(MigrateError::Newer { found, known });
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // How long a wipe waits for readers.
    connection.busy_timeout(Duration::from_millis(500))?;
    // A destroyed key leaves no copy behind in a free page.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 * 1024 * 1024, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(connection)?;
    for (version, script) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        let all = format!(
            "BEGIN IMMEDIATE; {script} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT;"
        );
        if let Err(err) = connection.execute_batch(&all) {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            return Err(err.into());
        }
    }
    Ok(())
}

/// Keeps the plan of a prepared statement for all values that are bound to it. Without this SQLite may plan anew for
/// every new value (it looks whether the value changes which index is best), which costs more than the read itself.
pub(super) fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Ids are 16 bytes, instants milliseconds since 1970. A sync and a month are numbered, so that the many rows in
/// them have short keys. What is large comes last in a row, so that a look at the rest does not read it.
const V1: &str = "
CREATE TABLE syncs (
    num INTEGER PRIMARY KEY, subject TEXT NOT NULL, sync BLOB NOT NULL,
    began_at INTEGER, ended INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX syncs_key ON syncs (subject, sync);
CREATE INDEX syncs_open ON syncs (sync, subject) WHERE began_at IS NOT NULL AND ended = 0;
CREATE INDEX syncs_begun ON syncs (subject, began_at, num) WHERE began_at IS NOT NULL;

CREATE TABLE steps (
    num INTEGER PRIMARY KEY, sync INTEGER NOT NULL, stage TEXT NOT NULL, cause BLOB NOT NULL,
    at INTEGER NOT NULL, bearing INTEGER NOT NULL, first_event INTEGER NOT NULL, n_events INTEGER NOT NULL,
    n_roots INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX steps_key ON steps (sync, stage, cause);

CREATE TABLE events (
    num INTEGER PRIMARY KEY, sync INTEGER NOT NULL, id BLOB NOT NULL,
    kind INTEGER NOT NULL, lane INTEGER, bytes BLOB NOT NULL
) STRICT;
CREATE INDEX events_of ON events (sync, num);
CREATE INDEX events_key ON events (sync, id);

CREATE TABLE waiting (
    sync INTEGER NOT NULL, id BLOB NOT NULL, kind INTEGER NOT NULL, lane INTEGER, event INTEGER NOT NULL,
    PRIMARY KEY (sync, id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
    stage TEXT NOT NULL, event BLOB NOT NULL, subject TEXT NOT NULL, sync BLOB NOT NULL,
    at INTEGER NOT NULL, attempts INTEGER NOT NULL, first_at INTEGER NOT NULL,
    PRIMARY KEY (stage, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_at ON timers (at);
CREATE INDEX timers_sync ON timers (sync);

CREATE TABLE partitions (
    num INTEGER PRIMARY KEY, subject TEXT NOT NULL, destination BLOB NOT NULL, month TEXT NOT NULL,
    plan_seq INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX partitions_key ON partitions (subject, destination, month);

CREATE TABLE items (
    num INTEGER PRIMARY KEY, partition INTEGER NOT NULL, item BLOB NOT NULL,
    data_type TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    planned_version INTEGER NOT NULL, planned_hash TEXT NOT NULL, planned_event BLOB, planned_sync BLOB,
    state TEXT NOT NULL, reason TEXT NOT NULL, planned_delete INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0, hash TEXT NOT NULL DEFAULT '', external_id BLOB NOT NULL DEFAULT x'',
    handle TEXT NOT NULL DEFAULT '', owned INTEGER NOT NULL DEFAULT 0,
    seen_hash TEXT NOT NULL DEFAULT '', seen_at INTEGER, seen_modified_at INTEGER,
    claim_token BLOB, claim_at INTEGER, claim_print TEXT,
    unsure INTEGER NOT NULL DEFAULT 0, unsure_prints TEXT NOT NULL DEFAULT '[]', attempts INTEGER NOT NULL DEFAULT 0,
    summary BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_key ON items (partition, item);
CREATE INDEX items_window ON items (partition, data_type, starts_at);
CREATE INDEX items_id ON items (item);

CREATE VIEW item_rows AS SELECT p.subject, p.destination, p.month, i.item, i.data_type, i.starts_at, i.ends_at, i.planned_version,
    i.planned_hash, i.planned_event, i.planned_sync, i.state, i.reason, i.planned_delete, i.version, i.hash,
    i.external_id, i.handle, i.owned, i.seen_hash, i.seen_at, i.seen_modified_at, i.claim_token, i.claim_at,
    i.claim_print, i.unsure, i.unsure_prints, i.attempts, i.summary,
    i.num, i.partition FROM partitions p JOIN items i ON i.partition = p.num;

CREATE TABLE origins (
    subject TEXT NOT NULL, connection BLOB NOT NULL, destination BLOB NOT NULL, record TEXT NOT NULL,
    item BLOB NOT NULL, month TEXT NOT NULL, data_type TEXT NOT NULL, starts_at INTEGER NOT NULL,
    source_at INTEGER NOT NULL, seen_by BLOB NOT NULL,
    PRIMARY KEY (subject, connection, destination, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX origins_within ON origins (subject, connection, destination, data_type, starts_at);

CREATE TABLE blobs (
    subject TEXT NOT NULL, name TEXT NOT NULL, n_pieces INTEGER NOT NULL, PRIMARY KEY (subject, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE blob_pieces (subject TEXT NOT NULL, name TEXT NOT NULL, place INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX blob_pieces_key ON blob_pieces (subject, name, place);

CREATE TABLE rows (
    subject TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (subject, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE rows_index (
    kind TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, name, subject, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX rows_index_of ON rows_index (subject, kind, id);

CREATE TABLE vault (
    subject TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (subject, kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE vault_index (
    kind TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, name, subject, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX vault_index_of ON vault_index (subject, kind, id);
";

/// Steps are read in order of time: by replays and for the list of rejects.
const V2: &str = "CREATE INDEX steps_at ON steps (at, num);";
