//! What one source says more than once is counted once.

use super::{
    cover::{Cover, Span},
    cut::{Counted, Part},
    read::Told,
};
use std::cmp::Ordering;

/// A source's parts without overlaps, in order of time.
///
/// Of several parts of the very same stretch the one that was changed last holds, then the greater. Parts that overlap
/// otherwise are taken by the finest first; if that came to less than the greatest of them says alone, by the greatest
/// first.
pub(super) fn once(mut told: Vec<Told>, counted: bool) -> Vec<Part> {
    told.sort_by(|a, b| {
        let same = (a.part.from, a.part.to).cmp(&(b.part.from, b.part.to));
        same.then(b.modified_at.cmp(&a.modified_at)).then(by_value(&a.part, &b.part))
    });
    told.dedup_by(|b, a| (a.part.from, a.part.to) == (b.part.from, b.part.to));
    let parts: Vec<Part> = told.into_iter().map(|it| it.part).collect();
    let mut all = Vec::with_capacity(parts.len());
    let mut rest = parts.as_slice();
    while let Some(first) = rest.first() {
        let mut end = first.to;
        let beyond = rest.iter().position(|it| {
            let is_beyond = it.from >= end;
            end = end.max(it.to);
            is_beyond
        });
        let (together, after) = rest.split_at(beyond.unwrap_or(rest.len()));
        match together {
            [alone] => all.push(*alone),
            _ => all.extend(settle(together, counted)),
        }
        rest = after;
    }
    all
}

/// The greater first. Equal ones stay in the order of reading, which is the same for any order of strands.
fn by_value(a: &Part, b: &Part) -> Ordering {
    b.value.total_cmp(&a.value)
}

fn settle(parts: &[Part], counted: bool) -> Vec<Part> {
    let length = |it: &Part| it.to.saturating_sub(it.from);
    let mut finest: Vec<Part> = parts.to_vec();
    finest.sort_by(|a, b| length(a).cmp(&length(b)).then(a.from.cmp(&b.from)));
    let by_finest = place(&finest, counted);
    let greatest = parts.iter().map(|it| it.value).fold(0.0, f64::max);
    if by_finest.iter().map(|it| it.value).sum::<f64>() >= greatest {
        return by_finest;
    }
    finest.sort_by(by_value);
    place(&finest, counted)
}

/// One after the other into the time that those before left.
fn place(parts: &[Part], counted: bool) -> Vec<Part> {
    let (mut so_far, mut free, mut cut) = (Counted::default(), Vec::new(), Vec::new());
    for part in parts {
        cut.clear();
        so_far.cut(part, counted, &mut free, &mut cut);
        for it in &cut {
            let at = so_far.parts.partition_point(|before| before.from < it.from);
            so_far.parts.insert(at, *it);
        }
        let everywhere = Span { from: i64::MIN, to: i64::MAX };
        so_far.cover.join(&Cover::of([part.span()]), everywhere);
    }
    so_far.parts
}
