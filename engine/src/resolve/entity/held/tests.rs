//! What a device is told, and that what is held is the join of all that was ever sent.

use super::{Held, Told, join_all};
use crate::resolve::entity::{AHEAD_MAX, Admission, Entity, Kind, Node, Upload, Winner};
use proptest::prelude::*;
use schemas::time::Instant;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: i64 = 1_780_000_000;

fn at(second: i64) -> Instant {
    Instant((NOW + second) * 1000)
}

/// A version that a device wrote in that second; deleted if it has no data.
fn wrote(who: &str, kind: Kind, second: i64, data: &Value) -> Entity {
    let data = data.as_object().cloned().unwrap_or_default();
    let deleted_at = data.keys().all(|it| it == "date").then(|| at(second));
    let upload = Upload { id: "1".into(), data, updated_at: at(second), deleted_at, field_updated_at: BTreeMap::new() };
    let admission = Admission { now: at(1000), ahead_max: AHEAD_MAX };
    Entity::admit(kind, &upload, &Node::Device(who.to_owned()), &admission)
}

fn metric(who: &str, second: i64, data: &Value) -> Entity {
    wrote(who, Kind::HealthMetrics, second, data)
}

fn meal(who: &str, second: i64, data: &Value) -> Entity {
    wrote(who, Kind::Meals, second, data)
}

/// What the device is told that sends this in that second, having seen what the server had in `since`.
fn send(held: &mut Held, version: Entity, since: Option<i64>, second: i64) -> Told {
    held.take([version], since.map(at), at(second))
}

#[track_caller]
fn check(told: &Told, conflicts: &[(&str, Winner)], updates: &[Value]) {
    let fields = told.conflict_details.iter().flat_map(|it| &it.fields);
    let fields: Vec<(&str, Winner)> = fields.map(|it| (it.field.as_str(), it.winner)).collect();
    assert_eq!(fields, conflicts);
    assert_eq!(told.conflicts, told.conflict_details.len());
    let data: Vec<Value> = told.server_updates.iter().map(|it| Value::Object(it.entity.data.clone())).collect();
    assert_eq!(data, updates);
}

#[test]
fn what_the_device_had_seen_is_no_conflict() {
    let (first, second) = (metric("phone", 1, &json!({"weight": 75})), metric("tablet", 20, &json!({"weight": 76})));
    for (since, conflicts) in
        [(Some(2), &[][..]), (Some(1), &[("weight", Winner::Client)]), (None, &[("weight", Winner::Client)])]
    {
        let mut held = Held::default();
        check(&send(&mut held, first.clone(), None, 2), &[], &[]);
        check(&send(&mut held, second.clone(), since, 21), conflicts, &[]);
    }
}

#[test]
fn what_was_written_before_a_sync_and_told_after_it_is_a_conflict() {
    let mut held = Held::default();
    // The tablet syncs in second 10; the phone, offline since second 1, in second 12.
    check(&held.take([], None, at(10)), &[], &[]);
    send(&mut held, metric("phone", 1, &json!({"weight": 75})), None, 12);
    let told = send(&mut held, metric("tablet", 11, &json!({"weight": 76})), Some(10), 13);
    check(&told, &[("weight", Winner::Client)], &[]);
}

#[test]
fn who_overwrites_what_it_wrote_itself_is_in_no_conflict() {
    let mut held = Held::default();
    send(&mut held, metric("phone", 1, &json!({"weight": 75})), None, 2);
    // The answer was lost: the phone does not know that it has synced.
    check(&send(&mut held, metric("phone", 1, &json!({"weight": 75})), None, 3), &[], &[]);
    check(&send(&mut held, metric("phone", 4, &json!({"weight": 76})), None, 5), &[], &[]);
    // A phone that was set back to an old backup is told that its value is not kept.
    let told = send(&mut held, metric("phone", 1, &json!({"weight": 75})), None, 6);
    check(&told, &[("weight", Winner::Server)], &[json!({"weight": 76})]);
}

#[test]
fn a_device_is_told_what_it_has_not_seen_and_what_was_kept_otherwise() {
    let mut held = Held::default();
    send(&mut held, metric("phone", 9, &json!({"weight": 75, "energyLevel": 8})), None, 10);
    let told = send(&mut held, metric("tablet", 8, &json!({"weight": 76})), Some(10), 20);
    check(&told, &[], &[json!({"weight": 75, "energyLevel": 8})]);
    check(&held.take([], Some(at(20)), at(30)), &[], &[]);
    check(&held.take([], Some(at(9)), at(31)), &[], &[json!({"weight": 75, "energyLevel": 8})]);
    let told = send(&mut held, metric("tablet", 32, &Value::Null), Some(31), 33);
    check(&told, &[], &[]);
    let told = held.take([], Some(at(31)), at(34));
    check(&told, &[], &[json!({})]);
    assert!(told.server_updates[0].entity.deleted_at.is_some());
    check(&held.take([], None, at(35)), &[], &[]);
}

