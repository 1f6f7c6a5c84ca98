//! What waited for its time is delivered, whatever happens when its time has come.

use super::*;

impl Bench {
    /// Runs a sync whose first event is put off by a minute, until its timer is written.
    pub(super) async fn put_off(&self) -> (EventId, Running) {
        let (at, id) = (T0.plus(Duration::from_secs(60)), requested(sync(1)).head.id);
        self.says.lock().unwrap().push(Some(Answer::Later(Later { at: Some(at), gives_up: None })));
        self.accept(sync(1)).await;
        let running = self.start();
        let is_written = async || self.store.timers.get("fetch", id).await.unwrap().is_some();
        self.until("the timer is written", is_written).await;
        (id, running)
    }
}

#[tokio::test]
async fn a_timer_that_the_bus_does_not_take_at_once_is_fired_all_the_same() {
    let bench = Bench::new();
    let (_, _running) = bench.put_off().await;
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
