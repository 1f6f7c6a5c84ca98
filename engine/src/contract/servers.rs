//! The real servers that checks are run against: their URLs are in the environment, without a namespace or keyspace of
//! a test's own.

use super::PATIENCE;
use std::env;
use tokio::{sync::Mutex, time::Instant};

/// One place at a time is made: a hundred topics and tables for a few tests at once take servers that share a small
/// machine longer than a client waits.
static MAKING: Mutex<()> = Mutex::const_new(());

/// Transport (`kafka://…`), or none, which is said on stderr.
///
/// # Panics
/// When there is none although the environment says that it is needed.
#[must_use]
pub fn bus() -> Option<String> {
    named("SYNCWELL_TEST_BUS")
}

/// Memory (`scylla://…`), or none, which is said on stderr.
///
/// # Panics
/// When there is none although the environment says that it is needed.
#[must_use]
pub fn store() -> Option<String> {
    named("SYNCWELL_TEST_STORE")
}

/// The schema registry (`http://…`), or none, which is said on stderr.
///
/// # Panics
/// When there is none although the environment says that it is needed.
#[must_use]
pub fn registry() -> Option<String> {
    named("SYNCWELL_TEST_REGISTRY")
}

/// What the environment says under this name. Absent is fine on a machine that can start no servers, but not where
/// `CI=true` and `SYNCWELL_TEST_NEEDED=1` promise them.
///
/// # Panics
/// When it is absent although it is promised.
#[must_use]
pub fn named(name: &str) -> Option<String> {
    let found = env::var(name).ok().filter(|it| !it.is_empty());
    if found.is_none() {
        let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
        assert!(!(is("CI", "true") && is("SYNCWELL_TEST_NEEDED", "1")), "{name} is not set: the servers did not start");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("{test}: {name} is not set; LEFT OUT what needs that server");
    }
    found
}

/// A name that no other run has: for topics, groups and keyspaces of a test.
#[must_use]
pub fn unique() -> String {
    format!("t{:016x}", rand::random::<u64>())
}

/// Makes what a test needs on the servers, when nobody else here does, and again while it failed for what may pass: as
/// a process that starts, and an operator, would. So `make` does no harm twice.
///
/// # Errors
/// The last failure.
pub async fn prepare<T, E>(make: impl AsyncFn() -> Result<T, E>, may_pass: impl Fn(&E) -> bool) -> Result<T, E> {
    let _turn = MAKING.lock().await;
    patiently(make, may_pass).await
}

/// Does something, and again while it failed for what may pass.
///
/// # Errors
/// The last failure.
pub async fn patiently<T, E>(make: impl AsyncFn() -> Result<T, E>, may_pass: impl Fn(&E) -> bool) -> Result<T, E> {
    let until = Instant::now() + PATIENCE;
    loop {
        match make().await {
            Err(err) if may_pass(&err) && Instant::now() < until => {}
            made => return made,
        }
    }
}