#[test]
fn a_deletion_is_in_conflict_with_a_change_that_was_not_seen_only() {
    for (since, conflicts) in [(10, &[][..]), (5, &[("deleted_at", Winner::Client)])] {
        let mut held = Held::default();
        send(&mut held, metric("phone", 9, &json!({"weight": 75})), None, 10);
        check(&send(&mut held, metric("tablet", 11, &Value::Null), Some(since), 12), conflicts, &[]);
    }
}

#[test]
fn uploads_of_one_millisecond_have_moments_of_their_own() {
    let mut held = Held::default();
    let first = held.take([], None, at(10)).sync_timestamp;
    send(&mut held, metric("phone", 1, &json!({"weight": 75})), None, 10);
    check(&held.take([], Some(first), at(10)), &[], &[json!({"weight": 75})]);
}

#[test]
fn a_meal_that_is_deleted_without_its_day_is_deleted_on_every_day() {
    let dinner = |who: &str, second: i64, day: &str| meal(who, second, &json!({"date": day, "name": "soup"}));
    let gone = meal("tablet", 20, &Value::Null);
    let all =
        [dinner("phone", 1, "2026-05-03"), dinner("phone", 2, "2026-05-04"), gone, dinner("watch", 30, "2026-05-05")];
    for order in [[0, 1, 2, 3], [2, 3, 1, 0]] {
        let mut held = Held::default();
        for it in order {
            send(&mut held, all[it].clone(), None, 40);
        }
        let stored: Vec<_> = held.entities().map(|it| (it.key.date.as_deref(), it.is_deleted())).collect();
        let expected =
            [(None, true), (Some("2026-05-03"), true), (Some("2026-05-04"), true), (Some("2026-05-05"), false)];
        assert_eq!(stored, expected, "a later write stands");
    }
}

#[test]
fn a_deleted_meal_is_told_with_its_day() {
    let mut held = Held::default();
    send(&mut held, meal("phone", 1, &json!({"date": "2026-05-03", "name": "soup"})), None, 2);
    send(&mut held, meal("phone", 3, &json!({"date": "2026-05-03"})), Some(2), 4);
    let told = held.take([], Some(at(2)), at(5));
    check(&told, &[], &[json!({"date": "2026-05-03"})]);
}

#[test]
fn who_sends_it_as_deleted_means_what_it_is_now() {
    // The row was stamped after the deletion was.
    let upload = Upload { deleted_at: Some(at(10)), ..metric("phone", 11, &json!({"weight": 75})).download() };
    let admission = Admission { now: at(20), ahead_max: AHEAD_MAX };
    let deleted = Entity::admit(Kind::HealthMetrics, &upload, &Node::Device("phone".into()), &admission);
    assert!(deleted.is_deleted());
    assert!(!deleted.join(metric("tablet", 12, &json!({"weight": 76}))).is_deleted());
}

fn some() -> impl Strategy<Value = Entity> {
    let day = prop::option::of(prop::sample::select(vec!["2026-05-03", "2026-05-04"]));
    let who = prop::sample::select(vec!["phone", "tablet", "watch"]);
    (who, 0..4_i64, day, prop::option::of(0..3_i32)).prop_map(|(who, second, day, name)| {
        let data: BTreeMap<&str, Value> =
            day.map(|it| ("date", json!(it))).into_iter().chain(name.map(|it| ("name", json!(it)))).collect();
        meal(who, second, &json!(data))
    })
}

proptest! {
    #[test]
    fn what_is_held_is_the_join_of_all_in_any_order(all in prop::collection::vec(some(), 0..8), turn in 0..8_usize) {
        let mut held = Held::default();
        let mut turned = all.clone();
        turned.rotate_left(turn.min(all.len()));
        for (second, it) in (0..).zip(turned) {
            send(&mut held, it, None, second);
        }
        let joined = join_all(all, []);
        prop_assert_eq!(held.entities().collect::<Vec<_>>(), joined.values().collect::<Vec<_>>());
    }

    #[test]
    fn a_device_that_takes_over_what_it_is_told_has_what_is_kept(all in prop::collection::vec(some(), 0..6), mine in some()) {
        let mut held = Held::default();
        held.take(all, None, at(50));
        let told = held.take([mine.clone()], None, at(60));
        let mut device = BTreeMap::from([(mine.key.date.clone(), mine.download().data)]);
        let day = |it: &Upload| it.data.get("date").and_then(Value::as_str).map(str::to_owned);
        device.extend(told.server_updates.iter().map(|it| (day(&it.entity), it.entity.data.clone())));
        for it in held.entities().filter(|it| !it.is_deleted()) {
            prop_assert_eq!(device.get(&it.key.date), Some(&it.download().data));
        }
    }
}
