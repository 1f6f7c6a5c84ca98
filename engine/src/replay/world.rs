//! A world of its own for the stages of a shadow: an overlay of the store, a bus in memory, and accounts that only look.

use super::{
    Originals, Replays, Shadow,
    overlay::{Overlay, ReadOnly},
    sync_of,
};
use crate::{
    accounts::Accounts,
    bus::{Bus, Unreachable, memory::MemoryBus},
    contents::Contents,
    people::People,
    runner::Runner,
    stage::message,
    store::{Bearing, Log, Logged, Rows, Step, StepKey},
};
use schemas::{
    event::{Head, Mode},
    id::{EventId, Subject, SyncId},
};
use std::sync::Arc;
use tokio::sync::watch;

/// A shadow at work.
pub(super) struct World {
    pub(super) overlay: Overlay,
    pub(super) runner: Runner,
    pub(super) contents: Contents,
    pub(super) originals: Originals,
    pub(super) name: String,
}

impl Replays {
    pub(super) fn world(&self, name: &str) -> World {
        let overlay = Overlay::over(&self.runner.store);
        let bus: Arc<dyn Bus> = MemoryBus::new();
        let runner = Runner {
            bus,
            store: overlay.store.clone(),
            clock: self.runner.clock.clone(),
            waits: self.runner.waits.clone(),
        };
        let contents = Contents { vault: self.contents.vault.clone(), blobs: overlay.store.blobs.clone() };
        World { overlay, runner, contents, originals: Originals::default(), name: name.to_owned() }
    }

    /// Accounts that can be looked at: what these rows say of people, and nothing of it can be changed for good.
    pub(super) fn looking(&self, rows: Arc<dyn Rows>) -> Accounts {
        Accounts { people: People { rows, ..self.people().clone() }, ..self.accounts.clone() }
    }

    /// Accounts as they stand.
    pub(super) fn as_they_stand(&self) -> Accounts {
        self.looking(Arc::new(ReadOnly(self.people().rows.clone())))
    }

    /// Does something while the stages of a world run in it.
    pub(super) async fn within<T, E: From<Unreachable>>(
        &self,
        world: &World,
        (accounts, mapper_version): (Accounts, Option<i32>),
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let shadow = Shadow {
            accounts,
            contents: world.contents.clone(),
            store: world.overlay.store.clone(),
            originals: world.originals.clone(),
            mapper_version,
        };
        let topology = (self.flow.0)(&shadow);
        // Whoever no longer waits for this lets go of the sender, which ends the stages too.
        let (stop, stopped) = watch::channel(false);
        let (stages, timers, timers_stopped) = (world.runner.clone(), world.runner.clone(), stopped.clone());
        let stages = tokio::spawn(async move { stages.run(&topology, stopped).await });
        let timers = tokio::spawn(async move { timers.fire_timers(timers_stopped).await });
        let found = work.await;
        stop.send_replace(true);
        // A task that panicked has been noted by its hook; what it did is not believed.
        stages.await.map_err(|err| Unreachable(format!("a shadow's stages ended: {err}")))?;
        timers.abort();
        found
    }
}

impl World {
    /// The head of an event in the shadow: derived from the original and the replay's name.
    pub(super) fn head(&self, original: &Head) -> Head {
        Head {
            id: EventId::derived(original.id, &format!("replay/{}", self.name), 0),
            cause: original.id,
            sync: sync_of(original.sync, &self.name),
            subject: original.subject.clone(),
            at: original.at,
            mode: Mode::Shadow,
        }
    }

    /// Publishes the events of a sync, and waits until all that follows from them was said.
    pub(super) async fn run(&self, subject: &Subject, sync: SyncId, events: Vec<Logged>) -> Result<(), Unreachable> {
        let cause = EventId::root(sync);
        let key = StepKey { subject: subject.clone(), sync, stage: "replay".into(), cause };
        let messages = events.iter().map(|it| message(subject, it)).collect();
        let at = self.runner.clock.now();
        self.overlay.log.append(Step { key, at, bearing: Bearing::Opens, outputs: events, roots: Vec::new() }).await?;
        self.runner.bus.publish(messages).await?;
        self.overlay.log.answered(subject, sync).await;
        Ok(())
    }
}
