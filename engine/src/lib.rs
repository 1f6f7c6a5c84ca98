//! Stages, runner, ports and their adapters.

pub mod bus;
pub mod item;
pub mod provider;
pub mod session;
pub mod store;
