//! What the person has said of pairs of records: it counts for that pair alone, and for as long as they do not say
//! otherwise.

use schemas::{
    event::{Source, Verdict},
    id::ConnectionId,
};
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

/// What the person has said, by pair.
#[derive(Clone, Debug, Default)]
pub struct Answers(HashMap<Uuid, Verdict>);

impl Answers {
    /// These answers, by [`pair_id`].
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = (Uuid, Verdict)>) -> Self {
        Self(answers.into_iter().collect())
    }

    /// What was said of a record and the thing that these sources are: one of them that is different keeps it apart,
    /// whatever was said of the others. `None` if nothing was said.
    #[must_use]
    pub fn of(&self, record: Place<'_>, sources: &[Source]) -> Option<Verdict> {
        if self.0.is_empty() {
            return None;
        }
        let said = sources.iter().filter_map(|it| self.0.get(&pair_id(record, place(it))).copied());
        said.min()
    }

    /// Whether the person said of any two that they are different.
    #[must_use]
    pub fn keep_apart(&self) -> bool {
        self.0.values().any(|it| *it == Verdict::Different)
    }

    /// Whether the person said that these two are different.
    #[must_use]
    pub fn are_different(&self, a: Place<'_>, b: Place<'_>) -> bool {
        !self.0.is_empty() && self.0.get(&pair_id(a, b)) == Some(&Verdict::Different)
    }
}

/// Where a source's record is.
#[must_use]
pub fn place(source: &Source) -> Place<'_> {
    (source.connection, &source.key)
}
