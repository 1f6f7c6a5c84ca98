//! Stages, runner, ports and their adapters.

pub mod provider;
pub mod session;
