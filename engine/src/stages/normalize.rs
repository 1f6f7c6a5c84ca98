//! Normalize: canonical records out of a page.

mod sound;

use super::{Tally, made};
use crate::{
    bus::Unreachable,
    clock::Clock,
    contents::Contents,
    provider::{Catalog, DataProvider, Issue, MapperError, Normal, RawPage},
    stage::{Answer, Stage},
};
use schemas::{
    event::{Count, Envelope, Fate, Fetched, Head, IssueCount, Normalized, Payload, Reason},
    record::Records,
};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// Records that begin later than this are not believed: somebody's clock is wrong.
const FUTURE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Up to this size a page is mapped where it is: that takes less than a millisecond, and a thread of its own costs more
/// than the mapping.
const SMALL_BYTES_MAX: usize = 16 << 10;

/// Maps pages with their provider's mapper, and leaves out what cannot be.
#[derive(Debug)]
pub struct Normalize {
    /// Every provider.
    pub catalog: Catalog,
    /// What opens pages and seals records.
    pub contents: Contents,
    /// The time.
    pub clock: Clock,
    /// Which version of the mappers; `None`: the present one of each provider.
    pub mapper_version: Option<i32>,
}

impl Stage for Normalize {
    type In = Fetched;
    type Out = Normalized;
    const NAME: &'static str = "normalize";
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Normalized>, Unreachable> {
        let fetched = &input.body;
        let Some(provider) = self.catalog.get(&fetched.account.provider).cloned() else {
            return Ok(Answer::Reject(Reason::Unsupported));
        };
        let Some(body) = self.contents.open(&input.head.subject, &fetched.page).await? else {
            return Ok(Answer::End(Reason::PayloadExpired));
        };
        let mapper_version = self.mapper_version.unwrap_or(provider.profile().mapper_version);
        let normal = match map(provider, mapper_version, fetched, body).await {
            Some(None) => return Ok(Answer::Reject(Reason::Unsupported)),
            Some(Some(Ok(normal))) => normal,
            Some(Some(Err(err))) => {
                tracing::warn!(provider = fetched.account.provider, %err, "a page cannot be mapped");
                return Ok(Answer::Reject(Reason::Malformed));
            }
            None => {
                tracing::error!(provider = fetched.account.provider, "a mapper panicked");
                return Ok(Answer::Reject(Reason::Malformed));
            }
        };
        let now = self.clock.now();
        let believed = Believed::of(normal, fetched);
        let head = input.head.derive(Self::NAME, 0, now);
        let records = self.contents.seal_value(&head, &believed.records).await?;
        made(vec![believed.event(fetched, head, records, mapper_version)])
    }
}

/// What this version of a mapper makes of a page; none if it panicked, and none within if there is no such version.
async fn map(
    mapper: Arc<dyn DataProvider>,
    version: i32,
    fetched: &Fetched,
    body: Vec<u8>,
) -> Option<Option<Result<Normal, MapperError>>> {
    let (data_type, content_type) = (fetched.data_type, fetched.page.content_type.clone());
    let is_small = body.len() <= SMALL_BYTES_MAX;
    let map = move || {
        mapper.normalize_as(version, &RawPage { data_type, content_type: &content_type, body: &body, name: "" })
    };
    if is_small {
        catch_unwind(AssertUnwindSafe(map)).ok()
    } else {
        // A large file takes a while: other people's events go on meanwhile.
        tokio::task::spawn_blocking(map).await.ok()
    }
}

/// What is believed of what a mapper made of a page, before it is sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Believed {
    /// The records, each with its connection.
    pub records: Records,
    counts: Vec<Count>,
    issues: Vec<IssueCount>,
}

impl Believed {
    /// Puts right what can be, leaves out what nobody can have measured when the page was read, and counts both. Pure.
    #[must_use]
    pub fn of(normal: Normal, fetched: &Fetched) -> Self {
        let Normal { records, mut issues } = normal;
        // The page's own time, so that a replay of it gives the same records.
        let not_after = fetched.fetched_at.plus(FUTURE_MAX);
        let mut records = sound::sound(records, not_after, &mut issues);
        let mut read = Tally::default();
        for record in &mut records {
            record.origin.connection = Some(fetched.account.connection);
            read.add(record.data_type, Fate::Read, None);
        }
        Self { records: Records { records }, counts: read.counts(), issues: count_issues(&issues) }
    }

    /// The event that says so, its records sealed.
    #[must_use]
    pub fn event(self, fetched: &Fetched, head: Head, records: Payload, mapper_version: i32) -> Envelope<Normalized> {
        let body = Normalized {
            side: fetched.side,
            account: fetched.account.clone(),
            source: fetched.source.clone(),
            data_type: fetched.data_type,
            destinations: fetched.destinations.clone(),
            records,
            counts: self.counts,
            issues: self.issues,
            fetched_at: fetched.fetched_at,
            window: fetched.window,
            last: fetched.last,
            mapper_version,
            lane: fetched.lane,
        };
        Envelope { head, body }
    }
}

fn count_issues(issues: &[Issue]) -> Vec<IssueCount> {
    let mut by_code: BTreeMap<&str, i32> = BTreeMap::new();
    for issue in issues {
        *by_code.entry(issue.code).or_default() += 1;
    }
    by_code.into_iter().map(|(code, count)| IssueCount { code: code.into(), count }).collect()
}
