//! Questions that only the person can answer: asked once, and heard each time that the two records meet, or that a
//! deletion is met.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    resolve::{Answers, Decided, Incoming, Known, Policy, Window, gone_id, pair_id, place},
    reviews::{Deletion, Review, Side},
};
use schemas::{
    event::{Candidate, Mode, Reason, Source, Verdict},
    record::Record,
};

impl Resolve {
    /// What the person has said of pairs of records and of deletions: not asked for where nothing is known that a record could meet.
    pub(super) async fn answers(&self, page: &Page<'_>, known: &[Known]) -> Result<Answers, Unreachable> {
        if known.is_empty() {
            return Ok(Answers::default());
        }
        let people = &self.accounts.people;
        let pairs = people.reviews(page.subject()).await?;
        let gone = people.deletions(page.subject()).await?;
        let answers = Answers::new(pairs.into_iter().filter_map(|it| Some((it.id, it.verdict?))));
        Ok(answers.with_gone(gone.iter().map(|it| (it.id, it.told()))))
    }

    /// Asks the person about what these decisions wait for, and withdraws the questions that there is nothing to ask about
    /// any more. A question that stands is not asked again. `gone` are the records that the page's reading did not show.
    pub(super) async fn ask(
        &self,
        page: &Page<'_>,
        policy: &Policy<'_>,
        known: &Window,
        (incoming, gone): (&[Incoming], &[Incoming]),
        decided: &[Decided],
    ) -> Result<(), Unreachable> {
        if page.input.head.mode == Mode::Shadow {
            return Ok(());
        }
        let people = &self.accounts.people;
        for it in decided.iter().filter(|it| it.decision.reason == Some(Reason::InReview)) {
            let asked = it.decision.candidates.iter().find(|it| it.verdict == Verdict::Ask);
            let Some(of) = incoming.iter().chain(gone).find(|of| of.key == it.key) else { continue };
            let Some(known) = known.get(asked.map_or(it.decision.item, |it| it.item)) else { continue };
            match asked {
                Some(candidate) => {
                    let Some(review) = self.of_pair(policy, (candidate, known), of) else { continue };
                    people.ask(page.subject(), &review).await?;
                }
                None => people.ask_of_gone(page.subject(), &self.of_gone(policy, known, of)).await?,
            }
        }
        let read_at = page.input.body.fetched_at;
        for id in known.over(policy, incoming, read_at) {
            people.withdraw(page.subject(), id, read_at).await?;
        }
        Ok(())
    }

    fn of_pair(&self, policy: &Policy<'_>, (candidate, known): (&Candidate, &Known), of: &Incoming) -> Option<Review> {
        let first = known.sources.first()?;
        Some(Review {
            id: pair_id(of.place(), place(first)),
            data_type: of.record.data_type,
            destination: policy.destination,
            item: candidate.item,
            sides: [side(of.source(policy), &of.record), side(first.clone(), &known.summary)],
            score: candidate.score,
            evidence: candidate.evidence.clone(),
            asked_at: self.accounts.clock.now(),
            verdict: None,
            answered_at: None,
        })
    }

    fn of_gone(&self, policy: &Policy<'_>, known: &Known, of: &Incoming) -> Deletion {
        let own = known.sources.iter().find(|it| place(it) == of.place());
        // What a reading did not show is named by a hash alone; the row still knows its name.
        let record = own.map_or(&known.summary.origin.record, |it| &it.record);
        let source = Source { record: record.clone(), hash: String::new(), ..of.source(policy) };
        Deletion {
            id: gone_id(policy.destination, of.place()),
            data_type: of.record.data_type,
            destination: policy.destination,
            item: known.row.key.item,
            gone: side(source, &known.summary),
            asked_at: self.accounts.clock.now(),
            verdict: None,
            answered_at: None,
            over_at: None,
        }
    }
}

fn side(source: Source, record: &Record) -> Side {
    Side { source, record: crate::reviews::told(record) }
}
