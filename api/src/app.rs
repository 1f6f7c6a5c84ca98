//! What the API delegates to.

use crate::{Limits, Probes, auth::Principals, shares::Shares};
use engine::{connect::Connect, contents::Contents, intake::Intake, replay::Replays, store::Store};
use schemas::{id::Subject, time::Instant};
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Semaphore;

/// What the API delegates to.
#[derive(Clone)]
pub struct App {
    /// Connections, configs, notifications.
    pub connect: Connect,
    /// Commands.
    pub intake: Intake,
    /// What is remembered, for explaining and listing.
    pub store: Store,
    /// What opens sealed contents, for explaining.
    pub contents: Contents,
    /// What operators repair with.
    pub replays: Replays,
    /// Where clients and providers reach this server, such as `https://sync.example.org`, without a slash at the end:
    /// the base of the callbacks that are registered with providers.
    pub public_url: String,
    /// What this process says of itself.
    pub probes: Probes,
    /// How much a client may take.
    pub limits: Limits,
    /// The directory below which a client may connect folders of this machine; `None`: nowhere. Whoever has an access
    /// token can then have files written and read there, so it is for an operator who trusts all who have one.
    pub folders: Option<PathBuf>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// What every handler shares.
pub(crate) type Shared = Arc<Web>;

/// An app, and what is under way in it.
pub(crate) struct Web {
    pub(crate) app: App,
    /// Requests that may still begin.
    pub(crate) requests: Semaphore,
    /// Imports that may still begin.
    pub(crate) imports: Arc<Semaphore>,
    /// Live streams by person.
    pub(crate) streams: Shares<Subject>,
    /// Requests by person.
    pub(crate) principals: Principals,
    started_at: Instant,
    n_requests: AtomicU64,
}

impl Web {
    pub(crate) fn new(app: App) -> Shared {
        let limits = &app.limits;
        Arc::new(Self {
            requests: Semaphore::new(limits.concurrent_max),
            imports: Arc::new(Semaphore::new(limits.imports_max)),
            streams: Shares::new(limits.streams_per_principal_max),
            principals: Principals::new(limits.requests_per_principal_max, limits.principal_window),
            started_at: app.intake.runner.clock.now(),
            n_requests: AtomicU64::new(0),
            app,
        })
    }

    /// A name for a request that came without one: when this process started, and the number of the request.
    pub(crate) fn request_id(&self) -> String {
        let number = self.n_requests.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{number:x}", self.started_at.0)
    }
}
