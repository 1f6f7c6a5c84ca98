//! Stages, runner, ports and their adapters.

pub mod bus;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod item;
pub mod provider;
pub mod session;
pub mod store;
