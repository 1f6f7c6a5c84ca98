//! Events of different people share a task: what happens to one concerns no other one.

use super::*;
use std::collections::BTreeMap;

/// So many that every task has several.
const PEOPLE: u128 = 96;

fn person(number: u128) -> Subject {
    Subject(format!("person {number}"))
}

impl Bench {
    /// Puts what Fetch made of a page of everybody on the bus, `PAGES` times: each person's pages in their order.
    async fn fetch_for_everybody(&self) {
        let mut pages = Vec::new();
        for page in 0..PAGES {
            for number in 1..=PEOPLE {
                let id = sync(number * 10 + u128::try_from(page).unwrap());
                let request = Envelope { head: Head::root(id, person(number), T0), ..requested(id) };
                self.runner().begin(&request.head, root(&request)).await.unwrap();
                let head = request.head.derive("fetch", 0, T0);
                let made = Envelope { body: fetched(&request.body, &head), head };
                let logged = logged(&made, topics::fetched(Lane::Hot).name);
                let (stage, cause) = ("fetch".into(), request.head.id);
                let key = StepKey { subject: person(number), sync: id, stage, cause };
                let outputs = vec![logged.clone()];
                let step = Step { key, at: T0, bearing: Bearing::Within, outputs, roots: Vec::new() };
                self.store.log.append(step).await.unwrap();
                pages.push(Message { topic: logged.topic, key: person(number), id: logged.id, bytes: logged.bytes });
            }
        }
        self.bus.publish(pages).await.unwrap();
    }

    fn start_normalize(&self) -> Running {
        let (runner, (stop, stopped)) = (self.runner(), watch::channel(false));
        let topology = Topology::from(topics::fetched(Lane::Hot))
            .then(Normalize, topics::normalized(Lane::Hot))
            .rejecting_to(topics::REJECTED);
        Running(tokio::spawn(async move { runner.run(&topology, stopped).await }), stop)
    }

    /// The syncs of each person in the order in which their pages were first published.
    async fn normalized(&self) -> BTreeMap<Subject, Vec<SyncId>> {
        let topic = topics::normalized(Lane::Hot).name;
        let mut order: BTreeMap<Subject, Vec<SyncId>> = BTreeMap::new();
        for partition in 0..i32::try_from(topics::PARTITIONS).unwrap() {
            let published = self.bus.read(topic, partition, 0..i64::MAX).await.unwrap().expect("nobody subscribes");
            for (_, bytes) in published {
                let page: Envelope<Normalized> = codec::decode(&bytes).unwrap();
                let syncs = order.entry(page.head.subject).or_default();
                if !syncs.contains(&page.head.sync) {
                    syncs.push(page.head.sync);
                }
            }
        }
        order
    }

    /// Each page was mapped once and once only, and everybody's in order.
    async fn all_is_well(&self) {
        let n_all = expected().values().map(Vec::len).sum::<usize>();
        let n_done = async || self.normalized().await.values().map(Vec::len).sum::<usize>();
        self.until("all is done", async || n_done().await == n_all && self.bus.backlog().count == 0).await;
        for (subject, syncs) in self.normalized().await {
            assert_eq!(syncs, expected()[&subject], "in the order of the pages of {subject}");
        }
        for (subject, syncs) in expected() {
            for sync in syncs {
                let events = self.store.log.events(&subject, sync).await.unwrap();
                let kinds: Vec<Kind> = events.iter().map(|it| it.topic.kind).collect();
                assert_eq!(kinds, [Kind::Requested, Kind::Fetched, Kind::Normalized], "{subject} {sync}");
            }
        }
    }
}

fn expected() -> BTreeMap<Subject, Vec<SyncId>> {
    let syncs = |number: u128| (0..u128::try_from(PAGES).unwrap()).map(|it| sync(number * 10 + it)).collect();
    (1..=PEOPLE).map(|number| (person(number), syncs(number))).collect()
}

#[tokio::test]
async fn calls_that_fail_for_some_lose_nothing_and_change_no_order() {
    let bench = Bench::new();
    bench.fetch_for_everybody().await;
    {
        // Of appends and publishes alike every third does not reach its server, and of every seventh the answer is lost.
        let mut cuts = bench.cuts.at.lock().unwrap();
        let first = cuts.0 + 3;
        cuts.1.extend((first..first + 300).filter(|it| it % 3 == 0 || it % 7 == 0).map(|it| (it, it % 7 == 0)));
    }
    let _running = bench.start_normalize();
    bench.all_is_well().await;
    assert!(bench.cuts.at.lock().unwrap().1.is_empty(), "all of it happened");
}

#[tokio::test]
async fn a_member_that_dies_among_many_events_leaves_each_to_the_other_one() {
    let bench = Bench::new();
    bench.fetch_for_everybody().await;
    let (dies, _stays) = (bench.start_normalize(), bench.start_normalize());
    bench.until("some are done", async || bench.normalized().await.len() > 10).await;
    assert!(bench.bus.backlog().count > 0, "it dies at work");
    dies.die().await;
    bench.all_is_well().await;
}
