//! Classes C and D: claims, doubt and quarantine, clause by clause.

use super::{
    Bench, Q, Trouble,
    destination::{Fault, LAG, profile},
    run,
};
use crate::{
    item::ItemState,
    people::ConnectionState,
    provider::{Delivery, ProviderError, TypeProfile},
};
use schemas::event::{Fate, Reason};
use std::time::Duration;

const C: Delivery = Delivery::Listable { keyed: false };
const KEYED: Delivery = Delivery::Listable { keyed: true };
const SECOND: Duration = Duration::from_secs(1);

async fn bench(class: Delivery) -> Bench {
    Bench::new(profile(class), true).await
}

fn refused() -> Fault {
    Fault::Says(ProviderError::Refused { reason: "too long".into() })
}

fn unavailable() -> Fault {
    Fault::Says(ProviderError::Unavailable { what: "cannot connect".into() })
}

#[tokio::test]
async fn a_version_is_sent_once_and_recorded() {
    for class in [Delivery::Versioned, Delivery::Deduplicated, C, KEYED, Delivery::Once] {
        let bench = bench(class).await;
        let first = bench.plan(1, Some(run(10_000.0))).await;
        assert_eq!(bench.settle(&first).await.fate, Fate::Created);
        let again = bench.settle(&first).await;
        assert_eq!((again.fate, again.version, bench.there.n_sent()), (Fate::Created, 1, 1), "{class:?} again");
        let second = bench.plan(2, Some(run(11_000.0))).await;
        assert_eq!(bench.settle(&second).await.fate, Fate::Updated);
        bench.holds_once(2, &run(11_000.0)).await;
        let third = bench.plan(3, None).await;
        let deleted = bench.settle(&third).await;
        assert_eq!((deleted.fate, deleted.external_id, deleted.owned), (Fate::Deleted, None, false));
        assert!(bench.there.holds().is_empty(), "{class:?}");
    }
}

#[tokio::test]
async fn an_older_version_is_superseded_and_sends_nothing() {
    let bench = bench(C).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    let second = bench.plan(2, Some(run(11_000.0))).await;
    let result = bench.settle(&first).await;
    assert_eq!((result.fate, result.reason), (Fate::Ended, Some(Reason::Superseded)));
    assert_eq!(bench.there.n_sent(), 0);
    bench.settle(&second).await;
    bench.holds_once(2, &run(11_000.0)).await;
}

#[tokio::test]
async fn an_unknown_answer_leaves_the_claim_and_a_claim_keeps_all_out_for_q() {
    let bench = bench(C).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    let claimed_at = bench.clock.now();
    assert_eq!(bench.later(bench.visit(&first).await), claimed_at.plus(Q));
    assert!(bench.row().await.claim.is_some_and(|it| it.at == claimed_at));
    // Its own claim, too, is somebody else's, and so is an older version's.
    bench.hands.advance(Q - SECOND);
    assert_eq!(bench.later(bench.visit(&first).await), claimed_at.plus(Q));
    let second = bench.plan(2, Some(run(11_000.0))).await;
    assert!(bench.row().await.claim.is_some(), "planning never touches a claim");
    assert_eq!(bench.later(bench.visit(&second).await), claimed_at.plus(Q));
    assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (1, 0));
    bench.hands.advance(SECOND);
    assert_eq!(bench.settle(&second).await.fate, Fate::Updated);
    assert_eq!(bench.there.n_sent(), 2, "what was found there was changed");
    bench.holds_once(2, &run(11_000.0)).await;
}

#[tokio::test]
async fn what_is_found_equal_is_applied_without_a_second_send() {
    for marks in [true, false] {
        let bench = Bench::new(profile(C), marks).await;
        bench.there.will([Fault::LostAfter]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        assert_eq!(bench.settle(&first).await.fate, Fate::Created);
        assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (1, 1), "by mark: {marks}");
        bench.holds_once(1, &run(10_000.0)).await;
    }
}

