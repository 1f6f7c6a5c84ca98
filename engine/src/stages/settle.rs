//! Settle: the one completion event of a sync, its gaps and its checkpoint.

use super::made;
use crate::{
    bus::Unreachable,
    clock::Clock,
    people::{Checkpoint, GAPS_MAX, People},
    stage::{Answer, Stage},
    status::Story,
    store::Log,
};
use schemas::{
    data_type::DataType,
    event::{
        Count, Cover, DestinationCounts, Envelope, Fate, Head, Outcome, Reason, Requested, Settled, Stretch,
        StretchState, Trigger,
    },
    id::{ConnectionId, EventId},
    time::{Instant, Interval},
};
use std::{sync::Arc, time::Duration};

/// How much of the newest history is read again next time, however late a device was: also bounds how far a checkpoint
/// may run ahead of the provider's clock.
const CLOCK_MARGIN: Duration = Duration::from_secs(60);

/// Acts when its sync has no open event left; an earlier outcome is acknowledged without a step.
#[derive(Debug)]
pub struct Settle {
    /// What was said.
    pub log: Arc<dyn Log>,
    /// Where checkpoints are.
    pub people: People,
    /// The time.
    pub clock: Clock,
}

impl Stage for Settle {
    type In = Outcome;
    type Out = Settled;
    const NAME: &'static str = "settle";
    const AT_ONCE: usize = 1;
    const CLOSES: bool = true;

    fn cause(input: &Envelope<Outcome>) -> EventId {
        // One step a sync, whichever outcome came last.
        EventId(input.head.sync.0)
    }

    async fn process(&self, input: &Envelope<Outcome>) -> Result<Answer<Outcome, Settled>, Unreachable> {
        let head = &input.head;
        if !self.log.open(&head.subject, head.sync).await?.is_empty() {
            return Ok(Answer::Nothing);
        }
        let story = Story::read(&*self.log, &head.subject, head.sync).await?;
        let Some(first) = story.first() else {
            // It was appended before anything else: it was lost with a store, or the time that its content is kept is
            // over. Nobody can say more of the sync, and it must not hold up others: it is closed, with nothing to say.
            tracing::warn!(sync = %head.sync, "the beginning of a sync is not kept; it is closed");
            return made(Vec::new());
        };
        let moved = self.move_checkpoints(head, &story, first).await?.into_iter().flatten().max();
        let (stretches, counts) = (story.stretches(), story.destination_counts());
        let body = Settled {
            source: first.body.source.clone(),
            data_type: first.body.data_type,
            read: story.read_counts(),
            destinations: counts,
            issues: story.issues(),
            stretches,
            checkpoint: moved,
            end: story.end(),
            lane: first.body.lane,
        };
        // Derived from the sync, as its step is: whichever outcome came last, it is the same event.
        let id = EventId::derived(EventId(head.sync.0), Self::NAME, 0);
        let head = Head { id, cause: head.id, at: self.clock.now(), ..head.clone() };
        made(vec![Envelope { head, body }])
    }
}

impl Settle {
    /// Moves the checkpoints of a settled sync again that are not where it left them; says how many that were.
    pub(crate) async fn restate(&self, head: &Head) -> Result<usize, Unreachable> {
        let story = Story::read(&*self.log, &head.subject, head.sync).await?;
        let Some(first) = story.first() else { return Ok(0) };
        Ok(self.move_checkpoints(head, &story, first).await?.into_iter().flatten().count())
    }

    /// Moves the checkpoint of every destination; says where to, for those that moved.
    async fn move_checkpoints(
        &self,
        head: &Head,
        story: &Story,
        first: &Envelope<Requested>,
    ) -> Result<Vec<Option<Instant>>, Unreachable> {
        let (Cover::Range(_), Some(data_type)) = (&first.body.cover, first.body.data_type) else {
            return Ok(Vec::new());
        };
        let (stretches, counts, mut moved) = (story.stretches(), story.destination_counts(), Vec::new());
        for destination in story.destinations() {
            let at = (first.body.source.connection, destination.account.connection, data_type);
            let stretches = held_back(&stretches, &counts, destination.account.connection);
            moved.push(self.move_checkpoint(head, at, first, &stretches).await?);
        }
        Ok(moved)
    }

    /// Moves a checkpoint to the end of the first stretch without an unread hole, and lists what was left out.
    async fn move_checkpoint(
        &self,
        head: &Head,
        at: (ConnectionId, ConnectionId, DataType),
        first: &Envelope<Requested>,
        stretches: &[Stretch],
    ) -> Result<Option<Instant>, Unreachable> {
        let (source, destination, data_type) = at;
        loop {
            let (version, before) = self.people.checkpoint(&head.subject, source, destination, data_type).await?;
            // What a notification spoke of was read, but nothing before it; a replay reads what was read before.
            let not_after = first.head.at.minus(CLOCK_MARGIN);
            let moves = !matches!(first.body.trigger, Trigger::Notification | Trigger::Replay);
            let reaches = moves.then_some(not_after);
            let after = advance(&before, stretches, reaches);
            let through = after.covered_through.filter(|_| after.covered_through != before.covered_through);
            if after == before {
                return Ok(None);
            }
            if self.people.put_checkpoint(&head.subject, source, destination, data_type, version, &after).await? {
                return Ok(through);
            }
        }
    }
}

