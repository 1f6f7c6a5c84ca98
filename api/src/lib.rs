//! The HTTP API: handlers that translate and delegate.
//!
//! Read in this order: [`App`] (what it delegates to) and [`router`] (every route, in one table), [`problem`] (every
//! error), then the handlers: `connections`, `configs`, `jobs`, `stream`, `imports`, `records`, `reviews`, `analytics`,
//! `webhooks`, `system`. `edge` bounds what a request may cost, `auth` says whose it is, [`serve`] runs connections.
//! [`probes`] is all that a process without the API serves.

mod analytics;
mod app;
mod auth;
mod configs;
mod connections;
mod dry_runs;
mod edge;
mod extract;
mod imports;
mod jobs;
mod limits;
mod matrix;
mod openapi;
mod operator;
mod policies;
pub mod problem;
mod providers;
mod records;
mod reviews;
mod rewinds;
mod routes;
mod serve;
mod shares;
mod stream;
mod system;
#[cfg(test)]
mod tests;
pub mod views;
mod webhooks;

pub use app::App;
pub use limits::Limits;
pub use openapi::openapi;
pub use routes::router;
pub use serve::serve;
pub use system::{Probes, probes};
