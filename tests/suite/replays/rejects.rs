//! Rejects: listed without their contents, and taken up again once.

use crate::data::run;
use anyhow::{Context, Result};
use engine::provider::{Catalog, DataProvider};
use schemas::data_type::DataType;
use serde_json::json;
use std::sync::Arc;
use tests::{ATHLETE, End, World, told};

use super::bugs::{Refusing, catalog, wrong_sport};

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_is_taken_up_again_once_its_cause_is_repaired() -> Result<()> {
    let wrap = |it: &Arc<dyn DataProvider>| -> Arc<dyn DataProvider> {
        if it.profile().id == "strava" { Arc::new(Refusing(Arc::clone(it))) } else { Arc::clone(it) }
    };
    let refusing = Catalog::new(connectors::catalog().iter().map(wrap).collect::<Vec<_>>());
    let mut world = World::with(refusing).await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Run"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert!(told(&status).starts_with("failed malformed"), "{}", told(&status));

    let world = world.upgraded(End::Drained, catalog("strava", 2, wrong_sport)).await?;
    let (_, rejects) = world.operate("rejects?reason=malformed", None).await?;
    let reject = rejects.as_array().and_then(|it| it.first()).context("a reject")?.clone();
    assert_eq!((&reject["stage"], &reject["attempts"]), (&json!("normalize"), &json!(1)), "{reject}");
    assert!(reject["original"].is_null() && reject["bytes"].as_u64() > Some(0));
    let (_, none) = world.operate("rejects?reason=expired", None).await?;
    assert_eq!(none, json!([]));

    world.forget();
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    let ask = |dry_run: bool| json!({"name": "again", "wanted": {"id": reject["id"]}, "dry_run": dry_run});
    let (_, dry) = world.operate("redrives", Some(&ask(true))).await?;
    let (status, done) = world.operate("redrives", Some(&ask(false))).await?;
    assert_eq!((status, &dry), (200, &done), "a dry run says what would be done");
    let sync = done[0]["sync"].as_str().context("a sync")?.parse()?;
    let settled = world.settled(schemas::id::SyncId(sync)).await?;
    assert_eq!(told(&settled), "done; google_health: 1 created");
    let (_, twice) = world.operate("redrives", Some(&ask(false))).await?;
    assert_eq!(twice, done, "under one name it is one sync");
    world.is_at_rest().await?;
    assert_eq!(world.effects()[1].len(), 1);
    assert!(world.strava.kit.journal().is_empty(), "nothing was read again");
    let after = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    assert_eq!(after.covered_through, checkpoint.covered_through, "a redrive moves no checkpoint");
    let (_, stays) = world.operate("rejects", None).await?;
    assert_eq!(stays, rejects, "the reject stays, and there is no other");
    Ok(())
}
