//! A field, and how two versions of it join.

use super::{Kind, Stamp, rule};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// How a field is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The later one holds.
    Latest,
    /// All that are different.
    Union,
    /// Text whose lines are joined.
    Lines,
}

/// Fields that are not simply overwritten.
const WAYS: [(Kind, &str, Way); 5] = [
    (Kind::HealthMetrics, "bodyMeasurements", Way::Union),
    (Kind::HealthMetrics, "body_measurements", Way::Union),
    (Kind::HealthMetrics, "notes", Way::Lines),
    (Kind::Medications, "sideEffects", Way::Union),
    (Kind::Medications, "side_effects", Way::Union),
];

/// A value, and when it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    /// The value.
    pub value: Value,
    /// When, and by whom.
    pub stamp: Stamp,
}

impl Latest {
    /// The later of two; of two of the same time, which only a broken clock gives, the one whose text is greater.
    fn join(self, other: Self) -> Self {
        // 1 and 1.0 have the same canonical text, and one of them must still be the greater.
        let key = |it: &Self| (canonical(&it.value), it.value.to_string());
        let is_later = other.stamp.cmp(&self.stamp).then_with(|| key(&other).cmp(&key(&self))).is_gt();
        if is_later { other } else { self }
    }
}

/// A line of a text, or an element of a set: when it was first written, and its place then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Since {
    /// When, and by whom.
    pub stamp: Stamp,
    /// Which line or element of what was written it was, from 0.
    pub place: usize,
}

/// A field of an entity. Only what its kind and name ask for is filled: a value, or elements, or lines.
///
/// Each part joins by itself, so two devices that write a field in different shapes lose nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The value that was written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Latest>,
    /// Measurements or side effects in a list, by their canonical text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elements: BTreeMap<String, Since>,
    /// Measurements by name: each name's last value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Latest>,
    /// Lines of a text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lines: BTreeMap<String, Since>,
    /// When elements or lines were last written, also if none was new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Stamp>,
}

impl Field {
    /// The field of a value that was written then.
    pub(super) fn read(kind: Kind, name: &str, value: &Value, stamp: &Stamp) -> Self {
        let latest = |value: &Value| Latest { value: value.clone(), stamp: stamp.clone() };
        let since = |place: usize| Since { stamp: stamp.clone(), place };
        let mut field = Self::default();
        match (way(kind, name), value) {
            // An empty list has nothing to join, and is yet not nothing.
            (Way::Union | Way::Lines, it) if is_empty(it) => field.latest = Some(latest(it)),
            (Way::Union, Value::Array(all)) => {
                for (place, it) in all.iter().enumerate() {
                    field.elements.entry(canonical(it)).or_insert(since(place));
                }
                field.touched = Some(stamp.clone());
            }
            (Way::Union, Value::Object(all)) => {
                field.names = all.iter().map(|(name, it)| (name.clone(), latest(it))).collect();
                field.touched = Some(stamp.clone());
            }
            (Way::Lines, Value::String(text)) => {
                for (place, it) in text.lines().map(str::trim_end).filter(|it| !it.is_empty()).enumerate() {
                    field.lines.entry(it.to_owned()).or_insert(since(place));
                }
                field.touched = Some(stamp.clone());
            }
            _ => field.latest = Some(latest(value)),
        }
        field
    }

    /// The join: the later value; all elements and lines, each as it was first written; of a name the later value.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            latest: match (self.latest, other.latest) {
                (Some(a), Some(b)) => Some(a.join(b)),
                (a, b) => a.or(b),
            },
            elements: both(self.elements, other.elements, Since::min),
            names: both(self.names, other.names, Latest::join),
            lines: both(self.lines, other.lines, Since::min),
            touched: self.touched.max(other.touched),
        }
    }

    /// When it was last written.
    #[must_use]
    pub fn written(&self) -> Option<&Stamp> {
        self.latest.iter().map(|it| &it.stamp).chain(&self.touched).max()
    }

    /// Its value as a device gets it.
    #[must_use]
    pub fn value(&self) -> Value {
        if !self.lines.is_empty() {
            return Value::String(in_order(&self.lines).join("\n"));
        }
        let names: Map<String, Value> = self.names.iter().map(|(name, it)| (name.clone(), it.value.clone())).collect();
        if !self.elements.is_empty() {
            // What one device has by name and another in a list are elements; their order is that of their text.
            let single = |(name, value): (&String, &Value)| canonical(&json!({ name: value }));
            let mixed: BTreeSet<String> = names.iter().map(single).chain(self.elements.keys().cloned()).collect();
            let texts =
                if names.is_empty() { in_order(&self.elements) } else { mixed.iter().map(String::as_str).collect() };
            // The text of an element is JSON that was written by this page.
            return Value::Array(texts.into_iter().filter_map(|it| serde_json::from_str(it).ok()).collect());
        }
        if !names.is_empty() {
            return Value::Object(names);
        }
        self.latest.as_ref().map_or(Value::Null, |it| it.value.clone())
    }

    /// By which rule it is joined.
    pub(super) fn rule(&self) -> &'static str {
        if !self.lines.is_empty() {
            rule::JOINED
        } else if self.elements.is_empty() && self.names.is_empty() {
            rule::LAST_WRITE
        } else {
            rule::UNION
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
        Value::String(it) => it.trim().is_empty(),
        _ => false,
    }
}

fn way(kind: Kind, name: &str) -> Way {
    WAYS.iter().find(|it| it.0 == kind && it.1 == name).map_or(Way::Latest, |it| it.2)
}

fn both<T>(mut a: BTreeMap<String, T>, b: BTreeMap<String, T>, join: fn(T, T) -> T) -> BTreeMap<String, T> {
    for (name, theirs) in b {
        let joined = match a.remove(&name) {
            Some(ours) => join(ours, theirs),
            None => theirs,
        };
        a.insert(name, joined);
    }
    a
}

fn in_order(all: &BTreeMap<String, Since>) -> Vec<&str> {
    let mut sorted: Vec<(&Since, &str)> = all.iter().map(|(text, since)| (since, text.as_str())).collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|it| it.1).collect()
}

/// JSON of one form: names in order, whole numbers without a fraction. Two values are the same if this is.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, to: &mut String) {
    match value {
        Value::Array(all) => {
            to.push('[');
            for (index, it) in all.iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                write_canonical(it, to);
            }
            to.push(']');
        }
        Value::Object(all) => {
            let mut sorted: Vec<(&String, &Value)> = all.iter().collect();
            sorted.sort_unstable_by_key(|it| it.0);
            to.push('{');
            for (index, (name, it)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                write_canonical(&Value::String(name.clone()), to);
                to.push(':');
                write_canonical(it, to);
            }
            to.push('}');
        }
        Value::Number(it) => match it.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9_007_199_254_740_992.0) {
            // Writing to a text cannot fail. 75.0 and 75 are one number; so are 0 and -0.
            Some(whole) => write!(to, "{}", whole + 0.0).unwrap_or_default(),
            None => write!(to, "{it}").unwrap_or_default(),
        },
        Value::String(_) | Value::Bool(_) | Value::Null => write!(to, "{value}").unwrap_or_default(),
    }
}
