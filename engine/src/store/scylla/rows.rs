//! Rows changed by compare-and-set, in two tables of the same shape.
//!
//! A row is one conditional partition. What lists and names it are plain entries, written before it; each carries the
//! mark of the put that it belongs to, and counts only while the row carries the same. So nobody ever deletes an entry
//! that another's row needs.

use super::{
    CONCURRENT, Cluster,
    columns::{self, blob, id, number, text},
    cql::{Stands, Value, Way},
};
use crate::{
    bus::Unreachable,
    store::{Row, RowKey, Rows},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, future, stream};
use scylla::{
    DeserializeRow,
    value::{CqlValue, MaybeUnset},
};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// One of the two tables.
#[derive(Debug)]
pub(super) struct Table {
    cluster: Arc<Cluster>,
    cql: &'static Texts,
}

/// The statements of a table.
#[derive(Debug)]
struct Texts {
    get: &'static str,
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
    enlist: &'static str,
    delist: &'static str,
    list: &'static str,
    name: &'static str,
    unname: &'static str,
    find: &'static str,
}

static ROWS: Texts = Texts {
    get: "SELECT version, body, mark, made, names FROM rows WHERE subject = ? AND kind = ? AND id = ?",
    insert: "INSERT INTO rows (version, body, mark, names, subject, kind, id, made) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        IF NOT EXISTS",
    update: "UPDATE rows SET version = ?, body = ?, mark = ?, names = ? WHERE subject = ? AND kind = ? AND id = ?
        IF version = ?",
    delete: "DELETE FROM rows WHERE subject = ? AND kind = ? AND id = ? IF version = ?",
    enlist: "INSERT INTO rows_of (subject, kind, shard, id, made) VALUES (?, ?, ?, ?, ?)",
    delist: "DELETE FROM rows_of WHERE subject = ? AND kind = ? AND shard = ? AND id = ? AND made = ?",
    list: "SELECT id FROM rows_of WHERE subject = ? AND kind = ? AND shard = ?",
    name: "INSERT INTO rows_named (kind, name, subject, id, mark) VALUES (?, ?, ?, ?, ?)",
    unname: "DELETE FROM rows_named WHERE kind = ? AND name = ? AND subject = ? AND id = ? AND mark = ?",
    find: "SELECT subject, id, mark FROM rows_named WHERE kind = ? AND name = ?",
};

static VAULT: Texts = Texts {
    get: "SELECT version, body, mark, made, names FROM vault WHERE subject = ? AND kind = ? AND id = ?",
    insert: "INSERT INTO vault (version, body, mark, names, subject, kind, id, made) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        IF NOT EXISTS",
    update: "UPDATE vault SET version = ?, body = ?, mark = ?, names = ? WHERE subject = ? AND kind = ? AND id = ?
        IF version = ?",
    delete: "DELETE FROM vault WHERE subject = ? AND kind = ? AND id = ? IF version = ?",
    enlist: "INSERT INTO vault_of (subject, kind, shard, id, made) VALUES (?, ?, ?, ?, ?)",
    delist: "DELETE FROM vault_of WHERE subject = ? AND kind = ? AND shard = ? AND id = ? AND made = ?",
    list: "SELECT id FROM vault_of WHERE subject = ? AND kind = ? AND shard = ?",
    name: "INSERT INTO vault_named (kind, name, subject, id, mark) VALUES (?, ?, ?, ?, ?)",
    unname: "DELETE FROM vault_named WHERE kind = ? AND name = ? AND subject = ? AND id = ? AND mark = ?",
    find: "SELECT subject, id, mark FROM vault_named WHERE kind = ? AND name = ?",
};

/// What is prepared at the start.
pub(super) fn statements() -> impl Iterator<Item = &'static (&'static str, Way)> {
    static ALL: std::sync::LazyLock<Vec<(&'static str, Way)>> = std::sync::LazyLock::new(|| {
        let of = |it: &'static Texts| {
            let conditional = [it.insert, it.update, it.delete].map(|it| (it, Way::Conditional));
            let writes = [it.enlist, it.delist, it.name, it.unname].map(|it| (it, Way::Write));
            let reads = [(it.get, Way::Serial), (it.list, Way::Read), (it.find, Way::Read)];
            conditional.into_iter().chain(writes).chain(reads)
        };
        of(&ROWS).chain(of(&VAULT)).collect()
    });
    ALL.iter()
}

/// Parts of the list of rows that belong to nobody: there may be many.
const SHARDS: u8 = 16;

#[derive(DeserializeRow)]
struct Columns {
    version: i64,
    body: Option<Vec<u8>>,
    mark: Vec<u8>,
    made: Vec<u8>,
    names: Option<Vec<String>>,
}

impl Table {
    pub(super) fn rows(cluster: &Arc<Cluster>) -> Self {
        Self { cluster: Arc::clone(cluster), cql: &ROWS }
    }

    pub(super) fn vault(cluster: &Arc<Cluster>) -> Self {
        Self { cluster: Arc::clone(cluster), cql: &VAULT }
    }

    async fn columns(&self, subject: &str, kind: &str, id: &str) -> Result<Option<Columns>, Unreachable> {
        let found: Vec<Columns> = self.cluster.serial(self.cql.get, (subject, kind, id)).await?;
        Ok(found.into_iter().next())
    }

    async fn columns_of(&self, key: &RowKey) -> Result<Option<Columns>, Unreachable> {
        self.columns(&key.subject, key.kind, &key.id).await
    }

    /// Writes or deletes the names of one put.
    async fn each_name(&self, cql: &str, key: &RowKey, names: &[String], mark: &[u8]) -> Result<(), Unreachable> {
        let each = names.iter().map(|name| self.cluster.write(cql, (key.kind, name, &key.subject, &key.id, mark)));
        future::try_join_all(each).await.map(drop)
    }

