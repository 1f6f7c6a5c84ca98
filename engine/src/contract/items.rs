//! What every store must do with items and origins.

mod changes;
mod origins;

use super::{Names, at};
use crate::{
    item::{Claim, Guard, ItemKey, ItemRow, ItemState, Partition, Patch, Plan, Planned, Print, Seen, month_of},
    store::Store,
};
use bytes::Bytes;
use futures::future::join_all;
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject},
    time::{Instant, Interval},
};
use std::time::Duration;

pub(super) async fn check(store: &Store, run: &str) {
    a_window_gives_the_rows_that_overlap_it(store, run).await;
    a_window_gives_the_plan_seqs_of_its_months(store, run).await;
    only_one_plan_of_a_seq_is_written(store, run).await;
    a_plan_makes_a_row_that_is_not_there(store, run).await;
    a_plan_leaves_what_is_not_planned(store, run).await;
    a_plan_never_overwrites_unknown(store, run).await;
    an_id_that_was_seen_is_set_only_where_there_is_none(store, run).await;
    rows_are_found_by_item(store, run).await;
    changes::check(store, run).await;
    origins::check(store, run).await;
}

/// A destination of a person, with ids at hand.
struct Place<'a> {
    store: &'a Store,
    names: Names,
    subject: Subject,
    destination: ConnectionId,
}

impl<'a> Place<'a> {
    fn new(store: &'a Store, run: &str, check: &str) -> Self {
        let mut names = Names::new(run, check);
        let (subject, destination) = (names.subject(), names.connection());
        Self { store, names, subject, destination }
    }

    fn partition(&self, month: &str) -> Partition {
        Partition { subject: self.subject.clone(), destination: self.destination, month: month.into() }
    }

    fn key(&self, planned: &Planned) -> ItemKey {
        ItemKey { partition: self.partition(&month_of(planned.starts_at)), item: planned.item }
    }

    /// A workout between these times, not yet planned.
    fn workout(&mut self, starts_at: &str, ends_at: &str) -> Planned {
        Planned {
            item: ItemId(self.names.id()),
            data_type: DataType::Workout,
            starts_at: at(starts_at),
            ends_at: at(ends_at),
            summary: Some(Bytes::from_static(b"summary")),
            plan: None,
            seen: None,
        }
    }

    fn plan_of(&mut self, version: i64) -> Plan {
        let by = (self.names.event(), self.names.sync());
        Plan {
            version,
            hash: format!("hash {version}"),
            by,
            state: ItemState::Planned,
            reason: String::new(),
            delete: false,
        }
    }

    /// A workout whose first version is planned and written into its partition.
    async fn planned(&mut self) -> (Planned, ItemKey) {
        let plan = Some(self.plan_of(1));
        let planned = Planned { plan, ..self.workout("2026-05-03T06:00:00Z", "2026-05-03T07:00:00Z") };
        assert!(self.write(&planned).await, "nobody else plans here");
        let key = self.key(&planned);
        (planned, key)
    }

    /// Plans it with the present `plan_seq`.
    async fn write(&self, planned: &Planned) -> bool {
        let month = month_of(planned.starts_at);
        let seq = self.seq(planned.starts_at).await;
        self.store.items.plan(&self.partition(&month), seq, vec![planned.clone()]).await.expect("plan")
    }

    async fn seq(&self, of: Instant) -> i64 {
        let (_, seqs) = self.window(Interval { from: of, to: of.plus(Duration::from_millis(1)) }).await;
        let partition = self.partition(&month_of(of));
        seqs.into_iter().find(|it| it.0 == partition).expect("a window names the months it touches").1
    }

    async fn window(&self, window: Interval) -> (Vec<ItemRow>, Vec<(Partition, i64)>) {
        let items = &self.store.items;
        items.window(&self.subject, self.destination, DataType::Workout, window).await.expect("window")
    }

    async fn get(&self, key: &ItemKey) -> ItemRow {
        self.store.items.get(key).await.expect("get").expect("the row is there")
    }

    async fn change(&self, key: &ItemKey, guard: Guard, patch: Patch) -> bool {
        self.store.items.change(key, guard, patch).await.expect("change")
    }

    fn claim(&mut self) -> Claim {
        let (start, end) = (at("2026-05-03T06:00:00Z"), at("2026-05-03T07:00:00Z"));
        Claim {
            token: self.names.id(),
            at: at("2026-05-04T00:00:00Z"),
            print: Print { start, end, metric: Some(10_000), claimed_at: None },
        }
    }
}

