//! The whole flow to be measured: a SyncWell on `memory://` and `sqlite://`, a simulated Strava, and people who have an
//! account there and a folder.
//!
//! The simulator runs on threads of its own, [`SIMULATOR`], so that its processor time can be left out.

use anyhow::{Context, Result, ensure};
use connectors::{
    simulator::{Kit, Running},
    strava::simulator::{Athlete, Options, Simulator},
};
use engine::{
    bus::{Busy, Delivery, Subscription},
    clock::Clock,
    connect::ConfigCommand,
    intake::{Intake, SyncCommand},
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Fate, Lane, Rule},
    id::{ConnectionId, Subject},
    time::Instant,
    topics,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Mutex, watch},
    task::JoinHandle,
};
use topology::{
    config::{Config, ProviderConfig},
    process::Process,
    roles::Roles,
};

/// The name of the simulator's threads.
pub const SIMULATOR: &str = "simulator";
/// People, and so jobs that are under way at the same time: one each.
pub const N_PEOPLE: u32 = 64;
/// Our registration at the simulator.
const CLIENT: (&str, &str) = ("24523", "client-secret");
/// The key of vaults that are measured.
pub const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// More calls in a window than any bench makes.
const CALLS_MAX: u32 = 100_000_000;
/// The day of the first round; every round is about another day.
const FIRST_DAY: Instant = Instant::from_seconds(1_262_304_000);
/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// How long a round may take before something must be wrong.
const ROUND_MAX: Duration = Duration::from_secs(60);

/// What a workout of the source has.
#[derive(Clone, Debug)]
pub enum Workouts {
    /// A summary alone: three calls a job.
    Typed,
    /// Streams, as Strava gives them by type: four calls a job.
    Recorded(Value),
}

/// Where the SyncWell to be measured lives: on its own machine, if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Transport.
    pub bus: Option<String>,
    /// Memory.
    pub store: Option<String>,
    /// The schema registry of the transport.
    pub registry: Option<String>,
}

/// A SyncWell, its outside world, and people.
#[derive(Debug)]
pub struct World {
    /// Where SyncWell runs, and what is to run its benches.
    pub runtime: Runtime,
    simulator: Simulator,
    intake: Intake,
    people: Vec<Person>,
    settled: Mutex<Box<dyn Subscription>>,
    n_rounds: AtomicU32,
    stop: watch::Sender<bool>,
    process: JoinHandle<Result<()>>,
    _listener: Running,
    _outside: Runtime,
    _directory: TempDir,
}

/// A person with an account and a folder.
#[derive(Debug)]
struct Person {
    athlete: u64,
    subject: Subject,
    account: ConnectionId,
    folder: ConnectionId,
}

impl World {
    /// Starts everything and connects everybody.
    ///
    /// # Errors
    /// When something cannot be started.
    pub fn start(places: &Places) -> Result<Self> {
        let outside = Builder::new_multi_thread().worker_threads(1).thread_name(SIMULATOR).enable_all().build()?;
        let runtime = Runtime::new()?;
        let limits = [CALLS_MAX; 2];
        let options = Options {
            client_id: CLIENT.0.into(),
            client_secret: CLIENT.1.into(),
            calls_max: limits,
            reads_max: limits,
            ..Options::default()
        };
        let simulator = Simulator::new(Kit::default(), options);
        let listener = outside.block_on(simulator.start(SocketAddr::from(([127, 0, 0, 1], 0))))?;
        let directory = tempfile::tempdir()?;
        let config = config(&listener.url, directory.path(), places);
        let process = runtime.block_on(Process::open(&config, connectors::catalog(), Clock::real(), Roles::all()))?;
        let mut people = Vec::new();
        for athlete in 1..=u64::from(N_PEOPLE) {
            people.push(runtime.block_on(connect(&process, &simulator, athlete, directory.path()))?);
        }
        let settled = runtime.block_on(process.runner.bus.subscribe("bench", &[topics::SETTLED.name]))?;
        let (stop, stopped) = watch::channel(false);
        let intake = process.intake.clone();
        let process = runtime.spawn(process.run(stopped));
        Ok(Self {
            runtime,
            simulator,
            intake,
            people,
            settled: Mutex::new(settled),
            n_rounds: AtomicU32::new(0),
            stop,
            process,
            _listener: listener,
            _outside: outside,
            _directory: directory,
        })
    }

