//! The rules of entities, each as a sentence, and that a join is a join.

use super::{Admission, Entity, Key, Kind, Merged, Node, Resolution, Stamp, Upload, Winner, join_all, merge, rule};
use proptest::prelude::*;
use schemas::time::Instant;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const NOW: Instant = Instant(1_780_000_000_000);
const ADMISSION: Admission = Admission { now: NOW, ahead_max: Duration::from_secs(60) };

fn node(name: &str) -> Node {
    if name == "server" { Node::Server } else { Node::Device(name.to_owned()) }
}

/// A version that was written that many seconds before now.
fn version(kind: Kind, who: &str, ago: i64, data: &Value) -> Entity {
    let upload = Upload {
        id: "1".into(),
        data: data.as_object().cloned().unwrap(),
        updated_at: Instant(NOW.0 - ago * 1000),
        deleted_at: None,
        field_updated_at: BTreeMap::new(),
    };
    Entity::admit(kind, &upload, &node(who), &ADMISSION)
}

fn deleted(who: &str, ago: i64) -> Entity {
    let at = Instant(NOW.0 - ago * 1000);
    let mut entity = version(Kind::HealthMetrics, who, ago, &json!({}));
    entity.deleted = Some(Stamp::new(at, node(who)));
    entity
}

/// A device that never synced.
fn all_is_news(_: &str) -> bool {
    true
}

/// Joins a device's version to the server's: what is kept, and (field, winner, rule) of what was in conflict.
#[track_caller]
fn check(server: &Entity, client: &Entity, kept: &Value, conflicts: &[(&str, Winner, &str)]) -> Merged {
    let merged = merge(server, client, &all_is_news);
    assert_eq!(Value::Object(merged.entity.data()), *kept);
    let told: Vec<_> = merged.conflict.iter().flat_map(|it| &it.fields).collect();
    let told: Vec<_> = told.iter().map(|it| (it.field.as_str(), it.winner, it.rule)).collect();
    assert_eq!(told, conflicts);
    merged
}

#[test]
fn the_last_write_holds_field_by_field() {
    let server = version(Kind::HealthMetrics, "phone", 60, &json!({"weight": 75.5, "sleepQuality": 7}));
    let client = version(Kind::HealthMetrics, "tablet", 30, &json!({"weight": 76, "energyLevel": 8}));
    let kept = json!({"weight": 76, "sleepQuality": 7, "energyLevel": 8});
    let merged = check(&server, &client, &kept, &[("weight", Winner::Client, rule::LAST_WRITE)]);
    assert_eq!(merged.conflict.map(|it| it.resolution), Some(Resolution::Merged));
    let stale = version(Kind::HealthMetrics, "tablet", 90, &json!({"weight": 76}));
    let kept = json!({"weight": 75.5, "sleepQuality": 7});
    let merged = check(&server, &stale, &kept, &[("weight", Winner::Server, rule::LAST_WRITE)]);
    assert_eq!(merged.conflict.map(|it| it.resolution), Some(Resolution::ServerWins));
    let whole = version(Kind::HealthMetrics, "tablet", 30, &json!({"weight": 76, "sleepQuality": 8}));
    let merged = merge(&server, &whole, &all_is_news);
    assert_eq!(merged.conflict.map(|it| it.resolution), Some(Resolution::ClientWins));
}

#[test]
fn fields_may_have_times_of_their_own() {
    let server = version(Kind::Meals, "phone", 50, &json!({"name": "soup", "kcal": 300}));
    let upload = Upload {
        id: "1".into(),
        data: json!({"name": "stew", "kcal": 400}).as_object().cloned().unwrap(),
        updated_at: NOW,
        deleted_at: None,
        field_updated_at: BTreeMap::from([("kcal".to_owned(), Instant(NOW.0 - 100_000))]),
    };
    let client = Entity::admit(Kind::Meals, &upload, &node("tablet"), &ADMISSION);
    let expected = [("kcal", Winner::Server, rule::LAST_WRITE), ("name", Winner::Client, rule::LAST_WRITE)];
    check(&server, &client, &json!({"name": "stew", "kcal": 300}), &expected);
}

#[test]
fn a_tie_is_the_servers_and_between_devices_the_same_everywhere() {
    let of = |who: &str| version(Kind::Exercises, who, 60, &json!({"reps": who}));
    check(&of("server"), &of("tablet"), &json!({"reps": "server"}), &[("reps", Winner::Server, rule::LAST_WRITE)]);
    for (a, b) in [("phone", "tablet"), ("tablet", "phone")] {
        assert_eq!(Value::Object(of(a).join(of(b)).data()), json!({"reps": "tablet"}));
    }
}

