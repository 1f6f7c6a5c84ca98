//! Write in a shadow: it looks at what would be sent, and notes in the overlay that it was.

use crate::{
    bus::Unreachable,
    clock::Clock,
    contents::Contents,
    item::{Guard, ItemKey, ItemState, Partition, Patch},
    stage::{Answer, Made, Stage},
    stages::Write,
    store::Items,
};
use bytes::Bytes;
use schemas::event::{Action, Decisions, Envelope, Outcome, Reason, Resolved};
use std::sync::Arc;

/// A Write that only reads: no session, no token, no call.
#[derive(Debug)]
pub struct Foresee {
    /// What opens decisions.
    pub contents: Contents,
    /// The rows of the overlay.
    pub items: Arc<dyn Items>,
    /// The time.
    pub clock: Clock,
}

/// Stands for an id that the destination would have given.
const AN_ID: &[u8] = b"shadow";

impl Stage for Foresee {
    type In = Resolved;
    type Out = Outcome;
    const NAME: &'static str = <Write as Stage>::NAME;
    const AT_ONCE: usize = 1;

    async fn process(&self, input: &Envelope<Resolved>) -> Result<Answer<Resolved, Outcome>, Unreachable> {
        let resolved = &input.body;
        let decisions = match &resolved.decisions {
            None => Decisions::default(),
            Some(sealed) => match self.contents.open_value::<Decisions>(&input.head.subject, sealed).await? {
                Some(decisions) => decisions,
                None => return Ok(Answer::End(Reason::PayloadExpired)),
            },
        };
        for decision in decisions.decisions.iter().filter(|it| it.action != Action::Skip) {
            let partition = Partition {
                subject: input.head.subject.clone(),
                destination: resolved.destination.account.connection,
                month: decision.month.clone(),
            };
            let key = ItemKey { partition, item: decision.item };
            let Some(row) = self.items.get(&key).await? else { continue };
            let gone = decision.action == Action::Delete;
            let external_id = match gone {
                true => Some(Bytes::new()),
                false => row.external_id.is_empty().then(|| Bytes::from_static(AN_ID)),
            };
            let held = Patch {
                state: Some(ItemState::Applied),
                reason: Some(String::new()),
                version: Some(decision.version),
                hash: Some(row.planned_hash.clone()),
                external_id,
                owned: Some(!gone),
                ..Patch::default()
            };
            let guard = Guard {
                planned_version: Some(decision.version),
                version_below: Some(decision.version),
                ..Guard::default()
            };
            self.items.change(&key, guard, held).await?;
        }
        let body = Outcome {
            stage: Self::NAME.into(),
            destination: Some(resolved.destination.clone()),
            end: None,
            results: None,
            counts: resolved.counts.clone(),
            lane: resolved.lane,
        };
        let head = input.head.derive(Self::NAME, 0, self.clock.now());
        Ok(Answer::Made(Made::only(vec![Envelope { head, body }])))
    }
}
