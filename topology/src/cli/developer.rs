//! For contributors and operators: a simulator alone, a mapper alone, the drawing, the configuration.

use super::print;
use crate::{
    config::Config,
    flow::{analytics, flow},
    process::Process,
    roles::Roles,
};
use anyhow::{Context, bail};
use clap::Args;
use connectors::{google_health, simulator::Kit, strava};
use engine::{clock::Clock, provider::RawPage, topology::Topology};
use schemas::{data_type::DataType, event::Lane, topics::TopicName};
use serde_json::json;
use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// `syncwell simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// Which provider: `strava` or `google_health`.
    provider: String,
    /// Which of the demo's data to load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Simulate {
    pub(super) async fn run(self, listen: Option<SocketAddr>) -> anyhow::Result<()> {
        let address = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bind = || format!("listen on {address}; choose another with --listen");
        let running = match self.provider.as_str() {
            "strava" => {
                let simulator =
                    strava::simulator::Simulator::new(Kit::default(), strava::simulator::Options::default());
                super::demo::accounts::load_strava(&simulator, 1, self.seed);
                simulator.start(address).await.with_context(bind)?
            }
            "google_health" => {
                let simulator = google_health::simulator::Simulator::new(Kit::default());
                simulator.add_user("1");
                simulator.seed_demo("1", self.seed);
                simulator.start(address).await.with_context(bind)?
            }
            other => bail!("no simulator is called {other}; there are strava and google_health"),
        };
        print::data(&running.url);
        print::say(&format!("{} is simulated at {}; Ctrl-C stops it", self.provider, running.url));
        tokio::signal::ctrl_c().await.context("wait for Ctrl-C")
    }
}

/// The pages of a file, one after the other: media type and bytes.
type Parts<'a> = Box<dyn Iterator<Item = anyhow::Result<(String, Vec<u8>)>> + 'a>;

/// `syncwell normalize`.
#[derive(Debug, Args)]
pub struct Normalize {
    /// Which provider's mapper, such as `files`.
    provider: String,
    /// Which type was asked for, such as `workout`; `any` for a file that may hold several.
    kind: String,
    /// The page or file.
    file: PathBuf,
}

impl Normalize {
    /// Prints one record a line; issues go to stderr.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let catalog = connectors::catalog();
        let known: Vec<_> = catalog.iter().map(|it| it.profile().id).collect();
        let provider = catalog
            .get(&self.provider)
            .with_context(|| format!("no provider is called {}; known are {}", self.provider, known.join(", ")))?;
        let data_type: Option<DataType> = match self.kind.as_str() {
            "any" => None,
            kind => Some(kind.parse()?),
        };
        let name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for part in self.parts(&**provider, &name)? {
            let (content_type, body) = part?;
            let page = RawPage { data_type, content_type: &content_type, body: &body, name: &name };
            let normal = provider.normalize(&page).with_context(|| format!("map {}", self.file.display()))?;
            for record in &normal.records {
                print::data(&serde_json::to_string(record)?);
            }
            for issue in &normal.issues {
                print::say(&format!("{} at {}: {}", issue.code, issue.at, issue.text));
            }
        }
        Ok(())
    }

    /// The pages of a file: those that the provider cuts it into, or the whole of a page that was saved.
    fn parts<'a>(&'a self, provider: &'a dyn engine::provider::DataProvider, name: &str) -> anyhow::Result<Parts<'a>> {
        if provider.profile().access == engine::provider::Access::File {
            let parts = provider
                .split(Box::new(open(&self.file)?), name)
                .with_context(|| format!("read {}", self.file.display()))?;
            let path = self.file.clone();
            let part = move |it: Result<engine::provider::Part, engine::provider::SplitError>| {
                let part = it.with_context(|| format!("read {}", path.display()))?;
                Ok((part.content_type, part.body.to_vec()))
            };
            return Ok(Box::new(parts.map(part)));
        }
        let length = open(&self.file)?.metadata().map_or(0, |it| it.len());
        if usize::try_from(length).is_ok_and(|it| it > engine::provider::PAGE_BYTES_MAX) {
            bail!("{} is larger than a page may be ({} bytes)", self.file.display(), engine::provider::PAGE_BYTES_MAX);
        }
        let body = std::fs::read(&self.file).with_context(|| format!("read {}", self.file.display()))?;
        Ok(Box::new(std::iter::once(Ok(("application/json".to_owned(), body)))))
    }
}

pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("open {}", path.display()))
}

/// `syncwell topology`: the flow of the hot lane and what follows it, as the README shows them.
pub(super) async fn topology(json: bool) -> anyhow::Result<()> {
    let directory = std::env::temp_dir().join(format!("syncwell-topology-{}", std::process::id()));
    let flow = hot_flow(&directory).await;
    drop(std::fs::remove_dir_all(&directory));
    let flow = flow?;
    if json {
        let link = |(from, stage, to): (TopicName, &str, TopicName)| json!({"from": from.to_string(), "stage": stage, "to": to.to_string()});
        return print::json(&flow.links().map(link).collect::<Vec<_>>());
    }
    print::data(&flow.to_string());
    Ok(())
}

/// The flow itself and what follows it, wired over an empty store: the very value that `syncwell up` runs.
async fn hot_flow(directory: &Path) -> anyhow::Result<Topology> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { data: directory.to_owned(), listen, ..Config::default() };
    let process = Process::open(&config, connectors::catalog(), Clock::real(), Roles::all()).await?;
    Ok(flow(Lane::Hot, &process.means).followed_by(analytics(&process.means)))
}

/// `syncwell config`.
pub(super) fn config(config: &Config, json: bool) -> anyhow::Result<()> {
    if json {
        return print::json(&config.masked());
    }
    print::data(toml::to_string(&config.masked())?.trim_end());
    Ok(())
}
