//! How far another source's clock is off: found by what both have measured.

use super::track::{Cursor, Name, Track};

/// No clock is believed to be further off, s.
const LAG_MAX: usize = 120;
/// So much of the common time is looked at, s.
const STRETCH_MAX: usize = 3_600;
/// So many common seconds are needed.
const COUNT_MIN: usize = 120;
/// A slower change than over so many seconds to both sides is taken out: it fits at any lag.
const TREND: usize = 30;
/// The least correlation with the clock moved.
const FIT_MIN: f64 = 0.7;
/// Moving the clock must take away at least this share of what does not fit.
const GAIN_MIN: f64 = 0.5;

/// How much later than `other` says its moments were on the base's clock, ms; 0 unless it is clearly another.
pub(super) fn shift_ms(base: &Track<'_>, other: &Track<'_>) -> i64 {
    for name in [Name::Speed, Name::HeartRate] {
        if base.has(name) && other.has(name) {
            match lag(base, other, name) {
                Fit::Clear(lag) => return -lag * 1_000,
                Fit::AtRest => return 0,
                Fit::None => {}
            }
        }
    }
    0
}

/// What one column tells.
enum Fit {
    /// The other's clock is so many seconds ahead.
    Clear(i64),
    /// Both fit as they are.
    AtRest,
    /// The two do not tell.
    None,
}

fn lag(base: &Track<'_>, other: &Track<'_>, name: Name) -> Fit {
    let Some((first, length)) = common(base, other, name) else { return Fit::None };
    let early = i64::try_from(LAG_MAX).unwrap_or(0) * 1_000;
    let a = without_trend(&seconds(base, name, first, length));
    let b = without_trend(&seconds(other, name, first.saturating_sub(early), length + 2 * LAG_MAX));
    let Some(at_rest) = correlation(&a, &b[LAG_MAX..], 1) else { return Fit::None };
    let zero = (LAG_MAX, at_rest);
    let best = (0..=2 * LAG_MAX).step_by(2).fold(zero, |best, lag| better(best, lag, correlation(&a, &b[lag..], 2)));
    // Every second lag was looked at, by every second moment; now the ones around it, by every moment.
    let around = best.0.saturating_sub(1)..=(best.0 + 1).min(2 * LAG_MAX);
    let best = around.fold(zero, |best, lag| better(best, lag, correlation(&a, &b[lag..], 1)));
    let is_clear = best.1 >= FIT_MIN && 1.0 - best.1 <= (1.0 - at_rest) * GAIN_MIN;
    match i64::try_from(best.0).unwrap_or(0) - i64::try_from(LAG_MAX).unwrap_or(0) {
        0 if at_rest >= FIT_MIN => Fit::AtRest,
        lag if is_clear && lag != 0 => Fit::Clear(lag),
        _ if at_rest >= FIT_MIN => Fit::AtRest,
        _ => Fit::None,
    }
}

/// The better of two lags; of equal ones the smaller.
fn better(best: (usize, f64), lag: usize, fit: Option<f64>) -> (usize, f64) {
    let Some(fit) = fit else { return best };
    let is_nearer = lag.abs_diff(LAG_MAX) < best.0.abs_diff(LAG_MAX);
    if fit > best.1 || (fit >= best.1 && is_nearer) { (lag, fit) } else { best }
}

/// The first moment that both have measured, and how many seconds from there are looked at.
fn common(base: &Track<'_>, other: &Track<'_>, name: Name) -> Option<(i64, usize)> {
    let ends = |track: &Track<'_>| {
        let values = track.column(name);
        let first = values.iter().position(|it| it.is_finite())?;
        let last = values.iter().rposition(|it| it.is_finite())?;
        Some((track.moments[first], track.moments[last]))
    };
    let (a, b) = (ends(base)?, ends(other)?);
    let first = a.0.max(b.0);
    let length = usize::try_from(a.1.min(b.1).saturating_sub(first) / 1_000).ok()?;
    (length >= COUNT_MIN).then_some((first, length.min(STRETCH_MAX)))
}

/// The values at whole seconds from `first`; NaN where there is none.
fn seconds(track: &Track<'_>, name: Name, first: i64, length: usize) -> Vec<f64> {
    let mut cursor = Cursor::new(track, name);
    let moments =
        (0..length).map(|it| first.saturating_add(i64::try_from(it).unwrap_or(i64::MAX).saturating_mul(1_000)));
    moments.map(|at| cursor.value(at).unwrap_or(f64::NAN)).collect()
}

/// The values less their mean over the time around.
#[expect(clippy::cast_precision_loss, reason = "a count of some thousands")]
fn without_trend(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_usize)];
    for it in values {
        let (sum, n) = sums.last().copied().unwrap_or_default();
        sums.push(if it.is_nan() { (sum, n) } else { (sum + it, n + 1) });
    }
    let around = |at: usize| {
        let (from, to) = (sums[at.saturating_sub(TREND)], sums[(at + TREND + 1).min(values.len())]);
        (to.0 - from.0) / (to.1 - from.1).max(1) as f64
    };
    values.iter().enumerate().map(|(at, it)| it - around(at)).collect()
}

/// Pearson's correlation of every `step`th pair; `None` if there are too few, or one of the two is constant.
#[expect(clippy::cast_precision_loss, reason = "a count of some thousands")]
fn correlation(a: &[f64], b: &[f64], step: usize) -> Option<f64> {
    let (mut n, mut x, mut y, mut xx, mut yy, mut xy) = (0_usize, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b).step_by(step) {
        if !a.is_nan() && !b.is_nan() {
            n += 1;
            x += a;
            y += b;
            xx += a * a;
            yy += b * b;
            xy += a * b;
        }
    }
    if n * step < COUNT_MIN {
        return None;
    }
    let count = n as f64;
    let (x, y, xx, yy, xy) = (x / count, y / count, xx / count, yy / count, xy / count);
    let (spread_x, spread_y) = (xx - x * x, yy - y * y);
    let fit = (xy - x * y) / (spread_x * spread_y).sqrt();
    // The comparison is false for NaN.
    (spread_x > 1e-6 && spread_y > 1e-6 && fit.is_finite()).then_some(fit)
}
