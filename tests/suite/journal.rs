//! What the journals of the simulators say.

use connectors::simulator::{Entry, Kit};

/// Calls that would change something at a provider: tokens apart, whether they were granted or not.
pub(crate) fn writes(kit: &Kit) -> Vec<String> {
    let is_write = |it: &Entry| {
        let is_read = it.method == "GET" || it.path.contains("ollUp");
        !is_read && !it.path.contains("/oauth") && it.path != "/token" && it.path != "/revoke"
    };
    kit.journal().iter().filter(|it| is_write(it)).map(|it| format!("{} {}", it.method, it.path)).collect()
}

/// Calls with this method whose path contains this.
pub(crate) fn calls(kit: &Kit, method: &str, path: &str) -> Vec<Entry> {
    kit.journal().into_iter().filter(|it| it.method == method && it.path.contains(path)).collect()
}

/// The verbs of effects: `create`, `update`, `delete`.
pub(crate) fn verbs(effects: &[String]) -> Vec<&str> {
    effects.iter().map(|it| it.split(' ').next().unwrap_or("")).collect()
}

/// How many effects are of this verb; each must be of another record.
#[track_caller]
pub(crate) fn each_once(effects: &[String], verb: &str) -> usize {
    let of: Vec<&String> = effects.iter().filter(|it| it.starts_with(verb)).collect();
    let distinct: std::collections::BTreeSet<_> = of.iter().collect();
    assert_eq!(of.len(), distinct.len(), "an effect was had twice: {of:?}");
    of.len()
}
