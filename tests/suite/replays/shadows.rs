//! What a shadow may not touch, what a repair may not overrule, and who may ask.

use super::{
    bugs::{catalog, wrong_sport},
    reads, repair, shadow, total,
};
use crate::data::run;
use anyhow::{Context, Result};
use schemas::data_type::DataType;
use serde_json::{Value, json};
use tests::{ATHLETE, End, USER, World, told};

async fn synced(records: &[&str]) -> Result<World> {
    let mut world = World::with(catalog("strava", 1, wrong_sport)).await?;
    for start in records {
        world.strava.seed_activity(ATHLETE, run(start, "Run"), None);
    }
    world.route("strava", "google_health", DataType::Workout).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;
    Ok(world)
}

async fn upgraded(world: World) -> Result<World> {
    let world = world.upgraded(End::Drained, catalog("strava", 2, wrong_sport)).await?;
    world.forget();
    Ok(world)
}

const TWO: [&str; 2] = ["2026-06-20T06:00:00Z", "2026-06-21T06:00:00Z"];

fn sports(world: &World) -> Vec<String> {
    let of = |it: &Value| it["exercise"]["exerciseType"].as_str().unwrap_or_default().to_owned();
    world.google.points(USER, "exercise").iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_leaves_every_table_as_it_was() -> Result<()> {
    let world = upgraded(synced(&TWO).await?).await?;
    let before = world.tables().await?;
    let found = shadow(&world, "look", json!({})).await?;
    assert_eq!(total(&found, "operations"), &json!({"google_health update": 2}));
    assert_eq!(total(&found, "calls"), &json!({"google_health": 2}));
    assert_eq!(world.tables().await?, before);
    assert!(before["steps"].len() > 5 && before["items"].len() >= 2, "there was something to leave alone");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_by_the_same_mapper_finds_nothing() -> Result<()> {
    let world = synced(&TWO).await?;
    let found = shadow(&world, "same", json!({})).await?;
    assert_eq!(total(&found, "records"), &json!({"unchanged": 2}));
    assert_eq!(total(&found, "operations"), &json!({}));
    // An older mapper is asked for by its version, and gives what it gave.
    let world = upgraded(world).await?;
    let found = shadow(&world, "by-the-old-one", json!({"mapper_version": 1, "provider": "strava"})).await?;
    assert_eq!((total(&found, "records"), total(&found, "operations")), (&json!({"unchanged": 2}), &json!({})));
    let found = shadow(&world, "decide-again", json!({"stage": "resolve"})).await?;
    assert_eq!(total(&found, "operations"), &json!({}));
    let none = json!({"name": "none", "selection": {"mapper_version": 9, "provider": "strava"}});
    let (status, said) = world.operate("replays", Some(&none)).await?;
    assert_eq!((status, said["code"].as_str()), (422, Some("impossible")), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_once_however_often_it_is_asked_for() -> Result<()> {
    let world = upgraded(synced(&TWO).await?).await?;
    let found = shadow(&world, "mend", json!({})).await?;
    let (status, said) = world.operate("repairs", Some(&json!({"plan": found["replay"]["plan"]}))).await?;
    assert_eq!((status, said["code"].as_str()), (422, Some("impossible")), "by the same person: {said}");
    let done = repair(&world, &found).await?;
    assert_eq!(done["operations"], 2);
    assert_eq!(repair(&world, &found).await?, done);
    assert_eq!((world.effects()[1].len(), sports(&world)), (2, vec!["RUNNING".to_owned(); 2]));
    assert_eq!(reads(world.google.kit()), Vec::<String>::new());
    let (status, said) = world.operate("repairs", Some(&json!({"plan": "ab".repeat(32)}))).await?;
    assert_eq!((status, said["code"].as_str()), (422, Some("impossible")), "an unknown plan: {said}");
    let (status, _) = world.operate("replays", Some(&json!({"name": "mend"}))).await?;
    assert_eq!(status, 422, "the name of a repair is spent");
    let (_, audit) = world.operate("audit", None).await?;
    let told: Vec<_> = audit.as_array().context("a list")?.iter().filter_map(|it| it["what"].as_str()).collect();
    assert!(told.contains(&"replay shadow") && told.contains(&"replay repair"), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_there_that_was_seen_is_left_alone() -> Result<()> {
    let mut world = synced(&TWO).await?;
    // The first look after a write is what the service made of it; the next sees the edit.
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let points = world.google.points(USER, "exercise");
    let id = points[0]["name"].as_str().and_then(|it| it.rsplit('/').next()).context("an id")?.to_owned();
    world.google.edit(USER, "exercise", &id, &json!({"displayName": "My own name"}));
    // Strava does not say when a record was changed: that it is read after the edit makes it no newer.
    for _ in 0..2 {
        world.advance(std::time::Duration::from_secs(60));
        world.sync("strava", &["google_health"], DataType::Workout).await?;
    }
    let world = upgraded(world).await?;
    let found = shadow(&world, "mend", json!({})).await?;
    assert_eq!(total(&found, "operations"), &json!({"google_health update": 1}), "{found}");
    let left: Vec<_> = found["left"].as_array().context("left")?.iter().map(|it| &it["reason"]).collect();
    assert!(left.iter().any(|it| *it == "destination_newer"), "{left:?}");
    repair(&world, &found).await?;
    assert_eq!(world.effects()[1].len(), 1);
    let points = world.google.points(USER, "exercise");
    assert_eq!(points.iter().filter(|it| it["exercise"]["displayName"] == "My own name").count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_moved_since_the_shadow_is_left_and_listed() -> Result<()> {
    let mut world = upgraded(synced(&TWO).await?).await?;
    let found = shadow(&world, "mend", json!({})).await?;
    // A live sync by the new mapper is faster.
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; google_health: 2 updated");
    world.forget();
    let done = repair(&world, &found).await?;
    assert_eq!(done["operations"], 0);
    let left = done["left"].as_array().context("left")?;
    assert!(left.len() == 2 && left.iter().all(|it| it["reason"] == "moved"), "{done}");
    assert!(world.google.kit().journal().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_page_never_overrules_a_newer_one() -> Result<()> {
    let mut world = synced(&TWO).await?;
    let between = world.now();
    world.advance(std::time::Duration::from_secs(60));
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    let world = upgraded(world).await?;
    let found = shadow(&world, "old", json!({"to": between.to_string()})).await?;
    assert_eq!((total(&found, "operations"), total(&found, "left")), (&json!({}), &json!({"stale": 2})), "{found}");
    let before = json!({"name": "too-old", "selection": {"from": "2001-01-01T00:00:00Z"}});
    let (status, said) = world.operate("replays", Some(&before)).await?;
    assert_eq!(status, 202);
    drop(said);
    let failed = super::over(&world, "too-old", "looking").await?;
    let why = failed["replay"]["error"].as_str().context("why")?;
    assert!(why.contains("the log begins at"), "{why}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_shown_on_request_alone_and_to_operators_alone() -> Result<()> {
    let world = upgraded(synced(&TWO).await?).await?;
    shadow(&world, "look", json!({})).await?;
    let (_, plain) = world.operate("replays/look", None).await?;
    assert!(plain["records"].is_null() && !plain.to_string().to_lowercase().contains("hiking"), "{plain}");
    let (_, shown) = world.operate("replays/look?values=true", None).await?;
    let field = &shown["records"][0]["fields"][0];
    assert_eq!((&field["path"], &field["after"]), (&json!("body.workout.sport"), &json!("running")));
    let token = world.inside.token_of(&world.subject).await?;
    for path in ["replays", "replays/look", "rejects", "audit", "topics/rejected/events"] {
        let url = format!("{}/v1/operator/{path}", world.inside.url);
        let answer = world.inside.http.get(url).bearer_auth(&token).send().await?;
        assert_eq!(answer.status(), 403, "{path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_told_in_lines_with_its_contents_sealed() -> Result<()> {
    let world = synced(&TWO).await?;
    let (status, text) = world.operate("topics/hot.resolved/events?from=2026-01-01T00:00:00Z", None).await?;
    assert_eq!(status, 200);
    // One line is one JSON value.
    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert!(!lines.is_empty());
    for line in &lines {
        assert_eq!(line["topic"], "syncwell.hot.resolved");
        let sealed = &line["body"]["decisions"]["sealed"];
        assert!(sealed.is_null() || sealed.as_str().is_some_and(|it| it.ends_with(" bytes")), "{sealed}");
    }
    let (status, _) = world.operate("topics/nonsense/events", None).await?;
    assert_eq!(status, 404);
    Ok(())
}

/// Numbers that are as good as drawn, and the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_repair_nothing_more_would_follow() -> Result<()> {
    for seed in 0..5 {
        let mut dice = Dice(seed);
        let mut world = World::with(catalog("strava", 1, wrong_sport)).await?;
        world.route("strava", "google_health", DataType::Workout).await?;
        let mut ids = Vec::new();
        for number in 0..1 + dice.roll(4) {
            let start = format!("2026-06-{:02}T06:00:00Z", 10 + number);
            ids.push(world.strava.seed_activity(ATHLETE, run(&start, "Run"), None));
            if dice.roll(2) == 0 {
                world.sync("strava", &["google_health"], DataType::Workout).await?;
            }
            if dice.roll(3) == 0 {
                world.strava.edit_activity(ids[0], |it| it["name"] = json!(format!("Edit {number}")));
            }
        }
        world.sync("strava", &["google_health"], DataType::Workout).await?;
        let world = upgraded(world).await?;
        let found = shadow(&world, "mend", json!({})).await?;
        let done = repair(&world, &found).await?;
        assert_eq!(done["operations"], ids.len(), "seed {seed}: each run once; {done}");
        let again = shadow(&world, "again", json!({})).await?;
        assert_eq!(total(&again, "operations"), &json!({}), "seed {seed}");
        assert_eq!(world.effects()[1].len(), ids.len(), "seed {seed}");
        assert_eq!(sports(&world), vec!["RUNNING"; ids.len()], "seed {seed}");
    }
    Ok(())
}
