//! The shadow: the stages run again in a world of their own, and what comes out is compared with what stands.

use super::{
    Left, Planned, RecordChangeKind, Refused, Replay, ReplayError, ReplayState, Replays, Selection, Totals, diff,
    lease::Running,
    plan::{Decided, Operation, Part, PartKey, plan_hash},
    sync_of,
    world::World,
};
use crate::{
    bus::Unreachable,
    item::{ItemKey, Partition},
    provider::{Action as Send, Delivery},
    resolve::RULE_VERSION,
    stage::logged,
    store::{Items, Logged, StepKey},
};
use schemas::{
    event::{Action, Decisions, Envelope, Fetched, Kind, Lane, Normalized, Outcome, Resolved, Rule},
    id::{EventId, Subject, SyncId},
    record::Records,
    topics,
};
use std::collections::BTreeMap;

/// The lane of a shadow, within its own bus.
const LANE: Lane = Lane::Cold;

/// After how many syncs it is noted how far a shadow has come.
const TOLD_EVERY: u64 = 50;

impl Replays {
    /// Begins a shadow: it runs on by itself, and [`Replays::get`] says how it stands.
    ///
    /// # Errors
    /// When what is asked for cannot be.
    pub async fn begin_shadow(&self, name: &str, selection: Selection, by: &str) -> Result<Replay, ReplayError> {
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(Refused("a replay's name is 1 to 64 letters, digits, `-`, `_` or `.`".into()).into());
        }
        let earlier = self.get(name).await?;
        if earlier.is_some_and(|it| it.1.repair.is_some()) {
            return Err(Refused(format!("replay {name} was repaired; give the next one another name")).into());
        }
        if let (Some(provider), Some(version)) = (&selection.provider, selection.mapper_version) {
            self.has_mapper(provider, version)?;
        }
        let Some(running) = self.claim(name).await? else {
            return Err(Refused(format!("replay {name} is running; wait for it")).into());
        };
        self.audit.note(by, "replay shadow", format!("{name}: {}", in_words(&selection))).await?;
        let used = |it: &crate::provider::Profile| selection.mapper_version.unwrap_or(it.mapper_version);
        let mappers = self.accounts.catalog.iter().map(|it| it.profile());
        let mappers = mappers.map(|it| (it.id.to_owned(), used(it))).collect();
        let replay = Replay {
            name: name.into(),
            selection,
            by: by.into(),
            began_at: self.now(),
            state: ReplayState::Looking,
            error: None,
            totals: Totals::default(),
            mappers,
            rule_version: RULE_VERSION,
            plan: None,
            repair: None,
        };
        self.put(&replay).await?;
        let (replays, begun) = (self.clone(), replay.clone());
        tokio::spawn(async move { replays.run_shadow(begun, running).await });
        Ok(replay)
    }

    fn has_mapper(&self, provider: &str, version: i32) -> Result<(), Refused> {
        let Some(found) = self.accounts.catalog.get(provider) else {
            return Err(Refused(format!("no provider is called {provider}")));
        };
        let empty = crate::provider::RawPage { data_type: None, content_type: "", body: b"", name: "" };
        match found.normalize_as(version, &empty) {
            Some(_) => Ok(()),
            None => Err(Refused(format!(
                "this build has no mapper {version} of {provider}; its present one is {}",
                found.profile().mapper_version
            ))),
        }
    }

    async fn run_shadow(&self, mut replay: Replay, mut running: Running) {
        let Some(looked) = running.during(Box::pin(self.shadow(&replay))).await else { return };
        match looked {
            Ok((totals, plan)) => {
                (replay.totals, replay.plan, replay.state) = (totals, Some(plan), ReplayState::Planned);
            }
            Err(err) => (replay.error, replay.state) = (Some(err.to_string()), ReplayState::Failed),
        }
        if let Err(err) = self.put(&replay).await {
            tracing::warn!(%err, "how a shadow ended could not be noted; begin it again");
        }
        // Last: what neither runs nor has ended was interrupted.
        running.end().await;
    }

    async fn shadow(&self, replay: &Replay) -> Result<(Totals, String), ReplayError> {
        self.forget_parts(&replay.name).await?;
        let selected = self.select(&replay.selection).await?;
        let world = self.world(&replay.name);
        let means = (self.as_they_stand(), replay.selection.mapper_version);
        self.within(&world, means, self.look(replay, &world, selected)).await
    }

    /// Person by person, so that no more than one person's changes are held at once.
    async fn look(
        &self,
        replay: &Replay,
        world: &World,
        selected: super::select::Selected,
    ) -> Result<(Totals, String), ReplayError> {
        let (mut totals, mut digests) = (Totals::default(), BTreeMap::new());
        for (subject, syncs) in selected.of {
            totals.people += 1;
            let mut keys = Vec::new();
            for (original, pages) in syncs {
                let sync = sync_of(original, &replay.name);
                let events = self.republished(world, &subject, original, &pages, replay).await?;
                world.run(&subject, sync, events).await?;
                let (part, counted) = self.told(world, &subject, sync).await?;
                totals.add(&counted);
                totals.pages += pages.len() as u64;
                totals.syncs += 1;
                if totals.syncs.is_multiple_of(TOLD_EVERY) {
                    self.put(&Replay { totals: totals.clone(), ..replay.clone() }).await?;
                }
                if !part.is_empty() {
                    let key = (totals.syncs, sync);
                    self.put_part(&replay.name, &subject, key, &part).await?;
                    keys.push(key);
                }
                world.overlay.forget_events();
                world.originals.forget();
            }
            for key in keys {
                if let Some(digest) = self.last_of_each(world, &subject, key, &mut totals).await? {
                    digests.insert(key.1, digest);
                }
            }
            world.overlay.forget();
        }
        Ok((totals, plan_hash(&replay.name, &digests)))
    }

    /// The pages of a sync, as events of the shadow.
    async fn republished(
        &self,
        world: &World,
        subject: &Subject,
        original: SyncId,
        pages: &[EventId],
        replay: &Replay,
    ) -> Result<Vec<Logged>, Unreachable> {
        let (log, mut events) = (&self.runner.store.log, Vec::with_capacity(pages.len()));
        for id in pages {
            let Some(found) = log.event(subject, original, *id).await? else { continue };
            match found.topic.kind {
                Kind::Fetched => {
                    let mut page: Envelope<Fetched> = found.event()?;
                    page.head = world.head(&page.head);
                    let body = &mut page.body;
                    // What an old reading did not show may have come since: it says nothing of what is gone.
                    (body.window, body.last, body.lane) = (None, false, LANE);
                    body.destinations.iter_mut().for_each(|it| it.rule = careful(it.rule));
                    let key =
                        StepKey { subject: subject.clone(), sync: original, stage: "normalize".into(), cause: *id };
                    let made = log.recall(&[key]).await?.pop().flatten();
                    let made = made.and_then(|it| it.outputs.into_iter().find(|it| it.topic.kind == Kind::Normalized));
                    if let Some(made) = made {
                        world.originals.note(page.head.id, made.event()?);
                    }
                    events.push(logged(&page, topics::fetched(LANE).name));
                }
                Kind::Normalized => {
                    let mut page: Envelope<Normalized> = found.event()?;
                    page.head = world.head(&page.head);
                    let body = &mut page.body;
                    (body.window, body.last, body.lane) = (None, false, LANE);
                    body.destinations.iter_mut().for_each(|it| it.rule = careful(it.rule));
                    events.push(logged(&page, topics::normalized(LANE).name));
                }
                other => tracing::warn!(replay = replay.name, kind = other.name(), "is not replayed"),
            }
        }
        Ok(events)
    }

    /// What the shadow of a sync has said.
    async fn told(&self, world: &World, subject: &Subject, sync: SyncId) -> Result<(Part, Totals), Unreachable> {
        let (mut part, mut totals) = (Part::default(), Totals::default());
        let mut changed = std::collections::BTreeSet::new();
        for event in world.overlay.store.log.events(subject, sync).await? {
            match event.topic.kind {
                Kind::Normalized => {
                    let made: Envelope<Normalized> = event.event()?;
                    if let Some(before) = world.originals.get(made.head.cause)
                        && made.head.id == EventId::derived(made.head.cause, "normalize", 0)
                    {
                        let of = |it| async move { world.contents.open_value::<Records>(subject, it).await };
                        let old = of(&before.body.records).await?.unwrap_or_default();
                        let new = of(&made.body.records).await?.unwrap_or_default();
                        let (changes, n_same) = diff::compare(&old.records, &new.records);
                        count_changes(&mut totals, &changes, n_same);
                        changed.extend(changes.iter().map(|it| it.record.clone()));
                        part.records.extend(changes);
                    }
                    for issue in &made.body.issues {
                        *totals.issues.entry(issue.code.clone()).or_default() += u64::from(issue.count.unsigned_abs());
                    }
                }
                Kind::Resolved => {
                    let resolved: Envelope<Resolved> = event.event()?;
                    self.decided(world, resolved, &changed, (&mut part, &mut totals)).await?;
                }
                Kind::Outcome => {
                    let outcome: Envelope<Outcome> = event.event()?;
                    if let Some(reason) = outcome.body.end {
                        *totals.unread.entry(reason.code()).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        Ok((part, totals))
    }

    /// What was decided, and what it was decided from.
    pub(super) async fn decided(
        &self,
        world: &World,
        resolved: Envelope<Resolved>,
        changed: &std::collections::BTreeSet<String>,
        (part, totals): (&mut Part, &mut Totals),
    ) -> Result<(), Unreachable> {
        let Envelope { head, mut body } = resolved;
        let Some(sealed) = body.decisions.take() else { return Ok(()) };
        let (subject, account) = (head.subject.clone(), body.destination.account.clone());
        let opened = world.contents.open_value::<Decisions>(&subject, &sealed).await?.unwrap_or_default();
        let mut operations = Vec::new();
        for decision in opened.decisions {
            if decision.action == Action::Skip {
                let reason = decision.reason.unwrap_or_default().code();
                *totals.left.entry(reason.clone()).or_default() += 1;
                if changed.contains(&decision.origin_record) {
                    let (destination, item) = (account.connection, decision.item);
                    part.left.push(Left { subject: subject.clone(), destination, item, reason });
                }
                continue;
            }
            let partition =
                Partition { subject: subject.clone(), destination: account.connection, month: decision.month.clone() };
            let base = world.overlay.items.base(&ItemKey { partition, item: decision.item }, decision.version);
            let hash = match &decision.record {
                Some(record) => self.contents.vault.keyed_hash(&subject, "content", &record.content()).await?,
                None => String::new(),
            };
            operations.push(Operation { decision, hash, is_new: base.is_some(), base: base.flatten() });
        }
        if !operations.is_empty() {
            part.decided.push(Decided { head, body, operations });
        }
        Ok(())
    }

    /// Leaves of a part what is still to be done once all of the person's pages were looked at, and keeps that. Gives
    /// what is left of it a digest.
    async fn last_of_each(
        &self,
        world: &World,
        subject: &Subject,
        key: PartKey,
        totals: &mut Totals,
    ) -> Result<Option<[u8; 32]>, Unreachable> {
        let Some(mut part) = self.part(&world.name, subject, key).await? else { return Ok(None) };
        self.leave_last(world, subject, &mut part, totals).await?;
        if part.is_empty() {
            self.forget_part(&world.name, subject, key).await?;
            return Ok(None);
        }
        self.put_part(&world.name, subject, key, &part).await?;
        Ok(Some(part.digest()))
    }

    /// Leaves of a part the last version of each item, from what the live row says, if it says anything else.
    pub(super) async fn leave_last(
        &self,
        world: &World,
        subject: &Subject,
        part: &mut Part,
        totals: &mut Totals,
    ) -> Result<(), Unreachable> {
        for decided in &mut part.decided {
            let account = decided.body.destination.account.clone();
            let mut kept = Vec::with_capacity(decided.operations.len());
            for mut operation in std::mem::take(&mut decided.operations) {
                let decision = &operation.decision;
                let (destination, month) = (account.connection, decision.month.clone());
                let partition = Partition { subject: subject.clone(), destination, month };
                let place = ItemKey { partition, item: decision.item };
                let Some(row) = world.overlay.items.get(&place).await? else { continue };
                let first = world.overlay.items.first(&place);
                let is_as_before = match &first {
                    Some(first) => {
                        (&first.planned_hash, first.planned_delete) == (&row.planned_hash, row.planned_delete)
                    }
                    None => row.planned_delete,
                };
                if row.planned_version != decision.version || (operation.is_new && is_as_before) {
                    continue;
                }
                let verb = format!("{} {}", account.provider, verb_of(decision.action));
                *totals.operations.entry(verb).or_default() += 1;
                *totals.calls.entry(account.provider.clone()).or_default() += self.cost(&account.provider, decision);
                if operation.is_new {
                    operation.base = first;
                }
                kept.push(operation);
            }
            decided.operations = kept;
        }
        part.decided.retain(|it| !it.operations.is_empty());
        Ok(())
    }

    /// How many calls an operation takes: an upload is asked after at least once.
    pub(super) fn cost(&self, provider: &str, decision: &schemas::event::Decision) -> u64 {
        let Some(provider) = self.accounts.catalog.get(provider) else { return 1 };
        let send = match (&decision.action, &decision.record) {
            (Action::Create, Some(record)) => Send::Create { record },
            (_, Some(record)) => Send::Update { external_id: "", record },
            (_, None) => Send::Delete { external_id: "", data_type: decision.data_type },
        };
        if provider.delivery(&send) == Some(Delivery::Deduplicated) { 2 } else { 1 }
    }

    /// What a replay found: records with their values, operations, and what is left alone. At most these many of each.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn found(
        &self,
        name: &str,
        count_max: usize,
    ) -> Result<(Vec<(Subject, super::RecordChange)>, Vec<Planned>, Vec<Left>), Unreachable> {
        let (mut records, mut planned, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for (subject, key) in self.parts(name).await? {
            let Some(part) = self.part(name, &subject, key).await? else { continue };
            records.extend(part.records.into_iter().map(|it| (subject.clone(), it)));
            left.extend(part.left);
            for decided in &part.decided {
                planned.extend(decided.operations.iter().map(|it| Planned {
                    subject: subject.clone(),
                    destination: decided.body.destination.account.connection,
                    item: it.decision.item,
                    data_type: it.decision.data_type,
                    action: it.decision.action,
                    version: it.decision.version,
                }));
            }
            if records.len() >= count_max && planned.len() >= count_max && left.len() >= count_max {
                break;
            }
        }
        records.truncate(count_max);
        planned.truncate(count_max);
        left.truncate(count_max);
        Ok((records, planned, left))
    }
}

/// An old page never overrules a newer edit there.
const fn careful(rule: Rule) -> Rule {
    match rule {
        Rule::PrioritiseSource => Rule::Newest,
        rule => rule,
    }
}

fn count_changes(totals: &mut Totals, changes: &[super::RecordChange], n_same: u64) {
    let mut count = |name: &str, n: u64| {
        if n > 0 {
            *totals.records.entry(name.to_owned()).or_default() += n;
        }
    };
    count("unchanged", n_same);
    for change in changes {
        count(
            match change.kind {
                RecordChangeKind::Created => "created",
                RecordChangeKind::Changed => "changed",
                RecordChangeKind::Gone => "gone",
            },
            1,
        );
    }
    for field in changes.iter().flat_map(|it| &it.fields) {
        *totals.fields.entry(diff::name_of(&field.path)).or_default() += 1;
    }
}

pub(super) const fn verb_of(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Skip => "skip",
    }
}

/// A selection for the audit: no person is in it but as a subject.
fn in_words(selection: &Selection) -> String {
    let mut said = serde_json::to_value(selection).unwrap_or_default();
    if let Some(fields) = said.as_object_mut() {
        fields.retain(|_, it| !it.is_null());
    }
    said.to_string()
}