    /// One new workout and one job for every person; returns how long the jobs took from the first command to the
    /// last end, and how many calls the simulator got.
    ///
    /// # Errors
    /// When a command is refused, a job is not over in a minute, or a workout did not arrive.
    pub async fn round(&self, workouts: &Workouts) -> Result<(Duration, usize)> {
        let from = FIRST_DAY.plus(DAY * self.n_rounds.fetch_add(1, Ordering::Relaxed));
        let seed = |it: &Person| self.seed(it.athlete, from, workouts);
        let activities: Vec<u64> = self.people.iter().map(seed).collect();
        self.simulator.kit.clear_journal();
        let begun = std::time::Instant::now();
        let mut syncs = Vec::new();
        for person in &self.people {
            let command = SyncCommand {
                source: person.account,
                destinations: vec![person.folder],
                data_type: DataType::Workout,
                from: Some(from),
                to: Some(from.plus(DAY)),
                lane: Lane::Hot,
            };
            syncs.push(self.intake.submit(&person.subject, &from.to_string(), &command).await?);
        }
        tokio::time::timeout(ROUND_MAX, self.all_settled(syncs.len())).await.context("jobs are not over")??;
        let took = begun.elapsed();
        let n_calls = self.simulator.kit.journal().len();
        for (person, sync) in self.people.iter().zip(syncs).take(1) {
            let status = self.intake.status(&person.subject, sync).await?.context("an accepted job is not known")?;
            let counts = status.destinations.iter().flat_map(|it| &it.counts);
            let n_created: i64 = counts.filter(|it| it.fate == Fate::Created).map(|it| it.count).sum();
            ensure!(n_created == 1, "a workout did not arrive: {status:?}");
        }
        // The simulator's listing must not grow with the rounds.
        let n_deleted = activities.iter().filter(|it| self.simulator.delete_activity(**it)).count();
        ensure!(n_deleted == activities.len(), "a workout was not there");
        Ok((took, n_calls))
    }

    /// Ends SyncWell and waits for its drain.
    ///
    /// # Errors
    /// When it ended otherwise before.
    pub fn close(self) -> Result<()> {
        self.stop.send_replace(true);
        self.runtime.block_on(self.process)?
    }

    async fn all_settled(&self, n_jobs: usize) -> Result<()> {
        let mut settled = self.settled.lock().await;
        let mut n_settled = 0;
        while n_settled < n_jobs {
            let batch = settled.next(256, 64 << 20).await?;
            n_settled += batch.len();
            batch.iter().filter_map(Delivery::begin).for_each(Busy::done);
        }
        Ok(())
    }

    fn seed(&self, athlete: u64, day: Instant, workouts: &Workouts) -> u64 {
        let start = day.plus(DAY / 4).to_string();
        let (is_typed, streams) = match workouts {
            Workouts::Typed => (true, None),
            Workouts::Recorded(streams) => (false, Some(streams.clone())),
        };
        let detail = json!({
            "name": "Ride", "sport_type": "Ride", "type": "Ride", "start_date": start, "start_date_local": start,
            "utc_offset": 0, "timezone": "(GMT+00:00) Europe/London", "elapsed_time": 2_700, "moving_time": 2_700,
            "distance": 17_425.1, "manual": is_typed,
        });
        self.simulator.seed_activity(athlete, detail, streams)
    }
}

fn config(simulator: &str, data: &Path, places: &Places) -> Config {
    let limits = ["quarter", "day", "reads_quarter", "reads_day"].map(|it| (it.to_owned(), CALLS_MAX));
    let strava = ProviderConfig {
        base_url: Some(format!("{simulator}/api/v3")),
        auth_url: Some(simulator.to_owned()),
        token_url: Some(simulator.to_owned()),
        client_id: Some(CLIENT.0.into()),
        client_secret: Some(CLIENT.1.into()),
        limits: limits.into(),
        ..ProviderConfig::default()
    };
    let own = Config::default();
    Config {
        data: data.join("data"),
        bus: places.bus.clone().unwrap_or(own.bus),
        store: places.store.clone().unwrap_or(own.store),
        registry: places.registry.clone(),
        key: Some(KEY.into()),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        providers: [("strava".to_owned(), strava)].into(),
        ..Config::default()
    }
}

/// Connects a person's account as a browser would, and a folder, and lets workouts travel between them.
async fn connect(process: &Process, simulator: &Simulator, athlete: u64, directory: &Path) -> Result<Person> {
    simulator.seed_athlete(Athlete { id: athlete, offset_seconds: 0, zone: "Europe/London".into() });
    let (connect, subject) = (&process.connect, process.subject(&format!("person {athlete}")));
    let page = connect.start(&subject, "strava", "http://127.0.0.1/callback").await?;
    let answer = engine::session::http_client()?.get(format!("{page}&athlete={athlete}")).send().await?;
    let back = answer.headers().get("location").context("the simulator grants no access")?.to_str()?;
    let query: BTreeMap<String, String> = reqwest::Url::parse(back)?.query_pairs().into_owned().collect();
    let field = |name: &str| query.get(name).map_or("", String::as_str);
    let (_, account) = connect.callback("strava", field("state"), field("code"), Some(field("scope"))).await?;
    let path = directory.join(athlete.to_string());
    std::fs::create_dir_all(&path)?;
    let path = path.display().to_string();
    let folder = connect.place(&subject, "files", &path, Some(format!("file://{path}"))).await?;
    let command = ConfigCommand {
        source: account.id,
        destination: folder.id,
        data_types: vec![DataType::Workout],
        rule: Rule::PrioritiseSource,
        deletes: Deletes::Keep,
        policies: engine::resolve::policy::Policies::default(),
        enabled: true,
    };
    connect.configure(&subject, &command).await?;
    Ok(Person { athlete, subject, account: account.id, folder: folder.id })
}
