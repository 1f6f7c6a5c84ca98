//! Which inputs may be worked on now: those of one lane one after the other, at most so many lanes of a person and so
//! many in all.

use slab::Slab;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
};

/// Waiting inputs by lane. Keys are looked up when an input comes and when a lane ends; in between everything goes by
/// places.
#[derive(Debug)]
pub(crate) struct Lanes<K, P, T> {
    per_person: usize,
    in_all: usize,
    n_active: usize,
    places: HashMap<Arc<K>, Place>,
    lanes: Slab<Lane<K, T>>,
    people: HashMap<Arc<P>, usize>,
    /// How many lanes of a person there are, and how many of them are active.
    counts: Slab<Person<P>>,
    /// Lanes that have an input and are not active, in order of arrival.
    ready: VecDeque<Place>,
}

/// Where a lane is, as long as it has inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

#[derive(Debug)]
struct Lane<K, T> {
    key: Arc<K>,
    person: usize,
    queue: VecDeque<T>,
    is_active: bool,
}

#[derive(Debug)]
struct Person<P> {
    key: Arc<P>,
    n_lanes: usize,
    n_active: usize,
}

impl<K: Eq + Hash, P: Eq + Hash, T> Lanes<K, P, T> {
    pub(crate) fn new(per_person: usize, in_all: usize) -> Self {
        Self {
            per_person,
            in_all,
            n_active: 0,
            places: HashMap::new(),
            lanes: Slab::new(),
            people: HashMap::new(),
            counts: Slab::new(),
            ready: VecDeque::new(),
        }
    }

    /// An input came in.
    pub(crate) fn push(&mut self, lane: K, person: P, input: T) {
        let place = match self.places.get(&lane) {
            Some(place) => *place,
            None => self.open(lane, person),
        };
        let Some(lane) = self.lanes.get_mut(place.0) else { return };
        lane.queue.push_back(input);
        if lane.queue.len() == 1 && !lane.is_active {
            self.ready.push_back(place);
        }
    }

    fn open(&mut self, lane: K, person: P) -> Place {
        let person = match self.people.get(&person) {
            Some(place) => *place,
            None => {
                let key = Arc::new(person);
                let place = self.counts.insert(Person { key: key.clone(), n_lanes: 0, n_active: 0 });
                self.people.insert(key, place);
                place
            }
        };
        self.counts[person].n_lanes += 1;
        let key = Arc::new(lane);
        let lane = Lane { key: key.clone(), person, queue: VecDeque::new(), is_active: false };
        let place = Place(self.lanes.insert(lane));
        self.places.insert(key, place);
        place
    }

    /// How many lanes wait for their next input to be begun.
    pub(crate) fn n_ready(&self) -> usize {
        self.ready.len()
    }

    /// The next input to be worked on, if one may begin now.
    pub(crate) fn start(&mut self) -> Option<(Place, T)> {
        if self.n_active >= self.in_all {
            return None;
        }
        let is_free = |it: &Place| self.counts[self.lanes[it.0].person].n_active < self.per_person;
        let index = self.ready.iter().position(is_free)?;
        let place = self.ready.remove(index)?;
        let lane = self.lanes.get_mut(place.0)?;
        let input = lane.queue.pop_front()?;
        lane.is_active = true;
        self.counts[lane.person].n_active += 1;
        self.n_active += 1;
        Some((place, input))
    }

    /// The input of a lane that was started is done with.
    pub(crate) fn done(&mut self, place: Place) {
        let lane = &mut self.lanes[place.0];
        lane.is_active = false;
        self.counts[lane.person].n_active -= 1;
        self.n_active -= 1;
        if lane.queue.is_empty() {
            self.close(place);
        } else {
            self.ready.push_back(place);
        }
    }

    fn close(&mut self, place: Place) {
        let lane = self.lanes.remove(place.0);
        self.places.remove(&lane.key);
        let person = &mut self.counts[lane.person];
        person.n_lanes -= 1;
        if person.n_lanes == 0 {
            let person = self.counts.remove(lane.person);
            self.people.remove(&person.key);
        }
    }

    /// Drops what has not begun.
    pub(crate) fn clear(&mut self) {
        for place in std::mem::take(&mut self.ready) {
            self.close(place);
        }
        self.lanes.iter_mut().for_each(|(_, it)| it.queue.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::{Lanes, Place};
    use proptest::prelude::*;

    #[test]
    fn what_has_not_begun_is_dropped_and_what_has_may_end() {
        let mut lanes = Lanes::new(1, 9);
        for (person, input) in [(1, 'a'), (1, 'b'), (2, 'c'), (2, 'd')] {
            lanes.push(person, person, input);
        }
        let (first, input) = lanes.start().unwrap();
        assert_eq!(input, 'a');
        lanes.clear();
        assert!(lanes.start().is_none());
        lanes.done(first);
        lanes.push(1, 1, 'e');
        assert_eq!(lanes.start().unwrap().1, 'e', "it goes on with what comes");
    }

    proptest! {
        #[test]
        fn a_lane_keeps_its_order_and_no_limit_is_passed(
            pushes in prop::collection::vec((0u8..3, 0u8..4), 1..80), per_person in 1usize..4, in_all in 1usize..6, seed in any::<u64>(),
        ) {
            let mut lanes = Lanes::new(per_person, in_all);
            for (index, (person, lane)) in pushes.iter().enumerate() {
                lanes.push((*person, *lane), *person, index);
            }
            let (mut running, mut taken) = (Vec::<((u8, u8), usize, Place)>::new(), Vec::new());
            let mut state = seed;
            loop {
                while let Some((place, index)) = lanes.start() {
                    running.push((pushes[index], index, place));
                    prop_assert!(running.len() <= in_all);
                    for (lane, ..) in &running {
                        prop_assert!(running.iter().filter(|it| it.0 == *lane).count() == 1);
                        prop_assert!(running.iter().filter(|it| it.0.0 == lane.0).count() <= per_person);
                    }
                }
                if running.is_empty() { break }
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let done = running.remove((state >> 33) as usize % running.len());
                lanes.done(done.2);
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
