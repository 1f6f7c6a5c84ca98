//! What every bus must do.

use super::{Names, PATIENCE};
use crate::bus::{Bus, Busy, Delivery, Message, Subscription};
use bytes::Bytes;
use schemas::{
    event::{Kind, Lane},
    id::Subject,
    topics::TopicName,
};
use std::{collections::BTreeMap, sync::Arc};

const HOT: TopicName = TopicName { kind: Kind::Fetched, lane: Some(Lane::Hot) };
const COLD: TopicName = TopicName { kind: Kind::Fetched, lane: Some(Lane::Cold) };

/// Checks a bus. `run` must be new for each run against a server that keeps what it got.
pub async fn check(bus: Arc<dyn Bus>, run: &str) {
    let bus = &*bus;
    messages_of_a_key_stay_in_order_and_on_one_partition(bus, run).await;
    groups_are_independent(bus, run).await;
    only_subscribed_topics_are_delivered(bus, run).await;
    limits_are_kept_but_one_message_is_always_given(bus, run).await;
    a_group_goes_on_with_what_is_not_done(bus, run).await;
    what_a_leaving_member_did_not_do_is_delivered_again(bus, run).await;
    two_members_share_the_messages(bus, run).await;
    a_member_that_waits_is_woken(bus, run).await;
    a_member_that_waits_gets_what_a_leaving_one_had(bus, run).await;
    a_tenure_ends_at_leaving(bus, run).await;
    what_was_done_is_not_delivered_again(bus, run).await;
    begun_work_ends_before_its_partition_moves(bus, run).await;
    what_nobody_subscribes_to_is_held_and_can_be_read(bus, run).await;
}

/// Publishes one message a text and returns what to expect.
async fn publish(bus: &dyn Bus, names: &mut Names, topic: TopicName, key: &Subject, texts: &[&str]) {
    let message = |text: &&str| Message {
        topic,
        key: key.clone(),
        id: names.event(),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
    };
    let messages = texts.iter().map(message).collect();
    bus.publish(messages).await.expect("a bus that is there takes messages");
}

async fn join(bus: &dyn Bus, group: &str, topics: &[TopicName]) -> Box<dyn Subscription> {
    bus.subscribe(group, topics).await.expect("a bus that is there takes members")
}

async fn next(member: &mut dyn Subscription, count_max: usize, bytes_max: usize) -> Vec<Delivery> {
    let waited = tokio::time::timeout(PATIENCE, member.next(count_max, bytes_max)).await;
    waited.expect("a message that was published is delivered").expect("a bus that is there delivers")
}

/// Takes messages until these many of these keys have come; those of other checks are done and left out.
async fn take(member: &mut dyn Subscription, keys: &[&Subject], count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let (ours, others): (Vec<_>, Vec<_>) =
            next(member, 100, 1 << 20).await.into_iter().partition(|it| keys.contains(&&it.key));
        done(&others);
        taken.extend(ours);
    }
    taken
}

fn done(deliveries: &[Delivery]) {
    deliveries.iter().filter_map(Delivery::begin).for_each(Busy::done);
}

fn texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|it| String::from_utf8_lossy(&it.bytes).into_owned()).collect()
}

async fn messages_of_a_key_stay_in_order_and_on_one_partition(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "order");
    let (anna, ben) = (names.subject(), names.subject());
    let mut member = join(bus, &format!("order-{run}"), &[HOT]).await;
    let all: Vec<String> = (0..100).map(|it| format!("{it:03}")).collect();
    for chunk in all.chunks(7) {
        let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
        publish(bus, &mut names, HOT, &anna, &chunk).await;
        publish(bus, &mut names, HOT, &ben, &chunk).await;
    }
    let taken = take(&mut *member, &[&anna, &ben], 200).await;
    for key in [&anna, &ben] {
        let of_key: Vec<Delivery> = taken.iter().filter(|it| it.key == *key).cloned().collect();
        assert_eq!(texts(&of_key), all, "messages of one key stay in order");
        assert!(of_key.windows(2).all(|it| it[0].partition == it[1].partition), "one key, one partition");
        assert!(of_key.windows(2).all(|it| it[0].offset < it[1].offset), "offsets ascend");
    }
}

async fn groups_are_independent(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "groups");
    let key = names.subject();
    let mut first = join(bus, &format!("groups-1-{run}"), &[HOT]).await;
    let mut second = join(bus, &format!("groups-2-{run}"), &[HOT]).await;
    publish(bus, &mut names, HOT, &key, &["a", "b"]).await;
    let taken = take(&mut *first, &[&key], 2).await;
    done(&taken);
    let taken = take(&mut *second, &[&key], 2).await;
    assert_eq!(texts(&taken), ["a", "b"], "every group gets every message, whatever others do");
}

async fn only_subscribed_topics_are_delivered(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "topics");
    let key = names.subject();
    let mut member = join(bus, &format!("topics-{run}"), &[COLD]).await;
    publish(bus, &mut names, HOT, &key, &["hot"]).await;
    publish(bus, &mut names, COLD, &key, &["cold"]).await;
    let taken = take(&mut *member, &[&key], 1).await;
    assert_eq!(texts(&taken), ["cold"], "only subscribed topics are delivered");
    assert!(taken.iter().all(|it| it.topic == COLD), "a delivery says which topic it is from");
}

