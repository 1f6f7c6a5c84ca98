//! Why a record is where it is, as clients are told.

use super::{AccountView, DataTypeName};
use engine::explain::{Explanation, Left, Rederived, Why};
use schemas::{
    data_type::DataType,
    event::{Action, Candidate, Evidence, Fate, FieldChoice, Reason, Source, Verdict},
    id::{ConnectionId, EventId, ItemId, SyncId},
    time::Instant,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a record is where it is, at one destination.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExplanationView {
    /// The record.
    #[schema(value_type = uuid::Uuid)]
    pub record: ItemId,
    /// Its type.
    #[schema(value_type = DataTypeName)]
    pub data_type: DataType,
    /// When it starts.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Instant,
    /// The destination.
    #[schema(value_type = uuid::Uuid)]
    pub destination: ConnectionId,
    /// How it stands there.
    pub state: &'static str,
    /// Whether the record there is ours.
    pub owned: bool,
    /// The version that was decided last.
    pub planned_version: i64,
    /// The version that the destination holds.
    pub version: i64,
    /// The record's id there.
    pub external_id: Option<String>,
    /// The decision that planned it; absent for a record that was only seen there.
    pub decision: Option<DecisionView>,
    /// The sources' records that it is made of, the one that it began with first.
    pub sources: Vec<SourceView>,
    /// Whether what the destination is to hold comes out again of the events that its sources are in: `agrees`,
    /// `differs`, `other_rules` (another version of the rules made it) or `not_kept` (what was read is no longer kept).
    #[schema(value_type = String)]
    pub rederived: Rederived,
    /// Of a provider's own total of a day: what the counts of that day that are there come to beside it.
    pub total: Option<DailyTotalView>,
    /// That it stays although its source no longer has it; absent if the person was not asked, or said that it goes.
    pub left: Option<LeftView>,
}

/// A provider's own total of a day beside the counts of that day. It is never added to them.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DailyTotalView {
    /// `agrees` (within one per cent, or one unit), `differs`, or `not_covered`: they are less, and do not cover the day.
    pub verdict: &'static str,
    /// The counts less the total, in the unit of the type.
    pub by: f64,
    /// The share of the day in which a source was counting, 0 to 1; absent where they agree.
    pub share: Option<f64>,
}

/// That what was written stays although its source no longer has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LeftView {
    /// The question whether it goes, too: one of `GET /v1/reviews`.
    pub review: uuid::Uuid,
    /// Since when its source does not have it.
    #[schema(value_type = String, format = DateTime)]
    pub gone_at: Instant,
    /// Why it stays: `in_review` (the question waits) or `deletion_kept` (the person said so).
    #[schema(value_type = String)]
    pub reason: Reason,
    /// What the person can do.
    pub next_step: &'static str,
    /// In a sentence.
    pub sentence: String,
}

impl From<Left> for LeftView {
    fn from(it: Left) -> Self {
        let Left { review, gone_at, reason, next_step, sentence } = it;
        Self { review, gone_at, reason, next_step, sentence }
    }
}

/// A source's record that a record is made of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceView {
    /// The connection that has it.
    #[schema(value_type = uuid::Uuid)]
    pub connection: ConnectionId,
    /// Which provider that is.
    pub provider: String,
    /// The record's id there.
    pub record: String,
    /// When it was last changed there, or read out.
    #[schema(value_type = String, format = DateTime)]
    pub source_at: Instant,
    /// The job that read it.
    #[schema(value_type = uuid::Uuid)]
    pub sync: SyncId,
    /// The event that holds it.
    #[schema(value_type = uuid::Uuid)]
    pub event: EventId,
}

