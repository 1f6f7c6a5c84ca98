//! `syncwell rewind`: what was written to a connection, brought back to a moment.

use super::{
    Target,
    client::Client,
    connect::{items, text},
    dry_runs::done,
    jobs::find,
    print,
};
use crate::config::Config;
use clap::Args;
use serde_json::{Value, json};

/// `syncwell rewind`.
#[derive(Debug, Args)]
pub struct Rewind {
    /// Which connection: its id, or a provider that is connected once.
    connection: String,
    /// The moment that is gone back to (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Only says what it would take.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: Target,
}

impl Rewind {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        Client::during(config, &self.target, async |client| self.with(client).await).await
    }

    async fn with(&self, client: &Client) -> anyhow::Result<()> {
        let connection = find(&client.get("/v1/connections").await?, &self.connection)?;
        let body = json!({"to": self.to, "dry_run": self.dry_run});
        let found = client.post(&format!("/v1/connections/{connection}/rewind"), &body).await?;
        if self.target.json && self.dry_run {
            return print::json(&found);
        }
        if !self.target.json {
            print::data(&table(&found));
            for it in items(&found["paused"]).iter().filter_map(Value::as_str) {
                let will = if self.dry_run { "would be" } else { "is" };
                print::say(&format!("sync config {it} {will} paused; enabled again, its next sync brings all back"));
            }
        }
        if self.dry_run { Ok(()) } else { done(client, &found["done"], &self.target).await }
    }
}

/// A line for each thing that is done, and for each reason that something is not.
fn table(found: &Value) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (verb, count) in found["operations"].as_object().into_iter().flatten() {
        rows.push(vec![verb.clone(), count.to_string(), String::new()]);
    }
    for it in items(&found["left"]) {
        rows.push(vec!["left".into(), text(it, "record").to_owned(), text(it, "reason").to_owned()]);
    }
    print::table(&["what", "records", "why"], &rows)
}
