//! Stages, runner, ports and their adapters.

pub mod bus;
pub mod clock;
pub mod contents;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod item;
pub mod provider;
pub mod session;
pub mod store;
pub mod vault;
