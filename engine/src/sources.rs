//! Several sources' records of one thing: read out of the events that a row names, and put together again.
//!
//! Each record is taken as the config between its connection and the destination wants it; how they are put together is
//! what the config of the source that the item began with says, whoever comes later.

use crate::{
    bus::Unreachable,
    contents::Contents,
    people::People,
    provider::DataProvider,
    resolve::{
        Answers, Counted, Counts, Incoming, Joined, Known, Lineage, Part, is_cut, is_foreign,
        losses::{losses, told},
        merge,
        policy::{Policies, as_wanted, rank},
    },
    store::Log,
};
use schemas::{
    data_type::DataType,
    event::{FieldChoice, Normalized, Source},
    id::{ConfigId, ConnectionId, EventId, Subject, SyncId},
    record::{Record, Records},
    time::Instant,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// How many pages are kept open at once: records of one page tend to be joined with records of one other.
const OPENED_MAX: usize = 8;

/// Reads sources' records of a person, and puts them together.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    log: &'a dyn Log,
    contents: &'a Contents,
    people: &'a People,
    subject: &'a Subject,
    destination: ConnectionId,
    opened: HashMap<EventId, Option<Arc<Records>>>,
    policies: HashMap<ConnectionId, Policies>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(
        log: &'a dyn Log,
        (contents, people): (&'a Contents, &'a People),
        subject: &'a Subject,
        destination: ConnectionId,
    ) -> Self {
        Self { log, contents, people, subject, destination, opened: HashMap::new(), policies: HashMap::new() }
    }

    /// The record that a source had, as its config wants it; `None` if what was read is no longer kept.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub(crate) async fn record(&mut self, source: &Source) -> Result<Option<Record>, Unreachable> {
        if !self.opened.contains_key(&source.event) {
            if self.opened.len() >= OPENED_MAX {
                self.opened.clear();
            }
            let page = self.page(source.sync, source.event).await?;
            self.opened.insert(source.event, page.map(Arc::new));
        }
        let page = self.opened.get(&source.event).and_then(Option::as_ref);
        let found = page.and_then(|it| it.records.iter().rfind(|it| it.origin.record == source.record && !it.deleted));
        let Some(found) = found.cloned() else { return Ok(None) };
        let way = (source.provider.as_str(), self.destination);
        let policies = self.policies(source.connection).await?;
        Ok(Some(as_wanted(policies, &found, way).into_owned()))
    }

    /// The records that these sources had, in their order; `None` if one of them is no longer kept.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub(crate) async fn records(&mut self, sources: &[Source]) -> Result<Option<Vec<Record>>, Unreachable> {
        let mut records = Vec::with_capacity(sources.len() + 1);
        for it in sources {
            let Some(record) = self.record(it).await? else { return Ok(None) };
            records.push(record);
        }
        Ok(Some(records))
    }

    /// What the config between a connection and the destination says; nothing if there is none.
    async fn policies(&mut self, connection: ConnectionId) -> Result<&Policies, Unreachable> {
        if !self.policies.contains_key(&connection) {
            let id = ConfigId::derived(self.subject, connection, self.destination);
            let found = self.people.config(self.subject, id).await?;
            self.policies.insert(connection, found.map(|it| it.1.policies).unwrap_or_default());
        }
        Ok(&self.policies[&connection])
    }

    async fn page(&self, sync: SyncId, event: EventId) -> Result<Option<Records>, Unreachable> {
        let Some(logged) = self.log.event(self.subject, sync, event).await? else { return Ok(None) };
        let normalized = logged.event::<Normalized>()?;
        self.contents.open_value::<Records>(self.subject, &normalized.body.records).await
    }

    /// What each record of counts among these rows of the destination is to hold beside the others; `None` if all are
    /// of one source, or none is a count. `page` is what is being decided about, read in that event; of the rows that
    /// `is_new` names, and of those that are made of the page's records, all days are gone through.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub(crate) async fn counts(
        &mut self,
        rows: &[Known],
        (page, event): (&[Incoming], EventId),
        answers: &Answers,
        is_new: impl Fn(&Known) -> bool,
    ) -> Result<Option<Counts>, Unreachable> {
        let is_there = |it: &&Known| !it.row.planned_delete && is_cut(&it.summary);
        let rows: Vec<&Known> = rows.iter().filter(is_there).collect();
        let Some(first) = rows.first() else { return Ok(None) };
        if rows.iter().all(|it| who_counted(it) == who_counted(first)) {
            return Ok(None);
        }
        let here: HashMap<(ConnectionId, &str, DataType), &Incoming> =
            page.iter().map(|it| ((it.connection, it.key.as_str(), it.record.data_type), it)).collect();
        let mut all = Vec::with_capacity(rows.len());
        let mut to_read: Vec<(&Source, &Known, bool)> = Vec::with_capacity(rows.len());
        let fixed = |it: &Known, is_new: bool| Counted { place: None, record: it.summary.clone(), rank: 0, is_new };
        for row in rows {
            let is_here = |it: &Source| here.contains_key(&(it.connection, it.key.as_str(), row.summary.data_type));
            let is_new = is_new(row) || row.sources.iter().any(is_here);
            if is_foreign(&row.row) || row.sources.is_empty() {
                all.push(fixed(row, is_new));
            } else {
                to_read.extend(row.sources.iter().map(|it| (it, row, is_new)));
            }
        }
        // One page after the other, for only some are kept open.
        to_read.sort_by_key(|it| it.0.event);
        let mut lost = HashSet::new();
        let mut read = Vec::with_capacity(to_read.len());
        for (source, row, is_new) in to_read {
            let own = here.get(&(source.connection, source.key.as_str(), row.summary.data_type));
            let record = match own.filter(|_| source.event == event) {
                Some(it) => Some(it.record.clone()),
                None => self.record(source).await?,
            };
            match record {
                Some(record) => read.push((source, row, record, is_new)),
                // What the item holds counts as it is.
                None if lost.insert(row.row.key.item) => all.push(fixed(row, is_new)),
                None => {}
            }
        }
        for (source, row, mut record, is_new) in read.into_iter().filter(|it| !lost.contains(&it.1.row.key.item)) {
            record.origin.connection = Some(source.connection);
            let policies = self.policies(source.connection).await?;
            if policies.merging().counts_once() && record.data_type == row.summary.data_type {
                let rank = place_of(policies, &record);
                all.push(Counted { place: Some((source.connection, source.key.clone())), record, rank, is_new });
            }
        }
        Ok(Counts::new(&all, answers))
    }

    /// What these records, each of the source beside it, come to at a destination; counts beside all others, if given.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub(crate) async fn join(
        &mut self,
        provider: &dyn DataProvider,
        (sources, records): (Vec<Source>, Vec<Record>),
        counts: Option<&Counts>,
    ) -> Result<Joined, Unreachable> {
        let (sources, records) = of_one_sleep(sources, records);
        let policies = match sources.first() {
            Some(first) => self.policies(first.connection).await?,
            None => &Policies::default(),
        };
        let part = |record| Part { record, rank: place_of(policies, record) };
        let parts: Vec<Part<'_>> = records.iter().map(part).collect();
        let merged = merge(&parts, &policies.merging());
        let merged = match counts {
            Some(counts) => counts.held(merged, &sources),
            None => merged,
        };
        let projected = provider.project(&merged.record);
        let hash = match &projected {
            Ok(projected) => self.contents.vault.keyed_hash(self.subject, "content", &projected.content()).await?,
            Err(_) => String::new(),
        };
        let choice = |it: &Lineage| {
            let (source, record) = (sources.get(it.part)?, records.get(it.part)?);
            Some(FieldChoice {
                field: it.field.clone(),
                provider: source.provider.clone(),
                connection: Some(source.connection),
                record: source.record.clone(),
                device: record.origin.device.clone(),
                offset_ms: it.from_ms,
                duration_ms: it.to_ms.saturating_sub(it.from_ms),
                rule: it.rule.to_owned(),
                note: it.note.clone(),
            })
        };
        let fields = merged.lineage.iter().filter_map(choice).collect();
        let lost = match &projected {
            Ok(projected) => told(&losses(&merged.record, projected)),
            Err(_) => Vec::new(),
        };
        Ok(Joined { projected, hash, sources, fields, lost })
    }
}

