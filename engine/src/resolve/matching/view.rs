//! Streams at evenly spaced moments of the clock: what is kept of them in a row, and what is compared.
//!
//! The moments are multiples of a step on the clock, not on the record: two recordings of one ride, started half a
//! minute apart, are then seen at the same moments. Steps divide a quarter of an hour, by which all time zones differ,
//! and each divides the next, so that a long recording's moments are some of a short one's. What is seen at a moment is
//! the mean of half a step around it. A view of a view is the same view: a summary is compared as its record would be.

use schemas::{
    record::Record,
    workout::{Column, Streams, Workout},
};

/// How many moments a view has at most.
pub(super) const MOMENTS_MAX: usize = 128;
/// A quarter of an hour, ms: the unit of time zones.
pub(super) const QUARTER_MS: i64 = 900_000;
/// The steps, ms. Beyond the last: whole quarters of an hour.
const STEPS_MS: [i64; 6] = [5_000, 10_000, 20_000, 60_000, 180_000, QUARTER_MS];

/// Streams at moments `first + i * step`. A moment at which nothing was measured is NaN; a column that the source does
/// not have is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// The first moment, ms since 1970.
    pub first: i64,
    /// From moment to moment, ms; 0 for a view without moments.
    pub step: i64,
    /// Latitude, deg.
    pub latitude: Vec<f64>,
    /// Longitude, deg.
    pub longitude: Vec<f64>,
    /// Heart rate, /min.
    pub heart_rate: Vec<f64>,
    /// Speed, m/s.
    pub speed: Vec<f64>,
}

impl View {
    /// The view of a workout: one pass over each column, whatever their order and lengths.
    pub(super) fn of(record: &Record, workout: &Workout) -> Self {
        let streams = &workout.streams;
        let Some(bins) = Bins::new(record).filter(|_| !streams.offsets_ms.is_empty()) else {
            return Self::default();
        };
        let (latitude, longitude) = bins.positions(streams);
        let heart_rate = bins.means(streams, &streams.heart_rate, 10.0, |it| (20.0..=260.0).contains(&it));
        let mut speed = bins.means(streams, &streams.speed, 100.0, |it| (0.0..=120.0).contains(&it));
        if speed.is_empty() {
            speed = bins.slopes(&bins.means(streams, &streams.distance, 10.0, |it| (0.0..=1e8).contains(&it)));
        }
        Self { first: bins.first, step: bins.step, latitude, longitude, heart_rate, speed }
    }

    /// The view as streams of a record that starts then: only the moments at which something was measured.
    pub(super) fn streams(&self, start: i64) -> Streams {
        let columns = [&self.latitude, &self.longitude, &self.heart_rate, &self.speed];
        let is_measured =
            |index: usize| columns.iter().any(|it| it.get(index).is_some_and(|value: &f64| !value.is_nan()));
        let n = columns.iter().map(|it| it.len()).max().unwrap_or(0);
        let kept: Vec<usize> = (0..n).filter(|it| is_measured(*it)).collect();
        let column = |values: &Vec<f64>| {
            let value = |index: &usize| values.get(*index).copied().unwrap_or(f64::NAN);
            if values.is_empty() { Column::default() } else { Column(kept.iter().map(value).collect()) }
        };
        Streams {
            offsets_ms: kept.iter().map(|it| self.moment(*it).saturating_sub(start)).collect(),
            latitude: column(&self.latitude),
            longitude: column(&self.longitude),
            heart_rate: column(&self.heart_rate),
            speed: column(&self.speed),
            ..Streams::default()
        }
    }

    /// When a moment is, ms since 1970.
    pub(super) fn moment(&self, index: usize) -> i64 {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        self.first.saturating_add(self.step.saturating_mul(index))
    }

    /// A column at any moment: between two neighbours, or at one of them.
    #[expect(clippy::cast_precision_loss, reason = "less than a step of a quarter of an hour, in ms")]
    pub(super) fn at(&self, column: &[f64], moment: i64) -> Option<f64> {
        if self.step <= 0 {
            return None;
        }
        let after = moment.checked_sub(self.first)?;
        let index = usize::try_from(after.div_euclid(self.step)).ok()?;
        let value = |index: usize| column.get(index).copied().filter(|it| !it.is_nan());
        match after.rem_euclid(self.step) {
            0 => value(index),
            rest => {
                let part = rest as f64 / self.step as f64;
                Some(value(index)? * (1.0 - part) + value(index + 1)? * part)
            }
        }
    }
}

/// The moments of a record, and which of them a sample belongs to.
struct Bins {
    start: i64,
    first: i64,
    step: i64,
    n: usize,
}

