//! Items that go wrong at a chosen call: before it is done, after it is done, or by taking long.

use super::simulation::Sleepers;
use crate::{
    bus::Unreachable,
    clock::ManualClock,
    item::{Guard, ItemKey, ItemRow, Origin, Partition, Patch, Planned},
    store::Items,
};
use async_trait::async_trait;
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject},
    time::Interval,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// The process stands still for so long after it, and so does the world.
    Stands(Duration),
    /// The process stands still for so long after it, and others go on.
    Waits(Duration),
}

#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) inner: Arc<dyn Items>,
    pub(super) hands: Arc<ManualClock>,
    pub(super) sleepers: Arc<Sleepers>,
    /// How many calls were made, and what goes wrong with which.
    pub(super) plan: Mutex<(usize, HashMap<usize, Trouble>)>,
}

impl Faulty {
    fn trouble(&self) -> Option<Trouble> {
        let mut plan = self.plan.lock().unwrap();
        let n = plan.0;
        plan.0 += 1;
        plan.1.remove(&n)
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T, Unreachable>> + Send) -> Result<T, Unreachable> {
        let died = || Unreachable("the process died".into());
        match self.trouble() {
            None => work.await,
            Some(Trouble::DiesBefore) => Err(died()),
            Some(Trouble::DiesAfter) => work.await.and_then(|_| Err(died())),
            Some(Trouble::Waits(by)) => {
                let done = work.await;
                self.sleepers.sleep(by).await;
                done
            }
            Some(Trouble::Stands(by)) => {
                let done = work.await;
                self.hands.advance(by);
                done
            }
        }
    }
}

#[async_trait]
impl Items for Faulty {
    async fn window(
        &self,
        subject: &Subject,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<(Vec<ItemRow>, Vec<(Partition, i64)>), Unreachable> {
        self.call(self.inner.window(subject, destination, data_type, window)).await
    }

    async fn seq(&self, partition: &Partition) -> Result<i64, Unreachable> {
        self.call(self.inner.seq(partition)).await
    }

    async fn get(&self, key: &ItemKey) -> Result<Option<ItemRow>, Unreachable> {
        self.call(self.inner.get(key)).await
    }

    async fn find(&self, subject: &Subject, item: ItemId) -> Result<Vec<ItemRow>, Unreachable> {
        self.call(self.inner.find(subject, item)).await
    }

    async fn plan(&self, partition: &Partition, seq: i64, plans: Vec<Planned>) -> Result<bool, Unreachable> {
        self.call(self.inner.plan(partition, seq, plans)).await
    }

    async fn change(&self, key: &ItemKey, guard: Guard, patch: Patch) -> Result<bool, Unreachable> {
        self.call(self.inner.change(key, guard, patch)).await
    }

    async fn origins(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        records: &[String],
    ) -> Result<Vec<Option<Origin>>, Unreachable> {
        self.call(self.inner.origins(subject, connection, destination, records)).await
    }

    async fn note_origins(&self, subject: &Subject, origins: Vec<Origin>) -> Result<(), Unreachable> {
        self.call(self.inner.note_origins(subject, origins)).await
    }

    async fn origins_within(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
        window: Interval,
    ) -> Result<Vec<Origin>, Unreachable> {
        self.call(self.inner.origins_within(subject, connection, destination, data_type, window)).await
    }
}
