//! Counts of several sources: what an item is to hold changes with what others count of its time.

use super::{Resolve, joining::Means};
use crate::{
    bus::Unreachable,
    resolve::{Counts, Decided, Incoming, Join, Known, Window, is_cut, is_foreign},
    sources::Sources,
};
use schemas::event::{Action, Reason};

impl Resolve {
    /// What each record of counts around the page is to hold beside the others; `None` where one source alone counts.
    pub(super) async fn counts(
        &self,
        (_, policy): Means<'_>,
        known: &Window,
        (incoming, gone): (&[Incoming], &[Incoming]),
        opened: &mut Sources<'_>,
    ) -> Result<Option<Counts>, Unreachable> {
        let may_count = |it: &Incoming| it.record.deleted || is_cut(&it.record);
        if !policy.combines || !incoming.iter().any(may_count) && gone.is_empty() {
            return Ok(None);
        }
        // What is gone leaves its time to others.
        let left: Vec<_> = incoming.iter().chain(gone).filter(|it| it.record.deleted).collect();
        let was_of = |row: &Known| {
            let is_its = |it: &&Incoming| {
                it.item == row.row.key.item || it.origin.as_ref().is_some_and(|of| of.item == row.row.key.item)
            };
            left.iter().any(is_its)
        };
        opened.counts(known.rows(), (incoming, policy.by.0), known.answers(), was_of).await
    }

    /// Decides again about what is there of the days that the page is about, and is to hold more or less than it does.
    pub(super) async fn count_again(
        &self,
        (provider, policy): Means<'_>,
        known: &mut Window,
        decided: &mut Vec<Decided>,
        (opened, counts): (&mut Sources<'_>, &Counts),
    ) -> Result<(), Unreachable> {
        let is_ours = |it: &&Known| !is_foreign(&it.row) && !it.row.planned_delete && is_cut(&it.summary);
        let touched = |it: &&Known| counts.touches(it.summary.data_type, &it.sources);
        let is_other = |it: &&Known| !counts.is_settled(&it.summary, &it.sources);
        let is_planned =
            |it: &&Known| decided.iter().any(|of| of.plan.is_some() && of.decision.item == it.row.key.item);
        let others: Vec<Known> = known
            .rows()
            .iter()
            .filter(is_ours)
            .filter(touched)
            .filter(is_other)
            .filter(|it| !is_planned(it))
            .cloned()
            .collect();
        for row in others {
            let Some(records) = opened.records(&row.sources).await? else { continue };
            let joined = opened.join(provider, (row.sources.clone(), records.clone()), Some(counts)).await?;
            let (Some(source), Some(record)) = (row.sources.first(), records.into_iter().next()) else { continue };
            if joined.hash == row.row.planned_hash {
                continue;
            }
            let again = Incoming {
                read_in: Some(source.clone()),
                record,
                key: source.key.clone(),
                projected: joined.projected.clone(),
                hash: source.hash.clone(),
                source_at: source.source_at,
                origin: None,
                echo: false,
                item: row.row.key.item,
                month: row.row.key.partition.month.clone(),
                connection: source.connection,
                join: Join::With(Box::new(joined)),
            };
            let Some(it) = known.decide_again(policy, &again) else { continue };
            if it.decision.reason == Some(Reason::Unchanged) {
                continue;
            }
            if it.decision.action != Action::Skip {
                // It was left alone as it is; now it is not. What the person is to be asked, they are asked nevertheless.
                let is_other = |of: &Decided| of.decision.item != it.decision.item || of.key != it.key;
                decided.retain(|of| is_other(of) || of.decision.reason == Some(Reason::InReview));
            }
            decided.push(it);
        }
        Ok(())
    }
}
