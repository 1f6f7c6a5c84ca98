//! Intake: a command becomes the first event of a sync, once, however often it is sent.

use crate::{
    accounts::Accounts,
    bus::{Backlog, Bus, Unreachable},
    contents::Contents,
    failpoint,
    people::{Config, Connection, ConnectionState, People},
    provider::{Part, Profile},
    runner::Runner,
    stage::{message, root},
    status::{Status, Story},
};
use schemas::{
    data_type::DataType,
    event::{
        Account, Cover, Deletes, Delivered, Destination, Envelope, Head, Lane, Named, Reading, Requested, Rule,
        StretchState, Trigger,
    },
    id::{ConnectionId, Subject, SyncId},
    time::{Instant, Interval},
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// How long an accepted command may wait to be on the bus before the client is told to try again.
const PUBLISH_MAX: Duration = Duration::from_secs(2);
/// How much may be on its way before new commands are told to come back.
const BACKLOG_MAX: Backlog = Backlog { count: 20_000, bytes: 256 << 20 };
/// How far back a first sync without a start reaches.
const FIRST_RANGE: Duration = Duration::from_secs(30 * 86_400);

/// Takes commands.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Where the first event is appended and published.
    pub runner: Runner,
    /// Who is connected to what, and what they can do.
    pub accounts: Accounts,
    /// What seals delivered bodies.
    pub contents: Contents,
}

/// A command to sync one type from one connection to others.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SyncCommand {
    /// Where to read.
    pub source: ConnectionId,
    /// Where to write: for each of these there must be a config.
    pub destinations: Vec<ConnectionId>,
    /// What.
    pub data_type: DataType,
    /// From when; absent: from the checkpoint, less the provider's overlap.
    pub from: Option<Instant>,
    /// Until when; absent: until now.
    pub to: Option<Instant>,
    /// Which lane it travels in.
    #[serde(skip)]
    pub lane: Lane,
}

/// Why a command is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A connection or config that is named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// What is asked for cannot work: says why, and what would.
    #[error("{0}")]
    Impossible(String),
    /// The account must be connected again first.
    #[error("{0}")]
    NeedsReauth(String),
    /// The key was used for another command.
    #[error("the idempotency key was used for another command; send this one with a key of its own")]
    KeyReused,
    /// A server of ours is out of reach, or busy: the same command with the same key may be sent again.
    #[error("busy: {0}; send the same command again with the same key")]
    Busy(String),
}

impl From<Unreachable> for Refusal {
    fn from(err: Unreachable) -> Self {
        Self::Busy(err.0)
    }
}

impl Intake {
    fn people(&self) -> &People {
        &self.accounts.people
    }

    /// Takes a sync command. The same key on the same command is the same sync; it is accepted once its first event
    /// is in the log and on the bus.
    ///
    /// # Errors
    /// [`Refusal`], with nothing accepted; after [`Refusal::Busy`] it may have been.
    pub async fn submit(&self, subject: &Subject, key: &str, command: &SyncCommand) -> Result<SyncId, Refusal> {
        let fingerprint = fingerprint(command);
        let sync = SyncId::for_key(subject, "sync-jobs", key);
        if let Some(earlier) = self.earlier(subject, sync).await? {
            // What was accepted once is accepted again, whatever has become of its connections since.
            if earlier.body.fingerprint != fingerprint {
                return Err(Refusal::KeyReused);
            }
            return self.accept(earlier).await;
        }
        let source = self.active(subject, command.source).await?;
        let mut destinations = Vec::new();
        for id in &command.destinations {
            let destination = self.active(subject, *id).await?;
            self.possible(&source, &destination, command.data_type)?;
            destinations.push(self.configured(subject, &source, &destination, command.data_type).await?);
        }
        if destinations.is_empty() {
            return Err(Refusal::Impossible("a sync needs at least one destination".into()));
        }
        let window = self.window(subject, command, &source).await?;
        let body = Requested {
            source: account(&source),
            data_type: Some(command.data_type),
            destinations,
            cover: Cover::Range(window),
            reading: Reading::default(),
            trigger: Trigger::Manual,
            lane: command.lane,
            expires_at: None,
            fingerprint,
        };
        let head = Head::root(sync, subject.clone(), self.runner.clock.now());
        self.accept(Envelope { head, body }).await
    }

