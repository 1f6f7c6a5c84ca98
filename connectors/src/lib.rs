//! One folder a provider: verbs, profile, wire types, mapper, simulator. [`catalog`] lists them, a line each.

pub mod files;
pub mod formats;
pub mod simulator;

use engine::provider::{Catalog, DataProvider};
use std::sync::Arc;

/// Every provider of this build.
#[must_use]
pub fn catalog() -> Catalog {
    let providers: [Arc<dyn DataProvider>; 1] = [Arc::new(files::Files::default())];
    Catalog::new(providers)
}
