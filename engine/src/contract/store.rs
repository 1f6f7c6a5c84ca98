//! What every store must do. Log, timers and blobs are here, items and rows beside it.

use super::{Names, PATIENCE, at};
use crate::store::{Bearing, Logged, Step, StepKey, Store, Timer};
use bytes::Bytes;
use futures::future::join_all;
use schemas::{
    event::{Kind, Lane},
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use std::time::Duration;

/// Checks a store, items included. `run` must be new for each run against a server that keeps what it got.
pub async fn check(store: &Store, run: &str) {
    a_step_is_appended_once(store, run).await;
    roots_are_kept_with_their_step_and_are_no_events_of_its_sync(store, run).await;
    recall_keeps_the_order_asked_for(store, run).await;
    open_events_are_those_without_a_step_of_their_stage(store, run).await;
    events_of_a_sync_are_in_order_of_appending(store, run).await;
    syncs_are_unsettled_from_their_first_step_to_their_last(store, run).await;
    unsettled_syncs_come_in_pages(store, run).await;
    syncs_of_a_person_come_newest_first(store, run).await;
    steps_are_scanned_in_order_of_time(store, run).await;
    a_step_leaves_its_timer(store, run).await;
    timers_are_due_earliest_first(store, run).await;
    hastening_only_makes_earlier(store, run).await;
    contents_are_kept_whole(store, run).await;
    super::rows::check(store, run).await;
    super::items::check(store, run).await;
}

const fn hot(kind: Kind) -> TopicName {
    TopicName { kind, lane: Some(Lane::Hot) }
}

fn logged(id: EventId, kind: Kind) -> Logged {
    Logged { id, topic: hot(kind), bytes: Bytes::from(format!("{kind:?} {id}")) }
}

fn step(subject: &Subject, sync: SyncId, stage: &str, cause: EventId, bearing: Bearing, outputs: Vec<Logged>) -> Step {
    let key = StepKey { subject: subject.clone(), sync, stage: stage.into(), cause };
    Step { key, at: at("2026-05-03T06:02:30Z"), bearing, outputs, roots: Vec::new() }
}

async fn append(store: &Store, step: Step) -> Step {
    store.log.append(step).await.expect("a store that is there takes steps")
}

async fn roots_are_kept_with_their_step_and_are_no_events_of_its_sync(store: &Store, run: &str) {
    let mut names = Names::new(run, "roots");
    let (subject, sync, cause) = (names.subject(), names.sync(), names.event());
    let topic = schemas::topics::requested(schemas::event::Lane::Hot).name;
    let mut event = |text: &'static str| Logged { id: names.event(), topic, bytes: text.into() };
    let (output, root) = (event("an output"), event("a root"));
    let made = step(&subject, sync, "fetch", cause, Bearing::Within, vec![output.clone()]);
    let made = Step { roots: vec![root.clone()], ..made };
    assert_eq!(append(store, made.clone()).await, made);
    let recalled = store.log.recall(std::slice::from_ref(&made.key)).await.expect("recall");
    assert_eq!(recalled, [Some(made)]);
    assert_eq!(store.log.events(&subject, sync).await.expect("events"), std::slice::from_ref(&output));
    assert_eq!(store.log.open(&subject, sync).await.expect("open"), [(output.id, topic)]);
    assert_eq!(store.log.event(&subject, sync, root.id).await.expect("event"), None);
}

async fn a_step_is_appended_once(store: &Store, run: &str) {
    let mut names = Names::new(run, "append");
    let (subject, sync, cause) = (names.subject(), names.sync(), names.event());
    let tries: Vec<Step> = (0..32)
        .map(|_| step(&subject, sync, "fetch", cause, Bearing::Within, vec![logged(names.event(), Kind::Fetched)]))
        .collect();
    let stand = join_all(tries.iter().map(|it| append(store, it.clone()))).await;
    let first = stand.first().expect("there were tries");
    assert!(tries.contains(first), "one of the steps stands, as it was made");
    assert!(stand.iter().all(|it| it == first), "everyone gets the step that stands");
    let recalled = store.log.recall(std::slice::from_ref(&first.key)).await.expect("recall");
    assert_eq!(recalled, [Some(first.clone())], "the step that stands is recalled");
    let events = store.log.events(&subject, sync).await.expect("events");
    assert_eq!(events, first.outputs, "nothing of the others is kept");
}

async fn recall_keeps_the_order_asked_for(store: &Store, run: &str) {
    let mut names = Names::new(run, "recall");
    let (subject, sync) = (names.subject(), names.sync());
    let mut steps = Vec::new();
    for n_outputs in 0..4 {
        let outputs = (0..n_outputs).map(|_| logged(names.event(), Kind::Outcome)).collect();
        let made = step(&subject, sync, "write", names.event(), Bearing::Within, outputs);
        steps.push(append(store, made).await);
    }
    let other_stage = StepKey { stage: "fetch".into(), ..steps[0].key.clone() };
    let other_sync = StepKey { sync: names.sync(), ..steps[0].key.clone() };
    let other_person = StepKey { subject: names.subject(), ..steps[0].key.clone() };
    let keys =
        [steps[3].key.clone(), other_stage, steps[0].key.clone(), other_sync, steps[2].key.clone(), other_person];
    let recalled = store.log.recall(&keys).await.expect("recall");
    let expected = [Some(&steps[3]), None, Some(&steps[0]), None, Some(&steps[2]), None];
    assert_eq!(recalled.iter().map(Option::as_ref).collect::<Vec<_>>(), expected, "in the order asked for");
    assert_eq!(store.log.recall(&[]).await.expect("recall"), [], "nothing asked for, nothing given");
}

async fn open_events_are_those_without_a_step_of_their_stage(store: &Store, run: &str) {
    let mut names = Names::new(run, "open");
    let (subject, sync, early) = (names.subject(), names.sync(), names.event());
    let kinds = [Kind::Requested, Kind::Fetched, Kind::Normalized, Kind::Resolved, Kind::Outcome, Kind::Settled];
    let mut all: Vec<Logged> = kinds.into_iter().map(|kind| logged(names.event(), kind)).collect();
    // Answered before it was logged: it never waits.
    append(store, step(&subject, sync, "normalize", early, Bearing::Within, vec![])).await;
    all.push(logged(early, Kind::Fetched));
    append(store, step(&subject, sync, "intake", names.event(), Bearing::Opens, all.clone())).await;
    let open = async || store.log.open(&subject, sync).await.expect("open");
    let waiting = |from: usize| all[from..4].iter().map(|it| (it.id, it.topic)).collect::<Vec<_>>();
    assert_eq!(open().await, waiting(0), "what waits for fetch, normalize, resolve and write, in order");
    append(store, step(&subject, sync, "write", all[0].id, Bearing::Within, vec![])).await;
    assert_eq!(open().await, waiting(0), "another stage's step does not count");
    append(store, step(&subject, names.sync(), "fetch", all[0].id, Bearing::Within, vec![])).await;
    assert_eq!(open().await, waiting(0), "another sync's step does not count");
    for (index, stage) in ["fetch", "normalize", "resolve", "write"].into_iter().enumerate() {
        append(store, step(&subject, sync, stage, all[index].id, Bearing::Within, vec![])).await;
        assert_eq!(open().await, waiting(index + 1), "an event with a step of its stage waits no more");
    }
    assert_eq!(store.log.open(&names.subject(), sync).await.expect("open"), [], "a sync is one person's");
}

async fn events_of_a_sync_are_in_order_of_appending(store: &Store, run: &str) {
    let mut names = Names::new(run, "events");
    let (subject, sync) = (names.subject(), names.sync());
    let mut all = Vec::new();
    for _ in 0..5 {
        let outputs = vec![logged(names.event(), Kind::Fetched), logged(names.event(), Kind::Requested)];
        all.extend(outputs.clone());
        append(store, step(&subject, sync, "fetch", names.event(), Bearing::Within, outputs)).await;
    }
    let shared =
        Logged { topic: TopicName { kind: Kind::Settled, lane: None }, ..logged(names.event(), Kind::Settled) };
    append(store, step(&subject, sync, "settle", EventId(sync.0), Bearing::Closes, vec![shared.clone()])).await;
    all.push(shared);
    assert_eq!(store.log.events(&subject, sync).await.expect("events"), all, "all events, in order of appending");
    for it in &all {
        let event = store.log.event(&subject, sync, it.id).await.expect("event");
        assert_eq!(event.as_ref(), Some(it), "one event by its id");
    }
    let elsewhere = store.log.event(&subject, names.sync(), all[0].id).await.expect("event");
    assert_eq!(elsewhere, None, "an event is in its sync only");
}

async fn is_unsettled(store: &Store, sync: SyncId) -> bool {
    let page =
        store.log.unsettled(Some(SyncId(uuid::Uuid::from_u128(sync.0.as_u128() - 1))), 1).await.expect("unsettled");
    page.first().is_some_and(|it| it.1 == sync)
}

async fn syncs_are_unsettled_from_their_first_step_to_their_last(store: &Store, run: &str) {
    let mut names = Names::new(run, "unsettled");
    let subject = names.subject();
    let mut check = async |bearings: &[Bearing], expected: bool| {
        let sync = names.sync();
        for bearing in bearings {
            append(store, step(&subject, sync, "stage", names.event(), *bearing, vec![])).await;
        }
        assert_eq!(is_unsettled(store, sync).await, expected, "unsettled after {bearings:?}");
    };
    use Bearing::{Closes, Opens, Within};
    check(&[Opens], true).await;
    check(&[Within], false).await;
    check(&[Opens, Within], true).await;
    check(&[Opens, Within, Closes], false).await;
    check(&[Opens, Closes, Within], false).await;
    check(&[Opens, Closes, Opens], false).await;
    check(&[Closes, Opens], false).await;
}

async fn unsettled_syncs_come_in_pages(store: &Store, run: &str) {
    let mut names = Names::new(run, "pages");
    let subject = names.subject();
    let mut ours: Vec<SyncId> = (0..10).map(|_| names.sync()).collect();
    for sync in &ours {
        append(store, step(&subject, *sync, "intake", names.event(), Bearing::Opens, vec![])).await;
    }
    ours.sort();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.log.unsettled(after, 3).await.expect("unsettled");
        assert!(page.len() <= 3, "no more than asked for");
        assert!(page.iter().map(|it| Some(it.1)).all(|it| it > after), "only later ids");
        let Some(last) = page.last() else { break };
        after = Some(last.1);
        found.extend(page.into_iter().filter(|it| it.0 == subject).map(|it| it.1));
    }
    assert_eq!(found, ours, "page by page, every unsettled sync comes once, by id");
}