#[test]
fn a_clock_in_the_future_is_taken_for_the_servers_and_a_little_more() {
    let ahead = version(Kind::Exercises, "phone", -86_400, &json!({"reps": 1}));
    assert_eq!(ahead.written().map(|it| it.at), Some(Instant(NOW.0 + 60_000)));
    // A minute later a write of another device stands, although the first claimed to be of tomorrow.
    let later = Admission { now: Instant(NOW.0 + 61_000), ..ADMISSION };
    let upload =
        Upload { updated_at: later.now, ..version(Kind::Exercises, "tablet", 0, &json!({"reps": 2})).download() };
    let next = Entity::admit(Kind::Exercises, &upload, &node("tablet"), &later);
    check(&ahead, &next, &json!({"reps": 2}), &[("reps", Winner::Client, rule::LAST_WRITE)]);
}

#[test]
fn measurements_and_side_effects_are_united() {
    let server =
        version(Kind::HealthMetrics, "phone", 60, &json!({"bodyMeasurements": [{"waist": 80.0}, {"hip": 95}]}));
    let client =
        version(Kind::HealthMetrics, "tablet", 30, &json!({"bodyMeasurements": [{"waist": 80}, {"chest": 99}]}));
    let kept = json!({"bodyMeasurements": [{"waist": 80}, {"hip": 95}, {"chest": 99}]});
    check(&server, &client, &kept, &[("bodyMeasurements", Winner::Both, rule::UNION)]);
    let by_name =
        |who: &str, ago: i64, it: &Value| version(Kind::HealthMetrics, who, ago, &json!({"bodyMeasurements": it}));
    let server = by_name("phone", 60, &json!({"waist": 80, "hip": 95}));
    let client = by_name("tablet", 30, &json!({"waist": 81}));
    let kept = json!({"bodyMeasurements": {"waist": 81, "hip": 95}});
    check(&server, &client, &kept, &[("bodyMeasurements", Winner::Both, rule::UNION)]);
    let server = version(Kind::Medications, "phone", 60, &json!({"dose": 5, "sideEffects": ["nausea"]}));
    let client = version(Kind::Medications, "tablet", 90, &json!({"dose": 9, "sideEffects": ["headache", "nausea"]}));
    let kept = json!({"dose": 5, "sideEffects": ["headache", "nausea"]});
    let expected = [("dose", Winner::Server, rule::LAST_WRITE), ("sideEffects", Winner::Client, rule::UNION)];
    check(&server, &client, &kept, &expected);
}

#[test]
fn notes_are_joined_line_by_line_and_not_doubled() {
    let of = |who: &str, ago: i64, notes: &str| version(Kind::HealthMetrics, who, ago, &json!({"notes": notes}));
    let (phone, tablet) = (of("phone", 60, "slept badly\na long day"), of("tablet", 30, "ran at noon\nslept badly"));
    let kept = "slept badly\na long day\nran at noon";
    let merged = check(&phone, &tablet, &json!({"notes": kept}), &[("notes", Winner::Both, rule::JOINED)]);
    // The device sends back what it got.
    check(&merged.entity, &of("tablet", 10, kept), &json!({"notes": kept}), &[]);
}

#[test]
fn a_meal_of_another_day_is_another_meal() {
    let meal = |date: &str, who: &str, ago: i64| version(Kind::Meals, who, ago, &json!({"date": date, "name": who}));
    let all = join_all(
        [meal("2026-05-03T08:00:00Z", "phone", 60)],
        [meal("2026-05-03T19:00:00Z", "tablet", 30), meal("2026-05-04", "tablet", 20)],
    );
    let told: Vec<_> = all.iter().map(|(key, it)| (key.date.as_deref(), it.data()["name"].clone())).collect();
    assert_eq!(told, [(Some("2026-05-03"), json!("tablet")), (Some("2026-05-04"), json!("tablet"))]);
    let (a, b) = (meal("2026-05-03", "phone", 60), meal("2026-05-04", "tablet", 30));
    assert_eq!(a.clone().join(b.clone()), a, "they do not join");
    assert_eq!(merge(&a, &b, &all_is_news).conflict, None);
}

#[test]
fn of_a_deletion_and_a_change_the_later_holds() {
    let of = |ago: i64| version(Kind::HealthMetrics, "phone", ago, &json!({"weight": 75}));
    let merged = check(&of(60), &deleted("tablet", 30), &json!({}), &[("deleted_at", Winner::Client, rule::DELETED)]);
    assert!(merged.entity.is_deleted() && merged.entity.download().deleted_at.is_some());
    check(&deleted("tablet", 30), &of(10), &json!({"weight": 75}), &[("deleted_at", Winner::Client, rule::DELETED)]);
    check(&of(10), &deleted("tablet", 30), &json!({"weight": 75}), &[("deleted_at", Winner::Server, rule::DELETED)]);
}

