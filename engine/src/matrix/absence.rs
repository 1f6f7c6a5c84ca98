//! Why a thing is not at a connection.

use crate::explain::next_step;
use schemas::event::Reason;

/// Why a thing is not at a connection: what was decided about it, or that nothing was. A closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// The latest decision, or what became of it, says this.
    Said(Reason),
    /// No sync config carries its type there from any connection that has it.
    NoConfig,
    /// Sync configs would carry it there, but they are disabled.
    ConfigDisabled,
    /// A sync config carries it there, but no sync has done so yet.
    NotSynced,
    /// It was there, and was deleted.
    Gone,
}

impl Absence {
    /// Those that are no decision's reason.
    pub const OWN: [Self; 4] = [Self::NoConfig, Self::ConfigDisabled, Self::NotSynced, Self::Gone];

    /// Its stable code.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Self::Said(reason) => reason.code(),
            Self::NoConfig => "no_config".into(),
            Self::ConfigDisabled => "config_disabled".into(),
            Self::NotSynced => "not_synced".into(),
            Self::Gone => "gone".into(),
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::Said(reason) => next_step(reason),
            Self::NoConfig => "sync from a connection that has it: `syncwell sync`, or PUT /v1/sync-configs",
            Self::ConfigDisabled => "enable the sync config, then sync",
            Self::NotSynced => "sync: `syncwell sync`, or POST /v1/sync-jobs",
            Self::Gone => "nothing: it was deleted there, and is made anew only if its source changes it",
        }
    }
}
