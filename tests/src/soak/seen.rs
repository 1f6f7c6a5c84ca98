//! What came of a run, as it is seen from outside: what the providers noted, what they hold, what is in the folders.

use super::{
    follow::Book,
    people::{Person, Shares, folder, read_title},
    report::Row,
};
use ::tests::Outside;
use anyhow::Result;
use connectors::simulator::Kit;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
};
use topology::process::Process;

/// A record: where, of which round and person.
type Place = (&'static str, u32, u32);

/// What must not be there when everything is over.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Left {
    /// Syncs that have begun and not ended.
    pub(crate) syncs: usize,
    /// When the next timer is due, if there is one.
    pub(crate) timer: Option<String>,
}

/// Looks for what is left open in the store of a cluster that has ended.
pub(crate) async fn at_rest(process: &Process) -> Result<Left> {
    let store = &process.runner.store;
    let syncs = store.log.unsettled(None, 100_000).await?.len();
    let timer = store.timers.next().await?.map(|it| it.to_string());
    Ok(Left { syncs, timer })
}

/// Fills in what the rounds came to.
pub(crate) fn judge(
    rows: &mut [Row],
    (outside, folders): (&Outside, &Path),
    people: &[Arc<Person>],
    (book, ends): (&Book, &HashMap<String, String>),
    shares: Shares,
) {
    let [strava, google] = outside.kits();
    let mut writes: BTreeMap<Place, Vec<Written>> = BTreeMap::new();
    note(&mut writes, "strava", &strava);
    note(&mut writes, "google", &google);
    let held = held(outside, folders, people);
    for row in rows.iter_mut().filter(|it| it.left_out.is_none()) {
        for person in people {
            for place in places(person) {
                let place = (*place, row.number, person.number);
                let there = held.get(&place).map_or(&[][..], Vec::as_slice);
                if there.iter().max().is_none_or(|it| *it < shares.versions) {
                    row.lost += 1;
                    row.examples.push(format!("person {} in {}: {there:?}", place.2, place.0));
                }
                let written = writes.get(&place).map_or(&[][..], Vec::as_slice);
                let sum = summed(written, there.len());
                if sum != (Sum { sent_again: 0, ..Sum::default() }) && row.examples.len() < 8 {
                    row.examples.push(format!("person {} in {}: {written:?}", place.2, place.0));
                }
                row.doubled(sum.doubled);
                row.out_of_order += sum.out_of_order;
                row.sent_again += sum.sent_again;
            }
        }
        close(row, book, ends);
    }
}

/// What the syncs of a round came to.
fn close(row: &mut Row, book: &Book, ends: &HashMap<String, String>) {
    let syncs = book.of(row.number);
    row.syncs = syncs.len();
    let n_open = syncs.iter().filter(|it| it.1.over_at.is_none()).count();
    if n_open > 0 {
        row.lost += u32::try_from(n_open).unwrap_or(u32::MAX);
        row.remarks.push(format!("{n_open} syncs are not over"));
    }
    let last = syncs.iter().filter_map(|it| it.1.over_at).max();
    if let (Some(last), Some(over)) = (last, row.fault_over) {
        row.recovery_s = last.saturating_duration_since(over).as_secs_f64();
    }
    let n_before = row.examples.len();
    let mut others: BTreeMap<&str, u32> = BTreeMap::new();
    for end in syncs.iter().filter_map(|it| ends.get(&it.0)).filter(|it| *it != "done") {
        *others.entry(end.split(' ').next().unwrap_or_default()).or_default() += 1;
        if row.examples.len() == n_before {
            row.examples.push(end.clone());
        }
    }
    row.remarks.extend(others.into_iter().map(|(end, count)| format!("{count} {end}")));
}

/// Where a person's records go.
fn places(person: &Person) -> &'static [&'static str] {
    if person.rides { &["google", "folder"] } else { &["strava"] }
}

/// An effect on a record: whether it made it, and the version that was written.
type Written = (bool, u32);

/// The effects in a journal, by record, in order.
fn note(writes: &mut BTreeMap<Place, Vec<Written>>, place: &'static str, kit: &Kit) {
    for entry in kit.journal() {
        let (Some(effect), Some(body)) = (&entry.effect, &entry.body) else { continue };
        let title = match place {
            "google" => serde_json::from_slice::<Value>(body).ok().map(|it| it["exercise"]["displayName"].clone()),
            _ => form_field(body, "name").map(Value::String),
        };
        let title = title.as_ref().and_then(Value::as_str).and_then(read_title);
        if let Some((round, person, version)) = title {
            writes.entry((place, round, person)).or_default().push((effect.starts_with("create "), version));
        }
    }
}

fn form_field(body: &[u8], name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://form/?{}", std::str::from_utf8(body).ok()?)).ok()?;
    url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
}

/// The versions that are there now, one for each record of that title.
fn held(outside: &Outside, folders: &Path, people: &[Arc<Person>]) -> BTreeMap<Place, Vec<u32>> {
    let mut held: BTreeMap<Place, Vec<u32>> = BTreeMap::new();
    let mut hold = |place: &'static str, title: &Value| {
        if let Some((round, person, version)) = title.as_str().and_then(read_title) {
            held.entry((place, round, person)).or_default().push(version);
        }
    };
    for person in people {
        if person.rides {
            for point in outside.google.points(&person.user, "exercise") {
                hold("google", &point["exercise"]["displayName"]);
            }
            let entries = fs::read_dir(folder(folders, person.number).join("workout"));
            for entry in entries.into_iter().flatten().flatten() {
                let stored = fs::read(entry.path()).ok().and_then(|it| serde_json::from_slice::<Value>(&it).ok());
                hold("folder", &stored.unwrap_or_default()["record"]["body"]["workout"]["title"]);
            }
        } else {
            for id in outside.strava.activities(person.athlete) {
                hold("strava", &outside.strava.activity(id).unwrap_or_default()["name"]);
            }
        }
    }
    held
}

/// What the effects on one record say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    doubled: u32,
    out_of_order: u32,
    sent_again: u32,
}

/// Judges the effects on one record, of which so many are there in the end.
fn summed(written: &[Written], n_there: usize) -> Sum {
    let n_made = written.iter().filter(|it| it.0).count().max(n_there);
    let pairs = || written.windows(2).filter(|it| !it[1].0);
    let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    Sum {
        doubled: count(n_made.saturating_sub(1)),
        out_of_order: count(written.windows(2).filter(|it| it[1].1 < it[0].1).count()),
        sent_again: count(pairs().filter(|it| it[1].1 == it[0].1).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Sum, summed};

    #[track_caller]
    fn check(written: &[(bool, u32)], n_there: usize, expected: [u32; 3]) {
        let [doubled, out_of_order, sent_again] = expected;
        assert_eq!(summed(written, n_there), Sum { doubled, out_of_order, sent_again });
    }

    #[test]
    fn a_second_record_is_doubled_and_an_older_version_is_out_of_order() {
        check(&[(true, 1), (false, 2), (false, 4)], 1, [0, 0, 0]);
        check(&[(true, 1), (false, 2), (false, 2)], 1, [0, 0, 1]);
        check(&[(true, 1), (true, 1)], 2, [1, 0, 0]);
        check(&[(true, 1), (false, 3), (false, 2), (false, 3)], 1, [0, 1, 0]);
        check(&[], 2, [1, 0, 0]);
        check(&[], 0, [0, 0, 0]);
    }
}
