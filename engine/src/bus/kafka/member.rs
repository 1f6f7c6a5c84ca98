//! A member of a group: the asynchronous side. The other side is a thread of its own (`member/polling.rs`).

mod context;
mod polling;

use self::polling::Polling;
use super::{Names, Settings, progress::Progress};
use crate::bus::{Budget, Delivery, Subscription, Unreachable, registry::Registry};
use async_trait::async_trait;
use schemas::{codec, event::Kind, topics::TopicName};
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
    /// Whether the registry is being asked.
    is_asking: AtomicBool,
}

/// The one question to the registry that is under way. It is over before the member hears of it: who is woken, and must
/// ask again, may.
struct Asking(Arc<Shared>);

impl Asking {
    /// `None` while another one is under way.
    fn begin(shared: &Arc<Shared>) -> Option<Self> {
        let is_free = !shared.is_asking.swap(true, Ordering::AcqRel);
        is_free.then(|| Self(shared.clone()))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.is_asking.store(false, Ordering::Release);
        self.0.news.notify_one();
    }
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
        let member = Self { shared, registry, thread, stage: joined };
        let waited = tokio::time::timeout(JOIN_MAX, stage.wait_for(|it| *it != Stage::Joining)).await;
        if waited.is_err() {
            tracing::warn!(group, "was given no partitions yet; goes on waiting");
        }
        member.failure().map_or(Ok(member), Err)
    }

    fn failure(&self) -> Option<Unreachable> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).clone().map(Unreachable)
    }

    /// What is there now, in order within a partition. What cannot be read yet stays, with all behind it, and the
    /// registry is asked.
    fn take(&self, count_max: usize, bytes_max: usize) -> Vec<Delivery> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        let mut kept = VecDeque::new();
        let mut blocked: HashSet<(TopicName, i32)> = HashSet::new();
        let mut unknown = HashSet::new();
        let mut queue = self.shared.queue();
        while let Some(mut delivery) = queue.pop_front() {
            let place = (delivery.topic, delivery.partition);
            if blocked.contains(&place) {
                kept.push_back(delivery);
                continue;
            }
            let is_full = taken.len() >= count_max || bytes + delivery.bytes.len() > bytes_max;
            if !taken.is_empty() && is_full {
                kept.push_back(delivery);
                break;
            }
            if let Err(id) = self.read(&mut delivery) {
                unknown.insert((delivery.topic.kind, id));
                blocked.insert(place);
                kept.push_back(delivery);
                continue;
            }
            bytes += delivery.bytes.len();
            taken.push(delivery);
        }
        while let Some(delivery) = kept.pop_back() {
            queue.push_front(delivery);
        }
        drop(queue);
        self.ask(unknown);
        taken
    }

    /// Asks the registry about ids, in a task of its own: other partitions go on meanwhile.
    fn ask(&self, unknown: HashSet<(Kind, u32)>) {
        if unknown.is_empty() {
            return;
        }
        let Some(asking) = Asking::begin(&self.shared) else { return };
        let registry = self.registry.clone();
        tokio::spawn(async move {
            for (kind, id) in unknown {
                if let Err(err) = registry.find(kind, id).await {
                    tracing::warn!(%err, schema = id, "a partition waits for the schema registry");
                    tokio::time::sleep(REGISTRY_PAUSE).await;
                    break;
                }
            }
            drop(asking);
        });
    }

    /// Frames a message as ours.
    ///
    /// # Errors
    /// When the registry must be asked first what this id stands for.
    fn read(&self, delivery: &mut Delivery) -> Result<(), u32> {
        if delivery.unreadable.is_some() {
            return Ok(());
        }
        let Some(id) = codec::schema_id(&delivery.bytes) else {
            delivery.unreadable = Some("it is not framed".into());
            return Ok(());
        };
        let Some(known) = self.registry.known(delivery.topic.kind, id) else { return Err(id) };
        match known.reframe(std::mem::take(&mut delivery.bytes)) {
            Ok(bytes) => delivery.bytes = bytes,
            Err((bytes, why)) => {
                delivery.bytes = bytes;
                delivery.unreadable = Some(why);
            }
        }
        Ok(())
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
            let taken = self.take(count_max, bytes_max);
            if !taken.is_empty() {
                return Ok(taken);
            }
            self.shared.news.notified().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_woken_by_the_end_of_a_question_may_ask_the_next_one() {
        let shared = Arc::new(Shared::default());
        for _ in 0..2_000 {
            let asking = Asking::begin(&shared).expect("no question is under way");
            assert!(Asking::begin(&shared).is_none(), "one at a time");
            let ending = tokio::spawn(async move { drop(asking) });
            shared.news.notified().await;
            assert!(!shared.is_asking.load(Ordering::Acquire), "it is over when it is heard of");
            ending.await.unwrap();
        }
    }
}