async fn syncs_of_a_person_come_newest_first(store: &Store, run: &str) {
    let mut names = Names::new(run, "syncs");
    let subject = names.subject();
    let mut expected = Vec::new();
    for hour in [3, 1, 2] {
        let (sync, began) = (names.sync(), at(&format!("2026-05-03T0{hour}:00:00Z")));
        let opens = Step { at: began, ..step(&subject, sync, "intake", names.event(), Bearing::Opens, vec![]) };
        append(store, opens).await;
        if hour == 2 {
            let closes = step(&subject, sync, "settle", EventId(sync.0), Bearing::Closes, vec![]);
            append(store, Step { at: at("2026-05-03T09:00:00Z"), ..closes }).await;
        }
        expected.push((sync, began, hour == 2));
    }
    expected.sort_by_key(|it| std::cmp::Reverse(it.1));
    assert_eq!(store.log.syncs(&subject, 9).await.expect("syncs"), expected, "newest first, with their ends");
    assert_eq!(store.log.syncs(&subject, 2).await.expect("syncs"), expected[..2], "no more than asked for");
    assert_eq!(store.log.syncs(&names.subject(), 9).await.expect("syncs"), [], "of that person only");
}

async fn steps_are_scanned_in_order_of_time(store: &Store, run: &str) {
    let mut names = Names::new(run, "scan");
    let (anna, ben) = (names.subject(), names.subject());
    let hour = |hour: u32| at(&format!("1999-12-31T{hour:02}:00:00Z"));
    let mut made = Vec::new();
    let times = [
        (&anna, hour(20)),
        (&ben, hour(23)),
        (&anna, hour(21)),
        (&anna, at("2000-01-01T00:00:00Z")),
        (&ben, hour(21)),
        (&anna, hour(21)),
        (&ben, at("2000-01-02T05:00:00Z")),
    ];
    for (subject, time) in times {
        let step = step(subject, names.sync(), "fetch", names.event(), Bearing::Within, vec![]);
        made.push((time, append(store, Step { at: time, ..step }).await.key));
    }
    let again = step(&anna, made[0].1.sync, "fetch", made[0].1.cause, Bearing::Within, vec![]);
    append(store, Step { at: hour(22), ..again }).await;
    let span = Interval { from: hour(21), to: at("2000-01-02T05:00:00Z") };
    let scan = async |subject: Option<&Subject>, after: Option<(Instant, StepKey)>, count_max: usize| {
        let found = store.log.scan(span, subject, after, count_max).await.expect("scan");
        // Others may have steps in this span, too, on a server that was here before.
        assert!(found.len() <= count_max && found.is_sorted_by_key(|it| it.0), "in order of time, no more than asked");
        found
    };
    let sorted = |mut keys: Vec<(Instant, StepKey)>| {
        keys.sort_by_key(|(at, key)| (*at, key.sync));
        keys
    };
    let expected = |of: &[&Subject]| {
        let within = |it: &&(Instant, StepKey)| span.from <= it.0 && it.0 < span.to && of.contains(&&it.1.subject);
        sorted(made.iter().filter(within).cloned().collect())
    };
    for (subject, people) in [(Some(&anna), &[&anna][..]), (Some(&ben), &[&ben]), (None, &[&anna, &ben])] {
        let ours = |found: Vec<(Instant, StepKey)>| {
            sorted(found.into_iter().filter(|it| people.contains(&&it.1.subject)).collect())
        };
        assert_eq!(ours(scan(subject, None, 99).await), expected(people), "the steps of the span, each once");
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = scan(subject, after.clone(), 2).await;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            found.extend(page);
        }
        assert_eq!(ours(found), expected(people), "page by page, the same");
    }
}

