//! Topics as this build needs them: compared with what is there, made, and changed where nothing can be lost.

use super::{
    Names, OPEN_MAX, Settings,
    told::{Listening, Told},
};
use crate::bus::registry::Refused;
use rdkafka::{
    ClientContext,
    admin::{AdminClient, AdminOptions, AlterConfig, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    client::Client,
    error::KafkaError,
};
use schemas::topics::{PARTITIONS, TopicSpec, catalogue};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// How often it is looked whether a topic that was made is told of.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A difference between the topics that are there and those that are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A topic is to be made.
    Create {
        /// Its name in Kafka.
        topic: String,
        /// Copies of each partition.
        replication: i32,
        /// Its settings.
        config: BTreeMap<&'static str, String>,
    },
    /// A setting of a topic is to be changed.
    Alter {
        /// The topic's name in Kafka.
        topic: String,
        /// The setting.
        name: &'static str,
        /// What it is.
        from: String,
        /// What it is to be.
        to: String,
    },
    /// A difference that is not mended, and why.
    Refuse {
        /// The topic's name in Kafka.
        topic: String,
        /// Why, and what to do.
        why: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { topic, replication, config } => {
                write!(f, "+ {topic}  partitions={PARTITIONS} replication={replication}")?;
                config.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
            Self::Alter { topic, name, from, to } => write!(f, "~ {topic}  {name}: {from} -> {to}"),
            Self::Refuse { topic, why } => write!(f, "! {topic}  {why}"),
        }
    }
}

/// The topics that are there: how many partitions each has, and copies of them.
pub(super) struct There {
    n_brokers: i32,
    topics: BTreeMap<String, (usize, i32)>,
}

impl There {
    /// Asks the brokers; waits for them.
    pub(super) fn ask<C: ClientContext>(client: &Client<C>) -> Result<Self, KafkaError> {
        let metadata = client.fetch_metadata(None, OPEN_MAX)?;
        let topics = metadata.topics().iter().map(|it| {
            let copies = it.partitions().first().map_or(1, |it| it.replicas().len());
            (it.name().to_owned(), (it.partitions().len(), i32::try_from(copies).unwrap_or(1)))
        });
        Ok(Self { n_brokers: i32::try_from(metadata.brokers().len()).unwrap_or(1), topics: topics.collect() })
    }

    /// That every topic is there with the partitions it must have.
    pub(super) fn verify(&self, names: &Names) -> Result<(), Refused> {
        for spec in catalogue() {
            let name = names.topic(spec.name);
            match self.topics.get(name).map_or(0, |it| it.0) {
                0 => return Err(Refused::NotYet(format!("topic {name} is not there; run `syncwell topics apply`"))),
                n if n != spec.partitions as usize => return Err(Refused::Wrong(other_count(name, n, &spec))),
                _ => {}
            }
        }
        Ok(())
    }
}

fn other_count(name: &str, there: usize, spec: &TopicSpec) -> String {
    format!(
        "topic {name} has {there} partitions, but people are spread over {}; use another namespace in `bus`, \
         or move the events to topics with the right count",
        spec.partitions
    )
}

fn wanted(spec: &TopicSpec, replication: i32) -> BTreeMap<&'static str, String> {
    [
        ("cleanup.policy", spec.cleanup.to_owned()),
        ("retention.ms", (u64::from(spec.retention_days) * 86_400_000).to_string()),
        ("max.message.bytes", spec.message_bytes_max.to_string()),
        ("min.insync.replicas", replication.min(2).to_string()),
    ]
    .into()
}

