//! What the connector keeps, against recordings and against the simulator over real HTTP.

mod golden;
mod mutated;
mod read;
mod setup;
mod webhook;
mod write;
