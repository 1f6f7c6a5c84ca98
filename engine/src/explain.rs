//! Why a record is where it is, or is not: the decision about it, what that rests on, and what became of it.
//!
//! Everything that is told is read from events. What a decision made of its sources is made again out of the events
//! that it cites, and has to agree.

mod left;
mod reasons;
mod total;
mod unkept;
mod walk;

pub use left::Left;
pub use reasons::next_step;
pub use total::DailyTotal;
pub(crate) use walk::latest_decisions;

use crate::{
    bus::Unreachable,
    contents::Contents,
    item::ItemRow,
    people::People,
    provider::Catalog,
    resolve::{Answers, Known, RULE_VERSION, is_cut, kept},
    sources::Sources,
    status::Story,
    store::Store,
};
use schemas::{
    data_type::DataType,
    event::{
        Account, Action, Candidate, Decision, Decisions, Envelope, Fate, FieldChoice, OperationResult, Reason,
        Resolved, Results, Source,
    },
    id::{EventId, ItemId, Subject, SyncId},
    time::{Instant, Interval},
};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// How far around an item of counts those lie that may count of its time: the whole of its days.
const DAY: Duration = Duration::from_secs(24 * 3600);

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
    /// The sources' records that it is made of, the one that it began with first.
    pub sources: Vec<Source>,
    /// Whether what the destination is to hold comes out again of the events that its sources are in.
    pub rederived: Rederived,
    /// Of a provider's own total of a day: what the counts of that day that are there come to beside it.
    pub total: Option<DailyTotal>,
    /// That it stays although its source no longer has it; absent if the person was not asked, or said that it goes.
    pub left: Option<Left>,
}

/// Whether a decision comes out again of the events that it cites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rederived {
    /// It does.
    Agrees,
    /// It does not: an operator should look, for something was changed behind SyncWell's back.
    Differs,
    /// Another version of the rules made it: they are not held against it.
    OtherRules,
    /// What was read is no longer kept, or nothing was decided.
    #[default]
    NotKept,
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
    /// What the destination said, in words without values.
    pub answer: Option<String>,
    /// What of the record the destination does not hold.
    pub lost: Vec<String>,
    /// What the person can do, if it was not copied.
    pub next_step: Option<&'static str>,
    /// In a sentence.
    pub sentence: String,
}

/// Explains an item of a person; empty if they have none of this id.
///
/// # Errors
/// When the store cannot be reached.
pub async fn explain(
    (store, contents, people, catalog): (&Store, &Contents, &People, &Catalog),
    subject: &Subject,
    item: ItemId,
) -> Result<Vec<Explanation>, Unreachable> {
    let mut explanations = Vec::new();
    let deletions = people.deletions(subject).await?;
    for row in store.items.find(subject, item).await? {
        let told = match row.planned_by {
            Some((_, sync)) => why(store, contents, subject, &row, sync).await?,
            None => None,
        };
        let opened = known(contents, subject, row.clone()).await?;
        let sources = opened.as_ref().map(|it| it.sources.clone()).unwrap_or_default();
        let by = told.as_ref().map(|it| (it.0.rule_version, it.1.as_str()));
        let rederived = match by {
            Some((version, _)) if version != RULE_VERSION => Rederived::OtherRules,
            Some((_, provider)) => {
                let provider = catalog.get(provider);
                rederive((store, contents, people), subject, provider, opened.as_ref()).await?
            }
            None => Rederived::NotKept,
        };
        let total = match &opened {
            Some(known) => daily_total((store, contents), subject, known).await?,
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
            decision: told.map(|it| it.0),
            sources,
            rederived,
            total,
            left: deletions.iter().find_map(|it| left::left(it, &row)),
        });
    }
    if explanations.is_empty() {
        explanations.extend(unkept::explain(store, contents, subject, item).await?);
    }
    Ok(explanations)
}

/// Makes what an item is to be once more, out of its sources' events.
async fn rederive(
    (store, contents, people): (&Store, &Contents, &People),
    subject: &Subject,
    provider: Option<&std::sync::Arc<dyn crate::provider::DataProvider>>,
    known: Option<&Known>,
) -> Result<Rederived, Unreachable> {
    let Some((provider, known)) = provider.zip(known) else { return Ok(Rederived::NotKept) };
    let (row, sources) = (&known.row, &known.sources);
    if sources.is_empty() || row.planned_delete {
        return Ok(Rederived::NotKept);
    }
    let destination = row.key.partition.destination;
    let mut opened = Sources::new(&*store.log, (contents, people), subject, destination);
    let Some(records) = opened.records(sources).await? else { return Ok(Rederived::NotKept) };
    let counts = if is_cut(&known.summary) {
        let beside = beside((store, contents), subject, known).await?;
        let reviews = people.reviews(subject).await?;
        let answers = Answers::new(reviews.into_iter().filter_map(|it| Some((it.id, it.verdict?))));
        opened.counts(&beside, (&[], EventId(Uuid::nil())), &answers, |_| false).await?
    } else {
        None
    };
    let joined = opened.join(&**provider, (sources.clone(), records), counts.as_ref()).await?;
    Ok(if joined.hash == row.planned_hash { Rederived::Agrees } else { Rederived::Differs })
}

