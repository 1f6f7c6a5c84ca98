//! `syncwell tail`, `rejects`, `audit`, `token`: looking, and taking up again.

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

/// `syncwell tail`.
#[derive(Debug, Args)]
pub struct Tail {
    /// The topic, such as `syncwell.hot.resolved` or `rejected`; a wrong name lists all.
    topic: String,
    /// Only of this person: a subject, as events have it.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only of this sync.
    #[arg(long, value_name = "SYNC")]
    sync: Option<String>,
    /// What was said from then on (RFC 3339), and then the end; without it, what is said from now on until Ctrl-C.
    /// `analytics` knows only days.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Tail {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        Client::during(config, &self.target, async |client| self.with(client).await).await
    }

    async fn with(&self, client: &Client) -> anyhow::Result<()> {
        let mut query = vec![("follow", self.from.is_none().to_string())];
        for (name, value) in [("subject", &self.subject), ("sync", &self.sync), ("from", &self.from)] {
            query.extend(value.clone().map(|it| (name, it)));
        }
        match &self.from {
            Some(from) => print::say(&format!("what is held since {from}")),
            None => print::say("what is said from now on; Ctrl-C ends; --from shows earlier events"),
        }
        let path = format!("/v1/operator/topics/{}/events", self.topic);
        let mut answer = client.open_stream(client.request(Method::GET, &path).query(&query)).await?;
        let mut line = Vec::new();
        while let Some(chunk) = answer.chunk().await.context("read the stream; begin it again")? {
            for byte in chunk {
                if byte == b'\n' {
                    print::data(&String::from_utf8_lossy(&line));
                    line.clear();
                } else {
                    line.push(byte);
                }
            }
        }
        Ok(())
    }
}

/// Which rejects.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Rejected from then on (RFC 3339).
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Rejected before then (RFC 3339).
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Of this person: a subject, as events have it.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// For this reason, such as `malformed`.
    #[arg(long)]
    reason: Option<String>,
    /// By this stage.
    #[arg(long)]
    stage: Option<String>,
}

impl Which {
    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            ("from", &self.from),
            ("to", &self.to),
            ("subject", &self.subject),
            ("reason", &self.reason),
            ("stage", &self.stage),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect::<Vec<_>>().into_iter()
    }
}

/// `syncwell rejects`.
#[derive(Debug, Subcommand)]
pub enum Rejects {
    /// Lists rejects: stage, reason, place; never what is in them.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        target: Target,
    },
    /// Shows one reject: stage, reason, place, attempts, size; never what is in it.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
    /// Takes rejects up again, each as a sync of its own; the reject stays. Try `--dry-run` first.
    Redrive {
        /// One reject, by its id; without it, all that the other flags name.
        id: Option<String>,
        /// A name of your own: under one name a reject is taken up once, however often it is asked for.
        #[arg(long, default_value = "redrive")]
        name: String,
        /// The most rejects at once.
        #[arg(long, default_value_t = 100, value_name = "N")]
        max: usize,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        target: Target,
    },
}

impl Rejects {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::List { which, target } => {
                let query: Vec<_> = which.fields().collect();
                let found = get(config, &target, "/v1/operator/rejects", query).await?;
                if target.json {
                    return print::json(&found);
                }
                if items(&found).is_empty() {
                    print::say("no rejects");
                    return Ok(());
                }
                let fields = ["id", "at", "stage", "reason", "sync", "subject"];
                print::data(&table(&found, &fields));
                print::say(
                    "`syncwell rejects show ID` says more; `syncwell rejects redrive ID --dry-run` is the way back",
                );
                Ok(())
            }
            Self::Show { id, target } => {
                let found = get(config, &target, "/v1/operator/rejects", vec![("id", id.clone())]).await?;
                match items(&found).first() {
                    Some(reject) => print::json(reject),
                    None => bail!("no reject {id}; `syncwell rejects list` shows those there are"),
                }
            }
            Self::Redrive { id, name, max, dry_run, which, target } => {
                let mut wanted: Value = which.fields().map(|(name, value)| (name.to_owned(), json!(value))).collect();
                if let Some(id) = &id {
                    wanted["id"] = json!(id);
                }
                let body = json!({"name": name, "wanted": wanted, "count_max": max, "dry_run": dry_run});
                let path = "/v1/operator/redrives";
                let done = Client::during(config, &target, async |client| client.post(path, &body).await).await?;
                if target.json {
                    return print::json(&done);
                }
                print::data(&table(&done, &["id", "sync", "refused"]));
                let n_taken = items(&done).iter().filter(|it| it["sync"].is_string()).count();
                let would = if dry_run { "would be taken up; leave out --dry-run to do it" } else { "taken up" };
                print::say(&format!("{n_taken} of {} {would}", items(&done).len()));
                Ok(())
            }
        }
    }
}

/// A GET of an operator's route.
async fn get(config: &Config, target: &Target, path: &str, query: Vec<(&str, String)>) -> anyhow::Result<Value> {
    let asked = async |client: &Client| client.send(client.request(Method::GET, path).query(&query)).await;
    Client::during(config, target, asked).await
}

/// These fields of a list of objects.
fn table(list: &Value, fields: &[&str]) -> String {
    let row = |it: &Value| fields.iter().map(|field| text(it, field).to_owned()).collect::<Vec<_>>();
    print::table(fields, &items(list).iter().map(row).collect::<Vec<_>>())
}

/// `syncwell audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// What is noted among what is this person's, such as consents: a subject, as events have it.
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Audit {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let query = self.subject.iter().map(|it| ("subject", it.clone())).collect();
        let all = get(config, &self.target, "/v1/operator/audit", query).await?;
        if self.target.json {
            return print::json(&all);
        }
        print::data(&table(&all, &["at", "who", "what", "detail"]));
        Ok(())
    }
}

/// `syncwell token`.
#[derive(Debug, Args)]
pub struct Token {
    /// What it is called: the audit names who did something by it.
    #[arg(long, value_name = "LABEL")]
    label: String,
    /// How many days it lasts, at most 365.
    #[arg(long, default_value_t = 90, value_name = "N")]
    days: u64,
    /// With the operator's right.
    #[arg(long)]
    operator: bool,
    #[command(flatten)]
    target: Target,
}

impl Token {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let body = json!({
            "user": self.target.user, "label": self.label, "days": self.days, "operator": self.operator,
        });
        let path = "/v1/operator/tokens";
        let made = Client::during(config, &self.target, async |client| client.post(path, &body).await).await?;
        if self.target.json {
            return print::json(&made);
        }
        print::say(&format!("it ends at {} and is shown only now:", text(&made, "expires_at")));
        print::data(text(&made, "token"));
        Ok(())
    }
}
