//! Nights that one source has in parts and another as a whole: whoever comes last, they are one item; and when the whole
//! one is gone, each part is an item of its own again.

use super::{Page, Resolve, joining::Means};
use crate::{
    bus::Unreachable,
    item::month_of,
    resolve::{Decided, Incoming, Join, Known, Window, is_foreign, place, sleep},
    sources::Sources,
};
use schemas::{data_type::DataType, event::Source, id::ItemId, record::Record};
use std::collections::{BTreeSet, VecDeque};

impl Resolve {
    /// Decides again about the sources of sleep that what was decided about the page concerns: they may be parts of it
    /// now, or no longer be. Gives what was decided about, read out of the events that hold it.
    pub(super) async fn decide_parts(
        &self,
        page: &Page<'_>,
        means: Means<'_>,
        (before, known): (&Window, &mut Window),
        decided: &mut Vec<Decided>,
    ) -> Result<Vec<Incoming>, Unreachable> {
        let mut opened = self.sources(page, means.1);
        let changed =
            |it: &Decided| (it.plan.is_some() && it.decision.data_type == DataType::Sleep).then_some(it.decision.item);
        let mut to_see: VecDeque<ItemId> = decided.iter().filter_map(changed).collect();
        let (mut seen, mut again) = (BTreeSet::new(), Vec::new());
        while let Some(item) = to_see.pop_front() {
            if !means.1.combines || !seen.insert(item) {
                continue;
            }
            for (source, record) in concerned(before, known, item, &mut opened).await? {
                let mut part = self.part(page, means, (source, record)).await?;
                self.join(means, (known, &mut part), (&mut opened, None)).await?;
                let it = known.decide(means.1, &part);
                if it.plan.is_some() {
                    to_see.extend(changed(&it));
                    decided.push(it);
                }
                let left = known.decide_left(means.1, &part);
                decided.extend(left);
                again.push(part);
            }
        }
        Ok(again)
    }

    /// A source's record, as it was read before.
    async fn part(
        &self,
        page: &Page<'_>,
        (provider, policy): Means<'_>,
        (source, record): (Source, Record),
    ) -> Result<Incoming, Unreachable> {
        let keys = [source.key.clone()];
        let origins = self.items.origins(page.subject(), source.connection, policy.destination, &keys).await?;
        // It may have been seen since, as it is: where it leads is noted only by what is not older.
        let seen_at = origins.into_iter().flatten().map(|it| it.source_at).max();
        let name = record.data_type.name();
        Ok(Incoming {
            read_in: Some(source.clone()),
            key: source.key,
            projected: provider.project(&record),
            hash: source.hash,
            source_at: seen_at.map_or(source.source_at, |it| it.max(source.source_at)),
            origin: None,
            echo: false,
            item: ItemId::derived(policy.destination, name, source.connection, &record.origin.record),
            month: month_of(record.time.start),
            connection: source.connection,
            join: Join::Alone,
            record,
        })
    }
}

/// The records of which an item may now be made, and those of which it no longer is.
async fn concerned(
    before: &Window,
    known: &Window,
    item: ItemId,
    opened: &mut Sources<'_>,
) -> Result<Vec<(Source, Record)>, Unreachable> {
    let Some(changed) = known.get(item) else { return Ok(Vec::new()) };
    let is_part = |it: &&Known| {
        let is_held = !is_foreign(&it.row) && !it.row.planned_delete && it.row.key.item != item;
        is_held && sleep::is_part(&it.summary, &changed.summary)
    };
    let parts = known.rows().iter().filter(is_part).flat_map(|it| &it.sources);
    let is_out = |it: &&Source| changed.sources.iter().all(|own| place(own) != place(it));
    let left = before.get(item).into_iter().flat_map(|it| it.sources.iter().filter(is_out));
    let mut concerned = Vec::new();
    for (source, has_left) in parts.map(|it| (it, false)).chain(left.map(|it| (it, true))) {
        let Some(record) = opened.record(source).await? else { continue };
        let held = &changed.summary.time;
        // What has the time of the item and is no source of it any more is what was deleted.
        let is_outside = record.time.end <= held.start || held.end <= record.time.start;
        if !has_left || is_outside {
            concerned.push((source.clone(), record));
        }
    }
    Ok(concerned)
}
