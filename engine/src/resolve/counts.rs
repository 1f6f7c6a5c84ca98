//! Counts that were cut differently: a band's minutes beside a phone's hours.
//!
//! Each stays a record of its own, for it is edited and deleted on its own; but it is to hold only what it counts beyond
//! those that come before it, so that all of them together come to the union ([`union()`]) and no second counts twice.

use super::{
    Incoming, Policy,
    answers::Answers,
    merge::{Merged, held, is_counted, is_same_count},
    series::{Piece, Strand, days, union},
};
use schemas::{
    data_type::DataType,
    event::Source,
    id::ConnectionId,
    record::{Body, Record, Span},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
};

/// One source's record of counts.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Where it is: a connection, and the keyed hash of its id there. `None` of what cannot be changed (it is not ours, or
    /// its source is no longer kept): it comes before all others.
    pub place: Option<(ConnectionId, String)>,
    /// It, as its source has it.
    pub record: Record,
    /// Its place in the person's priorities, 0 first.
    pub rank: u32,
    /// Whether something is decided about it: then all of its days are gone through.
    pub is_new: bool,
}

/// What is left of each record of counts when those before it have counted.
#[derive(Debug, Default)]
pub struct Counts(HashMap<(DataType, ConnectionId, String), Left>);

#[derive(Debug, Default)]
struct Left {
    pieces: Vec<Piece>,
    is_touched: bool,
}

impl Left {
    /// Whether it is one piece with all of the record's value and time.
    fn is_whole(&self, value: f64, time: &Span) -> bool {
        matches!(&self.pieces[..], [it] if (it.from, it.to, it.value.total_cmp(&value)) == (time.start, time.end, Ordering::Equal))
    }
}

/// Whether a record is of one stretch and counted, and so may be cut.
#[must_use]
pub fn is_cut(record: &Record) -> bool {
    is_counted(record) && matches!(record.body, Body::Quantity(_)) && !record.deleted
}

impl Counts {
    /// Of these records; `None` if all are of one device of one connection: what a source says alone stays as it says it.
    /// The order of the records makes no difference. Two that the person called different do not take from each other: both
    /// stay whole.
    #[must_use]
    pub fn new(all: &[Counted], answers: &Answers) -> Option<Self> {
        let first = source(all.first()?);
        if all.iter().all(|it| source(it) == first) {
            return None;
        }
        let apart = apart(all, answers);
        let mut by_type: BTreeMap<DataType, Vec<usize>> = BTreeMap::new();
        for (index, it) in all.iter().enumerate().filter(|it| is_cut(&it.1.record) && !apart.contains(&it.0)) {
            by_type.entry(it.record.data_type).or_default().push(index);
        }
        let mut left = HashMap::new();
        for (data_type, of_type) in by_type {
            let strand = |it: &usize| {
                let it = &all[*it];
                let rank = if it.place.is_none() { 0 } else { it.rank.saturating_add(1) };
                Strand { record: &it.record, rank }
            };
            let strands: Vec<Strand<'_>> = of_type.iter().map(strand).collect();
            let days = days(&strands);
            let is_new = |it: &usize| all[of_type[*it]].is_new;
            let touched: BTreeSet<i64> =
                (0..strands.len()).filter(is_new).filter_map(|it| days[it]).flat_map(|(from, to)| from..=to).collect();
            let union = union(&strands);
            let mut pieces: Vec<Vec<Piece>> = vec![Vec::new(); strands.len()];
            for it in union.pieces {
                pieces[it.strand].push(it);
            }
            let left_out: BTreeSet<usize> = union.issues.iter().map(|it| it.strand).collect();
            for (strand, pieces) in pieces.into_iter().enumerate().filter(|it| !left_out.contains(&it.0)) {
                let Some((connection, key)) = all[of_type[strand]].place.clone() else { continue };
                let is_touched = days[strand].is_some_and(|(from, to)| touched.range(from..=to).next().is_some());
                left.insert((data_type, connection, key), Left { pieces, is_touched });
            }
        }
        Some(Self(left))
    }

    /// Whether something was decided on a day of an item that is made of these.
    #[must_use]
    pub fn touches(&self, data_type: DataType, sources: &[Source]) -> bool {
        sources.iter().filter_map(|it| self.left(data_type, it)).any(|it| it.is_touched)
    }

    /// Whether a record of the page, which is the only source of its item, is to hold less than it says.
    #[must_use]
    pub fn cuts(&self, incoming: &Incoming, policy: &Policy<'_>) -> bool {
        let Body::Quantity(of) = &incoming.record.body else { return false };
        let left = self.left(incoming.record.data_type, &incoming.source(policy));
        !incoming.echo
            && is_cut(&incoming.record)
            && left.is_some_and(|it| !it.is_whole(of.value, &incoming.record.time))
    }

    /// Whether an item that is made of these holds what it is to hold, as far as value and time tell.
    #[must_use]
    pub fn is_settled(&self, held: &Record, sources: &[Source]) -> bool {
        let Body::Quantity(of) = &held.body else { return true };
        let left: Option<Vec<&Left>> = sources.iter().map(|it| self.left(held.data_type, it)).collect();
        let Some(left) = left else { return true };
        let pieces = || left.iter().flat_map(|it| &it.pieces);
        let value: f64 = pieces().map(|it| it.value).sum();
        let start = pieces().map(|it| it.from).min().unwrap_or(held.time.start);
        let end = pieces().map(|it| it.to).max().unwrap_or(held.time.end);
        is_same_count(value, of.value) && (start, end) == (held.time.start, held.time.end)
    }

    /// What an item that is made of these is to hold: as it was merged, if nothing of it is counted elsewhere.
    #[must_use]
    pub fn held(&self, merged: Merged, sources: &[Source]) -> Merged {
        if !is_cut(&merged.record) {
            return merged;
        }
        let left: Option<Vec<&Left>> = sources.iter().map(|it| self.left(merged.record.data_type, it)).collect();
        let Some(left) = left else { return merged };
        let mut pieces: Vec<(usize, Piece)> =
            left.iter().enumerate().flat_map(|(part, it)| it.pieces.iter().map(move |piece| (part, *piece))).collect();
        pieces.sort_by_key(|it| it.1.from);
        held(merged, &pieces)
    }

    fn left(&self, data_type: DataType, source: &Source) -> Option<&Left> {
        self.0.get(&(data_type, source.connection, source.key.clone()))
    }
}

/// Who counted: a connection, and a device there.
fn source(it: &Counted) -> Option<(ConnectionId, Option<&str>)> {
    it.place.as_ref().map(|place| (place.0, it.record.origin.device.as_deref()))
}

/// Those of which the person said that one is another than one beside it.
fn apart(all: &[Counted], answers: &Answers) -> BTreeSet<usize> {
    let mut apart = BTreeSet::new();
    if !answers.keep_apart() {
        return apart;
    }
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|it| all[*it].record.time.start);
    for (place, index) in order.iter().enumerate() {
        let it = &all[*index];
        let beside = order[place + 1..].iter().take_while(|other| all[**other].record.time.start < it.record.time.end);
        for other in beside {
            let Some((a, b)) = it.place.as_ref().zip(all[*other].place.as_ref()) else { continue };
            if answers.are_different((a.0, &a.1), (b.0, &b.1)) {
                apart.extend([*index, *other]);
            }
        }
    }
    apart
}

#[cfg(test)]
mod tests;
