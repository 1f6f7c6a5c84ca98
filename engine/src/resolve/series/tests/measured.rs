//! Heart rate, HRV, weight: tables.

use super::{T0, minute, of, series, steps, strands};
use crate::resolve::{
    series::{IssueKind, Merged, merge_series, rule, same_reading},
    sleep::nights,
};
use schemas::{
    data_type::DataType::{self, HeartRate, HrvRmssd, HrvSdnn},
    record::{Body, Quantity, Record, Span},
    time::Instant,
};

fn merged(records: &[(u32, Record)]) -> Merged {
    merge_series(&strands(records))
}

/// Samples as (source, minute, value).
#[track_caller]
fn check(records: &[(u32, Record)], expected: &[(&str, i64, f64)]) -> Merged {
    let merged = merged(records);
    let sample = |it: &crate::resolve::series::Sample| {
        (records[it.strand].1.origin.provider.as_str(), (it.at.0 - T0) / 60_000, it.value)
    };
    assert_eq!(merged.samples.iter().map(sample).collect::<Vec<_>>(), expected);
    assert!(merged.samples.windows(2).all(|it| it[0].at < it[1].at), "no two at one moment");
    let n_samples: usize = merged.stretches.iter().map(|it| it.n_samples).sum();
    assert_eq!(n_samples, merged.samples.len(), "every sample has a source");
    merged
}

#[test]
fn the_higher_priority_hides_others_while_it_measures() {
    let watch = series("watch", HeartRate, &[(0, 60.0), (5, 61.0), (15, 62.0), (40, 63.0)], 45);
    let ring = series("ring", HeartRate, &[(5, 90.0), (7, 91.0), (26, 92.0), (40, 93.0)], 45);
    let expected =
        [("watch", 0, 60.0), ("watch", 5, 61.0), ("watch", 15, 62.0), ("ring", 26, 92.0), ("watch", 40, 63.0)];
    let merged = check(&[(0, watch), (1, ring)], &expected);
    let lineage: Vec<_> = merged.stretches.iter().map(|it| (it.strand, it.n_samples)).collect();
    assert_eq!(lineage, [(0, 3), (1, 1), (0, 1)]);
}

#[test]
fn of_equal_priorities_the_denser_one_is_taken_quarter_by_quarter() {
    let watch = series("watch", HeartRate, &[(0, 60.0), (5, 61.0), (10, 62.0), (15, 63.0), (24, 64.0)], 30);
    let strap = series("strap", HeartRate, &[(1, 70.0), (15, 71.0), (16, 72.0), (17, 73.0)], 30);
    let expected = [
        ("watch", 0, 60.0),
        ("watch", 5, 61.0),
        ("watch", 10, 62.0),
        ("strap", 15, 71.0),
        ("strap", 16, 72.0),
        ("strap", 17, 73.0),
        ("watch", 24, 64.0),
    ];
    let merged = check(&[(0, watch), (0, strap)], &expected);
    let rules: Vec<_> = merged.stretches.iter().map(|it| it.rule).collect();
    assert_eq!(rules, [rule::DENSEST, rule::DENSEST, rule::FILLS_GAP]);
}

#[test]
fn a_moment_that_a_source_has_twice_is_one_sample() {
    let watch = series("watch", HeartRate, &[(0, 60.0), (1, 61.0)], 2);
    let again = series("watch", HeartRate, &[(1, 61.0), (2, 62.0)], 3);
    check(&[(0, watch), (0, again)], &[("watch", 0, 60.0), ("watch", 1, 61.0), ("watch", 2, 62.0)]);
}

#[test]
fn bad_values_and_columns_are_left_out_of_samples() {
    let bad = series("watch", HeartRate, &[(0, f64::NAN), (1, 61.0), (1, 61.0)], 2);
    let merged = check(&[(0, bad)], &[("watch", 1, 61.0)]);
    let kinds: Vec<_> = merged.issues.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [IssueKind::BadValue, IssueKind::BadColumns]);
}

#[test]
fn rmssd_and_sdnn_are_never_mixed_by_any_function() {
    let of_type = |data_type: DataType, source: &str| (0, Record { data_type, ..steps(source, 0, 0, 40.0) });
    let both = [of_type(HrvRmssd, "ring"), of_type(HrvSdnn, "watch")];
    for pair in [both.clone(), [both[1].clone(), both[0].clone()]] {
        let merged = merged(&pair);
        assert_eq!(merged.data_type, Some(HrvRmssd), "the first of equal priority, in the order of types");
        assert_eq!(merged.samples.len(), 1);
        assert_eq!(merged.issues.iter().map(|it| it.kind).collect::<Vec<_>>(), [IssueKind::OtherType]);
        assert_eq!(of(&pair).pieces, [], "they are not counted");
        assert!(!same_reading(&pair[0].1, &pair[1].1));
        assert_eq!(crate::resolve::compare(&pair[0].1, &pair[1].1).verdict, schemas::event::Verdict::Different);
        assert_eq!(nights(&pair.map(|it| it.1)), []);
    }
    let sdnn_first = [(1, both[0].1.clone()), (0, both[1].1.clone())];
    assert_eq!(merged(&sdnn_first).data_type, Some(HrvSdnn));
    assert_eq!(merged(&sdnn_first).samples[0].strand, 1);
}

fn weight(source: &str, seconds: i64, kg: f64) -> Record {
    let time = Span::at(Instant(minute(0).0 + seconds * 1000), None);
    let body = Body::Quantity(Quantity { value: kg });
    Record { data_type: DataType::Weight, time, body, ..steps(source, 0, 0, 0.0) }
}

#[track_caller]
fn check_reading(a: (&str, i64, f64), b: (&str, i64, f64), expected: bool) {
    let (a, b) = (weight(a.0, a.1, a.2), weight(b.0, b.1, b.2));
    assert_eq!(same_reading(&a, &b), expected, "{a:?} {b:?}");
    assert_eq!(same_reading(&b, &a), expected, "the same the other way round");
    assert!(same_reading(&a, &a));
}

#[test]
fn one_weighing_through_two_ways_is_one() {
    check_reading(("scale", 27, 75.1), ("phone", 0, 75.1), true);
    // 165.6 lb, as an app shows it, read back.
    check_reading(("scale", 27, 75.1), ("phone", 60, 165.6 * 0.453_592_37), true);
    check_reading(("scale", 27, 75.1), ("phone", 27, 75.2), true);
}

#[test]
fn two_weighings_are_two() {
    check_reading(("scale", 0, 75.1), ("scale", 600, 75.1), false);
    check_reading(("scale", 0, 75.1), ("phone", 600, 75.1), false);
    check_reading(("scale", 0, 75.1), ("phone", 60, 75.1), false);
    check_reading(("scale", 0, 75.1), ("phone", 10, 75.4), false);
    // Stepped on twice: a scale that stamps to the second knows.
    check_reading(("scale", 0, 75.1), ("scale", 40, 75.1), false);
}

#[test]
fn only_readings_of_a_scale_of_one_type_are_compared() {
    let (a, b) = (weight("scale", 0, 30.0), weight("phone", 0, 30.0));
    assert!(!same_reading(&a, &Record { data_type: DataType::MuscleMass, ..b.clone() }));
    assert!(!same_reading(&a, &Record { deleted: true, ..b.clone() }));
    assert!(!same_reading(&a, &weight("phone", 0, f64::NAN)));
    let pulse = |it: &Record| Record { data_type: HeartRate, ..it.clone() };
    assert!(!same_reading(&pulse(&a), &pulse(&b)));
}
