//! Columns put in order of time, with one place a moment.

/// Which places of columns belong to which moment.
#[derive(Debug)]
pub(super) struct Moments {
    /// Places in order of time; those of one moment as they came.
    places: Vec<usize>,
    /// Where in `places` each moment ends.
    ends: Vec<usize>,
}

impl Moments {
    /// The moments of these times.
    pub(super) fn of(times: &[i64]) -> Self {
        let mut places: Vec<usize> = (0..times.len()).collect();
        // Stable, and linear for what is in order but for repeated times.
        places.sort_by_key(|it| times[*it]);
        let is_last = |at: &usize| at + 1 == places.len() || times[places[*at]] != times[places[at + 1]];
        let ends = (0..places.len()).filter(is_last).map(|it| it + 1).collect();
        Self { places, ends }
    }

    /// How many moments there are.
    pub(super) fn n_moments(&self) -> usize {
        self.ends.len()
    }

    /// The places of each moment, as they came; never none.
    fn groups(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, to)| &self.places[from..*to])
    }

    /// Of each moment what came last. `values` has as many places as the times had.
    pub(super) fn last<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.ends.iter().map(|it| values[self.places[it - 1]]).collect()
    }

    /// Of each moment what was measured last, NaN if nothing was. An empty column stays empty.
    pub(super) fn filled(&self, values: &[f64]) -> Vec<f64> {
        if values.is_empty() {
            return Vec::new();
        }
        let measured = |places: &[usize]| places.iter().rev().map(|it| values[*it]).find(|it| !it.is_nan());
        self.groups().map(|it| measured(it).unwrap_or(f64::NAN)).collect()
    }

    /// The same for two columns of which a moment's values are from one place: the last one that has both, else the
    /// last one.
    pub(super) fn pair(&self, one: &mut Vec<f64>, other: &mut Vec<f64>) {
        if one.is_empty() || other.is_empty() {
            (*one, *other) = (self.filled(one), self.filled(other));
            return;
        }
        let has_both = |it: &&usize| !one[**it].is_nan() && !other[**it].is_nan();
        let chosen = |it: &[usize]| it.iter().rev().find(has_both).or(it.last()).copied();
        let chosen: Vec<usize> = self.groups().filter_map(chosen).collect();
        *one = chosen.iter().map(|it| one[*it]).collect();
        *other = chosen.iter().map(|it| other[*it]).collect();
    }
}
