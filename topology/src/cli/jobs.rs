//! `syncwell sync`, `status`, `explain`.

use super::{
    Target,
    client::Client,
    connect::{items, text},
    policies, print,
};
use crate::config::Config;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

/// `syncwell sync`.
#[derive(Debug, Args)]
pub struct Sync {
    /// Where to read: a connection's id, or a provider that is connected once.
    #[arg(long, value_name = "CONNECTION")]
    from: String,
    /// Where to write: the same.
    #[arg(long, value_name = "CONNECTION")]
    to: String,
    /// Which type, such as `workout`.
    #[arg(long = "type", value_name = "TYPE")]
    data_type: String,
    /// From when (RFC 3339); without it, from where the last sync ended.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until when (RFC 3339); without it, until now.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What else is wanted of records on this way (JSON, or TOML in a file that ends so); it stays until another is given.
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,
    /// A key of your own: the same key is the same sync. Without it, every call is a new one.
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Sync {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        Client::during(config, &self.target, async |client| self.with(client).await).await
    }

    async fn with(&self, client: &Client) -> anyhow::Result<()> {
        let policies = self.policies.as_deref().map(policies::read).transpose()?;
        let connections = client.get("/v1/connections").await?;
        let (source, destination) = (find(&connections, &self.from)?, find(&connections, &self.to)?);
        carry(client, &source, &destination, &self.data_type, policies).await?;
        let key = match &self.key {
            Some(key) => key.clone(),
            None => engine::connect::draw_secret()?,
        };
        let mut body = json!({"source": source, "destinations": [destination], "data_type": self.data_type});
        for (field, value) in [("from", &self.since), ("to", &self.until)] {
            if let Some(value) = value {
                body[field] = json!(value);
            }
        }
        let accepted = client.post_once("/v1/sync-jobs", &key, &body).await?;
        let id = text(&accepted, "id");
        print::say(&format!("accepted as {id}"));
        let status = client.settled(id, |_| {}).await?;
        if self.target.json {
            return print::json(&status);
        }
        print::data(&counts_table(&status));
        over(&status)
    }
}

/// Makes sure that a config between two connections carries a type, and has these policies if some are given.
pub(super) async fn carry(
    client: &Client,
    source: &str,
    destination: &str,
    data_type: &str,
    policies: Option<Value>,
) -> anyhow::Result<()> {
    let configs = client.get("/v1/sync-configs").await?;
    let stands =
        items(&configs).iter().find(|it| text(it, "source") == source && text(it, "destination") == destination);
    let mut data_types: Vec<Value> = stands.and_then(|it| it["data_types"].as_array()).cloned().unwrap_or_default();
    let enabled = stands.is_none_or(|it| it["enabled"].as_bool().unwrap_or(true));
    if policies.is_none() && enabled && data_types.iter().any(|it| it == data_type) {
        return Ok(());
    }
    if !data_types.iter().any(|it| it == data_type) {
        data_types.push(json!(data_type));
    }
    let field = |name: &str, default: &str| stands.and_then(|it| it[name].as_str()).unwrap_or(default).to_owned();
    let policies = policies.or_else(|| stands.map(|it| it["policies"].clone())).unwrap_or_else(|| json!({}));
    let body = json!({
        "source": source, "destination": destination, "data_types": data_types,
        "rule": field("rule", "prioritise_source"), "deletes": field("deletes", "keep"), "policies": policies, "enabled": true,
    });
    client.send(client.request(reqwest::Method::PUT, "/v1/sync-configs").json(&body)).await.map(|_| ())
}

/// The connection that a person means: by its id, or by its provider if that is connected once.
pub(super) fn find(connections: &Value, wanted: &str) -> anyhow::Result<String> {
    let usable: Vec<&Value> = items(connections).iter().filter(|it| text(it, "state") != "disconnected").collect();
    if let Some(found) = usable.iter().find(|it| text(it, "id") == wanted) {
        return Ok(text(found, "id").to_owned());
    }
    let of: Vec<_> = usable.iter().filter(|it| text(it, "provider") == wanted).collect();
    match of.as_slice() {
        [one] => Ok(text(one, "id").to_owned()),
        [] => bail!("nothing is connected as {wanted}; `syncwell connect` lists what is"),
        _ => bail!(
            "{wanted} is connected {} times; name the connection by its id (`syncwell connect` lists them)",
            of.len()
        ),
    }
}

/// `syncwell status`.
#[derive(Debug, Args)]
pub struct StatusOf {
    /// Which sync; without it, the latest are listed.
    job: Option<String>,
    /// Also list its records, with the ids that `syncwell explain` takes.
    #[arg(long, requires = "job")]
    records: bool,
    #[command(flatten)]
    target: Target,
}

