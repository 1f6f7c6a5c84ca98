//! Configuration: from a file, the environment and flags, in that order; an unknown key ends the start with its name.

use crate::address;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// Prefix of the environment's keys: `SYNCWELL_LISTEN`, `SYNCWELL_PROVIDERS__STRAVA__CLIENT_ID`.
const PREFIX: &str = "SYNCWELL_";
/// Variables with that prefix that are no configuration keys, besides those of tests and of the servers they start.
const NO_KEYS: [&str; 6] =
    ["SYNCWELL_CONFIG", "SYNCWELL_LOG", "SYNCWELL_URL", "SYNCWELL_TOKEN", "SYNCWELL_KILL_AT", "SYNCWELL_CLOCK_SHIFT_S"];

/// An error in what was configured: exit 78 (`EX_CONFIG`).
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct ConfigError(pub anyhow::Error);

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The directory that everything of a single machine is kept in.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// Transport: `memory://`, or `kafka://host:port,host:port/namespace` (the prefix of topics and groups, `syncwell`
    /// where there is none).
    #[serde(default = "default_bus")]
    pub bus: String,
    /// Properties of librdkafka for `kafka://`, such as `"security.protocol"`; in the environment
    /// `SYNCWELL_KAFKA__SASL_PASSWORD`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kafka: BTreeMap<String, Value>,
    /// The schema registry of `kafka://`: the address of its Confluent-compatible API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// A name of this process that outlives it: after a restart within the session timeout it keeps its partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Memory: `sqlite://` (in `data`), `sqlite:///path/of/a/directory`, or
    /// `scylla://user:password@host:port,host:port/keyspace?dc=name&ca=/path/of/authorities.pem`.
    #[serde(default = "default_store")]
    pub store: String,
    /// Where this process listens: the API, and the probes of every role; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The API's address as providers and browsers see it; absent: `http://` and `listen`.
    #[serde(default)]
    pub public_url: Option<String>,
    /// A token that opens `/metrics`, for a scraper. Absent: an access token does at the API, and other roles need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_token: Option<String>,
    /// The key that wraps all keys: 32 bytes in hex or base64. Absent: `key_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A file that holds that key; absent: `key` in `data`, made on the first start.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// The directory below which an API client may connect folders; absent: `data`.
    #[serde(default)]
    pub folders: Option<PathBuf>,
    /// Providers, by catalogue name.
    #[serde(default)]
    pub providers: BTreeMap<String, ProviderConfig>,
}

/// What is configured for one provider. Everything has a default but our registration there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Base of its API.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Base of its authorization server.
    #[serde(default)]
    pub auth_url: Option<String>,
    /// Base of its token endpoint.
    #[serde(default)]
    pub token_url: Option<String>,
    /// Our id there.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Our secret there.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// Token of its webhook handshake, or its shared `Authorization` value.
    #[serde(default)]
    pub verify_token: Option<String>,
    /// The id of our webhook subscription there.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Whether a notification without a signature is refused.
    #[serde(default)]
    pub require_signature: bool,
    /// A file with the provider's public keys (a Tink JSON keyset).
    #[serde(default)]
    pub keyset_file: Option<PathBuf>,
    /// Calls allowed per window, by the limit's name, where our tier differs from the default one.
    #[serde(default)]
    pub limits: BTreeMap<String, u32>,
}

fn default_data() -> PathBuf {
    "syncwell-data".into()
}

fn default_bus() -> String {
    "memory://".into()
}

fn default_store() -> String {
    "sqlite://".into()
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: default_data(),
            bus: default_bus(),
            kafka: BTreeMap::new(),
            registry: None,
            instance: None,
            store: default_store(),
            listen: default_listen(),
            public_url: None,
            metrics_token: None,
            key: None,
            key_file: None,
            folders: None,
            providers: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the configuration: the file (which must exist if it is named), then the environment, then `flags`.
    ///
    /// # Errors
    /// An unknown key or a bad value, named, with what to do.
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: Table,
    ) -> anyhow::Result<Self> {
        let mut table = match file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("read configuration file {}", path.display()))?;
                text.parse::<Table>().with_context(|| format!("parse configuration file {}", path.display()))?
            }
            None => Table::new(),
        };
        for (name, value) in environment {
            let is_key =
                |it: &&str| !NO_KEYS.contains(&name.as_str()) && !it.starts_with("TEST_") && !it.starts_with("STACK_");
            let Some(key) = name.strip_prefix(PREFIX).filter(is_key) else { continue };
            let path: Vec<String> = key.split("__").map(str::to_lowercase).collect();
            set(&mut table, &path, scalar(&value)).with_context(|| format!("take {name} from the environment"))?;
        }
        for (key, value) in flags {
            table.insert(key, value);
        }
        let config: Self = Value::Table(table).try_into().map_err(|err: toml::de::Error| {
            anyhow::anyhow!("configuration: {}; `syncwell config` prints every key", err.message())
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        for (name, provider) in &self.providers {
            for url in [&provider.base_url, &provider.auth_url, &provider.token_url].into_iter().flatten() {
                url::Url::parse(url).with_context(|| format!("providers.{name}: {url} is no URL"))?;
            }
        }
        if self.key.is_some() && self.key_file.is_some() {
            bail!("configuration: both key and key_file are set; keep one of them");
        }
        Ok(())
    }

    /// The properties of librdkafka: `sasl_password`, as the environment writes it, is `sasl.password`.
    #[must_use]
    pub fn kafka_properties(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.kafka.iter().map(|(name, value)| (name.replace('_', "."), text(value))).collect()
    }

    /// The same, with every secret masked: fit to be shown.
    #[must_use]
    pub fn masked(&self) -> Self {
        let mask = |secret: &mut Option<String>| {
            if let Some(secret) = secret {
                *secret = "********".into();
            }
        };
        let mut shown = self.clone();
        shown.bus = address::masked(&shown.bus);
        shown.store = address::masked(&shown.store);
        mask(&mut shown.key);
        mask(&mut shown.metrics_token);
        let is_secret =
            |name: &str| ["password", "secret", "key", "jaas", "token", "config"].iter().any(|it| name.contains(it));
        for (_, value) in shown.kafka.iter_mut().filter(|it| is_secret(it.0)) {
            *value = Value::String("********".into());
        }
        shown.registry = shown.registry.map(|it| address::masked(&it));
        for provider in shown.providers.values_mut() {
            mask(&mut provider.client_secret);
            mask(&mut provider.verify_token);
        }
        shown
    }
}

