//! What a config would do is said before it does it; then it does exactly that, or nothing.

use crate::{
    data::run,
    journal::writes,
    merges::{BAND, account, both, held, measured, one_run_of_two_devices},
};
use anyhow::{Context, Result, ensure};
use schemas::data_type::DataType;
use serde_json::{Value, json};
use tests::{ATHLETE, End, USER, World, told};

/// Asks the API as the person who acts; the answer's status and body.
pub(crate) async fn post(world: &World, path: &str, body: &Value) -> Result<(u16, Value)> {
    let token = world.inside.token_of(&world.subject).await?;
    let request = world.inside.http.post(format!("{}/v1/{path}", world.inside.url)).json(body);
    let answer = request.bearer_auth(token).send().await?;
    let (status, text) = (answer.status().as_u16(), answer.text().await?);
    Ok((status, serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?))
}

/// The body of a config for workouts from one provider to another.
async fn config(world: &World, (from, to): (&str, &str), more: &Value) -> Result<Value> {
    let (source, destination) = (world.connection(from).await?.id, world.connection(to).await?.id);
    let mut body = json!({"source": source, "destination": destination, "data_types": ["workout"]});
    for (field, value) in more.as_object().context("an object")? {
        body[field] = value.clone();
    }
    Ok(body)
}

/// What a config would do.
async fn dry_run(world: &World, way: (&str, &str), more: &Value) -> Result<Value> {
    let (status, found) = post(world, "sync-configs/dry-run", &config(world, way, more).await?).await?;
    ensure!(status == 200, "{status}: {found}");
    Ok(found)
}

/// Applies a plan; the answer's status and body.
async fn apply(world: &World, found: &Value) -> Result<(u16, Value)> {
    post(world, "sync-configs/apply", &json!({"plan": found["plan"]})).await
}

async fn put(world: &World, way: (&str, &str), more: &Value) -> Result<()> {
    let token = world.inside.token_of(&world.subject).await?;
    let request = world.inside.http.put(format!("{}/v1/sync-configs", world.inside.url));
    let answer = request.json(&config(world, way, more).await?).bearer_auth(token).send().await?;
    ensure!(answer.status() == 200, "{}", answer.text().await?);
    Ok(())
}

