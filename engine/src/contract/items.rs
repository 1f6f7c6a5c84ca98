//! What every store must do with items and origins.

use super::{Names, at};
use crate::{
    item::{Claim, Guard, ItemKey, ItemRow, ItemState, Origin, Partition, Patch, Plan, Planned, Print, Seen, month_of},
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
use uuid::Uuid;

pub(super) async fn check(store: &Store, run: &str) {
    a_window_gives_the_rows_that_overlap_it(store, run).await;
    a_window_gives_the_plan_seqs_of_its_months(store, run).await;
    only_one_plan_of_a_seq_is_written(store, run).await;
    a_plan_makes_a_row_that_is_not_there(store, run).await;
    a_plan_leaves_what_is_not_planned(store, run).await;
    a_plan_never_overwrites_unknown(store, run).await;
    an_id_that_was_seen_is_set_only_where_there_is_none(store, run).await;
    a_change_is_made_only_if_the_guard_holds(store, run).await;
    a_change_touches_only_what_the_patch_names(store, run).await;
    one_of_many_claims_wins(store, run).await;
    rows_are_found_by_item(store, run).await;
    origins_only_go_up(store, run).await;
    origins_are_found_by_time(store, run).await;
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
    let patch = Patch { claim: Some(Some(claim)), ..all_of_a_patch(&mut place) };
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

async fn a_change_is_made_only_if_the_guard_holds(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "guards");
    let (_, key) = place.planned().await;
    let claim = place.claim();
    let (token, other) = (claim.token, place.names.id());
    let set = async |patch: Patch| assert!(place.change(&key, Guard::default(), patch).await);
    set(Patch { version: Some(3), claim: Some(Some(claim)), ..Patch::default() }).await;
    let check = async |what: &str, guard: Guard, expected: bool| {
        let before = place.get(&key).await.attempts;
        let patch = Patch { attempts: Some(before + 1), ..Patch::default() };
        assert_eq!(place.change(&key, guard, patch).await, expected, "the guard: {what}");
        assert_eq!(place.get(&key).await.attempts, before + i32::from(expected), "a guard that fails changes nothing");
    };
    let none = Guard::default();
    check("nothing matters", none.clone(), true).await;
    check("the planned version", Guard { planned_version: Some(1), ..none.clone() }, true).await;
    check("another planned version", Guard { planned_version: Some(2), ..none.clone() }, false).await;
    check("a higher version", Guard { version_below: Some(4), ..none.clone() }, true).await;
    check("the version itself", Guard { version_below: Some(3), ..none.clone() }, false).await;
    check("another state", Guard { state_not: Some(ItemState::Unknown), ..none.clone() }, true).await;
    check("the state itself", Guard { state_not: Some(ItemState::Planned), ..none.clone() }, false).await;
    check("the claim", Guard { claim: Some(Some(token)), ..none.clone() }, true).await;
    check("another claim", Guard { claim: Some(Some(other)), ..none.clone() }, false).await;
    check("no claim, but there is one", Guard { claim: Some(None), ..none.clone() }, false).await;
    let all = Guard {
        planned_version: Some(1),
        version_below: Some(4),
        state_not: Some(ItemState::Unknown),
        claim: Some(Some(token)),
    };
    check("all at once", all.clone(), true).await;
    check("all but one", Guard { version_below: Some(3), ..all }, false).await;
    let close = Patch { claim: Some(None), ..Patch::default() };
    assert!(place.change(&key, none.clone(), close).await);
    check("no claim", Guard { claim: Some(None), ..none.clone() }, true).await;
    check("a claim that is closed", Guard { claim: Some(Some(token)), ..none.clone() }, false).await;
    let missing = ItemKey { item: ItemId(place.names.id()), ..key.clone() };
    let made =
        store.items.change(&missing, none, Patch { attempts: Some(1), ..Patch::default() }).await.expect("change");
    assert!(!made && store.items.get(&missing).await.expect("get").is_none(), "a row that is not there is not made");
}

/// A patch that names everything but the claim.
fn all_of_a_patch(place: &mut Place<'_>) -> Patch {
    let print = place.claim().print;
    Patch {
        state: Some(ItemState::Sent),
        reason: Some("reason".into()),
        version: Some(1),
        hash: Some("written".into()),
        external_id: Some(Bytes::from_static(b"external")),
        handle: Some("upload 1".into()),
        owned: Some(true),
        claim: None,
        unsure: Some(true),
        unsure_prints: Some(vec![print.clone(), Print { metric: None, ..print }]),
        attempts: Some(2),
    }
}

async fn a_change_touches_only_what_the_patch_names(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "patches");
    let (_, key) = place.planned().await;
    let claim = place.claim();
    let patch = Patch { claim: Some(Some(claim.clone())), ..all_of_a_patch(&mut place) };
    let before = place.get(&key).await;
    assert!(place.change(&key, Guard::default(), patch.clone()).await);
    let changed = ItemRow {
        state: ItemState::Sent,
        reason: "reason".into(),
        version: 1,
        hash: "written".into(),
        external_id: Bytes::from_static(b"external"),
        handle: "upload 1".into(),
        owned: true,
        claim: Some(claim),
        unsure: true,
        unsure_prints: patch.unsure_prints.expect("it names them"),
        attempts: 2,
        ..before
    };
    assert_eq!(place.get(&key).await, changed, "everything that the patch names");
    assert!(place.change(&key, Guard::default(), Patch::default()).await);
    assert_eq!(place.get(&key).await, changed, "a patch that names nothing changes nothing");
    let emptied = Patch {
        reason: Some(String::new()),
        external_id: Some(Bytes::new()),
        handle: Some(String::new()),
        owned: Some(false),
        claim: Some(None),
        unsure: Some(false),
        unsure_prints: Some(Vec::new()),
        ..Patch::default()
    };
    assert!(place.change(&key, Guard::default(), emptied).await);
    let expected = ItemRow {
        reason: String::new(),
        external_id: Bytes::new(),
        handle: String::new(),
        owned: false,
        claim: None,
        unsure: false,
        unsure_prints: Vec::new(),
        ..changed
    };
    assert_eq!(place.get(&key).await, expected, "what is emptied is empty, and a closed claim is gone");
}

