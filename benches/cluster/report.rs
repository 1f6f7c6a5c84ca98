//! The figures as a table.

use super::{race::Run, times::Times, whole::Whole};
use serde::Serialize;
use topology::cli::print;

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// Every run, in order.
    pub(crate) runs: Vec<Run>,
    /// Records of which two contestants made the same.
    pub(crate) n_compared: usize,
    /// Whole syncs on `memory://` and `sqlite://`.
    pub(crate) whole_embedded: Option<Whole>,
    /// Whole syncs on `kafka://` and `scylla://`.
    pub(crate) whole_cluster: Option<Whole>,
    /// Start, rebalance and drain.
    pub(crate) times: Option<Times>,
}

/// The value in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Figures {
    fn median(&self, name: &str, of: impl Fn(&Run) -> f64) -> Option<f64> {
        median(self.runs.iter().filter(|it| it.name == name).map(of))
    }

    /// Prints them.
    pub(crate) fn tell(&self) {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.name) {
                names.push(run.name);
            }
        }
        names.sort_unstable();
        let relay = self.median("bare relay", |it| it.cpu_seconds_per_million);
        let row = |name: &&str| {
            let cpu = self.median(name, |it| it.cpu_seconds_per_million)?;
            let per_second = self.median(name, |it| it.per_second)?;
            let ratio = relay.map_or_else(String::new, |it| format!("{:.2}", cpu / it));
            let doubled: i64 = self.runs.iter().filter(|it| it.name == *name).map(|it| it.n_doubled).sum();
            Some(vec![(*name).to_owned(), format!("{per_second:.0}"), format!("{cpu:.1}"), ratio, doubled.to_string()])
        };
        let rows: Vec<_> = names.iter().filter_map(row).collect();
        if !rows.is_empty() {
            let head = ["contestant", "records/s", "CPU s a million", "x relay", "doubled"];
            print::data(&print::table(&head, &rows));
        }
        if self.n_compared > 0 {
            print::data(&format!("Kafka Streams and SyncWell made the same of {} sampled pages", self.n_compared));
        }
        for (name, whole) in [("memory and sqlite", self.whole_embedded), ("kafka and cassandra", self.whole_cluster)] {
            if let Some(Whole { per_second, cpu_ms }) = whole {
                print::data(&format!("whole sync, {name}: {per_second:.0} a second, {cpu_ms:.2} ms CPU each"));
            }
        }
        let Some(times) = &self.times else { return };
        for (roles, seconds) in &times.ready {
            print::data(&format!("start until ready, {roles}: {:.0} ms", seconds * 1e3));
        }
        for (what, seconds) in [
            ("a second worker, from its start to its first event", times.join),
            ("drain of a worker at work, from SIGTERM to its end", times.drain),
            ("longest silence of a partition: as usual", times.silence_usual),
            ("longest silence of a partition: a worker joins", times.silence_join),
            ("longest silence of a partition: a worker leaves", times.silence_leave),
        ] {
            print::data(&format!("{what}: {:.0} ms", seconds * 1e3));
        }
    }
}
