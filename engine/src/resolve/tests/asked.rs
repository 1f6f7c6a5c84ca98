//! What becomes of our copy of a record that is gone at its source, where the person is asked.

use super::*;
use crate::resolve::{Gone, OnGone, gone_id};

const OTHER: ConnectionId = ConnectionId(Uuid::from_u128(7));

fn asking() -> Policy<'static> {
    Policy { deletes: Deletes::Ask, ..policy(&ALL) }
}

/// The record `a` of a connection, as one that an item is made of.
fn source(connection: ConnectionId, record: &Record) -> Source {
    Incoming { connection, ..incoming("a", record.clone()) }.source(&asking())
}

/// That the person was asked about the record `a` of this connection, and said this.
fn asked(connection: ConnectionId, said: Option<OnGone>) -> (Uuid, Gone) {
    (gone_id(DESTINATION, (connection, "a")), Gone { item: item_of("a"), at: minutes(60), said, over_at: None })
}

/// A window with our copy of the record `a`, made of these sources' records.
fn held(row: &ItemRow, record: &Record, sources: &[ConnectionId], asked: &[(Uuid, Gone)]) -> Window {
    let mut known = window(&[(row, record)]).with_answers(Answers::default().with_gone(asked.iter().copied()));
    known.known[0].sources = sources.iter().map(|it| source(*it, record)).collect();
    known
}

fn is(decided: &super::super::Decided) -> Is {
    match (decided.fate, decided.decision.reason) {
        (Some(fate), Some(reason)) => Is::Skip(fate, reason),
        _ => Is::Op(decided.decision.action, decided.decision.version),
    }
}

fn skip(reason: Reason) -> Is {
    Is::Skip(Fate::Skipped, reason)
}

#[test]
fn a_deletion_waits_for_the_answer_and_follows_it() {
    let record = run(T0, 10_000.0);
    let row = ours("a", &record, 1, 1);
    let cannot = [TypeProfile { delete: None, ..ALL[0] }];
    let cases = [
        (None, &ALL, skip(Reason::InReview)),
        (Some(None), &ALL, skip(Reason::InReview)),
        (Some(Some(OnGone::Keep)), &ALL, skip(Reason::DeletionKept)),
        (Some(Some(OnGone::Delete)), &ALL, Is::Op(Action::Delete, 2)),
        (None, &cannot, skip(Reason::InReview)),
        (Some(Some(OnGone::Delete)), &cannot, Is::Skip(Fate::Refused, Reason::CannotDelete)),
    ];
    for (said, types, expected) in cases {
        let all: Vec<_> = said.map(|it| asked(SOURCE, it)).into_iter().collect();
        let policy = Policy { types, ..asking() };
        let known = || held(&row, &record, &[SOURCE], &all);
        check(&mut known(), &policy, &gone("a", &row), &expected);
        // Whether the source says so or a complete reading does not show it is the same.
        let missing = Incoming { origin: None, ..gone("a", &row) };
        assert_eq!(is(&known().decide_gone(&policy, &missing).unwrap()), expected);
        // What is known of a row of before sources were kept is the same.
        let mut old = known();
        old.known[0].sources.clear();
        check(&mut old, &policy, &gone("a", &row), &expected);
    }
}

#[test]
fn an_answer_counts_for_its_record_at_its_destination_under_its_policy_alone() {
    let record = run(T0, 10_000.0);
    let row = ours("a", &record, 1, 1);
    let delete = asked(SOURCE, Some(OnGone::Delete)).1;
    for id in [gone_id(OTHER, (SOURCE, "a")), gone_id(DESTINATION, (OTHER, "a")), gone_id(DESTINATION, (SOURCE, "b"))] {
        let mut known = held(&row, &record, &[SOURCE], &[(id, delete)]);
        check(&mut known, &asking(), &gone("a", &row), &skip(Reason::InReview));
    }
    let mut known = held(&row, &record, &[SOURCE], &[asked(SOURCE, Some(OnGone::Keep))]);
    check(&mut known, &policy(&ALL), &gone("a", &row), &Is::Op(Action::Delete, 2));
    let mut known = held(&row, &record, &[SOURCE], &[asked(SOURCE, Some(OnGone::Delete))]);
    let keep = Policy { deletes: Deletes::Keep, ..policy(&ALL) };
    check(&mut known, &keep, &gone("a", &row), &skip(Reason::DeletionKept));
}

#[test]
fn nobody_is_asked_about_what_is_not_ours_or_never_got_there_or_goes_already() {
    let record = run(T0, 10_000.0);
    let other = ItemRow { owned: false, ..ours("a", &record, 1, 1) };
    let lost = ItemRow { state: ItemState::Unknown, ..ours("a", &record, 1, 0) };
    let never = ItemRow { state: ItemState::Refused, ..ours("a", &record, 1, 0) };
    let going = ItemRow { planned_delete: true, ..ours("a", &record, 2, 1) };
    let cases = [
        (other, skip(Reason::Foreign)),
        (lost, Is::Skip(Fate::Unknown, Reason::AnswerLost)),
        (never, Is::Op(Action::Delete, 2)),
        (going, Is::Op(Action::Delete, 2)),
        (ours("a", &record, 1, 0), skip(Reason::InReview)),
    ];
    for (row, expected) in cases {
        check(&mut held(&row, &record, &[SOURCE], &[]), &asking(), &gone("a", &row), &expected);
    }
}

