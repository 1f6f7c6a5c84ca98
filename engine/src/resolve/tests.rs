//! The rules of a decision, each as a sentence.

mod asked;
mod graphs;
mod lost;

use super::{Answers, Incoming, Join, Known, Policy, Window, pair_id, summary};
use crate::{
    item::{ItemKey, ItemRow, ItemState, Origin, Partition, month_of},
    provider::{Delivery, TypeProfile},
};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    event::{Action, Deletes, Fate, Reason, Rule, Source, Verdict},
    id::{ConnectionId, EventId, ItemId, OpId, Subject, SyncId},
    record::{self, Body, Record, Span},
    time::Instant,
    workout::Workout,
};
use std::time::Duration;
use uuid::Uuid;

const T0: Instant = Instant(1_780_000_000_000);
const SOURCE: ConnectionId = ConnectionId(Uuid::from_u128(1));
const DESTINATION: ConnectionId = ConnectionId(Uuid::from_u128(2));
const BY: (EventId, SyncId) = (EventId(Uuid::from_u128(3)), SyncId(Uuid::from_u128(4)));
const C: Option<Delivery> = Some(Delivery::Listable { keyed: false });
const ALL: [TypeProfile; 1] =
    [TypeProfile { data_type: DataType::Workout, read: true, create: C, update: C, delete: C, look: true }];

fn minutes(n: i64) -> Instant {
    Instant(T0.0 + n * 60_000)
}

fn policy(types: &[TypeProfile]) -> Policy<'_> {
    let (rule, deletes) = (Rule::PrioritiseSource, Deletes::Mirror);
    Policy {
        rule,
        deletes,
        types,
        source: "watch",
        is_again: false,
        by: BY,
        destination: DESTINATION,
        combines: true,
        asks: true,
    }
}

fn run(start: Instant, distance_m: f64) -> Record {
    Record {
        data_type: DataType::Workout,
        origin: record::Origin::named("watch", "a"),
        time: Span { start, end: start.plus(Duration::from_secs(3600)), offset_seconds: None, zone: None },
        is_daily_total: false,
        state: record::RecordState::Final,
        deleted: false,
        policy: record::Policy::default(),
        body: Body::Workout(Box::new(Workout { distance_m: Some(distance_m), ..Workout::default() })),
    }
}

fn item_of(id: &str) -> ItemId {
    ItemId::derived(DESTINATION, "workout", SOURCE, id)
}

/// The source's record `id`, new to us, read an hour after T0.
fn incoming(id: &str, record: Record) -> Incoming {
    let item = item_of(id);
    Incoming {
        key: id.into(),
        hash: format!("{:?}", record.content()),
        projected: Ok(record.clone()),
        source_at: minutes(60),
        origin: None,
        echo: false,
        item,
        month: month_of(record.time.start),
        connection: SOURCE,
        join: Join::Alone,
        read_in: None,
        record,
    }
}

/// The same, but it led to this row before.
fn again(id: &str, record: Record, to: &ItemRow) -> Incoming {
    let origin = Origin {
        connection: SOURCE,
        record: id.into(),
        destination: DESTINATION,
        item: to.key.item,
        month: to.key.partition.month.clone(),
        data_type: DataType::Workout,
        starts_at: record.time.start,
        source_at: minutes(30),
        seen_by: BY.1,
    };
    Incoming { origin: Some(origin), ..incoming(id, record) }
}

fn gone(id: &str, to: &ItemRow) -> Incoming {
    let mut gone = again(id, run(Instant(0), 1.0), to);
    gone.record.deleted = true;
    gone.record.time = Span::at(Instant(0), None);
    gone
}

/// Our row of the source's record `id`, with this planned and this written version.
fn ours(id: &str, record: &Record, planned_version: i64, version: i64) -> ItemRow {
    let held = version > 0;
    ItemRow {
        planned_version,
        planned_hash: format!("{:?}", record.content()),
        state: if version == planned_version { ItemState::Applied } else { ItemState::Planned },
        version,
        external_id: if held { "there".into() } else { bytes::Bytes::new() },
        owned: held,
        ..foreign(item_of(id), record)
    }
}

