//! Where things live: chosen once, by the scheme of a URL.

use crate::{
    address::scheme,
    config::{Config, ConfigError},
};
use anyhow::{Context, anyhow};
use engine::{
    bus::{
        Bus, Unreachable,
        kafka::{KafkaBus, Settings},
        memory::MemoryBus,
        registry::Refused,
    },
    store::{
        Store,
        scylla::{OpenError, ScyllaStore, address::Address},
        sqlite::SqliteStore,
    },
    vault::{Kek, Vault, VaultError},
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Transport, memory and the vault over it.
#[derive(Clone, Debug)]
pub struct Backends {
    /// Transport.
    pub bus: Arc<dyn Bus>,
    /// Memory.
    pub store: Store,
    /// Keys and tokens.
    pub vault: Vault,
    /// Whether what was on the bus is gone after a restart, and must be published again from the log.
    pub bus_is_lost: bool,
}

impl Backends {
    /// Opens what the URLs name. `memory://` and `sqlite://` belong to one process with all roles.
    ///
    /// # Errors
    /// An unknown scheme, a directory in use, a wrong key: each says what to do.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let (bus, bus_is_lost): (Arc<dyn Bus>, bool) = match scheme(&config.bus) {
            "memory" => (MemoryBus::new(), true),
            "kafka" => (Box::pin(KafkaBus::open(kafka(config)?)).await.map_err(bus_error)?, false),
            other => {
                let known = "this build has memory:// and kafka://";
                return Err(ConfigError(anyhow!("bus: no transport is called {other}; {known}")).into());
            }
        };
        let store = match scheme(&config.store) {
            "sqlite" => {
                let directory = directory(config);
                make_private(&directory)?;
                SqliteStore::open(&directory).with_context(|| format!("open the store in {}", directory.display()))?
            }
            "scylla" => {
                // First: without it nothing in the store could be read.
                if config.key.is_none() && config.key_file.is_none() {
                    let wrong = "scylla:// needs a key that all processes share; set key_file (or key)";
                    return Err(ConfigError(anyhow!(wrong)).into());
                }
                Box::pin(ScyllaStore::open(&cluster(config)?)).await.map_err(store_error)?
            }
            other => {
                let known = "this build has sqlite:// and scylla://";
                return Err(ConfigError(anyhow!("store: no memory is called {other}; {known}")).into());
            }
        };
        let vault =
            Vault::open(store.vault.clone(), key(config).map_err(ConfigError)?).await.context("open the vault")?;
        Ok(Self { bus, store, vault, bus_is_lost })
    }
}

/// What may pass is told apart: a process that starts waits for it.
fn bus_error(err: Refused) -> anyhow::Error {
    if err.may_pass() { Unreachable(err.to_string()).into() } else { err.into() }
}

fn store_error(err: OpenError) -> anyhow::Error {
    if err.may_pass() { Unreachable(err.to_string()).into() } else { err.into() }
}

/// Whether an error is to be set right by whoever configured this: what is configured is wrong, or a server refuses it
/// for good.
#[must_use]
pub fn is_configuration(err: &anyhow::Error) -> bool {
    err.chain().any(|it| {
        it.is::<ConfigError>()
            || it.downcast_ref::<Refused>().is_some_and(|it| !it.may_pass())
            || it.downcast_ref::<OpenError>().is_some_and(|it| !it.may_pass())
            || it.downcast_ref::<VaultError>().is_some_and(|it| !matches!(it, VaultError::Unreachable(_)))
    })
}

/// What is configured for a `kafka://` bus.
///
/// # Errors
/// Another scheme, or what cannot be configured so.
pub fn kafka(config: &Config) -> anyhow::Result<Settings> {
    if scheme(&config.bus) != "kafka" {
        let wrong = anyhow!("bus: {} has no topics; set bus = \"kafka://host:port\"", config.bus);
        return Err(ConfigError(wrong).into());
    }
    let (registry, instance) = (config.registry.as_deref(), config.instance.as_deref());
    Settings::parse(&config.bus, config.kafka_properties(), registry, instance)
        .map_err(|err| ConfigError(err.into()).into())
}

/// Where a `scylla://` store is.
///
/// # Errors
/// When the store is of another scheme, or its address cannot be read.
pub fn cluster(config: &Config) -> anyhow::Result<Address> {
    if scheme(&config.store) != "scylla" {
        let wrong = anyhow!(
            "store: only scylla:// is migrated, sqlite:// sees to that itself; set store = \"scylla://host:port/keyspace\""
        );
        return Err(ConfigError(wrong).into());
    }
    Address::parse(&config.store).map_err(|why| ConfigError(anyhow!("store: {why}")).into())
}

/// The directory of a `sqlite://` store.
#[must_use]
pub fn directory(config: &Config) -> PathBuf {
    match config.store.split_once("://") {
        Some((_, path)) if !path.is_empty() => path.into(),
        _ => config.data.clone(),
    }
}

/// The key that wraps all keys. A first start with neither `key` nor `key_file` makes one in the data directory: fit
/// for one's own machine, to be moved elsewhere for more.
fn key(config: &Config) -> anyhow::Result<Option<Kek>> {
    let parse =
        |text: &str, whence: &str| Kek::from_text(text.trim()).with_context(|| format!("read the key from {whence}"));
    if let Some(text) = &config.key {
        return parse(text, "the configuration").map(Some);
    }
    if let Some(path) = &config.key_file {
        let text = fs::read_to_string(path).with_context(|| format!("read key file {}", path.display()))?;
        return parse(&text, &path.display().to_string()).map(Some);
    }
    let directory = directory(config);
    let path = directory.join("key");
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text, &path.display().to_string()).map(Some),
        // A sealed directory whose key file is gone must not get a new key: the vault says what is missing.
        Err(err) if err.kind() == std::io::ErrorKind::NotFound && directory.join("sealed").exists() => Ok(None),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            let text = make_key(&path).with_context(|| format!("make key file {}", path.display()))?;
            fs::write(directory.join("sealed"), "this directory is sealed with a key\n")
                .context("note that the directory is sealed")?;
            parse(&text, &path.display().to_string()).map(Some)
        }
        Err(err) => Err(err).with_context(|| format!("read key file {}", path.display())),
    }
}

fn make_key(path: &Path) -> anyhow::Result<String> {
    let text = hex::encode(engine::connect::draw_key()?);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text)
}

/// Makes a directory that only its owner can look into.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).with_context(|| format!("make directory {}", directory.display()))
}
