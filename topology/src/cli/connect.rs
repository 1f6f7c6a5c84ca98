//! `syncwell connect`: accounts and folders.

use super::{Target, client::Client, print};
use crate::config::Config;
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// `syncwell connect`.
#[derive(Debug, Args)]
pub struct Connect {
    /// Which provider, such as `strava`; without it, what is connected is listed.
    provider: Option<String>,
    /// A folder to connect, for the provider `files`.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Disconnect this connection instead.
    #[arg(long, value_name = "CONNECTION", conflicts_with_all = ["provider", "folder"])]
    disconnect: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Connect {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        Client::during(config, &self.target, async |client| self.with(client).await).await
    }

    async fn with(&self, client: &Client) -> anyhow::Result<()> {
        if let Some(id) = &self.disconnect {
            let told = client.send(client.request(reqwest::Method::DELETE, &format!("/v1/connections/{id}"))).await?;
            return self.show(&told, || format!("disconnected {id}"));
        }
        if let Some(folder) = &self.folder {
            let connection = folder_connection(client, folder).await?;
            return self.show(&connection, || format!("connected {} as {}", folder.display(), text(&connection, "id")));
        }
        let Some(provider) = &self.provider else { return self.list(client).await };
        let started = client.post(&format!("/v1/connections/{provider}"), &json!({})).await?;
        if self.target.json {
            return print::json(&started);
        }
        print::say("open this page, grant access, and leave this command running until the page says that it is done:");
        print::data(text(&started, "authorization_url"));
        if self.target.url.is_some() {
            return Ok(());
        }
        wait_for(client, provider).await
    }

    async fn list(&self, client: &Client) -> anyhow::Result<()> {
        let connections = client.get("/v1/connections").await?;
        if self.target.json {
            return print::json(&connections);
        }
        let rows: Vec<Vec<String>> = items(&connections)
            .iter()
            .map(|it| {
                ["id", "provider", "account", "state", "connected_at"].map(|field| text(it, field).to_owned()).to_vec()
            })
            .collect();
        if rows.is_empty() {
            print::say(
                "nothing is connected; `syncwell connect strava` or `syncwell connect files --folder DIR` does it",
            );
            return Ok(());
        }
        print::data(&print::table(&["connection", "provider", "account", "state", "connected at"], &rows));
        Ok(())
    }

    fn show(&self, value: &Value, words: impl Fn() -> String) -> anyhow::Result<()> {
        if self.target.json {
            return print::json(value);
        }
        print::say(&words());
        Ok(())
    }
}

/// Waits until an account of the provider is connected that was not before, for as long as a grant lasts.
async fn wait_for(client: &Client, provider: &str) -> anyhow::Result<()> {
    let connected = async || -> anyhow::Result<Vec<String>> {
        let all = client.get("/v1/connections").await?;
        let of = items(&all).iter().filter(|it| text(it, "provider") == provider);
        Ok(of.map(|it| format!("{} {}", text(it, "id"), text(it, "connected_at"))).collect())
    };
    let before = connected().await?;
    for _ in 0..600 {
        if let Some(new) = connected().await?.iter().find(|it| !before.contains(it)) {
            print::say(&format!("connected {provider} as {new}"));
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    anyhow::bail!("no grant came back within ten minutes; start again")
}

/// The connection of a folder, made if it is not there.
pub(super) async fn folder_connection(client: &Client, folder: &std::path::Path) -> anyhow::Result<Value> {
    let folder = std::path::absolute(folder).with_context(|| format!("find folder {}", folder.display()))?;
    std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    client.post("/v1/connections/files", &json!({"folder": folder})).await
}

/// The list in an answer.
pub(super) fn items(answer: &Value) -> &[Value] {
    let list = answer.as_array().or_else(|| answer.as_object()?.values().find_map(Value::as_array));
    list.map_or(&[], Vec::as_slice)
}

/// A field that is a text.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}
