//! Which records are one thing: those that lead to one item, are made of one source's record, or were matched.

use super::gather::{Gathered, Made, Mark, Said};
use schemas::{
    event::Reason,
    id::{ConnectionId, ItemId},
    time::Instant,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that is known of one thing.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    /// When it began.
    pub(super) starts_at: Instant,
    pub(super) rows: Vec<&'a Made>,
    /// The latest decisions about its records, the latest first.
    pub(super) said: Vec<&'a Said>,
    /// The records that were read of it, and whether the source still has each. Our own copies are not among them.
    pub(super) read: BTreeMap<&'a Mark, bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Node<'a> {
    Item(ItemId),
    Mark(ConnectionId, &'a str),
}

fn node(mark: &Mark) -> Node<'_> {
    Node::Mark(mark.0, &mark.1)
}

/// Sets that are joined one by one.
#[derive(Debug, Default)]
struct Sets<'a> {
    places: HashMap<Node<'a>, usize>,
    parents: Vec<usize>,
}

impl<'a> Sets<'a> {
    fn place(&mut self, node: Node<'a>) -> usize {
        let next = self.parents.len();
        let place = *self.places.entry(node).or_insert(next);
        if place == next {
            self.parents.push(next);
        }
        self.root(place)
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.parents[place] != place {
            self.parents[place] = self.parents[self.parents[place]];
            place = self.parents[place];
        }
        place
    }

    fn join(&mut self, one: Node<'a>, other: Node<'a>) {
        let (one, other) = (self.place(one), self.place(other));
        self.parents[one.max(other)] = one.min(other);
    }
}

/// The things, in the order of their lowest record.
pub(super) fn things(gathered: &Gathered) -> Vec<Group<'_>> {
    let mut sets = joined(gathered);
    let mut members: BTreeMap<usize, Members<'_>> = BTreeMap::new();
    for made in &gathered.rows {
        members.entry(sets.place(Node::Item(made.row.key.item))).or_default().rows.push(made);
    }
    for said in &gathered.said {
        members.entry(sets.place(node(&said.of))).or_default().said.push(said);
    }
    for led in &gathered.led {
        members.entry(sets.place(node(&led.of))).or_default().starts.push(led.starts_at);
    }
    let read = read(gathered);
    for (mark, is_there) in &read {
        members.entry(sets.place(node(mark))).or_default().read.insert(*mark, *is_there);
    }
    let mut lowest: HashMap<usize, Node<'_>> = HashMap::new();
    let nodes: Vec<_> = sets.places.keys().copied().collect();
    for it in nodes {
        let place = sets.place(it);
        let stands = lowest.entry(place).or_insert(it);
        *stands = it.min(*stands);
    }
    let mut groups: Vec<_> = members.into_iter().map(|(place, it)| (lowest.get(&place).copied(), it.group())).collect();
    groups.sort_by_key(|it| it.0);
    groups.into_iter().filter_map(|it| it.1).collect()
}

fn joined(gathered: &Gathered) -> Sets<'_> {
    let mut sets = Sets::default();
    // A row that was deleted for good says of no other record that it is the same.
    for made in gathered.rows.iter().filter(|it| !is_deleted(it)) {
        for source in &made.sources {
            sets.join(Node::Item(made.row.key.item), node(source));
        }
    }
    for it in &gathered.led {
        sets.join(Node::Item(it.item), node(&it.of));
    }
    for it in &gathered.said {
        for item in it.same.iter().chain([&it.item]) {
            sets.join(Node::Item(*item), node(&it.of));
        }
    }
    sets
}

/// Whether what we wrote was deleted, and nothing else is to be there.
pub(super) fn is_deleted(made: &Made) -> bool {
    let row = &made.row;
    row.planned_delete && row.version >= row.planned_version
}

/// The records that were read, and whether their source still has them.
fn read(gathered: &Gathered) -> BTreeMap<&Mark, bool> {
    let mut latest: HashMap<&Mark, &Said> = HashMap::new();
    for it in &gathered.said {
        latest.entry(&it.of).or_insert(it);
    }
    let deleted: BTreeSet<ItemId> =
        gathered.rows.iter().filter(|it| it.row.planned_delete).map(|it| it.row.key.item).collect();
    let led = || gathered.led.iter().filter(|it| it.of.0 != it.destination);
    let led_to_deleted: BTreeSet<&Mark> = led().filter(|it| deleted.contains(&it.item)).map(|it| &it.of).collect();
    let live = gathered.rows.iter().filter(|it| !is_deleted(it));
    let of_rows = live.flat_map(|it| &it.sources);
    let marks = of_rows.chain(gathered.said.iter().map(|it| &it.of)).chain(led().map(|it| &it.of));
    // Also where what was written stays.
    let gone: BTreeSet<&Mark> = gathered.asked.iter().map(|it| &it.of).collect();
    let mut read = BTreeMap::new();
    for mark in marks {
        let is_there = match latest.get(mark) {
            Some(it) if it.reason == Some(Reason::Echo) => continue,
            _ if gone.contains(mark) => false,
            Some(it) => !it.is_of_gone(),
            None => !led_to_deleted.contains(mark),
        };
        read.insert(mark, is_there);
    }
    read
}

#[derive(Debug, Default)]
struct Members<'a> {
    rows: Vec<&'a Made>,
    said: Vec<&'a Said>,
    read: BTreeMap<&'a Mark, bool>,
    starts: Vec<Instant>,
}

impl<'a> Members<'a> {
    fn group(self) -> Option<Group<'a>> {
        let of_rows = self.rows.iter().filter(|it| !is_deleted(it)).map(|it| it.row.starts_at).min();
        let of_records = || self.starts.iter().copied().min();
        let of_decisions = || self.said.iter().map(|it| it.starts_at).min();
        let starts_at = of_rows.or_else(of_records).or_else(of_decisions)?;
        Some(Group { starts_at, rows: self.rows, said: self.said, read: self.read })
    }
}
