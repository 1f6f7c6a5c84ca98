//! SyncWell itself, running.

use anyhow::Result;
use connectors::simulator::Kit;
use engine::{
    clock::{Clock, ManualClock},
    connect::Connect,
    intake::Intake,
    people::{AccessToken, People},
    provider::Catalog,
    runner::Runner,
};
use schemas::id::Subject;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use topology::{config::Config, process::Process, roles::Roles};

/// How often time is moved.
const TICK: Duration = Duration::from_millis(20);
/// How many ticks nothing must be on its way before time jumps, where servers are between a timer and its message.
const IDLE_TICKS: u32 = 25;
/// New timers are looked for at least this often.
const TIMERS_PAUSE: Duration = Duration::from_millis(500);

/// A process with all roles.
#[derive(Debug)]
pub struct Inside {
    /// Takes commands.
    pub intake: Intake,
    /// Connects accounts and hears notifications.
    pub connect: Connect,
    /// Where events are kept and passed on.
    pub runner: Runner,
    /// Where its API is.
    pub url: String,
    /// A client for it.
    pub http: reqwest::Client,
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is asked to, and drains.
    Drained,
    /// It is cut off wherever it is.
    CutOff,
}

impl Inside {
    /// Opens and runs a process. Its time moves that of the simulators.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(
        config: &Config,
        (clock, time): &(Clock, ManualClock),
        kits: [Kit; 2],
        (catalog, is_held): (&Catalog, &Arc<AtomicBool>),
    ) -> Result<Self> {
        let open = || Process::open(config, catalog.clone(), clock.clone(), Roles::all());
        let process = crate::opened(async || open().await).await?;
        let url = format!("http://{}", process.address());
        let (intake, connect, runner) = (process.intake.clone(), process.connect.clone(), process.runner.clone());
        let takes_commands = process.takes_commands();
        let (stop, stopped) = watch::channel(false);
        let idle_ticks = if config.bus.starts_with("memory") { 1 } else { IDLE_TICKS };
        let passing = pass_time((runner.clone(), idle_ticks), time.clone(), kits, Arc::clone(is_held), stopped.clone());
        let roles = async move { process.run(stopped).await.expect("a process runs to its end") };
        let running = vec![tokio::spawn(roles), tokio::spawn(passing)];
        takes_commands.await;
        let http = engine::session::http_client()?;
        Ok(Self { intake, connect, runner, url, http, stop, running })
    }

    /// Ends it, and waits until it has ended.
    pub async fn end(self, end: End) {
        match end {
            End::Drained => drop(self.stop.send_replace(true)),
            End::CutOff => self.running.iter().for_each(JoinHandle::abort),
        }
        for task in self.running {
            // One that was cut off says so; that is no news.
            drop(task.await);
        }
    }

    /// The rows of people.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.connect.accounts.people
    }

    /// The subject of a user of this installation.
    #[must_use]
    pub fn subject_of(&self, user: &str) -> Subject {
        self.people().vault.subject_of(user)
    }

    /// A token of a person for the API.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn token_of(&self, subject: &Subject) -> Result<String> {
        self.token(subject, false).await
    }

    /// A token of an operator for the API.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn operator_token(&self) -> Result<String> {
        self.token(&self.subject_of("operator"), true).await
    }

    async fn token(&self, subject: &Subject, operator: bool) -> Result<String> {
        let token = format!("swt_{}", engine::connect::draw_secret()?);
        let of = AccessToken { subject: subject.clone(), expires_at: None, label: "scenario".into(), operator };
        self.people().put_token(&token, &of).await?;
        Ok(token)
    }
}

/// Moves time on as it passes; while nothing is on its way, to the next timer.
async fn pass_time(
    (runner, idle_ticks): (Runner, u32),
    time: ManualClock,
    kits: [Kit; 2],
    is_held: Arc<AtomicBool>,
    mut stopped: watch::Receiver<bool>,
) {
    let (mut ticks, mut n_idle) = (tokio::time::interval(TICK), 0);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        let is_idle = runner.bus.backlog().count == 0 && !is_held.load(Ordering::Relaxed);
        n_idle = if is_idle { n_idle + 1 } else { 0 };
        let next = if n_idle >= idle_ticks { runner.store.timers.next().await.ok().flatten() } else { None };
        let now = runner.clock.now();
        let later = next.map_or_else(|| now.plus(TICK), |it| it.max(now).plus(TIMERS_PAUSE));
        // The others first: what a timer lets happen must not come to them before its time.
        kits.iter().for_each(|it| it.set_now(later));
        time.advance_to(later);
    }
}
