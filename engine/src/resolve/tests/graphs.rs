//! Random graphs of connections, cycles included, and random histories on them: what holds on every one of them.
//!
//! Each graph has people's recordings at some connections, a device's own link that copies some of them to another
//! connection behind our back, and configs between connections. Services round what they are given, rename it and give
//! it ids of their own. A round runs every config once, in random order.

use super::super::{
    Answers, Gone, Incoming, Join, Joined, Known, MergePolicy, OnGone, Others, Part, Policy, Window, gone_id, merge,
    place, summary,
};
use super::{ALL, BY, T0};
use crate::item::{ItemKey, ItemRow, ItemState, Origin, Partition, Plan, month_of};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use schemas::{
    data_type::DataType,
    event::{Action, Deletes, Fate, Reason, Rule},
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    record::{self, Body, Record, Span},
    time::Instant,
    workout::{Column, Sport, Streams, Workout},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

/// How many graphs a test runs; `SYNCWELL_GRAPHS` says otherwise.
const N_GRAPHS: u64 = 200;
const ROUNDS: usize = 4;

/// One connection: the records there by their id, and what we know of it as a destination.
#[derive(Clone, Debug, Default)]
struct Place {
    records: BTreeMap<String, Record>,
    rows: BTreeMap<ItemId, Known>,
    /// Which record there an item is.
    external: BTreeMap<ItemId, String>,
    n_made: usize,
}

#[derive(Debug)]
struct Graph {
    places: Vec<Place>,
    /// Which item a record led to: (source, record, destination).
    origins: BTreeMap<(usize, String, usize), Origin>,
    /// What each event held.
    events: BTreeMap<EventId, Record>,
    n_events: u128,
    /// Operations so far.
    n_operations: usize,
    deletes: Deletes,
    /// What was asked about deletions.
    gone: BTreeMap<Uuid, Gone>,
    /// It is later with each run of a config.
    now: Instant,
}

fn connection(number: usize) -> ConnectionId {
    ConnectionId(Uuid::from_u128(1_000 + number as u128))
}

fn key(id: &str) -> String {
    format!("key of {id}")
}

/// A recording of the bout that begins so many hours after T0.
fn recording(hour: i64, shift_ms: i64, id: &str, has: (bool, bool)) -> Record {
    let start = Instant(T0.0 + hour * 3_600_000 + shift_ms);
    let n = 24;
    let offsets_ms: Vec<i64> = (0..n).map(|it| it * 60_000).collect();
    let column = |has: bool, value: &dyn Fn(f64) -> f64| {
        Column(if has { (0..n).map(|it| value(f64::from(i32::try_from(it).unwrap()))).collect() } else { Vec::new() })
    };
    // Each bout is another one: its length and its course follow from its hour.
    let pace = 140.0 + 7.0 * (hour % 5) as f64;
    let streams = Streams {
        offsets_ms: if has.0 || has.1 { offsets_ms } else { Vec::new() },
        latitude: column(has.0, &|it| 52.0 + 0.01 * hour as f64 + it * 0.000_9),
        longitude: column(has.0, &|it| 13.0 + it * 0.001_1),
        heart_rate: column(has.1, &|it| (120.0 + 20.0 * ((it + hour as f64) / 3.0).sin()).round()),
        ..Streams::default()
    };
    let workout = Workout {
        sport: Sport::Running,
        distance_m: Some(pace * 24.0),
        title: Some(format!("bout {hour}")),
        streams,
        ..Workout::default()
    };
    Record {
        data_type: DataType::Workout,
        origin: record::Origin::named("watch", id),
        time: Span { start, end: start.plus(Duration::from_secs(23 * 60)), offset_seconds: Some(7_200), zone: None },
        is_daily_total: false,
        state: record::RecordState::Final,
        deleted: false,
        policy: record::Policy::default(),
        body: Body::Workout(Box::new(workout)),
    }
}

/// What a service makes of what it is given: times to the second, a name and an id of its own.
fn rendered(record: &Record, id: &str) -> Record {
    let mut there = record.clone();
    there.time.start = Instant(there.time.start.0.div_euclid(1_000) * 1_000);
    there.time.end = Instant(there.time.end.0.div_euclid(1_000) * 1_000);
    there.origin = record::Origin::named("service", id);
    if let Body::Workout(workout) = &mut there.body {
        workout.title = Some(format!("{} (imported)", workout.title.clone().unwrap_or_default()));
        workout.distance_m = workout.distance_m.map(f64::round);
        workout.sport_detail = Some("Run".into());
    }
    there
}

impl Graph {
    /// So many connections with these bouts; each is at one or two of them.
    fn random(draw: &mut StdRng) -> (Self, Vec<(usize, usize)>) {
        let n_places = draw.random_range(2..=4);
        let mut places = vec![Place::default(); n_places];
        for bout in 0..draw.random_range(1..=4_i64) {
            let at = draw.random_range(0..n_places);
            let id = format!("{bout}-at-{at}");
            let has = (draw.random(), draw.random());
            let recorded = recording(bout * 5, draw.random_range(0..900), &id, has);
            places[at].records.insert(id, recorded.clone());
            if draw.random_bool(0.6) {
                let other = (at + draw.random_range(1..n_places)) % n_places;
                let id = format!("{bout}-at-{other}");
                // A second device, or the first one's own link to another service.
                let twin = if draw.random() {
                    let shift = draw.random_range(-20_000..20_000);
                    recording(bout * 5, shift, &id, (draw.random(), draw.random()))
                } else {
                    rendered(&recorded, &id)
                };
                places[other].records.insert(id, twin);
            }
        }
        let pairs = (0..n_places).flat_map(|a| (0..n_places).map(move |b| (a, b)));
        let mut edges: Vec<_> = pairs.filter(|(a, b)| a != b && draw.random_bool(0.6)).collect();
        edges.shuffle(draw);
        let deletes = [Deletes::Mirror, Deletes::Keep, Deletes::Ask][draw.random_range(0..3)];
        let (origins, events, gone) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        (Self { places, origins, events, n_events: 0, n_operations: 0, deletes, gone, now: T0 }, edges)
    }

    /// Notes what is at a destination and not ours, as a look does.
    fn look(&mut self, at: usize) {
        let place_there = &mut self.places[at];
        let ours: BTreeSet<_> = place_there.external.values().cloned().collect();
        for (id, record) in place_there.records.iter().filter(|(id, _)| !ours.contains(*id)) {
            let item = ItemId::derived(connection(at), "workout", connection(at), id);
            let row = ItemRow { state: ItemState::Applied, seen_hash: "seen".into(), ..row(at, item, record) };
            place_there.rows.insert(item, Known { row, summary: summary(record), sources: Vec::new() });
        }
        let gone = |known: &Known, records: &BTreeMap<String, Record>| {
            known.row.planned_version == 0 && !records.contains_key(&known.summary.origin.record)
        };
        let records = place_there.records.clone();
        for known in place_there.rows.values_mut().filter(|it| gone(it, &records)) {
            known.row.seen_hash = String::new();
        }
    }

    /// One config runs once; how many operations that led to.
    fn run(&mut self, from: usize, to: usize) -> usize {
        self.look(to);
        self.now.0 += 1_000;
        let ours: BTreeMap<String, bool> = self.places[from]
            .external
            .iter()
            .map(|(item, id)| (id.clone(), self.places[from].rows[item].row.owned))
            .collect();
        let page: Vec<(String, Record)> = self.places[from].records.clone().into_iter().collect();
        let mut gone: Vec<(String, Origin)> = Vec::new();
        for ((source, id, destination), origin) in &self.origins {
            let is_of_this = (*source, *destination) == (from, to);
            if is_of_this && !page.iter().any(|it| it.0 == *id) {
                gone.push((id.clone(), origin.clone()));
            }
        }
        let before = self.n_operations;
        for (id, record) in page {
            let echo = ours.get(&id).copied().unwrap_or(false);
            self.resolve((from, to), &id, &record, echo);
        }
        for (id, origin) in gone {
            self.resolve_gone((from, to), &id, &origin);
        }
        self.n_operations - before
    }

    /// What is known of a place, and what the person has said.
    fn window(&self, to: usize) -> Window {
        let answers = Answers::default().with_gone(self.gone.iter().map(|(id, it)| (*id, *it)));
        Window::new(self.places[to].rows.values().cloned().collect()).with_answers(answers)
    }

    fn event(&mut self, record: &Record) -> EventId {
        self.n_events += 1;
        let event = EventId(Uuid::from_u128(self.n_events));
        self.events.insert(event, record.clone());
        event
    }

    fn resolve(&mut self, (from, to): (usize, usize), id: &str, record: &Record, echo: bool) {
        let event = self.event(record);
        let policy = self.policy(to, event);
        let item = ItemId::derived(connection(to), "workout", connection(from), id);
        let mut incoming = Incoming {
            key: key(id),
            hash: format!("{:?}", record.content()),
            projected: Ok(record.clone()),
            source_at: self.now,
            origin: self.origins.get(&(from, id.to_owned(), to)).cloned(),
            echo,
            item,
            month: month_of(record.time.start),
            connection: connection(from),
            join: Join::Alone,
            read_in: None,
            record: record.clone(),
        };
        let mut window = self.window(to);
        if let Some(others) = window.others(&policy, &incoming) {
            incoming.join = self.join(&policy, &incoming, others);
        }
        let decided = window.decide(&policy, &incoming);
        for id in window.over(&policy, std::slice::from_ref(&incoming), self.now) {
            self.gone.entry(id).and_modify(|it| it.over_at = Some(self.now));
        }
        let decision = &decided.decision;
        if decision.version > 0 || decision.action != Action::Skip || decided.fate == Some(Fate::Skipped) && !echo {
            let origin = Origin {
                connection: connection(from),
                record: key(id),
                destination: connection(to),
                item: decision.item,
                month: decision.month.clone(),
                data_type: DataType::Workout,
                starts_at: record.time.start,
                source_at: self.now,
                seen_by: BY.1,
            };
            self.origins.insert((from, id.to_owned(), to), origin);
        }
        self.carry_out(to, &decided);
    }

    fn resolve_gone(&mut self, (from, to): (usize, usize), id: &str, origin: &Origin) {
        // As the shell does: only what this source is part of.
        let is_part = self.places[to]
            .rows
            .get(&origin.item)
            .is_some_and(|known| known.sources.iter().any(|it| place(it) == (connection(from), key(id).as_str())));
        if !is_part {
            return;
        }
        let event = EventId(Uuid::from_u128(0));
        let policy = self.policy(to, event);
        let mut record = recording(0, 0, id, (false, false));
        record.deleted = true;
        let mut incoming = Incoming {
            key: key(id),
            hash: String::new(),
            projected: Ok(record.clone()),
            source_at: self.now,
            origin: None,
            echo: false,
            item: origin.item,
            month: origin.month.clone(),
            connection: connection(from),
            join: Join::Alone,
            read_in: None,
            record,
        };
        let mut window = self.window(to);
        if let Some(others) = window.others(&policy, &incoming) {
            incoming.join = self.join(&policy, &incoming, others);
        }
        let Some(decided) = window.decide_gone(&policy, &incoming) else { return };
        self.carry_out(to, &decided);
        if decided.decision.reason == Some(Reason::InReview) {
            // The person answers at once, one time this and the other time that.
            let said = if self.gone.len().is_multiple_of(2) { OnGone::Delete } else { OnGone::Keep };
            let asked = Gone { item: origin.item, at: self.now, said: Some(said), over_at: None };
            self.gone.insert(gone_id(connection(to), incoming.place()), asked);
            self.resolve_gone((from, to), id, origin);
        }
    }

    fn join(&self, policy: &Policy<'_>, incoming: &Incoming, Others { mut sources, at }: Others) -> Join {
        let mut records: Vec<Record> = sources.iter().map(|it| self.events[&it.event].clone()).collect();
        if !incoming.record.deleted {
            sources.insert(at.min(sources.len()), incoming.source(policy));
            records.insert(at.min(records.len()), incoming.record.clone());
        }
        let parts: Vec<Part<'_>> = records.iter().map(|record| Part { record, rank: 0 }).collect();
        let merged = merge(&parts, &MergePolicy::default());
        let hash = format!("{:?}", merged.record.content());
        Join::With(Box::new(Joined {
            projected: Ok(merged.record),
            hash,
            sources,
            fields: Vec::new(),
            lost: Vec::new(),
        }))
    }

    /// Writes what was decided, as Write does, and notes it in the row.
    fn carry_out(&mut self, to: usize, decided: &super::super::Decided) {
        let decision = &decided.decision;
        let there = &mut self.places[to];
        if let Some((_, sources)) = &decided.noted {
            there.rows.get_mut(&decision.item).unwrap().sources.clone_from(sources);
        }
        if decision.action == Action::Skip {
            return;
        }
        self.n_operations += 1;
        let id = match there.external.get(&decision.item) {
            Some(id) => id.clone(),
            None => {
                there.n_made += 1;
                format!("made-{}-at-{to}", there.n_made)
            }
        };
        if decision.action != Action::Create {
            let known = &there.rows[&decision.item];
            assert!(known.row.owned, "only what is ours is changed or deleted");
            assert!(there.records.contains_key(&id), "what is changed is there");
        }
        let mut known = there.rows.remove(&decision.item).unwrap_or_else(|| {
            let record = decision.record.as_ref().unwrap();
            Known { row: row(to, decision.item, record), summary: summary(record), sources: Vec::new() }
        });
        if let Some(Plan { version, hash, by, delete, .. }) = decided.plan.clone() {
            known.row.planned_version = version;
            known.row.planned_hash = hash;
            known.row.planned_by = Some(by);
            known.row.planned_delete = delete;
        }
        known.row.state = ItemState::Applied;
        known.row.version = decision.version;
        known.row.owned = decision.action != Action::Delete;
        if let Some(record) = &decision.record {
            known.summary = summary(record);
            known.sources.clone_from(&decision.sources);
            known.row.external_id = id.clone().into();
            there.records.insert(id.clone(), rendered(record, &id));
            there.external.insert(decision.item, id);
        } else {
            known.row.external_id = bytes::Bytes::new();
            there.records.remove(&id);
            there.external.remove(&decision.item);
        }
        there.rows.insert(decision.item, known);
    }

    fn policy(&self, to: usize, event: EventId) -> Policy<'static> {
        Policy {
            rule: Rule::PrioritiseSource,
            deletes: self.deletes,
            types: &ALL,
            source: "watch",
            is_again: false,
            by: (event, SyncId(Uuid::from_u128(1))),
            destination: connection(to),
            combines: true,
            asks: true,
        }
    }

    /// Every config once, in this order; how many operations.
    fn round(&mut self, edges: &[(usize, usize)]) -> usize {
        edges.iter().map(|(from, to)| self.run(*from, *to)).sum()
    }

    /// What is at every connection, by when it begins: without ids and names.
    fn contents(&self) -> Vec<BTreeSet<String>> {
        let told = |record: &Record| {
            let Body::Workout(workout) = &record.body else { return String::new() };
            let hour = (record.time.start.0 - T0.0 + 60_000).div_euclid(3_600_000);
            let (gps, heart) = (workout.streams.latitude.n_measured() > 0, workout.streams.heart_rate.n_measured() > 0);
            format!("{hour} gps {gps} heart rate {heart}")
        };
        self.places.iter().map(|it| it.records.values().map(told).collect()).collect()
    }

    /// How many records each connection has of each bout.
    fn most_of_one_bout(&self) -> usize {
        let hour = |it: &Record| (it.time.start.0 - T0.0 + 60_000).div_euclid(3_600_000);
        let of = |it: &Place| {
            let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
            for record in it.records.values() {
                *counts.entry(hour(record)).or_default() += 1;
            }
            counts.into_values().max().unwrap_or(0)
        };
        self.places.iter().map(of).max().unwrap_or(0)
    }
}

