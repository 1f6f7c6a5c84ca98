//! Stages, runner, ports and their adapters.
//!
//! Read in this order: [`stage`] (what a stage is), [`topology`] (how stages are wired), [`runner`] (how they run),
//! [`stages`] (the five verbs), [`resolve`] (the decisions), [`item`] and [`store`] (what is remembered), [`provider`]
//! and [`session`] (the outside).

pub mod accounts;
pub mod audit;
mod backoff;
pub mod bus;
pub mod calls;
pub mod clock;
mod columns;
pub mod connect;
pub mod contents;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod explain;
pub mod failpoint;
pub mod intake;
pub mod item;
mod lanes;
pub mod limiter;
pub mod matrix;
pub mod offsets;
pub mod people;
pub mod provider;
pub mod rejects;
pub mod replay;
pub mod resolve;
pub mod restore;
pub mod reviews;
pub mod runner;
pub mod session;
mod sources;
pub mod stage;
pub mod stages;
pub mod standing;
pub mod status;
pub mod store;
pub mod tail;
pub mod topology;
pub mod vault;
