//! The servers of the run: started by `tests/stack/stack.py`, and restarted by it one by one.

use anyhow::{Context, Result, bail, ensure};
use std::{
    env,
    process::{Command, Stdio},
};

const STACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stack/stack.py");

/// Servers that may be killed.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// `host:port,host:port`.
    pub(crate) brokers: String,
    /// `scylla://user:password@host:port`.
    pub(crate) store: String,
    /// `http://…`.
    pub(crate) registry: String,
}

impl Servers {
    /// Those that the environment names; none if it names none.
    pub(crate) fn named() -> Result<Option<Self>> {
        let named = |name: &str| env::var(name).ok().filter(|it| !it.is_empty());
        let all = ["SYNCWELL_TEST_BUS", "SYNCWELL_TEST_STORE", "SYNCWELL_TEST_REGISTRY"].map(named);
        let [Some(bus), Some(store), Some(registry)] = all else { return Ok(None) };
        ensure!(
            named("SYNCWELL_TEST_STACK").is_some(),
            "the servers of the environment were not started by tests/stack/stack.py, and cannot be killed; unset \
             SYNCWELL_TEST_BUS, _STORE and _REGISTRY"
        );
        let brokers = bus.strip_prefix("kafka://").context("SYNCWELL_TEST_BUS is no kafka:// URL")?.to_owned();
        Ok(Some(Self { brokers, store, registry }))
    }

    pub(crate) fn n_brokers(&self) -> usize {
        self.brokers.split(',').count()
    }

    /// `kill`, `start` or `restart` of one server; returns once it is done.
    pub(crate) async fn act(&self, verb: &'static str, server: &'static str) -> Result<()> {
        let acting = tokio::task::spawn_blocking(move || {
            Command::new("python3").arg(STACK).args([verb, server]).stdin(Stdio::null()).output()
        });
        let output = acting.await?.context("run tests/stack/stack.py")?;
        if !output.status.success() {
            bail!("{verb} {server}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}