/// The row of a record that somebody else wrote there.
fn foreign(item: ItemId, record: &Record) -> ItemRow {
    let subject = Subject("someone".into());
    let partition = Partition { subject, destination: DESTINATION, month: month_of(record.time.start) };
    let row = ItemRow::new(ItemKey { partition, item }, DataType::Workout, &record.time);
    ItemRow { state: ItemState::Applied, seen_hash: "seen".into(), ..row }
}

fn window(rows: &[(&ItemRow, &Record)]) -> Window {
    Window::new(
        rows.iter().map(|(row, it)| Known { row: (*row).clone(), summary: summary(it), sources: Vec::new() }).collect(),
    )
}

/// What comes of a decision: the action with the version it brings, or the fate and reason of a skip.
#[derive(Debug, PartialEq)]
enum Is {
    Op(Action, i64),
    Skip(Fate, Reason),
}

/// Decides about one record, checks what any decision must be, and compares.
#[track_caller]
fn check(window: &mut Window, policy: &Policy<'_>, incoming: &Incoming, expected: &Is) -> ItemId {
    let decided = window.decide(policy, incoming);
    let decision = &decided.decision;
    let is = match (decision.action, decided.fate, decision.reason) {
        (Action::Skip, Some(fate), Some(reason)) => Is::Skip(fate, reason),
        (action, None, None) => Is::Op(action, decision.version),
        other => panic!("a decision is an operation or a skip with fate and reason, not {other:?}"),
    };
    assert_eq!(is, *expected);
    let op = OpId::derived(DESTINATION, decision.item, decision.version);
    assert_eq!(decision.op, (decision.action != Action::Skip).then_some(op), "operations have derived ids");
    assert!(decided.plan.is_none_or(|it| it.version == decision.version && it.by == BY));
    decision.item
}

#[test]
fn a_new_record_is_created_and_known_content_is_left_alone() {
    let record = run(T0, 10_000.0);
    let created = Is::Op(Action::Create, 1);
    assert_eq!(check(&mut window(&[]), &policy(&ALL), &incoming("a", record.clone()), &created), item_of("a"));
    let row = ours("a", &record, 3, 3);
    let unchanged = Is::Skip(Fate::Skipped, Reason::Unchanged);
    check(&mut window(&[(&row, &record)]), &policy(&ALL), &again("a", record.clone(), &row), &unchanged);
}

#[test]
fn another_content_is_the_next_version() {
    let record = run(T0, 10_000.0);
    let changed = run(T0, 11_000.0);
    for (planned, held, action) in [(1, 1, Action::Update), (2, 1, Action::Update), (1, 0, Action::Create)] {
        let row = ours("a", &record, planned, held);
        let next = Is::Op(action, planned + 1);
        check(&mut window(&[(&row, &record)]), &policy(&ALL), &again("a", changed.clone(), &row), &next);
    }
}

#[test]
fn half_a_record_never_replaces_the_whole_one() {
    let (whole, half) = (run(T0, 10_000.0), Record { state: schemas::record::RecordState::Open, ..run(T0, 4_000.0) });
    let row = ours("a", &whole, 1, 1);
    let stale = Is::Skip(Fate::Skipped, Reason::Stale);
    check(&mut window(&[(&row, &whole)]), &policy(&ALL), &again("a", half.clone(), &row), &stale);
    let row = ours("a", &half, 1, 1);
    check(&mut window(&[(&row, &half)]), &policy(&ALL), &again("a", whole, &row), &Is::Op(Action::Update, 2));
}

#[test]
fn an_older_state_and_our_own_copy_change_nothing() {
    let (record, changed) = (run(T0, 10_000.0), run(T0, 11_000.0));
    let row = ours("a", &record, 1, 1);
    let stale = Incoming { source_at: minutes(29), ..again("a", changed.clone(), &row) };
    let it = Is::Skip(Fate::Skipped, Reason::Stale);
    check(&mut window(&[(&row, &record)]), &policy(&ALL), &stale, &it);
    let echo = Incoming { echo: true, ..incoming("a", changed) };
    check(&mut window(&[]), &policy(&ALL), &echo, &Is::Skip(Fate::Skipped, Reason::Echo));
}

