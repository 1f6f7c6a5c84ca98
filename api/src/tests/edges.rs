//! Who and what is turned away.

use super::{ANNA, BEN, Method, World, answer, json};
use crate::{Limits, Probes, edge::Pace, probes, routes::routes, serve};
use axum::routing::get;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn every_route_but_four_needs_a_good_token() {
    let world = World::new().await;
    let open = ["/healthz", "/readyz", "/v1/connections/{provider}/callback", "/v1/webhooks/{provider}"];
    for (path, ..) in routes().into_iter().filter(|it| !open.contains(&it.0)) {
        let path = path.replace(['{', '}'], "");
        let allowed = answer(world.request(Method::PATCH, &path)).await;
        for method in allowed.header("allow").split(',') {
            let method: Method = method.parse().unwrap();
            let nobody = answer(world.request(method.clone(), &path)).await;
            nobody.is(401);
            assert_eq!(nobody.header("www-authenticate"), "Bearer");
            let wrong = answer(world.request(method.clone(), &path).bearer_auth("wrong")).await;
            wrong.is(401);
            if method != Method::HEAD {
                nobody.is_problem(401, "unauthorized", "send an access token");
                wrong.is_problem(401, "unauthorized", "not known");
            }
        }
    }
}

#[tokio::test]
async fn probes_are_open_and_metrics_are_not() {
    let world = World::new().await;
    answer(world.request(Method::GET, "/healthz")).await.is(200);
    answer(world.request(Method::GET, "/readyz")).await.is(200);
    world.ready.send(Err("it drains".into())).unwrap();
    answer(world.request(Method::GET, "/readyz")).await.is_problem(503, "busy", "does not take work: it drains");
    assert_eq!(world.get("/metrics", ANNA).await.text, "syncwell_up 1\n");
    assert_eq!(world.get("/metrics", "token-of-a-scraper").await.text, "syncwell_up 1\n");
    world.get("/v1/connections", "token-of-a-scraper").await.is_problem(401, "unauthorized", "not known");
}

#[tokio::test]
async fn a_process_without_the_api_answers_probes_alone() {
    let world = World::new().await;
    for metrics_token in [None, Some("token-of-a-scraper".to_owned())] {
        let is_open = metrics_token.is_none();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopping) = watch::channel(false);
        let (_, routers) = watch::channel(probes(Probes { metrics_token, ..world.app.probes.clone() }));
        let server = tokio::spawn(async move { serve(listener, routers, &Limits::default(), stopping).await });
        let get = |path: &str| world.http.get(format!("http://{address}{path}"));
        answer(get("/healthz")).await.is(200);
        answer(get("/readyz")).await.is(200);
        answer(get("/metrics")).await.is(if is_open { 200 } else { 401 });
        answer(get("/metrics").bearer_auth("token-of-a-scraper")).await.is(200);
        let elsewhere = answer(get("/v1/providers").bearer_auth(ANNA)).await;
        elsewhere.is(503);
        assert_eq!((&elsewhere.json()["code"], elsewhere.header("retry-after")), (&json!("busy"), "1"));
        server.abort();
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let world = World::new().await;
    world.get("/v2", ANNA).await.is_problem(404, "no_such_route", "openapi.json");
    let trace = answer(world.request(Method::TRACE, "/v1/providers")).await;
    trace.is_problem(405, "method_not_allowed", "Allow");
    assert_eq!(trace.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_body_that_is_not_right_is_refused_and_its_field_is_named() {
    let world = World::new().await;
    let put = |body: String, media_type: &str| {
        let request = world.request(Method::PUT, "/v1/sync-configs").bearer_auth(ANNA);
        answer(request.header("content-type", media_type).body(body))
    };
    let check = async |body: &str, status, code, says| {
        put(body.into(), "application/json; charset=utf-8").await.is_problem(status, code, says);
    };
    check("{", 400, "malformed", "EOF").await;
    check("{}", 422, "invalid", "missing field `source`").await;
    check("{\"colour\": 1}", 422, "invalid", "unknown field `colour`").await;
    check("{\"enabled\": \"yes\"}", 422, "invalid", "enabled: invalid type").await;
    check("{\"source\": \"x\"}", 422, "invalid", "source: ").await;
    check("{\"data_types\": [\"steps\", \"luck\"]}", 422, "invalid", "data_types[1]: unknown variant `luck`").await;
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    check(&deep(65), 400, "too_deep", "64").await;
    check(&deep(64), 422, "invalid", "").await;
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    check(&large, 413, "too_large", "1048576").await;
    put("{}".into(), "text/plain").await.is_problem(415, "unsupported_media_type", "application/json");
    let start = world.request(Method::POST, "/v1/connections/watch").bearer_auth(ANNA).body("{}");
    answer(start).await.is_problem(415, "unsupported_media_type", "application/json");
    let chunks = futures::stream::iter([1, 2, 3].map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 19])));
    let chunked = reqwest::Body::wrap_stream(chunks);
    let request = world.request(Method::PUT, "/v1/sync-configs").bearer_auth(ANNA);
    let chunked = answer(request.header("content-type", "application/json").body(chunked)).await;
    chunked.is_problem(413, "too_large", "1048576");
}

