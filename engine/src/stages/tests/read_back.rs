//! What is there of what was written is read back and compared; whatever comes of that, the write stays one write.

use super::{
    Bench,
    destination::{Fault, profile},
    run,
};
use crate::provider::{Delivery, Limit, Profile, ProviderError, Scope, Verbs};
use schemas::event::Fate;
use std::time::Duration;

const C: Delivery = Delivery::Listable { keyed: false };

fn reading_back(class: Delivery) -> Profile {
    Profile { reads_back: true, read_after_write: Duration::ZERO, ..profile(class) }
}

#[tokio::test]
async fn what_is_there_as_it_was_written_has_lost_nothing() {
    for class in [Delivery::Versioned, Delivery::Deduplicated, C, Delivery::Listable { keyed: true }, Delivery::Once] {
        let bench = Bench::new(reading_back(class), true).await;
        let first = bench.plan(1, Some(run(10_000.5))).await;
        assert_eq!(bench.settle(&first).await.lost, Vec::<String>::new(), "{class:?}");
        assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (1, 1), "{class:?}");
    }
}

#[tokio::test]
async fn what_the_destination_rounds_is_told() {
    for class in [Delivery::Versioned, C] {
        let bench = Bench::new(reading_back(class), true).await;
        bench.there.will([Fault::Rounds]);
        let first = bench.plan(1, Some(run(10_000.4))).await;
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.lost), (Fate::Created, vec!["distance_m: rounded to whole metres".into()]));
        assert_eq!(bench.there.n_sent(), 1, "what it cannot hold is not sent again");
    }
}

#[tokio::test]
async fn reading_back_that_fails_neither_fails_nor_repeats_the_write() {
    let errors = [
        (ProviderError::Unavailable { what: "down".into() }, "the destination did not answer"),
        (ProviderError::Forbidden { reason: "no scope".into() }, "the destination did not answer"),
        (ProviderError::NotFound, "the destination did not answer"),
        (ProviderError::Throttled { until: None }, "the provider's limits leave no room"),
        (ProviderError::Malformed { what: "half".into() }, "the destination's answer could not be read"),
    ];
    for (err, why) in errors {
        let bench = Bench::new(reading_back(C), true).await;
        bench.there.will_not_read([err]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        let result = bench.settle(&first).await;
        assert_eq!((result.fate, result.lost), (Fate::Created, vec![format!("not read back: {why}")]));
        assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (1, 1), "each is tried once");
        bench.holds_once(1, &run(10_000.0)).await;
    }
}

#[tokio::test]
async fn an_event_that_comes_again_is_not_read_back_again() {
    let bench = Bench::new(reading_back(C), true).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.settle(&first).await;
    let again = bench.settle(&first).await;
    assert_eq!((again.fate, again.lost.len()), (Fate::Created, 0));
    assert_eq!((bench.there.n_sent(), bench.there.n_reads()), (1, 1));
}

#[tokio::test]
async fn a_destination_that_shows_late_is_not_said_to_have_lost_anything() {
    let bench = Bench::new(Profile { reads_back: true, ..profile(C) }, true).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    assert_eq!(bench.settle(&first).await.lost, ["not read back: the destination does not show it yet"]);
    bench.hands.advance(Duration::from_secs(60));
    let second = bench.plan(2, Some(run(11_000.0))).await;
    let lost = ["not read back: what the destination shows may be from before the write"];
    assert_eq!(bench.settle(&second).await.lost, lost);
    bench.holds_once(2, &run(11_000.0)).await;
}

#[tokio::test]
async fn a_deletion_and_a_provider_that_does_not_want_it_are_not_read_back() {
    let bench = Bench::new(reading_back(C), true).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.settle(&first).await;
    let second = bench.plan(2, None).await;
    assert_eq!(bench.settle(&second).await.lost, Vec::<String>::new());
    assert_eq!(bench.there.n_reads(), 1);
    let bench = Bench::new(profile(C), true).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    assert_eq!(bench.settle(&first).await.lost, Vec::<String>::new());
    assert_eq!(bench.there.n_reads(), 0);
}

#[test]
fn where_calls_are_counted_only_the_first_of_a_page_are_read_back() {
    let free = reading_back(C);
    let counted = Profile {
        limits: vec![Limit {
            name: "minute",
            scope: Scope::Connection,
            verbs: Verbs::All,
            window: Duration::from_secs(60),
            calls_max: 300,
        }],
        ..reading_back(C)
    };
    let due = |profile: &Profile| (0..100).filter(|it| crate::stages::write::read_back::is_due(profile, *it)).count();
    assert_eq!((due(&free), due(&counted), due(&profile(C))), (100, crate::provider::READ_BACKS_MAX, 0));
}
