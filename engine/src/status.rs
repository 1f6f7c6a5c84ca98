//! What became of a sync, read from its events: status is never stored.

use crate::{bus::Unreachable, provider::may_miss, store::Log};
use schemas::{
    data_type::DataType,
    event::{
        Account, Count, Cover, Destination, DestinationCounts, Envelope, Fate, Fetched, IssueCount, Kind, Normalized,
        Outcome, Reason, Requested, Resolved, Settled, Side, Stretch, StretchState,
    },
    id::{ConnectionId, EventId, Subject, SyncId},
    time::Instant,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The stage that takes events of a kind, if one does.
#[must_use]
pub const fn stage_of(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Requested => Some("fetch"),
        Kind::Fetched => Some("normalize"),
        Kind::Normalized => Some("resolve"),
        Kind::Resolved => Some("write"),
        Kind::Outcome => Some("settle"),
        Kind::Settled | Kind::Rejected | Kind::Analytics => None,
    }
}

/// The events of one sync, by kind, in order.
#[derive(Clone, Debug, Default)]
pub struct Story {
    requested: Vec<Envelope<Requested>>,
    fetched: Vec<Envelope<Fetched>>,
    normalized: Vec<Envelope<Normalized>>,
    resolved: Vec<Envelope<Resolved>>,
    outcomes: Vec<Envelope<Outcome>>,
    settled: Option<Envelope<Settled>>,
}

/// How a sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted; nothing was read yet.
    Queued,
    /// On its way.
    Running,
    /// Over, all of it.
    Done,
    /// Over; some of it was refused, left out or is unknown.
    Partial,
    /// Over without having been read.
    Failed,
    /// Over because somebody no longer wanted it.
    Cancelled,
}

impl State {
    /// Whether it will not change any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What a client is told of a sync.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// How it stands.
    pub state: State,
    /// Why it ended early, if it did.
    pub reason: Option<Reason>,
    /// Where it reads.
    pub source: Account,
    /// What it reads; absent for a delivered body.
    pub data_type: Option<DataType>,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// When it was over.
    pub settled_at: Option<Instant>,
    /// Pages read so far at the source.
    pub pages: usize,
    /// What was read at the source.
    pub read: Vec<Count>,
    /// What became of it, per destination.
    pub destinations: Vec<DestinationCounts>,
    /// What was left out or repaired while mapping.
    pub issues: Vec<IssueCount>,
    /// Which stretches were read, and how; known when it is over.
    pub stretches: Vec<Stretch>,
    /// Up to where everything has been read, if this sync moved it.
    pub checkpoint: Option<Instant>,
}

impl Story {
    /// Reads the events of a sync from the log.
    ///
    /// # Errors
    /// When the log cannot be reached or is broken.
    pub async fn read(log: &dyn Log, subject: &Subject, sync: SyncId) -> Result<Self, Unreachable> {
        let mut story = Self::default();
        for event in log.events(subject, sync).await? {
            match event.topic.kind {
                Kind::Requested => story.requested.push(event.event()?),
                Kind::Fetched => story.fetched.push(event.event()?),
                Kind::Normalized => story.normalized.push(event.event()?),
                Kind::Resolved => story.resolved.push(event.event()?),
                Kind::Outcome => story.outcomes.push(event.event()?),
                Kind::Settled => story.settled = Some(event.event()?),
                Kind::Rejected | Kind::Analytics => {}
            }
        }
        Ok(story)
    }

    /// The event that began it.
    #[must_use]
    pub fn first(&self) -> Option<&Envelope<Requested>> {
        self.requested.iter().find(|it| it.head.id == it.head.cause)
    }

    /// The decisions that were made, sealed.
    #[must_use]
    pub fn resolved(&self) -> &[Envelope<Resolved>] {
        &self.resolved
    }

    /// The results, sealed.
    #[must_use]
    pub fn outcomes(&self) -> &[Envelope<Outcome>] {
        &self.outcomes
    }

