//! Rejects: what no stage could take, listed from the log, and taken up again once its cause is repaired.

use crate::{
    bus::Unreachable,
    replay::{Refused, ReplayError, Replays, replayed},
    stage::{logged, root},
    store::{Logged, StepKey},
};
use schemas::{
    codec,
    event::{
        Account, Destination, Envelope, Fetched, Head, Kind, Lane, Mode, Normalized, Reason, Rejected, Requested,
        Resolved, Trigger,
    },
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics,
};
use serde::Serialize;

/// How many steps are read at once.
const STEPS_MAX: usize = 500;

/// Which rejects are meant. What is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Rejected from then on.
    pub from: Option<Instant>,
    /// Rejected before then.
    pub to: Option<Instant>,
    /// Of one person.
    pub subject: Option<Subject>,
    /// For this reason.
    pub reason: Option<Reason>,
    /// By this stage.
    pub stage: Option<String>,
    /// These very ones, by id; empty: all.
    pub ids: Vec<EventId>,
}

/// A reject: where, why and how large, never what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Instant,
    /// Of which person.
    pub subject: Subject,
    /// Of which sync.
    pub sync: SyncId,
    /// The stage that refused it.
    pub stage: String,
    /// Why.
    pub reason: Reason,
    /// Where it was: topic, partition and offset.
    pub place: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first tried.
    pub first_at: Instant,
    /// The version of the code that refused it.
    pub code_version: String,
    /// How large the event is, bytes.
    pub bytes: usize,
}

/// What a redrive does, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// The reject.
    pub id: EventId,
    /// The sync that it is taken up in.
    pub sync: Option<SyncId>,
    /// Why it cannot be, if it cannot.
    pub refused: Option<String>,
}

