//! Several sources of one thing: one record with the best of each, taken apart if the person says so, and explained.

use crate::journal::writes;
use anyhow::{Context, Result};
use connectors::{formats::fit, google_health::simulator::RecordedRun};
use reqwest::Method;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    record::{Body, Record},
    workout::Workout,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use tests::{USER, World, at, told};

/// The account of the heart-rate band; the watch with GPS is [`USER`]'s.
pub(crate) const BAND: &str = "115500000000000000017";
const SECONDS: u32 = 1_800;

pub(crate) fn account(user: &str) -> String {
    format!("google_health/{user}")
}

/// A person who ran once, with a watch and a band, each of which brings the run to a Google account of its own; both
/// are carried into one folder.
pub(crate) async fn one_run_of_two_devices() -> Result<World> {
    let mut world = World::new().await?;
    world.add_google(BAND).await?;
    let run = RecordedRun::new(at("2026-06-20T06:00:00Z"), SECONDS);
    world.google.add_run(USER, "1001", &run.by_gps_watch());
    world.google.add_run(BAND, "2001", &run.by_heart_rate_band().ahead_by(2_000));
    for user in [USER, BAND] {
        world.configure(&account(user), "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    }
    Ok(world)
}

pub(crate) async fn both(world: &mut World) -> Result<[String; 2]> {
    let watch = world.sync(&account(USER), &["files"], DataType::Workout).await?;
    let band = world.sync(&account(BAND), &["files"], DataType::Workout).await?;
    Ok([told(&watch), told(&band)])
}

/// The workouts in the folder, as their JSON has them.
pub(crate) async fn held(world: &World) -> Result<Vec<(String, Workout)>> {
    let mut all = Vec::new();
    for path in world.folder(DataType::Workout).await? {
        let stored: Value = serde_json::from_slice(&fs::read(path)?)?;
        let record: Record = serde_json::from_value(stored["record"].clone())?;
        let Body::Workout(workout) = record.body else { anyhow::bail!("no workout") };
        all.push((stored["item"].as_str().context("an item")?.to_owned(), *workout));
    }
    Ok(all)
}

/// How many samples of position and of heart rate a workout has.
pub(crate) fn measured(workout: &Workout) -> (bool, bool) {
    (workout.streams.latitude.n_measured() > 1_700, workout.streams.heart_rate.n_measured() > 1_700)
}

pub(crate) async fn api(world: &World, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let token = world.inside.token_of(&world.subject).await?;
    let mut request = world.inside.http.request(method, format!("{}{path}", world.inside.url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Waits for the jobs that an answer began.
pub(crate) async fn wait(world: &World, answered: &Value) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for job in answered["jobs"].as_array().context("jobs")? {
        let id = schemas::id::SyncId(job.as_str().context("an id")?.parse()?);
        all.push(told(&world.settled(id).await?));
    }
    world.is_at_rest().await?;
    all.sort();
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_and_a_band_become_one_file_with_both() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    assert_eq!(both(&mut world).await?, ["done; files: 1 created", "done; files: 1 updated"]);
    let all = held(&world).await?;
    let [(item, workout)] = all.as_slice() else { anyhow::bail!("{} workouts", all.len()) };
    assert_eq!(measured(workout), (true, true), "the one file has both");
    // The FIT file beside it, too.
    let root = PathBuf::from(world.connection("files").await?.account);
    let paths: Vec<PathBuf> = fs::read_dir(root)?.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    let fits: Vec<_> = paths.iter().filter(|it| it.extension().is_some_and(|it| it == "fit")).collect();
    let [fit_file] = fits.as_slice() else { anyhow::bail!("{fits:?}") };
    let read = fit::read(&fs::read(fit_file)?, "")?;
    let Body::Workout(read) = &read.records[0].body else { anyhow::bail!("no workout") };
    assert_eq!(measured(read), (true, true));
    let counts = |it: &Workout| {
        let it = &it.streams;
        [&it.latitude, &it.longitude, &it.altitude, &it.heart_rate, &it.distance].map(|it| it.n_measured())
    };
    assert_eq!(counts(read), counts(workout), "every sample is in it");
    // And it stays so.
    world.forget();
    let unchanged = "done; files: 1 skipped unchanged";
    assert_eq!(both(&mut world).await?, [unchanged, unchanged]);
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    // Every field says whose it is.
    let explained = api(&world, Method::GET, &format!("/v1/records/{item}/explain"), None).await?;
    let explained = &explained[0];
    assert_eq!(explained["sources"].as_array().context("sources")?.len(), 2, "{explained:#}");
    assert_eq!(explained["rederived"], "agrees", "{explained:#}");
    let of = |field: &str| {
        let fields = explained["decision"]["fields"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = fields.into_iter().filter(|it| it["field"] == field).collect();
        found.first().cloned().unwrap_or_default()
    };
    assert_eq!(of("streams.latitude")["record"], "1001", "{explained:#}");
    assert_eq!(of("streams.heart_rate")["record"], "2001", "{explained:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_in_which_they_arrive_makes_no_difference() -> Result<()> {
    let mut contents = Vec::new();
    for order in [[USER, BAND], [BAND, USER]] {
        let mut world = one_run_of_two_devices().await?;
        for user in order {
            world.sync(&account(user), &["files"], DataType::Workout).await?;
        }
        let all = held(&world).await?;
        assert_eq!(all.len(), 1);
        contents.push(all[0].1.clone());
        world.is_at_rest().await?;
    }
    assert_eq!(contents[0], contents[1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_apart_stays_so_until_the_person_says_otherwise() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    both(&mut world).await?;
    let item = held(&world).await?[0].0.clone();
    let answered = api(&world, Method::POST, &format!("/v1/records/{item}/split"), Some(&json!({}))).await?;
    assert_eq!(wait(&world, &answered).await?, ["done; files: 1 created", "done; files: 1 updated"]);
    let mut apart: Vec<_> = held(&world).await?.iter().map(|it| measured(&it.1)).collect();
    apart.sort_unstable();
    assert_eq!(apart, [(false, true), (true, false)], "each has its own again");
    // The next syncs leave it so.
    let unchanged = "done; files: 1 skipped unchanged";
    assert_eq!(both(&mut world).await?, [unchanged, unchanged]);
    assert_eq!(held(&world).await?.len(), 2);
    // And it can be taken back.
    let review = answered["reviews"][0]["id"].as_str().context("a question")?.to_owned();
    let path = format!("/v1/reviews/{review}/answer");
    let answered = api(&world, Method::POST, &path, Some(&json!({"verdict": "same"}))).await?;
    let done = wait(&world, &answered).await?;
    assert_eq!(done, ["done; files: 1 skipped unchanged", "done; files: 1 updated, 1 deleted"]);
    let all = held(&world).await?;
    assert_eq!(all.iter().map(|it| measured(&it.1)).collect::<Vec<_>>(), [(true, true)]);
    assert_eq!(both(&mut world).await?, [unchanged, unchanged]);
    // The same answer again changes nothing.
    let again = api(&world, Method::POST, &path, Some(&json!({"verdict": "same"}))).await?;
    wait(&world, &again).await?;
    assert_eq!(held(&world).await?.len(), 1);
    let reviews = api(&world, Method::GET, "/v1/reviews", None).await?;
    let starts = [0, 1].map(|it| reviews[0]["sides"][it]["record"]["time"]["start"].clone());
    assert_ne!(starts[0], starts[1], "the question tells of the two records, not of what was made of them");
    assert_eq!((reviews.as_array().map(Vec::len), &reviews[0]["verdict"]), (Some(1), &json!("same")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_gone_leaves_what_the_other_has() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    both(&mut world).await?;
    assert!(world.google.delete(BAND, "exercise", "2001"));
    let gone = world.sync(&account(BAND), &["files"], DataType::Workout).await?;
    assert_eq!(told(&gone), "done; files: 1 updated");
    let all = held(&world).await?;
    assert_eq!(all.iter().map(|it| measured(&it.1)).collect::<Vec<_>>(), [(true, false)], "the watch still has it");
    // That it is not there is seen each time, and means nothing for what the watch has.
    for user in [BAND, USER, BAND] {
        world.sync(&account(user), &["files"], DataType::Workout).await?;
        assert_eq!(held(&world).await?.len(), 1, "{user}");
    }
    assert!(world.google.delete(USER, "exercise", "1001"));
    let gone = world.sync(&account(USER), &["files"], DataType::Workout).await?;
    assert_eq!(told(&gone), "done; files: 1 deleted");
    assert!(held(&world).await?.is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_at_one_source_keeps_what_the_other_has() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    both(&mut world).await?;
    world.google.edit(USER, "exercise", "1001", &json!({"displayName": "Along the river with Ada"}));
    let edited = world.sync(&account(USER), &["files"], DataType::Workout).await?;
    assert_eq!(told(&edited), "done; files: 1 updated");
    let all = held(&world).await?;
    assert_eq!(all[0].1.title.as_deref(), Some("Along the river with Ada"));
    assert_eq!(measured(&all[0].1), (true, true));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn records_whose_terms_forbid_it_are_never_combined() -> Result<()> {
    let mut world = World::new().await?;
    let run = RecordedRun::new(at("2026-06-20T06:00:00Z"), SECONDS);
    world.google.add_run(USER, "1001", &run.by_heart_rate_band());
    let mut there = crate::data::run("2026-06-20T06:00:00Z", "Morning");
    there["distance"] = json!(5_040.0);
    world.strava.seed_activity(tests::ATHLETE, there, None);
    world.route("google_health", "files", DataType::Workout).await?;
    world.route("strava", "files", DataType::Workout).await?;
    world.sync("google_health", &["files"], DataType::Workout).await?;
    let second = world.sync("strava", &["files"], DataType::Workout).await?;
    assert_eq!(told(&second), "done; files: 1 skipped combining_forbidden");
    assert_eq!(held(&world).await?.len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_three_accounts_stays_quiet() -> Result<()> {
    let mut world = World::new().await?;
    world.add_google(BAND).await?;
    world.strava.seed_activity(tests::ATHLETE, crate::data::run("2026-06-20T06:00:00Z", "Morning"), None);
    world.google.add(USER, "exercise", crate::data::exercise("1001", "2026-06-21T06:00:00Z", Some(7_200)));
    world.google.add(BAND, "exercise", crate::data::exercise("2001", "2026-06-22T06:00:00Z", Some(7_200)));
    let (watch, band) = (account(USER), account(BAND));
    let (watch, band) = (watch.as_str(), band.as_str());
    // The loop, and the same the other way round.
    let every =
        [("strava", watch), (watch, band), (band, "strava"), ("strava", band), (band, watch), (watch, "strava")];
    for (from, to) in &every {
        world.route(from, to, DataType::Workout).await?;
    }
    for (from, to) in &every {
        world.sync(from, &[to], DataType::Workout).await?;
    }
    let there = |world: &World| {
        let n_strava = world.strava.activities(tests::ATHLETE).len();
        (n_strava, world.google.points(USER, "exercise").len(), world.google.points(BAND, "exercise").len())
    };
    assert_eq!(there(&world), (3, 3, 3), "each of the three runs is everywhere once");
    world.forget();
    for _ in 0..2 {
        for (from, to) in &every {
            world.sync(from, &[to], DataType::Workout).await?;
        }
    }
    assert_eq!(there(&world), (3, 3, 3));
    assert_eq!(world.effects().map(|it| it.len()), [0, 0], "rounds after the first add nothing");
    world.is_at_rest().await
}
