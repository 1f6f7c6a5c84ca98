//! A bus and a log that die at a chosen call.

use crate::{
    bus::{Bus, Message, Subscription, Unreachable, memory::MemoryBus},
    store::{Log, Logged, Step, StepKey},
};
use async_trait::async_trait;
use schemas::{
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};
use tokio::sync::Notify;

/// Where the process dies: at which call, and whether that call was done.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    pub(super) at: Mutex<(usize, HashMap<usize, bool>)>,
    pub(super) died: Notify,
}

impl Cuts {
    pub(super) async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, Unreachable>> + Send,
    ) -> Result<T, Unreachable> {
        let cut = {
            let mut at = self.at.lock().unwrap();
            at.0 += 1;
            let n = at.0;
            at.1.remove(&n)
        };
        let Some(is_done) = cut else { return work.await };
        if is_done {
            work.await?;
        }
        self.died.notify_one();
        Err(Unreachable("the process died".into()))
    }
}

#[derive(Debug)]
pub(super) struct CutBus {
    pub(super) inner: Arc<MemoryBus>,
    pub(super) cuts: Arc<Cuts>,
    /// Whether it delivers everything twice.
    pub(super) repeats: bool,
}

#[async_trait]
impl Bus for CutBus {
    fn backlog(&self) -> crate::bus::Backlog {
        crate::bus::Backlog::default()
    }

    async fn publish(&self, messages: Vec<Message>) -> Result<(), Unreachable> {
        if self.repeats {
            self.inner.publish(messages.clone()).await?;
        }
        self.cuts.call(self.inner.publish(messages)).await
    }

    async fn subscribe(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable> {
        self.inner.subscribe(group, topics).await
    }
}

#[derive(Debug)]
pub(super) struct CutLog {
    pub(super) inner: Arc<dyn Log>,
    pub(super) cuts: Arc<Cuts>,
    /// Events whose content is no longer kept.
    pub(super) gone: Arc<Mutex<HashSet<EventId>>>,
    /// What another process appends as soon as a sync has been looked at.
    pub(super) meanwhile: Arc<Mutex<Option<Step>>>,
}

impl CutLog {
    async fn go_on_elsewhere(&self) -> Result<(), Unreachable> {
        let step = self.meanwhile.lock().unwrap().take();
        match step {
            Some(step) => self.inner.append(step).await.map(drop),
            None => Ok(()),
        }
    }

    fn is_kept(&self, event: &Logged) -> bool {
        !self.gone.lock().unwrap().contains(&event.id)
    }
}

#[async_trait]
impl Log for CutLog {
    async fn append(&self, step: Step) -> Result<Step, Unreachable> {
        self.cuts.call(self.inner.append(step)).await
    }

    async fn recall(&self, keys: &[StepKey]) -> Result<Vec<Option<Step>>, Unreachable> {
        self.cuts.call(self.inner.recall(keys)).await
    }

    async fn open(&self, subject: &Subject, sync: SyncId) -> Result<Vec<(EventId, TopicName)>, Unreachable> {
        let open = self.inner.open(subject, sync).await?;
        self.go_on_elsewhere().await?;
        Ok(open)
    }

    async fn events(&self, subject: &Subject, sync: SyncId) -> Result<Vec<Logged>, Unreachable> {
        let all = self.inner.events(subject, sync).await?;
        self.go_on_elsewhere().await?;
        Ok(all.into_iter().filter(|it| self.is_kept(it)).collect())
    }

    async fn event(&self, subject: &Subject, sync: SyncId, id: EventId) -> Result<Option<Logged>, Unreachable> {
        Ok(self.inner.event(subject, sync, id).await?.filter(|it| self.is_kept(it)))
    }

    async fn unsettled(&self, after: Option<SyncId>, count_max: usize) -> Result<Vec<(Subject, SyncId)>, Unreachable> {
        self.inner.unsettled(after, count_max).await
    }

    async fn syncs(&self, subject: &Subject, count_max: usize) -> Result<Vec<(SyncId, Instant, bool)>, Unreachable> {
        self.inner.syncs(subject, count_max).await
    }

    async fn scan(
        &self,
        span: Interval,
        subject: Option<&Subject>,
        after: Option<(Instant, StepKey)>,
        count_max: usize,
    ) -> Result<Vec<(Instant, StepKey)>, Unreachable> {
        self.inner.scan(span, subject, after, count_max).await
    }
}
