//! `syncwell replay`: shadow, diff, repair.

use super::{
    Target,
    client::Client,
    connect::{items, text},
    print,
};
use crate::config::Config;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// The pause between two looks at a replay.
const PAUSE: Duration = Duration::from_millis(300);

/// `syncwell replay`.
#[derive(Debug, Subcommand)]
pub enum Replay {
    /// First: runs the selected past again, invisibly, and says what would come out differently.
    Shadow(Box<Shadow>),
    /// Then: shows what a shadow found, by names and counts; and the hash of its plan.
    Diff {
        /// The replay's name.
        name: String,
        /// Also the records with their values: a person's health data. That is noted in the audit.
        #[arg(long)]
        values: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Last: applies exactly the plan of a shadow, slowly; what has moved since is left alone and listed.
    Repair {
        /// The plan's hash, as `syncwell replay diff` says it.
        #[arg(long, value_name = "HASH")]
        plan: String,
        /// Apply it though the shadow was your own: that is noted in the audit.
        #[arg(long)]
        alone: bool,
        #[command(flatten)]
        target: Target,
    },
    /// After all of Kafka was lost: publishes again, from the log, every event that waits for its stage.
    Open {
        #[command(flatten)]
        target: Target,
    },
    /// Lists replays.
    List {
        #[command(flatten)]
        target: Target,
    },
}

/// `syncwell replay shadow`.
#[derive(Debug, Args)]
pub struct Shadow {
    /// A name of your own for this replay: letters, digits, `-`, `_`, `.`.
    #[arg(long)]
    name: String,
    /// What was said from then on (RFC 3339); without it, from the log's beginning.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// What was said before then (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only of this user of the installation.
    #[arg(long, value_name = "NAME", conflicts_with = "subject")]
    of_user: Option<String>,
    /// Only of this person: a subject, as events have it.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only what was read from this provider.
    #[arg(long)]
    provider: Option<String>,
    /// Only this type, such as `weight`.
    #[arg(long = "type", value_name = "TYPE")]
    data_type: Option<String>,
    /// The first stage that runs again: `normalize` (a mapper was wrong) or `resolve` (a rule was wrong).
    #[arg(long, default_value = "normalize", value_name = "STAGE")]
    stage: String,
    /// What lay on this topic, with --partition and --offsets; for a transport that keeps its topics.
    #[arg(long, requires = "partition", requires = "offsets")]
    topic: Option<String>,
    /// Which partition of the topic.
    #[arg(long, requires = "topic", value_name = "P")]
    partition: Option<i32>,
    /// From which offset to which, the last excluded: `100..200`.
    #[arg(long, requires = "topic", value_name = "A..B")]
    offsets: Option<String>,
    /// By this version of the mappers instead of the present ones.
    #[arg(long, value_name = "N")]
    mapper_version: Option<i32>,
    #[command(flatten)]
    target: Target,
}

impl Shadow {
    fn body(&self) -> anyhow::Result<Value> {
        let mut selection = json!({"stage": self.stage});
        let texts = [
            ("from", &self.from),
            ("to", &self.to),
            ("subject", &self.subject),
            ("provider", &self.provider),
            ("data_type", &self.data_type),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                selection[name] = json!(value);
            }
        }
        if let Some(version) = self.mapper_version {
            selection["mapper_version"] = json!(version);
        }
        if let (Some(topic), Some(partition), Some(offsets)) = (&self.topic, self.partition, &self.offsets) {
            let range = offsets.split_once("..").and_then(|it| Some((it.0.parse().ok()?, it.1.parse().ok()?)));
            let (from, to): (i64, i64) =
                range.with_context(|| format!("{offsets} is no range of offsets; write `100..200`"))?;
            selection["place"] = json!({"topic": topic, "partition": partition, "from": from, "to": to});
        }
        let mut body = json!({"name": self.name, "selection": selection});
        if let Some(user) = &self.of_user {
            body["user"] = json!(user);
        }
        Ok(body)
    }
}

