//! What analysts are told: of whom, what, and until when.

use crate::data::{exercise, run};
use anyhow::{Context, Result, ensure};
use schemas::{
    analytics::ALLOWED,
    data_type::DataType,
    event::{Deletes, Rule},
    topics,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::{ATHLETE, USER, World, told};

/// What the person says through the API.
async fn say(world: &World, enabled: bool) -> Result<()> {
    let token = world.inside.token_of(&world.subject).await?;
    let url = format!("{}/v1/user/me/analytics", world.inside.url);
    let answer = world.inside.http.put(url).bearer_auth(token).json(&json!({"enabled": enabled})).send().await?;
    let (status, view) = (answer.status(), answer.json::<Value>().await?);
    ensure!(status == 200 && view["enabled"] == enabled, "{status}: {view}");
    Ok(())
}

/// Everything on the topic, once nothing is on its way: each event in JSON.
async fn on_the_topic(world: &World) -> Result<Vec<Value>> {
    world.is_at_rest().await?;
    let (bus, topic) = (&world.inside.runner.bus, topics::ANALYTICS.name);
    let mut found = Vec::new();
    for (partition, held) in (0..).zip(bus.held(topic).await?.context("nobody subscribes to it")?) {
        let all = bus.read(topic, partition, held).await?.context("what is held can be read")?;
        for (_, bytes) in all {
            let event: schemas::event::Envelope<schemas::event::Analytics> = schemas::codec::decode(&bytes)?;
            found.push(serde_json::to_value(event)?);
        }
    }
    Ok(found)
}

fn actions(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|it| it["body"]["action"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn analysts_are_told_what_is_resolved_between_a_yes_and_a_no() -> Result<()> {
    let mut world = World::new().await?;
    let workout = DataType::Workout;
    world.configure("google_health", "files", workout, Rule::PrioritiseSource, Deletes::Mirror).await?;

    world.google.add(USER, "exercise", exercise("one", "2026-06-20T06:00:00Z", Some(7_200)));
    let status = world.sync("google_health", &["files"], workout).await?;
    assert_eq!(told(&status), "done; files: 1 created");
    assert_eq!(on_the_topic(&world).await?, Vec::<Value>::new(), "the default is no");

    say(&world, true).await?;
    world.google.add(USER, "exercise", exercise("two", "2026-06-21T06:00:00Z", Some(7_200)));
    let status = world.sync("google_health", &["files"], workout).await?;
    assert_eq!(told(&status), "done; files: 1 created, 1 skipped unchanged");
    let events = on_the_topic(&world).await?;
    assert_eq!(actions(&events), ["create"], "what was before the yes is not told: {events:?}");
    let event = &events[0];
    assert_eq!((&event["body"]["week"], &event["body"]["duration_min"]), (&json!("2026-W25"), &json!(30)), "{event}");
    only_what_is_allowed(&world, event)?;

    ensure!(world.google.delete(USER, "exercise", "two"), "it was there");
    world.sync("google_health", &["files"], workout).await?;
    let events = on_the_topic(&world).await?;
    assert_eq!(actions(&events), ["create", "delete"], "{events:?}");
    assert_eq!(events[0]["body"]["record"], events[1]["body"]["record"], "of the same record");

    say(&world, false).await?;
    world.google.add(USER, "exercise", exercise("three", "2026-06-22T06:00:00Z", Some(7_200)));
    let status = world.sync("google_health", &["files"], workout).await?;
    // The one that is gone is gone there, too.
    assert_eq!(told(&status), "done; files: 1 created, 2 skipped unchanged");
    assert_eq!(on_the_topic(&world).await?, events, "after a no nothing more is told");

    // An operator sees the same, from the bus: it is nowhere else.
    let (status, lines) = world.operate("topics/analytics/events?from=2026-07-02T12:00:00Z", None).await?;
    let lines: Vec<&str> = lines.as_str().context("lines")?.lines().collect();
    let of_actions = |action: &str| lines.iter().filter(|it| it.contains(&format!("\"action\":\"{action}\""))).count();
    assert_eq!((status, lines.len(), of_actions("create"), of_actions("delete")), (200, 2, 1, 1), "{lines:?}");
    let (_, none) = world.operate("topics/analytics/events?from=2026-07-03T00:00:00Z", None).await?;
    assert_eq!(none, json!(""), "a day later there is none");

    // Saying the same again is no news.
    say(&world, false).await?;
    let (_, noted) = world.operate(&format!("audit?subject={}", world.subject.0), None).await?;
    let noted: Vec<_> = noted.as_array().context("a list")?.iter().map(|it| [&it["what"], &it["detail"]]).collect();
    let consent = json!("consent analytics");
    assert_eq!(noted, [[&consent, &json!("yes")], [&consent, &json!("no")]]);
    let (_, of_all) = world.operate("audit", None).await?;
    assert_eq!(of_all, json!([]), "what operators did is apart");
    Ok(())
}

/// No field that is not on the list, and nothing that says whose it is.
#[track_caller]
fn only_what_is_allowed(world: &World, event: &Value) -> Result<()> {
    let fields: BTreeSet<String> = ["head", "body"]
        .iter()
        .flat_map(|part| event[part].as_object().into_iter().flatten().map(move |it| format!("{part}.{}", it.0)))
        .collect();
    let allowed: BTreeSet<String> = ALLOWED.iter().map(|it| it.path.to_owned()).collect();
    assert!(fields.is_subset(&allowed) && !fields.is_empty(), "{fields:?}");
    let text = event.to_string();
    for secret in [world.subject.0.as_str(), USER, "one", "two", "Run", "06:00"] {
        ensure!(!text.contains(&format!("\"{secret}")), "{secret} is told: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_forbids_to_tell_is_not_told() -> Result<()> {
    let mut world = World::new().await?;
    say(&world, true).await?;
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Run"), None);
    world.route("strava", "google_health", DataType::Workout).await?;
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; google_health: 1 created");
    assert_eq!(on_the_topic(&world).await?, Vec::<Value>::new(), "Strava's terms keep its records from analysts");
    Ok(())
}
