//! How much is on its way: what is known of ends of partitions, and how far the groups of this process have come.

use super::Names;
use crate::bus::Tenure;
use schemas::topics::TopicName;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A partition of a topic.
pub(super) type Place = (TopicName, i32);

#[derive(Debug)]
pub(super) struct Progress {
    names: Arc<Names>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The next offset to be written of a partition, as far as this process knows.
    ends: HashMap<Place, i64>,
    /// What members of this process hold: where they began, and their tenure.
    held: HashMap<(u64, Place), (i64, Tenure)>,
    /// Members that do not know yet what they hold: there may be work for them.
    joining: usize,
}

impl Progress {
    pub(super) fn new(names: Arc<Names>) -> Self {
        Self { names, state: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // No code panics while it holds the lock.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An offset of a partition is safely written.
    pub(super) fn written(&self, topic: &str, partition: i32, offset: i64) {
        let Some(topic) = self.names.back(topic) else { return };
        self.end((topic, partition), offset + 1);
    }

    /// A partition goes at least up to here.
    pub(super) fn end(&self, place: Place, next: i64) {
        self.with(|state| {
            let end = state.ends.entry(place).or_default();
            *end = (*end).max(next);
        });
    }

    pub(super) fn joins(&self) {
        self.with(|state| state.joining += 1);
    }

    pub(super) fn joined(&self) {
        self.with(|state| state.joining = state.joining.saturating_sub(1));
    }

    /// A member was given a partition and begins there.
    pub(super) fn held(&self, member: u64, place: Place, begins: i64, tenure: Tenure) {
        self.with(|state| state.held.insert((member, place), (begins, tenure)));
    }

    /// A member has a partition no longer.
    pub(super) fn gone(&self, member: u64, place: Place) {
        self.with(|state| state.held.remove(&(member, place)));
    }

    /// Messages that are known and not done.
    pub(super) fn count(&self) -> usize {
        self.with(|state| {
            let left = |((_, place), (begins, tenure)): (&(u64, Place), &(i64, Tenure))| {
                let end = state.ends.get(place).copied().unwrap_or_default();
                let done = tenure.reached().unwrap_or(*begins);
                usize::try_from(end - done).unwrap_or(0)
            };
            state.joining + state.held.iter().map(left).sum::<usize>()
        })
    }
}