impl Replay {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::Shadow(shadow) => {
                let body = shadow.body()?;
                let found = Client::during(config, &shadow.target, async |client| {
                    client.post("/v1/operator/replays", &body).await?;
                    over(client, &shadow.name, "looking").await
                })
                .await?;
                tell(&found, shadow.target.json)
            }
            Self::Diff { name, values, target } => {
                let found = Client::during(config, &target, async |client| diff(client, &name, values).await).await?;
                tell(&found, target.json)
            }
            Self::Repair { plan, alone, target } => {
                let found = Client::during(config, &target, async |client| {
                    let begun = client.post("/v1/operator/repairs", &json!({"plan": plan, "alone": alone})).await?;
                    over(client, text(&begun["replay"], "name"), "repairing").await
                })
                .await?;
                if target.json {
                    return print::json(&found);
                }
                repaired(&found["replay"])
            }
            Self::Open { target } => {
                Client::during(config, &target, async |client| {
                    client.post("/v1/operator/open-events", &json!({})).await
                })
                .await?;
                print::say("what waits for its stage is published again; `syncwell audit` says when that is done");
                Ok(())
            }
            Self::List { target } => {
                let all =
                    Client::during(config, &target, async |client| client.get("/v1/operator/replays").await).await?;
                if target.json {
                    return print::json(&all);
                }
                let fields = ["name", "state", "by", "began_at", "plan"];
                let row = |it: &Value| {
                    let mut row: Vec<_> = fields.iter().map(|field| text(&it["replay"], field).to_owned()).collect();
                    if matches!(row[1].as_str(), "looking" | "repairing") && it["running"] == false {
                        row[1].push_str(", interrupted");
                    }
                    row
                };
                print::data(&print::table(&fields, &items(&all).iter().map(row).collect::<Vec<_>>()));
                Ok(())
            }
        }
    }
}

async fn diff(client: &Client, name: &str, values: bool) -> anyhow::Result<Value> {
    let path = format!("/v1/operator/replays/{name}");
    client.send(client.request(Method::GET, &path).query(&[("values", values)])).await
}

/// A replay, once it is no longer in this state.
async fn over(client: &Client, name: &str, state: &str) -> anyhow::Result<Value> {
    let mut n_told = 0;
    loop {
        let found = diff(client, name, false).await?;
        if text(&found["replay"], "state") != state {
            return Ok(found);
        }
        let n_syncs = found["replay"]["totals"]["syncs"].as_u64().unwrap_or(0);
        if n_syncs > n_told {
            n_told = n_syncs;
            print::say(&format!("{n_syncs} syncs so far"));
        }
        if found["running"] == false && text(&diff(client, name, false).await?["replay"], "state") == state {
            bail!("replay {name} was interrupted; give the same command again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a shadow found, by names and counts.
fn tell(found: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return print::json(found);
    }
    let replay = &found["replay"];
    if text(replay, "state") == "failed" {
        bail!("replay {} failed: {}", text(replay, "name"), text(replay, "error"));
    }
    let totals = &replay["totals"];
    print::data(&format!(
        "{} is {}: {} syncs of {} people, {} pages",
        text(replay, "name"),
        text(replay, "state"),
        totals["syncs"],
        totals["people"],
        totals["pages"],
    ));
    let mut rows = Vec::new();
    for part in ["records", "fields", "operations", "calls", "left", "unread", "issues"] {
        for (name, count) in totals[part].as_object().into_iter().flatten() {
            rows.push(vec![part.to_owned(), name.clone(), count.to_string()]);
        }
    }
    print::data(&print::table(&["what", "which", "how many"], &rows));
    for left in items(&found["left"]) {
        print::data(&format!("left alone ({}): record {}", text(left, "reason"), text(left, "item")));
    }
    for record in items(&found["records"]) {
        print::data(&record.to_string());
    }
    match (text(replay, "state"), replay["plan"].as_str()) {
        ("planned", Some(plan)) if !items(&found["operations"]).is_empty() => {
            print::data(&format!("plan {plan}"));
            print::say(&format!("`syncwell replay repair --plan {plan}` does exactly this"));
        }
        ("planned", _) => print::say("nothing would be written"),
        _ => {}
    }
    Ok(())
}

fn repaired(replay: &Value) -> anyhow::Result<()> {
    if text(replay, "state") == "failed" {
        bail!("the repair failed: {}; give the same command again", text(replay, "error"));
    }
    let repair = &replay["repair"];
    print::data(&format!("{} operations published in {} syncs", repair["operations"], items(&repair["syncs"]).len()));
    for left in items(&repair["left"]) {
        print::data(&format!("left alone ({}): record {}", text(left, "reason"), text(left, "item")));
    }
    print::say("they travel in the cold lane, at a tenth of every budget; `syncwell tail outcome` shows them arrive");
    Ok(())
}
