//! How far has been read: checkpoints, late records, gaps.

use crate::data::run;
use anyhow::{Context, Result};
use connectors::simulator::{Fault, FaultKind};
use schemas::{
    data_type::DataType,
    event::{Reason, StretchState},
    time::Instant,
};
use std::time::Duration;
use tests::{ATHLETE, World, at, told};

const HOUR: Duration = Duration::from_secs(3_600);

async fn covered(world: &World) -> Result<Instant> {
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    checkpoint.covered_through.context("nothing is covered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_record_behind_the_checkpoint_is_found_by_the_overlap() -> Result<()> {
    let mut world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let first = covered(&world).await?;
    assert!(first > at("2026-07-02T08:55:00Z") && first < world.now(), "{first}");
    // A watch that was out of reach for two days.
    world.strava.seed_activity(ATHLETE, run("2026-06-30T12:00:00Z", "Late"), None);
    world.advance(HOUR);
    let news = world.sync_news("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&news), "done; google_health: 1 created");
    assert!(covered(&world).await? >= first.plus(HOUR), "it moves with each sync");
    assert_eq!(world.effects()[1].len(), 2);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_never_passes_an_unread_interval() -> Result<()> {
    let mut world = World::new().await?;
    world.route("strava", "google_health", DataType::Workout).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let first = covered(&world).await?;
    // A command for later days alone leaves what is between unread.
    world.advance(24 * HOUR);
    let since = world.now().minus(HOUR);
    let later = world.ask("strava", &["google_health"], DataType::Workout, Some(since)).await?;
    assert_eq!(told(&world.settled(later).await?), "done");
    assert_eq!(covered(&world).await?, first, "it does not pass what nobody has read");
    world.strava.seed_activity(ATHLETE, run("2026-07-02T09:30:00Z", "Morning"), None);
    let html = FaultKind::Answer { status: 200, headers: Vec::new(), body: "<html>".into() };
    world.strava.kit.plan(Fault { times: 3, ..Fault::once("GET", "/athlete/activities", html) });
    let failed = world.sync_news("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&failed), "failed malformed");
    assert_eq!(covered(&world).await?, first, "it does not move");
    let gaps = world.checkpoint("strava", "google_health", DataType::Workout).await?.gaps;
    assert_eq!(
        gaps.iter().map(|it| (it.state, it.reason)).collect::<Vec<_>>(),
        [(StretchState::Unread, Some(Reason::Malformed))]
    );
    let news = world.sync_news("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&news), "done; google_health: 1 created");
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    assert!(checkpoint.gaps.is_empty(), "the hole is closed");
    assert!(checkpoint.covered_through > Some(first.plus(24 * HOUR)));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_never_moves_the_checkpoint() -> Result<()> {
    let world = World::new().await?;
    world.route("google_health", "files", DataType::Weight).await?;
    world.google.add(tests::USER, "weight", crate::data::weight("1001", "2026-07-02T08:00:00Z", 70_000));
    let answer = crate::webhooks::google_notifies(&world, "weight", "UPSERT", "2026-07-02T08:00:00Z").await?;
    assert_eq!(answer.status(), 204);
    world.is_at_rest().await?;
    assert_eq!(told(&world.settled(world.syncs().await?[0]).await?), "done; files: 1 created");
    let checkpoint = world.checkpoint("google_health", "files", DataType::Weight).await?;
    assert_eq!(checkpoint.covered_through, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_does_not_pass_what_ended_before_it_was_written() -> Result<()> {
    let mut world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    // Google is read, and is gone when it is to be written to.
    let gone = FaultKind::Answer { status: 429, headers: vec![("retry-after", "3600".into())], body: String::new() };
    world.google.kit().plan(Fault::once("POST", "/dataPoints", gone));
    world.hold_time();
    let sync = world.ask("strava", &["google_health"], DataType::Workout, Some(at(tests::LONG_AGO))).await?;
    assert!(world.google.kit().until(|it| it.status == 429).await);
    world.google.withdraw(tests::USER);
    world.let_time_pass();
    assert_eq!(told(&world.settled(sync).await?), "partial; google_health: 1 ended access_revoked");
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    assert_eq!(checkpoint.covered_through, None);
    assert_eq!(checkpoint.gaps.iter().map(|it| it.state).collect::<Vec<_>>(), [StretchState::Unread]);
    world.grant("google_health", "").await?;
    let news = world.sync_news("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&news), "done; google_health: 1 created");
    assert!(world.checkpoint("strava", "google_health", DataType::Workout).await?.gaps.is_empty());
    world.is_at_rest().await
}