#[test]
fn a_record_that_somebody_else_wrote_is_never_touched() {
    let (record, changed) = (run(T0, 10_000.0), run(minutes(1), 10_100.0));
    let other = foreign(ItemId(Uuid::from_u128(9)), &record);
    let untouched = Is::Skip(Fate::Skipped, Reason::Foreign);
    let item = check(&mut window(&[(&other, &record)]), &policy(&ALL), &incoming("a", changed.clone()), &untouched);
    assert_eq!(item, other.key.item, "the record leads to that item from now on");
    check(&mut window(&[(&other, &record)]), &policy(&ALL), &again("a", changed.clone(), &other), &untouched);
    check(&mut window(&[(&other, &record)]), &policy(&ALL), &gone("a", &other), &untouched);
    // What we sent turned out to be a duplicate of it.
    let duplicate = ItemRow { owned: false, ..ours("a", &record, 1, 1) };
    check(&mut window(&[(&duplicate, &record)]), &policy(&ALL), &again("a", changed, &duplicate), &untouched);
    check(&mut window(&[(&duplicate, &record)]), &policy(&ALL), &gone("a", &duplicate), &untouched);
}

#[test]
fn a_foreign_record_that_is_gone_hides_nothing_and_lends_no_id() {
    let record = run(T0, 10_000.0);
    let other = ItemRow { seen_hash: String::new(), ..foreign(ItemId(Uuid::from_u128(9)), &record) };
    for it in [incoming("a", record.clone()), again("a", record.clone(), &other)] {
        let item = check(&mut window(&[(&other, &record)]), &policy(&ALL), &it, &Is::Op(Action::Create, 1));
        assert_eq!(item, item_of("a"), "the gone record's row keeps its id there");
    }
}

#[test]
fn a_second_source_of_the_same_run_takes_its_item() {
    let (record, rendering) = (run(T0, 10_000.0), run(minutes(1), 10_050.0));
    for (held, expected) in [(1, Is::Skip(Fate::Skipped, Reason::Matched)), (0, Is::Op(Action::Create, 1))] {
        let row = ours("a", &record, 1, held);
        let mut known = window(&[(&row, &record)]);
        assert_eq!(check(&mut known, &policy(&ALL), &incoming("b", rendering.clone()), &expected), item_of("a"));
        // What it says differently is no change, now or ever.
        check(&mut known, &policy(&ALL), &again("b", rendering.clone(), &row), &expected);
    }
    let row = ours("a", &record, 1, 1);
    let kept = Is::Skip(Fate::Skipped, Reason::DeletionKept);
    check(&mut window(&[(&row, &record)]), &policy(&ALL), &gone("b", &row), &kept);
}

#[test]
fn two_records_of_one_run_in_one_page_are_one_item() {
    let (record, rendering) = (run(T0, 10_000.0), run(minutes(1), 10_050.0));
    let mut known = window(&[]);
    let first = check(&mut known.clone(), &policy(&ALL), &incoming("a", record.clone()), &Is::Op(Action::Create, 1));
    // It would have to be brought, too, if the first one were not here: a page may come again after half of it was done.
    let other = incoming("b", rendering);
    let mut again = window(&[]);
    again.decide(&policy(&ALL), &incoming("a", record.clone()));
    assert_eq!(check(&mut again, &policy(&ALL), &other, &Is::Op(Action::Create, 1)), first);
    let mut decided = [incoming("a", record), other].map(|it| known.decide(&policy(&ALL), &it));
    super::one_operation_each(&mut decided);
    let told = decided.map(|it| (it.decision.action, it.decision.reason, it.plan.is_some()));
    assert_eq!(told, [(Action::Create, None, true), (Action::Skip, Some(Reason::Matched), false)]);
}

