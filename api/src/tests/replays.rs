//! A replay that runs in one process is known to every other.

use super::*;
use async_trait::async_trait;
use axum::body::Bytes;
use engine::bus::{Backlog, Bus, Message, Subscription, Unreachable};
use schemas::topics::TopicName;
use std::ops::Range;
use tokio::sync::Semaphore;

/// A bus that is read only when it is let.
#[derive(Debug)]
struct Slow(Semaphore);

#[async_trait]
impl Bus for Slow {
    fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    async fn publish(&self, _: Vec<Message>) -> Result<(), Unreachable> {
        Ok(())
    }

    async fn subscribe(&self, _: &str, _: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable> {
        Err(Unreachable("nobody listens here".into()))
    }

    async fn read(&self, _: TopicName, _: i32, _: Range<i64>) -> Result<Option<Vec<(i64, Bytes)>>, Unreachable> {
        let let_in = self.0.acquire().await.map_err(|err| Unreachable(err.to_string()))?;
        let_in.forget();
        Ok(Some(Vec::new()))
    }
}

async fn begin(world: &World) -> Answer {
    let place = json!({"topic": "hot.fetched", "partition": 0, "from": 0, "to": 1});
    let body = json!({"name": "look", "selection": {"place": place}});
    answer(world.request(Method::POST, "/v1/operator/replays").bearer_auth(OPERATOR).json(&body)).await
}

/// State, and whether it runs, as each process says.
async fn said(worlds: [&World; 2]) -> Vec<(Value, Value)> {
    let mut all = Vec::new();
    for world in worlds {
        let list = world.get("/v1/operator/replays", OPERATOR).await;
        list.is(200);
        let first = list.json()[0].clone();
        all.push((first["replay"]["state"].clone(), first["running"].clone()));
    }
    all
}

#[tokio::test]
async fn a_replay_that_runs_in_one_process_is_known_to_all_and_not_begun_twice() {
    let bus = Arc::new(Slow(Semaphore::new(0)));
    let first = World::with(|app| app.replays.runner.bus = bus.clone()).await;
    let second = World::with(|app| app.replays = first.app.replays.clone()).await;
    begin(&first).await.is(202);
    assert_eq!(said([&first, &second]).await, vec![(json!("looking"), json!(true)); 2]);
    begin(&second).await.is_problem(422, "impossible", "is running");
    let one = second.get("/v1/operator/replays/look", OPERATOR).await.json();
    assert_eq!((&one["replay"]["state"], &one["running"]), (&json!("looking"), &json!(true)));

    bus.0.add_permits(1);
    let over = async || said([&first, &second]).await == vec![(json!("planned"), json!(false)); 2];
    tokio::time::timeout(Duration::from_secs(20), async { while !over().await {} }).await.unwrap();

    // A process that is gone renews nothing: half a minute later another may begin it again.
    begin(&second).await.is(202);
    begin(&first).await.is_problem(422, "impossible", "is running");
    first.hands.advance(Duration::from_secs(31));
    assert_eq!(said([&first, &second]).await, vec![(json!("looking"), json!(false)); 2]);
    begin(&first).await.is(202);
    assert_eq!(said([&first, &second]).await, vec![(json!("looking"), json!(true)); 2]);
    begin(&second).await.is_problem(422, "impossible", "is running");
}
