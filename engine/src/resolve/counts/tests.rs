//! What each record of counts is to hold beside others.

use super::*;
use crate::resolve::{merge::alone_of, pair_id};
use proptest::prelude::*;
use schemas::{
    event::Verdict,
    id::{EventId, SyncId},
    record::{Origin, Policy, Quantity, RecordState},
    time::Instant,
};
use uuid::Uuid;

/// Midnight of 2026-05-03 in UTC.
const T0: i64 = 1_777_766_400_000;

fn connection(name: &str) -> ConnectionId {
    ConnectionId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

/// Steps of a source between two minutes of the day.
fn counted(source: &str, from: i64, to: i64, value: f64) -> Counted {
    let key = format!("{source}/{from}/{to}");
    let origin = Origin { connection: Some(connection(source)), ..Origin::named(source, &key) };
    let minute = |n: i64| Instant(T0 + n * 60_000);
    let record = Record {
        data_type: DataType::Steps,
        origin,
        time: Span { start: minute(from), end: minute(to), offset_seconds: Some(0), zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body: Body::Quantity(Quantity { value }),
    };
    Counted { place: Some((connection(source), key)), record, rank: 0, is_new: true }
}

fn source(of: &Counted) -> Source {
    let (connection, key) = of.place.clone().unwrap();
    Source {
        connection,
        provider: of.record.origin.provider.clone(),
        record: of.record.origin.record.clone(),
        key,
        hash: String::new(),
        source_at: Instant(0),
        sync: SyncId(Uuid::nil()),
        event: EventId(Uuid::nil()),
    }
}

/// What each is to hold: value, and minutes of the day.
fn held_of(all: &[Counted], answers: &Answers) -> Vec<(f64, i64, i64)> {
    let counts = Counts::new(all, answers);
    let one = |it: &Counted| {
        let merged = alone_of(&it.record);
        let merged = match &counts {
            Some(counts) if it.place.is_some() => counts.held(merged, &[source(it)]),
            _ => merged,
        };
        let Body::Quantity(of) = &merged.record.body else { panic!("no count") };
        let minute = |it: Instant| (it.0 - T0) / 60_000;
        (of.value, minute(merged.record.time.start), minute(merged.record.time.end))
    };
    all.iter().map(one).collect()
}

#[track_caller]
fn check(all: &[Counted], expected: &[(f64, i64, i64)]) {
    assert_eq!(held_of(all, &Answers::default()), expected);
    // Whoever came first.
    let reversed: Vec<Counted> = all.iter().rev().cloned().collect();
    let expected: Vec<_> = expected.iter().rev().copied().collect();
    assert_eq!(held_of(&reversed, &Answers::default()), expected);
}

#[test]
fn a_source_alone_stays_as_it_says_even_where_it_says_a_stretch_twice() {
    check(&[counted("band", 0, 60, 600.0), counted("band", 0, 5, 50.0)], &[(600.0, 0, 60), (50.0, 0, 5)]);
}

#[test]
fn an_hour_beside_the_minutes_of_a_source_that_counted_more_holds_what_is_left_of_it() {
    let all = [
        counted("band", 0, 20, 500.0),
        counted("band", 20, 30, 400.0),
        counted("phone", 0, 60, 600.0),
        // Far from all others.
        counted("phone", 300, 330, 70.0),
    ];
    // The hour adds nothing beyond the band's 900; no second of it is counted twice.
    check(&all, &[(500.0, 0, 20), (400.0, 20, 30), (0.0, 30, 60), (70.0, 300, 330)]);
    let mut less = all.clone();
    less[2] = counted("phone", 0, 60, 1_000.0);
    // By what the day comes to the phone is first now: nothing is left of the band.
    check(&less, &[(0.0, 0, 20), (0.0, 20, 30), (1_000.0, 0, 60), (70.0, 300, 330)]);
}

#[test]
fn the_persons_priority_goes_before_who_counted_most() {
    let mut all = [counted("band", 0, 30, 300.0), counted("phone", 0, 60, 1_000.0)];
    all[1].rank = 1;
    check(&all, &[(300.0, 0, 30), (500.0, 30, 60)]);
}

#[test]
fn what_is_not_ours_counts_first_and_is_never_changed() {
    let mut all = [counted("there", 0, 30, 100.0), counted("band", 0, 60, 1_000.0)];
    all[0].place = None;
    check(&all, &[(100.0, 0, 30), (500.0, 30, 60)]);
}

#[test]
fn what_the_person_calls_different_counts_beside_the_other() {
    let all = [counted("band", 0, 60, 600.0), counted("phone", 0, 60, 500.0), counted("phone", 60, 90, 10.0)];
    let place = |it: &Counted| it.place.clone().unwrap();
    let (band, phone) = (place(&all[0]), place(&all[1]));
    let pair = pair_id((band.0, &band.1), (phone.0, &phone.1));
    let different = Answers::new([(pair, Verdict::Different)]);
    assert_eq!(held_of(&all, &different), [(600.0, 0, 60), (500.0, 0, 60), (10.0, 60, 90)]);
}

#[test]
fn terms_that_forbid_to_combine_leave_a_record_whole() {
    let mut all = [counted("band", 0, 60, 600.0), counted("phone", 0, 30, 500.0)];
    all[1].record.policy.no_combining = true;
    check(&all, &[(600.0, 0, 60), (500.0, 0, 30)]);
}

#[test]
fn totals_of_days_moments_and_readings_are_not_cut() {
    let total = Counted {
        record: Record { is_daily_total: true, ..counted("phone", 0, 1_440, 9_000.0).record },
        ..counted("phone", 0, 1_440, 9_000.0)
    };
    let weight = Counted {
        record: Record { data_type: DataType::Weight, ..counted("phone", 0, 30, 80.0).record },
        ..counted("phone", 0, 30, 80.0)
    };
    check(
        &[counted("band", 0, 60, 600.0), total, weight, counted("phone", 5, 5, 3.0)],
        &[(600.0, 0, 60), (9_000.0, 0, 1_440), (80.0, 0, 30), (3.0, 5, 5)],
    );
}

#[test]
fn only_the_days_that_something_was_decided_on_are_gone_through() {
    let day = 1_440;
    let mut all = [
        counted("band", 0, 60, 600.0),
        counted("phone", day, day + 60, 5.0),
        counted("phone", 2 * day, 2 * day + 60, 5.0),
    ];
    all[0].is_new = false;
    all[2].is_new = false;
    let counts = Counts::new(&all, &Answers::default()).unwrap();
    let touched: Vec<bool> = all.iter().map(|it| counts.touches(DataType::Steps, &[source(it)])).collect();
    assert_eq!(touched, [false, true, false]);
}

/// Records of three sources, in no order, of one day and the next.
fn some() -> impl Strategy<Value = Vec<Counted>> {
    let length = prop_oneof![Just(1_i64), Just(5), Just(15), Just(60), Just(95), Just(700)];
    let one = (0..3_usize, 0..1_600_i64, length, 0..300_u32);
    (prop::collection::vec(one, 0..30), 0..3_u32).prop_map(|(all, ranked)| {
        let record = |(of, from, length, value): (usize, i64, i64, u32)| {
            let it = counted(["band", "phone", "watch"][of], from, from + length, f64::from(value));
            Counted { rank: if ranked == 0 { 0 } else { u32::try_from(of).unwrap() % (ranked + 1) }, ..it }
        };
        let mut all: Vec<Counted> = all.into_iter().map(record).collect();
        // A source has one record of one id.
        all.sort_by(|a, b| a.place.cmp(&b.place));
        all.dedup_by(|a, b| a.place == b.place);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn together_they_hold_the_union_whatever_their_order(all in some(), by in 0..40_usize) {
        let strands: Vec<Strand<'_>> = all.iter().map(|it| Strand { record: &it.record, rank: it.rank }).collect();
        let union = union(&strands);
        let held = held_of(&all, &Answers::default());
        if Counts::new(&all, &Answers::default()).is_some() {
            prop_assert_eq!(held.iter().map(|it| it.0).sum::<f64>(), union.total);
        }
        let mut turned = all.clone();
        let by = by.min(turned.len());
        turned.rotate_left(by);
        let mut again = held_of(&turned, &Answers::default());
        again.rotate_right(by);
        prop_assert_eq!(&again, &held);
        for (it, (value, from, to)) in all.iter().zip(&held) {
            let Body::Quantity(of) = &it.record.body else { panic!("no count") };
            prop_assert!((0.0..=of.value).contains(value), "{value} of {}", of.value);
            let minute = |it: Instant| (it.0 - T0) / 60_000;
            prop_assert!(minute(it.record.time.start) <= *from && from <= to && *to <= minute(it.record.time.end));
        }
    }

    #[test]
    fn what_each_holds_is_told_piece_by_piece(all in some()) {
        let Some(counts) = Counts::new(&all, &Answers::default()) else { return Ok(()) };
        for it in &all {
            let sources = [source(it)];
            let merged = counts.held(alone_of(&it.record), &sources);
            let Body::Quantity(_) = &merged.record.body else { panic!("no count") };
            prop_assert!(counts.is_settled(&merged.record, &sources), "what it is to hold is what it is to hold");
            let length = merged.record.time.end.0 - merged.record.time.start.0;
            let mut last = 0;
            for piece in merged.lineage.iter().filter(|it| it.field == "value") {
                prop_assert!(last <= piece.from_ms && piece.from_ms < piece.to_ms && piece.to_ms <= length);
                last = piece.to_ms;
            }
            prop_assert!(last > 0, "where its value is from");
        }
    }
}