    /// Takes a delivered file, already cut into pages: for these destinations, without a config.
    ///
    /// # Errors
    /// As [`Intake::submit`].
    pub async fn deliver(
        &self,
        subject: &Subject,
        key: &str,
        source: &Connection,
        destinations: &[Connection],
        parts: Vec<Part>,
    ) -> Result<SyncId, Refusal> {
        let sync = SyncId::for_key(subject, "imports", key);
        let head = Head::root(sync, subject.clone(), self.runner.clock.now());
        let mut digest = Sha256::new();
        let mut payloads = Vec::with_capacity(parts.len());
        for part in &parts {
            digest.update(part.content_type.as_bytes());
            digest.update(&part.body);
            payloads.push(self.contents.seal(&head, &part.content_type, &part.body).await?);
        }
        let fingerprint = hex::encode(digest.finalize());
        if let Some(earlier) = self.earlier(subject, sync).await? {
            return if earlier.body.fingerprint == fingerprint {
                self.accept(earlier).await
            } else {
                Err(Refusal::KeyReused)
            };
        }
        let destination = |it: &Connection| Destination {
            account: account(it),
            config: None,
            config_version: 0,
            rule: Rule::PrioritiseSource,
            deletes: Deletes::Keep,
        };
        let body = Requested {
            source: account(source),
            data_type: None,
            destinations: destinations.iter().map(destination).collect(),
            cover: Cover::Delivered(Delivered { parts: payloads, delivered_at: head.at }),
            reading: Reading::default(),
            trigger: Trigger::Delivery,
            lane: Lane::Hot,
            expires_at: None,
            fingerprint,
        };
        self.accept(Envelope { head, body }).await
    }

    /// Takes a notification of a provider: named records of a connection, for every config that reads them.
    ///
    /// # Errors
    /// As [`Intake::submit`].
    pub async fn notified(
        &self,
        subject: &Subject,
        source: &Connection,
        data_type: DataType,
        cover: Noticed,
        occasion: &str,
    ) -> Result<Option<SyncId>, Refusal> {
        let configs = self.people().configs(subject).await?;
        let mut destinations = Vec::new();
        for config in
            configs.iter().filter(|it| it.enabled && it.source == source.id && it.data_types.contains(&data_type))
        {
            if let Some((_, destination)) = self.people().connection(subject, config.destination).await? {
                let (version, _) = self.people().config(subject, config.id).await?.unwrap_or((0, config.clone()));
                destinations.push(wanted(config, version, &destination));
            }
        }
        if destinations.is_empty() {
            return Ok(None);
        }
        // What is told of on the same occasion is the same sync.
        let versions: Vec<_> = destinations.iter().map(|it| format!("{:?}/{}", it.config, it.config_version)).collect();
        let key = format!("{}/{data_type}/{}/{}/{occasion}", source.id, cover.name(), versions.join(","));
        let sync = SyncId::for_key(subject, "notifications", &key);
        let head = Head::root(sync, subject.clone(), self.runner.clock.now());
        let fingerprint = hex::encode(Sha256::digest(key.as_bytes()));
        let cover = match cover {
            Noticed::Window(window) => Cover::Range(window),
            Noticed::Named(ids) => {
                let json = serde_json::to_vec(&ids).map_err(|err| Refusal::Impossible(err.to_string()))?;
                Cover::Named(Named { ids: self.contents.seal(&head, "application/json", &json).await? })
            }
        };
        let body = Requested {
            source: account(source),
            data_type: Some(data_type),
            destinations,
            cover,
            reading: Reading::default(),
            trigger: Trigger::Notification,
            lane: Lane::Hot,
            expires_at: None,
            fingerprint,
        };
        self.accept(Envelope { head, body }).await.map(Some)
    }

