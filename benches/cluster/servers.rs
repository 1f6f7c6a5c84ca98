//! The servers that are measured on, and a namespace of our own in them.

use anyhow::{Context, Result};
use engine::{
    bus::{
        kafka::{KafkaBus, Names, Settings, topics::Admin},
        registry,
    },
    clock::Clock,
    store::scylla::{address::Address, schema},
};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use schemas::topics::{PARTITIONS, TopicName, catalogue};
use scylla::{client::session_builder::SessionBuilder, statement::Statement};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long a server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Where the servers are.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    bus: String,
    store: String,
    registry: String,
}

impl Servers {
    /// Those that the environment names.
    pub(crate) fn given() -> Result<Self> {
        let named = |name: &str| {
            let found = std::env::var(name).ok().filter(|it| !it.is_empty());
            found.with_context(|| format!("{name} is not set; run `make bench-cluster`, which starts the servers"))
        };
        Ok(Self {
            bus: named("SYNCWELL_TEST_BUS")?,
            store: named("SYNCWELL_TEST_STORE")?,
            registry: named("SYNCWELL_TEST_REGISTRY")?,
        })
    }
}

/// Topics, schemas and a keyspace that nobody else uses.
pub(crate) struct Space {
    /// The bus, as it is configured.
    pub(crate) bus: String,
    /// The store, as it is configured.
    pub(crate) store: String,
    /// The registry, as it is configured.
    pub(crate) registry: String,
    /// How Kafka is spoken to.
    pub(crate) settings: Settings,
    /// The registry's id of what Normalize writes.
    pub(crate) normalized_id: u32,
    names: Names,
    admin: AdminClient<DefaultClientContext>,
    looking: BaseConsumer,
}

impl Space {
    /// Makes them.
    pub(crate) async fn make(servers: &Servers, label: &str) -> Result<Self> {
        let name = format!("bench_{label}_{:x}_{:x}", std::process::id(), Clock::real().now().0);
        let (bus, store) = (format!("{}/{name}", servers.bus), format!("{}/{name}", servers.store));
        let settings = Settings::parse(&bus, BTreeMap::new(), Some(&servers.registry), None)?;
        let names = Names::new(&settings.namespace);
        let admin = Admin::new(settings.clone())?;
        admin.apply(&admin.plan(None, false).await?).await.context("make the topics")?;
        let pushed = registry::push(&servers.registry, &names).await.context("register the schemas")?;
        let subject = format!("{}-value", names.topic(super::NORMALIZED));
        let normalized = pushed.iter().rfind(|it| it.subject == subject).context("no schema of what is written")?;
        schema::migrate(&address(&store)?, &schema::Options::default()).await.context("make the tables")?;
        Ok(Self {
            registry: servers.registry.clone(),
            normalized_id: normalized.id,
            admin: settings.client().create()?,
            looking: settings.client().set("group.id", format!("{name}.looking")).create()?,
            bus,
            store,
            settings,
            names,
        })
    }

    /// A member of the bus.
    pub(crate) async fn open(&self) -> Result<Arc<KafkaBus>> {
        Ok(KafkaBus::open(self.settings.clone()).await?)
    }

    /// What a topic is called there.
    pub(crate) fn topic(&self, name: TopicName) -> &str {
        self.names.topic(name)
    }

    /// What a group is called there.
    pub(crate) fn group(&self, name: &str) -> String {
        self.names.group(name)
    }

    /// How many events are on a topic.
    pub(crate) fn count(&self, topic: TopicName) -> Result<i64> {
        let count = |partition: u32| -> Result<i64> {
            let (low, high) = self.looking.fetch_watermarks(self.topic(topic), partition.cast_signed(), ANSWER_MAX)?;
            Ok(high - low)
        };
        (0..PARTITIONS).map(count).sum()
    }

    /// Empties a topic.
    pub(crate) async fn empty(&self, topic: TopicName) -> Result<()> {
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(self.topic(topic), partition.cast_signed(), Offset::End)?;
        }
        self.admin.delete_records(&all, &AdminOptions::new()).await.context("empty a topic")?;
        Ok(())
    }

    /// Lets a group begin anew.
    pub(crate) async fn forget(&self, group: &str) -> Result<()> {
        for result in self.admin.delete_groups(&[group], &AdminOptions::new()).await? {
            result.map_err(|(group, code)| anyhow::anyhow!("group {group} cannot be forgotten: {code}"))?;
        }
        Ok(())
    }

    /// Someone who reads a topic from where it ends now, or from its beginning.
    pub(crate) fn reader(&self, topic: TopicName, partitions: &[i32], from: Offset) -> Result<BaseConsumer> {
        let consumer: BaseConsumer = self
            .settings
            .client()
            .set("group.id", self.group("reading"))
            .set("enable.auto.commit", "false")
            .create()?;
        let mut all = TopicPartitionList::new();
        for partition in partitions {
            all.add_partition_offset(self.topic(topic), *partition, from)?;
        }
        consumer.assign(&all)?;
        Ok(consumer)
    }

    /// Takes everything away again.
    pub(crate) async fn end(self) -> Result<()> {
        let names: Vec<&str> = catalogue().into_iter().map(|it| self.topic(it.name)).collect();
        self.admin.delete_topics(&names, &AdminOptions::new()).await.context("delete the topics")?;
        let http = engine::session::http_client()?;
        for name in &names {
            let url = format!("{}/subjects/{name}-value", self.registry.trim_end_matches('/'));
            http.delete(url).send().await.context("take the schemas out of the registry")?;
        }
        let address = address(&self.store)?;
        let mut builder = SessionBuilder::new().known_nodes(&address.hosts);
        if let Some((user, password)) = &address.user {
            builder = builder.user(user, password);
        }
        let mut drop = Statement::new(format!("DROP KEYSPACE IF EXISTS {}", address.keyspace));
        drop.set_request_timeout(Some(ANSWER_MAX * 2));
        builder.build().await?.query_unpaged(drop, ()).await.context("drop the keyspace")?;
        Ok(())
    }
}

fn address(store: &str) -> Result<Address> {
    Address::parse(store).map_err(anyhow::Error::msg)
}
