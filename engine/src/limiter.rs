//! Permits: issued calls never exceed a provider's limits, in any process; and a breaker per provider.

use crate::{
    bus::Unreachable,
    clock::Clock,
    provider::{DataProvider, Limit, ProviderError, Scope, Usage, Verb, Verbs},
    session::{Permits, Reply},
    store::{RowKey, Rows},
};
use async_trait::async_trait;
use metrics::{counter, gauge};
use schemas::{id::ConnectionId, time::Instant};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The longest that a call waits in place for its slot; a later one is a timer's.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The share of a window that cold work may use, in percent.
const COLD_PERCENT: u32 = 30;
/// The pause after a 429 that does not say when to come back.
const BLOCKED_DEFAULT: Duration = Duration::from_secs(60);

/// The share of a window that repairs may use, in percent.
const REPAIR_PERCENT: u32 = 10;

/// How much of a window a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of it: a person is waiting.
    Hot,
    /// What history and daily work may use.
    Cold,
    /// What repairs may use, a part of what cold work may.
    Repair,
}

/// What is counted in one bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    /// Per limit: (number of the window since 1970, calls in it, cold calls in it).
    windows: BTreeMap<String, (i64, u32, u32)>,
    /// Per limit: (number of the window since 1970, calls of repairs in it).
    #[serde(default)]
    repairs: BTreeMap<String, (i64, u32)>,
    /// Nobody calls before this.
    blocked_until: Option<Instant>,
}

impl Bucket {
    /// Reserves a call now, or says when the first slot will be. Pure.
    fn reserve(&mut self, limits: &[Limit], verb: Verb, share: Share, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.blocked_until.filter(|it| *it > now) {
            return Err(until);
        }
        let counted = || limits.iter().filter(|it| it.verbs == Verbs::All || verb == Verb::Read);
        for limit in counted() {
            let (window, ends) = window_of(limit, now);
            let (used, cold) =
                self.windows.get(limit.name).filter(|it| it.0 == window).map_or((0, 0), |it| (it.1, it.2));
            let cold_max = (limit.calls_max.saturating_mul(COLD_PERCENT) / 100).max(1);
            let repairs = self.repairs.get(limit.name).filter(|it| it.0 == window).map_or(0, |it| it.1);
            let repair_max = (limit.calls_max.saturating_mul(REPAIR_PERCENT) / 100).max(1);
            let is_spent = match share {
                Share::Hot => false,
                Share::Cold => cold >= cold_max,
                Share::Repair => cold >= cold_max || repairs >= repair_max,
            };
            if used >= limit.calls_max || is_spent {
                return Err(ends);
            }
        }
        for limit in counted() {
            let (window, _) = window_of(limit, now);
            let entry = self.windows.entry(limit.name.into()).or_insert((window, 0, 0));
            if entry.0 != window {
                *entry = (window, 0, 0);
            }
            entry.1 += 1;
            entry.2 += u32::from(share != Share::Hot);
            if share == Share::Repair {
                let repairs = self.repairs.entry(limit.name.into()).or_insert((window, 0));
                *repairs = if repairs.0 == window { (window, repairs.1 + 1) } else { (window, 1) };
            }
        }
        Ok(())
    }
}

impl Bucket {
    /// The provider's own word wins: its counts where they are higher, its pause where it is longer.
    fn learn(&mut self, limits: &[Limit], usage: &[Usage], until: Option<Instant>, now: Instant) {
        self.blocked_until = self.blocked_until.filter(|it| *it > now).max(until);
        for said in usage {
            let Some(limit) = limits.iter().find(|it| it.name == said.name) else { continue };
            let (window, _) = window_of(limit, now);
            let entry = self.windows.entry(limit.name.into()).or_insert((window, 0, 0));
            if entry.0 != window {
                *entry = (window, 0, 0);
            }
            // A smaller limit than we know leaves as much less room.
            entry.1 = entry.1.max(said.used.saturating_add(limit.calls_max.saturating_sub(said.limit)));
        }
    }
}

/// The number of the window that `now` is in, and when it ends.
fn window_of(limit: &Limit, now: Instant) -> (i64, Instant) {
    let length = i64::try_from(limit.window.as_millis()).unwrap_or(i64::MAX).max(1);
    let window = now.0.div_euclid(length);
    (window, Instant((window + 1).saturating_mul(length)))
}

/// Failures and successes of one provider, in this process.
#[derive(Debug, Default)]
struct Breaker {
    since: Instant,
    calls: u32,
    failures: u32,
    open_until: Option<Instant>,
    /// How often it opened without a good call between.
    trips: u32,
}

