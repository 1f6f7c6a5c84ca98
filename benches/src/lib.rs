//! What the benches share: how long they measure, what they measure with, and a SyncWell to measure.
//!
//! [`records`] and [`events`] are the values, [`cpu`] is what the system says of a process, [`world`] runs the whole
//! flow against a simulated provider. `docs/benchmarks.md` says how to read the figures.

pub mod cpu;
pub mod events;
pub mod records;
pub mod world;

use criterion::Criterion;
use std::time::Duration;

/// Criterion as every bench uses it: all of them together take about three minutes.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args()
}
