//! What one source measured along the way, in order of time on the base's clock.

use schemas::workout::{Column, Streams};
use std::borrow::Cow;

/// Between two moments of a source that are at most so far apart, its values are interpolated, ms.
pub(super) const GAP_MS_MAX: i64 = 15_000;

/// Columns that are chosen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Position, altitude, speed and distance.
    Gps,
    HeartRate,
    Cadence,
    Power,
    Temperature,
}

/// A column of a workout's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Latitude,
    Longitude,
    Altitude,
    Speed,
    Distance,
    HeartRate,
    Cadence,
    Power,
    Temperature,
}

impl Name {
    /// Every column; the place of a name is `name as usize`.
    pub(super) const ALL: [Self; 9] = [
        Self::Latitude,
        Self::Longitude,
        Self::Altitude,
        Self::Speed,
        Self::Distance,
        Self::HeartRate,
        Self::Cadence,
        Self::Power,
        Self::Temperature,
    ];

    pub(super) const fn group(self) -> Group {
        match self {
            Self::Latitude | Self::Longitude | Self::Altitude | Self::Speed | Self::Distance => Group::Gps,
            Self::HeartRate => Group::HeartRate,
            Self::Cadence => Group::Cadence,
            Self::Power => Group::Power,
            Self::Temperature => Group::Temperature,
        }
    }

    /// Its name as a field.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Latitude => "streams.latitude",
            Self::Longitude => "streams.longitude",
            Self::Altitude => "streams.altitude",
            Self::Speed => "streams.speed",
            Self::Distance => "streams.distance",
            Self::HeartRate => "streams.heart_rate",
            Self::Cadence => "streams.cadence",
            Self::Power => "streams.power",
            Self::Temperature => "streams.temperature",
        }
    }

    /// The least and greatest value that is plausible during exercise.
    pub(super) const fn plausible(self) -> (f64, f64) {
        match self {
            Self::Latitude => (-90.0, 90.0),
            Self::Longitude => (-180.0, 180.0),
            Self::Altitude => (-500.0, 9_000.0),
            Self::Speed => (0.0, 60.0),
            Self::Distance => (0.0, 2_000_000.0),
            Self::HeartRate => (30.0, 240.0),
            Self::Cadence => (0.0, 300.0),
            Self::Power => (0.0, 2_500.0),
            Self::Temperature => (-50.0, 60.0),
        }
    }

    pub(super) const fn of(self, streams: &Streams) -> &Column {
        match self {
            Self::Latitude => &streams.latitude,
            Self::Longitude => &streams.longitude,
            Self::Altitude => &streams.altitude,
            Self::Speed => &streams.speed,
            Self::Distance => &streams.distance,
            Self::HeartRate => &streams.heart_rate,
            Self::Cadence => &streams.cadence,
            Self::Power => &streams.power,
            Self::Temperature => &streams.temperature,
        }
    }

    pub(super) const fn of_mut(self, streams: &mut Streams) -> &mut Column {
        match self {
            Self::Latitude => &mut streams.latitude,
            Self::Longitude => &mut streams.longitude,
            Self::Altitude => &mut streams.altitude,
            Self::Speed => &mut streams.speed,
            Self::Distance => &mut streams.distance,
            Self::HeartRate => &mut streams.heart_rate,
            Self::Cadence => &mut streams.cadence,
            Self::Power => &mut streams.power,
            Self::Temperature => &mut streams.temperature,
        }
    }
}

/// How much was measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) n_positions: usize,
    pub(super) n_columns: usize,
}

/// The streams of one source: moments ascending, every column empty or as long as they are.
#[derive(Clone, Debug)]
pub(super) struct Track<'a> {
    /// Milliseconds after the base's start.
    pub(super) moments: Cow<'a, [i64]>,
    columns: [Cow<'a, [f64]>; 9],
}

impl<'a> Track<'a> {
    /// The streams of a record that begins `later_ms` after the base.
    pub(super) fn new(streams: &'a Streams, later_ms: i64) -> Self {
        let offsets = &streams.offsets_ms;
        let n = offsets.len();
        let order = (!offsets.is_sorted()).then(|| {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by_key(|it| offsets[*it]);
            order
        });
        let moments = match &order {
            None => Cow::Borrowed(offsets.as_slice()),
            Some(order) => Cow::Owned(order.iter().map(|it| offsets[*it]).collect()),
        };
        let columns = Name::ALL.map(|name| arranged(&name.of(streams).0, n, order.as_deref()));
        let mut track = Self { moments, columns };
        track.pair_positions();
        track.shift(later_ms);
        track
    }

