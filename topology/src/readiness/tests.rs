use super::{AWAY_MAX, BUS, Failing, Instant, Readiness, STORE, Seen};
use engine::bus::memory::MemoryBus;
use schemas::{event::Lane, topics};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

fn running(n_wanted: usize, n_joined: usize) -> Seen {
    Seen { n_wanted, n_joined, ..Seen::default() }
}

#[track_caller]
fn check(seen: &mut Seen, now: Instant, expected: Result<(), &str>) {
    seen.look(now);
    assert_eq!(seen.verdict(now), expected.map_err(str::to_owned));
}

#[test]
fn a_group_is_awaited_at_first_and_may_be_joined_again_later() {
    let start = Instant::now();
    let mut seen = running(5, 4);
    check(&mut seen, start, Err("4 of 5 groups are joined"));
    seen.n_joined = 5;
    check(&mut seen, start + SECOND, Ok(()));
    seen.n_joined = 3;
    check(&mut seen, start + 2 * SECOND, Ok(()));
    check(&mut seen, start + 2 * SECOND + AWAY_MAX, Err("3 of 5 groups are joined"));
    seen.n_joined = 5;
    check(&mut seen, start + 3 * SECOND + AWAY_MAX, Ok(()));
}

#[test]
fn a_server_may_be_away_for_a_moment_and_an_old_failure_is_forgotten() {
    let start = Instant::now();
    let mut seen = running(0, 0);
    seen.failing.insert(STORE, Failing { since: start, last: start });
    check(&mut seen, start, Ok(()));
    seen.failing.insert(STORE, Failing { since: start, last: start + AWAY_MAX });
    check(&mut seen, start + AWAY_MAX, Err("the store fails"));
    check(&mut seen, start + AWAY_MAX + 11 * SECOND, Ok(()));
    seen.failing.insert(BUS, Failing { since: start, last: start + 20 * SECOND });
    check(&mut seen, start + 20 * SECOND, Err("the bus fails"));
    seen.withheld = Some("it drains".into());
    check(&mut seen, start + 20 * SECOND, Err("it drains"));
}

#[tokio::test]
async fn a_process_is_ready_while_its_groups_ask_for_messages() {
    let readiness = Readiness::starting();
    let verdict = readiness.verdict();
    assert_eq!(*verdict.borrow(), Err("it starts".into()));
    let bus = readiness.watched(MemoryBus::new());
    readiness.begin(1);
    assert_eq!(*verdict.borrow(), Err("0 of 1 groups are joined".into()));
    let mut subscription = bus.subscribe("group", &[topics::requested(Lane::Hot).name]).await.unwrap();
    assert!(verdict.borrow().is_err(), "it has not asked yet");
    // There is nothing to come: it was asked, and that is enough.
    tokio::select! {
        biased;
        _ = subscription.next(1, 1) => unreachable!("nothing was published"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(*verdict.borrow(), Ok(()));
    readiness.withhold("it drains");
    assert_eq!(*verdict.borrow(), Err("it drains".into()));
}

#[tokio::test]
async fn a_server_that_takes_no_connection_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = engine::store::sqlite::SqliteStore::open(directory.path()).unwrap();
    let readiness = Readiness::starting();
    let mut verdict = readiness.verdict();
    readiness.begin(0);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let asking = tokio::spawn(readiness.ask(Arc::clone(&store.rows), vec!["127.0.0.1:1".into()], stopped));
    let said = verdict.wait_for(Result::is_err).await.unwrap().clone();
    assert_eq!(said, Err("the bus fails".into()));
    stop.send_replace(true);
    asking.await.unwrap();
}