impl Breaker {
    /// Takes note of a call: open at ≥ 50 % failures of ≥ 20 calls in 10 s; a failed probe opens it again.
    fn note(&mut self, failed: bool, now: Instant) {
        if now.since(self.since) > Duration::from_secs(10) {
            (self.since, self.calls, self.failures) = (now, 0, 0);
        }
        self.calls += 1;
        self.failures += u32::from(failed);
        let probing = self.trips > 0;
        if failed && (probing || (self.calls >= 20 && self.failures * 2 >= self.calls)) {
            let pause = Duration::from_secs(30).saturating_mul(1 << self.trips.min(5)).min(Duration::from_secs(600));
            self.open_until = Some(now.plus(pause));
            self.trips += 1;
            (self.since, self.calls, self.failures) = (now, 0, 0);
        } else if !failed {
            self.trips = 0;
            self.open_until = None;
        }
    }
}

/// Every provider's permits.
#[derive(Clone, Debug)]
pub struct Limiter {
    rows: Arc<dyn Rows>,
    clock: Clock,
    /// One caller of this process at a time per bucket: compare-and-set races are then only with other processes.
    turns: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
    breakers: Arc<Mutex<HashMap<&'static str, Breaker>>>,
}

impl Limiter {
    /// A limiter over these rows.
    #[must_use]
    pub fn new(rows: Arc<dyn Rows>, clock: Clock) -> Self {
        Self { rows, clock, turns: Arc::default(), breakers: Arc::default() }
    }

    /// The permits of one connection for one share, under these limits.
    #[must_use]
    pub fn permits(
        &self,
        provider: Arc<dyn DataProvider>,
        limits: Vec<Limit>,
        connection: Option<ConnectionId>,
        share: Share,
    ) -> Arc<dyn Permits> {
        Arc::new(OfConnection { limiter: self.clone(), provider, limits, connection, share })
    }

    async fn update<T>(&self, bucket: &str, change: impl Fn(&mut Bucket) -> T) -> Result<T, Unreachable> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > 10_000 {
                turns.retain(|_, it| Arc::strong_count(it) > 1);
            }
            turns.entry(bucket.to_owned()).or_default().clone()
        };
        let _turn = turn.lock().await;
        let key = RowKey { subject: String::new(), kind: "limit", id: bucket.into() };
        loop {
            let row = self.rows.get(&key).await?;
            let before: Bucket = row.as_ref().and_then(|it| serde_json::from_slice(&it.body).ok()).unwrap_or_default();
            let mut after = before.clone();
            let result = change(&mut after);
            if after == before {
                return Ok(result);
            }
            let body = serde_json::to_vec(&after).map_err(|err| Unreachable(err.to_string()))?;
            if self.rows.put(&key, row.map_or(0, |it| it.version), body.into(), &[]).await? {
                return Ok(result);
            }
        }
    }

    fn breaker<T>(&self, provider: &'static str, look: impl FnOnce(&mut Breaker) -> T) -> T {
        look(self.breakers.lock().unwrap_or_else(PoisonError::into_inner).entry(provider).or_default())
    }
}

#[derive(Debug)]
struct OfConnection {
    limiter: Limiter,
    provider: Arc<dyn DataProvider>,
    limits: Vec<Limit>,
    connection: Option<ConnectionId>,
    share: Share,
}

impl OfConnection {
    /// The buckets that count a call, with their limits.
    fn buckets(&self) -> Vec<(String, Vec<Limit>)> {
        let profile = self.provider.profile();
        let of = |scope: Scope| self.limits.iter().filter(|it| it.scope == scope).copied().collect::<Vec<_>>();
        let app = Some((profile.id.to_owned(), of(Scope::App)));
        let connection = self.connection.map(|it| (format!("{}/{it}", profile.id), of(Scope::Connection)));
        app.into_iter().chain(connection.filter(|it| !it.1.is_empty())).collect()
    }

    async fn reserve(&self, verb: Verb) -> Result<Result<(), Instant>, Unreachable> {
        let now = self.limiter.clock.now();
        // Narrow buckets first: what one of them refuses is not taken from the wide one.
        for (bucket, limits) in self.buckets().iter().rev() {
            let reserved = self.limiter.update(bucket, |it| it.reserve(limits, verb, self.share, now)).await?;
            if reserved.is_err() {
                return Ok(reserved);
            }
        }
        Ok(Ok(()))
    }
}

