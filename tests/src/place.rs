//! Where the SyncWell of a test lives: in memory and a directory, or on real servers.
//!
//! `SYNCWELL_TEST_WORLD=cluster` chooses the servers, which the environment names; no test knows which it is.

use anyhow::{Context, Result};
use engine::{
    bus::{
        kafka::{Names, topics::Admin},
        registry,
    },
    contract::servers,
    store::scylla::{address::Address, schema},
};
use scylla::{client::session_builder::SessionBuilder, statement::Statement};
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
    store: String,
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
        let name = servers::unique();
        let servers =
            Servers { bus: format!("{bus}/{name}"), store: format!("{store}/{name}"), registry, instance: name };
        let place = Self { servers: Some(servers) };
        Box::pin(place.make()).await?;
        Ok(Some(place))
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
        let address = backends::cluster(&config)?;
        let options = schema::Options::default();
        let tables = schema::migrate(&address, &options);
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
        let (bus, store, registry) = (bus.clone(), store.clone(), Some(registry.clone()));
        // A process that comes back after a crash has its partitions back at once.
        let (key, instance) = (Some(KEY.to_owned()), Some(instance.clone()));
        Config { bus, store, registry, key, instance, ..config }
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

impl Drop for Place {
    fn drop(&mut self) {
        if self.servers.is_none() {
            return;
        }
        let config = self.config(Path::new("unused"));
        // A thread of its own: a test's runtime may be ending.
        let taken = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                Admin::new(backends::kafka(&config)?)?.delete_all().await?;
                let address: Address = backends::cluster(&config)?;
                let mut builder = SessionBuilder::new().known_nodes(&address.hosts);
                if let Some((name, password)) = &address.user {
                    builder = builder.user(name, password);
                }
                let session = builder.build().await?;
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
