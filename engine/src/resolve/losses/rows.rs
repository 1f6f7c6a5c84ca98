//! Which row of the held columns is which row of the wanted ones.

use super::{
    Found,
    figures::{Figures, Unit},
};

/// Two rows this far apart or farther are not the same moment.
const APART_MS: u64 = 1_000;

/// The held row of each wanted row.
pub(super) struct Rows {
    /// For rows that have an offset; `None` where none is held.
    to: Vec<Option<usize>>,
    offsets: Figures,
}

impl Rows {
    /// By their times: `shift_ms` is how much later the held record starts. Where both have as many rows, one stands for
    /// the other in order if each is near enough; else the nearest that is not yet taken.
    pub(super) fn of(wanted: &[i64], held: &[i64], shift_ms: i64) -> Self {
        let at = |index: usize| held.get(index).map(|it| it.saturating_add(shift_ms));
        let is_near = |index: usize, offset: i64| at(index).is_some_and(|it| it.abs_diff(offset) < APART_MS);
        let is_alike = wanted.len() == held.len() && wanted.iter().enumerate().all(|(index, it)| is_near(index, *it));
        let to = if is_alike { (0..wanted.len()).map(Some).collect() } else { nearest(wanted, held.len(), at) };
        let mut offsets = Figures::many(Unit::Milliseconds, "moments");
        for (offset, row) in wanted.iter().zip(&to) {
            if let Some(held) = row.and_then(at) {
                offsets.add_ms(Some(*offset), Some(held));
            }
        }
        Self { to, offsets }
    }

    /// The held row of a wanted one. A value without an offset, which no sound record has, stands for itself.
    pub(super) fn to(&self, index: usize) -> Option<usize> {
        self.to.get(index).copied().unwrap_or(Some(index))
    }

    /// What is lost of the times of the rows that are held; that others are missing is told of each column.
    pub(super) fn offsets(&self, found: &mut Found, field: &str) {
        found.figures(field, &self.offsets);
    }
}

fn nearest(wanted: &[i64], n_held: usize, at: impl Fn(usize) -> Option<i64>) -> Vec<Option<usize>> {
    let mut next = 0;
    let find = |offset: &i64| {
        // As long as the one after it is at least as near, it is the better one.
        let apart = |index: usize| at(index).map_or(u64::MAX, |it| it.abs_diff(*offset));
        while next + 1 < n_held && apart(next + 1) <= apart(next) {
            next += 1;
        }
        let found = (next < n_held && apart(next) < APART_MS).then_some(next);
        next += usize::from(found.is_some());
        found
    };
    wanted.iter().map(find).collect()
}