/// What the counts beside a daily total come to; `None` for any other record, or where there are none.
async fn daily_total(
    means: (&Store, &Contents),
    subject: &Subject,
    known: &Known,
) -> Result<Option<DailyTotal>, Unreachable> {
    if !known.summary.is_daily_total {
        return Ok(None);
    }
    let beside = beside(means, subject, known).await?;
    let counts = beside.iter().filter(|it| is_cut(&it.summary) && !it.row.planned_delete);
    Ok(total::beside(&known.summary, counts.map(|it| &it.summary)))
}

/// The rows of a destination on the days of one of them.
async fn beside(
    (store, contents): (&Store, &Contents),
    subject: &Subject,
    known: &Known,
) -> Result<Vec<Known>, Unreachable> {
    let row = &known.row;
    let window = Interval { from: row.starts_at, to: row.ends_at }.widened(DAY);
    let (rows, _) = store.items.window(subject, row.key.partition.destination, row.data_type, window).await?;
    let mut beside = Vec::with_capacity(rows.len());
    for row in rows {
        beside.extend(self::known(contents, subject, row).await?);
    }
    Ok(beside)
}

/// A row, opened.
async fn known(contents: &Contents, subject: &Subject, row: ItemRow) -> Result<Option<Known>, Unreachable> {
    let opened = contents.open_row(subject, &row.key.item.to_string(), &row.summary).await?;
    Ok(opened.and_then(|it| kept(&it)).map(|(summary, sources)| Known { row, summary, sources }))
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

/// The decision that planned a row, and the destination's provider.
async fn why(
    store: &Store,
    contents: &Contents,
    subject: &Subject,
    row: &ItemRow,
    sync: SyncId,
) -> Result<Option<(Why, String)>, Unreachable> {
    let story = Story::read(&*store.log, subject, sync).await?;
    let result = result(contents, subject, &story, row.key.item).await?;
    for resolved in story.resolved() {
        let Some(sealed) = &resolved.body.decisions else { continue };
        let Some(decisions) = contents.open_value::<Decisions>(subject, sealed).await? else { continue };
        let found =
            decisions.decisions.into_iter().find(|it| it.item == row.key.item && it.version == row.planned_version);
        let Some(decision) = found else { continue };
        let provider = resolved.body.destination.account.provider.clone();
        return Ok(Some((told(sync, resolved, decision, result), provider)));
    }
    Ok(None)
}

/// A decision with what became of it.
fn told(sync: SyncId, resolved: &Envelope<Resolved>, decision: Decision, result: Option<OperationResult>) -> Why {
    let sentence = sentence(resolved, &decision);
    let (fate, reason, answer, lost) = match result {
        Some(it) => (Some(it.fate), it.reason.or(decision.reason), it.detail, it.lost),
        None => (None, decision.reason, None, Vec::new()),
    };
    Why {
        sync,
        decided_at: resolved.head.at,
        source: resolved.body.source.clone(),
        origin_record: decision.origin_record,
        source_at: decision.source_at,
        action: decision.action,
        rule: decision.rule,
        rule_version: decision.rule_version,
        reason,
        candidates: decision.candidates,
        fields: decision.fields,
        fate,
        answer,
        lost,
        next_step: reason.map(next_step),
        sentence,
    }
}

fn sentence(resolved: &Envelope<Resolved>, decision: &Decision) -> String {
    let (from, to) = (&resolved.body.source.provider, &resolved.body.destination.account.provider);
    let what = format!("a {} of {from} starting at {}", decision.data_type, decision.time.start);
    let rule = format!("the rule {} (version {})", decision.rule, decision.rule_version);
    let considered = match decision.candidates.len() {
        0 => String::from("no other record was considered as the same one"),
        1 => String::from("one other record was considered as the same one"),
        n => format!("{n} other records were considered as the same one"),
    };
    if let Some(reason) = decision.reason {
        let code = reason.code();
        return format!(
            "{what} was left alone at {to} ({code}) by {rule}; {considered}; what to do: {}",
            next_step(reason)
        );
    }
    let verb = match decision.action {
        Action::Create => "made",
        Action::Update => "changed",
        Action::Delete => "deleted",
        Action::Skip => "left alone",
    };
    let made_of = match decision.sources.len() {
        0 | 1 => String::new(),
        n => format!(", made of {n} sources' records"),
    };
    format!("{what} was to be {verb} at {to} by {rule}, as version {}{made_of}; {considered}", decision.version)
}

async fn result(
    contents: &Contents,
    subject: &Subject,
    story: &Story,
    item: ItemId,
) -> Result<Option<OperationResult>, Unreachable> {
    for outcome in story.outcomes() {
        let Some(sealed) = &outcome.body.results else { continue };
        let Some(results) = contents.open_value::<Results>(subject, sealed).await? else { continue };
        if let Some(result) = results.results.into_iter().find(|it| it.item == item) {
            return Ok(Some(result));
        }
    }
    Ok(None)
}
