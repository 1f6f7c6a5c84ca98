//! The flow: what one event costs on the way through a stage that does nothing, and what a whole job costs.
//!
//! Besides criterion's times it says what processor time was used, which does not depend on how fast the disk is. The
//! simulated provider's share is left out.

use anyhow::{Context, Result};
use benches::{
    cpu, events,
    world::{N_PEOPLE, Places, SIMULATOR, Workouts, World},
};
use criterion::{Criterion, SamplingMode, Throughput};
use engine::{
    bus::{Busy, Delivery, Message, Subscription, Unreachable, memory::MemoryBus},
    clock::Clock,
    runner::{Runner, Waits},
    stage::{Answer, Made, Stage},
    store::sqlite::SqliteStore,
    topology::Topology,
};
use schemas::{
    codec,
    event::{Envelope, Fetched, Head, Lane, Normalized},
    id::{EventId, Subject, SyncId},
    topics,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    sync::{Mutex, watch},
};

/// Rounds that processor time is measured over, after as many that warm up.
const N_ROUNDS: u32 = 8;
/// Events of a round, and whose they are.
const N_EVENTS: u32 = 1_024;
const N_SUBJECTS: u32 = 64;
/// Bytes of the sealed content that an event carries.
const N_BYTES: usize = 1 << 10;

