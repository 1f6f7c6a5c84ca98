//! Writing over HTTP.

use super::{ATHLETE, Bench, always, foreign, json, measured, workout};
use crate::{
    simulator::{Fault, FaultKind},
    strava::{simulator::Options, write::duplicate_of},
};
use engine::provider::{Action, DataProvider, ProviderError, Receipt, What, WriteOperation};
use schemas::{
    data_type::DataType,
    id::{ItemId, OpId},
    record::Record,
    workout::{Lap, Workout},
};
use std::time::Duration;

const ITEM: &str = "6f0c0c2e-0d5f-5b1e-9a53-0a1b2c3d4e5f";

fn operation(action: Action<'_>) -> WriteOperation<'_> {
    WriteOperation { op: OpId(ITEM.parse().unwrap()), item: ItemId(ITEM.parse().unwrap()), version: 1, action }
}

impl Bench {
    async fn write(&self, action: Action<'_>) -> Result<Receipt, ProviderError> {
        self.strava.write(&self.session, &operation(action)).await
    }

    /// Writes and asks until there is an end, as the engine does.
    async fn settle(&self, record: &Record) -> Result<Receipt, ProviderError> {
        let mut receipt = self.write(Action::Create { record }).await?;
        while let Receipt::Pending { handle, wait } = receipt {
            assert!(wait >= Duration::from_secs(1));
            receipt = self.strava.poll(&self.session, &operation(Action::Create { record }), &handle).await?;
        }
        Ok(receipt)
    }

    fn project(&self, workout: Workout) -> Record {
        self.strava.project(&foreign(workout)).unwrap()
    }
}

#[track_caller]
fn applied(receipt: Receipt) -> u64 {
    match receipt {
        Receipt::Applied { external_id } => external_id.parse().unwrap(),
        other => panic!("not applied: {other:?}"),
    }
}

fn by_hand() -> Workout {
    Workout {
        sport: schemas::workout::Sport::Yoga,
        title: Some("Slow flow".into()),
        notes: Some("tired\nbut happy".into()),
        energy_kcal: Some(120.0),
        ..Workout::default()
    }
}

#[tokio::test]
async fn an_upload_comes_back_as_it_was_projected_and_carries_our_mark() {
    let bench = Bench::new(Options { n_polls: 3, ..Options::default() }).await;
    let laps = vec![
        Lap { elapsed_ms: 900_000, distance_m: Some(2_500.0), heart_rate_max: Some(140.0), ..Lap::default() },
        Lap { offset_ms: 900_000, elapsed_ms: 900_000, distance_m: Some(2_623.4), ..Lap::default() },
    ];
    let record = bench.project(Workout { laps, ..measured() });
    let id = applied(bench.settle(&record).await.unwrap());
    let [back] = &bench.read(What::Window(always())).await[..] else { panic!("one activity") };
    assert_eq!(back.origin.record, id.to_string());
    assert_eq!(back.origin.marker.as_deref(), Some(ITEM));
    let projected = bench.strava.project(back).unwrap();
    assert_eq!(projected.time, record.time);
    assert_eq!(projected.body, record.body);
    assert_eq!(bench.simulator.kit.effects(), [format!("create {id}")]);
}

#[tokio::test]
async fn an_upload_is_pending_until_strava_has_processed_it() {
    let bench = Bench::new(Options { n_polls: 2, ..Options::default() }).await;
    let record = bench.project(measured());
    let Receipt::Pending { handle, .. } = bench.write(Action::Create { record: &record }).await.unwrap() else {
        panic!("not pending")
    };
    let operation = operation(Action::Create { record: &record });
    for _ in 0..2 {
        let receipt = bench.strava.poll(&bench.session, &operation, &handle).await.unwrap();
        assert!(matches!(receipt, Receipt::Pending { .. }));
    }
    let id = applied(bench.strava.poll(&bench.session, &operation, &handle).await.unwrap());
    bench.simulator.delete_activity(id);
    let gone = bench.strava.poll(&bench.session, &operation, &handle).await.unwrap_err();
    assert_eq!(gone, ProviderError::Refused { reason: "the person deleted the activity at strava".into() });
    let unknown = bench.strava.poll(&bench.session, &operation, "1").await.unwrap_err();
    assert!(matches!(unknown, ProviderError::Unknown { .. }));
    let foreign = bench.strava.poll(&bench.session, &operation, "../athlete").await.unwrap_err();
    assert!(matches!(foreign, ProviderError::Refused { .. }));
}

#[tokio::test]
async fn an_upload_whose_reply_was_lost_is_found_as_our_own_duplicate() {
    for link_duplicates in [false, true] {
        let bench = Bench::new(Options { link_duplicates, ..Options::default() }).await;
        let record = bench.project(measured());
        bench.simulator.kit.plan(Fault::once("POST", "/uploads", FaultKind::ReplyLost));
        let lost = bench.write(Action::Create { record: &record }).await.unwrap_err();
        assert!(matches!(lost, ProviderError::Unknown { .. }), "{lost}");
        let receipt = bench.settle(&record).await.unwrap();
        let [id] = bench.simulator.activities(ATHLETE)[..] else { panic!("one activity") };
        assert_eq!(receipt, Receipt::Duplicate { external_id: id.to_string(), ours: true });
        assert_eq!(bench.simulator.kit.effects(), [format!("create {id}")]);
    }
}

#[tokio::test]
async fn a_duplicate_of_somebody_elses_activity_is_not_ours() {
    let bench = Bench::new(Options::default()).await;
    let id = bench.seed_golden();
    let mut run = measured();
    run.title = None;
    let mut record = bench.project(run);
    record.time.start = super::at("2026-05-03T06:30:00Z");
    record.time.end = super::at("2026-05-03T07:00:00Z");
    let receipt = bench.settle(&record).await.unwrap();
    assert_eq!(receipt, Receipt::Duplicate { external_id: id.to_string(), ours: false });
    assert!(bench.simulator.kit.effects().is_empty());
}

#[tokio::test]
async fn a_workout_without_streams_is_made_by_hand_and_comes_back_as_projected() {
    let bench = Bench::new(Options::default()).await;
    let record = bench.project(by_hand());
    let id = applied(bench.settle(&record).await.unwrap());
    let held = bench.simulator.activity(id).unwrap();
    assert_eq!(held["manual"], true);
    assert_eq!(held["start_date_local"], "2026-05-03T18:00:00Z");
    let back = bench.read(What::Named(vec![id.to_string()])).await.remove(0);
    assert_eq!(back.origin.marker.as_deref(), Some(ITEM));
    assert_eq!(workout(&back).notes.as_deref(), Some("tired\nbut happy"));
    let projected = bench.strava.project(&back).unwrap();
    assert_eq!((projected.time, projected.body), (record.time, record.body));
}

#[tokio::test]
async fn a_hand_made_activity_whose_reply_was_lost_is_found_by_its_mark_and_not_made_again() {
    let bench = Bench::new(Options::default()).await;
    let record = bench.project(by_hand());
    bench.simulator.kit.plan(Fault::once("POST", "/activities", FaultKind::ReplyLost));
    let lost = bench.write(Action::Create { record: &record }).await.unwrap_err();
    assert!(matches!(lost, ProviderError::Unknown { .. }), "{lost}");
    let window = record.time.interval().widened(Duration::from_secs(180));
    let found = bench.strava.find(&bench.session, DataType::Workout, window).await.unwrap();
    assert_eq!(found.iter().map(|it| it.marker.as_deref()).collect::<Vec<_>>(), [Some(ITEM)]);
    let again = bench.write(Action::Create { record: &record }).await.unwrap();
    assert_eq!(again, Receipt::Duplicate { external_id: found[0].external_id.clone(), ours: true });
    assert_eq!(bench.simulator.kit.effects().len(), 1);
}

#[tokio::test]
async fn find_sees_ours_whole_and_others_by_their_summary() {
    let bench = Bench::new(Options::default()).await;
    bench.seed_golden();
    let record = bench.project(measured());
    applied(bench.settle(&record).await.unwrap());
    bench.simulator.kit.clear_journal();
    let found = bench.strava.find(&bench.session, DataType::Workout, always()).await.unwrap();
    assert_eq!(found.iter().map(|it| it.marker.as_deref()).collect::<Vec<_>>(), [None, Some(ITEM)]);
    assert!(workout(&found[0].record).streams.offsets_ms.is_empty());
    assert_eq!(workout(&bench.strava.project(&found[1].record).unwrap()), workout(&record));
    // Two listings, then detail and streams of ours alone.
    assert_eq!(bench.simulator.kit.journal().len(), 4);
}

#[tokio::test]
async fn an_update_changes_the_words_and_keeps_the_mark() {
    let bench = Bench::new(Options::default()).await;
    let mut record = bench.project(by_hand());
    let id = applied(bench.settle(&record).await.unwrap());
    record = bench.project(Workout { title: Some("Fast flow".into()), notes: None, ..by_hand() });
    let receipt = bench.write(Action::Update { external_id: &id.to_string(), record: &record }).await.unwrap();
    assert_eq!(applied(receipt), id);
    let back = bench.read(What::Named(vec![id.to_string()])).await.remove(0);
    assert_eq!(back.origin.marker.as_deref(), Some(ITEM));
    assert_eq!((workout(&back).title.as_deref(), workout(&back).notes.as_deref()), (Some("Fast flow"), None));
    assert_eq!(bench.simulator.kit.effects(), [format!("create {id}"), format!("update {id}")]);
}

#[tokio::test]
async fn an_update_of_an_upload_puts_no_mark_into_its_description() {
    let bench = Bench::new(Options::default()).await;
    let record = bench.project(measured());
    let id = applied(bench.settle(&record).await.unwrap());
    let changed = bench.project(Workout { notes: Some("alone".into()), ..measured() });
    bench.write(Action::Update { external_id: &id.to_string(), record: &changed }).await.unwrap();
    assert_eq!(bench.simulator.activity(id).unwrap()["description"], "alone");
}

#[tokio::test]
async fn what_strava_cannot_change_is_not_reported_as_changed() {
    let bench = Bench::new(Options::default()).await;
    let record = bench.project(measured());
    let id = applied(bench.settle(&record).await.unwrap()).to_string();
    let check = async |record: Record, what: &str| {
        let err = bench.write(Action::Update { external_id: &id, record: &record }).await.unwrap_err();
        assert_eq!(err, ProviderError::Refused { reason: format!("strava cannot change the {what} of an activity") });
    };
    let mut later = record.clone();
    later.time.start = later.time.start.plus(Duration::from_secs(300));
    check(later, "start").await;
    let mut longer = record.clone();
    longer.time.end = longer.time.end.plus(Duration::from_secs(300));
    check(longer, "duration").await;
    check(bench.project(Workout { distance_m: Some(9_000.0), ..measured() }), "distance").await;
    let gone = bench.write(Action::Update { external_id: "17", record: &record }).await.unwrap_err();
    assert_eq!(gone, ProviderError::NotFound);
    let delete = Action::Delete { external_id: &id, data_type: DataType::Workout };
    assert!(matches!(bench.write(delete).await.unwrap_err(), ProviderError::Unsupported { .. }));
    assert_eq!(bench.simulator.kit.effects().len(), 1);
}

#[tokio::test]
async fn a_write_after_its_send_window_sends_nothing() {
    let mut bench = Bench::new(Options::default()).await;
    let record = bench.project(measured());
    bench.session.send_by = tokio::time::Instant::now().checked_sub(Duration::from_secs(1));
    assert_eq!(bench.write(Action::Create { record: &record }).await.unwrap_err(), ProviderError::Late);
    assert_eq!(bench.simulator.kit.journal(), []);
}

#[test]
fn the_duplicate_is_read_out_of_plain_and_linked_texts() {
    let check = |error: &str, id| assert_eq!(duplicate_of(error), id, "{error}");
    check("17611540601.tcx duplicate of activity 8319193780", Some(8_319_193_780));
    check(
        "17611540601.tcx duplicate of <a href='/activities/8319193780' target='_blank'>Run 5</a>",
        Some(8_319_193_780),
    );
    check("duplicate of activity", None);
    check("The file is malformed 17", None);
    check("duplicate of activity 99999999999999999999999", None);
}

#[tokio::test]
async fn the_recorded_upload_is_read_as_it_was_answered() {
    let bench = Bench::new(Options::default()).await;
    let record = bench.project(measured());
    let recorded = json(include_str!("../fixtures/create_upload.json"));
    for it in recorded.as_array().unwrap() {
        let status = u16::try_from(it["status"].as_u64().unwrap()).unwrap();
        let kind = FaultKind::Answer { status, headers: vec![], body: it["json"].to_string() };
        bench.simulator.kit.plan(Fault::once("", "/uploads", kind));
    }
    let receipt = bench.settle(&record).await.unwrap();
    assert_eq!(receipt, Receipt::Applied { external_id: "8319193780".into() });
}

#[tokio::test]
async fn a_workout_that_lost_its_streams_is_not_made_by_hand_beside_its_upload() {
    let bench = Bench::new(Options::default()).await;
    let record = bench.project(measured());
    let id = applied(bench.settle(&record).await.unwrap());
    let bare = bench.project(by_hand());
    let receipt = bench.write(Action::Create { record: &bare }).await.unwrap();
    assert_eq!(receipt, Receipt::Duplicate { external_id: id.to_string(), ours: true });
}

#[tokio::test]
async fn the_trainer_flag_comes_and_goes_with_the_sport_and_is_else_left_alone() {
    let bench = Bench::new(Options::default()).await;
    let sport = |sport| bench.project(Workout { sport, ..by_hand() });
    let id = applied(bench.settle(&sport(schemas::workout::Sport::TreadmillRunning)).await.unwrap());
    let update = async |sport_now| {
        let record = sport(sport_now);
        bench.write(Action::Update { external_id: &id.to_string(), record: &record }).await.unwrap();
        let held = bench.simulator.activity(id).unwrap();
        (held["sport_type"].as_str().unwrap().to_owned(), held["trainer"] == true)
    };
    assert_eq!(bench.simulator.activity(id).unwrap()["trainer"], true);
    assert_eq!(update(schemas::workout::Sport::Running).await, ("Run".into(), false));
    assert_eq!(update(schemas::workout::Sport::IndoorCycling).await, ("Ride".into(), true));
    assert_eq!(update(schemas::workout::Sport::Yoga).await, ("Yoga".into(), true));
}
