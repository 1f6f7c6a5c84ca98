//! The bus of one process: everything in memory, nothing survives it.
//!
//! A message stays until every group that has ever subscribed to its topic is done with it, so memory is bounded by
//! the work in flight ([`Bus::backlog`] says how much that is). Of a topic that nobody subscribes to, only the
//! newest messages stay.

use crate::bus::{Backlog, Budget, Bus, Delivery, Message, Subscription, Tenure, Unreachable};
use async_trait::async_trait;
use bytes::Bytes;
use schemas::{
    id::Subject,
    topics::{PARTITIONS, TopicName},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::sync::Notify;

/// The most messages that are kept of a topic that nobody subscribes to.
pub const UNREAD_COUNT_MAX: usize = 10_000;

/// The most bytes that are kept of a topic that nobody subscribes to.
pub const UNREAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A bus in memory.
pub struct MemoryBus {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    budget: Budget,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, each change is whole by itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a member holds of a partition from now on.
    fn tenure(self: &Arc<Self>, group: &str, place: Place) -> Tenure {
        let (shared, group) = (Arc::downgrade(self), group.to_owned());
        let heard = move |moved, is_idle| {
            // A bus that is gone needs no news.
            if let Some(shared) = Weak::upgrade(&shared) {
                shared.heard(&group, place, moved, is_idle);
            }
        };
        Tenure::new(None, self.budget.clone(), Box::new(heard))
    }

    /// Work of a group on a partition has ended.
    fn heard(self: &Arc<Self>, group: &str, place: Place, moved: Option<i64>, is_idle: bool) {
        let mut state = self.lock();
        if let Some(next) = moved {
            state.commit(group, place, next);
        }
        let Some(group) = state.groups.get_mut(group) else { return };
        if is_idle && group.hands_over {
            group.rebalance(self);
        }
        if moved.is_some() && std::mem::take(&mut group.rests) {
            group.news.notify_waiters();
        }
    }
}

impl MemoryBus {
    /// An empty bus.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { shared: Arc::default() })
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("backlog", &self.backlog()).finish_non_exhaustive()
    }
}

/// A partition of a topic.
type Place = (TopicName, i32);

#[derive(Default)]
struct State {
    topics: HashMap<TopicName, Log>,
    groups: HashMap<String, Group>,
    next_member: u64,
    next_message: u64,
}

/// What is kept of a topic.
struct Log {
    partitions: Vec<Partition>,
    n_groups: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self { partitions: (0..PARTITIONS).map(|_| Partition::default()).collect(), n_groups: 0 }
    }
}

#[derive(Default)]
struct Partition {
    messages: VecDeque<Kept>,
    next_offset: i64,
    bytes: usize,
}

struct Kept {
    offset: i64,
    /// Its place among all messages of the bus: tells which of a topic is the oldest.
    age: u64,
    key: Subject,
    bytes: Bytes,
}

impl Partition {
    fn first_offset(&self) -> i64 {
        self.messages.front().map_or(self.next_offset, |it| it.offset)
    }

    fn drop_first(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.bytes.len();
        }
    }

    /// The messages from this offset on.
    fn from(&self, offset: i64) -> impl Iterator<Item = &Kept> {
        let skipped = usize::try_from(offset.saturating_sub(self.first_offset())).unwrap_or(0);
        self.messages.range(skipped.min(self.messages.len())..)
    }
}

/// The members that share topics, and how far they have come.
#[derive(Default)]
struct Group {
    name: String,
    /// The next offset to read of every partition of every topic that was ever subscribed to.
    committed: HashMap<Place, i64>,
    /// In order of joining.
    members: BTreeMap<u64, Member>,
    /// Wakes members that wait for messages.
    news: Arc<Notify>,
    /// Whether a partition waits for work to end before it goes to another member.
    hands_over: bool,
    /// Whether a partition gives nothing because too much of it is on its way.
    rests: bool,
}

struct Member {
    topics: Vec<TopicName>,
    /// The partitions it was given.
    owned: BTreeMap<Place, Owned>,
}

struct Owned {
    /// The next offset to deliver.
    next: i64,
    tenure: Tenure,
    /// Whether it goes to another member once the work that has begun has ended.
    leaves: bool,
}

