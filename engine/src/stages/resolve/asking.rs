//! Questions that only the person can answer: asked once, and heard each time the two records meet.

use super::{Page, Resolve};
use crate::{
    bus::Unreachable,
    resolve::{Answers, Decided, Incoming, Known, Window, is_session, pair_id, place},
    reviews::{Review, Side},
};
use schemas::{
    event::{Destination, Mode, Reason, Source, Verdict},
    record::Record,
};

impl Resolve {
    /// What the person has said of pairs of records such as the page's.
    pub(super) async fn answers(&self, page: &Page<'_>) -> Result<Answers, Unreachable> {
        if !page.records.iter().any(|it| is_session(it.data_type)) {
            return Ok(Answers::default());
        }
        let all = self.accounts.people.reviews(page.subject()).await?;
        Ok(Answers::new(all.into_iter().filter_map(|it| Some((it.id, it.verdict?)))))
    }

    /// Asks the person about the pairs that these decisions wait for. A question that stands is not asked again.
    pub(super) async fn ask(
        &self,
        page: &Page<'_>,
        destination: &Destination,
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
            let source = Source {
                connection: of.connection,
                provider: page.input.body.account.provider.clone(),
                record: of.record.origin.record.clone(),
                key: of.key.clone(),
                hash: of.hash.clone(),
                source_at: of.source_at,
                sync: page.input.head.sync,
                event: page.input.head.id,
            };
            let review = Review {
                id: pair_id(of.place(), place(first)),
                data_type: of.record.data_type,
                destination: destination.account.connection,
                item: candidate.item,
                sides: [side(source, &of.record), side_of(known, first)],
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

fn side_of(known: &Known, source: &Source) -> Side {
    side(source.clone(), &known.summary)
}

fn side(source: Source, record: &Record) -> Side {
    Side { source, record: crate::reviews::told(record) }
}
