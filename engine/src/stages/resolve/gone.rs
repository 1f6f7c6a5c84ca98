//! Records that are no longer where they were: only what a complete reading did not show is gone.

use super::{MATCH_TOLERANCE, Page, Resolve};
use crate::{bus::Unreachable, item::Origin, resolve::Incoming, status::Story};
use schemas::{
    data_type::DataType,
    event::Destination,
    record::{Body, Nothing, Origin as RecordOrigin, Policy, Record, RecordState, Span},
    time::{Instant, Interval},
};
use std::time::Duration;

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
        let missing: Vec<_> = known
            .into_iter()
            .filter(|it| it.seen_by != sync && incoming.iter().all(|page| page.key != it.record))
            .collect();
        if missing.is_empty() || !self.is_complete(page).await? {
            return Ok(Vec::new());
        }
        Ok(missing.into_iter().map(|origin| tombstone(origin, normalized.fetched_at)).collect())
    }

    /// Whether every page of the reading that this one ends was mapped without leaving anything out, and resolved.
    /// A page that was rejected or comes later, or a record that could not be mapped, is not gone.
    pub(super) async fn is_complete(&self, page: &Page<'_>) -> Result<bool, Unreachable> {
        let (head, of) = (&page.input.head, &page.input.body);
        let open = self.log.open(&head.subject, head.sync).await?;
        let open: Vec<_> = open.into_iter().map(|it| it.0).filter(|it| *it != head.id).collect();
        let events = self.log.events(&head.subject, head.sync).await?;
        let story =
            Story::read(&events).map_err(|err| Unreachable(format!("the log of a sync cannot be read: {err}")))?;
        Ok(story.is_complete((of.side, of.account.connection, of.data_type), &open))
    }
}

/// The part of a window in which a record that was not read is surely gone. A service may file a night by its end, or
/// a day by its date: near the edges such a record may be just outside.
pub(super) fn surely_read(data_type: DataType, window: Interval) -> Option<Interval> {
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
    }
}
