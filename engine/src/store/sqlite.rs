//! The store of one process: one SQLite file in one directory.
//!
//! All changes go through one writer, on a thread of its own, that makes what is waiting durable with one commit
//! (WAL, `synchronous=FULL`); nothing is answered before that. Reads run beside it on a few threads of their own.
//! Read in this order: `schema.rs`, `writer.rs`, then one file a port.

mod blobs;
mod columns;
mod items;
mod log;
mod origins;
mod readers;
mod rows;
mod schema;
mod timers;
mod writer;

#[cfg(test)]
mod tests;

use crate::{bus::Unreachable, store::Store};
use rusqlite::Connection;
use std::{
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The embedded store.
///
/// An item is found by a window if it is at most 31 days long and starts no later than in the month after the one that
/// it is kept in.
#[derive(Clone, Copy, Debug)]
pub struct SqliteStore;

/// The database's name in its directory.
const DATABASE: &str = "syncwell.db";

/// The name of the file that is locked while a process uses the directory. It is never removed.
const LOCK: &str = "syncwell.lock";

/// Why a store cannot be opened, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store in {0} is in use: stop the other syncwell process, or give this one another directory")]
    InUse(PathBuf),
    /// A newer syncwell made it.
    #[error(
        "the store in {directory} has schema version {found}, this syncwell knows up to {known}: install the newer one again, or give another directory"
    )]
    Newer {
        /// Where it is.
        directory: PathBuf,
        /// Its schema version.
        found: i32,
        /// The newest that this build knows.
        known: i32,
    },
    /// It is a database of something else.
    #[error("{0} is not a syncwell database: give another directory")]
    Foreign(PathBuf),
    /// The directory cannot be used.
    #[error("cannot use the store directory {directory}: {source}; check that it can be written to")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// SQLite cannot use the file.
    #[error("cannot open the database in {directory}: {source}; restore it from a backup if it is damaged")]
    Database {
        /// Where it is.
        directory: PathBuf,
        /// What went wrong.
        source: rusqlite::Error,
    },
}

impl SqliteStore {
    /// Opens the store in this directory and makes it if it is not there. The directory belongs to this process until
    /// the last clone of the store is gone; that waits for changes under way.
    ///
    /// # Errors
    /// When another process has it, it is of a newer version or another program, or cannot be read or written.
    pub fn open(directory: &Path) -> Result<Store, OpenError> {
        let database = Arc::new(Database::open(directory)?);
        Ok(Store {
            log: Arc::<Database>::clone(&database),
            items: Arc::<Database>::clone(&database),
            timers: Arc::<Database>::clone(&database),
            blobs: Arc::<Database>::clone(&database),
            rows: Arc::new(rows::Table::rows(&database)),
            vault: Arc::new(rows::Table::vault(&database)),
        })
    }
}

/// An open database. Fields end in this order: the writer after the readers, so that it leaves one tidy file, and the
/// lock last.
struct Database {
    readers: readers::Readers,
    writer: writer::Writer,
    directory: PathBuf,
    _lock: File,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Database {
    fn open(directory: &Path) -> Result<Self, OpenError> {
        let lock = lock(directory)?;
        let path = directory.join(DATABASE);
        let failed = |source| OpenError::Database { directory: directory.to_owned(), source };
        let writing = Connection::open(&path).map_err(failed)?;
        schema::migrate(&writing).map_err(|err| match err {
            schema::MigrateError::Foreign => OpenError::Foreign(path.clone()),
            schema::MigrateError::Newer { found, known } => {
                OpenError::Newer { directory: directory.to_owned(), found, known }
            }
            schema::MigrateError::Sqlite(source) => failed(source),
        })?;
        let readers = readers::Readers::start(&path).map_err(failed)?;
        let writer = writer::Writer::start(writing);
        Ok(Self { readers, writer, directory: directory.to_owned(), _lock: lock })
    }

    /// Changes something; returns once it is durable.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unreachable> {
        self.writer.run(false, work).await.map_err(|err| self.unreachable(&err))
    }

    /// Changes something, and leaves nothing of what it deleted in any file.
    async fn wipe<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unreachable> {
        self.writer.run(true, work).await.map_err(|err| self.unreachable(&err))
    }

    /// Reads something, all of it as of one moment.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unreachable> {
        self.readers.run(work).await.map_err(|err| self.unreachable(&err))
    }

    fn unreachable(&self, err: &Failure) -> Unreachable {
        let directory = self.directory.display();
        Unreachable(match err {
            Failure::Full => format!("the disk of the store in {directory} is full: free some space, nothing is lost"),
            Failure::Stopped => {
                format!("the store in {directory} has stopped: start the process again")
            }
            Failure::Other(why) => {
                format!("the store in {directory} failed: {why}; check its disk")
            }
        })
    }
}

/// Why the database did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// There is no space.
    Full,
    /// Its thread is gone.
    Stopped,
    /// What SQLite says; it names tables and columns, never values.
    Other(String),
}

impl From<&rusqlite::Error> for Failure {
    fn from(err: &rusqlite::Error) -> Self {
        match err.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Other(err.to_string()),
        }
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed)?;
    let path = directory.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
