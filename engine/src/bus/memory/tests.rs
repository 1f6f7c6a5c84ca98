use super::{Backlog, MemoryBus, UNREAD_COUNT_MAX};
use crate::{
    bus::{Bus, Busy, Delivery, Message},
    contract,
};
use bytes::Bytes;
use schemas::{
    event::{Kind, Lane},
    id::{EventId, Subject},
    topics::TopicName,
};
use std::{collections::BTreeSet, sync::Mutex};
use uuid::Uuid;

const TOPIC: TopicName = TopicName { kind: Kind::Settled, lane: None };

#[tokio::test]
async fn it_keeps_nothing_of_topics_that_somebody_subscribes_to() {
    let bus = MemoryBus::new();
    assert_eq!(bus.read(TOPIC, 0, 0..1).await, Ok(Some(Vec::new())));
    let _member = bus.subscribe("group", &[TOPIC]).await.unwrap();
    assert_eq!((bus.read(TOPIC, 0, 0..1).await, bus.held(TOPIC).await), (Ok(None), Ok(None)));
}

#[tokio::test]
async fn it_does_what_every_bus_does() {
    contract::bus::check(MemoryBus::new(), "run").await;
}

fn message(topic: TopicName, key: &str) -> Message {
    Message { topic, key: Subject(key.into()), id: EventId(Uuid::nil()), bytes: Bytes::from_static(b"12345") }
}

#[tokio::test]
async fn the_backlog_is_what_some_group_is_not_done_with() {
    let bus = MemoryBus::new();
    bus.publish(vec![message(TopicName { lane: Some(Lane::Cold), ..TOPIC }, "anna")]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog::default(), "a topic that nobody subscribes to does not count");
    let mut first = bus.subscribe("first", &[TOPIC]).await.unwrap();
    let mut second = bus.subscribe("second", &[TOPIC]).await.unwrap();
    bus.publish(vec![message(TOPIC, "anna"), message(TOPIC, "anna")]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog { count: 2, bytes: 10 });
    let done = |taken: Vec<Delivery>| taken.iter().filter_map(Delivery::begin).for_each(Busy::done);
    done(first.next(9, 99).await.unwrap());
    assert_eq!(bus.backlog(), Backlog { count: 2, bytes: 10 }, "the slowest group counts");
    done(second.next(1, 99).await.unwrap());
    assert_eq!(bus.backlog(), Backlog { count: 1, bytes: 5 });
    drop(second);
    assert_eq!(bus.backlog().count, 1, "a group without members is still waited for");
    let mut second = bus.subscribe("second", &[TOPIC]).await.unwrap();
    let taken = second.next(9, 99).await.unwrap();
    assert_eq!(taken[0].offset, 1);
    done(taken);
    assert_eq!(bus.backlog(), Backlog::default());
}

#[tokio::test]
async fn a_topic_that_nobody_subscribes_to_keeps_its_newest_messages() {
    let bus = MemoryBus::new();
    for number in 0..UNREAD_COUNT_MAX + 100 {
        let bytes = Bytes::from(number.to_string());
        bus.publish(vec![Message { bytes, ..message(TOPIC, &(number % 32).to_string()) }]).await.unwrap();
    }
    let mut late = bus.subscribe("late", &[TOPIC]).await.unwrap();
    let mut kept = Vec::new();
    while kept.len() < UNREAD_COUNT_MAX {
        let some = late.next(usize::MAX, usize::MAX).await.unwrap();
        kept.extend(some.iter().map(|it| std::str::from_utf8(&it.bytes).unwrap().parse::<usize>().unwrap()));
    }
    kept.sort_unstable();
    assert!(kept.into_iter().eq(100..UNREAD_COUNT_MAX + 100), "the oldest have gone");
}

#[tokio::test]
async fn nothing_that_was_published_is_shown_by_debug() {
    let bus = MemoryBus::new();
    bus.publish(vec![Message { bytes: Bytes::from_static(b"canary"), ..message(TOPIC, "anna") }]).await.unwrap();
    let member = bus.subscribe("group", &[TOPIC]).await.unwrap();
    let shown = format!("{bus:?} {member:?}");
    assert!(!shown.contains("canary") && !shown.contains("anna"), "{shown}");
}

/// Takes messages one by one, is done with each, and leaves when it is done with `stay` of them, or after the last.
async fn work(bus: &MemoryBus, stay: usize, done: &Mutex<Vec<Delivery>>) {
    let mut member = bus.subscribe("group", &[TOPIC]).await.unwrap();
    let mut n_done = 0;
    while n_done < stay {
        let taken = member.next(1, 1).await.unwrap();
        tokio::task::yield_now().await;
        for delivery in taken {
            let busy = delivery.begin();
            done.lock().unwrap().push(delivery);
            // What has gone to another member meanwhile is that one's.
            n_done += usize::from(busy.is_some());
            busy.into_iter().for_each(Busy::done);
        }
        if bus.backlog().count == 0 {
            return;
        }
    }
}

#[tokio::test]
async fn members_that_come_and_go_lose_nothing() {
    let (bus, done) = (MemoryBus::new(), Mutex::new(Vec::new()));
    drop(bus.subscribe("group", &[TOPIC]).await.unwrap());
    let all: BTreeSet<String> = (0..400).map(|it| it.to_string()).collect();
    for text in &all {
        let bytes = Bytes::from(text.clone());
        bus.publish(vec![Message { bytes, ..message(TOPIC, &format!("person {}", text.len() * 7)) }]).await.unwrap();
    }
    let mut n_rounds = 0;
    while bus.backlog().count > 0 {
        // The first to leave ends the round for all: the others leave with work in their hands.
        let rounds = [3, 7, 1, 5].map(|stay| Box::pin(work(&bus, stay, &done)));
        futures::future::select_all(rounds).await;
        n_rounds += 1;
        assert!(n_rounds < 1_000, "every round does something");
    }
    let done = done.into_inner().unwrap();
    let texts = done.iter().map(|it| String::from_utf8(it.bytes.to_vec()).unwrap());
    assert_eq!(texts.collect::<BTreeSet<_>>(), all, "every message was worked on");
}
