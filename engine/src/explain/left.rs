//! What was written and stays although its source no longer has it, because the person is asked, or said so.

use super::next_step;
use crate::{item::ItemRow, resolve::OnGone, reviews::Deletion};
use schemas::{
    event::{Reason, Source},
    time::Instant,
};
use serde::Serialize;
use uuid::Uuid;

/// That what was written stays although its source no longer has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Left {
    /// The question whether it goes, too.
    pub review: Uuid,
    /// Since when its source does not have it.
    pub gone_at: Instant,
    /// Why it stays: the question waits, or the person said so.
    pub reason: Reason,
    /// What the person can do.
    pub next_step: &'static str,
    /// In a sentence.
    pub sentence: String,
}

/// What a question about a deletion says of a row, while the row is left alone.
pub(super) fn left(question: &Deletion, row: &ItemRow) -> Option<Left> {
    let is_of_row = (question.destination, question.item) == (row.key.partition.destination, row.key.item);
    if !is_of_row || question.over_at.is_some() || row.planned_delete {
        return None;
    }
    let (reason, why) = match question.verdict {
        None => (Reason::InReview, "it stays here until the question is answered whether it goes, too"),
        Some(OnGone::Keep) => (Reason::DeletionKept, "it stays here, as the person said"),
        Some(OnGone::Delete) => return None,
    };
    let Source { provider, source_at, .. } = &question.gone.source;
    let sentence = format!("{provider} no longer has it, as of {source_at}: {why}");
    let next_step = next_step(reason);
    Some(Left { review: question.id, gone_at: *source_at, reason, next_step, sentence })
}
