//! Nights of several devices.

use super::*;
use schemas::record::{Sleep, SleepStage, SleepStage::*};

/// A night that begins `later` minutes after the others; stages as (from, length) in minutes.
fn night(device: &str, later: i64, minutes: i64, stages: &[(i64, i64, SleepStage)]) -> Record {
    let sleep = Sleep {
        stage_offsets_ms: stages.iter().map(|it| it.0 * 60_000).collect(),
        stage_durations_ms: stages.iter().map(|it| it.1 * 60_000).collect(),
        stages: stages.iter().map(|it| it.2).collect(),
        is_nap: false,
    };
    let record = record(device, later * 60_000, minutes * 60, Workout::default());
    Record { data_type: DataType::Sleep, body: Body::Sleep(sleep), ..record }
}

fn nap(of: &Record) -> Record {
    let mut nap = of.clone();
    if let Body::Sleep(it) = &mut nap.body {
        it.is_nap = true;
    }
    nap
}

#[track_caller]
fn check(merged: &Merged, expected: &[(i64, i64, SleepStage)]) {
    let Body::Sleep(it) = &merged.record.body else { panic!("not a night") };
    let columns = it.stage_offsets_ms.iter().zip(&it.stage_durations_ms).zip(&it.stages);
    let found: Vec<_> = columns.map(|((from, length), stage)| (from / 60_000, length / 60_000, *stage)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_night_with_real_stages_wins_though_another_is_ranked_before_it() {
    let phone = night("iPhone", 0, 480, &[(0, 470, Asleep), (470, 10, Awake)]);
    let ring = night("Oura Ring", 10, 460, &[(0, 200, Light), (200, 100, Deep), (300, 160, Rem)]);
    let merged = ranked(&[&phone, &ring], &MergePolicy::default());
    check(&merged, &[(0, 200, Light), (200, 100, Deep), (300, 160, Rem)]);
    assert_eq!(merged.record.time, ring.time);
    assert_eq!((merged.same_as, sources_of(&merged, "stages")), (Some(1), vec![(1, "best_stages")]));
}

#[test]
fn a_gap_of_the_stages_is_filled_without_overlap() {
    let ring = night("Oura Ring", 0, 300, &[(0, 100, Light), (160, 140, Deep)]);
    let watch = night("Apple Watch", -10, 400, &[(0, 150, Light), (150, 30, Rem), (180, 220, Light)]);
    let merged = ranked(&[&ring, &watch], &MergePolicy::default());
    check(&merged, &[(0, 100, Light), (100, 40, Light), (140, 20, Rem), (160, 140, Deep)]);
    assert_eq!(sources_of(&merged, "stages"), [(0, "first_source"), (1, "fills_gap"), (0, "first_source")]);
}

#[test]
fn a_nap_is_not_mixed_with_a_night_nor_filled() {
    let night = night("Oura Ring", 0, 300, &[(0, 100, Light), (160, 140, Deep)]);
    let filler = super::nights::night("Apple Watch", 0, 300, &[(0, 300, Light)]);
    let nap_of_filler = nap(&filler);
    assert_eq!(ranked(&[&night, &nap_of_filler], &MergePolicy::default()).same_as, Some(0));
    let nap_of_night = nap(&night);
    assert_eq!(ranked(&[&nap_of_night, &nap_of_filler], &MergePolicy::default()).record, nap_of_night);
}

#[test]
fn a_night_before_is_another_one() {
    let first = night("Oura Ring", 0, 300, &[(0, 100, Light)]);
    let second = night("Apple Watch", 1_440, 300, &[(0, 300, Light)]);
    assert_eq!(ranked(&[&first, &second], &MergePolicy::default()).same_as, Some(0));
}

#[test]
fn the_first_source_as_a_whole_is_by_rank_alone() {
    let phone = night("iPhone", 0, 480, &[(0, 470, Asleep)]);
    let ring = night("Oura Ring", 0, 460, &[(0, 200, Light)]);
    let policy = MergePolicy { combine: Combine::First, ..MergePolicy::default() };
    assert_eq!(ranked(&[&phone, &ring], &policy).record, phone);
}
