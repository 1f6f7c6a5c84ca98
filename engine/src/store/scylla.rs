//! The store of many processes: ScyllaDB, or Cassandra 5, by CQL.
//!
//! Rows that are changed conditionally are touched by nothing else, and read serially. All other rows are written
//! twice without harm, and before the conditional row that makes them count: whoever reads an index asks the row that
//! it points to. Read in this order: `schema.rs` (the tables), `cql.rs` (how statements are sent, and what became of
//! those whose answer was lost), then one file a port.

pub mod address;
mod blobs;
mod columns;
mod connect;
mod cql;
mod items;
mod log;
mod origins;
mod rows;
pub mod schema;
mod timers;

#[cfg(test)]
mod tests;

use crate::store::Store;
use address::Address;
use scylla::{
    client::{execution_profile::ExecutionProfileHandle, session::Session},
    statement::prepared::PreparedStatement,
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::{Mutex, RwLock};
use uuid::Uuid;

/// Requests that one call has under way at a time.
const CONCURRENT: usize = 64;

/// The store of many processes.
#[derive(Clone, Copy, Debug)]
pub struct ScyllaStore;

/// Why a store cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error("the store's address is wrong: {0}")]
    Address(String),
    /// Nobody answers there: it may come up later.
    #[error("no node of the store answers at {hosts}; start it, or correct the hosts in `store`: {why}")]
    Away {
        /// Where.
        hosts: String,
        /// What the driver says.
        why: String,
    },
    /// Name and password are not taken.
    #[error("the store at {hosts} refuses the login; correct user and password in `store`")]
    Login {
        /// Where.
        hosts: String,
    },
    /// Its certificate is not one to be trusted.
    #[error("the certificate of the store at {hosts} is not trusted; give the authority that signed it in ?ca=: {why}")]
    Untrusted {
        /// Where.
        hosts: String,
        /// What is wrong with it.
        why: String,
    },
    /// No node is in the data center that is preferred, and others are not asked.
    #[error("no node of the store is in data center {wanted}; correct ?dc=, there are: {known}")]
    Datacenter {
        /// The one that is configured.
        wanted: String,
        /// Those that there are.
        known: String,
    },
    /// The user may not do what is needed.
    #[error(
        "the store's user may not use keyspace {keyspace}; GRANT it SELECT and MODIFY there (`syncwell store migrate` also needs CREATE and ALTER)"
    )]
    Forbidden {
        /// Where.
        keyspace: String,
    },
    /// The keyspace or its tables are not there, or are of an earlier version.
    #[error(
        "keyspace {keyspace} has schema version {found}, this syncwell needs {known}; run `syncwell store migrate`"
    )]
    Older {
        /// Which.
        keyspace: String,
        /// Its version; 0 for none.
        found: i32,
        /// The version of this build.
        known: i32,
    },
    /// A newer syncwell made it.
    #[error(
        "keyspace {keyspace} has schema version {found}: this binary is older than the store and knows up to {known}; install the newer one"
    )]
    Newer {
        /// Which.
        keyspace: String,
        /// Its version.
        found: i32,
        /// The newest that this build knows.
        known: i32,
    },
    /// The certificates of authorities cannot be used.
    #[error("cannot use the certificates in {path}; give a PEM file in ?ca=: {why}")]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another process is migrating and does not end.
    #[error("another process is migrating keyspace {keyspace}; try again when it is done, at the latest in {wait_s} s")]
    Busy {
        /// Which.
        keyspace: String,
        /// When its lock ends.
        wait_s: u64,
    },
    /// The cluster failed.
    #[error("the store {shown} failed; look at its nodes: {why}")]
    Failed {
        /// Where.
        shown: String,
        /// What it says.
        why: String,
    },
}

impl OpenError {
    /// Whether waiting may help: a node may come up, and whoever migrates may not have begun.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        // A cluster that is just beginning may not know of its other data centers yet.
        matches!(
            self,
            Self::Away { .. }
                | Self::Failed { .. }
                | Self::Busy { .. }
                | Self::Datacenter { .. }
                | Self::Older { found: 0, .. }
        )
    }
}

impl ScyllaStore {
    /// Opens the store at this address. It must have been migrated ([`schema::migrate`]).
    ///
    /// # Errors
    /// When nobody answers within some seconds, the login is refused, or the schema is not of this version.
    pub async fn open(address: &Address) -> Result<Store, OpenError> {
        let cluster = Arc::new(Cluster::open(address).await?);
        Ok(Store {
            log: Arc::<Cluster>::clone(&cluster),
            items: Arc::<Cluster>::clone(&cluster),
            timers: Arc::<Cluster>::clone(&cluster),
            blobs: Arc::<Cluster>::clone(&cluster),
            rows: Arc::new(rows::Table::rows(&cluster)),
            vault: Arc::new(rows::Table::vault(&cluster)),
        })
    }
}

/// An open keyspace.
struct Cluster {
    session: Session,
    /// Hosts and keyspace, for errors.
    shown: String,
    plain: ExecutionProfileHandle,
    conditional: ExecutionProfileHandle,
    /// Prepared statements, by text: as many as there are texts.
    statements: RwLock<HashMap<String, PreparedStatement>>,
    /// Who this process is among those that hold leases.
    process: Uuid,
    /// Shards of timers that this process has the lease of.
    leases: Mutex<timers::Leases>,
    /// Days that are known to be listed.
    days: Mutex<BTreeSet<i64>>,
    #[cfg(test)]
    losing: tests::Losing,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("at", &self.shown).finish_non_exhaustive()
    }
}

impl Cluster {
    async fn open(address: &Address) -> Result<Self, OpenError> {
        let session = connect::connect(address).await?;
        schema::check(&session, address).await?;
        connect::enter(&session, address).await?;
        let (plain, conditional) = cql::profiles();
        let cluster = Self {
            session,
            shown: address.shown(),
            plain,
            conditional,
            statements: RwLock::default(),
            process: columns::draw(),
            leases: Mutex::default(),
            days: Mutex::default(),
            #[cfg(test)]
            losing: tests::Losing::default(),
        };
        cluster.prepare_all().await.map_err(|err| connect::failed(address, &err))?;
        Ok(cluster)
    }

    /// Prepares what is used all the time, so that a table or a right that is missing is found now.
    async fn prepare_all(&self) -> Result<(), scylla::errors::ExecutionError> {
        let all =
            [&log::STATEMENTS[..], &items::STATEMENTS, &origins::STATEMENTS, &timers::STATEMENTS, &blobs::STATEMENTS];
        let all = all.into_iter().flatten().chain(rows::statements());
        futures::future::try_join_all(all.map(|(text, way)| self.prepare(text, *way))).await?;
        Ok(())
    }
}
