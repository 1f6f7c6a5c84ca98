//! Records that are gone at the source.

mod asked;

use crate::{
    data::{exercise, run},
    journal::{calls, verbs, writes},
};
use anyhow::Result;
use connectors::google_health::simulator::RecordedRun;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
};
use tests::{ATHLETE, USER, World, at, told};

/// Two runs, brought to Google Health; then the first is deleted at Strava.
async fn one_of_two_is_gone(deletes: Deletes) -> Result<(World, u64)> {
    let mut world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.strava.seed_activity(ATHLETE, run("2026-06-21T06:00:00Z", "Next morning"), None);
    world.configure("strava", "google_health", DataType::Workout, Rule::PrioritiseSource, deletes).await?;
    let first = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&first), "done; google_health: 2 created");
    world.strava.delete_activity(id);
    world.forget();
    Ok((world, id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_mirrored_once() -> Result<()> {
    let (mut world, _) = one_of_two_is_gone(Deletes::Mirror).await?;
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; google_health: 1 deleted, 1 skipped unchanged");
    assert_eq!(verbs(&world.effects()[1]), ["delete"]);
    assert_eq!(calls(world.google.kit(), "POST", ":batchDelete").len(), 1);
    assert_eq!(world.google.points(USER, "exercise").len(), 1);
    let again = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&again), "done; google_health: 2 skipped unchanged");
    assert_eq!(writes(world.google.kit()).len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_kept_back_if_so_configured() -> Result<()> {
    let (mut world, _) = one_of_two_is_gone(Deletes::Keep).await?;
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; google_health: 1 skipped unchanged, 1 skipped deletion_kept");
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    assert_eq!(world.google.points(USER, "exercise").len(), 2);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notified_deletion_is_mirrored_once() -> Result<()> {
    let (world, id) = one_of_two_is_gone(Deletes::Mirror).await?;
    let event = world.strava.activity_event(ATHLETE, id, "delete");
    for _ in 0..2 {
        let answer = world.notify("strava", &[("x-strava-signature", &event.signature)], &event.body).await?;
        assert_eq!(answer.status(), 200);
    }
    world.is_at_rest().await?;
    let syncs = world.syncs().await?;
    let status = world.settled(syncs[0]).await?;
    assert_eq!(told(&status), "done; google_health: 1 deleted");
    assert_eq!(verbs(&world.effects()[1]), ["delete"]);
    assert_eq!(world.google.points(USER, "exercise").len(), 1);
    assert!(calls(&world.strava.kit, "GET", "/athlete/activities").is_empty(), "nothing was listed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_its_recording_hides_no_deletion() -> Result<()> {
    let mut world = World::new().await?;
    for (id, start) in [("1001", "2026-06-20T06:00:00Z"), ("1002", "2026-06-21T06:00:00Z")] {
        // A device recorded it, and yet Google has no recording.
        world.google.add(USER, "exercise", RecordedRun::new(at(start), 1_800).exercise(id));
    }
    world.configure("google_health", "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    let first = world.sync("google_health", &["files"], DataType::Workout).await?;
    assert_eq!(told(&first), "done; files: 2 created");
    assert_eq!(first.issues.iter().map(|it| (it.code.as_str(), it.count)).collect::<Vec<_>>(), [("no_streams", 2)]);
    world.google.delete(USER, "exercise", "1001");
    let second = world.sync("google_health", &["files"], DataType::Workout).await?;
    assert_eq!(told(&second), "done; files: 1 deleted, 1 skipped unchanged");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_to_strava_is_refused_with_the_reason() -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "exercise", exercise("1001", "2026-06-20T06:00:00Z", Some(7_200)));
    world.configure("google_health", "strava", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    let first = world.sync("google_health", &["strava"], DataType::Workout).await?;
    assert_eq!(told(&first), "done; strava: 1 created");
    world.google.delete(USER, "exercise", "1001");
    world.forget();
    let status = world.sync("google_health", &["strava"], DataType::Workout).await?;
    assert_eq!(told(&status), "partial; strava: 1 refused cannot_delete");
    assert_eq!(writes(&world.strava.kit), Vec::<String>::new());
    assert_eq!(world.strava.activities(ATHLETE).len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_leaves_the_folder_once_and_a_record_that_comes_back_is_made_again() -> Result<()> {
    let mut world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    let detail = world.strava.activity(id).unwrap_or_default();
    world.configure("strava", "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    world.sync("strava", &["files"], DataType::Workout).await?;
    assert_eq!(world.folder(DataType::Workout).await?.len(), 1);
    world.strava.delete_activity(id);
    let gone = world.sync("strava", &["files"], DataType::Workout).await?;
    assert_eq!(told(&gone), "done; files: 1 deleted");
    assert_eq!(world.folder(DataType::Workout).await?.len(), 0);
    assert_eq!(world.strava.seed_activity(ATHLETE, detail, None), id);
    let back = world.sync("strava", &["files"], DataType::Workout).await?;
    assert_eq!(told(&back), "done; files: 1 created");
    assert_eq!(world.folder(DataType::Workout).await?.len(), 1);
    world.is_at_rest().await
}
