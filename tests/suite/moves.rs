//! What a sync moves, and what it leaves alone.

use crate::{
    data::{exercise, recorded_run, run, weight},
    journal::{each_once, writes},
};
use anyhow::Result;
use connectors::strava::simulator::demo_activities;
use engine::{
    intake::Refusal,
    status::{State, Status},
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Fate, Rule, StretchState},
};
use tests::{ATHLETE, LONG_AGO, USER, World, at, told};

const SECOND: (u64, &str) = (8, "115500000000000000008");

fn read(status: &Status) -> i64 {
    status.read.iter().map(|it| it.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_moves_runs_and_a_second_one_writes_nothing() -> Result<()> {
    let mut world = World::new().await?;
    let activities = demo_activities(0);
    let n_runs = activities.len();
    for it in activities {
        world.strava.seed_activity(ATHLETE, it.detail, it.streams);
    }
    world.route("strava", "google_health", DataType::Workout).await?;
    let first = world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;
    assert_eq!(usize::try_from(read(&first))?, n_runs);
    let points = world.google.points(USER, "exercise");
    let [_, effects] = world.effects();
    assert_eq!(each_once(&effects, "create"), points.len());
    assert_eq!(effects.len(), points.len(), "nothing was changed or deleted");
    assert_eq!(world.rows("google_health", DataType::Workout).await?.len(), points.len());
    let created: i64 =
        first.destinations[0].counts.iter().filter(|it| it.fate == Fate::Created).map(|it| it.count).sum();
    assert_eq!(usize::try_from(created)?, points.len());
    assert!(points.len() >= 40, "only {} of {n_runs} runs came: {}", points.len(), told(&first));
    assert!(writes(&world.strava.kit).is_empty(), "the source is only read");
    let first_starts = points[0]["exercise"]["interval"]["startTime"].as_str().map(at);
    assert!(world.rows("google_health", DataType::Workout).await?.iter().any(|it| Some(it.starts_at) == first_starts));

    world.forget();
    let second = world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;
    assert_eq!(read(&second), read(&first));
    assert!(!told(&second).contains("created") && !told(&second).contains("updated"), "{}", told(&second));
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    assert_eq!(writes(&world.strava.kit), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_and_weighings_come_into_the_folder_once() -> Result<()> {
    let mut world = World::new().await?;
    world.google.seed_demo(USER, 1);
    for (data_type, name) in [(DataType::Sleep, "sleep"), (DataType::Weight, "weight")] {
        world.route("google_health", "files", data_type).await?;
        let first = world.sync("google_health", &["files"], data_type).await?;
        let n_points = world.google.points(USER, name).len();
        assert_eq!(told(&first), format!("done; files: {n_points} created"));
        let files = world.folder(data_type).await?;
        assert_eq!(files.len(), n_points);
        let times: Vec<_> = files.iter().map(|it| it.metadata()?.modified()).collect::<std::io::Result<_>>()?;
        let second = world.sync("google_health", &["files"], data_type).await?;
        assert_eq!(told(&second), format!("done; files: {n_points} skipped unchanged"));
        let again: Vec<_> = files.iter().map(|it| it.metadata()?.modified()).collect::<std::io::Result<_>>()?;
        assert_eq!(again, times, "no file was written again");
        assert_eq!(world.folder(data_type).await?, files);
    }
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_run_keeps_its_streams_in_the_folder() -> Result<()> {
    let mut world = World::new().await?;
    let (detail, streams) = recorded_run();
    world.strava.seed_activity(ATHLETE, detail, streams);
    world.route("strava", "files", DataType::Workout).await?;
    let status = world.sync("strava", &["files"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; files: 1 created");
    let text = std::fs::read_to_string(&world.folder(DataType::Workout).await?[0])?;
    let stored: serde_json::Value = serde_json::from_str(&text)?;
    let offsets = &stored["record"]["body"]["workout"]["streams"]["offsets_ms"];
    assert!(offsets.as_array().is_some_and(|it| it.len() > 100), "the streams are there");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_nothing_in_it_is_done_and_empty_and_the_checkpoint_moves() -> Result<()> {
    let mut world = World::new().await?;
    world.route("strava", "google_health", DataType::Workout).await?;
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done");
    assert_eq!(status.stretches.iter().map(|it| it.state).collect::<Vec<_>>(), [StretchState::Empty]);
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    assert!(checkpoint.covered_through.is_some_and(|it| it > at("2026-07-02T08:00:00Z")));
    assert_eq!(checkpoint.covered_through, status.checkpoint);
    assert!(checkpoint.gaps.is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_to_strava_are_refused_when_configured_with_what_would_work() -> Result<()> {
    let mut world = World::new().await?;
    let refused = world.route("google_health", "strava", DataType::Steps).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused.downcast_ref(), Some(Refusal::Impossible(_))), "{text}");
    assert!(text.contains("steps cannot be written to Strava, which takes workout"), "{text}");
    assert!(text.contains("steps can go to Files"), "{text}");
    let refused = world.route("strava", "google_health", DataType::Sleep).await.unwrap_err().to_string();
    assert!(refused.contains("sleep cannot be read from Strava; it gives workout"), "{refused}");
    // Nor is a command taken that no config carries.
    let refused = world.ask("google_health", &["strava"], DataType::Workout, None).await.unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(Refusal::NotFound(_))), "{refused}");
    assert!(world.syncs().await?.is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_means_one_command_for_ever() -> Result<()> {
    let world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    let command = world.command("strava", &["google_health"], DataType::Workout, Some(at(LONG_AGO))).await?;
    let submit = async |key: &str, command| world.inside.intake.submit(&world.subject, key, command).await;
    let first = submit("the-key", &command).await?;
    assert_eq!(submit("the-key", &command).await?, first, "the same command again is the same job");
    world.settled(first).await?;
    assert_eq!(submit("the-key", &command).await?, first, "also when it is over");
    let other = engine::intake::SyncCommand { from: Some(at("2020-01-01T00:00:00Z")), ..command.clone() };
    assert_eq!(submit("the-key", &other).await, Err(Refusal::KeyReused));
    assert_ne!(submit("another-key", &other).await?, first);
    world.is_at_rest().await?;
    assert_eq!(world.syncs().await?.len(), 2);
    assert_eq!(world.effects()[1].len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_record_is_never_touched() -> Result<()> {
    let mut world = World::new().await?;
    // The same run came to Google by another way.
    world.google.add(USER, "exercise", exercise("1001", "2026-06-20T06:00:20Z", Some(7_200)));
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.configure("strava", "google_health", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    let before = world.google.points(USER, "exercise");
    let first = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&first), "done; google_health: 1 skipped foreign");
    world.strava.edit_activity(id, |it| it["name"] = "Another name".into());
    let second = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&second), "done; google_health: 1 skipped foreign");
    world.strava.delete_activity(id);
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    assert_eq!(world.google.points(USER, "exercise"), before);
    let rows = world.rows("google_health", DataType::Workout).await?;
    assert!(rows.iter().all(|it| !it.owned && it.planned_version == 0), "{rows:?}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_wrote_does_not_come_back_as_an_echo() -> Result<()> {
    let mut world = World::new().await?;
    let (detail, streams) = recorded_run();
    world.strava.seed_activity(ATHLETE, detail, streams);
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.google.add(USER, "exercise", exercise("1001", "2026-06-25T06:00:00Z", Some(7_200)));
    world.route("strava", "google_health", DataType::Workout).await?;
    world.route("google_health", "strava", DataType::Workout).await?;
    let there = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&there), "done; google_health: 2 created");
    let back = world.sync("google_health", &["strava"], DataType::Workout).await?;
    assert_eq!(told(&back), "done; strava: 1 created, 2 skipped echo");
    let again = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&again), "done; google_health: 2 skipped unchanged, 1 skipped echo");
    assert_eq!((world.strava.activities(ATHLETE).len(), world.google.points(USER, "exercise").len()), (3, 3));
    let [strava, google] = world.effects();
    assert_eq!((strava.len(), google.len()), (1, 2));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_persons_do_not_see_each_other() -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.route("google_health", "files", DataType::Weight).await?;
    let first = world.ask("google_health", &["files"], DataType::Weight, Some(at(LONG_AGO))).await?;
    let tester = world.subject.clone();
    world.sign_in("other", SECOND.0, SECOND.1).await?;
    world.google.add(SECOND.1, "weight", weight("1002", "2026-06-20T06:00:00Z", 90_000));
    world.route("google_health", "files", DataType::Weight).await?;
    let second = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&second), "done; files: 1 created");
    let files = world.folder(DataType::Weight).await?;
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(&files[0])?;
    assert!(text.contains("90.0") && !text.contains("70.0"), "only one's own weighing");
    assert_eq!(world.inside.intake.status(&world.subject, first).await?, None, "another's job is not there");
    assert_eq!(world.syncs().await?.len(), 1);
    world.subject = tester;
    let status = world.settled(first).await?;
    assert_eq!((status.state, told(&status).as_str()), (State::Done, "done; files: 1 created"));
    assert_eq!(world.folder(DataType::Weight).await?.len(), 1);
    world.is_at_rest().await
}
