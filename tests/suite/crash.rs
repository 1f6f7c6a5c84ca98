//! The crash sweep: the real binary dies at every named point of every stage, as in a power cut, and starts again on
//! the same directory. Afterwards nothing is lost, nothing is there twice, and nothing is left open.
//!
//! What it does not show: each start is 400 seconds later by its own clock, and the simulators list at once what they
//! hold. A start within the time that a destination needs to list a new record is not covered.

mod home;
mod process;
mod seen;

use self::{
    home::{Death, Home},
    seen::{Difference, Seen, at_rest},
};
use anyhow::{Context, Result, ensure};
use std::{collections::BTreeMap, rc::Rc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet},
};

/// How many cases run at the same time.
const AT_ONCE: usize = 5;
/// What every stage passes through, whatever it does.
const OF_EVERY_STAGE: [&str; 5] = ["recall", "process", "append", "publish", "acknowledge"];
/// What only some stages pass through.
const OF_SOME: [(&str, &str); 10] = [
    ("intake", "append"),
    ("intake", "publish"),
    ("resolve", "plan"),
    ("write", "claim"),
    ("write", "send"),
    ("write", "record"),
    ("fetch", "timer_written"),
    ("fetch", "timer_fired"),
    ("write", "timer_written"),
    ("write", "timer_fired"),
];

/// How many writes an undisturbed run sends.
const N_WRITES: u32 = 25;
/// How many of them are claimed, or noted as sent, before.
const N_CLAIMS: u32 = 14;

/// A case that is over.
#[derive(Debug)]
struct Over {
    name: String,
    result: Result<Difference>,
    starts: Vec<Duration>,
}

/// Runs a case: dies as often as it is told, then lives, and is compared with the undisturbed run.
async fn run(deaths: &[Death], undisturbed: Option<&Seen>) -> Result<(Seen, Difference, Vec<Duration>)> {
    let mut home = Home::new().await.context("prepare")?;
    for death in deaths {
        home.die(*death).await.context("die")?;
    }
    let jobs = home.live().await.context("live")?;
    let seen = Seen::look(&home, &jobs)?;
    at_rest(&home).await.context("be at rest")?;
    let difference = undisturbed.map(|it| seen.against(it)).transpose()?.unwrap_or_default();
    Ok((seen, difference, home.starts))
}

