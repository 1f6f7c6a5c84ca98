//! Steps and the like: tables.

use super::{T0, count, minute, of, series, steps, told};
use crate::resolve::series::{
    DailyCheck, IssueKind,
    IssueKind::{BadColumns, BadInterval, BadValue, CombiningForbidden, DailyTotal, Deleted, NotOfThisKind, OtherType},
    Union, check_daily_total, rule,
};
use schemas::{
    data_type::DataType,
    record::{Body, Quantity, Record, Span},
    time::Instant,
};

type Expected<'a> = (&'a str, i64, i64, f64, &'static str);

#[track_caller]
fn check(records: &[(u32, Record)], expected: &[Expected<'_>]) {
    let union = of(records);
    let expected: Vec<_> = expected.iter().map(|(a, b, c, d, e)| ((*a).to_owned(), *b, *c, *d, *e)).collect();
    assert_eq!(told(&union, records), expected);
    assert_eq!(union.total, expected.iter().map(|it| it.3).sum::<f64>());
}

/// A band of that many steps from 8 to 12 h, a minute each, and zeros at every third minute.
fn band(total: u32) -> Vec<(u32, Record)> {
    let minutes: Vec<i64> = (480..720).collect();
    let walked = |it: &i64| it % 3 != 0;
    let n_walked = u32::try_from(minutes.iter().filter(|it| walked(it)).count()).unwrap();
    let (each, mut more) = (total / n_walked, total % n_walked);
    let value = |it: &i64| {
        if !walked(it) {
            return 0;
        }
        let extra = u32::from(more > 0);
        more -= extra;
        each + extra
    };
    let values: Vec<u32> = minutes.iter().map(value).collect();
    minutes.iter().zip(values).map(|(it, value)| (0, steps("band", *it, it + 1, f64::from(value)))).collect()
}

#[test]
fn a_band_of_2506_steps_and_a_phone_of_1919_over_one_day_are_2560() {
    let mut records = band(2506);
    // Before the band was put on: 54. While it was worn: the rest.
    records.push((1, steps("phone", 420, 430, 30.0)));
    records.push((1, steps("phone", 450, 455, 24.0)));
    for (at, value) in [(485, 465.0), (540, 400.0), (600, 500.0), (700, 500.0)] {
        records.push((1, steps("phone", at, at + 10, value)));
    }
    let of_source = |source: &str| -> f64 {
        let of_it = records.iter().filter(|it| it.1.origin.provider == source);
        of_it.map(|it| if let Body::Quantity(it) = &it.1.body { it.value } else { 0.0 }).sum()
    };
    assert_eq!((of_source("band"), of_source("phone")), (2506.0, 1919.0));
    assert_eq!(of(&records).total, 2560.0);
    // And neither by equal priority nor the other way round is it the sum.
    let equal: Vec<_> = records.iter().map(|it| (0, it.1.clone())).collect();
    assert_eq!(of(&equal).total, 2560.0);
    let reversed: Vec<_> = records.iter().map(|it| (1 - it.0, it.1.clone())).collect();
    let total = of(&reversed).total;
    assert!((2506.0..4425.0).contains(&total), "{total}");
}

#[test]
fn the_higher_priority_wins_where_it_recorded() {
    let records = [(0, steps("band", 0, 10, 50.0)), (1, steps("phone", 0, 10, 900.0))];
    check(&records, &[("band", 0, 10, 50.0, rule::FIRST)]);
}

#[test]
fn less_than_an_hour_without_records_hides_others_and_an_hour_does_not() {
    let band = |gap: i64| [(0, steps("band", 0, 10, 50.0)), (0, steps("band", 10 + gap, 20 + gap, 60.0))];
    let phone = (1, steps("phone", 30, 40, 70.0));
    let [a, b] = band(59);
    check(&[a, b, phone.clone()], &[("band", 0, 10, 50.0, rule::FIRST), ("band", 69, 79, 60.0, rule::FIRST)]);
    let [a, b] = band(60);
    let expected = [
        ("band", 0, 10, 50.0, rule::FIRST),
        ("phone", 30, 40, 70.0, rule::FILLS_GAP),
        ("band", 70, 80, 60.0, rule::FIRST),
    ];
    check(&[a, b, phone], &expected);
}

#[test]
fn zeros_are_as_silence_and_an_hour_of_them_hides_nothing() {
    let records = [
        (0, steps("band", 0, 60, 100.0)),
        (0, steps("band", 60, 120, 0.0)),
        (0, steps("band", 120, 180, 100.0)),
        (1, steps("phone", 70, 80, 700.0)),
    ];
    let expected = [
        ("band", 0, 60, 100.0, rule::FIRST),
        ("band", 60, 70, 0.0, rule::ZERO),
        ("phone", 70, 80, 700.0, rule::FILLS_ZEROS),
        ("band", 80, 120, 0.0, rule::ZERO),
        ("band", 120, 180, 100.0, rule::FIRST),
    ];
    check(&records, &expected);
    // Half an hour of them between two walks: the band was worn, and nobody walked.
    let records = [
        (0, steps("band", 0, 60, 100.0)),
        (0, steps("band", 60, 90, 0.0)),
        (0, steps("band", 90, 180, 100.0)),
        (1, steps("phone", 70, 80, 700.0)),
    ];
    let expected = [
        ("band", 0, 60, 100.0, rule::FIRST),
        ("band", 60, 90, 0.0, rule::FIRST),
        ("band", 90, 180, 100.0, rule::FIRST),
    ];
    check(&records, &expected);
}

#[test]
fn an_interval_that_is_cut_counts_by_time() {
    let records = [(0, steps("band", 0, 30, 100.0)), (1, steps("phone", 0, 60, 600.0))];
    check(&records, &[("band", 0, 30, 100.0, rule::FIRST), ("phone", 30, 60, 300.0, rule::SHARE)]);
}

#[test]
fn an_interval_that_is_cut_adds_no_more_than_it_counted_beyond_the_others() {
    let records = [(0, steps("band", 0, 5, 500.0)), (1, steps("phone", 0, 60, 600.0))];
    check(&records, &[("band", 0, 5, 500.0, rule::FIRST), ("phone", 5, 60, 100.0, rule::DIFFERENCE)]);
    let records = [(0, steps("band", 0, 5, 700.0)), (1, steps("phone", 0, 60, 600.0))];
    check(&records, &[("band", 0, 5, 700.0, rule::FIRST), ("phone", 5, 60, 0.0, rule::DIFFERENCE)]);
}

#[test]
fn steps_stay_whole_and_distances_do_not() {
    let cut = [(0, steps("band", 10, 20, 1.0)), (1, steps("phone", 0, 30, 10.0))];
    let expected =
        [("phone", 0, 10, 3.0, rule::SHARE), ("band", 10, 20, 1.0, rule::FIRST), ("phone", 20, 30, 3.0, rule::SHARE)];
    check(&cut, &expected);
    let metres = |it: &(u32, Record)| (it.0, Record { data_type: DataType::Distance, ..it.1.clone() });
    let union = of(&cut.each_ref().map(metres));
    assert!((union.total - (1.0 + 20.0 / 3.0)).abs() < 1e-9, "{}", union.total);
}

#[test]
fn of_equal_priorities_the_one_that_counted_most_on_the_day_leads_and_the_other_fills_in() {
    let records =
        [(0, steps("phone", 0, 60, 1000.0)), (0, steps("band", 0, 10, 100.0)), (0, steps("band", 180, 190, 50.0))];
    check(&records, &[("phone", 0, 60, 1000.0, rule::COUNTED_MOST), ("band", 180, 190, 50.0, rule::FILLS_GAP)]);
}

#[test]
fn what_a_source_says_twice_is_counted_once() {
    let record = steps("band", 0, 10, 50.0);
    check(&[(0, record.clone()), (3, record.clone())], &[("band", 0, 10, 50.0, rule::FIRST)]);
    // Its hour and the minutes of it: the finer one, unless it says less.
    let minutes = |value: f64| (0..60).map(move |it| (0, steps("band", it, it + 1, value)));
    let with_hour = |value: f64| -> Vec<_> { minutes(value).chain([(0, steps("band", 0, 60, 600.0))]).collect() };
    assert_eq!((of(&with_hour(10.0)).pieces.len(), of(&with_hour(10.0)).total), (60, 600.0));
    assert_eq!((of(&with_hour(9.0)).pieces.len(), of(&with_hour(9.0)).total), (1, 600.0));
    // A count that was revised.
    let revised = |value: f64, at: i64| {
        let mut record = steps("band", 0, 10, value);
        record.origin.modified_at = Some(minute(at));
        (0, record)
    };
    check(&[revised(80.0, 20), revised(70.0, 30)], &[("band", 0, 10, 70.0, rule::FIRST)]);
}

#[test]
fn an_offset_that_a_series_leaves_out_is_silence() {
    let band = series("band", DataType::Steps, &[(0, 10.0), (1, 20.0), (5, 30.0)], 60);
    let expected =
        [("band", 0, 1, 10.0, rule::FIRST), ("band", 1, 2, 20.0, rule::FIRST), ("band", 5, 6, 30.0, rule::FIRST)];
    check(&[(0, band)], &expected);
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn offset(record: Record, seconds: i32) -> (u32, Record) {
    (0, Record { time: Span { offset_seconds: Some(seconds), ..record.time.clone() }, ..record })
}

#[track_caller]
fn check_days(records: &[(u32, Record)], expected: &[(&str, &str, f64)]) {
    let told: Vec<_> = of(records).pieces.iter().map(|it| (it.from, it.to, it.value)).collect();
    let expected: Vec<_> = expected.iter().map(|(from, to, value)| (at(from), at(to), *value)).collect();
    assert_eq!(told, expected);
}

#[test]
fn an_interval_over_midnight_is_cut_there_on_the_wall_clock() {
    let record = count("band", at("2026-05-03T23:50:00+02:00"), at("2026-05-04T00:20:00+02:00"), 100.0);
    let expected = [
        ("2026-05-03T23:50:00+02:00", "2026-05-04T00:00:00+02:00", 33.0),
        ("2026-05-04T00:00:00+02:00", "2026-05-04T00:20:00+02:00", 67.0),
    ];
    check_days(&[offset(record, 7200)], &expected);
}

#[test]
fn days_have_23_or_25_hours_where_the_clocks_change() {
    // Europe, in March: from +01:00 to +02:00 at 01:00 UTC on the 29th. The day is 23 hours long.
    let days = count("watch", at("2026-03-28T23:00:00Z"), at("2026-03-30T22:00:00Z"), 4700.0);
    let later = count("watch", at("2026-03-29T08:00:00Z"), at("2026-03-29T08:00:01Z"), 0.0);
    let expected = [
        ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 2300.0),
        ("2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z", 2400.0),
    ];
    let phone = Record { origin: schemas::record::Origin::named("phone", "1"), ..later };
    check_days(&[offset(days, 3600), offset(phone, 7200)], &expected);
    // In October: the 25th has 25.
    let days = count("watch", at("2026-10-24T22:00:00Z"), at("2026-10-26T23:00:00Z"), 4900.0);
    let later = count("phone", at("2026-10-25T09:00:00Z"), at("2026-10-25T09:00:01Z"), 0.0);
    let expected = [
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 2500.0),
        ("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z", 2400.0),
    ];
    check_days(&[offset(days, 7200), offset(later, 3600)], &expected);
}