async fn limits_are_kept_but_one_message_is_always_given(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "limits");
    let key = names.subject();
    let mut member = join(bus, &format!("limits-{run}"), &[COLD]).await;
    let large = "x".repeat(1000);
    publish(bus, &mut names, COLD, &key, &["a", "b", "c", &large, "d"]).await;
    let mut taken: Vec<Delivery> = Vec::new();
    while taken.iter().filter(|it| it.key == key).count() < 5 {
        let some = next(&mut *member, 2, 100).await;
        assert!((1..=2).contains(&some.len()), "no more messages than asked for, and at least one");
        let bytes: usize = some.iter().map(|it| it.bytes.len()).sum();
        assert!(some.len() == 1 || bytes <= 100, "about as many bytes as asked for");
        taken.extend(some);
    }
    let ours: Vec<Delivery> = taken.into_iter().filter(|it| it.key == key).collect();
    assert_eq!(texts(&ours), ["a", "b", "c", large.as_str(), "d"], "a large message is given all the same");
}

async fn a_group_goes_on_with_what_is_not_done(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "commit");
    let (key, group) = (names.subject(), format!("commit-{run}"));
    let mut member = join(bus, &group, &[HOT]).await;
    publish(bus, &mut names, HOT, &key, &["a", "b", "c"]).await;
    let taken = take(&mut *member, &[&key], 3).await;
    // Done with the first two only.
    done(&taken[..2]);
    drop(member);
    let mut member = join(bus, &group, &[HOT]).await;
    publish(bus, &mut names, HOT, &key, &["d"]).await;
    let taken = take(&mut *member, &[&key], 2).await;
    assert_eq!(texts(&taken), ["c", "d"], "the group goes on with what is not done");
}

async fn what_a_leaving_member_did_not_do_is_delivered_again(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "leaving");
    let (key, group) = (names.subject(), format!("leaving-{run}"));
    let mut member = join(bus, &group, &[HOT]).await;
    publish(bus, &mut names, HOT, &key, &["a", "b"]).await;
    assert_eq!(texts(&take(&mut *member, &[&key], 2).await), ["a", "b"]);
    let waiting = join(bus, &group, &[HOT]).await;
    drop(member);
    let mut waiting = waiting;
    let taken = take(&mut *waiting, &[&key], 2).await;
    assert_eq!(texts(&taken), ["a", "b"], "what a member did not do, another one gets");
}

async fn two_members_share_the_messages(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "sharing");
    let group = format!("sharing-{run}");
    let mut first = join(bus, &group, &[COLD]).await;
    let mut second = join(bus, &group, &[COLD]).await;
    let keys: Vec<Subject> = (0..64).map(|_| names.subject()).collect();
    for key in &keys {
        publish(bus, &mut names, COLD, key, &["one", "two"]).await;
    }
    let mut got: [BTreeMap<Subject, Vec<String>>; 2] = [BTreeMap::new(), BTreeMap::new()];
    let all = |got: &[BTreeMap<Subject, Vec<String>>; 2]| {
        keys.iter().all(|key| got.iter().any(|it| it.get(key).is_some_and(|it| it.len() >= 2)))
    };
    let shared = async {
        while !all(&got) {
            let (member, some) = tokio::select! {
                some = first.next(100, 1 << 20) => (0, some),
                some = second.next(100, 1 << 20) => (1, some),
            };
            for it in some.expect("a bus that is there delivers") {
                got[member].entry(it.key.clone()).or_default().push(texts(&[it])[0].clone());
            }
        }
    };
    tokio::time::timeout(PATIENCE, shared).await.expect("between them, members get every message");
    let ours = |it: &BTreeMap<Subject, Vec<String>>| keys.iter().filter(|key| it.contains_key(*key)).count();
    assert!(ours(&got[0]) > 0 && ours(&got[1]) > 0, "both members get a share");
}

async fn a_member_that_waits_is_woken(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "waking");
    let key = names.subject();
    let mut member = join(bus, &format!("waking-{run}"), &[COLD]).await;
    for text in ["first", "second", "third"] {
        let keys = [&key];
        let publishing = async {
            // The other one waits before anything is published.
            tokio::task::yield_now().await;
            publish(bus, &mut names, COLD, &key, &[text]).await;
        };
        let (taken, ()) = futures::join!(take(&mut *member, &keys, 1), publishing);
        assert_eq!(texts(&taken), [text], "who waits for messages gets the next one");
    }
}

