//! A process that ends in the middle of a sync, and the next one on the same directory.

use crate::{
    data::run,
    journal::{each_once, writes},
};
use anyhow::Result;
use schemas::data_type::DataType;
use tests::{ATHLETE, End, LONG_AGO, USER, World, at, told};

const N_RUNS: usize = 20;

/// Ends a process after the third of twenty runs has arrived; the next process must bring the rest.
async fn ended_in_the_middle(next: impl AsyncFn(World) -> Result<World>) -> Result<()> {
    let mut world = World::new().await?;
    for day in 1..=N_RUNS {
        world.strava.seed_activity(ATHLETE, run(&format!("2026-06-{day:02}T06:00:00Z"), "Morning"), None);
    }
    world.route("strava", "google_health", DataType::Workout).await?;
    let sync = world.ask("strava", &["google_health"], DataType::Workout, Some(at(LONG_AGO))).await?;
    tests::until("three have arrived", async || Ok((world.effects()[1].len() >= 3).then_some(()))).await?;
    let world = Box::pin(next(world)).await?;
    let n_before = world.google.points(USER, "exercise").len();
    assert!(n_before <= N_RUNS, "none is there twice");
    let status = world.settled(sync).await?;
    assert_eq!(told(&status), format!("done; google_health: {N_RUNS} created"));
    assert_eq!(world.google.points(USER, "exercise").len(), N_RUNS);
    assert_eq!(each_once(&world.effects()[1], "create"), N_RUNS);
    world.is_at_rest().await?;
    let mut world = Box::pin(world.restarted(End::Drained)).await?;
    world.forget();
    let again = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&again), format!("done; google_health: {N_RUNS} skipped unchanged"));
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_sync_loses_and_doubles_nothing() -> Result<()> {
    Box::pin(ended_in_the_middle(async |it: World| it.restarted(End::Drained).await)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_cut_off_loses_and_doubles_nothing() -> Result<()> {
    Box::pin(ended_in_the_middle(async |it: World| it.restarted(End::CutOff).await)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_the_bus_is_lost_and_the_log_goes_on() -> Result<()> {
    Box::pin(ended_in_the_middle(World::without_bus)).await
}