#[test]
fn what_is_not_held_is_published_again_unless_it_was_refused_or_is_unknown() {
    let record = run(T0, 10_000.0);
    let refused = Is::Skip(Fate::Refused, Reason::ProviderRefused);
    let unknown = Is::Skip(Fate::Unknown, Reason::AnswerLost);
    let handed = Is::Skip(Fate::HandedOver, Reason::Unchanged);
    let cases = [
        (ItemState::Planned, Is::Op(Action::Create, 2)),
        (ItemState::Sent, Is::Op(Action::Create, 2)),
        (ItemState::Ended, Is::Op(Action::Create, 2)),
        (ItemState::Refused, refused),
        (ItemState::Unknown, unknown),
        (ItemState::Handed, handed),
    ];
    for (state, expected) in cases {
        let row = ItemRow { state, reason: Reason::ProviderRefused.code(), ..ours("a", &record, 2, 0) };
        check(&mut window(&[(&row, &record)]), &policy(&ALL), &again("a", record.clone(), &row), &expected);
        check(&mut window(&[(&row, &record)]), &policy(&ALL), &incoming("b", record.clone()), &expected);
    }
    let row = ItemRow { state: ItemState::Unknown, ..ours("a", &record, 2, 0) };
    let unknown = Is::Skip(Fate::Unknown, Reason::AnswerLost);
    check(&mut window(&[(&row, &record)]), &policy(&ALL), &again("a", run(T0, 1.0), &row), &unknown);
    check(&mut window(&[(&row, &record)]), &policy(&ALL), &gone("a", &row), &unknown);
}

#[test]
fn an_edit_at_the_destination_is_judged_by_the_rule() {
    let (record, changed) = (run(T0, 10_000.0), run(T0, 11_000.0));
    let preferred = Is::Skip(Fate::Skipped, Reason::DestinationPreferred);
    let newer = Is::Skip(Fate::Skipped, Reason::DestinationNewer);
    let update = || Is::Op(Action::Update, 2);
    let cases = [
        (Rule::PrioritiseSource, Some(90), update()),
        (Rule::PrioritiseDestination, Some(30), preferred),
        (Rule::PrioritiseDestination, None, update()),
        (Rule::Newest, Some(61), newer),
        (Rule::Newest, Some(60), update()),
        (Rule::Newest, None, update()),
    ];
    for (rule, edited, expected) in cases {
        let row = ItemRow { seen_modified_at: edited.map(minutes), ..ours("a", &record, 1, 1) };
        let policy = Policy { rule, ..policy(&ALL) };
        check(&mut window(&[(&row, &record)]), &policy, &again("a", changed.clone(), &row), &expected);
    }
    // Looked at once more, what has no time of its own is older than any edit.
    let row = ItemRow { seen_modified_at: Some(minutes(30)), ..ours("a", &record, 1, 1) };
    let policy = Policy { rule: Rule::Newest, is_again: true, ..policy(&ALL) };
    let mut timed = again("a", changed, &row);
    check(&mut window(&[(&row, &record)]), &policy, &timed, &Is::Skip(Fate::Skipped, Reason::DestinationNewer));
    timed.record.origin.modified_at = Some(timed.source_at);
    check(&mut window(&[(&row, &record)]), &policy, &timed, &update());
}

#[test]
fn a_deletion_travels_by_the_configs_word_and_only_where_it_can() {
    let record = run(T0, 10_000.0);
    let row = ours("a", &record, 1, 1);
    let cannot = [TypeProfile { delete: None, ..ALL[0] }];
    let cases = [
        (Deletes::Mirror, &ALL, Is::Op(Action::Delete, 2)),
        (Deletes::Keep, &ALL, Is::Skip(Fate::Skipped, Reason::DeletionKept)),
        (Deletes::Mirror, &cannot, Is::Skip(Fate::Refused, Reason::CannotDelete)),
    ];
    for (deletes, types, expected) in cases {
        let policy = Policy { deletes, ..policy(types) };
        check(&mut window(&[(&row, &record)]), &policy, &gone("a", &row), &expected);
        let missing = Incoming { origin: None, ..gone("a", &row) };
        let decided = window(&[(&row, &record)]).decide_gone(&policy, &missing).unwrap();
        assert_eq!(decided.decision.action == Action::Delete, matches!(expected, Is::Op(..)));
    }
    let decided = window(&[(&row, &record)]).decide(&policy(&ALL), &gone("a", &row));
    assert_eq!(decided.decision.time, record.time, "a tombstone does not know when the record was");
    let nothing = Is::Skip(Fate::Skipped, Reason::NotFound);
    check(&mut window(&[]), &policy(&ALL), &Incoming { origin: None, ..gone("b", &row) }, &nothing);
}

