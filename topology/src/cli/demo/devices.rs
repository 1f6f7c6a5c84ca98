//! A person with a watch that knows where they ran and a band that knows how their heart beat, each with an account of
//! its own: what both recorded becomes one file, and a loop between the accounts stays quiet.

use super::{FROM, TO, accounts::World, visit};
use crate::cli::{
    client::Client,
    connect::{folder_connection, items, text},
    jobs::id_of,
};
use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

/// The person's name, and the users at Google Health of the watch and of the band.
pub(super) const OWNER: (&str, [&str; 2]) = ("cleo", ["115500000000000000003", "115500000000000000004"]);

/// Two accounts and a folder, connected: each account goes into the folder and into the other account.
pub(super) struct Devices {
    client: Client,
    accounts: Vec<String>,
    folder: String,
}

impl Devices {
    pub(super) async fn connect(client: Client, world: &World, directory: &Path) -> anyhow::Result<Self> {
        let (name, users) = OWNER;
        let mut accounts: Vec<String> = Vec::new();
        for user in users {
            world.consent_as(user);
            visit(&client, "google_health", "").await?;
            let all = client.get("/v1/connections").await?;
            let ids = items(&all).iter().map(|it| text(it, "id").to_owned());
            let id = ids.into_iter().find(|it| !accounts.contains(it)).context("the account is connected")?;
            accounts.push(id);
        }
        let folder = folder_connection(&client, &directory.join("folders").join(name)).await?;
        let folder = text(&folder, "id").to_owned();
        let devices = Self { client, accounts, folder };
        for (source, destination) in devices.ways() {
            let config = json!({"source": source, "destination": destination, "data_types": ["workout"]});
            devices.client.send(devices.client.request(Method::PUT, "/v1/sync-configs").json(&config)).await?;
        }
        Ok(devices)
    }

    fn ways(&self) -> Vec<(&str, &str)> {
        let [watch, band] = [0, 1].map(|it| self.accounts[it].as_str());
        vec![(watch, &self.folder), (band, &self.folder), (watch, band), (band, watch)]
    }

    /// Syncs every way once; how many records that wrote.
    pub(super) async fn round(&self, name: &str) -> anyhow::Result<i64> {
        let mut written = 0;
        for (source, destination) in self.ways() {
            let body = json!({"source": source, "destinations": [destination], "data_type": "workout", "from": FROM, "to": TO});
            let key = format!("{name}/{source}/{destination}");
            let id = id_of(&self.client.post_once("/v1/sync-jobs", &key, &body).await?)?;
            let status = self.client.settled(&id, |_| {}).await?;
            ensure!(status["state"] == "done", "a sync of {} is {}", OWNER.0, status["state"]);
            for count in items(&status["destinations"]).iter().flat_map(|it| items(&it["counts"])) {
                if ["created", "updated", "deleted"].contains(&text(count, "fate")) {
                    written += count["count"].as_i64().unwrap_or(0);
                }
            }
        }
        Ok(written)
    }

    /// Why the run in the folder is what it is.
    pub(super) async fn explanation(&self) -> anyhow::Result<Value> {
        let jobs = self.client.get("/v1/sync-jobs").await?;
        for job in items(&jobs) {
            let records = self.client.get(&format!("/v1/sync-jobs/{}/records", text(job, "id"))).await?;
            let here = items(&records).iter().find(|it| text(it, "destination") == self.folder);
            if let Some(record) = here {
                return self.client.get(&format!("/v1/records/{}/explain", text(record, "record"))).await;
            }
        }
        anyhow::bail!("nothing of {} came into the folder", OWNER.0)
    }
}
