//! The command line: data to stdout, words to stderr; exit 0 done, 1 failed, 2 usage, 78 configuration.

mod client;
mod connect;
mod demo;
mod developer;
mod doctor;
mod dry_runs;
mod entities;
mod explain;
mod import;
mod jobs;
mod matrix;
mod operators;
mod pairs;
mod policies;
pub mod print;
mod replays;
mod rewinds;
mod schemas;
mod store;
mod topics;
mod up;

use crate::{
    backends,
    config::{Config, ConfigError},
    roles::Roles,
};
use clap::{Args, Parser, Subcommand};
use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};
use toml::{Table, Value};

/// Moves health data between the platforms a person uses: never loses a record, never writes one twice.
#[derive(Debug, Parser)]
#[command(name = "syncwell", version, max_term_width = 100)]
pub struct Cli {
    /// Configuration file (TOML); `syncwell config` prints every key.
    #[arg(long, global = true, env = "SYNCWELL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory that everything is kept in [default: syncwell-data].
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where the API and the probes listen [default: 127.0.0.1:8080].
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// What to log: `info`, `debug`, `engine=trace,warn` …
    #[arg(long, global = true, env = "SYNCWELL_LOG", default_value = "warn", value_name = "FILTER")]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How a command reaches SyncWell: a running one by its API, or the data directory itself.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The API of a running `syncwell up`; without it the data directory is opened by this command.
    #[arg(long, env = "SYNCWELL_URL", value_name = "URL")]
    pub url: Option<String>,
    /// An access token of that API. Everybody on this machine can see what a command was given: the variable is the
    /// safer place.
    #[arg(long, env = "SYNCWELL_TOKEN", hide_env_values = true, value_name = "TOKEN", requires = "url")]
    pub token: Option<String>,
    /// Whose data: a user of this installation.
    #[arg(long, default_value = "me", value_name = "NAME")]
    pub user: String,
    /// One JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs every role in one process until Ctrl-C.
    Up(up::FirstToken),
    /// Runs the API alone, on a bus and a store that it shares with workers and schedulers.
    Api(up::FirstToken),
    /// Runs stages alone: all, or the named ones.
    Worker(up::Worker),
    /// Runs the scheduler alone: it fires timers.
    Scheduler,
    /// Says whether the process that listens here is ready: exit 0 if it is, 1 if not. For health checks.
    Ready,
    /// Shows a whole sync between simulated accounts, twice; needs nothing.
    Demo(demo::Demo),
    /// Syncs FIT, TCX and GPX files or an Apple Health export into an account or a folder.
    Import(import::Import),
    /// Connects an account or a folder, or lists what is connected.
    Connect(connect::Connect),
    /// Syncs one type from one connection to another.
    Sync(jobs::Sync),
    /// Says what a sync config would do, without doing it, and prints its plan.
    DryRun(dry_runs::DryRun),
    /// Puts the config of a dry run, and does exactly what its plan says.
    Apply(dry_runs::Apply),
    /// Brings what was written to a connection back to a moment.
    Rewind(rewinds::Rewind),
    /// Says how a sync stands, or lists the latest.
    Status(jobs::StatusOf),
    /// Says why a record is where it is, or is not.
    Explain(explain::Explain),
    /// Says of each thing of a type where it is, and where it is not and why.
    Matrix(matrix::Matrix),
    /// Lists the questions whether two records are one thing, or answers one.
    Reviews(explain::Reviews),
    /// Takes a record apart that was made of several sources' records.
    Split(explain::Split),
    /// For operators: prints the events of a topic as JSON lines, from the log; what is sealed stays sealed.
    Tail(operators::Tail),
    /// For operators: lists what no stage could take, and takes it up again once its cause is repaired.
    #[command(subcommand)]
    Rejects(operators::Rejects),
    /// For operators: runs the past again, to see what comes out differently (shadow, diff), and repairs it.
    #[command(subcommand)]
    Replay(replays::Replay),
    /// For operators: lists what operators did.
    Audit(operators::Audit),
    /// For operators: makes an access token.
    Token(operators::Token),
    /// Runs a provider's simulator alone.
    Simulate(developer::Simulate),
    /// Prints the canonical records of a provider's page as JSON lines.
    Normalize(developer::Normalize),
    /// Says of pairs of canonical records whether they are the same, and why.
    Match(pairs::Pairs),
    /// Joins uploads of several devices, and says what each device is told and what is kept, as JSON lines.
    Entities(entities::Entities),
    /// Draws the path of a sync.
    Topology {
        /// JSON instead of a drawing.
        #[arg(long)]
        json: bool,
    },
    /// Compares Kafka's topics with those that are needed, and makes or changes them.
    Topics(topics::Topics),
    /// Registers the schemas of all events, or lists them.
    Schemas(schemas::Schemas),
    /// Looks after the store: the tables of a `scylla://` one, and any after a loss.
    Store {
        /// What to do with it.
        #[command(subcommand)]
        command: store::Store,
    },
    /// Prints the effective configuration, secrets masked.
    Config {
        /// JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
    /// Looks at configuration, directory, key, port and providers, and says what to do about what it finds.
    Doctor {
        /// One JSON document instead of text.
        #[arg(long)]
        json: bool,
    },
}

/// How long the runtime may take to end once everything has drained.
const END_MAX: Duration = Duration::from_millis(500);

/// The whole of a binary: parses the arguments, does what was asked, says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => return fail(&anyhow::anyhow!(err).context("start the runtime")),
    };
    let done = runtime.block_on(Box::pin(run(cli)));
    // What still blocks a thread must not make a drain longer than it may be.
    runtime.shutdown_timeout(END_MAX);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => fail(&err),
    }
}

