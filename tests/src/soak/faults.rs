//! The faults, each committed under load.

use super::{
    cluster::{CUT_USER, CUT_WORKER, Cluster, is_root},
    servers::Servers,
};
use ::tests::Outside;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use connectors::simulator::{Fault as ProviderFault, FaultKind};
use std::{
    fmt, fs,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

/// How far the moved clock is ahead: far beyond what clocks may differ (5 s), short of a quarantine (80 to 130 s).
const CLOCK_SHIFT: Duration = Duration::from_secs(60);
/// How long the disk stays full.
const FULL_FOR: Duration = Duration::from_secs(10);
/// Longer than the longest quarantine (Strava's: 130 s).
const FROZEN_LONG: Duration = Duration::from_secs(140);
/// The longest drain that is promised.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// The table of the packet filter that cuts a worker off.
const TABLE: &str = "syncwell_soak";

/// What is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// A worker is killed (SIGKILL) and started again.
    KillOne,
    /// A worker is frozen (SIGSTOP) for longer than its session, and thawed.
    Freeze,
    /// A worker is frozen for longer than any quarantine, which no guarantee covers where a destination neither detects
    /// duplicates nor takes our ids: a second record there is counted apart.
    FreezeLong,
    /// Two workers are killed and started again.
    KillTwo,
    /// A worker's clock is a minute ahead.
    Clock,
    /// A worker's network is cut for longer than its session.
    Network,
    /// The disk of people's folders is full for a while.
    Disk,
    /// The only broker is restarted, or one of several is killed and started.
    Broker,
    /// The database is restarted.
    Database,
    /// The registry is restarted, which forgets everything, and a worker after it.
    Registry,
    /// A worker is asked to stop (SIGTERM), and started again.
    Drain,
    /// A worker joins, and leaves again.
    Rebalance,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |it| it.get_name()))
    }
}

/// What faults are committed on.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) cluster: &'a mut Cluster,
    pub(crate) outside: &'a Outside,
    /// How long the group lets a member be silent.
    pub(crate) session: Duration,
}

impl Field<'_> {
    /// Whether this machine lets us; if not, why.
    pub(crate) fn possible(&self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Network if !is_root() => Err("to cut a worker off needs root".into()),
            Fault::Network => filter(&["list", "tables"]).map_err(|_| "to cut a worker off needs nft".into()),
            Fault::Disk if !self.cluster.has_disk => Err("a small disk cannot be mounted here".into()),
            _ => Ok(()),
        }
    }

    /// Each provider is busy a few times, so that there are timers to be lost.
    pub(crate) fn throttle(&self) {
        for kit in self.outside.kits() {
            let answer =
                FaultKind::Answer { status: 429, headers: vec![("retry-after", "3".into())], body: "{}".into() };
            kit.plan(ProviderFault { after: 5, times: 3, ..ProviderFault::once("GET", "", answer) });
        }
    }
}

impl Fault {
    /// Whether it goes beyond what is promised of destinations of class C.
    pub(crate) fn is_beyond_the_bound(self) -> bool {
        self == Self::FreezeLong
    }

    /// Whether nobody can work while it lasts: the one server of its kind is away.
    pub(crate) fn takes_from_all(self, servers: &Servers) -> bool {
        self == Self::Database || (self == Self::Broker && servers.n_brokers() == 1)
    }

    /// Those of a small run, those that leave claims behind first.
    pub(crate) const SMALL: [Self; 6] =
        [Self::KillOne, Self::Freeze, Self::Broker, Self::Database, Self::Drain, Self::Rebalance];