/// The stretches as they are for one destination: where operations ended without effect, what was read is not there
/// and must be read again.
fn held_back(stretches: &[Stretch], counts: &[DestinationCounts], destination: ConnectionId) -> Vec<Stretch> {
    let ended = |it: &&Count| it.fate == Fate::Ended && it.reason != Some(Reason::Superseded);
    let of = counts.iter().filter(|it| it.account.connection == destination);
    let Some(ended) = of.flat_map(|it| &it.counts).find(ended) else { return stretches.to_vec() };
    let unread = |it: &Stretch| Stretch { state: StretchState::Unread, reason: ended.reason, ..it.clone() };
    stretches.iter().map(unread).collect()
}

/// A checkpoint after these stretches. Pure: never past an unread one, never past what nobody read, never past
/// `not_after` (absent: it does not move), never back.
fn advance(before: &Checkpoint, stretches: &[Stretch], not_after: Option<Instant>) -> Checkpoint {
    let mut gaps: Vec<Stretch> = before.gaps.clone();
    for stretch in stretches {
        if matches!(stretch.state, StretchState::Fetched | StretchState::Empty) {
            gaps = gaps.iter().flat_map(|gap| without(gap, &stretch.interval)).collect();
        } else if !gaps.iter().any(|gap| gap.interval.covers(&stretch.interval)) {
            gaps.push(stretch.clone());
        }
    }
    gaps.sort_by_key(|it| it.interval.from);
    gaps.truncate(GAPS_MAX);
    let first_hole = gaps.iter().filter(|it| it.state == StretchState::Unread).map(|it| it.interval.from).min();
    let mut reached = before.covered_through;
    for stretch in stretches.iter().filter(|it| it.state != StretchState::Unread) {
        // A stretch that begins later leaves a hole that nobody has read.
        if let Some(not_after) = not_after.filter(|_| reached.is_none_or(|it| stretch.interval.from <= it)) {
            reached = reached.max(Some(stretch.interval.to.min(not_after)));
        }
    }
    let covered_through = match (reached, first_hole) {
        (Some(reached), Some(hole)) => Some(reached.min(hole).max(before.covered_through.unwrap_or(Instant(i64::MIN)))),
        (reached, None) => reached,
        (None, Some(_)) => None,
    };
    Checkpoint { covered_through, gaps }
}

/// What is left of a gap once a stretch was read.
fn without(gap: &Stretch, read: &Interval) -> Vec<Stretch> {
    if !gap.interval.overlaps(read) {
        return vec![gap.clone()];
    }
    let before = Interval { from: gap.interval.from, to: read.from };
    let after = Interval { from: read.to, to: gap.interval.to };
    [before, after]
        .into_iter()
        .filter(|it| it.from < it.to)
        .map(|interval| Stretch { interval, ..gap.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, advance};
    use proptest::prelude::*;
    use schemas::{
        event::{Stretch, StretchState},
        time::{Instant, Interval},
    };

    fn stretch(from: i64, to: i64, state: StretchState) -> Stretch {
        Stretch { interval: Interval { from: Instant(from), to: Instant(to) }, state, reason: None }
    }

    #[track_caller]
    fn check(steps: &[(i64, i64, StretchState)], expected: Option<i64>) {
        let after = steps.iter().fold(Checkpoint::default(), |before, it| {
            advance(&before, &[stretch(it.0, it.1, it.2)], Some(Instant(1_000)))
        });
        assert_eq!(after.covered_through, expected.map(Instant));
    }

    #[test]
    fn a_checkpoint_never_passes_an_unread_stretch() {
        check(&[(0, 10, StretchState::Fetched)], Some(10));
        check(&[(0, 10, StretchState::Unread)], None);
        check(&[(0, 10, StretchState::Fetched), (10, 20, StretchState::Unread)], Some(10));
        check(
            &[(0, 10, StretchState::Fetched), (10, 20, StretchState::Unread), (20, 30, StretchState::Empty)],
            Some(10),
        );
        check(
            &[(0, 10, StretchState::Fetched), (10, 20, StretchState::Unread), (10, 30, StretchState::Empty)],
            Some(30),
        );
        check(&[(0, 10, StretchState::Refused)], Some(10));
        check(&[(0, 5_000, StretchState::Fetched)], Some(1_000));
    }

    #[test]
    fn a_checkpoint_never_passes_what_nobody_read() {
        check(&[(0, 10, StretchState::Fetched), (20, 30, StretchState::Fetched)], Some(10));
        check(
            &[(0, 10, StretchState::Fetched), (20, 30, StretchState::Fetched), (5, 30, StretchState::Empty)],
            Some(30),
        );
        let news = stretch(0, 10, StretchState::Fetched);
        assert_eq!(
            advance(&Checkpoint::default(), &[news], None).covered_through,
            None,
            "a notification moves nothing"
        );
    }

    proptest! {
        #[test]
        fn it_never_goes_back_and_never_past_a_hole(steps in prop::collection::vec((0i64..50, 1i64..20, 0u8..3), 1..30)) {
            let mut before = Checkpoint::default();
            for (from, length, state) in steps {
                let state = [StretchState::Fetched, StretchState::Empty, StretchState::Unread][usize::from(state)];
                let after = advance(&before, &[stretch(from, from + length, state)], Some(Instant(1_000)));
                prop_assert!(after.covered_through >= before.covered_through);
                if after.covered_through > before.covered_through {
                    let reached = after.covered_through.unwrap();
                    prop_assert!(before.covered_through.is_none_or(|it| Instant(from) <= it));
                    prop_assert!(after.gaps.iter().filter(|it| it.state == StretchState::Unread).all(|it| it.interval.from >= reached));
                }
                before = after;
            }
        }
    }
}
