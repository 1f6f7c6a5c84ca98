//! What was in conflict, as a device is told.

use super::{DELETED_AT, Entity, Field, Kind, Stamp, field::canonical, rule};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One entity of which two versions were in conflict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConflictDetail {
    /// Its id.
    pub entity_id: String,
    /// The collection that it is of.
    pub entity_type: Kind,
    /// What the device sent.
    pub client_version: Map<String, Value>,
    /// What the server had.
    pub server_version: Map<String, Value>,
    /// Whose it is in the end.
    pub resolution: Resolution,
    /// Field by field.
    pub fields: Vec<FieldConflict>,
}

/// Whose version an entity is in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The server's, as it was.
    ServerWins,
    /// The device's, as it sent it.
    ClientWins,
    /// Something of both.
    Merged,
}

/// One field of which two versions were in conflict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldConflict {
    /// Its name; `deleted_at` for a deletion beside a change.
    pub field: String,
    /// What the device sent; absent if it has no such field.
    pub client: Option<Side>,
    /// What the server had; absent if it has no such field.
    pub server: Option<Side>,
    /// Whose it is in the end.
    pub winner: Winner,
    /// By which rule, a constant of [`rule`].
    pub rule: &'static str,
}

/// One version of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The value.
    pub value: Value,
    /// When it was written, and by whom.
    pub written: Option<Stamp>,
}

/// Whose a field is in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// The server's.
    Server,
    /// The device's.
    Client,
    /// Something of both.
    Both,
}

/// What was in conflict between two versions that were joined to `joined`.
pub(super) fn find(
    server: &Entity,
    client: &Entity,
    joined: &Entity,
    is_news: &dyn Fn(&str) -> bool,
) -> Option<ConflictDetail> {
    if server.key != client.key {
        return None;
    }
    let names: BTreeSet<&String> = server.fields.keys().chain(client.fields.keys()).collect();
    let mut fields: Vec<FieldConflict> = Vec::new();
    for name in names {
        // A field that only one of the two has is no conflict: nothing is lost.
        if let (Some(ours), Some(theirs), Some(both)) =
            (server.fields.get(name), client.fields.get(name), joined.fields.get(name))
            && is_news(name)
            && !is_own(ours.written(), theirs.written())
            && canonical(&ours.value()) != canonical(&theirs.value())
        {
            fields.push(of_field(name, ours, theirs, both));
        }
    }
    // Beside a deletion any write is a change.
    let is_change = is_news(DELETED_AT) || (!server.is_deleted() && server.fields.keys().any(|it| is_news(it)));
    let (ours, theirs) = (server.written().max(server.deleted.as_ref()), client.written().max(client.deleted.as_ref()));
    if server.is_deleted() != client.is_deleted() && is_change && !is_own(ours, theirs) {
        fields.push(of_deletion(server, client, joined));
    }
    if fields.is_empty() {
        return None;
    }
    let (client_version, server_version) = (client.data(), server.data());
    let same = |it: &Map<String, Value>| canonical(&Value::Object(it.clone()));
    let resolution = match same(&joined.data()) {
        it if it == same(&server_version) && joined.is_deleted() == server.is_deleted() => Resolution::ServerWins,
        it if it == same(&client_version) && joined.is_deleted() == client.is_deleted() => Resolution::ClientWins,
        _ => Resolution::Merged,
    };
    let (entity_id, entity_type) = (server.key.id.clone(), server.key.kind);
    Some(ConflictDetail { entity_id, entity_type, client_version, server_version, resolution, fields })
}

/// Whether a device overwrites what it wrote itself, and so knew.
fn is_own(ours: Option<&Stamp>, theirs: Option<&Stamp>) -> bool {
    ours.zip(theirs).is_some_and(|(ours, theirs)| ours.node == theirs.node && theirs >= ours)
}

fn of_field(name: &str, ours: &Field, theirs: &Field, both: &Field) -> FieldConflict {
    let side = |it: &Field| Some(Side { value: it.value(), written: it.written().cloned() });
    let value = canonical(&both.value());
    let winner = if value == canonical(&ours.value()) {
        Winner::Server
    } else if value == canonical(&theirs.value()) {
        Winner::Client
    } else {
        Winner::Both
    };
    FieldConflict { field: name.to_owned(), client: side(theirs), server: side(ours), winner, rule: both.rule() }
}

fn of_deletion(server: &Entity, client: &Entity, joined: &Entity) -> FieldConflict {
    let side = |it: &Entity| {
        let (deleted, written) = (it.deleted.as_ref().filter(|_| it.is_deleted()), it.written());
        let value = deleted.map_or(Value::Null, |it| Value::String(it.at.to_string()));
        Some(Side { value, written: deleted.or(written).cloned() })
    };
    let winner = if joined.is_deleted() == server.is_deleted() { Winner::Server } else { Winner::Client };
    let field = DELETED_AT.to_owned();
    FieldConflict { field, client: side(client), server: side(server), winner, rule: rule::DELETED }
}