#[tokio::test]
async fn what_never_arrived_is_sent_again_after_a_look() {
    let bench = bench(C).await;
    bench.there.will([Fault::LostBefore]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.settle(&first).await;
    assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (2, 1));
    bench.holds_once(1, &run(10_000.0)).await;
}

#[tokio::test]
async fn a_record_of_somebody_else_that_looks_alike_is_not_taken_for_ours() {
    let bench = Bench::new(profile(C), true).await;
    let mut other = run(25_000.0);
    other.time.end = other.time.end.plus(Duration::from_secs(7200));
    bench.there.has_foreign("theirs", other);
    bench.there.will([Fault::LostBefore]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    assert_ne!(bench.settle(&first).await.external_id.as_deref(), Some("theirs"));
    assert_eq!(bench.there.holds().len(), 2);
}

#[tokio::test]
async fn a_row_stays_unsure_until_a_complete_read_answers() {
    let bench = bench(C).await;
    bench.there.will([Fault::LostAfter]);
    let throttled = ProviderError::Throttled { until: Some(bench.clock.now().plus(Q * 2)) };
    let cut_off = ProviderError::Malformed { what: "cut off".into() };
    bench.there.will_not_read([throttled, cut_off.clone(), cut_off]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    let second = bench.plan(2, Some(run(11_000.0))).await;
    bench.hands.advance(Q);
    for failures in [1, 2, 3] {
        let at = bench.later(bench.visit(&second).await);
        let row = bench.row().await;
        assert!(row.unsure && row.claim.is_none(), "the claim goes, the doubt stays");
        assert_eq!(row.unsure_prints.len(), 1, "and what may have been sent is remembered");
        assert_eq!(row.attempts, failures, "being throttled is no attempt");
        bench.hands.advance_to(at);
    }
    assert_eq!(bench.there.n_sent(), 1, "nothing is sent in doubt");
    bench.settle(&second).await;
    bench.holds_once(2, &run(11_000.0)).await;
}

#[tokio::test]
async fn nothing_is_sent_after_the_send_window() {
    // The claim is the second call to the items, the look at the row after it the third.
    for call in [2, 3] {
        let bench = bench(C).await;
        let first = bench.plan(1, Some(run(10_000.0))).await;
        bench.trouble([(call, Trouble::Stands(SECOND * 6))]);
        bench.settle(&first).await;
        assert_eq!(bench.there.n_sent(), 1);
        bench.holds_once(1, &run(10_000.0)).await;
    }
}

#[tokio::test]
async fn a_definite_no_releases_the_claim_and_is_tried_within_its_budget() {
    let bench = bench(C).await;
    bench.there.will([unavailable(), Fault::Says(ProviderError::Throttled { until: None })]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    for attempts in [1, 1] {
        let at = bench.later(bench.visit(&first).await);
        let row = bench.row().await;
        assert!(row.claim.is_none() && !row.unsure);
        assert_eq!(row.attempts, attempts, "being throttled is no attempt");
        bench.hands.advance_to(at);
    }
    bench.settle(&first).await;
    bench.holds_once(1, &run(10_000.0)).await;
}

#[tokio::test]
async fn what_fails_too_often_ends_with_that_reason() {
    for (fault, n_sent) in [(unavailable(), 12), (Fault::LostBefore, 12)] {
        let bench = bench(C).await;
        bench.there.will(vec![fault.clone(); 30]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.reason), (Fate::Ended, Some(Reason::AttemptsSpent)), "{fault:?}");
        assert_eq!(bench.there.n_sent(), n_sent);
        let row = bench.row().await;
        assert!(row.state == ItemState::Ended && row.claim.is_none() && !row.unsure && row.attempts == 0);
    }
}

#[tokio::test]
async fn a_refusal_ends_it_even_in_doubt_and_under_an_id_of_ours() {
    for class in [C, KEYED] {
        let bench = bench(class).await;
        bench.there.will([Fault::LostBefore, refused()]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.reason), (Fate::Refused, Some(Reason::ProviderRefused)));
        let row = bench.row().await;
        assert!(row.state == ItemState::Refused && row.claim.is_none() && !row.unsure);
        assert_eq!(bench.settle(&first).await.fate, Fate::Refused, "and is not tried again");
        assert_eq!(bench.there.n_sent(), 2);
    }
}

#[tokio::test]
async fn an_id_of_ours_needs_no_look() {
    let bench = bench(KEYED).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    let second = bench.plan(2, Some(run(11_000.0))).await;
    bench.settle(&second).await;
    assert_eq!(bench.there.n_reads(), 0);
    bench.holds_once(2, &run(11_000.0)).await;
}

#[tokio::test]
async fn a_deletion_finds_out_whether_there_is_anything_to_delete() {
    for class in [C, KEYED] {
        for fault in [Fault::LostAfter, Fault::LostBefore] {
            let bench = bench(class).await;
            bench.there.will([fault]);
            let first = bench.plan(1, Some(run(10_000.0))).await;
            bench.later(bench.visit(&first).await);
            let second = bench.plan(2, None).await;
            assert_eq!(bench.settle(&second).await.fate, Fate::Deleted);
            assert!(bench.there.holds().is_empty());
            assert_eq!(bench.row().await.version, 2);
        }
    }
    let bench = bench(C).await;
    bench.plan(1, Some(run(10_000.0))).await;
    let never_made = bench.plan(2, None).await;
    assert_eq!(bench.settle(&never_made).await.fate, Fate::Deleted);
    assert_eq!(bench.there.n_sent(), 0);
}

#[tokio::test]
async fn what_must_end_ends_at_once_or_reads_first_if_it_was_claimed() {
    let cancelled = (Fate::Ended, Some(Reason::Cancelled));
    let found = (Fate::Created, None);
    for (fault, expected) in [(None, cancelled), (Some(Fault::LostBefore), cancelled), (Some(Fault::LostAfter), found)]
    {
        let bench = bench(C).await;
        let first = bench.plan(1, Some(run(10_000.0))).await;
        if let Some(fault) = fault.clone() {
            bench.there.will([fault]);
            bench.later(bench.visit(&first).await);
        }
        bench.standing.cancel(&first.head).await.unwrap();
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.reason), expected, "{fault:?}");
        assert_eq!(bench.there.n_sent(), usize::from(fault.is_some()), "nothing more is sent");
        assert_eq!(bench.there.n_reads(), usize::from(fault.is_some()));
        assert!(bench.row().await.claim.is_none());
    }
}

