//! Statements that change items: what is set is bound, what is left is not, and only conditions change the text.

use super::{LEFT, NULL, Value, blob, id, number, text, truth};
use crate::{
    item::{Guard, ItemKey, ItemRow, ItemState, Partition, Patch, Planned},
    store::scylla::{columns::int, cql},
};
use schemas::id::ItemId;
use std::collections::HashMap;
use uuid::Uuid;

/// The columns that a plan may set, in the order of [`Draft::values`].
const PLANNED: &str = "UPDATE items SET data_type = ?, starts_at = ?, ends_at = ?, summary = ?, planned_version = ?,
    planned_hash = ?, planned_event = ?, planned_sync = ?, state = ?, reason = ?, planned_delete = ?, version = ?,
    seen_hash = ?, seen_at = ?, seen_modified_at = ?, external_id = ?
    WHERE subject = ? AND destination = ? AND month = ? AND item = ?";

/// The columns that a patch may set.
const PATCHED: &str = "UPDATE items SET state = ?, reason = ?, version = ?, hash = ?, external_id = ?, handle = ?,
    owned = ?, claim_token = ?, claim_at = ?, claim_print = ?, unsure = ?, unsure_prints = ?, attempts = ?, mark = ?
    WHERE subject = ? AND destination = ? AND month = ? AND item = ?";

/// What a plan makes of one row, and under which conditions.
#[derive(Debug)]
pub(super) struct Draft {
    values: [Value; 16],
    /// Whether the row was UNKNOWN when it was read, where that matters.
    is_unknown: Option<bool>,
    /// Whether it must still be without an id at its destination.
    is_nameless: bool,
}

/// The drafts of these plans over the rows that stand, each row once.
pub(super) fn drafts(plans: &[Planned], stand: &HashMap<ItemId, ItemRow>) -> Vec<(ItemId, Draft)> {
    let mut drafts: Vec<(ItemId, Draft)> = Vec::with_capacity(plans.len());
    let mut places: HashMap<ItemId, usize> = HashMap::with_capacity(plans.len());
    for planned in plans {
        let draft = Draft::new(planned, stand.get(&planned.item));
        match places.get(&planned.item).and_then(|it| drafts.get_mut(*it)) {
            Some((_, earlier)) => earlier.then(draft),
            None => {
                places.insert(planned.item, drafts.len());
                drafts.push((planned.item, draft));
            }
        }
    }
    drafts
}

impl Draft {
    fn new(planned: &Planned, stands: Option<&ItemRow>) -> Self {
        let is_new = stands.is_none();
        // Rows are made by plans only, and of those one wins: one that is not there needs no condition.
        let is_unknown = planned.plan.as_ref().and(stands).map(|it| it.state == ItemState::Unknown);
        let mut plan = [LEFT, LEFT, LEFT, LEFT, LEFT, LEFT, LEFT];
        if let Some(it) = &planned.plan {
            let (event, sync) = (id(it.by.0.0), id(it.by.1.0));
            let (state, reason) = match is_unknown {
                Some(true) => (LEFT, LEFT),
                _ => (text(it.state.name()), text(&it.reason)),
            };
            plan = [number(it.version), text(&it.hash), event, sync, state, reason, truth(it.delete)];
        } else if is_new {
            // What was only seen is held by its destination.
            let state = text(ItemState::Applied.name());
            plan = [number(0), LEFT, LEFT, LEFT, state, LEFT, LEFT];
        }
        let [planned_version, planned_hash, event, sync, state, reason, delete] = plan;
        let mut seen = [LEFT, LEFT, LEFT, LEFT];
        let mut is_nameless = false;
        if let Some(it) = &planned.seen {
            let sets_id = !it.external_id.is_empty() && stands.is_none_or(|row| row.external_id.is_empty());
            is_nameless = sets_id && !is_new;
            let modified = it.modified_at.map_or(NULL, |it| number(it.0));
            let external_id = if sets_id { blob(&it.external_id) } else { LEFT };
            seen = [text(&it.hash), number(it.at.0), modified, external_id];
        }
        let [seen_hash, seen_at, seen_modified_at, external_id] = seen;
        let values = [
            text(planned.data_type.name()),
            number(planned.starts_at.0),
            number(planned.ends_at.0),
            planned.summary.as_ref().map_or(LEFT, |it| blob(it)),
            planned_version,
            planned_hash,
            event,
            sync,
            state,
            reason,
            delete,
            if is_new { number(0) } else { LEFT },
            seen_hash,
            seen_at,
            seen_modified_at,
            external_id,
        ];
        Self { values, is_unknown, is_nameless }
    }