    /// How a sync stands; `None` if this person has no such sync.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn status(&self, subject: &Subject, sync: SyncId) -> Result<Option<Status>, Unreachable> {
        let story = Story::read(&*self.runner.store.log, subject, sync).await?;
        Ok(story.status())
    }

    /// Whether a pair of connections can carry a type: else why not, and what would.
    ///
    /// # Errors
    /// [`Refusal::Impossible`].
    pub fn possible(&self, source: &Connection, destination: &Connection, data_type: DataType) -> Result<(), Refusal> {
        let profile = |it: &Connection| {
            let unknown = || Refusal::Impossible(format!("no provider is called {}", it.provider));
            self.accounts.catalog.get(&it.provider).map(|it| it.profile()).ok_or_else(unknown)
        };
        if source.id == destination.id {
            return Err(Refusal::Impossible("source and destination are the same connection; choose two".into()));
        }
        let (from, to) = (profile(source)?, profile(destination)?);
        if from.of(data_type).is_none_or(|it| !it.read) {
            let what = types(from, |it| it.read);
            return Err(Refusal::Impossible(format!(
                "{data_type} cannot be read from {}; it gives {what}",
                from.title
            )));
        }
        if to.of(data_type).is_none_or(|it| it.create.is_none()) {
            let what = types(to, |it| it.create.is_some());
            let others: Vec<_> = self
                .accounts
                .catalog
                .iter()
                .map(|it| it.profile())
                .filter(|it| it.of(data_type).is_some_and(|it| it.create.is_some()))
                .map(|it| it.title)
                .collect();
            let instead = if others.is_empty() {
                "nothing here takes it".into()
            } else {
                format!("{data_type} can go to {}", others.join(", "))
            };
            return Err(Refusal::Impossible(format!(
                "{data_type} cannot be written to {}, which takes {what}; {instead}",
                to.title
            )));
        }
        Ok(())
    }

    async fn active(&self, subject: &Subject, id: ConnectionId) -> Result<Connection, Refusal> {
        let found = self.people().connection(subject, id).await?;
        let Some((_, connection)) = found else { return Err(Refusal::NotFound(format!("no connection {id}"))) };
        match connection.state {
            ConnectionState::Active => Ok(connection),
            ConnectionState::NeedsReauth => {
                Err(Refusal::NeedsReauth(format!("connection {id} to {} must be connected again", connection.provider)))
            }
            ConnectionState::Disconnected => Err(Refusal::NotFound(format!("connection {id} was disconnected"))),
        }
    }

    async fn configured(
        &self,
        subject: &Subject,
        source: &Connection,
        destination: &Connection,
        data_type: DataType,
    ) -> Result<Destination, Refusal> {
        let id = schemas::id::ConfigId::derived(subject, source.id, destination.id);
        let Some((version, config)) = self.people().config(subject, id).await? else {
            return Err(Refusal::NotFound(format!(
                "no sync config from connection {} to {}; make one first",
                source.id, destination.id
            )));
        };
        if !config.enabled || !config.data_types.contains(&data_type) {
            return Err(Refusal::Impossible(format!(
                "the sync config {id} does not carry {data_type}; add it there first"
            )));
        }
        Ok(wanted(&config, version, destination))
    }

    /// The range of a command, fixed now: from the checkpoint, less what may still change before it.
    async fn window(&self, subject: &Subject, command: &SyncCommand, source: &Connection) -> Result<Interval, Refusal> {
        let now = self.runner.clock.now();
        let to = command.to.unwrap_or(now);
        let overlap = self.accounts.catalog.get(&source.provider).map_or(Duration::ZERO, |it| it.profile().overlap);
        let from = match command.from {
            Some(from) => from,
            None => {
                let mut earliest = None;
                for id in &command.destinations {
                    let (_, checkpoint) = self.people().checkpoint(subject, source.id, *id, command.data_type).await?;
                    let from =
                        checkpoint.covered_through.map_or_else(|| now.minus(FIRST_RANGE), |it| it.minus(overlap));
                    // What could not be read is asked for again.
                    let unread = checkpoint.gaps.iter().filter(|it| it.state == StretchState::Unread);
                    let from = unread.map(|it| it.interval.from).min().map_or(from, |it| it.min(from));
                    earliest = Some(earliest.map_or(from, |it: Instant| it.min(from)));
                }
                earliest.unwrap_or_else(|| now.minus(FIRST_RANGE))
            }
        };
        if from >= to {
            return Err(Refusal::Impossible(format!("the range is empty: it begins at {from} and ends at {to}")));
        }
        Ok(Interval { from, to })
    }

    async fn earlier(&self, subject: &Subject, sync: SyncId) -> Result<Option<Envelope<Requested>>, Unreachable> {
        let id = schemas::id::EventId::root(sync);
        let Some(event) = self.runner.store.log.event(subject, sync, id).await? else { return Ok(None) };
        event.event().map(Some)
    }

    /// Append, publish, accepted. The append says which of two racing commands stands.
    async fn accept(&self, event: Envelope<Requested>) -> Result<SyncId, Refusal> {
        let (subject, sync) = (event.head.subject.clone(), event.head.sync);
        let backlog = self.runner.bus.backlog();
        if backlog.count > BACKLOG_MAX.count || backlog.bytes > BACKLOG_MAX.bytes {
            return Err(Refusal::Busy("too much is on its way".into()));
        }
        let step = self.runner.begin(&event.head, root(&event)).await?;
        let Some(stands) = step.outputs.first() else { return Err(Refusal::Busy("the log gave an empty step".into())) };
        let first: Envelope<Requested> = stands.event()?;
        if first.body.fingerprint != event.body.fingerprint {
            return Err(Refusal::KeyReused);
        }
        failpoint::reached("intake", "append");
        let message = message(&subject, stands);
        let bus: &Arc<dyn Bus> = &self.runner.bus;
        match tokio::time::timeout(PUBLISH_MAX, bus.publish(vec![message])).await {
            Ok(published) => published?,
            Err(_) => return Err(Refusal::Busy("the bus did not answer in time".into())),
        }
        failpoint::reached("intake", "publish");
        Ok(sync)
    }
}

/// What a notification speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// Records of these ids.
    Named(Vec<String>),
    /// Records in this stretch.
    Window(Interval),
}

impl Noticed {
    fn name(&self) -> String {
        match self {
            Self::Named(ids) => ids.join(","),
            Self::Window(window) => format!("{}..{}", window.from, window.to),
        }
    }
}

fn account(connection: &Connection) -> Account {
    Account { connection: connection.id, provider: connection.provider.clone() }
}

fn wanted(config: &Config, version: i64, destination: &Connection) -> Destination {
    Destination {
        account: account(destination),
        config: Some(config.id),
        config_version: version,
        rule: config.rule,
        deletes: config.deletes,
    }
}

fn types(profile: &Profile, can: impl Fn(&crate::provider::TypeProfile) -> bool) -> String {
    let names: Vec<_> = profile.types.iter().filter(|it| can(it)).map(|it| it.data_type.name()).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// SHA-256 of a command's JSON, whose fields are always in the same order.
fn fingerprint(command: &SyncCommand) -> String {
    let json = serde_json::to_vec(command).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}
