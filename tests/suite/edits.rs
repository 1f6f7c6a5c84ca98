//! Edits at the source, at the destination, and at both.

use crate::{
    data::{exercise, run, weight},
    journal::{calls, verbs, writes},
};
use anyhow::{Context, Result};
use schemas::{
    data_type::DataType,
    event::{Action, Deletes, Rule},
};
use serde_json::json;
use tests::{ATHLETE, USER, World, told};

/// The id of the only exercise at Google Health.
fn only_id(world: &World) -> Result<String> {
    let points = world.google.points(USER, "exercise");
    let name = points.first().and_then(|it| it["name"].as_str()).context("no exercise")?;
    Ok(name.rsplit('/').next().unwrap_or_default().to_owned())
}

fn name_there(world: &World) -> String {
    let points = world.google.points(USER, "exercise");
    points[0]["exercise"]["displayName"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_at_the_source_becomes_one_update() -> Result<()> {
    let mut world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.strava.edit_activity(id, |it| it["name"] = "Long run".into());
    world.forget();
    let edited = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&edited), "done; google_health: 1 updated");
    assert_eq!(calls(world.google.kit(), "PATCH", "/exercise/").len(), 1);
    assert_eq!(verbs(&world.effects()[1]), ["update"]);
    assert_eq!(name_there(&world), "Long run");
    let row = world.rows("google_health", DataType::Workout).await?.remove(0);
    assert_eq!((row.version, row.planned_version, row.owned), (2, 2, true));
    let means = &world.inside;
    let explained = engine::explain::explain(
        (&means.runner.store, &means.intake.contents, means.people(), &means.intake.accounts.catalog),
        &world.subject,
        row.key.item,
    )
    .await?;
    let why = explained[0].decision.as_ref().context("it is explained")?;
    assert_eq!(
        (why.action, why.rule.as_str(), why.origin_record.as_str()),
        (Action::Update, "prioritise_source", id.to_string().as_str())
    );
    let again = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&again), "done; google_health: 1 skipped unchanged");
    assert_eq!(writes(world.google.kit()).len(), 1);
    world.is_at_rest().await
}

/// Both sides change a run after it was written and seen; says how the next sync ends and whose name stands.
async fn both_edited(rule: Rule) -> Result<(String, String)> {
    let mut world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.configure("strava", "google_health", DataType::Workout, rule, Deletes::Keep).await?;
    for _ in 0..2 {
        world.sync("strava", &["google_health"], DataType::Workout).await?;
    }
    world.google.edit(USER, "exercise", &only_id(&world)?, &json!({"displayName": "My own name"}));
    world.strava.edit_activity(id, |it| it["name"] = "The source's name".into());
    world.forget();
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;
    assert_eq!(world.effects()[1].len(), usize::from(told(&status).contains("updated")));
    Ok((told(&status), name_there(&world)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_wins_over_an_edited_destination_if_it_is_prioritised() -> Result<()> {
    let (told, name) = both_edited(Rule::PrioritiseSource).await?;
    assert_eq!((told.as_str(), name.as_str()), ("done; google_health: 1 updated", "The source's name"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_destination_stands_if_it_is_prioritised() -> Result<()> {
    let (told, name) = both_edited(Rule::PrioritiseDestination).await?;
    assert_eq!((told.as_str(), name.as_str()), ("done; google_health: 1 skipped destination_preferred", "My own name"));
    Ok(())
}

/// A run goes from Google Health to Strava; both sides change it, Google at `google_at`. Whose name stands?
async fn newest(google_at: &str) -> Result<(String, String)> {
    let mut world = World::new().await?;
    let mut point = exercise("1001", "2026-06-20T06:00:00Z", Some(7_200));
    point["exercise"]["updateTime"] = json!("2026-06-20T07:00:00Z");
    world.google.add(USER, "exercise", point);
    world.configure("google_health", "strava", DataType::Workout, Rule::Newest, Deletes::Keep).await?;
    for _ in 0..2 {
        world.sync("google_health", &["strava"], DataType::Workout).await?;
    }
    let id = world.strava.activities(ATHLETE)[0];
    world.strava.edit_activity(id, |it| it["name"] = "My own name".into());
    let edit = json!({"displayName": "The source's name", "updateTime": google_at});
    world.google.edit(USER, "exercise", "1001", &edit);
    world.forget();
    let status = world.sync("google_health", &["strava"], DataType::Workout).await?;
    world.is_at_rest().await?;
    assert_eq!(world.effects()[0].len(), usize::from(told(&status).contains("updated")));
    let name = world.strava.activity(id).context("it is there")?["name"].as_str().unwrap_or_default().to_owned();
    Ok((told(&status), name))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_edit_wins() -> Result<()> {
    // Strava says no time of an edit: it is that of the look that found it, some time after nine o'clock.
    let (told, name) = newest("2026-06-21T09:00:00Z").await?;
    assert_eq!((told.as_str(), name.as_str()), ("done; strava: 1 skipped destination_newer", "My own name"));
    let (told, name) = newest("2026-07-03T09:00:00Z").await?;
    assert_eq!((told.as_str(), name.as_str()), ("done; strava: 1 updated", "The source's name"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_weighing_replaces_its_file() -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.route("google_health", "files", DataType::Weight).await?;
    world.sync("google_health", &["files"], DataType::Weight).await?;
    world.google.edit(USER, "weight", "1001", &json!({"weightGrams": 71_000}));
    let edited = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&edited), "done; files: 1 updated");
    let files = world.folder(DataType::Weight).await?;
    assert_eq!(files.len(), 1);
    let stored: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&files[0])?)?;
    assert_eq!((&stored["version"], &stored["record"]["body"]["quantity"]["value"]), (&json!(2), &json!(71.0)));
    world.is_at_rest().await
}
