//! What a config would do, and bringing a destination back: what is refused.

use super::{ANNA, BEN, Method, World, answer, json};

#[tokio::test]
async fn a_dry_run_of_a_source_that_was_never_read_knows_nothing_and_puts_nothing() {
    let world = World::new().await;
    let (source, destination) = (world.connected("watch").await, world.connected("scale").await);
    let body = json!({"source": source, "destination": destination, "data_types": ["steps"]});
    let found = world.send(Method::POST, "/v1/sync-configs/dry-run", &body).await;
    found.is(200);
    let found = found.json();
    assert_eq!((&found["records"], &found["counts"], &found["calls"]), (&json!(0), &json!([]), &json!([])));
    assert_eq!((&found["read_at"], &found["applied"], &found["unlooked"]), (&json!(null), &json!(null), &json!(0)));
    assert_eq!(world.get("/v1/sync-configs", ANNA).await.json(), json!([]));
    let applied = world.send(Method::POST, "/v1/sync-configs/apply", &json!({"plan": found["plan"]})).await;
    applied.is(202);
    assert_eq!((&applied.json()["applied"]["operations"], &applied.json()["applied"]["jobs"]), (&json!(0), &json!([])));
    assert_eq!(world.get("/v1/sync-configs", ANNA).await.json()[0]["id"], found["config"]["id"]);
}

#[tokio::test]
async fn what_a_config_may_not_be_is_refused_in_a_dry_run_too() {
    let world = World::new().await;
    let (source, destination) = (world.connected("watch").await, world.connected("scale").await);
    let good = json!({"source": source, "destination": destination, "data_types": ["steps"]});
    let never = json!({"rules": [{"name": "all", "then": "skip"}]});
    let nobody = "00000000-0000-0000-0000-000000000000";
    for (field, value, status, code, says) in [
        ("data_types", json!([]), 422, "impossible", "at least one data type"),
        ("data_types", json!(["nonsense"]), 422, "invalid", "nonsense"),
        ("destination", json!(source), 422, "impossible", "choose two"),
        ("destination", json!(nobody), 404, "not_found", "no connection"),
        ("policies", never, 422, "impossible", "all"),
        ("rule", json!("loudest"), 422, "invalid", "loudest"),
        ("from", json!("yesterday"), 422, "invalid", "from"),
        ("colour", json!("red"), 422, "invalid", "colour"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let refused = world.send(Method::POST, "/v1/sync-configs/dry-run", &body).await;
        refused.is_problem(status, code, says);
    }
    let mut turned = good;
    (turned["from"], turned["to"]) = (json!("2026-02-01T00:00:00Z"), json!("2026-01-01T00:00:00Z"));
    world.send(Method::POST, "/v1/sync-configs/dry-run", &turned).await.is_problem(422, "invalid", "later than");
}

#[tokio::test]
async fn a_plan_is_its_own_persons_and_must_be_one() {
    let world = World::new().await;
    let (source, destination) = (world.connected("watch").await, world.connected("scale").await);
    let body = json!({"source": source, "destination": destination, "data_types": ["steps"]});
    let plan = world.send(Method::POST, "/v1/sync-configs/dry-run", &body).await.json()["plan"].clone();
    for plan in ["", "../..", "ab"] {
        let refused = world.send(Method::POST, "/v1/sync-configs/apply", &json!({"plan": plan})).await;
        refused.is_problem(404, "not_found", "no dry run");
    }
    let of_ben = world.request(Method::POST, "/v1/sync-configs/apply").bearer_auth(BEN).json(&json!({"plan": plan}));
    answer(of_ben).await.is_problem(404, "not_found", "no dry run");
    world.send(Method::POST, "/v1/sync-configs/apply", &json!({"hash": plan})).await.is_problem(422, "invalid", "hash");
    // What could work when it was planned may no longer.
    let mut other = body.clone();
    other["rule"] = json!("newest");
    world.send(Method::PUT, "/v1/sync-configs", &other).await.is(200);
    let refused = world.send(Method::POST, "/v1/sync-configs/apply", &json!({"plan": plan})).await;
    refused.is_problem(409, "moved", "do it again");
}

#[tokio::test]
async fn a_rewind_names_a_connection_of_the_person_and_a_moment_that_is_over() {
    let world = World::new().await;
    let (_, destination) = world.configured().await;
    let path = format!("/v1/connections/{destination}/rewind");
    let then = json!({"to": "2026-01-01T00:00:00Z", "dry_run": true});
    let found = world.send(Method::POST, &path, &then).await;
    found.is(200);
    assert_eq!((&found.json()["operations"], &found.json()["left"]), (&json!({}), &json!([])));
    assert_eq!(found.json()["paused"].as_array().map(Vec::len), Some(1), "it would be paused");
    assert_eq!(world.get("/v1/sync-configs", ANNA).await.json()[0]["enabled"], true, "and is not");
    let of_ben = world.request(Method::POST, &path).bearer_auth(BEN).json(&then);
    answer(of_ben).await.is_problem(404, "not_found", "no connection");
    world.send(Method::POST, "/v1/connections/mine/rewind", &then).await.is_problem(404, "not_found", "no id");
    for (body, code, says) in [
        (json!({"to": "2126-01-01T00:00:00Z"}), "impossible", "a moment that is over"),
        (json!({"to": "yesterday"}), "invalid", "to"),
        (json!({"dry_run": true}), "invalid", "to"),
        (json!({"to": "2026-01-01T00:00:00Z", "hard": true}), "invalid", "hard"),
    ] {
        world.send(Method::POST, &path, &body).await.is_problem(422, code, says);
    }
    let done = world.send(Method::POST, &path, &json!({"to": "2026-01-01T00:00:00Z"})).await;
    done.is(202);
    assert_eq!(world.get("/v1/sync-configs", ANNA).await.json()[0]["enabled"], false);
}
