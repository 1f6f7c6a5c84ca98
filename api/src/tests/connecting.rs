//! Accounts, folders, configs, notifications.

use super::{ANNA, BEN, Method, World, answer, json};
use schemas::id::ConnectionId;
use uuid::Uuid;

async fn grant(world: &World) -> String {
    let started = world.send(Method::POST, "/v1/connections/watch", &json!({})).await;
    started.is(201);
    let url = started.json()["authorization_url"].as_str().unwrap().to_owned();
    let redirect = "redirect=https://sync.example/v1/connections/watch/callback&";
    assert!(url.starts_with("https://watch.example/grant?") && url.contains(redirect), "{url}");
    url.split_once("state=").unwrap().1.to_owned()
}

#[tokio::test]
async fn an_account_is_connected_by_a_grant_that_works_once() {
    let world = World::new().await;
    let state = grant(&world).await;
    let path = format!("/v1/connections/watch/callback?state={state}&code=good&scope=read");
    let ended = answer(world.request(Method::GET, &path)).await;
    ended.is(200);
    assert_eq!(ended.header("referrer-policy"), "no-referrer");
    assert_eq!(ended.json()["scope"], "read");
    answer(world.request(Method::GET, &path)).await.is_problem(404, "not_found", "connect again");
    let listed = world.get("/v1/connections", ANNA).await.json();
    assert_eq!((&listed[0]["state"], &listed[0]["provider"]), (&json!("active"), &json!("watch")));
    assert_eq!(world.get("/v1/connections", BEN).await.json(), json!([]));

    let path = format!("/v1/connections/{}", listed[0]["id"].as_str().unwrap());
    answer(world.request(Method::DELETE, &path).bearer_auth(BEN)).await.is_problem(404, "not_found", "no connection");
    let gone = answer(world.request(Method::DELETE, &path).bearer_auth(ANNA)).await;
    assert_eq!(gone.json(), json!({"provider_told": true}));
    assert_eq!(world.get("/v1/connections", ANNA).await.json()[0]["state"], "disconnected");
}

#[tokio::test]
async fn a_grant_that_is_not_given_connects_nothing() {
    let world = World::new().await;
    let callback = async |query: String| {
        answer(world.request(Method::GET, &format!("/v1/connections/watch/callback{query}"))).await
    };
    let state = grant(&world).await;
    let denied = callback(format!("?state={state}&error=access_denied")).await;
    denied.is_problem(403, "grant_denied", "access was denied at watch");
    callback(format!("?state={state}&code=good")).await.is_problem(404, "not_found", "used before");
    callback("?state=made-up&code=good".into()).await.is_problem(404, "not_found", "not known");
    callback(String::new()).await.is_problem(400, "malformed", "a state and a code");
    let state = grant(&world).await;
    callback(format!("?state={state}&code=bad")).await.is_problem(422, "impossible", "did not grant");
    assert_eq!(world.get("/v1/connections", ANNA).await.json(), json!([]));
}

#[tokio::test]
async fn a_grant_is_only_begun_where_there_is_one_and_comes_back_here() {
    let world = World::new().await;
    let start = async |provider: &str, body: serde_json::Value| {
        world.send(Method::POST, &format!("/v1/connections/{provider}"), &body).await
    };
    let elsewhere = json!({"redirect_uri": "https://evil.example/"});
    start("watch", elsewhere).await.is_problem(422, "invalid", "redirect_uri");
    start("watch", json!({"redirect_uri": "https://sync.example/v1/connections/watch/callback"})).await.is(201);
    start("ring", json!({})).await.is_problem(404, "not_found", "ring");
    start("scale", json!({})).await.is_problem(422, "invalid", "folder: is missing");
    let path = "/v1/connections/watch";
    answer(world.request(Method::POST, path).bearer_auth(ANNA)).await.is(201);
    answer(world.request(Method::POST, path)).await.is_problem(401, "unauthorized", "Bearer");
}

