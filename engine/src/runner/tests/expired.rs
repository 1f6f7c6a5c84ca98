//! What is no longer kept ends its sync, and nothing tries it for ever.

use super::*;
use crate::{
    people::People,
    stages::Settle,
    vault::{Kek, Vault},
};

async fn outcomes(bench: &Bench) -> Vec<(String, Option<Reason>)> {
    let all = bench.events(sync(1)).await;
    let outcomes = all.iter().filter(|it| it.topic.kind == Kind::Outcome);
    let told = |it: &Logged| codec::decode::<Envelope<Outcome>>(&it.bytes).map(|it| (it.body.stage, it.body.end));
    outcomes.map(|it| told(it).unwrap()).collect()
}

fn expired() -> Vec<(String, Option<Reason>)> {
    vec![("fetch".to_owned(), Some(Reason::PayloadExpired))]
}

#[tokio::test]
async fn a_timer_whose_event_is_no_longer_kept_ends_it() {
    let bench = Bench::new();
    let mut ends = bench.listen(topics::outcomes(Lane::Hot).name).await;
    let (id, _running) = bench.put_off().await;
    let timer = async || bench.store.timers.get("fetch", id).await.unwrap();
    bench.gone.lock().unwrap().insert(id);
    bench.hands.advance(Duration::from_secs(60));
    bench.until("it ends", async || outcomes(&bench).await == expired()).await;
    bench.until("the timer is gone", async || timer().await.is_none()).await;
    assert_eq!(ends.next(9, usize::MAX).await.unwrap().len(), 1, "Settle hears of it");
    assert!(bench.store.log.open(&subject(), sync(1)).await.unwrap().is_empty(), "nothing is open");
}

#[tokio::test]
async fn a_sync_of_which_nothing_is_kept_is_closed() {
    let bench = Bench::new();
    let id = requested(sync(1)).head.id;
    bench.accept(sync(1)).await;
    bench.gone.lock().unwrap().insert(id);
    // The bus was lost, too.
    let lost = Bench { bus: MemoryBus::new(), ..bench };
    let vault = Vault::open(lost.store.vault.clone(), Kek::from_text(&"ab".repeat(32)).unwrap()).await.unwrap();
    let people = People { rows: lost.store.rows.clone(), vault, clock: lost.clock.clone() };
    let settle = Settle { log: lost.store.log.clone(), people, clock: lost.clock.clone() };
    let topology =
        Topology::from(topics::outcomes(Lane::Hot)).then(settle, topics::SETTLED).rejecting_to(topics::REJECTED);
    let (runner, (_stop, stopped)) = (lost.runner(), watch::channel(false));
    let _running = tokio::spawn(async move { runner.run(&topology, stopped).await });
    assert_eq!(lost.runner().republish_open().await.unwrap(), 0, "there is nothing to publish again");
    assert_eq!(outcomes(&lost).await, expired());
    let is_closed = async || lost.store.log.unsettled(None, 9).await.unwrap().is_empty();
    lost.until("it is closed", is_closed).await;
    assert_eq!(lost.runner().republish_open().await.unwrap(), 0);
}

#[tokio::test]
async fn what_another_process_appends_meanwhile_is_not_taken_for_expired() {
    let bench = Bench::new();
    bench.accept(sync(1)).await;
    // While the open events are looked for, a stage goes on to the next page.
    let first = requested(sync(1));
    let next = Envelope { head: first.head.derive("fetch", 1, T0), ..first.clone() };
    let key = StepKey { subject: subject(), sync: sync(1), stage: "fetch".into(), cause: first.head.id };
    let outputs = vec![logged(&next, topics::requested(Lane::Hot).name)];
    let step = Step { key, at: T0, bearing: Bearing::Within, outputs, roots: Vec::new() };
    *bench.meanwhile.lock().unwrap() = Some(step);
    assert_eq!(bench.runner().republish_open().await.unwrap(), 1, "what was open is published, and once too often");
    assert_eq!(outcomes(&bench).await, [], "nothing has ended");
    let open = bench.store.log.open(&subject(), sync(1)).await.unwrap();
    assert_eq!(open, [(next.head.id, topics::requested(Lane::Hot).name)], "the next page is waited for");
}
