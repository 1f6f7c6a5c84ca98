//! How well a source measured a column.

use super::{
    device::Device,
    order,
    track::{GAP_MS_MAX, Group, Name, Track},
};
use schemas::record::Origin;

/// A column that never changes over so many values is no measurement.
const CONSTANT_COUNT_MIN: usize = 30;
/// How many of 100 values must be plausible.
const PLAUSIBLE_PERCENT_MIN: usize = 95;
/// A source that covers less of the time, in tenths, is asked only where the others have nothing.
const COVERED_TENTHS_MIN: u8 = 5;

/// How well a source measured a column; greater is better. The fields are compared in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quality {
    /// Within what can be, and not constant.
    pub(super) is_plausible: bool,
    /// Has positions; true for a group that has none.
    has_position: bool,
    /// Typed in 0, computed 1, measured 2.
    pub(super) grade: u8,
    /// Covers half of the time at least.
    is_usable: bool,
    device: u8,
    /// At least one value in 1.5 s: 3; in 6 s: 2; in 15 s: 1; else 0.
    rate: u8,
    /// Share of the base's time, in tenths.
    covered_tenths: u8,
}

/// What was found out about a column of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    pub(super) quality: Quality,
    /// Measured values within the base's time.
    pub(super) n: usize,
    kind: Device,
    /// The mean time between two values, without gaps; 0 if unknown.
    interval_ms: i64,
    covered_percent: i64,
}

impl Measure {
    /// Measures a column over the base's time, which is `until_ms` long.
    pub(super) fn new(track: &Track<'_>, name: Name, origin: &Origin, until_ms: i64) -> Self {
        let (mut n, mut n_plausible, mut n_short, mut covered_ms) = (0_usize, 0_usize, 0_i64, 0_i64);
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = name.plausible();
        let mut last = None;
        for (at, value) in track.moments.iter().zip(track.column(name)) {
            if !value.is_finite() || !(0..=until_ms).contains(at) {
                continue;
            }
            n += 1;
            n_plausible += usize::from((low..=high).contains(value));
            (least, greatest) = (least.min(*value), greatest.max(*value));
            let gap_ms = last.map_or(i64::MAX, |it: i64| at.saturating_sub(it));
            if gap_ms <= GAP_MS_MAX {
                n_short += 1;
                covered_ms = covered_ms.saturating_add(gap_ms);
            }
            last = Some(*at);
        }
        let is_constant = least >= greatest && n >= CONSTANT_COUNT_MIN && name != Name::Temperature;
        let interval_ms = covered_ms.checked_div(n_short).unwrap_or(0);
        let covered_percent = covered_ms.saturating_mul(100).checked_div(until_ms).unwrap_or(0).clamp(0, 100);
        let covered_tenths = u8::try_from((covered_percent + 5) / 10).unwrap_or(0);
        let kind = Device::of(origin);
        let quality = Quality {
            is_plausible: n_plausible * 100 >= n * PLAUSIBLE_PERCENT_MIN && !is_constant,
            has_position: name.group() != Group::Gps || name == Name::Latitude,
            grade: order::grade(origin.method),
            is_usable: covered_tenths >= COVERED_TENTHS_MIN,
            device: kind.rank(name.group()),
            rate: if n_short == 0 { 0 } else { rate(interval_ms) },
            covered_tenths,
        };
        Self { quality, n, kind, interval_ms, covered_percent }
    }

    /// In words, with figures: `1 Hz chest strap, 99 % covered`.
    pub(super) fn told(&self) -> String {
        let rate = match self.interval_ms {
            ..=0 => "single values of".to_owned(),
            1..10_000 => hertz(self.interval_ms),
            _ => format!("one in {} s,", self.interval_ms / 1_000),
        };
        let worth = if self.quality.is_plausible { "" } else { " (not plausible)" };
        format!("{rate} {}{worth}, {} % covered", self.kind.name(), self.covered_percent)
    }
}

const fn rate(interval_ms: i64) -> u8 {
    match interval_ms {
        ..=1_500 => 3,
        1_501..=6_000 => 2,
        6_001..=GAP_MS_MAX => 1,
        _ => 0,
    }
}

fn hertz(interval_ms: i64) -> String {
    let tenths = (10_000 + interval_ms / 2) / interval_ms;
    if tenths % 10 == 0 { format!("{} Hz", tenths / 10) } else { format!("{}.{} Hz", tenths / 10, tenths % 10) }
}
