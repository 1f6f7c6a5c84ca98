//! Which inputs may be worked on now: those of one lane one after the other, at most so many lanes of a person and so
//! many in all.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
};

/// Waiting inputs by lane.
#[derive(Debug)]
pub(crate) struct Lanes<K, P, T> {
    per_person: usize,
    in_all: usize,
    queues: HashMap<K, VecDeque<T>>,
    people: HashMap<K, P>,
    active: HashSet<K>,
    running: HashMap<P, usize>,
    /// Lanes that have an input and are not active, in order of arrival.
    ready: VecDeque<K>,
}

impl<K: Clone + Eq + Hash, P: Clone + Eq + Hash, T> Lanes<K, P, T> {
    pub(crate) fn new(per_person: usize, in_all: usize) -> Self {
        Self {
            per_person,
            in_all,
            queues: HashMap::new(),
            people: HashMap::new(),
            active: HashSet::new(),
            running: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// An input came in.
    pub(crate) fn push(&mut self, lane: K, person: P, input: T) {
        let queue = self.queues.entry(lane.clone()).or_default();
        queue.push_back(input);
        if queue.len() == 1 && !self.active.contains(&lane) {
            self.ready.push_back(lane.clone());
        }
        self.people.insert(lane, person);
    }

    /// The next input to be worked on, if one may begin now.
    pub(crate) fn start(&mut self) -> Option<(K, T)> {
        if self.active.len() >= self.in_all {
            return None;
        }
        let free =
            |it: &K| self.people.get(it).is_some_and(|it| self.running.get(it).copied().unwrap_or(0) < self.per_person);
        let index = self.ready.iter().position(free)?;
        let lane = self.ready.remove(index)?;
        let input = self.queues.get_mut(&lane)?.pop_front()?;
        if let Some(person) = self.people.get(&lane) {
            *self.running.entry(person.clone()).or_default() += 1;
        }
        self.active.insert(lane.clone());
        Some((lane, input))
    }

    /// The input of a lane is done with.
    pub(crate) fn done(&mut self, lane: &K) {
        self.active.remove(lane);
        if let Some(person) = self.people.get(lane)
            && let Some(running) = self.running.get_mut(person)
        {
            *running -= 1;
            if *running == 0 {
                self.running.remove(person);
            }
        }
        if self.queues.get(lane).is_some_and(|it| !it.is_empty()) {
            self.ready.push_back(lane.clone());
        } else {
            self.queues.remove(lane);
            self.people.remove(lane);
        }
    }

    /// Drops what has not begun.
    pub(crate) fn clear(&mut self) {
        self.queues.clear();
        self.ready.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_lane_keeps_its_order_and_no_limit_is_passed(
            pushes in prop::collection::vec((0u8..3, 0u8..4), 1..80), per_person in 1usize..4, in_all in 1usize..6, seed in any::<u64>(),
        ) {
            let mut lanes = Lanes::new(per_person, in_all);
            for (index, (person, lane)) in pushes.iter().enumerate() {
                lanes.push((*person, *lane), *person, index);
            }
            let mut running: Vec<((u8, u8), usize)> = Vec::new();
            let mut taken = Vec::new();
            let mut state = seed;
            loop {
                while let Some(started) = lanes.start() {
                    running.push(started);
                    prop_assert!(running.len() <= in_all);
                    for (lane, _) in &running {
                        prop_assert!(running.iter().filter(|it| it.0 == *lane).count() == 1);
                        prop_assert!(running.iter().filter(|it| it.0.0 == lane.0).count() <= per_person);
                    }
                }
                if running.is_empty() { break }
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let done = running.remove((state >> 33) as usize % running.len());
                lanes.done(&done.0);
                taken.push(done);
            }
            prop_assert_eq!(taken.len(), pushes.len());
            for lane in taken.iter().map(|it| it.0) {
                let order: Vec<_> = taken.iter().filter(|it| it.0 == lane).map(|it| it.1).collect();
                prop_assert!(order.is_sorted());
            }
        }
    }
}
