//! What is to happen later.
//!
//! The row of (event, stage) is the truth. What is due is found by entries in shards and stretches of time, and an
//! entry counts while the row has its time. Row and entry are written in one logged batch; whoever replaces them
//! deletes the old entry as of its own write time, so that a newer one in the same place stays.
//!
//! A shard is read by the process that has its lease, which ends by itself when its holder does: then another takes
//! the shard. A lease only saves work: a timer that two deliver is one step.

use super::{
    Cluster,
    columns::{self, id, int, number, small, text},
    cql::{Stands, Way},
};
use crate::{
    bus::Unreachable,
    clock::Clock,
    store::{Timer, Timers},
};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};
use schemas::{
    id::{EventId, Subject, SyncId},
    time::Instant,
};
use scylla::DeserializeRow;
use std::{collections::HashMap, time::Duration};

const GET: &str = "SELECT subject, sync, at, attempts, first_at, WRITETIME(at) AS written_at FROM timers
    WHERE event = ? AND stage = ?";
const PUT: &str =
    "INSERT INTO timers (event, stage, subject, sync, at, attempts, first_at) VALUES (?, ?, ?, ?, ?, ?, ?)";
const REMOVE: &str = "DELETE FROM timers WHERE event = ? AND stage = ?";
const PUT_DUE: &str = "INSERT INTO timers_due (shard, bucket, at, event, stage, one) VALUES (?, ?, ?, ?, ?, 1)";
const REMOVE_DUE: &str = "DELETE FROM timers_due USING TIMESTAMP ?
    WHERE shard = ? AND bucket = ? AND at = ? AND event = ? AND stage = ?";
const DUE: &str = "SELECT at, event, stage, WRITETIME(one) AS written_at FROM timers_due
    WHERE shard = ? AND bucket = ? AND (at, event, stage) > (?, ?, ?) AND (at) <= (?) LIMIT ?";
const PUT_BUCKET: &str = "INSERT INTO timer_buckets (shard, bucket, one) VALUES (?, ?, 1)";
const BUCKETS: &str = "SELECT bucket, WRITETIME(one) FROM timer_buckets WHERE shard = ? AND bucket <= ?";
const REMOVE_BUCKET: &str = "DELETE FROM timer_buckets USING TIMESTAMP ? WHERE shard = ? AND bucket = ?";
const PUT_SYNC: &str = "INSERT INTO timers_of_sync (sync, event, stage) VALUES (?, ?, ?)";
const REMOVE_SYNC: &str = "DELETE FROM timers_of_sync WHERE sync = ? AND event = ? AND stage = ?";
const OF_SYNC: &str = "SELECT event, stage FROM timers_of_sync WHERE sync = ?";
const TAKE: &str = "INSERT INTO timer_leases (shard, owner) VALUES (?, ?) IF NOT EXISTS USING TTL 7";
const RENEW: &str = "UPDATE timer_leases USING TTL 7 SET owner = ? WHERE shard = ? IF owner = ?";
const GIVE: &str = "DELETE FROM timer_leases WHERE shard = ? IF owner = ?";
const HOLDER: &str = "SELECT owner FROM timer_leases WHERE shard = ?";
const HOLDERS: &str = "SELECT shard, owner FROM timer_leases";

pub(super) const STATEMENTS: [(&str, Way); 17] = [
    (GET, Way::Read),
    (PUT, Way::Write),
    (REMOVE, Way::Write),
    (PUT_DUE, Way::Write),
    (REMOVE_DUE, Way::Write),
    (DUE, Way::Read),
    (PUT_BUCKET, Way::Write),
    (BUCKETS, Way::Read),
    (REMOVE_BUCKET, Way::Write),
    (PUT_SYNC, Way::Write),
    (REMOVE_SYNC, Way::Write),
    (OF_SYNC, Way::Read),
    (TAKE, Way::Conditional),
    (RENEW, Way::Conditional),
    (GIVE, Way::Conditional),
    (HOLDER, Way::Serial),
    (HOLDERS, Way::Read),
];

/// Parts that timers are in, by their event.
const SHARDS: i8 = 16;

/// How long a lease lasts; the statements say the same. With the pause after it, less than ten seconds: for so long at
/// most has a shard no holder when a process dies.
const LEASE: Duration = Duration::from_secs(7);

/// How long before its end a lease counts no more.
const LEASE_MARGIN: Duration = Duration::from_secs(3);

/// How often leases are asked for and renewed.
const LEASE_PAUSE: Duration = Duration::from_secs(2);

