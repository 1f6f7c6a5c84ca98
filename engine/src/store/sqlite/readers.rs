//! The readers: a few threads, each with a connection of its own.

use super::{Failure, schema};
use rusqlite::{Connection, OpenFlags};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Threads.
const READERS: usize = 4;

/// The most reads that wait; who comes then waits outside.
const QUEUE_MAX: usize = 256;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The readers' threads.
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> rusqlite::Result<Self> {
        let (queue, waiting) = mpsc::channel::<Read>(QUEUE_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(READERS);
        for number in 0..READERS {
            let connection = connect(path)?;
            let waiting = Arc::clone(&waiting);
            let work = move || {
                loop {
                    // One waits for the next read, the others for their turn to wait.
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    let Some(read) = next else { return };
                    read(&connection);
                }
            };
            threads.extend(thread::Builder::new().name(format!("store-reader-{number}")).spawn(work));
        }
        Ok(Self { queue: Some(queue), threads })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let read = move |connection: &Connection| {
            let answer = at_one_moment(connection, work).map_err(|err| Failure::from(&err));
            // Who asked may have gone.
            drop(reply.send(answer));
        };
        let queue = self.queue.as_ref().ok_or(Failure::Stopped)?;
        queue.send(Box::new(read)).await.map_err(|_| Failure::Stopped)?;
        answer.await.unwrap_or(Err(Failure::Stopped))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A panic there has been answered with `Stopped`.
            drop(thread.join());
        }
    }
}

fn at_one_moment<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(drop);
    run("BEGIN")?;
    let read = work(connection);
    // A failing disk may have ended the read by itself.
    if !connection.is_autocommit() {
        run("ROLLBACK")?;
    }
    read
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Readers of a WAL share memory with its writer, so they may not open the file as read-only.
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::keep_plans(&connection)?;
    Ok(connection)
}
