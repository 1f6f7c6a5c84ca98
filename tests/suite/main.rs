//! Scenarios: a whole SyncWell between simulated providers. And rules about the source.

mod access;
mod analytics;
mod bad_input;
mod checkpoints;
mod crash;
mod data;
mod deletions;
mod documents;
mod dry_runs;
mod edits;
mod faults;
mod imports;
mod journal;
mod losses;
mod mappers;
mod merges;
mod moves;
mod policies;
mod replays;
mod restarts;
mod rewinds;
mod roles;
mod source;
mod two_accounts;
mod webhooks;
