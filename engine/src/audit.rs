//! Who did what to the whole installation, and to what a person allows: rows that are only ever added.

use crate::{bus::Unreachable, people::People};
use schemas::{id::Subject, time::Instant};
use serde::{Deserialize, Serialize};

const KIND: &str = "audit";

/// Something that an operator did, or a person about what is theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// Who: the label of their access token.
    pub who: String,
    /// What: a command, such as `replay repair`.
    pub what: String,
    /// To what: a name, a plan's hash, a count; never a value of a person.
    pub detail: String,
}

/// Where it is noted.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The rows that it is kept in.
    pub people: People,
}

impl Audit {
    /// Notes what somebody is about to do. It is noted before it is done.
    ///
    /// # Errors
    /// When the store cannot be reached: then it is not to be done.
    pub async fn note(&self, who: &str, what: &str, detail: String) -> Result<(), Unreachable> {
        self.add(&nobody(), who, what, detail).await
    }

    /// The same among what is theirs: it is sealed under the person's key, and goes with it.
    ///
    /// # Errors
    /// When the store cannot be reached: then it is not to be done.
    pub async fn note_of(&self, person: &Subject, who: &str, what: &str, detail: String) -> Result<(), Unreachable> {
        self.add(person, who, what, detail).await
    }

    async fn add(&self, of: &Subject, who: &str, what: &str, detail: String) -> Result<(), Unreachable> {
        let at = self.people.clock.now();
        let entry = Entry { at, who: who.into(), what: what.into(), detail };
        // Several things may be done in one millisecond.
        for number in 0.. {
            let id = format!("{:016}-{number}", at.0);
            if self.people.put(of, KIND, &id, 0, &entry, &[]).await? {
                break;
            }
        }
        Ok(())
    }

    /// Everything that was noted of the installation, oldest first.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn list(&self) -> Result<Vec<Entry>, Unreachable> {
        self.people.list(&nobody(), KIND).await
    }

    /// Everything that was noted among what is a person's, oldest first.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn list_of(&self, person: &Subject) -> Result<Vec<Entry>, Unreachable> {
        self.people.list(person, KIND).await
    }
}

fn nobody() -> Subject {
    Subject(String::new())
}