/// The stretch of time of one bucket, milliseconds.
const BUCKET_MS: i64 = 10 * 60 * 1_000;

/// How long after its end an empty bucket is forgotten: no clock is that wrong.
const BUCKET_KEPT: Duration = Duration::from_secs(30 * 60);

/// How old an entry without its row must be before it is deleted: its batch is no longer under way.
const ENTRY_SETTLED: Duration = Duration::from_secs(60);

/// The shards that this process has the lease of, each until when, and when it asks again.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<i8, tokio::time::Instant>,
    /// The seat that it has: those who have one share the shards.
    seat: Option<i8>,
    asked_at: Option<tokio::time::Instant>,
}

#[derive(DeserializeRow)]
struct Columns {
    subject: String,
    sync: Vec<u8>,
    at: i64,
    attempts: i32,
    first_at: i64,
    written_at: i64,
}

#[derive(DeserializeRow)]
struct Entry {
    at: i64,
    event: Vec<u8>,
    stage: String,
    written_at: i64,
}

#[async_trait]
impl Timers for Cluster {
    async fn schedule(&self, timer: Timer) -> Result<(), Unreachable> {
        let before = self.timer(&timer.stage, timer.event).await?;
        self.put_timer(&timer, before).await
    }

    async fn get(&self, stage: &str, event: EventId) -> Result<Option<Timer>, Unreachable> {
        Ok(self.timer(stage, event).await?.map(|it| it.0))
    }

    async fn due(&self, now: Instant, count_max: usize) -> Result<Vec<Timer>, Unreachable> {
        let shards = self.leased().await?;
        let looks = future::try_join_all(shards.into_iter().map(|shard| self.due_in(shard, now, count_max))).await?;
        let mut due: Vec<Timer> = looks.into_iter().flatten().collect();
        due.sort_by_key(|it| (it.at, it.event));
        due.truncate(count_max);
        Ok(due)
    }

    async fn next(&self) -> Result<Option<Instant>, Unreachable> {
        // Of all shards: who has their leases does not change what is left to do.
        let looks = (0..SHARDS).map(|shard| self.due_in(shard, Instant(i64::MAX), 1));
        let first = future::try_join_all(looks).await?;
        Ok(first.into_iter().flatten().map(|it| it.at).min())
    }

    async fn remove(&self, stage: &str, event: EventId) -> Result<(), Unreachable> {
        // Most steps have none, and a delete of nothing is a burden for days.
        let Some((timer, written_at)) = self.timer(stage, event).await? else { return Ok(()) };
        self.write_all(vec![
            (REMOVE, vec![id(event.0), text(stage)]),
            (REMOVE_SYNC, vec![id(timer.sync.0), id(event.0), text(stage)]),
            remove_due(timer.at.0, event, stage, written_at),
        ])
        .await
    }

    async fn hasten(&self, sync: SyncId, at: Instant) -> Result<usize, Unreachable> {
        let listed: Vec<(Vec<u8>, String)> = self.read(OF_SYNC, (sync.0.as_bytes(),)).await?;
        let mut n_timers = 0;
        for (event, stage) in listed {
            let event = EventId(columns::to_id(&event).ok_or_else(|| self.broken("id"))?);
            let Some((timer, written_at)) = self.timer(&stage, event).await?.filter(|it| it.0.sync == sync) else {
                continue;
            };
            n_timers += 1;
            if timer.at > at {
                self.put_timer(&Timer { at, ..timer.clone() }, Some((timer, written_at))).await?;
            }
        }
        Ok(n_timers)
    }
}

/// The part that an event's timers are in.
fn shard_of(event: EventId) -> i8 {
    i8::try_from(event.0.as_bytes()[0] & 0x0f).unwrap_or(0)
}

const fn bucket_of(at: Instant) -> i64 {
    at.0.div_euclid(BUCKET_MS)
}

impl Cluster {
    /// A timer and its write time.
    async fn timer(&self, stage: &str, event: EventId) -> Result<Option<(Timer, i64)>, Unreachable> {
        let found: Vec<Columns> = self.read(GET, (event.0.as_bytes(), stage)).await?;
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        let timer = Timer {
            stage: stage.to_owned(),
            event,
            subject: Subject(row.subject),
            sync: SyncId(columns::to_id(&row.sync).ok_or_else(|| self.broken("id"))?),
            at: Instant(row.at),
            attempts: row.attempts,
            first_at: Instant(row.first_at),
        };
        Ok(Some((timer, row.written_at)))
    }

