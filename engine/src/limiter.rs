//! Permits: issued calls never exceed a provider's limits, in any process; and a breaker per provider.

mod bucket;

pub(crate) use self::bucket::cold_max;

use self::bucket::{Bucket, Change, Known, window_of};
use crate::{
    bus::Unreachable,
    clock::Clock,
    provider::{DataProvider, Limit, ProviderError, Scope, Verb},
    session::{Permits, Reply},
    store::{RowKey, Rows},
};
use async_trait::async_trait;
use metrics::{counter, gauge};
use schemas::{id::ConnectionId, time::Instant};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The longest that a call waits in place for its slot; a later one is a timer's.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The pause after a 429 that does not say when to come back.
const BLOCKED_DEFAULT: Duration = Duration::from_secs(60);

/// How much of a window a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// All of it: a person is waiting.
    Hot,
    /// What history and daily work may use.
    Cold,
    /// What repairs may use, a part of what cold work may.
    Repair,
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

/// A change that waits for its turn.
#[derive(Debug)]
struct Waiting {
    change: Change,
    answer: Mutex<Option<Result<Option<Instant>, Unreachable>>>,
}

impl Waiting {
    fn say(&self, answer: Result<Option<Instant>, Unreachable>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn answer(&self) -> Option<Result<Option<Instant>, Unreachable>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What waits for one bucket in this process. Who has the turn makes all of it in one compare-and-set: races are then
/// only with other processes, and however many calls wait for a slow store, each waits for two of its answers at most.
#[derive(Debug, Default)]
struct Queue {
    known: Mutex<Known>,
    waiting: Mutex<Vec<Arc<Waiting>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every provider's permits.
#[derive(Clone, Debug)]
pub struct Limiter {
    rows: Arc<dyn Rows>,
    clock: Clock,
    queues: Arc<Mutex<HashMap<String, Arc<Queue>>>>,
    breakers: Arc<Mutex<HashMap<&'static str, Breaker>>>,
}

impl Limiter {
    /// A limiter over these rows.
    #[must_use]
    pub fn new(rows: Arc<dyn Rows>, clock: Clock) -> Self {
        Self { rows, clock, queues: Arc::default(), breakers: Arc::default() }
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

    /// Changes a bucket; when a call may go out, if not now.
    async fn update(&self, bucket: &str, change: Change) -> Result<Option<Instant>, Unreachable> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            if queues.len() > 10_000 {
                queues.retain(|_, it| Arc::strong_count(it) > 1);
            }
            queues.entry(bucket.to_owned()).or_default().clone()
        };
        if queue.known().make(&change, self.clock.now()) {
            return Ok(None);
        }
        let own = Arc::new(Waiting { change, answer: Mutex::new(None) });
        queue.lock().push(own.clone());
        let _turn = queue.turn.lock().await;
        if let Some(answer) = own.answer() {
            return answer;
        }
        let mut all = std::mem::take(&mut *queue.lock());
        if !all.iter().any(|it| Arc::ptr_eq(it, &own)) {
            // Who had taken it went away before it was done.
            all.push(own.clone());
        }
        match self.store(bucket, &queue, &all).await {
            Ok(answers) => all.iter().zip(answers).for_each(|(it, answer)| it.say(Ok(answer))),
            Err(err) => all.iter().for_each(|it| it.say(Err(err.clone()))),
        }
        own.answer().unwrap_or_else(|| Err(Unreachable("a permit was not answered".into())))
    }

    /// Makes these changes of a bucket in one: when each call may go out, if not now.
    async fn store(
        &self,
        bucket: &str,
        queue: &Queue,
        all: &[Arc<Waiting>],
    ) -> Result<Vec<Option<Instant>>, Unreachable> {
        // If the store does not answer they are lost: counted, and never used.
        let held = queue.known().take_leases();
        let key = RowKey { subject: String::new(), kind: "limit", id: bucket.into() };
        loop {
            let row = self.rows.get(&key).await?;
            let before: Bucket = row.as_ref().and_then(|it| serde_json::from_slice(&it.body).ok()).unwrap_or_default();
            let (mut after, mut leases, now) = (before.clone(), held.clone(), self.clock.now());
            let answers = all.iter().map(|it| it.change.make(&mut after, &mut leases, now)).collect();
            let is_stored = after == before || {
                let body = serde_json::to_vec(&after).map_err(|err| Unreachable(err.to_string()))?;
                self.rows.put(&key, row.map_or(0, |it| it.version), body.into(), &[]).await?
            };
            if is_stored {
                *queue.known() = Known::new(after, now, leases);
                return Ok(answers);
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

    /// Reserves a call; when to ask again, if there is none now.
    async fn reserve(&self, verb: Verb) -> Result<Option<Instant>, Unreachable> {
        // Narrow buckets first: what one of them refuses is not taken from the wide one.
        for (bucket, limits) in self.buckets().into_iter().rev() {
            let change = Change::Reserve { limits, verb, share: self.share };
            if let Some(at) = self.limiter.update(&bucket, change).await? {
                return Ok(Some(at));
            }
        }
        Ok(None)
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
                Ok(None) => return Ok(()),
                Ok(Some(at)) if at.since(self.limiter.clock.now()) <= WAIT_MAX => {
                    self.limiter.clock.sleep_until(at).await
                }
                Ok(Some(at)) => return Err(ProviderError::Throttled { until: Some(at) }),
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
        if usage.is_empty() && until.is_none() {
            return;
        }
        let change = Change::Learn { limits: limits.clone(), usage, until, at: now };
        if let Err(err) = self.limiter.update(id, change).await {
            tracing::debug!(provider = id, %err, "a block could not be noted; the stages say that the store is away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Row, sqlite::SqliteStore};
    use bytes::Bytes;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    const LIMIT: Limit = Limit {
        name: "all",
        scope: Scope::App,
        verbs: crate::provider::Verbs::All,
        window: Duration::from_secs(900),
        calls_max: 60,
    };

    /// A store that answers when it is let, and whose changes are counted.
    #[derive(Debug)]
    struct Slow {
        inner: Arc<dyn Rows>,
        may_answer: Semaphore,
        n_puts: AtomicUsize,
    }

    #[async_trait]
    impl Rows for Slow {
        async fn get(&self, key: &RowKey) -> Result<Option<Row>, Unreachable> {
            self.inner.get(key).await
        }

        async fn list(&self, subject: &str, kind: &'static str) -> Result<Vec<Row>, Unreachable> {
            self.inner.list(subject, kind).await
        }

        async fn put(&self, key: &RowKey, expected: i64, body: Bytes, index: &[String]) -> Result<bool, Unreachable> {
            self.n_puts.fetch_add(1, Ordering::Relaxed);
            self.may_answer.acquire().await.unwrap().forget();
            self.inner.put(key, expected, body, index).await
        }

        async fn delete(&self, key: &RowKey, expected: i64) -> Result<bool, Unreachable> {
            self.inner.delete(key, expected).await
        }

        async fn find(&self, kind: &'static str, name: &str) -> Result<Vec<(String, String)>, Unreachable> {
            self.inner.find(kind, name).await
        }
    }

    fn reserve() -> Change {
        Change::Reserve { limits: vec![LIMIT], verb: Verb::Write, share: Share::Hot }
    }

    fn slow() -> (Arc<Slow>, Limiter, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(directory.path()).unwrap().rows;
        let rows = Arc::new(Slow { inner, may_answer: Semaphore::new(0), n_puts: AtomicUsize::new(0) });
        let limiter = Limiter::new(rows.clone(), Clock::manual(Instant(0)).0);
        (rows, limiter, directory)
    }

    #[tokio::test]
    async fn calls_that_wait_for_a_slow_store_share_its_next_answer() {
        let (rows, limiter, _directory) = slow();
        let calls = join_all((0..100).map(|_| limiter.update("provider", reserve())));
        let answers = async {
            while rows.n_puts.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            rows.may_answer.add_permits(100);
        };
        let (calls, ()) = tokio::join!(calls, answers);
        let n_issued = calls.iter().filter(|it| matches!(it, Ok(None))).count();
        assert_eq!(n_issued, 60, "as many as the limit, however they were counted");
        assert!(calls.iter().all(|it| matches!(it, Ok(None | Some(Instant(900_000))))), "the others come again");
        assert!(rows.n_puts.load(Ordering::Relaxed) <= 2, "the first one's, and that of all the others");
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_leaves_the_others_their_turn() {
        let (rows, limiter, _directory) = slow();
        let [mut first, mut second, mut third] = [(); 3].map(|()| Box::pin(limiter.update("provider", reserve())));
        // While the first one is answered the others wait; then the second one takes the third one's change along.
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::poll!(&mut third).is_pending());
        rows.may_answer.add_permits(1);
        assert_eq!(first.await, Ok(None));
        while rows.n_puts.load(Ordering::Relaxed) < 2 {
            assert!(futures::poll!(&mut second).is_pending());
            tokio::task::yield_now().await;
        }
        drop(second);
        rows.may_answer.add_permits(9);
        assert_eq!(third.await, Ok(None));
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
