//! A whole SyncWell in one process, and the outside world around it.
//!
//! [`World`] runs every role between real provider simulators, where [`Place`] says: embedded, or on real servers. All of them live in one
//! time, which begins at [`START`]: it runs as time does, and while nothing is on its way it jumps to the next timer,
//! so that an hour's pause costs no time. [`World::hold_time`] keeps it from jumping.

mod inside;
mod losses;
mod outside;
mod place;
mod tables;
mod telling;
mod waiting;

pub use self::{
    inside::{End, Inside},
    losses::{Repair, Snapshot},
    outside::{Outside, VERIFY_TOKEN},
    place::{Place, opened},
    telling::{fates, told},
    waiting::{until, until_every},
};

use self::losses::{Still, once_free};
use anyhow::{Context, Result, ensure};
use connectors::{google_health, strava};
use engine::{
    clock::{Clock, ManualClock},
    connect::ConfigCommand,
    intake::SyncCommand,
    item::ItemRow,
    people::{Checkpoint, Connection, ConnectionState},
    provider::Catalog,
    resolve::policy::Policies,
    status::Status,
};
use reqwest::{Response, multipart};
use schemas::{
    data_type::DataType,
    event::{Deletes, Lane, Rule},
    id::{ConnectionId, Subject, SyncId},
    time::{Instant, Interval},
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use topology::config::Config;

/// The first person's athlete at the Strava simulator.
pub const ATHLETE: u64 = 7;
/// The first person's user at the Google Health simulator.
pub const USER: &str = "115500000000000000007";
/// When a world begins: after everything that the recordings hold.
pub const START: &str = "2026-07-02T09:00:00Z";
/// Before everything that the recordings hold.
pub const LONG_AGO: &str = "2010-01-01T00:00:00Z";

/// A person with accounts, a SyncWell, and time.
#[derive(Debug)]
pub struct World {
    /// Strava.
    pub strava: strava::simulator::Simulator,
    /// Google Health.
    pub google: google_health::simulator::Simulator,
    /// SyncWell, which can be ended and opened again.
    pub inside: Inside,
    /// The person who acts.
    pub subject: Subject,
    clock: (Clock, ManualClock),
    is_held: Arc<AtomicBool>,
    outside: Outside,
    config: Config,
    catalog: Catalog,
    n_commands: u32,
    directory: TempDir,
}

impl World {
    /// A person with a Strava account, a Google Health account and a folder, all connected, all empty.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn new() -> Result<Self> {
        Self::with(connectors::catalog()).await
    }

    /// The same with other providers.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn with(catalog: Catalog) -> Result<Self> {
        Self::around(Outside::start(at(START)).await?, catalog).await
    }

    async fn around(outside: Outside, catalog: Catalog) -> Result<Self> {
        let clock = Clock::manual(at(START));
        let directory = tempfile::tempdir()?;
        let config = outside.config(directory.path())?;
        let is_held = Arc::<AtomicBool>::default();
        let inside = Box::pin(Inside::open(&config, &clock, outside.kits(), (&catalog, &is_held))).await?;
        let mut world = Self {
            strava: outside.strava.clone(),
            google: outside.google.clone(),
            subject: inside.subject_of("tester"),
            inside,
            clock,
            is_held,
            outside,
            config,
            catalog,
            n_commands: 0,
            directory,
        };
        world.sign_in("tester", ATHLETE, USER).await?;
        Ok(world)
    }

    /// Another person, or the first, acts from now on: with an athlete, a user and a folder of their own.
    ///
    /// # Errors
    /// When something cannot be connected.
    pub async fn sign_in(&mut self, name: &str, athlete: u64, user: &str) -> Result<()> {
        self.subject = self.inside.subject_of(name);
        self.outside.add_person(athlete, user);
        self.grant("strava", &format!("&athlete={athlete}")).await?;
        self.google.consent_as(user, &[]);
        self.grant("google_health", "").await?;
        self.place(&format!("folder-of-{name}")).await?;
        Ok(())
    }

    /// The same world after SyncWell was ended, one way or the other, and opened again on the same directory.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn restarted(self, end: End) -> Result<Self> {
        let catalog = self.catalog.clone();
        self.upgraded(end, catalog).await
    }

    /// The same, opened again with other providers.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn upgraded(self, end: End, catalog: Catalog) -> Result<Self> {
        Ok(self.reopened(end, Some(catalog), async |_| Ok(())).await?.0)
    }

    /// The same after its process was cut off and all that was on the bus was lost; what waited there is published
    /// again, as `syncwell replay open` does.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn without_bus(self) -> Result<Self> {
        let lose = async |it: Still<'_>| it.place.lose_bus().await;
        let world = self.reopened(End::CutOff, None, lose).await?.0;
        world.inside.runner.republish_open().await?;
        Ok(world)
    }

    /// The same after SyncWell was ended, something was done, and it was opened again; what came of that.
    async fn reopened<T>(
        self,
        end: End,
        upgraded: Option<Catalog>,
        between: impl AsyncFnOnce(Still<'_>) -> Result<T>,
    ) -> Result<(Self, T)> {
        let Self { strava, google, inside, subject, clock, is_held, outside, config, n_commands, directory, catalog } =
            self;
        inside.end(end).await;
        let catalog = upgraded.unwrap_or(catalog);
        let still = Still { place: outside.place(), config: &config, clock: &clock.0, catalog: &catalog };
        let done = between(still).await?;
        let open = || Inside::open(&config, &clock, outside.kits(), (&catalog, &is_held));
        let inside = once_free(async || open().await).await?;
        let world =
            Self { strava, google, inside, subject, clock, is_held, outside, config, catalog, n_commands, directory };
        Ok((world, done))
    }

    /// Connects an account as a browser would.
    ///
    /// # Errors
    /// When the provider or SyncWell refuses.
    pub async fn grant(&mut self, provider: &str, choice: &str) -> Result<Connection> {
        let redirect = "http://127.0.0.1/callback";
        let page = self.inside.connect.start(&self.subject, provider, redirect).await?;
        let answer = self.inside.http.get(format!("{page}{choice}")).send().await?;
        let back = answer.headers().get("location").context("no redirect")?.to_str()?.to_owned();
        let query: BTreeMap<String, String> = reqwest::Url::parse(&back)?.query_pairs().into_owned().collect();
        let field = |name: &str| query.get(name).cloned().with_context(|| format!("no {name} in the redirect"));
        let scope = query.get("scope").map(String::as_str);
        let (_, connection) = self.inside.connect.callback(provider, &field("state")?, &field("code")?, scope).await?;
        Ok(connection)
    }

    /// Connects a folder of that name, inside the world's own directory.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn place(&self, name: &str) -> Result<Connection> {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(&path)?;
        let url = format!("file://{}", path.display());
        Ok(self.inside.connect.place(&self.subject, "files", &path.display().to_string(), Some(url)).await?)
    }

    /// The records in the acting person's folder: paths below it, sorted; marks of deleted ones apart.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn folder(&self, data_type: DataType) -> Result<Vec<PathBuf>> {
        self.folder_of("files", data_type).await
    }

    /// The same of a folder that is named by `files/account`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn folder_of(&self, name: &str, data_type: DataType) -> Result<Vec<PathBuf>> {
        let folder = self.connection(name).await?.account;
        let Ok(entries) = std::fs::read_dir(PathBuf::from(folder).join(data_type.name())) else {
            return Ok(Vec::new());
        };
        let mut paths: Vec<PathBuf> = entries.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
        paths.sort();
        Ok(paths)
    }

    /// The acting person's connection at a provider. With several accounts there, one is named by `provider/account`,
    /// here and wherever a name of a provider is asked for.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connection(&self, name: &str) -> Result<Connection> {
        let all = self.inside.people().connections(&self.subject).await?;
        let (provider, account) = name.split_once('/').map_or((name, None), |(it, account)| (it, Some(account)));
        let fits = |it: &str| account.map_or(it != "uploads", |account| it == account);
        let found = all.into_iter().find(|it| it.provider == provider && fits(&it.account));
        found.with_context(|| format!("{name} is not connected"))
    }

    /// Connects one more Google Health account of the acting person, an empty one.
    ///
    /// # Errors
    /// When something cannot be connected.
    pub async fn add_google(&mut self, user: &str) -> Result<Connection> {
        self.google.add_user(user);
        self.google.consent_as(user, &[]);
        self.grant("google_health", "").await
    }

    /// How that connection stands.
    ///
    /// # Errors
    /// When there is none.
    pub async fn standing(&self, provider: &str) -> Result<ConnectionState> {
        Ok(self.connection(provider).await?.state)
    }

    /// Lets a type travel from one provider to another: the source's content is written, deletions are not.
    ///
    /// # Errors
    /// When that cannot work.
    pub async fn route(&self, from: &str, to: &str, data_type: DataType) -> Result<()> {
        self.configure(from, to, data_type, Rule::PrioritiseSource, Deletes::Keep).await
    }

    /// Lets a type travel from one provider to another.
    ///
    /// # Errors
    /// When that cannot work.
    pub async fn configure(
        &self,
        from: &str,
        to: &str,
        data_type: DataType,
        rule: Rule,
        deletes: Deletes,
    ) -> Result<()> {
        let policies = Policies::default();
        let (source, destination) = (self.connection(from).await?.id, self.connection(to).await?.id);
        let data_types = vec![data_type];
        let command = ConfigCommand { source, destination, data_types, rule, deletes, policies, enabled: true };
        self.inside.connect.configure(&self.subject, &command).await?;
        Ok(())
    }

    /// Asks for a sync over everything, and waits for its end.
    ///
    /// # Errors
    /// When it is not accepted, or not over in three minutes.
    pub async fn sync(&mut self, from: &str, to: &[&str], data_type: DataType) -> Result<Status> {
        let id = self.ask(from, to, data_type, Some(at(LONG_AGO))).await?;
        self.settled(id).await
    }

    /// Asks for a sync of what is new, and waits for its end.
    ///
    /// # Errors
    /// When it is not accepted, or not over in three minutes.
    pub async fn sync_news(&mut self, from: &str, to: &[&str], data_type: DataType) -> Result<Status> {
        let id = self.ask(from, to, data_type, None).await?;
        self.settled(id).await
    }

    /// Asks for a sync from `since` (absent: from the checkpoint).
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn ask(
        &mut self,
        from: &str,
        to: &[&str],
        data_type: DataType,
        since: Option<Instant>,
    ) -> Result<SyncId> {
        let command = self.command(from, to, data_type, since).await?;
        self.n_commands += 1;
        Ok(self.inside.intake.submit(&self.subject, &format!("command-{}", self.n_commands), &command).await?)
    }

    /// A command of the acting person.
    ///
    /// # Errors
    /// When something is not connected.
    pub async fn command(
        &self,
        from: &str,
        to: &[&str],
        data_type: DataType,
        since: Option<Instant>,
    ) -> Result<SyncCommand> {
        let source = self.connection(from).await?.id;
        let mut destinations = Vec::new();
        for it in to {
            destinations.push(self.connection(it).await?.id);
        }
        Ok(SyncCommand { source, destinations, data_type, from: since, to: None, lane: Lane::Hot })
    }

    /// Imports a file through the API, and waits for its end.
    ///
    /// # Errors
    /// When it is not accepted, or not over in three minutes.
    pub async fn import(&mut self, (name, bytes): (&str, &[u8]), to: &[&str]) -> Result<Status> {
        self.n_commands += 1;
        let mut form = multipart::Form::new();
        for it in to {
            form = form.text("destination", self.connection(it).await?.id.to_string());
        }
        let form = form.part("file", multipart::Part::bytes(bytes.to_vec()).file_name(name.to_owned()));
        let token = self.inside.token_of(&self.subject).await?;
        let request = self.inside.http.post(format!("{}/v1/imports", self.inside.url)).bearer_auth(token);
        let key = format!("\"import-{}\"", self.n_commands);
        let answer = request.header("idempotency-key", key).multipart(form).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 202, "the import was answered with {status}: {text}");
        let accepted: serde_json::Value = serde_json::from_str(&text)?;
        let id = accepted["id"].as_str().context("no id of the job")?;
        self.settled(SyncId(id.parse()?)).await
    }

    /// Posts a notification to the API, as a provider does.
    ///
    /// # Errors
    /// When the API cannot be reached.
    pub async fn notify(&self, provider: &str, headers: &[(&str, &str)], body: &str) -> Result<Response> {
        let mut request = self.inside.http.post(format!("{}/v1/webhooks/{provider}", self.inside.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.header("content-type", "application/json").body(body.to_owned()).send().await?)
    }

    /// Asks an operator's route, with a body or without; the answer's status and JSON (or text, for lines).
    ///
    /// # Errors
    /// When the API cannot be reached.
    pub async fn operate(&self, path: &str, body: Option<&serde_json::Value>) -> Result<(u16, serde_json::Value)> {
        let (token, url) = (self.inside.operator_token().await?, format!("{}/v1/operator/{path}", self.inside.url));
        let request = match body {
            Some(body) => self.inside.http.post(url).json(body),
            None => self.inside.http.get(url),
        };
        let answer = request.bearer_auth(token).send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))))
    }

    /// The acting person's syncs, newest first.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn syncs(&self) -> Result<Vec<SyncId>> {
        Ok(self.inside.runner.store.log.syncs(&self.subject, 100).await?.into_iter().map(|it| it.0).collect())
    }

    /// Waits for the end of a sync.
    ///
    /// # Errors
    /// When it is not over in three minutes.
    pub async fn settled(&self, sync: SyncId) -> Result<Status> {
        let over = async || {
            let status = self.inside.intake.status(&self.subject, sync).await?;
            Ok(status.filter(|it| it.state.is_terminal()))
        };
        until("a sync is over", over).await
    }

    /// How far a type was read from one provider for another.
    ///
    /// # Errors
    /// When something is not connected.
    pub async fn checkpoint(&self, from: &str, to: &str, data_type: DataType) -> Result<Checkpoint> {
        let (source, destination) = (self.connection(from).await?.id, self.connection(to).await?.id);
        Ok(self.inside.people().checkpoint(&self.subject, source, destination, data_type).await?.1)
    }

    /// The rows of a type at a destination.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn rows(&self, destination: &str, data_type: DataType) -> Result<Vec<ItemRow>> {
        let connection: ConnectionId = self.connection(destination).await?.id;
        let always = Interval { from: at(LONG_AGO), to: at("2030-01-01T00:00:00Z") };
        let items = &self.inside.runner.store.items;
        Ok(items.window(&self.subject, connection, data_type, always).await?.0)
    }

    /// Waits until nothing is open: no sync, no timer, nothing on the bus.
    ///
    /// # Errors
    /// When something still is after three minutes.
    pub async fn is_at_rest(&self) -> Result<()> {
        let runner = &self.inside.runner;
        let rests = async || {
            let is_open = !runner.store.log.unsettled(None, 1).await?.is_empty();
            let is_waiting = runner.store.timers.next().await?.is_some() || runner.bus.backlog().count > 0;
            Ok((!is_open && !is_waiting).then_some(()))
        };
        until("nothing is open", rests).await
    }

    /// What was done at the providers so far: `create 17`, `update 17` …, in order.
    #[must_use]
    pub fn effects(&self) -> [Vec<String>; 2] {
        [self.strava.kit.effects(), self.google.kit().effects()]
    }

    /// Forgets every call and effect so far.
    pub fn forget(&self) {
        self.strava.kit.clear_journal();
        self.google.kit().clear_journal();
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.0.now()
    }

    /// Time runs on but does not jump, so that what waits for a timer stays waiting.
    pub fn hold_time(&self) {
        self.is_held.store(true, Ordering::Relaxed);
    }

    /// Time jumps again while nothing is on its way.
    pub fn let_time_pass(&self) {
        self.is_held.store(false, Ordering::Relaxed);
    }

    /// It is that much later, for everybody.
    pub fn advance(&self, by: Duration) {
        self.outside.kits().iter().for_each(|it| it.set_now(self.now().plus(by)));
        self.clock.1.advance(by);
    }
}

/// A moment.
///
/// # Panics
/// When the text is none.
#[must_use]
#[track_caller]
pub fn at(text: &str) -> Instant {
    Instant::parse(text).expect("a moment in RFC 3339")
}
