//! Planning: races, ends, looks, and what is gone.

use super::{
    Bench, CONNECTION, T0,
    destination::{Fault, profile},
    run, subject,
};
use crate::{
    item::{ItemKey, ItemRow, ItemState, Partition, month_of},
    provider::Delivery,
    stage::{Answer, Stage, logged},
    stages::Resolve,
    store::{Bearing, Step, StepKey},
};
use schemas::{
    data_type::DataType,
    event::{
        self, Account, Action, Decision, Decisions, Deletes, Envelope, Fetched, Head, IssueCount, Lane, Normalized,
        Payload, Reason, Rule, Side,
    },
    id::{ConnectionId, ItemId, SyncId},
    record::{Body, Nothing, Record, Records},
    time::{Instant, Interval},
    topics,
};
use std::time::Duration;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

fn window() -> Interval {
    Interval { from: T0.minus(DAY), to: T0.plus(DAY) }
}

/// A page of a connection, to be resolved.
pub(super) struct Page {
    sync: u128,
    number: i32,
    from: u128,
    records: Vec<Record>,
    last: bool,
    issues: Vec<IssueCount>,
}

impl Page {
    pub(super) fn of(sync: u128, from: u128, records: Vec<Record>) -> Self {
        Self { sync, number: 0, from, records, last: true, issues: Vec::new() }
    }
}

pub(super) fn named(id: &str, distance_m: f64) -> Record {
    let mut record = run(distance_m);
    record.origin.record = id.into();
    record
}

impl Bench {
    fn resolve(&self) -> Resolve {
        Resolve {
            accounts: self.accounts.clone(),
            contents: self.contents.clone(),
            standing: self.standing.clone(),
            items: self.faulty.clone(),
            log: self.store.log.clone(),
        }
    }

    async fn append(&self, head: &Head, stage: &str, outputs: Vec<crate::store::Logged>) {
        let key = StepKey { subject: subject(), sync: head.sync, stage: stage.into(), cause: head.id };
        let step = Step { key, at: head.at, bearing: Bearing::Within, outputs, roots: Vec::new() };
        self.store.log.append(step).await.unwrap();
    }

    /// Notes in the log that the page was fetched and mapped, and gives the event that Resolve gets.
    async fn mapped(&self, page: Page) -> Envelope<Normalized> {
        let id = |n: u128| if n == 2 { CONNECTION } else { ConnectionId(Uuid::from_u128(n)) };
        let provider = if page.from == 2 { "cloud" } else { "watch" };
        let account = Account { connection: id(page.from), provider: provider.into() };
        let side = if page.from == 2 { Side::Destination } else { Side::Source };
        let destination = event::Destination {
            account: Account { connection: CONNECTION, provider: "cloud".into() },
            config: None,
            config_version: 1,
            rule: Rule::PrioritiseSource,
            deletes: Deletes::Mirror,
        };
        let root = Head::root(SyncId(Uuid::from_u128(page.sync)), subject(), self.clock.now());
        let head = root.derive("fetch", usize::try_from(page.number).unwrap(), self.clock.now());
        let body = Fetched {
            side,
            account: account.clone(),
            source: account.clone(),
            data_type: Some(DataType::Workout),
            destinations: vec![destination.clone()],
            page: self.contents.seal(&head, "application/json", b"[]").await.unwrap(),
            number: page.number,
            fetched_at: self.clock.now(),
            window: Some(window()),
            last: page.last,
            api_version: String::new(),
            lane: Lane::Hot,
        };
        let fetched = Envelope { head, body };
        let before = Head { id: root.derive("before", 0, T0).id, ..fetched.head.clone() };
        let before = Head { id: before.derive("page", usize::try_from(page.number).unwrap(), T0).id, ..before };
        self.append(&before, "fetch", vec![logged(&fetched, topics::fetched(Lane::Hot).name)]).await;
        let head = fetched.head.derive("normalize", 0, self.clock.now());
        let records: Payload = self.contents.seal_value(&head, &Records { records: page.records }).await.unwrap();
        let body = Normalized {
            side,
            account: account.clone(),
            source: account,
            data_type: Some(DataType::Workout),
            destinations: vec![destination],
            records,
            counts: Vec::new(),
            issues: page.issues,
            fetched_at: self.clock.now(),
            window: Some(window()),
            last: page.last,
            mapper_version: 1,
            lane: Lane::Hot,
        };
        let normalized = Envelope { head, body };
        self.append(&fetched.head, "normalize", vec![logged(&normalized, topics::normalized(Lane::Hot).name)]).await;
        normalized
    }

