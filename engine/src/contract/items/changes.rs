//! What every store must do when a row is changed.

use super::Place;
use crate::{
    item::{Claim, Guard, ItemKey, ItemRow, ItemState, Patch, Print},
    store::Store,
};
use bytes::Bytes;
use futures::future::join_all;
use schemas::id::ItemId;
use uuid::Uuid;

pub(super) async fn check(store: &Store, run: &str) {
    a_change_is_made_only_if_the_guard_holds(store, run).await;
    a_change_touches_only_what_the_patch_names(store, run).await;
    one_of_many_claims_wins(store, run).await;
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
pub(super) fn all_of_a_patch(place: &mut Place<'_>) -> Patch {
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
