//! Questions that only the person can answer, and taking apart what is one record but should not be.

use crate::{
    app::Shared,
    auth::{Bearer, Person},
    extract::{Id, Json},
    problem::{Problem, Problems},
    views::{DataTypeName, EvidenceView, SourceView},
};
use axum::{extract::State, http::StatusCode};
use engine::reviews::{Answer, Answered, Question, ReviewError, Side};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, SyncId},
    record::Record,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question that only the person can answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewView {
    /// Its id.
    id: uuid::Uuid,
    /// What is asked: `same_record`, whether two records are one thing; `delete`, whether what was written of a record
    /// goes, too, now that its source no longer has it.
    #[schema(value_type = String)]
    question: &'static str,
    /// What the records are about.
    #[schema(value_type = DataTypeName)]
    data_type: DataType,
    /// The destination at which they met first, or which has what was written.
    #[schema(value_type = uuid::Uuid)]
    destination: ConnectionId,
    /// The record there that the second one is, or was, part of, or that was written.
    #[schema(value_type = uuid::Uuid)]
    record: ItemId,
    /// The two records; for `delete` the one that is gone, as the destination has it.
    sides: Vec<SideView>,
    /// How well two records fit, 0 to 1; absent for `delete`.
    score: Option<f64>,
    /// What speaks for and against that two records are one thing.
    evidence: Vec<EvidenceView>,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    asked_at: Instant,
    /// `same` or `different`, or, for `delete`, `delete` or `keep`; absent until the person says.
    #[schema(value_type = Option<String>)]
    verdict: Option<Answer>,
    /// When they said it last.
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Instant>,
}

/// A record that is asked about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SideView {
    /// Where it is.
    source: SourceView,
    /// It, without laps and samples, as docs/records.md has it.
    #[schema(value_type = Object)]
    record: Record,
}

impl From<Question> for ReviewView {
    fn from(it: Question) -> Self {
        match it {
            Question::SameRecord(it) => Self {
                id: it.id,
                question: "same_record",
                data_type: it.data_type,
                destination: it.destination,
                record: it.item,
                sides: it.sides.into_iter().map(SideView::from).collect(),
                score: Some(it.score),
                evidence: it.evidence.into_iter().map(EvidenceView::from).collect(),
                asked_at: it.asked_at,
                verdict: it.verdict.and_then(Answer::of_pair),
                answered_at: it.answered_at,
            },
            Question::Delete(it) => Self {
                id: it.id,
                question: "delete",
                data_type: it.data_type,
                destination: it.destination,
                record: it.item,
                sides: vec![it.gone.into()],
                score: None,
                evidence: Vec::new(),
                asked_at: it.asked_at,
                verdict: it.verdict.map(Answer::from),
                answered_at: it.answered_at,
            },
        }
    }
}

impl From<Side> for SideView {
    fn from(it: Side) -> Self {
        Self { source: it.source.into(), record: it.record }
    }
}

/// What the person says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostAnswer {
    /// `same` or `different`, or, where the question is `delete`, `delete` or `keep`.
    #[schema(value_type = String)]
    verdict: Answer,
}

/// What to take apart.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostSplit {
    /// The connection whose record is to be one of its own; if left out, every one but the first.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    connection: Option<ConnectionId>,
}

/// What an answer led to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnsweredView {
    /// The questions as they stand now.
    reviews: Vec<ReviewView>,
    /// The jobs in which the records are decided again.
    #[schema(value_type = Vec<uuid::Uuid>)]
    jobs: Vec<SyncId>,
}

impl From<Answered> for AnsweredView {
    fn from(it: Answered) -> Self {
        Self { reviews: it.reviews.into_iter().map(ReviewView::from).collect(), jobs: it.syncs }
    }
}

impl From<ReviewError> for Problem {
    fn from(err: ReviewError) -> Self {
        match err {
            ReviewError::NotFound(what) => Self::new(crate::problem::Code::NotFound, what),
            ReviewError::Impossible(why) => Self::new(crate::problem::Code::Impossible, why),
            ReviewError::Unreachable(err) => err.into(),
        }
    }
}

/// Every question that only the person can answer, whether two of their records are one thing, and whether what was
/// written of a record goes, too, now that its source no longer has it: those that wait for an answer, and those that were
/// answered and may be answered otherwise.
#[utoipa::path(get, path = "/v1/reviews", operation_id = "list_reviews", tag = "records",
    responses((status = 200, description = "Every question, those without an answer first.", body = [ReviewView]), Problems))]
pub(crate) async fn list(
    State(web): State<Shared>,
    Person(subject): Person,
) -> Result<axum::Json<Vec<ReviewView>>, Problem> {
    let all = web.app.connect.accounts.people.questions(&subject).await?;
    let mut all: Vec<ReviewView> = all.into_iter().map(ReviewView::from).collect();
    all.sort_by_key(|it| (it.verdict.is_some(), it.asked_at, it.id));
    Ok(axum::Json(all))
}

/// Answers a question, or answers it otherwise. It counts for this pair, or this deletion, alone; the records are decided
/// again, out of what was read. The same answer again changes nothing, so this needs no idempotency key. An answer to
/// another kind of question is refused, and so is `keep` once the deletion was decided.
#[utoipa::path(post, path = "/v1/reviews/{id}/answer", operation_id = "answer_review", tag = "records",
    params(("id" = uuid::Uuid, Path, description = "The question's id.")), request_body = PostAnswer,
    responses((status = 202, description = "It is noted, and the records are being decided again.", body = AnsweredView), Problems))]
pub(crate) async fn answer(
    State(web): State<Shared>,
    Bearer(token): Bearer,
    Id(id): Id,
    Json(body): Json<PostAnswer>,
) -> Result<(StatusCode, axum::Json<AnsweredView>), Problem> {
    let answered = web.app.replays.answer(&token.subject, id, body.verdict, &token.label).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(answered.into())))
}

/// Takes a record apart that was made of several sources' records. It stays so until the question that stands for each
/// pair is answered with `same`. Doing it twice changes nothing.
#[utoipa::path(post, path = "/v1/records/{id}/split", operation_id = "split_record", tag = "records",
    params(("id" = uuid::Uuid, Path, description = "The record's id.")), request_body = PostSplit,
    responses((status = 202, description = "It is noted, and the records are being decided again.", body = AnsweredView), Problems))]
pub(crate) async fn split(
    State(web): State<Shared>,
    Bearer(token): Bearer,
    Id(id): Id,
    Json(body): Json<PostSplit>,
) -> Result<(StatusCode, axum::Json<AnsweredView>), Problem> {
    let answered = web.app.replays.split(&token.subject, ItemId(id), body.connection, &token.label).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(answered.into())))
}
