//! What runs: topology × backends × roles.

use crate::{
    backends::Backends,
    config::{Config, ProviderConfig},
    flow::{Means, flow},
};
use anyhow::Context;
use api::{App, Limits};
use engine::{
    accounts::{Accounts, Endpoint},
    audit::Audit,
    clock::Clock,
    connect::Connect,
    contents::Contents,
    intake::Intake,
    limiter::Limiter,
    people::{AccessToken, People},
    provider::{Catalog, Profile, WebhookSecrets},
    replay::{Replays, ShadowFlow},
    runner::Runner,
    session::{Client, http_client},
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use schemas::{event::Lane, id::Subject, time::Instant};
use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

/// How long a drain may take in all.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A process with all roles, opened but not yet running.
#[derive(Debug)]
pub struct Process {
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
    listener: TcpListener,
    backends: Backends,
    folders: PathBuf,
    metrics: PrometheusHandle,
}

impl Process {
    /// Opens everything that a configuration names, and binds the API's port.
    ///
    /// # Errors
    /// A port or directory in use, a wrong key, a bad URL: each says what to do.
    pub async fn open(config: &Config, catalog: Catalog, clock: Clock) -> anyhow::Result<Self> {
        // The port first: it is the likeliest to be taken, and nothing has been made yet.
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("listen on {}; choose another with --listen or free that port", config.listen))?;
        let address = listener.local_addr().context("read the port that was bound")?;
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let backends = Backends::open(config).await?;
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
        let runner = Runner { bus: backends.bus.clone(), store: store.clone(), clock };
        let intake = Intake { runner: runner.clone(), accounts: accounts.clone(), contents: contents.clone() };
        let connect = Connect { accounts: accounts.clone(), intake: intake.clone() };
        let means = Means { accounts, contents, store };
        let folders = config.folders.clone().unwrap_or_else(|| config.data.clone());
        let folders = std::path::absolute(folders).context("find the directory of folders")?;
        Ok(Self { means, runner, intake, connect, public_url, listener, backends, folders, metrics: metrics() })
    }

    /// Where the API listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
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

    /// Runs every role until `stop` turns true, then drains: what has begun may end, what has not is done after the
    /// next start.
    ///
    /// # Errors
    /// When the log cannot be read at the start.
    pub async fn run(self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (ready, is_ready) = watch::channel(false);
        let mut roles = JoinSet::new();
        for lane in Lane::ALL {
            let (runner, topology, stop) = (self.runner.clone(), flow(lane, &self.means), stop.clone());
            roles.spawn(async move { runner.run(&topology, stop).await });
        }
        let (runner, timers_stop) = (self.runner.clone(), stop.clone());
        roles.spawn(async move { runner.fire_timers(timers_stop).await });
        if self.backends.bus_is_lost {
            let n_events = self.runner.republish_open().await.context("publish again what the bus held")?;
            if n_events > 0 {
                tracing::info!(n_events, "went on with what was open");
            }
        }
        let handle = self.metrics.clone();
        let flow = ShadowFlow(Arc::new(crate::flow::shadow));
        let replays = Replays {
            runner: self.runner.clone(),
            accounts: self.means.accounts.clone(),
            contents: self.means.contents.clone(),
            audit: Audit { people: self.means.accounts.people.clone() },
            flow,
            running: Arc::default(),
        };
        let app = App {
            replays,
            connect: self.connect,
            intake: self.intake,
            store: self.means.store.clone(),
            contents: self.means.contents.clone(),
            public_url: self.public_url,
            metrics: Arc::new(move || handle.render()),
            ready: is_ready,
            limits: Limits::default(),
            folders: Some(self.folders),
        };
        let limits = app.limits.clone();
        let router = api::router(app);
        let (listener, api_stop) = (self.listener, stop.clone());
        roles.spawn(async move { api::serve(listener, router, &limits, api_stop).await });
        ready.send_replace(true);
        let mut stopped = stop;
        // An error means that whoever could stop us is gone: that is a stop, too.
        drop(stopped.wait_for(|it| *it).await);
        let drained = async { while roles.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
            tracing::warn!("stopped before everything was drained; the rest is done after the next start");
        }
        Ok(())
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

/// Where every provider is: its own addresses unless the configuration says others.
fn endpoints(config: &Config, catalog: &Catalog) -> anyhow::Result<HashMap<String, Endpoint>> {
    for name in config.providers.keys() {
        let known: Vec<_> = catalog.iter().map(|it| it.profile().id).collect();
        anyhow::ensure!(
            catalog.get(name).is_some(),
            "configuration: no provider is called {name}; known are {}",
            known.join(", ")
        );
    }
    let of = |profile: &Profile| {
        let said = config.providers.get(profile.id).cloned().unwrap_or_default();
        endpoint(profile, said).map(|it| (profile.id.to_owned(), it))
    };
    catalog.iter().map(|it| of(it.profile())).collect()
}

fn endpoint(profile: &Profile, said: ProviderConfig) -> anyhow::Result<Endpoint> {
    let url =
        |said: Option<String>, default: &str| said.unwrap_or_else(|| default.into()).trim_end_matches('/').to_owned();
    for name in said.limits.keys() {
        let known: Vec<_> = profile.limits.iter().map(|it| it.name).collect();
        anyhow::ensure!(
            known.contains(&name.as_str()),
            "providers.{}.limits: no limit is called {name}; known are {}",
            profile.id,
            known.join(", ")
        );
    }
    let keyset = match &said.keyset_file {
        Some(path) => std::fs::read(path).with_context(|| format!("read keyset file {}", path.display()))?,
        None => Vec::new(),
    };
    Ok(Endpoint {
        base_url: url(said.base_url, profile.base_url),
        auth_url: url(said.auth_url, profile.auth_url),
        token_url: url(said.token_url, profile.token_url),
        client: Client { id: said.client_id.unwrap_or_default(), secret: said.client_secret.unwrap_or_default() },
        webhooks: WebhookSecrets {
            verify_token: said.verify_token.unwrap_or_default(),
            keyset,
            subscription: said.subscription.unwrap_or_default(),
            require_signature: said.require_signature,
            ..WebhookSecrets::default()
        },
        limits: said.limits,
    })
}
