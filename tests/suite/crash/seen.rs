//! What there is after a case: records, effects, jobs; and that nothing is left open.

use super::home::Home;
use anyhow::{Context, Result, ensure};
use connectors::simulator::Kit;
use engine::item::ItemState;
use schemas::{
    data_type::DataType,
    id::ConnectionId,
    time::{Instant, Interval},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};
use tests::{ATHLETE, USER};
use topology::backends::Backends;

/// Everything that a person could see, without the ids that differ from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many records there are of each content, at each place.
    records: BTreeMap<String, usize>,
    /// How many effects of each kind each provider has noted.
    effects: BTreeMap<String, usize>,
    /// What became of so many records, by destination, type, fate and reason, over all jobs: one that was split off
    /// takes its share along.
    fates: BTreeMap<String, i64>,
    /// What each job read, and why it ended early if it did.
    jobs: BTreeMap<&'static str, String>,
}

/// How a case differs from the undisturbed run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Records or effects that are missing.
    pub(super) lost: Vec<String>,
    /// Records that are there, or were made or deleted, once more than they should.
    pub(super) doubled: Vec<String>,
    /// Updates that were sent again: they change nothing.
    pub(super) n_repeated: usize,
}

impl Seen {
    /// Looks at everything outside, and at the jobs as the API told them.
    pub(super) fn look(home: &Home, jobs: &[(Option<&'static str>, Value)]) -> Result<Self> {
        let mut seen = Self::default();
        let (strava, google) = (&home.outside.strava, &home.outside.google);
        for id in strava.activities(ATHLETE) {
            let it = strava.activity(id).context("an activity is listed and gone")?;
            seen.record("strava", &json!([it["start_date"], it["name"], it["sport_type"], it["elapsed_time"]]));
        }
        for it in google.points(USER, "exercise") {
            let value = &it["exercise"];
            seen.record(
                "google_health",
                &json!([value["interval"]["startTime"], value["displayName"], value["exerciseType"]]),
            );
        }
        seen.folder(&home.folder())?;
        seen.count_effects("strava", &strava.kit);
        seen.count_effects("google_health", google.kit());
        for point in google.points(USER, "weight") {
            let value = &point["weight"];
            seen.record("google_health", &json!([value["sampleTime"]["physicalTime"], value["weightGrams"]]));
        }
        for (key, status) in jobs {
            seen.job(*key, status)?;
        }
        Ok(seen)
    }

    fn job(&mut self, key: Option<&'static str>, status: &Value) -> Result<()> {
        let mut is_split = false;
        for destination in status["destinations"].as_array().into_iter().flatten() {
            is_split |= destination["end"] == "split_off";
            for it in destination["counts"].as_array().into_iter().flatten() {
                let name = json!([destination["account"]["provider"], it["data_type"], it["fate"], it["reason"]]);
                *self.fates.entry(name.to_string()).or_default() += it["count"].as_i64().context("a count")?;
            }
        }
        ensure!(status["state"] == if is_split { "partial" } else { "done" }, "a job did not end well: {status}");
        if let Some(key) = key {
            let said = ["reason", "pages", "read", "issues"].map(|it| status[it].clone());
            self.jobs.insert(key, json!(said).to_string());
        }
        Ok(())
    }

    fn record(&mut self, place: &str, content: &Value) {
        *self.records.entry(format!("{place} {content}")).or_default() += 1;
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.folder(&path)?;
                continue;
            }
            let kind = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
            let content = match kind.as_str() {
                "json" => {
                    let stored: Value = serde_json::from_slice(&fs::read(&path)?)?;
                    let (record, version) = (&stored["record"], &stored["version"]);
                    match record {
                        // The mark of a deleted one.
                        Value::Null => json!([version, "deleted"]),
                        record => json!([version, record["time"]["start"], said_of(&record["body"])?]),
                    }
                }
                _ => json!(kind),
            };
            self.record("folder", &content);
        }
        Ok(())
    }

    fn count_effects(&mut self, place: &str, kit: &Kit) {
        for effect in kit.effects() {
            let verb = effect.split(' ').next().unwrap_or_default();
            *self.effects.entry(format!("{place} {verb}")).or_default() += 1;
        }
    }