/// Someone who may look at topics and change them.
pub struct Admin {
    client: Arc<AdminClient<Listening>>,
    told: Arc<Told>,
    settings: Settings,
    names: Names,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Admin {
    /// Connects when it is first asked for something.
    ///
    /// # Errors
    /// A property that librdkafka does not know.
    pub fn new(settings: Settings) -> Result<Self, Refused> {
        let told = Told::new("admin");
        let client: Result<AdminClient<Listening>, _> = settings.client().create_with_context(Listening(told.clone()));
        let client =
            client.map_err(|err| Refused::Wrong(format!("Kafka cannot be configured so ({err}); correct [kafka]")))?;
        let names = Names::new(&settings.namespace);
        Ok(Self { client: Arc::new(client), told, settings, names })
    }

    fn failed(&self, err: &KafkaError) -> Refused {
        self.told.refused(&self.settings.brokers, err)
    }

    /// What differs. `replication` is the number of copies of new topics: without one, three, or as many as there are
    /// brokers. Kept events are only thrown away sooner if that is allowed.
    ///
    /// # Errors
    /// When Kafka cannot be asked.
    pub async fn plan(&self, replication: Option<i32>, shorter_retention: bool) -> Result<Vec<Change>, Refused> {
        let found = self.ask().await?;
        let copies = replication.unwrap_or_else(|| found.n_brokers.clamp(1, 3));
        let (mut changes, mut there) = (Vec::new(), Vec::new());
        for spec in catalogue() {
            let topic = self.names.topic(spec.name).to_owned();
            match found.topics.get(&topic) {
                None | Some((0, _)) => {
                    changes.push(Change::Create { topic, replication: copies, config: wanted(&spec, copies) });
                }
                Some((n, _)) if *n != spec.partitions as usize => {
                    let why = other_count(&topic, *n, &spec);
                    changes.push(Change::Refuse { topic, why });
                }
                Some((_, copies)) => there.push((spec, topic, *copies)),
            }
        }
        let asked: Vec<&str> = there.iter().map(|it| it.1.as_str()).collect();
        for ((spec, topic, copies), config) in there.iter().zip(self.configs(&asked).await?) {
            for (name, to) in wanted(spec, *copies) {
                let from = config.get(name).and_then(|it| it.value.clone()).unwrap_or_default();
                if from == to {
                    continue;
                }
                let shortens = name == "retention.ms" && shorter(&from, &to);
                changes.push(if shortens && !shorter_retention {
                    let why = format!(
                        "{name} is {from} and would become {to}, which throws events away; \
                         say --allow-shorter-retention if that is wanted"
                    );
                    Change::Refuse { topic: topic.clone(), why }
                } else {
                    Change::Alter { topic: topic.clone(), name, from, to }
                });
            }
        }
        Ok(changes)
    }

    /// The groups of this namespace that have members: somebody is at work.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub async fn groups_at_work(&self) -> Result<Vec<String>, Refused> {
        let (client, prefix) = (self.client.clone(), self.names.group(""));
        let ask = move || {
            let all = client.inner().fetch_group_list(None, OPEN_MAX)?;
            let ours = all.groups().iter().filter(|it| it.name().starts_with(&prefix) && !it.members().is_empty());
            Ok::<_, KafkaError>(ours.map(|it| it.name().to_owned()).collect())
        };
        let asked = tokio::task::spawn_blocking(ask).await;
        let asked = asked.map_err(|err| Refused::Unreachable(format!("asking Kafka ended: {err}")))?;
        asked.map_err(|err| self.failed(&err))
    }

    async fn ask(&self) -> Result<There, Refused> {
        let client = self.client.clone();
        let asked = tokio::task::spawn_blocking(move || There::ask(client.inner())).await;
        let asked = asked.map_err(|err| Refused::Unreachable(format!("asking Kafka ended: {err}")))?;
        asked.map_err(|err| self.failed(&err))
    }

