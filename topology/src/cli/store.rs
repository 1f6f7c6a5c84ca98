//! `syncwell store`: the tables of a `scylla://` store, and what to do after a loss in any store.

use super::{print, up::clock};
use crate::{
    address::scheme,
    backends::{self, cluster},
    config::Config,
    process::Process,
    roles::Roles,
};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::{
    audit::Audit,
    bus::kafka::topics::Admin,
    restore::Restored,
    store::scylla::{
        ScyllaStore,
        schema::{self, Options},
    },
};
use schemas::time::Instant;
use std::{net::SocketAddr, time::Duration};

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Makes the keyspace and its tables, or brings them to this version; safe to run twice and at the same time.
    Migrate {
        /// Copies of each row (in the datacenter of `?dc=`, if the store's address names one).
        #[arg(long, default_value_t = 1, value_name = "COPIES")]
        replication: u16,
        /// How long events and blobs are kept; fixed when the tables are made.
        #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
        payload_days: u16,
    },
    /// Opens the store and says whether it is of this version.
    Check,
    /// After rows were lost: makes those of items, origins and checkpoints again from the log. Stop all workers first.
    Rebuild,
    /// After a snapshot was restored: takes what came later from the bus, into log and rows. Stop all workers first.
    CatchUp {
        /// When the snapshot was made, or somewhat earlier (RFC 3339).
        #[arg(long, value_name = "TIME")]
        since: String,
    },
}

impl Store {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::Migrate { replication, payload_days } => {
                let address = cluster(config)?;
                let payloads_kept = Duration::from_secs(u64::from(payload_days) * 24 * 60 * 60);
                let (found, now) = schema::migrate(&address, &Options { replication, payloads_kept }).await?;
                if found == now {
                    print::say(&format!("{} is at schema version {now} already", address.shown()));
                } else {
                    print::say(&format!("{} went from schema version {found} to {now}", address.shown()));
                }
            }
            Self::Check => {
                let address = cluster(config)?;
                drop(ScyllaStore::open(&address).await?);
                print::say(&format!("{} opens; schema version {}", address.shown(), schema::known()));
            }
            Self::Rebuild => {
                let process = open(config, "store rebuild").await?;
                let restored = process.restore().rebuild().await.context("rebuild rows from the log")?;
                tell(&restored);
            }
            Self::CatchUp { since } => {
                let wrong = || format!("--since: {since:?} is no time; give it as 2026-07-01T00:00:00Z");
                let from = Instant::parse(&since).with_context(wrong)?;
                let process = open(config, "store catch-up").await?;
                let restored = process.restore().catch_up(from).await.context("catch the store up from the bus")?;
                tell(&restored);
            }
        }
        Ok(())
    }
}

/// Opens bus and store as a process does, without playing a role, while nobody works there; notes what is done.
async fn open(config: &Config, what: &str) -> anyhow::Result<Process> {
    if scheme(&config.bus) == "kafka" {
        let groups = Admin::new(backends::kafka(config)?)?.groups_at_work().await?;
        if let Some(first) = groups.first() {
            bail!("{} groups still have members, such as {first}; stop all workers, then try again", groups.len());
        }
    }
    let own = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..config.clone() };
    let process = Process::open(&own, connectors::catalog(), clock(), Roles::of_a_command(config)).await?;
    let audit = Audit { people: process.means.accounts.people.clone() };
    audit.note("command line", what, "begun".into()).await?;
    Ok(process)
}

fn tell(restored: &Restored) {
    let rows: Vec<_> =
        restored.counts.iter().map(|(what, count)| vec![(*what).to_owned(), count.to_string()]).collect();
    print::data(&print::table(&["what", "how many"], &rows));
    for gap in &restored.gaps {
        print::say(&format!("gap: {gap}: what was said between is not there"));
    }
    print::say("not held by events, and as it was before: keys, tokens, connections, configs, consents, cancellations");
    print::say("what no row tells of is looked for at its destination before it is sent; start the workers again");
}
