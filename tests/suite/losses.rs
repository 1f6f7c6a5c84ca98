//! A store loses its rows, or is put back to a snapshot, and is put right by what operators have for that.

use crate::{
    data::{exercise, run},
    journal::{each_once, writes},
};
use anyhow::{Context, Result};
use engine::{item::ItemRow, people::Checkpoint, restore::Restored};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
};
use serde_json::json;
use tests::{ATHLETE, End, LONG_AGO, Repair, USER, World, at, told, until};

/// An exercise that the person has at the destination from elsewhere.
const THEIRS: &str = "users/me/dataTypes/exercise/dataPoints/theirs";

/// A run in the morning of each of these days of June.
fn runs(world: &World, days: std::ops::RangeInclusive<u32>) {
    for day in days {
        world.strava.seed_activity(ATHLETE, run(&format!("2026-06-{day:02}T06:00:00Z"), "Morning"), None);
    }
}

/// What of a row must come back: all but what is sealed, of which only whether it is there can be compared, and when
/// the destination was last looked at.
type Essence = (ItemRow, [bool; 2]);

fn essence(row: ItemRow) -> Essence {
    let is_there = [!row.summary.is_empty(), !row.external_id.is_empty()];
    (ItemRow { summary: Default::default(), external_id: Default::default(), seen_at: None, ..row }, is_there)
}

/// The rows at both destinations, and a checkpoint.
async fn stands(world: &World) -> Result<(Vec<Essence>, Checkpoint)> {
    let mut rows = world.rows("google_health", DataType::Workout).await?;
    rows.extend(world.rows("files", DataType::Workout).await?);
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    Ok((rows.into_iter().map(essence).collect(), checkpoint))
}

fn count(restored: &Restored, what: &str) -> u64 {
    restored.counts.get(what).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_lost_are_made_again_from_the_log_and_nothing_is_written_twice() -> Result<()> {
    let mut world = World::new().await?;
    runs(&world, 1..=9);
    world.google.add(USER, "exercise", exercise("theirs", "2026-06-03T06:00:30Z", Some(7_200)));
    let to = ["google_health", "files"];
    for destination in to {
        world.configure("strava", destination, DataType::Workout, Rule::Newest, Deletes::Mirror).await?;
    }
    let first = world.sync("strava", &to, DataType::Workout).await?;
    assert_eq!(told(&first), "done; files: 9 created; google_health: 8 created, 1 skipped foreign");
    // New ones, one that changes at the source, one that the person changes at the destination, and one that is gone.
    runs(&world, 10..=12);
    let ids = world.strava.activities(ATHLETE);
    world.strava.edit_activity(ids[0], |it| it["name"] = "Long run".into());
    world.sync("strava", &to, DataType::Workout).await?;
    let edited =
        world.google.points(USER, "exercise").into_iter().find(|it| it["name"] != THEIRS).context("a point")?;
    let name = edited["name"].as_str().and_then(|it| it.rsplit('/').next()).context("a name")?;
    world.google.edit(USER, "exercise", name, &json!({"displayName": "My own name"}));
    world.strava.delete_activity(ids[1]);
    world.sync("strava", &to, DataType::Workout).await?;
    let unchanged = told(&world.sync("strava", &to, DataType::Workout).await?);
    let before = stands(&world).await?;

    let (mut world, Repair { restored, .. }) = Box::pin(world.rebuilt(true)).await?;
    assert_eq!(stands(&world).await?, before, "{restored:?}");
    // Twelve in the folder and eleven there; one of them had a second version, and one was deleted, at each.
    assert_eq!((count(&restored, "items planned"), count(&restored, "items held")), (27, 27), "{restored:?}");
    world.forget();
    let again = world.sync("strava", &to, DataType::Workout).await?;
    assert_eq!(told(&again), unchanged);
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());

    let before = stands(&world).await?;
    let (world, Repair { restored: twice, .. }) = Box::pin(world.rebuilt(false)).await?;
    assert_eq!(stands(&world).await?, before, "rows that stand are left alone");
    assert_eq!((count(&twice, "items planned"), count(&twice, "items held")), (0, 0), "{twice:?}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_restored_from_a_snapshot_is_caught_up_from_the_bus() -> Result<()> {
    let Some(mut world) = World::with_lasting_bus().await? else { return Ok(()) };
    let to = ["google_health"];
    runs(&world, 1..=5);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.sync("strava", &to, DataType::Workout).await?;
    world.is_at_rest().await?;
    let (mut world, snapshot) = Box::pin(world.snapshot()).await?;

    // What the snapshot does not know: a sync that is over, an edit that was brought, and a sync that is cut off.
    runs(&world, 6..=12);
    let over = world.ask("strava", &to, DataType::Workout, Some(at(LONG_AGO))).await?;
    assert_eq!(told(&world.settled(over).await?), "done; google_health: 7 created, 5 skipped unchanged");
    runs(&world, 13..=24);
    let cut = world.ask("strava", &to, DataType::Workout, Some(at(LONG_AGO))).await?;
    until("three more have arrived", async || Ok((world.effects()[1].len() >= 15).then_some(()))).await?;

    let (mut world, Repair { restored, .. }) = Box::pin(world.put_back(&snapshot)).await?;
    assert_eq!(restored.gaps, Vec::<String>::new());
    assert!(count(&restored, "steps put into the log") > 5, "{restored:?}");
    let status = world.inside.intake.status(&world.subject, over).await?.context("the sync is in the log again")?;
    assert_eq!(told(&status), "done; google_health: 7 created, 5 skipped unchanged");
    assert_eq!(told(&world.settled(cut).await?), "done; google_health: 12 created, 12 skipped unchanged");
    assert_eq!(world.google.points(USER, "exercise").len(), 24, "nothing is lost, and nothing is there twice");
    assert_eq!(each_once(&world.effects()[1], "create"), 24);
    world.is_at_rest().await?;

    world.forget();
    let again = world.sync("strava", &to, DataType::Workout).await?;
    assert_eq!(told(&again), "done; google_health: 24 skipped unchanged");
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    let world = Box::pin(world.restarted(End::Drained)).await?;
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_row_tells_of_is_not_made_a_second_time() -> Result<()> {
    let mut world = World::new().await?;
    runs(&world, 1..=4);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let (world, snapshot) = Box::pin(world.snapshot()).await?;
    let mut world = world;
    runs(&world, 5..=8);
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;

    // On a bus that keeps nothing the snapshot is all there is; on one that does, this is as the scenario before.
    let (mut world, _) = Box::pin(world.put_back(&snapshot)).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(world.google.points(USER, "exercise").len(), 8);
    assert_eq!(each_once(&world.effects()[1], "create"), 8);
    world.is_at_rest().await
}
