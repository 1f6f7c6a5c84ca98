//! The moments of a merged workout: the base's, and those of the sources that something was taken from.

use super::track::{Cursor, GAP_MS_MAX, Name, Sample, Track};

/// A moment of another source that is at most so far from one that is there already is not added, ms; a value that
/// stands alone is moved to the moment that is there.
pub(super) const NEAR_MS: i64 = 500;

/// No source.
pub(super) const NONE: usize = usize::MAX;

/// The moments, ascending, with the source that each is from; 0 is the base.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) moments: Vec<i64>,
    pub(super) from: Vec<usize>,
}

impl Rows {
    /// All moments of the base.
    pub(super) fn of_base(track: &Track<'_>) -> Self {
        Self { moments: track.moments.to_vec(), from: vec![0; track.moments.len()] }
    }

    /// Adds the wanted moments of a source that are within the base's time and not near one that is there.
    pub(super) fn add(&mut self, track: &Track<'_>, source: usize, wanted: &[bool], until_ms: i64) {
        let mut merged = Self { moments: Vec::with_capacity(self.moments.len()), from: Vec::new() };
        let mut next = 0;
        let mut last_added = None;
        let wanted = track.moments.iter().zip(wanted).filter(|it| *it.1 && (0..=until_ms).contains(it.0));
        for at in wanted.map(|it| *it.0) {
            while self.moments.get(next).is_some_and(|it| *it <= at) {
                merged.push(self.moments[next], self.from[next]);
                next += 1;
            }
            let is_near = |it: Option<&i64>| it.is_some_and(|it| at.abs_diff(*it) <= NEAR_MS.unsigned_abs());
            let before = next.checked_sub(1).and_then(|it| self.moments.get(it));
            if !is_near(before) && !is_near(self.moments.get(next)) && last_added != Some(at) {
                merged.push(at, source);
                last_added = Some(at);
            }
        }
        merged.moments.extend_from_slice(&self.moments[next..]);
        merged.from.extend_from_slice(&self.from[next..]);
        *self = merged;
    }

    fn push(&mut self, at: i64, from: usize) {
        self.moments.push(at);
        self.from.push(from);
    }

    /// A sample that stands alone goes to the moment nearest to it, if that is the one at `row` and near enough.
    fn is_nearest(&self, row: usize, sample: Sample) -> bool {
        let far = |it: i64| it.abs_diff(sample.at);
        let here = self.moments[row];
        let before = row.checked_sub(1).and_then(|it| self.moments.get(it));
        if far(here) > NEAR_MS.unsigned_abs() || before.is_some_and(|it| far(*it) <= far(here)) {
            return false;
        }
        // Only the first of equal moments gets here, so that each is passed once.
        let after = self.moments[row..].iter().find(|it| **it > here);
        after.is_none_or(|it| far(*it) >= far(here))
    }
}

/// A column of the result: for each moment the value and the source that it is from.
#[derive(Clone, Debug)]
pub(super) struct Laid {
    pub(super) values: Vec<f64>,
    /// [`NONE`] where no source has a value. A source may hold a moment without a value: its gap there is short.
    pub(super) owners: Vec<usize>,
    n_open: usize,
}

impl Laid {
    pub(super) fn new(n: usize) -> Self {
        Self { values: vec![f64::NAN; n], owners: vec![NONE; n], n_open: n }
    }

    /// Whether some moments have no source yet.
    pub(super) const fn is_open(&self) -> bool {
        self.n_open > 0
    }

    /// Lays a source's column over the moments that have no source yet.
    pub(super) fn lay(&mut self, rows: &Rows, track: &Track<'_>, name: Name, source: usize) {
        let mut cursor = Cursor::new(track, name);
        let mut base_row = 0;
        for row in 0..rows.moments.len() {
            let is_own = source == 0 && rows.from[row] == 0;
            let own = is_own.then(|| track.column(name).get(base_row).copied().unwrap_or(f64::NAN));
            base_row += usize::from(rows.from[row] == 0);
            if self.owners[row] != NONE {
                continue;
            }
            let at = rows.moments[row];
            match own {
                // What the base measured stays as it was measured, short gaps too.
                Some(it) if it.is_finite() => self.set(row, it, source),
                Some(_) if is_told(&mut cursor, at) => self.set(row, f64::NAN, source),
                Some(_) => {}
                None => {
                    let found = cursor.value(at).or_else(|| alone(&mut cursor, rows, row));
                    if let Some(it) = found {
                        self.set(row, it, source);
                    }
                }
            }
        }
    }

    fn set(&mut self, row: usize, value: f64, source: usize) {
        self.values[row] = value;
        self.owners[row] = source;
        self.n_open -= 1;
    }
}

fn alone(cursor: &mut Cursor<'_>, rows: &Rows, row: usize) -> Option<f64> {
    let (before, after) = cursor.around(rows.moments[row]);
    let mut near = [before, after].into_iter().flatten().filter(|it| rows.is_nearest(row, *it));
    let first = near.next()?;
    let second = near.next();
    let far = |it: Sample| it.at.abs_diff(rows.moments[row]);
    Some(second.filter(|it| far(*it) < far(first)).unwrap_or(first).value)
}

/// Whether a source needs nobody's help at a moment: it has a value then, in another row, or around it.
fn is_told(cursor: &mut Cursor<'_>, at: i64) -> bool {
    in_short_gap(cursor, at) || cursor.around(at).1.is_some_and(|after| after.at == at)
}

/// Whether a source's values around a moment are close enough that nothing is missing between them.
pub(super) fn in_short_gap(cursor: &mut Cursor<'_>, at: i64) -> bool {
    let (before, after) = cursor.around(at);
    before.zip(after).is_some_and(|(before, after)| after.at.saturating_sub(before.at) <= GAP_MS_MAX)
}
