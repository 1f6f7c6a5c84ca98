//! Exactly the plan of a dry run, done: the config is put, and what it plans is published as a sync.

use super::{AGE_MAX, DryRun, KIND, PlanError};
use crate::{
    bus::Unreachable,
    item::{ItemKey, Partition},
    replay::{
        Repaired, Replays,
        plan::{Part, PartKey, plan_hash},
        repair::Stands,
    },
    resolve::RULE_VERSION,
};
use schemas::{event::Mode, id::Subject};
use std::collections::BTreeMap;

impl Replays {
    /// A dry run of a person by its plan.
    ///
    /// # Errors
    /// [`PlanError::NotFound`]; [`PlanError::Unreachable`].
    pub async fn dry_run_of(&self, subject: &Subject, plan: &str) -> Result<DryRun, PlanError> {
        let found = self.people().get::<DryRun>(subject, KIND, plan).await?;
        let missing = || format!("no dry run has the plan {plan}; do one, and apply it within a day");
        found.map(|it| it.1).ok_or_else(|| PlanError::NotFound(missing()))
    }

    /// Puts the config of a dry run and publishes exactly its plan, if everything that it rests on stands as it did.
    /// Doing it twice is doing it once. `even_unlooked`: also where nobody has looked whether the records are there.
    ///
    /// # Errors
    /// [`PlanError::Moved`] if something has moved: then nothing was done.
    pub async fn apply_dry_run(
        &self,
        subject: &Subject,
        plan: &str,
        who: &str,
        even_unlooked: bool,
    ) -> Result<DryRun, PlanError> {
        let mut dry_run = self.dry_run_of(subject, plan).await?;
        if dry_run.applied.is_some() {
            return Ok(dry_run);
        }
        let keys = self.unmoved(subject, &dry_run).await?;
        if dry_run.unlooked > 0 && !even_unlooked {
            return Err(PlanError::Impossible(format!(
                "{} of the records would be made where nobody has looked whether the destination has them already; put \
                 the config and sync, which looks first, or say `unlooked` to make them nevertheless",
                dry_run.unlooked
            )));
        }
        self.audit.note_of(subject, who, "dry run apply", plan.to_owned()).await?;
        self.put_proposed(subject, &dry_run).await?;
        let mut done = Repaired { by: who.into(), at: self.now(), ..Repaired::default() };
        for key in keys {
            let Some(part) = self.part(&dry_run.name, subject, key).await? else { continue };
            self.apply(subject, key.1, part, (Mode::Live, &mut done)).await?;
        }
        dry_run.applied = Some(done);
        loop {
            let stands = self.people().get::<DryRun>(subject, KIND, plan).await?;
            let version = stands.as_ref().map_or(0, |it| it.0);
            if let Some(stands) = stands.map(|it| it.1).filter(|it| it.applied.is_some()) {
                return Ok(stands);
            }
            if self.people().put(subject, KIND, plan, version, &dry_run, &[]).await? {
                return Ok(dry_run);
            }
        }
    }

    /// The parts of the plan, if all that it rests on stands as it did.
    async fn unmoved(&self, subject: &Subject, dry_run: &DryRun) -> Result<Vec<PartKey>, PlanError> {
        let moved =
            |what: &str| PlanError::Moved(format!("{what} since the dry run; do it again, and apply the new plan"));
        if self.now().since(dry_run.made_at) > AGE_MAX {
            return Err(moved("more than a day has passed"));
        }
        if dry_run.rule_version != RULE_VERSION {
            return Err(moved("the rules have changed"));
        }
        let config = &dry_run.proposal.config;
        let stands = self.people().config(subject, config.id).await?;
        let is_put = stands.as_ref().is_some_and(|it| it.1 == *config);
        if stands.map_or(0, |it| it.0) != dry_run.version && !is_put {
            return Err(moved("the sync config was changed"));
        }
        if self.basis(subject, config).await?.digest != dry_run.basis {
            return Err(moved("the source was read, or the destination looked at,"));
        }
        let (mut keys, mut digests, mut n_moved) = (Vec::new(), BTreeMap::new(), 0);
        for (_, key) in self.parts(&dry_run.name).await? {
            let Some(part) = self.part(&dry_run.name, subject, key).await? else { continue };
            digests.insert(key.1, part.digest());
            keys.push(key);
            n_moved += self.n_moved(subject, &part).await?;
        }
        if plan_hash(&dry_run.name, &digests) != dry_run.plan {
            return Err(moved("a part of the plan is gone, or it came out otherwise"));
        }
        if n_moved > 0 {
            return Err(moved(&format!("{n_moved} of the records have changed at the destination")));
        }
        Ok(keys)
    }

    /// How many items of a plan are not as they were when it was made.
    pub(in crate::replay) async fn n_moved(&self, subject: &Subject, part: &Part) -> Result<u64, Unreachable> {
        let mut n_moved = 0;
        for decided in &part.decided {
            let destination = decided.body.destination.account.connection;
            for operation in &decided.operations {
                let month = operation.decision.month.clone();
                let partition = Partition { subject: subject.clone(), destination, month };
                let key = ItemKey { partition, item: operation.decision.item };
                let row = self.runner.store.items.get(&key).await?;
                let stands = self.stands(subject, decided, operation, row.as_ref()).await?;
                n_moved += u64::from(matches!(stands, Stands::Moved));
            }
        }
        Ok(n_moved)
    }

    async fn put_proposed(&self, subject: &Subject, dry_run: &DryRun) -> Result<(), PlanError> {
        let config = &dry_run.proposal.config;
        let stands = self.people().config(subject, config.id).await?;
        if stands.is_some_and(|it| it.1 == *config) {
            return Ok(());
        }
        if !self.people().put_config(subject, dry_run.version, config).await? {
            let what = "the sync config was changed since the dry run; do it again, and apply the new plan";
            return Err(PlanError::Moved(what.into()));
        }
        Ok(())
    }
}
