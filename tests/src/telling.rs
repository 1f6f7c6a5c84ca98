//! A status in a few words, to be compared with what is expected.

use engine::status::Status;
use schemas::event::{Count, Fate, Reason};
use std::collections::BTreeMap;

/// How a sync ended: its state, why, and what became of the records at each destination, such as
/// `done; google_health: 2 created, 1 skipped unchanged`.
#[must_use]
pub fn told(status: &Status) -> String {
    let mut told = word(&status.state);
    if let Some(reason) = status.reason {
        told = format!("{told} {}", reason.code());
    }
    let mut destinations: Vec<_> = status.destinations.iter().collect();
    // In their own order, which is by ids, no two worlds are alike.
    destinations.sort_by(|a, b| a.account.provider.cmp(&b.account.provider));
    for destination in destinations {
        let mut all = fates(&destination.counts);
        all.extend(destination.end.map(|it| it.code()));
        if !all.is_empty() {
            told = format!("{told}; {}: {}", destination.account.provider, all.join(", "));
        }
    }
    told
}

/// What became of the records: how many met each fate, and why. What was only seen is left out.
#[must_use]
pub fn fates(counts: &[Count]) -> Vec<String> {
    let mut sums: BTreeMap<(Fate, Option<Reason>), i64> = BTreeMap::new();
    for it in counts.iter().filter(|it| it.fate != Fate::Seen) {
        *sums.entry((it.fate, it.reason)).or_default() += it.count;
    }
    let tell = |((fate, reason), count): ((Fate, Option<Reason>), i64)| {
        let reason = reason.map_or_else(String::new, |it| format!(" {}", it.code()));
        format!("{count} {}{reason}", word(&fate))
    };
    sums.into_iter().map(tell).collect()
}

fn word(of: &impl serde::Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}