async fn a_window_gives_the_rows_that_overlap_it(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "window");
    let times = [
        ("2026-04-10T00:00:00Z", "2026-05-01T12:00:00Z"), // from the month before into the window
        ("2026-04-30T23:00:00Z", "2026-05-01T00:00:00Z"), // ends where the window begins
        ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00Z"), // a sample
        ("2026-05-01T23:00:00Z", "2026-05-02T01:00:00Z"), // begins inside
    ];
    let outside = [
        ("2026-04-30T20:00:00Z", "2026-04-30T21:00:00Z"),
        ("2026-05-02T00:00:00Z", "2026-05-02T01:00:00Z"), // begins where the window ends
        ("2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z"),
    ];
    let mut expected = Vec::new();
    for (index, (from, to)) in times.into_iter().chain(outside).enumerate() {
        let planned = place.workout(from, to);
        assert!(place.write(&planned).await);
        if index < times.len() {
            expected.push(place.key(&planned));
        }
    }
    let of_other_type = Planned { data_type: DataType::Sleep, ..place.workout(times[2].0, times[2].1) };
    assert!(place.write(&of_other_type).await);
    let window = Interval { from: at("2026-05-01T00:00:00Z"), to: at("2026-05-02T00:00:00Z") };
    let (mut rows, _) = place.window(window).await;
    rows.sort_by_key(|it| it.starts_at);
    assert_eq!(rows.into_iter().map(|it| it.key).collect::<Vec<_>>(), expected, "the rows that overlap the window");
    let other = store.items.window(&place.subject, place.names.connection(), DataType::Workout, window).await;
    assert_eq!(other.expect("window").0, [], "of that destination only");
    let other = store.items.window(&place.names.subject(), place.destination, DataType::Workout, window).await;
    assert_eq!(other.expect("window").0, [], "of that person only");
}

async fn a_window_gives_the_plan_seqs_of_its_months(store: &Store, run: &str) {
    let place = Place::new(store, run, "plan seqs");
    let window = Interval { from: at("2025-12-30T00:00:00Z"), to: at("2026-01-02T00:00:00Z") };
    let seqs = async || {
        let (_, seqs) = place.window(window).await;
        ["2025-12", "2026-01"].map(|month| {
            let partition = place.partition(month);
            seqs.iter().find(|it| it.0 == partition).expect("a window names the months it touches").1
        })
    };
    assert_eq!(seqs().await, [0, 0], "a month that was never planned in is at 0");
    assert!(store.items.plan(&place.partition("2026-01"), 0, vec![]).await.expect("plan"));
    assert_eq!(seqs().await, [0, 1], "a plan without rows raises it");
    assert!(store.items.plan(&place.partition("2025-12"), 0, vec![]).await.expect("plan"));
    assert!(store.items.plan(&place.partition("2025-12"), 1, vec![]).await.expect("plan"));
    assert_eq!(seqs().await, [2, 1], "each month has its own");
}

async fn only_one_plan_of_a_seq_is_written(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "plan race");
    let partition = place.partition("2026-05");
    let all: Vec<Planned> = (0..16).map(|_| place.workout("2026-05-03T06:00:00Z", "2026-05-03T07:00:00Z")).collect();
    for seq in 0..3 {
        let race = join_all(all.iter().map(|it| store.items.plan(&partition, seq, vec![it.clone()]))).await;
        let won: Vec<bool> = race.into_iter().map(|it| it.expect("plan")).collect();
        assert_eq!(won.iter().filter(|it| **it).count(), 1, "one of many plans wins");
    }
    let window = Interval { from: at("2026-05-03T00:00:00Z"), to: at("2026-05-04T00:00:00Z") };
    let n_rows = place.window(window).await.0.len();
    assert!((1..=3).contains(&n_rows), "who lost has written nothing: {n_rows} rows");
    assert!(!store.items.plan(&partition, 9, vec![]).await.expect("plan"), "a seq that was never reached is no seq");
}

