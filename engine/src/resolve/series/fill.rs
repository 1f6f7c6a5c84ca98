//! One day, source after source: each gets the time that those before it did not cover.

use super::{
    SILENCE_MS,
    cover::{Cover, Span},
    cut::{Counted, Part},
    read::{Key, UNDECIDED},
    rule,
};

/// A source with its parts, without overlaps, and the time in which it was recording.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    key: Key<'a>,
    rank: u32,
    /// Its parts, in order.
    pub(super) parts: Vec<Part>,
    /// From the first to the last count, but for silences of an hour or more.
    cover: Cover,
}

impl<'a> Source<'a> {
    /// A source that says this once.
    pub(super) fn new(key: Key<'a>, rank: u32, parts: Vec<Part>) -> Self {
        let counts = parts.iter().filter(|it| it.value > 0.0).map(Part::span);
        let cover = Cover::of(counts).closed(SILENCE_MS);
        Self { key, rank, parts, cover }
    }
}

/// What a source says of a day.
#[derive(Clone, Debug)]
pub(super) struct Share {
    /// Index of the source.
    pub(super) source: usize,
    /// Its parts, in order.
    pub(super) parts: Vec<Part>,
}

/// A source whose turn has not come.
struct Waiting<'a> {
    source: &'a Source<'a>,
    /// What it counted, and the zeros while it was recording.
    counts: Vec<Part>,
    /// The other zeros.
    zeros: Vec<Part>,
}

/// What is counted on a day; without overlaps, not in order.
///
/// By priority; of equal ones each time the one that still adds most, so that no source's own count of the day is more
/// than the total. Zeros that last an hour or stand at an end hide nothing, and stay where nothing else is.
pub(super) fn day(sources: &[Source<'_>], shares: Vec<Share>, counted: bool) -> Vec<Part> {
    let ends = shares.iter().flat_map(|it| &it.parts);
    let within =
        Span { from: ends.clone().map(|it| it.from).min().unwrap_or(0), to: ends.map(|it| it.to).max().unwrap_or(0) };
    let mut waiting: Vec<Waiting<'_>> = shares.into_iter().map(|it| sort_out(&sources[it.source], it.parts)).collect();
    waiting.sort_by(|a, b| (a.source.rank, a.source.key).cmp(&(b.source.rank, b.source.key)));
    let (mut so_far, mut zeros, mut is_first) = (Counted::default(), Vec::<Vec<Part>>::new(), true);
    while let Some(rank) = waiting.first().map(|it| it.source.rank) {
        let n_equal = waiting.iter().take_while(|it| it.source.rank == rank).count();
        let (index, added) = best(&waiting[..n_equal], &so_far, counted);
        let it = waiting.remove(index);
        let silent = Cover::of(zeros.iter().flatten().map(Part::span));
        so_far.parts.extend(added.into_iter().map(|part| match part.rule {
            UNDECIDED if is_first && n_equal > 1 => Part { rule: rule::COUNTED_MOST, ..part },
            UNDECIDED if is_first => Part { rule: rule::FIRST, ..part },
            UNDECIDED if silent.touches(part.span()) => Part { rule: rule::FILLS_ZEROS, ..part },
            UNDECIDED => Part { rule: rule::FILLS_GAP, ..part },
            _ => part,
        }));
        so_far.parts.sort_by_key(|it| it.from);
        so_far.cover.join(&it.source.cover, within);
        zeros.push(it.zeros);
        is_first = false;
    }
    with_zeros(so_far.parts, &zeros)
}

fn sort_out<'a>(source: &'a Source<'a>, parts: Vec<Part>) -> Waiting<'a> {
    let (counts, zeros) = parts.into_iter().partition(|it| it.value > 0.0 || source.cover.holds(it.span()));
    Waiting { source, counts, zeros }
}

/// Which of these adds most to what is counted so far, and what it adds; of equal ones the first.
fn best(equal: &[Waiting<'_>], so_far: &Counted, counted: bool) -> (usize, Vec<Part>) {
    let mut free = Vec::new();
    let mut best: (usize, Vec<Part>, f64) = (0, Vec::new(), f64::NEG_INFINITY);
    for (index, it) in equal.iter().enumerate() {
        let mut added = Vec::with_capacity(it.counts.len());
        for part in &it.counts {
            so_far.cut(part, counted, &mut free, &mut added);
        }
        let total: f64 = added.iter().map(|it| it.value).sum();
        if total > best.2 {
            best = (index, added, total);
        }
    }
    (best.0, best.1)
}

/// With the zeros that no count hides, source after source.
fn with_zeros(mut parts: Vec<Part>, zeros: &[Vec<Part>]) -> Vec<Part> {
    let mut free = Vec::new();
    for of_source in zeros.iter().filter(|it| !it.is_empty()) {
        let taken = Cover::of(parts.iter().map(Part::span));
        for zero in of_source {
            taken.free(zero.span(), &mut free);
            parts.extend(free.iter().map(|it| Part { from: it.from, to: it.to, rule: rule::ZERO, ..*zero }));
        }
    }
    parts
}
