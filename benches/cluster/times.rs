//! How long the real binary takes to be ready, to share its work with another one, and to end.

use super::{
    input::{self, Input},
    race::Process,
    servers::Space,
};
use anyhow::{Context, Result, ensure};
use benches::world::KEY;
use engine::bus::Bus;
use rdkafka::{Message, Offset, consumer::BaseConsumer};
use schemas::topics::PARTITIONS;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is looked.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// The pause between the events of a steady flow, and how many come after each: not more than a slow store takes.
const FLOW_PAUSE: Duration = Duration::from_millis(20);
const FLOW_EVENTS: usize = 8;
/// How long is watched after something has happened.
const WATCHED: Duration = Duration::from_secs(8);

/// Seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Times {
    /// From the start of a process until it says that it is ready, by roles.
    pub(crate) ready: BTreeMap<&'static str, f64>,
    /// The longest silence of a partition while nothing happens.
    pub(crate) silence_usual: f64,
    /// From the start of a second worker until it has done its first event.
    pub(crate) join: f64,
    /// The longest silence of a partition meanwhile and after.
    pub(crate) silence_join: f64,
    /// From SIGTERM to a worker that has work until its end.
    pub(crate) drain: f64,
    /// The longest silence of a partition meanwhile and after.
    pub(crate) silence_leave: f64,
}

/// Measures them.
pub(crate) async fn measure(space: &Space, input: Input, binary: &Path, n_starts: usize) -> Result<Times> {
    let binary = Binary { path: binary.to_owned(), space, http: engine::session::http_client()? };
    let mut times = Times::default();
    for (roles, arguments) in [
        ("worker", &["worker"][..]),
        ("api", &["api"][..]),
        ("scheduler", &["scheduler"][..]),
        ("all roles", &["up"][..]),
    ] {
        let mut starts = Vec::new();
        for _ in 0..n_starts {
            let begun = Instant::now();
            let started = binary.start(arguments).await?;
            starts.push(begun.elapsed().as_secs_f64());
            started.terminate()?;
        }
        starts.sort_by(f64::total_cmp);
        times.ready.insert(roles, starts[starts.len() / 2]);
    }
    let flow = Flow::start(space, input).await?;
    let watched = watch(space, &binary, &flow, &mut times).await;
    flow.end()?;
    watched?;
    Ok(times)
}

async fn watch(space: &Space, binary: &Binary<'_>, flow: &Flow, times: &mut Times) -> Result<()> {
    let arguments = ["worker", "normalize", "--lane", "hot"];
    let first = binary.start(&arguments).await?;
    let begun = Instant::now();
    while flow.n_partitions() < PARTITIONS as usize {
        ensure!(begun.elapsed() < PATIENCE, "events do not flow through {}", space.bus);
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    times.silence_usual = flow.silence(Instant::now()).await;

    let begun = Instant::now();
    let second = binary.start(&arguments).await?;
    while !binary.has_worked(&second).await? {
        ensure!(begun.elapsed() < PATIENCE, "a second worker gets no work");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    times.join = begun.elapsed().as_secs_f64();
    times.silence_join = flow.silence(begun).await;

    let begun = Instant::now();
    second.terminate()?;
    times.drain = begun.elapsed().as_secs_f64();
    times.silence_leave = flow.silence(begun).await;
    first.terminate()
}

/// The binary, and what it is told.
struct Binary<'a> {
    path: PathBuf,
    space: &'a Space,
    http: reqwest::Client,
}

/// A process of it.
struct Started {
    process: Process,
    url: String,
    _directory: TempDir,
}

impl Binary<'_> {
    /// Starts it, and waits until it is ready.
    async fn start(&self, arguments: &[&str]) -> Result<Started> {
        let directory = tempfile::tempdir()?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .env("SYNCWELL_BUS", &self.space.bus)
            .env("SYNCWELL_STORE", &self.space.store)
            .env("SYNCWELL_REGISTRY", &self.space.registry)
            .env("SYNCWELL_KEY", KEY)
            .env("SYNCWELL_DATA", directory.path())
            .env("SYNCWELL_LISTEN", listen.to_string());
        let mut started =
            Started { process: Process::start(&mut command)?, url: format!("http://{listen}"), _directory: directory };
        let begun = Instant::now();
        loop {
            started.process.check().with_context(|| format!("syncwell {}", arguments.join(" ")))?;
            let answer = self.http.get(format!("{}/readyz", started.url)).send().await;
            if answer.is_ok_and(|it| it.status().is_success()) {
                return Ok(started);
            }
            ensure!(begun.elapsed() < PATIENCE, "syncwell {} is not ready after {PATIENCE:?}", arguments.join(" "));
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Whether it has done an event.
    async fn has_worked(&self, started: &Started) -> Result<bool> {
        let text = self.http.get(format!("{}/metrics", started.url)).send().await?.text().await?;
        let worked =
            |it: &str| it.starts_with("syncwell_stage_events_total") && it.contains("\"out\"") && !it.ends_with(" 0");
        Ok(text.lines().any(worked))
    }
}

impl Started {
    /// SIGTERM, and its end.
    fn terminate(mut self) -> Result<()> {
        let id = self.process.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &id]).status()?.success(), "process {id} cannot be told to end");
        let status = self.process.ended()?;
        ensure!(status.success(), "a worker failed: {status}");
        Ok(())
    }
}

