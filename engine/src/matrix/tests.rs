use super::{
    Absence, Cell, Held, Question, THINGS_MAX,
    gather::{Asked, Gathered, Led, Made, Mark, Place, Said},
    told,
};
use crate::{
    item::{ItemKey, ItemRow, ItemState, Partition},
    people::{Config, Connection, ConnectionState},
    resolve::policy::Policies,
};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    event::{Action, Deletes, Reason, Rule},
    id::{ConfigId, ConnectionId, ItemId, Subject},
    record::Span,
    time::Instant,
};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

const NOON: Instant = Instant(1_780_000_000_000);
const A: ConnectionId = ConnectionId(Uuid::from_u128(1));
const B: ConnectionId = ConnectionId(Uuid::from_u128(2));
const C: ConnectionId = ConnectionId(Uuid::from_u128(3));

fn item(number: u128) -> ItemId {
    ItemId(Uuid::from_u128(number))
}

fn mark(connection: ConnectionId, record: &str) -> Mark {
    (connection, record.into())
}

fn place(id: ConnectionId) -> Place {
    let connection = Connection {
        id,
        provider: format!("provider-{}", id.0.as_u128()),
        account: "me".into(),
        state: ConnectionState::Active,
        scope: String::new(),
        base_url: None,
        connected_at: NOON,
    };
    Place { connection, takes: true }
}

fn config(source: ConnectionId, destination: ConnectionId, enabled: bool) -> Config {
    Config {
        id: ConfigId(Uuid::from_u128(9)),
        source,
        destination,
        data_types: vec![DataType::Workout],
        rule: Rule::PrioritiseSource,
        deletes: Deletes::Mirror,
        policies: Policies::default(),
        enabled,
    }
}

/// A row of what was written as version 1, and is there.
fn row(destination: ConnectionId, number: u128, sources: &[Mark]) -> Made {
    let partition = Partition { subject: Subject("a".into()), destination, month: "2026-05".into() };
    let mut row = ItemRow::new(ItemKey { partition, item: item(number) }, DataType::Workout, &Span::at(NOON, None));
    (row.planned_version, row.version, row.state, row.owned) = (1, 1, ItemState::Applied, true);
    row.external_id = bytes::Bytes::from_static(b"sealed");
    Made { row, sources: sources.to_vec() }
}

fn foreign(destination: ConnectionId, number: u128) -> Made {
    let mut made = row(destination, number, &[]);
    (made.row.planned_version, made.row.version, made.row.owned) = (0, 0, false);
    made.row.seen_hash = "seen".into();
    made
}

fn said(of: Mark, destination: ConnectionId, number: u128, what: Result<Action, Reason>) -> Said {
    Said {
        of,
        destination,
        item: item(number),
        month: "2026-05".into(),
        version: 0,
        action: what.unwrap_or(Action::Skip),
        reason: what.err(),
        starts_at: NOON,
        same: Vec::new(),
    }
}

fn question() -> Question {
    let (from, to) = (NOON.minus(Duration::from_secs(86_400)), NOON.plus(Duration::from_secs(86_400)));
    Question::new(DataType::Workout, (Some(from), Some(to)), NOON).unwrap()
}

fn name(cell: &Cell) -> String {
    match cell {
        Cell::Present(it) if it.held == Held::Source => "source".into(),
        Cell::Present(it) if it.held == Held::Ours => {
            let waits = it.waits.map(|it| format!(" {}", it.code())).unwrap_or_default();
            format!("ours {}{waits}", it.version)
        }
        Cell::Present(_) => "foreign".into(),
        Cell::OnItsWay { version, .. } => format!("way {version}"),
        Cell::Absent { why, .. } => why.code(),
    }
}

/// What is told at A, B and C, a text a thing.
fn all(mut gathered: Gathered) -> Vec<String> {
    gathered.places = [A, B, C].map(place).into();
    named(&gathered)
}

fn named(gathered: &Gathered) -> Vec<String> {
    let told = told(gathered, &question());
    told.things.iter().map(|it| it.cells.iter().map(name).collect::<Vec<_>>().join(", ")).collect()
}

