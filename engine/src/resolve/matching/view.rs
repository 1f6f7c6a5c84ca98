//! Streams at evenly spaced moments of the clock: what is kept of them in a row, and what is compared.
//!
//! The moments are multiples of a step on the clock, not on the record: two recordings of one ride, started half a
//! minute apart, are then seen at the same moments. Steps divide a quarter of an hour, by which all time zones differ,
//! and each divides the next, so that a long recording's moments are some of a short one's. What is seen at a moment is
//! the mean of half a step around it. A view of a view is the same view: a summary is compared as its record would be.

use schemas::{
    record::{Body, Record},
    workout::{Column, Streams},
};

/// How many moments a view has at most.
pub(super) const MOMENTS_MAX: usize = 128;
/// A quarter of an hour, ms: the unit of time zones.
pub(super) const QUARTER_MS: i64 = 900_000;
/// The steps, ms. Beyond the last: two, four, eight … quarters of an hour.
const STEPS_MS: [i64; 6] = [5_000, 10_000, 20_000, 60_000, 180_000, QUARTER_MS];

/// Streams at moments `first + i * step`. A moment at which nothing was measured is NaN; a column that the source does
/// not have is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::resolve) struct View {
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
    /// The view of a record: of a workout one pass over each column, whatever their order and lengths; of all else
    /// without moments.
    pub(in crate::resolve) fn of(record: &Record) -> Self {
        let Body::Workout(workout) = &record.body else { return Self::default() };
        let streams = &workout.streams;
        let Some(bins) = Bins::new(record).filter(|_| !streams.offsets_ms.is_empty()) else {
            return Self::default();
        };
        let columns = [
            (&streams.latitude, LATITUDE),
            (&streams.longitude, LONGITUDE),
            (&streams.heart_rate, HEART_RATE),
            (&streams.speed, SPEED),
        ];
        let [mut latitude, mut longitude, heart_rate, mut speed] = bins.means(&streams.offsets_ms, columns);
        if latitude.is_empty() || longitude.is_empty() {
            (latitude, longitude) = (Vec::new(), Vec::new());
        }
        if speed.is_empty() && !streams.distance.is_empty() {
            let [distance] = bins.means(&streams.offsets_ms, [(&streams.distance, DISTANCE)]);
            speed = bins.slopes(&distance);
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
}

/// What makes sense in a column, and how its means are told.
#[derive(Clone, Copy)]
struct Kind {
    least: f64,
    most: f64,
    /// Parts of its unit to which a mean is rounded.
    parts: f64,
    /// Whether it goes around: what is next to its most is its least.
    turns: bool,
}

const LATITUDE: Kind = Kind { least: -90.0, most: 90.0, parts: 1e5, turns: false };
const LONGITUDE: Kind = Kind { least: -180.0, most: 180.0, parts: 1e5, turns: true };
const HEART_RATE: Kind = Kind { least: 20.0, most: 260.0, parts: 10.0, turns: false };
const SPEED: Kind = Kind { least: 0.0, most: 120.0, parts: 100.0, turns: false };
const DISTANCE: Kind = Kind { least: 0.0, most: 1e8, parts: 10.0, turns: false };

/// A mean in the making: of the differences to its first value, which the date line does not cut.
#[derive(Clone, Copy, Default)]
struct Mean {
    first: f64,
    sum: f64,
    n: u32,
}

impl Mean {
    fn add(&mut self, value: f64, kind: Kind) {
        if self.n == 0 {
            self.first = value;
        }
        let apart = value - self.first;
        self.sum += if kind.turns { wrapped(apart) } else { apart };
        self.n = self.n.saturating_add(1);
    }

    /// NaN if there was no value.
    fn told(&self, kind: Kind) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        let mean = self.first + self.sum / f64::from(self.n);
        rounded(if kind.turns { wrapped(mean) } else { mean }, kind.parts)
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
        // So many quarters that each step divides the next.
        let quarters = length.unsigned_abs() / most.unsigned_abs() / QUARTER_MS.unsigned_abs() + 1;
        let long = || i64::try_from(quarters.next_power_of_two()).unwrap_or(i64::MAX).saturating_mul(QUARTER_MS);
        let step = STEPS_MS.into_iter().find(|it| length / it < most).unwrap_or_else(long);
        let first = start.checked_sub(start.rem_euclid(step))?;
        let first = if first < start { first.checked_add(step)? } else { first };
        let n = usize::try_from(end.checked_sub(first)?.div_euclid(step)).ok()?.saturating_add(1).min(MOMENTS_MAX);
        (n > 0).then_some(Self { start, first, step, n })
    }

    /// Which moment a sample belongs to, if it is within the record.
    fn index(&self, offset_ms: i64) -> Option<usize> {
        let at = self.start.saturating_add(offset_ms).saturating_sub(self.first).saturating_add(self.step / 2);
        usize::try_from(at.div_euclid(self.step)).ok().filter(|it| *it < self.n)
    }

    /// The mean of each column at each moment, samples gone through once; empty where nothing was measured.
    fn means<const N: usize>(&self, offsets_ms: &[i64], columns: [(&Column, Kind); N]) -> [Vec<f64>; N] {
        let mut means = [[Mean::default(); MOMENTS_MAX]; N];
        for (place, offset) in offsets_ms.iter().enumerate() {
            let Some(moment) = self.index(*offset) else { continue };
            for ((column, kind), means) in columns.iter().zip(&mut means) {
                // False of NaN, too.
                let makes_sense = |it: &&f64| **it >= kind.least && **it <= kind.most;
                if let Some(value) = column.0.get(place).filter(makes_sense) {
                    means[moment].add(*value, *kind);
                }
            }
        }
        let mut all = means.iter().zip(columns).map(|(means, (_, kind))| {
            let is_measured = means.iter().any(|it| it.n > 0);
            if is_measured { means[..self.n].iter().map(|it| it.told(kind)).collect() } else { Vec::new() }
        });
        std::array::from_fn(|_| all.next().unwrap_or_default())
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
