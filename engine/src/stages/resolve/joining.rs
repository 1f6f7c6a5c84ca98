//! What a record comes to together with the other sources of the thing that it is.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    item::ItemRow,
    provider::DataProvider,
    resolve::{Decided, Incoming, Join, Others, Policy, Window},
    sources::Sources,
};
use schemas::{
    event::Source,
    id::{EventId, Subject, SyncId},
    record::Record,
};
use uuid::Uuid;

impl Resolve {
    /// Decides about each record of the page, in its order, but for those that the person does not want.
    pub(super) async fn decide_each(
        &self,
        page: &Page<'_>,
        (provider, policy): (&dyn DataProvider, &Policy<'_>),
        known: &mut Window,
        incoming: &mut [Incoming],
    ) -> Result<Vec<Decided>, Unreachable> {
        let mut opened = self.sources(page, policy);
        let mut decided = Vec::with_capacity(incoming.len());
        for (place, record) in incoming.iter_mut().enumerate() {
            if let Some(left_out) = page.left_out(place, record) {
                decided.push(known.leave_out(policy, record, left_out));
                continue;
            }
            self.join((provider, policy), (known, record), &mut opened).await?;
            decided.push(known.decide(policy, record));
            decided.extend(known.decide_left(policy, record));
        }
        Ok(decided)
    }

    /// Decides about a record that the source no longer has.
    pub(super) async fn decide_gone(
        &self,
        page: &Page<'_>,
        (provider, policy): (&dyn DataProvider, &Policy<'_>),
        known: &mut Window,
        record: &mut Incoming,
    ) -> Result<Option<Decided>, Unreachable> {
        let mut opened = self.sources(page, policy);
        self.join((provider, policy), (known, record), &mut opened).await?;
        Ok(known.decide_gone(policy, record))
    }

    fn sources<'a>(&'a self, page: &'a Page<'_>, policy: &Policy<'_>) -> Sources<'a> {
        let means = (&self.contents, &self.accounts.people);
        Sources::new(&*self.log, means, page.subject(), policy.destination)
    }

    /// Finds out what a record comes to together with the other sources of its item, if the decision rests on that.
    async fn join(
        &self,
        (provider, policy): (&dyn DataProvider, &Policy<'_>),
        (known, incoming): (&Window, &mut Incoming),
        opened: &mut Sources<'_>,
    ) -> Result<(), Unreachable> {
        let Some(Others { mut sources, at }) = known.others(policy, incoming) else { return Ok(()) };
        let mut records = Vec::with_capacity(sources.len() + 1);
        for it in &sources {
            let Some(record) = opened.record(it).await? else {
                incoming.join = Join::Lost;
                return Ok(());
            };
            records.push(record);
        }
        if !incoming.record.deleted {
            let at = at.min(sources.len());
            sources.insert(at, incoming.source(policy));
            records.insert(at, incoming.record.clone());
        }
        let joined = opened.join(provider, (sources, records)).await?;
        incoming.join = Join::With(Box::new(joined));
        Ok(())
    }

    /// A foreign record, as one of a pair that the person may be asked about.
    pub(super) async fn itself(
        &self,
        subject: &Subject,
        row: &ItemRow,
        summary: &Record,
    ) -> Result<Source, Unreachable> {
        let connection = row.key.partition.destination;
        Ok(Source {
            connection,
            provider: summary.origin.provider.clone(),
            record: summary.origin.record.clone(),
            key: self.contents.origin_key(subject, connection, &summary.origin.record).await?,
            hash: String::new(),
            source_at: row.starts_at,
            sync: SyncId(Uuid::nil()),
            event: EventId(Uuid::nil()),
        })
    }
}
