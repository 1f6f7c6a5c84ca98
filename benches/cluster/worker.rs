//! The contestants that are SyncWell: each runs in a process of its own until its standard input ends.

use super::input::in_the_clear;
use anyhow::{Context, Result};
use async_trait::async_trait;
use benches::world::KEY;
use engine::{
    bus::{
        Unreachable,
        kafka::{KafkaBus, Settings},
    },
    clock::Clock,
    contents::{AVRO, Contents},
    provider::{Catalog, RawPage},
    runner::{Runner, Waits},
    stage::{Answer, Made, Stage},
    stages::{Believed, Normalize},
    store::{
        Log, Logged, Step, StepKey, Store, Timer, Timers,
        scylla::{ScyllaStore, address::Address},
        sqlite::SqliteStore,
    },
    topology::Topology,
    vault::{Kek, Vault},
};
use metrics_exporter_prometheus::PrometheusBuilder;
use schemas::{
    codec,
    event::{Envelope, Fetched, Lane, Normalized, Reason},
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::{self, TopicName},
};
use std::{io::Read, sync::Arc, time::Duration};
use tokio::sync::watch;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Decodes, makes an equal event, encodes; nothing is remembered.
    NoOp,
    /// Maps pages in the clear; nothing is remembered.
    Normalize,
    /// The product's stage, with its seals; nothing is remembered.
    Sealed,
    /// The product's stage, and its log.
    Logged,
}

/// Where it works.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Places {
    /// The bus.
    #[arg(long)]
    bus: String,
    /// The schema registry.
    #[arg(long)]
    registry: String,
    /// The store.
    #[arg(long)]
    store: String,
}

/// Runs until standard input ends.
pub(crate) async fn run(kind: Kind, places: &Places) -> Result<()> {
    // As the product does it: what is counted costs something.
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    metrics::set_global_recorder(recorder).context("install the recorder of metrics")?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            counted.run_upkeep();
        }
    });
    let bus = KafkaBus::open(Settings::parse(&places.bus, [].into(), Some(&places.registry), None)?).await?;
    let directory = tempfile::tempdir()?;
    let clock = Clock::real();
    let mut store = if matches!(kind, Kind::NoOp | Kind::Normalize) {
        SqliteStore::open(directory.path())?
    } else {
        ScyllaStore::open(&Address::parse(&places.store).map_err(anyhow::Error::msg)?).await?
    };
    if kind != Kind::Logged {
        store.log = Arc::new(Silent);
        store.timers = Arc::new(Silent);
    }
    let topology = topology(kind, &store, &clock).await?;
    let (stop, stopped) = watch::channel(false);
    let running =
        tokio::spawn(
            async move { Runner { bus, store, clock, waits: Waits::default() }.run(&topology, stopped).await },
        );
    tokio::task::spawn_blocking(until_input_ends).await?;
    stop.send_replace(true);
    running.await.context("run the stage")
}

/// Waits until whoever started this process wants it to end, or is gone.
pub(crate) fn until_input_ends() {
    // An error is an end, too.
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}

async fn topology(kind: Kind, store: &Store, clock: &Clock) -> Result<Topology> {
    let from = Topology::from(topics::fetched(Lane::Hot));
    let (catalog, clock) = (connectors::catalog(), clock.clone());
    let to = topics::normalized(Lane::Hot);
    let chain = match kind {
        Kind::NoOp => {
            return Ok(from.then(Same, topics::fetched(Lane::Cold)).rejecting_to(topics::REJECTED));
        }
        Kind::Normalize => from.then(InTheClear { catalog, clock }, to),
        Kind::Sealed | Kind::Logged => {
            let contents = contents(store).await?;
            from.then(Normalize { mapper_version: None, catalog, contents, clock }, to)
        }
    };
    Ok(chain.rejecting_to(topics::REJECTED))
}

