//! One person with two accounts at one provider.

use crate::journal::calls;
use anyhow::{Context, Result};
use connectors::{formats::fit, google_health::simulator::RecordedRun};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    workout::Workout,
};
use std::{collections::BTreeSet, fs, path::PathBuf};
use tests::{USER, World, at, told};

/// The account of the heart-rate band; the watch with GPS is [`USER`]'s.
const BAND: &str = "115500000000000000017";
const SECONDS: u32 = 1_800;

fn account(user: &str) -> String {
    format!("google_health/{user}")
}

/// A person who ran once, with a watch and a band, each of which brings the run to a Google account of its own.
async fn one_run_of_two_devices() -> Result<World> {
    let mut world = World::new().await?;
    let band = world.add_google(BAND).await?;
    assert_eq!((band.account.as_str(), world.connection(&account(BAND)).await?.id), (BAND, band.id));
    assert_ne!(world.connection(&account(USER)).await?.id, band.id);
    let run = RecordedRun::new(at("2026-06-20T06:00:00Z"), SECONDS);
    world.google.add_run(USER, "1001", &run.by_gps_watch());
    world.google.add_run(BAND, "1001", &run.by_heart_rate_band().ahead_by(7_000));
    Ok(world)
}

/// The only workout in a folder: as its JSON has it, and as its FIT file has it.
async fn only_workout(world: &World, folder: &str) -> Result<[Workout; 2]> {
    let files = world.folder_of(folder, DataType::Workout).await?;
    let [json] = files.as_slice() else { anyhow::bail!("{files:?}") };
    let stored: serde_json::Value = serde_json::from_slice(&fs::read(json)?)?;
    let held: Record = serde_json::from_value(stored["record"].clone())?;
    let root = PathBuf::from(world.connection(folder).await?.account);
    let paths: Vec<PathBuf> = fs::read_dir(root)?.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    let fit_file = paths.iter().find(|it| it.extension().is_some_and(|it| it == "fit")).context("no FIT file")?;
    let mut read = fit::read(&fs::read(fit_file)?, "")?;
    let records = [held, read.records.pop().context("nothing in the FIT file")?];
    let workout = |it: Record| match it.body {
        Body::Workout(it) => Ok(*it),
        other => anyhow::bail!("no workout: {other:?}"),
    };
    let [held, read] = records.map(workout);
    Ok([held?, read?])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_comes_from_both_accounts_each_with_what_its_device_measured() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    let n_moments = SECONDS as usize + 1;
    // Placing a folder that is there already gives the one that is there.
    for (user, folder) in [(USER, "folder-of-tester"), (BAND, "folder-of-the-band")] {
        let folder = format!("files/{}", world.place(folder).await?.account);
        world.route(&account(user), &folder, DataType::Workout).await?;
        let status = world.sync(&account(user), &[&folder], DataType::Workout).await?;
        assert_eq!((told(&status).as_str(), status.issues.len()), ("done; files: 1 created", 0));
        for workout in only_workout(&world, &folder).await? {
            let streams = &workout.streams;
            assert_eq!(streams.offsets_ms.len(), n_moments);
            assert_eq!((streams.offsets_ms.first(), streams.offsets_ms.last()), (Some(&0), Some(&1_800_000)));
            let measured = (streams.latitude.n_measured(), streams.heart_rate.n_measured());
            assert_eq!(measured, if user == USER { (n_moments, 0) } else { (0, n_moments) });
        }
    }
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_accounts_can_go_into_one_folder() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    for user in [USER, BAND] {
        world.route(&account(user), "files", DataType::Workout).await?;
    }
    let first = world.sync(&account(USER), &["files"], DataType::Workout).await?;
    assert_eq!(told(&first), "done; files: 1 created");
    let second = world.sync(&account(BAND), &["files"], DataType::Workout).await?;
    assert!(told(&second).starts_with("done; files: 1 "), "{}", told(&second));
    for workout in only_workout(&world, "files").await? {
        assert_eq!(workout.streams.latitude.n_measured(), SECONDS as usize + 1, "the way of the watch is there");
    }
    let asked = calls(world.google.kit(), "GET", ":exportExerciseTcx");
    let tokens: BTreeSet<&str> = asked.iter().map(|it| it.token.as_str()).collect();
    assert_eq!((asked.len(), tokens.len()), (2, 2), "once for each account");
    world.is_at_rest().await
}
