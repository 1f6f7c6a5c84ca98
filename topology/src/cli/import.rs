//! `syncwell import`: files into an account or a folder.

use super::{
    Target,
    client::Client,
    connect::{folder_connection, text},
    jobs::{counts_table, find, id_of, over},
    print,
};
use crate::config::Config;
use anyhow::Context;
use clap::Args;
use reqwest::{Method, multipart};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `syncwell import`.
#[derive(Debug, Args)]
pub struct Import {
    /// FIT, TCX or GPX files, or an Apple Health export (zip or xml).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where to: a connection, a provider that is connected once, or a folder
    /// [default: the folder `library` in the data directory].
    #[arg(long, value_name = "DESTINATION")]
    to: Vec<String>,
    #[command(flatten)]
    target: Target,
}

impl Import {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        for file in &self.files {
            super::developer::open(file)?;
        }
        Client::during(config, &self.target, async |client| self.with(client, config).await).await
    }

    async fn with(&self, client: &Client, config: &Config) -> anyhow::Result<()> {
        let mut destinations = Vec::new();
        for to in &self.to {
            destinations.push(destination(client, to).await?);
        }
        if destinations.is_empty() {
            let library = config.data.join("library");
            destinations.push(text(&folder_connection(client, &library).await?, "id").to_owned());
            print::say(&format!("into the folder {}; choose another place with --to", library.display()));
        }
        let (mut statuses, mut failed) = (Vec::new(), None);
        for file in &self.files {
            match import(client, file, &destinations).await {
                Ok(status) => {
                    if !self.target.json {
                        print::data(&format!("{}: {}", file.display(), text(&status, "state")));
                        print::data(&counts_table(&status));
                    }
                    failed = failed.or(over(&status).err());
                    statuses.push(status);
                }
                // One bad file does not hold up the others.
                Err(err) => {
                    print::say(&format!("{}: {err:#}", file.display()));
                    failed = Some(err.context(format!("import {}", file.display())));
                }
            }
        }
        if self.target.json {
            print::json(&statuses)?;
        }
        failed.map_or(Ok(()), Err)
    }
}

async fn destination(client: &Client, to: &str) -> anyhow::Result<String> {
    let path = Path::new(to);
    if path.is_dir() || to.contains(std::path::MAIN_SEPARATOR) {
        return Ok(text(&folder_connection(client, path).await?, "id").to_owned());
    }
    find(&client.get("/v1/connections").await?, to)
}

/// Imports one file and waits for its end. The same file to the same place is the same import.
async fn import(client: &Client, file: &Path, destinations: &[String]) -> anyhow::Result<Value> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let open = tokio::fs::File::open(file).await.with_context(|| format!("open {}", file.display()))?;
    let length = open.metadata().await.with_context(|| format!("read {}", file.display()))?.len();
    let body = multipart::Part::stream_with_length(reqwest::Body::from(open), length).file_name(name);
    let mut form = multipart::Form::new();
    for destination in destinations {
        form = form.text("destination", destination.clone());
    }
    let form = form.part("file", body);
    let accepted = client.send(client.request(Method::POST, "/v1/imports").multipart(form)).await?;
    client.settled(&id_of(&accepted)?, |_| {}).await
}
