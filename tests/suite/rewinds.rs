//! What was written to a destination is brought back to a moment; what cannot be is listed.

use crate::{
    data::run,
    dry_runs::post,
    journal::{calls, verbs},
};
use anyhow::{Context, Result, ensure};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::SyncId,
    time::Instant,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tests::{ATHLETE, USER, World, told};

const MINUTE: Duration = Duration::from_secs(60);

async fn rewind(world: &World, to_what: &str, to: Instant, is_dry: bool) -> Result<Value> {
    let id = world.connection(to_what).await?.id;
    let body = json!({"to": to.to_string(), "dry_run": is_dry});
    let (status, said) = post(world, &format!("connections/{id}/rewind"), &body).await?;
    ensure!(status == if is_dry { 200 } else { 202 }, "{status}: {said}");
    Ok(said)
}

/// What became of what a rewind published.
async fn settled(world: &World, rewound: &Value) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for job in rewound["done"]["jobs"].as_array().context("jobs")? {
        let job = SyncId(job.as_str().context("an id")?.parse()?);
        all.push(told(&world.settled(job).await?));
    }
    world.is_at_rest().await?;
    Ok(all)
}

fn names(world: &World) -> Vec<String> {
    let of = |it: &Value| it["exercise"]["displayName"].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<_> = world.google.points(USER, "exercise").iter().map(of).collect();
    names.sort();
    names
}

/// The records in the folder, by path.
async fn contents(world: &World) -> Result<BTreeMap<std::path::PathBuf, Vec<u8>>> {
    let paths = world.folder(DataType::Workout).await?;
    paths.into_iter().map(|it| Ok((it.clone(), std::fs::read(it)?))).collect()
}