impl Group {
    /// Gives every partition to one member of those that subscribe to its topic. A member that keeps a partition
    /// goes on where it is; a new owner begins at what was committed, once the work of the old one has ended.
    fn rebalance(&mut self, shared: &Arc<Shared>) {
        let mut owned: BTreeMap<u64, BTreeMap<Place, Owned>> = BTreeMap::new();
        self.hands_over = false;
        for (place, committed) in &self.committed {
            let takers: Vec<u64> =
                self.members.iter().filter(|(_, it)| it.topics.contains(&place.0)).map(|(id, _)| *id).collect();
            let turn = usize::try_from(place.1).unwrap_or(0).checked_rem(takers.len());
            let Some(taker) = turn.and_then(|turn| takers.get(turn)) else { continue };
            let holder = self.members.iter_mut().find_map(|(id, it)| it.owned.remove(place).map(|it| (*id, it)));
            let given = match holder {
                Some((id, it)) if id == *taker && !it.leaves => (id, it),
                Some((id, mut it)) if !it.tenure.drain() => {
                    it.leaves = true;
                    self.hands_over = true;
                    (id, it)
                }
                other => {
                    if let Some((_, it)) = other {
                        it.tenure.end();
                    }
                    let tenure = shared.tenure(&self.name, *place);
                    (*taker, Owned { next: *committed, tenure, leaves: false })
                }
            };
            owned.entry(given.0).or_default().insert(*place, given.1);
        }
        for (id, member) in &mut self.members {
            member.owned = owned.remove(id).unwrap_or_default();
        }
        self.news.notify_waiters();
    }

    fn leave(&mut self, member: u64, shared: &Arc<Shared>) {
        let Some(gone) = self.members.remove(&member) else { return };
        for owned in gone.owned.into_values() {
            owned.tenure.end();
        }
        self.rebalance(shared);
    }
}

impl State {
    fn publish(&mut self, message: Message) {
        let age = self.next_message;
        self.next_message += 1;
        let log = self.topics.entry(message.topic).or_default();
        let Some(partition) = log.partitions.get_mut(partition_of(&message.key)) else { return };
        let offset = partition.next_offset;
        partition.next_offset += 1;
        partition.bytes += message.bytes.len();
        partition.messages.push_back(Kept { offset, age, key: message.key, bytes: message.bytes });
        if log.n_groups == 0 {
            log.keep_newest();
        }
    }

    fn join(&mut self, group: &str, topics: &[TopicName], shared: &Arc<Shared>) -> (u64, Arc<Notify>) {
        let id = self.next_member;
        self.next_member += 1;
        let new = || Group { name: group.to_owned(), ..Group::default() };
        let group = self.groups.entry(group.to_owned()).or_insert_with(new);
        for topic in topics {
            let log = self.topics.entry(*topic).or_default();
            if !group.committed.contains_key(&(*topic, 0)) {
                log.n_groups += 1;
                for (number, partition) in (0..).zip(&log.partitions) {
                    group.committed.insert((*topic, number), partition.first_offset());
                }
            }
        }
        group.members.insert(id, Member { topics: topics.to_vec(), owned: BTreeMap::new() });
        group.rebalance(shared);
        (id, Arc::clone(&group.news))
    }

    /// What a member gets now. It begins with another of its partitions each time (`turn`), so that a full one does
    /// not hide the others.
    fn take(&mut self, group: &str, member: u64, turn: usize, count_max: usize, bytes_max: usize) -> Vec<Delivery> {
        let Some(group) = self.groups.get_mut(group) else { return Vec::new() };
        let Some(member) = group.members.get_mut(&member) else { return Vec::new() };
        let mut taken: Vec<Delivery> = Vec::new();
        let mut bytes = 0;
        let n_owned = member.owned.len();
        let first = turn.checked_rem(n_owned).unwrap_or(0);
        let places: Vec<Place> = member.owned.keys().copied().cycle().skip(first).take(n_owned).collect();
        for place in places {
            let number = usize::try_from(place.1).unwrap_or(0);
            let partition = self.topics.get(&place.0).and_then(|it| it.partitions.get(number));
            let (Some(partition), Some(owned)) = (partition, member.owned.get_mut(&place)) else {
                continue;
            };
            for message in partition.from(owned.next) {
                if owned.tenure.rests() {
                    group.rests = true;
                    break;
                }
                let size = message.bytes.len();
                if !taken.is_empty() && (taken.len() >= count_max || bytes + size > bytes_max) {
                    return taken;
                }
                bytes += size;
                owned.next = message.offset + 1;
                owned.tenure.delivered(message.offset, size);
                let (topic, partition) = place;
                taken.push(Delivery {
                    topic,
                    partition,
                    offset: message.offset,
                    key: message.key.clone(),
                    bytes: message.bytes.clone(),
                    unreadable: None,
                    tenure: owned.tenure.clone(),
                });
            }
        }
        taken
    }