    /// How this differs from the undisturbed run.
    ///
    /// # Errors
    /// When a job ended in another way.
    pub(super) fn against(&self, undisturbed: &Self) -> Result<Difference> {
        let mut difference = Difference::default();
        let both = [(&self.records, &undisturbed.records), (&self.effects, &undisturbed.effects)];
        for (here, there) in both {
            for name in here.keys().chain(there.keys().filter(|it| !here.contains_key(*it))) {
                let (is, should) = (here.get(name).copied().unwrap_or(0), there.get(name).copied().unwrap_or(0));
                difference.lost.extend((is..should).map(|_| name.clone()));
                if name.ends_with(" update") {
                    difference.n_repeated += is.saturating_sub(should);
                } else {
                    difference.doubled.extend((should..is).map(|_| name.clone()));
                }
            }
        }
        ensure!(self.jobs == undisturbed.jobs, "the jobs read {:?}, undisturbed {:?}", self.jobs, undisturbed.jobs);
        ensure!(self.fates == undisturbed.fates, "the jobs say {:?}, undisturbed {:?}", self.fates, undisturbed.fates);
        Ok(difference)
    }

    /// What makes a run worth comparing with: pages, creations, changes and deletions all happened.
    pub(super) fn is_rich(&self) -> Result<()> {
        for (name, least) in [
            ("google_health create", 9),
            ("google_health update", 1),
            ("google_health delete", 1),
            ("strava create", 2),
            ("strava update", 1),
        ] {
            let n_effects = self.effects.get(name).copied().unwrap_or(0);
            ensure!(n_effects == least, "{n_effects} of {name}: {self:#?}");
        }
        Ok(())
    }
}

/// What tells a stored record from another of its time: a workout's title, a quantity's value.
fn said_of(body: &Value) -> Result<&Value> {
    let said = [&body["workout"]["title"], &body["quantity"]["value"]].into_iter().find(|it| !it.is_null());
    said.with_context(|| format!("neither a workout with a title nor a quantity: {body}"))
}

#[test]
fn a_record_with_another_title_is_another() -> Result<()> {
    let with_title = |title: &str| json!({"workout": {"title": title, "sport": "run"}});
    assert_eq!(said_of(&with_title("Morning run"))?, "Morning run");
    assert_ne!(said_of(&with_title("Morning run"))?, said_of(&with_title("Evening run"))?);
    assert_eq!(said_of(&json!({"quantity": {"value": 71.5}}))?, 71.5);
    assert!(said_of(&json!({"title": "not there"})).is_err(), "a path that leads nowhere is seen");
    Ok(())
}

/// Nothing is left open in the store of a process that has ended.
pub(super) async fn at_rest(home: &Home) -> Result<()> {
    let config = home.config()?;
    let backends = tests::opened(async || Backends::open(&config).await).await?;
    let (store, subject) = (&backends.store, backends.vault.subject_of("me"));
    let unsettled = store.log.unsettled(None, 10).await?;
    ensure!(unsettled.is_empty(), "syncs are open: {unsettled:?}");
    let next = store.timers.next().await?;
    ensure!(next.is_none(), "a timer is left, at {next:?}");
    let at = |text: &str| Instant::parse(text).context("a time");
    let always = Interval { from: at("2013-01-01T00:00:00Z")?, to: at("2026-12-01T00:00:00Z")? };
    let mut n_rows = 0;
    for connection in home.connections.values() {
        let connection: ConnectionId = serde_json::from_value(json!(connection))?;
        let mut rows = Vec::new();
        for data_type in [DataType::Workout, DataType::Weight] {
            rows.extend(store.items.window(&subject, connection, data_type, always).await?.0);
        }
        for row in rows.iter().filter(|it| it.planned_version > 0) {
            n_rows += 1;
            ensure!(row.claim.is_none() && !row.unsure, "a claim is open: {row:?}");
            ensure!(
                row.state == ItemState::Applied && row.version == row.planned_version && row.handle.is_empty(),
                "an item is not at its destination: {row:?}"
            );
        }
    }
    ensure!(n_rows > 15, "only {n_rows} items were found to look at");
    Ok(())
}
