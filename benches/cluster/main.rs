//! SyncWell on real servers beside a bare relay and Kafka Streams: ratios out of one run.
//!
//! Every contestant takes the same events from the same topic, one after the other, each in a process of its own, so
//! that its processor time is its own. Seals are left out where Kafka Streams is compared with, on both sides; they and
//! the log are measured apart. `docs/benchmarks.md` says how to read the figures. Read in this order: `race.rs` (how is
//! measured), `worker.rs` and `relay.rs` (what), `input.rs`, `agree.rs`, then `whole.rs` and `times.rs`.

mod agree;
mod input;
mod race;
mod relay;
mod report;
mod servers;
mod times;
mod whole;
mod worker;

use agree::Made;
use anyhow::{Context, Result, ensure};
use benches::world;
use clap::{Parser, Subcommand, ValueEnum};
use engine::store::scylla::{ScyllaStore, address::Address};
use input::Input;
use race::{Contestant, Run};
use report::Figures;
use schemas::{
    event::{Kind, Lane},
    topics::TopicName,
};
use servers::{Servers, Space};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use topology::cli::print;

/// Where pages come from.
const FETCHED: TopicName = TopicName { kind: Kind::Fetched, lane: Some(Lane::Hot) };
/// Where records go to.
const NORMALIZED: TopicName = TopicName { kind: Kind::Normalized, lane: Some(Lane::Hot) };
/// Where pages that are only passed on go to.
const PASSED: TopicName = TopicName { kind: Kind::Fetched, lane: Some(Lane::Cold) };
/// The share of the events that warms up. Half: the JVM compiles while it runs.
const WARM: f64 = 0.5;

/// SyncWell on real servers beside a bare relay and Kafka Streams.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    play: Option<Play>,
    /// Events that a contestant without a log is given.
    #[arg(long, default_value_t = 1_000_000)]
    records: usize,
    /// Events that a contestant with a log is given.
    #[arg(long, default_value_t = 40_000)]
    logged: usize,
    /// Runs of every contestant; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Part::Race, Part::Log, Part::Whole, Part::Times])]
    parts: Vec<Part>,
    /// Only contestants whose name holds this.
    #[arg(long, default_value = "")]
    only: String,
    /// The release binary, for its times.
    #[arg(long, default_value = "target/release/syncwell")]
    binary: PathBuf,
    /// The built Kafka Streams program: streams.jar, and its libraries in lib.
    #[arg(long, default_value = "target/streams")]
    streams: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The relay, Kafka Streams and SyncWell without its log.
    Race,
    /// What the log costs.
    Log,
    /// Whole syncs.
    Whole,
    /// Start, rebalance and drain of the binary.
    Times,
}

/// What a process that this program starts does.
#[derive(Debug, Subcommand)]
enum Play {
    #[command(hide = true)]
    Relay(relay::Way),
    #[command(hide = true)]
    Worker {
        kind: worker::Kind,
        #[command(flatten)]
        places: worker::Places,
    },
    #[command(hide = true)]
    Whole(whole::Where),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_env_filter("warn,apache_avro=error").with_writer(std::io::stderr).init();
    if let Some(Play::Relay(way)) = &cli.play {
        return relay::run(way);
    }
    if let Some(Play::Whole(places)) = &cli.play {
        return whole::run(places);
    }
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    if let Some(Play::Worker { kind, places }) = &cli.play {
        return runtime.block_on(worker::run(*kind, places));
    }
    let figures = runtime.block_on(all(&cli, &Servers::given()?))?;
    if cli.json {
        return print::json(&figures);
    }
    figures.tell();
    Ok(())
}

async fn all(cli: &Cli, servers: &Servers) -> Result<Figures> {
    let mut figures = Figures::default();
    if cli.parts.contains(&Part::Race) {
        let space = Space::make(servers, "race").await?;
        let raced = race(cli, &space, &mut figures).await;
        space.end().await?;
        raced?;
    }
    if cli.parts.contains(&Part::Log) || cli.parts.contains(&Part::Times) {
        let space = Space::make(servers, "log").await?;
        let logged = sealed(cli, &space, &mut figures).await;
        space.end().await?;
        logged?;
    }
    if cli.parts.contains(&Part::Whole) {
        print::say("whole syncs on memory:// and sqlite://");
        figures.whole_embedded = Some(whole::measure(&world::Places::default())?);
        let space = Space::make(servers, "whole").await?;
        print::say("whole syncs on kafka:// and scylla://");
        let (bus, store, registry) = (space.bus.clone(), space.store.clone(), space.registry.clone());
        let whole = whole::measure(&world::Places { bus: Some(bus), store: Some(store), registry: Some(registry) });
        space.end().await?;
        figures.whole_cluster = Some(whole?);
    }
    Ok(figures)
}

