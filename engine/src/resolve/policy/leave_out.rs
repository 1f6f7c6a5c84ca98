//! The decision that leaves a record out because the person wants it so.

use crate::resolve::{Decided, Incoming, Policy, Window};
use schemas::event::{Fate, Reason};

impl Window {
    /// Leaves a record out, by a rule's name and for a reason: what is there of it already stays as it is.
    pub fn leave_out(&self, policy: &Policy<'_>, incoming: &Incoming, (rule, reason): (&str, Reason)) -> Decided {
        let by_origin = incoming.origin.as_ref().and_then(|origin| self.position(origin.item));
        let known = by_origin.or_else(|| self.position(incoming.item)).map(|index| &self.known[index].row);
        let mut decided = self.case(policy, incoming).skip(known, Fate::Skipped, reason, Vec::new());
        decided.decision.rule = rule.into();
        decided
    }
}
