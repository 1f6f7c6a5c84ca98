//! A person with accounts, a data directory, and the same wishes in every case.
//!
//! Before any crash one activity is brought to each side. Then one is changed, one is deleted, and more come: several
//! pages of Strava to a keyed destination (class C) and to a folder (class A), Google Health to Strava (class B, and
//! an update of class C), a recorded file to Strava (class B, asked after until it is done), and weights to Google
//! Health and the folder. Strava throttles one of the first reads; Google Health throttles two looks at weights, so
//! that it is split off as a sync of its own, which is then put off.

use super::process::{Api, OFTEN, Process, SELDOM, until};
use anyhow::{Context, Result, ensure};
use connectors::simulator::{Fault, FaultKind};
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tests::{ATHLETE, Outside, USER};
use topology::config::Config;

/// How much later than the one before a process starts: every timer and every quarantine is over by then.
const PAUSE: Duration = Duration::from_secs(400);
/// How long a call hangs: longer than a drain may last.
const HANG: Duration = Duration::from_secs(20);
/// An Apple Health export.
const WEIGHTS: &str = "<HealthData>\
    <Record type='HKQuantityTypeIdentifierBodyMass' sourceName='Scale' unit='kg' value='74.8' \
     startDate='2025-05-01 07:30:00 +0000' endDate='2025-05-01 07:30:00 +0000'/>\
    <Record type='HKQuantityTypeIdentifierBodyMass' sourceName='Scale' unit='kg' value='74.2' \
     startDate='2025-05-02 07:30:00 +0000' endDate='2025-05-02 07:30:00 +0000'/></HealthData>";

/// How a process ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Death {
    /// At the n-th time that it reaches a point of a stage.
    At { stage: &'static str, point: &'static str, n: u32 },
    /// The same, while this command alone is on its way: which write is the n-th is then sure.
    Alone { key: &'static str, stage: &'static str, point: &'static str, n: u32 },
    /// Killed from outside once the simulators have seen so many effects.
    Killed { n_effects: usize },
    /// Asked to stop (SIGTERM) once the simulators have seen so many effects.
    Stopped { n_effects: usize },
    /// Asked to stop while a write hangs for longer than a drain may last.
    StoppedWhileCalling,
}

/// Where a case lives.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) outside: Outside,
    pub(super) connections: BTreeMap<String, String>,
    /// Job ids by the key that they were asked for with.
    pub(super) accepted: BTreeMap<&'static str, String>,
    /// How long each start took until it was ready.
    pub(super) starts: Vec<Duration>,
    directory: TempDir,
    token: String,
    n_deaths: u32,
    /// The jobs of before any crash.
    before: BTreeSet<String>,
    changed: [u64; 2],
}

/// An import: its key, the file with its name, and where to.
type Import<'a> = (&'a str, (&'a str, &'a [u8]), &'a [&'a str]);

impl Home {
    /// Everything connected, one record on each side brought to the other, and news since.
    pub(super) async fn new() -> Result<Self> {
        let outside = Outside::start(engine::clock::Clock::real().now()).await?;
        outside.add_person(tests::ATHLETE, tests::USER);
        let directory = tempfile::tempdir()?;
        let mut home = Self {
            outside,
            connections: BTreeMap::new(),
            accepted: BTreeMap::new(),
            starts: Vec::new(),
            directory,
            token: String::new(),
            n_deaths: 0,
            before: BTreeSet::new(),
            changed: [0; 2],
        };
        std::fs::create_dir_all(home.folder())?;
        std::fs::write(home.directory.path().join("config.toml"), toml::to_string(&home.config()?)?)?;
        home.prepare().await?;
        home.news();
        Ok(home)
    }