impl Bins {
    fn new(record: &Record) -> Option<Self> {
        let (start, end) = (record.time.start.0, record.time.end.0);
        let length = end.checked_sub(start).filter(|it| *it > 0)?;
        let most = i64::try_from(MOMENTS_MAX).ok()? - 1;
        let long = || length.div_euclid(most).div_euclid(QUARTER_MS).saturating_add(1).saturating_mul(QUARTER_MS);
        let step = STEPS_MS.into_iter().find(|it| length / it < most).unwrap_or_else(long);
        let first = start.checked_sub(start.rem_euclid(step))?;
        let first = if first < start { first.checked_add(step)? } else { first };
        let n = usize::try_from(end.checked_sub(first)?.div_euclid(step)).ok()?.saturating_add(1).min(MOMENTS_MAX);
        (n > 0).then_some(Self { start, first, step, n })
    }

    /// Calls `take` with moment and value of every sample of a column that is within the record and makes sense.
    fn each(&self, streams: &Streams, column: &Column, sense: impl Fn(f64) -> bool, mut take: impl FnMut(usize, f64)) {
        for (offset, value) in streams.offsets_ms.iter().zip(&column.0) {
            let at = self.start.saturating_add(*offset).saturating_sub(self.first).saturating_add(self.step / 2);
            let index = usize::try_from(at.div_euclid(self.step)).unwrap_or(usize::MAX);
            if index < self.n && sense(*value) {
                take(index, *value);
            }
        }
    }

    /// The mean at each moment, rounded to so many parts of one; empty if nothing was measured.
    fn means(&self, streams: &Streams, column: &Column, parts: f64, sense: impl Fn(f64) -> bool) -> Vec<f64> {
        if column.is_empty() {
            return Vec::new();
        }
        let mut sums = vec![(0.0, 0_u32); self.n];
        self.each(streams, column, sense, |index, value| add(&mut sums[index], value));
        finish(&sums, parts)
    }

    /// Mean positions. A longitude is taken as its difference to the moment's first, which the date line does not cut.
    fn positions(&self, streams: &Streams) -> (Vec<f64>, Vec<f64>) {
        let latitude = self.means(streams, &streams.latitude, 1e5, |it| (-90.0..=90.0).contains(&it));
        if latitude.is_empty() || streams.longitude.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut firsts = vec![f64::NAN; self.n];
        let mut sums = vec![(0.0, 0_u32); self.n];
        self.each(
            streams,
            &streams.longitude,
            |it| (-180.0..=180.0).contains(&it),
            |index, value| {
                if firsts[index].is_nan() {
                    firsts[index] = value;
                }
                add(&mut sums[index], wrapped(value - firsts[index]));
            },
        );
        let longitude = finish(&sums, 1e9);
        if longitude.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let whole = |(first, apart): (&f64, &f64)| rounded(wrapped(first + apart), 1e5);
        (latitude, firsts.iter().zip(&longitude).map(whole).collect())
    }

    /// Speeds from distances.
    #[expect(clippy::cast_precision_loss, reason = "two steps, in ms")]
    fn slopes(&self, distances: &[f64]) -> Vec<f64> {
        let seconds = 2.0 * self.step as f64 / 1_000.0;
        let slope = |index: usize| {
            let before = index.checked_sub(1).and_then(|it| distances.get(it));
            let (Some(before), Some(after)) = (before, distances.get(index + 1)) else { return f64::NAN };
            let speed = rounded((after - before) / seconds, 100.0);
            if (0.0..=120.0).contains(&speed) { speed } else { f64::NAN }
        };
        let slopes: Vec<f64> = (0..distances.len()).map(slope).collect();
        if slopes.iter().all(|it| it.is_nan()) { Vec::new() } else { slopes }
    }
}

fn add(sum: &mut (f64, u32), value: f64) {
    sum.0 += value;
    sum.1 = sum.1.saturating_add(1);
}

fn finish(sums: &[(f64, u32)], parts: f64) -> Vec<f64> {
    if sums.iter().all(|it| it.1 == 0) {
        return Vec::new();
    }
    let mean = |(sum, n): &(f64, u32)| if *n == 0 { f64::NAN } else { rounded(sum / f64::from(*n), parts) };
    sums.iter().map(mean).collect()
}

fn rounded(value: f64, parts: f64) -> f64 {
    // Minus zero is written as zero, so that it is read as it was.
    (value * parts).round() / parts + 0.0
}

/// A difference of longitudes, within half a turn.
pub(super) fn wrapped(degrees: f64) -> f64 {
    if degrees > 180.0 {
        degrees - 360.0
    } else if degrees < -180.0 {
        degrees + 360.0
    } else {
        degrees
    }
}
