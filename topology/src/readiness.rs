//! Whether a process can do its work: what its `/readyz` says.

use async_trait::async_trait;
use bytes::Bytes;
use engine::{
    bus::{Backlog, Bus, Delivery, Message, Subscription, Unreachable},
    store::{RowKey, Rows},
};
use schemas::topics::TopicName;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout},
};

/// How long a server may be out of reach before this process says that it cannot work.
const AWAY_MAX: Duration = Duration::from_secs(3);
/// How long a failure counts that was followed by no further attempt.
const REMEMBERED: Duration = Duration::from_secs(10);
/// How often servers are asked whether they are there.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

const STORE: &str = "the store";
const BUS: &str = "the bus";
const PUBLISHING: &str = "publishing to the bus";

/// What is known of a process's own servers and groups. Clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    seen: Arc<Mutex<Seen>>,
    said: watch::Sender<Result<(), String>>,
}

impl Readiness {
    /// Of a process that starts: it is not ready.
    #[must_use]
    pub fn starting() -> Self {
        let seen = Seen { withheld: Some("it starts".into()), ..Seen::default() };
        let (said, _) = watch::channel(seen.verdict(Instant::now()));
        Self { seen: Arc::new(Mutex::new(seen)), said }
    }

    /// Whether the process is ready, else why not, from now on.
    #[must_use]
    pub fn verdict(&self) -> watch::Receiver<Result<(), String>> {
        self.said.subscribe()
    }

    /// The process is not ready, whatever its servers do.
    pub fn withhold(&self, why: &str) {
        self.note(|seen, _| seen.withheld = Some(why.to_owned()));
    }

    /// From now on the process is ready when its servers are in reach and these many groups are joined.
    pub fn begin(&self, n_groups: usize) {
        self.note(|seen, _| {
            seen.withheld = None;
            seen.n_wanted = n_groups;
        });
    }

    /// The same bus, whose failures and groups are noted here.
    #[must_use]
    pub fn watched(&self, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
        Arc::new(Watched { bus, readiness: self.clone() })
    }

    /// Asks the servers again and again whether they are there, until `stop` turns true.
    pub async fn ask(self, store: Arc<dyn Rows>, bus: Vec<String>, mut stop: watch::Receiver<bool>) {
        let nothing = RowKey { subject: String::new(), kind: "probe", id: "probe".into() };
        let mut ticks = tokio::time::interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|it| *it) => return,
            }
            let (store, bus) = tokio::join!(timeout(ANSWER_MAX, store.get(&nothing)), takes_connections(&bus));
            self.came_of(STORE, matches!(store, Ok(Ok(_))));
            self.came_of(BUS, bus);
        }
    }

    fn came_of(&self, what: &'static str, is_good: bool) {
        self.note(|seen, now| {
            if is_good {
                seen.failing.remove(what);
            } else {
                let failing = seen.failing.entry(what).or_insert(Failing { since: now, last: now });
                // One that is long over does not make the next one old.
                if now.duration_since(failing.last) >= REMEMBERED {
                    failing.since = now;
                }
                failing.last = now;
            }
        });
    }

    fn note(&self, change: impl FnOnce(&mut Seen, Instant)) {
        let now = Instant::now();
        // No code panics while it holds the lock.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut seen, now);
        seen.look(now);
        let verdict = seen.verdict(now);
        self.said.send_if_modified(|said| {
            let is_new = *said != verdict;
            *said = verdict;
            is_new
        });
    }
}

/// Whether any of these servers takes a connection; none need one.
async fn takes_connections(servers: &[String]) -> bool {
    for server in servers {
        if matches!(timeout(ANSWER_MAX, TcpStream::connect(server)).await, Ok(Ok(_))) {
            return true;
        }
    }
    servers.is_empty()
}

#[derive(Debug, Default)]
struct Seen {
    /// Why the process is not ready whatever else is true.
    withheld: Option<String>,
    failing: BTreeMap<&'static str, Failing>,
    /// Groups that this process must be in.
    n_wanted: usize,
    /// Groups that it is in.
    n_joined: usize,
    /// Whether it was in all of them before.
    were_joined: bool,
    lacking_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    last: Instant,
}

impl Seen {
    fn look(&mut self, now: Instant) {
        if self.n_joined >= self.n_wanted {
            self.were_joined |= self.withheld.is_none();
            self.lacking_since = None;
        } else {
            self.lacking_since.get_or_insert(now);
        }
    }

    fn verdict(&self, now: Instant) -> Result<(), String> {
        if let Some(why) = &self.withheld {
            return Err(why.clone());
        }
        let is_out = |it: &Failing| it.last - it.since >= AWAY_MAX && now - it.last < REMEMBERED;
        if let Some((what, _)) = self.failing.iter().find(|it| is_out(it.1)) {
            return Err(format!("{what} fails"));
        }
        // A group that is joined again at once, as after a rebalance, changes nothing.
        let is_lacking = self.lacking_since.is_some_and(|since| !self.were_joined || now - since >= AWAY_MAX);
        if is_lacking {
            return Err(format!("{} of {} groups are joined", self.n_joined, self.n_wanted));
        }
        Ok(())
    }
}

/// A bus whose failures and groups are noted.
#[derive(Debug)]
struct Watched {
    bus: Arc<dyn Bus>,
    readiness: Readiness,
}

#[async_trait]
impl Bus for Watched {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Unreachable> {
        let published = self.bus.publish(messages).await;
        self.readiness.came_of(PUBLISHING, published.is_ok());
        published
    }

    async fn subscribe(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable> {
        let subscription = self.bus.subscribe(group, topics).await?;
        Ok(Box::new(Joined { subscription, readiness: self.readiness.clone(), is_polled: false }))
    }

    async fn read(
        &self,
        topic: TopicName,
        partition: i32,
        offsets: Range<i64>,
    ) -> Result<Option<Vec<(i64, Bytes)>>, Unreachable> {
        self.bus.read(topic, partition, offsets).await
    }

    async fn held(&self, topic: TopicName) -> Result<Option<Vec<Range<i64>>>, Unreachable> {
        self.bus.held(topic).await
    }

    fn backlog(&self) -> Backlog {
        self.bus.backlog()
    }
}

/// A group that this process is in, from the first time that it asks for messages.
#[derive(Debug)]
struct Joined {
    subscription: Box<dyn Subscription>,
    readiness: Readiness,
    is_polled: bool,
}

#[async_trait]
impl Subscription for Joined {
    async fn next(&mut self, count_max: usize, bytes_max: usize) -> Result<Vec<Delivery>, Unreachable> {
        if !std::mem::replace(&mut self.is_polled, true) {
            self.readiness.note(|seen, _| seen.n_joined += 1);
        }
        self.subscription.next(count_max, bytes_max).await
    }

    async fn leave(&mut self) {
        self.subscription.leave().await;
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if self.is_polled {
            self.readiness.note(|seen, _| seen.n_joined -= 1);
        }
    }
}

#[cfg(test)]
mod tests;
