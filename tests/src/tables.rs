//! What a store holds, row by row.

use crate::{World, place::session};
use anyhow::{Context, Result};
use rusqlite::Connection;
use scylla::client::session::Session;
use serde_json::Value;
use std::collections::BTreeMap;
use topology::{backends, config::Config};

/// What replays and tokens keep of themselves, among the rows.
const OWN: [&str; 4] = ["replay", "dry_run", "audit", "access_token"];
/// What belongs to the processes and not to their data.
const OF_PROCESSES: [&str; 3] = ["migrations", "migration_lock", "timer_leases"];

impl World {
    /// Every row of every table as text, in order, but for contents that nothing may lead to and what replays and
    /// tokens keep of themselves.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn tables(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let mut all =
            if self.outside.place().has_store() { on_servers(&self.config).await? } else { in_file(&self.config)? };
        all.retain(|name, _| !name.starts_with("blob") && !OF_PROCESSES.contains(&name.as_str()));
        all.values_mut().for_each(|it| it.sort());
        Ok(all)
    }
}

fn in_file(config: &Config) -> Result<BTreeMap<String, Vec<String>>> {
    let database = Connection::open(backends::directory(config).join("syncwell.db"))?;
    let mut names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut all = BTreeMap::new();
    for name in names {
        let mut statement = database.prepare(&format!("SELECT * FROM {name}"))?;
        let n_columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let cells: Vec<_> =
                (0..n_columns).map(|it| row.get_ref(it).map(|it| format!("{it:?}"))).collect::<Result<_, _>>()?;
            let text = cells.join(" ");
            let own = OWN.map(|it| format!("Text({:?})", it.as_bytes()));
            if !(name.starts_with("rows") && own.iter().any(|it| text.contains(it.trim_end_matches("])")))) {
                found.push(text);
            }
        }
        all.insert(name, found);
    }
    Ok(all)
}

async fn on_servers(config: &Config) -> Result<BTreeMap<String, Vec<String>>> {
    let (session, address) = session(config).await?;
    session.use_keyspace(&address.keyspace, false).await?;
    let mut all = BTreeMap::new();
    for name in names(&session).await? {
        let mut found = Vec::new();
        for text in json(&session, &name).await? {
            let row: Value = serde_json::from_str(&text)?;
            let kind = row["kind"].as_str().unwrap_or_default();
            if !(name.starts_with("rows") && OWN.iter().any(|it| kind.starts_with(it))) {
                found.push(text);
            }
        }
        all.insert(name, found);
    }
    Ok(all)
}

/// The tables of the keyspace that a session uses.
pub(crate) async fn names(session: &Session) -> Result<Vec<String>> {
    let keyspace = session.get_keyspace().context("no keyspace")?;
    let listed = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let found = session.query_unpaged(listed, (&*keyspace,)).await?.into_rows_result()?;
    found.rows::<(String,)>()?.map(|it| Ok(it?.0)).collect()
}

/// The rows of a table, each as JSON.
pub(crate) async fn json(session: &Session, table: &str) -> Result<Vec<String>> {
    let found = session.query_unpaged(format!("SELECT JSON * FROM {table}"), ()).await?.into_rows_result()?;
    found.rows::<(String,)>()?.map(|it| Ok(it?.0)).collect()
}