#[track_caller]
fn check(gathered: Gathered, expected: &[&str]) {
    assert_eq!(all(gathered), expected);
}

#[test]
fn what_was_copied_is_there_and_at_its_source() {
    let rows = vec![row(B, 1, &[mark(A, "r")])];
    check(Gathered { rows, ..Gathered::default() }, &["source, ours 1, no_config"]);
}

#[test]
fn a_config_that_has_not_run_and_one_that_is_disabled_are_told_apart() {
    for (enabled, expected) in [(true, "source, ours 1, not_synced"), (false, "source, ours 1, config_disabled")] {
        let rows = vec![row(B, 1, &[mark(A, "r")])];
        check(Gathered { rows, configs: vec![config(A, C, enabled)], ..Gathered::default() }, &[expected]);
    }
    // From our own copy nothing is carried on.
    let rows = vec![row(B, 1, &[mark(A, "r")])];
    check(Gathered { rows, configs: vec![config(B, C, true)], ..Gathered::default() }, &["source, ours 1, no_config"]);
}

#[test]
fn records_of_two_sources_are_one_thing_if_one_row_is_made_of_both() {
    let rows = vec![row(C, 1, &[mark(A, "a"), mark(B, "b")])];
    check(Gathered { rows, ..Gathered::default() }, &["source, source, ours 1"]);
}

#[test]
fn two_rows_are_one_thing_if_they_are_made_of_one_record() {
    let rows = vec![row(B, 1, &[mark(A, "a")]), row(C, 2, &[mark(A, "a")])];
    check(Gathered { rows, ..Gathered::default() }, &["source, ours 1, ours 1"]);
    let rows = vec![row(B, 1, &[mark(A, "a")]), row(C, 2, &[mark(A, "b")])];
    let apart = all(Gathered { rows, ..Gathered::default() });
    assert_eq!(apart, ["source, ours 1, no_config", "source, no_config, ours 1"]);
}

#[test]
fn a_record_and_the_foreign_one_that_it_was_matched_to_are_one_thing() {
    let matched = said(mark(A, "a"), B, 5, Err(Reason::Foreign));
    let gathered = Gathered { rows: vec![foreign(B, 5)], said: vec![matched], ..Gathered::default() };
    check(gathered, &["source, foreign, no_config"]);
    let mut doubtful = said(mark(A, "a"), B, 6, Err(Reason::InReview));
    let gathered = Gathered { rows: vec![foreign(B, 5)], said: vec![doubtful.clone()], ..Gathered::default() };
    check(gathered, &["no_config, foreign, no_config", "source, in_review, no_config"]);
    doubtful.same = vec![item(5)];
    let gathered = Gathered { rows: vec![foreign(B, 5)], said: vec![doubtful], ..Gathered::default() };
    check(gathered, &["source, foreign, no_config"]);
}

#[test]
fn what_stays_until_the_person_answers_is_there_and_waits_and_is_gone_at_its_source() {
    let asked = |is_open| Asked { of: mark(A, "a"), destination: B, item: item(5), is_open };
    for (is_open, there) in [(true, "ours 1 in_review"), (false, "ours 1")] {
        // That it is asked is the latest decision, or one of so long ago that it is no longer looked at.
        for said in [vec![said(mark(A, "a"), B, 5, Err(Reason::InReview))], Vec::new()] {
            let rows = vec![row(B, 5, &[mark(A, "a")]), row(C, 6, &[mark(A, "a")])];
            let gathered = Gathered { rows, said, asked: vec![asked(is_open)], ..Gathered::default() };
            check(gathered, &[format!("gone, {there}, ours 1").as_str()]);
        }
    }
}

#[test]
fn a_record_that_led_to_an_item_long_ago_still_does() {
    let led = Led { of: mark(A, "a"), destination: B, item: item(5), starts_at: NOON };
    let gathered = Gathered { rows: vec![foreign(B, 5)], led: vec![led], ..Gathered::default() };
    check(gathered, &["source, foreign, no_config"]);
}