/// Three runs that were synced; then one was renamed, one deleted and one added, and synced again. The moment between.
async fn changed(to: &str) -> Result<(World, Instant)> {
    let mut world = World::new().await?;
    let mut ids = Vec::new();
    for day in ["18", "19", "20"] {
        let start = format!("2026-06-{day}T06:00:00Z");
        ids.push(world.strava.seed_activity(ATHLETE, run(&start, &format!("Number {day}")), None));
    }
    world.configure("strava", to, DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    world.sync("strava", &[to], DataType::Workout).await?;
    world.is_at_rest().await?;
    world.advance(MINUTE);
    let between = world.now();
    world.advance(MINUTE);
    Ok((then_changed(world, to, &ids).await?, between))
}

async fn then_changed(mut world: World, to: &str, ids: &[u64]) -> Result<World> {
    world.strava.edit_activity(ids[0], |it| it["name"] = "Renamed".into());
    world.strava.delete_activity(ids[1]);
    world.strava.seed_activity(ATHLETE, run("2026-06-21T06:00:00Z", "Number 21"), None);
    let status = world.sync("strava", &[to], DataType::Workout).await?;
    let told = told(&status);
    ensure!(told.contains("1 created, 1 updated, 1 deleted"), "{told}");
    world.is_at_rest().await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_rewind_changes_nothing_and_says_what_the_rewind_then_does() -> Result<()> {
    let (mut world, between) = changed("google_health").await?;
    world.forget();
    let before = world.tables().await?;
    let said = rewind(&world, "google_health", between, true).await?;
    assert_eq!(world.tables().await?, before);
    assert_eq!(said["operations"], json!({"create": 1, "update": 1, "delete": 1}));
    assert_eq!((&said["left"], &said["done"]), (&json!([]), &Value::Null));
    let rewound = rewind(&world, "google_health", between, false).await?;
    assert_eq!((&rewound["operations"], &rewound["left"]), (&said["operations"], &json!([])));
    assert_eq!(settled(&world, &rewound).await?, ["done; google_health: 1 created, 1 updated, 1 deleted"]);
    assert_eq!(names(&world), ["Number 18", "Number 19", "Number 20"]);
    assert_eq!(world.strava.kit.journal().len(), 0, "the source is not asked");
    // Nothing is left to do, and the config is paused: nothing undoes it.
    let again = rewind(&world, "google_health", between, false).await?;
    assert_eq!((&again["operations"], &again["done"]["jobs"]), (&json!({}), &json!([])));
    let paused = world.inside.people().configs(&world.subject).await?;
    assert_eq!((paused.len(), paused[0].enabled, &again["paused"]), (1, false, &json!([paused[0].id])));
    let none = world.ask("strava", &["google_health"], DataType::Workout, None).await;
    assert!(none.is_err(), "a sync of a paused config is refused");
    // Enabled again, the next sync brings what the source has.
    world.configure("strava", "google_health", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(names(&world), ["Number 20", "Number 21", "Renamed"]);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_holds_after_a_rewind_what_it_held_then() -> Result<()> {
    let mut world = World::new().await?;
    let mut ids = Vec::new();
    for day in ["18", "19", "20"] {
        let start = format!("2026-06-{day}T06:00:00Z");
        ids.push(world.strava.seed_activity(ATHLETE, run(&start, &format!("Number {day}")), None));
    }
    world.configure("strava", "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Mirror).await?;
    world.sync("strava", &["files"], DataType::Workout).await?;
    world.is_at_rest().await?;
    let before = contents(&world).await?;
    assert_eq!(before.len(), 3);
    world.advance(MINUTE);
    let between = world.now();
    world.advance(MINUTE);
    let world = then_changed(world, "files", &ids).await?;
    assert_ne!(contents(&world).await?, before);
    let rewound = rewind(&world, "files", between, false).await?;
    settled(&world, &rewound).await?;
    let titles = |all: &BTreeMap<std::path::PathBuf, Vec<u8>>| {
        let title = |it: &Vec<u8>| {
            let text = String::from_utf8_lossy(it);
            ["Number 18", "Number 19", "Number 20", "Number 21", "Renamed"].iter().position(|it| text.contains(it))
        };
        let mut titles: Vec<_> = all.values().map(title).collect();
        titles.sort_unstable();
        titles
    };
    let after = contents(&world).await?;
    assert!(titles(&before).iter().all(Option::is_some), "the files hold their titles");
    assert_eq!((after.len(), titles(&after)), (3, titles(&before)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_person_has_edited_there_since_stays_and_is_listed() -> Result<()> {
    let (mut world, between) = changed("google_health").await?;
    // The first look after a write is what the service made of it; the next sees the edit.
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let points = world.google.points(USER, "exercise");
    let renamed = points.iter().find(|it| it["exercise"]["displayName"] == "Renamed").context("the run")?;
    let id = renamed["name"].as_str().and_then(|it| it.rsplit('/').next()).context("an id")?.to_owned();
    world.google.edit(USER, "exercise", &id, &json!({"displayName": "My own name"}));
    world.advance(MINUTE);
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let rewound = rewind(&world, "google_health", between, false).await?;
    let left: Vec<_> = rewound["left"].as_array().context("left")?.iter().map(|it| &it["reason"]).collect();
    assert_eq!((left, &rewound["operations"]), (vec![&json!("edited_there")], &json!({"create": 1, "delete": 1})));
    settled(&world, &rewound).await?;
    assert_eq!(names(&world), ["My own name", "Number 19", "Number 20"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_destination_cannot_delete_is_listed_and_nothing_is_sent() -> Result<()> {
    let mut world = World::new().await?;
    let (to, exercise) = (world.now(), crate::data::exercise("1001", "2026-06-20T06:00:00Z", Some(7_200)));
    world.google.add(USER, "exercise", exercise);
    world.advance(MINUTE);
    world.route("google_health", "strava", DataType::Workout).await?;
    world.sync("google_health", &["strava"], DataType::Workout).await?;
    world.is_at_rest().await?;
    ensure!(verbs(&world.effects()[0]) == ["create"], "{:?}", world.effects());
    world.forget();
    let rewound = rewind(&world, "strava", to, false).await?;
    let left: Vec<_> = rewound["left"].as_array().context("left")?.iter().map(|it| &it["reason"]).collect();
    assert_eq!((left, &rewound["done"]["operations"]), (vec![&json!("cannot_delete")], &json!(0)));
    world.is_at_rest().await?;
    assert_eq!(calls(&world.strava.kit, "DELETE", "/activities").len(), 0);
    let later = json!({"to": world.now().plus(MINUTE * 60).to_string()});
    let id = world.connection("strava").await?.id;
    let (status, said) = post(&world, &format!("connections/{id}/rewind"), &later).await?;
    assert_eq!((status, &said["code"]), (422, &json!("impossible")), "{said}");
    Ok(())
}
