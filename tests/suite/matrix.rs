//! Each thing against each connection, and why what was left out is not there.

use crate::data::{exercise, run};
use anyhow::{Context, Result};
use connectors::google_health::simulator::RecordedRun;
use engine::connect::ConfigCommand;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
};
use serde_json::{Value, json};
use tests::{ATHLETE, USER, World, at, told};

/// The account of the heart-rate band; the watch with GPS is [`USER`]'s.
const BAND: &str = "115500000000000000017";
const JUNE: &str = "data_type=workout&from=2026-06-10T00:00:00Z&to=2026-07-01T00:00:00Z";

fn account(user: &str) -> String {
    format!("google_health/{user}")
}

async fn want(world: &World, from: &str, to: &str, policies: Value, enabled: bool) -> Result<()> {
    let command = ConfigCommand {
        source: world.connection(from).await?.id,
        destination: world.connection(to).await?.id,
        data_types: vec![DataType::Workout],
        rule: Rule::PrioritiseSource,
        deletes: Deletes::Mirror,
        policies: serde_json::from_value(policies)?,
        enabled,
    };
    world.inside.connect.configure(&world.subject, &command).await?;
    Ok(())
}

async fn get(world: &World, path: &str) -> Result<(u16, Value)> {
    let token = world.inside.token_of(&world.subject).await?;
    let answer = world.inside.http.get(format!("{}{path}", world.inside.url)).bearer_auth(token).send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// The matrix of June, each cell of which says one thing.
async fn june(world: &World) -> Result<Value> {
    let (status, said) = get(world, &format!("/v1/sync-matrix?{JUNE}")).await?;
    anyhow::ensure!(status == 200, "{status}: {said:#}");
    assert_eq!(said["truncated"], false);
    let columns = said["connections"].as_array().context("connections")?;
    for thing in said["things"].as_array().context("things")? {
        let cells = thing["cells"].as_array().context("cells")?;
        assert_eq!(cells.len(), columns.len());
        for (cell, column) in cells.iter().zip(columns) {
            let status = cell["status"].as_str().context("a status")?;
            assert!(["present", "on_its_way", "absent"].contains(&status), "{cell}");
            assert_eq!(cell["held"].is_string(), status == "present", "{cell}");
            assert_eq!(cell["reason"].is_string(), status == "absent", "{cell}");
            assert_eq!(cell["next_step"].is_string(), status == "absent", "{cell}");
            assert_eq!(cell["connection"], column["connection"]);
        }
    }
    Ok(said)
}

fn cell(it: &Value) -> &str {
    ["held", "reason", "status"].iter().find_map(|field| it[field].as_str()).unwrap_or("-")
}

/// The day of each thing, and how it stands at each connection.
fn lines(said: &Value) -> Vec<String> {
    let things = said["things"].as_array().cloned().unwrap_or_default();
    let line = |it: &Value| {
        let cells: Vec<_> = it["cells"].as_array().into_iter().flatten().map(cell).collect();
        format!("{}: {}", &it["starts_at"].as_str().unwrap_or_default()[..10], cells.join(", "))
    };
    things.iter().map(line).collect()
}

fn heads(said: &Value) -> Vec<&str> {
    said["connections"].as_array().into_iter().flatten().filter_map(|it| it["provider"].as_str()).collect()
}

/// A person with two Google accounts, Strava and a folder. The watch and the band have one run in common and bring it to
/// the folder. Of Strava, a run is copied to the watch's account, a ride is left out by a rule, and another run is there
/// already. What brings Strava's into the folder is disabled.
async fn a_person_with_much() -> Result<World> {
    let mut world = World::new().await?;
    world.add_google(BAND).await?;
    let both = RecordedRun::new(at("2026-06-23T06:00:00Z"), 1_800);
    world.google.add_run(USER, "1001", &both.by_gps_watch());
    world.google.add_run(BAND, "2001", &both.by_heart_rate_band());
    for user in [USER, BAND] {
        want(&world, &account(user), "files", json!({}), true).await?;
        world.sync(&account(user), &["files"], DataType::Workout).await?;
    }
    world.google.add(USER, "exercise", exercise("1002", "2026-06-22T06:00:00Z", Some(7_200)));
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.strava.seed_activity(ATHLETE, run("2026-06-22T06:00:00Z", "On two services"), None);
    let mut ride = run("2026-06-21T06:00:00Z", "To the lake");
    (ride["type"], ride["sport_type"]) = (json!("Ride"), json!("Ride"));
    world.strava.seed_activity(ATHLETE, ride, None);
    let no_rides = json!({"rules": [{"name": "no rides", "when": {"sports": ["cycling"]}, "then": "skip"}]});
    want(&world, "strava", &account(USER), no_rides, true).await?;
    want(&world, "strava", "files", json!({}), false).await?;
    let synced = world.sync("strava", &[&account(USER)], DataType::Workout).await?;
    assert!(told(&synced).contains("1 created"), "{}", told(&synced));
    world.is_at_rest().await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_thing_is_told_at_every_connection_with_why_it_is_not_there() -> Result<()> {
    let mut world = a_person_with_much().await?;
    let said = june(&world).await?;
    assert_eq!(heads(&said), ["files", "google_health", "google_health", "strava"]);
    let expected = [
        "2026-06-23: ours, source, source, no_config",
        "2026-06-22: not_synced, foreign, no_config, source",
        "2026-06-21: config_disabled, filtered, no_config, source",
        "2026-06-20: config_disabled, ours, no_config, source",
    ];
    assert_eq!(lines(&said), expected, "{said:#}");
    // What is enabled and synced is carried on, and our own copies are not.
    want(&world, "strava", "files", json!({}), true).await?;
    world.sync("strava", &["files"], DataType::Workout).await?;
    world.sync(&account(USER), &["files"], DataType::Workout).await?;
    let said = june(&world).await?;
    let expected = [
        "2026-06-23: ours, source, source, no_config",
        "2026-06-22: ours, source, no_config, source",
        "2026-06-21: ours, filtered, no_config, source",
        "2026-06-20: ours, ours, no_config, source",
    ];
    assert_eq!(lines(&said), expected, "{said:#}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_left_out_is_explained_although_there_is_no_row_of_it() -> Result<()> {
    let world = a_person_with_much().await?;
    let said = june(&world).await?;
    let left_out = &said["things"][2]["cells"][1];
    assert_eq!(left_out["next_step"], "change or remove the rule in the sync config");
    let record = left_out["record"].as_str().context("a record")?;
    let (status, explained) = get(&world, &format!("/v1/records/{record}/explain")).await?;
    assert_eq!(status, 200, "{explained:#}");
    let explained = &explained[0];
    assert_eq!((&explained["state"], &explained["version"]), (&json!("absent"), &json!(0)));
    assert_eq!(
        (&explained["decision"]["reason"], &explained["decision"]["rule"]),
        (&json!("filtered"), &json!("no rides"))
    );
    assert_eq!(explained["decision"]["next_step"], left_out["next_step"]);
    assert_eq!(explained["starts_at"], "2026-06-21T06:00:00Z");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_deleted_is_gone_where_it_was_and_told_where_it_stays() -> Result<()> {
    let mut world = World::new().await?;
    let mirrored = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.route("strava", "files", DataType::Workout).await?;
    want(&world, "strava", "google_health", json!({}), true).await?;
    world.sync("strava", &["files", "google_health"], DataType::Workout).await?;
    assert_eq!(lines(&june(&world).await?), ["2026-06-20: ours, ours, source"]);
    world.strava.delete_activity(mirrored);
    world.sync("strava", &["files", "google_health"], DataType::Workout).await?;
    let said = june(&world).await?;
    assert_eq!(lines(&said), ["2026-06-20: ours, gone, gone"], "{said:#}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_apart_is_two_things() -> Result<()> {
    let world = a_person_with_much().await?;
    let said = june(&world).await?;
    let record = said["things"][0]["cells"][0]["record"].as_str().context("a record")?;
    let url = format!("{}/v1/records/{record}/split", world.inside.url);
    let token = world.inside.token_of(&world.subject).await?;
    let answer = world.inside.http.post(url).bearer_auth(token).json(&json!({})).send().await?;
    assert!(answer.status().is_success());
    world.is_at_rest().await?;
    let said = june(&world).await?;
    let mut apart = lines(&said)[..2].to_vec();
    apart.sort();
    let expected = ["2026-06-23: ours, no_config, source, no_config", "2026-06-23: ours, source, no_config, no_config"];
    assert_eq!(apart, expected, "{said:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_persons_records_are_not_told_and_a_bad_question_says_what_is_wrong() -> Result<()> {
    let mut world = a_person_with_much().await?;
    world.sign_in("another", 8, "115500000000000000008").await?;
    assert_eq!(lines(&june(&world).await?), Vec::<String>::new());
    for (query, says) in [
        ("", "data_type"),
        ("?data_type=mood", "mood"),
        ("?data_type=workout&from=yesterday", "RFC 3339"),
        ("?data_type=workout&until=2026-06-10T00:00:00Z", "until"),
        ("?data_type=workout&from=2026-05-01T00:00:00Z&to=2026-06-10T00:00:00Z", "31 days"),
        ("?data_type=workout&from=2026-06-10T00:00:00Z&to=2026-06-10T00:00:00Z", "before"),
    ] {
        let (status, problem) = get(&world, &format!("/v1/sync-matrix{query}")).await?;
        assert_eq!((status, &problem["code"]), (422, &json!("invalid")), "{query}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|it| it.contains(says)), "{query}: {problem}");
    }
    let (status, said) = get(&world, "/v1/sync-matrix?data_type=workout").await?;
    assert_eq!((status, &said["things"]), (200, &json!([])), "{said}");
    Ok(())
}