/// The counts of a dry run, in the words of [`told`].
fn in_words(found: &Value) -> String {
    let counts = found["counts"].as_array().into_iter().flatten();
    let word = |it: &Value| {
        let reason = it["reason"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
        format!("{} {}{reason}", it["count"], it["fate"].as_str().unwrap_or_default())
    };
    counts.map(word).collect::<Vec<_>>().join(", ")
}

const GOOGLE: (&str, &str) = ("strava", "google_health");

/// Two runs and a ride that were brought to Google Health, each twice read; a third run is gone from Strava.
async fn synced() -> Result<(World, Vec<u64>)> {
    let mut world = World::new().await?;
    let mut ids = Vec::new();
    for (start, sport) in [("18", "Run"), ("19", "Run"), ("20", "Ride"), ("21", "Run")] {
        let mut activity = run(&format!("2026-06-{start}T06:00:00Z"), &format!("Number {start}"));
        (activity["type"], activity["sport_type"]) = (json!(sport), json!(sport));
        ids.push(world.strava.seed_activity(ATHLETE, activity, None));
    }
    put(&world, GOOGLE, &json!({})).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.strava.delete_activity(ids[3]);
    world.advance(std::time::Duration::from_secs(3_600));
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;
    world.forget();
    Ok((world, ids))
}

fn names(world: &World) -> Vec<String> {
    let of = |it: &Value| it["exercise"]["displayName"].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<_> = world.google.points(USER, "exercise").iter().map(of).collect();
    names.sort();
    names
}

fn renamed() -> Value {
    json!({"deletes": "mirror", "policies": {"rules": [
        {"name": "no rides", "when": {"sports": ["cycling"]}, "then": "skip"},
        {"name": "where from", "then": {"rename": {"to": "{title} (Strava)"}}},
    ]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_anywhere_and_says_the_numbers_that_the_sync_then_has() -> Result<()> {
    let (mut world, _) = synced().await?;
    let before = world.tables().await?;
    let found = dry_run(&world, GOOGLE, &renamed()).await?;
    assert_eq!(world.tables().await?, before);
    assert!(before["steps"].len() > 5 && before["items"].len() >= 4, "there was something to leave alone");
    assert!(world.google.kit().journal().is_empty() && world.strava.kit.journal().is_empty());
    assert_eq!(in_words(&found), "2 updated, 1 deleted, 1 skipped filtered");
    assert_eq!((&found["records"], &found["unlooked"], &found["unread_pages"]), (&json!(3), &json!(0), &json!(0)));
    let call = |verb, count| json!({"provider": "google_health", "data_type": "workout", "verb": verb, "count": count});
    assert_eq!(found["calls"], json!([call("delete", 1), call("update", 2)]), "{found}");
    assert_eq!(dry_run(&world, GOOGLE, &renamed()).await?["plan"], found["plan"], "the same question");
    put(&world, GOOGLE, &renamed()).await?;
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), format!("done; google_health: {}", in_words(&found)));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_a_plan_does_exactly_what_it_says_and_does_it_once() -> Result<()> {
    let (mut world, _) = synced().await?;
    let found = dry_run(&world, GOOGLE, &renamed()).await?;
    let (status, applied) = apply(&world, &found).await?;
    assert_eq!((status, &applied["applied"]["operations"], &applied["applied"]["left"]), (202, &json!(3), &json!([])));
    let job = applied["applied"]["jobs"][0].as_str().context("a job")?.parse()?;
    assert_eq!(told(&world.settled(schemas::id::SyncId(job)).await?), "done; google_health: 2 updated, 1 deleted");
    assert_eq!(names(&world), ["Number 18 (Strava)", "Number 19 (Strava)", "Number 20"]);
    assert_eq!(world.strava.kit.journal().len(), 0, "the source is not asked");
    let again = apply(&world, &found).await?;
    assert_eq!(again, (202, applied));
    world.is_at_rest().await?;
    assert_eq!(writes(world.google.kit()).len(), 3);
    // The config stands, and the next sync has nothing to do.
    let status = world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; google_health: 3 skipped unchanged, 1 skipped filtered");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_records_were_read_again_since_is_refused_and_nothing_is_done() -> Result<()> {
    let (mut world, ids) = synced().await?;
    let found = dry_run(&world, GOOGLE, &renamed()).await?;
    world.strava.edit_activity(ids[0], |it| it["name"] = "Long run".into());
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    world.is_at_rest().await?;
    world.forget();
    let before = world.tables().await?;
    let (status, said) = apply(&world, &found).await?;
    assert_eq!((status, &said["code"]), (409, &json!("moved")), "{said}");
    assert!(said["detail"].as_str().is_some_and(|it| it.contains("do it again")), "{said}");
    assert_eq!((world.tables().await?, names(&world)[0].as_str()), (before, "Long run"));
    world.is_at_rest().await?;
    assert!(world.google.kit().journal().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_config_was_changed_since_is_refused() -> Result<()> {
    let (world, _) = synced().await?;
    let found = dry_run(&world, GOOGLE, &renamed()).await?;
    put(&world, GOOGLE, &json!({"rule": "newest"})).await?;
    let before = world.tables().await?;
    let (status, said) = apply(&world, &found).await?;
    assert_eq!((status, &said["code"]), (409, &json!("moved")), "{said}");
    assert_eq!(world.tables().await?, before);
    let (status, said) = apply(&world, &json!({"plan": "ab".repeat(32)})).await?;
    assert_eq!((status, &said["code"]), (404, &json!("not_found")), "{said}");
    world.advance(std::time::Duration::from_secs(2 * 86_400));
    let later = dry_run(&world, GOOGLE, &renamed()).await?;
    assert_ne!(later["plan"], found["plan"]);
    assert_eq!(apply(&world, &found).await?.0, 404, "a plan is forgotten after a day");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_way_is_foreseen_and_not_applied_where_nobody_has_looked() -> Result<()> {
    let mut world = World::new().await?;
    for start in ["2026-06-20T06:00:00Z", "2026-06-21T06:00:00Z"] {
        world.strava.seed_activity(ATHLETE, run(start, "Run"), None);
    }
    put(&world, ("strava", "files"), &json!({})).await?;
    world.sync("strava", &["files"], DataType::Workout).await?;
    let found = dry_run(&world, GOOGLE, &json!({"from": "2026-06-21T00:00:00Z"})).await?;
    assert_eq!((in_words(&found), &found["unlooked"]), ("1 created".to_owned(), &json!(1)), "{found}");
    let verbs: Vec<_> = found["calls"].as_array().context("calls")?.iter().map(|it| &it["verb"]).collect();
    assert_eq!(verbs, ["create", "read", "read"]);
    let (status, said) = apply(&world, &found).await?;
    assert_eq!((status, &said["code"]), (422, &json!("impossible")), "{said}");
    let body = json!({"plan": found["plan"], "unlooked": true});
    let (status, applied) = post(&world, "sync-configs/apply", &body).await?;
    assert_eq!((status, &applied["applied"]["operations"]), (202, &json!(1)), "{applied}");
    world.is_at_rest().await?;
    assert_eq!(names(&world), ["Run"]);
    // Nothing of the source that is not read yet is known.
    let none = dry_run(&world, ("google_health", "files"), &json!({})).await?;
    assert_eq!((&none["records"], &none["read_at"], &none["counts"]), (&json!(0), &Value::Null, &json!([])));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_cut_off_is_applied_to_its_end_when_it_is_applied_again() -> Result<()> {
    let (world, _) = synced().await?;
    let found = dry_run(&world, GOOGLE, &renamed()).await?;
    // As if the process had ended right after the config was put.
    put(&world, GOOGLE, &renamed()).await?;
    let world = world.restarted(End::CutOff).await?;
    let (status, applied) = apply(&world, &found).await?;
    assert_eq!((status, &applied["applied"]["operations"]), (202, &json!(3)), "{applied}");
    world.is_at_rest().await?;
    assert_eq!(names(&world), ["Number 18 (Strava)", "Number 19 (Strava)", "Number 20"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_counted_in_a_dry_run_and_asked_by_the_sync_alone() -> Result<()> {
    let (mut world, _) = synced().await?;
    let asking = json!({"deletes": "ask"});
    let found = dry_run(&world, GOOGLE, &asking).await?;
    assert_eq!((in_words(&found).as_str(), &found["calls"]), ("3 skipped unchanged, 1 skipped in_review", &json!([])));
    let asked = async |world: &World| {
        let token = world.inside.token_of(&world.subject).await?;
        let answer =
            world.inside.http.get(format!("{}/v1/reviews", world.inside.url)).bearer_auth(token).send().await?;
        anyhow::Ok(answer.json::<Vec<Value>>().await?.len())
    };
    assert_eq!(asked(&world).await?, 0, "nobody is asked by a dry run");
    put(&world, GOOGLE, &asking).await?;
    world.sync("strava", &["google_health"], DataType::Workout).await?;
    assert_eq!(asked(&world).await?, 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_sources_have_of_one_run_is_put_together_in_a_dry_run_as_in_a_sync() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    both(&mut world).await?;
    world.is_at_rest().await?;
    let way = (account(BAND), "files");
    let way = (way.0.as_str(), way.1);
    let found = dry_run(&world, way, &json!({"deletes": "mirror"})).await?;
    assert_eq!((in_words(&found).as_str(), &found["calls"]), ("1 skipped unchanged", &json!([])), "{found}");
    // What the band says of its own record differs: the run is made of both again.
    let hiking = json!({"deletes": "mirror", "policies": {"rules": [
        {"name": "all hikes", "then": {"retype": {"sport": "hiking"}}}]}});
    let found = dry_run(&world, way, &hiking).await?;
    let (status, applied) = apply(&world, &found).await?;
    assert_eq!(status, 202, "{applied}");
    world.is_at_rest().await?;
    let all = held(&world).await?;
    assert_eq!((all.len(), measured(&all[0].1)), (1, (true, true)), "neither loses what the other has");
    let status = world.sync(&account(BAND), &["files"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; files: 1 skipped unchanged", "nothing is left to do");
    world.is_at_rest().await
}