    pub(super) fn config(&self) -> Result<Config> {
        self.outside.config(self.directory.path())
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.directory.path().join("data/folder")
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn prepare(&mut self) -> Result<()> {
        self.changed = [("2026-03-02", "Morning"), ("2026-03-03", "Mistake")]
            .map(|(day, name)| self.outside.strava.seed_activity(ATHLETE, activity(day, name), None));
        self.outside.google.add(USER, "exercise", exercise("2026-01-15", "Walk"));
        let mut process = Process::start(self.path(), None, Duration::ZERO)?;
        let (api, took) = process.ready().await?.with_context(|| process.said())?;
        self.starts.push(took);
        self.token = std::fs::read_to_string(self.path().join("token"))?.trim().to_owned();
        let api = api.with_token(&self.token);
        self.connect(&api).await?;
        for (source, destination) in [("strava", "google_health"), ("strava", "files"), ("google_health", "strava")] {
            let body = json!({
                "source": self.connections[source], "destination": self.connections[destination],
                "data_types": ["workout"], "rule": "prioritise_source", "deletes": "mirror",
            });
            api.ask(api.request(Method::PUT, "/v1/sync-configs").json(&body)).await?;
        }
        for (key, wish) in self.wishes() {
            let request = api.request(Method::POST, "/v1/sync-jobs").header("Idempotency-Key", format!("{key}-before"));
            let answer = api.ask(request.json(&wish)).await?;
            self.before.insert(answer["id"].as_str().context("a command was accepted without an id")?.to_owned());
        }
        all_settled(&api, self.before.len()).await?;
        process.stop().await
    }

    async fn connect(&mut self, api: &Api) -> Result<()> {
        self.outside.google.consent_as(USER, &[]);
        let browser = engine::session::http_client()?;
        for (provider, choice) in [("strava", format!("&athlete={ATHLETE}")), ("google_health", String::new())] {
            let begun =
                api.ask(api.request(Method::POST, &format!("/v1/connections/{provider}")).json(&json!({}))).await?;
            let page = begun["authorization_url"].as_str().context("no page to go to")?;
            let sent_back = browser.get(format!("{page}{choice}")).send().await?;
            let back = sent_back.headers().get("location").context("no way back")?.to_str()?.to_owned();
            ensure!(browser.get(back).send().await?.status().is_success(), "the grant at {provider} failed");
        }
        let folder = json!({ "folder": self.folder() });
        api.ask(api.request(Method::POST, "/v1/connections/files").json(&folder)).await?;
        let all = api.get("/v1/connections").await?;
        for it in all.as_array().context("connections are a list")? {
            let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
            self.connections.insert(text("provider"), text("id"));
        }
        Ok(())
    }

    /// What happened outside since: changes, a deletion, new records, and a service that is busy at first.
    fn news(&self) {
        let Outside { strava, google, .. } = &self.outside;
        let [changed, deleted] = self.changed;
        assert!(strava.edit_activity(changed, |it| it["name"] = json!("Morning, renamed")), "it is there");
        assert!(strava.delete_activity(deleted), "it was there");
        for day in 10..17 {
            strava.seed_activity(ATHLETE, activity(&format!("2026-03-{day}"), &format!("Ride {day}")), None);
        }
        google.edit(USER, "exercise", "e-2026-01-15", &json!({ "displayName": "Walk, renamed" }));
        google.add(USER, "exercise", exercise("2026-01-20", "Run"));
        for kit in [&strava.kit, google.kit()] {
            kit.clear_journal();
        }
        let busy = || FaultKind::Answer { status: 429, headers: vec![("retry-after", "1".into())], body: "{}".into() };
        strava.kit.plan(Fault::once("GET", "/athlete/activities", busy()));
        google.kit().plan(Fault { times: 2, ..Fault::once("GET", "/dataTypes/weight/dataPoints", busy()) });
    }

    /// The syncs that the person asks for. Their times do not overlap: what one of them writes, no other reads.
    fn wishes(&self) -> [(&'static str, Value); 2] {
        let id = |provider: &str| self.connections[provider].clone();
        let wish = |source: &str, destinations: &[&str], from: &str, to: &str| {
            let destinations: Vec<_> = destinations.iter().map(|it| id(it)).collect();
            json!({"source": id(source), "destinations": destinations, "data_type": "workout", "from": from, "to": to})
        };
        [
            ("rides", wish("strava", &["google_health", "files"], "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")),
            ("walks", wish("google_health", &["strava"], "2026-01-10T00:00:00Z", "2026-02-10T00:00:00Z")),
        ]
    }

    /// Sends every command, or only one, with its key; says whether the process lived to answer them all.
    async fn submit(&mut self, api: &Api, only: Option<&str>) -> Result<bool> {
        let is_wanted = |key: &str| only.is_none_or(|it| it == key);
        for (key, wish) in self.wishes().into_iter().filter(|it| is_wanted(it.0)) {
            let request = api.request(Method::POST, "/v1/sync-jobs").header("Idempotency-Key", key).json(&wish);
            let Some(answer) = api.send(request).await? else { return Ok(false) };
            self.note(key, &answer)?;
        }
        let imports: [Import<'_>; 2] = [
            ("recording", connectors::files::RECORDED_RUN, &["strava"]),
            ("weights", ("export.xml", WEIGHTS.as_bytes()), &["google_health", "files"]),
        ];
        for (key, (name, bytes), destinations) in imports.into_iter().filter(|it| is_wanted(it.0)) {
            let mut form = multipart::Form::new();
            for destination in destinations {
                form = form.text("destination", self.connections[*destination].clone());
            }
            let form = form.part("file", multipart::Part::bytes(bytes).file_name(name));
            let request = api.request(Method::POST, "/v1/imports").header("Idempotency-Key", key).multipart(form);
            let Some(answer) = api.send(request).await? else { return Ok(false) };
            self.note(key, &answer)?;
        }
        Ok(true)
    }

    fn note(&mut self, key: &'static str, answer: &Value) -> Result<()> {
        let id = answer["id"].as_str().context("a command was accepted without an id")?.to_owned();
        let before = self.accepted.insert(key, id.clone());
        ensure!(before.is_none_or(|it| it == id), "the same key became another job");
        Ok(())
    }

    /// A process that is given the commands and dies.
    pub(super) async fn die(&mut self, death: Death) -> Result<()> {
        let kill_at = match death {
            Death::At { stage, point, n } | Death::Alone { stage, point, n, .. } => {
                Some(format!("{stage}.{point}:{n}"))
            }
            Death::Killed { .. } | Death::Stopped { .. } | Death::StoppedWhileCalling => None,
        };
        if let Death::StoppedWhileCalling = death {
            let hangs = Fault { after: 2, ..Fault::once("POST", "/dataPoints", FaultKind::Slow(HANG)) };
            self.outside.google.kit().plan(hangs);
        }
        let mut process = Process::start(self.path(), kill_at.as_deref(), PAUSE * self.n_deaths)?;
        self.n_deaths += 1;
        let mut api = None;
        if let Some((ready, took)) = process.ready().await? {
            self.starts.push(took);
            api = Some(ready.clone());
            let only = if let Death::Alone { key, .. } = death { Some(key) } else { None };
            self.submit(&ready.with_token(&self.token), only).await?;
        }
        match death {
            Death::At { .. } | Death::Alone { .. } => {
                let status = process.ended().await.with_context(|| process.said())?;
                ensure!(status.signal() == Some(6), "the process ended with {status}: {}", process.said());
            }
            Death::Killed { n_effects } => {
                self.effects_seen(n_effects).await?;
                process.kill().await?;
            }
            Death::Stopped { n_effects } => {
                self.effects_seen(n_effects).await?;
                process.stop().await?;
            }
            Death::StoppedWhileCalling => {
                self.effects_seen(3).await?;
                process.stop_while_calling(&api.context("it was never ready")?).await?;
            }
        }
        Ok(())
    }

    async fn effects_seen(&self, n_effects: usize) -> Result<()> {
        let Outside { strava, google, .. } = &self.outside;
        until("enough effects", OFTEN, async || {
            Ok((strava.kit.effects().len() + google.kit().effects().len() >= n_effects).then_some(()))
        })
        .await
    }

    /// A process that lives: everything accepted before is there, everything is sent again, everything ends.
    /// Gives how each job stands then, by its key; one that was split off has none.
    pub(super) async fn live(&mut self) -> Result<Vec<(Option<&'static str>, Value)>> {
        let mut process = Process::start(self.path(), None, PAUSE * self.n_deaths)?;
        let (api, took) = process.ready().await?.with_context(|| process.said())?;
        self.starts.push(took);
        let api = api.with_token(&self.token);
        for (key, id) in &self.accepted {
            api.get(&format!("/v1/sync-jobs/{id}")).await.with_context(|| format!("{key} was accepted and is lost"))?;
        }
        ensure!(self.submit(&api, None).await?, "the process is gone: {}", process.said());
        let settled = all_settled(&api, self.before.len() + self.accepted.len()).await;
        let mut jobs = Vec::new();
        for it in api.get("/v1/sync-jobs").await?.as_array().into_iter().flatten() {
            let id = it["id"].as_str().context("a job without an id")?;
            if !self.before.contains(id) {
                let key = self.accepted.iter().find(|it| it.1 == id).map(|it| *it.0);
                jobs.push((key, api.get(&format!("/v1/sync-jobs/{id}")).await?));
            }
        }
        settled.with_context(|| format!("{jobs:?} {}", process.said()))?;
        process.stop().await?;
        Ok(jobs)
    }
}

/// Waits until a person has at least so many jobs and every one is over.
async fn all_settled(api: &Api, n_jobs: usize) -> Result<()> {
    until("the end of every job", SELDOM, async || {
        let jobs = api.get("/v1/sync-jobs").await?;
        let jobs = jobs.as_array().context("jobs are a list")?;
        Ok((jobs.len() >= n_jobs && jobs.iter().all(|it| it["settled"] == true)).then_some(()))
    })
    .await
}

fn activity(day: &str, name: &str) -> Value {
    json!({
        "name": name, "sport_type": "Ride", "type": "Ride", "utc_offset": 0,
        "start_date": format!("{day}T08:00:00Z"), "start_date_local": format!("{day}T08:00:00Z"),
        "timezone": "(GMT+00:00) Europe/London", "elapsed_time": 1800, "moving_time": 1800,
        "distance": 9000.0, "manual": true,
    })
}

fn exercise(day: &str, name: &str) -> Value {
    json!({
        "name": format!("users/me/dataTypes/exercise/dataPoints/e-{day}"),
        "dataSource": {"recordingMethod": "ACTIVELY_MEASURED", "platform": "FITBIT"},
        "exercise": {
            "interval": {
                "startTime": format!("{day}T08:00:00Z"), "startUtcOffset": "3600s",
                "endTime": format!("{day}T08:30:00Z"), "endUtcOffset": "3600s",
            },
            "exerciseType": "WALKING", "displayName": name, "activeDuration": "1800s",
            "metricsSummary": {"caloriesKcal": 150, "distanceMillimeters": 2_400_000},
        },
    })
}
