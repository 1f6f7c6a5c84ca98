//! What waited for its time is delivered, whatever happens when its time has come.

use super::*;

#[tokio::test]
async fn a_timer_that_the_bus_does_not_take_at_once_is_fired_all_the_same() {
    let bench = Bench::new();
    let at = T0.plus(Duration::from_secs(60));
    bench.says.lock().unwrap().push(Some(Answer::Later(Later { at: Some(at), gives_up: None })));
    let id = requested(sync(1)).head.id;
    bench.accept(sync(1)).await;
    let _running = bench.start();
    let timer = async || bench.store.timers.get("fetch", id).await.unwrap();
    bench.until("the timer is written", async || timer().await.is_some()).await;
    {
        let mut cuts = bench.cuts.at.lock().unwrap();
        let next = cuts.0 + 1;
        cuts.1.insert(next, false);
    }
    // Time stands still afterwards: a timer that had only moved on would never be due.
    bench.hands.advance(Duration::from_secs(60));
    bench.until("the sync goes on", async || bench.is_over(sync(1)).await).await;
    assert!(bench.cuts.at.lock().unwrap().1.is_empty(), "the bus did not take it the first time");
}