#[test]
fn what_was_deleted_hides_nothing_and_may_come_back() {
    let record = run(T0, 10_000.0);
    let row = ItemRow { planned_delete: true, planned_hash: String::new(), ..ours("a", &record, 2, 2) };
    let row = ItemRow { owned: false, external_id: bytes::Bytes::new(), ..row };
    let known = || window(&[(&row, &record)]);
    check(&mut known(), &policy(&ALL), &gone("a", &row), &Is::Skip(Fate::Skipped, Reason::Unchanged));
    let back = check(&mut known(), &policy(&ALL), &again("a", record.clone(), &row), &Is::Op(Action::Create, 3));
    assert_eq!(back, item_of("a"));
    for other in [incoming("b", record.clone()), again("b", record.clone(), &row)] {
        let item = check(&mut known(), &policy(&ALL), &other, &Is::Op(Action::Create, 1));
        assert_eq!(item, item_of("b"), "another record of the same time is an item of its own");
    }
    let pending = ItemRow { version: 1, owned: true, state: ItemState::Planned, ..row.clone() };
    let deleted = Is::Op(Action::Delete, 2);
    check(&mut window(&[(&pending, &record)]), &policy(&ALL), &gone("a", &pending), &deleted);
}

#[test]
fn what_only_the_person_can_tell_waits_for_their_answer_and_follows_it() {
    let whole = run(T0, 10_000.0);
    let mut half = run(T0, 5_010.0);
    half.time.end = minutes(30);
    let row = foreign(item_of("whole"), &whole);
    let known = || {
        let mut known = window(&[(&row, &whole)]);
        // What is there is a record of the destination's own.
        known.known[0].sources =
            vec![Source { connection: DESTINATION, ..incoming("whole", whole.clone()).source(&policy(&ALL)) }];
        known
    };
    let asked = known().decide(&policy(&ALL), &incoming("half", half.clone()));
    assert_eq!((asked.fate, asked.decision.reason), (Some(Fate::Skipped), Some(Reason::InReview)));
    let told: Vec<_> = asked.decision.candidates.iter().map(|it| (it.item, it.verdict)).collect();
    assert_eq!(told, [(item_of("whole"), Verdict::Ask)]);
    assert!(!asked.decision.candidates[0].evidence.is_empty(), "a question says what it rests on");
    let id = pair_id((SOURCE, "half"), (DESTINATION, "whole"));
    assert_eq!(id, pair_id((DESTINATION, "whole"), (SOURCE, "half")), "either may come first");
    let foreign = Is::Skip(Fate::Skipped, Reason::Foreign);
    for (verdict, expected) in [(Verdict::Different, Is::Op(Action::Create, 1)), (Verdict::Same, foreign)] {
        let mut answered = known().with_answers(Answers::new([(id, verdict)]));
        check(&mut answered, &policy(&ALL), &incoming("half", half.clone()), &expected);
    }
    // Who does not want to be asked gets both.
    let never = Policy { asks: false, ..policy(&ALL) };
    check(&mut known(), &never, &incoming("half", half), &Is::Op(Action::Create, 1));
}

#[test]
fn what_the_destination_cannot_hold_or_change_is_refused() {
    let (record, changed) = (run(T0, 10_000.0), run(T0, 11_000.0));
    let none = [TypeProfile { create: None, update: None, ..ALL[0] }];
    let row = ours("a", &record, 1, 1);
    let refused = |reason| Is::Skip(Fate::Refused, reason);
    let new = incoming("a", record.clone());
    check(&mut window(&[]), &policy(&none), &new, &refused(Reason::NotWritable));
    let unfit = Incoming { projected: Err("too long".into()), ..new };
    check(&mut window(&[]), &policy(&ALL), &unfit, &refused(Reason::NotWritable));
    let update = again("a", changed, &row);
    check(&mut window(&[(&row, &record)]), &policy(&none), &update, &refused(Reason::CannotUpdate));
}