fn timer(names: &mut Names, stage: &str, at_text: &str) -> Timer {
    let first_at = at("2026-05-01T00:00:00Z");
    let (event, subject, sync) = (names.event(), names.subject(), names.sync());
    Timer { stage: stage.into(), event, subject, sync, at: at(at_text), attempts: 0, first_at }
}

async fn schedule(store: &Store, timer: &Timer) {
    store.timers.schedule(timer.clone()).await.expect("a store that is there takes timers");
}

async fn a_step_leaves_its_timer(store: &Store, run: &str) {
    let mut names = Names::new(run, "timer of a step");
    let ours = timer(&mut names, "write", "2026-05-03T00:00:00Z");
    let of_other_stage = Timer { stage: "fetch".into(), ..ours.clone() };
    let get = async |it: &Timer| store.timers.get(&it.stage, it.event).await.expect("get");
    for _ in ["appending", "appending again"] {
        schedule(store, &ours).await;
        schedule(store, &of_other_stage).await;
        append(store, step(&ours.subject, ours.sync, "write", ours.event, Bearing::Within, vec![])).await;
        assert_eq!(get(&ours).await, Some(ours.clone()), "another member may count on it until the step is published");
    }
    store.timers.remove(&ours.stage, ours.event).await.expect("remove");
    assert_eq!(get(&ours).await, None, "it is removed by its stage and event");
    assert_eq!(get(&of_other_stage).await, Some(of_other_stage.clone()), "that of another stage stays");
}

