//! Which rows of the destination are the same thing as a record of the source, and of which it cannot be told.

use super::{
    Known,
    matching::{Verdict, compare, is_candidate},
};
use schemas::{event::Candidate, record::Record};

/// The most that are told of each kind.
const TOLD_MAX: usize = 5;

/// What fits a record of the source.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// The row that is surest to be the same thing.
    pub best: Option<usize>,
    /// Rows that are the same thing, the surest first.
    pub candidates: Vec<Candidate>,
    /// Rows of which it cannot be told, the likeliest first.
    #[cfg_attr(not(test), expect(dead_code, reason = "nobody is asked yet"))]
    pub asks: Vec<Candidate>,
}

/// Compares a record with the rows that may hide it.
pub(super) fn matches(known: &[Known], record: &Record, hides: impl Fn(usize) -> bool) -> Matches {
    let mut fits: Vec<(usize, Verdict, f64)> = known
        .iter()
        .enumerate()
        .filter(|(index, known)| is_candidate(record, &known.summary) && hides(*index))
        .map(|(index, known)| (index, compare(record, &known.summary)))
        .filter(|(_, it)| it.verdict != Verdict::Different)
        .map(|(index, it)| (index, it.verdict, it.score))
        .collect();
    fits.sort_by(|a, b| b.2.total_cmp(&a.2).then(known[a.0].row.key.item.cmp(&known[b.0].row.key.item)));
    let of = |verdict: Verdict| {
        let candidate = |(index, _, score): &(usize, Verdict, f64)| {
            let row = &known[*index].row;
            Candidate { item: row.key.item, score: *score, owned: row.owned }
        };
        fits.iter().filter(|it| it.1 == verdict).take(TOLD_MAX).map(candidate).collect()
    };
    let best = fits.iter().find(|it| it.1 == Verdict::Same).map(|it| it.0);
    Matches { best, candidates: of(Verdict::Same), asks: of(Verdict::Ask) }
}