proptest! {
    #[test]
    fn the_same_page_again_decides_the_same_and_plans_nothing_new(
        rows in prop::collection::vec((0i64..6, 0i64..3, 0i64..3, 0usize..7), 0..5),
        page in prop::collection::vec((0i64..6, 0i64..40, 0u8..3, any::<bool>()), 1..8),
    ) {
        let mut known: Vec<(ItemRow, Record)> = Vec::new();
        for (index, (at, planned, lag, state)) in rows.into_iter().enumerate() {
            let record = run(minutes(at * 30), 5_000.0);
            let row = ours(&format!("r{index}"), &record, planned, (planned - lag).max(0));
            known.push((ItemRow { state: ItemState::ALL[state], ..row }, record));
        }
        let mut page: Vec<Incoming> = page.into_iter().enumerate().map(|(index, (at, distance, led, deleted))| {
            let record = run(minutes(at * 30), 5_000.0 + 500.0 * distance as f64);
            let origin = known.get(usize::from(led)).filter(|_| led > 0);
            // A tombstone, and every other change, is of the row's own record; the rest is another source's.
            let is_own = origin.is_some() && (deleted || index % 2 == 0);
            let id = if is_own { format!("r{led}") } else { format!("p{index}") };
            let mut it = origin.map_or_else(|| incoming(&id, record.clone()), |row| again(&id, record.clone(), &row.0));
            it.record.deleted = deleted;
            it
        }).collect();
        let decide = |known: &[(ItemRow, Record)], page: &[Incoming]| {
            let rows: Vec<_> = known.iter().map(|(row, record)| (row, record)).collect();
            let mut window = window(&rows);
            page.iter().map(|it| window.decide(&policy(&ALL), it)).collect::<Vec<_>>()
        };
        let first = decide(&known, &page);
        prop_assert_eq!(format!("{first:?}"), format!("{:?}", decide(&known, &page)), "decisions are deterministic");
        for (decided, it) in first.iter().zip(&page) {
            let row = known.iter().find(|known| known.0.key.item == decided.decision.item);
            let standing = row.map_or(0, |it| it.0.planned_version);
            let foreign = row.is_some_and(|it| it.0.planned_version == 0);
            prop_assert!(!foreign || decided.plan.is_none() && decided.decision.op.is_none(), "foreign rows stay");
            prop_assert!(decided.plan.as_ref().is_none_or(|it| it.version > standing), "versions only go up");
            prop_assert!(!it.record.deleted || decided.decision.action != Action::Create);
        }
        let led_to: Vec<ItemId> = first.iter().map(|it| it.decision.item).collect();
        // As the store and the origins have it afterwards.
        for (decided, it) in first.iter().zip(&mut page) {
            let item = decided.decision.item;
            if let Some(plan) = &decided.plan {
                let record = decided.decision.record.clone();
                let index = known.iter().position(|known| known.0.key.item == item).unwrap_or_else(|| {
                    let record = it.record.clone();
                    known.push((ItemRow { key: ItemKey { item, ..foreign(item, &record).key }, ..foreign(item, &record) }, record));
                    known.len() - 1
                });
                super::case::set_plan(&mut known[index].0, plan);
                if let Some(record) = record {
                    known[index].1 = record;
                }
            }
            if let Some(row) = known.iter().find(|known| known.0.key.item == item) {
                it.origin = again("", it.record.clone(), &row.0).origin;
            }
        }
        for (index, decided) in decide(&known, &page).iter().enumerate() {
            // Of two records of one item in a page the later one stands, so that the earlier one is news again.
            let contested = led_to.iter().filter(|it| **it == led_to[index]).count() > 1;
            prop_assert!(contested || decided.plan.is_none(), "a page that was seen plans nothing: {decided:?}");
        }
    }
}
