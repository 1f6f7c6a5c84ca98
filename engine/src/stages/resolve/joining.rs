//! What a record comes to together with the other sources of the thing that it is.

use super::Resolve;
use crate::{
    bus::Unreachable,
    item::ItemRow,
    provider::DataProvider,
    resolve::{Incoming, Join, MergePolicy, Others, Policy, Window},
    sources::Sources,
};
use schemas::{
    event::Source,
    id::{EventId, Subject, SyncId},
    record::Record,
};
use uuid::Uuid;

impl Resolve {
    /// Finds out what a record comes to together with the other sources of its item, if the decision rests on that.
    pub(super) async fn join(
        &self,
        policy: &Policy<'_>,
        provider: &dyn DataProvider,
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
        let ranks = vec![0; sources.len()];
        let joined = opened.join(provider, &MergePolicy::default(), (sources, records, ranks)).await?;
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
