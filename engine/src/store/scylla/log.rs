//! What every stage made of every event.
//!
//! The conditional row of a step is what counts. Its events, and the entries that find it by time or its sync by
//! person, are written before it; an entry whose step does not stand is passed over by whoever reads it. Steps of one
//! sync are in the order in which their rows were decided: the write time of a conditional row only ever goes up
//! within a partition.
//!
//! Events end after their time to live. A step whose events are gone still stands: it is recalled with the outputs
//! that are left, and nothing is processed again. [`Log::events`] leaves such events out, and [`Log::event`] says that
//! there is none.

use super::{
    CONCURRENT, Cluster, columns,
    cql::{Stands, Way},
};
use crate::{
    bus::Unreachable,
    item::month_of,
    store::{
        Bearing, Log, Logged, Step, StepKey,
        common::{answering, kind_number, lane_number, topic_of},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};
use schemas::{
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use scylla::{
    DeserializeRow,
    value::{CqlValue, MaybeUnset},
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

mod by_time;

const APPEND: &str = "INSERT INTO steps (subject, sync, stage, cause, at, bearing, outputs, roots)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
const RECALL: &str = "SELECT stage, cause, at, bearing, outputs, roots, WRITETIME(bearing) AS place FROM steps
    WHERE subject = ? AND sync = ? AND stage = ? AND cause IN ?";
const STEPS: &str = "SELECT stage, cause, at, bearing, outputs, roots, WRITETIME(bearing) AS place FROM steps
    WHERE subject = ? AND sync = ?";
const BEARINGS: &str = "SELECT at, bearing, WRITETIME(bearing) AS place FROM steps WHERE subject = ? AND sync = ?";
const PUT_EVENT: &str = "INSERT INTO events (subject, sync, hash, bytes) VALUES (?, ?, ?, ?)";
const EVENT: &str = "SELECT bytes FROM events WHERE subject = ? AND sync = ? AND hash = ?";
const OPEN_SYNC: &str = "INSERT INTO open_syncs (shard, sync, subject) VALUES (?, ?, ?)";
const CLOSE_SYNC: &str = "DELETE FROM open_syncs WHERE shard = ? AND sync = ?";
const OPEN_SYNCS: &str = "SELECT sync, subject FROM open_syncs WHERE shard = ? AND sync > ? LIMIT ?";
const PUT_MONTH: &str = "INSERT INTO sync_months (subject, month) VALUES (?, ?)";
const MONTHS: &str = "SELECT month FROM sync_months WHERE subject = ?";
const PUT_SYNC: &str = "INSERT INTO syncs (subject, month, began_at, sync) VALUES (?, ?, ?, ?)";
const SYNCS: &str =
    "SELECT began_at, sync FROM syncs WHERE subject = ? AND month = ? AND (began_at, sync) < (?, ?) LIMIT ?";

pub(super) const STATEMENTS: [(&str, Way); 16] = [
    (APPEND, Way::Conditional),
    (RECALL, Way::Serial),
    (STEPS, Way::Serial),
    (BEARINGS, Way::Serial),
    (PUT_EVENT, Way::Write),
    (EVENT, Way::Read),
    (OPEN_SYNC, Way::Write),
    (CLOSE_SYNC, Way::Write),
    (OPEN_SYNCS, Way::Read),
    (PUT_MONTH, Way::Write),
    (MONTHS, Way::Read),
    (PUT_SYNC, Way::Write),
    (SYNCS, Way::Read),
    (by_time::PUT, Way::Write),
    (by_time::PUT_DAY, Way::Write),
    (by_time::SCAN, Way::Read),
];

/// Shards of open syncs that are looked through at a time.
const SHARDS_AT_ONCE: usize = 8;

/// More than every id.
const LAST_ID: [u8; 17] = [0xff; 17];

/// An event as its step lists it: id, kind, lane, hash of its bytes.
type Listed = (Vec<u8>, i8, Option<i8>, Vec<u8>);

#[derive(DeserializeRow)]
struct StepColumns {
    stage: String,
    cause: Vec<u8>,
    at: i64,
    bearing: i8,
    outputs: Option<Vec<Listed>>,
    roots: Option<Vec<Listed>>,
    place: i64,
}

#[async_trait]
impl Log for Cluster {
    async fn append(&self, step: Step) -> Result<Step, Unreachable> {
        let stands = Box::pin(self.put_step(step)).await?;
        if stands.bearing == Bearing::Closes {
            self.forget_open(stands.key.sync).await?;
        }
        Ok(stands)
    }

    async fn recall(&self, keys: &[StepKey]) -> Result<Vec<Option<Step>>, Unreachable> {
        let mut groups: HashMap<(&Subject, SyncId, &str), Vec<&[u8]>> = HashMap::new();
        for key in keys {
            let group = groups.entry((&key.subject, key.sync, key.stage.as_str())).or_default();
            group.push(&key.cause.0.as_bytes()[..]);
        }
        let read = |((subject, sync, stage), causes): ((&Subject, SyncId, &str), Vec<&[u8]>)| {
            let subject = subject.clone();
            let (causes, stage): (Vec<Vec<u8>>, _) =
                (causes.into_iter().map(<[u8]>::to_vec).collect(), stage.to_owned());
            async move {
                let place = (&subject.0, sync.0.as_bytes(), &stage, &causes);
                let rows: Vec<StepColumns> = self.serial(RECALL, place).await?;
                let whole = rows.into_iter().map(|row| self.whole_step(&subject, sync, row));
                future::try_join_all(whole).await
            }
        };
        let reads: Vec<_> = groups.into_iter().map(read).collect();
        let found: Vec<Vec<Step>> = stream::iter(reads).buffer_unordered(CONCURRENT).try_collect().await?;
        let found: HashMap<StepKey, Step> = found.into_iter().flatten().map(|it| (it.key.clone(), it)).collect();
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn open(&self, subject: &Subject, sync: SyncId) -> Result<Vec<(EventId, TopicName)>, Unreachable> {
        let steps = self.steps(subject, sync).await?;
        let answered: HashSet<(&str, &[u8])> = steps.iter().map(|it| (it.stage.as_str(), &it.cause[..])).collect();
        let (mut open, mut seen) = (Vec::new(), HashSet::new());
        for (id, kind, lane, _) in steps.iter().flat_map(|it| it.outputs.iter().flatten()) {
            let topic = self.topic(*kind, *lane)?;
            let waits = answering(topic.kind).is_some_and(|stage| !answered.contains(&(stage, &id[..])));
            if waits && seen.insert((id, kind)) {
                open.push((EventId(self.id(id)?), topic));
            }
        }
        Ok(open)
    }

    async fn events(&self, subject: &Subject, sync: SyncId) -> Result<Vec<Logged>, Unreachable> {
        let listed = self.steps(subject, sync).await?.into_iter().flat_map(|it| it.outputs.unwrap_or_default());
        self.whole_events(subject, sync, listed.collect()).await
    }

    async fn event(&self, subject: &Subject, sync: SyncId, id: EventId) -> Result<Option<Logged>, Unreachable> {
        let steps = self.steps(subject, sync).await?;
        let mut listed = steps.into_iter().flat_map(|it| it.outputs.unwrap_or_default());
        let Some(found) = listed.find(|it| it.0 == id.0.as_bytes()) else { return Ok(None) };
        Ok(self.whole_events(subject, sync, vec![found]).await?.pop())
    }

    async fn unsettled(&self, after: Option<SyncId>, count_max: usize) -> Result<Vec<(Subject, SyncId)>, Unreachable> {
        let first = after.map_or(0, shard_of);
        let looks = (first..=i16::from(u8::MAX)).map(|shard| self.unsettled_in(shard, after, count_max));
        let mut looks = stream::iter(looks).buffered(SHARDS_AT_ONCE);
        let mut found = Vec::new();
        while let Some(its) = looks.next().await {
            found.append(&mut its?);
            if found.len() >= count_max {
                found.truncate(count_max);
                break;
            }
        }
        Ok(found)
    }

    async fn syncs(&self, subject: &Subject, count_max: usize) -> Result<Vec<(SyncId, Instant, bool)>, Unreachable> {
        let months: Vec<(String,)> = self.read(MONTHS, (&subject.0,)).await?;
        let mut found = Vec::new();
        for (month,) in months {
            let mut before = (i64::MAX, LAST_ID.to_vec());
            while found.len() < count_max {
                let n_wanted = columns::limit(count_max - found.len());
                let place = (&subject.0, &month, before.0, &before.1, n_wanted);
                let entries: Vec<(i64, Vec<u8>)> = self.read(SYNCS, place).await?;
                let Some(last) = entries.last().cloned() else { break };
                let look = async |(began, id): (i64, Vec<u8>)| {
                    let sync = SyncId(self.id(&id)?);
                    let (began_at, ended) = self.span_of(subject, sync).await?;
                    Ok::<_, Unreachable>((began_at == Some(Instant(began))).then_some((sync, Instant(began), ended)))
                };
                let looks: Vec<_> = entries.into_iter().map(look).collect();
                let stand: Vec<_> = stream::iter(looks).buffered(CONCURRENT).try_collect().await?;
                found.extend(stand.into_iter().flatten());
                before = last;
            }
        }
        Ok(found)
    }

    async fn scan(
        &self,
        span: Interval,
        subject: Option<&Subject>,
        after: Option<(Instant, StepKey)>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        self.scan_by_time(span, subject, after, count_max).await
    }
}

/// The shard of open syncs that a sync is in: shards are in the order of ids.
fn shard_of(sync: SyncId) -> i16 {
    i16::from(sync.0.as_bytes()[0])
}

const fn bearing_number(bearing: Bearing) -> i8 {
    match bearing {
        Bearing::Within => 0,
        Bearing::Opens => 1,
        Bearing::Closes => 2,
    }
}

fn listed(event: &Logged) -> Listed {
    let (kind, lane) = (kind_number(event.topic.kind), lane_number(event.topic.lane));
    (event.id.0.as_bytes().to_vec(), kind, lane, Sha256::digest(&event.bytes).to_vec())
}

fn as_value(events: &[Listed]) -> super::cql::Value {
    let one = |(id, kind, lane, hash): &Listed| {
        let parts = [
            Some(CqlValue::Blob(id.clone())),
            Some(CqlValue::TinyInt(*kind)),
            lane.map(CqlValue::TinyInt),
            Some(CqlValue::Blob(hash.clone())),
        ];
        CqlValue::Tuple(parts.into())
    };
    MaybeUnset::Set(Some(CqlValue::List(events.iter().map(one).collect())))
}

impl Cluster {
    fn id(&self, bytes: &[u8]) -> Result<uuid::Uuid, Unreachable> {
        columns::to_id(bytes).ok_or_else(|| self.broken("id"))
    }

    fn topic(&self, kind: i8, lane: Option<i8>) -> Result<TopicName, Unreachable> {
        topic_of(kind.into(), lane.map(Into::into)).ok_or_else(|| self.broken("topic"))
    }

    /// Writes a step unless one of its key stands, and gives the one that does.
    async fn put_step(&self, step: Step) -> Result<Step, Unreachable> {
        let (subject, sync) = (step.key.subject.clone(), step.key.sync);
        let outputs: Vec<Listed> = step.outputs.iter().map(listed).collect();
        let roots: Vec<Listed> = step.roots.iter().map(listed).collect();
        let events = step.outputs.iter().chain(&step.roots).zip(outputs.iter().chain(&roots));
        let place = (&subject.0, sync.0.as_bytes());
        let put = events.map(|(event, it)| self.write(PUT_EVENT, (place.0, place.1, &it.3, event.bytes.clone())));
        let put: Vec<_> = put.collect();
        let put = stream::iter(put).buffer_unordered(CONCURRENT).try_collect::<()>();
        Box::pin(future::try_join3(put, self.note_time(&step), self.note_opening(&step))).await?;
        let values = vec![
            columns::text(&subject.0),
            columns::id(sync.0),
            columns::text(&step.key.stage),
            columns::id(step.key.cause.0),
            columns::number(step.at.0),
            columns::small(bearing_number(step.bearing)),
            as_value(&outputs),
            as_value(&roots),
        ];
        let change = self.conditional(APPEND, values).await?;
        let (at, bearing) = (step.at.0, bearing_number(step.bearing));
        let is_ours = |it: &StepColumns| {
            it.at == at
                && it.bearing == bearing
                && it.outputs.as_deref().unwrap_or_default() == outputs
                && it.roots.as_deref().unwrap_or_default() == roots
        };
        let look = || {
            async {
                Ok(match self.step_columns(&step.key).await? {
                    None => Stands::Unchanged,
                    Some(it) if is_ours(&it) => Stands::Ours,
                    Some(_) => Stands::Other,
                })
            }
            .boxed()
        };
        if self.decide(&change, &look).await? {
            return Ok(step);
        }
        let stands = self.step_columns(&step.key).await?;
        let stands = stands.ok_or_else(|| self.broken("step that stands and is not there"))?;
        self.whole_step(&subject, sync, stands).await
    }

    /// Lists the sync that a step begins, before it is begun.
    async fn note_opening(&self, step: &Step) -> Result<(), Unreachable> {
        if step.bearing != Bearing::Opens {
            return Ok(());
        }
        let (subject, sync, month) = (&step.key.subject.0, step.key.sync, month_of(step.at));
        let id = sync.0.as_bytes();
        future::try_join3(
            self.write(OPEN_SYNC, (shard_of(sync), id, subject)),
            self.write(PUT_MONTH, (subject, &month)),
            self.write(PUT_SYNC, (subject, &month, step.at.0, id)),
        )
        .await
        .map(drop)
    }

    async fn forget_open(&self, sync: SyncId) -> Result<(), Unreachable> {
        self.write(CLOSE_SYNC, (shard_of(sync), sync.0.as_bytes())).await
    }

    async fn step_columns(&self, key: &StepKey) -> Result<Option<StepColumns>, Unreachable> {
        let causes = vec![key.cause.0.as_bytes().to_vec()];
        let rows: Vec<StepColumns> =
            self.serial(RECALL, (&key.subject.0, key.sync.0.as_bytes(), &key.stage, causes)).await?;
        Ok(rows.into_iter().next())
    }

    /// The steps of a sync, in the order in which they were appended.
    async fn steps(&self, subject: &Subject, sync: SyncId) -> Result<Vec<StepColumns>, Unreachable> {
        let mut steps: Vec<StepColumns> = self.serial(STEPS, (&subject.0, sync.0.as_bytes())).await?;
        steps.sort_by_key(|it| it.place);
        Ok(steps)
    }

    async fn whole_step(&self, subject: &Subject, sync: SyncId, row: StepColumns) -> Result<Step, Unreachable> {
        let bearing = match row.bearing {
            0 => Bearing::Within,
            1 => Bearing::Opens,
            2 => Bearing::Closes,
            _ => return Err(self.broken("bearing")),
        };
        let key = StepKey { subject: subject.clone(), sync, stage: row.stage, cause: EventId(self.id(&row.cause)?) };
        let outputs = self.whole_events(subject, sync, row.outputs.unwrap_or_default()).await?;
        let roots = self.whole_events(subject, sync, row.roots.unwrap_or_default()).await?;
        Ok(Step { key, at: Instant(row.at), bearing, outputs, roots })
    }

    /// These events with their bytes, but for those whose time is over.
    async fn whole_events(
        &self,
        subject: &Subject,
        sync: SyncId,
        events: Vec<Listed>,
    ) -> Result<Vec<Logged>, Unreachable> {
        let read = async |(id, kind, lane, hash): Listed| {
            let (id, topic) = (EventId(self.id(&id)?), self.topic(kind, lane)?);
            let found: Vec<(Vec<u8>,)> = self.read(EVENT, (&subject.0, sync.0.as_bytes(), &hash)).await?;
            let found = found.into_iter().next();
            if found.is_none() {
                tracing::debug!(%id, "the bytes of an event are no longer kept");
            }
            Ok::<_, Unreachable>(found.map(|(bytes,)| Logged { id, topic, bytes: Bytes::from(bytes) }))
        };
        let reads: Vec<_> = events.into_iter().map(read).collect();
        let all: Vec<Option<Logged>> = stream::iter(reads).buffered(CONCURRENT).try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// When a sync began, and whether it has ended, by its steps.
    async fn span_of(&self, subject: &Subject, sync: SyncId) -> Result<(Option<Instant>, bool), Unreachable> {
        let steps: Vec<(i64, i8, i64)> = self.serial(BEARINGS, (&subject.0, sync.0.as_bytes())).await?;
        let opens = bearing_number(Bearing::Opens);
        let began = steps.iter().filter(|it| it.1 == opens).min_by_key(|it| it.2).map(|it| Instant(it.0));
        Ok((began, steps.iter().any(|it| it.1 == bearing_number(Bearing::Closes))))
    }

    /// The unsettled syncs of one shard, by id.
    async fn unsettled_in(
        &self,
        shard: i16,
        after: Option<SyncId>,
        count_max: usize,
    ) -> Result<Vec<(Subject, SyncId)>, Unreachable> {
        let mut after = after.map_or_else(Vec::new, |it| it.0.as_bytes().to_vec());
        let mut found = BTreeMap::new();
        while found.len() < count_max {
            let n_wanted = columns::limit(count_max);
            let entries: Vec<(Vec<u8>, String)> = self.read(OPEN_SYNCS, (shard, &after, n_wanted)).await?;
            let Some((last, _)) = entries.last() else { break };
            after.clone_from(last);
            let look = async |(id, subject): (Vec<u8>, String)| {
                let (sync, subject) = (SyncId(self.id(&id)?), Subject(subject));
                let (began, ended) = self.span_of(&subject, sync).await?;
                if ended {
                    // Whoever ended it was cut off before this. One that has not begun may yet begin: it stays.
                    self.forget_open(sync).await?;
                }
                Ok::<_, Unreachable>((began.is_some() && !ended).then_some((sync, subject)))
            };
            let looks: Vec<_> = entries.into_iter().map(look).collect();
            let stand: Vec<_> = stream::iter(looks).buffer_unordered(CONCURRENT).try_collect().await?;
            found.extend(stand.into_iter().flatten());
        }
        Ok(found.into_iter().map(|(sync, subject)| (subject, sync)).collect())
    }
}
