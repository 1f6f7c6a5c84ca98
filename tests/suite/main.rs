//! Scenarios: a whole SyncWell between simulated providers. And rules about the source.

mod access;
mod analytics;
mod bad_input;
mod checkpoints;
mod crash;
mod data;
mod deletions;
mod documents;
mod edits;
mod faults;
mod imports;
mod journal;
mod losses;
mod lossless;
mod mappers;
mod matrix;
mod merges;
mod moves;
mod pairs;
mod policies;
mod replays;
mod restarts;
mod roles;
mod source;
mod two_accounts;
mod webhooks;
