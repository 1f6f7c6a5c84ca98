//! Questions that only the person can answer: asked once, and heard each time the two records meet.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    resolve::{Answers, Decided, Incoming, Known, Policy, Window, pair_id, place},
    reviews::{Review, Side},
};
use schemas::{
    event::{Mode, Reason, Source, Verdict},
    record::Record,
};

impl Resolve {
    /// What the person has said of pairs of records: not asked for where nothing is known that a record could meet.
    pub(super) async fn answers(&self, page: &Page<'_>, known: &[Known]) -> Result<Answers, Unreachable> {
        if known.is_empty() {
            return Ok(Answers::default());
        }
        let all = self.accounts.people.reviews(page.subject()).await?;
        Ok(Answers::new(all.into_iter().filter_map(|it| Some((it.id, it.verdict?)))))
    }

    /// Asks the person about the pairs that these decisions wait for. A question that stands is not asked again.
    pub(super) async fn ask(
        &self,
        page: &Page<'_>,
        policy: &Policy<'_>,
        known: &Window,
        incoming: &[Incoming],
        decided: &[Decided],
    ) -> Result<(), Unreachable> {
        if page.input.head.mode == Mode::Shadow {
            return Ok(());
        }
        for it in decided.iter().filter(|it| it.decision.reason == Some(Reason::InReview)) {
            let asked = it.decision.candidates.iter().find(|it| it.verdict == Verdict::Ask);
            let Some((candidate, of)) = asked.zip(incoming.iter().find(|of| of.key == it.key)) else { continue };
            let Some(known) = known.get(candidate.item) else { continue };
            let Some(first) = known.sources.first() else { continue };
            let review = Review {
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
            };
            self.accounts.people.ask(page.subject(), &review).await?;
        }
        Ok(())
    }
}

fn side(source: Source, record: &Record) -> Side {
    Side { source, record: crate::reviews::told(record) }
}