    /// Commits it, and mends it; says what there is to remark.
    pub(crate) async fn commit(self, field: &mut Field<'_>) -> Result<Vec<String>> {
        let (session, cluster) = (field.session, &mut *field.cluster);
        let mut remarks = Vec::new();
        match self {
            Self::KillOne => {
                cluster.workers[0].kill()?;
                cluster.start_worker(0, Duration::ZERO).await?;
            }
            Self::KillTwo => {
                cluster.workers[0].kill()?;
                cluster.workers[1].kill()?;
                cluster.start_worker(0, Duration::ZERO).await?;
                cluster.start_worker(1, Duration::ZERO).await?;
            }
            Self::Freeze | Self::FreezeLong => {
                let frozen = if self == Self::Freeze { session + Duration::from_secs(8) } else { FROZEN_LONG };
                cluster.workers[1].signal("STOP")?;
                tokio::time::sleep(frozen).await;
                cluster.workers[1].signal("CONT")?;
                remarks.push(format!("frozen {} s, session {} s", frozen.as_secs(), session.as_secs()));
            }
            Self::Clock => {
                cluster.workers[1].stop().await?;
                cluster.start_worker(1, CLOCK_SHIFT).await?;
                cluster.workers[0].kill()?;
                cluster.start_worker(0, Duration::ZERO).await?;
                remarks.push(format!("{} s ahead while another is killed", CLOCK_SHIFT.as_secs()));
            }
            Self::Network => {
                let cut = session + Duration::from_secs(8);
                let _mended = Cut::begin()?;
                tokio::time::sleep(cut).await;
                remarks.push(format!("worker {CUT_WORKER} cut off for {} s", cut.as_secs()));
            }
            Self::Disk => {
                let ballast = cluster.folders().join("ballast");
                let n_bytes = fill(&ballast)?;
                tokio::time::sleep(FULL_FOR).await;
                fs::remove_file(ballast)?;
                remarks.push(format!("full for {} s ({} MiB)", FULL_FOR.as_secs(), n_bytes >> 20));
            }
            Self::Broker if cluster.servers.n_brokers() > 1 => {
                cluster.servers.act("kill", "kafka-2").await?;
                cluster.servers.act("start", "kafka-2").await?;
                remarks.push(format!("one of {}, by SIGKILL", cluster.servers.n_brokers()));
            }
            Self::Broker => {
                cluster.servers.act("restart", "kafka-1").await?;
                remarks.push("the only one".into());
            }
            Self::Database => cluster.servers.act("restart", "cassandra").await?,
            Self::Registry => {
                cluster.servers.act("restart", "registry").await?;
                cluster.push_schemas()?;
                cluster.workers[0].stop().await?;
                cluster.start_worker(0, Duration::ZERO).await?;
                remarks.push("schemas pushed again, a worker started with them".into());
            }
            Self::Drain => {
                let took = cluster.workers[0].stop().await?;
                ensure!(took <= DRAIN_MAX, "the drain took {took:?}");
                cluster.start_worker(0, Duration::ZERO).await?;
                remarks.push(format!("drained in {:.1} s", took.as_secs_f64()));
            }
            Self::Rebalance => {
                let index = cluster.workers.len();
                cluster.start_worker(index, Duration::ZERO).await?;
                tokio::time::sleep(Duration::from_secs(5)).await;
                let mut last = cluster.workers.pop().context("a worker was added")?;
                let took = last.stop().await?;
                remarks.push(format!("a worker joined, and left in {:.1} s", took.as_secs_f64()));
            }
        }
        Ok(remarks)
    }

    /// Undoes what is to last for the whole round.
    pub(crate) async fn undo(self, field: &mut Field<'_>) -> Result<()> {
        if self == Self::Clock {
            field.cluster.workers[1].stop().await?;
            field.cluster.start_worker(1, Duration::ZERO).await?;
        }
        Ok(())
    }
}

/// The network of a worker, cut; whole again when dropped.
struct Cut;

impl Cut {
    fn begin() -> Result<Self> {
        // From here on the table goes, whatever becomes of its rules.
        let cut = Self;
        filter(&["add", "table", "inet", TABLE])?;
        filter(&["add", "chain", "inet", TABLE, "out", "{ type filter hook output priority 0 ; }"])?;
        filter(&["add", "rule", "inet", TABLE, "out", "meta", "skuid", &CUT_USER.to_string(), "drop"])?;
        Ok(cut)
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        drop(filter(&["delete", "table", "inet", TABLE]));
    }
}

/// The packet filter.
fn filter(arguments: &[&str]) -> Result<()> {
    let done = Command::new("nft").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(done.success(), "nft {} failed", arguments.join(" "));
    Ok(())
}

/// Writes until there is no room left; says how much.
fn fill(path: &std::path::Path) -> Result<u64> {
    let (mut file, block) = (fs::File::create(path)?, vec![0u8; 64 << 10]);
    let mut n_bytes = 0;
    while let Ok(n) = file.write(&block) {
        if n == 0 {
            break;
        }
        n_bytes += n as u64;
    }
    Ok(n_bytes)
}
