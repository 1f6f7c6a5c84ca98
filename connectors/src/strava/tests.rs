//! Rules of the connector: the mapper against recordings and golden truth, the verbs against the simulator over HTTP.

mod access;
mod faults;
mod mapper;
mod projection;
mod reading;
mod webhooks;
mod writing;

use super::{
    Strava,
    simulator::{Athlete, Options, Simulator},
};
use crate::simulator::{Kit, Running};
use engine::{
    provider::{DataProvider, FetchRequest, Normal, Page, ProviderError, RawPage, What},
    session::{Client, Session, Unlimited, http_client},
};
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::{Instant, Interval},
    workout::{Column, Streams, Workout},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

const ATHLETE: u64 = 39_731_304;
const ALL_SCOPES: &str = "read,activity:read_all,activity:write";

/// A simulator that runs, with one athlete and a session of theirs.
struct Bench {
    strava: Strava,
    simulator: Simulator,
    session: Session,
    _running: Running,
}

impl Bench {
    async fn new(options: Options) -> Self {
        let kit = Kit::default();
        kit.set_now(at("2026-05-04T10:07:00Z"));
        let simulator = Simulator::new(kit, options);
        simulator.seed_athlete(Athlete { id: ATHLETE, offset_seconds: 7200, zone: "Europe/Berlin".into() });
        let running = simulator.start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let session = Session {
            http: http_client().unwrap(),
            base_url: format!("{}/api/v3", running.url),
            token_url: running.url.clone(),
            access_token: Some(simulator.grant(ATHLETE, ALL_SCOPES).access),
            client: Client { id: "24523".into(), secret: "client-secret".into() },
            call_max: Duration::from_secs(20),
            body_bytes_max: 4 << 20,
            send_by: None,
            clock: engine::clock::Clock::real(),
            permits: Arc::new(Unlimited),
        };
        Self { strava: Strava::default(), simulator, session, _running: running }
    }

    fn seed_golden(&self) -> u64 {
        self.simulator.seed_activity(
            ATHLETE,
            json(include_str!("fixtures/golden/berlin_plain/activity.json")),
            Some(json(include_str!("fixtures/golden/berlin_plain/streams_key_by_type.json"))),
        )
    }

    async fn fetch(&self, what: What, cursor: Option<String>) -> Result<Page, ProviderError> {
        let request = FetchRequest { data_type: DataType::Workout, what, cursor };
        self.strava.fetch(&self.session, &request).await
    }

    /// Every page of a request, mapped.
    async fn read(&self, what: What) -> Vec<Record> {
        let (mut records, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.fetch(what.clone(), cursor).await.unwrap();
            let normal = normalize(&page.body).unwrap();
            assert_eq!(normal.issues, []);
            records.extend(normal.records);
            cursor = page.next;
            if cursor.is_none() {
                return records;
            }
        }
    }
}

#[track_caller]
fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn always() -> Interval {
    Interval { from: at("2001-01-01T00:00:00Z"), to: at("2030-01-01T00:00:00Z") }
}

fn normalize(body: &[u8]) -> Result<Normal, String> {
    let page = RawPage { data_type: Some(DataType::Workout), content_type: "application/json", body, name: "" };
    Strava::default().normalize(&page).map_err(|err| err.to_string())
}

#[track_caller]
fn workout(record: &Record) -> &Workout {
    match &record.body {
        Body::Workout(it) => it,
        other => panic!("no workout: {other:?}"),
    }
}

/// A workout of another provider, of half an hour.
fn foreign(workout: Workout) -> Record {
    let start = at("2026-05-03T16:00:00Z");
    Record {
        data_type: DataType::Workout,
        origin: Origin {
            provider: "files".into(),
            connection: None,
            record: "1".into(),
            modified_at: None,
            device: None,
            method: RecordingMethod::Active,
            marker: None,
        },
        time: Span {
            start,
            end: start.plus(Duration::from_secs(1800)),
            offset_seconds: Some(7200),
            zone: Some("Europe/Berlin".into()),
        },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body: Body::Workout(Box::new(workout)),
    }
}

/// A run with all that a file holds, one moment in thirty seconds.
fn measured() -> Workout {
    let n = 61_i32;
    let column = |value: &dyn Fn(f64) -> f64| Column((0..n).map(|it| value(f64::from(it))).collect());
    Workout {
        sport: schemas::workout::Sport::Running,
        title: Some("Evening run".into()),
        notes: Some("with Ana".into()),
        distance_m: Some(5_123.45),
        energy_kcal: Some(311.4),
        streams: Streams {
            offsets_ms: (0..n).map(|it| i64::from(it) * 30_000).collect(),
            latitude: column(&|it| 52.516_271_9 + it * 0.000_123_4),
            longitude: column(&|it| 13.377_703_1 - it * 0.000_234_5),
            altitude: column(&|it| 34.17 + it * 0.33),
            heart_rate: column(&|it| 120.4 + it / 3.0),
            cadence: column(&|it| 158.0 + it % 7.0),
            power: column(&|it| 230.6 + it),
            speed: column(&|it| 2.812_34 + it / 1000.0),
            distance: column(&|it| it * 85.391),
            temperature: column(&|it| 18.0 + it % 3.0),
        },
        ..Workout::default()
    }
}
