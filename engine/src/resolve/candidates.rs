//! Which rows of the destination are the same thing as a record of the source, and of which it cannot be told.

use super::{
    Known,
    matching::{Match, View, Viewed, is_candidate},
};
use schemas::{
    event::{Candidate, Evidence, Verdict},
    record::Record,
};
use std::sync::OnceLock;

/// The most that are told of.
const TOLD_MAX: usize = 5;

/// What fits a record of the source.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// The row that is surest to be the same thing, or likeliest, if of none it can be told.
    pub best: Option<(usize, Verdict)>,
    /// Rows that are the same thing, or may be, the surest first.
    pub candidates: Vec<Candidate>,
}

/// Compares a record with the rows that may hide it. The views of rows are kept from record to record.
pub(super) fn matches(
    known: &[Known],
    views: &[OnceLock<View>],
    record: &Record,
    hides: impl Fn(usize) -> bool,
) -> Matches {
    let may_fit = |(index, known): &(usize, &Known)| is_candidate(record, &known.summary) && hides(*index);
    let mut near = known.iter().enumerate().filter(may_fit).peekable();
    if near.peek().is_none() {
        return Matches::default();
    }
    let view = View::of(record);
    let it = Viewed::new(record, &view);
    let viewed = |index: usize| {
        let summary = &known[index].summary;
        Viewed::new(summary, views[index].get_or_init(|| View::of(summary)))
    };
    let mut fits: Vec<(usize, Match)> =
        near.filter_map(|(index, _)| Some((index, it.may_be(viewed(index))?))).collect();
    fits.sort_by(|a, b| {
        let by_item = || known[a.0].row.key.item.cmp(&known[b.0].row.key.item);
        b.1.verdict.cmp(&a.1.verdict).then(b.1.score.total_cmp(&a.1.score)).then_with(by_item)
    });
    let best = fits.first().map(|it| (it.0, it.1.verdict));
    let candidate = |(index, it): (usize, Match)| {
        let row = &known[index].row;
        let evidence = it.evidence.into_iter();
        Candidate {
            item: row.key.item,
            score: it.score,
            owned: row.owned,
            verdict: it.verdict,
            evidence: evidence
                .map(|it| Evidence { feature: it.feature.into(), weight: it.weight, detail: it.detail })
                .collect(),
        }
    };
    Matches { best, candidates: fits.into_iter().take(TOLD_MAX).map(candidate).collect() }
}
