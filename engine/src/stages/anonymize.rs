//! Anonymize: what analysts may see of the records that were decided about. A follower: no sync waits for it.

mod generalise;

use super::made;
use crate::{
    bus::Unreachable,
    clock::Clock,
    contents::Contents,
    people::People,
    provider::Catalog,
    stage::{Answer, Stage},
    vault::Pseudonyms,
};
use generalise::generalise;
use schemas::{
    analytics::{RETENTION_DAYS, is_released},
    event::{Action, Analytics, Decision, Decisions, Envelope, Head, Mode, Resolved},
    id::{EventId, Subject, SyncId},
    record::Policy,
    time::Instant,
};

/// A day, ms.
const DAY_MS: i64 = 24 * 3600 * 1000;

/// Releases, of people who said yes, what the allow-list has of each record that is made, changed or deleted.
#[derive(Clone, Debug)]
pub struct Anonymize {
    /// Which providers there are, and what they allow.
    pub catalog: Catalog,
    /// What opens decisions, and who has the keys of pseudonyms.
    pub contents: Contents,
    /// Who said yes.
    pub people: People,
    /// The time.
    pub clock: Clock,
}

impl Stage for Anonymize {
    type In = Resolved;
    type Out = Analytics;
    const NAME: &'static str = "anonymize";
    const AT_ONCE: usize = 1;
    const FOLLOWS: bool = true;

    async fn process(&self, input: &Envelope<Resolved>) -> Result<Answer<Resolved, Analytics>, Unreachable> {
        let (head, resolved) = (&input.head, &input.body);
        let Some(sealed) = resolved.decisions.as_ref().filter(|_| resolved.operations > 0) else {
            return Ok(Answer::Nothing);
        };
        let is_allowed = head.mode != Mode::Shadow && self.allows(&resolved.source.provider);
        if !is_allowed || !self.people.analytics(&head.subject).await?.covers(head.at) {
            // No step, so that what nobody may see costs nothing: it is looked at again if it comes again.
            return Ok(Answer::Nothing);
        }
        // The key of an erased person is gone, and with it what could be released.
        let Some(opened) = self.contents.open_value::<Decisions>(&head.subject, sealed).await? else {
            return Ok(Answer::Nothing);
        };
        let now = self.clock.now();
        let pseudonyms = self.contents.vault.pseudonyms(now).await?;
        let mut released = Vec::new();
        for decision in opened.decisions.iter().filter(|it| self.is_released(it)) {
            let record = self.record_of(input, decision).await?;
            released.extend(release(&pseudonyms, head, &resolved.source.provider, &record, decision, now));
        }
        made(released)
    }
}

impl Anonymize {
    /// Whether a provider's terms let its records be seen by analysts; those of one that is not known do not.
    fn allows(&self, provider: &str) -> bool {
        self.catalog.get(provider).is_some_and(|it| permits(&it.profile().policy))
    }

    fn is_released(&self, decision: &Decision) -> bool {
        let of_record = decision.record.as_ref().is_none_or(|it| {
            permits(&it.policy) && self.allows(&it.origin.provider) && it.data_type == decision.data_type
        });
        let of_fields = decision.fields.iter().all(|it| self.allows(&it.provider));
        // A record without content says nothing but that it is gone.
        let is_whole = decision.record.is_some() || decision.action == Action::Delete;
        is_released(decision.data_type) && decision.action != Action::Skip && is_whole && of_record && of_fields
    }

    /// Keyed hash of where the record comes from: the same for all destinations. What a complete reading did not show
    /// any more is known by that hash alone.
    async fn record_of(&self, input: &Envelope<Resolved>, decision: &Decision) -> Result<String, Unreachable> {
        let origin = &decision.origin_record;
        if decision.action == Action::Delete && origin.len() == 32 && origin.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Ok(origin.clone());
        }
        self.contents.origin_key(&input.head.subject, input.body.source.connection, origin).await
    }
}

/// Whether a policy lets a record be put together with other people's, before readers of whom nothing is known, for
/// as long as the topic keeps it.
fn permits(policy: &Policy) -> bool {
    let Policy { retention_days, no_ai, no_combining } = policy;
    let may_be_kept = retention_days.is_none_or(|it| u32::try_from(it).is_ok_and(|it| it >= RETENTION_DAYS));
    may_be_kept && !no_ai && !no_combining
}

/// The event for analysts. Nothing in its head occurs on another topic.
fn release(
    pseudonyms: &Pseudonyms,
    head: &Head,
    provider: &str,
    record: &str,
    decision: &Decision,
    now: Instant,
) -> Option<Envelope<Analytics>> {
    let op = decision.op?;
    let id = pseudonyms.id("event", op.0.as_bytes());
    let head = Head {
        id: EventId(id),
        cause: EventId(id),
        sync: SyncId(id),
        subject: Subject(pseudonyms.text("subject", head.subject.0.as_bytes())),
        at: Instant(now.0.saturating_sub(now.0.rem_euclid(DAY_MS))),
        mode: Mode::Live,
    };
    let record_id = pseudonyms.text("record", record.as_bytes());
    let bare = Analytics::bare(
        pseudonyms.epoch().to_owned(),
        record_id,
        decision.action,
        decision.data_type,
        provider.to_owned(),
    );
    let body = match &decision.record {
        Some(record) if decision.action != Action::Delete => generalise(record, bare),
        _ => bare,
    };
    Some(Envelope { head, body })
}

#[cfg(test)]
mod tests;
