//! What is taken from which device along the way.

use super::*;

fn watch(seconds: i64) -> Record {
    record("Garmin Forerunner 245", 0, seconds, run(gps(moments(0, seconds, 1_000))))
}

fn strap(seconds: i64, every_ms: i64) -> Record {
    record("Polar H10", 0, seconds, run(heart(moments(300, seconds, every_ms), pulse)))
}

#[test]
fn positions_of_a_watch_and_heart_rate_of_a_strap_become_one_track() {
    let (watch, strap) = (watch(1_800), strap(1_900, 5_000));
    let merged = unranked(&[&watch, &strap]);
    let streams = &workout(&merged.record).streams;
    assert_eq!(streams.offsets_ms, workout(&watch).streams.offsets_ms, "the watch's clock");
    assert_eq!(streams.latitude, workout(&watch).streams.latitude);
    assert_eq!(streams.heart_rate.n_measured(), 1_801, "every second has a heart rate, between two measured ones");
    assert_eq!(sources_of(&merged, "streams.latitude"), [(0, "only_source")]);
    assert_eq!(sources_of(&merged, "streams.heart_rate"), [(1, "only_source")]);
    assert_eq!(merged.same_as, None);
    for (at, value) in streams.offsets_ms.iter().zip(&streams.heart_rate.0) {
        assert!((value - pulse(*at as f64 / 1_000.0)).abs() < 1.0, "{value} at {at}");
    }
}

/// Which part's heart rate is taken, all of equal rank.
#[track_caller]
fn check_heart_rate(records: &[&Record], expected: usize, rule: &str) {
    let merged = unranked(records);
    assert_eq!(sources_of(&merged, "streams.heart_rate").first(), Some(&(expected, rule)).copied().as_ref());
}

#[test]
fn a_chest_strap_beats_a_watch_beats_a_phone_beats_an_unknown_device() {
    let of = |device, every_ms| record(device, 0, 900, run(heart(moments(0, 900, every_ms), pulse)));
    let (strap, watch) = (of("Wahoo TICKR", 2_000), of("Apple Watch Series 8", 1_000));
    let (phone, unknown) = (of("iPhone 14", 1_000), of("Thing", 1_000));
    check_heart_rate(&[&watch, &strap], 1, "best_heart_rate");
    check_heart_rate(&[&phone, &watch], 1, "best_heart_rate");
    check_heart_rate(&[&unknown, &phone], 1, "best_heart_rate");
}

#[test]
fn of_equal_devices_the_denser_and_then_the_more_complete_one_is_taken() {
    let of = |seconds, every_ms| heart(moments(0, seconds, every_ms), pulse);
    let (sparse, dense) =
        (record("A Watch", 0, 900, run(of(900, 5_000))), record("B Watch", 0, 900, run(of(900, 1_000))));
    check_heart_rate(&[&sparse, &dense], 1, "best_heart_rate");
    let (short, long) =
        (record("A Watch", 0, 900, run(of(600, 1_000))), record("B Watch", 0, 900, run(of(900, 1_000))));
    check_heart_rate(&[&short, &long], 1, "best_heart_rate");
}

#[test]
fn a_constant_or_impossible_or_sparse_or_typed_heart_rate_is_taken_from_no_strap() {
    let watch = record("A Watch", 0, 900, run(heart(moments(0, 900, 1_000), pulse)));
    let constant = record("Polar H10", 0, 900, run(heart(moments(0, 900, 1_000), |_| 120.0)));
    let impossible = record("Polar H10", 0, 900, run(heart(moments(0, 900, 1_000), |it| 250.0 + it)));
    let sparse = record("Polar H10", 0, 900, run(heart(moments(0, 900, 60_000), pulse)));
    let mut typed = strap(900, 1_000);
    typed.origin.method = RecordingMethod::Manual;
    for it in [&constant, &impossible, &sparse, &typed] {
        let merged = unranked(&[it, &watch]);
        assert_eq!(sources_of(&merged, "streams.heart_rate"), [(1, "best_heart_rate")], "{:?}", merged.lineage);
    }
}

#[test]
fn a_gap_of_the_best_heart_rate_is_filled_from_the_next_best() {
    let mut strap = strap(900, 1_000);
    if let Body::Workout(it) = &mut strap.body {
        let gap = it.streams.offsets_ms.iter().zip(&mut it.streams.heart_rate.0);
        gap.filter(|it| (300_000..500_000).contains(it.0)).for_each(|it| *it.1 = f64::NAN);
    }
    let watch = record("A Watch", 0, 900, run(heart(moments(0, 900, 1_000), |it| pulse(it) + 3.0)));
    let merged = unranked(&[&strap, &watch]);
    let expected = [(0, "best_heart_rate"), (1, "fills_gap"), (0, "best_heart_rate")];
    assert_eq!(sources_of(&merged, "streams.heart_rate"), expected);
    let filled = stretches_of(&merged, "streams.heart_rate")[1];
    assert!((299_000..301_000).contains(&filled.from_ms) && (499_000..501_000).contains(&filled.to_ms), "{filled:?}");
}

#[test]
fn a_pause_that_nobody_recorded_stays_a_gap() {
    let mut times = moments(0, 300, 1_000);
    times.extend(moments(400_000, 300, 1_000));
    let watch = record("A Watch", 0, 700, run(gps(times)));
    let strap = record("Polar H10", 0, 700, run(heart(moments(0, 300, 1_000), pulse)));
    let merged = unranked(&[&watch, &strap]);
    let streams = &workout(&merged.record).streams;
    assert_eq!(streams.offsets_ms.len(), 602);
    assert_eq!(streams.heart_rate.n_measured(), 301);
    assert_eq!(stretches_of(&merged, "streams.speed").len(), 2);
}