fn row(at: usize, item: ItemId, record: &Record) -> ItemRow {
    let subject = Subject("someone".into());
    let partition = Partition { subject, destination: connection(at), month: month_of(record.time.start) };
    ItemRow::new(ItemKey { partition, item }, DataType::Workout, &record.time)
}

fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("SYNCWELL_GRAPHS").ok().and_then(|it| it.parse().ok()).unwrap_or(N_GRAPHS)
}

#[test]
fn on_any_graph_rounds_after_the_first_add_nothing_and_no_bout_is_there_twice() {
    for seed in seeds() {
        let draw = &mut StdRng::seed_from_u64(seed);
        let (mut graph, mut edges) = Graph::random(draw);
        graph.round(&edges);
        assert_eq!(graph.most_of_one_bout(), 1, "seed {seed}: a bout is somewhere twice");
        // What one config brought may be what another one's record is joined with: once more settles that.
        graph.round(&edges);
        for round in 2..ROUNDS {
            edges.shuffle(draw);
            assert_eq!(graph.round(&edges), 0, "seed {seed}: round {round} does something");
        }
        assert_eq!(graph.most_of_one_bout(), 1, "seed {seed}: a bout is somewhere twice");
    }
}

#[test]
fn what_is_there_in_the_end_does_not_depend_on_the_order_of_arrival() {
    for seed in seeds() {
        let draw = &mut StdRng::seed_from_u64(seed);
        let (mut one, edges) = Graph::random(draw);
        let (mut other, _) = Graph::random(&mut StdRng::seed_from_u64(seed));
        let mut shuffled = edges.clone();
        shuffled.shuffle(draw);
        for _ in 0..ROUNDS {
            one.round(&edges);
            other.round(&shuffled);
        }
        assert_eq!(one.contents(), other.contents(), "seed {seed}");
    }
}

