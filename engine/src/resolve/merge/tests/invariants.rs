//! What holds for every merge.

use super::{
    super::{
        clock,
        track::{GAP_MS_MAX, Name, Track},
    },
    MergePolicy, Merged, Part, merge,
};
use schemas::record::{Body, Record};
use serde_json::{Map, Value};

/// Merges, checks everything that holds for all merges, and gives what came out.
#[track_caller]
pub(super) fn check(parts: &[Part<'_>], policy: &MergePolicy) -> Merged {
    let merged = merge(parts, policy);
    if parts.is_empty() {
        return merged;
    }
    covers_every_field(&merged);
    base_is_kept(parts, &merged);
    values_are_measured(parts, &merged);
    order_makes_no_difference(parts, policy, &merged);
    again_changes_nothing(parts, policy, &merged);
    merged
}

/// Whether two records say the same, come from the same place and may be used alike.
pub(super) fn is_same(a: &Record, b: &Record) -> bool {
    a.content() == b.content() && a.origin == b.origin && a.policy == b.policy && a.time == b.time && a.state == b.state
}

#[track_caller]
fn covers_every_field(merged: &Merged) {
    let record = &merged.record;
    let length = record.time.interval().to.0.saturating_sub(record.time.start.0);
    let mut n_expected = usize::from(record.time.offset_seconds.is_some()) + usize::from(record.time.zone.is_some());
    for field in set_fields(record) {
        let found: Vec<_> = merged.lineage.iter().filter(|it| it.field == field).collect();
        n_expected += found.len();
        assert!(!found.is_empty(), "{field} has no lineage");
        if field == "stages" {
            assert!(found.windows(2).all(|it| it[0].to_ms <= it[1].from_ms), "{field}: stretches overlap");
        } else {
            assert_eq!(found.len(), 1, "{field}: one source");
            assert_eq!((found[0].from_ms, found[0].to_ms), (0, length), "{field}: the whole record");
        }
    }
    if let Body::Workout(workout) = &record.body {
        let streams = &workout.streams;
        for name in Name::ALL {
            let track = Track::new(streams, 0);
            let column = track.moments.iter().zip(track.column(name)).filter(|it| it.1.is_finite());
            let measured: Vec<i64> = column.map(|it| *it.0).collect();
            let found: Vec<_> = merged.lineage.iter().filter(|it| it.field == name.field()).collect();
            n_expected += found.len();
            assert!(found.windows(2).all(|it| it[0].to_ms <= it[1].from_ms), "{name:?}: stretches overlap");
            assert!(found.iter().all(|it| it.from_ms < it.to_ms), "{name:?}: an empty stretch");
            let sum: i128 = found.iter().map(|it| i128::from(it.to_ms) - i128::from(it.from_ms)).sum();
            assert_eq!(sum, covered(&measured), "{name:?}: stretches are the covered time");
            // The last of all moments has no time after it.
            for at in measured.into_iter().filter(|it| *it < i64::MAX) {
                assert!(found.iter().any(|it| (it.from_ms..it.to_ms).contains(&at)), "{name:?}: {at} has no source");
            }
        }
    }
    assert_eq!(merged.lineage.len(), n_expected, "lineage of fields that are not set: {:?}", merged.lineage);
}

fn covered(measured: &[i64]) -> i128 {
    let mut sum = 0;
    for (index, at) in measured.iter().enumerate() {
        let next = measured.get(index + 1).map(|it| i128::from(*it) - i128::from(*at));
        sum += next.filter(|it| *it <= i128::from(GAP_MS_MAX)).unwrap_or(1.min(i128::from(i64::MAX) - i128::from(*at)));
    }
    sum
}

/// The fields of a body that are set, read from its JSON: another way than the merge's own.
fn set_fields(record: &Record) -> Vec<String> {
    let mut body = record.body.clone();
    if let Body::Workout(it) = &mut body {
        // A number that is none is set all the same, though JSON has no word for it.
        let numbers = [&mut it.distance_m, &mut it.energy_kcal, &mut it.ascent_m, &mut it.heart_rate_mean];
        let more = [&mut it.heart_rate_max, &mut it.cadence_mean, &mut it.power_mean];
        numbers.into_iter().chain(more).flatten().for_each(|it| *it = 1.0);
    }
    if let Body::Quantity(it) = &mut body {
        it.value = 1.0;
    }
    let mut body = serde_json::to_value(&body).unwrap();
    let values: &mut Map<String, Value> =
        body.as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut().unwrap();
    values.remove("streams");
    values.remove("stage_offsets_ms");
    values.remove("stage_durations_ms");
    values.remove("offsets_ms");
    let is_set = |it: &Value| match it {
        Value::Null => false,
        Value::Array(it) => !it.is_empty(),
        Value::Object(it) => !it.is_empty(),
        _ => true,
    };
    let names = values.iter().filter(|it| is_set(it.1)).map(|it| it.0.clone());
    ["start".to_owned(), "end".to_owned()].into_iter().chain(names).collect()
}

#[track_caller]
fn base_is_kept(parts: &[Part<'_>], merged: &Merged) {
    let base = merged.lineage.iter().find(|it| it.field == "start").unwrap().part;
    let base = parts[base].record;
    assert_eq!(merged.record.origin, base.origin, "the result has the base's origin");
    assert_eq!((merged.record.time.start, merged.record.time.end), (base.time.start, base.time.end));
    if let Some(it) = merged.same_as {
        let (a, b) = (&merged.record, parts[it].record);
        assert!(a.content() == b.content(), "it says the same as that part");
        if b.origin == base.origin && std::ptr::eq(b, base) {
            assert!(is_same(a, b), "it is the base's record");
        }
    }
    for it in parts {
        if merged.lineage.iter().any(|lineage| std::ptr::eq(parts[lineage.part].record, it.record)) {
            assert!(!it.record.policy.no_ai || merged.record.policy.no_ai, "what must not be shown to a model");
            let days = it.record.policy.retention_days;
            assert!(days.is_none_or(|it| merged.record.policy.retention_days.is_some_and(|days| days <= it)));
        }
    }
}

/// Every value of a stream is one that its source measured, or lies between two of its neighbours.
#[track_caller]
fn values_are_measured(parts: &[Part<'_>], merged: &Merged) {
    let Body::Workout(result) = &merged.record.body else { return };
    let base = merged.lineage.iter().find(|it| it.field == "start").unwrap().part;
    let Body::Workout(base_workout) = &parts[base].record.body else { panic!("the base is a workout") };
    let base_track = Track::new(&base_workout.streams, 0);
    let moments = Track::new(&result.streams, 0);
    for it in merged.lineage.iter().filter(|it| it.field.starts_with("streams.")) {
        let name = Name::ALL.into_iter().find(|name| name.field() == it.field).unwrap();
        let Body::Workout(source) = &parts[it.part].record.body else { panic!("its source is a workout") };
        let later = parts[it.part].record.time.start.0.saturating_sub(merged.record.time.start.0);
        let mut track = Track::new(&source.streams, later);
        if it.part != base {
            track.shift(clock::shift_ms(&base_track, &track));
        }
        let own: Vec<(i64, f64)> = track
            .moments
            .iter()
            .copied()
            .zip(track.column(name).iter().copied())
            .filter(|it| it.1.is_finite())
            .collect();
        let rows = moments.moments.iter().zip(moments.column(name));
        for (at, value) in rows.filter(|row| row.1.is_finite() && (it.from_ms..it.to_ms).contains(row.0)) {
            let next = own.partition_point(|it| it.0 < *at);
            let near = own[next.saturating_sub(1)..].iter().take_while(|it| it.0 <= at.saturating_add(500));
            let is_measured = near.clone().any(|it| it.1 == *value && it.0.abs_diff(*at) <= 500);
            let is_between = next > 0
                && own.get(next).is_some_and(|after| {
                    let before = own[next - 1];
                    let (low, high) = (before.1.min(after.1), before.1.max(after.1));
                    after.0.saturating_sub(before.0) <= GAP_MS_MAX && (low..=high).contains(value)
                });
            assert!(is_measured || is_between, "{name:?} {value} at {at} is not what part {} measured", it.part);
        }
    }
}

#[track_caller]
fn order_makes_no_difference(parts: &[Part<'_>], policy: &MergePolicy, merged: &Merged) {
    let mut turned: Vec<Part<'_>> = parts.to_vec();
    // Parts are known by what they are: the first given one that is the same.
    let told = |merged: &Merged, given: &[Part<'_>]| {
        let first = |it: &Part<'_>| parts.iter().position(|other| is_same(other.record, it.record));
        let places: Vec<_> = given.iter().map(first).collect();
        let of = |index: usize| places[index];
        let lineage = merged.lineage.iter();
        let lineage: Vec<_> =
            lineage.map(|it| (it.field.clone(), of(it.part), it.from_ms, it.to_ms, it.rule, it.note.clone())).collect();
        (lineage, merged.same_as.map(of))
    };
    let expected = told(merged, parts);
    for turn in 0..parts.len().min(3) {
        if turn == 0 {
            turned.reverse()
        } else {
            turned.rotate_left(1)
        }
        let other = merge(&turned, policy);
        assert!(is_same(&other.record, &merged.record), "another order of the parts gives another record");
        assert_eq!(told(&other, &turned), expected, "another order of the parts gives another lineage");
    }
}

#[track_caller]
fn again_changes_nothing(parts: &[Part<'_>], policy: &MergePolicy, merged: &Merged) {
    let again = merge(parts, policy);
    assert!(is_same(&again.record, &merged.record) && again.lineage == merged.lineage, "the same twice");
    let rank_max = parts.iter().map(|it| it.rank).max().unwrap_or(0);
    let base = merged.lineage.iter().find(|it| it.field == "start").map_or(0, |it| parts[it.part].rank);
    for rank in [rank_max.saturating_add(1), base] {
        let mut with_result = parts.to_vec();
        with_result.push(Part { record: &merged.record, rank });
        let again = merge(&with_result, policy);
        let (a, b) = (&again.record, &merged.record);
        assert!(is_same(a, b), "merging the result (rank {rank}) with its parts changes {:?}", differences(a, b));
        assert!(again.same_as.is_some(), "the result is one of the parts");
    }
    let twice = [Part { record: &merged.record, rank: 0 }, Part { record: &merged.record, rank: 1 }];
    let itself = merge(&twice, policy);
    assert!(is_same(&itself.record, &merged.record));
    assert_eq!(itself.same_as, Some(0), "a part and itself are the part");
}

/// The fields in which two records differ, for a message.
fn differences(a: &Record, b: &Record) -> Vec<String> {
    let fields = |it: &Record| serde_json::to_value(it).unwrap().as_object().unwrap().clone();
    let (a, b) = (fields(a), fields(b));
    let inner = |it: &Value| it.as_object().and_then(|it| it.values().next()?.as_object().cloned()).unwrap_or_default();
    let (a_body, b_body) = (inner(&a["body"]), inner(&b["body"]));
    let differ = |a: &Map<String, Value>, b: &Map<String, Value>| -> Vec<String> {
        let names = a.iter().filter(|it| b.get(it.0) != Some(it.1));
        names.map(|it| format!("{}: {:.200} -> {:.200}", it.0, it.1, b[it.0])).collect()
    };
    let (mut found, body) = (differ(&a, &b), differ(&a_body, &b_body));
    found.retain(|it| !it.starts_with("body"));
    found.extend(body);
    found
}
