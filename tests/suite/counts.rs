//! Counts of several sources: every second once.

use crate::{
    journal::writes,
    merges::{BAND, account, api, wait},
};
use anyhow::{Context, Result};
use reqwest::Method;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
};
use serde_json::{Value, json};
use std::fs;
use tests::{USER, World, told};

/// Steps between two minutes of a day.
fn walked(user: &str, from: u32, to: u32, count: u32) -> Value {
    let at = |minute: u32| format!("2026-06-20T{:02}:{:02}:00Z", minute / 60, minute % 60);
    json!({
        "name": format!("users/me/dataTypes/steps/dataPoints/{user}-{from}"),
        "dataSource": {"recordingMethod": "PASSIVELY_MEASURED", "platform": "FITBIT"},
        "steps": {
            "interval": {
                "startTime": at(from), "endTime": at(to), "startUtcOffset": "7200s", "endUtcOffset": "7200s",
            },
            "count": count.to_string(),
        },
    })
}

fn steps(user: &str, hour: u32, count: u32) -> Value {
    walked(user, hour * 60, hour * 60 + 60, count)
}

/// What the folder holds: from and to in minutes of the day, and the count.
async fn held(world: &World) -> Result<Vec<(i64, i64, f64)>> {
    let mut held = Vec::new();
    for path in world.folder(DataType::Steps).await? {
        let stored: Value = serde_json::from_slice(&fs::read(path)?)?;
        let record: schemas::record::Record = serde_json::from_value(stored["record"].clone())?;
        let minute = |it: schemas::time::Instant| it.0.rem_euclid(86_400_000) / 60_000;
        let schemas::record::Body::Quantity(of) = record.body else { anyhow::bail!("no count") };
        held.push((minute(record.time.start), minute(record.time.end), of.value));
    }
    held.sort_by_key(|it| (it.0, it.1));
    Ok(held)
}

/// A band that counted 2,506 steps by ten minutes from nine to ten and by five from ten to eleven, and was then taken off;
/// and a phone with 1,919, which counted before, beside it and across.
async fn band_and_phone() -> Result<World> {
    let mut world = World::new().await?;
    world.add_google(BAND).await?;
    for (from, count) in (540..600).step_by(10).zip([200, 300, 250, 150, 300, 306]) {
        world.google.add(BAND, "steps", walked(BAND, from, from + 10, count));
    }
    for (from, count) in (600..660).step_by(5).zip([100, 50, 100, 100, 50, 100, 100, 50, 100, 100, 50, 100]) {
        world.google.add(BAND, "steps", walked(BAND, from, from + 5, count));
    }
    for (from, to, count) in [(500, 507, 54), (541, 586, 1_000), (586, 623, 700), (640, 655, 165)] {
        world.google.add(USER, "steps", walked(USER, from, to, count));
    }
    for user in [USER, BAND] {
        world.configure(&account(user), "files", DataType::Steps, Rule::PrioritiseSource, Deletes::Mirror).await?;
    }
    Ok(world)
}

