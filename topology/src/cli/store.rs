//! `syncwell store`: the tables of a `scylla://` store.

use super::print;
use crate::{backends::cluster, config::Config};
use clap::Subcommand;
use engine::store::scylla::{
    ScyllaStore,
    schema::{self, Options},
};
use std::time::Duration;

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
}

impl Store {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let address = cluster(config)?;
        match self {
            Self::Migrate { replication, payload_days } => {
                let payloads_kept = Duration::from_secs(u64::from(payload_days) * 24 * 60 * 60);
                let (found, now) = schema::migrate(&address, &Options { replication, payloads_kept }).await?;
                if found == now {
                    print::say(&format!("{} is at schema version {now} already", address.shown()));
                } else {
                    print::say(&format!("{} went from schema version {found} to {now}", address.shown()));
                }
            }
            Self::Check => {
                drop(ScyllaStore::open(&address).await?);
                print::say(&format!("{} opens; schema version {}", address.shown(), schema::known()));
            }
        }
        Ok(())
    }
}