#[test]
fn what_the_longer_source_measured_outside_of_the_bases_time_is_left_out() {
    let watch = watch(600);
    let strap = record("Polar H10", -60_000, 800, run(heart(moments(0, 800, 1_000), pulse)));
    let merged = unranked(&[&watch, &strap]);
    let streams = &workout(&merged.record).streams;
    assert_eq!((streams.offsets_ms.first(), streams.offsets_ms.last()), (Some(&0), Some(&600_000)));
    assert_eq!(merged.record.time, watch.time);
}

#[test]
fn a_sparse_base_gets_the_moments_of_the_source_that_measured_more() {
    let phone = record("iPhone", 0, 600, run(gps(moments(0, 600, 60_000))));
    let strap = strap(600, 1_000);
    let merged = ranked(&[&phone, &strap], &MergePolicy::default());
    let streams = &workout(&merged.record).streams;
    assert_eq!(streams.latitude.n_measured(), 11, "no line is drawn over a minute");
    assert_eq!(streams.heart_rate.n_measured(), 600 + 1, "every heart rate within the time");
}

#[test]
fn a_heart_rate_a_minute_keeps_every_value_at_the_moment_nearest_to_it() {
    let band = record("Mi Band", 0, 600, run(heart(moments(20_400, 570, 60_000), pulse)));
    let merged = unranked(&[&watch(600), &band]);
    assert_eq!(workout(&merged.record).streams.heart_rate.n_measured(), 10);
}

/// By how much another clock is moved.
#[track_caller]
fn check_clock(ahead_ms: i64, other: &Record, expected: i64) {
    let base = record("A Watch", 0, 1_200, run(heart(moments(0, 1_200, 1_000), pulse)));
    let streams = &workout(other).streams;
    let base_track = super::super::track::Track::new(&workout(&base).streams, 0);
    let other_track = super::super::track::Track::new(streams, ahead_ms);
    assert_eq!(super::super::clock::shift_ms(&base_track, &other_track), expected);
}

#[test]
fn a_clock_that_is_off_by_less_than_two_minutes_is_found_by_the_heart_rate() {
    let other = record("Polar H10", 0, 1_200, run(heart(moments(0, 1_200, 5_000), |it| pulse(it) + 1.0)));
    check_clock(0, &other, 0);
    check_clock(37_000, &other, -37_000);
    check_clock(-90_000, &other, 90_000);
}

#[test]
fn a_clock_is_left_as_it_is_where_the_two_do_not_tell() {
    let constant = record("Polar H10", 0, 1_200, run(heart(moments(0, 1_200, 1_000), |_| 120.0)));
    let rising = record("Polar H10", 0, 1_200, run(heart(moments(0, 1_200, 1_000), |it| 90.0 + it / 20.0)));
    let short = record("Polar H10", 0, 60, run(heart(moments(0, 60, 1_000), pulse)));
    [&constant, &rising, &short].into_iter().for_each(|it| check_clock(20_000, it, 0));
}

#[test]
fn columns_of_a_source_with_another_clock_are_moved() {
    let mut base = gps(moments(0, 1_200, 1_000));
    base.heart_rate = column(&base.offsets_ms, |it| pulse(it) + 1.0);
    let watch = record("Garmin Fenix", 0, 1_200, run(base));
    let strap = record("Polar H10", 23_000, 1_200, run(heart(moments(0, 1_200, 1_000), pulse)));
    let merged = unranked(&[&watch, &strap]);
    let stretches = stretches_of(&merged, "streams.heart_rate");
    assert_eq!((stretches[0].part, stretches[0].rule), (1, "best_heart_rate"));
    assert!(stretches[0].note.contains("clock moved by -23 s"), "{}", stretches[0].note);
    assert_eq!(workout(&merged.record).streams.heart_rate.get(100), Some(pulse(100.0)));
}

#[test]
fn the_persons_word_on_a_stream_beats_its_quality() {
    let watch = record("Apple Watch", 0, 900, run(heart(moments(0, 900, 5_000), pulse)));
    let strap = strap(900, 1_000);
    let merged = ranked(&[&strap, &watch], &by_field("streams.heart_rate", Prefer::Provider("apple".into())));
    assert_eq!(sources_of(&merged, "streams.heart_rate"), [(1, "priority")]);
}

#[test]
fn all_columns_of_a_track_follow_the_persons_word_on_gps() {
    let phone = record("iPhone", 0, 900, run(gps(moments(0, 900, 5_000))));
    let merged = ranked(&[&watch(900), &phone], &by_field("gps", Prefer::Device("iphone".into())));
    for field in ["streams.latitude", "streams.altitude", "streams.speed", "streams.distance"] {
        assert_eq!(sources_of(&merged, field).first(), Some(&(1, "priority")), "{field}");
    }
}

#[test]
fn no_line_is_drawn_around_the_earth_at_the_date_line() {
    let times = moments(0, 600, 2_000);
    let east = |it: f64| if it < 300.0 { 179.999 } else { -179.999 };
    let streams = Streams {
        latitude: column(&times, |it| it * 1e-5),
        longitude: column(&times, east),
        offsets_ms: times,
        ..Streams::default()
    };
    let watch = record("A Watch", 500, 600, run(streams));
    let strap = strap(600, 1_000);
    let merged = ranked(&[&strap, &watch], &MergePolicy::default());
    let longitude = &workout(&merged.record).streams.longitude;
    assert!(longitude.0.iter().all(|it| it.is_nan() || it.abs() > 179.0));
}
