//! Class A, which compares versions itself, and class B, which detects duplicates.

use super::{
    Bench, Trouble,
    destination::{Fault, profile},
    run,
};
use crate::{
    item::ItemState,
    provider::{Delivery, ProviderError},
};
use schemas::event::{Fate, Reason};

#[tokio::test]
async fn class_a_is_sent_again_without_a_wait() {
    let bench = Bench::new(profile(Delivery::Versioned), true).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.settle(&first).await;
    assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (2, 0));
    bench.holds_once(1, &run(10_000.0)).await;
}

#[tokio::test]
async fn an_upload_is_noted_before_it_is_sent_and_sent_again_if_the_answer_is_lost() {
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        let bench = Bench::new(profile(Delivery::Deduplicated), true).await;
        bench.there.will([fault]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        bench.later(bench.visit(&first).await);
        let row = bench.row().await;
        assert!(row.state == ItemState::Sent && row.handle.is_empty());
        assert_eq!(bench.settle(&first).await.fate, Fate::Created, "a duplicate of ours is success");
        assert_eq!(bench.there.n_sent(), 2);
        bench.holds_once(1, &run(10_000.0)).await;
    }
}

#[tokio::test]
async fn a_duplicate_of_somebody_elses_record_is_held_but_not_ours() {
    let bench = Bench::new(profile(Delivery::Deduplicated), true).await;
    bench.there.has_foreign("theirs", run(9_990.0));
    let first = bench.plan(1, Some(run(10_000.0))).await;
    let result = bench.settle(&first).await;
    assert_eq!((result.external_id.as_deref(), result.owned), (Some("theirs"), false));
}

#[tokio::test]
async fn a_duplicate_of_an_earlier_version_is_brought_up_to_this_one() {
    let bench = Bench::new(profile(Delivery::Deduplicated), true).await;
    bench.there.will([Fault::LostAfter]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    let second = bench.plan(2, Some(run(11_000.0))).await;
    bench.settle(&second).await;
    bench.holds_once(2, &run(11_000.0)).await;
}

#[tokio::test]
async fn an_unsettled_upload_is_polled_to_its_end_or_becomes_unknown() {
    let lost = |reason| (Fate::Unknown, Some(reason));
    let says = |err| Some(Fault::Says(err));
    let refused = ProviderError::Refused { reason: "empty file".into() };
    let forbidden = ProviderError::Forbidden { reason: "scope".into() };
    let cases = [
        (None, (Fate::Created, None)),
        (Some(Fault::Pending), (Fate::Created, None)),
        (says(ProviderError::NotFound), (Fate::Created, None)),
        (says(refused), (Fate::Refused, Some(Reason::ProviderRefused))),
        (says(forbidden), lost(Reason::AccessRevoked)),
        (says(ProviderError::AccessRevoked), lost(Reason::AccessRevoked)),
    ];
    for (poll, expected) in cases {
        let bench = Bench::new(profile(Delivery::Deduplicated), true).await;
        bench.there.will([Fault::Pending]);
        bench.there.will(poll.clone());
        let first = bench.plan(1, Some(run(10_000.0))).await;
        bench.later(bench.visit(&first).await);
        assert_eq!(bench.row().await.handle, "upload");
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.reason), expected, "{poll:?}");
    }
}

#[tokio::test]
async fn an_upload_that_must_end_is_asked_after_first() {
    let bench = Bench::new(profile(Delivery::Deduplicated), true).await;
    bench.there.will([Fault::Pending]);
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.later(bench.visit(&first).await);
    bench.standing.cancel(&first.head).await.unwrap();
    assert_eq!(bench.settle(&first).await.fate, Fate::Created);
    // Without a handle nobody can be asked.
    let bench = Bench::new(profile(Delivery::Deduplicated), true).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.trouble([(1, Trouble::DiesAfter)]);
    bench.visit(&first).await.unwrap_err();
    bench.standing.cancel(&first.head).await.unwrap();
    assert_eq!(bench.settle(&first).await.fate, Fate::Unknown);
}