#[tokio::test]
async fn what_must_end_notes_an_older_version_that_it_finds() {
    let bench = bench(C).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    let second = bench.plan(2, Some(run(11_000.0))).await;
    bench.standing.cancel(&second.head).await.unwrap();
    assert_eq!(bench.settle(&second).await.reason, Some(Reason::Cancelled));
    let third = bench.plan(3, Some(run(12_000.0))).await;
    bench.settle(&third).await;
    bench.holds_once(3, &run(12_000.0)).await;
}

#[tokio::test]
async fn what_cannot_be_read_any_more_is_unknown() {
    let bench = bench(C).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    bench.connect(ConnectionState::NeedsReauth).await;
    let result = bench.settle(&first).await;
    assert_eq!((result.fate, result.reason), (Fate::Unknown, Some(Reason::AccessRevoked)));
    let row = bench.row().await;
    assert!(row.state == ItemState::Unknown && row.unsure, "the doubt stays");
}

#[tokio::test]
async fn a_look_that_never_succeeds_ends_as_unknown() {
    let bench = bench(C).await;
    bench.there.will([Fault::LostAfter]);
    bench.there.will_not_read(vec![ProviderError::Malformed { what: "cut off".into() }; 40]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    assert_eq!(bench.settle(&first).await.fate, Fate::Unknown);
}

#[tokio::test]
async fn a_change_that_the_destination_lacks_is_refused_only_once_it_is_known_what_is_there() {
    let mut profile = profile(C);
    profile.types = vec![TypeProfile { update: None, delete: None, ..profile.types[0] }];
    let bench = Bench::new(profile, true).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    let second = bench.plan(2, Some(run(11_000.0))).await;
    let result = bench.settle(&second).await;
    assert_eq!((result.fate, result.reason, result.version), (Fate::Refused, Some(Reason::CannotUpdate), 1));
    assert!(bench.row().await.claim.is_none());
    let third = bench.plan(3, None).await;
    assert_eq!(bench.settle(&third).await.reason, Some(Reason::CannotDelete));
    assert_eq!(bench.there.n_sent(), 1);
}

#[tokio::test]
async fn class_d_is_sent_at_most_once() {
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        let bench = bench(Delivery::Once).await;
        bench.there.will([fault]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.reason), (Fate::Unknown, Some(Reason::AnswerLost)));
        bench.hands.advance(Q * 2);
        assert_eq!(bench.settle(&first).await.fate, Fate::Unknown);
        let second = bench.plan(2, Some(run(11_000.0))).await;
        assert_eq!(bench.row().await.state, ItemState::Unknown, "planning never overwrites it");
        assert_eq!(bench.settle(&second).await.fate, Fate::Unknown);
        assert_eq!(bench.there.n_sent(), 1);
    }
    // The process died while it was sending.
    let bench = bench(Delivery::Once).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.trouble([(2, Trouble::DiesAfter)]);
    bench.visit(&first).await.unwrap_err();
    assert!(bench.row().await.claim.is_some());
    assert_eq!(bench.settle(&first).await.fate, Fate::Unknown);
    assert_eq!(bench.there.n_sent(), 0);
}

