//! Providers that throttle, fail, lose answers or send rubbish.

use crate::{
    data::{exercise, run, weight},
    journal::{calls, verbs, writes},
};
use anyhow::{Context, Result};
use connectors::simulator::{Fault, FaultKind};
use engine::store::{Bearing, Logged, Step, StepKey};
use schemas::{
    codec,
    data_type::DataType,
    event::{Envelope, Event, Fetched, Kind, Reason, Requested, StretchState},
    id::EventId,
};
use tests::{ATHLETE, LONG_AGO, USER, World, at, told};

fn answer(status: u16, body: &str) -> FaultKind {
    FaultKind::Answer { status, headers: Vec::new(), body: body.into() }
}

/// One weighing at Google Health, on its way to the folder.
async fn one_weighing() -> Result<World> {
    let world = World::new().await?;
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.route("google_health", "files", DataType::Weight).await?;
    world.forget();
    Ok(world)
}

/// One run at Strava, on its way to Google Health.
async fn one_run() -> Result<World> {
    let world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.forget();
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_calls_before_the_time_that_a_throttling_provider_names() -> Result<()> {
    let mut world = one_weighing().await?;
    let throttled =
        FaultKind::Answer { status: 429, headers: vec![("retry-after", "1800".into())], body: String::new() };
    world.google.kit().plan(Fault::once("GET", "/weight/", throttled));
    world.hold_time();
    let first = world.ask("google_health", &["files"], DataType::Weight, Some(at(LONG_AGO))).await?;
    assert!(world.google.kit().until(|it| it.status == 429).await);
    let second = world.ask("google_health", &["files"], DataType::Weight, Some(at("2026-01-01T00:00:00Z"))).await?;
    let timers = &world.inside.runner.store.timers;
    let waits = async || {
        // Both are put off; waiting is not counted as an attempt that failed.
        let due = timers.due(world.now().plus(std::time::Duration::from_secs(7_200)), 10).await?;
        Ok((due.len() == 2).then_some(due))
    };
    let waiting = tests::until("both wait", waits).await?;
    assert!(waiting.iter().all(|it| it.attempts == 0), "{waiting:?}");
    assert_eq!(world.google.kit().journal().len(), 1, "the second one did not even call");
    world.let_time_pass();
    let ends = [told(&world.settled(first).await?), told(&world.settled(second).await?)];
    assert!(ends.contains(&"done; files: 1 created".into()), "{ends:?}");
    let journal = world.google.kit().journal();
    let until = journal[0].at.plus(std::time::Duration::from_secs(1_800));
    assert!(journal[1..].iter().all(|it| it.at >= until && it.status == 200), "{journal:?}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_does_not_hold_up_the_other() -> Result<()> {
    let mut world = one_run().await?;
    world.route("strava", "files", DataType::Workout).await?;
    let down = Fault { times: 5, ..Fault::once("GET", "/exercise/", answer(503, "")) };
    world.google.kit().plan(down);
    let main = world.sync("strava", &["google_health", "files"], DataType::Workout).await?;
    assert_eq!(told(&main), "partial; files: 1 created; google_health: split_off");
    world.is_at_rest().await?;
    let syncs = world.syncs().await?;
    assert_eq!(syncs.len(), 2);
    let mut ends = Vec::new();
    for sync in syncs {
        ends.push(told(&world.settled(sync).await?));
    }
    ends.sort();
    assert_eq!(ends[0], "done; google_health: 1 created");
    assert_eq!(verbs(&world.effects()[1]), ["create"]);
    for to in ["google_health", "files"] {
        let checkpoint = world.checkpoint("strava", to, DataType::Workout).await?;
        assert!(checkpoint.covered_through.is_some() && checkpoint.gaps.is_empty(), "{to}: {checkpoint:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_under_an_id_of_ours_whose_answer_was_lost_is_one_record() -> Result<()> {
    for kind in [FaultKind::ReplyLost, FaultKind::HalfBody] {
        let mut world = one_run().await?;
        world.google.kit().plan(Fault::once("POST", "/dataPoints", kind));
        let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
        assert_eq!(told(&status), "done; google_health: 1 created");
        assert_eq!(verbs(&world.effects()[1]), ["create"]);
        assert_eq!(writes(world.google.kit()).len(), 2, "it was sent again, and Google said that it is there");
        assert_eq!(world.google.points(USER, "exercise").len(), 1);
        let rows = world.rows("google_health", DataType::Workout).await?;
        assert!(rows.iter().all(|it| it.owned && it.version == 1 && it.claim.is_none() && !it.unsure), "{rows:?}");
        world.is_at_rest().await?;
    }
    Ok(())
}

/// A run comes from Google Health to Strava, and then its new name; of each write the answer is lost.
async fn lost_at_strava(kind: FaultKind) -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "exercise", exercise("1001", "2026-06-20T06:00:00Z", Some(7_200)));
    world.route("google_health", "strava", DataType::Workout).await?;
    world.strava.kit.plan(Fault::once("POST", "/activities", kind.clone()));
    let made = world.sync("google_health", &["strava"], DataType::Workout).await?;
    assert_eq!(told(&made), "done; strava: 1 created");
    world.google.edit(USER, "exercise", "1001", &serde_json::json!({"displayName": "Long run"}));
    world.strava.kit.plan(Fault::once("PUT", "/activities/", kind));
    let changed = world.sync("google_health", &["strava"], DataType::Workout).await?;
    assert_eq!(told(&changed), "done; strava: 1 updated");
    assert_eq!(verbs(&world.effects()[0]), ["create", "update"]);
    assert_eq!(writes(&world.strava.kit).len(), 2, "it was looked for, not sent again");
    assert_eq!(world.strava.activities(ATHLETE).len(), 1);
    let rows = world.rows("strava", DataType::Workout).await?;
    assert!(rows.iter().all(|it| it.owned && it.version == 2 && it.claim.is_none() && !it.unsure), "{rows:?}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_looked_for_and_not_repeated() -> Result<()> {
    lost_at_strava(FaultKind::ReplyLost).await?;
    lost_at_strava(FaultKind::HalfBody).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_arrived_is_sent_again() -> Result<()> {
    let mut world = one_run().await?;
    world.google.kit().plan(Fault::once("POST", "/dataPoints", FaultKind::Refused));
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; google_health: 1 created");
    assert_eq!(verbs(&world.effects()[1]), ["create"]);
    assert_eq!(writes(world.google.kit()).len(), 2);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_sent_page_is_asked_for_again() -> Result<()> {
    let mut world = one_weighing().await?;
    world.google.kit().plan(Fault::once("GET", "/weight/", FaultKind::HalfBody));
    let status = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&status), "done; files: 1 created");
    assert_eq!(calls(world.google.kit(), "GET", "/weight/").len(), 2);
    world.is_at_rest().await
}

/// A page that cannot be taken is asked for three times; then it is rejected, and its stretch stays unread.
async fn rejected_after_three_tries(kind: FaultKind, n_calls: usize) -> Result<()> {
    let mut world = one_weighing().await?;
    world.google.kit().plan(Fault { times: 100, ..Fault::once("GET", "/weight/", kind) });
    let status = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&status), "failed malformed");
    assert_eq!(
        status.stretches.iter().map(|it| (it.state, it.reason)).collect::<Vec<_>>(),
        [(StretchState::Unread, Some(Reason::Malformed))]
    );
    assert_eq!(calls(world.google.kit(), "GET", "/weight/").len(), n_calls);
    let sync = world.syncs().await?[0];
    let events = world.inside.runner.store.log.events(&world.subject, sync).await?;
    assert_eq!(events.iter().filter(|it| it.topic.kind == Kind::Rejected).count(), 1);
    world.is_at_rest().await?;
    let checkpoint = world.checkpoint("google_health", "files", DataType::Weight).await?;
    assert_eq!((checkpoint.covered_through, checkpoint.gaps.len()), (None, 1));
    world.google.kit().clear_faults();
    let news = world.sync_news("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&news), "done; files: 1 created");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_html_is_rejected_after_three_tries() -> Result<()> {
    rejected_after_three_tries(answer(200, "<!doctype html><title>Sorry</title>"), 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_page_is_rejected_after_three_tries() -> Result<()> {
    rejected_after_three_tries(FaultKind::Endless, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_go_round_in_a_circle_are_rejected_after_three_tries() -> Result<()> {
    // The first page is good; the second leads to itself.
    rejected_after_three_tries(answer(200, r#"{"dataPoints": [], "nextPageToken": "again"}"#), 4).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_for_long_is_waited_for() -> Result<()> {
    let mut world = one_weighing().await?;
    world.google.kit().plan(Fault { times: 7, ..Fault::once("GET", "/weight/", answer(503, "")) });
    let status = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&status), "done; files: 1 created");
    assert_eq!(calls(world.google.kit(), "GET", "/weight/").len(), 8);
    world.is_at_rest().await
}

/// Puts an event of a sync that somebody tampered with into the log and on the bus.
async fn smuggle(world: &World, sync: schemas::id::SyncId) -> Result<()> {
    let runner = &world.inside.runner;
    let events = runner.store.log.events(&world.subject, sync).await?;
    let fetched = events.iter().find(|it| it.topic.kind == Fetched::KIND).context("a page")?;
    let requested = events.iter().find(|it| it.topic.kind == Requested::KIND).context("a request")?;
    let mut page: Envelope<Fetched> = codec::decode(&fetched.bytes)?;
    let mut root: Envelope<Requested> = codec::decode(&requested.bytes)?;
    let other = schemas::id::SyncId::for_key(&world.subject, "test", "tampered");
    (root.head.sync, root.head.id, root.head.cause) = (other, EventId::root(other), EventId::root(other));
    let logged = |id, topic, bytes: Vec<u8>| Logged { id, topic, bytes: bytes.into() };
    let root_event = logged(root.head.id, requested.topic, codec::encode(&root));
    page.head = root.head.derive("fetch", 0, root.head.at);
    // One bit of the sealed page is another.
    let sealed = page.body.page.sealed.as_mut().context("it rides in the event")?;
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    let page_event = logged(page.head.id, fetched.topic, codec::encode(&page));
    runner.begin(&root.head, root_event).await?;
    let key = StepKey { subject: world.subject.clone(), sync: other, stage: "fetch".into(), cause: root.head.id };
    let outputs = vec![page_event.clone()];
    let step = Step { key, at: root.head.at, bearing: Bearing::Within, outputs, roots: Vec::new() };
    runner.store.log.append(step).await?;
    let message = engine::bus::Message {
        topic: page_event.topic,
        key: world.subject.clone(),
        id: page_event.id,
        bytes: page_event.bytes,
    };
    runner.bus.publish(vec![message]).await?;
    let status = world.settled(other).await?;
    assert_eq!(told(&status), "failed payload_expired");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_was_tampered_with_ends_its_own_sync_and_stops_nobody() -> Result<()> {
    let mut world = one_weighing().await?;
    let good = world.ask("google_health", &["files"], DataType::Weight, Some(at(LONG_AGO))).await?;
    assert_eq!(told(&world.settled(good).await?), "done; files: 1 created");
    smuggle(&world, good).await?;
    let after = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&after), "done; files: 1 skipped unchanged");
    world.is_at_rest().await
}
