//! All entities of a person together, and what a device is told when it sends some.

use super::{ConflictDetail, DELETED_AT, Entity, Field, Key, Kind, Merged, Stamp, Upload, field::canonical, merge};
use schemas::time::Instant;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// What the server holds of a person's entities, and when it learned what.
///
/// The entities are the same whatever way uploads arrive ([`join_all`] of all of them); what a device is told is not:
/// it is about what the server had just then.
#[derive(Clone, Debug, Default)]
pub struct Held {
    all: BTreeMap<Key, Known>,
    /// The moment of the last upload.
    moment: Option<Instant>,
}

/// An entity, and by the server's clock when each of its fields (and its deletion) became what it is.
///
/// That is not when it was written: a device that was offline tells late of what it wrote early, and another one that
/// had synced in between has not seen it.
#[derive(Clone, Debug)]
struct Known {
    entity: Entity,
    learned: BTreeMap<String, Instant>,
}

/// What a device is told about its upload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// How many entities of it were taken in.
    pub synced: usize,
    /// How many entities were in conflict.
    pub conflicts: usize,
    /// Which, and whose they are in the end.
    pub conflict_details: Vec<ConflictDetail>,
    /// What the device has to take over: what it had not seen yet, and of what it sent all that is kept otherwise.
    pub server_updates: Vec<Update>,
    /// To be sent as `last_sync_at` with the next upload.
    pub sync_timestamp: Instant,
}

/// An entity that a device has to take over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Update {
    /// The collection that it is of.
    pub entity_type: Kind,
    /// As it is.
    #[serde(flatten)]
    pub entity: Upload,
}

impl Held {
    /// Takes in what a device (or the server itself) wrote, see [`Entity::admit`]. `since` is what the device had seen
    /// of the server, `now` the server's time.
    pub fn take(&mut self, versions: impl IntoIterator<Item = Entity>, since: Option<Instant>, now: Instant) -> Told {
        // No moment twice: what comes within one millisecond with a sync must be after it.
        let now = self.moment.map_or(now, |it| now.max(Instant(it.0.saturating_add(1))));
        self.moment = Some(now);
        let (mut synced, mut conflict_details, mut sent) = (0, Vec::new(), BTreeMap::new());
        for version in versions {
            synced += 1;
            for it in self.reached(&version).into_iter().chain([version]) {
                conflict_details.extend(self.join(&it, since, now));
                insert(&mut sent, it);
            }
        }
        let (conflicts, server_updates) = (conflict_details.len(), self.updates(&sent, since));
        Told { synced, conflicts, conflict_details, server_updates, sync_timestamp: now }
    }

    /// All entities, deleted ones too.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.all.values().map(|it| &it.entity)
    }

    /// The deletion of a meal of no day, as one of each meal of that id.
    fn reached(&self, version: &Entity) -> Vec<Entity> {
        let Some(deleted) = deletion_of_all(version) else { return Vec::new() };
        days(&self.all, &version.key).into_iter().map(|key| gone(key, deleted)).collect()
    }

    fn join(&mut self, version: &Entity, since: Option<Instant>, now: Instant) -> Option<ConflictDetail> {
        let Some(known) = self.all.remove(&version.key).or_else(|| self.foretold(&version.key)) else {
            let names = version.fields.keys().map(String::as_str).chain(version.deleted.iter().map(|_| DELETED_AT));
            let learned = names.map(|it| (it.to_owned(), now)).collect();
            self.all.insert(version.key.clone(), Known { entity: version.clone(), learned });
            return None;
        };
        let Known { entity: server, mut learned } = known;
        let is_news = |field: &str| since.is_none_or(|since| learned.get(field).is_some_and(|at| *at > since));
        let Merged { entity, conflict } = merge(&server, version, &is_news);
        for (name, field) in &entity.fields {
            if server.fields.get(name).is_none_or(|it| !is_same(it, field)) {
                learned.insert(name.clone(), now);
            }
        }
        if entity.is_deleted() != server.is_deleted() {
            learned.insert(DELETED_AT.to_owned(), now);
        }
        self.all.insert(version.key.clone(), Known { entity, learned });
        conflict
    }

    /// What is known of a meal of a day that is not held, by the deletion of its id.
    fn foretold(&self, key: &Key) -> Option<Known> {
        let known = self.all.get(&Key { date: None, ..key.clone() })?;
        let entity = gone(key.clone(), deletion_of_all(&known.entity)?);
        Some(Known { entity, learned: known.learned.clone() })
    }

    fn updates(&self, sent: &BTreeMap<Key, Entity>, since: Option<Instant>) -> Vec<Update> {
        let is_update = |(key, known): &(&Key, &Known)| match (sent.get(key), since) {
            (Some(theirs), _) => {
                let same = |it: &Entity| (it.is_deleted(), canonical(&Value::Object(it.data())));
                same(theirs) != same(&known.entity)
            }
            (None, Some(since)) => known.learned.values().any(|at| *at > since),
            // Who never had it need not hear that it is gone.
            (None, None) => !known.entity.is_deleted(),
        };
        let update = |(key, known): (&Key, &Known)| Update { entity_type: key.kind, entity: known.entity.download() };
        self.all.iter().filter(is_update).map(update).collect()
    }
}

/// All entities of two sets, those of one key joined: meals of one id on different days stay two.
#[must_use]
pub fn join_all(a: impl IntoIterator<Item = Entity>, b: impl IntoIterator<Item = Entity>) -> BTreeMap<Key, Entity> {
    let mut all: BTreeMap<Key, Entity> = BTreeMap::new();
    for it in a.into_iter().chain(b) {
        insert(&mut all, it);
    }
    let deletions: Vec<(Key, Stamp)> =
        all.values().filter_map(|it| Some((it.key.clone(), deletion_of_all(it)?.clone()))).collect();
    for (id, deleted) in deletions {
        for key in days(&all, &id) {
            insert(&mut all, gone(key, &deleted));
        }
    }
    all
}

fn insert(all: &mut BTreeMap<Key, Entity>, it: Entity) {
    let joined = match all.remove(&it.key) {
        Some(known) => known.join(it),
        None => it,
    };
    all.insert(joined.key.clone(), joined);
}

/// The deletion of a meal of which no day is said: it is of every meal of that id.
fn deletion_of_all(it: &Entity) -> Option<&Stamp> {
    it.deleted.as_ref().filter(|_| it.key.kind == Kind::Meals && it.key.date.is_none())
}

/// The keys of that id that have a day; they come right after the one that has none.
fn days<T>(all: &BTreeMap<Key, T>, id: &Key) -> Vec<Key> {
    let same = |it: &&Key| it.kind == id.kind && it.id == id.id;
    all.range(id..).map(|it| it.0).take_while(same).filter(|it| it.date.is_some()).cloned().collect()
}

fn gone(key: Key, deleted: &Stamp) -> Entity {
    Entity { key, fields: BTreeMap::new(), deleted: Some(deleted.clone()) }
}

fn is_same(a: &Field, b: &Field) -> bool {
    canonical(&a.value()) == canonical(&b.value())
}