/// Everybody who keeps no log, over pages in the clear.
async fn race(cli: &Cli, space: &Space, figures: &mut Figures) -> Result<()> {
    print::say(&format!("{} events are published", cli.records));
    Input::new(None)?.publish(&*space.open().await?, 0, cli.records).await?;
    let n_events = i64::try_from(cli.records)?;
    let mut made: Option<Made> = None;
    for round in 0..cli.rounds {
        for contestant in contestants(space, cli, round)? {
            let name = contestant.name;
            if !name.contains(&cli.only) {
                continue;
            }
            let normalizes = contestant.to == NORMALIZED;
            let run = race::run(space, contestant, n_events, WARM).await?;
            tell(&run);
            figures.runs.push(run);
            if normalizes && round == 0 {
                let sample = agree::sample(space).with_context(|| format!("read what {name} made"))?;
                match &made {
                    None => made = Some(sample),
                    Some(ours) => {
                        figures.n_compared = agree::compare(ours, &sample).with_context(|| name.to_owned())?
                    }
                }
            }
        }
    }
    space.empty(FETCHED).await
}

/// The product's own stage with seals, and with its log; then the binary.
async fn sealed(cli: &Cli, space: &Space, figures: &mut Figures) -> Result<()> {
    let store = ScyllaStore::open(&Address::parse(&space.store).map_err(anyhow::Error::msg)?).await?;
    let contents = worker::contents(&store).await?;
    if cli.parts.contains(&Part::Log) {
        print::say(&format!("{} sealed events are published", cli.logged));
        Input::new(Some(contents.clone()))?.publish(&*space.open().await?, 0, cli.logged).await?;
        let n_events = i64::try_from(cli.logged)?;
        let group = space.group("syncwell.hot.normalize");
        let mut runs: Vec<Run> = Vec::new();
        for _ in 0..cli.rounds {
            let contestant = us("syncwell normalize, sealed", "sealed", space, &group, NORMALIZED)?;
            runs.push(race::run(space, contestant, n_events, WARM).await?);
            tell(&runs[runs.len() - 1]);
        }
        // Once only: a second run would recall what the first one made. That is the next figure.
        for name in ["syncwell normalize, sealed, log appends", "syncwell normalize, sealed, log recalls"] {
            runs.push(race::run(space, us(name, "logged", space, &group, NORMALIZED)?, n_events, 0.25).await?);
            tell(&runs[runs.len() - 1]);
        }
        figures.runs.append(&mut runs);
        space.empty(FETCHED).await?;
        space.empty(NORMALIZED).await?;
    }
    if cli.parts.contains(&Part::Times) {
        ensure!(cli.binary.is_file(), "no binary at {}; cargo build --release", cli.binary.display());
        print::say("the binary starts, shares its work, and ends");
        let input = Input::new(Some(contents))?;
        figures.times = Some(times::measure(space, input, &cli.binary, cli.rounds.max(3)).await?);
    }
    Ok(())
}

fn tell(run: &Run) {
    print::say(&format!(
        "{}: {:.0} records/s, {:.1} CPU seconds a million, {} doubled",
        run.name, run.per_second, run.cpu_seconds_per_million, run.n_doubled
    ));
}

/// Everybody, in an order that lets nobody always be the first.
fn contestants(space: &Space, cli: &Cli, round: usize) -> Result<Vec<Contestant>> {
    let relayed = space.group("bench.relay");
    let mut relay = Command::new(std::env::current_exe()?);
    relay.args(["relay", "--brokers", &space.settings.brokers, "--group", &relayed]);
    relay.args(["--from", space.topic(FETCHED), "--to", space.topic(PASSED)]);
    let mut all = vec![
        Contestant { name: "bare relay", command: relay, group: Some(relayed), to: PASSED },
        us("syncwell no-op", "no-op", space, &space.group("syncwell.hot.no_op"), PASSED)?,
        us("syncwell normalize", "normalize", space, &space.group("syncwell.hot.normalize"), NORMALIZED)?,
    ];
    let jar = cli.streams.join("streams.jar");
    ensure!(jar.is_file(), "no {}; run `make bench-cluster`, which builds it", jar.display());
    for (name, what, to) in [
        ("kafka streams relay", "relay", PASSED),
        ("kafka streams normalize", "normalize", NORMALIZED),
        ("kafka streams normalize, tuned", "tuned", NORMALIZED),
    ] {
        all.push(streams((name, what), space, &cli.streams, round, to));
    }
    let n_all = all.len();
    all.rotate_left(round * 2 % n_all);
    Ok(all)
}

/// One of ours.
fn us(name: &'static str, kind: &str, space: &Space, group: &str, to: TopicName) -> Result<Contestant> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["worker", kind, "--bus", &space.bus, "--registry", &space.registry, "--store", &space.store]);
    Ok(Contestant { name, command, group: Some(group.to_owned()), to })
}

/// Kafka Streams. Its members do not leave when they end, so that every run has a group of its own.
fn streams((name, what): (&'static str, &str), space: &Space, built: &Path, round: usize, to: TopicName) -> Contestant {
    let group = space.group(&format!("bench.streams.{what}.{round}"));
    let mut command = Command::new("java");
    let class_path = format!("{}:{}/lib/*", built.join("streams.jar").display(), built.display());
    command.args(["-Xmx1g", "-cp", &class_path, "bench.Main", what, &space.settings.brokers, &group]);
    command.args([space.topic(FETCHED), space.topic(to), "schemas/avro", &space.normalized_id.to_string()]);
    command.arg(std::env::temp_dir().join(&group));
    Contestant { name, command, group: None, to }
}