    /// How much a source has measured, before it is put in order.
    pub(super) fn counts(streams: &Streams) -> Counts {
        let is_measured = |it: &&f64| it.is_finite();
        let n_moments = streams.offsets_ms.len();
        let n = |name: Name| name.of(streams).0.iter().take(n_moments).filter(is_measured).count();
        let (latitude, longitude) = (&streams.latitude.0, &streams.longitude.0);
        let n_positions =
            latitude.iter().zip(longitude).take(n_moments).filter(|it| it.0.is_finite() && it.1.is_finite()).count();
        Counts { n_positions, n_columns: Name::ALL.into_iter().filter(|it| n(*it) > 0).count() }
    }

    /// Moves its clock.
    pub(super) fn shift(&mut self, later_ms: i64) {
        if later_ms != 0 {
            self.moments.to_mut().iter_mut().for_each(|it| *it = it.saturating_add(later_ms));
        }
    }

    /// A column: empty, or as long as the moments.
    pub(super) fn column(&self, name: Name) -> &[f64] {
        &self.columns[name as usize]
    }

    pub(super) fn has(&self, name: Name) -> bool {
        !self.column(name).is_empty()
    }

    /// Half a position is none.
    fn pair_positions(&mut self) {
        let [latitude, longitude, ..] = &mut self.columns;
        if latitude.is_empty() || longitude.is_empty() {
            (*latitude, *longitude) = (Cow::default(), Cow::default());
            return;
        }
        let is_half = |it: (&f64, &f64)| it.0.is_finite() != it.1.is_finite();
        if !latitude.iter().zip(longitude.iter()).any(is_half) {
            return;
        }
        for (a, b) in latitude.to_mut().iter_mut().zip(longitude.to_mut()) {
            if is_half((a, b)) {
                (*a, *b) = (f64::NAN, f64::NAN);
            }
        }
        if !latitude.iter().any(|it| it.is_finite()) {
            (*latitude, *longitude) = (Cow::default(), Cow::default());
        }
    }
}

/// A column as long as the moments, in their order; empty if nothing was measured.
fn arranged<'a>(values: &'a [f64], n: usize, order: Option<&[usize]>) -> Cow<'a, [f64]> {
    if !values.iter().take(n).any(|it| it.is_finite()) {
        return Cow::default();
    }
    let value = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    match order {
        None if values.len() >= n => Cow::Borrowed(&values[..n]),
        None => Cow::Owned((0..n).map(value).collect()),
        Some(order) => Cow::Owned(order.iter().map(|it| value(*it)).collect()),
    }
}

/// Reads one column at ascending moments.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    moments: &'t [i64],
    values: &'t [f64],
    before: Option<usize>,
    next: usize,
    is_turning: bool,
}

/// A measured value and its moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: i64,
    pub(super) value: f64,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(track: &'t Track<'_>, name: Name) -> Self {
        let values = track.column(name);
        // An empty column has no moments.
        let moments = &track.moments[..values.len()];
        Self { moments, values, before: None, next: 0, is_turning: name == Name::Longitude }
    }

    /// The last measured value before `at`, and the first that is not. `at` is never less than before.
    pub(super) fn around(&mut self, at: i64) -> (Option<Sample>, Option<Sample>) {
        while self.next < self.values.len() {
            let is_measured = self.values[self.next].is_finite();
            if is_measured && self.moments[self.next] >= at {
                break;
            }
            if is_measured {
                self.before = Some(self.next);
            }
            self.next += 1;
        }
        let sample = |index: usize| Sample { at: self.moments[index], value: self.values[index] };
        (self.before.map(sample), (self.next < self.values.len()).then(|| sample(self.next)))
    }

    /// The value at `at`: measured then, or on the line between two measured values that are close enough.
    pub(super) fn value(&mut self, at: i64) -> Option<f64> {
        let (before, after) = self.around(at);
        let after = after?;
        if after.at == at {
            return Some(after.value);
        }
        let before = before.filter(|it| after.at.saturating_sub(it.at) <= GAP_MS_MAX)?;
        Some(self.between(before, after, at))
    }

    #[expect(clippy::cast_precision_loss, reason = "both are at most a gap")]
    fn between(&self, before: Sample, after: Sample, at: i64) -> f64 {
        let (a, b) = (before.value, after.value);
        let share = (at - before.at) as f64 / (after.at - before.at) as f64;
        let value = a + (b - a) * share;
        // Across the date line, and where the difference is beyond what a number holds, there is no line.
        if !value.is_finite() || (self.is_turning && (b - a).abs() > 180.0) {
            return if share <= 0.5 { a } else { b };
        }
        value.clamp(a.min(b), a.max(b))
    }
}
