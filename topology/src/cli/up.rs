//! `syncwell up`: every role in one process, for use.

use super::print;
use crate::{config::Config, process::Process};
use anyhow::Context;
use engine::clock::Clock;
use tokio::sync::watch;

/// Runs until Ctrl-C or SIGTERM, then drains.
pub(super) async fn up(config: &Config, user: &str, new_token: bool, operator_token: bool) -> anyhow::Result<()> {
    let process = Process::open(config, connectors::catalog(), clock()).await?;
    let url = process.public_url.clone();
    let has_token = process.means.accounts.people.has_lasting_token().await.context("look for access tokens")?;
    if new_token || !has_token {
        let token = process.make_token(user, ("made at start", false), None).await?;
        print::say(&format!("access token of user {user:?}, shown only now:"));
        print::data(&token);
    }
    if operator_token {
        let token = process.make_token(user, ("operator at start", true), None).await?;
        print::say("access token with the operator's right, shown only now:");
        print::data(&token);
    }
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        print::say("draining; a second Ctrl-C stops at once");
        stop.send_replace(true);
        asked_to_stop().await;
        std::process::exit(1);
    });
    print::say(&format!("syncwell is up at {url}, data in {}; Ctrl-C drains and stops", config.data.display()));
    process.run(stopped).await
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
