//! Access that is withdrawn, renewed, or given up.

use crate::{
    data::{run, weight},
    journal::{calls, verbs, writes},
};
use anyhow::Result;
use connectors::simulator::{Fault, FaultKind};
use engine::{intake::Refusal, people::ConnectionState};
use schemas::{data_type::DataType, event::StretchState};
use std::time::Duration;
use tests::{ATHLETE, LONG_AGO, USER, World, at, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_access_ends_the_job_and_after_a_new_grant_everything_comes() -> Result<()> {
    let mut world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    world.strava.revoke(ATHLETE);
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "failed access_revoked");
    assert_eq!(world.standing("strava").await?, ConnectionState::NeedsReauth);
    assert_eq!(world.standing("google_health").await?, ConnectionState::Active);
    let checkpoint = world.checkpoint("strava", "google_health", DataType::Workout).await?;
    assert_eq!(checkpoint.covered_through, None);
    assert_eq!(checkpoint.gaps.iter().map(|it| it.state).collect::<Vec<_>>(), [StretchState::Unread]);
    assert_eq!(checkpoint.gaps[0].interval.from, at(LONG_AGO));
    let refused = world.ask("strava", &["google_health"], DataType::Workout, None).await.unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(Refusal::NeedsReauth(_))), "{refused}");

    world.grant("strava", &format!("&athlete={ATHLETE}")).await?;
    let news = world.sync_news("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&news), "done; google_health: 1 created");
    assert!(world.checkpoint("strava", "google_health", DataType::Workout).await?.gaps.is_empty());
    assert_eq!(verbs(&world.effects()[1]), ["create"]);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_jobs_at_once_renew_a_token_once() -> Result<()> {
    let mut world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "files", DataType::Workout).await?;
    // Access ends after six hours; a refresh token is good once, and used twice it kills its family.
    world.advance(Duration::from_secs(7 * 3_600));
    world.forget();
    let mut jobs = Vec::new();
    for _ in 0..8 {
        jobs.push(world.ask("strava", &["files"], DataType::Workout, Some(at(LONG_AGO))).await?);
    }
    let mut n_created = 0;
    for job in jobs {
        let told = told(&world.settled(job).await?);
        assert!(told.starts_with("done; files: 1 "), "{told}");
        n_created += usize::from(told.contains("created"));
    }
    assert!(n_created >= 1, "somebody made it");
    assert_eq!(calls(&world.strava.kit, "POST", "/oauth/token").len(), 1);
    assert_eq!(world.standing("strava").await?, ConnectionState::Active);
    assert_eq!(world.folder(DataType::Workout).await?.len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_before_its_end_is_renewed_and_the_job_goes_on() -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.route("google_health", "files", DataType::Weight).await?;
    world.google.expire_access();
    world.forget();
    let status = world.sync("google_health", &["files"], DataType::Weight).await?;
    assert_eq!(told(&status), "done; files: 1 created");
    assert_eq!(calls(world.google.kit(), "POST", "/token").len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_after_a_destination_was_disconnected() -> Result<()> {
    let mut world = World::new().await?;
    for day in 20..25 {
        world.strava.seed_activity(ATHLETE, run(&format!("2026-06-{day}T06:00:00Z"), "Morning"), None);
    }
    world.route("strava", "google_health", DataType::Workout).await?;
    let later = FaultKind::Answer { status: 429, headers: vec![("retry-after", "3600".into())], body: String::new() };
    world.google.kit().plan(Fault { after: 2, ..Fault::once("POST", "/dataPoints", later) });
    world.hold_time();
    let sync = world.ask("strava", &["google_health"], DataType::Workout, Some(at(LONG_AGO))).await?;
    assert!(world.google.kit().until(|it| it.status == 429).await);
    let connection = world.connection("google_health").await?;
    assert!(world.inside.connect.disconnect(&world.subject, connection.id).await?, "Google was told");
    let n_writes = writes(world.google.kit()).len();
    world.let_time_pass();
    let status = world.settled(sync).await?;
    assert_eq!(told(&status), "partial; google_health: 2 created, 3 ended disconnected");
    assert_eq!(writes(world.google.kit()).len(), n_writes, "no write call after that");
    assert_eq!(world.google.points(USER, "exercise").len(), 2);
    assert_eq!(calls(world.google.kit(), "POST", "/revoke").len(), 1);
    let refused = world.ask("strava", &["google_health"], DataType::Workout, None).await.unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(Refusal::NotFound(_))), "{refused}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_refusal_says_nothing_of_a_connection_that_was_made_or_ended_since() -> Result<()> {
    let mut world = World::new().await?;
    let earlier = world.connection("google_health").await?;
    world.advance(std::time::Duration::from_secs(60));
    let later = world.grant("google_health", "").await?;
    for (seen, expected) in [(&earlier, ConnectionState::Active), (&later, ConnectionState::NeedsReauth)] {
        world.inside.people().note_revoked(&world.subject, seen).await?;
        assert_eq!(world.standing("google_health").await?, expected);
    }
    let last = world.grant("google_health", "").await?;
    world.inside.connect.disconnect(&world.subject, last.id).await?;
    world.inside.people().note_revoked(&world.subject, &last).await?;
    assert_eq!(world.standing("google_health").await?, ConnectionState::Disconnected);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_gone_when_a_job_begins_does_not_hold_up_the_others() -> Result<()> {
    let world = World::new().await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    for to in ["google_health", "files"] {
        world.route("strava", to, DataType::Workout).await?;
    }
    // Heard of by a notification, for every config: also that of an account that must be connected again.
    let google = world.connection("google_health").await?;
    world.inside.people().set_state(&world.subject, google.id, ConnectionState::NeedsReauth).await?;
    let id = world.strava.activities(ATHLETE)[0];
    let event = world.strava.activity_event(ATHLETE, id, "create");
    world.notify("strava", &[("x-strava-signature", &event.signature)], &event.body).await?;
    world.is_at_rest().await?;
    let syncs = world.syncs().await?;
    assert_eq!(syncs.len(), 2, "the one that cannot go on became a sync of its own");
    let mut ends = Vec::new();
    for sync in syncs {
        ends.push(told(&world.settled(sync).await?));
    }
    ends.sort();
    assert_eq!(ends, ["failed access_revoked", "partial; files: 1 created; google_health: split_off"]);
    assert_eq!(world.folder(DataType::Workout).await?.len(), 1);
    Ok(())
}
