//! Dry runs: what a person's config would do to its destination, decided over what the log holds of its source, and
//! then exactly that.
//!
//! Read in this order: this file (a dry run), `pages.rs` (each record of the source as it was last read), `quota.rs`
//! (what it costs), `apply.rs`. Nobody is called, and nothing changes but for the plan, which is sealed under the
//! person's key.

mod apply;
mod pages;
mod quota;

use self::{pages::Basis, quota::takes};
use super::{
    Repaired, Replays, Totals,
    overlay::OverRows,
    plan::{Part, plan_hash},
    shadow::verb_of,
    world::World,
};
use crate::{
    accounts::Accounts,
    bus::Unreachable,
    people::{Config, Connection},
    provider::Profile,
    resolve::RULE_VERSION,
    stages::Tally,
};
use schemas::{
    data_type::DataType,
    event::{Account, Action, Count, Destination, Envelope, Fate, Head, Kind, Mode, Resolved},
    id::{ConnectionId, EventId, Subject, SyncId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const KIND: &str = "dry_run";
/// The oldest plan of a dry run that is still applied; older ones are forgotten with the next dry run.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// What the log notes of a sync is nothing to another one: who cancelled it did not cancel this.
const HIDDEN: &[&str] = &["cancelled"];

/// What would be wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The config as it would stand.
    pub config: Config,
    /// Only records that began from then on: a backfill, whose reads are counted too.
    pub from: Option<Instant>,
    /// Only records that began before then.
    pub to: Option<Instant>,
}

/// Calls at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// The provider.
    pub provider: String,
    /// What they are about.
    pub data_type: DataType,
    /// What they do: `create`, `update`, `delete`, or `read`, of which there are at least these many.
    pub verb: String,
    /// How many.
    pub count: u64,
}

/// What a config would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    /// The plan: SHA-256, hex. The same proposal over the same log and rows has the same one.
    pub plan: String,
    /// What would be wanted.
    pub proposal: Proposal,
    /// When it was made.
    pub made_at: Instant,
    /// How many records of the source are known, of these types and this stretch; gone ones are not among them.
    pub records: u64,
    /// Pages of the source that can no longer be read: their content is not kept that long.
    pub unread: u64,
    /// When the source was last read; `None` if it never was. What it has got since is not in here.
    pub read_at: Option<Instant>,
    /// What would become of the records, by type, fate and reason, as the status of a sync says it.
    pub counts: Vec<Count>,
    /// The calls that this takes.
    pub calls: Vec<Calls>,
    /// How long the providers' limits make these calls take at least, in seconds, if nothing else is under way.
    pub takes_seconds: u64,
    /// How many records would be made in stretches of the destination that nobody has looked at: it may have them.
    pub unlooked: u64,
    /// What was done of it.
    pub applied: Option<Repaired>,
    /// What it is kept as.
    name: String,
    /// The version of the config that stood; 0 for none.
    version: i64,
    /// What of the log it rests on, as a hash.
    basis: String,
    /// The version of the rules that decided.
    rule_version: i32,
}

/// Why a plan is not made, or not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing of this name is the person's.
    #[error("{0}")]
    NotFound(String),
    /// What is asked for cannot be: says what would.
    #[error("{0}")]
    Impossible(String),
    /// What the plan rests on has moved since: nothing was done.
    #[error("{0}")]
    Moved(String),
    /// One of our own servers is out of reach.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// One config at work in a world of its own.
struct Trial<'a> {
    subject: &'a Subject,
    proposal: &'a Proposal,
    destination: Destination,
    basis: &'a Basis,
}

