//! Normalize in a shadow: the very same stage, and beside it what is no longer among the records of its page.

use crate::{
    bus::Unreachable,
    stage::{Answer, Stage},
    stages::Normalize,
};
use schemas::{
    event::{Deletes, Destination, Envelope, Fetched, Normalized},
    id::EventId,
    record::{Body, Nothing, Record, Records},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What was made before of the pages that a shadow runs again, by the page's id in the shadow.
#[derive(Clone, Debug, Default)]
pub struct Originals(Arc<Mutex<HashMap<EventId, Envelope<Normalized>>>>);

impl Originals {
    pub(super) fn note(&self, page: EventId, made: Envelope<Normalized>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(page, made);
    }

    pub(super) fn get(&self, page: EventId) -> Option<Envelope<Normalized>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&page).cloned()
    }

    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Maps a page again. A record that an older mapper made of it and this one does not is our own mistake: it is taken
/// back, whatever the config says of deletions at the source.
#[derive(Debug)]
pub struct Remap {
    /// The stage itself.
    pub normalize: Normalize,
    /// What was made before.
    pub originals: Originals,
}

/// Where a tombstone page stands among a page's outputs, by index of derivation.
const GONE: usize = 1;

impl Stage for Remap {
    type In = Fetched;
    type Out = Normalized;
    const NAME: &'static str = <Normalize as Stage>::NAME;
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Normalized>, Unreachable> {
        let answer = self.normalize.process(input).await?;
        let Answer::Made(mut made) = answer else { return Ok(answer) };
        let (Some(before), Some(now)) = (self.originals.get(input.head.id), made.outputs.first()) else {
            return Ok(Answer::Made(made));
        };
        let (subject, contents) = (&input.head.subject, &self.normalize.contents);
        let old = contents.open_value::<Records>(subject, &before.body.records).await?.unwrap_or_default();
        let new = contents.open_value::<Records>(subject, &now.body.records).await?.unwrap_or_default();
        let gone: Vec<Record> = gone(&old.records, &new.records).map(tombstone).collect();
        if gone.is_empty() {
            return Ok(Answer::Made(made));
        }
        let head = input.head.derive(Self::NAME, GONE, self.normalize.clock.now());
        let mirrored = |it: &Destination| Destination { deletes: Deletes::Mirror, ..it.clone() };
        let body = Normalized {
            destinations: now.body.destinations.iter().map(mirrored).collect(),
            records: contents.seal_value(&head, &Records { records: gone }).await?,
            counts: Vec::new(),
            issues: Vec::new(),
            ..now.body.clone()
        };
        // First, so that what takes the place of a record is not taken for the record.
        made.outputs.insert(0, Envelope { head, body });
        Ok(Answer::Made(made))
    }
}

/// Whether two records are renderings of the same thing of a page.
pub(super) fn is_same(a: &Record, b: &Record) -> bool {
    a.data_type == b.data_type && a.origin.record == b.origin.record
}

fn gone<'a>(old: &'a [Record], new: &'a [Record]) -> impl Iterator<Item = &'a Record> {
    old.iter().filter(|it| !it.deleted && !new.iter().any(|other| is_same(it, other)))
}

fn tombstone(record: &Record) -> Record {
    Record { deleted: true, body: Body::Nothing(Nothing {}), ..record.clone() }
}