#[tokio::test]
async fn two_writers_at_once_have_one_effect() {
    for class in [C, KEYED, Delivery::Once, Delivery::Versioned, Delivery::Deduplicated] {
        let bench = bench(class).await;
        let first = bench.plan(1, Some(run(10_000.0))).await;
        let answers = futures::join!(bench.visit(&first), bench.visit(&first), bench.visit(&first));
        assert!(answers.0.is_ok() && answers.1.is_ok() && answers.2.is_ok());
        assert_eq!(bench.settle(&first).await.fate, Fate::Created, "{class:?}");
        bench.holds_once(1, &run(10_000.0)).await;
        let second = bench.plan(2, Some(run(11_000.0))).await;
        let answers = futures::join!(bench.visit(&first), bench.visit(&second), bench.visit(&second));
        assert!(answers.0.is_ok() && answers.1.is_ok() && answers.2.is_ok());
        bench.settle(&second).await;
        bench.holds_once(2, &run(11_000.0)).await;
    }
}

#[tokio::test]
async fn a_crash_between_any_two_steps_gives_one_effect() {
    for class in [C, KEYED, Delivery::Deduplicated, Delivery::Versioned] {
        for fault in [None, Some(Fault::LostAfter), Some(Fault::Late(SECOND * 29))] {
            'calls: for call in 0.. {
                for trouble in [Trouble::DiesBefore, Trouble::DiesAfter] {
                    let bench = bench(class).await;
                    bench.there.will(fault.clone());
                    let first = bench.plan(1, Some(run(10_000.0))).await;
                    bench.trouble([(call, trouble)]);
                    let result = bench.settle(&first).await;
                    assert_eq!(result.fate, Fate::Created, "{class:?} {fault:?} {call} {trouble:?}");
                    bench.hands.advance(SECOND * 30);
                    bench.holds_once(1, &run(10_000.0)).await;
                    if !bench.faulty.plan.lock().unwrap().1.is_empty() {
                        // It was over before that call.
                        break 'calls;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_writer_that_was_taken_over_records_what_it_did_and_leaves_the_others_claim() {
    let bench = bench(C).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    // It stands still after its claim was read back and wakes within P; its answer comes after another took over.
    bench.trouble([(5, Trouble::Stands(Q + LAG))]);
    let result = bench.settle(&first).await;
    assert_eq!(result.fate, Fate::Created);
    bench.holds_once(1, &run(10_000.0)).await;
}
