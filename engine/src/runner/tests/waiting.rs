//! A server that is away is said to be so once, however many events wait for it.

use super::*;
use std::fmt;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps what is said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.lock().unwrap().last_mut().unwrap().push_str(&format!(" {field}={value:?}"));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(event.metadata().level().to_string());
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_server_that_is_away_is_told_of_once_and_again_when_it_is_back() {
    const N: u128 = 20;
    let heard = Heard::default();
    // With one listener alone, a place in the code that another test's thread comes to first would be deaf for good.
    let _other = tracing::Dispatch::new(Heard::default());
    let _listening = tracing::subscriber::set_default(heard.clone());
    let bench = Bench::new();
    let mut messages = Vec::new();
    for number in 1..=N {
        let mut event = requested(sync(number));
        event.head = Head::root(sync(number), Subject(format!("person {number}")), T0);
        let logged = root(&event);
        bench.runner().begin(&event.head, logged.clone()).await.unwrap();
        messages.push(Message { topic: logged.topic, key: event.head.subject, id: logged.id, bytes: logged.bytes });
    }
    bench.bus.publish(messages).await.unwrap();
    // One read recalls them all; then each is appended.
    let n_calls = bench.cuts.at.lock().unwrap().0;
    let n_all = usize::try_from(N).unwrap();
    bench.cuts.at.lock().unwrap().1.extend((n_calls + 2..n_calls + 2 + n_all).map(|it| (it, false)));
    let _running = bench.start();
    let have_all_met_it = || bench.cuts.at.lock().unwrap().1.is_empty();
    bench.until("all is done", async || have_all_met_it() && bench.bus.backlog().count == 0).await;
    let heard = heard.0.lock().unwrap();
    let said: Vec<&String> = heard.iter().filter(|it| it.contains("server")).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("WARN") && said[0].contains("fetch") && said[0].contains("died"), "{}", said[0]);
    assert!(said[1].starts_with("WARN") && said[1].contains(&format!("n_waited={N}")), "{}", said[1]);
}
