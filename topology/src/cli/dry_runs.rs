//! `syncwell dry-run`, `apply`: what a sync config would do, and exactly that.

use super::{
    Target,
    client::Client,
    connect::{items, text},
    jobs::{by_type, find, words},
    policies, print,
};
use crate::config::Config;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// `syncwell dry-run`.
#[derive(Debug, Args)]
pub struct DryRun {
    /// Where to read: a connection's id, or a provider that is connected once.
    #[arg(long, value_name = "CONNECTION")]
    from: String,
    /// Where to write: the same.
    #[arg(long, value_name = "CONNECTION")]
    to: String,
    /// Which types, such as `workout`; may be given several times. Without it, those of the config that stands.
    #[arg(long = "type", value_name = "TYPE")]
    data_types: Vec<String>,
    /// What would be wanted of records (JSON, or TOML in a file that ends so). Without it, what is wanted now.
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,
    /// What would happen when both sides have changed a record. Without it, what happens now.
    #[arg(long, value_parser = ["prioritise_source", "prioritise_destination", "newest"])]
    rule: Option<String>,
    /// What would happen when the source's record is gone. Without it, what happens now.
    #[arg(long, value_parser = ["keep", "mirror", "ask"])]
    deletes: Option<String>,
    /// As a backfill from then on (RFC 3339): its reads are counted too.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records of before then (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl DryRun {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let found = Client::during(config, &self.target, async |client| self.with(client).await).await?;
        if self.target.json {
            return print::json(&found);
        }
        print::data(&table(&found));
        for line in notes(&found) {
            print::say(&line);
        }
        Ok(())
    }

    async fn with(&self, client: &Client) -> anyhow::Result<Value> {
        let wanted = self.policies.as_deref().map(policies::read).transpose()?;
        let connections = client.get("/v1/connections").await?;
        let (source, destination) = (find(&connections, &self.from)?, find(&connections, &self.to)?);
        let configs = client.get("/v1/sync-configs").await?;
        let stands =
            items(&configs).iter().find(|it| text(it, "source") == source && text(it, "destination") == destination);
        let mut body = json!({"source": source, "destination": destination, "data_types": self.data_types});
        if let Some(stands) = stands {
            for field in ["rule", "deletes", "policies"] {
                body[field] = stands[field].clone();
            }
            if self.data_types.is_empty() {
                body["data_types"] = stands["data_types"].clone();
            }
        }
        let texts = [("rule", &self.rule), ("deletes", &self.deletes), ("from", &self.since), ("to", &self.until)];
        for (field, value) in texts {
            if let Some(value) = value {
                body[field] = json!(value);
            }
        }
        if let Some(wanted) = wanted {
            body["policies"] = wanted;
        }
        client.post("/v1/sync-configs/dry-run", &body).await
    }
}

/// What would become of the records: a line a type and fate; then the calls, and the plan.
fn table(found: &Value) -> String {
    let mut rows = Vec::new();
    for (data_type, fates) in by_type(&found["counts"]) {
        rows.extend(fates.iter().map(|it| vec![data_type.clone(), words(it)]));
    }
    let counts = print::table(&["type", "what would become of it"], &rows);
    let call = |it: &Value| {
        let (provider, verb) = (text(it, "provider"), text(it, "verb"));
        vec![provider.to_owned(), text(it, "data_type").to_owned(), verb.to_owned(), it["count"].to_string()]
    };
    let calls: Vec<_> = items(&found["calls"]).iter().map(call).collect();
    let calls = print::table(&["calls at", "type", "verb", "count"], &calls);
    format!("{counts}\n\n{calls}\n\nplan {}", text(found, "plan"))
}

/// What a reader must know besides.
fn notes(found: &Value) -> Vec<String> {
    let number = |field: &str| found[field].as_u64().unwrap_or(0);
    let mut notes = Vec::new();
    notes.push(match found["read_at"].as_str() {
        Some(at) => format!("{} records, as the source was last read at {at}", number("records")),
        None => "the source was never read for any of these types: nothing is known of it; sync first".into(),
    });
    if number("unread_pages") > 0 {
        notes.push(format!("{} pages are no longer kept: their records are in no count", number("unread_pages")));
    }
    if number("takes_seconds") > 0 {
        notes.push(format!("the providers' limits make it take at least {} s", number("takes_seconds")));
    }
    if number("unlooked") > 0 {
        let n = number("unlooked");
        notes.push(format!(
            "nobody has looked whether the destination has {n} of them already: sync, which looks first"
        ));
    }
    notes.push(format!("to do exactly this, within a day: syncwell apply {}", text(found, "plan")));
    notes
}

/// `syncwell apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The plan that `syncwell dry-run` printed.
    plan: String,
    /// Also make records where nobody has looked whether the destination has them already.
    #[arg(long)]
    unlooked: bool,
    #[command(flatten)]
    target: Target,
}

impl Apply {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let body = json!({"plan": self.plan, "unlooked": self.unlooked});
        Client::during(config, &self.target, async |client| {
            let applied = client.post("/v1/sync-configs/apply", &body).await?;
            done(client, &applied["applied"], &self.target).await
        })
        .await
    }
}

/// Waits for the jobs of what was done, and says what came of them.
pub(super) async fn done(client: &Client, done: &Value, target: &Target) -> anyhow::Result<()> {
    let mut statuses = Vec::new();
    for job in items(&done["jobs"]).iter().filter_map(Value::as_str) {
        statuses.push(client.settled(job, |_| {}).await?);
    }
    if target.json {
        return print::json(&json!({"applied": done, "jobs": statuses}));
    }
    print::say(&format!("{} operations", done["operations"]));
    for status in &statuses {
        print::data(&super::jobs::counts_table(status));
    }
    for it in items(&done["left"]) {
        print::say(&format!("left as it is: {} ({})", text(it, "record"), text(it, "reason")));
    }
    statuses.iter().try_for_each(super::jobs::over)
}