/// Events that come steadily, and when each partition gave what was made of them.
struct Flow {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeMap<i32, Vec<Instant>>>>,
    coming: tokio::task::JoinHandle<Result<()>>,
    watching: thread::JoinHandle<()>,
}

impl Flow {
    async fn start(space: &Space, input: Input) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let seen: Arc<Mutex<BTreeMap<i32, Vec<Instant>>>> = Arc::default();
        let all: Vec<i32> = (0..PARTITIONS.cast_signed()).collect();
        let reader = space.reader(super::NORMALIZED, &all, Offset::End)?;
        let (stopped, noted) = (stop.clone(), seen.clone());
        let watching = thread::spawn(move || note(&reader, &noted, &stopped));
        let (stopped, bus) = (stop.clone(), space.open().await?);
        let coming = tokio::spawn(async move {
            // Numbers that no race has used.
            let mut number = 1 << 40;
            let mut next = tokio::time::interval(FLOW_PAUSE);
            while !stopped.load(Ordering::Relaxed) {
                next.tick().await;
                let mut messages = Vec::with_capacity(FLOW_EVENTS);
                for _ in 0..FLOW_EVENTS {
                    messages.push(input::message(&input.event(number).await?));
                    number += 1;
                }
                bus.publish(messages).await?;
            }
            anyhow::Ok(())
        });
        Ok(Self { stop, seen, coming, watching })
    }

    fn n_partitions(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The longest silence of a partition from `begun` until some seconds from now.
    async fn silence(&self, begun: Instant) -> f64 {
        tokio::time::sleep(WATCHED).await;
        let until = Instant::now();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = |times: &Vec<Instant>| {
            let within = times.iter().copied().filter(|it| *it >= begun);
            let (mut last, mut longest) = (begun, Duration::ZERO);
            for at in within.chain([until]) {
                longest = longest.max(at.duration_since(last));
                last = at;
            }
            longest
        };
        seen.values().map(longest).max().unwrap_or_default().as_secs_f64()
    }

    fn end(self) -> Result<()> {
        let stopped_before = self.coming.is_finished();
        self.stop.store(true, Ordering::Relaxed);
        ensure!(self.watching.join().is_ok(), "whoever watches panicked");
        ensure!(!stopped_before, "events stopped coming");
        Ok(())
    }
}

fn note(reader: &BaseConsumer, seen: &Mutex<BTreeMap<i32, Vec<Instant>>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.entry(message.partition()).or_default().push(Instant::now());
        }
    }
}
