//! A workout as the matcher sees it, and an order of records that does not depend on which is asked about first.

use super::view::View;
use schemas::{
    record::{Record, RecordingMethod},
    workout::{Sport, Workout},
};
use std::cmp::Ordering;

/// Start and end of a record, ms since 1970; the end is never before the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    /// Its first moment.
    pub start: i64,
    /// The first moment after it.
    pub end: i64,
}

impl Stretch {
    pub(super) fn of(record: &Record) -> Self {
        let start = record.time.start.0;
        Self { start, end: record.time.end.0.max(start) }
    }

    pub(super) const fn length(self) -> i64 {
        self.end.saturating_sub(self.start)
    }

    /// How much of both is common, ms.
    pub(super) fn common(self, other: Self) -> i64 {
        self.end.min(other.end).saturating_sub(self.start.max(other.start)).max(0)
    }

    pub(super) const fn later(self, by: i64) -> Self {
        Self { start: self.start.saturating_add(by), end: self.end.saturating_add(by) }
    }
}

/// What is compared of a workout. The view of its streams, which alone costs something, is made before.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    pub stretch: Stretch,
    /// Offset of the wall clock, ms.
    pub offset: Option<i64>,
    pub sport: Sport,
    pub moving: Option<i64>,
    pub distance: Option<f64>,
    pub energy: Option<f64>,
    pub heart_rate_mean: Option<f64>,
    pub heart_rate_max: Option<f64>,
    pub steps: Option<f64>,
    pub is_manual: bool,
    pub device: Option<&'a str>,
    pub view: &'a View,
}

impl<'a> Facts<'a> {
    #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^53")]
    pub(super) fn of(record: &'a Record, workout: &Workout, view: &'a View) -> Self {
        let stretch = Stretch::of(record);
        let positive = |it: Option<f64>| it.filter(|value| value.is_finite() && *value > 0.0);
        Self {
            stretch,
            offset: record.time.offset_seconds.map(|it| i64::from(it) * 1_000),
            sport: workout.sport,
            moving: workout.moving_ms.filter(|it| *it > 0 && *it <= stretch.length()),
            distance: positive(workout.distance_m),
            energy: positive(workout.energy_kcal),
            heart_rate_mean: positive(workout.heart_rate_mean),
            heart_rate_max: positive(workout.heart_rate_max),
            steps: positive(workout.steps.map(|it| it as f64)),
            is_manual: record.origin.method == RecordingMethod::Manual,
            device: record.origin.device.as_deref().map(str::trim).filter(|it| !it.is_empty()),
            view,
        }
    }

    /// Whether a satellite saw it.
    pub(super) fn has_track(&self) -> bool {
        !self.view.latitude.is_empty()
    }

    /// Its lengths: from start to end, and without pauses where that is told and another.
    pub(super) fn lengths(&self) -> impl Iterator<Item = i64> + Clone {
        std::iter::once(self.stretch.length()).chain(self.moving)
    }

    /// An order by everything that is compared: facts that are equal in it cannot be told apart.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let numbers = |it: &Self| [it.distance, it.energy, it.heart_rate_mean, it.heart_rate_max, it.steps];
        let wholes = |it: &Self| (it.stretch, it.offset, it.moving, it.sport as u8, it.is_manual);
        wholes(self)
            .cmp(&wholes(other))
            .then_with(|| self.device.cmp(&other.device))
            .then_with(|| by_numbers(numbers(self).into_iter().map(known), numbers(other).into_iter().map(known)))
            .then_with(|| (self.view.first, self.view.step).cmp(&(other.view.first, other.view.step)))
            .then_with(|| by_numbers(columns(self.view).flatten().copied(), columns(other.view).flatten().copied()))
            .then_with(|| columns(self.view).map(<[f64]>::len).cmp(columns(other.view).map(<[f64]>::len)))
    }
}

fn known(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NEG_INFINITY)
}

fn columns(view: &View) -> impl Iterator<Item = &[f64]> {
    [&view.latitude, &view.longitude, &view.heart_rate, &view.speed].into_iter().map(Vec::as_slice)
}

fn by_numbers(a: impl Iterator<Item = f64>, mut b: impl Iterator<Item = f64>) -> Ordering {
    for value in a {
        let Some(other) = b.next() else { return Ordering::Greater };
        let order = value.total_cmp(&other);
        if order.is_ne() {
            return order;
        }
    }
    if b.next().is_some() { Ordering::Less } else { Ordering::Equal }
}