    /// What Resolve decides, without its step being appended.
    async fn decide(&self, input: &Envelope<Normalized>) -> Vec<Decision> {
        let Answer::Made(made) = self.resolve().process(input).await.unwrap() else { panic!("no step") };
        let Some(sealed) = &made.outputs[0].body.decisions else { return Vec::new() };
        self.contents.open_value::<Decisions>(&subject(), sealed).await.unwrap().unwrap().decisions
    }

    /// Decides and notes the step.
    pub(super) async fn resolved(&self, page: Page) -> Vec<Decision> {
        let input = self.mapped(page).await;
        let decisions = self.decide(&input).await;
        self.append(&input.head, "resolve", Vec::new()).await;
        decisions
    }

    pub(super) async fn row_of(&self, item: ItemId) -> ItemRow {
        let partition = Partition { subject: subject(), destination: CONNECTION, month: month_of(T0) };
        self.store.items.get(&ItemKey { partition, item }).await.unwrap().unwrap()
    }

    async fn plan_seq(&self, at: Instant) -> i64 {
        let partition = Partition { subject: subject(), destination: CONNECTION, month: month_of(at) };
        self.store.items.seq(&partition).await.unwrap()
    }
}

async fn bench() -> Bench {
    Bench::new(profile(Delivery::Listable { keyed: false }), true).await
}

#[tokio::test]
async fn the_same_event_again_is_the_same_plan() {
    let bench = bench().await;
    let input = bench.mapped(Page::of(1, 1, vec![named("a", 10_000.0), named("b", 10_010.0)])).await;
    let first = bench.decide(&input).await;
    assert_eq!(first.iter().map(|it| it.action).collect::<Vec<_>>(), [Action::Create, Action::Skip], "one run");
    let again = bench.decide(&input).await;
    assert_eq!(
        again.iter().map(|it| (it.op, it.action)).collect::<Vec<_>>(),
        first.iter().map(|it| (it.op, it.action)).collect::<Vec<_>>()
    );
    assert_eq!(bench.row_of(first[0].item).await.planned_version, 1);
    bench.append(&input.head, "resolve", Vec::new()).await;
    assert!(bench.decide(&input).await.is_empty(), "what was said is not decided again");
}

#[tokio::test]
async fn two_sources_at_once_see_each_other_and_whoever_is_first_the_same_is_planned() {
    let mut planned = Vec::new();
    for is_swapped in [false, true] {
        let bench = bench().await;
        let one = bench.mapped(Page::of(1, 1, vec![named("a", 10_000.0)])).await;
        let two = bench.mapped(Page::of(3, 3, vec![named("b", 10_010.0)])).await;
        let (one, two) = if is_swapped { (two, one) } else { (one, two) };
        let (one, two) = futures::join!(bench.decide(&one), bench.decide(&two));
        assert_eq!(one[0].item, two[0].item, "one item");
        let (item, row) = (one[0].item, bench.row_of(one[0].item).await);
        let opened = bench.contents.open_row(&subject(), &item.to_string(), &row.summary).await.unwrap().unwrap();
        planned.push(crate::resolve::kept(&opened).unwrap().0.content());
    }
    assert_eq!(planned[0], planned[1]);
}

#[tokio::test]
async fn what_has_ended_plans_nothing_and_ends_what_it_planned() {
    let bench = bench().await;
    let input = bench.mapped(Page::of(1, 1, vec![named("a", 10_000.0)])).await;
    let planned = bench.decide(&input).await;
    bench.standing.cancel(&input.head).await.unwrap();
    let seq = bench.plan_seq(T0).await;
    let ended = bench.decide(&input).await;
    assert_eq!((ended[0].action, ended[0].reason), (Action::Skip, Some(Reason::Cancelled)));
    let row = bench.row_of(planned[0].item).await;
    assert_eq!((row.state, row.planned_version, row.reason), (ItemState::Ended, 1, Reason::Cancelled.code()));
    assert_eq!(bench.plan_seq(T0).await, seq + 1);
    // Somebody else's plan is left alone, and whoever read before must read again.
    let other = bench.resolved(Page::of(4, 4, vec![named("c", 10_000.0)])).await;
    let late = bench.mapped(Page::of(1, 1, vec![named("c", 12_000.0)])).await;
    let before = (bench.row_of(other[0].item).await, bench.plan_seq(T0).await);
    bench.decide(&late).await;
    assert_eq!((bench.row_of(other[0].item).await, bench.plan_seq(T0).await), (before.0, before.1 + 1));
}

