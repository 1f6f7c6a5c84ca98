//! The real binary, started, asked by its API, killed.

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a drain may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How often a process or a simulator is looked at.
pub(super) const OFTEN: Duration = Duration::from_millis(25);
/// How often the API is asked: it answers 600 requests a minute.
pub(super) const SELDOM: Duration = Duration::from_millis(200);

/// Asks again and again until there is an answer; an error after three minutes. The one place where a test waits.
pub(super) async fn until<T>(
    what: &str,
    every: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let asking = async {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.with_context(|| format!("three minutes went by without {what}"))?
}

/// A started binary; dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    begun: Instant,
    said: PathBuf,
}

impl Process {
    /// Starts `up` in a directory that holds `config.toml`; what it says goes to files there.
    pub(super) fn start(directory: &Path, kill_at: Option<&str>, clock_shift: Duration) -> Result<Self> {
        // Emptied by each start: an earlier process said where it listened, too.
        let said = directory.join("said");
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncwell-under-test"));
        command.env_clear().env("SYNCWELL_CLOCK_SHIFT_S", clock_shift.as_secs().to_string());
        if let Some(kill_at) = kill_at {
            command.env("SYNCWELL_KILL_AT", kill_at);
        }
        command.arg("--config").arg(directory.join("config.toml")).arg("up");
        command.stdin(Stdio::null()).stdout(File::options().append(true).create(true).open(directory.join("token"))?);
        command.stderr(File::create(&said)?);
        let child = command.spawn().context("start the binary")?;
        Ok(Self { child, begun: Instant::now(), said })
    }

    /// Its API, once it is ready, and how long that took; `None` if it ended before.
    pub(super) async fn ready(&mut self) -> Result<Option<(Api, Duration)>> {
        let http = reqwest::Client::new();
        until("the process being ready", OFTEN, async || {
            if self.child.try_wait()?.is_some() {
                return Ok(Some(None));
            }
            let said = fs::read_to_string(&self.said)?;
            let Some(url) = said.split("syncwell is up at ").nth(1).and_then(|it| it.split(',').next()) else {
                return Ok(None);
            };
            let is_ready = http.get(format!("{url}/readyz")).send().await.is_ok_and(|it| it.status().is_success());
            let api = || Api { url: url.to_owned(), http: http.clone(), token: String::new() };
            Ok(is_ready.then(|| Some((api(), self.begun.elapsed()))))
        })
        .await
    }

    /// How it ended, once it has.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus> {
        until("the process ending: was its point never reached?", OFTEN, async || Ok(self.child.try_wait()?)).await
    }

    /// Kills it by the signal that cannot be refused (SIGKILL).
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        let status = self.ended().await?;
        ensure!(status.signal() == Some(9), "the process had ended before it was killed: {status}");
        Ok(())
    }

    /// Asks it to stop and waits for its drain, which has a limit.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let asked = self.ask_to_stop()?;
        self.drained(asked).await
    }

    /// Asks it to stop in the middle of a call: it lives until that call is given up, and says that it is not ready.
    pub(super) async fn stop_while_calling(&mut self, api: &Api) -> Result<()> {
        let asked = self.ask_to_stop()?;
        until("the process saying that it drains", OFTEN, async || {
            let Ok(answer) = api.request(Method::GET, "/readyz").send().await else {
                // A kept connection may be closed when the probes' server follows that of the API.
                ensure!(self.child.try_wait()?.is_none(), "it is gone, and was to drain");
                return Ok(None);
            };
            let (status, text) = (answer.status(), answer.text().await?);
            Ok((status == 503 && text.contains("it drains")).then_some(()))
        })
        .await?;
        until("a process that drains living", OFTEN, async || {
            let Ok(alive) = api.request(Method::GET, "/healthz").send().await else { return Ok(None) };
            ensure!(alive.status().is_success(), "a process that drains lives, and said {}", alive.status());
            Ok(Some(()))
        })
        .await?;
        self.drained(asked).await
    }

    fn ask_to_stop(&self) -> Result<Instant> {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        ensure!(sent.success(), "SIGTERM could not be sent");
        Ok(Instant::now())
    }

    async fn drained(&mut self, asked: Instant) -> Result<()> {
        let status = self.ended().await?;
        ensure!(status.success(), "asked to stop, the process ended with {status}: {}", self.said());
        ensure!(asked.elapsed() <= DRAIN_MAX, "the drain took {:?}", asked.elapsed());
        Ok(())
    }

    /// What it said last, for a test that fails.
    pub(super) fn said(&self) -> String {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        said.lines().rev().take(12).collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The API of a running process.
#[derive(Clone, Debug)]
pub(super) struct Api {
    url: String,
    http: reqwest::Client,
    token: String,
}

impl Api {
    pub(super) fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// The answer's JSON; `None` if the process is gone, an error if it refuses.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Option<Value>> {
        let Ok(answer) = request.send().await else { return Ok(None) };
        let status = answer.status();
        let Ok(body) = answer.bytes().await else { return Ok(None) };
        if !status.is_success() {
            bail!("the API answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(Some(serde_json::from_slice(&body)?))
    }

    /// The answer's JSON, of a process that must be there.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Value> {
        self.send(request).await?.context("the process is gone")
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(self.request(Method::GET, path)).await
    }
}
