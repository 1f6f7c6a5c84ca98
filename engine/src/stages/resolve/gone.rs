//! Records that are no longer where they were: only what a complete reading did not show is gone.

use super::{MATCH_TOLERANCE, Page, Resolve};
use crate::{
    bus::Unreachable,
    item::{ItemKey, Origin, Partition},
    resolve::{Incoming, Join},
    status::Story,
};
use schemas::{
    data_type::DataType,
    event::{Destination, Kind, Normalized, Source},
    record::{Body, Nothing, Origin as RecordOrigin, Policy, Record, RecordState, Records, Span},
    time::{Instant, Interval},
};
use std::{collections::HashSet, time::Duration};

impl Resolve {
    /// The records that led to items here and are no longer at the source: only when its window was read completely
    /// within this sync.
    pub(super) async fn gone(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        incoming: &[Incoming],
    ) -> Result<Vec<Incoming>, Unreachable> {
        let normalized = &page.input.body;
        let (Some(window), Some(data_type), true) = (normalized.window, normalized.data_type, normalized.last) else {
            return Ok(Vec::new());
        };
        let Some(sure) = surely_read(data_type, window) else { return Ok(Vec::new()) };
        let (subject, source) = (page.subject(), normalized.account.connection);
        let known = self.items.origins_within(subject, source, destination.account.connection, data_type, sure).await?;
        let sync = page.input.head.sync;
        // What this sync saw may carry the mark of another one by now: the mark only says where to look closer.
        let not_marked = |it: &&Origin| it.seen_by != sync && incoming.iter().all(|page| page.key != it.record);
        if !known.iter().any(|it| not_marked(&it)) {
            return Ok(Vec::new());
        }
        let Some(shown) = self.shown(page).await? else { return Ok(Vec::new()) };
        let (missing, there): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|it| not_marked(&it) && !shown.contains(&it.record));
        let mut gone = Vec::new();
        for origin in missing {
            let n_sources = self.n_sources(page, destination, &origin).await?;
            // Another rendering of the same thing keeps the item, unless that is made of both: then it changes.
            let is_kept = n_sources < 2 && there.iter().any(|it| it.item == origin.item);
            if !is_kept && n_sources > 0 {
                gone.push(tombstone(origin, normalized.fetched_at));
            }
        }
        Ok(gone)
    }

    /// Of how many records the item is made, if its own is one of them and the item was planned by no later reading than
    /// this, else 0: what another source brought is not taken away here, nor what came to be while this page was put off.
    async fn n_sources(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        origin: &Origin,
    ) -> Result<usize, Unreachable> {
        let subject = page.subject().clone();
        let partition = Partition { subject, destination: destination.account.connection, month: origin.month.clone() };
        let Some(row) = self.items.get(&ItemKey { partition, item: origin.item }).await? else { return Ok(0) };
        let Some((event, sync)) = row.planned_by else { return Ok(0) };
        let by = self.log.event(page.subject(), sync, event).await?;
        let mut is_by_it = false;
        // What a repair, a rewind or a plan brought was planned by no page.
        if let Some(by) = by.filter(|it| it.topic.kind == Kind::Normalized) {
            let by = by.event::<Normalized>()?;
            // A provider's clock may tell no more than seconds; ours, when the page was mapped, tells two such apart.
            if by.body.fetched_at > page.input.body.fetched_at || by.head.at > page.input.head.at {
                return Ok(0);
            }
            is_by_it = by.body.account.connection == origin.connection;
        }
        let known = self.known(page.subject(), row).await?;
        let is_of_it = |it: &Source| (it.connection, &it.key) == (origin.connection, &origin.record);
        Ok(match known {
            Some(known) if known.sources.iter().any(is_of_it) => known.sources.len(),
            Some(known) if !known.sources.is_empty() => 0,
            // What was planned before rows named their sources.
            _ => usize::from(is_by_it),
        })
    }

    /// What the reading that this page ends has shown, by the keyed ids of its records; `None` if a page of it was left
    /// out, rejected or comes later, or a record could not be mapped: what is then missing is not gone.
    pub(super) async fn shown(&self, page: &Page<'_>) -> Result<Option<HashSet<String>>, Unreachable> {
        let (head, of) = (&page.input.head, &page.input.body);
        let open = self.log.open(&head.subject, head.sync).await?;
        let open: Vec<_> = open.into_iter().map(|it| it.0).filter(|it| *it != head.id).collect();
        let story = Story::read(&*self.log, &head.subject, head.sync).await?;
        let reading = (of.side, of.account.connection, of.data_type);
        if !story.is_complete(reading, &open) {
            return Ok(None);
        }
        let mut shown = HashSet::new();
        for normalized in story.pages_of(reading) {
            let opened = self.contents.open_value::<Records>(&head.subject, &normalized.body.records).await?;
            let Some(opened) = opened else { return Ok(None) };
            for record in &opened.records {
                shown.insert(
                    self.contents.origin_key(&head.subject, of.account.connection, &record.origin.record).await?,
                );
            }
        }
        Ok(Some(shown))
    }
}

/// The part of a window in which a record that was not read is surely gone. A service may file a night by its end, or
/// a day by its date: near the edges such a record may be just outside.
pub(crate) fn surely_read(data_type: DataType, window: Interval) -> Option<Interval> {
    let edge = match data_type {
        DataType::Workout
        | DataType::Weight
        | DataType::BodyFat
        | DataType::Height
        | DataType::Hydration
        | DataType::Nutrition => Duration::ZERO,
        _ => MATCH_TOLERANCE,
    };
    let sure = Interval { from: window.from.plus(edge), to: window.to.minus(edge) };
    (sure.from < sure.to).then_some(sure)
}

fn tombstone(origin: Origin, at: Instant) -> Incoming {
    let record = Record {
        data_type: origin.data_type,
        origin: RecordOrigin::named(String::new(), origin.record.clone()),
        time: Span::at(origin.starts_at, None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: Policy::default(),
        body: Body::Nothing(Nothing {}),
    };
    Incoming {
        projected: Ok(record.clone()),
        record,
        key: origin.record.clone(),
        hash: String::new(),
        source_at: at,
        echo: false,
        item: origin.item,
        month: origin.month.clone(),
        origin: None,
        connection: origin.connection,
        join: Join::Alone,
        read_in: None,
    }
}
