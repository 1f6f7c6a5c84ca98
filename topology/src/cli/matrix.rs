//! Where each thing is, and where it is not and why.

use super::{
    Target,
    client::Client,
    connect::{items, text},
    print,
};
use crate::config::Config;
use clap::Args;
use serde_json::Value;
use std::collections::BTreeMap;

/// `syncwell matrix`.
#[derive(Debug, Args)]
pub struct Matrix {
    /// Which type, such as `workout`.
    #[arg(long = "type", value_name = "TYPE")]
    data_type: String,
    /// Things that began then or later (RFC 3339); without it, 31 days before the end.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Things that began earlier than this (RFC 3339); without it, until now.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Matrix {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let mut query = vec![("data_type", self.data_type.as_str())];
        query.extend(self.from.as_deref().map(|it| ("from", it)));
        query.extend(self.to.as_deref().map(|it| ("to", it)));
        let said = Client::during(config, &self.target, async |client| {
            client.send(client.request(reqwest::Method::GET, "/v1/sync-matrix").query(&query)).await
        })
        .await?;
        if self.target.json {
            return print::json(&said);
        }
        if items(&said["things"]).is_empty() {
            print::say(&format!("nothing of {} was read or seen in that stretch", self.data_type));
            return Ok(());
        }
        print::data(&table(&said));
        for (reason, next_step) in steps(&said) {
            print::say(&format!("{reason}: {next_step}"));
        }
        if said["truncated"] == true {
            print::say("there are more: ask for a shorter stretch");
        }
        Ok(())
    }
}

/// One line a thing, one column a connection.
fn table(said: &Value) -> String {
    let connections = items(&said["connections"]);
    let several = |provider: &str| connections.iter().filter(|it| text(it, "provider") == provider).count() > 1;
    let name = |it: &Value| match text(it, "provider") {
        // Of a folder its last name is enough: a column is no wider than it must be.
        provider if several(provider) => {
            let account = text(it, "account");
            format!("{provider}/{}", account.rsplit('/').next().unwrap_or(account))
        }
        provider => provider.to_owned(),
    };
    let head: Vec<String> = [String::from("began at")].into_iter().chain(connections.iter().map(name)).collect();
    let rows: Vec<Vec<String>> = items(&said["things"])
        .iter()
        .map(|it| {
            let cells = items(&it["cells"]).iter().map(cell);
            [text(it, "starts_at").to_owned()].into_iter().chain(cells).collect()
        })
        .collect();
    print::table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
}

fn cell(it: &Value) -> String {
    match text(it, "status") {
        "present" => match it["reason"].as_str() {
            Some(reason) => format!("✓ {} ({reason})", text(it, "held")),
            None => format!("✓ {}", text(it, "held")),
        },
        "on_its_way" => "~".into(),
        _ => text(it, "reason").to_owned(),
    }
}

/// What can be done about each reason that is told.
fn steps(said: &Value) -> BTreeMap<&str, &str> {
    let cells = items(&said["things"]).iter().flat_map(|it| items(&it["cells"]));
    cells.filter(|it| it["reason"].is_string()).map(|it| (text(it, "reason"), text(it, "next_step"))).collect()
}

#[cfg(test)]
mod tests {
    use super::{steps, table};
    use serde_json::json;

    #[test]
    fn a_line_is_a_thing_and_a_column_a_connection() {
        let said = json!({
            "connections": [
                {"provider": "strava", "account": "7"}, {"provider": "files", "account": "/a"},
                {"provider": "files", "account": "/b"},
            ],
            "things": [{"starts_at": "2026-06-20T06:00:00Z", "cells": [
                {"status": "present", "held": "source"}, {"status": "on_its_way"},
                {"status": "absent", "reason": "no_config", "next_step": "sync"},
            ]}, {"starts_at": "2026-06-19T06:00:00Z", "cells": [
                {"status": "absent", "reason": "gone", "next_step": "nothing"}, {"status": "on_its_way"},
                {"status": "present", "held": "ours", "reason": "in_review", "next_step": "answer"},
            ]}],
        });
        let drawn = table(&said);
        let lines: Vec<Vec<&str>> =
            drawn.lines().map(|it| it.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect()).collect();
        assert_eq!(lines[0], ["began at", "strava", "files/a", "files/b"]);
        assert_eq!(lines[2], ["2026-06-20T06:00:00Z", "✓ source", "~", "no_config"]);
        assert_eq!(lines[3], ["2026-06-19T06:00:00Z", "gone", "~", "✓ ours (in_review)"]);
        let steps: Vec<_> = steps(&said).into_iter().collect();
        assert_eq!(steps, [("gone", "nothing"), ("in_review", "answer"), ("no_config", "sync")]);
    }
}
