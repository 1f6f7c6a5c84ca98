//! `syncwell-soak`: a cluster of real processes on real servers, thousands of syncs in flight, and one fault after
//! the other; afterwards a table of what was lost, doubled, out of order or stuck.
//!
//! A round is: its load begins, its fault is committed, and once no partition has a backlog the next round begins.
//! What waits for its quarantine or its timer lives on through the next rounds, and is judged at the end.
//! Read in this order: `faults.rs` (what is done), `seen.rs` (how it is judged), `lag.rs` (what a stall is), then
//! `people.rs` and `cluster.rs` (what it is done to).

mod cluster;
mod faults;
mod follow;
mod lag;
mod people;
mod report;
mod seen;
mod servers;

use self::{
    cluster::Cluster,
    faults::{Fault, Field},
    follow::Book,
    lag::Watch,
    people::{Person, Shares},
    report::Row,
    servers::Servers,
};
use ::tests::Outside;
use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use engine::clock::Clock;
use std::{
    ops::Not,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use topology::{cli::print::say, process::Process, roles::Roles};

/// How long a round's backlog may take to go after its fault.
const BACKLOG_MAX: Duration = Duration::from_secs(90);
/// How long the last syncs may take after the last round: a quarantine, and pauses between attempts.
const END_MAX: Duration = Duration::from_secs(900);
/// More calls in a quarter-hour than any run makes.
const CALLS_MAX: u32 = 50_000_000;

/// Commits faults on a cluster under load, and prints what came of it.
#[derive(Debug, Parser)]
#[command(name = "syncwell-soak")]
struct Options {
    /// How much.
    #[arg(long, value_enum, default_value_t = Size::Small)]
    size: Size,
    /// How many people, instead of the size's.
    #[arg(long)]
    people: Option<u32>,
    /// How many versions of a record each person has in a round, one sync each, instead of the size's.
    #[arg(long)]
    versions: Option<u32>,
    /// Only these rounds, in this order.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Fault>,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Keep the directory with what every process said.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Size {
    /// A few hundred syncs, a few minutes.
    Small,
    /// Tens of thousands of syncs.
    Full,
}

impl Options {
    fn shares(&self) -> Shares {
        let (people, versions) = match self.size {
            Size::Small => (40, 2),
            Size::Full => (500, 4),
        };
        Shares { people: self.people.unwrap_or(people), versions: self.versions.unwrap_or(versions) }
    }

    fn faults(&self) -> Vec<Fault> {
        match self.size {
            _ if !self.only.is_empty() => self.only.clone(),
            Size::Small => Fault::SMALL.to_vec(),
            Size::Full => Fault::value_variants().to_vec(),
        }
    }

    /// How long the group lets a member be silent: shorter where there is little time.
    fn session(&self) -> Duration {
        Duration::from_secs(if self.size == Size::Small { 6 } else { 10 })
    }
}

fn main() -> ExitCode {
    let run = || -> Result<bool> { tokio::runtime::Runtime::new()?.block_on(run(Options::parse())) };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            say(&format!("soak: {err:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs everything; says whether all is as it must be.
async fn run(options: Options) -> Result<bool> {
    let Some(servers) = Servers::named()? else {
        say("soak: no servers are named that may be killed; LEFT OUT. `make soak` starts some where it can");
        return Ok(std::env::var("CI").is_ok_and(|it| it == "true").not());
    };
    let begun = Instant::now();
    let outside = Outside::start_for(Clock::real().now(), CALLS_MAX).await?;
    outside.kits().iter().for_each(connectors::simulator::Kit::keep_bodies);
    let mut cluster = Cluster::prepare(servers, &outside, options.session(), options.keep)?;
    let own = Process::open(&cluster.config, connectors::catalog(), Clock::real(), Roles::api()).await?;
    let people =
        people::set_up(&own, &outside, &cluster.folders(), options.shares()).await.context("connect people")?;
    say(&format!("soak: {} people are connected after {:.0} s", people.len(), begun.elapsed().as_secs_f64()));
    let watch = Watch::start(&cluster.servers.brokers, &cluster.namespace)?;
    cluster.start().await.context("start the cluster")?;
    let book = Arc::new(Book::new(people.clone(), cluster.api()));
    let following = tokio::spawn(follow::follow(book.clone()));
    let mut rows = Vec::new();
    for (number, fault) in (0u32..).zip(options.faults()) {
        let mut field = Field { cluster: &mut cluster, outside: &outside, session: options.session() };
        let row = round(number, fault, &mut field, (&people, &book, &watch), options.shares()).await;
        let row = row.with_context(|| format!("in the round {fault}"))?;
        say(&format!("soak: {fault} after {:.0} s: {}", begun.elapsed().as_secs_f64(), row.remarks.join("; ")));
        rows.push(row);
    }
    if !book.is_over_within(END_MAX).await {
        say(&format!("soak: after {END_MAX:?} more, {} syncs are still not over", book.n_open()));
    }
    following.abort();
    let ends = book.ends().await.context("ask how the syncs ended")?;
    let backlog = watch.backlog();
    cluster.stop().await.context("stop the cluster")?;
    let left = seen::at_rest(&own).await?;
    let folders = cluster.folders();
    seen::judge(&mut rows, (&outside, &folders), &people, (&book, &ends), options.shares());
    watch.stop();
    let is_good = report::print(&rows, (&left, backlog), begun.elapsed(), options.json)?;
    ensure!(book.n_accepted() > 0, "no sync was accepted");
    Ok(is_good)
}

/// One round: load, fault, and the wait until no partition has a backlog.
async fn round(
    number: u32,
    fault: Fault,
    field: &mut Field<'_>,
    (people, book, watch): (&[Arc<Person>], &Arc<Book>, &Watch),
    shares: Shares,
) -> Result<Row> {
    let mut row = Row::new(number, fault);
    if let Err(why) = field.possible(fault) {
        row.left_out = Some(why.clone());
        row.remarks.push(format!("left out: {why}"));
        return Ok(row);
    }
    watch.forget_stalls();
    field.throttle();
    let loading = tokio::spawn(people::load(number, people.to_vec(), book.clone(), field.cluster.api(), shares));
    // The fault comes into the middle of the load.
    let enough = usize::try_from(shares.people).unwrap_or(usize::MAX) / 4;
    book.settled_in(number, enough.max(1), Duration::from_secs(60)).await;
    let begun = Instant::now();
    let told = fault.commit(field).await?;
    let over = Instant::now();
    if fault.takes_from_all(&field.cluster.servers) {
        row.away_s = begun.elapsed().as_secs_f64();
        row.remarks.push(format!("away for {:.0} s", row.away_s));
    }
    row.remarks.extend(told);
    loading.await?.context("give the load")?;
    let gone = watch.no_backlog_within(BACKLOG_MAX).await;
    match gone {
        true => row.remarks.push(format!("backlog gone after {:.0} s", over.elapsed().as_secs_f64())),
        false => row.remarks.push(format!("a backlog after {BACKLOG_MAX:?}: {}", watch.waiting())),
    }
    let stall = watch.longest_stall();
    row.stall_s = stall.0.as_secs_f64();
    row.remarks.push(format!("longest at {}", stall.1));
    row.fault_over = Some(over);
    fault.undo(field).await?;
    Ok(row)
}
