//! Series of one hour, and counts of one stretch: what is counted is a union, never a sum; what is measured comes stretch by stretch from the
//! source that measured it (`resolve/series.rs` has the rules).

use super::{Combine, Lineage, MergePolicy, Merged, Part, order};
use crate::resolve::series::{Piece, Strand, is_additive, merge_series, rule, union};
use schemas::{
    record::{Body, Quantity, Record, Series, Span},
    time::Instant,
};

/// A value of the result, and where it is from.
struct Value {
    from: Instant,
    to: Instant,
    value: f64,
    part: usize,
    rule: &'static str,
}

/// Merges series, the base first in the order: the result begins and ends with what was counted or measured.
pub(super) fn merge(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> Merged {
    let base = order[0];
    let (rule, note) = order::reason(parts, order, policy);
    let strands: Vec<Strand<'_>> =
        order.iter().map(|it| Strand { record: parts[*it].record, rank: parts[*it].rank }).collect();
    let values = values(&strands, order);
    let Some(first) = values.first() else { return super::alone(parts, base, rule, note) };
    if values.iter().all(|it| it.part == first.part) {
        // What one source says alone stays as that source said it.
        return super::alone(parts, first.part, first.rule, "the other sources add nothing to it");
    }
    let start = first.from;
    let end = values.iter().map(|it| it.to).max().unwrap_or(start);
    let record = parts[base].record;
    let body = if matches!(record.body, Body::Quantity(_)) {
        Body::Quantity(Quantity { value: values.iter().map(|it| it.value).sum() })
    } else {
        Body::Series(Series {
            offsets_ms: values.iter().map(|it| it.from.0.saturating_sub(start.0)).collect(),
            values: values.iter().map(|it| it.value).collect(),
        })
    };
    let time = Span { start, end, ..record.time.clone() };
    let policy = super::strictest(order.iter().map(|it| &parts[*it].record.policy));
    let result = Record { body, time, policy, ..record.clone() };
    let mut lineage = super::lineage::of_whole(&result, base, rule, note);
    let field = if matches!(result.body, Body::Quantity(_)) { "value" } else { "values" };
    lineage.retain(|it| it.field != field);
    add(&mut lineage, &values, (field, start));
    Merged { record: result, lineage, same_as: None }
}

/// A record of counts of which only these pieces are left, in order, each of the part beside it: what others counted of
/// its time is theirs.
pub(crate) fn held(merged: Merged, pieces: &[(usize, Piece)]) -> Merged {
    let Body::Quantity(whole) = &merged.record.body else { return merged };
    // The sum of nothing is minus zero.
    let value = pieces.iter().map(|it| it.1.value).sum::<f64>() + 0.0;
    let time = &merged.record.time;
    let start = pieces.iter().map(|it| it.1.from).min().unwrap_or(time.start);
    let end = pieces.iter().map(|it| it.1.to).max().unwrap_or(time.end);
    if is_same_count(value, whole.value) && (start, end) == (time.start, time.end) {
        return merged;
    }
    let time = Span { start, end, ..time.clone() };
    let record = Record { body: Body::Quantity(Quantity { value }), time, ..merged.record };
    let mut lineage: Vec<Lineage> = merged.lineage.into_iter().filter(|it| it.field != "value").collect();
    let own =
        |(part, it): &(usize, Piece)| Value { from: it.from, to: it.to, value: it.value, part: *part, rule: it.rule };
    let values: Vec<Value> = pieces.iter().map(own).collect();
    add(&mut lineage, &values, ("value", start));
    if values.is_empty() {
        let note = "others counted all of it".into();
        let to_ms = super::length_ms(&record.time);
        lineage.push(Lineage { field: "value".into(), part: 0, from_ms: 0, to_ms, rule: rule::ELSEWHERE, note });
    }
    Merged { record, lineage, same_as: None }
}

/// Whether two counts are the same: shares of a number that is not whole come to it but for the last bits.
pub(crate) fn is_same_count(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Whether a record counts something over a stretch of time.
pub(crate) fn is_counted(record: &Record) -> bool {
    let is_total = record.is_daily_total || record.time.end <= record.time.start;
    is_additive(record.data_type) && !is_total && matches!(record.body, Body::Quantity(_) | Body::Series(_))
}

/// Whether the person says which of several numbers counts.
pub(super) fn is_chosen(policy: &MergePolicy) -> bool {
    policy.combine == Combine::HighestTotals || policy.fields.contains_key("value")
}

fn values(strands: &[Strand<'_>], order: &[usize]) -> Vec<Value> {
    if strands.first().is_some_and(|it| is_additive(it.record.data_type)) {
        let value =
            |it: &Piece| Value { from: it.from, to: it.to, value: it.value, part: order[it.strand], rule: it.rule };
        return union(strands).pieces.iter().map(value).collect();
    }
    let merged = merge_series(strands);
    let mut values = Vec::with_capacity(merged.samples.len());
    for stretch in &merged.stretches {
        let samples = merged.samples.iter().filter(|it| stretch.from <= it.at && it.at <= stretch.last);
        values.extend(samples.map(|it| Value {
            from: it.at,
            to: it.at,
            value: it.value,
            part: order[it.strand],
            rule: stretch.rule,
        }));
    }
    values
}

fn add(lineage: &mut Vec<Lineage>, values: &[Value], (field, start): (&str, Instant)) {
    let begin = lineage.len();
    for (index, it) in values.iter().enumerate() {
        let from_ms = it.from.0.saturating_sub(start.0);
        // A sample stands until the next one, the last for a millisecond.
        let next = values.get(index + 1).map_or(it.from.0.saturating_add(1), |it| it.from.0);
        let to_ms = if it.to > it.from { it.to.0 } else { next }.saturating_sub(start.0);
        match lineage[begin..].last_mut() {
            Some(last) if last.part == it.part && last.rule == it.rule && last.to_ms == from_ms => last.to_ms = to_ms,
            _ => lineage.push(Lineage {
                field: field.into(),
                part: it.part,
                from_ms,
                to_ms,
                rule: it.rule,
                note: "a second is counted once, whoever else counted it".into(),
            }),
        }
    }
}
