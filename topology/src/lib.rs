//! The path of a sync, composition, and the `syncwell` binary.
//!
//! Read [`flow`] first: it is the path of a sync. Then [`process`] (what runs), [`backends`] (where things live) and
//! [`config`].

pub mod backends;
pub mod cli;
pub mod config;
pub mod flow;
pub mod process;
