//! What the connector keeps, against recordings and against the simulator over real HTTP.

mod golden;
mod mutated;
mod read;
mod recordings;
mod setup;
mod simulated;
mod webhook;
mod write;
