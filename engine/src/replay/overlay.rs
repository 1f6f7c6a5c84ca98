//! A store that begins as another one stands and keeps every change to itself: what a shadow runs on.
//!
//! The log, timers and new contents are its own, and a single event that it does not have is read from the live log;
//! items read through to the live ones until they are changed; rows can only be read, or are changed here alone.

mod items;
mod log;
mod rows;

use self::{items::OverItems, log::OwnLog};
use crate::{
    bus::Unreachable,
    store::{Blobs, Row, RowKey, Rows, Store},
};
use async_trait::async_trait;
use bytes::Bytes;
use schemas::id::Subject;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) use self::{items::Base, rows::OverRows};

/// A store over another one.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    /// What the stages of a shadow are given.
    pub(super) store: Store,
    /// The same log, which says when a sync is through.
    pub(super) log: Arc<OwnLog>,
    /// The same items, which say what a plan was made from.
    pub(super) items: Arc<OverItems>,
    blobs: Arc<OverBlobs>,
}

impl Overlay {
    /// An overlay in which nothing has changed yet.
    pub(super) fn over(live: &Store) -> Self {
        let log = Arc::new(OwnLog::over(live.log.clone()));
        let items = Arc::new(OverItems::over(live.items.clone()));
        let blobs = Arc::new(OverBlobs { live: live.blobs.clone(), own: Mutex::default() });
        let store = Store {
            log: Arc::<OwnLog>::clone(&log),
            items: Arc::<OverItems>::clone(&items),
            timers: Arc::<OwnLog>::clone(&log),
            blobs: Arc::<OverBlobs>::clone(&blobs),
            rows: Arc::new(ReadOnly(live.rows.clone())),
            vault: Arc::new(ReadOnly(live.vault.clone())),
        };
        Self { store, log, items, blobs }
    }

    /// Forgets the events and contents of what is through: nothing reads them again.
    pub(super) fn forget_events(&self) {
        self.log.forget();
        self.blobs.own.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets every change: items are as they stand outside.
    pub(super) fn forget(&self) {
        self.forget_events();
        self.items.forget();
    }
}

/// Contents: new ones are kept here.
#[derive(Debug)]
struct OverBlobs {
    live: Arc<dyn Blobs>,
    own: Mutex<HashMap<(Subject, String), Bytes>>,
}

#[async_trait]
impl Blobs for OverBlobs {
    async fn put(&self, subject: &Subject, name: &str, content: Bytes) -> Result<(), Unreachable> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.insert((subject.clone(), name.to_owned()), content);
        Ok(())
    }

    async fn get(&self, subject: &Subject, name: &str) -> Result<Option<Bytes>, Unreachable> {
        let key = (subject.clone(), name.to_owned());
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if own.is_some() { Ok(own) } else { self.live.get(subject, name).await }
    }
}

/// Rows that can be read and not changed.
#[derive(Debug)]
pub(super) struct ReadOnly(pub(super) Arc<dyn Rows>);

fn refused() -> Unreachable {
    Unreachable("a shadow changes no rows: this is a fault of ours".into())
}

#[async_trait]
impl Rows for ReadOnly {
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, Unreachable> {
        self.0.get(key).await
    }

    async fn list(&self, subject: &str, kind: &'static str) -> Result<Vec<Row>, Unreachable> {
        self.0.list(subject, kind).await
    }

    async fn put(&self, _: &RowKey, _: i64, _: Bytes, _: &[String]) -> Result<bool, Unreachable> {
        Err(refused())
    }

    async fn delete(&self, _: &RowKey, _: i64) -> Result<bool, Unreachable> {
        Err(refused())
    }

    async fn find(&self, kind: &'static str, name: &str) -> Result<Vec<(String, String)>, Unreachable> {
        self.0.find(kind, name).await
    }
}

#[cfg(test)]
mod tests {
    use super::Overlay;
    use crate::{
        contract,
        store::{Store, sqlite::SqliteStore},
    };

    #[tokio::test]
    async fn it_does_what_every_store_does_over_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let live = SqliteStore::open(directory.path()).unwrap();
        let overlay = Overlay::over(&live).store;
        // Its rows cannot be changed.
        let store = Store { rows: live.rows.clone(), vault: live.vault.clone(), ..overlay };
        contract::store::check(&store, "run").await;
    }

    #[tokio::test]
    async fn an_overlay_of_an_overlay_shows_what_is_below() {
        let directory = tempfile::tempdir().unwrap();
        let live = SqliteStore::open(directory.path()).unwrap();
        let (below, run) = (Overlay::over(&live).store, "run");
        let below = Store { rows: live.rows.clone(), vault: live.vault.clone(), ..below };
        contract::store::check(&below, run).await;
        let above = Overlay::over(&below).store;
        let above = Store { rows: live.rows.clone(), vault: live.vault.clone(), ..above };
        contract::store::check(&above, "another run").await;
    }
}