#[track_caller]
fn check_issue(record: Record, kind: IssueKind, total: f64) {
    let union = of(&[(0, steps("band", 0, 10, 50.0)), (1, record)]);
    assert_eq!(union.issues.iter().map(|it| (it.strand, it.kind)).collect::<Vec<_>>(), [(1, kind)]);
    assert_eq!(union.total, total);
}

#[test]
fn what_does_not_count_is_left_out_and_said() {
    let other = || steps("phone", 600, 610, 70.0);
    check_issue(Record { is_daily_total: true, ..other() }, DailyTotal, 50.0);
    check_issue(Record { deleted: true, ..other() }, Deleted, 50.0);
    check_issue(Record { data_type: DataType::Distance, ..other() }, OtherType, 50.0);
    check_issue(Record { data_type: DataType::HeartRate, ..other() }, NotOfThisKind, 50.0);
    check_issue(steps("phone", 610, 600, 70.0), BadInterval, 50.0);
    check_issue(count("phone", Instant(i64::MIN), Instant(i64::MAX), 70.0), BadInterval, 50.0);
    check_issue(count("phone", Instant(i64::MAX), Instant(i64::MAX), 70.0), BadInterval, 50.0);
    for value in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        check_issue(steps("phone", 600, 610, value), BadValue, 50.0);
    }
    let mut columns = series("phone", DataType::Steps, &[(600, 1.0), (601, 2.0)], 660);
    let Body::Series(it) = &mut columns.body else { panic!("a series") };
    it.values.push(3.0);
    check_issue(columns, BadColumns, 53.0);
    check_issue(series("phone", DataType::Steps, &[(600, 1.0), (599, 2.0)], 660), BadColumns, 53.0);
    let mut alone = other();
    alone.policy.no_combining = true;
    check_issue(alone.clone(), CombiningForbidden, 50.0);
    assert_eq!(of(&[(0, alone)]).total, 70.0, "by itself it may stand");
    assert_eq!(of(&[]), Union::default());
}

