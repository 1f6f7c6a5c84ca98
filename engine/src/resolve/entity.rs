//! Entities of a person's own devices, written by several of them: pure, no clock inside.
//!
//! An [`Entity`] keeps for every field who wrote it when, so that two versions of it join to one whatever way and
//! however often they meet ([`Entity::join`]: commutative, associative, idempotent). [`merge`] is that join for an
//! upload, and tells what was in conflict. The rules as a table: `docs/devices.md`.
//!
//! Reading order: this page, `stamp` (when), `field` (what), `conflict` (what is told), `held` (all of a person's).

mod conflict;
mod field;
mod held;
mod stamp;
#[cfg(test)]
mod tests;

pub use conflict::{ConflictDetail, FieldConflict, Resolution, Side, Winner};
pub use field::{Field, Latest};
pub use held::{Held, Told, Update, join_all};
pub use stamp::{Node, Stamp};

use schemas::time::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

/// By which rule a field was settled.
pub mod rule {
    /// The later write holds; at the very same time the server's, then that of the device whose name is greater.
    pub const LAST_WRITE: &str = "last_write";
    /// All that is different is kept, the same once.
    pub const UNION: &str = "union";
    /// The lines of both, each once, in the order in which they were first written.
    pub const JOINED: &str = "joined_lines";
    /// One was deleted, the other changed: the later of the two holds.
    pub const DELETED: &str = "last_write_or_deletion";
}

/// What an entity is; named as the device protocol names its collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What a person noted of a day: weight, sleep, energy, heart rate, body measurements, notes.
    HealthMetrics,
    /// A medication.
    Medications,
    /// A meal of a day.
    Meals,
    /// An exercise.
    Exercises,
    /// A plan of meals.
    MealPlans,
}

impl Kind {
    /// All of them, in the order of the device protocol.
    pub const ALL: [Self; 5] = [Self::HealthMetrics, Self::Medications, Self::Meals, Self::Exercises, Self::MealPlans];

    /// Its name in the device protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HealthMetrics => "health_metrics",
            Self::Medications => "medications",
            Self::Meals => "meals",
            Self::Exercises => "exercises",
            Self::MealPlans => "meal_plans",
        }
    }
}

/// Which entity it is. Two meals of one id on different days are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its id, given by the device that made it.
    pub id: String,
    /// The day of a meal, as the device wrote it (`2026-05-03`); absent for what is no meal, or has no date. The
    /// deletion of a meal without one is of all meals of that id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// An entity as a device sends it and gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// Its fields.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// When it was last written, by the clock of who wrote it.
    pub updated_at: Instant,
    /// When it was deleted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Instant>,
    /// When single fields were written, by devices that know; the others were at `updated_at`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub field_updated_at: BTreeMap<String, Instant>,
}

/// An entity with all that is needed to join it with another version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Which one it is.
    pub key: Key,
    /// Its fields by name.
    pub fields: BTreeMap<String, Field>,
    /// The last deletion, even if something was written after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Stamp>,
}

/// How far ahead of the server's clock a device's may be. Clocks that are set by a network differ by seconds.
pub const AHEAD_MAX: Duration = Duration::from_secs(60);

/// The name by which a deletion is told.
const DELETED_AT: &str = "deleted_at";

/// By which an upload is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The server's time.
    pub now: Instant,
    /// How far ahead of it a device's clock may be.
    pub ahead_max: Duration,
}

impl Admission {
    /// A device's time, no later than the server's and the bound.
    #[must_use]
    pub fn clamp(&self, at: Instant) -> Instant {
        at.min(self.now.plus(self.ahead_max))
    }
}

impl Upload {
    /// When any of it was last written, deletions apart.
    fn written(&self) -> Instant {
        let fields = self.field_updated_at.iter().filter(|it| self.data.contains_key(it.0));
        fields.map(|it| *it.1).fold(self.updated_at, Instant::max)
    }
}