    /// The destinations that it went on with: those of the first event but for the ones that were split off.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        let kept = self.requested.last().map(|it| &it.body.destinations);
        kept.into_iter().flatten()
    }

    /// What was read at the source, by type.
    #[must_use]
    pub fn read_counts(&self) -> Vec<Count> {
        let pages = self.normalized.iter().filter(|it| it.body.side == Side::Source);
        sum(pages.flat_map(|it| &it.body.counts))
    }

    /// What was left out or repaired while mapping the source's pages.
    #[must_use]
    pub fn issues(&self) -> Vec<IssueCount> {
        let mut by_code: BTreeMap<&str, i32> = BTreeMap::new();
        for issue in self.normalized.iter().filter(|it| it.body.side == Side::Source).flat_map(|it| &it.body.issues) {
            *by_code.entry(&issue.code).or_default() += issue.count;
        }
        by_code.into_iter().map(|(code, count)| IssueCount { code: code.into(), count }).collect()
    }

    /// What became of the records, per destination of the first event.
    #[must_use]
    pub fn destination_counts(&self) -> Vec<DestinationCounts> {
        let Some(first) = self.first() else { return Vec::new() };
        let kept: Vec<_> = self.destinations().map(|it| it.account.connection).collect();
        let of = |destination: &Destination| {
            let connection = destination.account.connection;
            let outcomes = self
                .outcomes
                .iter()
                .filter(|it| it.body.destination.as_ref().is_some_and(|it| it.account.connection == connection));
            DestinationCounts {
                account: destination.account.clone(),
                counts: sum(outcomes.flat_map(|it| &it.body.counts)),
                end: (!kept.contains(&connection)).then_some(Reason::SplitOff),
            }
        };
        first.body.destinations.iter().map(of).collect()
    }

    /// Whether every page read so far of one type of a connection was mapped, with nothing of it left out, and is no
    /// longer among the `open` events.
    pub(crate) fn is_complete(&self, of: (Side, ConnectionId, Option<DataType>), open: &[EventId]) -> bool {
        let fetched =
            self.fetched.iter().filter(|it| (it.body.side, it.body.account.connection, it.body.data_type) == of);
        let misses = |it: &Envelope<Normalized>| it.body.issues.iter().any(|it| may_miss(&it.code));
        let whole = self.pages_of(of).filter(|it| !misses(it) && !open.contains(&it.head.id));
        fetched.count() == whole.count()
    }

    /// The mapped pages of a reading: of which side, account and type.
    pub(crate) fn pages_of(
        &self,
        of: (Side, ConnectionId, Option<DataType>),
    ) -> impl Iterator<Item = &Envelope<Normalized>> {
        self.normalized.iter().filter(move |it| (it.body.side, it.body.account.connection, it.body.data_type) == of)
    }

    /// Why it ended early, if it did: the first end that a stage gave.
    #[must_use]
    pub fn end(&self) -> Option<Reason> {
        self.outcomes.iter().find_map(|it| it.body.end)
    }

    /// Which stretches were read, and how. A delivered body or named records cover no stretch.
    #[must_use]
    pub fn stretches(&self) -> Vec<Stretch> {
        let Some(Cover::Range(interval)) = self.first().map(|it| &it.body.cover) else { return Vec::new() };
        let source = |it: &&Envelope<Fetched>| it.body.side == Side::Source;
        let complete = self.fetched.iter().filter(source).any(|it| it.body.last);
        let end = self.end();
        let state = match end {
            None if complete && self.read_counts().is_empty() => StretchState::Empty,
            None if complete => StretchState::Fetched,
            // Only what can never be read is passed by: a missing scope may be granted, a bad cursor is not the data.
            Some(Reason::Unsupported) => StretchState::Refused,
            _ => StretchState::Unread,
        };
        vec![Stretch { interval: *interval, state, reason: end }]
    }

    /// What a client is told; `None` if it has no first event.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        let first = self.first()?;
        let end = self.end();
        let destinations = self.destination_counts();
        let state = match (&self.settled, end) {
            (None, _) if self.fetched.is_empty() => State::Queued,
            (None, _) => State::Running,
            (Some(_), Some(Reason::Cancelled | Reason::Withdrawn | Reason::Disconnected | Reason::Erased)) => {
                State::Cancelled
            }
            (Some(_), Some(Reason::Covered)) => State::Done,
            (Some(_), Some(_)) if self.read_counts().is_empty() => State::Failed,
            (Some(_), Some(_)) => State::Partial,
            (Some(_), None) if destinations.iter().any(is_partial) => State::Partial,
            (Some(_), None) => State::Done,
        };
        Some(Status {
            state,
            reason: end,
            source: first.body.source.clone(),
            data_type: first.body.data_type,
            accepted_at: first.head.at,
            settled_at: self.settled.as_ref().map(|it| it.head.at),
            pages: self.fetched.iter().filter(|it| it.body.side == Side::Source).count(),
            read: self.read_counts(),
            destinations,
            issues: self.issues(),
            stretches: self.settled.as_ref().map(|it| it.body.stretches.clone()).unwrap_or_default(),
            checkpoint: self.settled.as_ref().and_then(|it| it.body.checkpoint),
        })
    }
}

fn is_partial(destination: &DestinationCounts) -> bool {
    let left_out = |it: &Count| matches!(it.fate, Fate::Refused | Fate::Unknown | Fate::Ended);
    destination.end.is_some() || destination.counts.iter().any(left_out)
}

/// Adds up counts of the same type, fate and reason.
#[must_use]
pub fn sum<'a>(counts: impl IntoIterator<Item = &'a Count>) -> Vec<Count> {
    let mut sums: BTreeMap<(DataType, Fate, Option<Reason>), i64> = BTreeMap::new();
    for it in counts {
        *sums.entry((it.data_type, it.fate, it.reason)).or_default() += it.count;
    }
    let count = |((data_type, fate, reason), count)| Count { data_type, fate, reason, count };
    sums.into_iter().map(count).collect()
}