async fn timers_are_due_earliest_first(store: &Store, run: &str) {
    let mut names = Names::new(run, "due");
    // Long past, so that timers of other checks do not come first.
    let mut timers: Vec<Timer> =
        [3, 1, 2].into_iter().map(|hour| timer(&mut names, "fetch", &format!("1971-01-01T0{hour}:00:00Z"))).collect();
    for it in &timers {
        schedule(store, it).await;
    }
    timers.sort_by_key(|it| it.at);
    let due = async |text: &str, count_max: usize| store.timers.due(at(text), count_max).await.expect("due");
    assert_eq!(store.timers.next().await.expect("next"), Some(timers[0].at), "the next one is the earliest");
    assert_eq!(due("1971-01-01T00:59:59Z", 9).await, [], "none is due before its time");
    assert_eq!(due("1971-01-01T02:00:00Z", 9).await, timers[..2], "due at its time, earliest first");
    assert_eq!(due("1971-01-01T09:00:00Z", 1).await, timers[..1], "no more than asked for");
    let later = Timer { at: at("1971-01-01T08:00:00Z"), attempts: 4, ..timers[0].clone() };
    schedule(store, &later).await;
    let found = store.timers.get(&later.stage, later.event).await.expect("get");
    assert_eq!(found, Some(later), "a timer takes the place of an earlier one");
    assert_eq!(due("1971-01-01T02:00:00Z", 9).await, timers[1..2], "and only it is left");
    for it in &timers {
        store.timers.remove(&it.stage, it.event).await.expect("remove");
        assert_eq!(store.timers.get(&it.stage, it.event).await.expect("get"), None, "a removed timer is gone");
        store.timers.remove(&it.stage, it.event).await.expect("removing one that is not there is no error");
    }
}

