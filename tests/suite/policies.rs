//! What a person wants done with their records, as it comes out at the destination.

use crate::{
    data::{exercise, run},
    journal::{calls, verbs, writes},
    replays::{shadow, total},
};
use anyhow::Result;
use engine::connect::ConfigCommand;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::SyncId,
};
use serde_json::{Value, json};
use tests::{ATHLETE, USER, World, at, told, until};

/// The end of a run that began at 08:20Z, with an hour more: when it is due under an hour's delay.
const DUE: &str = "2026-07-02T09:50:00Z";

/// A way for workouts from Strava with these policies.
async fn want(world: &World, to: &str, deletes: Deletes, policies: &Value) -> Result<()> {
    want_between(world, ("strava", to), deletes, policies).await
}

/// A way for workouts with these policies.
async fn want_between(world: &World, (from, to): (&str, &str), deletes: Deletes, policies: &Value) -> Result<()> {
    let command = ConfigCommand {
        source: world.connection(from).await?.id,
        destination: world.connection(to).await?.id,
        data_types: vec![DataType::Workout],
        rule: Rule::PrioritiseSource,
        deletes,
        policies: serde_json::from_value(policies.clone())?,
        enabled: true,
    };
    world.inside.connect.configure(&world.subject, &command).await?;
    Ok(())
}

/// A person with a run and a ride at Strava, who wants this of them at Google Health.
async fn with_run_and_ride(policies: &Value) -> Result<(World, u64)> {
    let world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    let mut ride = run("2026-06-21T06:00:00Z", "To the lake");
    (ride["type"], ride["sport_type"]) = (json!("Ride"), json!("Ride"));
    world.strava.seed_activity(ATHLETE, ride, None);
    want(&world, "google_health", Deletes::Keep, policies).await?;
    Ok((world, id))
}

async fn sync(world: &mut World) -> Result<String> {
    Ok(told(&world.sync("strava", &["google_health"], DataType::Workout).await?))
}

/// What the exercises at Google Health are called, in order of time.
fn names(world: &World) -> Vec<String> {
    let mut points = world.google.points(USER, "exercise");
    points.sort_by_key(|it| it["exercise"]["interval"]["startTime"].to_string());
    points.iter().map(|it| it["exercise"]["displayName"].as_str().unwrap_or_default().to_owned()).collect()
}