#[tokio::test]
async fn a_record_is_gone_only_if_every_page_was_read_mapped_and_resolved() {
    let bench = bench().await;
    let item = bench.resolved(Page::of(1, 1, vec![named("a", 10_000.0)])).await[0].item;
    let deletes = |decisions: &[Decision]| decisions.iter().any(|it| it.action == Action::Delete && it.item == item);
    // An earlier page waits for its turn.
    let waits = bench.mapped(Page { last: false, ..Page::of(2, 1, vec![named("a", 10_000.0)]) }).await;
    let last = bench.mapped(Page { number: 1, ..Page::of(2, 1, Vec::new()) }).await;
    assert!(!deletes(&bench.decide(&last).await));
    bench.decide(&waits).await;
    bench.append(&waits.head, "resolve", Vec::new()).await;
    assert!(!deletes(&bench.decide(&last).await), "it was on that page");
    // A record was left out while mapping.
    let issues = vec![IssueCount { code: "malformed".into(), count: 1 }];
    assert!(!deletes(&bench.resolved(Page { issues, ..Page::of(3, 1, Vec::new()) }).await));
    assert!(deletes(&bench.resolved(Page::of(4, 1, Vec::new())).await));
    assert!(bench.row_of(item).await.planned_delete);
}

#[tokio::test]
async fn a_tombstone_that_knows_no_time_leaves_the_row_where_it_is() {
    let bench = bench().await;
    let item = bench.resolved(Page::of(1, 1, vec![named("a", 10_000.0)])).await[0].item;
    let mut gone = named("a", 0.0);
    (gone.deleted, gone.body) = (true, Body::Nothing(Nothing {}));
    gone.time = schemas::record::Span::at(Instant(0), None);
    let mut input = bench.mapped(Page::of(2, 1, vec![gone])).await;
    // Named by a notification: no window.
    (input.body.window, input.body.data_type) = (None, None);
    let decisions = bench.decide(&input).await;
    assert_eq!((decisions[0].action, decisions[0].item), (Action::Delete, item));
    assert_eq!(bench.row_of(item).await.starts_at, T0);
    assert_eq!(bench.plan_seq(Instant(0)).await, 0, "no plan is made in 1970");
}

#[tokio::test]
async fn a_foreign_record_hides_ours_until_it_is_gone() {
    let bench = bench().await;
    let theirs = vec![named("theirs", 10_050.0)];
    assert!(bench.resolved(Page::of(1, 2, theirs)).await.is_empty(), "a look decides nothing");
    let decided = bench.resolved(Page::of(2, 1, vec![named("a", 10_000.0)])).await;
    assert_eq!(decided[0].reason, Some(Reason::Foreign));
    let foreign = decided[0].item;
    bench.hands.advance(DAY);
    bench.resolved(Page::of(3, 2, Vec::new())).await;
    assert!(bench.row_of(foreign).await.seen_hash.is_empty());
    let decided = bench.resolved(Page::of(5, 1, vec![named("a", 10_000.0)])).await;
    assert_eq!(decided[0].action, Action::Create);
    assert_ne!(decided[0].item, foreign, "the id of what is gone is not used");
    assert!(bench.row_of(decided[0].item).await.external_id.is_empty());
}

#[tokio::test]
async fn what_was_seen_there_before_the_first_claim_is_never_taken_for_ours() {
    let profile = profile(Delivery::Listable { keyed: false });
    for seen_before in [true, false] {
        let bench = Bench::new(profile.clone(), false).await;
        bench.there.has_foreign("theirs", run(10_000.0));
        bench.hands.advance(DAY);
        if seen_before {
            bench.resolved(Page::of(1, 2, vec![named("theirs", 10_000.0)])).await;
            bench.hands.advance(DAY);
        }
        bench.there.will([Fault::LostBefore]);
        let first = bench.plan(1, Some(run(10_000.0))).await;
        let taken = bench.settle(&first).await.external_id.as_deref() == Some("theirs");
        // Without a mark nobody can tell one that nobody saw before from what may have been sent.
        assert_eq!(taken, !seen_before);
    }
}
