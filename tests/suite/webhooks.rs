//! Notifications of providers.

use crate::{
    data::{run, weight},
    journal::calls,
};
use anyhow::Result;
use connectors::google_health::simulator::{notification, sign};
use engine::people::ConnectionState;
use reqwest::Response;
use schemas::{data_type::DataType, time::Interval};
use std::time::Duration;
use tests::{ATHLETE, USER, VERIFY_TOKEN, World, at, told};

/// Google says that something happened to a type within an hour around `time`.
pub(crate) async fn google_notifies(world: &World, data_type: &str, operation: &str, time: &str) -> Result<Response> {
    let hour = Duration::from_secs(1_800);
    let body =
        notification(USER, data_type, operation, &[Interval { from: at(time).minus(hour), to: at(time).plus(hour) }]);
    let headers = [("authorization", VERIFY_TOKEN), ("x-healthapi-signature", &sign(body.as_bytes()))];
    world.notify("google_health", &headers, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notified_activity_is_synced_and_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.strava.seed_activity(ATHLETE, run("2026-06-21T06:00:00Z", "Next morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    let event = world.strava.activity_event(ATHLETE, id, "create");
    let answer = world.notify("strava", &[("x-strava-signature", &event.signature)], &event.body).await?;
    assert_eq!(answer.status(), 200);
    world.is_at_rest().await?;
    let syncs = world.syncs().await?;
    assert_eq!(syncs.len(), 1);
    assert_eq!(told(&world.settled(syncs[0]).await?), "done; google_health: 1 created");
    assert_eq!(world.google.points(USER, "exercise").len(), 1);
    assert!(calls(&world.strava.kit, "GET", "/athlete/activities").is_empty(), "nothing was listed");
    assert_eq!(calls(&world.strava.kit, "GET", &format!("/activities/{id}")).len(), 2, "detail and streams");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notified_weighing_is_synced_and_nothing_else() -> Result<()> {
    let world = World::new().await?;
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.google.add(USER, "weight", weight("1002", "2026-06-21T06:00:00Z", 71_000));
    world.route("google_health", "files", DataType::Weight).await?;
    let answer = google_notifies(&world, "weight", "UPSERT", "2026-06-21T06:00:00Z").await?;
    assert_eq!(answer.status(), 204);
    world.is_at_rest().await?;
    let syncs = world.syncs().await?;
    assert_eq!(syncs.len(), 1);
    assert_eq!(told(&world.settled(syncs[0]).await?), "done; files: 1 created");
    assert_eq!(world.folder(DataType::Weight).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_notification_is_refused_and_starts_nothing() -> Result<()> {
    let world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.route("google_health", "files", DataType::Weight).await?;
    let event = world.strava.activity_event(ATHLETE, id, "create");
    let other = world.strava.activity_event(ATHLETE, id + 1, "create");
    let mut statuses = Vec::new();
    for headers in [vec![], vec![("x-strava-signature", other.signature.as_str())]] {
        statuses.push(world.notify("strava", &headers, &event.body).await?.status().as_u16());
    }
    // Five minutes are the oldest that a signature may be.
    world.advance(Duration::from_secs(600));
    let late = [("x-strava-signature", event.signature.as_str())];
    statuses.push(world.notify("strava", &late, &event.body).await?.status().as_u16());
    let day = Interval { from: at("2026-06-20T00:00:00Z"), to: at("2026-06-21T00:00:00Z") };
    let body = notification(USER, "weight", "UPSERT", &[day]);
    let signature = sign(body.as_bytes());
    let forged = sign(b"another body");
    for headers in [
        vec![("authorization", VERIFY_TOKEN)],
        vec![("authorization", VERIFY_TOKEN), ("x-healthapi-signature", forged.as_str())],
        vec![("authorization", "Bearer guessed"), ("x-healthapi-signature", signature.as_str())],
    ] {
        statuses.push(world.notify("google_health", &headers, &body).await?.status().as_u16());
    }
    assert_eq!(statuses, [401; 6]);
    assert!(world.syncs().await?.is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notified_withdrawal_asks_for_a_new_grant() -> Result<()> {
    let world = World::new().await?;
    let event = world.strava.deauthorization_event(ATHLETE);
    let answer = world.notify("strava", &[("x-strava-signature", &event.signature)], &event.body).await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(world.standing("strava").await?, ConnectionState::NeedsReauth);
    // Of a stranger nothing is known, and the answer does not tell.
    let stranger = world.strava.activity_event(99, 1, "create");
    let answer = world.notify("strava", &[("x-strava-signature", &stranger.signature)], &stranger.body).await?;
    assert_eq!(answer.status(), 200);
    assert!(world.syncs().await?.is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_change_told_in_the_same_words_is_synced_too() -> Result<()> {
    let world = World::new().await?;
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.route("google_health", "files", DataType::Weight).await?;
    google_notifies(&world, "weight", "UPSERT", "2026-06-20T06:00:00Z").await?;
    world.is_at_rest().await?;
    world.google.edit(USER, "weight", "1001", &serde_json::json!({"weightGrams": 69_000.0}));
    google_notifies(&world, "weight", "UPSERT", "2026-06-20T06:00:00Z").await?;
    world.is_at_rest().await?;
    let mut outcomes = Vec::new();
    for sync in world.syncs().await? {
        outcomes.push(told(&world.settled(sync).await?));
    }
    outcomes.sort();
    assert_eq!(outcomes, ["done; files: 1 created", "done; files: 1 updated"]);
    Ok(())
}