/// A decision, as it was made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DecisionView {
    /// The job that made it.
    #[schema(value_type = uuid::Uuid)]
    pub sync: SyncId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Instant,
    /// Where the record came from.
    pub source: AccountView,
    /// The record's id there.
    pub origin_record: String,
    /// When it was last changed there, or read out.
    #[schema(value_type = String, format = DateTime)]
    pub source_at: Instant,
    /// `skip`, `create`, `update` or `delete`.
    #[schema(value_type = String)]
    pub action: Action,
    /// The rule that decided.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: i32,
    /// Why, for a skip.
    #[schema(value_type = Option<String>)]
    pub reason: Option<Reason>,
    /// What else was considered as the same record.
    pub candidates: Vec<CandidateView>,
    /// Which source won each field, and each stretch of what was measured along the way.
    pub fields: Vec<FieldView>,
    /// What became of it; absent while it is on its way.
    #[schema(value_type = Option<String>)]
    pub fate: Option<Fate>,
    /// What the destination said, in words without values.
    pub answer: Option<String>,
    /// What of the record the destination does not hold, by field, each with why.
    pub lost: Vec<String>,
    /// What the person can do, if it was not copied.
    pub next_step: Option<&'static str>,
    /// In a sentence.
    pub sentence: String,
}

/// A record that was considered as the same one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CandidateView {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub record: ItemId,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// Whether it is ours.
    pub owned: bool,
    /// `same`, `ask` or `different`.
    #[schema(value_type = String)]
    pub verdict: Verdict,
    /// What speaks for and against it, strongest first.
    pub evidence: Vec<EvidenceView>,
}

/// What one feature of two records says of their being the same thing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// The feature.
    pub feature: String,
    /// How much it says: positive for the same, negative against.
    pub weight: f64,
    /// Its figures, in a sentence.
    pub detail: String,
}

impl From<Evidence> for EvidenceView {
    fn from(Evidence { feature, weight, detail }: Evidence) -> Self {
        Self { feature, weight, detail }
    }
}

/// Which source won a field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldView {
    /// The field.
    pub field: String,
    /// The provider whose value it has.
    pub provider: String,
    /// The connection that it was read from; absent if it was not noted.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub connection: Option<ConnectionId>,
    /// The record's id there.
    pub record: String,
    /// The device that measured it, as the provider names it.
    pub device: Option<String>,
    /// Where the stretch begins that it is said of, in milliseconds from the record's start.
    pub offset_ms: i64,
    /// How long that stretch is, in milliseconds; 0 if it is said of the whole record.
    pub duration_ms: i64,
    /// The rule that chose it.
    pub rule: String,
    /// What that rule saw, in a sentence.
    pub note: String,
}

impl From<FieldChoice> for FieldView {
    fn from(it: FieldChoice) -> Self {
        let FieldChoice { field, provider, connection, record, device, offset_ms, duration_ms, rule, note } = it;
        Self { field, provider, connection, record, device, offset_ms, duration_ms, rule, note }
    }
}

impl From<Source> for SourceView {
    fn from(it: Source) -> Self {
        let Source { connection, provider, record, source_at, sync, event, .. } = it;
        Self { connection, provider, record, source_at, sync, event }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(it: Explanation) -> Self {
        Self {
            record: it.record,
            data_type: it.data_type,
            starts_at: it.starts_at,
            destination: it.destination,
            state: it.state,
            owned: it.owned,
            planned_version: it.planned_version,
            version: it.version,
            external_id: it.external_id,
            decision: it.decision.map(DecisionView::from),
            sources: it.sources.into_iter().map(SourceView::from).collect(),
            rederived: it.rederived,
            total: it.total.map(|it| DailyTotalView { verdict: it.verdict, by: it.by, share: it.share }),
            left: it.left.map(LeftView::from),
        }
    }
}

impl From<Why> for DecisionView {
    fn from(it: Why) -> Self {
        let candidate = |it: Candidate| CandidateView {
            record: it.item,
            score: it.score,
            owned: it.owned,
            verdict: it.verdict,
            evidence: it.evidence.into_iter().map(EvidenceView::from).collect(),
        };
        Self {
            sync: it.sync,
            decided_at: it.decided_at,
            source: it.source.into(),
            origin_record: it.origin_record,
            source_at: it.source_at,
            action: it.action,
            rule: it.rule,
            rule_version: it.rule_version,
            reason: it.reason,
            candidates: it.candidates.into_iter().map(candidate).collect(),
            fields: it.fields.into_iter().map(FieldView::from).collect(),
            fate: it.fate,
            answer: it.answer,
            lost: it.lost,
            next_step: it.next_step,
            sentence: it.sentence,
        }
    }
}
