//! The pause between attempts.

use rand::Rng;
use std::time::Duration;

/// The shortest and the longest pause.
const PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(6 * 3600));

/// Exponential back-off with full jitter; `attempts` is how many have failed so far.
pub(crate) fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 16)).unwrap_or(1) - 1;
    let longest = PAUSE.0.saturating_mul(1 << doublings).min(PAUSE.1);
    // Full jitter, but never so short that it hammers a provider that just failed.
    rand::rng().random_range(PAUSE.0 / 2..=longest)
}
