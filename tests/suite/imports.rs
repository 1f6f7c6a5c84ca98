//! Files that a person gives.

use crate::journal::{calls, verbs, writes};
use anyhow::Result;
use connectors::{
    files::RECORDED_RUN,
    simulator::{Fault, FaultKind},
};
use schemas::data_type::DataType;
use tests::{ATHLETE, World, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_imported_twice_is_one_activity() -> Result<()> {
    let mut world = World::new().await?;
    let first = world.import(RECORDED_RUN, &["strava", "files"]).await?;
    assert!(told(&first).contains("strava: 1 created"), "{}", told(&first));
    let files = world.folder(DataType::Workout).await?;
    let second = world.import(RECORDED_RUN, &["strava", "files"]).await?;
    assert!(told(&second).contains("strava: 1 skipped unchanged"), "{}", told(&second));
    assert!(!told(&second).contains("created"), "{}", told(&second));
    assert_eq!(verbs(&world.effects()[0]), ["create"]);
    assert_eq!(world.strava.activities(ATHLETE).len(), 1);
    assert_eq!((files.len(), world.folder(DataType::Workout).await?), (1, files));
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_answer_was_lost_is_one_activity() -> Result<()> {
    for kind in [FaultKind::ReplyLost, FaultKind::HalfBody] {
        let mut world = World::new().await?;
        world.strava.kit.plan(Fault::once("POST", "/uploads", kind));
        let status = world.import(RECORDED_RUN, &["strava"]).await?;
        assert_eq!(told(&status).split("; ").nth(1), Some("strava: 1 created"));
        assert_eq!(world.strava.activities(ATHLETE).len(), 1);
        assert_eq!(verbs(&world.effects()[0]), ["create"]);
        assert_eq!(writes(&world.strava.kit).len(), 2, "it was sent again, and Strava said that it is there");
        let rows = world.rows("strava", DataType::Workout).await?;
        assert!(rows.iter().all(|it| it.owned && it.version == 1), "{rows:?}");
        world.is_at_rest().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_person_uploaded_by_themselves_is_not_uploaded_again() -> Result<()> {
    let mut world = World::new().await?;
    world.import(RECORDED_RUN, &["strava"]).await?;
    // To the other person it is a foreign record: same run, no mark of theirs, and nothing known of it.
    let mut detail = world.strava.activity(world.strava.activities(ATHLETE)[0]).unwrap_or_default();
    detail["external_id"] = "watch-1.fit".into();
    detail["id"] = serde_json::Value::Null;
    world.sign_in("other", 8, "115500000000000000008").await?;
    world.strava.seed_activity(8, detail, None);
    world.forget();
    let status = world.import(RECORDED_RUN, &["strava"]).await?;
    assert!(told(&status).contains("strava: 1 skipped foreign"), "{}", told(&status));
    assert!(calls(&world.strava.kit, "POST", "/uploads").is_empty());
    world.is_at_rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_recording_is_salvaged_and_says_so() -> Result<()> {
    let mut world = World::new().await?;
    let (name, bytes) = RECORDED_RUN;
    let status = world.import((name, &bytes[..bytes.len() * 2 / 3]), &["files"]).await?;
    assert!(told(&status).contains("files: 1 created"), "{}", told(&status));
    let codes: Vec<&str> = status.issues.iter().map(|it| it.code.as_str()).collect();
    assert!(codes.contains(&"truncated"), "{codes:?}");
    assert_eq!(
        world
            .folder(DataType::Workout)
            .await?
            .iter()
            .filter(|it| it.extension().is_some_and(|it| it == "json"))
            .count(),
        1
    );
    world.is_at_rest().await
}

/// Two runs without points; of the first nobody knows the offset from UTC.
const TWO_RUNS: &str = r#"<?xml version="1.0"?>
<TrainingCenterDatabase><Activities>
<Activity Sport="Running"><Id>2026-06-20T06:00:00Z</Id><Lap StartTime="2026-06-20T06:00:00Z">
<TotalTimeSeconds>1800</TotalTimeSeconds><DistanceMeters>5200</DistanceMeters></Lap></Activity>
<Activity Sport="Running"><Id>2026-06-21T06:00:00Z</Id><Lap StartTime="2026-06-21T08:00:00+02:00">
<TotalTimeSeconds>1800</TotalTimeSeconds><DistanceMeters>5200</DistanceMeters></Lap></Activity>
</Activities></TrainingCenterDatabase>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_go_is_refused_with_a_reason_and_the_others_go() -> Result<()> {
    let mut world = World::new().await?;
    for other in ["1 created", "1 skipped unchanged"] {
        let status = world.import(("two.tcx", TWO_RUNS.as_bytes()), &["strava"]).await?;
        assert_eq!(told(&status), format!("partial; strava: {other}, 1 refused not_writable"));
    }
    assert_eq!(world.strava.activities(ATHLETE).len(), 1);
    assert_eq!(verbs(&world.effects()[0]), ["create"]);
    assert_eq!(calls(&world.strava.kit, "POST", "/activities").len(), 1);
    let status = world.import(("two.tcx", TWO_RUNS.as_bytes()), &["files"]).await?;
    assert_eq!(told(&status), "done; files: 2 created", "a folder takes both");
    world.is_at_rest().await
}

/// A file of three runs, of which the first is not as it should be, and the two others are.
fn one_bad_run_of_three(lap: &str) -> String {
    let run = |id: &str, lap: &str| format!("<Activity Sport=\"Running\"><Id>{id}</Id>{lap}</Activity>");
    let good = |day: &str| {
        let start = format!("2026-06-{day}T08:00:00+02:00");
        let lap = format!(
            "<Lap StartTime=\"{start}\"><TotalTimeSeconds>1800</TotalTimeSeconds>\
             <DistanceMeters>5200</DistanceMeters></Lap>"
        );
        run(day, &lap)
    };
    let runs = [run("bad", lap), good("20"), good("21")].concat();
    format!("<?xml version=\"1.0\"?><TrainingCenterDatabase><Activities>{runs}</Activities></TrainingCenterDatabase>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_is_left_out_with_its_issue_and_the_others_go_on() -> Result<()> {
    let mut world = World::new().await?;
    let lap = |start: &str, seconds: &str, inner: &str| {
        format!("<Lap StartTime=\"{start}\"><TotalTimeSeconds>{seconds}</TotalTimeSeconds>{inner}</Lap>")
    };
    let cases = [
        (lap("1970-01-01T00:00:00+02:00", "1800", ""), "past"),
        (lap("2099-06-19T08:00:00+02:00", "1800", ""), "future"),
        (lap("2026-06-19T08:00:00+02:00", "0", ""), "empty"),
        (lap("2026-06-19T08:00:00+02:00", "3456000", ""), "too_long"),
    ];
    for (index, (lap, code)) in cases.iter().enumerate() {
        let file = one_bad_run_of_three(lap);
        let status = world.import((&format!("{code}.tcx"), file.as_bytes()), &["files"]).await?;
        let fate = if index == 0 { "created" } else { "skipped unchanged" };
        assert_eq!(told(&status), format!("done; files: 2 {fate}"), "{code}");
        let issues: Vec<(&str, i32)> = status.issues.iter().map(|it| (it.code.as_str(), it.count)).collect();
        assert_eq!(issues, [(*code, 1)]);
        let read: i64 = status.read.iter().map(|it| it.count).sum();
        assert_eq!(read, 2, "{code}");
    }
    // What can be put right goes on with the others.
    let point = |second: &str| format!("<Trackpoint><Time>2026-06-19T06:00:{second}Z</Time></Trackpoint>");
    let track = format!("<Track>{}{}{}</Track>", point("00"), point("07"), point("07"));
    let file = one_bad_run_of_three(&lap("2026-06-19T08:00:00+02:00", "0", &track));
    let status = world.import(("repeated.tcx", file.as_bytes()), &["files"]).await?;
    assert_eq!(told(&status), "done; files: 1 created, 2 skipped unchanged");
    assert_eq!(status.issues.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["repeated_time"]);
    world.is_at_rest().await
}