#[test]
fn our_copy_is_no_source_when_it_is_read_back() {
    let there = Led { of: mark(B, "b"), destination: B, item: item(1), starts_at: NOON };
    let echo = said(mark(B, "b"), C, 7, Err(Reason::Echo));
    let gathered =
        Gathered { rows: vec![row(B, 1, &[mark(A, "a")])], led: vec![there], said: vec![echo], ..Gathered::default() };
    check(gathered, &["source, ours 1, echo"]);
}

#[test]
fn the_latest_decision_says_why_a_record_was_left_out() {
    let said = vec![said(mark(A, "a"), B, 7, Err(Reason::Filtered)), said(mark(A, "a"), C, 8, Ok(Action::Create))];
    check(Gathered { said, ..Gathered::default() }, &["source, filtered, way 0"]);
}

#[test]
fn what_was_refused_ended_or_is_unknown_says_so() {
    let cases = [
        (ItemState::Refused, "forbidden", "forbidden"),
        (ItemState::Ended, "withdrawn", "withdrawn"),
        (ItemState::Unknown, "", "answer_lost"),
        (ItemState::Planned, "", "way 1"),
        (ItemState::Handed, "", "way 1"),
        (ItemState::Ended, "of a later version", "other"),
    ];
    for (state, reason, expected) in cases {
        let mut made = row(B, 1, &[mark(A, "a")]);
        (made.row.state, made.row.reason, made.row.version) = (state, reason.into(), 0);
        made.row.external_id = bytes::Bytes::new();
        let expected = format!("source, {expected}, no_config");
        check(Gathered { rows: vec![made], ..Gathered::default() }, &[&expected]);
    }
}

#[test]
fn what_was_deleted_everywhere_is_not_told_and_what_was_kept_somewhere_is() {
    let deleted = |destination, number| {
        let mut made = row(destination, number, &[mark(A, "a")]);
        (made.row.planned_delete, made.row.planned_version, made.row.version) = (true, 2, 2);
        made.row.external_id = bytes::Bytes::new();
        made
    };
    let led = |destination, number| Led { of: mark(A, "a"), destination, item: item(number), starts_at: NOON };
    let gathered = Gathered { rows: vec![deleted(B, 1)], led: vec![led(B, 1)], ..Gathered::default() };
    check(gathered, &[]);
    let kept = said(mark(A, "a"), C, 2, Err(Reason::DeletionKept));
    let rows = vec![deleted(B, 1), row(C, 2, &[mark(A, "a")])];
    let gathered = Gathered { rows, led: vec![led(B, 1), led(C, 2)], said: vec![kept], ..Gathered::default() };
    check(gathered, &["gone, gone, ours 1"]);
}

#[test]
fn a_place_that_cannot_be_written_says_why() {
    let mut gathered = Gathered { rows: vec![row(B, 1, &[mark(A, "a")])], ..Gathered::default() };
    gathered.places = [A, B, C].map(place).into();
    gathered.configs = vec![config(A, C, true)];
    for (state, expected) in
        [(ConnectionState::NeedsReauth, "access_revoked"), (ConnectionState::Disconnected, "disconnected")]
    {
        gathered.places[2].connection.state = state;
        assert_eq!(named(&gathered), [format!("source, ours 1, {expected}")]);
    }
    gathered.places[2].takes = false;
    assert_eq!(named(&gathered), ["source, ours 1, not_writable"]);
}

#[test]
fn of_too_many_things_the_latest_are_told() {
    let mut gathered = Gathered { places: vec![place(A)], ..Gathered::default() };
    for number in 0..=THINGS_MAX {
        let mut made = foreign(A, number as u128);
        made.row.starts_at = NOON.plus(Duration::from_secs(number as u64));
        gathered.rows.push(made);
    }
    let told = told(&gathered, &question());
    assert_eq!((told.things.len(), told.truncated), (THINGS_MAX, true));
    assert_eq!(told.things[0].starts_at, NOON.plus(Duration::from_secs(THINGS_MAX as u64)));
}

