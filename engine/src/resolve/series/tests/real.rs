//! Days that people really walked, as a band and a phone would each have them.

use super::{minute, of, series, steps};
use crate::resolve::series::{DailyCheck, check_daily_total};
use schemas::{
    data_type::DataType,
    record::{Body, Quantity, Record},
};

/// Two days of minutes, see `fixtures/README.md`.
const MINUTES: &str = include_str!("../fixtures/minute_steps.csv");
/// The hours of the synthetic day of 2026-05-03 in Berlin: 11,234 steps.
const HOURS: [u32; 24] =
    [0, 13, 6, 6, 11, 1, 23, 1128, 115, 660, 937, 595, 1016, 1063, 295, 950, 289, 816, 578, 1062, 96, 1155, 361, 58];

fn days() -> Vec<Vec<u32>> {
    let values: Vec<u32> = MINUTES.split([',', '\n']).filter_map(|it| it.trim().parse().ok()).collect();
    values.chunks(1440).map(<[u32]>::to_vec).collect()
}

fn sum(minutes: &[u32]) -> f64 {
    f64::from(minutes.iter().sum::<u32>())
}

/// The band: a series an hour, with zeros while it was off, or without them.
fn band(rank: u32, day: &[u32], off: std::ops::Range<usize>, zeros: bool) -> Vec<(u32, Record)> {
    let mut records = Vec::new();
    for hour in 0..24 {
        let points: Vec<(i64, f64)> = (hour * 60..hour * 60 + 60)
            .map(|it| (it, if off.contains(&it) { 0 } else { day[it] }))
            .filter(|it| zeros || it.1 > 0)
            .map(|(at, value)| (i64::try_from(at).unwrap(), f64::from(value)))
            .collect();
        if let Some((last, _)) = points.last() {
            records.push((rank, series("band", DataType::Steps, &points, last + 1)));
        }
    }
    records
}

/// The phone: what it was carried for, in intervals of that many minutes; every `miss`th minute was not noticed.
fn phone(rank: u32, day: &[u32], on: std::ops::Range<usize>, length: usize, miss: usize) -> Vec<(u32, Record)> {
    let mut records = Vec::new();
    for from in on.step_by(length) {
        let seen = (from..from + length).filter(|it| miss == 0 || it % miss != 0).map(|it| day[it]);
        let value = f64::from(seen.sum::<u32>());
        if value > 0.0 {
            let (from, to) = (i64::try_from(from).unwrap(), i64::try_from(from + length).unwrap());
            records.push((rank, steps("phone", from, to, value)));
        }
    }
    records
}

#[test]
fn the_fixture_is_two_days() {
    assert_eq!(days().iter().map(|it| (it.len(), sum(it))).collect::<Vec<_>>(), [(1440, 11_495.0), (1440, 10_352.0)]);
}

#[test]
fn a_band_that_was_off_for_hours_and_a_phone_that_was_carried_then_give_the_day_as_it_was() {
    for day in days() {
        for zeros in [true, false] {
            for length in [1, 10, 60] {
                for off in [600..780, 720..960, 0..600] {
                    let worn = band(0, &day, off.clone(), zeros);
                    let carried = phone(1, &day, 0..1440, length, 0);
                    let both: Vec<_> = worn.iter().chain(&carried).cloned().collect();
                    let (union, alone) = (of(&both).total, of(&worn).total);
                    assert_eq!(alone, sum(&day) - sum(&day[off.clone()]), "the band by itself");
                    assert_eq!(union, sum(&day), "off {off:?}, zeros {zeros}, {length} minutes");
                }
            }
        }
    }
}

#[test]
fn a_phone_that_misses_every_tenth_minute_fills_what_it_saw_and_no_more() {
    for day in days() {
        let off = 600..780;
        let carried = phone(1, &day, 420..1200, 10, 10);
        let both: Vec<_> = band(0, &day, off.clone(), true).into_iter().chain(carried).collect();
        let seen: u32 = off.clone().filter(|it| it % 10 != 0).map(|it| day[it]).sum();
        let expected = sum(&day) - sum(&day[off]) + f64::from(seen);
        let total = of(&both).total;
        assert!((expected - total).abs() <= expected * 0.005, "{total} instead of {expected}");
        assert!(total <= sum(&day), "never more than was walked");
    }
}

#[test]
fn without_priorities_the_day_is_not_far_from_what_it_was_and_far_from_the_sum() {
    for day in days() {
        let both: Vec<_> = band(0, &day, 600..780, true).into_iter().chain(phone(0, &day, 420..1200, 10, 0)).collect();
        let total = of(&both).total;
        assert!((total - sum(&day)).abs() <= sum(&day) * 0.01, "{total} instead of {}", sum(&day));
    }
}

#[test]
fn a_day_by_hours_of_two_sources_is_the_truth_and_agrees_with_the_daily_total() {
    let hour = |source: &str, at: usize| {
        let from = i64::try_from(at * 60).unwrap();
        steps(source, from, from + 60, f64::from(HOURS[at]))
    };
    let watch = (0..24).filter(|it| !(12..16).contains(it)).map(|it| (0, hour("watch", it)));
    let phone = (9..19).map(|it| (1, hour("phone", it)));
    let union = of(&watch.chain(phone).collect::<Vec<_>>());
    assert_eq!(union.total, 11_234.0);
    let body = Body::Quantity(Quantity { value: 11_234.0 });
    let total = Record { is_daily_total: true, body, ..steps("watch", 0, 1440, 0.0) };
    assert_eq!(check_daily_total(&total, &union), DailyCheck::Agrees { by: 0.0 });
    assert_eq!(union.pieces.first().map(|it| it.from), Some(minute(0)));
}
