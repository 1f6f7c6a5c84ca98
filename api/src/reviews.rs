//! Questions that only the person can answer, and taking apart what is one record but should not be.

use crate::{
    app::Shared,
    auth::{Bearer, Person},
    extract::{Id, Json},
    problem::{Problem, Problems},
    views::{DataTypeName, EvidenceView, SourceView},
};
use axum::{extract::State, http::StatusCode};
use engine::reviews::{Answered, Review, ReviewError, Side};
use schemas::{
    data_type::DataType,
    event::Verdict,
    id::{ConnectionId, ItemId, SyncId},
    record::Record,
    time::Instant,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question whether two records are one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewView {
    /// Its id.
    id: uuid::Uuid,
    /// What the records are about.
    #[schema(value_type = DataTypeName)]
    data_type: DataType,
    /// The destination at which they met first.
    #[schema(value_type = uuid::Uuid)]
    destination: ConnectionId,
    /// The record there that the second one is, or was, part of.
    #[schema(value_type = uuid::Uuid)]
    record: ItemId,
    /// The two records.
    sides: Vec<SideView>,
    /// How well they fit, 0 to 1.
    score: f64,
    /// What speaks for and against it.
    evidence: Vec<EvidenceView>,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    asked_at: Instant,
    /// `same` or `different`; absent until the person says.
    #[schema(value_type = Option<String>)]
    verdict: Option<Verdict>,
    /// When they said it last.
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Instant>,
}

/// One of the two records.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SideView {
    /// Where it is.
    source: SourceView,
    /// It, without laps and samples, as docs/records.md has it.
    #[schema(value_type = Object)]
    record: Record,
}

impl From<Review> for ReviewView {
    fn from(it: Review) -> Self {
        let side = |it: Side| SideView { source: it.source.into(), record: it.record };
        Self {
            id: it.id,
            data_type: it.data_type,
            destination: it.destination,
            record: it.item,
            sides: it.sides.into_iter().map(side).collect(),
            score: it.score,
            evidence: it.evidence.into_iter().map(EvidenceView::from).collect(),
            asked_at: it.asked_at,
            verdict: it.verdict,
            answered_at: it.answered_at,
        }
    }
}

/// What the person says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostAnswer {
    /// `same` or `different`.
    #[schema(value_type = String)]
    verdict: Verdict,
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

/// Every question whether two of the person's records are one thing: those that wait for an answer, and those that were
/// answered and may be answered otherwise.
#[utoipa::path(get, path = "/v1/reviews", operation_id = "list_reviews", tag = "records",
    responses((status = 200, description = "Every question, those without an answer first.", body = [ReviewView]), Problems))]
pub(crate) async fn list(
    State(web): State<Shared>,
    Person(subject): Person,
) -> Result<axum::Json<Vec<ReviewView>>, Problem> {
    let mut all = web.app.connect.accounts.people.reviews(&subject).await?;
    all.sort_by_key(|it| (it.verdict.is_some(), it.asked_at, it.id));
    Ok(axum::Json(all.into_iter().map(ReviewView::from).collect()))
}

/// Answers a question, or answers it otherwise. It counts for this pair alone; both records are decided again, out of
/// what was read. The same answer again changes nothing, so this needs no idempotency key.
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