    async fn entry(&self, cql: &str, key: &RowKey, made: &[u8]) -> Result<(), Unreachable> {
        self.cluster.write(cql, (&key.subject, key.kind, shard_of(&key.subject, &key.id), &key.id, made)).await
    }

    /// Whether the put of this mark stands; it can no longer be made once a version above `expected` does.
    async fn look(&self, key: &RowKey, expected: i64, mark: Uuid) -> Result<Stands, Unreachable> {
        let stands = self.columns_of(key).await?;
        let version = stands.as_ref().map_or(0, |it| it.version);
        Ok(match stands {
            Some(it) if it.mark == mark.as_bytes() => Stands::Ours,
            _ if version == expected => Stands::Unchanged,
            _ => Stands::Other,
        })
    }
}

/// The part of a list that an id is in: a person's rows are few, and lie together.
fn shard_of(subject: &str, id: &str) -> i8 {
    if subject.is_empty() { columns::part_of(id, SHARDS) } else { 0 }
}

#[async_trait]
impl Rows for Table {
    async fn get(&self, key: &RowKey) -> Result<Option<Row>, Unreachable> {
        Ok(self.columns_of(key).await?.map(|it| it.row(key.id.clone())))
    }

    async fn list(&self, subject: &str, kind: &'static str) -> Result<Vec<Row>, Unreachable> {
        let shards = if subject.is_empty() { 0..=15_i8 } else { 0..=0 };
        let look = |shard| self.cluster.read::<(String,)>(self.cql.list, (subject, kind, shard));
        let listed = future::try_join_all(shards.map(look)).await?;
        let ids: BTreeSet<String> = listed.into_iter().flatten().map(|it| it.0).collect();
        let get = async |id: String| {
            let stands = self.columns(subject, kind, &id).await?;
            Ok::<_, Unreachable>(stands.map(|it| it.row(id)))
        };
        let gets: Vec<_> = ids.into_iter().map(get).collect();
        let rows: Vec<_> = stream::iter(gets).buffered(CONCURRENT).try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn put(&self, key: &RowKey, expected: i64, body: Bytes, index: &[String]) -> Result<bool, Unreachable> {
        let mark = columns::draw();
        let mark_bytes = &mark.as_bytes()[..];
        // The names of the version before are known only from the row itself.
        let before = if expected > 0 && !index.is_empty() { self.columns_of(key).await? } else { None };
        if expected == 0 {
            self.entry(self.cql.enlist, key, mark_bytes).await?;
        }
        self.each_name(self.cql.name, key, index, mark_bytes).await?;
        let names: Vec<CqlValue> = index.iter().cloned().map(CqlValue::Text).collect();
        let mut values: Vec<Value> = vec![
            number(expected.saturating_add(1)),
            blob(&body),
            id(mark),
            MaybeUnset::Set(Some(CqlValue::List(names))),
            text(&key.subject),
            text(key.kind),
            text(&key.id),
        ];
        let change = if expected == 0 {
            values.push(id(mark));
            self.cluster.conditional(self.cql.insert, values).await?
        } else {
            values.push(number(expected));
            self.cluster.conditional(self.cql.update, values).await?
        };
        let look = || self.look(key, expected, mark).boxed();
        let done = self.cluster.decide(&change, &look).await?;
        if done {
            if let Some(before) = before.filter(|it| it.version == expected) {
                self.each_name(self.cql.unname, key, &before.names.unwrap_or_default(), &before.mark).await?;
            }
        } else {
            self.each_name(self.cql.unname, key, index, mark_bytes).await?;
            if expected == 0 {
                self.entry(self.cql.delist, key, mark_bytes).await?;
            }
        }
        Ok(done)
    }

    async fn delete(&self, key: &RowKey, expected: i64) -> Result<bool, Unreachable> {
        let Some(before) = self.columns_of(key).await?.filter(|it| it.version == expected) else { return Ok(false) };
        let values = vec![text(&key.subject), text(key.kind), text(&key.id), number(expected)];
        let change = self.cluster.conditional(self.cql.delete, values).await?;
        // Gone is gone, whoever did it; what was made anew since then is another row.
        let look = || {
            async {
                Ok(match self.columns_of(key).await? {
                    Some(it) if it.made == before.made && it.version == expected => Stands::Unchanged,
                    Some(it) if it.made == before.made => Stands::Other,
                    _ => Stands::Ours,
                })
            }
            .boxed()
        };
        let done = self.cluster.decide(&change, &look).await?;
        if done {
            self.each_name(self.cql.unname, key, before.names.as_deref().unwrap_or_default(), &before.mark).await?;
            self.entry(self.cql.delist, key, &before.made).await?;
        }
        Ok(done)
    }

    async fn find(&self, kind: &'static str, name: &str) -> Result<Vec<(String, String)>, Unreachable> {
        let entries: Vec<(String, String, Vec<u8>)> = self.cluster.read(self.cql.find, (kind, name)).await?;
        let look = async |(subject, id, mark): (String, String, Vec<u8>)| {
            let stands = self.columns(&subject, kind, &id).await?;
            Ok::<_, Unreachable>(stands.is_some_and(|it| it.mark == mark).then_some((subject, id)))
        };
        let looks: Vec<_> = entries.into_iter().map(look).collect();
        let found: Vec<_> = stream::iter(looks).buffered(CONCURRENT).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl Columns {
    fn row(self, id: String) -> Row {
        Row { id, version: self.version, body: self.body.map(Bytes::from).unwrap_or_default() }
    }
}
