//! Statements, how they are sent, and what became of those whose answer was lost.

use super::Cluster;
use crate::bus::Unreachable;
use futures::future::BoxFuture;
use scylla::{
    client::execution_profile::{ExecutionProfile, ExecutionProfileHandle},
    deserialize::row::DeserializeRow,
    errors::{DbError, ExecutionError, PrepareError, RequestAttemptError},
    policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy},
    response::{PagingState, query_result::QueryResult},
    serialize::row::SerializeRow,
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
    value::{CqlValue, MaybeUnset, Row},
};
use std::{fmt, ops::ControlFlow, sync::Arc, time::Duration};

/// A value of a statement whose values are put together at run time: set, null, or left as it is.
pub(super) type Value = MaybeUnset<Option<CqlValue>>;

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A read of plain rows.
    Read,
    /// A read of rows that are changed conditionally.
    Serial,
    /// A plain change; made twice it is made once.
    Write,
    /// A conditional change; never repeated blindly.
    Conditional,
}

/// A conditional change: one statement, or several of one partition that happen together.
#[derive(Debug)]
pub(super) struct Change(pub(super) Vec<(PreparedStatement, Vec<Value>)>);

/// What a serial read says of a conditional change whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// It was made.
    Ours,
    /// It was not, and can no longer be: something else stands.
    Other,
    /// It was not made yet. A request that is still under way may make it, and so may the next try.
    Unchanged,
}

/// How long a conditional request may take.
const CONDITIONAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long any other request may take.
const PLAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses between the tries of a conditional change whose outcome is not known.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(320),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
];

/// Rows that are read at once.
const PAGE_ROWS: i32 = 1_000;

/// `CAS_WRITE_UNKNOWN` of the native protocol, version 5.
const CAS_WRITE_UNKNOWN: i32 = 0x1700;

/// The two ways to run statements: (plain, conditional).
pub(super) fn profiles() -> (ExecutionProfileHandle, ExecutionProfileHandle) {
    let plain = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .retry_policy(Arc::new(DefaultRetryPolicy::new()))
        .request_timeout(Some(PLAIN_TIMEOUT));
    let conditional = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .speculative_execution_policy(None)
        .request_timeout(Some(CONDITIONAL_TIMEOUT));
    (plain.build().into_handle(), conditional.build().into_handle())
}

impl Cluster {
    /// The statement of this text, prepared at its first use. Texts are few: they never hold a value.
    pub(super) async fn prepared(&self, text: &str, way: Way) -> Result<PreparedStatement, Unreachable> {
        if let Some(known) = self.statements.read().await.get(text) {
            return Ok(known.clone());
        }
        self.prepare(text, way).await.map_err(|err| self.unreachable(&err))
    }

    pub(super) async fn prepare(&self, text: &str, way: Way) -> Result<PreparedStatement, PrepareError> {
        let mut statement = self.session.prepare(text).await?;
        let profile = if way == Way::Conditional { &self.conditional } else { &self.plain };
        statement.set_execution_profile_handle(Some(profile.clone()));
        statement.set_is_idempotent(way != Way::Conditional);
        statement.set_page_size(PAGE_ROWS);
        if way == Way::Serial {
            statement.set_consistency(Consistency::LocalSerial);
        }
        self.statements.write().await.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// All rows of a read.
    pub(super) async fn read<R>(&self, text: &str, values: impl SerializeRow + Sync) -> Result<Vec<R>, Unreachable>
    where
        R: for<'r> DeserializeRow<'r, 'r> + Send,
    {
        self.rows(text, Way::Read, values).await
    }

    /// All rows of a read of rows that are changed conditionally.
    pub(super) async fn serial<R>(&self, text: &str, values: impl SerializeRow + Sync) -> Result<Vec<R>, Unreachable>
    where
        R: for<'r> DeserializeRow<'r, 'r> + Send,
    {
        self.rows(text, Way::Serial, values).await
    }

    async fn rows<R>(&self, text: &str, way: Way, values: impl SerializeRow + Sync) -> Result<Vec<R>, Unreachable>
    where
        R: for<'r> DeserializeRow<'r, 'r> + Send,
    {
        let statement = self.prepared(text, way).await?;
        let (mut all, mut place) = (Vec::new(), PagingState::start());
        loop {
            let page = self.session.execute_single_page(&statement, &values, place).await;
            let (page, next) = page.map_err(|err| self.unreachable(&err))?;
            let page = page.into_rows_result().map_err(|err| self.unreachable(&err))?;
            all.reserve(page.rows_num());
            for row in page.rows::<R>().map_err(|err| self.unreachable(&err))? {
                all.push(row.map_err(|err| self.unreachable(&err))?);
            }
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(all),
                ControlFlow::Continue(next) => place = next,
            }
        }
    }

    /// A plain change.
    pub(super) async fn write(&self, text: &str, values: impl SerializeRow + Sync) -> Result<(), Unreachable> {
        let statement = self.prepared(text, Way::Write).await?;
        self.session.execute_unpaged(&statement, &values).await.map(drop).map_err(|err| self.unreachable(&err))
    }

