//! The tables, and how an older keyspace becomes a present one.

use super::{OpenError, address::Address, columns, connect};
use crate::clock::Clock;
use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, RequestAttemptError},
    serialize::row::SerializeRow,
    statement::{Consistency, Statement},
    value::Row,
};
use std::time::Duration;

mod tables;

/// How a keyspace is made, and how long payloads are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Copies of each row, in each datacenter.
    pub replication: u16,
    /// How long events and blobs are kept, from the moment they are written. It is fixed when the tables are made.
    pub payloads_kept: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { replication: 1, payloads_kept: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

/// One list of statements a version; a published one never changes, it gets a successor. Each statement may be run
/// again: a migration that was cut short is begun anew.
const MIGRATIONS: [&[&str]; 1] = [&tables::V1];

/// How long the lock of a migration lasts if its holder dies.
const LOCK: Duration = Duration::from_secs(60);

/// How long one change of the schema may take: every node must take part in it.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(50);

/// How often a process that waits for the lock looks again.
const LOCK_PAUSE: Duration = Duration::from_millis(300);

/// How often a keyspace that was just made is tried to be entered.
const ENTER_TRIES: usize = 60;

/// The version that this build works with.
#[must_use]
pub fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Brings a keyspace to the present version, and makes it if it is not there; gives (found, present). Any number of
/// processes may do so at once.
///
/// # Errors
/// When nobody answers, the user lacks the rights, a newer syncwell was here, or another process does not end.
pub async fn migrate(address: &Address, options: &Options) -> Result<(i32, i32), OpenError> {
    let session = connect::connect(address).await?;
    let admin = Admin { session: &session, address };
    if !admin.has_keyspace().await? {
        admin.run(&admin.keyspace(options).await?).await?;
    }
    admin.enter_new().await?;
    for statement in tables::OF_MIGRATION {
        admin.run(statement).await?;
    }
    let owner = columns::draw().simple().to_string();
    admin.lock(&owner).await?;
    let done = admin.migrate(options, &owner).await;
    // What is left of a lock ends by itself.
    let unlock = "DELETE FROM migration_lock WHERE id = 0 IF owner = ?";
    let unlocked = admin.ask::<Row>(unlock, (&owner,), Consistency::LocalQuorum).await;
    let done = done?;
    unlocked?;
    Ok(done)
}

/// Refuses a keyspace that is not of this build's version.
pub(super) async fn check(session: &Session, address: &Address) -> Result<(), OpenError> {
    let admin = Admin { session, address };
    let (keyspace, known) = (address.keyspace.clone(), known());
    let found = if admin.has_table().await? { admin.version().await? } else { 0 };
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(OpenError::Older { keyspace, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(OpenError::Newer { keyspace, found, known }),
    }
}

/// Who looks after a keyspace.
struct Admin<'a> {
    session: &'a Session,
    address: &'a Address,
}

impl Admin<'_> {
    async fn ask<R>(&self, text: &str, values: impl SerializeRow, consistency: Consistency) -> Result<Vec<R>, OpenError>
    where
        R: for<'r> DeserializeRow<'r, 'r>,
    {
        let mut statement = Statement::new(text);
        statement.set_consistency(consistency);
        let answer = self.session.query_unpaged(statement, values).await.map_err(|err| self.failed(&err))?;
        let Ok(rows) = answer.into_rows_result() else { return Ok(Vec::new()) };
        let broken =
            |err: &dyn std::fmt::Display| OpenError::Failed { shown: self.address.shown(), why: err.to_string() };
        rows.rows::<R>().map_err(|err| broken(&err))?.collect::<Result<_, _>>().map_err(|err| broken(&err))
    }

    /// Changes the schema, and waits until all nodes agree on it.
    async fn run(&self, text: &str) -> Result<(), OpenError> {
        let mut statement = Statement::new(text);
        statement.set_request_timeout(Some(CHANGE_TIMEOUT));
        match self.session.query_unpaged(statement, ()).await {
            Ok(_) => {}
            // A migration that was cut short has done it.
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::AlreadyExists { .. }, _))) => {}
            Err(err) => return Err(self.failed(&err)),
        }
        let agreed = self.session.await_schema_agreement().await;
        agreed.map(drop).map_err(|err| OpenError::Failed { shown: self.address.shown(), why: err.to_string() })
    }

    fn failed(&self, err: &ExecutionError) -> OpenError {
        connect::failed(self.address, err)
    }

    /// Enters a keyspace that another process may be making: it is listed a moment before it can be used.
    async fn enter_new(&self) -> Result<(), OpenError> {
        let mut entered = connect::enter(self.session, self.address).await;
        for _ in 0..ENTER_TRIES {
            match entered {
                Err(OpenError::Failed { .. }) => tokio::time::sleep(LOCK_PAUSE).await,
                done => return done,
            }
            entered = connect::enter(self.session, self.address).await;
        }
        entered
    }

    async fn has_keyspace(&self) -> Result<bool, OpenError> {
        let text = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let found: Vec<(String,)> = self.ask(text, (&self.address.keyspace,), Consistency::LocalOne).await?;
        Ok(!found.is_empty())
    }

    async fn has_table(&self) -> Result<bool, OpenError> {
        self.has_system_table(&self.address.keyspace, "migrations").await
    }

    async fn has_system_table(&self, keyspace: &str, table: &str) -> Result<bool, OpenError> {
        let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
        let found: Vec<(String,)> = self.ask(text, (keyspace, table), Consistency::LocalOne).await?;
        Ok(!found.is_empty())
    }

    async fn version(&self) -> Result<i32, OpenError> {
        let text = format!("SELECT version FROM {}.migrations WHERE id = 0", self.address.keyspace);
        let found: Vec<(i32,)> = self.ask(&text, (), Consistency::LocalQuorum).await?;
        Ok(found.into_iter().map(|it| it.0).max().unwrap_or(0))
    }

    /// The statement that makes the keyspace.
    async fn keyspace(&self, options: &Options) -> Result<String, OpenError> {
        let n = options.replication;
        let replication = match &self.address.datacenter {
            None => format!("{{'class': 'SimpleStrategy', 'replication_factor': {n}}}"),
            Some(datacenter) => format!("{{'class': 'NetworkTopologyStrategy', '{datacenter}': {n}}}"),
        };
        // ScyllaDB has no conditional changes in keyspaces with tablets; Cassandra does not know the word.
        let is_scylla = self.has_system_table("system", "scylla_local").await?;
        let tablets = if is_scylla { " AND tablets = {'enabled': false}" } else { "" };
        let keyspace = &self.address.keyspace;
        Ok(format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}{tablets}"))
    }

    /// Waits for the lock of migrations and takes it.
    async fn lock(&self, owner: &str) -> Result<(), OpenError> {
        let text =
            format!("INSERT INTO migration_lock (id, owner) VALUES (0, ?) IF NOT EXISTS USING TTL {}", LOCK.as_secs());
        let tries = LOCK.as_millis() / LOCK_PAUSE.as_millis() + 10;
        for _ in 0..tries {
            // What the answer says, or that there was none, does not matter: only who has it.
            let taken = self.ask::<Row>(&text, (owner,), Consistency::LocalQuorum).await;
            let read = "SELECT owner FROM migration_lock WHERE id = 0";
            let holds: Result<Vec<(Option<String>,)>, _> = self.ask(read, (), Consistency::LocalSerial).await;
            match (taken, holds) {
                (_, Ok(holds)) if holds.first().is_some_and(|it| it.0.as_deref() == Some(owner)) => return Ok(()),
                (Err(err @ OpenError::Forbidden { .. }), _) => return Err(err),
                _ => tokio::time::sleep(LOCK_PAUSE).await,
            }
        }
        Err(OpenError::Busy { keyspace: self.address.keyspace.clone(), wait_s: LOCK.as_secs() })
    }

    async fn migrate(&self, options: &Options, owner: &str) -> Result<(i32, i32), OpenError> {
        let (found, known) = (self.version().await?, known());
        if found > known {
            return Err(OpenError::Newer { keyspace: self.address.keyspace.clone(), found, known });
        }
        let kept = options.payloads_kept.as_secs().to_string();
        let renew =
            format!("UPDATE migration_lock USING TTL {} SET owner = ? WHERE id = 0 IF owner = ?", LOCK.as_secs());
        for (version, statements) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
            for statement in statements {
                self.ask::<Row>(&renew, (owner, owner), Consistency::LocalQuorum).await?;
                self.run(&statement.replace("{kept}", &kept)).await?;
            }
            let note = "INSERT INTO migrations (id, version, done_at) VALUES (0, ?, ?)";
            let now = Clock::real().now().0;
            self.ask::<Row>(note, (version, now), Consistency::LocalQuorum).await?;
        }
        Ok((found, known))
    }
}