    async fn put_timer(&self, timer: &Timer, before: Option<(Timer, i64)>) -> Result<(), Unreachable> {
        let Timer { stage, event, subject, sync, at, attempts, first_at } = timer;
        let (shard, bucket) = (small(shard_of(*event)), number(bucket_of(*at)));
        let (event_id, stage_text) = (|| id(event.0), || text(stage));
        let row = vec![
            event_id(),
            stage_text(),
            text(&subject.0),
            id(sync.0),
            number(at.0),
            int(*attempts),
            number(first_at.0),
        ];
        let mut changes = vec![
            (PUT_DUE, vec![shard.clone(), bucket.clone(), number(at.0), event_id(), stage_text()]),
            (PUT_BUCKET, vec![shard, bucket]),
            (PUT_SYNC, vec![id(sync.0), event_id(), stage_text()]),
            (PUT, row),
        ];
        if let Some((before, written_at)) = before.filter(|it| it.0.at != *at) {
            changes.push(remove_due(before.at.0, *event, stage, written_at));
        }
        self.write_all(changes).await
    }

    /// Timers of a shard that are due, earliest first.
    async fn due_in(&self, shard: i8, now: Instant, count_max: usize) -> Result<Vec<Timer>, Unreachable> {
        let buckets: Vec<(i64, i64)> = self.read(BUCKETS, (shard, bucket_of(now))).await?;
        let mut due = Vec::new();
        for (bucket, written_at) in buckets {
            let is_empty = self.due_in_bucket((shard, bucket), now, count_max, &mut due).await?;
            // Whatever the caller's clock says, and the machine's: both are past it.
            let past = now.min(Clock::real().now()).minus(BUCKET_KEPT);
            if is_empty && bucket < bucket_of(past) {
                self.write(REMOVE_BUCKET, (written_at, shard, bucket)).await?;
            }
            if due.len() >= count_max {
                break;
            }
        }
        Ok(due)
    }

    /// Adds the timers of a bucket that are due, and says whether there was no entry in it.
    async fn due_in_bucket(
        &self,
        (shard, bucket): (i8, i64),
        now: Instant,
        count_max: usize,
        due: &mut Vec<Timer>,
    ) -> Result<bool, Unreachable> {
        let mut place = (i64::MIN, Vec::new(), String::new());
        let mut is_empty = true;
        while due.len() < count_max {
            let n_wanted = columns::limit(count_max - due.len());
            let values = (shard, bucket, place.0, &place.1, &place.2, now.0, n_wanted);
            let entries: Vec<Entry> = self.read(DUE, values).await?;
            let Some(last) = entries.last() else { break };
            place = (last.at, last.event.clone(), last.stage.clone());
            is_empty = false;
            let looks: Vec<_> = entries.into_iter().map(|it| self.timer_of(it)).collect();
            let stand: Vec<_> = stream::iter(looks).buffered(super::CONCURRENT).try_collect().await?;
            due.extend(stand.into_iter().flatten());
        }
        Ok(is_empty)
    }

    /// The timer that an entry points to, if it counts.
    async fn timer_of(&self, entry: Entry) -> Result<Option<Timer>, Unreachable> {
        let event = EventId(columns::to_id(&entry.event).ok_or_else(|| self.broken("id"))?);
        let stands = self.timer(&entry.stage, event).await?.map(|it| it.0).filter(|it| it.at.0 == entry.at);
        let settled = columns::micros(Clock::real().now().minus(ENTRY_SETTLED));
        if stands.is_none() && entry.written_at < settled {
            self.write_all(vec![remove_due(entry.at, event, &entry.stage, entry.written_at)]).await?;
        }
        Ok(stands)
    }

    /// The shards that this process may read now: a fair share of them.
    async fn leased(&self) -> Result<Vec<i8>, Unreachable> {
        let mut leases = self.leases.lock().await;
        let now = tokio::time::Instant::now();
        if leases.asked_at.is_none_or(|it| now.duration_since(it) >= LEASE_PAUSE) {
            self.share(&mut leases).await?;
            leases.asked_at = Some(now);
        }
        let now = tokio::time::Instant::now();
        leases.held.retain(|_, until| *until > now);
        Ok(leases.held.keys().copied().collect())
    }

