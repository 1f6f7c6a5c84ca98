//! Nights of several sources: a person sleeps once at a time.

use crate::{
    journal::writes,
    merges::{BAND, account, api},
};
use anyhow::Result;
use reqwest::Method;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    record::{Body, Record},
};
use serde_json::{Value, json};
use std::fs;
use tests::{USER, World, told};

/// Minutes after 2026-06-19T22:00:00Z.
fn at(minute: u32) -> String {
    let of_day = 22 * 60 + minute;
    format!("2026-06-{:02}T{:02}:{:02}:00Z", 19 + of_day / 1_440, of_day / 60 % 24, of_day % 60)
}

/// A sleep between two minutes of the night, in stages of half an hour.
fn slept(id: &str, from: u32, to: u32, kinds: &[&str]) -> Value {
    let interval = |from: u32, to: u32| json!({"startTime": at(from), "startUtcOffset": "7200s", "endTime": at(to), "endUtcOffset": "7200s"});
    let stage = |(index, from): (usize, u32)| {
        let mut stage = interval(from, (from + 30).min(to));
        stage["type"] = json!(kinds[index % kinds.len()]);
        stage
    };
    let stages: Vec<Value> = (from..to).step_by(30).enumerate().map(stage).collect();
    json!({
        "name": format!("users/me/dataTypes/sleep/dataPoints/{id}"),
        "dataSource": {"recordingMethod": "DERIVED", "platform": "FITBIT"},
        "sleep": {
            "interval": interval(from, to), "type": "STAGES", "stages": stages,
            "metadata": {"processed": true, "nap": false, "stagesStatus": "SUCCEEDED"},
        },
    })
}

/// A mattress that knows the whole night and little of it.
fn whole() -> Value {
    slept("whole", 0, 480, &["ASLEEP"])
}

/// A watch that was charged for half an hour of it.
fn halves() -> [Value; 2] {
    let kinds = ["LIGHT", "DEEP", "LIGHT", "REM"];
    [slept("first", 10, 220, &kinds), slept("second", 250, 470, &kinds)]
}

async fn world() -> Result<World> {
    let mut world = World::new().await?;
    world.add_google(BAND).await?;
    for user in [USER, BAND] {
        world.configure(&account(user), "files", DataType::Sleep, Rule::PrioritiseSource, Deletes::Mirror).await?;
    }
    Ok(world)
}

async fn sync(world: &mut World, user: &str) -> Result<String> {
    Ok(told(&world.sync(&account(user), &["files"], DataType::Sleep).await?))
}

/// What the folder holds: length in minutes, and how many of them are in a stage that says more than that one slept.
async fn held(world: &World) -> Result<Vec<(i64, i64)>> {
    let mut held = Vec::new();
    for path in world.folder(DataType::Sleep).await? {
        let stored: Value = serde_json::from_slice(&fs::read(path)?)?;
        let record: Record = serde_json::from_value(stored["record"].clone())?;
        let Body::Sleep(sleep) = record.body else { anyhow::bail!("no sleep") };
        let known = sleep.stages.iter().zip(&sleep.stage_durations_ms);
        let well: i64 = known.filter(|it| *it.0 != schemas::record::SleepStage::Asleep).map(|it| it.1 / 60_000).sum();
        held.push(((record.time.end.0 - record.time.start.0) / 60_000, well));
    }
    held.sort_unstable();
    Ok(held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_that_one_source_has_in_two_parts_is_one_whoever_comes_first() -> Result<()> {
    let [first, second] = halves();
    let all = [(USER, whole()), (BAND, first), (BAND, second)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut world = world().await?;
        for index in order {
            let (user, point) = &all[index];
            world.google.add(user, "sleep", point.clone());
            sync(&mut world, user).await?;
        }
        // The whole night, with the stages of the watch while it was worn.
        assert_eq!(held(&world).await?, [(480, 210 + 220)], "{order:?}");
        world.forget();
        for user in [USER, BAND] {
            let again = sync(&mut world, user).await?;
            assert!(again.ends_with("skipped unchanged") && !again.contains("updated"), "{order:?}: {again}");
        }
        assert_eq!(held(&world).await?, [(480, 430)], "{order:?}");
        assert_eq!(writes(world.google.kit()), Vec::<String>::new());
        let reviews = api(&world, Method::GET, "/v1/reviews", None).await?;
        assert_eq!(reviews.as_array().map(Vec::len), Some(0), "nobody is asked: {reviews:#}");
        world.is_at_rest().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_whole_night_is_gone_its_parts_are_there_again_and_the_other_way_round() -> Result<()> {
    // Which of the items has the lower id, and so stays, differs from person to person.
    for _ in 0..4 {
        a_night_comes_and_goes().await?;
    }
    Ok(())
}

async fn a_night_comes_and_goes() -> Result<()> {
    let mut world = world().await?;
    world.google.add(USER, "sleep", whole());
    for half in halves() {
        world.google.add(BAND, "sleep", half);
    }
    for user in [BAND, USER] {
        sync(&mut world, user).await?;
    }
    for _ in 0..2 {
        assert_eq!(held(&world).await?, [(480, 430)]);
        assert!(world.google.delete(USER, "sleep", "whole"));
        sync(&mut world, USER).await?;
        assert_eq!(held(&world).await?, [(210, 210), (220, 220)], "nothing of what the watch knows is lost");
        for user in [BAND, USER] {
            sync(&mut world, user).await?;
        }
        assert_eq!(held(&world).await?, [(210, 210), (220, 220)], "and it stays so");
        world.google.add(USER, "sleep", whole());
        sync(&mut world, USER).await?;
    }
    // One part is gone: what the mattress knows of its time stands in for it.
    assert!(world.google.delete(BAND, "sleep", "second"));
    sync(&mut world, BAND).await?;
    assert_eq!(held(&world).await?, [(480, 210)]);
    for item in world.rows("files", DataType::Sleep).await?.iter().filter(|it| !it.planned_delete) {
        let explained = api(&world, Method::GET, &format!("/v1/records/{}/explain", item.key.item), None).await?;
        assert_eq!(explained[0]["rederived"], "agrees", "{explained:#}");
    }
    world.is_at_rest().await
}
