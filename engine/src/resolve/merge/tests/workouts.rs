//! Totals, words and laps of workouts, and records that are taken as a whole.

use super::*;
use schemas::{record::Quantity, workout::Lap};

fn with(device: &str, change: impl Fn(&mut Workout)) -> Record {
    let mut workout = run(Streams::default());
    change(&mut workout);
    record(device, 0, 1_800, workout)
}

/// Which part a field is from and why, the parts ranked as given.
#[track_caller]
fn check(records: &[&Record], policy: &MergePolicy, field: &str, part: usize, rule: &'static str) -> Merged {
    let merged = ranked(records, policy);
    assert_eq!(sources_of(&merged, field), [(part, rule)], "{:?}", stretches_of(&merged, field));
    merged
}

#[test]
fn measured_totals_beat_computed_ones_beat_typed_ones() {
    let of = |metres, method| {
        let mut it = with("Thing", |it| it.distance_m = Some(metres));
        it.origin.method = method;
        it
    };
    let (typed, computed) = (of(5_000.0, RecordingMethod::Manual), of(5_100.0, RecordingMethod::Derived));
    let measured = of(5_200.0, RecordingMethod::Active);
    let policy = MergePolicy::default();
    check(&[&typed, &computed, &measured], &policy, "distance_m", 2, "measured");
    let merged = check(&[&typed, &computed], &policy, "distance_m", 1, "measured");
    assert_eq!(workout(&merged.record).distance_m, Some(5_100.0));
}

#[test]
fn highest_and_lowest_are_taken_only_where_the_policy_says_so() {
    let of = |device, metres, kcal| {
        with(device, |it| {
            (it.distance_m, it.energy_kcal, it.ascent_m) = (Some(metres), Some(kcal), Some(metres / 100.0))
        })
    };
    let (a, b) = (of("A Watch", 5_000.0, 300.0), of("B Watch", 5_200.0, 290.0));
    check(&[&a, &b], &MergePolicy::default(), "distance_m", 0, "first_source");
    let totals = MergePolicy { combine: Combine::HighestTotals, ..MergePolicy::default() };
    check(&[&a, &b], &totals, "distance_m", 1, "highest");
    check(&[&a, &b], &totals, "energy_kcal", 0, "highest");
    check(&[&a, &b], &totals, "ascent_m", 0, "first_source");
    check(&[&a, &b], &by_field("energy_kcal", Prefer::Lowest), "energy_kcal", 1, "lowest");
    check(&[&a, &b], &by_field("distance_m", Prefer::Provider("b".into())), "distance_m", 1, "priority");
    check(&[&a, &b], &by_field("distance_m", Prefer::Provider("c".into())), "distance_m", 0, "first_source");
}

#[test]
fn energy_that_rests_on_a_heart_rate_beats_energy_that_does_not() {
    let a = with("iPhone", |it| it.energy_kcal = Some(300.0));
    let b = with("A Watch", |it| (it.energy_kcal, it.heart_rate_mean) = (Some(350.0), Some(150.0)));
    check(&[&a, &b], &MergePolicy::default(), "energy_kcal", 1, "with_heart_rate");
}

#[test]
fn the_distance_is_that_of_the_source_of_the_track() {
    let phone = with("iPhone", |it| it.distance_m = Some(5_300.0));
    let mut watch = with("A Watch", |it| it.distance_m = Some(5_400.0));
    if let Body::Workout(it) = &mut watch.body {
        it.streams = gps(moments(0, 1_800, 1_000));
    }
    check(&[&phone, &watch], &MergePolicy::default(), "distance_m", 1, "best_gps");
}

#[test]
fn a_mean_is_computed_anew_where_the_column_comes_from_another_source() {
    let watch = with("A Watch", |it| (it.heart_rate_mean, it.heart_rate_max) = (Some(120.0), Some(130.0)));
    let strap = record("Polar H10", 0, 1_800, run(heart(moments(0, 1_800, 1_000), pulse)));
    let merged = check(&[&watch, &strap], &MergePolicy::default(), "heart_rate_mean", 1, "from_stream");
    let found = workout(&merged.record);
    assert!(found.heart_rate_mean.is_some_and(|it| (139.0..141.0).contains(&it)), "{:?}", found.heart_rate_mean);
    assert_eq!(found.heart_rate_max, found.streams.heart_rate.0.iter().copied().reduce(f64::max));
    let told = with("Polar H10", |it| {
        (it.heart_rate_mean, it.streams) = (Some(140.5), heart(moments(0, 1_800, 1_000), pulse));
    });
    check(&[&watch, &told], &MergePolicy::default(), "heart_rate_mean", 1, "with_stream");
}

