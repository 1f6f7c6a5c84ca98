//! A whole SyncWell in one process, and the outside world around it.
//!
//! [`World`] runs every role on `memory://` and `sqlite://` between real provider simulators, with a clock of its own:
//! while nothing is on its way, time jumps to the next timer, so that an hour's pause costs no time.

use anyhow::{Context, Result};
use connectors::{
    google_health,
    simulator::{Kit, Running},
    strava,
};
use engine::{
    clock::{Clock, ManualClock},
    connect::{ConfigCommand, Connect},
    intake::{Intake, SyncCommand},
    people::Connection,
    runner::Runner,
    status::Status,
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Fate, Lane, Rule},
    id::{ConnectionId, Subject, SyncId},
    time::Instant,
};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use topology::{
    config::{Config, ProviderConfig},
    process::Process,
};

/// The athlete of the Strava simulator.
pub const ATHLETE: u64 = 7;
/// The user of the Google Health simulator.
pub const USER: &str = "115500000000000000007";
/// Our registration at both simulators.
const CLIENT: (&str, &str) = ("24523", "client-secret");

/// A person with accounts, a SyncWell, and time.
#[derive(Debug)]
pub struct World {
    /// Strava.
    pub strava: strava::simulator::Simulator,
    /// Google Health.
    pub google: google_health::simulator::Simulator,
    /// Whose data it is.
    pub subject: Subject,
    /// Takes commands.
    pub intake: Intake,
    /// Connects accounts and hears notifications.
    pub connect: Connect,
    /// Where events are kept and passed on.
    pub runner: Runner,
    /// The time.
    pub clock: ManualClock,
    directory: TempDir,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
    _servers: [Running; 2],
    n_commands: u32,
}

/// The simulators, before a SyncWell knows them.
#[derive(Debug)]
pub struct Outside {
    /// Strava.
    pub strava: strava::simulator::Simulator,
    /// Google Health.
    pub google: google_health::simulator::Simulator,
    servers: [Running; 2],
}

impl Outside {
    /// Both simulators on free ports, with one empty account each.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let options = strava::simulator::Options {
            client_id: CLIENT.0.into(),
            client_secret: CLIENT.1.into(),
            calls_max: [10_000, 100_000],
            reads_max: [10_000, 100_000],
            ..strava::simulator::Options::default()
        };
        let strava = strava::simulator::Simulator::new(Kit::default(), options);
        strava.seed_athlete(strava::simulator::Athlete {
            id: ATHLETE,
            offset_seconds: 7_200,
            zone: "Europe/Berlin".into(),
        });
        let google = google_health::simulator::Simulator::new(Kit::default());
        google.add_user(USER);
        google.set_calls_max(100_000);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let servers = [strava.start(any_port).await?, google.start(any_port).await?];
        Ok(Self { strava, google, servers })
    }

    /// A configuration of a SyncWell in `data` whose providers are the simulators.
    #[must_use]
    pub fn config(&self, data: PathBuf) -> Config {
        let provider = |base: String, url: &str, limits: &[(&str, u32)]| ProviderConfig {
            base_url: Some(base),
            auth_url: Some(url.to_owned()),
            token_url: Some(url.to_owned()),
            client_id: Some(CLIENT.0.into()),
            client_secret: Some(CLIENT.1.into()),
            limits: limits.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect(),
            ..ProviderConfig::default()
        };
        let [strava, google] = [&self.servers[0].url, &self.servers[1].url];
        let wide = [("quarter", 10_000), ("day", 100_000), ("reads_quarter", 10_000), ("reads_day", 100_000)];
        let providers: BTreeMap<_, _> = [
            ("strava".to_owned(), provider(format!("{strava}/api/v3"), strava, &wide)),
            ("google_health".to_owned(), provider(google.clone(), google, &[("user_minute", 100_000)])),
        ]
        .into();
        Config { data, listen: SocketAddr::from(([127, 0, 0, 1], 0)), providers, ..Config::default() }
    }
}

