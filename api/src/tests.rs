//! The API over a real store and a real connection, with small providers.

mod connecting;
mod document;
mod dry_runs;
mod edges;
mod jobs;
mod provider;
mod replays;

use crate::{App, Limits, Probes, app::Shared, edge::Pace, routes::routes, routes::table, serve};
use axum::routing::MethodRouter;
use engine::{
    accounts::{Accounts, Endpoint},
    audit::Audit,
    bus::memory::MemoryBus,
    clock::{Clock, ManualClock},
    connect::Connect,
    contents::Contents,
    intake::Intake,
    limiter::Limiter,
    people::{AccessToken, People},
    provider::{Catalog, DataProvider, WebhookSecrets},
    replay::{Foresee, Replays, ShadowFlow},
    runner::{Runner, Waits},
    session::Client,
    store::sqlite::SqliteStore,
    topology::Topology,
    vault::{Kek, Vault},
};
use provider::Small;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use schemas::{
    id::{ConnectionId, Subject},
    time::Instant,
};
use serde_json::{Value, json};
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

const NOW: Instant = Instant(1_780_000_000_000);
const ANNA: &str = "token-of-anna";
const BEN: &str = "token-of-ben";
const OPERATOR: &str = "token-of-an-operator";

/// A server, and all that is behind it.
struct World {
    app: App,
    address: SocketAddr,
    http: reqwest::Client,
    anna: Subject,
    hands: ManualClock,
    ready: watch::Sender<Result<(), String>>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    directory: TempDir,
}

/// What a server answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut App)) -> Self {
        Self::with_routes(change, Vec::new()).await
    }

    async fn with_routes(change: impl FnOnce(&mut App), more: Vec<(&'static str, Pace, MethodRouter<Shared>)>) -> Self {
        let directory = TempDir::new().unwrap();
        let store = SqliteStore::open(directory.path()).unwrap();
        let (clock, hands) = Clock::manual(NOW);
        let vault = Vault::open(Arc::clone(&store.vault), Kek::from_text(&"ab".repeat(32)).unwrap()).await.unwrap();
        let anna = vault.subject_of("anna");
        let people = People { rows: Arc::clone(&store.rows), vault: vault.clone(), clock: clock.clone() };
        for (token, user) in [(ANNA, "anna"), (BEN, "ben"), (OPERATOR, "operator")] {
            let expires_at = Some(NOW.plus(Duration::from_secs(3600)));
            let of = AccessToken {
                subject: vault.subject_of(user),
                expires_at,
                label: user.into(),
                operator: token == OPERATOR,
            };
            people.put_token(token, &of).await.unwrap();
        }
        let providers = [Small::watch(), Small::scale(), Small::files()];
        let catalog = Catalog::new(providers.map(|it| Arc::new(it) as Arc<dyn DataProvider>));
        let webhooks = WebhookSecrets { verify_token: "hush".into(), ..WebhookSecrets::default() };
        let client = Client { id: "us".into(), secret: "secret".into() };
        let auth_url = "https://watch.example".into();
        let endpoint = Endpoint { auth_url, client, webhooks, ..Endpoint::default() };
        let endpoints = HashMap::from([("watch".into(), endpoint), ("scale".into(), Endpoint::default())]);
        let accounts = Accounts {
            catalog,
            endpoints: Arc::new(endpoints),
            people,
            limiter: Limiter::new(Arc::clone(&store.rows), clock.clone()),
            http: reqwest::Client::new(),
            clock: clock.clone(),
        };
        let contents = Contents { vault, blobs: Arc::clone(&store.blobs) };
        let runner = Runner { bus: MemoryBus::new(), store: store.clone(), clock, waits: Waits::default() };
        let intake = Intake { runner, accounts: accounts.clone(), contents: contents.clone() };
        let replays = Replays {
            runner: intake.runner.clone(),
            accounts: accounts.clone(),
            contents: contents.clone(),
            audit: Audit { people: accounts.people.clone() },
            flow: ShadowFlow(Arc::new(|means| {
                let lane = schemas::event::Lane::Cold;
                let (contents, clock) = (means.contents.clone(), means.accounts.clock.clone());
                let foresee = Foresee { contents, items: means.store.items.clone(), clock };
                Topology::from(schemas::topics::resolved(lane))
                    .then(foresee, schemas::topics::outcomes(lane))
                    .rejecting_to(schemas::topics::REJECTED)
            })),
        };
        let connect = Connect { accounts, intake: intake.clone() };
        let (ready, is_ready) = watch::channel(Ok(()));
        let mut app = App {
            connect,
            intake,
            store,
            contents,
            replays,
            public_url: "https://sync.example".into(),
            probes: Probes {
                metrics: Arc::new(|| "syncwell_up 1\n".into()),
                ready: is_ready,
                metrics_token: Some("token-of-a-scraper".into()),
            },
            limits: Limits::default(),
            folders: Some(directory.path().to_owned()),
        };
        change(&mut app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let (router, limits) = (table(app.clone(), [routes(), more].concat(), stopping.clone()), app.limits.clone());
        let (_, routers) = watch::channel(router);
        let server = tokio::spawn(async move { serve(listener, routers, &limits, stopping).await });
        Self { app, address, http: reqwest::Client::new(), anna, hands, ready, stop, server, directory }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        answer(self.request(Method::GET, path).bearer_auth(token)).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        answer(self.request(method, path).bearer_auth(ANNA).json(body)).await
    }

    async fn post_job(&self, key: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, "/v1/sync-jobs").bearer_auth(ANNA).header("idempotency-key", key).json(body))
            .await
    }

    /// A connection of Anna's, made without a grant.
    async fn connected(&self, provider: &str) -> ConnectionId {
        self.app.connect.place(&self.anna, provider, "anna-there", None).await.unwrap().id
    }

    /// Connections from the watch to the scale, with a config between them.
    async fn configured(&self) -> (ConnectionId, ConnectionId) {
        let (source, destination) = (self.connected("watch").await, self.connected("scale").await);
        let body = json!({"source": source, "destination": destination, "data_types": ["steps"]});
        self.send(Method::PUT, "/v1/sync-configs", &body).await.is(200);
        (source, destination)
    }

    /// A job that was accepted.
    async fn job(&self) -> String {
        let (source, destination) = self.configured().await;
        let body = json!({"source": source, "destinations": [destination], "data_type": "steps"});
        let accepted = self.post_job("key", &body).await;
        accepted.is(202);
        accepted.json()["id"].as_str().unwrap().to_owned()
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

impl Answer {
    #[track_caller]
    fn is(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    /// That it is a problem of this status and code, whose detail says this.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str, says: &str) {
        self.is(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert!(self.headers.contains_key("x-request-id"));
        let body = self.json();
        assert_eq!(body["code"], code);
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:syncwell:problem:{code}"));
        assert!(body["title"].is_string());
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{detail:?} does not say {says:?}");
    }
}
