//! Why a record is where it is: the decision that planned it, and what became of it.

use crate::{bus::Unreachable, contents::Contents, item::ItemRow, status::Story, store::Store};
use schemas::{
    data_type::DataType,
    event::{Account, Action, Candidate, Decisions, Fate, FieldChoice, Reason, Results},
    id::{ItemId, Subject, SyncId},
    time::Instant,
};
use serde::Serialize;

/// What is said of one item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The item.
    pub record: ItemId,
    /// Its type.
    pub data_type: DataType,
    /// When the record starts.
    pub starts_at: Instant,
    /// The destination.
    pub destination: schemas::id::ConnectionId,
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
    pub decision: Option<Why>,
}

/// A decision, as it was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The sync that made it.
    pub sync: SyncId,
    /// When.
    pub decided_at: Instant,
    /// Where the record came from.
    pub source: Account,
    /// The record's id there.
    pub origin_record: String,
    /// When it was last changed there, or read out.
    pub source_at: Instant,
    /// What was decided.
    pub action: Action,
    /// The rule that decided.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: i32,
    /// Why, for a skip.
    pub reason: Option<Reason>,
    /// What else was considered as the same record.
    pub candidates: Vec<Candidate>,
    /// Which source won each field.
    pub fields: Vec<FieldChoice>,
    /// What became of it; absent while it is on its way.
    pub fate: Option<Fate>,
    /// In a sentence.
    pub sentence: String,
}

/// Explains an item of a person; empty if they have none of this id.
///
/// # Errors
/// When the store cannot be reached.
pub async fn explain(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    item: ItemId,
) -> Result<Vec<Explanation>, Unreachable> {
    let mut explanations = Vec::new();
    for row in store.items.find(subject, item).await? {
        let decision = match row.planned_by {
            Some((_, sync)) => why(store, contents, subject, &row, sync).await?,
            None => None,
        };
        explanations.push(Explanation {
            record: item,
            data_type: row.data_type,
            starts_at: row.starts_at,
            destination: row.key.partition.destination,
            state: row.state.name(),
            owned: row.owned,
            planned_version: row.planned_version,
            version: row.version,
            external_id: contents.open_external(subject, &row).await?,
            decision,
        });
    }
    Ok(explanations)
}

/// What was decided about one record of a sync, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    /// The item, by which it can be explained.
    pub record: ItemId,
    /// Its type.
    pub data_type: DataType,
    /// When the record starts.
    pub starts_at: Instant,
    /// The destination.
    pub destination: schemas::id::ConnectionId,
    /// What was decided.
    pub action: Action,
    /// Why, for a skip.
    pub reason: Option<Reason>,
}

/// What was decided in a sync of a person, record by record; `None` if they have no such sync.
///
/// # Errors
/// When the store cannot be reached.
pub async fn decided(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    sync: SyncId,
) -> Result<Option<Vec<Decided>>, Unreachable> {
    let story = Story::read(&*store.log, subject, sync).await?;
    if story.first().is_none() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for resolved in story.resolved() {
        let Some(sealed) = &resolved.body.decisions else { continue };
        let Some(opened) = contents.open_value::<Decisions>(subject, sealed).await? else { continue };
        let destination = resolved.body.destination.account.connection;
        all.extend(opened.decisions.into_iter().map(|it| Decided {
            record: it.item,
            data_type: it.data_type,
            starts_at: it.time.start,
            destination,
            action: it.action,
            reason: it.reason,
        }));
    }
    Ok(Some(all))
}

async fn why(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    row: &ItemRow,
    sync: SyncId,
) -> Result<Option<Why>, Unreachable> {
    let story = Story::read(&*store.log, subject, sync).await?;
    let fate = fate(contents, subject, &story, row).await?;
    for resolved in story.resolved() {
        let Some(sealed) = &resolved.body.decisions else { continue };
        let Some(decisions) = contents.open_value::<Decisions>(subject, sealed).await? else { continue };
        let found =
            decisions.decisions.into_iter().find(|it| it.item == row.key.item && it.version == row.planned_version);
        let Some(decision) = found else { continue };
        let verb = match decision.action {
            Action::Create => "made",
            Action::Update => "changed",
            Action::Delete => "deleted",
            Action::Skip => "left alone",
        };
        let (from, to) = (&resolved.body.source.provider, &resolved.body.destination.account.provider);
        let sentence = format!(
            "a {} of {from} starting at {} was to be {verb} at {to} by the rule {} (version {}), as version {}; {} other records were considered as the same one",
            decision.data_type,
            decision.time.start,
            decision.rule,
            decision.rule_version,
            decision.version,
            decision.candidates.len(),
        );
        return Ok(Some(Why {
            sync,
            decided_at: resolved.head.at,
            source: resolved.body.source.clone(),
            origin_record: decision.origin_record,
            source_at: decision.source_at,
            action: decision.action,
            rule: decision.rule,
            rule_version: decision.rule_version,
            reason: decision.reason,
            candidates: decision.candidates,
            fields: decision.fields,
            fate,
            sentence,
        }));
    }
    Ok(None)
}

async fn fate(
    contents: &Contents,
    subject: &Subject,
    story: &Story,
    row: &ItemRow,
) -> Result<Option<Fate>, Unreachable> {
    for outcome in story.outcomes() {
        let Some(sealed) = &outcome.body.results else { continue };
        let Some(results) = contents.open_value::<Results>(subject, sealed).await? else { continue };
        if let Some(result) = results.results.iter().find(|it| it.item == row.key.item) {
            return Ok(Some(result.fate));
        }
    }
    Ok(None)
}