impl Replays {
    /// The rejects that are meant, oldest first, at most these many.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn rejects(&self, wanted: &Wanted, count_max: usize) -> Result<Vec<Reject>, Unreachable> {
        Ok(self.rejected(wanted, count_max).await?.into_iter().map(|it| it.0).collect())
    }

    async fn rejected(
        &self,
        wanted: &Wanted,
        count_max: usize,
    ) -> Result<Vec<(Reject, Envelope<Rejected>)>, Unreachable> {
        let log = &self.runner.store.log;
        let span =
            Interval { from: wanted.from.unwrap_or(Instant(i64::MIN)), to: wanted.to.unwrap_or(Instant(i64::MAX)) };
        let (mut found, mut after) = (Vec::new(), None);
        while found.len() < count_max {
            let page = log.scan(span, wanted.subject.as_ref(), after, STEPS_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            let by_stage = |it: &StepKey| wanted.stage.as_ref().is_none_or(|stage| *stage == it.stage);
            let keys: Vec<StepKey> = page.into_iter().map(|it| it.1).filter(by_stage).collect();
            for event in log.recall(&keys).await?.into_iter().flatten().flat_map(|it| it.outputs) {
                if event.topic.kind != Kind::Rejected {
                    continue;
                }
                let rejected: Envelope<Rejected> = event.event()?;
                let is_meant = wanted.ids.is_empty() || wanted.ids.contains(&event.id);
                if is_meant && wanted.reason.is_none_or(|it| it == rejected.body.reason) {
                    found.push((told(&rejected), rejected));
                }
            }
        }
        found.truncate(count_max);
        Ok(found)
    }

    /// Takes rejects up again, each as a sync of its own that names the old one; the reject stays as it is. Under one
    /// name that is done once, however often it is asked for. `dry_run` only says what would be done.
    ///
    /// # Errors
    /// When one of our own servers is out of reach, or the name cannot be one.
    pub async fn redrive(
        &self,
        wanted: &Wanted,
        (name, count_max): (&str, usize),
        by: &str,
        dry_run: bool,
    ) -> Result<Vec<Redriven>, ReplayError> {
        if name.is_empty() || name.len() > 64 {
            return Err(Refused("a redrive's name is 1 to 64 characters".into()).into());
        }
        let found = self.rejected(wanted, count_max).await?;
        if !dry_run {
            self.audit.note(by, "rejects redrive", format!("{name}: {} rejects", found.len())).await?;
        }
        let mut all = Vec::with_capacity(found.len());
        for (told, rejected) in found {
            let made = self.taken_up(&rejected, name).await?;
            let (sync, refused) = match &made {
                Ok((first, _)) => (Some(first.head.sync), None),
                Err(why) => (None, Some(why.0.clone())),
            };
            if let (Ok((first, outputs)), false) = (made, dry_run) {
                if outputs.is_empty() {
                    let step = self.runner.begin(&first.head, root(&first)).await?;
                    let messages = step.outputs.iter().map(|it| crate::stage::message(&first.head.subject, it));
                    self.runner.bus.publish(messages.collect()).await?;
                } else {
                    self.publish(&first, outputs).await?;
                }
            }
            all.push(Redriven { id: told.id, sync, refused });
        }
        Ok(all)
    }

    /// The sync in which a reject is taken up: its first event, and what that was answered with (nothing: it is to be
    /// answered).
    async fn taken_up(
        &self,
        rejected: &Envelope<Rejected>,
        name: &str,
    ) -> Result<Result<(Envelope<Requested>, Vec<Logged>), Refused>, Unreachable> {
        let (old, bytes) = (&rejected.head, &rejected.body.original);
        let sync = SyncId::under(old.sync, &format!("redrive/{name}/{}", old.id));
        let root = Head { mode: Mode::Repair, ..Head::root(sync, old.subject.clone(), self.runner.clock.now()) };
        let derived = |head: &Head| Head {
            id: EventId::derived(head.id, &format!("redrive/{name}"), 0),
            cause: root.id,
            sync,
            at: head.at,
            ..root.clone()
        };
        let fingerprint = format!("redrive {name} of {}", old.sync);
        let begun = |source: &Account, destinations: Vec<Destination>| Envelope {
            head: root.clone(),
            body: replayed(source.clone(), destinations, fingerprint.clone(), &root),
        };
        let kind = crate::replay::topic_of(&rejected.body.topic).map(|it| it.kind);
        let unreadable = |_| Refused("this build cannot read it either: install the one that wrote it".into());
        let made = match kind {
            Ok(Kind::Requested) => codec::decode::<Envelope<Requested>>(bytes).map_err(unreadable).map(|it| {
                let (trigger, lane) = (Trigger::Replay, Lane::Cold);
                let body = Requested { trigger, lane, fingerprint, expires_at: None, ..it.body };
                (Envelope { head: root.clone(), body }, Vec::new())
            }),
            Ok(Kind::Fetched) => codec::decode::<Envelope<Fetched>>(bytes).map_err(unreadable).map(|it| {
                // One page says nothing of what else was in its window.
                let body = Fetched { window: None, last: false, lane: Lane::Cold, ..it.body };
                let first = begun(&body.source, body.destinations.clone());
                let page = Envelope { head: derived(&it.head), body };
                (first, vec![logged(&page, topics::fetched(Lane::Cold).name)])
            }),
            Ok(Kind::Normalized) => codec::decode::<Envelope<Normalized>>(bytes).map_err(unreadable).map(|it| {
                let body = Normalized { window: None, last: false, lane: Lane::Cold, ..it.body };
                let first = begun(&body.source, body.destinations.clone());
                let page = Envelope { head: derived(&it.head), body };
                (first, vec![logged(&page, topics::normalized(Lane::Cold).name)])
            }),
            Ok(Kind::Resolved) => codec::decode::<Envelope<Resolved>>(bytes).map_err(unreadable).map(|it| {
                let body = Resolved { lane: Lane::Cold, expires_at: None, ..it.body };
                let first = begun(&body.source, vec![body.destination.clone()]);
                let decided = Envelope { head: derived(&it.head), body };
                (first, vec![logged(&decided, topics::resolved(Lane::Cold).name)])
            }),
            Ok(kind) => Err(Refused(format!("events of the kind {} begin nothing", kind.name()))),
            Err(err) => Err(err),
        };
        Ok(made)
    }
}

fn told(rejected: &Envelope<Rejected>) -> Reject {
    let Envelope { head, body } = rejected;
    Reject {
        id: head.id,
        at: head.at,
        subject: head.subject.clone(),
        sync: head.sync,
        stage: body.stage.clone(),
        reason: body.reason,
        place: format!("{}/{}/{}", body.topic, body.partition, body.offset),
        attempts: body.attempts,
        first_at: body.first_at,
        code_version: body.code_version.clone(),
        bytes: body.original.len(),
    }
}
