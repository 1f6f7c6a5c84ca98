//! What the destination does not hold of a record is told: what it cannot hold, and what it made of what was written.

use crate::{
    data::run,
    journal::{calls, verbs, writes},
};
use anyhow::{Context, Result};
use connectors::{
    google_health::simulator::RecordedRun,
    simulator::{Fault, FaultKind},
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Fate, Rule},
};
use serde_json::json;
use tests::{ATHLETE, USER, World, at, told};

const OTHER: &str = "115500000000000000017";

/// What explain tells of the only workout at a destination: what became of it, and what of it is not there.
async fn lost(world: &World, destination: &str) -> Result<(Option<Fate>, Vec<String>)> {
    let rows = world.rows(destination, DataType::Workout).await?;
    let [row] = rows.as_slice() else { anyhow::bail!("{} rows", rows.len()) };
    let means = &world.inside;
    let explained = engine::explain::explain(
        (&means.runner.store, &means.intake.contents, means.people(), &means.intake.accounts.catalog),
        &world.subject,
        row.key.item,
    )
    .await?;
    let why = explained.into_iter().next().and_then(|it| it.decision).context("it is explained")?;
    Ok((why.fate, why.lost))
}

/// A person with a recorded run of half an hour, by a watch with GPS, at one Google account.
async fn one_recorded_run() -> Result<World> {
    let world = World::new().await?;
    let recorded = RecordedRun::new(at("2026-06-20T06:00:00Z"), 1_800).by_gps_watch();
    world.google.add_run(USER, "1001", &recorded);
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn google_health_holds_no_samples_of_others_and_that_is_told() -> Result<()> {
    let mut world = one_recorded_run().await?;
    world.add_google(OTHER).await?;
    let [from, to] = [USER, OTHER].map(|it| format!("google_health/{it}"));
    world.configure(&from, &to, DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    world.forget();
    let sync = world.sync(&from, &[&to], DataType::Workout).await?;
    assert_eq!(told(&sync), "done; google_health: 1 created");
    let (fate, lost) = lost(&world, &to).await?;
    assert_eq!(fate, Some(Fate::Created));
    for column in ["latitude", "longitude", "altitude", "distance"] {
        let line = format!("streams.{column}: none of 1801 samples is held");
        assert!(lost.contains(&line), "{line}: {lost:#?}");
    }
    assert!(lost.iter().all(|it| !it.starts_with("not read back")), "{lost:#?}");
    assert_eq!(writes(world.google.kit()).len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_holds_all_of_it() -> Result<()> {
    let mut world = one_recorded_run().await?;
    world.route("google_health", "files", DataType::Workout).await?;
    let sync = world.sync("google_health", &["files"], DataType::Workout).await?;
    assert_eq!(told(&sync), "done; files: 1 created");
    assert_eq!(lost(&world, "files").await?, (Some(Fate::Created), Vec::new()));
    world.is_at_rest().await
}

/// A run at Strava whose mean heart rate is no whole number, on its way to Google Health.
async fn one_run() -> Result<World> {
    let world = World::new().await?;
    let mut there = run("2026-06-20T06:00:00Z", "Morning");
    there["average_heartrate"] = json!(151.4);
    there["has_heartrate"] = json!(true);
    world.strava.seed_activity(ATHLETE, there, None);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.forget();
    Ok(world)
}

const ROUNDED: &str = "heart_rate_mean: rounded to whole beats a minute";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rounded_is_told_without_its_value() -> Result<()> {
    let mut world = one_run().await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let (_, lost) = lost(&world, "google_health").await?;
    assert!(lost.contains(&ROUNDED.to_owned()), "{lost:#?}");
    assert!(lost.iter().all(|it| !it.contains("151") && !it.contains("Morning")), "{lost:#?}");
    assert_eq!(calls(world.google.kit(), "GET", "/exercise/dataPoints/").len(), 1, "it was read back once");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_is_neither_written_again_nor_failed() -> Result<()> {
    let mut world = one_run().await?;
    let kind = FaultKind::Answer { status: 500, headers: Vec::new(), body: String::new() };
    world.google.kit().plan(Fault::once("GET", "/exercise/dataPoints/", kind));
    let sync = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&sync), "done; google_health: 1 created");
    let (fate, lost) = lost(&world, "google_health").await?;
    assert_eq!(fate, Some(Fate::Created));
    assert_eq!(lost.last().map(String::as_str), Some("not read back: the destination did not answer"));
    assert!(lost.contains(&ROUNDED.to_owned()), "what was known before is told all the same: {lost:#?}");
    assert_eq!(verbs(&world.effects()[1]), ["create"]);
    let again = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&again), "done; google_health: 1 skipped unchanged");
    assert_eq!(writes(world.google.kit()).len(), 1);
    world.is_at_rest().await
}