/// What came out.
#[derive(Default)]
struct Outcome {
    /// The parts of the plan, each a sync that would carry it.
    digests: BTreeMap<SyncId, [u8; 32]>,
    tally: Tally,
    writes: BTreeMap<(DataType, &'static str), u64>,
    unlooked: u64,
    records: u64,
    unread: u64,
    /// Pages that hold the records, by type.
    pages: BTreeMap<DataType, BTreeSet<usize>>,
}

impl Replays {
    /// Finds out what a config would do, and keeps the plan for a day.
    ///
    /// # Errors
    /// [`PlanError::Impossible`] with what would work; [`PlanError::Unreachable`].
    pub async fn dry_run(&self, subject: &Subject, proposal: Proposal) -> Result<DryRun, PlanError> {
        self.forget_old(subject).await?;
        let config = &proposal.config;
        let (from, to) =
            (self.connected(subject, config.source).await?, self.connected(subject, config.destination).await?);
        let version = self.people().config(subject, config.id).await?.map_or(0, |it| it.0);
        let basis = self.basis(subject, config).await?;
        let name = name_of(subject, &proposal, version, &basis)?;
        let trial = Trial {
            subject,
            proposal: &proposal,
            destination: Destination {
                account: Account { connection: config.destination, provider: to.provider.clone() },
                config: Some(config.id),
                config_version: version + 1,
                rule: config.rule,
                deletes: config.deletes,
            },
            basis: &basis,
        };
        let Some(mut running) = self.claim(&name).await? else {
            return Err(PlanError::Impossible("the same dry run is under way; wait for it".into()));
        };
        let tried = running.during(Box::pin(self.try_out(&name, &trial, version))).await;
        running.end().await;
        let lost = || Unreachable("another process has taken this dry run over".into());
        let out = tried.ok_or_else(lost)??;
        let mut calls = writes(&to.provider, &out.writes);
        if proposal.from.is_some() {
            calls.extend(self.reads((&from, &to), config, &out.pages));
        }
        let dry_run = DryRun {
            plan: plan_hash(&name, &out.digests),
            made_at: self.now(),
            records: out.records,
            unread: out.unread,
            read_at: basis.read_at,
            counts: out.tally.counts(),
            takes_seconds: self.takes(&calls),
            calls,
            unlooked: out.unlooked,
            applied: None,
            name,
            version,
            basis: basis.digest.clone(),
            rule_version: RULE_VERSION,
            proposal: proposal.clone(),
        };
        // What was done of the same plan stays known.
        let stands = self.people().get::<DryRun>(subject, KIND, &dry_run.plan).await?;
        if let Some((_, stands)) = stands.as_ref().filter(|it| it.1.applied.is_some()) {
            return Ok(stands.clone());
        }
        // Whoever is faster keeps the same.
        let version = stands.map_or(0, |it| it.0);
        self.people().put(subject, KIND, &dry_run.plan, version, &dry_run, &[]).await?;
        Ok(dry_run)
    }

    async fn connected(&self, subject: &Subject, id: ConnectionId) -> Result<Connection, PlanError> {
        let found = self.people().connection(subject, id).await?;
        found.map(|it| it.1).ok_or_else(|| PlanError::NotFound(format!("no connection {id}")))
    }

    /// Accounts among which this config stands.
    async fn supposing(&self, subject: &Subject, version: i64, config: &Config) -> Result<Accounts, PlanError> {
        let accounts = self.looking(Arc::new(OverRows::over(self.people().rows.clone(), HIDDEN)));
        if !accounts.people.put_config(subject, version, config).await? {
            return Err(PlanError::Moved("the config was changed meanwhile; do the dry run again".into()));
        }
        Ok(accounts)
    }

    /// Decides about every record of the source as it was last read, where the config stands.
    async fn try_out(&self, name: &str, trial: &Trial<'_>, version: i64) -> Result<Outcome, PlanError> {
        self.forget_parts(name).await?;
        let world = self.world(name);
        let accounts = self.supposing(trial.subject, version, &trial.proposal.config).await?;
        self.within(&world, (accounts, None), self.decide_all(&world, trial)).await
    }

    async fn decide_all(&self, world: &World, trial: &Trial<'_>) -> Result<Outcome, PlanError> {
        let subject = trial.subject;
        let latest = self.last_shown(trial).await?;
        let mut out =
            Outcome { records: latest.n_records(), unread: latest.unread, pages: latest.pages(), ..Outcome::default() };
        let (mut totals, mut keys) = (Totals::default(), Vec::new());
        for (number, (sync, pages)) in (0..).zip(trial.basis.by_sync()) {
            let events = self.asked_again(world, trial, &latest, &pages).await?;
            if events.is_empty() {
                continue;
            }
            world.run(subject, sync, events).await?;
            let carrier = SyncId::under(SyncId(trial.proposal.config.id.0), &format!("{}/{sync}", world.name));
            let part = self.part_of(world, (subject, sync, carrier), &mut out.tally).await?;
            if !part.is_empty() {
                self.put_part(&world.name, subject, (number, carrier), &part).await?;
                keys.push((number, carrier));
            }
            world.overlay.forget_events();
        }
        for key in keys {
            let Some(mut part) = self.part(&world.name, subject, key).await? else { continue };
            self.leave_last(world, subject, &mut part, &mut totals).await?;
            self.count(trial, &part, &mut out);
            if part.is_empty() {
                self.forget_part(&world.name, subject, key).await?;
                continue;
            }
            self.put_part(&world.name, subject, key, &part).await?;
            out.digests.insert(key.1, part.digest());
        }
        Ok(out)
    }

