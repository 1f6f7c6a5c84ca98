//! What an interval still counts when others have part of its time.

use super::{
    Piece,
    cover::{Cover, Span},
    rule,
};
use schemas::time::Instant;

/// A count over a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    /// The first moment.
    pub(super) from: i64,
    /// The first moment after it.
    pub(super) to: i64,
    /// What was counted.
    pub(super) value: f64,
    /// Index of the strand it is from.
    pub(super) strand: usize,
    /// Why it is counted.
    pub(super) rule: &'static str,
}

impl Part {
    /// Its time.
    pub(super) const fn span(&self) -> Span {
        Span { from: self.from, to: self.to }
    }

    /// As the public form.
    pub(super) const fn piece(&self) -> Piece {
        Piece {
            from: Instant(self.from),
            to: Instant(self.to),
            value: self.value,
            strand: self.strand,
            rule: self.rule,
        }
    }

    /// What of it lies in a stretch within it, by time.
    ///
    /// Whole numbers are rounded as a running count is, so that the shares of stretches that together are the interval
    /// sum up to it, and a smaller stretch never has more than a larger one around it.
    pub(super) fn share(&self, span: Span, counted: bool) -> f64 {
        if span.from <= self.from && self.to <= span.to {
            return self.value;
        }
        let length = self.to.saturating_sub(self.from);
        let (from, to) = (span.from.saturating_sub(self.from), span.to.saturating_sub(self.from));
        running(self.value, to, length, counted) - running(self.value, from, length, counted)
    }
}

/// What of a value that is spread evenly over `length` was counted after `elapsed`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "values are below 10^12, times a month"
)]
fn running(value: f64, elapsed: i64, length: i64, counted: bool) -> f64 {
    let elapsed = elapsed.clamp(0, length);
    if counted && value.fract() == 0.0 {
        let (value, elapsed, length) = (value as i128, i128::from(elapsed), i128::from(length.max(1)));
        return ((2 * value * elapsed + length) / (2 * length)) as f64;
    }
    if elapsed == length { value } else { value * (elapsed as f64 / length as f64) }
}

/// What is counted already: who has which time.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// The time that is taken.
    pub(super) cover: Cover,
    /// What was counted in it; in order, without overlaps.
    pub(super) parts: Vec<Part>,
}

impl Counted {
    /// What was counted in a stretch.
    fn within(&self, span: Span, counted: bool) -> f64 {
        let first = self.parts.partition_point(|it| it.to <= span.from);
        let inside = self.parts.iter().skip(first).take_while(|it| it.from < span.to);
        inside.map(|it| it.share(Span { from: it.from.max(span.from), to: it.to.min(span.to) }, counted)).sum()
    }

    /// What a part counts in the time that is not taken, into `out`.
    ///
    /// By time; but an interval whose time was taken in part has also been counted in part: it never adds more than
    /// what it counted beyond that. So an hour of 600 steps beside five minutes of 500 adds 100, not 550.
    pub(super) fn cut(&self, part: &Part, counted: bool, free: &mut Vec<Span>, out: &mut Vec<Part>) {
        self.cover.free(part.span(), free);
        if free.first() == Some(&part.span()) {
            out.push(*part);
            return;
        }
        let by_time: f64 = free.iter().map(|it| part.share(*it, counted)).sum();
        let beyond = (part.value - self.within(part.span(), counted)).max(0.0);
        if by_time <= beyond {
            let shares = free.iter().map(|it| (*it, part.share(*it, counted)));
            out.extend(shares.map(|(it, value)| Part { from: it.from, to: it.to, value, rule: rule::SHARE, ..*part }));
            return;
        }
        let length: i64 = free.iter().map(|it| it.to.saturating_sub(it.from)).sum();
        let mut elapsed = 0;
        for it in free.iter() {
            let before = running(beyond, elapsed, length, counted);
            elapsed += it.to.saturating_sub(it.from);
            let value = running(beyond, elapsed, length, counted) - before;
            out.push(Part { from: it.from, to: it.to, value, rule: rule::DIFFERENCE, ..*part });
        }
    }
}
