//! One folder a provider: verbs, profile, wire types, mapper, simulator. [`catalog`] lists them, a line each, and [`docs`]
//! tells what they can do.

pub mod docs;
pub mod files;
pub mod formats;
pub mod google_health;
pub mod simulator;
pub mod strava;

use engine::provider::{Catalog, DataProvider};
use std::sync::Arc;

/// Every provider of this build.
#[must_use]
pub fn catalog() -> Catalog {
    let providers: [Arc<dyn DataProvider>; 3] = [
        Arc::new(files::Files::default()),
        Arc::new(google_health::GoogleHealth::default()),
        Arc::new(strava::Strava::default()),
    ];
    Catalog::new(providers)
}