/// Sets up the log, to stderr.
fn log(cli: &Cli) {
    // The Avro library says at every start which schemas it parses; the driver of the store says in its own words what
    // is said in ours.
    let filter = tracing_subscriber::EnvFilter::try_new(format!("apache_avro=warn,scylla=off,{}", cli.log))
        .unwrap_or_else(|_| "warn".into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second set-up in one process (tests) leaves the first one.
    drop(log.try_init());
}

/// Says what failed and which code to exit with.
fn fail(err: &anyhow::Error) -> ExitCode {
    // The first line says what failed, the second what to do.
    let text = format!("{err:#}");
    let (what, then) = text.split_once("; ").map_or((text.as_str(), None), |it| (it.0, Some(it.1)));
    print::say(&format!("error: {what}"));
    if let Some(then) = then {
        print::say(&format!("  try: {then}"));
    }
    ExitCode::from(if backends::is_configuration(err) { 78 } else { 1 })
}

/// Does what was asked.
///
/// # Errors
/// Whatever failed, in words that say what to do.
async fn run(cli: Cli) -> anyhow::Result<()> {
    let config = read_config(&cli);
    match cli.command {
        Command::Up(first) => up::play(&config?, Roles::all(), Some(first)).await,
        Command::Api(first) => up::play(&config?, Roles::api(), Some(first)).await,
        Command::Worker(worker) => up::play(&config?, worker.roles(), None).await,
        Command::Scheduler => up::play(&config?, Roles::scheduler(), None).await,
        Command::Ready => up::ready(&config?).await,
        Command::Demo(demo) => demo.run().await,
        Command::Import(import) => import.run(&config?).await,
        Command::Connect(connect) => connect.run(&config?).await,
        Command::Sync(sync) => sync.run(&config?).await,
        Command::DryRun(dry_run) => dry_run.run(&config?).await,
        Command::Apply(apply) => apply.run(&config?).await,
        Command::Rewind(rewind) => rewind.run(&config?).await,
        Command::Status(status) => status.run(&config?).await,
        Command::Explain(explain) => explain.run(&config?).await,
        Command::Matrix(matrix) => matrix.run(&config?).await,
        Command::Reviews(reviews) => reviews.run(&config?).await,
        Command::Split(split) => split.run(&config?).await,
        Command::Tail(tail) => tail.run(&config?).await,
        Command::Rejects(rejects) => rejects.run(&config?).await,
        Command::Replay(replay) => replay.run(&config?).await,
        Command::Audit(audit) => audit.run(&config?).await,
        Command::Token(token) => token.run(&config?).await,
        Command::Simulate(simulate) => simulate.run(cli.listen).await,
        Command::Normalize(normalize) => normalize.run(),
        Command::Match(pairs) => pairs.run(),
        Command::Entities(entities) => entities.run(),
        Command::Topology { json } => developer::topology(json).await,
        Command::Topics(topics) => topics.run(&config?).await,
        Command::Schemas(schemas) => schemas.run(&config?).await,
        Command::Store { command } => command.run(&config?).await,
        Command::Config { json } => developer::config(&config?, json),
        Command::Doctor { json } => doctor::doctor(config, json).await,
    }
}

fn read_config(cli: &Cli) -> anyhow::Result<Config> {
    let mut flags = Table::new();
    if let Some(data) = &cli.data {
        flags.insert("data".into(), Value::String(data.display().to_string()));
    }
    if let Some(listen) = cli.listen {
        flags.insert("listen".into(), Value::String(listen.to_string()));
    }
    Config::read(cli.config.as_deref(), std::env::vars(), flags).map_err(|err| ConfigError(err).into())
}