async fn sync(world: &mut World, user: &str) -> Result<String> {
    Ok(told(&world.sync(&account(user), &["files"], DataType::Steps).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_are_cut_differently_come_to_the_union_whoever_comes_first() -> Result<()> {
    let mut all = Vec::new();
    for order in [[USER, BAND], [BAND, USER]] {
        let mut world = band_and_phone().await?;
        for user in order {
            sync(&mut world, user).await?;
        }
        let held = held(&world).await?;
        assert_eq!(held.iter().map(|it| it.2).sum::<f64>(), 2_560.0, "2,506 and 54: {held:?}");
        assert_eq!(held.iter().filter(|it| it.2 == 0.0).count(), 3, "what the band counted, too: {held:?}");
        // And it stays so.
        world.forget();
        for user in order {
            let again = sync(&mut world, user).await?;
            assert!(again.ends_with("skipped unchanged") && !again.contains("updated"), "{again}");
        }
        assert_eq!(writes(world.google.kit()), Vec::<String>::new());
        all.push(held);
        world.is_at_rest().await?;
    }
    assert_eq!(all[0], all[1], "the order makes no difference");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_and_a_watch_in_one_export_count_each_second_once() -> Result<()> {
    let steps = |device: &str, from: &str, to: &str, count: u32| {
        let time = |of_day: &str| format!("2026-06-20 {of_day}:00 +0200");
        format!(
            "<Record type=\"HKQuantityTypeIdentifierStepCount\" sourceName=\"{device}\" device=\"&lt;&lt;HKDevice: 0x1&gt;, \
             name:{device}, manufacturer:Apple Inc., model:{device}, hardware:{device}1,1, software:1&gt;\" unit=\"count\" \
             value=\"{count}\" startDate=\"{}\" endDate=\"{}\"/>",
            time(from),
            time(to)
        )
    };
    let export = [
        steps("iPhone", "09:00", "09:47", 900),
        steps("iPhone", "12:00", "12:30", 300),
        steps("Watch", "09:00", "09:10", 400),
        steps("Watch", "09:10", "09:50", 800),
    ]
    .concat();
    let export =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><HealthData locale=\"en_US\">{export}</HealthData>");
    let mut world = World::new().await?;
    let status = world.import(("export.xml", export.as_bytes()), &["files"]).await?;
    assert_eq!(told(&status), "done; files: 4 created");
    let held = held(&world).await?;
    let counted: Vec<f64> = held.iter().map(|it| it.2).filter(|it| *it > 0.0).collect();
    assert_eq!(counted, [400.0, 800.0, 300.0], "the watch, and the phone when that was not worn: {held:?}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_elsewhere_is_explained_and_comes_back_when_that_is_gone() -> Result<()> {
    let mut world = band_and_phone().await?;
    for user in [USER, BAND] {
        sync(&mut world, user).await?;
    }
    let rows = world.rows("files", DataType::Steps).await?;
    let phone = rows.iter().find(|it| it.starts_at.0.rem_euclid(86_400_000) / 60_000 == 640 && it.version == 2);
    let item = phone.context("the phone's quarter of an hour, which was there first")?.key.item;
    let explained = api(&world, Method::GET, &format!("/v1/records/{item}/explain"), None).await?;
    assert_eq!(explained[0]["rederived"], "agrees", "{explained:#}");
    let fields = explained[0]["decision"]["fields"].as_array().cloned().unwrap_or_default();
    let value = fields.iter().find(|it| it["field"] == "value").context("where its value is from")?;
    assert_eq!(value["rule"], "counted_elsewhere", "{explained:#}");
    // What the band said of that hour is gone at its source: the phone counts its time.
    for from in (600..660).step_by(5) {
        assert!(world.google.delete(BAND, "steps", &format!("{BAND}-{from}")));
    }
    let status = sync(&mut world, BAND).await?;
    assert!(status.contains("12 deleted"), "{status}");
    let held = held(&world).await?;
    // It counted more on that day than what is left of the band, so that it comes first now.
    let counted: Vec<_> = held.iter().filter(|it| it.2 > 0.0).copied().collect();
    assert_eq!(counted, [(500, 507, 54.0), (541, 586, 1_000.0), (586, 623, 700.0), (640, 655, 165.0)], "{held:?}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_band_and_a_phone_that_counted_the_same_walk_come_to_its_steps_and_not_to_the_sum() -> Result<()> {
    // The band was taken off at four; it says zero for that hour, and the phone was carried.
    let (band, phone) = ([1_000, 900, 606, 0], [700, 650, 515, 54]);
    assert_eq!((band.iter().sum::<u32>(), phone.iter().sum::<u32>()), (2_506, 1_919));
    for order in [[USER, BAND], [BAND, USER]] {
        let mut world = World::new().await?;
        world.add_google(BAND).await?;
        for (user, counts) in [(BAND, band), (USER, phone)] {
            for (hour, count) in (9..).zip(counts) {
                world.google.add(user, "steps", steps(user, hour, count));
            }
            world.route(&account(user), "files", DataType::Steps).await?;
        }
        for _ in 0..2 {
            for user in order {
                world.sync(&account(user), &["files"], DataType::Steps).await?;
            }
        }
        let mut counted = Vec::new();
        for path in world.folder(DataType::Steps).await? {
            let stored: Value = serde_json::from_slice(&fs::read(path)?)?;
            counted.push(stored["record"]["body"]["quantity"]["value"].as_f64().context("a count")?);
        }
        assert_eq!(counted, [1_000.0, 900.0, 606.0, 54.0], "2,560 steps, each second once");
        world.is_at_rest().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_were_taken_apart_stay_so_too() -> Result<()> {
    let mut world = World::new().await?;
    world.add_google(BAND).await?;
    for (user, count) in [(USER, 1_000), (BAND, 700)] {
        world.google.add(user, "steps", steps(user, 9, count));
        world.route(&account(user), "files", DataType::Steps).await?;
        world.sync(&account(user), &["files"], DataType::Steps).await?;
    }
    let item = world.rows("files", DataType::Steps).await?[0].key.item;
    let answered = api(&world, Method::POST, &format!("/v1/records/{item}/split"), Some(&json!({}))).await?;
    wait(&world, &answered).await?;
    assert_eq!(world.folder(DataType::Steps).await?.len(), 2);
    for user in [USER, BAND] {
        let again = world.sync(&account(user), &["files"], DataType::Steps).await?;
        assert_eq!(told(&again), "done; files: 1 skipped unchanged");
    }
    assert_eq!(world.folder(DataType::Steps).await?.len(), 2);
    world.is_at_rest().await
}
