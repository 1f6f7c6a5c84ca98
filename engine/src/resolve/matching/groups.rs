//! Records of which each group is one thing.

use super::{Compared, Verdict, View, Viewed, compared, is_candidate, order, window_ms};
use schemas::record::Record;

/// Puts records together that are renderings of the same thing: groups of indices, each in ascending order, in the
/// order of their first.
///
/// The surest pairs are put together first. Two groups become one only if no member of one is different from a member
/// of the other, so that a chain (A is B, B is C, A is not C) never makes one thing of two. What is in a group with what
/// does not depend on the order of the records.
#[must_use]
pub fn groups(records: &[Record]) -> Vec<Vec<usize>> {
    let mut sorted: Vec<usize> = (0..records.len()).collect();
    let views: Vec<View> = records.iter().map(View::of).collect();
    let viewed = |index: usize| Viewed::new(&records[index], &views[index]);
    sorted.sort_by(|a, b| order(viewed(*a), viewed(*b)));
    let reach = window_ms(records);
    // What is not in the list is different.
    let mut pairs: Vec<(f64, Verdict, usize, usize)> = Vec::new();
    for (place, index) in sorted.iter().enumerate() {
        for other in place + 1..sorted.len() {
            let (a, b) = (&records[*index], &records[sorted[other]]);
            if b.time.start.0.saturating_sub(a.time.start.0) > reach {
                break;
            }
            if !is_candidate(a, b) {
                continue;
            }
            let Compared { total, verdict } = compared(viewed(*index), viewed(sorted[other]));
            if verdict != Verdict::Different {
                pairs.push((total, verdict, place, other));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.2, a.3).cmp(&(b.2, b.3))));
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); sorted.len()];
    for (_, _, place, other) in &pairs {
        near[*place].push(*other);
        near[*other].push(*place);
    }
    near.iter_mut().for_each(|it| it.sort_unstable());
    let mut group_of: Vec<usize> = (0..sorted.len()).collect();
    let mut members: Vec<Vec<usize>> = (0..sorted.len()).map(|it| vec![it]).collect();
    for (_, _, place, other) in pairs.iter().filter(|it| it.1 == Verdict::Same) {
        let (into, from) = (group_of[*place].min(group_of[*other]), group_of[*place].max(group_of[*other]));
        let is_near = |a: &usize| members[from].iter().all(|b| near[*a].binary_search(b).is_ok());
        if into != from && members[into].iter().all(is_near) {
            let moved = std::mem::take(&mut members[from]);
            moved.iter().for_each(|it| group_of[*it] = into);
            members[into].extend(moved);
        }
    }
    let mut groups: Vec<Vec<usize>> = members.into_iter().filter(|it| !it.is_empty()).collect();
    for group in &mut groups {
        group.iter_mut().for_each(|it| *it = sorted[*it]);
        group.sort_unstable();
    }
    groups.sort_unstable();
    groups
}
