//! What is configured for Kafka, and what is not left to configuration.

use crate::bus::registry::Refused;
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Properties on which guarantees rest.
const OURS: [&str; 20] = [
    "acks",
    "request.required.acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "metadata.broker.list",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "partitioner",
    "statistics.interval.ms",
    "transactional.id",
    "enable.gapless.guarantee",
];

/// How long a member may be silent before the group gives its partitions away.
const SESSION: Duration = Duration::from_secs(10);
/// How often a member says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Where Kafka is and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Some of its brokers, as `host:port,host:port`.
    pub brokers: String,
    /// Prefix of topics and groups.
    pub namespace: String,
    /// Properties of librdkafka: TLS, SASL and what else an installation needs.
    pub properties: BTreeMap<String, String>,
    /// Where the schema registry is.
    pub registry: String,
    /// A name of this process that outlives it: a member that comes back in time keeps its partitions.
    pub instance: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Takes apart `kafka://host:port,host:port/namespace`; the namespace is `syncwell` where there is none.
    ///
    /// # Errors
    /// A URL without brokers, a namespace that is no topic name, a property that is not left to configuration.
    pub fn parse(
        url: &str,
        properties: BTreeMap<String, String>,
        registry: Option<&str>,
        instance: Option<&str>,
    ) -> Result<Self, Refused> {
        let rest = url.strip_prefix("kafka://").unwrap_or(url);
        let (brokers, namespace) = rest.split_once('/').unwrap_or((rest, ""));
        let wrong = |text: String| Err(Refused::Wrong(text));
        let is_place = |it: &str| {
            it.rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok())
        };
        if !brokers.split(',').all(is_place) {
            return wrong("bus: kafka:// needs brokers; give them as kafka://host:port,host:port/namespace, users and passwords as [kafka] properties".into());
        }
        let namespace = if namespace.is_empty() { "syncwell" } else { namespace };
        let fits = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
        if namespace.len() > 100 || !namespace.chars().all(fits) {
            return wrong(format!(
                "bus: {namespace} is no namespace; use letters, digits, dots, dashes and underscores"
            ));
        }
        if let Some(name) = properties.keys().find(|it| OURS.contains(&it.as_str())) {
            return wrong(format!(
                "kafka.{name} cannot be configured: what SyncWell promises rests on its value; take it out of [kafka]"
            ));
        }
        let Some(registry) = registry.filter(|it| !it.is_empty()) else {
            return wrong("no schema registry is configured, so nobody else could read the topics; set registry = \"http://host:port/path\"".into());
        };
        Ok(Self {
            brokers: brokers.to_owned(),
            namespace: namespace.to_owned(),
            properties,
            registry: registry.to_owned(),
            instance: instance.map(str::to_owned),
        })
    }

    /// What every client of it is configured with.
    ///
    /// # Errors
    /// None here; a property that librdkafka does not know is told when a client is made.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Error);
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers).set("client.id", "syncwell");
        // Nothing is written back to a terminal or file by the library itself.
        config.set("statistics.interval.ms", "5000");
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        let or = |config: &mut ClientConfig, name: &str, value: &str| {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        };
        or(&mut config, "linger.ms", "5");
        or(&mut config, "compression.type", "lz4");
        or(&mut config, "delivery.timeout.ms", "30000");
        or(&mut config, "queue.buffering.max.messages", "100000");
        or(&mut config, "queue.buffering.max.kbytes", "65536");
        config.set("enable.idempotence", "true").set("acks", "all").set("partitioner", "murmur2_random");
        config
    }

    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        let or = |config: &mut ClientConfig, name: &str, value: String| {
            if config.get(name).is_none() {
                config.set(name, value);
            }
        };
        or(&mut config, "session.timeout.ms", SESSION.as_millis().to_string());
        or(&mut config, "heartbeat.interval.ms", HEARTBEAT.as_millis().to_string());
        or(&mut config, "queued.max.messages.kbytes", "16384".into());
        or(&mut config, "fetch.wait.max.ms", "100".into());
        // When that much is at hand, the library asks again after a whole second, and has long run out by then.
        or(&mut config, "fetch.queue.backoff.ms", "20".into());
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("max.poll.interval.ms", "60000");
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", format!("{instance}.{group}"));
        }
        config
    }

    /// How long a member may be silent before the group gives its partitions away.
    pub(super) fn session(&self) -> Duration {
        self.duration("session.timeout.ms", SESSION)
    }

    /// How long the thread of a member may be silent before it must count its partitions as lost: heartbeats may
    /// have stopped one interval before.
    pub(super) fn silence_max(&self) -> Duration {
        self.session().saturating_sub(self.duration("heartbeat.interval.ms", HEARTBEAT))
    }

    fn duration(&self, name: &str, otherwise: Duration) -> Duration {
        let said = self.properties.get(name).and_then(|it| it.parse().ok());
        said.map_or(otherwise, Duration::from_millis)
    }
}
