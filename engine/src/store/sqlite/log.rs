//! What every stage made of every event.

use super::{Database, columns};
use crate::{
    bus::Unreachable,
    store::{
        Bearing, Log, Logged, Step, StepKey,
        common::{answered_by, answering, kind_number, lane_number},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use schemas::{
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};

pub(super) const SYNC: &str = "SELECT num FROM syncs WHERE subject = ?1 AND sync = ?2";
pub(super) const STEP: &str =
    "SELECT num, at, bearing, first_event, n_events, n_roots FROM steps WHERE sync = ?1 AND stage = ?2 AND cause = ?3";
pub(super) const OUTPUTS: &str = "SELECT id, kind, lane, bytes FROM events WHERE num >= ?1 AND num < ?2 ORDER BY num";
pub(super) const OPEN: &str = "SELECT id, kind, lane FROM waiting WHERE sync = ?1 ORDER BY event";
pub(super) const EVENTS: &str = "SELECT id, kind, lane, bytes FROM events WHERE sync = ?1 ORDER BY num";
pub(super) const EVENT: &str = "SELECT id, kind, lane, bytes FROM events WHERE sync = ?1 AND id = ?2 LIMIT 1";
pub(super) const UNSETTLED: &str = "SELECT subject, sync FROM syncs
    WHERE began_at IS NOT NULL AND ended = 0 AND sync > ?1 ORDER BY sync LIMIT ?2";
pub(super) const SYNCS: &str = "SELECT sync, began_at, ended FROM syncs
    WHERE subject = ?1 AND began_at IS NOT NULL ORDER BY began_at DESC, num DESC LIMIT ?2";
pub(super) const NUMBER: &str = "SELECT steps.num FROM syncs JOIN steps ON steps.sync = syncs.num
    WHERE syncs.subject = ?1 AND syncs.sync = ?2 AND steps.stage = ?3 AND steps.cause = ?4";
pub(super) const SCAN: &str =
    "SELECT steps.at, syncs.subject, syncs.sync, steps.stage, steps.cause FROM steps CROSS JOIN syncs
    ON syncs.num = steps.sync WHERE (steps.at, steps.num) > (?1, ?2) AND steps.at < ?3 ORDER BY steps.at, steps.num LIMIT ?4";
pub(super) const SCAN_OF: &str =
    "SELECT steps.at, syncs.subject, syncs.sync, steps.stage, steps.cause FROM steps CROSS JOIN syncs
    ON syncs.num = steps.sync WHERE (steps.at, steps.num) > (?1, ?2) AND steps.at < ?3 AND syncs.subject = ?5
    ORDER BY steps.at, steps.num LIMIT ?4";

#[async_trait]
impl Log for Database {
    async fn append(&self, step: Step) -> Result<Step, Unreachable> {
        self.write(move |connection| append(connection, step)).await
    }

    async fn recall(&self, keys: &[StepKey]) -> Result<Vec<Option<Step>>, Unreachable> {
        let keys = keys.to_vec();
        self.read(move |connection| keys.iter().map(|key| recall(connection, key)).collect()).await
    }

    async fn open(&self, subject: &Subject, sync: SyncId) -> Result<Vec<(EventId, TopicName)>, Unreachable> {
        let subject = subject.clone();
        self.read(move |connection| {
            let Some(sync) = number_of(connection, &subject, sync)? else { return Ok(Vec::new()) };
            let to_event = |row: &Row<'_>| Ok((EventId(columns::uuid(row, 0)?), columns::topic(row, 1)?));
            connection.prepare_cached(OPEN)?.query_map([sync], to_event)?.collect()
        })
        .await
    }

    async fn events(&self, subject: &Subject, sync: SyncId) -> Result<Vec<Logged>, Unreachable> {
        let subject = subject.clone();
        self.read(move |connection| {
            let Some(sync) = number_of(connection, &subject, sync)? else { return Ok(Vec::new()) };
            connection.prepare_cached(EVENTS)?.query_map([sync], logged)?.collect()
        })
        .await
    }

    async fn event(&self, subject: &Subject, sync: SyncId, id: EventId) -> Result<Option<Logged>, Unreachable> {
        let subject = subject.clone();
        self.read(move |connection| {
            let Some(sync) = number_of(connection, &subject, sync)? else { return Ok(None) };
            connection.prepare_cached(EVENT)?.query_row(params![sync, id.0.as_bytes()], logged).optional()
        })
        .await
    }

    async fn unsettled(&self, after: Option<SyncId>, count_max: usize) -> Result<Vec<(Subject, SyncId)>, Unreachable> {
        self.read(move |connection| {
            // Every id is more than no bytes.
            let after = after.map_or_else(Vec::new, |it| it.0.as_bytes().to_vec());
            let to_sync = |row: &Row<'_>| Ok((Subject(row.get(0)?), SyncId(columns::uuid(row, 1)?)));
            connection
                .prepare_cached(UNSETTLED)?
                .query_map(params![after, columns::limit(count_max)], to_sync)?
                .collect()
        })
        .await
    }

    async fn syncs(&self, subject: &Subject, count_max: usize) -> Result<Vec<(SyncId, Instant, bool)>, Unreachable> {
        let subject = subject.clone();
        self.read(move |connection| {
            let to_sync = |row: &Row<'_>| Ok((SyncId(columns::uuid(row, 0)?), columns::instant(row, 1)?, row.get(2)?));
            connection
                .prepare_cached(SYNCS)?
                .query_map(params![subject.0, columns::limit(count_max)], to_sync)?
                .collect()
        })
        .await
    }

    async fn scan(
        &self,
        span: Interval,
        subject: Option<&Subject>,
        after: Option<(Instant, StepKey)>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        let subject = subject.cloned();
        self.read(move |connection| scan(connection, span, subject.as_ref(), after.as_ref(), count_max)).await
    }
}

/// A page of a scan. Steps are told apart by their number: the later appended comes later.
fn scan(
    connection: &Connection,
    span: Interval,
    subject: Option<&Subject>,
    after: Option<&(Instant, StepKey)>,
    count_max: usize,
) -> rusqlite::Result<Vec<(Instant, StepKey)>> {
    let mut from = (span.from.0, 0);
    if let Some((at, key)) = after {
        let place = params![key.subject.0, key.sync.0.as_bytes(), key.stage, key.cause.0.as_bytes()];
        let number = connection.prepare_cached(NUMBER)?.query_row(place, |row| row.get(0)).optional()?;
        from = from.max((at.0, number.unwrap_or(i64::MAX)));
    }
    let to_step = |row: &Row<'_>| {
        let (sync, cause) = (SyncId(columns::uuid(row, 2)?), EventId(columns::uuid(row, 4)?));
        Ok((columns::instant(row, 0)?, StepKey { subject: Subject(row.get(1)?), sync, stage: row.get(3)?, cause }))
    };
    let limit = columns::limit(count_max);
    match subject {
        None => {
            let mut statement = connection.prepare_cached(SCAN)?;
            statement.query_map(params![from.0, from.1, span.to.0, limit], to_step)?.collect()
        }
        Some(subject) => {
            let mut statement = connection.prepare_cached(SCAN_OF)?;
            statement.query_map(params![from.0, from.1, span.to.0, limit, subject.0], to_step)?.collect()
        }
    }
}

/// The number of no sync: roots are kept with the step that made them, but are events of syncs of their own.
const NO_SYNC: i64 = 0;

fn number_of(connection: &Connection, subject: &Subject, sync: SyncId) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(SYNC)?.query_row(params![subject.0, sync.0.as_bytes()], |row| row.get(0)).optional()
}

