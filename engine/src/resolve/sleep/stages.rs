//! The stages of one sleep, as several records tell them, as one sequence.

use super::{detail, identity, sleep, told};
use crate::resolve::series::cover::{Cover, Span};
use schemas::{
    record::{Record, SleepStage},
    time::Instant,
};
use std::cmp::Reverse;

/// A stage of a sleep, or the rest of one that another record has part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its first moment.
    pub from: Instant,
    /// The first moment after it.
    pub to: Instant,
    /// Which stage it is.
    pub stage: SleepStage,
    /// Index of the record that says so.
    pub record: usize,
}

/// One sequence of stages without overlaps, in order of time.
///
/// Light, deep, REM and awake come before *asleep* and *out of bed*, these before *in bed*, this before *unknown*; of
/// the same kind, the record that tells most of the sleep comes first. Others fill in what it does not say. Records
/// that are no sleep are left out; so are stages outside of their own record.
#[must_use]
pub fn merge_stages(records: &[&Record]) -> Vec<Phase> {
    let mut order: Vec<usize> = (0..records.len()).filter(|it| sleep(records[*it]).is_some()).collect();
    order.sort_by_key(|it| (Reverse(told(records[*it])), identity(records[*it])));
    let (mut phases, mut taken, mut free) = (Vec::new(), Cover::default(), Vec::new());
    for wanted in (0..=3).rev() {
        for index in &order {
            for (span, stage) in spans(records[*index]).filter(|it| detail(it.1) == wanted) {
                taken.free(span, &mut free);
                let phase = |it: &Span| Phase { from: Instant(it.from), to: Instant(it.to), stage, record: *index };
                phases.extend(free.iter().map(phase));
                taken.join(&Cover::of([span]), span);
            }
        }
    }
    phases.sort_by_key(|it| it.from);
    phases
}

/// The stages of a record with their times, as far as they lie in it.
fn spans(record: &Record) -> impl Iterator<Item = (Span, SleepStage)> {
    let (start, end) = (record.time.start.0, record.time.end.0);
    let columns = sleep(record).into_iter().flat_map(|it| {
        it.stage_offsets_ms.iter().zip(&it.stage_durations_ms).zip(&it.stages).map(|((a, b), c)| (*a, *b, *c))
    });
    columns.filter_map(move |(offset, duration, stage)| {
        let from = start.saturating_add(offset);
        let span = Span { from: from.max(start), to: from.saturating_add(duration).min(end) };
        (span.from < span.to).then_some((span, stage))
    })
}