    /// What a later plan of the same row in the same batch makes of this one.
    fn then(&mut self, later: Self) {
        let has_id = !matches!(self.values[15], cql::Value::Unset);
        for (index, (earlier, value)) in self.values.iter_mut().zip(later.values).enumerate() {
            // An id that stands is not overwritten, and a row that was only seen does not end a plan.
            let stays = (index == 15 && has_id) || matches!(value, cql::Value::Unset);
            if !stays {
                *earlier = value;
            }
        }
        self.is_unknown = self.is_unknown.or(later.is_unknown);
        self.is_nameless |= later.is_nameless;
    }

    pub(super) fn statement(self, partition: &Partition, item: ItemId) -> (String, Vec<Value>) {
        let mut conditions = Vec::new();
        let mut values = Vec::from(self.values);
        values.extend(place(partition, item));
        if let Some(is_unknown) = self.is_unknown {
            conditions.push(if is_unknown { "state = ?" } else { "state != ?" });
            values.push(text(ItemState::Unknown.name()));
        }
        if self.is_nameless {
            conditions.push("external_id = null");
        }
        let then = if conditions.is_empty() { String::new() } else { format!(" IF {}", conditions.join(" AND ")) };
        (format!("{PLANNED}{then}"), values)
    }
}

fn place(partition: &Partition, item: ItemId) -> [Value; 4] {
    let Partition { subject, destination, month } = partition;
    [text(&subject.0), id(destination.0), text(month), id(item.0)]
}

/// The statement of a change under a guard.
pub(super) fn change(
    key: &ItemKey,
    guard: &Guard,
    patch: &Patch,
    mark: Uuid,
) -> Result<(String, Vec<Value>), serde_json::Error> {
    let (token, at, print) = match &patch.claim {
        None => (LEFT, LEFT, LEFT),
        Some(None) => (NULL, NULL, NULL),
        Some(Some(it)) => (id(it.token), number(it.at.0), text(&serde_json::to_string(&it.print)?)),
    };
    let prints = patch.unsure_prints.as_ref().map(serde_json::to_string).transpose()?;
    // An empty id is none: conditions ask for null.
    let external_id = |it: &bytes::Bytes| if it.is_empty() { NULL } else { blob(it) };
    let mut values = vec![
        patch.state.map_or(LEFT, |it| text(it.name())),
        patch.reason.as_deref().map_or(LEFT, text),
        patch.version.map_or(LEFT, number),
        patch.hash.as_deref().map_or(LEFT, text),
        patch.external_id.as_ref().map_or(LEFT, external_id),
        patch.handle.as_deref().map_or(LEFT, text),
        patch.owned.map_or(LEFT, truth),
        token,
        at,
        print,
        patch.unsure.map_or(LEFT, truth),
        prints.as_deref().map_or(LEFT, text),
        patch.attempts.map_or(LEFT, int),
        id(mark),
    ];
    values.extend(place(&key.partition, key.item));
    let mut conditions = Vec::new();
    match guard.planned_version {
        // What is not there has no version: a condition that it fails, so that a change never makes a row.
        None => conditions.push("planned_version >= 0"),
        Some(it) => {
            conditions.push("planned_version = ?");
            values.push(number(it));
        }
    }
    if let Some(it) = guard.version_below {
        conditions.push("version < ?");
        values.push(number(it));
    }
    if let Some(it) = guard.state_not {
        conditions.push("state != ?");
        values.push(text(it.name()));
    }
    match guard.claim {
        None => {}
        Some(None) => conditions.push("claim_token = null"),
        Some(Some(it)) => {
            conditions.push("claim_token = ?");
            values.push(id(it));
        }
    }
    Ok((format!("{PATCHED} IF {}", conditions.join(" AND ")), values))
}