#[tokio::test]
async fn a_person_who_asks_too_much_waits_and_others_do_not() {
    let world = World::with(|app| app.limits.requests_per_principal_max = 2).await;
    world.get("/v1/providers", ANNA).await.is(200);
    world.get("/v1/providers", ANNA).await.is(200);
    let refused = world.get("/v1/providers", ANNA).await;
    refused.is_problem(429, "too_many_requests", "more than 2 requests in 60 seconds");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert_eq!(refused.header("ratelimit-policy"), "\"principal\";q=2;w=60");
    world.get("/v1/providers", BEN).await.is(200);
}

#[tokio::test]
async fn too_many_requests_are_shed_but_for_probes() {
    let world = World::with(|app| app.limits.concurrent_max = 0).await;
    let shed = world.get("/v1/providers", ANNA).await;
    shed.is_problem(503, "busy", "too many requests");
    assert_eq!(shed.header("retry-after"), "1");
    answer(world.request(Method::GET, "/healthz")).await.is(200);
}

async fn panics() -> &'static str {
    panic!("weight is 81.4")
}

#[tokio::test]
async fn a_panic_is_a_problem_that_says_nothing_of_it() {
    let world = World::with_routes(|_| {}, vec![("/panics", Pace::Quick, get(panics))]).await;
    let fault = world.get("/panics", ANNA).await;
    fault.is_problem(500, "internal", "a fault of ours");
    assert!(!fault.text.contains("81.4"));
    world.get("/v1/providers", ANNA).await.is(200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let endless = get(std::future::pending::<&'static str>);
    let world =
        World::with_routes(|app| app.limits.request_max = SHORT, vec![("/endless", Pace::Quick, endless)]).await;
    let ended = world.get("/endless", ANNA).await;
    ended.is_problem(503, "timed_out", "with the same key");
    assert_eq!(ended.header("retry-after"), "1");
}

#[tokio::test]
async fn a_request_has_a_name_that_may_stand_in_a_log() {
    let world = World::new().await;
    let named = async |id: &str| {
        let request = world.request(Method::GET, "/healthz").header("x-request-id", id);
        answer(request).await.header("x-request-id").to_owned()
    };
    assert_eq!(named("a-1_b.c").await, "a-1_b.c");
    assert_ne!(named("a b").await, "a b");
    assert_ne!(named(&"a".repeat(65)).await, "a".repeat(65));
    assert_ne!(named("a b").await, named("a b").await);
}

/// What a server says to these bytes until it closes the connection.
async fn said(world: &World, bytes: &str) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes with bytes unread may reset the connection: what was said before counts.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn headers_that_do_not_end_are_cut() {
    let world = World::with(|app| app.limits.header_read_max = SHORT).await;
    let answer = said(&world, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    let kept = said(&world, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(kept.starts_with("HTTP/1.1 200"), "a connection that is kept for nothing is closed too: {kept}");
}

#[tokio::test]
async fn headers_that_are_too_many_or_too_large_are_refused() {
    let world = World::new().await;
    let many = "X-A: 1\r\n".repeat(101);
    let answer = said(&world, &format!("GET /healthz HTTP/1.1\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let large = "x".repeat(20 * 1024);
    let answer = said(&world, &format!("GET /healthz HTTP/1.1\r\nX-A: {large}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let world = World::with(|app| app.limits.body_idle_max = SHORT).await;
    for (method, path) in [("PUT", "/v1/sync-configs"), ("POST", "/v1/imports")] {
        let media_type = if method == "PUT" { "application/json" } else { "multipart/form-data; boundary=b" };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ANNA}\r\n");
        let answer = said(&world, &format!("{head}Content-Type: {media_type}\r\nContent-Length: 100\r\n\r\n--b")).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too_slow"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn connections_of_an_address_are_counted_and_given_back() {
    let world = World::with(|app| app.limits.connections_per_address_max = 1).await;
    let mut first = TcpStream::connect(world.address).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    first.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    assert_eq!(said(&world, request).await, "", "one too many");
    let first_closes = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    first.write_all(first_closes.as_bytes()).await.unwrap();
    first.read_to_end(&mut Vec::new()).await.unwrap();
    let mut answer = said(&world, first_closes).await;
    while answer.is_empty() {
        tokio::task::yield_now().await;
        answer = said(&world, first_closes).await;
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_answer_never_repeats_a_token() {
    let world = World::new().await;
    let secret = "token-that-is-not-known";
    let refused = world.get("/v1/providers", secret).await;
    assert!(!refused.text.contains(secret), "{}", refused.text);
    let body = json!({"source": secret});
    world.send(Method::PUT, "/v1/sync-configs", &body).await.is_problem(422, "invalid", "source");
}