    /// Takes a seat among those that fire timers; renews the leases of a fair share of shards, gives back what is more,
    /// and takes of what nobody has what is less.
    async fn share(&self, leases: &mut Leases) -> Result<(), Unreachable> {
        // As of before they are asked for: they end there no earlier.
        let until = tokio::time::Instant::now() + LEASE - LEASE_MARGIN;
        // Not serial: what it misses, the conditional statements see.
        let holders: Vec<(i8, Vec<u8>)> = self.read(HOLDERS, ()).await?;
        let holders: HashMap<i8, Vec<u8>> = holders.into_iter().collect();
        leases.seat = self.take_seat(leases.seat, &holders).await?;
        let others = holders.iter().filter(|it| *it.0 >= SHARDS && it.1[..] != self.process.as_bytes()[..]).count();
        let fair = match leases.seat {
            Some(_) => usize::try_from(SHARDS).unwrap_or(0).div_ceil(others + 1),
            None => 0,
        };
        let is_ours = |it: &i8| holders.get(it).is_some_and(|owner| owner[..] == self.process.as_bytes()[..]);
        let mut ours: Vec<i8> = (0..SHARDS).filter(|it| leases.held.contains_key(it) || is_ours(it)).collect();
        let surplus = ours.split_off(fair.min(ours.len()));
        let n_had = ours.len();
        // Each begins to look elsewhere, so that two do not want the same.
        let first = leases.seat.map_or(0, |it| (it - SHARDS) * 5 % SHARDS);
        let free = (0..SHARDS).map(|it| (it + first) % SHARDS);
        let free = free.filter(|it| !holders.contains_key(it) && !leases.held.contains_key(it));
        ours.extend(free.take(fair - n_had).collect::<Vec<_>>());
        let asked = ours.iter().enumerate().map(|(place, shard)| self.take_lease(*shard, place < n_had));
        let asked = future::try_join_all(asked).await?;
        leases.held = ours.into_iter().zip(asked).filter(|it| it.1).map(|it| (it.0, until)).collect();
        future::try_join_all(surplus.into_iter().map(|shard| self.give_lease(shard))).await.map(drop)
    }

    /// The seat that this process had, or a free one; none if all are taken. Seats are leases like those of shards,
    /// with numbers after theirs.
    async fn take_seat(&self, had: Option<i8>, holders: &HashMap<i8, Vec<u8>>) -> Result<Option<i8>, Unreachable> {
        if let Some(seat) = had
            && self.take_lease(seat, true).await?
        {
            return Ok(Some(seat));
        }
        for seat in (SHARDS..2 * SHARDS).filter(|it| !holders.contains_key(it)) {
            if self.take_lease(seat, false).await? {
                return Ok(Some(seat));
            }
        }
        Ok(None)
    }

    async fn take_lease(&self, shard: i8, is_held: bool) -> Result<bool, Unreachable> {
        let owner = id(self.process);
        let look = || {
            async {
                Ok(match self.holder(shard).await? {
                    Some(it) if it == self.process.as_bytes() => Stands::Ours,
                    Some(_) => Stands::Other,
                    None => Stands::Unchanged,
                })
            }
            .boxed()
        };
        if is_held {
            let renew = self.conditional(RENEW, vec![owner.clone(), small(shard), owner.clone()]).await?;
            if self.decide(&renew, &look).await? {
                return Ok(true);
            }
        }
        let take = self.conditional(TAKE, vec![small(shard), owner]).await?;
        self.decide(&take, &look).await
    }

    async fn give_lease(&self, shard: i8) -> Result<(), Unreachable> {
        let look = || {
            async {
                let is_ours = self.holder(shard).await?.is_some_and(|it| it == self.process.as_bytes());
                Ok(if is_ours { Stands::Unchanged } else { Stands::Ours })
            }
            .boxed()
        };
        let give = self.conditional(GIVE, vec![small(shard), id(self.process)]).await?;
        self.decide(&give, &look).await.map(drop)
    }

    async fn holder(&self, shard: i8) -> Result<Option<Vec<u8>>, Unreachable> {
        let holder: Vec<(Vec<u8>,)> = self.serial(HOLDER, (shard,)).await?;
        Ok(holder.into_iter().next().map(|it| it.0))
    }
}

fn remove_due(at: i64, event: EventId, stage: &str, written_at: i64) -> (&'static str, Vec<super::cql::Value>) {
    let bucket = bucket_of(Instant(at));
    let values = vec![number(written_at), small(shard_of(event)), number(bucket), number(at), id(event.0), text(stage)];
    (REMOVE_DUE, values)
}

#[cfg(test)]
impl Leases {
    /// Asks for leases at the next look, however short ago the last one was.
    pub(super) const fn ask_again(&mut self) {
        self.asked_at = None;
    }

    /// The shards whose leases it has.
    pub(super) fn held(&self) -> Vec<i8> {
        self.held.keys().copied().collect()
    }
}