async fn hastening_only_makes_earlier(store: &Store, run: &str) {
    let mut names = Names::new(run, "hasten");
    let sync = names.sync();
    let early = Timer { sync, ..timer(&mut names, "fetch", "2026-05-03T01:00:00Z") };
    let late = Timer { sync, ..timer(&mut names, "write", "2026-05-03T09:00:00Z") };
    let other = timer(&mut names, "write", "2026-05-03T09:00:00Z");
    for it in [&early, &late, &other] {
        schedule(store, it).await;
    }
    let noon = at("2026-05-03T05:00:00Z");
    assert_eq!(store.timers.hasten(sync, noon).await.expect("hasten"), 2, "says how many there were");
    let time = async |it: &Timer| store.timers.get(&it.stage, it.event).await.expect("get").map(|it| it.at);
    assert_eq!(time(&early).await, Some(early.at), "an earlier one stays");
    assert_eq!(time(&late).await, Some(noon), "a later one is made earlier");
    assert_eq!(time(&other).await, Some(other.at), "other syncs' timers stay");
    assert_eq!(store.timers.hasten(names.sync(), noon).await.expect("hasten"), 0, "none there, none hastened");
    for it in [early, late, other] {
        store.timers.remove(&it.stage, it.event).await.expect("remove");
    }
}

async fn contents_are_kept_whole(store: &Store, run: &str) {
    let mut names = Names::new(run, "blobs");
    let subject = names.subject();
    for size in [0, 1, 1 << 20, (1 << 20) + 1, 3 * (1 << 20) + 17] {
        let content: Bytes = (0..size).map(|it: usize| u8::try_from(it % 251).unwrap_or(0)).collect();
        let name = format!("blob-{size}");
        let get = async || store.blobs.get(&subject, &name).await.expect("get");
        assert_eq!(get().await, None, "not there before it was put");
        let puts =
            [store.blobs.put(&subject, &name, content.clone()), store.blobs.put(&subject, &name, content.clone())];
        let done = tokio::time::timeout(PATIENCE, join_all(puts)).await.expect("putting ends");
        assert!(done.iter().all(Result::is_ok), "putting twice is putting once");
        assert_eq!(get().await, Some(content), "{size} bytes come back as they were");
        assert_eq!(store.blobs.get(&names.subject(), &name).await.expect("get"), None, "a content is one person's");
    }
}

/// Checks that a store made by `reopen` still holds what was acknowledged before `store` was let go.
pub async fn check_survives(store: Store, reopen: impl AsyncFnOnce() -> Store, run: &str) {
    let mut names = Names::new(run, "survives");
    let subject = names.subject();
    let made = step(
        &subject,
        names.sync(),
        "intake",
        names.event(),
        Bearing::Opens,
        vec![logged(names.event(), Kind::Requested)],
    );
    append(&store, made.clone()).await;
    drop(store);
    let store = tokio::time::timeout(PATIENCE + Duration::from_secs(1), reopen()).await.expect("reopening ends");
    let recalled = store.log.recall(std::slice::from_ref(&made.key)).await.expect("recall");
    assert_eq!(recalled, [Some(made)], "what was acknowledged is there after the store was opened again");
}
