//! The path of a sync. Read this file first.

use engine::{
    accounts::Accounts,
    contents::Contents,
    stages::{Anonymize, Fetch, Normalize, Resolve, Settle, Write},
    standing::Standing,
    store::Store,
    topology::Topology,
};
use schemas::{event::Lane, topics};

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
    let standing = Standing { people: people.clone(), clock: clock.clone() };
    let (items, log) = (store.items.clone(), store.log.clone());

    let fetch = Fetch { accounts: accounts.clone(), contents: contents.clone(), standing: standing.clone() };
    let normalize = Normalize { catalog, contents: contents.clone(), clock: clock.clone() };
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
