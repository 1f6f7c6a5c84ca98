//! `syncwell up`, `api`, `worker` and `scheduler`: what runs until it is stopped.

use super::print;
use crate::{
    address::masked,
    config::Config,
    process::Process,
    roles::{Roles, STAGES, Work},
};
use anyhow::{Context, ensure};
use clap::{Args, builder::PossibleValuesParser};
use engine::clock::Clock;
use schemas::event::Lane;
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tokio::sync::watch;

/// How long a process may take to say whether it is ready.
const READY_MAX: Duration = Duration::from_secs(2);

/// Who is let in at the first start.
#[derive(Debug, Args)]
pub struct FirstToken {
    /// The user that the first access token is for.
    #[arg(long, default_value = "me", value_name = "NAME")]
    user: String,
    /// Make and print another access token, as at the first start.
    #[arg(long)]
    new_token: bool,
    /// Make and print a token with the operator's right: for `tail`, `rejects`, `replay`, `audit` and `token`.
    #[arg(long)]
    operator_token: bool,
}

/// `syncwell worker`.
#[derive(Debug, Args)]
pub struct Worker {
    /// The stages to run; without one: all of them.
    #[arg(value_name = "STAGE", value_parser = PossibleValuesParser::new(STAGES))]
    stages: Vec<String>,
    /// Only this lane: people who wait (hot), or history and daily work (cold); without it: both.
    #[arg(long, value_name = "LANE", value_parser = PossibleValuesParser::new(Lane::ALL.map(Lane::name)))]
    lane: Option<String>,
}

impl Worker {
    pub(super) fn roles(self) -> Roles {
        let is_wanted = |lane: &Lane| self.lane.as_ref().is_none_or(|it| it == lane.name());
        Roles::worker(Work { stages: self.stages, lanes: Lane::ALL.into_iter().filter(is_wanted).collect() })
    }
}

/// Plays these roles until Ctrl-C or SIGTERM, then drains.
pub(super) async fn play(config: &Config, roles: Roles, first: Option<FirstToken>) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        print::say("draining; a second Ctrl-C stops at once");
        stop.send_replace(true);
        asked_to_stop().await;
        std::process::exit(1);
    });
    let tell = |text: &str| print::say(&format!("syncwell {text}"));
    let opened =
        Process::open_in_time(config, connectors::catalog(), clock(), roles.clone(), tell, stopped.clone()).await?;
    let Some(process) = opened else { return Ok(()) };
    if let Some(first) = first {
        let has_token = process.means.accounts.people.has_lasting_token().await.context("look for access tokens")?;
        if first.new_token || !has_token {
            let token = process.make_token(&first.user, ("made at start", false), None).await?;
            print::say(&format!("access token of user {:?}, shown only now:", first.user));
            print::data(&token);
        }
        if first.operator_token {
            let token = process.make_token(&first.user, ("operator at start", true), None).await?;
            print::say("access token with the operator's right, shown only now:");
            print::data(&token);
        }
    }
    if roles == Roles::all() {
        let (url, data) = (&process.public_url, config.data.display());
        print::say(&format!("syncwell is up at {url}, data in {data}; Ctrl-C drains and stops"));
    } else {
        let (address, bus, store) = (process.address(), masked(&config.bus), masked(&config.store));
        print::say(&format!(
            "syncwell {roles} is up at http://{address}, bus {bus}, store {store}; Ctrl-C drains and stops"
        ));
    }
    process.run(stopped).await
}

/// `syncwell ready`: asks the process that listens where the configuration says.
pub(super) async fn ready(config: &Config) -> anyhow::Result<()> {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        // Whoever listens everywhere listens here, too.
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let http = engine::session::http_client().context("set up the HTTP client")?;
    let asking = http.get(format!("http://{address}/readyz")).timeout(READY_MAX).send();
    let answer = asking.await.with_context(|| format!("ask the process at {address} whether it is ready"))?;
    let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
    let detail = || serde_json::from_str::<serde_json::Value>(&text).ok()?["detail"].as_str().map(str::to_owned);
    ensure!(status.is_success(), "{}", detail().unwrap_or_else(|| format!("{address} answered {status}")));
    Ok(())
}

/// The real time; a test of crashes may start a process later than it is.
pub(super) fn clock() -> Clock {
    #[cfg(feature = "failpoints")]
    if let Some(seconds) = std::env::var("SYNCWELL_CLOCK_SHIFT_S").ok().and_then(|it| it.parse().ok()) {
        return Clock::shifted(std::time::Duration::from_secs(seconds));
    }
    Clock::real()
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            drop(interrupt.await);
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
