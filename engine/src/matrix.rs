//! Where each thing of a person is, and where it is not and why: every record of a stretch of time against every
//! connection.
//!
//! Read in this order: [`Matrix`] (what is told), [`matrix`] (how it comes to be), `gather` (what is read for it),
//! `things` (which records are one thing), `cells` (how a thing stands at a connection), [`Absence`] (why it may not be
//! there). Only `gather` touches the store; the rest is pure.

mod absence;
mod cells;
mod docs;
mod gather;
#[cfg(test)]
mod tests;
mod things;

pub use absence::Absence;
pub use docs::reasons_markdown;

use crate::{bus::Unreachable, contents::Contents, people::People, provider::Catalog, store::Store};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, Subject},
    time::{Instant, Interval},
};
use std::time::Duration;

/// The longest stretch that is asked about at once.
pub const STRETCH_MAX: Duration = Duration::from_secs(31 * 86_400);
/// The most things in one answer.
pub const THINGS_MAX: usize = 500;

/// What is asked: one type, over one stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    data_type: DataType,
    window: Interval,
}

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(String);

impl Question {
    /// A question about the things of a type that began in a stretch. What is left out: `to` is `now`, `from` is 31 days
    /// before `to`.
    ///
    /// # Errors
    /// When the stretch is empty or longer than [`STRETCH_MAX`].
    pub fn new(
        data_type: DataType,
        (from, to): (Option<Instant>, Option<Instant>),
        now: Instant,
    ) -> Result<Self, QuestionError> {
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.minus(STRETCH_MAX));
        if from >= to {
            return Err(QuestionError(format!("`from` ({from}) must be before `to` ({to})")));
        }
        if to.since(from) > STRETCH_MAX {
            let days = STRETCH_MAX.as_secs() / 86_400;
            return Err(QuestionError(format!("{from} to {to} is more than {days} days; ask for shorter stretches")));
        }
        Ok(Self { data_type, window: Interval { from, to } })
    }
}

/// Each thing against each connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// What was asked about.
    pub data_type: DataType,
    /// In which stretch the things began: `from` included, `to` excluded.
    pub window: Interval,
    /// The connections, by provider and account.
    pub columns: Vec<Column>,
    /// The things, the latest first.
    pub things: Vec<Thing>,
    /// Whether there are more of them than are told: then the earliest are left out.
    pub truncated: bool,
}

/// A connection of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its id.
    pub connection: ConnectionId,
    /// Which provider.
    pub provider: String,
    /// The account there.
    pub account: String,
}

/// One thing: a run, a night, a weighing, in however many renderings.
#[derive(Clone, Debug, PartialEq)]
pub struct Thing {
    /// When it began.
    pub starts_at: Instant,
    /// How it stands at each connection, in the order of [`Matrix::columns`].
    pub cells: Vec<Cell>,
}

/// How a thing stands at a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It is there.
    Present(Present),
    /// It is to be there soon.
    OnItsWay {
        /// The record, by which it can be explained.
        record: ItemId,
        /// The version that is on its way.
        version: i64,
    },
    /// It is not there.
    Absent {
        /// Why.
        why: Absence,
        /// The record that it would be there, by which it can be explained; absent if nothing was decided about it.
        record: Option<ItemId>,
    },
}

/// What is there of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// Whose it is.
    pub held: Held,
    /// The record there, by which it can be explained; absent where it was only read.
    pub record: Option<ItemId>,
    /// The version of ours that it holds; 0 for what is not ours.
    pub version: i64,
    /// Whether nothing newer of ours is on its way there, or was refused.
    pub is_current: bool,
    /// What else is there of the same thing.
    pub more: Vec<ItemId>,
    /// Why it is still there although its source no longer has it; absent but while the person is asked.
    pub waits: Option<Absence>,
}

/// Whose what is there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It was read from there.
    Source,
    /// SyncWell wrote it.
    Ours,
    /// It came there otherwise, and was seen.
    Foreign,
}

/// Answers a question about a person.
///
/// # Errors
/// When the store cannot be reached.
pub async fn matrix(
    (store, contents, people, catalog): (&Store, &Contents, &People, &Catalog),
    subject: &Subject,
    question: &Question,
) -> Result<Matrix, Unreachable> {
    let gathered = gather::gather((store, contents, people, catalog), subject, question).await?;
    Ok(told(&gathered, question))
}

/// What there is to say of what was gathered.
fn told(gathered: &gather::Gathered, question: &Question) -> Matrix {
    let Question { data_type, window } = *question;
    let from = gathered.whole_from.map_or(window.from, |it| it.max(window.from));
    let mut truncated = from > window.from;
    let mut things: Vec<Thing> = things::things(gathered)
        .iter()
        .filter(|it| from <= it.starts_at && it.starts_at < window.to)
        .filter_map(|it| Some(Thing { starts_at: it.starts_at, cells: cells::cells(gathered, it)? }))
        .collect();
    // Things come in the order of their ids: those of one moment always stand alike.
    things.sort_by_key(|it| std::cmp::Reverse(it.starts_at));
    if things.len() > THINGS_MAX {
        things.truncate(THINGS_MAX);
        truncated = true;
    }
    let column = |it: &gather::Place| Column {
        connection: it.connection.id,
        provider: it.connection.provider.clone(),
        account: it.connection.account.clone(),
    };
    Matrix { data_type, window, columns: gathered.places.iter().map(column).collect(), things, truncated }
}
