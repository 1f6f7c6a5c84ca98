//! The table of reasons in `docs/explain.md`.

use super::Absence;
use schemas::event::Reason;

/// Every reason for which a thing is not at a connection, or was not copied there, with what to do about it.
#[must_use]
pub fn reasons_markdown() -> String {
    let all = Reason::ALL.map(Absence::Said).into_iter().chain(Absence::OWN);
    let rows: String = all.map(|it| format!("| `{}` | {} |\n", it.code(), it.next_step())).collect();
    format!("| reason | what to do |\n|---|---|\n{rows}")
}
