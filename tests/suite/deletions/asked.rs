//! Records that are gone at the source, where the person wants to be asked what becomes of what was written.

use super::one_of_two_is_gone;
use crate::{
    data::{exercise, run},
    journal::{verbs, writes},
    merges::{BAND, account, held, measured, one_run_of_two_devices},
};
use anyhow::{Context, Result};
use reqwest::Method;
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::SyncId,
};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{ATHLETE, USER, World, told};

async fn api(world: &World, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let token = world.inside.token_of(&world.subject).await?;
    let mut request = world.inside.http.request(method, format!("{}{path}", world.inside.url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// The questions, each as what it asks, which record of the source it is about, and the answer.
async fn questions(world: &World) -> Result<Vec<Value>> {
    let (status, all) = api(world, Method::GET, "/v1/reviews", None).await?;
    anyhow::ensure!(status == 200, "{all:#}");
    Ok(all.as_array().context("a list")?.clone())
}

/// The one question that waits.
async fn question(world: &World) -> Result<Value> {
    let waiting: Vec<_> = questions(world).await?.into_iter().filter(|it| it["verdict"].is_null()).collect();
    let [one] = waiting.as_slice() else { anyhow::bail!("{} questions wait", waiting.len()) };
    assert_eq!((&one["question"], one["sides"].as_array().map(Vec::len)), (&json!("delete"), Some(1)), "{one:#}");
    Ok(one.clone())
}

async fn say(world: &World, question: &Value, verdict: &str) -> Result<(u16, Value)> {
    let path = format!("/v1/reviews/{}/answer", question["id"].as_str().context("an id")?);
    api(world, Method::POST, &path, Some(&json!({"verdict": verdict}))).await
}

/// Answers a question, and waits for what comes of it.
async fn answer(world: &World, question: &Value, verdict: &str) -> Result<String> {
    let (status, answered) = say(world, question, verdict).await?;
    anyhow::ensure!(status == 202, "{answered:#}");
    assert_eq!(answered["reviews"][0]["verdict"], verdict);
    let job = answered["jobs"][0].as_str().context("a job")?.parse()?;
    let told = told(&world.settled(SyncId(job)).await?);
    world.is_at_rest().await?;
    Ok(told)
}

/// The next reading, a while later.
async fn later(world: &mut World, to: &str) -> Result<String> {
    world.advance(Duration::from_secs(600));
    let status = world.sync("strava", &[to], DataType::Workout).await?;
    world.is_at_rest().await?;
    Ok(told(&status))
}

const GOOGLE: &str = "google_health";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_stay_stays_and_is_not_asked_about_again() -> Result<()> {
    let (mut world, id) = one_of_two_is_gone(Deletes::Ask).await?;
    let waits = "done; google_health: 1 skipped unchanged, 1 skipped in_review";
    assert_eq!(later(&mut world, GOOGLE).await?, waits);
    let asked = question(&world).await?;
    let of = &asked["sides"][0];
    assert_eq!(of["source"]["record"], id.to_string(), "{asked:#}");
    assert_eq!(of["record"]["body"]["workout"]["title"], "Morning", "{asked:#}");
    assert_eq!(later(&mut world, GOOGLE).await?, waits);
    assert_eq!(question(&world).await?, asked, "it is asked once");
    assert_eq!(answer(&world, &asked, "keep").await?, "done; google_health: 1 skipped deletion_kept");
    let kept = "done; google_health: 1 skipped unchanged, 1 skipped deletion_kept";
    assert_eq!(later(&mut world, GOOGLE).await?, kept);
    let all = questions(&world).await?;
    assert_eq!((all.len(), &all[0]["verdict"]), (1, &json!("keep")), "{all:#?}");
    assert_eq!(writes(world.google.kit()), Vec::<String>::new());
    assert_eq!(world.google.points(USER, "exercise").len(), 2);
    // They may think better of it; the source is not asked for that.
    world.forget();
    assert_eq!(answer(&world, &asked, "delete").await?, "done; google_health: 1 deleted");
    assert!(world.strava.kit.journal().is_empty());
    assert_eq!(world.google.points(USER, "exercise").len(), 1);
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_go_goes_once_and_is_not_taken_back() -> Result<()> {
    let (mut world, _) = one_of_two_is_gone(Deletes::Ask).await?;
    later(&mut world, GOOGLE).await?;
    let asked = question(&world).await?;
    for wrong in ["same", "different"] {
        let (status, problem) = say(&world, &asked, wrong).await?;
        assert_eq!((status, &problem["code"]), (422, &json!("impossible")), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|it| it.contains("`delete` or `keep`")), "{problem}");
    }
    assert_eq!(answer(&world, &asked, "delete").await?, "done; google_health: 1 deleted");
    assert_eq!(verbs(&world.effects()[1]), ["delete"]);
    assert_eq!(world.google.points(USER, "exercise").len(), 1);
    // The same answer again changes nothing, and the other one comes too late.
    answer(&world, &asked, "delete").await?;
    let (status, problem) = say(&world, &asked, "keep").await?;
    assert_eq!((status, &problem["code"]), (422, &json!("impossible")), "{problem}");
    assert_eq!(later(&mut world, GOOGLE).await?, "done; google_health: 2 skipped unchanged");
    assert_eq!(writes(world.google.kit()).len(), 1);
    let (status, problem) = say(&world, &json!({"id": "00000000-0000-0000-0000-000000000000"}), "delete").await?;
    assert_eq!(status, 404, "{problem}");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_back_withdraws_the_question_and_a_second_deletion_asks_again() -> Result<()> {
    let mut world = World::new().await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    let detail = world.strava.activity(id).unwrap_or_default();
    world.configure("strava", "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Ask).await?;
    later(&mut world, "files").await?;
    for said in [None, Some("keep"), Some("delete"), None] {
        world.strava.delete_activity(id);
        assert_eq!(later(&mut world, "files").await?, "done; files: 1 skipped in_review");
        let asked = question(&world).await?;
        if let Some(said) = said {
            answer(&world, &asked, said).await?;
        }
        let is_there = usize::from(said != Some("delete"));
        assert_eq!(world.folder(DataType::Workout).await?.len(), is_there);
        assert_eq!(world.strava.seed_activity(ATHLETE, detail.clone(), None), id);
        let back = if is_there == 1 { "done; files: 1 skipped unchanged" } else { "done; files: 1 created" };
        assert_eq!(later(&mut world, "files").await?, back);
        assert_eq!(world.folder(DataType::Workout).await?.len(), 1);
        assert_eq!(questions(&world).await?, Vec::<Value>::new(), "{said:?}: there is nothing to ask about");
        let (status, _) = say(&world, &asked, "delete").await?;
        assert_eq!(status, 404, "the question is withdrawn");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notified_deletion_is_asked_once_for_each_destination_and_answered_for_each() -> Result<()> {
    let (mut world, _) = one_of_two_is_gone(Deletes::Ask).await?;
    let id = world.strava.seed_activity(ATHLETE, run("2026-06-22T06:00:00Z", "Evening"), None);
    world.configure("strava", "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Ask).await?;
    world.sync("strava", &[GOOGLE, "files"], DataType::Workout).await?;
    let first = question(&world).await?;
    answer(&world, &first, "keep").await?;
    world.strava.delete_activity(id);
    world.advance(Duration::from_secs(600));
    world.forget();
    let event = world.strava.activity_event(ATHLETE, id, "delete");
    for _ in 0..3 {
        let answer = world.notify("strava", &[("x-strava-signature", &event.signature)], &event.body).await?;
        assert_eq!(answer.status(), 200);
        world.is_at_rest().await?;
        world.advance(Duration::from_secs(60));
    }
    let waiting: Vec<_> = questions(&world).await?.into_iter().filter(|it| it["verdict"].is_null()).collect();
    assert_eq!(waiting.len(), 2, "{waiting:#?}");
    world.forget();
    let google = world.connection(GOOGLE).await?.id.to_string();
    let (there, here): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|it| it["destination"] == google.as_str());
    assert_eq!(answer(&world, &there[0], "delete").await?, "done; google_health: 1 deleted");
    assert_eq!((world.google.points(USER, "exercise").len(), world.folder(DataType::Workout).await?.len()), (2, 2));
    assert_eq!(answer(&world, &here[0], "keep").await?, "done; files: 1 skipped deletion_kept");
    assert_eq!(world.folder(DataType::Workout).await?.len(), 2);
    assert!(world.strava.kit.journal().is_empty(), "nothing is read for an answer");
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_deletes_nothing_refuses_the_answer_with_the_reason() -> Result<()> {
    let mut world = World::new().await?;
    world.google.add(USER, "exercise", exercise("1001", "2026-06-20T06:00:00Z", Some(7_200)));
    world.configure(GOOGLE, "strava", DataType::Workout, Rule::PrioritiseSource, Deletes::Ask).await?;
    world.sync(GOOGLE, &["strava"], DataType::Workout).await?;
    world.google.delete(USER, "exercise", "1001");
    world.forget();
    let status = world.sync(GOOGLE, &["strava"], DataType::Workout).await?;
    assert_eq!(told(&status), "done; strava: 1 skipped in_review");
    let asked = question(&world).await?;
    assert_eq!(answer(&world, &asked, "delete").await?, "partial; strava: 1 refused cannot_delete");
    assert_eq!(answer(&world, &asked, "keep").await?, "done; strava: 1 skipped deletion_kept");
    assert_eq!(writes(&world.strava.kit), Vec::<String>::new());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_of_several_sources_asks() -> Result<()> {
    let mut world = one_run_of_two_devices().await?;
    for user in [USER, BAND] {
        world.configure(&account(user), "files", DataType::Workout, Rule::PrioritiseSource, Deletes::Ask).await?;
        world.sync(&account(user), &["files"], DataType::Workout).await?;
    }
    assert!(world.google.delete(BAND, "exercise", "2001"));
    let gone = world.sync(&account(BAND), &["files"], DataType::Workout).await?;
    assert_eq!(told(&gone), "done; files: 1 updated");
    assert_eq!(questions(&world).await?, Vec::<Value>::new());
    assert!(world.google.delete(USER, "exercise", "1001"));
    let gone = world.sync(&account(USER), &["files"], DataType::Workout).await?;
    assert_eq!(told(&gone), "done; files: 1 skipped in_review");
    let all = held(&world).await?;
    assert_eq!(all.iter().map(|it| measured(&it.1)).collect::<Vec<_>>(), [(true, false)]);
    let asked = question(&world).await?;
    assert_eq!(answer(&world, &asked, "delete").await?, "done; files: 1 deleted");
    assert!(held(&world).await?.is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_with_what_to_do_and_so_is_what_was_kept() -> Result<()> {
    let (mut world, _) = one_of_two_is_gone(Deletes::Ask).await?;
    later(&mut world, GOOGLE).await?;
    let asked = question(&world).await?;
    let path = "/v1/sync-matrix?data_type=workout&from=2026-06-10T00:00:00Z&to=2026-07-01T00:00:00Z";
    let cells = async |world: &World| {
        let (_, said) = api(world, Method::GET, path, None).await?;
        let of = |at: usize| said["things"][1]["cells"].as_array().map(|it| it[at].clone()).unwrap_or_default();
        let at = |provider| {
            said["connections"].as_array().and_then(|it| it.iter().position(|it| it["provider"] == provider))
        };
        anyhow::Ok((of(at(GOOGLE).context("a column")?), of(at("strava").context("a column")?)))
    };
    let (there, source) = cells(&world).await?;
    assert_eq!((&source["status"], &source["reason"]), (&json!("absent"), &json!("gone")), "{source:#}");
    assert_eq!(json!([there["status"], there["held"], there["reason"]]), json!(["present", "ours", "in_review"]));
    assert!(there["next_step"].as_str().is_some_and(|it| it.contains("syncwell reviews")), "{there:#}");
    let explain = format!("/v1/records/{}/explain", asked["record"].as_str().context("a record")?);
    let (_, explained) = api(&world, Method::GET, &explain, None).await?;
    let left = &explained[0]["left"];
    assert_eq!((&left["reason"], &left["review"]), (&json!("in_review"), &asked["id"]), "{explained:#}");
    assert_eq!(left["next_step"], there["next_step"]);
    answer(&world, &asked, "keep").await?;
    let (there, source) = cells(&world).await?;
    assert_eq!((&there["reason"], &source["reason"]), (&Value::Null, &json!("gone")), "{there:#}");
    let (_, explained) = api(&world, Method::GET, &explain, None).await?;
    assert_eq!(explained[0]["left"]["reason"], "deletion_kept", "{explained:#}");
    answer(&world, &asked, "delete").await?;
    let (_, explained) = api(&world, Method::GET, &explain, None).await?;
    assert_eq!(explained[0]["left"], Value::Null, "{explained:#}");
    Ok(())
}