#[async_trait]
impl Permits for OfConnection {
    async fn permit(&self, verb: Verb) -> Result<(), ProviderError> {
        let id = self.provider.profile().id;
        let now = self.limiter.clock.now();
        if let Some(until) = self.limiter.breaker(id, |it| it.open_until).filter(|it| *it > now) {
            return Err(ProviderError::Throttled { until: Some(until) });
        }
        if verb == Verb::Auth || self.limits.is_empty() {
            return Ok(());
        }
        loop {
            match self.reserve(verb).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(at)) if at.since(self.limiter.clock.now()) <= WAIT_MAX => {
                    self.limiter.clock.sleep_until(at).await
                }
                Ok(Err(at)) => return Err(ProviderError::Throttled { until: Some(at) }),
                // Nothing was sent; the stage meets the same server again at once and stops there.
                Err(err) => return Err(ProviderError::Unavailable { what: format!("limits cannot be read: {err}") }),
            }
        }
    }

    async fn observe(&self, verb: Verb, answer: Result<&Reply, &ProviderError>) {
        let id = self.provider.profile().id;
        let class = match answer {
            Ok(reply) => match reply.status.as_u16() {
                200..=299 => "ok",
                401 | 403 => "denied",
                429 => "throttled",
                400..=499 => "refused",
                _ => "failed",
            },
            Err(ProviderError::Unavailable { .. }) => "unavailable",
            Err(_) => "lost",
        };
        counter!("syncwell_provider_calls_total", "provider" => id, "verb" => verb.name(), "class" => class)
            .increment(1);
        let now = self.limiter.clock.now();
        let failed = matches!(class, "failed" | "unavailable" | "lost");
        self.limiter.breaker(id, |it| it.note(failed, now));
        let Ok(reply) = answer else { return };
        let usage = self.provider.usage(&reply.headers);
        for it in &usage {
            gauge!("syncwell_provider_budget_left", "provider" => id, "limit" => it.name)
                .set(f64::from(it.limit.saturating_sub(it.used)));
        }
        let limits = &self.limits;
        let spent = usage
            .iter()
            .filter(|it| it.used >= it.limit)
            .filter_map(|it| limits.iter().find(|limit| limit.name == it.name));
        let window_end = spent.map(|limit| window_of(limit, now).1).max();
        let until = (class == "throttled")
            .then(|| reply.retry_after(now).or(window_end).unwrap_or_else(|| now.plus(BLOCKED_DEFAULT)));
        let blocked = self.limiter.update(id, |it| it.learn(limits, &usage, until, now)).await;
        if let Err(err) = blocked {
            tracing::warn!(provider = id, %err, "a block could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, Bucket, Share};
    use crate::provider::{Limit, Scope, Verb, Verbs};
    use proptest::prelude::*;
    use schemas::time::Instant;
    use std::time::Duration;

    const LIMITS: [Limit; 2] = [
        Limit { name: "all", scope: Scope::App, verbs: Verbs::All, window: Duration::from_secs(900), calls_max: 7 },
        Limit { name: "reads", scope: Scope::App, verbs: Verbs::Reads, window: Duration::from_secs(900), calls_max: 4 },
    ];

    proptest! {
        #[test]
        fn no_more_is_issued_than_a_window_allows(calls in prop::collection::vec((0i64..400, any::<bool>(), any::<bool>()), 1..200)) {
            let mut bucket = Bucket::default();
            let mut now = Instant(0);
            let mut issued: std::collections::HashMap<(i64, bool), u32> = std::collections::HashMap::new();
            for (pause, read, cold) in calls {
                now = now.plus(Duration::from_secs(pause.unsigned_abs()));
                let verb = if read { Verb::Read } else { Verb::Write };
                let share = if cold { Share::Cold } else { Share::Hot };
                match bucket.reserve(&LIMITS, verb, share, now) {
                    Ok(()) => *issued.entry((now.seconds() / 900, read)).or_default() += 1,
                    Err(at) => prop_assert!(at > now),
                }
            }
            for ((window, read), count) in &issued {
                let other = issued.get(&(*window, !read)).copied().unwrap_or(0);
                prop_assert!(count + other <= 7);
                prop_assert!(!read || *count <= 4);
            }
        }
    }

    #[test]
    fn a_repair_uses_no_more_than_its_share() {
        let limit = Limit { calls_max: 50, ..LIMITS[0] };
        let mut bucket = Bucket::default();
        let mut take = |share, now| bucket.reserve(&[limit], Verb::Write, share, now).is_ok();
        let now = Instant(0);
        assert_eq!((0..50).filter(|_| take(Share::Repair, now)).count(), 5, "a tenth");
        assert_eq!((0..50).filter(|_| take(Share::Cold, now)).count(), 10, "of the three tenths of cold work");
        assert_eq!((0..50).filter(|_| take(Share::Hot, now)).count(), 35, "the rest is there for who waits");
        assert!(take(Share::Repair, Instant::from_seconds(900)), "and anew in the next window");
    }

    #[test]
    fn a_breaker_opens_when_half_of_twenty_fail_and_closes_after_a_good_probe() {
        let mut breaker = Breaker::default();
        let now = Instant::from_seconds(100);
        (0..20).for_each(|it| breaker.note(it % 2 == 0, now));
        assert_eq!(breaker.open_until, None, "the twentieth call was good");
        breaker.note(true, now);
        assert_eq!(breaker.open_until, Some(now.plus(Duration::from_secs(30))));
        let later = now.plus(Duration::from_secs(31));
        breaker.note(true, later);
        assert_eq!(breaker.open_until, Some(later.plus(Duration::from_secs(60))));
        breaker.note(false, later.plus(Duration::from_secs(61)));
        assert_eq!(breaker.open_until, None);
    }
}