    /// What was decided of the pages of a sync, as the events of the sync that would carry it.
    async fn part_of(
        &self,
        world: &World,
        (subject, sync, carrier): (&Subject, SyncId, SyncId),
        tally: &mut Tally,
    ) -> Result<Part, Unreachable> {
        let (mut part, mut totals, nothing) = (Part::default(), Totals::default(), BTreeSet::new());
        for event in world.overlay.store.log.events(subject, sync).await? {
            if event.topic.kind != Kind::Resolved {
                continue;
            }
            let mut resolved: Envelope<Resolved> = event.event()?;
            for it in &resolved.body.counts {
                tally.add_many(it.data_type, it.fate, it.reason, it.count);
            }
            let id = EventId::derived(resolved.head.cause, &world.name, 0);
            resolved.head = Head { id, sync: carrier, mode: Mode::Live, ..resolved.head };
            self.decided(world, resolved, &nothing, (&mut part, &mut totals)).await?;
        }
        Ok(part)
    }

    /// Counts the operations of a part.
    fn count(&self, trial: &Trial<'_>, part: &Part, out: &mut Outcome) {
        let provider = &trial.destination.account.provider;
        let looks = |of: DataType| self.profile(provider).and_then(|it| it.of(of)).is_some_and(|it| it.look && it.read);
        for operation in part.decided.iter().flat_map(|it| &it.operations) {
            let decision = &operation.decision;
            let fate = match decision.action {
                Action::Create => Fate::Created,
                Action::Update => Fate::Updated,
                Action::Delete => Fate::Deleted,
                Action::Skip => Fate::Skipped,
            };
            out.tally.add(decision.data_type, fate, None);
            let calls = out.writes.entry((decision.data_type, verb_of(decision.action))).or_default();
            *calls += self.cost(provider, decision);
            let was_looked_at = trial.basis.was_looked_at(decision.data_type, decision.time.start);
            let is_unlooked = decision.action == Action::Create && looks(decision.data_type) && !was_looked_at;
            out.unlooked += u64::from(is_unlooked);
        }
    }

    fn profile(&self, provider: &str) -> Option<&Profile> {
        self.accounts.catalog.get(provider).map(|it| it.profile())
    }

    /// The reads that a backfill takes at least: as many pages as it took before, and a look where others write too.
    fn reads(
        &self,
        (from, to): (&Connection, &Connection),
        config: &Config,
        pages: &BTreeMap<DataType, BTreeSet<usize>>,
    ) -> Vec<Calls> {
        let read = |provider: &str, data_type, count| Calls {
            provider: provider.to_owned(),
            data_type,
            verb: "read".into(),
            count,
        };
        let mut all = Vec::new();
        for data_type in &config.data_types {
            let n_pages = pages.get(data_type).map_or(1, |it| it.len().max(1) as u64);
            all.push(read(&from.provider, *data_type, n_pages));
            if self.profile(&to.provider).and_then(|it| it.of(*data_type)).is_some_and(|it| it.look && it.read) {
                all.push(read(&to.provider, *data_type, 1));
            }
        }
        all
    }

    /// How long these calls take at least: providers are called side by side.
    fn takes(&self, calls: &[Calls]) -> u64 {
        let providers: BTreeSet<&str> = calls.iter().map(|it| it.provider.as_str()).collect();
        let of = |provider: &str| {
            let sum = |is_read: bool| {
                let of = calls.iter().filter(|it| it.provider == provider && (it.verb == "read") == is_read);
                of.map(|it| it.count).sum()
            };
            self.profile(provider).map_or(0, |it| takes(&it.limits, sum(true), sum(false)).as_secs())
        };
        providers.into_iter().map(of).max().unwrap_or(0)
    }

    /// Forgets the plans of a person that nobody applies any more.
    async fn forget_old(&self, subject: &Subject) -> Result<(), Unreachable> {
        for old in self.people().list::<DryRun>(subject, KIND).await? {
            if self.now().since(old.made_at) > AGE_MAX {
                self.forget_parts(&old.name).await?;
                if let Some((version, _)) = self.people().get::<DryRun>(subject, KIND, &old.plan).await? {
                    self.people().delete(subject, KIND, &old.plan, version).await?;
                }
            }
        }
        Ok(())
    }
}

/// The writes of a plan.
fn writes(provider: &str, of: &BTreeMap<(DataType, &'static str), u64>) -> Vec<Calls> {
    let calls = |((data_type, verb), count): (&(DataType, &'static str), &u64)| Calls {
        provider: provider.to_owned(),
        data_type: *data_type,
        verb: (*verb).to_owned(),
        count: *count,
    };
    of.iter().map(calls).collect()
}

/// The name of a dry run: what it is of, and what it rests on.
fn name_of(subject: &Subject, proposal: &Proposal, version: i64, basis: &Basis) -> Result<String, PlanError> {
    let json =
        serde_json::to_string(proposal).map_err(|err| Unreachable(format!("a proposal cannot be written: {err}")))?;
    let mut digest = Sha256::new();
    for part in [&subject.0, &json, &version.to_string(), &basis.digest, &RULE_VERSION.to_string()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Ok(format!("dry_run-{}", &hex::encode(digest.finalize())[..32]))
}