/// A value of the environment: a truth or a number where it reads as one, else a text.
fn scalar(text: &str) -> Value {
    match (text.parse(), text.parse()) {
        (Ok(truth), _) => Value::Boolean(truth),
        // A client id or a secret may be all digits and too long for a number: it stays a text then.
        (_, Ok(number)) if text.len() < 6 => Value::Integer(number),
        _ => Value::String(text.into()),
    }
}

fn set(table: &mut Table, path: &[String], value: Value) -> anyhow::Result<()> {
    let Some((last, groups)) = path.split_last() else { return Ok(()) };
    let mut at = table;
    for group in groups {
        let entry = at.entry(group.clone()).or_insert_with(|| Value::Table(Table::new()));
        at = entry.as_table_mut().with_context(|| format!("{group} is a value, not a group of keys"))?;
    }
    // Our id at a provider may be a number, as it is at Strava.
    let value = match value {
        Value::Integer(number)
            if last.starts_with("client_")
                || ["subscription", "verify_token", "metrics_token"].contains(&last.as_str()) =>
        {
            Value::String(number.to_string())
        }
        value => value,
    };
    at.insert(last.clone(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Config;
    use toml::Table;

    fn read(environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(None, owned, Table::new())
    }

    #[test]
    fn the_environment_reaches_every_depth() {
        let config = read(&[
            ("SYNCWELL_PROVIDERS__STRAVA__CLIENT_ID", "12345"),
            ("SYNCWELL_LISTEN", "127.0.0.1:0"),
            ("HOME", "/root"),
        ])
        .unwrap();
        assert_eq!(config.providers["strava"].client_id.as_deref(), Some("12345"));
        assert_eq!(config.listen.port(), 0);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        for (name, wanted) in [("SYNCWELL_LISTNE", "listne"), ("SYNCWELL_PROVIDERS__STRAVA__CLIENTID", "clientid")] {
            let said = format!("{:#}", read(&[(name, "x")]).unwrap_err());
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        let said = format!("{:#}", read(&[("SYNCWELL_LISTEN", "nowhere")]).unwrap_err());
        assert!(said.contains("socket address"), "{said}");
    }

    #[test]
    fn properties_of_kafka_are_written_with_dots() {
        let config =
            read(&[("SYNCWELL_KAFKA__SASL_PASSWORD", "1234"), ("SYNCWELL_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")]);
        let properties = config.unwrap().kafka_properties();
        let shown: Vec<_> = properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(shown, [("sasl.password", "1234"), ("security.protocol", "SASL_SSL")]);
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let config = read(&[
            ("SYNCWELL_KEY", "canary-key"),
            ("SYNCWELL_METRICS_TOKEN", "canary-metrics"),
            ("SYNCWELL_BUS", "kafka://me:canary-bus@host:9092"),
            ("SYNCWELL_STORE", "scylla://me:canary-store@host:9042/syncwell"),
            ("SYNCWELL_PROVIDERS__STRAVA__CLIENT_SECRET", "canary-secret"),
            ("SYNCWELL_PROVIDERS__STRAVA__VERIFY_TOKEN", "canary-token"),
            ("SYNCWELL_KAFKA__SASL_PASSWORD", "canary-password"),
            ("SYNCWELL_REGISTRY", "http://user:canary-password@registry:8081"),
        ]);
        let shown = toml::to_string(&config.unwrap().masked()).unwrap();
        assert!(!shown.contains("canary"), "{shown}");
    }
}