#[tokio::test]
async fn a_folder_is_connected_where_the_operator_allows_it() {
    let world = World::new().await;
    let inside = world.directory.path().canonicalize().unwrap().join("a b");
    std::fs::create_dir(&inside).unwrap();
    let start = async |provider: &str, folder: &str| {
        world.send(Method::POST, &format!("/v1/connections/{provider}"), &json!({"folder": folder})).await
    };
    let connected = start("files", inside.to_str().unwrap()).await;
    connected.is(201);
    let id = ConnectionId(connected.json()["id"].as_str().unwrap().parse().unwrap());
    let (_, connection) = world.app.connect.accounts.people.connection(&world.anna, id).await.unwrap().unwrap();
    assert!(connection.base_url.unwrap().ends_with("/a%20b"));

    let link = inside.join("link");
    std::os::unix::fs::symlink("/", &link).unwrap();
    let up = inside.join("..").join("..");
    for (folder, says) in [
        ("/", "in the directory that the operator has allowed"),
        ("/no/such/folder", "in the directory that the operator has allowed"),
        (link.to_str().unwrap(), "in the directory that the operator has allowed"),
        (up.to_str().unwrap(), "without `..`"),
        ("exports", "absolute"),
    ] {
        start("files", folder).await.is_problem(422, "invalid", says);
    }
    start("watch", "/").await.is_problem(422, "invalid", "connected by a grant");
    start("ring", "/").await.is_problem(404, "not_found", "ring");

    let closed = World::with(|app| app.folders = None).await;
    let refused = closed.send(Method::POST, "/v1/connections/files", &json!({"folder": "/tmp"})).await;
    refused.is_problem(422, "invalid", "its operator can allow them");
}

#[tokio::test]
async fn a_config_is_made_changed_and_removed() {
    let world = World::new().await;
    let (source, destination) = world.configured().await;
    let body = json!({"source": source, "destination": destination, "data_types": ["steps"], "rule": "newest",
        "deletes": "mirror", "enabled": false});
    let changed = world.send(Method::PUT, "/v1/sync-configs", &body).await;
    changed.is(200);
    let listed = world.get("/v1/sync-configs", ANNA).await.json();
    assert_eq!(listed, json!([changed.json()]));
    assert_eq!(listed[0]["rule"], "newest");
    let path = format!("/v1/sync-configs/{}", listed[0]["id"].as_str().unwrap());
    answer(world.request(Method::DELETE, &path).bearer_auth(BEN)).await.is_problem(404, "not_found", "sync config");
    answer(world.request(Method::DELETE, &path).bearer_auth(ANNA)).await.is(204);
    answer(world.request(Method::DELETE, &path).bearer_auth(ANNA)).await.is_problem(404, "not_found", "sync config");
}

#[tokio::test]
async fn a_config_that_cannot_work_is_refused_with_what_would() {
    let world = World::new().await;
    let (watch, scale) = (world.connected("watch").await, world.connected("scale").await);
    let check = async |source: ConnectionId, destination: ConnectionId, types: &[&str], says: &str| {
        let body = json!({"source": source, "destination": destination, "data_types": types});
        world.send(Method::PUT, "/v1/sync-configs", &body).await.is_problem(422, "impossible", says);
    };
    check(watch, scale, &["weight"], "weight cannot be read from Watch; it gives steps").await;
    check(scale, watch, &["steps"], "steps cannot be read from Scale; it gives nothing").await;
    check(watch, watch, &["steps"], "choose two").await;
    check(watch, scale, &[], "at least one data type").await;
    let files = world.connected("files").await;
    check(watch, files, &["steps"], "steps can go to Scale").await;
    let body = json!({"source": watch, "destination": Uuid::nil(), "data_types": ["steps"]});
    world.send(Method::PUT, "/v1/sync-configs", &body).await.is_problem(404, "not_found", "no connection");
}

