//! What a record comes to together with the other sources of the thing that it is.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    item::ItemRow,
    provider::DataProvider,
    resolve::{Counts, Decided, Incoming, Join, Others, Policy, Window},
    sources::Sources,
};
use schemas::{
    event::Source,
    id::{EventId, Subject, SyncId},
    record::Record,
};
use uuid::Uuid;

/// By what a page is decided, and for whom.
pub(super) type Means<'a> = (&'a dyn DataProvider, &'a Policy<'a>);

impl Resolve {
    /// Decides about all records of a page, in their order, but for those that the person does not want, and then about
    /// those that the source no longer has. What of counts is another's is known only when all was decided, so that a page
    /// of counts of several sources is decided twice.
    pub(super) async fn decide_page(
        &self,
        page: &Page<'_>,
        means: Means<'_>,
        window: Window,
        (incoming, gone): (&mut [Incoming], &mut [Incoming]),
    ) -> Result<(Window, Vec<Decided>), Unreachable> {
        let mut opened = self.sources(page, means.1);
        let mut known = window.clone();
        let first =
            self.decide_each(page, means, &mut known, (&mut *incoming, &mut *gone), (&mut opened, None)).await?;
        let Some(counts) = self.counts(means, &known, (incoming, gone), &mut opened).await? else {
            return Ok((known, first));
        };
        let mut known = window;
        let mut decided =
            self.decide_each(page, means, &mut known, (incoming, gone), (&mut opened, Some(&counts))).await?;
        self.count_again(means, &mut known, &mut decided, (&mut opened, &counts)).await?;
        Ok((known, decided))
    }

    async fn decide_each(
        &self,
        page: &Page<'_>,
        (provider, policy): Means<'_>,
        known: &mut Window,
        (incoming, gone): (&mut [Incoming], &mut [Incoming]),
        (opened, counts): (&mut Sources<'_>, Option<&Counts>),
    ) -> Result<Vec<Decided>, Unreachable> {
        let mut decided = Vec::with_capacity(incoming.len());
        for (place, record) in incoming.iter_mut().enumerate() {
            if let Some(left_out) = page.left_out(place, record) {
                decided.push(known.leave_out(policy, record, left_out));
                continue;
            }
            self.join((provider, policy), (known, record), (opened, counts)).await?;
            decided.push(known.decide(policy, record));
            decided.extend(known.decide_left(policy, record));
        }
        for record in gone {
            self.join((provider, policy), (known, record), (opened, counts)).await?;
            decided.extend(known.decide_gone(policy, record));
        }
        Ok(decided)
    }

    pub(super) fn sources<'a>(&'a self, page: &'a Page<'_>, policy: &Policy<'_>) -> Sources<'a> {
        let means = (&self.contents, &self.accounts.people);
        Sources::new(&*self.log, means, page.subject(), policy.destination)
    }

    /// Finds out what a record comes to together with the other sources of its item, and beside all other counts, if the
    /// decision rests on that.
    pub(super) async fn join(
        &self,
        (provider, policy): Means<'_>,
        (known, incoming): (&Window, &mut Incoming),
        (opened, counts): (&mut Sources<'_>, Option<&Counts>),
    ) -> Result<(), Unreachable> {
        incoming.join = Join::Alone;
        let (mut sources, at) = match known.others(policy, incoming) {
            Some(Others { sources, at }) => (sources, at),
            None if counts.is_some_and(|it| it.cuts(incoming, policy)) => (Vec::new(), 0),
            None => return Ok(()),
        };
        let Some(mut records) = opened.records(&sources).await? else {
            incoming.join = Join::Lost;
            return Ok(());
        };
        if !incoming.record.deleted {
            let at = at.min(sources.len());
            sources.insert(at, incoming.source(policy));
            records.insert(at, incoming.record.clone());
        }
        let joined = opened.join(provider, (sources, records), counts).await?;
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
