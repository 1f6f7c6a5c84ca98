//! What the log holds of a source: each record as it was last read, in the page that last had it.

use super::{PlanError, Trial};
use crate::{
    bus::Unreachable,
    people::Config,
    replay::{Replays, world::World},
    stage::logged,
    stages::surely_read,
    status::Story,
    store::{Logged, StepKey},
};
use schemas::{
    codec,
    data_type::DataType,
    event::{Destination, Envelope, Head, Kind, Lane, Mode, Normalized, Side},
    id::{EventId, ItemId, Subject, SyncId},
    record::{Body, Nothing, Origin, Policy, Record, RecordState, Records, Span},
    time::{Instant, Interval},
    topics,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// How many steps of the log are read at once.
const STEPS_MAX: usize = 500;
/// The most pages of one dry run: a person waits for it.
const PAGES_MAX: usize = 20_000;

/// What of the log a dry run rests on.
pub(super) struct Basis {
    /// The source's pages, in the order in which they were read.
    pages: Vec<(SyncId, EventId)>,
    /// What was looked at in the destination.
    looks: Vec<(DataType, Interval)>,
    /// All of it, as a hash.
    pub(super) digest: String,
    /// When the source was last read.
    pub(super) read_at: Option<Instant>,
}

impl Basis {
    /// The places of the pages, by sync, in order.
    pub(super) fn by_sync(&self) -> Vec<(SyncId, Vec<usize>)> {
        let mut all: Vec<(SyncId, Vec<usize>)> = Vec::new();
        for (place, (sync, _)) in self.pages.iter().enumerate() {
            match all.iter_mut().find(|it| it.0 == *sync) {
                Some((_, places)) => places.push(place),
                None => all.push((*sync, vec![place])),
            }
        }
        all
    }

    /// Whether the destination was read around a moment.
    pub(super) fn was_looked_at(&self, data_type: DataType, at: Instant) -> bool {
        self.looks.iter().any(|(of, window)| *of == data_type && window.from <= at && at < window.to)
    }
}

/// A record as it was last read.
struct Shown {
    /// The page that last had it, or that showed that it is gone.
    page: usize,
    /// The sync that last had it.
    sync: SyncId,
    data_type: DataType,
    start: Instant,
    /// When it became so.
    source_at: Instant,
    /// Whether the source said that it is deleted.
    is_deleted: bool,
    /// Whether a complete reading did not show it any more.
    is_missing: bool,
    /// Whether it is to be decided about.
    is_wanted: bool,
}

/// All records, by their id at the source.
pub(super) struct Latest {
    of: BTreeMap<String, Shown>,
    /// Pages whose content is gone.
    pub(super) unread: u64,
}

impl Latest {
    fn standing(&self) -> impl Iterator<Item = &Shown> {
        self.of.values().filter(|it| it.is_wanted && !it.is_deleted && !it.is_missing)
    }

    pub(super) fn n_records(&self) -> u64 {
        self.standing().count() as u64
    }

    /// The pages that have them, by type.
    pub(super) fn pages(&self) -> BTreeMap<DataType, BTreeSet<usize>> {
        let mut pages: BTreeMap<DataType, BTreeSet<usize>> = BTreeMap::new();
        for it in self.standing() {
            pages.entry(it.data_type).or_default().insert(it.page);
        }
        pages
    }
}

impl Replays {
    /// Reads which pages there are.
    pub(super) async fn basis(&self, subject: &Subject, config: &Config) -> Result<Basis, PlanError> {
        let log = &self.runner.store.log;
        let ever = Interval { from: Instant(i64::MIN), to: Instant(i64::MAX) };
        let (mut pages, mut looks, mut read_at, mut after) = (Vec::new(), Vec::new(), None, None);
        let mut digest = Sha256::new();
        loop {
            let steps = log.scan(ever, Some(subject), after, STEPS_MAX).await?;
            let Some(last) = steps.last() else { break };
            after = Some(last.clone());
            let keys: Vec<StepKey> = steps.into_iter().map(|it| it.1).filter(|it| it.stage == "normalize").collect();
            for step in log.recall(&keys).await?.into_iter().flatten() {
                for event in step.outputs.iter().filter(|it| it.topic.kind == Kind::Normalized) {
                    // What cannot be read was rejected long ago.
                    let Ok(Envelope { head, body }) = codec::decode::<Envelope<Normalized>>(&event.bytes) else {
                        continue;
                    };
                    if body.data_type.is_some_and(|it| !config.data_types.contains(&it)) {
                        continue;
                    }
                    match body.side {
                        Side::Source if body.account.connection == config.source => {
                            pages.push((head.sync, head.id));
                            read_at = read_at.max(Some(body.fetched_at));
                        }
                        Side::Destination if body.account.connection == config.destination => {
                            let looked = body.data_type.zip(body.window).filter(|_| body.last);
                            looks.extend(looked);
                        }
                        _ => continue,
                    }
                    digest.update(format!("{} {}\n", head.sync, head.id));
                    if pages.len() > PAGES_MAX {
                        let what = format!("more than {PAGES_MAX} pages of this source are in the log");
                        return Err(PlanError::Impossible(format!("{what}; name fewer types")));
                    }
                }
            }
        }
        Ok(Basis { pages, looks, digest: hex::encode(digest.finalize()), read_at })
    }

    async fn page(
        &self,
        subject: &Subject,
        (sync, id): (SyncId, EventId),
    ) -> Result<Option<(Envelope<Normalized>, Vec<Record>)>, Unreachable> {
        let Some(found) = self.runner.store.log.event(subject, sync, id).await? else { return Ok(None) };
        let page: Envelope<Normalized> = found.event()?;
        let opened = self.contents.open_value::<Records>(subject, &page.body.records).await?;
        Ok(opened.map(|it| (page, it.records)))
    }

    /// Reads every page, and remembers where each record is.
    pub(super) async fn last_shown(&self, trial: &Trial<'_>) -> Result<Latest, Unreachable> {
        let (subject, config) = (trial.subject, &trial.proposal.config);
        let mut latest = Latest { of: BTreeMap::new(), unread: 0 };
        for (place, at) in trial.basis.pages.iter().enumerate() {
            let Some((page, records)) = self.page(subject, *at).await? else {
                latest.unread += 1;
                continue;
            };
            for record in records.iter().filter(|it| config.data_types.contains(&it.data_type)) {
                latest.note(record, (place, at.0), page.body.fetched_at);
            }
            let (Some(window), Some(data_type), true) = (page.body.window, page.body.data_type, page.body.last) else {
                continue;
            };
            let Some(sure) = surely_read(data_type, window) else { continue };
            let misses = |it: &Shown| {
                it.data_type == data_type && it.sync != at.0 && sure.from <= it.start && it.start < sure.to
            };
            if !latest.of.values().any(misses) {
                continue;
            }
            let story = Story::read(&*self.runner.store.log, subject, at.0).await?;
            if story.is_complete((Side::Source, config.source, Some(data_type)), &[]) {
                for it in latest.of.values_mut().filter(|it| misses(it)) {
                    (it.page, it.is_missing) = (place, true);
                }
            }
        }
        for it in latest.of.values_mut() {
            let proposal = trial.proposal;
            it.is_wanted =
                proposal.from.is_none_or(|from| from <= it.start) && proposal.to.is_none_or(|to| it.start < to);
        }
        self.leave_out_unknown(trial, &mut latest).await?;
        Ok(latest)
    }

    /// Of what is gone only that is decided about which led to something at the destination, and to nothing that
    /// another rendering of the same thing still leads to.
    async fn leave_out_unknown(&self, trial: &Trial<'_>, latest: &mut Latest) -> Result<(), Unreachable> {
        let (subject, config) = (trial.subject, &trial.proposal.config);
        if !latest.of.values().any(|it| it.is_deleted || it.is_missing) {
            return Ok(());
        }
        let mut keys = Vec::with_capacity(latest.of.len());
        for id in latest.of.keys() {
            keys.push(self.contents.origin_key(subject, config.source, id).await?);
        }
        let items = &self.runner.store.items;
        let origins = items.origins(subject, config.source, config.destination, &keys).await?;
        let led: Vec<Option<ItemId>> = origins.into_iter().map(|it| it.map(|it| it.item)).collect();
        let there = latest.of.values().zip(&led).filter(|(it, _)| !it.is_deleted && !it.is_missing);
        let there: BTreeSet<ItemId> = there.filter_map(|it| *it.1).collect();
        for (it, led) in latest.of.values_mut().zip(led) {
            if it.is_deleted || it.is_missing {
                it.is_wanted &= led.is_some_and(|item| !(it.is_missing && there.contains(&item)));
            }
        }
        Ok(())
    }

    /// These pages of one sync as the events of a sync that reads them now, each with the records that it last had.
    pub(super) async fn asked_again(
        &self,
        world: &World,
        trial: &Trial<'_>,
        latest: &Latest,
        pages: &[usize],
    ) -> Result<Vec<Logged>, Unreachable> {
        let mut events = Vec::new();
        for place in pages {
            let of_page: BTreeMap<&str, &Shown> = latest
                .of
                .iter()
                .filter(|it| it.1.page == *place && it.1.is_wanted)
                .map(|it| (it.0.as_str(), it.1))
                .collect();
            if of_page.is_empty() {
                continue;
            }
            let Some((page, records)) = self.page(trial.subject, trial.basis.pages[*place]).await? else { continue };
            let mut here: BTreeMap<String, usize> = BTreeMap::new();
            for (number, record) in records.iter().enumerate() {
                if of_page.get(record.origin.record.as_str()).is_some_and(|it| !it.is_missing) {
                    // Of several renderings in one page the last one counts.
                    here.insert(record.origin.record.clone(), number);
                }
            }
            let mut numbers: Vec<usize> = here.into_values().collect();
            numbers.sort_unstable();
            let standing: Vec<Record> = numbers.into_iter().map(|it| records[it].clone()).collect();
            let gone = of_page.iter().filter(|it| it.1.is_missing).map(|(id, it)| tombstone(id, it)).collect();
            // The ids are those of the log, so that what is decided names events that are there.
            let head = Head { mode: Mode::Repair, ..page.head.clone() };
            let gone_head = Head { id: EventId::derived(head.id, "gone", 0), ..head.clone() };
            for (head, records) in [(head, standing), (gone_head, gone)] {
                if !records.is_empty() {
                    let records = world.contents.seal_value(&head, &Records { records }).await?;
                    let body = Normalized { records, ..read_now(&page.body, &trial.destination) };
                    events.push(logged(&Envelope { head, body }, topics::normalized(Lane::Cold).name));
                }
            }
        }
        Ok(events)
    }
}

impl Latest {
    fn note(&mut self, record: &Record, (page, sync): (usize, SyncId), read_at: Instant) {
        let source_at = record.origin.modified_at.unwrap_or(read_at);
        let shown = Shown {
            page,
            sync,
            data_type: record.data_type,
            start: record.time.start,
            source_at,
            is_deleted: record.deleted,
            is_missing: false,
            is_wanted: true,
        };
        match self.of.get_mut(&record.origin.record) {
            Some(known) if source_at < known.source_at => {
                (known.sync, known.is_missing) = (sync, false);
            }
            // A tombstone may not know when its record was.
            Some(known) => *known = Shown { start: if record.deleted { known.start } else { shown.start }, ..shown },
            None => {
                self.of.insert(record.origin.record.clone(), shown);
            }
        }
    }
}

/// A page for one destination that says nothing of what it does not show.
fn read_now(page: &Normalized, destination: &Destination) -> Normalized {
    Normalized {
        destinations: vec![destination.clone()],
        window: None,
        last: false,
        lane: Lane::Cold,
        counts: Vec::new(),
        issues: Vec::new(),
        ..page.clone()
    }
}

fn tombstone(id: &str, shown: &Shown) -> Record {
    Record {
        data_type: shown.data_type,
        origin: Origin::named(String::new(), id.to_owned()),
        time: Span::at(shown.start, None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: Policy::default(),
        body: Body::Nothing(Nothing {}),
    }
}