/// Without the records of sleep that have no time in common with the first one, nor through others: two parts of a night
/// are two again once the whole one is gone. All others as they are.
fn of_one_sleep(sources: Vec<Source>, records: Vec<Record>) -> (Vec<Source>, Vec<Record>) {
    let Some(first) = records.first().filter(|it| it.data_type == DataType::Sleep && records.len() > 1) else {
        return (sources, records);
    };
    let (mut from, mut to) = (first.time.start, first.time.end);
    let is_in = |it: &Record, from: Instant, to: Instant| it.time.start < to && from < it.time.end;
    for _ in 1..records.len() {
        for it in &records {
            if is_in(it, from, to) {
                (from, to) = (from.min(it.time.start), to.max(it.time.end));
            }
        }
    }
    let both = sources.into_iter().zip(records).enumerate();
    both.filter(|(place, it)| *place == 0 || is_in(&it.1, from, to)).map(|it| it.1).unzip()
}

/// The connection that a row's record came from, and the device there; `None` of what is not ours.
fn who_counted(it: &Known) -> Option<(ConnectionId, Option<&str>)> {
    let source = it.sources.first().filter(|_| !is_foreign(&it.row))?;
    Some((source.connection, it.summary.origin.device.as_deref()))
}

/// A record's place in the person's priorities.
fn place_of(policies: &Policies, record: &Record) -> u32 {
    rank(policies, record.data_type, &record.origin, record.time.start)
}
