//! What a store can lose, and how it is put right: while SyncWell does not run.

use crate::{End, Outside, Place, START, World, at, place::session, tables, until};
use anyhow::{Context, Result};
use engine::{
    clock::Clock,
    provider::Catalog,
    restore::{Restore, Restored},
};
use rusqlite::Connection;
use schemas::time::Instant;
use scylla::client::session::Session;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use topology::{backends, config::Config, process::Process, roles::Roles};

/// The calls of everybody in a quarter-hour.
const CALLS_MAX: u32 = 10_000;
/// What is folded from events, in the directory.
const ROWS: &str = "DELETE FROM items; DELETE FROM partitions; DELETE FROM origins;
    DELETE FROM rows WHERE kind = 'checkpoint';";
/// The same, on servers.
const TABLES: [&str; 6] = ["items", "item_months", "item_places", "origins", "origin_months", "origins_by_time"];
/// What is never restored from a snapshot, and what is of no use in one.
const KEPT: [&str; 6] = ["vault", "vault_of", "vault_named", "migrations", "migration_lock", "timer_leases"];

/// A world whose SyncWell has ended.
pub(crate) struct Still<'a> {
    pub(crate) place: &'a Place,
    pub(crate) config: &'a Config,
    pub(crate) clock: &'a Clock,
    pub(crate) catalog: &'a Catalog,
}

/// A copy of a store but for its vault, and when it was made.
#[derive(Debug)]
pub struct Snapshot {
    /// When it was made.
    pub at: Instant,
    kept: Kept,
}

/// What was put right, and how long that took.
#[derive(Debug)]
pub struct Repair {
    /// What was done.
    pub restored: Restored,
    /// How long it took, the opening of bus and store apart.
    pub took: Duration,
}

#[derive(Debug)]
enum Kept {
    File(PathBuf),
    /// By table: each row as JSON, and when it was written, µs.
    Tables(Vec<(String, Vec<(String, i64)>)>),
}

/// Opens something once whoever had the directory has let go of it.
pub(crate) async fn once_free<T>(open: impl AsyncFn() -> Result<T>) -> Result<T> {
    let look = async || match crate::opened(&open).await {
        Ok(opened) => Ok(Some(opened)),
        // Tasks that were cut off give the directory free when they have unwound.
        Err(err) if format!("{err:#}").contains("in use") => Ok(None),
        Err(err) => Err(err),
    };
    until("the directory is free", look).await
}

impl World {
    /// A world whose bus outlives its SyncWell; `None` where there is no such bus, which is said.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn with_lasting_bus() -> Result<Option<Self>> {
        let Some(place) = Place::with_lasting_bus().await? else { return Ok(None) };
        let outside = Outside::start_around(place, at(START), CALLS_MAX).await?;
        Self::around(outside, connectors::catalog()).await.map(Some)
    }

    /// The same world, and a copy of its store as it stood while SyncWell was down.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn snapshot(self) -> Result<(Self, Snapshot)> {
        self.reopened(End::Drained, None, async |it| it.snapshot().await).await
    }

    /// The same world after its SyncWell was ended and the rows of items, origins and checkpoints were lost, and made
    /// again by what the operator's command does.
    ///
    /// # Errors
    /// When a server does not do it.
    pub async fn rebuilt(self, lose: bool) -> Result<(Self, Repair)> {
        let between = async |it: Still<'_>| {
            if lose {
                it.lose_rows().await?;
            }
            let restore = it.restore().await?;
            let begun = std::time::Instant::now();
            Ok(Repair { restored: restore.rebuild().await?, took: begun.elapsed() })
        };
        self.reopened(End::CutOff, None, between).await
    }

    /// The same world after its SyncWell was cut off, its store was put back to a snapshot, and caught up by what the
    /// operator's command does.
    ///
    /// # Errors
    /// When a server does not do it.
    pub async fn put_back(self, snapshot: &Snapshot) -> Result<(Self, Repair)> {
        let between = async |it: Still<'_>| {
            it.put_back(snapshot).await?;
            let restore = it.restore().await?;
            let begun = std::time::Instant::now();
            Ok(Repair { restored: restore.catch_up(snapshot.at).await?, took: begun.elapsed() })
        };
        self.reopened(End::CutOff, None, between).await
    }
}

