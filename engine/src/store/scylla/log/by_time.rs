//! Steps by the time they were appended: for replays.
//!
//! An entry is written before its step. It counts if the step stands and has the entry's time: two who make the same
//! step at different times both leave an entry, and one of them counts.

use super::{Cluster, columns};
use crate::{
    bus::Unreachable,
    store::{Step, StepKey, scylla::CONCURRENT},
};
use futures::{StreamExt, TryStreamExt, future, stream};
use schemas::{
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
};

pub(super) const PUT: &str =
    "INSERT INTO log_times (day, shard, at, subject, sync, stage, cause) VALUES (?, ?, ?, ?, ?, ?, ?)";
pub(super) const PUT_DAY: &str = "INSERT INTO log_days (part, day) VALUES (0, ?)";
const DAYS: &str = "SELECT day FROM log_days WHERE part = 0 AND day >= ? AND day <= ?";
pub(super) const SCAN: &str = "SELECT at, subject, sync, stage, cause FROM log_times WHERE day = ? AND shard = ?
    AND (at, subject, sync, stage, cause) > (?, ?, ?, ?, ?) AND (at) < (?) LIMIT ?";

/// Parts of a day: a person is in one of them.
const SHARDS: u8 = 16;

/// Days that are remembered as listed.
const DAYS_MAX: usize = 1_000;

/// Entries that are read at once.
const ENTRIES: i32 = 500;

/// Where an entry is in the order of time; what is equal in time is in the order of keys.
type Place = (i64, String, Vec<u8>, String, Vec<u8>);

impl Cluster {
    /// Writes the entry of a step that is about to be appended.
    pub(super) async fn note_time(&self, step: &Step) -> Result<(), Unreachable> {
        let (key, day) = (&step.key, columns::day_of(step.at));
        let is_listed = self.days.lock().await.contains(&day);
        if !is_listed {
            self.write(PUT_DAY, (day,)).await?;
            let mut days = self.days.lock().await;
            if days.len() >= DAYS_MAX {
                days.clear();
            }
            days.insert(day);
        }
        let (sync, cause) = (key.sync.0.as_bytes(), key.cause.0.as_bytes());
        let shard = columns::part_of(&key.subject.0, SHARDS);
        self.write(PUT, (day, shard, step.at.0, &key.subject.0, sync, &key.stage, cause)).await
    }

    pub(super) async fn scan_by_time(
        &self,
        span: Interval,
        subject: Option<&Subject>,
        after: Option<(Instant, StepKey)>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        // Every name is more than none: nothing at the first moment is passed over.
        let mut start: Place = (span.from.0, String::new(), Vec::new(), String::new(), Vec::new());
        if let Some((at, key)) = after {
            start = start.max(place_of(at, &key));
        }
        let days = (columns::day_of(Instant(start.0)), columns::day_of(span.to));
        let days: Vec<(i64,)> = self.read(DAYS, days).await?;
        let shards = subject.map_or(0..=15, |it| {
            let shard = columns::part_of(&it.0, SHARDS);
            shard..=shard
        });
        let mut found: Vec<(Instant, StepKey)> = Vec::new();
        for (day,) in days {
            let n_wanted = count_max - found.len();
            let looks = shards.clone().map(|shard| self.scan_shard((day, shard), &start, span.to, subject, n_wanted));
            let looks = future::try_join_all(looks).await?;
            let mut of_day: Vec<_> = looks.into_iter().flatten().collect();
            of_day.sort_by_cached_key(|(at, key)| place_of(*at, key));
            of_day.truncate(n_wanted);
            found.append(&mut of_day);
            if found.len() >= count_max {
                break;
            }
        }
        Ok(found)
    }

    async fn scan_shard(
        &self,
        (day, shard): (i64, i8),
        start: &Place,
        to: Instant,
        subject: Option<&Subject>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        let (mut place, mut found) = (start.clone(), Vec::new());
        while found.len() < count_max {
            let (at, person, sync, stage, cause) = &place;
            let values = (day, shard, at, person, sync, stage, cause, to.0, ENTRIES);
            let entries: Vec<Place> = self.read(SCAN, values).await?;
            let Some(last) = entries.last().cloned() else { break };
            place = last;
            let wanted = entries.into_iter().filter(|it| subject.is_none_or(|subject| subject.0 == it.1));
            let look = async |(at, subject, sync, stage, cause): Place| {
                let (sync, cause) = (SyncId(self.id(&sync)?), EventId(self.id(&cause)?));
                let key = StepKey { subject: Subject(subject), sync, stage, cause };
                let stands = self.step_columns(&key).await?.is_some_and(|it| it.at == at);
                Ok::<_, Unreachable>(stands.then_some((Instant(at), key)))
            };
            let looks: Vec<_> = wanted.map(look).collect();
            let stand: Vec<_> = stream::iter(looks).buffered(CONCURRENT).try_collect().await?;
            found.extend(stand.into_iter().flatten());
        }
        found.truncate(count_max);
        Ok(found)
    }
}

fn place_of(at: Instant, key: &StepKey) -> Place {
    let (sync, cause) = (key.sync.0.as_bytes().to_vec(), key.cause.0.as_bytes().to_vec());
    (at.0, key.subject.0.clone(), sync, key.stage.clone(), cause)
}
