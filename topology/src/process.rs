//! What runs: topology × backends × roles.

use crate::{
    address,
    backends::Backends,
    config::Config,
    door::Door,
    endpoints::endpoints,
    flow::{Means, analytics, flow, restore},
    readiness::Readiness,
    roles::Roles,
    wait,
};
use anyhow::Context;
use api::{App, Limits, Probes};
use engine::{
    accounts::Accounts,
    audit::Audit,
    clock::Clock,
    connect::Connect,
    contents::Contents,
    intake::Intake,
    limiter::Limiter,
    people::{AccessToken, People},
    provider::Catalog,
    replay::{Replays, ShadowFlow},
    restore::Restore,
    runner::{Runner, Waits},
    session::http_client,
    topology::Topology,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use schemas::{id::Subject, time::Instant};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet};

/// How long a drain may take. What is left of ten seconds is for ending.
const DRAIN_MAX: Duration = Duration::from_secs(9);
/// How often samples of metrics are counted.
const TIDY_PAUSE: Duration = Duration::from_secs(5);

/// A process with its roles, opened but not yet running.
#[derive(Debug)]
pub struct Process {
    /// What it plays.
    pub roles: Roles,
    /// What its stages are given.
    pub means: Means,
    /// Where its events are kept and passed on.
    pub runner: Runner,
    /// Where commands are taken.
    pub intake: Intake,
    /// Where accounts are connected.
    pub connect: Connect,
    /// What its API is served at, once bound.
    pub public_url: String,
    door: Door,
    readiness: Readiness,
    backends: Backends,
    /// The servers of its bus, each as `host:port`.
    bus_servers: Vec<String>,
    folders: PathBuf,
}

impl Process {
    /// Opens everything that a configuration names, and binds the port.
    ///
    /// # Errors
    /// Roles that cannot be played there, a port or directory in use, a server out of reach, a wrong key, a bad URL:
    /// each says what to do.
    pub async fn open(config: &Config, catalog: Catalog, clock: Clock, roles: Roles) -> anyhow::Result<Self> {
        let (door, readiness) = Self::bind(config, &roles).await?;
        let backends = Backends::open(config).await?;
        Self::assemble(config, catalog, clock, roles, (door, readiness, backends))
    }