async fn one_of_many_claims_wins(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "claims");
    let (_, key) = place.planned().await;
    let claims: Vec<Claim> = (0..16).map(|_| place.claim()).collect();
    let guard = Guard { planned_version: Some(1), version_below: Some(1), claim: Some(None), ..Guard::default() };
    let patch = |it: &Claim| Patch { claim: Some(Some(it.clone())), ..Patch::default() };
    let won = join_all(claims.iter().map(|it| place.change(&key, guard.clone(), patch(it)))).await;
    let winners: Vec<Uuid> = claims.iter().zip(&won).filter(|it| *it.1).map(|it| it.0.token).collect();
    let stands = place.get(&key).await.claim.map(|it| it.token);
    assert_eq!(winners, Vec::from_iter(stands), "one of many claims wins, and it is the one that stands");
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

fn origin(place: &mut Place<'_>, record: &str, starts_at: &str) -> Origin {
    let starts_at = at(starts_at);
    Origin {
        connection: ConnectionId(Uuid::from_u128(7)),
        record: record.into(),
        destination: place.destination,
        item: ItemId(place.names.id()),
        month: month_of(starts_at),
        data_type: DataType::Workout,
        starts_at,
        source_at: at("2026-05-10T00:00:00Z"),
        seen_by: place.names.sync(),
    }
}

async fn origins_only_go_up(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "origins");
    let first = origin(&mut place, "a", "2026-05-03T06:00:00Z");
    let other = origin(&mut place, "b", "2026-05-03T08:00:00Z");
    let (subject, destination) = (place.subject.clone(), place.destination);
    let note = async |it: &Origin| store.items.note_origins(&subject, vec![it.clone()]).await.expect("note origins");
    let get = async |records: &[&str]| {
        let records: Vec<String> = records.iter().map(|it| (*it).to_owned()).collect();
        store.items.origins(&subject, first.connection, destination, &records).await.expect("origins")
    };
    assert_eq!(get(&["a"]).await, [None]);
    store.items.note_origins(&subject, vec![first.clone(), other.clone()]).await.expect("note origins");
    let expected = [Some(other.clone()), None, Some(first.clone())];
    assert_eq!(get(&["b", "c", "a"]).await, expected, "in the order asked for");
    let newer = Origin { source_at: at("2026-05-11T00:00:00Z"), ..origin(&mut place, "a", "2026-05-04T06:00:00Z") };
    note(&newer).await;
    assert_eq!(get(&["a"]).await, [Some(newer.clone())], "a newer state of the record stands");
    let older = Origin { seen_by: place.names.sync(), ..first.clone() };
    note(&older).await;
    let expected = Origin { seen_by: older.seen_by, ..newer };
    assert_eq!(get(&["a"]).await, [Some(expected)], "an older one is only noted as seen");
    let there = store.items.origins(&subject, first.connection, place.names.connection(), &["a".into()]).await;
    assert_eq!(there.expect("origins"), [None], "a record leads to an item at each destination by itself");
}

async fn origins_are_found_by_time(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "origins within");
    let from_to = ("2026-05-03T00:00:00Z", "2026-05-04T00:00:00Z");
    let inside = [origin(&mut place, "a", from_to.0), origin(&mut place, "b", "2026-05-03T23:59:59Z")];
    let asleep = Origin { data_type: DataType::Sleep, ..origin(&mut place, "e", "2026-05-03T01:00:00Z") };
    let outside = [origin(&mut place, "c", "2026-05-02T23:59:59Z"), origin(&mut place, "d", from_to.1), asleep];
    let all = inside.iter().chain(&outside).cloned().collect();
    store.items.note_origins(&place.subject, all).await.expect("note origins");
    let window = Interval { from: at(from_to.0), to: at(from_to.1) };
    let (connection, items) = (inside[0].connection, &store.items);
    let found = items.origins_within(&place.subject, connection, place.destination, DataType::Workout, window).await;
    let mut found = found.expect("origins within");
    found.sort_by_key(|it| it.starts_at);
    assert_eq!(found, inside, "records of this type that start in the window");
}
