//! Where the SyncWell of a test lives: in memory and a directory, or on real servers.
//!
//! `SYNCWELL_TEST_WORLD=cluster` chooses the servers, which the environment names; no test knows which it is.

use anyhow::{Context, Result};
use engine::{
    bus::{
        Unreachable,
        kafka::{Names, topics::Admin},
        registry,
    },
    contract::servers,
    store::scylla::{address::Address, schema},
};
use schemas::topics::catalogue;
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    statement::Statement,
};
use std::{env, path::Path, time::Duration};
use topology::{backends, config::Config};

/// How long a server may take to drop a keyspace.
const DROP_MAX: Duration = Duration::from_secs(120);

/// The key of every installation of a test.
const KEY: &str = "5e1f7e57a9c04d2b8f36d1c2b3a4958677e6d5c4b3a2918070f1e2d3c4b5a697";

/// A place of its own for one installation; dropping it takes everything away.
#[derive(Debug, Default)]
pub struct Place {
    servers: Option<Servers>,
}

/// A namespace of topics and a keyspace that nobody else has.
#[derive(Debug)]
struct Servers {
    bus: String,
    /// Absent where only the bus is on servers.
    store: Option<String>,
    registry: String,
    instance: String,
}

impl Place {
    /// A new one, where the environment says; topics, schemas and tables are made.
    ///
    /// # Errors
    /// When a server that was asked for is not there.
    pub async fn new() -> Result<Self> {
        if !Self::is_asked_for() {
            return Ok(Self::default());
        }
        let missing = "SYNCWELL_TEST_WORLD=cluster needs servers; `make test` starts them";
        Self::on_servers().await?.context(missing)
    }

    /// A new one on the servers that the environment names, for what has to do with servers alone; `None` if it names
    /// none.
    ///
    /// # Errors
    /// When a server that is named is not there.
    pub async fn on_servers() -> Result<Option<Self>> {
        let (Some(bus), Some(store), Some(registry)) = (servers::bus(), servers::store(), servers::registry()) else {
            return Ok(None);
        };
        Self::on(bus, Some(store), registry).await.map(Some)
    }

    /// A new one whose bus outlives its process: on the servers that were asked for, else with a store in a directory
    /// beside a bus on servers; `None` where there is no such bus, which is said.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn with_lasting_bus() -> Result<Option<Self>> {
        if Self::is_asked_for() {
            return Self::new().await.map(Some);
        }
        let (Some(bus), Some(registry)) = (servers::bus(), servers::registry()) else { return Ok(None) };
        Self::on(bus, None, registry).await.map(Some)
    }

    async fn on(bus: String, store: Option<String>, registry: String) -> Result<Self> {
        let name = servers::unique();
        let store = store.map(|it| format!("{it}/{name}"));
        let servers = Servers { bus: format!("{bus}/{name}"), store, registry, instance: name };
        let place = Self { servers: Some(servers) };
        Box::pin(servers::prepare(async || place.make().await, |err| !backends::is_configuration(err))).await?;
        Ok(place)
    }

    /// What the operator's commands do before a first start.
    async fn make(&self) -> Result<()> {
        let config = self.config(Path::new("unused"));
        let settings = backends::kafka(&config)?;
        let topics = async {
            let admin = Admin::new(settings.clone())?;
            admin.apply(&admin.plan(Some(1), false).await?).await
        };
        let names = Names::new(&settings.namespace);
        let schemas = registry::push(&settings.registry, &names);
        let tables = async {
            if !self.has_store() {
                return Ok(());
            }
            let migrated = schema::migrate(&backends::cluster(&config)?, &schema::Options::default()).await;
            migrated.map(drop).map_err(anyhow::Error::from)
        };
        let (topics, schemas, tables) = tokio::join!(topics, schemas, tables);
        topics.context("make topics")?;
        schemas.context("push schemas")?;
        tables.context("make tables")?;
        Ok(())
    }

    /// Loses all that is on the bus. What is in memory is lost with its process.
    ///
    /// # Errors
    /// When a server does not do it.
    pub async fn lose_bus(&self) -> Result<()> {
        if self.servers.is_none() {
            return Ok(());
        }
        let admin = Admin::new(backends::kafka(&self.config(Path::new("unused")))?)?;
        admin.delete_all().await?;
        // The brokers tell of topics for a moment after they deleted them.
        crate::until("the topics are gone", async || {
            let Ok(changes) = admin.plan(Some(1), false).await else { return Ok(None) };
            Ok((changes.len() == catalogue().len()).then_some(()))
        })
        .await?;
        // A topic is made again once it is gone everywhere.
        crate::until("the topics are made again", async || {
            let Ok(changes) = admin.plan(Some(1), false).await else { return Ok(None) };
            if changes.is_empty() {
                return Ok(Some(()));
            }
            Ok(admin.apply(&changes).await.ok().and(None))
        })
        .await
    }

    /// A configuration of a SyncWell that lives here and keeps in `data` what belongs to one machine.
    #[must_use]
    pub fn config(&self, data: &Path) -> Config {
        let config = Config { data: data.to_owned(), ..Config::default() };
        let Some(Servers { bus, store, registry, instance }) = &self.servers else { return config };
        let (bus, registry) = (bus.clone(), Some(registry.clone()));
        let store = store.clone().unwrap_or(config.store.clone());
        // A process that comes back after a crash has its partitions back at once.
        let (key, instance) = (Some(KEY.to_owned()), Some(instance.clone()));
        Config { bus, store, registry, key, instance, ..config }
    }

    /// Whether its store is on servers.
    pub(crate) fn has_store(&self) -> bool {
        self.servers.as_ref().is_some_and(|it| it.store.is_some())
    }

    /// Whether the environment asks for real servers.
    ///
    /// # Panics
    /// When it asks for something else.
    #[must_use]
    pub fn is_asked_for() -> bool {
        let world = env::var("SYNCWELL_TEST_WORLD").unwrap_or_default();
        assert!(["", "cluster"].contains(&world.as_str()), "SYNCWELL_TEST_WORLD={world}; it is `cluster` or not set");
        !world.is_empty()
    }
}

/// Opens something as a process that starts does: servers that do not answer yet are waited for.
///
/// # Errors
/// What does not pass.
pub async fn opened<T>(open: impl AsyncFn() -> Result<T>) -> Result<T> {
    servers::patiently(open, |err: &anyhow::Error| err.chain().any(|it| it.is::<Unreachable>())).await
}

/// A way into the store on servers, and where that is.
pub(crate) async fn session(config: &Config) -> Result<(Session, Address)> {
    let address = backends::cluster(config)?;
    let mut builder = SessionBuilder::new().known_nodes(&address.hosts);
    if let Some((name, password)) = &address.user {
        builder = builder.user(name, password);
    }
    Ok((builder.build().await?, address))
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.servers.is_none() {
            return;
        }
        let (config, has_store) = (self.config(Path::new("unused")), self.has_store());
        // A thread of its own: a test's runtime may be ending.
        let taken = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                Admin::new(backends::kafka(&config)?)?.delete_all().await?;
                if !has_store {
                    return Ok(());
                }
                let (session, address) = session(&config).await?;
                let mut statement = Statement::new(format!("DROP KEYSPACE IF EXISTS {}", address.keyspace));
                statement.set_request_timeout(Some(DROP_MAX));
                session.query_unpaged(statement, ()).await?;
                Ok(())
            })
        })
        .join();
        if !matches!(taken, Ok(Ok(()))) {
            eprintln!("a place on the servers could not be taken away: {taken:?}");
        }
    }
}