    /// Notes how far a group has come; a position only goes up.
    fn commit(&mut self, group: &str, place: Place, next: i64) {
        let partition =
            usize::try_from(place.1).ok().and_then(|number| self.topics.get_mut(&place.0)?.partitions.get_mut(number));
        let Some(partition) = partition else { return };
        if let Some(committed) = self.groups.get_mut(group).and_then(|it| it.committed.get_mut(&place)) {
            *committed = (*committed).max(next.min(partition.next_offset));
        }
        let slowest = self.groups.values().filter_map(|it| it.committed.get(&place)).min().copied();
        while !partition.messages.is_empty() && slowest.is_some_and(|slowest| partition.first_offset() < slowest) {
            partition.drop_first();
        }
    }
}

impl Log {
    fn keep_newest(&mut self) {
        let is_full = |it: &Self| {
            it.partitions.iter().map(|it| it.messages.len()).sum::<usize>() > UNREAD_COUNT_MAX
                || it.partitions.iter().map(|it| it.bytes).sum::<usize>() > UNREAD_BYTES_MAX
        };
        while is_full(self) {
            let age = |it: &Partition| it.messages.front().map_or(u64::MAX, |it| it.age);
            if let Some(oldest) = self.partitions.iter_mut().min_by_key(|it| age(it)) {
                oldest.drop_first();
            }
        }
    }
}

/// The partition of a key, the same in every process and version (FNV-1a, 64 bits).
fn partition_of(key: &Subject) -> usize {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = key.0.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    usize::try_from(hash % u64::from(PARTITIONS)).unwrap_or(0)
}

#[async_trait]
impl Bus for MemoryBus {
    fn backlog(&self) -> Backlog {
        let state = self.shared.lock();
        let read = state.topics.values().filter(|it| it.n_groups > 0);
        read.flat_map(|it| &it.partitions).fold(Backlog::default(), |sum, it| Backlog {
            count: sum.count + it.messages.len(),
            bytes: sum.bytes + it.bytes,
        })
    }

    async fn publish(&self, messages: Vec<Message>) -> Result<(), Unreachable> {
        let mut state = self.shared.lock();
        let mut topics: Vec<TopicName> = messages.iter().map(|it| it.topic).collect();
        topics.dedup();
        for message in messages {
            state.publish(message);
        }
        let concerned = |it: &&Group| topics.iter().any(|topic| it.committed.contains_key(&(*topic, 0)));
        state.groups.values().filter(concerned).for_each(|it| it.news.notify_waiters());
        Ok(())
    }

    async fn subscribe(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable> {
        let (id, news) = self.shared.lock().join(group, topics, &self.shared);
        Ok(Box::new(Joined { shared: Arc::clone(&self.shared), group: group.to_owned(), id, news, turn: 0 }))
    }

    async fn read(
        &self,
        topic: TopicName,
        partition: i32,
        offsets: Range<i64>,
    ) -> Result<Option<Vec<(i64, Bytes)>>, Unreachable> {
        let state = self.shared.lock();
        let Some(log) = state.topics.get(&topic) else { return Ok(Some(Vec::new())) };
        if log.n_groups > 0 {
            return Ok(None);
        }
        let partition = usize::try_from(partition).ok().and_then(|it| log.partitions.get(it));
        let wanted = partition.into_iter().flat_map(|it| it.from(offsets.start));
        Ok(Some(wanted.take_while(|it| it.offset < offsets.end).map(|it| (it.offset, it.bytes.clone())).collect()))
    }

    async fn held(&self, topic: TopicName) -> Result<Option<Vec<Range<i64>>>, Unreachable> {
        let mut state = self.shared.lock();
        let log = state.topics.entry(topic).or_default();
        let held = log.partitions.iter().map(|it| it.first_offset()..it.next_offset);
        Ok((log.n_groups == 0).then(|| held.collect()))
    }
}

/// A member of a group.
struct Joined {
    shared: Arc<Shared>,
    group: String,
    id: u64,
    news: Arc<Notify>,
    turn: usize,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("group", &self.group).field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl Subscription for Joined {
    async fn next(&mut self, count_max: usize, bytes_max: usize) -> Result<Vec<Delivery>, Unreachable> {
        let news = Arc::clone(&self.news);
        loop {
            // `notify_waiters` reaches what was made before it, so nothing published after the look is missed.
            let heard = news.notified();
            self.turn = self.turn.wrapping_add(1);
            let taken = self.shared.lock().take(&self.group, self.id, self.turn, count_max, bytes_max);
            if !taken.is_empty() {
                return Ok(taken);
            }
            heard.await;
        }
    }

    async fn leave(&mut self) {
        self.leave_now();
    }
}

impl Joined {
    fn leave_now(&self) {
        let mut state = self.shared.lock();
        if let Some(group) = state.groups.get_mut(&self.group) {
            group.leave(self.id, &self.shared);
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.leave_now();
    }
}

#[cfg(test)]
mod tests;
