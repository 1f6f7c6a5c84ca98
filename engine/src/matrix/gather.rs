//! What is read for a matrix: rows, where records lead, and what was decided lately.

use super::Question;
use crate::{
    bus::Unreachable,
    contents::Contents,
    explain::latest_decisions,
    item::{ItemKey, ItemRow, Partition},
    people::{Config, Connection, People},
    provider::{Auth, Catalog},
    resolve::kept,
    reviews::Deletion,
    store::Store,
};
use schemas::{
    event::{Action, Decision, Reason, Verdict},
    id::{ConnectionId, ItemId, Subject},
    time::{Instant, Interval},
};
use std::{collections::HashSet, ops::ControlFlow, time::Duration};

/// How far around the stretch is read: renderings of one thing may be stamped a little differently.
const TOLERANCE: Duration = Duration::from_secs(86_400);
/// The most rows of one destination that are looked at, the latest.
const ROWS_MAX: usize = 2_000;

/// A record of a connection: the keyed hash of its id there.
pub(super) type Mark = (ConnectionId, String);

/// A connection of the person, and whether records of the type can be made there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) connection: Connection,
    pub(super) takes: bool,
}

/// A row, and the sources' records that it is made of.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) row: ItemRow,
    pub(super) sources: Vec<Mark>,
}

/// Where a record of a connection leads: to its item at a destination. At its own connection that is what is there.
#[derive(Clone, Debug)]
pub(super) struct Led {
    pub(super) of: Mark,
    pub(super) destination: ConnectionId,
    pub(super) item: ItemId,
    pub(super) starts_at: Instant,
}

/// The latest decision about a record for a destination.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) of: Mark,
    pub(super) destination: ConnectionId,
    pub(super) item: ItemId,
    pub(super) month: String,
    pub(super) version: i64,
    pub(super) action: Action,
    pub(super) reason: Option<Reason>,
    pub(super) starts_at: Instant,
    /// Records of the destination that were found to be the same thing.
    pub(super) same: Vec<ItemId>,
}

impl Said {
    /// Whether it was decided because the source no longer has the record.
    pub(super) fn is_of_gone(&self) -> bool {
        is_of_gone(self.action, self.reason)
    }
}

fn is_of_gone(action: Action, reason: Option<Reason>) -> bool {
    let reasons = [Reason::DeletionKept, Reason::NotFound, Reason::CannotDelete];
    action == Action::Delete || reason.is_some_and(|it| reasons.contains(&it))
}

/// A record that is gone at its source, and what we have of it: the person was asked whether that goes, too.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) of: Mark,
    pub(super) destination: ConnectionId,
    pub(super) item: ItemId,
    /// Whether they have not answered yet.
    pub(super) is_open: bool,
}

/// Everything that a matrix is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    /// By provider and account.
    pub(super) places: Vec<Place>,
    /// Those that carry the type.
    pub(super) configs: Vec<Config>,
    pub(super) rows: Vec<Made>,
    pub(super) led: Vec<Led>,
    /// The latest one first.
    pub(super) said: Vec<Said>,
    pub(super) asked: Vec<Asked>,
    /// From when on everything was read, if not all of the stretch was.
    pub(super) whole_from: Option<Instant>,
}

/// Reads it.
pub(super) async fn gather(
    (store, contents, people, catalog): (&Store, &Contents, &People, &Catalog),
    subject: &Subject,
    question: &Question,
) -> Result<Gathered, Unreachable> {
    let data_type = question.data_type;
    let window = question.window.widened(TOLERANCE);
    let mut places: Vec<Place> = Vec::new();
    for connection in people.connections(subject).await? {
        let profile = catalog.get(&connection.provider).map(|it| it.profile());
        // What is reached neither by a grant nor at a place of its own only ever gives: files that were imported.
        let is_reached = profile.is_some_and(|it| it.auth != Auth::None) || connection.base_url.is_some();
        let makes = profile.and_then(|it| it.of(data_type)).is_some_and(|it| it.create.is_some());
        let takes = is_reached && makes;
        places.push(Place { connection, takes });
    }
    let name = |it: &Place| (it.connection.provider.clone(), it.connection.account.clone(), it.connection.id);
    places.sort_by_key(name);
    let mut configs = people.configs(subject).await?;
    configs.retain(|it| it.data_types.contains(&data_type));
    let mut gathered = Gathered { places, configs, ..Gathered::default() };
    let ids: Vec<ConnectionId> = gathered.places.iter().map(|it| it.connection.id).collect();
    for destination in &ids {
        let (mut rows, _) = store.items.window(subject, *destination, data_type, window).await?;
        if rows.len() > ROWS_MAX {
            rows.sort_by_key(|it| (std::cmp::Reverse(it.starts_at), it.key.item));
            rows.truncate(ROWS_MAX);
            // The things around the cut may have renderings on its other side.
            let cut = rows.last().map(|it| it.starts_at.plus(TOLERANCE));
            gathered.whole_from = gathered.whole_from.max(cut);
        }
        for row in rows {
            gathered.rows.push(made(contents, subject, row).await?);
        }
        for connection in &ids {
            let found = store.items.origins_within(subject, *connection, *destination, data_type, window).await?;
            gathered.led.extend(found.into_iter().map(|it| Led {
                of: (it.connection, it.record),
                destination: it.destination,
                item: it.item,
                starts_at: it.starts_at,
            }));
        }
    }
    let deletions = people.deletions(subject).await?.into_iter().filter(|it| it.over_at.is_none());
    gathered.asked = deletions.map(asked).collect();
    gathered.said = said(store, contents, subject, (question, window), &gathered).await?;
    add_moved(store, contents, subject, window, &mut gathered).await?;
    Ok(gathered)
}

