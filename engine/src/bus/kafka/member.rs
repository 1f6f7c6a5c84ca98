//! A member of a group: the asynchronous side. The other side is a thread of its own (`member/polling.rs`).

mod context;
mod polling;

use self::polling::Polling;
use super::{Names, Settings, progress::Progress};
use crate::bus::{
    Budget, Delivery, Subscription, Unreachable,
    registry::{Known, Registry},
};
use async_trait::async_trait;
use schemas::{codec, topics::TopicName};
use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::Thread,
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// How long a member waits to be given its partitions before it goes on without.
const JOIN_MAX: Duration = Duration::from_secs(15);
/// How long leaving may take: the drain, and a last commit.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// How often a registry that does not answer is asked again.
const REGISTRY_PAUSE: Duration = Duration::from_secs(1);

/// What both sides share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    queue: Mutex<VecDeque<Delivery>>,
    news: Notify,
    /// Set when the member must be made anew, with the reason.
    failed: Mutex<Option<String>>,
    stop: AtomicBool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, deliveries: &mut Vec<Delivery>) {
        self.queue().extend(deliveries.drain(..));
        self.news.notify_one();
    }

    /// Forgets what no longer is this member's.
    pub(super) fn forget(&self) {
        self.queue().retain(|it| it.tenure.is_held());
    }

    pub(super) fn fail(&self, why: String) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.news.notify_one();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// How far a member has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Joining,
    Joined,
    Left,
}

/// A member of a group.
pub(super) struct Member {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    thread: Thread,
    stage: watch::Receiver<Stage>,
    /// Partitions whose next message cannot be read before the registry has answered.
    waiting: HashSet<(TopicName, i32)>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("stage", &*self.stage.borrow()).finish_non_exhaustive()
    }
}

impl Member {
    pub(super) async fn join(
        settings: Arc<Settings>,
        names: Arc<Names>,
        registry: Arc<Registry>,
        progress: Arc<Progress>,
        budget: Budget,
        group: &str,
        topics: &[TopicName],
    ) -> Result<Self, Unreachable> {
        static MEMBERS: AtomicU64 = AtomicU64::new(0);
        let shared = Arc::new(Shared::default());
        let (said, mut stage) = watch::channel(Stage::Joining);
        let polling = Polling {
            id: MEMBERS.fetch_add(1, Ordering::Relaxed),
            group: names.group(group),
            topics: topics.to_vec(),
            settings,
            names,
            progress,
            budget,
            shared: shared.clone(),
            stage: said,
        };
        let spawned = std::thread::Builder::new().name(format!("kafka {group}")).spawn(move || polling.run());
        let spawned = spawned.map_err(|err| Unreachable(format!("no thread can be started: {err}")))?;
        let thread = spawned.thread().clone();
        // From here on, dropping it ends the thread.
        let joined = stage.clone();
        let member = Self { shared, registry, thread, stage: joined, waiting: HashSet::new() };
        let waited = tokio::time::timeout(JOIN_MAX, stage.wait_for(|it| *it != Stage::Joining)).await;
        if waited.is_err() {
            tracing::warn!(group, "was given no partitions yet; goes on waiting");
        }
        member.failure().map_or(Ok(member), Err)
    }

    fn failure(&self) -> Option<Unreachable> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).clone().map(Unreachable)
    }

    /// What is there now, in order within a partition. What cannot be read yet stays, with all behind it.
    async fn take(&mut self, count_max: usize, bytes_max: usize) -> Vec<Delivery> {
        let unknown = self.ask().await;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let mut kept = VecDeque::new();
        let mut blocked: HashSet<(TopicName, i32)> = HashSet::new();
        let mut queue = self.shared.queue();
        while let Some(mut delivery) = queue.pop_front() {
            let place = (delivery.topic, delivery.partition);
            if blocked.contains(&place) || !self.read(&mut delivery) {
                blocked.insert(place);
                kept.push_back(delivery);
                continue;
            }
            if !taken.is_empty() && (taken.len() >= count_max || bytes + delivery.bytes.len() > bytes_max) {
                kept.push_back(delivery);
                break;
            }
            bytes += delivery.bytes.len();
            taken.push(delivery);
        }
        while let Some(delivery) = kept.pop_back() {
            queue.push_front(delivery);
        }
        drop(queue);
        if unknown.is_some() {
            self.waiting = blocked;
        } else {
            self.waiting.clear();
        }
        taken
    }

    /// Asks the registry about ids that are at the front of a partition and not known yet. Says that it does not
    /// answer, if so.
    async fn ask(&mut self) -> Option<Unreachable> {
        let mut asked: HashSet<_> = HashSet::new();
        for it in self.shared.queue().iter().filter(|it| it.unreadable.is_none()) {
            if let Some(id) = codec::schema_id(&it.bytes)
                && self.registry.known(it.topic.kind, id).is_none()
            {
                asked.insert((it.topic.kind, id));
            }
        }
        for (kind, id) in asked {
            if let Err(err) = self.registry.find(kind, id).await {
                if self.waiting.is_empty() {
                    tracing::warn!(%err, schema = id, "a partition waits for the schema registry");
                }
                return Some(err);
            }
        }
        None
    }

    /// Frames a message as ours; `false` if the registry must be asked first.
    fn read(&self, delivery: &mut Delivery) -> bool {
        if delivery.unreadable.is_some() {
            return true;
        }
        let Some(id) = codec::schema_id(&delivery.bytes) else {
            delivery.unreadable = Some("it is not framed".into());
            return true;
        };
        let Some(known) = self.registry.known(delivery.topic.kind, id) else { return false };
        match &*known {
            Known::Ours(ours) => {
                let mut bytes = Vec::from(std::mem::take(&mut delivery.bytes));
                if let Some(place) = bytes.get_mut(1..codec::FRAME_BYTES) {
                    place.copy_from_slice(&ours.to_be_bytes());
                }
                delivery.bytes = bytes.into();
            }
            Known::Other(foreign) => match foreign.reframe(&delivery.bytes) {
                Ok(bytes) => delivery.bytes = bytes.into(),
                Err(err) => delivery.unreadable = Some(err.to_string()),
            },
            Known::Unreadable(why) => delivery.unreadable = Some(why.clone()),
        }
        true
    }

    fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[async_trait]
impl Subscription for Member {
    async fn next(&mut self, count_max: usize, bytes_max: usize) -> Result<Vec<Delivery>, Unreachable> {
        loop {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            let taken = self.take(count_max, bytes_max).await;
            if !taken.is_empty() {
                return Ok(taken);
            }
            let shared = self.shared.clone();
            if self.waiting.is_empty() {
                shared.news.notified().await;
            } else {
                drop(tokio::time::timeout(REGISTRY_PAUSE, shared.news.notified()).await);
            }
        }
    }

    async fn leave(&mut self) {
        self.stop();
        let left = tokio::time::timeout(LEAVE_MAX, self.stage.wait_for(|it| *it == Stage::Left)).await;
        if left.is_err() {
            tracing::warn!("leaving the group takes too long; the group finds out by itself");
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop();
    }
}