impl Still<'_> {
    async fn restore(&self) -> Result<Restore> {
        let open = || Process::open(self.config, self.catalog.clone(), self.clock.clone(), Roles::all());
        Ok(once_free(async || open().await).await?.restore())
    }

    fn file(&self) -> PathBuf {
        backends::directory(self.config).join("syncwell.db")
    }

    /// The database, once nobody else has it.
    async fn database(&self) -> Result<Connection> {
        drop(self.restore().await?);
        Ok(Connection::open(self.file())?)
    }

    async fn lose_rows(&self) -> Result<()> {
        if !self.place.has_store() {
            return Ok(self.database().await?.execute_batch(ROWS)?);
        }
        let session = self.session().await?;
        for table in TABLES {
            session.query_unpaged(format!("TRUNCATE {table}"), ()).await?;
        }
        for (row, _) in rows_of(&session, "rows").await? {
            let row: Value = serde_json::from_str(&row)?;
            if row["kind"] == "checkpoint" {
                let field = |name: &str| row[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
                let key = (field("subject")?, field("kind")?, field("id")?);
                session.query_unpaged("DELETE FROM rows WHERE subject = ? AND kind = ? AND id = ?", key).await?;
            }
        }
        Ok(())
    }

    async fn session(&self) -> Result<Session> {
        let (session, address) = session(self.config).await?;
        session.use_keyspace(address.keyspace, false).await?;
        Ok(session)
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        let at = self.clock.now();
        if !self.place.has_store() {
            // All of it in one file.
            self.database().await?.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
            let copy = self.file().with_extension("snapshot");
            std::fs::copy(self.file(), &copy)?;
            return Ok(Snapshot { at, kept: Kept::File(copy) });
        }
        let session = self.session().await?;
        let mut tables = Vec::new();
        for table in Self::tables(&session).await? {
            let rows = rows_of(&session, &table).await?;
            tables.push((table, rows));
        }
        Ok(Snapshot { at, kept: Kept::Tables(tables) })
    }

    async fn tables(session: &Session) -> Result<Vec<String>> {
        let all = tables::names(session).await?;
        Ok(all.into_iter().filter(|it| !KEPT.contains(&it.as_str())).collect())
    }

    async fn put_back(&self, snapshot: &Snapshot) -> Result<()> {
        match &snapshot.kept {
            Kept::File(copy) => {
                let database = self.database().await?;
                let file = copy.display();
                database.execute_batch(&format!("ATTACH '{file}' AS old"))?;
                let tables: Vec<String> = database
                    .prepare("SELECT name FROM old.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?
                    .query_map((), |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                for table in tables.iter().filter(|it| !it.starts_with("vault")) {
                    database.execute_batch(&format!(
                        "DELETE FROM {table}; INSERT INTO {table} SELECT * FROM old.{table}"
                    ))?;
                }
            }
            Kept::Tables(tables) => {
                let session = self.session().await?;
                for table in Self::tables(&session).await? {
                    session.query_unpaged(format!("TRUNCATE {table}"), ()).await?;
                }
                for (table, rows) in tables {
                    let put = session.prepare(format!("INSERT INTO {table} JSON ? USING TIMESTAMP ?")).await?;
                    for row in rows {
                        session.execute_unpaged(&put, row).await?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The rows of a table as JSON, without what is null, each with its time: that of the column by which steps are in
/// order, or of the one whose time is a record's own; else the beginning of time.
async fn rows_of(session: &Session, table: &str) -> Result<Vec<(String, i64)>> {
    let rows = tables::json(session, table).await?;
    let timed = match table {
        "steps" => Some("bearing"),
        "origins" => Some("leads"),
        _ => None,
    };
    let times: Vec<i64> = match timed {
        Some(column) => {
            let asked = format!("SELECT WRITETIME({column}) FROM {table}");
            let found = session.query_unpaged(asked, ()).await?.into_rows_result()?;
            found.rows::<(i64,)>()?.map(|it| Ok(it?.0)).collect::<Result<_>>()?
        }
        None => vec![1; rows.len()],
    };
    let mut whole = Vec::with_capacity(rows.len());
    for (row, time) in rows.into_iter().zip(times) {
        let mut row: Value = serde_json::from_str(&row)?;
        row.as_object_mut().context("a row is an object")?.retain(|_, value| !value.is_null());
        // A month in which nothing is kept yet has no item: it may begin anew.
        if table != "items" || !row["item"].is_null() {
            whole.push((row.to_string(), time));
        }
    }
    Ok(whole)
}
