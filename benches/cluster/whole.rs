//! Whole syncs, from the command to the end, in a process of its own.

use anyhow::{Context, Result, ensure};
use benches::{
    cpu,
    world::{N_PEOPLE, Places, SIMULATOR, Workouts, World},
};
use serde::{Deserialize, Serialize};
use std::{process::Command, time::Instant};
use topology::cli::print;

/// Rounds that are measured, after half as many that warm up.
const N_ROUNDS: u32 = 12;

/// What whole syncs took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Whole {
    /// Syncs a second, with so many people at a time as there are.
    pub(crate) per_second: f64,
    /// Processor time of SyncWell for one sync.
    pub(crate) cpu_ms: f64,
}

/// The same places as arguments.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Where {
    #[arg(long)]
    bus: Option<String>,
    #[arg(long)]
    store: Option<String>,
    #[arg(long)]
    registry: Option<String>,
}

/// Measures in this process, and prints it.
pub(crate) fn run(places: &Where) -> Result<()> {
    let Where { bus, store, registry } = places.clone();
    let world = World::start(&Places { bus, store, registry })?;
    let rounds = async |n: u32| {
        for _ in 0..n {
            world.round(&Workouts::Typed).await?;
        }
        anyhow::Ok(())
    };
    world.runtime.block_on(rounds(N_ROUNDS / 2))?;
    let (before, begun) = (cpu::used(SIMULATOR), Instant::now());
    world.runtime.block_on(rounds(N_ROUNDS))?;
    let (after, took) = (cpu::used(SIMULATOR), begun.elapsed());
    let used = after.zip(before).context("the system does not tell processor times")?;
    let n_syncs = f64::from(N_ROUNDS * N_PEOPLE);
    let cpu_ms = used.0.saturating_sub(used.1).as_secs_f64() * 1e3 / n_syncs;
    print::json(&Whole { per_second: n_syncs / took.as_secs_f64(), cpu_ms })?;
    world.close()
}

/// Measures in another process.
pub(crate) fn measure(places: &Places) -> Result<Whole> {
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command.arg("whole");
    for (name, value) in [("--bus", &places.bus), ("--store", &places.store), ("--registry", &places.registry)] {
        command.args(value.iter().flat_map(|it| [name, it.as_str()]));
    }
    let output = command.stderr(std::process::Stdio::inherit()).output().context("start the whole flow")?;
    ensure!(output.status.success(), "the whole flow failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("read what the whole flow took")
}
