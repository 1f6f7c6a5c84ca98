//! What the person has said: of pairs of records, which counts for that pair alone, and of records that are gone at their
//! source, which counts for that deletion at that destination alone; each for as long as they do not say otherwise.

use schemas::{
    event::{Source, Verdict},
    id::{ConnectionId, ItemId},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

/// A record of a connection: the keyed hash of its id there.
pub type Place<'a> = (ConnectionId, &'a str);

/// The id of the question whether two records are one thing. It does not matter which of them comes first.
#[must_use]
pub fn pair_id(a: Place<'_>, b: Place<'_>) -> Uuid {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    let name = format!("pair/{}/{}/{}/{}", first.0, first.1, second.0, second.1);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// The id of the question whether what a destination has of a record goes too, now that the source no longer has it.
#[must_use]
pub fn gone_id(destination: ConnectionId, of: Place<'_>) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("gone/{destination}/{}/{}", of.0, of.1).as_bytes())
}

/// What is to become of our copy of a record that its source no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGone {
    /// It is deleted, too.
    Delete,
    /// It stays.
    Keep,
}

/// A deletion that the person was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The item that is, or was, made of the record.
    pub item: ItemId,
    /// When the record was gone.
    pub at: Instant,
    /// What the person said; absent until they do.
    pub said: Option<OnGone>,
    /// When the record was there again, or there was nothing to ask about any more: then the question is withdrawn.
    pub over_at: Option<Instant>,
}

/// What the person has said.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pairs: HashMap<Uuid, Verdict>,
    gone: HashMap<Uuid, Gone>,
}

impl Answers {
    /// These answers, by [`pair_id`].
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = (Uuid, Verdict)>) -> Self {
        Self { pairs: answers.into_iter().collect(), gone: HashMap::new() }
    }

    /// The same, and what was asked about these deletions, by [`gone_id`].
    #[must_use]
    pub fn with_gone(self, gone: impl IntoIterator<Item = (Uuid, Gone)>) -> Self {
        Self { gone: gone.into_iter().collect(), ..self }
    }

    /// The latest deletion of a record that the person was asked about for this destination, if there was any.
    pub(super) fn gone(&self, destination: ConnectionId, of: Place<'_>) -> Option<Gone> {
        if self.gone.is_empty() { None } else { self.gone.get(&gone_id(destination, of)).copied() }
    }

    /// The questions about deletions that are not withdrawn.
    pub(super) fn all_gone(&self) -> impl Iterator<Item = (Uuid, Gone)> {
        self.gone.iter().filter(|(_, it)| it.over_at.is_none()).map(|(id, it)| (*id, *it))
    }

    /// What was said of a record and the thing that these sources are: one of them that is different keeps it apart,
    /// whatever was said of the others. `None` if nothing was said.
    #[must_use]
    pub fn of(&self, record: Place<'_>, sources: &[Source]) -> Option<Verdict> {
        if self.pairs.is_empty() {
            return None;
        }
        let said = sources.iter().filter_map(|it| self.pairs.get(&pair_id(record, place(it))).copied());
        said.min()
    }

    /// Whether the person said of any two that they are different.
    #[must_use]
    pub fn keep_apart(&self) -> bool {
        self.pairs.values().any(|it| *it == Verdict::Different)
    }

    /// Whether the person said that these two are different.
    #[must_use]
    pub fn are_different(&self, a: Place<'_>, b: Place<'_>) -> bool {
        !self.pairs.is_empty() && self.pairs.get(&pair_id(a, b)) == Some(&Verdict::Different)
    }
}

/// Where a source's record is.
#[must_use]
pub fn place(source: &Source) -> Place<'_> {
    (source.connection, &source.key)
}
