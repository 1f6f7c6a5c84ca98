//! A provider's own total of a day beside what its samples come to.

use super::{
    SILENCE_MS, Union,
    cover::{Cover, Span},
    cut::Part,
    is_counted,
};
use schemas::record::{Body, Record};

/// The share of a day from which a sum that is too small cannot be for want of samples.
const SHARE_MIN: f64 = 0.95;
/// How far the two may be apart, of the total; and at least one unit, for providers round.
const TOLERANCE: f64 = 0.01;

/// What a daily total says of the parts of its day. `by` is how much more the parts are, in the unit of the type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DailyCheck {
    /// They are the same within one per cent, or one unit.
    Agrees {
        /// The parts less the total.
        by: f64,
    },
    /// They are not, and the parts are either more, or cover the day.
    Differs {
        /// The parts less the total.
        by: f64,
        /// The share of the day in which a source was recording.
        share: f64,
    },
    /// The parts are less, and do not cover the day: the rest may be where nothing was read.
    NotCovered {
        /// The share of the day in which a source was recording.
        share: f64,
        /// The parts less the total.
        by: f64,
    },
    /// Not a daily total of this series' type.
    NotComparable,
}

/// Compares a daily total with the union of samples. The total is never added to anything.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a day is far below 2^53 ms")]
pub fn check_daily_total(total: &Record, parts: &Union) -> DailyCheck {
    let day = Span { from: total.time.start.0, to: total.time.end.0 };
    let value = match &total.body {
        Body::Quantity(it) if it.value.is_finite() && it.value >= 0.0 => it.value,
        _ => return DailyCheck::NotComparable,
    };
    let is_total = total.is_daily_total && !total.deleted && day.from < day.to;
    if !is_total || Some(total.data_type) != parts.data_type {
        return DailyCheck::NotComparable;
    }
    let counted = is_counted(total.data_type);
    let first = parts.pieces.partition_point(|it| it.to.0 <= day.from);
    let inside = || parts.pieces.iter().skip(first).take_while(|it| it.from.0 < day.to);
    let clip = |from: i64, to: i64| Span { from: from.max(day.from), to: to.min(day.to) };
    let sum: f64 = inside()
        .map(|it| {
            let whole = Part { from: it.from.0, to: it.to.0, value: it.value, strand: it.strand, rule: it.rule };
            whole.share(clip(it.from.0, it.to.0), counted)
        })
        .sum();
    let by = sum - value;
    if by.abs() <= (value * TOLERANCE).max(1.0) {
        return DailyCheck::Agrees { by };
    }
    let covered = Cover::of(inside().map(|it| clip(it.from.0, it.to.0))).closed(SILENCE_MS);
    let length: i64 = covered.spans().iter().map(|it| it.to.saturating_sub(it.from)).sum();
    let share = length as f64 / day.to.saturating_sub(day.from) as f64;
    if by < 0.0 && share < SHARE_MIN { DailyCheck::NotCovered { share, by } } else { DailyCheck::Differs { by, share } }
}
