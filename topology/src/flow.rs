//! The path of a sync. Read this file first.

use engine::{
    accounts::Accounts,
    contents::Contents,
    replay::{Foresee, Remap, Shadow},
    restore::Restore,
    runner::Runner,
    stages::{Anonymize, Fetch, Normalize, Resolve, Settle, Write},
    standing::Standing,
    store::Store,
    topology::Topology,
};
use schemas::{event::Lane, topics};
use std::sync::Arc;

/// What the stages are given.
#[derive(Clone, Debug)]
pub struct Means {
    /// How providers are called on behalf of people.
    pub accounts: Accounts,
    /// What seals and opens contents.
    pub contents: Contents,
    /// What is remembered.
    pub store: Store,
}

/// A sync is requested, fetched page by page, normalized, resolved against each destination, written there, and
/// settled. Each lane is an instance of its own, so that history never delays a person who is waiting.
#[must_use]
pub fn flow(lane: Lane, means: &Means) -> Topology {
    let Means { accounts, contents, store } = means.clone();
    let (catalog, clock, people) = (accounts.catalog.clone(), accounts.clock.clone(), accounts.people.clone());
    let standing = Standing::new(people.clone(), clock.clone());
    let (items, log) = (store.items.clone(), store.log.clone());

    let fetch = Fetch { accounts: accounts.clone(), contents: contents.clone(), standing: standing.clone() };
    let normalize = Normalize { catalog, contents: contents.clone(), clock: clock.clone(), mapper_version: None };
    let resolve = Resolve {
        accounts: accounts.clone(),
        contents: contents.clone(),
        standing: standing.clone(),
        items: items.clone(),
        log: log.clone(),
    };
    let write = Write { accounts, contents, standing, items };
    let settle = Settle { log, people, clock };

    Topology::from(topics::requested(lane))
        .then(fetch, topics::fetched(lane)) // and, page by page, back to requested(lane)
        .then(normalize, topics::normalized(lane))
        .then(resolve, topics::resolved(lane))
        .then(write, topics::outcomes(lane))
        .then(settle, topics::SETTLED)
        .rejecting_to(topics::REJECTED)
}

/// What follows: of every record that a sync decided to make, change or delete, analysts are told what the allow-list
/// has, if the person said yes. No sync waits for it.
#[must_use]
pub fn analytics(means: &Means) -> Topology {
    let Means { accounts, contents, .. } = means.clone();
    let (catalog, clock, people) = (accounts.catalog, accounts.clock, accounts.people);
    let anonymize = Anonymize { catalog, contents, people, clock };

    Topology::from_all(Lane::ALL.map(topics::resolved))
        .then(anonymize, topics::ANALYTICS)
        .rejecting_to(topics::REJECTED)
}

/// After a loss in the store: the stages that write rows, which note again what they noted before.
#[must_use]
pub fn restore(means: &Means, runner: &Runner) -> Restore {
    let Means { accounts, contents, store } = means.clone();
    let (clock, people) = (accounts.clock.clone(), accounts.people.clone());
    let standing = Standing::new(people.clone(), clock.clone());
    let (items, log) = (store.items.clone(), store.log.clone());

    let resolve = Resolve {
        accounts: accounts.clone(),
        contents: contents.clone(),
        standing: standing.clone(),
        items: items.clone(),
        log: log.clone(),
    };
    let (write, settle) = (Write { accounts, contents, standing, items }, Settle { log, people, clock });
    Restore { runner: runner.clone(), resolve: Arc::new(resolve), write: Arc::new(write), settle: Arc::new(settle) }
}

/// A shadow: the same stages from a page on, over what only the shadow sees; its Write only looks.
#[must_use]
pub fn shadow(means: &Shadow) -> Topology {
    let Shadow { accounts, contents, store, originals, mapper_version } = means.clone();
    let (catalog, clock, people) = (accounts.catalog.clone(), accounts.clock.clone(), accounts.people.clone());
    let standing = Standing::new(people, clock.clone());
    let (items, log, lane) = (store.items.clone(), store.log.clone(), Lane::Cold);

    let normalize = Normalize { catalog, contents: contents.clone(), clock: clock.clone(), mapper_version };
    let resolve = Resolve { accounts, contents: contents.clone(), standing, items: items.clone(), log };

    Topology::from(topics::fetched(lane))
        .then(Remap { normalize, originals }, topics::normalized(lane))
        .then(resolve, topics::resolved(lane))
        .then(Foresee { contents, items, clock }, topics::outcomes(lane))
        .rejecting_to(topics::REJECTED)
}
