//! Operators repair the past: a shadow that nobody sees, a diff, a repair that writes once, and rejects taken up again.

mod bugs;
mod rejects;
mod shadows;

use anyhow::{Context, Result, ensure};
use connectors::simulator::{Entry, Kit};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tests::{World, until_every};

/// Runs a shadow to its end; what it found.
pub(crate) async fn shadow(world: &World, name: &str, selection: Value) -> Result<Value> {
    let body = json!({"name": name, "selection": selection});
    let (status, begun) = world.operate("replays", Some(&body)).await?;
    ensure!(status == 202, "the shadow was answered with {status}: {begun}");
    let found = over(world, name, "looking").await?;
    ensure!(found["replay"]["state"] == "planned", "{found}");
    Ok(found)
}

/// A replay with its values, once it is no longer in this state.
async fn over(world: &World, name: &str, state: &str) -> Result<Value> {
    let look = async || {
        let (_, found) = world.operate(&format!("replays/{name}?values=true"), None).await?;
        Ok((found["replay"]["state"] != state).then_some(found))
    };
    until_every("a replay is over", Duration::from_millis(200), look).await
}

/// Applies the plan of what a shadow found, to the end; what was done.
pub(crate) async fn repair(world: &World, found: &Value) -> Result<Value> {
    let plan = found["replay"]["plan"].as_str().context("a plan")?;
    let (status, begun) = world.operate("repairs", Some(&json!({"plan": plan, "alone": true}))).await?;
    ensure!(status == 202, "the repair was answered with {status}: {begun}");
    let name = begun["replay"]["name"].as_str().context("a name")?;
    let done = over(world, name, "repairing").await?;
    ensure!(done["replay"]["state"] == "repaired", "{done}");
    world.is_at_rest().await?;
    Ok(done["replay"]["repair"].clone())
}

/// A part of what a shadow counted.
pub(crate) fn total<'a>(found: &'a Value, part: &str) -> &'a Value {
    &found["replay"]["totals"][part]
}

/// Calls at a provider that read, but for one a write that reads back what was written: a single record, once.
pub(crate) fn reads(kit: &Kit) -> Vec<String> {
    let is_read = |it: &Entry| it.method == "GET" || it.path.contains("ollUp");
    let (mut n_unread, mut read_back, mut reads) = (0, BTreeSet::new(), Vec::new());
    for it in kit.journal() {
        if !is_read(&it) {
            n_unread += usize::from(it.path.contains("/dataPoints"));
        } else if n_unread > 0 && it.path.contains("/dataPoints/") && read_back.insert(it.path.clone()) {
            n_unread -= 1;
        } else {
            reads.push(format!("{} {}", it.method, it.path));
        }
    }
    reads
}
