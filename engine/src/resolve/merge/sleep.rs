//! Nights: the stages of the source that tells them apart, its gaps filled from the others.

use super::{Lineage, MergePolicy, Merged, Part, order};
use crate::resolve::sleep::is_part;
use schemas::record::{Body, Record, Sleep, SleepStage};

/// A stretch of one stage, ms after the base's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: i64,
    to: i64,
    stage: SleepStage,
    part: usize,
}

/// Merges nights, the base first in the order: start and end are the base's, or those of the whole night that it is a part
/// of.
pub(super) fn merge(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> Merged {
    let base = order[0];
    let (rule, note) = order::reason(parts, order, policy);
    let record = parts[base].record;
    let Body::Sleep(sleep) = &record.body else { return super::alone(parts, base, rule, note) };
    let length = |it: &usize| super::length_ms(&parts[*it].record.time);
    let is_whole = |it: &usize| length(it) > length(&base) && is_part(record, parts[*it].record);
    // Of two that are equally long the first in the order.
    let whole = order.iter().copied().rev().filter(is_whole).max_by_key(length).unwrap_or(base);
    let frame = parts[whole].record;
    let until = super::length_ms(&frame.time);
    let mut stretches = Vec::new();
    for index in order {
        let own = stretches_of(parts[*index].record, frame, *index);
        // A nap is nobody's to fill.
        if *index == base || !sleep.is_nap {
            stretches = filled(&stretches, &own, until);
        }
    }
    if whole == base && stretches.iter().all(|it| it.part == base) {
        return super::alone(parts, base, rule, note);
    }
    let merged = Sleep {
        stage_offsets_ms: stretches.iter().map(|it| it.from).collect(),
        stage_durations_ms: stretches.iter().map(|it| it.to - it.from).collect(),
        stages: stretches.iter().map(|it| it.stage).collect(),
        is_nap: sleep.is_nap,
    };
    let mut result = Record { body: Body::Sleep(merged), ..frame.clone() };
    result.policy = super::strictest(order.iter().map(|it| &parts[*it].record.policy));
    let mut lineage = super::lineage::of_whole(&result, base, rule, note);
    lineage.retain(|it| it.field != "stages");
    if whole != base {
        for it in &mut lineage {
            (it.part, it.rule, it.note) = (whole, "whole_night", "the other sources have a part of it".into());
        }
    }
    add(&mut lineage, &stretches, base, (rule, note));
    Merged { record: result, lineage, same_as: None }
}

/// The stages of a night on the clock of the record that gives the start, in order of time and not overlapping: of two the one that began first.
fn stretches_of(record: &Record, frame: &Record, part: usize) -> Vec<Stretch> {
    let Body::Sleep(sleep) = &record.body else { return Vec::new() };
    let later = record.time.start.0.saturating_sub(frame.time.start.0);
    let columns = sleep.stage_offsets_ms.iter().zip(&sleep.stage_durations_ms).zip(&sleep.stages);
    let stretch = |((offset, duration), stage): ((&i64, &i64), &SleepStage)| {
        let from = offset.saturating_add(later);
        Stretch { from, to: from.saturating_add(*duration), stage: *stage, part }
    };
    let mut stretches: Vec<Stretch> = columns.map(stretch).filter(|it| it.from < it.to).collect();
    stretches.sort_by_key(|it| it.from);
    let mut over = i64::MIN;
    for it in &mut stretches {
        it.from = it.from.max(over);
        over = over.max(it.to);
    }
    stretches.retain(|it| it.from < it.to);
    stretches
}

/// What is there, and of `others` what lies between, from the start on to `until`.
fn filled(there: &[Stretch], others: &[Stretch], until: i64) -> Vec<Stretch> {
    let mut merged = Vec::with_capacity(there.len() + others.len());
    let mut others = others.iter().copied().peekable();
    let mut over = 0;
    let end = Stretch { from: until, to: until, stage: SleepStage::Unknown, part: 0 };
    for next in there.iter().copied().chain([end]) {
        // One that reaches behind `next` may go on in the gap behind that.
        while let Some(it) = others.peek().copied().filter(|it| it.from < next.from) {
            let (from, to) = (it.from.max(over), it.to.min(next.from));
            if from < to {
                merged.push(Stretch { from, to, ..it });
            }
            if it.to > next.from {
                break;
            }
            others.next();
        }
        if next.from < next.to {
            merged.push(next);
        }
        over = over.max(next.to);
    }
    merged
}

fn add(lineage: &mut Vec<Lineage>, stretches: &[Stretch], base: usize, (rule, note): (&'static str, &str)) {
    let mut last: Option<&mut Lineage> = None;
    for it in stretches {
        match last {
            Some(last) if last.part == it.part && last.to_ms == it.from => {
                last.to_ms = it.to;
            }
            _ => {
                let is_base = it.part == base;
                lineage.push(Lineage {
                    field: "stages".into(),
                    part: it.part,
                    from_ms: it.from,
                    to_ms: it.to,
                    rule: if is_base { rule } else { "fills_gap" },
                    note: if is_base { note.into() } else { "the base has no stage here".into() },
                });
            }
        }
        last = lineage.last_mut();
    }
}
