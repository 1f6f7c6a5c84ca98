//! Waiting for something to come about.

use anyhow::{Context, Result};
use std::time::Duration;

/// The longest that anything is waited for: long enough for a slow machine that runs all servers, too.
const WAIT_MAX: Duration = Duration::from_secs(180);

/// Waits until something is there: the one place that polls.
///
/// # Errors
/// When it is not there in three minutes, or looking fails.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    until_every(what, Duration::from_millis(5), look).await
}

/// The same, looking less often: the API answers 600 requests a minute.
///
/// # Errors
/// When it is not there in three minutes, or looking fails.
pub async fn until_every<T>(what: &str, every: Duration, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let wait = async {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, wait).await.with_context(|| format!("waited too long until {what}"))?
}
