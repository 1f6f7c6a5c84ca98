//! A Strava to test and demonstrate against: real HTTP, Strava's own texts and headers, a clock that tests move.
//!
//! It keeps athletes, activities with streams, uploads, one push subscription, tokens and both pairs of rate limits.
//! What it answers follows recorded traffic of the API (see `fixtures/README.md`) where there is some.

mod activities;
mod answer;
mod demo;
mod oauth;
mod render;
mod state;
mod subscription;
mod uploads;

pub use self::{
    demo::{DemoActivity, demo_activities},
    state::Athlete,
    subscription::WebhookEvent,
};

use self::state::State;
use crate::simulator::{Kit, Running, serve};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use engine::provider::Tokens;
use schemas::time::Instant;
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The largest file that Strava takes, in bytes.
const UPLOAD_BYTES_MAX: usize = 25 * 1024 * 1024;

/// How the simulator behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The id of the one registered application.
    pub client_id: String,
    /// Its secret, which also signs notifications.
    pub client_secret: String,
    /// Whether a refresh gives a new refresh token and spends the old one.
    pub rotate_refresh: bool,
    /// How long an access token lives.
    pub access_max: Duration,
    /// How often an upload is *still being processed* before it is done.
    pub n_polls: u32,
    /// Whether a duplicate is named by a link rather than by its plain number.
    pub link_duplicates: bool,
    /// Whether `errors` of a refused call is a text, as in Strava's older traffic, rather than a list.
    pub errors_as_text: bool,
    /// Calls of any kind in a quarter-hour and in a day.
    pub calls_max: [u32; 2],
    /// Reading calls in a quarter-hour and in a day.
    pub reads_max: [u32; 2],
    /// Scopes that the person unticks at the authorization page.
    pub unticked: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "24523".into(),
            client_secret: "client-secret".into(),
            rotate_refresh: true,
            access_max: Duration::from_secs(6 * 3600),
            n_polls: 1,
            link_duplicates: false,
            errors_as_text: false,
            calls_max: [200, 2_000],
            reads_max: [100, 1_000],
            unticked: Vec::new(),
        }
    }
}

/// The simulated service. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Simulator {
    /// Journal, faults and clock.
    pub kit: Kit,
    options: Arc<Options>,
    state: Arc<Mutex<State>>,
}

impl Simulator {
    /// A Strava without athletes.
    #[must_use]
    pub fn new(kit: Kit, options: Options) -> Self {
        Self { kit, options: Arc::new(options), state: Arc::default() }
    }

    /// Listens on `address` (port 0 takes a free one). The API is under `/api/v3`, the authorization under `/oauth`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(&self, address: SocketAddr) -> std::io::Result<Running> {
        let api = Router::new()
            .route("/athlete", get(activities::athlete))
            .route("/athlete/activities", get(activities::list))
            .route("/activities", post(activities::create))
            .route("/activities/{id}", get(activities::detail).put(activities::update))
            .route("/activities/{id}/streams", get(activities::streams))
            .route("/activities/{id}/laps", get(activities::laps))
            .route("/uploads", post(uploads::create))
            .route("/uploads/{id}", get(uploads::status))
            .route("/push_subscriptions", get(subscription::list).post(subscription::create))
            .route("/push_subscriptions/{id}", axum::routing::delete(subscription::delete))
            .layer(middleware::from_fn_with_state(self.clone(), answer::metered));
        let router = Router::new()
            .nest("/api/v3", api)
            .route("/oauth/authorize", get(oauth::authorize))
            .route("/oauth/token", post(oauth::token))
            .route("/oauth/deauthorize", post(oauth::deauthorize))
            .layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX))
            .with_state(self.clone());
        serve(self.kit.clone(), address, router).await
    }

    /// Adds an athlete, or changes one. The first one added approves authorizations that name none.
    pub fn seed_athlete(&self, athlete: Athlete) {
        self.state().seed_athlete(athlete);
    }

    /// Adds an activity, with its own id if it has one that is free, and gives its id. Added late it appears behind
    /// every cursor, as one of a watch that was out of reach does.
    pub fn seed_activity(&self, athlete: u64, detail: Value, streams: Option<Value>) -> u64 {
        self.state().add(athlete, detail, streams)
    }

    /// Changes an activity as its owner would; says whether it is there.
    pub fn edit_activity(&self, id: u64, edit: impl FnOnce(&mut Value)) -> bool {
        match self.state().activities.get_mut(&id) {
            Some(it) => {
                edit(&mut it.detail);
                true
            }
            None => false,
        }
    }

    /// Deletes an activity as its owner would; says whether it was there.
    pub fn delete_activity(&self, id: u64) -> bool {
        self.state().activities.remove(&id).is_some()
    }

    /// An activity in its detailed form.
    #[must_use]
    pub fn activity(&self, id: u64) -> Option<Value> {
        self.state().activities.get(&id).map(|it| it.detail.clone())
    }

    /// The ids of an athlete's activities, ascending.
    #[must_use]
    pub fn activities(&self, athlete: u64) -> Vec<u64> {
        self.state().activities.iter().filter(|(_, it)| it.athlete == athlete).map(|(id, _)| *id).collect()
    }

    /// Tokens of an athlete with these comma-separated scopes, as if they had approved.
    #[must_use]
    pub fn grant(&self, athlete: u64, scope: &str) -> Tokens {
        let expires_at = self.kit.now().plus(self.options.access_max);
        self.state().grant(athlete, scope, expires_at)
    }

    /// Withdraws every access to an athlete, as they would in their settings.
    pub fn revoke(&self, athlete: u64) {
        self.state().revoke(athlete);
    }

    /// The notification of an activity's `create`, `update` or `delete`, signed at the simulator's time.
    #[must_use]
    pub fn activity_event(&self, athlete: u64, activity: u64, aspect: &str) -> WebhookEvent {
        subscription::event(self, "activity", activity, aspect, athlete, serde_json::json!({}))
    }

    /// The notification that an athlete withdrew our access.
    #[must_use]
    pub fn deauthorization_event(&self, athlete: u64) -> WebhookEvent {
        subscription::event(self, "athlete", athlete, "update", athlete, serde_json::json!({ "authorized": "false" }))
    }

    /// Where notifications go, once there is a subscription.
    #[must_use]
    pub fn callback_url(&self) -> Option<String> {
        self.state().subscription.as_ref().map(|it| it.callback_url.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        self.kit.now()
    }
}