impl World {
    /// A person with a Strava account, a Google Health account and a folder, all connected, all empty.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn new() -> Result<Self> {
        let outside = Outside::start().await?;
        let directory = tempfile::tempdir()?;
        let config = outside.config(directory.path().join("data"));
        // The simulators live in the real time; ours begins there and runs ahead.
        let (clock, time) = Clock::manual(Clock::real().now());
        let process = Process::open(&config, connectors::catalog(), clock).await?;
        let subject = process.subject("tester");
        let (intake, connect, runner) = (process.intake.clone(), process.connect.clone(), process.runner.clone());
        let (stop, stopped) = watch::channel(false);
        let passing = pass_time(runner.clone(), time.clone(), stopped.clone());
        let running = vec![
            tokio::spawn(async move { process.run(stopped).await.expect("a process runs to its end") }),
            tokio::spawn(passing),
        ];
        let Outside { strava, google, servers } = outside;
        let mut world = Self {
            strava,
            google,
            subject,
            intake,
            connect,
            runner,
            clock: time,
            directory,
            stop,
            running,
            _servers: servers,
            n_commands: 0,
        };
        world.grant("strava", &format!("&athlete={ATHLETE}")).await?;
        world.google.consent_as(USER, &[]);
        world.grant("google_health", "").await?;
        world.place("folder").await?;
        Ok(world)
    }

    /// Connects an account as a browser would.
    ///
    /// # Errors
    /// When the provider or SyncWell refuses.
    pub async fn grant(&mut self, provider: &str, choice: &str) -> Result<Connection> {
        let redirect = "http://127.0.0.1/callback";
        let page = self.connect.start(&self.subject, provider, redirect).await?;
        let http = engine::session::http_client()?;
        let answer = http.get(format!("{page}{choice}")).send().await?;
        let back = answer.headers().get("location").context("no redirect")?.to_str()?.to_owned();
        let query: BTreeMap<String, String> = reqwest::Url::parse(&back)?.query_pairs().into_owned().collect();
        let field = |name: &str| query.get(name).cloned().with_context(|| format!("no {name} in the redirect"));
        let (_, connection) = self
            .connect
            .callback(provider, &field("state")?, &field("code")?, query.get("scope").map(String::as_str))
            .await?;
        Ok(connection)
    }

    /// Connects a folder of that name, inside the world's own directory.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn place(&self, name: &str) -> Result<Connection> {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(&path)?;
        let url = format!("file://{}", path.display());
        Ok(self.connect.place(&self.subject, "files", &path.display().to_string(), Some(url)).await?)
    }

    /// Where that folder is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The connection at a provider.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connection(&self, provider: &str) -> Result<ConnectionId> {
        let all = self.connect.accounts.people.connections(&self.subject).await?;
        all.iter()
            .find(|it| it.provider == provider)
            .map(|it| it.id)
            .with_context(|| format!("{provider} is not connected"))
    }

    /// Lets a type travel from one provider to another.
    ///
    /// # Errors
    /// When that cannot work.
    pub async fn configure(
        &self,
        from: &str,
        to: &str,
        data_type: DataType,
        rule: Rule,
        deletes: Deletes,
    ) -> Result<()> {
        let (source, destination) = (self.connection(from).await?, self.connection(to).await?);
        let command = ConfigCommand { source, destination, data_types: vec![data_type], rule, deletes, enabled: true };
        self.connect.configure(&self.subject, &command).await?;
        Ok(())
    }

    /// Asks for a sync over everything, and waits for its end.
    ///
    /// # Errors
    /// When it is not accepted, or not over in a minute.
    pub async fn sync(&mut self, from: &str, to: &[&str], data_type: DataType) -> Result<Status> {
        let id = self.ask(from, to, data_type, Some(Instant::from_seconds(1_262_304_000))).await?;
        self.settled(id).await
    }

    /// Asks for a sync from `since` (absent: from the checkpoint).
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn ask(
        &mut self,
        from: &str,
        to: &[&str],
        data_type: DataType,
        since: Option<Instant>,
    ) -> Result<SyncId> {
        let source = self.connection(from).await?;
        let mut destinations = Vec::new();
        for it in to {
            destinations.push(self.connection(it).await?);
        }
        self.n_commands += 1;
        let command = SyncCommand { source, destinations, data_type, from: since, to: None, lane: Lane::Hot };
        Ok(self.intake.submit(&self.subject, &format!("command-{}", self.n_commands), &command).await?)
    }

    /// Waits for the end of a sync.
    ///
    /// # Errors
    /// When it is not over in a minute.
    pub async fn settled(&self, sync: SyncId) -> Result<Status> {
        let wait = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            loop {
                ticks.tick().await;
                if let Some(status) = self.intake.status(&self.subject, sync).await?
                    && status.state.is_terminal()
                {
                    return Ok(status);
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(status) => status,
            Err(_) => {
                let open = self.runner.store.log.open(&self.subject, sync).await?;
                anyhow::bail!("sync {sync} is not over; open: {open:?}")
            }
        }
    }

    /// Nothing is open: no unsettled sync, no timer.
    ///
    /// # Errors
    /// When something is.
    pub async fn is_at_rest(&self) -> Result<()> {
        let open = self.runner.store.log.unsettled(None, 10).await?;
        anyhow::ensure!(open.is_empty(), "open syncs: {open:?}");
        let next = self.runner.store.timers.next().await?;
        anyhow::ensure!(next.is_none(), "a timer is left at {next:?}");
        Ok(())
    }

    /// Ends it and waits for the drain.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        for task in self.running.drain(..) {
            drop(task.await);
        }
    }
}

/// Time jumps to the next timer whenever nothing has happened for a moment.
async fn pass_time(runner: Runner, time: ManualClock, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        if runner.bus.backlog().count > 0 {
            continue;
        }
        if let Ok(Some(at)) = runner.store.timers.next().await
            && at > runner.clock.now()
        {
            time.advance_to(at);
        }
        // Whoever waits for a time, such as the timers' own watch, wakes by and by.
        time.advance(Duration::from_millis(500));
    }
}

/// How many records of a status met a fate, over all destinations and types.
#[must_use]
pub fn count(status: &Status, fate: Fate) -> i64 {
    let counts = status.destinations.iter().flat_map(|it| &it.counts);
    counts.filter(|it| it.fate == fate).map(|it| it.count).sum()
}
