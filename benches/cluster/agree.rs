//! Whether two contestants made the same of the same pages.

use super::servers::Space;
use anyhow::{Context, Result, ensure};
use rdkafka::{Message, Offset};
use schemas::{
    codec::{self, Subject},
    event::{Envelope, Kind, Normalized},
    id::EventId,
    record::Records,
    time::Instant,
};
use std::{collections::BTreeMap, time::Duration};

/// One event in so many is compared.
const ONE_IN: u128 = 50;
/// How long the end of a topic is waited for.
const READ_MAX: Duration = Duration::from_secs(20);

/// What was made: events by id, without what may differ, and the records in them.
pub(crate) type Made = BTreeMap<EventId, (Envelope<Normalized>, Records)>;

/// A sample of what is on one partition of the topic of normalized records.
pub(crate) fn sample(space: &Space) -> Result<Made> {
    let reader = space.reader(super::NORMALIZED, &[0], Offset::Beginning)?;
    let ours = codec::current(Subject::Event(Kind::Normalized)).id;
    let (mut made, mut n_read) = (Made::new(), 0_u64);
    let mut patience = READ_MAX;
    while let Some(message) = reader.poll(patience) {
        let message = message?;
        // Once it flows, a second of silence is the end.
        patience = Duration::from_secs(1);
        n_read += 1;
        let mut bytes = message.payload().context("a tombstone among the records")?.to_vec();
        bytes
            .get_mut(1..codec::FRAME_BYTES)
            .context("an event that is not framed")?
            .copy_from_slice(&ours.to_be_bytes());
        let mut event: Envelope<Normalized> = codec::decode(&bytes)?;
        if !event.head.id.0.as_u128().is_multiple_of(ONE_IN) {
            continue;
        }
        let content = event.body.records.sealed.take().context("an event without records")?;
        // When it was made is each one's own; as the schema's bytes may be cut into blocks differently, the size, too.
        event.head.at = Instant(0);
        event.body.records.size = 0;
        made.insert(event.head.id, (event, codec::decode(&content)?));
    }
    ensure!(n_read > 0 && !made.is_empty(), "nothing can be compared: {n_read} records on the partition");
    Ok(made)
}

/// Compares two samples; gives how many records they have in common, which is all.
pub(crate) fn compare(ours: &Made, theirs: &Made) -> Result<usize> {
    for (id, made) in ours {
        let other = theirs.get(id).with_context(|| format!("event {id} was made by SyncWell alone"))?;
        ensure!(made == other, "event {id} differs:\n{made:?}\n{other:?}");
    }
    ensure!(ours.len() == theirs.len(), "{} events against {}", ours.len(), theirs.len());
    Ok(ours.len())
}
