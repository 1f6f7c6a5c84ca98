//! Sets of time.

/// A stretch of time in ms since 1970; `from` is before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// The first moment.
    pub(crate) from: i64,
    /// The first moment after it.
    pub(crate) to: i64,
}

/// A set of moments: stretches in order, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cover(Vec<Span>);

impl Cover {
    /// The moments of any of these; empty stretches are none.
    pub(crate) fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut all: Vec<Span> = spans.into_iter().filter(|it| it.from < it.to).collect();
        all.sort_unstable();
        Self(all).closed(1)
    }

    /// With the gaps shorter than that closed.
    pub(crate) fn closed(self, gap_ms: i64) -> Self {
        let mut merged: Vec<Span> = Vec::with_capacity(self.0.len());
        for it in self.0 {
            match merged.last_mut() {
                Some(last) if it.from.saturating_sub(last.to) < gap_ms => last.to = last.to.max(it.to),
                _ => merged.push(it),
            }
        }
        Self(merged)
    }

    /// With the moments of another, as far as they lie in `within`.
    pub(crate) fn join(&mut self, other: &Self, within: Span) {
        let clipped =
            other.touching(within).map(|it| Span { from: it.from.max(within.from), to: it.to.min(within.to) });
        *self = Self::of(std::mem::take(&mut self.0).into_iter().chain(clipped));
    }

    /// Whether a moment of that stretch is in it.
    pub(crate) fn touches(&self, span: Span) -> bool {
        self.touching(span).next().is_some()
    }

    /// Whether all of that stretch is in it.
    pub(crate) fn holds(&self, span: Span) -> bool {
        self.touching(span).next().is_some_and(|it| it.from <= span.from && span.to <= it.to)
    }

    /// The stretches of `span` that are not in it, into `free`.
    pub(crate) fn free(&self, span: Span, free: &mut Vec<Span>) {
        free.clear();
        let mut from = span.from;
        for it in self.touching(span) {
            if from < it.from {
                free.push(Span { from, to: it.from });
            }
            from = it.to;
        }
        if from < span.to {
            free.push(Span { from, to: span.to });
        }
    }

    /// All stretches.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    fn touching(&self, span: Span) -> impl Iterator<Item = &Span> {
        let first = self.0.partition_point(|it| it.to <= span.from);
        self.0.iter().skip(first).take_while(move |it| it.from < span.to)
    }
}
