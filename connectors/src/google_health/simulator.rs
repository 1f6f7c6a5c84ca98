//! Google Health API v4, imitated over real HTTP: consent, tokens, data points, recordings of exercises, rollups,
//! writes, notifications.
//!
//! It shares no code with the connector, so that a mistake in one is not hidden by the same in the other.
//! All hosts of Google's (accounts, oauth2, health, webhooks' keyset) are one listener here.

mod api;
mod demo;
mod filter;
mod oauth;
mod recorded;
mod sign;
mod state;
mod writes;

pub use demo::{demo_points, demo_points_until};
pub use recorded::RecordedRun;
pub use sign::{keyset_json, notification, sign, verification};

use crate::simulator::{Kit, Running, serve};
use axum::{Router, routing};
use engine::provider::Tokens;
use serde_json::Value;
use state::{Consent, State};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A simulated Google Health. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Simulator {
    kit: Kit,
    state: Arc<Mutex<State>>,
}

impl Simulator {
    /// A Google Health without any person.
    #[must_use]
    pub fn new(kit: Kit) -> Self {
        Self { kit, state: Arc::default() }
    }

    /// Serves it on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(&self, address: SocketAddr) -> std::io::Result<Running> {
        let router = Router::new()
            .route("/o/oauth2/v2/auth", routing::get(oauth::authorize))
            .route("/token", routing::post(oauth::token))
            .route("/revoke", routing::post(oauth::revoke))
            .fallback(api::handle)
            .with_state(self.clone());
        serve(self.kit.clone(), address, router).await
    }

    /// What it shares with the test or person that runs it.
    #[must_use]
    pub fn kit(&self) -> &Kit {
        &self.kit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a person without data; `user` is the `healthUserId`.
    pub fn add_user(&self, user: &str) {
        self.state().user(user);
    }

    /// Sets what the account's settings say of the person's wall clock.
    pub fn set_clock(&self, user: &str, zone: &str, offset_seconds: i32) {
        let mut state = self.state();
        let user = state.user(user);
        user.zone = zone.into();
        user.offset_seconds = offset_seconds;
    }

    /// Who answers the consent page from now on, and which scopes they untick.
    pub fn consent_as(&self, user: &str, unticked: &[&str]) {
        let unticked = unticked.iter().map(|it| (*it).to_owned()).collect();
        self.state().consent = Consent { user: user.into(), unticked, is_denied: false };
    }

    /// The person says no on the consent page.
    pub fn deny_consent(&self) {
        self.state().consent.is_denied = true;
    }

    /// Tokens of a person as if they had gone through the consent page; an empty `scope` is every scope.
    #[must_use]
    pub fn grant(&self, user: &str, scope: &str) -> Tokens {
        let now = self.kit.now();
        let mut state = self.state();
        state.user(user);
        state.grant(user, scope, now)
    }

    /// The person withdraws our access in their Google account.
    pub fn withdraw(&self, user: &str) {
        self.state().withdraw(user);
    }

    /// Every access token ends now; refresh tokens stay.
    pub fn expire_access(&self) {
        self.state().access.clear();
    }

    /// Whether the Google account has a Google Health profile.
    pub fn set_linked(&self, user: &str, is_linked: bool) {
        self.state().user(user).is_linked = is_linked;
    }

    /// How many calls a person's data may take a minute (300 at Google).
    pub fn set_calls_max(&self, calls_max: u32) {
        self.state().calls_max = calls_max;
    }

    /// The next so many lists begin with an empty page that has a next token.
    pub fn empty_pages(&self, n_pages: u32) {
        self.state().n_empty_pages = n_pages;
    }

    /// Adds every data point of a list answer, as it is written in it.
    ///
    /// # Errors
    /// When `list` is no JSON.
    pub fn seed_list(&self, user: &str, data_type: &str, list: &str) -> serde_json::Result<()> {
        let list: Value = serde_json::from_str(list)?;
        for point in list.get("dataPoints").and_then(Value::as_array).into_iter().flatten() {
            self.add(user, data_type, point.clone());
        }
        Ok(())
    }

    /// Adds the demo data of a seed: see [`demo_points`]. Every exercise of it has a recording.
    pub fn seed_demo(&self, user: &str, seed: u64) {
        for (data_type, points) in demo_points(seed) {
            for point in points {
                if let Some((id, run)) = demo::recorded(&point) {
                    self.add_tcx(user, &id, run.tcx());
                }
                self.add(user, &data_type, point);
            }
        }
    }

    /// Adds the recording, in TCX, of the exercise of that id.
    pub fn add_tcx(&self, user: &str, id: &str, tcx: impl Into<String>) {
        self.state().user(user).tcx.insert(id.into(), tcx.into());
    }

    /// Adds a run under that id: the exercise, and the recording of it.
    pub fn add_run(&self, user: &str, id: &str, run: &RecordedRun) {
        self.add_tcx(user, id, run.tcx());
        self.add(user, "exercise", run.exercise(id));
    }

    /// A data point appears, as when a device comes in late.
    pub fn add(&self, user: &str, data_type: &str, point: Value) {
        self.state().add(user, data_type, point);
    }

    /// The person changes the point of that id: `changes` replaces keys of its value.
    pub fn edit(&self, user: &str, data_type: &str, id: &str, changes: &Value) {
        self.state().edit(user, data_type, id, changes);
    }

    /// The person deletes the point of that id; says whether there was one.
    pub fn delete(&self, user: &str, data_type: &str, id: &str) -> bool {
        self.state().delete(user, data_type, id)
    }

    /// Every data point of a type, in the order of their coming.
    #[must_use]
    pub fn points(&self, user: &str, data_type: &str) -> Vec<Value> {
        let mut state = self.state();
        state.user(user).points.get(data_type).into_iter().flatten().map(|it| it.value.clone()).collect()
    }
}
