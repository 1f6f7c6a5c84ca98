//! A place on real servers, and the real binary there.

use anyhow::{Context, Result, ensure};
use engine::store::scylla::address::Address;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use scylla::{client::session_builder::SessionBuilder, statement::Statement};
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tests::{Place, until_every};
use topology::{backends, config::Config};

/// How long a server may take for a change.
const CHANGE_MAX: Duration = Duration::from_secs(60);
/// How often a process is looked at.
const OFTEN: Duration = Duration::from_millis(50);

/// What a process has said, and with which code it ended; without one it had not ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) lines: Vec<String>,
}

/// A process that runs; dropping it kills it.
pub(super) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed and need not be.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Topics, tables and schemas as they should be, and a configuration of them.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) directory: TempDir,
    _place: Place,
}

impl Site {
    /// A new one; `None` without servers.
    pub(super) async fn new() -> Result<Option<Self>> {
        let Some(place) = Place::on_servers().await? else { return Ok(None) };
        let directory = tempfile::tempdir()?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { listen, ..place.config(&directory.path().join("data")) };
        Ok(Some(Self { config, directory, _place: place }))
    }

    fn command(&self, config: &Config, arguments: &[&str]) -> Result<Command> {
        let path = self.directory.path().join("config.toml");
        fs::write(&path, toml::to_string(config)?)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_syncwell-under-test"));
        command.env_clear().current_dir(self.directory.path()).arg("--config").arg(path).args(arguments);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Runs a command to its end: code, what it gave, what it said.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let output = self.command(&self.config, arguments)?.output().context("run the binary")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((output.status.code().context("it was killed")?, text(output.stdout), text(output.stderr)))
    }

    /// Runs a command that must succeed; what it gave.
    pub(super) fn done(&self, arguments: &[&str]) -> Result<String> {
        let (code, given, said) = self.run(arguments)?;
        ensure!(code == 0, "{arguments:?} ended with {code}: {said}");
        Ok(given)
    }

    fn start(&self, config: &Config) -> Result<(Running, PathBuf)> {
        let said = self.directory.path().join("said");
        let mut command = self.command(config, &["worker"])?;
        command.stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        Ok((Running(command.spawn().context("start the binary")?), said))
    }

    /// What a worker says that is started so, until it ends, is up, or has said what is waited for.
    pub(super) async fn worker(&self, config: &Config, is_told: impl Fn(&str) -> bool) -> Result<Said> {
        let (running, said) = self.start(config)?;
        let running = tokio::sync::Mutex::new(running);
        let look = async || {
            let code = running.lock().await.0.try_wait()?.map(|it| it.code().unwrap_or(-1));
            let text = fs::read_to_string(&said)?;
            let is_over = code.is_some() || (text.ends_with('\n') && (text.contains("is up at") || is_told(&text)));
            Ok(is_over.then(|| Said { code, lines: text.lines().map(str::to_owned).collect() }))
        };
        let told = until_every("a worker has said it", OFTEN, look).await;
        told.with_context(|| format!("it said: {}", fs::read_to_string(&said).unwrap_or_default()))
    }

    /// A worker that is up.
    pub(super) async fn working(&self) -> Result<Running> {
        let (running, said) = self.start(&self.config)?;
        let up = async || Ok(fs::read_to_string(&said)?.contains("is up at").then_some(()));
        until_every("a worker is up", OFTEN, up).await?;
        Ok(running)
    }

    /// Runs a statement as who may do everything.
    pub(super) async fn cql(&self, text: &str) -> Result<()> {
        let address: Address = backends::cluster(&self.config)?;
        let mut builder = SessionBuilder::new().known_nodes(&address.hosts);
        if let Some((name, password)) = &address.user {
            builder = builder.user(name, password);
        }
        let mut statement = Statement::new(text);
        statement.set_request_timeout(Some(CHANGE_MAX));
        builder.build().await?.query_unpaged(statement, ()).await?;
        Ok(())
    }

    fn brokers(&self) -> String {
        let (_, rest) = self.config.bus.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default().to_owned()
    }

    fn kafka(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers()).set("message.max.bytes", "30000000");
        config
    }

    /// A topic by its short name.
    pub(super) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.config.bus.rsplit('/').next().unwrap_or_default())
    }

    /// Gives a topic more partitions.
    pub(super) async fn more_partitions(&self, topic: &str, n_partitions: usize) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.kafka().create()?;
        let wanted = NewPartitions::new(topic, n_partitions);
        let done = admin.create_partitions(&[wanted], &AdminOptions::new().operation_timeout(Some(CHANGE_MAX))).await?;
        done.into_iter().try_for_each(|it| it.map(drop).map_err(|(name, err)| anyhow::anyhow!("{name}: {err}")))
    }

    /// Lets a topic take large messages.
    pub(super) async fn allow(&self, topic: &str, bytes_max: usize) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.kafka().create()?;
        let bytes_max = bytes_max.to_string();
        let wanted = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", &bytes_max);
        let done = admin.alter_configs(&[wanted], &AdminOptions::new()).await?;
        done.into_iter().try_for_each(|it| it.map(drop).map_err(|(name, err)| anyhow::anyhow!("{name:?}: {err}")))
    }

    /// Sends a message of nobody's into a partition.
    pub(super) fn send(&self, topic: &str, partition: i32, value: Option<&[u8]>) -> Result<()> {
        let producer: BaseProducer = self.kafka().create()?;
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).partition(partition).key("somebody");
        record.payload = value;
        producer.send(record).map_err(|it| it.0)?;
        Ok(producer.flush(CHANGE_MAX)?)
    }

    /// The offset after the last message of each partition.
    pub(super) fn ends(&self, topic: &str) -> Result<Vec<i64>> {
        let consumer: BaseConsumer = self.kafka().create()?;
        let n_partitions = i32::try_from(schemas::topics::PARTITIONS)?;
        (0..n_partitions).map(|it| Ok(consumer.fetch_watermarks(topic, it, CHANGE_MAX)?.1)).collect()
    }
}
