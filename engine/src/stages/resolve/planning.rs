//! Stores what was decided: where records lead, and the new versions, one conditional batch a month.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    item::{Origin, Partition, Plan, Planned},
    resolve::{self as rules, Decided, Incoming},
};
use schemas::{
    event::{Destination, Reason, Source},
    id::{ConnectionId, ItemId, Subject},
    record::Record,
};
use std::collections::BTreeMap;

impl Resolve {
    /// Stores what was decided: origins first, then the plans, one month at a time, each only if nobody planned there
    /// since it was read.
    pub(super) async fn plan(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        incoming: &[Incoming],
        decided: &[Decided],
        seqs: BTreeMap<String, i64>,
    ) -> Result<bool, Unreachable> {
        let (subject, connection) = (page.subject(), destination.account.connection);
        let mut plans = Vec::new();
        for it in decided {
            if let Some(plan) = &it.plan {
                plans.push((it.decision.month.clone(), self.planned(subject, it, plan).await?));
            } else if let Some((record, sources)) = &it.noted {
                let summary = Some(self.seal_summary(subject, it.decision.item, record, sources).await?);
                let (data_type, starts_at, ends_at) = (record.data_type, record.time.start, record.time.end);
                let item = it.decision.item;
                let noted = Planned { item, data_type, starts_at, ends_at, summary, plan: None, seen: None };
                plans.push((it.decision.month.clone(), noted));
            }
        }
        let origins = decided.iter().filter_map(|it| origin_of(page, connection, incoming, it)).collect();
        self.items.note_origins(subject, origins).await?;
        if plans.is_empty() { Ok(true) } else { self.plan_months(page, destination, plans, seqs).await }
    }

    /// Writes plans, one month at a time, and raises `plan_seq` of every month that was read.
    pub(super) async fn plan_months(
        &self,
        page: &Page<'_>,
        destination: &Destination,
        plans: Vec<(String, Planned)>,
        mut seqs: BTreeMap<String, i64>,
    ) -> Result<bool, Unreachable> {
        let (subject, destination) = (page.subject(), destination.account.connection);
        let mut by_month: BTreeMap<String, Vec<Planned>> = BTreeMap::new();
        for (month, planned) in plans {
            by_month.entry(month).or_default().push(planned);
        }
        let partition = |month: &str| Partition { subject: subject.clone(), destination, month: month.into() };
        // Neighbouring months that were read first: whoever plans there now must read again.
        for (month, seq) in seqs.iter().filter(|it| !by_month.contains_key(it.0)) {
            if !self.items.plan(&partition(month), *seq, Vec::new()).await? {
                return Ok(false);
            }
        }
        for (month, plans) in by_month {
            // Every month with a plan was read: a new item's by the window, a known one's with its row.
            let Some(seq) = seqs.remove(&month) else { return Ok(false) };
            if !self.items.plan(&partition(&month), seq, plans).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn planned(&self, subject: &Subject, decided: &Decided, plan: &Plan) -> Result<Planned, Unreachable> {
        let (decision, time) = (&decided.decision, &decided.decision.time);
        let summary = match &decision.record {
            Some(record) => Some(self.seal_summary(subject, decision.item, record, &decision.sources).await?),
            None => None,
        };
        Ok(Planned {
            item: decision.item,
            data_type: decision.data_type,
            starts_at: time.start,
            ends_at: time.end,
            summary,
            plan: Some(plan.clone()),
            seen: decided.seen.clone(),
        })
    }

    pub(super) async fn seal_summary(
        &self,
        subject: &Subject,
        item: ItemId,
        record: &Record,
        sources: &[Source],
    ) -> Result<bytes::Bytes, Unreachable> {
        let json =
            rules::keep(record, sources).map_err(|err| Unreachable(format!("a summary cannot be written: {err}")))?;
        self.contents.seal_row(subject, &item.to_string(), &json).await
    }
}

/// Where a record of the page leads, to be found again.
fn origin_of(page: &Page<'_>, destination: ConnectionId, incoming: &[Incoming], decided: &Decided) -> Option<Origin> {
    let decision = &decided.decision;
    if matches!(decision.reason, Some(Reason::Echo | Reason::NotFound | Reason::NotWritable)) && decision.version == 0 {
        return None;
    }
    let of = incoming.iter().find(|it| it.key == decided.key)?;
    Some(Origin {
        connection: of.connection,
        record: of.key.clone(),
        destination,
        item: decision.item,
        month: decision.month.clone(),
        data_type: decision.data_type,
        starts_at: match &of.origin {
            // A tombstone does not know when its record was.
            Some(origin) if of.record.deleted => origin.starts_at,
            _ => of.record.time.start,
        },
        source_at: of.source_at,
        seen_by: page.input.head.sync,
    })
}
