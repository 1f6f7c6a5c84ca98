//! Eight mistakes that mappers are known to make, each repaired from the log without asking a provider again.

use super::{reads, repair, shadow, total};
use crate::data::{run, weight};
use anyhow::{Context, Result};
use async_trait::async_trait;
use engine::{
    provider::{
        Action, Authorize, Catalog, DataProvider, Delivery, FetchRequest, Found, Grant, MapperError, Normal, Page,
        Profile, ProviderError, RawPage, Receipt, Tokens, Usage, WriteOperation,
    },
    session::Session,
};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    time::Interval,
    workout::Sport,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tests::{ATHLETE, End, USER, World, told};

type Bug = fn(&mut Record);

/// A connector whose mapper 1 makes a mistake; its mapper 2 is the right one.
#[derive(Debug)]
pub(super) struct Buggy {
    inner: Arc<dyn DataProvider>,
    profile: Profile,
    bug: Bug,
}

#[async_trait]
impl DataProvider for Buggy {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn authorize_url(&self, request: &Authorize<'_>) -> Option<String> {
        self.inner.authorize_url(request)
    }

    async fn exchange(
        &self,
        session: &Session,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Grant, ProviderError> {
        self.inner.exchange(session, code, verifier, redirect).await
    }

    async fn refresh(&self, session: &Session, tokens: &Tokens) -> Result<Tokens, ProviderError> {
        self.inner.refresh(session, tokens).await
    }

    async fn fetch(&self, session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
        self.inner.fetch(session, request).await
    }

    fn normalize(&self, page: &RawPage<'_>) -> Result<Normal, MapperError> {
        let mut normal = self.inner.normalize(page)?;
        if self.profile.mapper_version == 1 {
            normal.records.iter_mut().for_each(self.bug);
        }
        Ok(normal)
    }

    fn normalize_as(&self, version: i32, page: &RawPage<'_>) -> Option<Result<Normal, MapperError>> {
        let profile = Profile { mapper_version: version, ..self.profile.clone() };
        let of = Self { inner: Arc::clone(&self.inner), profile, bug: self.bug };
        matches!(version, 1 | 2).then(|| of.normalize(page))
    }

    fn project(&self, record: &Record) -> Result<Record, String> {
        self.inner.project(record)
    }

    async fn find(
        &self,
        session: &Session,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Found>, ProviderError> {
        self.inner.find(session, data_type, window).await
    }

    fn delivery(&self, action: &Action<'_>) -> Option<Delivery> {
        self.inner.delivery(action)
    }

    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        self.inner.write(session, operation).await
    }

    async fn poll(
        &self,
        session: &Session,
        operation: &WriteOperation<'_>,
        handle: &str,
    ) -> Result<Receipt, ProviderError> {
        self.inner.poll(session, operation, handle).await
    }

    fn usage(&self, headers: &reqwest::header::HeaderMap) -> Vec<Usage> {
        self.inner.usage(headers)
    }
}

/// Every provider, with this mapper of the one that makes the mistake.
pub(super) fn catalog(provider: &str, version: i32, bug: Bug) -> Catalog {
    let wrap = |it: &Arc<dyn DataProvider>| -> Arc<dyn DataProvider> {
        if it.profile().id != provider {
            return Arc::clone(it);
        }
        let profile = Profile { mapper_version: version, ..it.profile().clone() };
        Arc::new(Buggy { inner: Arc::clone(it), profile, bug })
    };
    Catalog::new(connectors::catalog().iter().map(wrap).collect::<Vec<_>>())
}

/// A mistake, where it is made, and how a diff tells of it.
struct Case {
    provider: &'static str,
    to: &'static str,
    data_type: DataType,
    bug: Bug,
    seed: fn(&World),
    records: Value,
    fields: &'static [&'static str],
}