fn main() -> Result<()> {
    let mut criterion = benches::criterion();
    no_op(&mut criterion)?;
    whole(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Says what rounds of work took in processor time, for each of its parts.
fn say(name: &str, part: &str, n_parts: u32, before: Option<Duration>, begun: Instant) {
    let took = begun.elapsed().as_secs_f64();
    if let Some(used) = cpu::used(SIMULATOR).zip(before).map(|(after, before)| after.saturating_sub(before)) {
        let (used, n_parts) = (used.as_secs_f64(), f64::from(n_parts));
        eprintln!(
            "{name}: {:.3} ms of processor time a {part}, {:.0} {part}s a second, {:.2} processors in use",
            used / n_parts * 1e3,
            n_parts / took,
            used / took
        );
    }
}

/// A stage that only passes on: what is left is the runner, the codec, the log and the bus.
#[derive(Debug)]
struct Pass(Normalized);

impl Stage for Pass {
    type In = Fetched;
    type Out = Normalized;
    const NAME: &'static str = "normalize";
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Normalized>, Unreachable> {
        let head = input.head.derive(Self::NAME, 0, input.head.at);
        Ok(Answer::Made(Made::only(vec![Envelope { head, body: self.0.clone() }])))
    }
}

/// A topology of that stage, running.
struct Line {
    runner: Runner,
    out: Mutex<Box<dyn Subscription>>,
    n_rounds: AtomicU64,
    _stop: watch::Sender<bool>,
    _directory: TempDir,
}

impl Line {
    async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = SqliteStore::open(directory.path())?;
        let runner = Runner { bus: MemoryBus::new(), store, clock: Clock::real(), waits: Waits::default() };
        let topology = Topology::from(topics::fetched(Lane::Hot))
            .then(Pass(events::normalized(N_BYTES).body), topics::normalized(Lane::Hot))
            .rejecting_to(topics::REJECTED);
        let out = Mutex::new(runner.bus.subscribe("bench", &[topics::normalized(Lane::Hot).name]).await?);
        let (stop, stopped) = watch::channel(false);
        let running = runner.clone();
        tokio::spawn(async move { running.run(&topology, stopped).await });
        let line = Self { runner, out, n_rounds: AtomicU64::new(0), _stop: stop, _directory: directory };
        line.round().await?;
        Ok(line)
    }

    /// Passes on the events of a round; returns how long that took.
    async fn round(&self) -> Result<Duration> {
        let messages = messages(self.n_rounds.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        self.runner.bus.publish(messages).await?;
        let (mut out, mut n_out) = (self.out.lock().await, 0);
        while n_out < N_EVENTS as usize {
            let next = tokio::time::timeout(Duration::from_secs(60), out.next(256, 64 << 20));
            let batch = next.await.context("events do not come out")??;
            n_out += batch.len();
            batch.iter().filter_map(Delivery::begin).for_each(Busy::done);
        }
        Ok(begun.elapsed())
    }
}

/// The events of a round: each person has a sync of its own with some pages.
fn messages(round: u64) -> Vec<Message> {
    let body = events::fetched(N_BYTES).body;
    let message = |number: u32| {
        let subject = Subject(format!("{:020x}", number % N_SUBJECTS));
        let sync = SyncId::for_key(&subject, "sync-jobs", &round.to_string());
        let head = Head { id: EventId::derived(EventId::root(sync), "fetch", number as usize), ..head(sync, &subject) };
        let event = Envelope { head, body: body.clone() };
        let bytes = codec::encode(&event).into();
        Message { topic: topics::fetched(Lane::Hot).name, key: subject, id: event.head.id, bytes }
    };
    (0..N_EVENTS).map(message).collect()
}

fn head(sync: SyncId, subject: &Subject) -> Head {
    Head::root(sync, subject.clone(), benches::records::at(0))
}

/// Set up when criterion first asks for it, so that a filter on the command line leaves out the other benches whole.
fn no_op(criterion: &mut Criterion) -> Result<()> {
    let runtime = Runtime::new().context("start the runtime")?;
    let mut line = None;
    let mut group = criterion.benchmark_group("pipeline/no_op");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(N_EVENTS.into()));
    group.bench_function("1024_events", |it| {
        let line = &*line.get_or_insert_with(|| runtime.block_on(measured_line()).expect("a stage starts"));
        it.to_async(&runtime).iter_custom(|n| lines(line, n));
    });
    group.finish();
    Ok(())
}

async fn lines(line: &Line, n_rounds: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..n_rounds {
        took += line.round().await.expect("the events of a round get through");
    }
    took
}

/// A topology, warm, of which the processor time has been said.
async fn measured_line() -> Result<Line> {
    let line = Line::start().await?;
    lines(&line, N_ROUNDS.into()).await;
    let (before, begun) = (cpu::used(SIMULATOR), Instant::now());
    lines(&line, N_ROUNDS.into()).await;
    say("pipeline/no_op", "event", N_ROUNDS * N_EVENTS, before, begun);
    Ok(line)
}

fn whole(criterion: &mut Criterion) -> Result<()> {
    let streams = include_str!("../../connectors/src/strava/fixtures/golden/berlin_plain/streams_key_by_type.json");
    let cases = [
        ("typed", Workouts::Typed),
        ("recorded", Workouts::Recorded(serde_json::from_str(streams).context("read recorded streams")?)),
    ];
    for (name, workouts) in cases {
        let mut world = None;
        let mut group = criterion.benchmark_group("pipeline/whole");
        group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(8));
        group.throughput(Throughput::Elements(N_PEOPLE.into()));
        group.bench_function(name, |it| {
            let world = &*world.get_or_insert_with(|| measured_world(name, &workouts).expect("a world starts"));
            it.to_async(&world.runtime).iter_custom(|n| rounds(world, &workouts, n));
        });
        group.finish();
        world.map_or(Ok(()), World::close)?;
    }
    Ok(())
}

async fn rounds(world: &World, workouts: &Workouts, n_rounds: u64) -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..n_rounds {
        took += world.round(workouts).await.expect("the jobs of a round arrive").0;
    }
    took
}

/// A world, warm, of which calls and processor time have been said.
fn measured_world(name: &str, workouts: &Workouts) -> Result<World> {
    let world = World::start(&Places::default())?;
    world.runtime.block_on(rounds(&world, workouts, N_ROUNDS.into()));
    let (_, n_calls) = world.runtime.block_on(world.round(workouts))?;
    eprintln!("pipeline/whole/{name}: {:.1} calls of the provider a job", n_calls as f64 / f64::from(N_PEOPLE));
    let (before, begun) = (cpu::used(SIMULATOR), Instant::now());
    world.runtime.block_on(rounds(&world, workouts, N_ROUNDS.into()));
    say(&format!("pipeline/whole/{name}"), "job", N_ROUNDS * N_PEOPLE, before, begun);
    Ok(world)
}