#[test]
fn the_persons_title_beats_a_providers_and_notes_are_joined_if_they_differ() {
    let a = with("A Watch", |it| (it.title, it.notes) = (Some("Morning Run".into()), Some("windy".into())));
    let b = with("B Watch", |it| (it.title, it.notes) = (Some("With Anna".into()), Some("new shoes".into())));
    let c = with("C Watch", |it| it.notes = Some("windy".into()));
    let merged = check(&[&a, &b, &c], &MergePolicy::default(), "title", 1, "persons_words");
    assert_eq!(sources_of(&merged, "notes"), [(0, "joined")]);
    assert_eq!(workout(&merged.record).notes.as_deref(), Some("windy\n\nnew shoes"));
    check(&[&a, &c], &MergePolicy::default(), "notes", 0, "agreed");
}

#[test]
fn laps_are_the_bases_else_the_only_sources_on_the_bases_clock() {
    let laps = |it: &mut Workout| {
        let lap = |offset_ms| Lap { offset_ms, elapsed_ms: 600_000, ..Lap::default() };
        it.laps = vec![lap(0), lap(600_000), lap(1_200_000), lap(1_800_000)];
    };
    let (without, mut later) = (with("A Watch", |_| ()), with("B Watch", laps));
    later.time.start.0 += 60_000;
    let merged = check(&[&without, &later], &MergePolicy::default(), "laps", 1, "only_source");
    let found: Vec<_> = workout(&merged.record).laps.iter().map(|it| (it.offset_ms, it.elapsed_ms)).collect();
    assert_eq!(found, [(60_000, 600_000), (660_000, 600_000), (1_260_000, 540_000)]);
    check(&[&later, &without], &MergePolicy::default(), "laps", 0, "first_source");
}

#[test]
fn a_sport_that_is_not_known_is_taken_from_the_next_source() {
    let other = with("A Watch", |it| it.sport = Sport::Other);
    let known = with("B Watch", |it| it.sport = Sport::TrailRunning);
    check(&[&other, &known], &MergePolicy::default(), "sport", 1, "only_source");
}

#[test]
fn what_a_source_forbids_binds_the_result() {
    let mut watch = record("A Watch", 0, 600, run(gps(moments(0, 600, 1_000))));
    let mut strap = record("Polar H10", 0, 600, run(heart(moments(0, 600, 1_000), pulse)));
    watch.policy.retention_days = Some(30);
    strap.policy = Policy { retention_days: Some(7), no_ai: true, no_combining: false };
    assert_eq!(unranked(&[&watch, &strap]).record.policy, strap.policy);
    strap.policy.no_combining = true;
    let merged = unranked(&[&watch, &strap]);
    assert_eq!((&merged.record, merged.same_as), (&watch, Some(0)), "the base alone");
    assert!(merged.lineage.iter().all(|it| it.rule == "terms_forbid_combining"));
}

#[test]
fn a_source_that_has_nothing_better_changes_nothing() {
    let watch = record("A Watch", 0, 600, run(gps(moments(0, 600, 1_000))));
    let phone = record("iPhone", 2_000, 500, run(gps(moments(0, 500, 5_000))));
    let merged = ranked(&[&watch, &phone], &MergePolicy::default());
    assert_eq!((&merged.record, merged.same_as), (&watch, Some(0)));
}

#[test]
fn a_quantity_is_taken_as_a_whole_by_rank_then_device_then_the_latest() {
    let of = |value, method, modified_at| {
        let mut it = record("Scale", 0, 0, Workout::default());
        (it.data_type, it.body) = (DataType::Weight, Body::Quantity(Quantity { value }));
        (it.origin.method, it.origin.modified_at) = (method, Some(Instant(modified_at)));
        it
    };
    let (typed, old) = (of(70.0, RecordingMethod::Manual, 9), of(71.0, RecordingMethod::Automatic, 1));
    let new = of(72.0, RecordingMethod::Automatic, 2);
    assert_eq!(ranked(&[&typed, &old, &new], &MergePolicy::default()).same_as, Some(0));
    assert_eq!(unranked(&[&typed, &old, &new]).same_as, Some(2));
    assert_eq!(unranked(&[&typed, &old]).same_as, Some(1));
    assert_eq!(ranked(&[&new, &typed, &old], &by_field("value", Prefer::Lowest)).same_as, Some(1));
}

#[test]
fn without_parts_there_is_nothing_and_a_tombstone_gives_nothing() {
    assert!(merge(&[], &MergePolicy::default()).lineage.is_empty());
    let run = with("A Watch", |_| ());
    let gone = Record { deleted: true, body: Body::Nothing(schemas::record::Nothing {}), ..run.clone() };
    assert_eq!(ranked(&[&gone, &run], &MergePolicy::default()).record, run);
}
