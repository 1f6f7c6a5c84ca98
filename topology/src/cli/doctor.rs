//! `syncwell doctor`: what stands in the way, and what to do about it.

use super::print;
use crate::{
    backends::{Backends, directory},
    config::Config,
};
use anyhow::bail;
use serde::Serialize;
use std::net::TcpListener;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    said: String,
}

/// Looks at everything that `syncwell up` would need.
pub(super) async fn doctor(config: anyhow::Result<Config>, json: bool) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    let mut note = |what, result: Result<String, String>| {
        let good = result.is_ok();
        findings.push(Finding { what, good, said: result.unwrap_or_else(|it| it) });
    };
    match &config {
        Err(err) => note("configuration", Err(format!("{err:#}"))),
        Ok(config) => {
            note("configuration", Ok("every key is known".into()));
            note(
                "port",
                match TcpListener::bind(config.listen) {
                    Ok(_) => Ok(format!("{} is free", config.listen)),
                    Err(err) => Err(format!(
                        "{} cannot be listened on ({err}); choose another with --listen, or stop what listens there",
                        config.listen
                    )),
                },
            );
            note(
                "directory and key",
                match Backends::open(config).await {
                    Ok(_) => Ok(format!("{} opens with its key", directory(config).display())),
                    Err(err) => Err(format!("{err:#}")),
                },
            );
            for provider in connectors::catalog().iter() {
                let profile = provider.profile();
                if profile.auth == engine::provider::Auth::None {
                    continue;
                }
                let registered = config
                    .providers
                    .get(profile.id)
                    .is_some_and(|it| it.client_id.is_some() && it.client_secret.is_some());
                let missing = format!(
                    "no client is registered; set providers.{0}.client_id and providers.{0}.client_secret to connect {1} accounts",
                    profile.id, profile.title
                );
                // Not having a provider is a choice, not a fault.
                note(profile.id, Ok(if registered { "a client is registered".into() } else { missing }));
            }
        }
    }
    if json {
        print::json(&findings)?;
    } else {
        let rows: Vec<_> = findings
            .iter()
            .map(|it| vec![if it.good { "ok" } else { "BAD" }.to_owned(), it.what.to_owned(), it.said.clone()])
            .collect();
        print::data(&print::table(&["", "what", "said"], &rows));
    }
    let n_bad = findings.iter().filter(|it| !it.good).count();
    if n_bad > 0 {
        bail!("{n_bad} of {} findings are bad; each says what to do", findings.len());
    }
    Ok(())
}