/// Syncs by the wrong mapper, upgrades, looks, repairs; then the destination holds what the right one makes.
async fn check(case: Case) -> Result<()> {
    let Case { provider, to, data_type, bug, seed, records, fields } = case;
    let mut world = World::with(catalog(provider, 1, bug)).await?;
    seed(&world);
    world.route(provider, to, data_type).await?;
    world.sync(provider, &[to], data_type).await?;
    let mut world = world.upgraded(End::Drained, catalog(provider, 2, bug)).await?;
    world.forget();

    let found = shadow(&world, "mend", json!({"provider": provider})).await?;
    assert_eq!(total(&found, "records"), &records, "{found}");
    let named: Vec<_> = total(&found, "fields").as_object().context("fields")?.keys().cloned().collect();
    assert_eq!(named, fields);
    assert!(world.google.kit().journal().is_empty() && world.strava.kit.journal().is_empty(), "a shadow calls nobody");
    let done = repair(&world, &found).await?;
    assert_eq!(done["left"], json!([]), "{done}");
    assert_eq!((reads(world.google.kit()), reads(&world.strava.kit)), (vec![], vec![]), "it was read from the log");

    let again = shadow(&world, "look-again", json!({"provider": provider})).await?;
    assert_eq!(total(&again, "operations"), &json!({}), "nothing more would follow: {again}");
    let status = world.sync(provider, &[to], data_type).await?;
    let kept = told(&status);
    assert!(kept.starts_with(&format!("done; {to}: ")) && kept.ends_with("skipped unchanged"), "{kept}");
    if to == "files" {
        let n_read: i64 = status.read.iter().map(|it| it.count).sum();
        assert_eq!(world.folder(data_type).await?.len() as i64, n_read, "nothing is there twice");
    }
    world.is_at_rest().await
}

fn quantity(record: &mut Record, change: fn(f64) -> f64) {
    if let Body::Quantity(quantity) = &mut record.body {
        quantity.value = change(quantity.value);
    }
}

fn moved(record: &mut Record, by: Duration) {
    (record.time.start, record.time.end) = (record.time.start.plus(by), record.time.end.plus(by));
}

fn two_runs(world: &World) {
    world.strava.seed_activity(ATHLETE, run("2026-06-20T06:00:00Z", "Morning"), None);
    world.strava.seed_activity(ATHLETE, run("2026-06-21T06:00:00Z", "Evening"), None);
}

