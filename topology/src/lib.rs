//! The path of a sync, composition, and the `syncwell` binary.
//!
//! Read [`flow`] first: it is the path of a sync. Then [`process`] (what runs) with [`roles`] (which parts of it),
//! [`wait`] (until its servers are there) and [`readiness`] (whether it can work), [`backends`] (where things live) and
//! [`config`].

pub mod address;
pub mod backends;
pub mod cli;
pub mod config;
mod door;
mod endpoints;
pub mod flow;
pub mod process;
pub mod readiness;
pub mod roles;
pub mod wait;

/// Of every program that is composed here.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