    /// The same, waiting for servers that are not there yet; `None` if `stop` turned true before. Probes are answered
    /// meanwhile: the process lives, and is not ready. `tell` hears what is waited for.
    ///
    /// # Errors
    /// As [`Process::open`], but for servers out of reach.
    pub async fn open_in_time(
        config: &Config,
        catalog: Catalog,
        clock: Clock,
        roles: Roles,
        tell: impl Fn(&str),
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Option<Self>> {
        let (door, readiness) = Self::bind(config, &roles).await?;
        let tell = |text: &str| {
            readiness.withhold("it waits for a server");
            tell(text);
        };
        let opened = wait::until_reachable(async || Backends::open(config).await, tell, stop).await?;
        opened.map(|it| Self::assemble(config, catalog, clock, roles, (door, readiness, it))).transpose()
    }

    /// The port first: it is the likeliest to be taken, and nothing has been made yet.
    async fn bind(config: &Config, roles: &Roles) -> anyhow::Result<(Door, Readiness)> {
        roles.fit(config)?;
        let (readiness, handle) = (Readiness::starting(), metrics());
        let probes = Probes {
            metrics: Arc::new(move || handle.render()),
            ready: readiness.verdict(),
            metrics_token: config.metrics_token.clone(),
        };
        Ok((Door::open(config.listen, probes).await?, readiness))
    }

    fn assemble(
        config: &Config,
        catalog: Catalog,
        clock: Clock,
        roles: Roles,
        (door, readiness, backends): (Door, Readiness, Backends),
    ) -> anyhow::Result<Self> {
        let address = door.address();
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let endpoints = endpoints(config, &catalog)?;
        let (store, vault) = (backends.store.clone(), backends.vault.clone());
        let people = People { rows: store.rows.clone(), vault: vault.clone(), clock: clock.clone() };
        let accounts = Accounts {
            catalog,
            endpoints: Arc::new(endpoints),
            people,
            limiter: Limiter::new(store.rows.clone(), clock.clone()),
            http: http_client().context("set up the HTTP client")?,
            clock: clock.clone(),
        };
        let contents = Contents { vault, blobs: store.blobs.clone() };
        let bus = readiness.watched(backends.bus.clone());
        let runner = Runner { bus, store: store.clone(), clock, waits: Waits::default() };
        let intake = Intake { runner: runner.clone(), accounts: accounts.clone(), contents: contents.clone() };
        let connect = Connect { accounts: accounts.clone(), intake: intake.clone() };
        let means = Means { accounts, contents, store };
        let folders = config.folders.clone().unwrap_or_else(|| config.data.clone());
        let folders = std::path::absolute(folders).context("find the directory of folders")?;
        let bus_servers = address::servers(&config.bus).into_iter().map(str::to_owned).collect();
        Ok(Self { roles, means, runner, intake, connect, public_url, door, readiness, backends, bus_servers, folders })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Returns when [`Process::run`] takes commands, or has failed. To be asked for before it runs.
    pub fn takes_commands(&self) -> impl Future<Output = ()> + use<> {
        self.door.changed()
    }

    /// The subject of a user of this installation.
    #[must_use]
    pub fn subject(&self, user: &str) -> Subject {
        self.backends.vault.subject_of(user)
    }

    /// Makes an access token for a user, with the operator's right or without it.
    ///
    /// # Errors
    /// When the store cannot be reached or the system gives no randomness.
    pub async fn make_token(
        &self,
        user: &str,
        (label, operator): (&str, bool),
        expires_at: Option<Instant>,
    ) -> anyhow::Result<String> {
        let token = format!("swt_{}", engine::connect::draw_secret().context("draw an access token")?);
        let of = AccessToken { subject: self.subject(user), expires_at, label: label.into(), operator };
        self.means.accounts.people.put_token(&token, &of).await.context("store the access token")?;
        Ok(token)
    }

    /// What puts its store right again after a loss, while no process runs a stage.
    #[must_use]
    pub fn restore(&self) -> Restore {
        restore(&self.means, &self.runner)
    }

    /// What its worker runs.
    fn topologies(&self) -> Vec<Topology> {
        let Some(work) = &self.roles.worker else { return Vec::new() };
        let flows = work.lanes.iter().map(|lane| flow(*lane, &self.means));
        flows.chain([analytics(&self.means)]).map(|it| it.only(|stage| work.has(stage))).collect()
    }

    /// Plays its roles until `stop` turns true, then drains: it says that it is not ready, takes nothing new, and ends
    /// what has begun; what has not is done by another process, or after the next start.
    ///
    /// # Errors
    /// When the log cannot be read at the start.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (drain, draining) = watch::channel(false);
        let mut playing = JoinSet::new();
        let topologies = self.topologies();
        let n_groups = topologies.iter().map(|it| it.links().count()).sum();
        for topology in topologies {
            let (runner, draining) = (self.runner.clone(), draining.clone());
            playing.spawn(async move { runner.run(&topology, draining).await });
        }
        if self.roles.scheduler {
            let (runner, draining) = (self.runner.clone(), draining.clone());
            playing.spawn(async move { runner.fire_timers(draining).await });
            let (vault, clock, draining) = (self.backends.vault.clone(), self.runner.clock.clone(), drain.subscribe());
            playing.spawn(async move { vault.rotate_epochs(&clock, draining).await });
        }
        if self.backends.bus_is_lost {
            let n_events = self.runner.republish_open().await.context("publish again what the bus held")?;
            if n_events > 0 {
                tracing::info!(n_events, "went on with what was open");
            }
        }
        playing.spawn(tidy(metrics(), draining.clone()));
        let asking = self.readiness.clone();
        playing.spawn(asking.ask(self.means.store.rows.clone(), self.bus_servers.clone(), draining.clone()));
        if self.roles.api {
            self.door.let_in(api::router(self.app(), draining.clone()));
        }
        self.readiness.begin(n_groups);
        // An error means that whoever could stop us is gone: that is a stop, too.
        drop(stop.wait_for(|it| *it).await);
        self.readiness.withhold("it drains");
        self.door.answer_probes();
        drain.send_replace(true);
        let drained = async {
            while playing.join_next().await.is_some() {}
            self.door.close().await
        };
        if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
            tracing::warn!("stopped before everything was drained; the rest is done after the next start");
        }
        Ok(())
    }

    fn app(&self) -> App {
        let replays = Replays {
            runner: self.runner.clone(),
            accounts: self.means.accounts.clone(),
            contents: self.means.contents.clone(),
            audit: Audit { people: self.means.accounts.people.clone() },
            flow: ShadowFlow(Arc::new(crate::flow::shadow)),
        };
        App {
            replays,
            connect: self.connect.clone(),
            intake: self.intake.clone(),
            store: self.means.store.clone(),
            contents: self.means.contents.clone(),
            public_url: self.public_url.clone(),
            probes: self.door.probes(),
            limits: Limits::default(),
            folders: Some(self.folders.clone()),
        }
    }
}

/// The recorder of a process: installed once, shared by every later one (tests run several).
fn metrics() -> PrometheusHandle {
    static HANDLE: std::sync::LazyLock<PrometheusHandle> = std::sync::LazyLock::new(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("another recorder of metrics is installed");
        }
        handle
    });
    HANDLE.clone()
}

/// Counts the samples that wait for it, from time to time: else they would be kept until somebody reads `/metrics`,
/// and nobody may ever.
async fn tidy(metrics: PrometheusHandle, mut stop: watch::Receiver<bool>) {
    while tokio::time::timeout(TIDY_PAUSE, stop.wait_for(|it| *it)).await.is_err() {
        metrics.run_upkeep();
    }
}
