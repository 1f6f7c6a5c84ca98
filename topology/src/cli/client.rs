//! Every command that needs SyncWell is a client of its API: of a running one, or of one that the command itself runs
//! on the data directory while it lasts.

use super::{Target, up::clock};
use crate::{config::Config, process::Process, roles::Roles};
use anyhow::{Context, bail};
use engine::people::People;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// How long a token of a command's own lasts.
const OWN_TOKEN_MAX: Duration = Duration::from_secs(24 * 3600);

/// A client of the API.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    token: String,
    http: reqwest::Client,
    own: Option<Own>,
}

/// A SyncWell that a command runs for itself.
#[derive(Debug)]
struct Own {
    stop: watch::Sender<bool>,
    running: JoinHandle<anyhow::Result<()>>,
    people: People,
}

impl Client {
    /// Of the API that the flags name, or of one that runs on the data directory until [`Client::close`].
    async fn open(config: &Config, target: &Target) -> anyhow::Result<Self> {
        let http = engine::session::http_client().context("set up the HTTP client")?;
        if let Some(url) = &target.url {
            let Some(token) = target.token.clone() else {
                bail!(
                    "no access token for {url}; put it into SYNCWELL_TOKEN (or give --token, which others on this machine can see)"
                );
            };
            return Ok(Self { url: url.trim_end_matches('/').into(), token, http, own: None });
        }
        // The person at this machine may name any of its folders.
        let folders = Some(config.folders.clone().unwrap_or_else(|| "/".into()));
        let own = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), public_url: None, folders, ..config.clone() };
        let process = Process::open(&own, connectors::catalog(), clock(), Roles::of_a_command(config)).await?;
        Self::of(process, &target.user).await
    }

    /// Does some work as a client, and closes it whatever came of the work.
    pub(super) async fn during<T>(
        config: &Config,
        target: &Target,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let client = Self::open(config, target).await?;
        let done = work(&client).await;
        client.close().await?;
        done
    }

    /// Of a process, which it runs.
    pub(super) async fn of(process: Process, user: &str) -> anyhow::Result<Self> {
        let http = engine::session::http_client().context("set up the HTTP client")?;
        let expires_at = process.runner.clock.now().plus(OWN_TOKEN_MAX);
        let token = process.make_token(user, ("command line", true), Some(expires_at)).await?;
        let url = format!("http://{}", process.address());
        let (stop, stopped) = watch::channel(false);
        let people = process.means.accounts.people.clone();
        let takes_commands = process.takes_commands();
        let running = tokio::spawn(Box::pin(process.run(stopped)));
        takes_commands.await;
        Ok(Self { url, token, http, own: Some(Own { stop, running, people }) })
    }

    /// The same API for another user's token.
    pub(super) fn with_token(&self, token: String) -> Self {
        Self { url: self.url.clone(), token, http: self.http.clone(), own: None }
    }

    /// Drains and stops what the command ran itself.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        let Some(own) = self.own else { return Ok(()) };
        own.people.forget_token(&self.token).await?;
        own.stop.send_replace(true);
        own.running.await.context("stop")?
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// An answer's JSON; a problem is an error in its own words.
    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.send().await.with_context(|| format!("reach SyncWell at {}; is it up?", self.url))?;
        let status = answer.status();
        let body = answer.bytes().await.with_context(|| format!("read the answer of {}", self.url))?;
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(json);
        }
        let said = |field: &str| json.get(field).and_then(Value::as_str);
        bail!(
            "{}",
            said("detail").or(said("title")).map_or_else(|| format!("SyncWell answered {status}"), str::to_owned)
        )
    }

    /// An answer that is read as it comes; a problem is an error in its own words.
    pub(super) async fn open_stream(&self, request: RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let answer = request.send().await.with_context(|| format!("reach SyncWell at {}; is it up?", self.url))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, json) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
        bail!("{}", json["detail"].as_str().map_or_else(|| format!("SyncWell answered {status}"), str::to_owned))
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Posts a command that is the same one however often it is sent.
    pub(super) async fn post_once(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(self.request(Method::POST, path).header("Idempotency-Key", format!("\"{key}\"")).json(body)).await
    }

    /// How a sync stands, once it is over; `seen` hears of every change.
    pub(super) async fn settled(&self, id: &str, mut seen: impl FnMut(&Value)) -> anyhow::Result<Value> {
        loop {
            let status = self.get(&format!("/v1/sync-jobs/{id}")).await?;
            seen(&status);
            if !matches!(status["state"].as_str(), Some("queued" | "running")) {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}
