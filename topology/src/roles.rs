//! Which parts of SyncWell a process plays.

use crate::{
    address::scheme,
    config::{Config, ConfigError},
};
use anyhow::anyhow;
use engine::{
    stage::Stage,
    stages::{Anonymize, Fetch, Normalize, Resolve, Settle, Write},
};
use schemas::event::Lane;
use std::fmt;

/// Every stage that a worker can be asked for, in the order of the flow, then what follows it.
pub const STAGES: [&str; 6] = [Fetch::NAME, Normalize::NAME, Resolve::NAME, Write::NAME, Settle::NAME, Anonymize::NAME];

/// The parts that a process plays. Any number of processes may play the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Takes commands and answers questions.
    pub api: bool,
    /// Runs stages.
    pub worker: Option<Work>,
    /// Fires timers.
    pub scheduler: bool,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The stages that it runs, by name; none named: all of them.
    pub stages: Vec<String>,
    /// The lanes that it runs them in.
    pub lanes: Vec<Lane>,
}

impl Work {
    /// Every stage in every lane.
    #[must_use]
    pub fn all() -> Self {
        Self { stages: Vec::new(), lanes: Lane::ALL.to_vec() }
    }

    /// Whether a stage is among them.
    #[must_use]
    pub fn has(&self, stage: &str) -> bool {
        self.stages.is_empty() || self.stages.iter().any(|it| it == stage)
    }
}

impl Roles {
    /// Every role: a process that needs no other.
    #[must_use]
    pub fn all() -> Self {
        Self { api: true, worker: Some(Work::all()), scheduler: true }
    }

    /// The API alone.
    #[must_use]
    pub const fn api() -> Self {
        Self { api: true, worker: None, scheduler: false }
    }

    /// A worker alone.
    #[must_use]
    pub const fn worker(work: Work) -> Self {
        Self { api: false, worker: Some(work), scheduler: false }
    }

    /// The scheduler alone.
    #[must_use]
    pub const fn scheduler() -> Self {
        Self { api: false, worker: None, scheduler: true }
    }

    /// What a command plays that runs a SyncWell for itself: every role where nobody else can play them, else the API
    /// alone, whose commands the running workers carry out.
    #[must_use]
    pub fn of_a_command(config: &Config) -> Self {
        if alone(config).is_some() { Self::all() } else { Self::api() }
    }

    /// That these roles can be played on this bus and this store: what lives in one process, or in one directory,
    /// needs all of them there.
    ///
    /// # Errors
    /// When a role is missing that no other process could play.
    pub fn fit(&self, config: &Config) -> Result<(), ConfigError> {
        let Some((what, url, why)) = alone(config).filter(|_| *self != Self::all()) else { return Ok(()) };
        Err(ConfigError(anyhow!(
            "{self} cannot run apart from the other roles on {what} = {url:?}: {why}; run all of them with \
             `syncwell up`, or set bus to kafka://… and store to scylla://…"
        )))
    }
}

/// What of a configuration belongs to one process alone, and why.
fn alone(config: &Config) -> Option<(&'static str, &str, &'static str)> {
    match (scheme(&config.bus), scheme(&config.store)) {
        ("memory", _) => Some(("bus", &config.bus, "what is published there never leaves its process")),
        (_, "sqlite") => Some(("store", &config.store, "one process at a time opens that directory")),
        _ => None,
    }
}

impl fmt::Display for Roles {
    /// Such as `worker (fetch, write in hot)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worker = self.worker.as_ref().map(|it| {
            let stages = if it.stages.is_empty() { "all stages".to_owned() } else { it.stages.join(", ") };
            let lanes: Vec<_> = it.lanes.iter().map(|it| it.name()).collect();
            format!("worker ({stages} in {})", lanes.join(", "))
        });
        let api = self.api.then(|| "api".to_owned());
        let scheduler = self.scheduler.then(|| "scheduler".to_owned());
        let played: Vec<_> = [api, worker, scheduler].into_iter().flatten().collect();
        f.write_str(&played.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Lane, Roles, Work};

    fn on(bus: &str, store: &str) -> Config {
        Config { bus: bus.into(), store: store.into(), ..Config::default() }
    }

    #[test]
    fn what_lives_in_one_process_needs_every_role_there() {
        let embedded = [("memory://", "sqlite://"), ("memory://", "scylla://db:9042"), ("kafka://k:9092", "sqlite://")];
        let one_stage = Work { stages: vec!["fetch".into()], ..Work::all() };
        for (bus, store) in embedded {
            let config = on(bus, store);
            assert!(Roles::all().fit(&config).is_ok());
            assert_eq!(Roles::of_a_command(&config), Roles::all());
            for roles in [Roles::api(), Roles::scheduler(), Roles::worker(Work::all())] {
                let said = roles.fit(&config).unwrap_err().to_string();
                assert!(said.contains("; run all of them with `syncwell up`"), "{said}");
            }
            let all_but = [
                Roles { api: false, ..Roles::all() },
                Roles { scheduler: false, ..Roles::all() },
                Roles { worker: Some(one_stage.clone()), ..Roles::all() },
            ];
            assert!(all_but.iter().all(|it| it.fit(&config).is_err()));
        }
        let spread = on("kafka://k:9092", "scylla://db:9042");
        assert!(Roles::worker(one_stage).fit(&spread).is_ok());
        assert_eq!(Roles::of_a_command(&spread), Roles::api());
    }

    #[test]
    fn roles_are_told_in_words() {
        let work = Work { stages: vec!["fetch".into(), "write".into()], lanes: vec![Lane::Hot] };
        assert_eq!(Roles::worker(work).to_string(), "worker (fetch, write in hot)");
        assert_eq!(Roles::all().to_string(), "api, worker (all stages in hot, cold), scheduler");
    }
}
