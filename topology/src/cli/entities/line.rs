//! One line: an upload as the device protocol has it (`POST /api/sync/bulk`), with who sent it and when it came.

use engine::resolve::entity::{Admission, Entity, Kind, Node, Upload};
use schemas::time::Instant;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

/// What is sent beside the entities.
const OWN_NAMES: [&str; 3] = ["node", "received_at", "last_sync_at"];
/// The fields of an entity.
const ENTITY_NAMES: [&str; 5] = ["id", "data", "updated_at", "deleted_at", "field_updated_at"];
const TIME: &str = "an RFC 3339 time such as \"2026-05-03T06:02:30Z\"";

/// An upload.
pub(super) struct Line {
    /// The name of the device; `server` for what the server wrote itself.
    pub(super) node: String,
    /// When it came, by the server's clock.
    pub(super) received_at: Instant,
    /// What the device had seen of the server; absent if it never synced.
    pub(super) last_sync_at: Option<Instant>,
    entities: Vec<(Kind, Upload)>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// All that is wrong with it: where, what, and what would be right.
    pub(super) fn read(text: &[u8]) -> Result<Self, Vec<String>> {
        let value: Value = serde_json::from_slice(text).map_err(|err| {
            let text = err.to_string();
            vec![format!("no JSON: {}", text.rsplit_once(" at line ").map_or(text.as_str(), |it| it.0))]
        })?;
        let mut reader = Reader::default();
        let line = reader.line(&value);
        match line {
            Some(line) if reader.wrongs.is_empty() => Ok(line),
            _ => Err(reader.wrongs),
        }
    }

    /// Its entities, with no time that is further ahead of the server's than that.
    pub(super) fn admit(&self, ahead_max: Duration) -> Vec<Entity> {
        let node = if self.node == "server" { Node::Server } else { Node::Device(self.node.clone()) };
        let admission = Admission { now: self.received_at, ahead_max };
        self.entities.iter().map(|(kind, upload)| Entity::admit(*kind, upload, &node, &admission)).collect()
    }
}

/// Reads on where something is wrong, so that all of a line is said at once.
#[derive(Default)]
struct Reader {
    wrongs: Vec<String>,
}

impl Reader {
    fn line(&mut self, value: &Value) -> Option<Line> {
        let all = self.object("an upload", value)?;
        let kinds = Kind::ALL.map(Kind::name);
        for name in all.keys().map(String::as_str).filter(|it| !OWN_NAMES.contains(it) && !kinds.contains(it)) {
            self.wrongs.push(format!("{name}: no type of entities; known are {}", kinds.join(", ")));
        }
        let node = self.text("node", all.get("node"), "the name of the device, such as \"phone\"");
        let received_at = self.needed_time("received_at", all.get("received_at"));
        let last_sync_at = self.time("last_sync_at", all.get("last_sync_at"));
        let mut entities = Vec::new();
        for kind in Kind::ALL {
            let name = kind.name();
            match all.get(name) {
                None => {}
                Some(Value::Array(list)) => {
                    for (index, it) in list.iter().enumerate() {
                        entities.extend(self.entity(&format!("{name}[{index}]"), it).map(|it| (kind, it)));
                    }
                }
                Some(other) => self.expected(name, Some(other), "a list of entities"),
            }
        }
        Some(Line { node: node?, received_at: received_at?, last_sync_at, entities })
    }

    fn entity(&mut self, at: &str, value: &Value) -> Option<Upload> {
        let all = self.object(at, value)?;
        for name in all.keys().filter(|it| !ENTITY_NAMES.contains(&it.as_str())) {
            let known = ENTITY_NAMES.join(", ");
            self.wrongs
                .push(format!("{at}.{name}: no field of an entity; known are {known} (what it says is in data)"));
        }
        let id = self.text(&format!("{at}.id"), all.get("id"), "an id that the device gave it");
        let updated_at = self.needed_time(&format!("{at}.updated_at"), all.get("updated_at"));
        let deleted_at = self.time(&format!("{at}.deleted_at"), all.get("deleted_at"));
        let data = match all.get("data") {
            Some(Value::Object(data)) => data.clone(),
            // Of what is deleted nothing need be said.
            None if all.get("deleted_at").is_some_and(|it| !it.is_null()) => Map::new(),
            other => {
                self.expected(&format!("{at}.data"), other, "an object with its fields");
                Map::new()
            }
        };
        let field_updated_at = self.field_times(&format!("{at}.field_updated_at"), all.get("field_updated_at"), &data);
        Some(Upload { id: id?, data, updated_at: updated_at?, deleted_at, field_updated_at })
    }

    fn field_times(&mut self, at: &str, value: Option<&Value>, data: &Map<String, Value>) -> BTreeMap<String, Instant> {
        let Some(value) = value.filter(|it| !it.is_null()) else { return BTreeMap::new() };
        let Some(all) = self.object(at, value) else { return BTreeMap::new() };
        let mut times = BTreeMap::new();
        for (name, it) in all {
            if !data.contains_key(name) {
                self.wrongs.push(format!("{at}.{name}: data has no such field"));
            }
            times.extend(self.needed_time(&format!("{at}.{name}"), Some(it)).map(|it| (name.clone(), it)));
        }
        times
    }

    fn object<'a>(&mut self, at: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
        if value.as_object().is_none() {
            self.expected(at, Some(value), "an object");
        }
        value.as_object()
    }

    fn text(&mut self, at: &str, value: Option<&Value>, what: &str) -> Option<String> {
        let text = value.and_then(Value::as_str).filter(|it| !it.trim().is_empty());
        if text.is_none() {
            self.expected(at, value, what);
        }
        text.map(str::to_owned)
    }

    fn needed_time(&mut self, at: &str, value: Option<&Value>) -> Option<Instant> {
        let time = value.and_then(Value::as_str).and_then(Instant::parse);
        if time.is_none() {
            self.expected(at, value, TIME);
        }
        time
    }

    /// A time that need not be there.
    fn time(&mut self, at: &str, value: Option<&Value>) -> Option<Instant> {
        value.filter(|it| !it.is_null()).and_then(|it| self.needed_time(at, Some(it)))
    }

    fn expected(&mut self, at: &str, value: Option<&Value>, what: &str) {
        let is = match value {
            None => "missing".to_owned(),
            Some(Value::Object(_)) => "an object".to_owned(),
            Some(Value::Array(_)) => "a list".to_owned(),
            Some(other) => short(&other.to_string()),
        };
        self.wrongs.push(format!("{at}: {is}; expected {what}"));
    }
}

/// The beginning of a value, if it is long.
fn short(text: &str) -> String {
    const LENGTH_MAX: usize = 60;
    match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