#[tokio::test]
async fn what_else_is_wanted_of_records_is_kept_and_told_until_a_config_says_otherwise() {
    let world = World::new().await;
    let (source, destination) = world.configured().await;
    let rule =
        json!({"name": "not at night", "when": {"time_of_day": {"from": "22:00", "to": "06:00"}}, "then": "skip"});
    let policies = json!({"combine": "first_source", "not_before": "2026-01-01T00:00:00Z", "upload_delay_seconds": 600,
        "fields": {"steps": "highest"}, "priorities": [{"device": "ring"}], "rules": [rule]});
    let put = async |policies: Option<&serde_json::Value>| {
        let mut body = json!({"source": source, "destination": destination, "data_types": ["steps"]});
        if let Some(policies) = policies {
            body["policies"] = policies.clone();
        }
        world.send(Method::PUT, "/v1/sync-configs", &body).await
    };
    let kept = put(Some(&policies)).await;
    kept.is(200);
    assert_eq!(kept.json()["policies"], policies);
    assert_eq!(world.get("/v1/sync-configs", ANNA).await.json(), json!([kept.json()]));
    assert_eq!(put(None).await.json()["policies"], json!({}));
}

#[tokio::test]
async fn what_cannot_be_wanted_of_records_is_refused_by_the_rules_name() {
    let world = World::new().await;
    let (source, destination) = world.configured().await;
    let check = async |policies: serde_json::Value, code: &str, says: &str| {
        let body = json!({"source": source, "destination": destination, "data_types": ["steps"], "policies": policies});
        world.send(Method::PUT, "/v1/sync-configs", &body).await.is_problem(422, code, says);
    };
    let rule = |when: serde_json::Value, then: serde_json::Value| json!({"rules": [{"name": "mine", "when": when, "then": then}]});
    check(rule(json!({}), json!("skip")), "impossible", "\"mine\" would leave out everything").await;
    check(json!({"fields": {"speed": "highest"}}), "impossible", "no field").await;
    check(json!({"rule": []}), "invalid", "policies").await;
    check(rule(json!({"weekdays": ["someday"]}), json!("skip")), "invalid", "someday").await;
    let to = |to: &str| json!({"route_elsewhere": {"destination": to}});
    let all = json!({"provider": "watch"});
    let own = to(&destination.to_string());
    check(rule(all.clone(), own), "impossible", "to this very config").await;
    let nowhere = to(&Uuid::nil().to_string());
    check(rule(all.clone(), nowhere), "impossible", "make that config first").await;
}

#[tokio::test]
async fn providers_are_listed_with_what_they_can_do() {
    let world = World::new().await;
    let listed = world.get("/v1/providers", ANNA).await.json();
    let expected = json!({"id": "scale", "title": "Scale", "needs_grant": false, "types": [
        {"data_type": "steps", "read": false, "create": "A", "update": "A", "delete": null}]});
    assert_eq!(listed[1], expected);
    assert_eq!(listed[2]["needs_grant"], true);
}

#[tokio::test]
async fn a_notification_becomes_a_sync_if_it_is_believed() {
    let world = World::new().await;
    world.configured().await;
    let notify = async |method: Method, path: &str, secret: &str, body: Vec<u8>| {
        answer(world.request(method, path).header("x-secret", secret).body(body)).await
    };
    let path = "/v1/webhooks/watch";
    notify(Method::POST, path, "loud", b"7".to_vec()).await.is_problem(401, "not_believed", "the secret");
    notify(Method::POST, "/v1/webhooks/ring", "hush", b"7".to_vec()).await.is_problem(404, "not_found", "ring");
    notify(Method::POST, path, "hush", vec![b'7'; 300 << 10]).await.is_problem(413, "too_large", "262144");
    assert_eq!(world.get("/v1/sync-jobs", ANNA).await.json(), json!([]));
    notify(Method::POST, path, "hush", b"7".to_vec()).await.is(204);
    assert_eq!(world.get("/v1/sync-jobs", ANNA).await.json().as_array().unwrap().len(), 1);
    let handshake = notify(Method::GET, "/v1/webhooks/watch?challenge=1", "hush", Vec::new()).await;
    assert_eq!((handshake.text.as_str(), handshake.header("content-type")), ("{challenge=1}", "application/json"));
}
