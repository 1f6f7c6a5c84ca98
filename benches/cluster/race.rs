//! One contestant at a time, each in a process of its own, over the same events.

use super::servers::Space;
use anyhow::{Context, Result, bail, ensure};
use benches::cpu;
use schemas::topics::TopicName;
use serde::Serialize;
use std::{
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often is looked at how far it has come.
const LOOK_PAUSE: Duration = Duration::from_millis(25);
/// How long a contestant may take.
const RUN_MAX: Duration = Duration::from_secs(600);
/// How long it may take to end when it is told to.
const END_MAX: Duration = Duration::from_secs(30);

/// Someone who takes events from one topic and puts what they make of them on another.
#[derive(Debug)]
pub(crate) struct Contestant {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// What starts it.
    pub(crate) command: Command,
    /// The group that it is in, if that has to be forgotten before another run.
    pub(crate) group: Option<String>,
    /// Where it writes.
    pub(crate) to: TopicName,
}

/// What one run of a contestant took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    /// Who it was.
    pub(crate) name: &'static str,
    /// Records a second, once it is warm.
    pub(crate) per_second: f64,
    /// Processor seconds of its process for a million records, once it is warm.
    pub(crate) cpu_seconds_per_million: f64,
    /// Records more than there should be.
    pub(crate) n_doubled: i64,
}

/// A child that is told to end by the end of its input, and ended when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        Ok(Self(started.with_context(|| format!("start {}", command.get_program().display()))?))
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself, which it should not.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended by itself: {status}"),
        }
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < END_MAX {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        bail!("it does not end")
    }

    /// Tells it to end, and waits for that.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.ended()?;
        ensure!(status.success(), "it failed: {status}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// How far it has come, when, and with how much processor time.
struct Sample {
    at: Instant,
    count: i64,
    cpu: Duration,
}

/// Lets a contestant take `n_events` that are there. It is measured from when `warm` of them are done (compilers that
/// work while the program runs need their time) until nearly all are.
pub(crate) async fn run(space: &Space, mut contestant: Contestant, n_events: i64, warm: f64) -> Result<Run> {
    let name = contestant.name;
    let took = raced(space, &mut contestant, n_events, warm).await.with_context(|| name.to_owned())?;
    if let Some(group) = &contestant.group {
        space.forget(group).await.with_context(|| name.to_owned())?;
    }
    Ok(took)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "counts are far below 2^52")]
async fn raced(space: &Space, contestant: &mut Contestant, n_events: i64, warm: f64) -> Result<Run> {
    space.empty(contestant.to).await?;
    let mut process = Process::start(&mut contestant.command)?;
    let begun = Instant::now();
    let mut until = |wanted: i64| -> Result<Sample> {
        loop {
            process.check()?;
            let count = space.count(contestant.to)?;
            if count >= wanted {
                let cpu = cpu::of(process.id()).context("the system does not tell processor times")?;
                return Ok(Sample { at: Instant::now(), count, cpu });
            }
            ensure!(begun.elapsed() < RUN_MAX, "only {count} of {n_events} events are through after {RUN_MAX:?}");
            thread::sleep(LOOK_PAUSE);
        }
    };
    let first = until((n_events as f64 * warm) as i64)?;
    let last = until(n_events - n_events / 50)?;
    let all = until(n_events)?;
    process.end()?;
    let n_records = (last.count - first.count) as f64;
    Ok(Run {
        name: contestant.name,
        per_second: n_records / last.at.duration_since(first.at).as_secs_f64(),
        cpu_seconds_per_million: last.cpu.saturating_sub(first.cpu).as_secs_f64() / n_records * 1e6,
        n_doubled: space.count(contestant.to)?.max(all.count) - n_events,
    })
}