async fn a_member_that_waits_gets_what_a_leaving_one_had(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "handing over");
    let group = format!("handing-over-{run}");
    let mut leaving = join(bus, &group, &[HOT]).await;
    let keys: Vec<Subject> = (0..32).map(|_| names.subject()).collect();
    let all: Vec<&Subject> = keys.iter().collect();
    for key in &keys {
        publish(bus, &mut names, HOT, key, &["one"]).await;
    }
    let held = take(&mut *leaving, &all, keys.len()).await;
    let mut staying = join(bus, &group, &[HOT]).await;
    let leave = async {
        tokio::task::yield_now().await;
        drop(leaving);
    };
    let mut got: Vec<Delivery> = Vec::new();
    let wait = async {
        while !keys.iter().all(|key| got.iter().any(|it| it.key == *key)) {
            got.extend(next(&mut *staying, 100, 1 << 20).await);
        }
    };
    futures::join!(wait, leave);
    let again = |it: &&Delivery| got.iter().any(|other| other.key == it.key && other.bytes == it.bytes);
    assert_eq!(held.iter().filter(again).count(), keys.len(), "everything that is not done goes to who stays");
}

async fn a_tenure_ends_at_leaving(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "tenure");
    let key = names.subject();
    let mut member = join(bus, &format!("tenure-{run}"), &[COLD]).await;
    publish(bus, &mut names, COLD, &key, &["a"]).await;
    let taken = take(&mut *member, &[&key], 1).await;
    assert!(taken[0].tenure.is_held(), "a member holds the partition of what it was given");
    member.leave().await;
    assert!(!taken[0].tenure.is_held(), "a tenure ends at leaving");
    assert!(taken[0].begin().is_none(), "nothing is begun after a tenure has ended");
}

async fn what_was_done_is_not_delivered_again(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "handover");
    let group = format!("handover-{run}");
    let keys: Vec<Subject> = (0..32).map(|_| names.subject()).collect();
    let all: Vec<&Subject> = keys.iter().collect();
    let mut first = join(bus, &group, &[HOT]).await;
    for key in &keys {
        publish(bus, &mut names, HOT, key, &["one"]).await;
    }
    done(&take(&mut *first, &all, keys.len()).await);
    first.leave().await;
    let mut second = join(bus, &group, &[HOT]).await;
    for key in &keys {
        publish(bus, &mut names, HOT, key, &["two"]).await;
    }
    let taken = take(&mut *second, &all, keys.len()).await;
    assert!(taken.iter().all(|it| it.bytes == "two"), "what was done is not delivered again");
}

async fn begun_work_ends_before_its_partition_moves(bus: &dyn Bus, run: &str) {
    let mut names = Names::new(run, "draining");
    let group = format!("draining-{run}");
    let keys: Vec<Subject> = (0..32).map(|_| names.subject()).collect();
    let all: Vec<&Subject> = keys.iter().collect();
    let mut first = join(bus, &group, &[HOT]).await;
    for key in &keys {
        publish(bus, &mut names, HOT, key, &["one"]).await;
    }
    let taken = take(&mut *first, &all, keys.len()).await;
    let busy: Vec<Busy> = taken.iter().filter_map(Delivery::begin).collect();
    assert_eq!(busy.len(), keys.len(), "what is held can be begun");
    let has_ended = std::sync::atomic::AtomicBool::new(false);
    let finish = async {
        // A partition that is about to go begins nothing more.
        while taken.iter().all(|it| it.begin().is_some()) {
            tokio::task::yield_now().await;
        }
        has_ended.store(true, std::sync::atomic::Ordering::SeqCst);
        busy.into_iter().for_each(Busy::done);
        // The group must go on while the other one waits.
        first
    };
    let join_it = async {
        let mut second = join(bus, &group, &[HOT]).await;
        for key in &keys {
            publish(bus, &mut names, HOT, key, &["two"]).await;
        }
        let got = take(&mut *second, &all, 1).await;
        assert!(has_ended.load(std::sync::atomic::Ordering::SeqCst), "what has begun ends before its partition moves");
        assert!(got.iter().all(|it| it.bytes == "two"), "what ended before its partition moved is not delivered again");
    };
    tokio::time::timeout(PATIENCE, async { futures::join!(finish, join_it) }).await.expect("a partition moves");
}

async fn what_nobody_subscribes_to_is_held_and_can_be_read(bus: &dyn Bus, run: &str) {
    let topic = TopicName { kind: Kind::Analytics, lane: None };
    let mut names = Names::new(run, "held");
    let key = names.subject();
    let held = async || bus.held(topic).await.expect("a bus that is there says what it holds").expect("all of it");
    let before = held().await;
    let wanted = ["first", "second", "third"];
    publish(bus, &mut names, topic, &key, &wanted).await;
    let mut found = Vec::new();
    for ((number, before), after) in (0..).zip(&before).zip(held().await) {
        assert!(before.end <= after.end, "what is held only grows at its end");
        let read = bus.read(topic, number, before.end..after.end).await.expect("a bus that is there can be read");
        found.extend(read.expect("what is held is given"));
    }
    let texts: Vec<_> = found.iter().map(|it| String::from_utf8_lossy(&it.1).into_owned()).collect();
    let ours: Vec<_> = texts.iter().filter(|it| wanted.contains(&it.as_str())).collect();
    assert_eq!(ours, wanted, "in order");
}