    /// Plain changes of several partitions that are all made, if not at one moment, once this returns.
    pub(super) async fn write_all(&self, changes: Vec<(&str, Vec<Value>)>) -> Result<(), Unreachable> {
        let (mut batch, mut values) = (Batch::new(BatchType::Logged), Vec::with_capacity(changes.len()));
        for (text, its) in changes {
            batch.append_statement(self.prepared(text, Way::Write).await?);
            values.push(its);
        }
        batch.set_is_idempotent(true);
        batch.set_execution_profile_handle(Some(self.plain.clone()));
        self.session.batch(&batch, &values).await.map(drop).map_err(|err| self.unreachable(&err))
    }

    /// A conditional change of one statement.
    pub(super) async fn conditional(&self, text: &str, values: Vec<Value>) -> Result<Change, Unreachable> {
        Ok(Change(vec![(self.prepared(text, Way::Conditional).await?, values)]))
    }

    /// Makes a conditional change, and says whether it was made. This is the one place that finds out what became of
    /// a request whose answer was lost: `look` reads serially and compares with what was to be written.
    ///
    /// That nothing is there yet is not final, as the request may still be under way; trying again does no harm,
    /// since both would write the same.
    pub(super) async fn decide<'a>(
        &self,
        change: &Change,
        look: &(dyn Fn() -> BoxFuture<'a, Result<Stands, Unreachable>> + Send + Sync),
    ) -> Result<bool, Unreachable> {
        let mut is_uncertain = false;
        for pause in PAUSES {
            match self.send(change).await {
                Ok(true) => return Ok(true),
                Ok(false) if !is_uncertain => return Ok(false),
                // "No" may be the answer to our own change, made by the try before.
                Ok(false) => {}
                Err(err) if may_have_been_made(&err) => is_uncertain = true,
                Err(err) => return Err(self.unreachable(&err)),
            }
            match look().await? {
                Stands::Ours => return Ok(true),
                Stands::Other => return Ok(false),
                // Many who want the same row wait for different times.
                Stands::Unchanged => tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await,
            }
        }
        Err(Unreachable(format!("the store {} does not take a change; look at its nodes", self.shown)))
    }

    async fn send(&self, change: &Change) -> Result<bool, ExecutionError> {
        #[cfg(test)]
        if let Some(lost) = self.losing.take() {
            if lost == super::tests::Lost::Answer {
                self.send_truly(change).await?;
            }
            return Err(ExecutionError::RequestTimeout(CONDITIONAL_TIMEOUT));
        }
        self.send_truly(change).await
    }

    async fn send_truly(&self, Change(parts): &Change) -> Result<bool, ExecutionError> {
        let answer = if let [(statement, values)] = &parts[..] {
            self.session.execute_unpaged(statement, values).await?
        } else {
            let mut batch = Batch::new(BatchType::Unlogged);
            batch.set_execution_profile_handle(Some(self.conditional.clone()));
            let mut values = Vec::with_capacity(parts.len());
            for (statement, its) in parts {
                batch.append_statement(statement.clone());
                values.push(its);
            }
            self.session.batch(&batch, &values).await?
        };
        // An answer that cannot be read leaves open what happened.
        Ok(applied(answer).ok_or(RequestAttemptError::UnexpectedResponse(scylla::errors::CqlResponseKind::Result))?)
    }

    /// The error of a port: it names hosts and keyspace, never a value.
    pub(super) fn unreachable(&self, err: &dyn fmt::Display) -> Unreachable {
        Unreachable(format!("the store {} failed: {err}; look at its nodes", self.shown))
    }

    /// The error of a value that is not one of this build.
    pub(super) fn broken(&self, what: &str) -> Unreachable {
        Unreachable(format!(
            "the store {} holds a {what} that cannot be read: it may need a newer syncwell",
            self.shown
        ))
    }
}

/// Whether a conditional change was made, by the name of the column: ScyllaDB gives the row that stood beside it
/// always, Cassandra only when the change was not made.
fn applied(answer: QueryResult) -> Option<bool> {
    let rows = answer.into_rows_result().ok()?;
    let (index, _) = rows.column_specs().get_by_name("[applied]")?;
    let row: Row = rows.first_row().ok()?;
    row.columns.get(index)?.as_ref()?.as_boolean()
}

/// Whether a conditional change that failed so may have been made, or may yet be.
fn may_have_been_made(err: &ExecutionError) -> bool {
    match err {
        ExecutionError::RequestTimeout(_) => true,
        ExecutionError::LastAttemptError(err) => match err {
            RequestAttemptError::BrokenConnectionError(_) | RequestAttemptError::UnexpectedResponse(_) => true,
            RequestAttemptError::DbError(err, _) => matches!(
                err,
                DbError::WriteTimeout { .. }
                    | DbError::WriteFailure { .. }
                    | DbError::ReadTimeout { .. }
                    | DbError::ReadFailure { .. }
                    | DbError::ServerError
                    | DbError::Other(CAS_WRITE_UNKNOWN)
            ),
            _ => false,
        },
        _ => false,
    }
}