async fn a_plan_makes_a_row_that_is_not_there(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "plan insert");
    let (planned, key) = place.planned().await;
    let plan = planned.plan.clone().expect("it is planned");
    let expected = ItemRow {
        key: key.clone(),
        data_type: DataType::Workout,
        starts_at: planned.starts_at,
        ends_at: planned.ends_at,
        summary: Bytes::from_static(b"summary"),
        planned_version: 1,
        planned_hash: plan.hash,
        planned_by: Some(plan.by),
        state: ItemState::Planned,
        reason: String::new(),
        planned_delete: false,
        version: 0,
        hash: String::new(),
        external_id: Bytes::new(),
        handle: String::new(),
        owned: false,
        seen_hash: String::new(),
        seen_at: None,
        seen_modified_at: None,
        claim: None,
        unsure: false,
        unsure_prints: Vec::new(),
        attempts: 0,
    };
    assert_eq!(place.get(&key).await, expected, "a planned row begins without a written version");
    let seen = Seen {
        hash: "seen".into(),
        at: at("2026-05-05T00:00:00Z"),
        modified_at: Some(at("2026-05-04T00:00:00Z")),
        external_id: Bytes::from_static(b"theirs"),
    };
    let foreign = Planned { seen: Some(seen), ..place.workout("2026-05-04T06:00:00Z", "2026-05-04T07:00:00Z") };
    assert!(place.write(&foreign).await);
    let row = place.get(&place.key(&foreign)).await;
    let versions = (row.planned_version, row.planned_by, row.version, row.owned, row.state);
    assert_eq!(versions, (0, None, 0, false, ItemState::Applied), "a foreign record is held there, and none of ours");
    assert_eq!((row.seen_hash.as_str(), &row.external_id[..]), ("seen", &b"theirs"[..]));
    assert_eq!(
        (row.seen_at, row.seen_modified_at),
        (Some(at("2026-05-05T00:00:00Z")), Some(at("2026-05-04T00:00:00Z")))
    );
    let missing = ItemKey { item: ItemId(place.names.id()), ..key };
    assert_eq!(store.items.get(&missing).await.expect("get"), None, "a row that is not there is none");
}

async fn a_plan_leaves_what_is_not_planned(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "plan update");
    let (planned, key) = place.planned().await;
    let claim = place.claim();
    let patch = Patch { claim: Some(Some(claim)), ..changes::all_of_a_patch(&mut place) };
    assert!(place.change(&key, Guard::default(), patch).await);
    let before = place.get(&key).await;
    let deletion = Plan {
        hash: String::new(),
        delete: true,
        state: ItemState::Ended,
        reason: "cancelled".into(),
        ..place.plan_of(2)
    };
    let planned =
        Planned { plan: Some(deletion.clone()), summary: None, ends_at: at("2026-05-03T08:00:00Z"), ..planned };
    assert!(place.write(&planned).await);
    let expected = ItemRow {
        ends_at: planned.ends_at,
        planned_version: 2,
        planned_hash: String::new(),
        planned_by: Some(deletion.by),
        planned_delete: true,
        state: ItemState::Ended,
        reason: "cancelled".into(),
        ..before
    };
    assert_eq!(place.get(&key).await, expected, "a plan touches no claim and nothing that was written");
    let seen =
        Seen { hash: "seen".into(), at: at("2026-05-06T00:00:00Z"), modified_at: None, external_id: Bytes::new() };
    let noted = Planned { plan: None, seen: Some(seen), ..planned };
    assert!(place.write(&noted).await);
    let expected = ItemRow { seen_hash: "seen".into(), seen_at: Some(at("2026-05-06T00:00:00Z")), ..expected };
    assert_eq!(place.get(&key).await, expected, "what was only seen plans nothing");
}

async fn a_plan_never_overwrites_unknown(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "plan unknown");
    let (planned, key) = place.planned().await;
    let unknown = Patch { state: Some(ItemState::Unknown), reason: Some("lost".into()), ..Patch::default() };
    assert!(place.change(&key, Guard::default(), unknown).await);
    let again = Planned { plan: Some(place.plan_of(2)), ..planned };
    assert!(place.write(&again).await);
    let row = place.get(&key).await;
    assert_eq!((row.state, row.reason.as_str()), (ItemState::Unknown, "lost"), "UNKNOWN stays until a person decides");
}

async fn an_id_that_was_seen_is_set_only_where_there_is_none(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "seen id");
    let (planned, key) = place.planned().await;
    for (seen, expected) in [("", ""), ("first", "first"), ("second", "first"), ("", "first")] {
        let external_id = Bytes::from_static(seen.as_bytes());
        let seen = Seen { hash: "seen".into(), at: at("2026-05-05T00:00:00Z"), modified_at: None, external_id };
        assert!(place.write(&Planned { plan: None, seen: Some(seen), ..planned.clone() }).await);
        let row = place.get(&key).await;
        assert_eq!(row.external_id, expected.as_bytes(), "an id that stands is not overwritten by one that was seen");
    }
}

async fn rows_are_found_by_item(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "find");
    let (planned, key) = place.planned().await;
    let elsewhere = Partition { destination: place.names.connection(), ..place.partition("2026-01") };
    assert!(store.items.plan(&elsewhere, 0, vec![planned.clone()]).await.expect("plan"));
    let found = store.items.find(&place.subject, planned.item).await.expect("find");
    let mut partitions: Vec<String> = found.into_iter().map(|it| it.key.partition.month).collect();
    partitions.sort();
    assert_eq!(partitions, ["2026-01", &key.partition.month], "whatever the destination and month");
    let other = store.items.find(&place.names.subject(), planned.item).await.expect("find");
    assert_eq!(other, [], "of that person only");
}
