//! Everything at once: several versions of one item, workers that crash, stand still and repeat each other, a
//! destination that applies late, lists late and loses replies. Time moves only when everybody waits.

use super::{
    Bench, Trouble,
    destination::{Fault, LAG, profile},
    run,
};
use crate::{
    clock::{Clock, ManualClock},
    item::ItemState,
    provider::{Delivery, ProviderError, TypeProfile},
    stage::{Answer, Later},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use schemas::{
    event::{Envelope, Resolved},
    time::Instant,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

/// P and D of the quarantine: the worst that it is made for.
const PAUSE_MAX: u64 = 30;
const APPLY_MAX: u64 = 30;
const VERSIONS: i64 = 4;
const SEEDS: u64 = 40;

/// Who waits, and until when.
#[derive(Debug)]
pub(super) struct Sleepers {
    clock: Clock,
    hands: Arc<ManualClock>,
    /// How many do not wait, and the moments that the others wait for.
    waiting: Mutex<(usize, Vec<Instant>)>,
}

impl Sleepers {
    pub(super) fn new(clock: Clock, hands: Arc<ManualClock>) -> Self {
        Self { clock, hands, waiting: Mutex::default() }
    }

    pub(super) async fn sleep(&self, by: Duration) {
        self.sleep_until(self.clock.now().plus(by)).await;
    }

    async fn sleep_until(&self, at: Instant) {
        if at <= self.clock.now() {
            return;
        }
        {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.0 -= 1;
            waiting.1.push(at);
        }
        self.clock.sleep_until(at).await;
    }

    /// Moves the clock to the next moment that somebody waits for, whenever all wait; until nobody is left.
    async fn drive(&self) {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap();
                match (waiting.0, waiting.1.iter().min().copied()) {
                    (0, None) => return,
                    (0, Some(next)) => {
                        let n_before = waiting.1.len();
                        waiting.1.retain(|it| *it > next);
                        // They are awake from now on, even before each has noticed.
                        waiting.0 = n_before - waiting.1.len();
                        self.hands.advance_to(next);
                    }
                    _ => {}
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn begin(&self) {
        self.waiting.lock().unwrap().0 += 1;
    }

    fn end(&self) {
        self.waiting.lock().unwrap().0 -= 1;
    }
}

fn seconds(random: &mut StdRng, most: u64) -> Duration {
    // The bounds themselves are the interesting cases.
    if random.random_bool(0.3) {
        Duration::from_secs(most)
    } else {
        Duration::from_millis(random.random_range(0..=most * 1_000))
    }
}

fn fault(random: &mut StdRng) -> Fault {
    match random.random_range(0..8) {
        0 => Fault::LostBefore,
        1 => Fault::LostAfter,
        2 => Fault::Late(seconds(random, APPLY_MAX)),
        3 => Fault::Says(ProviderError::Unavailable { what: "cannot connect".into() }),
        _ => Fault::Slow {
            pause: seconds(random, PAUSE_MAX),
            apply: seconds(random, APPLY_MAX),
            is_lost: random.random_bool(0.4),
        },
    }
}

fn trouble(random: &mut StdRng) -> Trouble {
    match random.random_range(0..4) {
        0 => Trouble::DiesBefore,
        1 => Trouble::DiesAfter,
        // Only between the check and the first byte is a process's pause bounded.
        _ => Trouble::Waits(seconds(random, 200)),
    }
}

/// One worker that has an event and does not let go of it until it has ended.
async fn work(bench: &Bench, input: &Envelope<Resolved>, begins: Duration) {
    bench.sleepers.sleep(begins).await;
    for _ in 0..300 {
        match bench.visit(input).await {
            Ok(Answer::Made(_)) => return bench.sleepers.end(),
            Ok(Answer::Later(Later { at: Some(at), .. })) => bench.sleepers.sleep_until(at).await,
            // It died: what it held is delivered again.
            Err(_) => bench.sleepers.sleep(Duration::from_secs(1)).await,
            other => panic!("unexpected {other:?}"),
        }
    }
    panic!("an operation does not end");
}

/// Plans a version some time later and has it written by two workers that do not know of each other.
async fn version(bench: &Bench, version: i64, begins: Duration, workers: [Duration; 2]) {
    bench.sleepers.sleep(begins).await;
    let input = bench.plan(version, Some(run(10_000.0 + 1_000.0 * version as f64))).await;
    bench.sleepers.begin();
    futures::join!(work(bench, &input, workers[0]), work(bench, &input, workers[1]));
}

async fn simulate(class: Delivery, marks: bool, seed: u64) {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut profile = profile(class);
    if class == Delivery::Deduplicated {
        // Uploads are deduplicated, changes are not.
        let change = Some(Delivery::Listable { keyed: false });
        profile.types = vec![TypeProfile { update: change, delete: change, ..profile.types[0] }];
    }
    let bench = Bench::new(profile, marks).await;
    let faults: Vec<_> = (0..random.random_range(0..8)).map(|_| fault(random)).collect();
    bench.there.will(faults.clone());
    let troubles: HashMap<_, _> =
        (0..random.random_range(0..6)).map(|_| (random.random_range(0..60), trouble(random))).collect();
    bench.trouble(troubles.clone());
    let mut versions = Vec::new();
    let mut begins = Duration::ZERO;
    for number in 1..=VERSIONS {
        let workers = [seconds(random, 60), seconds(random, 200)];
        versions.push(version(&bench, number, begins, workers));
        bench.sleepers.begin();
        begins += Duration::from_millis(1) + seconds(random, 120);
    }
    futures::join!(futures::future::join_all(versions), bench.sleepers.drive());
    bench.hands.advance(Duration::from_secs(APPLY_MAX) + LAG);

    let told = format!("{class:?} seed {seed}, marks {marks}, faults {faults:?}, troubles {troubles:?}");
    let (held, row) = (bench.there.holds(), bench.row().await);
    let mut newest: HashMap<&str, i64> = HashMap::new();
    let history = bench.there.history();
    for change in &history {
        let on_top = newest.insert(&change.id, change.version).unwrap_or(0);
        let is_ignored = matches!(class, Delivery::Versioned | Delivery::Deduplicated);
        assert!(change.version >= on_top || is_ignored, "an older version on top: {told} {history:#?}");
    }
    if row.state == ItemState::Unknown {
        let ids: HashSet<_> = history.iter().map(|it| &it.id).collect();
        assert!(class == Delivery::Once && ids.len() <= 1, "{told} {row:?}");
        return;
    }
    assert_eq!(held.len(), 1, "exactly one record: {told} {history:#?} {row:?}");
    assert_eq!(held[0].version, VERSIONS, "the newest version: {told} {history:#?} {row:?}");
    assert_eq!((row.version, row.state, row.owned), (VERSIONS, ItemState::Applied, true), "{told} {row:?}");
    let external_id = bench.contents.open_external(&super::subject(), &row).await.unwrap();
    assert_eq!(external_id.as_deref(), Some(held[0].id.as_str()), "row and destination agree: {told}");
}

#[tokio::test]
async fn listable_destinations_end_with_one_record_of_the_newest_version() {
    for seed in 0..SEEDS {
        simulate(Delivery::Listable { keyed: false }, true, seed).await;
        simulate(Delivery::Listable { keyed: false }, false, seed + 1_000).await;
    }
}

#[tokio::test]
async fn destinations_with_ids_of_ours_end_with_one_record_of_the_newest_version() {
    for seed in 0..SEEDS {
        simulate(Delivery::Listable { keyed: true }, true, seed).await;
    }
}

#[tokio::test]
async fn destinations_that_compare_versions_or_detect_duplicates_end_with_the_newest_version() {
    for seed in 0..SEEDS {
        simulate(Delivery::Versioned, true, seed).await;
        simulate(Delivery::Deduplicated, true, seed).await;
    }
}

#[tokio::test]
async fn destinations_that_do_neither_get_a_record_at_most_once_or_it_is_said_to_be_unknown() {
    for seed in 0..SEEDS {
        simulate(Delivery::Once, true, seed).await;
    }
}
