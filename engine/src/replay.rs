//! Replays: the past is run again, to look (a shadow), to compare (a diff) and to repair.
//!
//! Read in this order: [`Selection`] and `select.rs` (what of the log), `shadow.rs` (the same stages in a world of their
//! own, over `overlay.rs`), `diff.rs` and `plan.rs` (what would come out differently, and what would follow), `repair.rs`
//! (exactly that plan, done); then `dry_run.rs` (what a person's config would do) and `rewind.rs`
//! (a destination brought back to a moment). A replay never calls a provider to read, never moves a checkpoint, and what it writes is
//! a new version of an item, once.

mod diff;
mod dry_run;
mod foresee;
mod lease;
mod overlay;
mod plan;
mod remap;
mod repair;
mod rewind;
mod select;
mod shadow;
mod world;

pub use self::{
    diff::{FieldChange, RecordChange, RecordChangeKind},
    dry_run::{Calls, DryRun, PlanError, Proposal},
    foresee::Foresee,
    plan::{Left, Planned, Totals},
    remap::{Originals, Remap},
    rewind::Rewound,
    select::{From, Place, Refused, Selection},
};
pub(crate) use self::{repair::replayed, select::topic_of};

use crate::{
    accounts::Accounts, audit::Audit, bus::Unreachable, contents::Contents, people::People, runner::Runner,
    store::Store, topology::Topology,
};
use schemas::{
    id::{Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc};
use tracing::warn;

/// What the stages of a shadow are given instead of what lives.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// Profiles and mappers; its rows can only be read, and nothing of it calls.
    pub accounts: Accounts,
    /// What opens contents and seals new ones, which stay here.
    pub contents: Contents,
    /// Log, items and timers of its own.
    pub store: Store,
    /// What was made of the same pages before.
    pub originals: Originals,
    /// Which version of the mappers; `None`: the present one of each provider.
    pub mapper_version: Option<i32>,
}

/// Wires the stages of a shadow: kept with the wiring of everything else, in the topology.
#[derive(Clone)]
pub struct ShadowFlow(pub Arc<dyn Fn(&Shadow) -> Topology + Send + Sync>);

impl fmt::Debug for ShadowFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShadowFlow")
    }
}

/// Runs replays.
#[derive(Clone, Debug)]
pub struct Replays {
    /// What lives: its log is read, and a repair is published there.
    pub runner: Runner,
    /// Who is connected, and the mappers.
    pub accounts: Accounts,
    /// What opens and seals.
    pub contents: Contents,
    /// Who did what.
    pub audit: Audit,
    /// The stages of a shadow.
    pub flow: ShadowFlow,
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    /// The shadow runs.
    Looking,
    /// The shadow is over: there is a diff and a plan.
    Planned,
    /// The plan is being published.
    Repairing,
    /// The plan was published; its syncs settle as all do.
    Repaired,
    /// It ended with an error: the same command may be given again.
    Failed,
}

/// A replay, as it is remembered. It holds counts and names, never a person's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Its name: ids are derived from it.
    pub name: String,
    /// What is replayed.
    pub selection: Selection,
    /// Who asked.
    pub by: String,
    /// When.
    pub began_at: Instant,
    /// How far it has come.
    pub state: ReplayState,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What came out.
    pub totals: Totals,
    /// The mappers that the shadow used, by provider.
    pub mappers: BTreeMap<String, i32>,
    /// The version of the rules that it used.
    pub rule_version: i32,
    /// The plan: SHA-256, hex; once the shadow is over.
    pub plan: Option<String>,
    /// The repair, if there was one.
    pub repair: Option<Repaired>,
}

/// What a repair has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: Instant,
    /// How many operations were published.
    pub operations: u64,
    /// The syncs that carry them, at most 1000.
    pub syncs: Vec<(Subject, SyncId)>,
    /// What had moved since the shadow and was left alone: for the next shadow. At most 1000.
    pub left: Vec<Left>,
}

/// Why a replay cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// What was asked for cannot be: says what would.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// One of our own servers is out of reach.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

const KIND: &str = "replay";

fn nobody() -> Subject {
    Subject(String::new())
}

impl Replays {
    /// Publishes again what a lost bus held, in the background; the audit tells its beginning and its end.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn begin_republishing(&self, who: &str) -> Result<(), Unreachable> {
        self.audit.note(who, "republish_open", "begun".into()).await?;
        let (replays, who) = (self.clone(), who.to_owned());
        tokio::spawn(async move {
            let told = match replays.runner.republish_open().await {
                Ok(n_events) => format!("{n_events} events published again"),
                Err(err) => format!("stopped: {err}; give the command again"),
            };
            if let Err(err) = replays.audit.note(&who, "republish_open", told).await {
                warn!(%err, "the end of a republication could not be noted");
            }
        });
        Ok(())
    }

    fn people(&self) -> &People {
        &self.accounts.people
    }

    fn now(&self) -> Instant {
        self.runner.clock.now()
    }

    /// A replay by its name, with its row's version.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn get(&self, name: &str) -> Result<Option<(i64, Replay)>, Unreachable> {
        self.people().get(&nobody(), KIND, name).await
    }

    /// All replays, by name.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn list(&self) -> Result<Vec<Replay>, Unreachable> {
        self.people().list(&nobody(), KIND).await
    }

    /// Notes how a replay stands, whatever was noted before.
    async fn put(&self, replay: &Replay) -> Result<(), Unreachable> {
        loop {
            let version = self.get(&replay.name).await?.map_or(0, |it| it.0);
            if self.people().put(&nobody(), KIND, &replay.name, version, replay, &[]).await? {
                return Ok(());
            }
        }
    }
}

/// The sync that stands for this one in a replay.
#[must_use]
pub fn sync_of(original: SyncId, name: &str) -> SyncId {
    SyncId::under(original, &format!("replay/{name}"))
}