/// On real servers a case takes ten times as long: of each name every third is run there.
fn thinned(cases: Vec<(String, Vec<Death>)>) -> Vec<(String, Vec<Death>)> {
    if !tests::Place::is_asked_for() {
        return cases;
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_kept = |(name, _): &(String, Vec<Death>)| {
        let n_seen = seen.entry(name.clone()).or_default();
        *n_seen += 1;
        *n_seen % 3 == 1
    };
    cases.into_iter().filter(|it| is_kept(it)).collect()
}

/// Runs all cases against one undisturbed run, prints what came of them, and fails if one is not as it should be.
async fn check(cases: Vec<(String, Vec<Death>)>) -> Result<()> {
    let (cases, begun) = (thinned(cases), std::time::Instant::now());
    let (undisturbed, ..) = run(&[], None).await.context("the undisturbed run")?;
    undisturbed.is_rich()?;
    let (undisturbed, permits) = (Rc::new(undisturbed), Rc::new(Semaphore::new(AT_ONCE)));
    let n_cases = cases.len();
    let mut running = JoinSet::new();
    for (name, deaths) in cases {
        let (undisturbed, permits) = (undisturbed.clone(), permits.clone());
        running.spawn_local(async move {
            let _permit = permits.acquire().await.expect("nobody closes it");
            match run(&deaths, Some(&undisturbed)).await {
                Ok((_, difference, starts)) => Over { name, result: Ok(difference), starts },
                Err(err) => Over { name, result: Err(err), starts: Vec::new() },
            }
        });
    }
    let over = running.join_all().await;
    report(&over, begun.elapsed());
    let bad: Vec<_> = over
        .iter()
        .filter(|it| !it.result.as_ref().is_ok_and(|it| it.lost.is_empty() && it.doubled.is_empty()))
        .map(|it| format!("{}: {:?}", it.name, it.result))
        .collect();
    ensure!(over.len() == n_cases && bad.is_empty(), "{} of {n_cases} cases failed:\n{}", bad.len(), bad.join("\n"));
    Ok(())
}

/// Prints a line for each point: how often the process died there, and what was lost, doubled and sent again.
fn report(over: &[Over], took: Duration) {
    let mut by_name: BTreeMap<&str, (usize, usize, Difference)> = BTreeMap::new();
    for it in over {
        let line = by_name.entry(&it.name).or_default();
        line.0 += 1;
        match &it.result {
            Ok(it) => {
                line.2.lost.extend(it.lost.iter().cloned());
                line.2.doubled.extend(it.doubled.iter().cloned());
                line.2.n_repeated += it.n_repeated;
            }
            Err(_) => line.1 += 1,
        }
    }
    let rows: Vec<Vec<String>> = by_name
        .iter()
        .map(|(name, (n_cases, n_failed, it))| {
            let numbers = [*n_cases, it.lost.len(), it.doubled.len(), it.n_repeated, *n_failed];
            std::iter::once((*name).to_owned()).chain(numbers.iter().map(usize::to_string)).collect()
        })
        .collect();
    let head = ["died at", "cases", "lost", "doubled", "updates sent again", "failed"];
    let mut starts: Vec<Duration> = over.iter().flat_map(|it| it.starts.clone()).collect();
    starts.sort();
    let at = |percent: usize| starts.get(starts.len() * percent / 100).copied().unwrap_or_default();
    topology::cli::print::data(&format!(
        "{}\n{} cases in {took:.0?}; {} starts, ready after {:.0?} (median), {:.0?} (longest)",
        topology::cli::print::table(&head, &rows),
        over.len(),
        starts.len(),
        at(50),
        starts.last().copied().unwrap_or_default(),
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_the_process_dies_nothing_is_lost_and_nothing_is_doubled() {
    let mut points = Vec::new();
    for stage in ["fetch", "normalize", "resolve", "write", "settle"] {
        points.extend(OF_EVERY_STAGE.map(|point| (stage, point)));
    }
    points.extend(OF_SOME);
    let mut cases = Vec::new();
    for (stage, point) in points {
        let times = match point {
            // Every kind of write is hit: creates, updates and deletes of the classes A, B and C.
            "send" | "record" => (1..=N_WRITES).step_by(2).collect(),
            "claim" => (1..=N_CLAIMS).step_by(2).collect(),
            // Two reads are throttled, and an upload is asked after twice.
            "timer_written" | "timer_fired" => vec![1, 2],
            _ => vec![1, 3],
        };
        cases.extend(times.into_iter().map(|n| (format!("{stage}.{point}"), vec![Death::At { stage, point, n }])));
    }
    LocalSet::new().run_until(check(cases)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_and_a_create_of_every_class_are_made_once_wherever_they_are_cut() {
    let mut cases = Vec::new();
    // An update (class C) and a record made by hand (class B); a file that is uploaded (class B).
    for (key, n_writes) in [("walks", 2), ("recording", 1)] {
        for point in ["claim", "send", "record"] {
            for n in 1..=n_writes {
                let death = Death::Alone { key, stage: "write", point, n };
                cases.push((format!("write.{point} of {key}"), vec![death]));
            }
        }
    }
    LocalSet::new().run_until(check(cases)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_the_process_is_killed_or_stopped_nothing_is_lost_and_nothing_is_doubled() {
    let killed = (0..12).map(|n_effects| ("killed".to_owned(), vec![Death::Killed { n_effects }]));
    let stopped = [0, 1, 3, 5, 8, 11].map(|n_effects| ("stopped".to_owned(), vec![Death::Stopped { n_effects }]));
    let hanging = [("stopped while a call hangs".to_owned(), vec![Death::StoppedWhileCalling])];
    let cases = killed.chain(stopped).chain(hanging).collect();
    LocalSet::new().run_until(check(cases)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_again_while_it_recovers_loses_and_doubles_nothing() {
    let at = |stage, point, n| Death::At { stage, point, n };
    let twice = [
        [at("write", "send", 1), at("write", "send", 1)],
        [at("write", "send", 2), at("write", "record", 1)],
        [at("write", "record", 1), at("write", "claim", 2)],
        [at("write", "claim", 3), at("write", "send", 1)],
        [at("resolve", "plan", 1), at("resolve", "append", 1)],
        [at("fetch", "append", 2), at("fetch", "recall", 1)],
        [at("fetch", "timer_written", 1), at("fetch", "timer_fired", 1)],
        [at("settle", "append", 1), at("settle", "publish", 1)],
        [Death::Killed { n_effects: 4 }, at("write", "append", 2)],
    ];
    let cases = twice.map(|deaths| ("twice in a row".to_owned(), deaths.to_vec()));
    LocalSet::new().run_until(check(cases.to_vec())).await.unwrap();
}