/// What others than the one whose record is gone say of its item.
fn rest(known: &Window, incoming: &Incoming) -> Vec<ConnectionId> {
    known.others(&asking(), incoming).map(|it| it.sources.iter().map(|it| it.connection).collect()).unwrap_or_default()
}

/// A deletion that the item's other sources are looked at for, as the shell does.
fn joined(known: &Window, incoming: Incoming, record: &Record) -> Incoming {
    let Some(others) = known.others(&asking(), &incoming) else { return incoming };
    let rest = super::super::Joined {
        projected: Ok(record.clone()),
        hash: "what the others have".into(),
        sources: others.sources,
        fields: Vec::new(),
        lost: Vec::new(),
    };
    Incoming { join: Join::With(Box::new(rest)), ..incoming }
}

#[test]
fn only_the_deletion_at_the_last_source_asks() {
    let record = run(T0, 10_000.0);
    let row = ours("a", &record, 1, 1);
    let tombstone = || gone("a", &row);
    let both = || held(&row, &record, &[SOURCE, OTHER], &[]);
    assert_eq!(rest(&both(), &tombstone()), [OTHER]);
    let first = joined(&both(), tombstone(), &record);
    check(&mut both(), &asking(), &first, &Is::Op(Action::Update, 2));
    // The same notice again is none about what the other one still has.
    let mut left = held(&row, &record, &[OTHER], &[]);
    check(&mut left, &asking(), &tombstone(), &skip(Reason::DeletionKept));
    check(&mut left, &policy(&ALL), &tombstone(), &skip(Reason::DeletionKept));
    let last = Incoming { connection: OTHER, ..tombstone() };
    check(&mut left, &asking(), &last, &skip(Reason::InReview));
}

#[test]
fn a_source_that_comes_while_a_question_waits_neither_answers_it_nor_is_kept_by_what_is_gone() {
    let record = run(T0, 10_000.0);
    let row = ours("a", &record, 1, 1);
    let of_other = Incoming { connection: OTHER, ..gone("a", &row) };
    let cases = [
        (None, skip(Reason::InReview), vec![]),
        (Some(OnGone::Keep), skip(Reason::DeletionKept), vec![SOURCE]),
        (Some(OnGone::Delete), Is::Op(Action::Update, 2), vec![]),
    ];
    for (said, expected, still) in cases {
        let known = || held(&row, &record, &[SOURCE, OTHER], &[asked(SOURCE, said)]);
        let again = joined(&known(), gone("a", &row), &record);
        check(&mut known(), &asking(), &again, &expected);
        assert_eq!(rest(&known(), &of_other), still, "what keeps the item when the other is gone, too");
        // What is there is made of both for as long as nothing was said.
        let edited = Incoming { connection: OTHER, hash: "another".into(), ..again_of(&row, &record) };
        assert_eq!(rest(&known(), &edited), [SOURCE]);
    }
}

fn again_of(row: &ItemRow, record: &Record) -> Incoming {
    again("a", record.clone(), row)
}

#[test]
fn a_record_that_is_back_withdraws_the_question_and_is_asked_about_anew_when_it_is_gone_again() {
    let record = run(T0, 10_000.0);
    let row = ours("a", &record, 1, 1);
    for said in [None, Some(OnGone::Keep), Some(OnGone::Delete)] {
        let (id, question) = asked(SOURCE, said);
        let mut known = held(&row, &record, &[SOURCE], &[(id, question)]);
        let back = [again("a", record.clone(), &row)];
        check(&mut known, &asking(), &back[0], &skip(Reason::Unchanged));
        assert_eq!(known.over(&asking(), &back, minutes(61)), [id]);
        // What was read before it was gone, and that it is gone, says nothing of that; nor does another record.
        assert!(known.over(&asking(), &back, minutes(60)).is_empty());
        assert!(known.over(&asking(), &[gone("a", &row)], minutes(61)).is_empty());
        assert!(known.over(&asking(), &[again("b", record.clone(), &row)], minutes(61)).is_empty());
        let of_old = Incoming { read_in: Some(source(SOURCE, &record)), ..again("a", record.clone(), &row) };
        assert!(known.over(&asking(), &[of_old], minutes(61)).is_empty(), "it was read before");
        let over = Gone { over_at: Some(minutes(61)), ..question };
        let known = || held(&row, &record, &[SOURCE], &[(id, over)]);
        assert!(known().over(&asking(), &back, minutes(70)).is_empty(), "once is enough");
        check(&mut known(), &asking(), &gone("a", &row), &skip(Reason::Stale));
        let second = Incoming { source_at: minutes(62), ..gone("a", &row) };
        check(&mut known(), &asking(), &second, &skip(Reason::InReview));
    }
}

#[test]
fn a_question_is_over_when_its_item_goes_for_another_reason() {
    let record = run(T0, 10_000.0);
    let row = ItemRow { planned_delete: true, ..ours("a", &record, 2, 2) };
    for (said, is_over) in [(None, true), (Some(OnGone::Keep), false), (Some(OnGone::Delete), false)] {
        let known = held(&row, &record, &[SOURCE], &[asked(SOURCE, said)]);
        assert_eq!(!known.over(&asking(), &[], minutes(61)).is_empty(), is_over, "{said:?}");
    }
}