fn logged(row: &Row<'_>) -> rusqlite::Result<Logged> {
    let bytes = Bytes::from(row.get::<_, Vec<u8>>(3)?);
    Ok(Logged { id: EventId(columns::uuid(row, 0)?), topic: columns::topic(row, 1)?, bytes })
}

fn recall(connection: &Connection, key: &StepKey) -> rusqlite::Result<Option<Step>> {
    let Some(sync) = number_of(connection, &key.subject, key.sync)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(STEP)?;
    let mut rows = statement.query(params![sync, key.stage, key.cause.0.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (first, n_events): (i64, i64) = (row.get(3)?, row.get(4)?);
    let bearing = match row.get(2)? {
        0 => Bearing::Within,
        1 => Bearing::Opens,
        2 => Bearing::Closes,
        _ => return Err(columns::bad(2, "bearing")),
    };
    let n_roots: i64 = row.get(5)?;
    let first_root = first.saturating_add(n_events);
    let mut events = connection.prepare_cached(OUTPUTS)?;
    let outputs = events.query_map([first, first_root], logged)?.collect::<rusqlite::Result<_>>()?;
    let roots =
        events.query_map([first_root, first_root.saturating_add(n_roots)], logged)?.collect::<rusqlite::Result<_>>()?;
    Ok(Some(Step { key: key.clone(), at: columns::instant(row, 1)?, bearing, outputs, roots }))
}

fn append(connection: &Connection, step: Step) -> rusqlite::Result<Step> {
    let (key, cause) = (&step.key, step.key.cause.0.as_bytes());
    if let Some(stands) = recall(connection, key)? {
        return Ok(stands);
    }
    let sync = touch_sync(connection, &step)?;
    let first: i64 =
        connection.prepare_cached("SELECT coalesce(max(num), 0) + 1 FROM events")?.query_row([], |row| row.get(0))?;
    let bearing = match step.bearing {
        Bearing::Within => 0,
        Bearing::Opens => 1,
        Bearing::Closes => 2,
    };
    connection
        .prepare_cached(
            "INSERT INTO steps (sync, stage, cause, at, bearing, first_event, n_events, n_roots) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            sync,
            key.stage,
            cause,
            step.at.0,
            bearing,
            first,
            columns::limit(step.outputs.len()),
            columns::limit(step.roots.len())
        ])?;
    if let Some(answered) = answered_by(&key.stage) {
        connection
            .prepare_cached("DELETE FROM waiting WHERE sync = ?1 AND id = ?2 AND kind = ?3")?
            .execute(params![sync, cause, kind_number(answered)])?;
    }
    let of_this = step.outputs.iter().map(|it| (sync, it));
    let of_others = step.roots.iter().map(|it| (NO_SYNC, it));
    for (number, (sync, output)) in (first..).zip(of_this.chain(of_others)) {
        let (id, kind) = (output.id.0.as_bytes(), kind_number(output.topic.kind));
        let lane = lane_number(output.topic.lane);
        connection
            .prepare_cached("INSERT INTO events (num, sync, id, kind, lane, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![number, sync, id, kind, lane, &output.bytes[..]])?;
        if sync == NO_SYNC {
            continue;
        }
        if let Some(stage) = answering(output.topic.kind) {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO waiting (sync, id, kind, lane, event) SELECT ?1, ?2, ?3, ?4, ?5
                     WHERE NOT EXISTS (SELECT 1 FROM steps WHERE sync = ?1 AND stage = ?6 AND cause = ?2)",
                )?
                .execute(params![sync, id, kind, lane, number, stage])?;
        }
    }
    Ok(step)
}

/// The number of the step's sync, after the step has had its effect on it.
fn touch_sync(connection: &Connection, step: &Step) -> rusqlite::Result<i64> {
    let began_at = (step.bearing == Bearing::Opens).then_some(step.at.0);
    // A sync begins once and ends once: neither is taken back by a step that comes late.
    connection
        .prepare_cached(
            "INSERT INTO syncs (subject, sync, began_at, ended) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (subject, sync)
             DO UPDATE SET began_at = coalesce(began_at, excluded.began_at), ended = max(ended, excluded.ended)
             RETURNING num",
        )?
        .query_row(
            params![step.key.subject.0, step.key.sync.0.as_bytes(), began_at, step.bearing == Bearing::Closes],
            |row| row.get(0),
        )
}
