//! Questions whether our copy of a record goes, too, now that its source no longer has it, where the person wants to be
//! asked: one for each deletion at each destination. It is withdrawn when the record is there again; when it is gone once
//! more, that is asked anew.

use super::{Answered, KIND as PAIR, ReviewError, Side, not_found};
use crate::{
    bus::Unreachable,
    people::People,
    replay::Replays,
    resolve::{Gone, OnGone},
};
use schemas::{
    data_type::DataType,
    event::{Normalized, Source},
    id::{ConnectionId, ItemId, Subject, SyncId},
    record::{Body, Nothing, Origin, Policy, Record, RecordState},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const KIND: &str = "deletion_review";

/// A question whether our copy of a record goes, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// Its id: that of the record and the destination ([`crate::resolve::gone_id`]).
    pub id: Uuid,
    /// What the record is about.
    pub data_type: DataType,
    /// The destination that has our copy.
    pub destination: ConnectionId,
    /// The item there.
    pub item: ItemId,
    /// The record: where it was, in which event it turned out to be gone and as of when, and what we have of it.
    pub gone: Side,
    /// When it was asked.
    pub asked_at: Instant,
    /// What the person said; absent until they do.
    pub verdict: Option<OnGone>,
    /// When they said it last.
    pub answered_at: Option<Instant>,
    /// Since when there is nothing to ask about: the question is withdrawn. It is kept so that what is read out late
    /// does not ask it again.
    pub over_at: Option<Instant>,
}

impl Deletion {
    /// What of it counts when the record is decided about.
    #[must_use]
    pub const fn told(&self) -> Gone {
        Gone { item: self.item, at: self.gone.source.source_at, said: self.verdict, over_at: self.over_at }
    }

    /// The record as the source tells of it now.
    fn tombstone(&self, seen_at: Option<Instant>) -> Record {
        let Source { provider, record, source_at, .. } = &self.gone.source;
        let modified_at = Some(seen_at.map_or(*source_at, |it| it.max(*source_at)));
        Record {
            data_type: self.data_type,
            origin: Origin { modified_at, ..Origin::named(provider, record.clone()) },
            time: self.gone.record.time.clone(),
            is_daily_total: false,
            state: RecordState::Final,
            deleted: true,
            policy: Policy::default(),
            body: Body::Nothing(Nothing {}),
        }
    }
}

impl People {
    /// All questions about deletions of a person, also the withdrawn ones, by id.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub(crate) async fn deletions(&self, subject: &Subject) -> Result<Vec<Deletion>, Unreachable> {
        self.list(subject, KIND).await
    }

    async fn deletion(&self, subject: &Subject, id: Uuid) -> Result<Option<(i64, Deletion)>, Unreachable> {
        self.get(subject, KIND, &id.to_string()).await
    }

    /// Whether there is such a question that is not withdrawn.
    pub(super) async fn is_of_gone(&self, subject: &Subject, id: Uuid) -> Result<bool, Unreachable> {
        Ok(self.deletion(subject, id).await?.is_some_and(|it| it.1.over_at.is_none()))
    }

    /// Asks. A question that stands is not asked again, nor one about a deletion from before the record was back.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub(crate) async fn ask_of_gone(&self, subject: &Subject, deletion: &Deletion) -> Result<(), Unreachable> {
        loop {
            let version = match self.deletion(subject, deletion.id).await? {
                Some((_, it)) if it.over_at.is_none_or(|at| deletion.gone.source.source_at < at) => return Ok(()),
                Some((version, _)) => version,
                None => 0,
            };
            if self.put(subject, KIND, &deletion.id.to_string(), version, deletion, &[]).await? {
                return Ok(());
            }
        }
    }

    /// Withdraws a question, whatever was said: as of what was read at that moment there is nothing to ask about.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub(crate) async fn withdraw(&self, subject: &Subject, id: Uuid, read_at: Instant) -> Result<(), Unreachable> {
        while let Some((version, mut deletion)) = self.deletion(subject, id).await? {
            if deletion.over_at.is_some() {
                break;
            }
            deletion.over_at = Some(read_at.max(deletion.gone.source.source_at));
            if self.put(subject, KIND, &id.to_string(), version, &deletion, &[]).await? {
                break;
            }
        }
        Ok(())
    }
}

impl Replays {
    /// Notes what the person says of a deletion, and decides about it again. The same answer again changes nothing.
    pub(super) async fn answer_of_gone(
        &self,
        subject: &Subject,
        id: Uuid,
        verdict: OnGone,
        who: &str,
    ) -> Result<Answered, ReviewError> {
        let Some((_, deletion)) = self.accounts.people.deletion(subject, id).await? else { return Err(not_found(id)) };
        // Read before the answer is noted: a record that comes back meanwhile is not deleted by it.
        let source = &deletion.gone.source;
        let keys = [source.key.clone()];
        let items = &self.runner.store.items;
        let led = items.origins(subject, source.connection, deletion.destination, &keys).await?.pop().flatten();
        let deletion = self.say_of_gone(subject, id, verdict, who).await?;
        let syncs = self.decide_again(subject, &deletion, led.map(|it| it.source_at)).await?;
        Ok(Answered { reviews: vec![deletion.into()], syncs })
    }

    async fn say_of_gone(
        &self,
        subject: &Subject,
        id: Uuid,
        verdict: OnGone,
        who: &str,
    ) -> Result<Deletion, ReviewError> {
        let people = &self.accounts.people;
        loop {
            let stands = people.deletion(subject, id).await?.filter(|it| it.1.over_at.is_none());
            let Some((version, mut deletion)) = stands else { return Err(not_found(id)) };
            if deletion.verdict == Some(verdict) {
                return Ok(deletion);
            }
            if verdict == OnGone::Keep && self.is_going(subject, &deletion).await? {
                let why = "its deletion was decided already and is not taken back; if its source has it again, it is made anew";
                return Err(ReviewError::Impossible(why.into()));
            }
            let said = if verdict == OnGone::Delete { "delete" } else { "keep" };
            self.audit.note_of(subject, who, "review answer", format!("{id}: {said}")).await?;
            deletion.verdict = Some(verdict);
            deletion.answered_at = Some(people.clock.now());
            if people.put(subject, KIND, &id.to_string(), version, &deletion, &[]).await? {
                return Ok(deletion);
            }
        }
    }

    /// Whether our copy is deleted, or is to be.
    async fn is_going(&self, subject: &Subject, deletion: &Deletion) -> Result<bool, Unreachable> {
        let rows = self.runner.store.items.find(subject, deletion.item).await?;
        Ok(rows.iter().any(|it| it.key.partition.destination == deletion.destination && it.planned_delete))
    }

    /// Decides about the deletion again, at its destination alone, as a sync of its own: out of the event that showed it.
    async fn decide_again(
        &self,
        subject: &Subject,
        deletion: &Deletion,
        seen_at: Option<Instant>,
    ) -> Result<Vec<SyncId>, Unreachable> {
        let source = &deletion.gone.source;
        let Some(logged) = self.runner.store.log.event(subject, source.sync, source.event).await? else {
            return Ok(Vec::new());
        };
        let mut page = logged.event::<Normalized>()?;
        page.body.destinations.retain(|it| it.account.connection == deletion.destination);
        let occasion = format!("{PAIR}/{}/{:?}/{:?}", deletion.id, deletion.verdict, deletion.answered_at);
        Ok(vec![self.again(subject, &page, deletion.tombstone(seen_at), &occasion).await?])
    }
}
