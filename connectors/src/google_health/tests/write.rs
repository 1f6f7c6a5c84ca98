//! Writing, over real HTTP: one record there, whatever is lost on the way.

use super::setup::{Bench, Case, USER, at, empty, window};
use crate::simulator::{Fault, FaultKind};
use engine::provider::{Action, DataProvider, Delivery, ProviderError, Receipt, What, WriteOperation};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, OpId, Subject},
    record::{
        Body, Nutrition, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Series, Sleep, SleepStage,
        Span,
    },
    workout::{Lap, Sport, Streams, Workout},
};
use serde_json::json;
use std::collections::BTreeMap;

fn record(data_type: DataType, end: &str, body: Body) -> Record {
    let origin = Origin {
        provider: "withings".into(),
        connection: None,
        record: "w-1".into(),
        modified_at: None,
        device: Some("Body+".into()),
        method: RecordingMethod::Automatic,
        marker: None,
    };
    let time = Span { start: at("2026-06-01T05:05:00.250Z"), end: at(end), offset_seconds: Some(7_200), zone: None };
    Record {
        data_type,
        origin,
        time,
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

const START: &str = "2026-06-01T05:05:00.250Z";

fn quantity(data_type: DataType, value: f64) -> Record {
    record(data_type, START, Body::Quantity(Quantity { value }))
}

fn sleep() -> Record {
    let sleep = Sleep {
        stage_offsets_ms: vec![0, 600_000, 1_200_000, 3_000_000],
        stage_durations_ms: vec![600_000, 600_000, 1_800_000, 600_000],
        stages: vec![SleepStage::InBed, SleepStage::Light, SleepStage::Deep, SleepStage::OutOfBed],
        is_nap: true,
    };
    record(DataType::Sleep, "2026-06-01T06:05:00.250Z", Body::Sleep(sleep))
}

fn workout() -> Record {
    let workout = Workout {
        sport: Sport::TrailRunning,
        sport_detail: Some("Trail".into()),
        title: None,
        notes: Some("muddy".into()),
        moving_ms: Some(1_800_500),
        distance_m: Some(5_123.456_7),
        energy_kcal: Some(321.5),
        ascent_m: Some(120.0),
        heart_rate_mean: Some(149.4),
        heart_rate_max: Some(171.0),
        cadence_mean: Some(172.0),
        power_mean: Some(250.0),
        steps: Some(5_100),
        laps: vec![Lap { elapsed_ms: 900_000, ..Lap::default() }],
        streams: Streams { offsets_ms: vec![0, 1_000], ..Streams::default() },
    };
    record(DataType::Workout, "2026-06-01T06:05:00Z", Body::Workout(Box::new(workout)))
}

fn nutrition() -> Record {
    let nutrients_g = BTreeMap::from([("fat", 12.0), ("carbohydrate", 40.5), ("protein", 9.0), ("fiber", 3.25)]);
    let food = Nutrition {
        name: Some("Porridge".into()),
        meal: Some("breakfast".into()),
        energy_kcal: Some(310.0),
        nutrients_g: nutrients_g.into_iter().map(|(name, grams)| (name.to_owned(), grams)).collect(),
    };
    record(DataType::Nutrition, START, Body::Nutrition(food))
}

/// One record of every type that can be written.
fn all() -> [Record; 7] {
    [
        quantity(DataType::Weight, 75.1),
        quantity(DataType::BodyFat, 17.2),
        quantity(DataType::Height, 181.3),
        quantity(DataType::Hydration, 250.0),
        sleep(),
        workout(),
        nutrition(),
    ]
}

fn item(record: &Record) -> ItemId {
    let connection = ConnectionId::derived(&Subject("s".into()), "google_health", USER);
    ItemId::derived(connection, record.data_type.name(), connection, &record.origin.record)
}

impl Bench {
    /// Brings an action of `record`'s item.
    async fn act(&self, record: &Record, action: Action<'_>) -> Result<Receipt, ProviderError> {
        let item = item(record);
        let op = OpId::derived(ConnectionId::derived(&Subject("s".into()), "google_health", USER), item, 1);
        self.provider.write(&self.session, &WriteOperation { op, item, version: 1, action }).await
    }

    async fn create(&self, record: &Record) -> Result<Receipt, ProviderError> {
        let projected = self.provider.project(record).unwrap();
        self.act(record, Action::Create { record: &projected }).await
    }

    async fn update(&self, record: &Record) -> Result<Receipt, ProviderError> {
        let projected = self.provider.project(record).unwrap();
        let id = item(record).to_string();
        self.act(record, Action::Update { external_id: &id, record: &projected }).await
    }

    async fn delete(&self, record: &Record) -> Result<Receipt, ProviderError> {
        let id = item(record).to_string();
        self.act(record, Action::Delete { external_id: &id, data_type: record.data_type }).await
    }

    /// The one record of that type around the start of the records of this file, checked to be ours and as wanted.
    async fn holds(&self, wanted: &Record) {
        let around = window("2026-06-01T05:02:00Z", "2026-06-01T05:08:00Z");
        let found = self.provider.find(&self.session, wanted.data_type, around).await.unwrap();
        assert_eq!(found.len(), 1, "{}", wanted.data_type);
        let id = item(wanted).to_string();
        assert_eq!((found[0].external_id.as_str(), found[0].marker.as_ref()), (id.as_str(), Some(&id)));
        let projected = self.provider.project(wanted).unwrap();
        assert_eq!((&found[0].record.body, &found[0].record.time), (&projected.body, &projected.time));
    }

    fn creates(&self) -> usize {
        self.simulator.kit().effects().iter().filter(|it| it.starts_with("create ")).count()
    }
}

fn applied(record: &Record) -> Result<Receipt, ProviderError> {
    Ok(Receipt::Applied { external_id: item(record).to_string() })
}

#[tokio::test]
async fn what_is_written_is_read_back_as_projected_and_carries_our_mark() {
    let bench = empty().await;
    for record in all() {
        assert_eq!(bench.create(&record).await, applied(&record), "{}", record.data_type);
        bench.holds(&record).await;
        let changed = match &record.body {
            Body::Quantity(it) => Record { body: Body::Quantity(Quantity { value: it.value + 1.0 }), ..record.clone() },
            _ => Record { time: Span { end: at("2026-06-01T07:05:00Z"), ..record.time.clone() }, ..record.clone() },
        };
        let can_update = bench.provider.profile().of(record.data_type).unwrap().update.is_some();
        assert_eq!(can_update, record.data_type != DataType::Nutrition);
        if can_update {
            assert_eq!(bench.update(&changed).await, applied(&record), "{}", record.data_type);
            bench.holds(&changed).await;
        } else {
            assert!(matches!(bench.update(&changed).await, Err(ProviderError::Unsupported { .. })));
        }
        assert_eq!(bench.delete(&record).await, applied(&record), "{}", record.data_type);
        assert_eq!(bench.delete(&record).await, Err(ProviderError::NotFound));
        assert_eq!(bench.update(&quantity(DataType::Weight, 70.0)).await, Err(ProviderError::NotFound));
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_can_be_sent_again() {
    for kind in [FaultKind::ReplyLost, FaultKind::HalfBody] {
        let bench = empty().await;
        for record in all() {
            bench.simulator.kit().plan(Fault::once("POST", "dataPoints", kind.clone()));
            assert!(matches!(bench.create(&record).await, Err(ProviderError::Unknown { .. })));
            assert_eq!(bench.create(&record).await, applied(&record), "{}", record.data_type);
            bench.holds(&record).await;
        }
        assert_eq!(bench.creates(), all().len(), "one record an item");
    }
}

#[tokio::test]
async fn a_create_of_a_newer_version_brings_the_record_that_is_there_up_to_it() {
    let bench = empty().await;
    let (first, second) = (quantity(DataType::Weight, 75.1), quantity(DataType::Weight, 75.3));
    bench.create(&first).await.unwrap();
    assert_eq!(bench.create(&second).await, applied(&second));
    bench.holds(&second).await;
    assert_eq!(bench.creates(), 1);

    // A nutrition log cannot be changed: it is said to be ours, and the newer one is written as another item.
    let mut food = nutrition();
    bench.create(&food).await.unwrap();
    food.body = Body::Nutrition(Nutrition { name: Some("Toast".into()), ..Nutrition::default() });
    let ours = Receipt::Duplicate { external_id: item(&food).to_string(), ours: true };
    assert_eq!(bench.create(&food).await, Ok(ours));
}

#[tokio::test]
async fn a_write_is_unknown_only_when_it_may_have_been_done() {
    let bench = empty().await;
    let weight = quantity(DataType::Weight, 75.1);
    let answer = |status, body: &str| FaultKind::Answer { status, headers: Vec::new(), body: body.into() };
    let cases: [Case; 9] = [
        (answer(429, "{}"), |it| matches!(it, ProviderError::Throttled { .. })),
        (answer(400, r#"{"error":{"status":"INVALID_ARGUMENT"}}"#), |it| {
            *it == ProviderError::Refused { reason: "status 400 INVALID_ARGUMENT".into() }
        }),
        (answer(401, "{}"), |it| *it == ProviderError::TokenExpired),
        (answer(403, "{}"), |it| matches!(it, ProviderError::Forbidden { .. })),
        (answer(409, "{}"), |it| matches!(it, ProviderError::Unknown { .. })),
        (answer(503, "<html>"), |it| matches!(it, ProviderError::Unknown { .. })),
        (answer(200, "<html>"), |it| matches!(it, ProviderError::Unknown { .. })),
        (answer(200, r#"{"name":"operations/1","done":false}"#), |it| matches!(it, ProviderError::Unknown { .. })),
        (answer(200, r#"{"done":true,"error":{"code":3}}"#), |it| matches!(it, ProviderError::Refused { .. })),
    ];
    for (kind, fits) in cases {
        bench.simulator.kit().plan(Fault::once("POST", "dataPoints", kind.clone()));
        let err = bench.create(&weight).await.unwrap_err();
        assert!(fits(&err), "{kind:?}: {err:?}");
    }
    assert_eq!(bench.creates(), 0);
    assert_eq!(bench.create(&weight).await, applied(&weight));
}

#[tokio::test]
async fn a_record_of_another_writer_is_found_and_is_not_ours() {
    let bench = empty().await;
    let sample = json!({"physicalTime": START, "utcOffset": "0s"});
    let manual = json!({"name": "x/w-by-hand", "dataSource": {"platform": "FITBIT"}, "weight": {"sampleTime": sample, "weightGrams": 75_100}});
    bench.simulator.add(USER, "weight", manual);
    // An id of ours that did not come through the web API was not written by us either.
    let id = item(&quantity(DataType::Weight, 1.0));
    let posing = json!({"name": format!("x/{id}"), "dataSource": {"platform": "HEALTH_CONNECT"}, "weight": {"sampleTime": sample, "weightGrams": 75_100}});
    bench.simulator.add(USER, "weight", posing);
    let around = window("2026-06-01T05:02:00Z", "2026-06-01T05:08:00Z");
    let found = bench.provider.find(&bench.session, DataType::Weight, around).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|it| it.marker.is_none()));
}

#[tokio::test]
async fn a_night_is_found_by_when_it_was_though_google_lists_it_by_its_end() {
    let bench = empty().await;
    let mut night = sleep();
    night.time.end = at("2026-06-01T14:05:00Z");
    bench.create(&night).await.unwrap();
    bench.holds(&night).await;
    let listed =
        bench.all(DataType::Sleep, What::Window(window("2026-06-01T05:02:00Z", "2026-06-01T05:08:00Z"))).await.unwrap();
    assert!(listed.0.is_empty());
}

#[tokio::test]
async fn that_google_takes_our_short_sleep_for_a_nap_is_no_edit_of_the_person() {
    let bench = empty().await;
    let mut short = sleep();
    short.body = Body::Sleep(Sleep::default());
    bench.create(&short).await.unwrap();
    assert_eq!(bench.simulator.points(USER, "sleep")[0]["sleep"]["metadata"]["nap"], true);
    bench.holds(&short).await;
}

#[test]
fn what_google_cannot_hold_is_refused_with_what_would_work() {
    let provider = crate::google_health::GoogleHealth::default();
    let series = Body::Series(Series { offsets_ms: vec![0], values: vec![60.0] });
    let total = Record { is_daily_total: true, ..quantity(DataType::Hydration, 2_000.0) };
    let cases = [
        (quantity(DataType::Steps, 500.0), "Health Connect"),
        (record(DataType::HeartRate, START, series), "Health Connect"),
        (quantity(DataType::RestingHeartRate, 60.0), "Health Connect"),
        (total, "sync its parts"),
        (quantity(DataType::Weight, 7_500.0), "no living person"),
        (quantity(DataType::Weight, f64::NAN), "missing"),
        (quantity(DataType::Sleep, 8.0), "another kind"),
    ];
    for (record, expected) in cases {
        let reason = provider.project(&record).unwrap_err();
        assert!(reason.contains(expected), "{}: {reason}", record.data_type);
    }
    for it in &provider.profile().types {
        let can_write = all().iter().any(|record| record.data_type == it.data_type);
        assert_eq!(it.create, can_write.then_some(Delivery::Listable { keyed: true }), "{}", it.data_type);
        assert_eq!((it.delete, it.look), (it.create, can_write));
    }
}

#[test]
fn what_google_keeps_of_a_record_it_keeps_wholly() {
    let provider = crate::google_health::GoogleHealth::default();
    for record in all() {
        let once = provider.project(&record).unwrap();
        assert_eq!(provider.project(&once).unwrap(), once, "{}", record.data_type);
        assert_eq!(once.origin, record.origin);
    }
    let Body::Workout(kept) = provider.project(&workout()).unwrap().body else { panic!("no workout") };
    assert_eq!(
        (kept.sport, kept.title.as_deref(), kept.notes.as_deref()),
        (Sport::Running, Some("Running"), Some("muddy"))
    );
    assert_eq!(
        (kept.moving_ms, kept.distance_m, kept.heart_rate_mean),
        (Some(1_800_500), Some(5_123.457), Some(149.0))
    );
    assert_eq!(
        (kept.heart_rate_max, kept.power_mean, kept.laps.len(), kept.streams.offsets_ms.len()),
        (None, None, 0, 0)
    );
    let Body::Sleep(kept) = provider.project(&sleep()).unwrap().body else { panic!("no sleep") };
    assert_eq!(kept.stages, [SleepStage::Light, SleepStage::Deep, SleepStage::Awake]);
    let drink = provider.project(&quantity(DataType::Hydration, 250.0)).unwrap();
    assert_eq!(drink.time.end.0 - drink.time.start.0, 30_000, "google refuses an empty interval");
}
