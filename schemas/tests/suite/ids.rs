//! Derived ids are the same for ever, and different for different things.

use schemas::{
    event::Head,
    id::{ConfigId, ConnectionId, EventId, ItemId, OpId, Subject, SyncId},
    time::Instant,
};

fn subject() -> Subject {
    Subject("s".into())
}

fn connection(account: &str) -> ConnectionId {
    ConnectionId::derived(&subject(), "strava", account)
}

// The expected ids were computed with another implementation of RFC 9562 (Python's `uuid.uuid5`).
#[test]
fn derivation_never_changes() {
    let sync = SyncId::for_key(&subject(), "/v1/sync-jobs", "k");
    let (a, b) = (connection("a"), connection("b"));
    let item = ItemId::derived(b, "workout", a, "r");
    let root = EventId::root(sync);
    let ids = [
        sync.to_string(),
        SyncId::under(sync, "split").to_string(),
        root.to_string(),
        EventId::derived(root, "fetch", 11).to_string(),
        a.to_string(),
        ConfigId::derived(&subject(), a, b).to_string(),
        item.to_string(),
        OpId::derived(b, item, 2).to_string(),
    ];
    let expected = [
        "32efdf75-1ff6-56ab-8484-28fd7ebb6870",
        "2305ae34-aac5-5b74-9f5d-a7a0a02ce1a6",
        "8a401197-a74f-5350-bf13-06645405b57e",
        "38851192-14ed-537c-bdce-606d0021b94c",
        "826f7090-24c4-51d0-9ee8-1f5fcd275372",
        "ec4e7abb-0622-5c3d-a353-6f7109d041f9",
        "4504cad7-630f-559f-8923-e140cd3f1d96",
        "b8ba8395-70e0-59f0-bf69-ccac09c45021",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn parts_do_not_run_into_each_other() {
    assert_ne!(
        ConnectionId::derived(&subject(), "ab", "c"),
        ConnectionId::derived(&subject(), "a", "bc")
    );
    assert_ne!(SyncId::for_key(&subject(), "ab", "c"), SyncId::for_key(&subject(), "a", "bc"));
    assert_ne!(
        SyncId::for_key(&Subject("sa".into()), "b", ""),
        SyncId::for_key(&subject(), "ab", "")
    );
}

#[test]
fn the_same_parts_of_different_kinds_are_different_ids() {
    let sync = SyncId::for_key(&subject(), "r", "k");
    assert_ne!(ConnectionId::derived(&subject(), "r", "k").0, sync.0);
}

#[test]
fn a_head_is_derived_from_its_cause() {
    let sync = SyncId::for_key(&subject(), "r", "k");
    let root = Head::root(sync, subject(), Instant(1));
    assert_eq!((root.id, root.cause), (EventId::root(sync), EventId::root(sync)));
    let next = root.derive("fetch", 0, Instant(2));
    assert_eq!(
        (next.id, next.cause, next.sync),
        (EventId::derived(root.id, "fetch", 0), root.id, sync)
    );
    assert_eq!(next, root.derive("fetch", 0, Instant(2)));
    assert_ne!(next.id, root.derive("fetch", 1, Instant(2)).id);
    assert_ne!(next.id, root.derive("resolve", 0, Instant(2)).id);
}

#[test]
fn ids_are_text_in_json() {
    let id = connection("a");
    assert_eq!(serde_json::to_value(id).unwrap(), serde_json::Value::String(id.to_string()));
    assert_eq!(
        serde_json::from_value::<ConnectionId>(serde_json::json!(id.to_string())).unwrap(),
        id
    );
    assert!(serde_json::from_value::<ConnectionId>(serde_json::json!("not an id")).is_err());
}
