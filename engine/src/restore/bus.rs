//! What the bus still holds.

use super::{Restore, Said};
use crate::{bus::Unreachable, store::Logged};
use schemas::{
    event::Kind,
    id::EventId,
    time::Instant,
    topics::{self, TopicName},
};
use std::collections::HashSet;

/// How many offsets are read at once.
const OFFSETS_MAX: i64 = 20_000;

impl Restore {
    /// What was said since on one partition of every topic, each event once, in order; and where the bus begins too
    /// late to tell. All topics have one person on one partition. `None` if this transport keeps nothing.
    pub(super) async fn said_since(
        &self,
        partition: i32,
        since: Instant,
    ) -> Result<Option<(Vec<Said>, Vec<String>)>, Unreachable> {
        let (mut said, mut gaps, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for topic in topics::catalogue().into_iter().map(|it| it.name).filter(|it| it.kind != Kind::Analytics) {
            if !self.read_topic((topic, partition), since, &mut seen, (&mut said, &mut gaps)).await? {
                return Ok(None);
            }
        }
        // What is made of an event is never earlier; within a millisecond the order of the flow tells.
        said.sort_by_key(|it: &Said| (it.head.at, it.kind()));
        Ok(Some((said, gaps)))
    }

    async fn read_topic(
        &self,
        (topic, partition): (TopicName, i32),
        since: Instant,
        seen: &mut HashSet<EventId>,
        (said, gaps): (&mut Vec<Said>, &mut Vec<String>),
    ) -> Result<bool, Unreachable> {
        let mut next = 0;
        loop {
            let until = next + OFFSETS_MAX;
            let Some(found) = self.runner.bus.read(topic, partition, next..until).await? else { return Ok(false) };
            let (Some((first, _)), Some((last, _))) = (found.first(), found.last()) else { return Ok(true) };
            let (begins, is_first) = (*first, next == 0);
            next = last + 1;
            for (offset, bytes) in found {
                // What nobody can read was rejected, or will be.
                let Ok(it) = Said::of(Logged { id: EventId(uuid::Uuid::nil()), topic, bytes }) else { continue };
                if is_first && offset == begins && begins > 0 && it.head.at > since {
                    gaps.push(format!("partition {partition} of {topic} begins at {}", it.head.at));
                }
                if it.head.at >= since && seen.insert(it.head.id) {
                    said.push(it);
                }
            }
            // It ends before what was asked for.
            if next < until {
                return Ok(true);
            }
        }
    }
}
