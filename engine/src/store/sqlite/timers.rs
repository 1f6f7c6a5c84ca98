//! What is to happen later.

use super::{Database, columns};
use crate::{
    bus::Unreachable,
    store::{Timer, Timers},
};
use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};
use schemas::{
    id::{EventId, Subject, SyncId},
    time::Instant,
};

pub(super) const GET: &str =
    "SELECT stage, event, subject, sync, at, attempts, first_at FROM timers WHERE stage = ?1 AND event = ?2";
pub(super) const DUE: &str = "SELECT stage, event, subject, sync, at, attempts, first_at FROM timers
    WHERE at <= ?1 ORDER BY at LIMIT ?2";
pub(super) const NEXT: &str = "SELECT at FROM timers ORDER BY at LIMIT 1";
pub(super) const HASTEN: &str = "UPDATE timers SET at = min(at, ?2) WHERE sync = ?1";

#[async_trait]
impl Timers for Database {
    async fn schedule(&self, timer: Timer) -> Result<(), Unreachable> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO timers (stage, event, subject, sync, at, attempts, first_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    timer.stage,
                    timer.event.0.as_bytes(),
                    timer.subject.0,
                    timer.sync.0.as_bytes(),
                    timer.at.0,
                    timer.attempts,
                    timer.first_at.0
                ])
                .map(drop)
        })
        .await
    }

    async fn get(&self, stage: &str, event: EventId) -> Result<Option<Timer>, Unreachable> {
        let stage = stage.to_owned();
        self.read(move |connection| {
            connection.prepare_cached(GET)?.query_row(params![stage, event.0.as_bytes()], timer).optional()
        })
        .await
    }

    async fn due(&self, now: Instant, count_max: usize) -> Result<Vec<Timer>, Unreachable> {
        self.read(move |connection| {
            connection.prepare_cached(DUE)?.query_map(params![now.0, columns::limit(count_max)], timer)?.collect()
        })
        .await
    }

    async fn next(&self) -> Result<Option<Instant>, Unreachable> {
        self.read(|connection| {
            connection.prepare_cached(NEXT)?.query_row([], |row| columns::instant(row, 0)).optional()
        })
        .await
    }

    async fn remove(&self, stage: &str, event: EventId) -> Result<(), Unreachable> {
        // Most steps have none, and a write is a durable commit.
        if self.get(stage, event).await?.is_none() {
            return Ok(());
        }
        let stage = stage.to_owned();
        self.write(move |connection| {
            connection
                .prepare_cached("DELETE FROM timers WHERE stage = ?1 AND event = ?2")?
                .execute(params![stage, event.0.as_bytes()])
                .map(drop)
        })
        .await
    }

    async fn hasten(&self, sync: SyncId, at: Instant) -> Result<usize, Unreachable> {
        self.write(move |connection| connection.prepare_cached(HASTEN)?.execute(params![sync.0.as_bytes(), at.0])).await
    }
}

fn timer(row: &Row<'_>) -> rusqlite::Result<Timer> {
    Ok(Timer {
        stage: row.get(0)?,
        event: EventId(columns::uuid(row, 1)?),
        subject: Subject(row.get(2)?),
        sync: SyncId(columns::uuid(row, 3)?),
        at: columns::instant(row, 4)?,
        attempts: row.get(5)?,
        first_at: columns::instant(row, 6)?,
    })
}
