//! What the person's policies put off, leave out or change of a page, before anything is decided about it.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    resolve::{
        Incoming,
        policy::{Applied, Context, LeftOut, Policies, apply},
    },
};
use schemas::{
    event::{Destination, Mode, Reason, Side},
    time::Instant,
};
use std::{borrow::Cow, collections::BTreeMap};

/// The records of a page that are left out, by their place in it: the rule's name, and the reason.
pub(super) type LeftOuts = BTreeMap<usize, (String, Reason)>;

impl Resolve {
    /// What the person wants done with the page, for each of its destinations. A look at a destination is not filtered:
    /// what is there is there.
    pub(super) async fn policies(&self, page: &Page<'_>) -> Result<Vec<Policies>, Unreachable> {
        let mut all = Vec::with_capacity(page.input.body.destinations.len());
        for destination in &page.input.body.destinations {
            all.push(match page.input.body.side {
                Side::Source => self.standing.policies(&page.input.head, destination).await?,
                Side::Destination => Policies::default(),
            });
        }
        Ok(all)
    }

    /// Until when the page is put off as a whole: until the last of its records that are to wait is due, so that it is
    /// decided once, and as it was read. At once if nothing waits, the sync is no longer wanted, or the past is replayed.
    pub(super) async fn put_off_until(
        &self,
        page: &Page<'_>,
        policies: &[Policies],
    ) -> Result<Option<Instant>, Unreachable> {
        let head = &page.input.head;
        if head.mode != Mode::Live {
            return Ok(None);
        }
        let now = self.accounts.clock.now();
        let mut last = None;
        for (destination, policies) in page.input.body.destinations.iter().zip(policies) {
            let due = page.due_at(policies, destination, now);
            if due > last && self.standing.destination(head, destination).await?.is_ok() {
                last = due;
            }
        }
        let is_wanted = last.is_none() || self.standing.sync(head, None).await?.is_none();
        Ok(last.filter(|_| is_wanted))
    }
}

impl Page<'_> {
    fn context(&self, destination: &Destination, now: Instant) -> Context<'_> {
        Context {
            provider: &self.input.body.source.provider,
            destination: destination.account.connection,
            read_at: self.input.body.fetched_at,
            now,
        }
    }

    /// When the last of its records is due for a destination, if any is not yet.
    fn due_at(&self, policies: &Policies, destination: &Destination, now: Instant) -> Option<Instant> {
        let context = self.context(destination, now);
        let due = self.records.iter().filter_map(|it| match apply(policies, it, &context) {
            Applied::Delay { until, .. } => Some(until),
            _ => None,
        });
        due.max()
    }

    /// The page as a destination is to get it: with other titles and sports, and with what is left out of it noted.
    pub(super) fn sieved<'a>(&'a self, policies: &Policies, destination: &Destination) -> Cow<'a, Page<'a>> {
        if *policies == Policies::default() {
            return Cow::Borrowed(self);
        }
        // Whatever was to wait has waited.
        let context = self.context(destination, Instant(i64::MAX));
        let (mut records, mut left_out) = (Vec::with_capacity(self.records.len()), LeftOuts::new());
        for (place, record) in self.records.iter().enumerate() {
            let applied = apply(policies, record, &context);
            if let Some((rule, reason)) = left_out_by(&applied) {
                left_out.insert(place, (rule.into(), reason));
            }
            records.push(if let Applied::Keep(it) = applied { it.into_owned() } else { record.clone() });
        }
        Cow::Owned(Page { input: self.input, records, again: self.again, left_out })
    }

    /// The rule that leaves a record of the page out, and the reason. Our own copy that is read back is told as that,
    /// whatever the rules say of it.
    pub(super) fn left_out(&self, place: usize, record: &Incoming) -> Option<(&str, Reason)> {
        let found = self.left_out.get(&place).filter(|_| !record.echo);
        found.map(|(rule, reason)| (rule.as_str(), *reason))
    }
}

/// The rule that leaves a record out, and the reason that is told; `None` for one that is kept.
fn left_out_by<'a>(applied: &Applied<'a>) -> Option<(&'a str, Reason)> {
    let rule = match applied {
        Applied::Keep(_) => return None,
        Applied::Skip { rule, .. } | Applied::Delay { rule, .. } | Applied::Elsewhere { rule, .. } => rule,
    };
    Some((rule, reason_of(applied)))
}

/// The reason of each way to be left out.
const fn reason_of(applied: &Applied<'_>) -> Reason {
    match applied {
        Applied::Skip { reason: LeftOut::Filtered, .. } => Reason::Filtered,
        Applied::Skip { reason: LeftOut::ExcludedBefore, .. } => Reason::ExcludedBefore,
        Applied::Delay { .. } => Reason::Delayed,
        Applied::Elsewhere { .. } => Reason::RoutedElsewhere,
        Applied::Keep(_) => Reason::Other,
    }
}
