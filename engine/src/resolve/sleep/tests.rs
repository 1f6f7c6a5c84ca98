//! The rules of nights, each as a sentence.

use super::{Night, merge_stages, nights, rule};
use schemas::{
    data_type::DataType,
    record::{
        Body, Origin, Record, RecordState, Sleep,
        SleepStage::{self, Asleep, Awake, Deep, InBed, Light, Rem, Unknown},
        Span,
    },
    time::Instant,
};

/// Noon of 2026-05-02 on the wall clock of Berlin.
const NOON: i64 = 1_777_716_000_000;

/// A session in hours after noon.
fn session(source: &str, from: f64, to: f64) -> Record {
    #[expect(clippy::cast_possible_truncation, reason = "hours of a few days")]
    let at = |hours: f64| Instant(NOON + (hours * 3_600_000.0) as i64);
    Record {
        data_type: DataType::Sleep,
        origin: Origin::named(source, format!("{source} {from}")),
        time: Span { start: at(from), end: at(to), offset_seconds: Some(7200), zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: schemas::record::Policy::default(),
        body: Body::Sleep(Sleep::default()),
    }
}

/// With stages: minutes after its start, minutes long.
fn staged(mut record: Record, stages: &[(i64, i64, SleepStage)]) -> Record {
    record.body = Body::Sleep(Sleep {
        stage_offsets_ms: stages.iter().map(|it| it.0 * 60_000).collect(),
        stage_durations_ms: stages.iter().map(|it| it.1 * 60_000).collect(),
        stages: stages.iter().map(|it| it.2).collect(),
        is_nap: false,
    });
    record
}

fn nap(mut record: Record) -> Record {
    record.body = Body::Sleep(Sleep { is_nap: true, ..Sleep::default() });
    record
}

/// Nights as (rule, the records of each session), and the same for any order.
#[track_caller]
fn check(records: &[Record], expected: &[(&str, &[&[usize]])]) -> Vec<Night> {
    let told = |nights: &[Night], of: &dyn Fn(usize) -> usize| -> Vec<(&'static str, Vec<Vec<usize>>)> {
        let records = |night: &Night| {
            let sorted = |it: &super::Session| {
                let mut records: Vec<usize> = it.records.iter().map(|it| of(*it)).collect();
                records.sort_unstable();
                records
            };
            night.sessions.iter().map(sorted).collect()
        };
        nights.iter().map(|it| (it.rule, records(it))).collect()
    };
    let expected: Vec<_> =
        expected.iter().map(|(rule, it)| (*rule, it.iter().map(|it| it.to_vec()).collect::<Vec<_>>())).collect();
    let found = nights(records);
    assert_eq!(told(&found, &|it| it), expected);
    let reversed: Vec<Record> = records.iter().rev().cloned().collect();
    assert_eq!(told(&nights(&reversed), &|it| records.len() - 1 - it), expected, "in the other order");
    found
}

#[test]
fn one_sleep_of_two_sources_is_one_session_with_two_records() {
    let ring = staged(session("ring", 11.2, 18.5), &[(0, 60, Light), (60, 60, Deep)]);
    let phone = session("phone", 10.9, 18.9);
    let found = check(&[phone, ring], &[(rule::ONE_SESSION, &[&[0, 1]])]);
    assert_eq!(found[0].sessions[0].best, 1, "the one with stages");
    assert_eq!(found[0].wake_day, 20_576, "2026-05-03");
}

#[test]
fn two_sessions_with_ninety_minutes_or_less_between_them_are_one_broken_night() {
    let first = session("ring", 11.0, 14.0);
    check(&[first.clone(), session("ring", 15.5, 19.0)], &[(rule::BROKEN_NIGHT, &[&[0], &[1]])]);
    let apart: [(&str, &[&[usize]]); 2] = [(rule::ONE_SESSION, &[&[0]]), (rule::ONE_SESSION, &[&[1]])];
    check(&[first.clone(), session("ring", 15.6, 19.0)], &apart);
    // Who sleeps on in the morning takes no nap.
    check(&[session("ring", 14.0, 21.0), session("ring", 21.5, 22.5)], &[(rule::BROKEN_NIGHT, &[&[0], &[1]])]);
}

#[test]
fn a_night_that_one_source_has_in_two_parts_is_one_session_of_another() {
    let records = [session("ring", 11.0, 19.0), session("band", 11.1, 14.0), session("band", 14.5, 19.1)];
    check(&records, &[(rule::ONE_SESSION, &[&[0, 1, 2]])]);
    let later = [session("ring", 11.5, 18.5), session("band", 11.0, 14.0), session("band", 14.5, 19.1)];
    check(&later, &[(rule::ONE_SESSION, &[&[0, 1, 2]])]);
}

#[test]
fn a_source_that_repeats_itself_has_one_session() {
    check(&[session("ring", 11.0, 19.0), session("ring", 11.0, 18.0)], &[(rule::ONE_SESSION, &[&[0, 1]])]);
}

#[test]
fn a_nap_is_a_nap_by_its_source_or_by_its_hours_and_never_part_of_a_night() {
    let records = [session("ring", 11.0, 19.0), session("ring", 26.0, 26.5), nap(session("ring", 32.0, 33.0))];
    let expected: [(&str, &[&[usize]]); 3] =
        [(rule::ONE_SESSION, &[&[0]]), (rule::NAP_BY_DAY, &[&[1]]), (rule::NAP_SAID, &[&[2]])];
    let found = check(&records, &expected);
    assert_eq!(found.iter().map(|it| it.is_nap).collect::<Vec<_>>(), [false, true, true]);
    // Half an hour before the night.
    let evening = [nap(session("ring", 9.0, 10.5)), session("ring", 11.0, 19.0)];
    check(&evening, &[(rule::NAP_SAID, &[&[0]]), (rule::ONE_SESSION, &[&[1]])]);
    // Who works at night sleeps by day: seven hours are no nap.
    check(&[session("ring", 21.0, 28.0)], &[(rule::ONE_SESSION, &[&[0]])]);
    // One source's nap is another's night.
    check(&[session("ring", 11.0, 19.0), nap(session("band", 11.0, 18.0))], &[(rule::ONE_SESSION, &[&[0, 1]])]);
}

#[test]
fn what_is_no_sleep_is_left_out() {
    let whole = session("ring", 11.0, 19.0);
    let extreme = Record { time: Span::at(Instant(i64::MIN), None), ..whole.clone() };
    let endless = Span { end: Instant(i64::MAX), ..extreme.time.clone() };
    let records = [
        Record { deleted: true, ..whole.clone() },
        session("ring", 11.0, 11.0),
        session("ring", 11.0, 50.0),
        session("ring", 19.0, 11.0),
        Record { data_type: DataType::HrvSdnn, ..whole.clone() },
        Record { time: endless, ..extreme.clone() },
        extreme,
    ];
    check(&records, &[]);
    assert_eq!(merge_stages(&records.each_ref()), []);
}

#[track_caller]
fn check_stages(records: &[&Record], expected: &[(i64, i64, SleepStage, usize)]) {
    let start = records[0].time.start.0;
    let phases = merge_stages(records);
    let told: Vec<_> = phases
        .iter()
        .map(|it| ((it.from.0 - start) / 60_000, (it.to.0 - start) / 60_000, it.stage, it.record))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_record_that_tells_most_leads_and_others_fill_in() {
    let ring = staged(session("ring", 11.0, 13.0), &[(0, 40, Light), (40, 20, Rem), (80, 40, Deep)]);
    let band = staged(session("band", 11.0, 13.0), &[(30, 60, Awake)]);
    let expected = [(0, 40, Light, 0), (40, 60, Rem, 0), (60, 80, Awake, 1), (80, 120, Deep, 0)];
    check_stages(&[&ring, &band], &expected);
}

#[test]
fn a_stage_that_says_more_comes_before_one_that_says_less() {
    let phone = staged(session("phone", 11.0, 13.0), &[(0, 120, InBed)]);
    let watch = staged(session("watch", 11.0, 13.0), &[(10, 100, Asleep)]);
    let ring = staged(session("ring", 11.0, 13.0), &[(20, 30, Deep), (60, 10, Unknown)]);
    let expected =
        [(0, 10, InBed, 0), (10, 20, Asleep, 1), (20, 50, Deep, 2), (50, 110, Asleep, 1), (110, 120, InBed, 0)];
    check_stages(&[&phone, &watch, &ring], &expected);
}

#[test]
fn stages_beyond_their_session_and_columns_of_other_lengths_do_no_harm() {
    let mut odd = staged(session("ring", 11.0, 12.0), &[(-10, 20, Light), (50, 500, Deep), (55, -5, Rem)]);
    let Body::Sleep(it) = &mut odd.body else { panic!("sleep") };
    it.stages.push(Awake);
    it.stage_offsets_ms.push(i64::MAX);
    it.stage_durations_ms.push(i64::MAX);
    it.stages.push(Awake);
    check_stages(&[&odd], &[(0, 10, Light, 0), (50, 60, Deep, 0)]);
}