fn no_rides() -> Value {
    json!({"rules": [{"name": "no rides", "when": {"sports": ["cycling"]}, "then": "skip"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ride_is_left_out_while_a_rule_says_so_and_brought_once_it_no_longer_does() -> Result<()> {
    let (mut world, _) = with_run_and_ride(&no_rides()).await?;
    let first = sync(&mut world).await?;
    assert!(first.starts_with("done; google_health: 1 created, 1 skipped "), "{first}");
    assert_eq!(names(&world), ["Morning"]);
    want(&world, "google_health", Deletes::Keep, &json!({})).await?;
    assert_eq!(sync(&mut world).await?, "done; google_health: 1 created, 1 skipped unchanged");
    assert_eq!(names(&world), ["Morning", "To the lake"]);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_brought_before_a_rule_stays_as_it_is_and_is_not_taken_for_gone() -> Result<()> {
    let (mut world, id) = with_run_and_ride(&json!({})).await?;
    assert_eq!(sync(&mut world).await?, "done; google_health: 2 created");
    let never = json!({"rules": [{"name": "never", "when": {"provider": "strava"}, "then": "skip"}]});
    want(&world, "google_health", Deletes::Mirror, &never).await?;
    world.strava.edit_activity(id, |it| it["name"] = "Long run".into());
    world.forget();
    let told = sync(&mut world).await?;
    assert!(told.starts_with("done; google_health: 2 skipped "), "{told}");
    assert_eq!((writes(world.google.kit()), names(&world)), (Vec::new(), vec!["Morning".into(), "To the lake".into()]));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_mirrored_although_the_record_would_be_left_out_now() -> Result<()> {
    let (mut world, id) = with_run_and_ride(&json!({})).await?;
    sync(&mut world).await?;
    let later = json!({"not_before": "2026-07-01T00:00:00Z"});
    want(&world, "google_health", Deletes::Mirror, &later).await?;
    world.strava.delete_activity(id);
    let told = sync(&mut world).await?;
    assert!(told.starts_with("done; google_health: 1 deleted, 1 skipped "), "{told}");
    assert_eq!(names(&world), ["To the lake"]);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_before_the_date_are_not_brought() -> Result<()> {
    let (mut world, _) = with_run_and_ride(&json!({"not_before": "2026-06-21T00:00:00Z"})).await?;
    sync(&mut world).await?;
    assert_eq!(names(&world), ["To the lake"]);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_run_follows_the_sources_title_and_is_written_once_for_each() -> Result<()> {
    let policies = json!({"rules": [
        {"name": "where from", "when": {"sports": ["running"]}, "then": {"rename": {"to": "{title} (Strava, {date})"}}},
        {"name": "on a trainer", "when": {"title_contains": "lake"}, "then": {"retype": {"sport": "hiking"}}},
    ]});
    let (mut world, id) = with_run_and_ride(&policies).await?;
    assert_eq!(sync(&mut world).await?, "done; google_health: 2 created");
    assert_eq!(names(&world), ["Morning (Strava, 2026-06-20)", "To the lake"]);
    let points = world.google.points(USER, "exercise");
    assert!(points.iter().any(|it| it["exercise"]["exerciseType"] == "HIKING"), "{points:?}");
    assert_eq!(sync(&mut world).await?, "done; google_health: 2 skipped unchanged");
    world.strava.edit_activity(id, |it| it["name"] = "Long run".into());
    world.forget();
    assert_eq!(sync(&mut world).await?, "done; google_health: 1 updated, 1 skipped unchanged");
    assert_eq!(names(&world), ["Long run (Strava, 2026-06-20)", "To the lake"]);
    assert_eq!(calls(world.google.kit(), "PATCH", "/exercise/").len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_routed_elsewhere_goes_there_and_only_there() -> Result<()> {
    let (mut world, _) = with_run_and_ride(&json!({})).await?;
    want(&world, "files", Deletes::Keep, &json!({})).await?;
    let files = world.connection("files").await?.id;
    let rides = json!({"rules": [{"name": "rides", "when": {"sports": ["cycling"]},
        "then": {"route_elsewhere": {"destination": files}}}]});
    want(&world, "google_health", Deletes::Keep, &rides).await?;
    world.sync("strava", &["google_health", "files"], DataType::Workout).await?;
    assert_eq!(names(&world), ["Morning"]);
    assert_eq!(world.folder(DataType::Workout).await?.len(), 2);
    world.is_at_rest().await
}

/// A sync under an hour's delay that was asked for, of a workout that ended ten minutes ago; it waits, and time is held.
async fn waiting(world: &mut World, from: &str, to: &str) -> Result<SyncId> {
    want_between(world, (from, to), Deletes::Mirror, &json!({"upload_delay_seconds": 3_600})).await?;
    world.hold_time();
    let id = world.ask(from, &[to], DataType::Workout, Some(at("2010-01-01T00:00:00Z"))).await?;
    let waits = async || Ok(world.inside.runner.store.timers.next().await?.filter(|it| *it == at(DUE)));
    until("the workout waits for an hour after its end", waits).await?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_run_is_written_once_its_time_has_come() -> Result<()> {
    let mut world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-07-02T08:20:00Z", "Just now"), None);
    let id = waiting(&mut world, "strava", "google_health").await?;
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    world.let_time_pass();
    assert_eq!(told(&world.settled(id).await?), "done; google_health: 1 created");
    assert!(world.now() >= at(DUE));
    assert_eq!((names(&world), verbs(&world.effects()[1])), (vec!["Just now".into()], vec!["create"]));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_a_page_was_put_off_is_not_taken_for_gone_by_it() -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "exercise", exercise("1001", "2026-07-02T08:20:00Z", Some(7_200)));
    let id = waiting(&mut world, "google_health", "files").await?;
    want_between(&world, ("google_health", "files"), Deletes::Mirror, &json!({})).await?;
    world.google.add(USER, "exercise", exercise("1002", "2026-06-20T06:00:00Z", Some(7_200)));
    // What is read later is read later by the clock, too.
    world.advance(std::time::Duration::from_secs(1));
    let later = world.sync("google_health", &["files"], DataType::Workout).await?;
    assert_eq!(told(&later), "done; files: 2 created");
    world.let_time_pass();
    assert_eq!(told(&world.settled(id).await?), "done; files: 1 skipped stale");
    assert_eq!(world.folder(DataType::Workout).await?.len(), 2);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_waits_for_no_delay_and_takes_nothing_back_that_a_rule_leaves_out_now() -> Result<()> {
    let (mut world, _) = with_run_and_ride(&json!({})).await?;
    world.strava.seed_activity(ATHLETE, run("2026-07-02T08:20:00Z", "Just now"), None);
    assert_eq!(sync(&mut world).await?, "done; google_health: 3 created");
    let mut wanted = no_rides();
    wanted["upload_delay_seconds"] = json!(86_400);
    want(&world, "google_health", Deletes::Mirror, &wanted).await?;
    world.hold_time();
    let found = shadow(&world, "no-delay", json!({})).await?;
    assert_eq!(total(&found, "records"), &json!({"unchanged": 3}), "{found}");
    assert_eq!(total(&found, "operations"), &json!({}), "{found}");
    assert!(world.now() < at("2026-07-02T10:00:00Z"));
    world.let_time_pass();
    world.is_at_rest().await
}