    /// Waits until the brokers tell of these topics: they are made before they are told of.
    async fn wait(&self, made: &[NewTopic<'_>]) -> Result<(), Refused> {
        let until = tokio::time::Instant::now() + OPEN_MAX;
        loop {
            let there = self.ask().await?;
            let is_there = |it: &NewTopic<'_>| there.topics.get(it.name).is_some_and(|it| it.0 > 0);
            if made.iter().all(is_there) {
                return Ok(());
            }
            if tokio::time::Instant::now() > until {
                return Err(Refused::Unreachable(
                    "the brokers do not tell yet of topics that they made; look again with `syncwell topics plan`"
                        .into(),
                ));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    async fn configs(&self, topics: &[&str]) -> Result<Vec<ConfigResource>, Refused> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<_> = topics.iter().map(|it| ResourceSpecifier::Topic(it)).collect();
        let told = self.client.describe_configs(&wanted, &options()).await.map_err(|err| self.failed(&err))?;
        told.into_iter()
            .map(|it| {
                it.map_err(|code| {
                    Refused::Wrong(format!(
                        "Kafka does not show a topic's settings ({code}); check its access control lists"
                    ))
                })
            })
            .collect()
    }

    /// Makes these changes; what is refused is left out.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub async fn apply(&self, changes: &[Change]) -> Result<(), Refused> {
        let mut altered: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        let mut made = Vec::new();
        for change in changes {
            match change {
                Change::Create { topic, replication, config } => {
                    let copies = TopicReplication::Fixed(*replication);
                    let new = NewTopic::new(topic, PARTITIONS.cast_signed(), copies);
                    made.push(config.iter().fold(new, |new, (name, value)| new.set(name, value)));
                }
                Change::Alter { topic, name, to, .. } => altered.entry(topic).or_default().push((name, to)),
                Change::Refuse { .. } => {}
            }
        }
        if !made.is_empty() {
            let results = self.client.create_topics(&made, &options()).await.map_err(|err| self.failed(&err))?;
            for result in results {
                result.map_err(|(topic, code)| {
                    Refused::Wrong(format!(
                        "Kafka does not make topic {topic} ({code}); check the replication factor and our rights there"
                    ))
                })?;
            }
            self.wait(&made).await?;
        }
        let topics: Vec<&str> = altered.keys().copied().collect();
        for (topic, config) in topics.iter().zip(self.configs(&topics).await?) {
            let Some(news) = altered.get(topic) else { continue };
            // The request replaces all settings of a topic: those that were set there by others go along.
            let kept: Vec<(String, String)> = config
                .entries
                .iter()
                .filter(|it| it.source == rdkafka::admin::ConfigSource::DynamicTopic)
                .filter(|it| news.iter().all(|news| news.0 != it.name))
                .filter_map(|it| Some((it.name.clone(), it.value.clone()?)))
                .collect();
            let mut request = AlterConfig::new(ResourceSpecifier::Topic(topic));
            for (name, value) in news {
                request = request.set(name, value);
            }
            for (name, value) in &kept {
                request = request.set(name, value);
            }
            let results = self.client.alter_configs([&request], &options()).await.map_err(|err| self.failed(&err))?;
            for result in results {
                result.map_err(|(_, code)| {
                    Refused::Wrong(format!("Kafka does not change topic {topic} ({code}); check our rights there"))
                })?;
            }
        }
        Ok(())
    }

    /// Deletes every topic of the namespace: for tests that made them.
    ///
    /// # Errors
    /// When Kafka cannot be reached.
    #[cfg(any(test, feature = "contract"))]
    pub async fn delete_all(&self) -> Result<(), Refused> {
        let names: Vec<&str> = catalogue().iter().map(|it| self.names.topic(it.name)).collect();
        self.client.delete_topics(&names, &options()).await.map_err(|err| self.failed(&err)).map(|_| ())
    }
}

/// Whether fewer milliseconds are kept; −1 is for ever.
fn shorter(from: &str, to: &str) -> bool {
    let kept = |text: &str| text.parse::<i64>().map_or(0, |it| if it < 0 { i64::MAX } else { it });
    kept(to) < kept(from)
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(OPEN_MAX)).operation_timeout(Some(OPEN_MAX))
}