#[test]
fn any_history_of_edits_and_deletions_settles_and_touches_nothing_foreign() {
    for seed in seeds() {
        let draw = &mut StdRng::seed_from_u64(seed);
        let (mut graph, mut edges) = Graph::random(draw);
        let foreign: Vec<BTreeSet<String>> =
            graph.places.iter().map(|it| it.records.keys().cloned().collect()).collect();
        for _ in 0..3 {
            graph.round(&edges);
            // A person edits, deletes or brings back a recording of their own.
            let at = draw.random_range(0..graph.places.len());
            let own: Vec<String> =
                graph.places[at].records.keys().filter(|it| foreign[at].contains(*it)).cloned().collect();
            let Some(id) = own.get(draw.random_range(0..own.len().max(1))) else { continue };
            if draw.random_bool(0.4) {
                graph.places[at].records.remove(id);
            } else if let Some(record) = graph.places[at].records.get_mut(id)
                && let Body::Workout(workout) = &mut record.body
            {
                workout.notes = Some(format!("note {}", draw.random_range(0..1000)));
            }
            edges.shuffle(draw);
        }
        let before: Vec<_> = graph.places.iter().zip(&foreign).map(|(it, own)| own_of(it, own)).collect();
        graph.round(&edges);
        graph.round(&edges);
        let operations = graph.round(&edges) + graph.round(&edges);
        assert_eq!(operations, 0, "seed {seed}: it does not settle");
        let after: Vec<_> = graph.places.iter().zip(&foreign).map(|(it, own)| own_of(it, own)).collect();
        assert_eq!(before, after, "seed {seed}: a foreign record was touched");
    }
}

fn own_of(there: &Place, own: &BTreeSet<String>) -> BTreeMap<String, Record> {
    there.records.iter().filter(|(id, _)| own.contains(*id)).map(|(id, it)| (id.clone(), it.clone())).collect()
}