#[test]
fn a_question_is_bounded_and_its_ends_are_in_order() {
    let days = |n: u64| NOON.minus(Duration::from_secs(n * 86_400));
    let ask = |from, to| Question::new(DataType::Workout, (from, to), NOON).map_err(|it| it.to_string());
    assert!(ask(None, None).is_ok());
    assert!(ask(Some(days(31)), None).is_ok());
    assert!(ask(Some(days(32)), None).unwrap_err().contains("31 days"));
    assert!(ask(Some(NOON), Some(NOON)).unwrap_err().contains("before"));
    assert!(ask(None, Some(Instant(i64::MIN))).is_err());
    assert!(ask(Some(Instant(i64::MIN)), Some(Instant(i64::MAX))).is_err());
}

#[test]
fn every_reason_has_a_code_of_its_own_and_a_next_step() {
    let all: Vec<_> = Reason::ALL.map(Absence::Said).into_iter().chain(Absence::OWN).collect();
    let codes: BTreeSet<_> = all.iter().map(|it| it.code()).collect();
    assert_eq!(codes.len(), all.len());
    assert!(all.iter().all(|it| !it.next_step().is_empty()));
}

fn a_connection() -> impl Strategy<Value = ConnectionId> {
    prop::sample::select(vec![A, B, C])
}

fn a_mark() -> impl Strategy<Value = Mark> {
    (a_connection(), 0..4_u8).prop_map(|(connection, number)| mark(connection, &number.to_string()))
}

prop_compose! {
    fn a_row()(destination in a_connection(), number in 0..6_u128, sources in prop::collection::vec(a_mark(), 0..3),
        state in prop::sample::select(ItemState::ALL.to_vec()), planned in 0..3_i64, version in 0..3_i64,
        (delete, owned, has_id, seen) in any::<(bool, bool, bool, bool)>()) -> Made {
        let mut made = row(destination, number + destination.0.as_u128() * 100, &sources);
        let row = &mut made.row;
        (row.state, row.planned_version, row.version) = (state, planned, version);
        (row.planned_delete, row.owned) = (delete, owned);
        if !has_id { row.external_id = bytes::Bytes::new(); }
        if seen { row.seen_hash = "seen".into(); }
        made
    }
}

prop_compose! {
    fn a_decision()(of in a_mark(), destination in a_connection(), number in 0..6_u128,
        reason in prop::option::of(prop::sample::select(Reason::ALL.to_vec())),
        action in prop::sample::select(vec![Action::Create, Action::Update, Action::Delete])) -> Said {
        said(of, destination, number + destination.0.as_u128() * 100, reason.map_or(Ok(action), Err))
    }
}

proptest! {
    #[test]
    fn every_thing_is_somewhere_once_and_every_order_tells_the_same(
        rows in prop::collection::vec(a_row(), 0..8), said in prop::collection::vec(a_decision(), 0..8),
    ) {
        let mut gathered = Gathered { rows, said, ..Gathered::default() };
        // One row an item, and one decision a record and destination, as they are read.
        let (mut items, mut pairs) = (BTreeSet::new(), BTreeSet::new());
        gathered.rows.retain(|it| items.insert(it.row.key.item));
        gathered.said.retain(|it| pairs.insert((it.of.clone(), it.destination)));
        gathered.places = [A, B, C].map(place).into();
        let first = told(&gathered, &question());
        let mut met = BTreeSet::new();
        for cell in first.things.iter().flat_map(|it| &it.cells) {
            match cell {
                Cell::Present(it) => {
                    for record in it.record.iter().chain(&it.more) {
                        prop_assert!(met.insert(*record), "told twice");
                    }
                }
                Cell::OnItsWay { .. } => {}
                Cell::Absent { why, .. } => prop_assert!(!why.next_step().is_empty()),
            }
        }
        gathered.rows.reverse();
        prop_assert_eq!(first, told(&gathered, &question()));
    }
}