impl Entity {
    /// An upload of a device (or a write of the server) as a version. Times in the future are clamped here and only
    /// here: what is stored is never clamped again, or joining would depend on when it is done.
    #[must_use]
    pub fn admit(kind: Kind, upload: &Upload, node: &Node, admission: &Admission) -> Self {
        let stamp = |at: Instant| Stamp::new(admission.clamp(at), node.clone());
        let field = |(name, value): (&String, &Value)| {
            let at = upload.field_updated_at.get(name).copied().unwrap_or(upload.updated_at);
            (name.clone(), Field::read(kind, name, value, &stamp(at)))
        };
        Self {
            key: Key { kind, id: upload.id.clone(), date: date(kind, &upload.data) },
            fields: upload.data.iter().map(field).collect(),
            // Who sends it as deleted means what it is now: that the row was stamped a moment later is no new write.
            deleted: upload.deleted_at.map(|at| stamp(upload.written().max(at))),
        }
    }

    /// The join of two versions: per field, see [`Field::join`]; of two deletions the later one.
    ///
    /// Versions of different keys are different entities and cannot be joined: then this one is returned as it is.
    /// [`join_all`] keeps both.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        if self.key != other.key {
            return self;
        }
        for (name, theirs) in other.fields {
            let joined = match self.fields.remove(&name) {
                Some(ours) => ours.join(theirs),
                None => theirs,
            };
            self.fields.insert(name, joined);
        }
        self.deleted = self.deleted.max(other.deleted);
        self
    }

    /// When something was last written to it, deletions apart.
    #[must_use]
    pub fn written(&self) -> Option<&Stamp> {
        self.fields.values().filter_map(Field::written).max()
    }

    /// Whether it is deleted: nothing was written after its deletion.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted.as_ref().is_some_and(|it| self.written().is_none_or(|written| it >= written))
    }

    /// Its fields as a device gets them; none of a deleted one.
    #[must_use]
    pub fn data(&self) -> Map<String, Value> {
        if self.is_deleted() {
            return Map::new();
        }
        self.fields.iter().map(|(name, field)| (name.clone(), field.value())).collect()
    }

    /// As a device gets it.
    #[must_use]
    pub fn download(&self) -> Upload {
        let last = self.written().max(self.deleted.as_ref());
        let mut data = self.data();
        if let Some(date) = self.key.date.as_ref().filter(|_| self.is_deleted()) {
            // Which of the meals of that id it is.
            data.insert("date".to_owned(), Value::String(date.clone()));
        }
        Upload {
            id: self.key.id.clone(),
            data,
            updated_at: last.map_or(Instant(0), |it| it.at),
            deleted_at: self.deleted.as_ref().filter(|_| self.is_deleted()).map(|it| it.at),
            field_updated_at: BTreeMap::new(),
        }
    }
}

/// The day of a meal: the date at the beginning of its field `date`.
fn date(kind: Kind, data: &Map<String, Value>) -> Option<String> {
    let text = data.get("date").and_then(Value::as_str).filter(|_| kind == Kind::Meals)?;
    Some(text.split_once('T').map_or(text, |it| it.0).to_owned())
}

/// The server's version with an upload joined to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What is to be kept.
    pub entity: Entity,
    /// What was in conflict, if anything was.
    pub conflict: Option<ConflictDetail>,
}

/// Joins an upload to the server's version of the same key.
///
/// A field (or the deletion, `deleted_at`) is in conflict if the two differ and it `is_news` to the device: the server
/// learned of it after what the device had seen (its `last_sync_at`); before that, the device knew what it overwrote.
/// Who overwrites what it wrote itself knew it, too.
#[must_use]
pub fn merge(server: &Entity, client: &Entity, is_news: &dyn Fn(&str) -> bool) -> Merged {
    let entity = server.clone().join(client.clone());
    let conflict = conflict::find(server, client, &entity, is_news);
    Merged { entity, conflict }
}
