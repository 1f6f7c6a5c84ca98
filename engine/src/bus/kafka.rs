//! The bus of many machines: Kafka.
//!
//! One idempotent producer a process; a consumer with a thread of its own a subscription. A message's key is the
//! subject's text, placed as Java's clients place it, so that one person is on one partition whoever writes.
//! Nothing rests on Kafka's transactions.

mod member;
mod names;
mod producer;
mod progress;
mod reading;
mod settings;
mod told;
pub mod topics;

pub use self::{names::Names, settings::Settings};

use self::{member::Member, producer::Outgoing, progress::Progress, told::Told, topics::There};
use super::{
    Backlog, Budget, Bus, Message, Subscription, Unreachable,
    registry::{Refused, Registry},
};
use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::producer::Producer;
use schemas::{codec, topics::TopicName};
use std::{fmt, ops::Range, sync::Arc, time::Duration};

/// How long a server may take to answer when it is first asked.
const OPEN_MAX: Duration = Duration::from_secs(8);

/// Kafka, and the registry of what is written there.
pub struct KafkaBus {
    settings: Arc<Settings>,
    names: Arc<Names>,
    registry: Arc<Registry>,
    outgoing: Outgoing,
    progress: Arc<Progress>,
    budget: Budget,
}

impl fmt::Debug for KafkaBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaBus").field("namespace", &self.settings.namespace).finish_non_exhaustive()
    }
}

impl KafkaBus {
    /// Connects, and looks whether topics and schemas are as this build needs them. Creates neither.
    ///
    /// # Errors
    /// Each says what to do; whether waiting may help, its kind tells.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, Refused> {
        let names = Arc::new(Names::new(&settings.namespace));
        let settings = Arc::new(settings);
        let progress = Arc::new(Progress::new(names.clone()));
        let told = Told::new("producer");
        let outgoing = Outgoing::new(settings.clone(), progress.clone(), told.clone())?;
        let producer = outgoing.producer();
        let asked = tokio::task::spawn_blocking(move || There::ask(producer.client())).await;
        let there = asked.map_err(|err| Refused::Unreachable(format!("asking Kafka ended: {err}")))?;
        there.map_err(|err| told.refused(&settings.brokers, &err))?.verify(&names)?;
        let registry = Arc::new(Registry::open(&settings.registry, &names).await?);
        told.be_loud();
        Ok(Arc::new(Self { settings, names, registry, outgoing, progress, budget: Budget::default() }))
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Unreachable> {
        self.outgoing.publish(messages, &self.names, &self.registry).await
    }

    async fn subscribe(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Subscription>, Unreachable> {
        let (settings, names, registry) = (self.settings.clone(), self.names.clone(), self.registry.clone());
        let member = Member::join(settings, names, registry, self.progress.clone(), self.budget.clone(), group, topics);
        Ok(Box::new(member.await?))
    }

    async fn read(
        &self,
        topic: TopicName,
        partition: i32,
        offsets: Range<i64>,
    ) -> Result<Option<Vec<(i64, Bytes)>>, Unreachable> {
        let (settings, name) = (self.settings.clone(), self.names.topic(topic).to_owned());
        let reading = tokio::task::spawn_blocking(move || reading::read(&settings, &name, partition, offsets)).await;
        let found = reading.map_err(|err| Unreachable(format!("reading a partition ended: {err}")))??;
        let mut framed = Vec::with_capacity(found.len());
        for (offset, bytes) in found {
            // What nobody can read stays as it came: whoever decodes it says so.
            let bytes = match codec::schema_id(&bytes) {
                None => bytes,
                Some(id) => {
                    let known = self.registry.find(topic.kind, id).await?;
                    known.reframe(bytes).unwrap_or_else(|(bytes, _)| bytes)
                }
            };
            framed.push((offset, bytes));
        }
        Ok(Some(framed))
    }

    async fn held(&self, topic: TopicName) -> Result<Option<Vec<Range<i64>>>, Unreachable> {
        let (producer, name) = (self.outgoing.producer(), self.names.topic(topic).to_owned());
        let asked = tokio::task::spawn_blocking(move || reading::held(producer.client(), &name)).await;
        asked.map_err(|err| Unreachable(format!("asking for a topic's offsets ended: {err}")))?.map(Some)
    }

    fn backlog(&self) -> Backlog {
        let outgoing = self.outgoing.backlog();
        let count = self.progress.count() + outgoing.count;
        Backlog { count, bytes: self.budget.bytes() + outgoing.bytes }
    }
}

#[cfg(test)]
mod tests;