fn two_weighings(world: &World) {
    world.google.add(USER, "weight", weight("1001", "2026-06-20T06:00:00Z", 70_000));
    world.google.add(USER, "weight", weight("1002", "2026-06-24T06:00:00Z", 71_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn rmssd_that_was_labelled_sdnn_becomes_rmssd() -> Result<()> {
    check(Case {
        provider: "google_health",
        to: "files",
        data_type: DataType::HrvRmssd,
        bug: |it| it.data_type = DataType::HrvSdnn,
        seed: |world| {
            let day = json!({"year": 2026, "month": 6, "day": 3});
            let point = json!({
                "name": "users/me/dataTypes/daily-heart-rate-variability/dataPoints/1001",
                "dataSource": {"recordingMethod": "DERIVED", "platform": "FITBIT"},
                "dailyHeartRateVariability": {"date": day, "averageHeartRateVariabilityMilliseconds": 35.9},
            });
            world.google.add(USER, "daily-heart-rate-variability", point);
        },
        records: json!({"created": 1, "gone": 1}),
        fields: &[],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pounds_that_were_taken_for_kilograms_become_kilograms() -> Result<()> {
    check(Case {
        provider: "google_health",
        to: "files",
        data_type: DataType::Weight,
        bug: |it| quantity(it, |kilograms| kilograms * 2.204_62),
        seed: two_weighings,
        records: json!({"changed": 2}),
        fields: &["body.quantity.value"],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn local_time_that_was_taken_for_utc_becomes_utc() -> Result<()> {
    check(Case {
        provider: "strava",
        to: "files",
        data_type: DataType::Workout,
        bug: |it| moved(it, Duration::from_secs(7_200)),
        seed: two_runs,
        records: json!({"changed": 2}),
        fields: &["time.end", "time.start"],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_total_that_was_counted_as_a_sample_becomes_a_total() -> Result<()> {
    check(Case {
        provider: "google_health",
        to: "files",
        data_type: DataType::TotalEnergy,
        bug: |it| it.is_daily_total = false,
        seed: |world| world.google.seed_demo(USER, 3),
        records: json!({"changed": 14}),
        fields: &["is_daily_total"],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_was_off_by_one_becomes_the_right_one() -> Result<()> {
    check(Case {
        provider: "google_health",
        to: "files",
        data_type: DataType::Weight,
        bug: |it| moved(it, Duration::from_secs(86_400)),
        seed: two_weighings,
        records: json!({"changed": 2}),
        fields: &["time.end", "time.start"],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_fat_fraction_that_was_taken_for_percent_becomes_percent() -> Result<()> {
    check(Case {
        provider: "google_health",
        to: "files",
        data_type: DataType::BodyFat,
        bug: |it| quantity(it, |percent| percent / 100.0),
        seed: |world| {
            for (id, time, percent) in [("1", "2026-06-20T06:00:00Z", 21.5), ("2", "2026-06-21T06:00:00Z", 55.0)] {
                let point = json!({
                    "name": format!("users/me/dataTypes/body-fat/dataPoints/{id}"),
                    "dataSource": {"recordingMethod": "MANUAL", "platform": "FITBIT"},
                    "bodyFat": {"sampleTime": {"physicalTime": time, "utcOffset": "7200s"}, "percentage": percent},
                });
                world.google.add(USER, "body-fat", point);
            }
        },
        // 0.215 % was not believed, and left out.
        records: json!({"changed": 1, "created": 1}),
        fields: &["body.quantity.value"],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn laps_that_were_lost_come_back() -> Result<()> {
    check(Case {
        provider: "strava",
        to: "files",
        data_type: DataType::Workout,
        bug: |it| {
            if let Body::Workout(workout) = &mut it.body {
                workout.laps.clear();
            }
        },
        seed: |world| {
            let mut detail = run("2026-06-20T06:00:00Z", "Intervals");
            let lap = |start: &str| {
                json!({"name": "Lap", "elapsed_time": 900, "moving_time": 900, "start_date": start, "distance": 2_600.0})
            };
            detail["laps"] = json!([lap("2026-06-20T06:00:00Z"), lap("2026-06-20T06:15:00Z")]);
            world.strava.seed_activity(ATHLETE, detail, None);
        },
        records: json!({"changed": 1}),
        fields: &["body.workout.laps"],
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_sport_becomes_the_right_one() -> Result<()> {
    check(Case {
        provider: "strava",
        to: "google_health",
        data_type: DataType::Workout,
        bug: wrong_sport,
        seed: two_runs,
        records: json!({"changed": 2}),
        fields: &["body.workout.sport"],
    })
    .await
}

/// Every run was a hike.
pub(super) fn wrong_sport(record: &mut Record) {
    if let Body::Workout(workout) = &mut record.body {
        workout.sport = Sport::Hiking;
    }
}

/// A connector whose mapper takes no page.
#[derive(Debug)]
pub(super) struct Refusing(pub(super) Arc<dyn DataProvider>);

#[async_trait]
impl DataProvider for Refusing {
    fn profile(&self) -> &Profile {
        self.0.profile()
    }

    fn authorize_url(&self, request: &Authorize<'_>) -> Option<String> {
        self.0.authorize_url(request)
    }

    async fn exchange(
        &self,
        session: &Session,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Grant, ProviderError> {
        self.0.exchange(session, code, verifier, redirect).await
    }

    async fn fetch(&self, session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
        self.0.fetch(session, request).await
    }

    fn normalize(&self, _: &RawPage<'_>) -> Result<Normal, MapperError> {
        Err(MapperError("this mapper takes nothing".into()))
    }

    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        self.0.write(session, operation).await
    }
}