#[track_caller]
fn check_total(value: f64, parts: &[(u32, Record)], expected: DailyCheck) {
    let body = Body::Quantity(Quantity { value });
    let total = Record { is_daily_total: true, body, ..steps("band", 0, 1440, 0.0) };
    assert_eq!(check_daily_total(&total, &of(parts)), expected);
}

#[test]
fn a_daily_total_is_compared_and_never_added() {
    let all_day: Vec<_> = (0..24).map(|it| (0, steps("band", it * 60, it * 60 + 60, 100.0))).collect();
    check_total(2400.0, &all_day, DailyCheck::Agrees { by: 0.0 });
    check_total(2410.0, &all_day, DailyCheck::Agrees { by: -10.0 });
    check_total(3000.0, &all_day, DailyCheck::Differs { by: -600.0, share: 1.0 });
    check_total(2000.0, &all_day[..21], DailyCheck::Differs { by: 100.0, share: 0.875 });
    check_total(2400.0, &all_day[..12], DailyCheck::NotCovered { share: 0.5, by: -1200.0 });
    check_total(f64::NAN, &all_day, DailyCheck::NotComparable);
    let union = of(&all_day);
    assert_eq!(check_daily_total(&all_day[0].1, &union), DailyCheck::NotComparable, "not a total");
    let energy = Record { is_daily_total: true, data_type: DataType::TotalEnergy, ..steps("band", 0, 1440, 2400.0) };
    assert_eq!(check_daily_total(&energy, &union), DailyCheck::NotComparable, "of another type");
    assert_eq!(T0 % 86_400_000, 0);
}