impl StatusOf {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        Client::during(config, &self.target, async |client| self.with(client).await).await
    }

    async fn with(&self, client: &Client) -> anyhow::Result<()> {
        let Some(job) = &self.job else { return self.list(client).await };
        let mut status = client.get(&format!("/v1/sync-jobs/{job}")).await?;
        let records = match self.records {
            true => Some(client.get(&format!("/v1/sync-jobs/{job}/records")).await?),
            false => None,
        };
        if self.target.json {
            if let Some(records) = records {
                status["records"] = json!(items(&records));
            }
            return print::json(&status);
        }
        print::data(&format!("{job} is {}{}", text(&status, "state"), because(&status)));
        print::data(&counts_table(&status));
        if let Some(records) = &records {
            let fields = ["record", "data_type", "action", "reason", "starts_at"];
            let rows: Vec<_> =
                items(records).iter().map(|it| fields.map(|field| text(it, field).to_owned()).to_vec()).collect();
            print::data(&print::table(&["record", "type", "decision", "why", "starts at"], &rows));
        }
        Ok(())
    }

    async fn list(&self, client: &Client) -> anyhow::Result<()> {
        let jobs = client.get("/v1/sync-jobs").await?;
        if self.target.json {
            return print::json(&jobs);
        }
        let row = |it: &Value| {
            let state = if it["settled"] == true { "over" } else { "on its way" };
            vec![text(it, "id").to_owned(), state.to_owned(), text(it, "accepted_at").to_owned()]
        };
        let rows: Vec<_> = items(&jobs).iter().map(row).collect();
        if rows.is_empty() {
            print::say("no sync yet; `syncwell sync` or `syncwell import` makes one");
            return Ok(());
        }
        print::data(&print::table(&["sync", "state", "accepted at"], &rows));
        Ok(())
    }
}

fn because(status: &Value) -> String {
    status["reason"].as_str().map(|it| format!(" ({it})")).unwrap_or_default()
}

/// A failed sync is a failed command.
pub(super) fn over(status: &Value) -> anyhow::Result<()> {
    match text(status, "state") {
        "failed" if status["reason"] == "payload_expired" => {
            bail!(
                "the sync is failed (payload_expired): what it had read is no longer kept; sync the same stretch again"
            )
        }
        "failed" | "cancelled" => bail!("the sync is {}{}", text(status, "state"), because(status)),
        _ => Ok(()),
    }
}

/// What became of a sync's records: a line a destination and type.
pub(super) fn counts_table(status: &Value) -> String {
    let mut rows = Vec::new();
    let read = by_type(&status["read"]);
    for destination in items(&status["destinations"]) {
        let to = destination["account"]["provider"].as_str().unwrap_or("");
        let mut fates = by_type(&destination["counts"]);
        for data_type in read.keys() {
            fates.entry(data_type.clone()).or_default();
        }
        for (data_type, fates) in fates {
            let n_read: i64 = read.get(&data_type).map_or(0, |it| it.iter().map(|it| it.2).sum());
            let mut said: Vec<String> = fates.iter().filter(|it| it.0 != "seen").map(words).collect();
            said.extend(destination["end"].as_str().map(|it| format!("left early ({it})")));
            rows.push(vec![to.to_owned(), data_type, n_read.to_string(), said.join(", ")]);
        }
    }
    for issue in items(&status["issues"]) {
        rows.push(vec![
            String::new(),
            String::new(),
            String::new(),
            format!("{} {}", issue["count"], text(issue, "code")),
        ]);
    }
    print::table(&["to", "type", "read", "what became of it"], &rows)
}

pub(super) type FateCount = (String, Option<String>, i64);

pub(super) fn words((fate, reason, count): &FateCount) -> String {
    reason.as_ref().map_or_else(|| format!("{count} {fate}"), |reason| format!("{count} {fate} ({reason})"))
}

/// Counts of an answer by type: (fate, reason, how many).
pub(super) fn by_type(counts: &Value) -> BTreeMap<String, Vec<FateCount>> {
    let mut all: BTreeMap<String, Vec<FateCount>> = BTreeMap::new();
    for it in items(counts) {
        let reason = it["reason"].as_str().map(str::to_owned);
        let count = it["count"].as_i64().unwrap_or(0);
        all.entry(text(it, "data_type").to_owned()).or_default().push((text(it, "fate").to_owned(), reason, count));
    }
    all
}

/// The id of the sync that a command was accepted as.
pub(super) fn id_of(accepted: &Value) -> anyhow::Result<String> {
    accepted["id"].as_str().map(str::to_owned).context("SyncWell accepted the command without saying as what")
}
