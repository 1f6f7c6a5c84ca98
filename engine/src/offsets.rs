//! Which offset of a partition may be committed: the lowest that is not done, counting only offsets that were
//! really delivered (transaction markers and compaction leave gaps).

use std::{collections::BTreeMap, time::Instant};

/// The delivered offsets of one partition.
#[derive(Debug, Default)]
pub struct OffsetTracker {
    /// Delivered, and not yet passed by [`OffsetTracker::advance`].
    delivered: BTreeMap<i64, Delivered>,
    bytes: usize,
    committed: Option<i64>,
}

#[derive(Debug)]
struct Delivered {
    is_done: bool,
    bytes: usize,
    since: Instant,
}

impl OffsetTracker {
    /// An offset was delivered, with a message of these many bytes.
    pub fn delivered(&mut self, offset: i64, bytes: usize) {
        self.delivered.entry(offset).or_insert_with(|| {
            self.bytes += bytes;
            Delivered { is_done: false, bytes, since: Instant::now() }
        });
    }

    /// The work on an offset is done.
    pub fn done(&mut self, offset: i64) {
        if let Some(delivered) = self.delivered.get_mut(&offset) {
            delivered.is_done = true;
        }
    }

    /// The next offset to read, if it has moved since the last call: one past the last of the first run of done
    /// offsets.
    pub fn advance(&mut self) -> Option<i64> {
        let mut next = None;
        while let Some(entry) = self.delivered.first_entry()
            && entry.get().is_done
        {
            next = Some(entry.key() + 1);
            self.bytes -= entry.remove().bytes;
        }
        if next > self.committed {
            self.committed = next;
            return next;
        }
        None
    }

    /// How many are delivered and not passed.
    #[must_use]
    pub fn n_open(&self) -> usize {
        self.delivered.len()
    }

    /// Bytes of those.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first of those was delivered.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.delivered.first_key_value().map(|it| it.1.since)
    }
}

#[cfg(test)]
mod tests {
    use super::OffsetTracker;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_committed_is_done_and_contiguous(
            gaps in prop::collection::vec(1i64..5, 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..120),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut tracker = OffsetTracker::default();
            for offset in &offsets {
                tracker.delivered(*offset, 10);
            }
            let mut done = std::collections::BTreeSet::new();
            for index in order {
                let offset = offsets[index.index(offsets.len())];
                tracker.done(offset);
                done.insert(offset);
                if let Some(next) = tracker.advance() {
                    prop_assert!(offsets.iter().filter(|it| **it < next).all(|it| done.contains(it)));
                    prop_assert!(done.contains(&(next - 1)));
                }
                let first_open = offsets.iter().find(|it| !done.contains(it));
                let expected_open = first_open.map_or(0, |first| offsets.iter().filter(|it| *it >= first).count());
                prop_assert_eq!(tracker.n_open(), expected_open);
                prop_assert_eq!(tracker.bytes(), 10 * expected_open);
            }
        }
    }

    #[test]
    fn an_offset_that_is_done_early_waits_for_the_one_before() {
        let mut tracker = OffsetTracker::default();
        tracker.delivered(4, 1);
        tracker.delivered(9, 1);
        tracker.done(9);
        assert_eq!(tracker.advance(), None);
        tracker.done(4);
        assert_eq!(tracker.advance(), Some(10));
        assert_eq!(tracker.advance(), None);
    }
}