fn asked(it: Deletion) -> Asked {
    let source = it.gone.source;
    let of = (source.connection, source.key);
    Asked { of, destination: it.destination, item: it.item, is_open: it.verdict.is_none() }
}

async fn made(contents: &Contents, subject: &Subject, row: ItemRow) -> Result<Made, Unreachable> {
    let opened = contents.open_row(subject, &row.key.item.to_string(), &row.summary).await?;
    let sources = opened.and_then(|it| kept(&it)).map(|it| it.1).unwrap_or_default();
    Ok(Made { row, sources: sources.into_iter().map(|it| (it.connection, it.key)).collect() })
}

/// A record as a decision names it, and the destination.
type Named = (ConnectionId, String, ConnectionId);

/// The latest decision of each record of the stretch for each destination, the latest first.
async fn said(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    (question, window): (&Question, Interval),
    gathered: &Gathered,
) -> Result<Vec<Said>, Unreachable> {
    let (mut met, mut latest): (HashSet<Named>, Vec<(Named, Decision)>) = (HashSet::new(), Vec::new());
    let visit = |_, resolved: &schemas::event::Envelope<schemas::event::Resolved>, decision: Decision| {
        let is_within = window.from <= decision.time.start && decision.time.start < window.to;
        // A tombstone may not know when its record was.
        let matters = is_within || is_of_gone(decision.action, decision.reason);
        if decision.data_type == question.data_type && matters {
            let (source, destination) = (&resolved.body.source, &resolved.body.destination.account);
            let named = (source.connection, decision.origin_record.clone(), destination.connection);
            if met.insert(named.clone()) {
                latest.push((named, decision));
            }
        }
        ControlFlow::<()>::Continue(())
    };
    latest_decisions(store, contents, subject, visit).await?;
    let made_of = gathered.rows.iter().flat_map(|it| &it.sources);
    let known: HashSet<&Mark> = made_of.chain(gathered.led.iter().map(|it| &it.of)).collect();
    let mut said: Vec<Said> = Vec::with_capacity(latest.len());
    let mut marked: HashSet<(Mark, ConnectionId)> = HashSet::with_capacity(latest.len());
    for ((connection, record, destination), decision) in latest {
        // What a reading no longer showed is named by the hash alone: its id is not kept elsewhere.
        let mut of = (connection, record);
        if !known.contains(&of) {
            of.1 = contents.origin_key(subject, connection, &of.1).await?;
        }
        if marked.insert((of.clone(), destination)) {
            said.push(one_said(of, destination, decision));
        }
    }
    Ok(said)
}

fn one_said(of: Mark, destination: ConnectionId, decision: Decision) -> Said {
    let same = decision.candidates.iter().filter(|it| it.verdict == Verdict::Same).map(|it| it.item);
    Said {
        of,
        destination,
        same: same.collect(),
        item: decision.item,
        month: decision.month,
        version: decision.version,
        action: decision.action,
        reason: decision.reason,
        starts_at: decision.time.start,
    }
}

/// Rows that records of the stretch lead to although they lie out of it: the record was moved.
async fn add_moved(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    window: Interval,
    gathered: &mut Gathered,
) -> Result<(), Unreachable> {
    let mut known: HashSet<ItemId> = gathered.rows.iter().map(|it| it.row.key.item).collect();
    for index in 0..gathered.said.len() {
        let it = &gathered.said[index];
        let is_within = window.from <= it.starts_at && it.starts_at < window.to;
        if it.version < 1 || !is_within || !known.insert(it.item) {
            continue;
        }
        let (destination, month) = (it.destination, it.month.clone());
        let key = ItemKey { partition: Partition { subject: subject.clone(), destination, month }, item: it.item };
        if let Some(row) = store.items.get(&key).await? {
            gathered.rows.push(made(contents, subject, row).await?);
        }
    }
    Ok(())
}
