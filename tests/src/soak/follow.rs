//! Which syncs were accepted, and when each was over, as the API tells.

use super::people::Person;
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Questions asked at the same time.
const QUESTIONS: usize = 8;
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(1_000);

/// Everything that was accepted.
#[derive(Debug)]
pub(crate) struct Book {
    people: Vec<Arc<Person>>,
    api: String,
    http: reqwest::Client,
    syncs: Mutex<HashMap<String, Sync>>,
    /// Syncs that nobody asked for, and whose they are: of destinations that were split off, and not over.
    split_off: Mutex<HashMap<String, u32>>,
}

/// An accepted sync.
#[derive(Clone, Debug)]
pub(crate) struct Sync {
    pub(crate) person: u32,
    pub(crate) round: u32,
    /// When it was first seen to be over.
    pub(crate) over_at: Option<Instant>,
}

impl Book {
    pub(crate) fn new(people: Vec<Arc<Person>>, api: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(15)).build().unwrap_or_default();
        Self { people, api, http, syncs: Mutex::default(), split_off: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Sync>> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command was accepted; the same one again is the same sync.
    pub(crate) fn accepted(&self, person: u32, round: u32, id: &str) {
        self.lock().entry(id.to_owned()).or_insert(Sync { person, round, over_at: None });
    }

    /// Those of a round.
    pub(crate) fn of(&self, round: u32) -> Vec<(String, Sync)> {
        self.lock().iter().filter(|it| it.1.round == round).map(|(id, it)| (id.clone(), it.clone())).collect()
    }

    pub(crate) fn n_accepted(&self) -> usize {
        self.lock().len()
    }

    fn split_off(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.split_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are not over, split-off ones included.
    pub(crate) fn n_open(&self) -> usize {
        let n_split_off = self.split_off().len();
        n_split_off + self.lock().values().filter(|it| it.over_at.is_none()).count()
    }

    /// Who has one that is not over.
    fn waiting(&self) -> BTreeSet<u32> {
        let mut waiting: BTreeSet<u32> = self.split_off().values().copied().collect();
        waiting.extend(self.lock().values().filter(|it| it.over_at.is_none()).map(|it| it.person));
        waiting
    }

    /// Waits until so many of a round are over, but not for ever.
    pub(crate) async fn settled_in(&self, round: u32, enough: usize, patience: Duration) {
        let n_over = || self.lock().values().filter(|it| it.round == round && it.over_at.is_some()).count();
        let begun = Instant::now();
        while n_over() < enough && begun.elapsed() < patience {
            tokio::time::sleep(PAUSE / 5).await;
        }
    }

    /// Waits until all are over; says whether they are.
    pub(crate) async fn is_over_within(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.n_open() > 0 && begun.elapsed() < patience {
            tokio::time::sleep(PAUSE / 5).await;
        }
        self.n_open() == 0
    }

    async fn get(&self, person: &Person, path: &str) -> Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.api)).bearer_auth(&person.token).send().await?;
        ensure!(answer.status().is_success(), "{path} was answered with {}", answer.status());
        Ok(answer.json().await?)
    }

    /// How every sync ended: its state, such as `done`.
    pub(crate) async fn ends(&self) -> Result<HashMap<String, String>> {
        let all: Vec<(String, Sync)> = self.lock().iter().map(|(id, it)| (id.clone(), it.clone())).collect();
        let ask = async |(id, sync): (String, Sync)| {
            let person = self.people.iter().find(|it| it.number == sync.person).context("a person")?;
            let status = self.get(person, &format!("/v1/sync-jobs/{id}")).await?;
            let state = status["state"].as_str().unwrap_or_default().to_owned();
            // Why, where there is more to say than that it is done.
            let detail = if state == "done" { String::new() } else { format!(" {}", status["destinations"]) };
            Ok((id, state + &detail))
        };
        stream::iter(all.into_iter().map(ask)).buffer_unordered(QUESTIONS).try_collect().await
    }
}

/// Asks again and again about everybody who has an open sync.
pub(crate) async fn follow(book: Arc<Book>) {
    loop {
        let open = book.waiting();
        let people = book.people.iter().filter(|it| open.contains(&it.number)).cloned();
        stream::iter(people).for_each_concurrent(QUESTIONS, |it| look(&book, it)).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(book: &Book, person: Arc<Person>) {
    // An API that does not answer now is asked again.
    let Ok(jobs) = book.get(&person, "/v1/sync-jobs").await else { return };
    let now = Instant::now();
    let (mut syncs, mut split_off) = (book.lock(), book.split_off());
    for it in jobs.as_array().into_iter().flatten() {
        let (Some(id), is_over) = (it["id"].as_str(), it["settled"] == true) else { continue };
        let accepted = syncs.get_mut(id);
        if is_over || accepted.is_some() {
            // One that is accepted right now may have been taken for another.
            split_off.remove(id);
        } else {
            split_off.insert(id.to_owned(), person.number);
        }
        if let Some(sync) = accepted.filter(|_| is_over) {
            sync.over_at.get_or_insert(now);
        }
    }
}
