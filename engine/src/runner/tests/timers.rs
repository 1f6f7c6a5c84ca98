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

#[tokio::test]
async fn a_step_that_its_member_could_not_publish_any_more_is_published_by_the_timer_of_another() {
    let bench = Bench::new();
    let mut pages = bench.listen(topics::fetched(Lane::Hot).name).await;
    // One member has put the event off and acknowledged it.
    let (id, _running) = bench.put_off().await;
    // Another one that had begun on it appends its step, and loses the partition before it publishes.
    let request = requested(sync(1));
    let head = request.head.derive("fetch", 0, T0);
    let page = Envelope { body: fetched(&request.body, &head), head };
    let key = StepKey { subject: subject(), sync: sync(1), stage: "fetch".into(), cause: id };
    let outputs = vec![logged(&page, topics::fetched(Lane::Hot).name)];
    let step = Step { key, at: T0, bearing: Bearing::Within, outputs, roots: Vec::new() };
    bench.store.log.append(step).await.unwrap();
    assert!(bench.store.timers.get("fetch", id).await.unwrap().is_some(), "somebody counts on it");
    bench.hands.advance(Duration::from_secs(60));
    assert_eq!(pages.next(9, usize::MAX).await.unwrap().len(), 1, "the page goes on");
    let is_gone = async || bench.store.timers.get("fetch", id).await.unwrap().is_none();
    bench.until("the timer is gone", is_gone).await;
}