#[test]
fn a_conflict_is_told_as_the_device_protocol_says() {
    let server = version(Kind::HealthMetrics, "server", 60, &json!({"weight": 75}));
    let client = version(Kind::HealthMetrics, "tablet", 30, &json!({"weight": 76}));
    let told = serde_json::to_value(merge(&server, &client, &all_is_news).conflict).unwrap();
    let stamp = |who: Value, at: &str| json!({"at": at, "counter": 0, "node": who});
    let expected = json!({
        "entity_id": "1",
        "entity_type": "health_metrics",
        "client_version": {"weight": 76},
        "server_version": {"weight": 75},
        "resolution": "client_wins",
        "fields": [{
            "field": "weight",
            "client": {"value": 76, "written": stamp(json!({"device": "tablet"}), "2026-05-28T20:26:10Z")},
            "server": {"value": 75, "written": stamp(json!("server"), "2026-05-28T20:25:40Z")},
            "winner": "client",
            "rule": "last_write",
        }],
    });
    assert_eq!(told, expected);
}

#[test]
fn a_nodes_next_time_is_later_than_all_it_saw() {
    let seen = Stamp { at: NOW, counter: u32::MAX, node: Node::Server };
    let phone = node("phone");
    for now in [Instant(NOW.0 - 5), NOW, Instant(NOW.0 + 5)] {
        assert!(seen.next(now, phone.clone()) > seen);
        assert!(Stamp::new(NOW, Node::Server).next(now, phone.clone()) > Stamp::new(NOW, Node::Server));
    }
}

/// Versions of few entities and fields with few times, so that they meet and tie.
fn some() -> impl Strategy<Value = Entity> {
    let kind = prop_oneof![Just(Kind::HealthMetrics), Just(Kind::Medications), Just(Kind::Meals)];
    let value = prop_oneof![
        (0..4_i32).prop_map(|it| json!(it)),
        Just(json!(1.0)),
        Just(Value::Null),
        "[ab]\n?[ab]?\n?[ab]?".prop_map(|it| json!(it)),
        prop::collection::vec(0..3_i32, 0..3).prop_map(|it| json!(it)),
        prop::collection::btree_map("[xy]", 0..3_i32, 0..3).prop_map(|it| json!(it)),
    ];
    let name = prop::sample::select(vec!["weight", "notes", "bodyMeasurements", "sideEffects", "date"]);
    let fields = prop::collection::btree_map(name, value, 0..5);
    let who = prop::sample::select(vec!["phone", "tablet", "server"]);
    (kind, who, -100..100_i64, fields, prop::option::of(-3..3_i64)).prop_map(|(kind, who, ago, fields, gone)| {
        let mut entity = version(kind, who, ago / 30, &json!(fields));
        entity.deleted = gone.map(|it| Stamp::new(Instant(NOW.0 + it * 1000), node(who)));
        entity
    })
}

fn all(entities: impl IntoIterator<Item = Entity>) -> BTreeMap<Key, Entity> {
    join_all(entities, [])
}

proptest! {
    #[test]
    fn joining_is_commutative_associative_and_idempotent(a in some(), b in some(), c in some()) {
        let (x, y, z) = (|| [a.clone()], || [b.clone()], || [c.clone()]);
        prop_assert_eq!(join_all(x(), y()), join_all(y(), x()));
        let left = join_all(join_all(x(), y()).into_values(), z());
        let right = join_all(x(), join_all(y(), z()).into_values());
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&join_all(left.clone().into_values(), left.clone().into_values()), &left);
        prop_assert_eq!(join_all(left.clone().into_values(), y()), left, "what was joined before changes nothing");
    }

    #[test]
    fn any_order_of_uploads_ends_in_the_same(entities in prop::collection::vec(some(), 0..8), turn in 0..8_usize) {
        let mut turned = entities.clone();
        turned.rotate_left(turn.min(entities.len()));
        turned.reverse();
        prop_assert_eq!(all(turned), all(entities));
    }

    #[test]
    fn an_upload_of_what_was_downloaded_changes_no_data(a in some(), b in some()) {
        let joined = a.clone().join(b);
        let download = joined.download();
        let again = Entity::admit(joined.key.kind, &download, &node("phone"), &ADMISSION);
        // A deleted one comes back without fields.
        if again.key == joined.key && !joined.is_deleted() {
            prop_assert_eq!(again.join(joined.clone()).data(), joined.data());
        }
    }

    #[test]
    fn what_is_stored_is_read_again(a in some()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Entity>(&text).unwrap(), a);
    }

    #[test]
    fn a_conflict_never_claims_what_was_not_kept(a in some(), b in some()) {
        let Merged { entity, conflict } = merge(&a, &b, &all_is_news);
        for it in conflict.iter().flat_map(|it| &it.fields).filter(|it| it.field != "deleted_at") {
            let kept = entity.fields[&it.field].value();
            let side = match it.winner {
                Winner::Server => &it.server,
                Winner::Client => &it.client,
                Winner::Both => continue,
            };
            let written = super::field::canonical(&side.as_ref().unwrap().value);
            prop_assert_eq!(super::field::canonical(&kept), written);
        }
    }
}
