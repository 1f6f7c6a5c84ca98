//! Rows that read through to the live ones until they are changed: what stands otherwise in what is only supposed.

use crate::{
    bus::Unreachable,
    store::{Row, RowKey, Rows},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Rows over live ones.
#[derive(Debug)]
pub(in crate::replay) struct OverRows {
    live: Arc<dyn Rows>,
    /// Kinds of which the live rows are taken for not there.
    hidden: &'static [&'static str],
    /// `None`: it was deleted here.
    own: Mutex<HashMap<RowKey, Option<Row>>>,
}

impl OverRows {
    pub(in crate::replay) fn over(live: Arc<dyn Rows>, hidden: &'static [&'static str]) -> Self {
        Self { live, hidden, own: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RowKey, Option<Row>>> {
        // Each change is whole by itself.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a row if its version is still `expected`.
    async fn change(&self, key: &RowKey, expected: i64, row: Option<Row>) -> Result<bool, Unreachable> {
        let stands = self.get(key).await?.map_or(0, |it| it.version);
        if stands == expected {
            self.lock().insert(key.clone(), row);
        }
        Ok(stands == expected)
    }
}

#[async_trait]
impl Rows for OverRows {
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, Unreachable> {
        let own = self.lock().get(key).cloned();
        match own {
            Some(own) => Ok(own),
            None if self.hidden.contains(&key.kind) => Ok(None),
            None => self.live.get(key).await,
        }
    }

    async fn list(&self, subject: &str, kind: &'static str) -> Result<Vec<Row>, Unreachable> {
        let live = if self.hidden.contains(&kind) { Vec::new() } else { self.live.list(subject, kind).await? };
        let own = self.lock();
        let key = |it: &Row| RowKey { subject: subject.to_owned(), kind, id: it.id.clone() };
        let mut all: Vec<Row> = live.into_iter().filter(|it| !own.contains_key(&key(it))).collect();
        let of = own.iter().filter(|(key, _)| key.subject == subject && key.kind == kind);
        all.extend(of.filter_map(|it| it.1.clone()));
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    async fn put(&self, key: &RowKey, expected: i64, body: Bytes, _: &[String]) -> Result<bool, Unreachable> {
        self.change(key, expected, Some(Row { id: key.id.clone(), version: expected + 1, body })).await
    }

    async fn delete(&self, key: &RowKey, expected: i64) -> Result<bool, Unreachable> {
        self.change(key, expected, None).await
    }

    async fn find(&self, kind: &'static str, name: &str) -> Result<Vec<(String, String)>, Unreachable> {
        // Nothing that is only supposed is found by a name.
        self.live.find(kind, name).await
    }
}

#[cfg(test)]
mod tests {
    use super::OverRows;
    use crate::store::{RowKey, Rows, sqlite::SqliteStore};
    use bytes::Bytes;
    use std::sync::Arc;

    #[tokio::test]
    async fn what_is_changed_here_stays_here_and_what_is_hidden_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let live = SqliteStore::open(directory.path()).unwrap().rows;
        let key = |kind, id: &str| RowKey { subject: "anna".into(), kind, id: id.into() };
        for (kind, id) in [("config", "a"), ("config", "b"), ("cancelled", "c")] {
            assert!(live.put(&key(kind, id), 0, Bytes::from_static(b"live"), &[]).await.unwrap());
        }
        let over = OverRows::over(Arc::clone(&live), &["cancelled"]);
        assert_eq!(over.get(&key("cancelled", "c")).await.unwrap(), None);
        assert!(!over.put(&key("config", "a"), 0, Bytes::from_static(b"own"), &[]).await.unwrap());
        assert!(over.put(&key("config", "a"), 1, Bytes::from_static(b"own"), &[]).await.unwrap());
        assert!(over.delete(&key("config", "b"), 1).await.unwrap());
        let listed = over.list("anna", "config").await.unwrap();
        assert_eq!(
            listed.iter().map(|it| (&*it.id, it.version, &*it.body)).collect::<Vec<_>>(),
            [("a", 2, &b"own"[..])]
        );
        assert_eq!(live.list("anna", "config").await.unwrap().len(), 2);
        assert_eq!(live.get(&key("config", "a")).await.unwrap().unwrap().version, 1);
    }
}
