//! The one writer: what waits is done in one transaction and made durable by one commit.

use super::Failure;
use rusqlite::Connection;
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// The most changes that wait; who comes then waits outside.
const QUEUE_MAX: usize = 1024;

/// The most changes that share a commit: bounds how long the first of them waits.
const BATCH_MAX: usize = 256;

/// A change and who waits for it.
trait Change: Send {
    /// Does it.
    fn make(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Whether what it deletes must be nowhere once it is answered.
    fn wipes(&self) -> bool;
    /// Says how it ended.
    fn answer(self: Box<Self>, end: Result<(), Failure>);
}

struct Waiting<T, W> {
    work: Option<W>,
    made: Option<T>,
    wipes: bool,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<T: Send, W: FnOnce(&Connection) -> rusqlite::Result<T> + Send> Change for Waiting<T, W> {
    fn make(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.made = Some(work(connection)?);
        }
        Ok(())
    }

    fn wipes(&self) -> bool {
        self.wipes
    }

    fn answer(self: Box<Self>, end: Result<(), Failure>) {
        let Self { made, reply, .. } = *self;
        // Who asked may have gone; the change stands all the same.
        drop(reply.send(end.and_then(|()| made.ok_or(Failure::Stopped))));
    }
}

/// The writer's thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Change>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Box<dyn Change>>(QUEUE_MAX);
        let thread = thread::Builder::new().name("store-writer".into()).spawn(move || {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            let mut wipe_due = false;
            while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
                commit(&connection, std::mem::take(&mut batch), &mut wipe_due);
            }
        });
        // Without a thread the queue has no reader, and every change is answered with `Stopped`.
        Self { queue: Some(queue), thread: thread.ok() }
    }

    /// Does this, and returns once it is durable. With `wipes`, nothing is left of what it deleted, unless a read was
    /// under way right then: in that case the next change wipes it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        wipes: bool,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Failure::Stopped)?;
        let change = Box::new(Waiting { work: Some(work), made: None, wipes, reply });
        queue.send(change).await.map_err(|_| Failure::Stopped)?;
        answer.await.unwrap_or(Err(Failure::Stopped))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been answered with `Stopped`.
            drop(thread.join());
        }
    }
}

/// Makes these changes, each whole or not at all, and answers once the commit is durable. `wipe_due` says whether the
/// log still has to be emptied for earlier ones.
fn commit(connection: &Connection, batch: Vec<Box<dyn Change>>, wipe_due: &mut bool) {
    let mut made = Vec::with_capacity(batch.len());
    let mut rest = batch.into_iter();
    let end = begin(connection).and_then(|()| {
        for mut change in rest.by_ref() {
            match savepoint(connection, change.as_mut()) {
                Ok(()) => made.push(change),
                // A full disk and a failing one end the whole transaction, and with it the changes before.
                Err(err) if connection.is_autocommit() => {
                    made.push(change);
                    return Err(err);
                }
                Err(err) => change.answer(Err(Failure::from(&err))),
            }
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        if *wipe_due || made.iter().any(|it| it.wipes()) {
            // The changes are durable whether or not this works.
            *wipe_due = !wipe(connection).unwrap_or(false);
        }
        Ok(())
    });
    let end = end.map_err(|err| Failure::from(&err));
    made.into_iter().chain(rest).for_each(|it| it.answer(end.clone()));
}

/// Empties the write-ahead log, in which pages still are as they were; `false` if a reader was at work in it.
fn wipe(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// Begins a transaction, after ending one that a failed commit may have left.
fn begin(connection: &Connection) -> rusqlite::Result<()> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

fn savepoint(connection: &Connection, change: &mut dyn Change) -> rusqlite::Result<()> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("SAVEPOINT change")?;
    let made = change.make(connection);
    if made.is_err() && !connection.is_autocommit() && run("ROLLBACK TO change").is_err() {
        // Rather nothing of the whole batch than half of a change.
        run("ROLLBACK")?;
    }
    if !connection.is_autocommit() {
        run("RELEASE change")?;
    }
    made
}
