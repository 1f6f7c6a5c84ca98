use super::{Backlog, MemoryBus, UNREAD_COUNT_MAX};
use crate::{
    bus::{Bus, Message, Position},
    contract,
};
use bytes::Bytes;
use schemas::{
    event::{Kind, Lane},
    id::{EventId, Subject},
    topics::TopicName,
};
use uuid::Uuid;

const TOPIC: TopicName = TopicName { kind: Kind::Settled, lane: None };

#[tokio::test]
async fn it_does_what_every_bus_does() {
    contract::bus::check(MemoryBus::new(), "run").await;
}

fn message(topic: TopicName, key: &str) -> Message {
    Message { topic, key: Subject(key.into()), id: EventId(Uuid::nil()), bytes: Bytes::from_static(b"12345") }
}

#[tokio::test]
async fn the_backlog_is_what_some_group_has_not_committed() {
    let bus = MemoryBus::new();
    bus.publish(vec![message(TopicName { lane: Some(Lane::Cold), ..TOPIC }, "anna")]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog::default(), "a topic that nobody subscribes to does not count");
    let mut first = bus.subscribe("first", &[TOPIC]).await.unwrap();
    let mut second = bus.subscribe("second", &[TOPIC]).await.unwrap();
    bus.publish(vec![message(TOPIC, "anna"), message(TOPIC, "anna")]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog { count: 2, bytes: 10 });
    let taken = first.next(9, 99).await.unwrap();
    let position = |next| Position { topic: TOPIC, partition: taken[0].partition, next };
    first.commit(&[position(2)]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog { count: 2, bytes: 10 }, "the slowest group counts");
    second.commit(&[position(1)]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog { count: 1, bytes: 5 });
    drop(second);
    assert_eq!(bus.backlog().count, 1, "a group without members is still waited for");
    let mut second = bus.subscribe("second", &[TOPIC]).await.unwrap();
    assert_eq!(second.next(9, 99).await.unwrap()[0].offset, 1);
    second.commit(&[position(99)]).await.unwrap();
    assert_eq!(bus.backlog(), Backlog::default());
    bus.publish(vec![message(TOPIC, "anna")]).await.unwrap();
    assert_eq!(second.next(9, 99).await.unwrap()[0].offset, 2, "a commit beyond the end skips nothing");
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
