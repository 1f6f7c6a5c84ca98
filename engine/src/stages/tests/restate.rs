//! Rows that are noted again, and what no row tells of.

use super::{
    Bench, CONNECTION, Q, T0,
    destination::profile,
    resolve::{Page, named},
    run, subject,
};
use crate::{item::ItemState, provider::Delivery, restore::RowsMade};
use schemas::{
    data_type::DataType,
    event::{self, Action, Deletes, Envelope, Fate, Head, Lane, OperationResult, Outcome, Results, Rule},
    id::{ConnectionId, ItemId, OpId, SyncId},
};
use uuid::Uuid;

const UNKEYED: Delivery = Delivery::Listable { keyed: false };

async fn bench(class: Delivery) -> Bench {
    Bench::new(profile(class), true).await
}

/// The item that the watch's record `a` becomes.
fn item() -> ItemId {
    ItemId::derived(CONNECTION, "workout", ConnectionId(Uuid::from_u128(1)), "a")
}

impl Bench {
    /// What Write says after version 2 of the item was brought.
    async fn outcome(&self, hash: &str) -> Envelope<Outcome> {
        let head = Head::root(SyncId(Uuid::from_u128(900)), subject(), self.clock.now());
        let result = OperationResult {
            op: OpId::derived(CONNECTION, item(), 2),
            item: item(),
            month: crate::item::month_of(T0),
            data_type: DataType::Workout,
            action: Action::Update,
            fate: Fate::Updated,
            reason: None,
            detail: None,
            version: 2,
            hash: Some(hash.into()),
            external_id: Some("x1".into()),
            owned: true,
            lost: Vec::new(),
        };
        let results = Some(self.contents.seal_value(&head, &Results { results: vec![result] }).await.unwrap());
        let account = event::Account { connection: CONNECTION, provider: "cloud".into() };
        let (rule, deletes) = (Rule::PrioritiseSource, Deletes::Mirror);
        let destination = Some(event::Destination { account, config: None, config_version: 1, rule, deletes });
        let body =
            Outcome { stage: "write".into(), destination, end: None, results, counts: Vec::new(), lane: Lane::Hot };
        Envelope { head, body }
    }
}

#[tokio::test]
async fn what_an_outcome_says_is_known_although_its_decision_is_gone() {
    let bench = bench(UNKEYED).await;
    bench.standing.note_restored().await.unwrap();
    let hash = bench.contents.vault.keyed_hash(&subject(), "content", &run(10_000.0).content()).await.unwrap();
    let outcome = bench.outcome(&hash).await;
    assert_eq!(bench.write.restate(&outcome, &RowsMade::default()).await.unwrap(), Some(1));
    let row = bench.row_of(item()).await;
    assert_eq!((row.version, row.planned_version, row.state, row.owned), (2, 2, ItemState::Applied, true));
    assert_eq!(bench.contents.open_external(&subject(), &row).await.unwrap().as_deref(), Some("x1"));
    assert_eq!(bench.write.restate(&outcome, &RowsMade::default()).await.unwrap(), Some(0), "once");

    let same = bench.resolved(Page::of(1, 1, vec![named("a", 10_000.0)])).await;
    assert_eq!((same[0].action, same[0].version), (Action::Skip, 2), "it is there already");
    let changed = bench.resolved(Page::of(2, 1, vec![named("a", 12_000.0)])).await;
    assert_eq!((changed[0].action, changed[0].version), (Action::Update, 3), "and is changed, not made again");
}

#[tokio::test]
async fn a_record_from_before_a_restore_is_looked_for_before_it_is_sent() {
    for class in [UNKEYED, Delivery::Listable { keyed: true }, Delivery::Deduplicated] {
        let bench = bench(class).await;
        bench.standing.note_restored().await.unwrap();
        let first = bench.plan(1, Some(run(10_000.0))).await;
        assert_eq!(bench.settle(&first).await.fate, Fate::Created);
        bench.holds_once(1, &run(10_000.0)).await;
        assert_eq!(bench.there.n_reads(), usize::from(class == UNKEYED), "{class:?}");
    }
    let bench = bench(UNKEYED).await;
    bench.standing.note_restored().await.unwrap();
    bench.there.has_foreign("x", run(10_000.0));
    let first = bench.plan(1, Some(run(10_000.0))).await;
    bench.settle(&first).await;
    assert_eq!((bench.there.n_sent(), bench.row().await.version), (0, 1), "it is what the lost row was about");
}

#[tokio::test]
async fn what_may_have_been_sent_is_claimed_by_nobody_until_q_has_passed() {
    let bench = bench(UNKEYED).await;
    let first = bench.plan(1, Some(run(10_000.0))).await;
    assert_eq!(bench.write.take_over(&first).await.unwrap(), 1);
    let q_is_over = bench.clock.now().plus(Q);
    while bench.clock.now() < q_is_over {
        let at = bench.later(bench.visit(&first).await);
        assert!(at > bench.clock.now() && at <= q_is_over, "looked at again, at its end at the latest");
        assert_eq!((bench.there.n_reads(), bench.there.n_sent()), (0, 0));
        bench.hands.advance_to(at);
    }
    assert_eq!(bench.settle(&first).await.fate, Fate::Created);
    assert_eq!((bench.there.n_reads(), bench.there.n_sent()), (1, 1));
    assert_eq!(bench.write.take_over(&first).await.unwrap(), 0, "what is held is not in doubt");
    bench.holds_once(1, &run(10_000.0)).await;
}
