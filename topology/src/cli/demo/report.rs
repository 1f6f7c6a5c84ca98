//! What a run of the demo came to: totals and a table, per connection and data type.

use crate::cli::{
    connect::{items, text},
    jobs::by_type,
    print,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The totals of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Totals {
    pub(super) read: i64,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) deleted: i64,
    pub(super) skipped: i64,
    pub(super) refused: i64,
    pub(super) unknown: i64,
}

/// A line of the table: what became of one type on its way from one connection to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    person: String,
    from: String,
    to: String,
    data_type: String,
    read: i64,
    created: i64,
    updated: i64,
    deleted: i64,
    unknown: i64,
    skipped: BTreeMap<String, i64>,
    refused: BTreeMap<String, i64>,
}

/// One run of the demo.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    #[serde(flatten)]
    pub(super) totals: Totals,
    seconds: f64,
    table: Vec<Row>,
}

impl Run {
    /// Adds a sync that is over.
    pub(super) fn add(&mut self, person: &str, status: &Value) {
        let read = by_type(&status["read"]);
        let from = status["source"]["provider"].as_str().unwrap_or("");
        for destination in items(&status["destinations"]) {
            let mut fates = by_type(&destination["counts"]);
            for data_type in read.keys() {
                fates.entry(data_type.clone()).or_default();
            }
            for (data_type, fates) in fates {
                let n_read = read.get(&data_type).map_or(0, |it| it.iter().map(|it| it.2).sum());
                let to = destination["account"]["provider"].as_str().unwrap_or("");
                self.add_row(
                    Row {
                        person: person.into(),
                        from: from.into(),
                        to: to.into(),
                        data_type,
                        read: n_read,
                        ..Row::default()
                    },
                    fates,
                );
            }
        }
    }

    fn add_row(&mut self, mut row: Row, fates: Vec<(String, Option<String>, i64)>) {
        for (fate, reason, count) in fates {
            let reason = reason.unwrap_or_default();
            match fate.as_str() {
                "created" => row.created += count,
                "updated" => row.updated += count,
                "deleted" => row.deleted += count,
                "unknown" => row.unknown += count,
                "skipped" | "handed_over" => *row.skipped.entry(reason).or_default() += count,
                "refused" | "ended" => *row.refused.entry(reason).or_default() += count,
                _ => {}
            }
        }
        let totals = &mut self.totals;
        totals.read += row.read;
        totals.created += row.created;
        totals.updated += row.updated;
        totals.deleted += row.deleted;
        totals.unknown += row.unknown;
        totals.skipped += row.skipped.values().sum::<i64>();
        totals.refused += row.refused.values().sum::<i64>();
        self.table.push(row);
    }

    pub(super) fn took(&mut self, seconds: f64) {
        self.seconds = seconds;
    }

    /// The table, for a person.
    pub(super) fn table(&self) -> String {
        let why = |reasons: &BTreeMap<String, i64>| {
            let said: Vec<_> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            if said.is_empty() { "0".into() } else { said.join(", ") }
        };
        let row = |it: &Row| {
            let counts = [it.read, it.created, it.updated].map(|it| it.to_string());
            let [read, created, updated] = counts;
            vec![
                it.person.clone(),
                it.from.clone(),
                it.to.clone(),
                it.data_type.clone(),
                read,
                created,
                updated,
                why(&it.skipped),
                why(&it.refused),
            ]
        };
        let head =
            ["person", "from", "to", "type", "read", "created", "updated", "skipped, and why", "refused, and why"];
        print::table(&head, &self.table.iter().map(row).collect::<Vec<_>>())
    }

    /// In a sentence.
    pub(super) fn sentence(&self) -> String {
        let it = &self.totals;
        format!(
            "{} records read, {} created, {} updated, {} deleted, {} skipped, {} refused, {} unknown, in {:.1} s",
            it.read, it.created, it.updated, it.deleted, it.skipped, it.refused, it.unknown, self.seconds
        )
    }
}

/// The record of a sync that is most worth explaining: one that was written.
pub(super) fn worth_explaining(records: &Value) -> Option<String> {
    let written = |it: &&Value| matches!(text(it, "action"), "create" | "update");
    items(records).iter().find(written).map(|it| text(it, "record").to_owned())
}