/// What seals, with the key that all processes of the bench share.
pub(crate) async fn contents(store: &Store) -> Result<Contents> {
    let vault = Vault::open(store.vault.clone(), Some(Kek::from_text(KEY)?)).await.context("open the vault")?;
    Ok(Contents { vault, blobs: store.blobs.clone() })
}

/// A stage that makes an equal event: what is left is the runner, the codec and the bus.
#[derive(Debug)]
struct Same;

impl Stage for Same {
    type In = Fetched;
    type Out = Fetched;
    const NAME: &'static str = "no_op";
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Fetched>, Unreachable> {
        let head = input.head.derive(Self::NAME, 0, input.head.at);
        Ok(Answer::Made(Made::only(vec![Envelope { head, body: input.body.clone() }])))
    }
}

/// Normalize without seals.
#[derive(Debug)]
struct InTheClear {
    catalog: Catalog,
    clock: Clock,
}

impl Stage for InTheClear {
    type In = Fetched;
    type Out = Normalized;
    const NAME: &'static str = Normalize::NAME;
    const AT_ONCE: usize = Normalize::AT_ONCE;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Normalized>, Unreachable> {
        let fetched = &input.body;
        let (Some(provider), Some(body)) = (self.catalog.get(&fetched.account.provider), &fetched.page.sealed) else {
            return Ok(Answer::Reject(Reason::Unsupported));
        };
        let (data_type, content_type) = (fetched.data_type, fetched.page.content_type.as_str());
        let Ok(normal) = provider.normalize(&RawPage { data_type, content_type, body, name: "" }) else {
            return Ok(Answer::Reject(Reason::Malformed));
        };
        let now = self.clock.now();
        let believed = Believed::of(normal, fetched);
        let head = input.head.derive(Self::NAME, 0, now);
        let records = in_the_clear(head.id, AVRO, codec::encode(&believed.records));
        let mapper_version = provider.profile().mapper_version;
        Ok(Answer::Made(Made::only(vec![believed.event(fetched, head, records, mapper_version)])))
    }
}

/// A log, and timers, that remember nothing.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Log for Silent {
    async fn append(&self, step: Step) -> Result<Step, Unreachable> {
        Ok(step)
    }

    async fn recall(&self, keys: &[StepKey]) -> Result<Vec<Option<Step>>, Unreachable> {
        Ok(vec![None; keys.len()])
    }

    async fn open(&self, _: &Subject, _: SyncId) -> Result<Vec<(EventId, TopicName)>, Unreachable> {
        Ok(Vec::new())
    }

    async fn events(&self, _: &Subject, _: SyncId) -> Result<Vec<Logged>, Unreachable> {
        Ok(Vec::new())
    }

    async fn event(&self, _: &Subject, _: SyncId, _: EventId) -> Result<Option<Logged>, Unreachable> {
        Ok(None)
    }

    async fn unsettled(&self, _: Option<SyncId>, _: usize) -> Result<Vec<(Subject, SyncId)>, Unreachable> {
        Ok(Vec::new())
    }

    async fn syncs(&self, _: &Subject, _: usize) -> Result<Vec<(SyncId, Instant, bool)>, Unreachable> {
        Ok(Vec::new())
    }

    async fn scan(
        &self,
        _: Interval,
        _: Option<&Subject>,
        _: Option<(Instant, StepKey)>,
        _: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Timers for Silent {
    async fn schedule(&self, _: Timer) -> Result<(), Unreachable> {
        Ok(())
    }

    async fn get(&self, _: &str, _: EventId) -> Result<Option<Timer>, Unreachable> {
        Ok(None)
    }

    async fn due(&self, _: Instant, _: usize) -> Result<Vec<Timer>, Unreachable> {
        Ok(Vec::new())
    }

    async fn next(&self) -> Result<Option<Instant>, Unreachable> {
        Ok(None)
    }

    async fn remove(&self, _: &str, _: EventId) -> Result<(), Unreachable> {
        Ok(())
    }

    async fn hasten(&self, _: SyncId, _: Instant) -> Result<usize, Unreachable> {
        Ok(0)
    }
}
