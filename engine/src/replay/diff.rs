//! What a mapper makes differently of the same page: record by record, field by field. Pure.

use super::remap::is_same;
use schemas::{data_type::DataType, record::Record, time::Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most fields that are told of one record; more are counted.
const FIELDS_MAX: usize = 50;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordChangeKind {
    /// It was not there before.
    Created,
    /// It says something else.
    Changed,
    /// It is no longer there.
    Gone,
}

/// A record that comes out differently. It holds a person's values: for who asked for them, sealed where it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordChange {
    /// Its type.
    pub data_type: DataType,
    /// Its id at the source.
    pub record: String,
    /// When it starts; for a changed one, as it was.
    pub starts_at: Instant,
    /// What became of it.
    pub kind: RecordChangeKind,
    /// What differs, for a changed one.
    pub fields: Vec<FieldChange>,
    /// How many more fields differ.
    pub n_more: usize,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where it is: `body.quantity.value`, `body.workout.laps[3].distance_m`.
    pub path: String,
    /// What it said; absent if it was not there.
    pub before: Option<Value>,
    /// What it says; absent if it is not there.
    pub after: Option<Value>,
}

/// What differs between the records of a page as they were and as they are now, and how many do not differ.
pub(super) fn compare(old: &[Record], new: &[Record]) -> (Vec<RecordChange>, u64) {
    let (mut changes, mut n_same) = (Vec::new(), 0);
    for record in new {
        match old.iter().find(|it| is_same(it, record)) {
            None => changes.push(whole(record, RecordChangeKind::Created)),
            Some(before) => {
                let mut fields = Vec::new();
                fields_of("", &json(before), &json(record), &mut fields);
                if fields.is_empty() {
                    n_same += 1;
                    continue;
                }
                let n_more = fields.len().saturating_sub(FIELDS_MAX);
                fields.truncate(FIELDS_MAX);
                changes.push(RecordChange { fields, n_more, ..whole(before, RecordChangeKind::Changed) });
            }
        }
    }
    let gone = old.iter().filter(|it| !new.iter().any(|other| is_same(it, other)));
    changes.extend(gone.map(|it| whole(it, RecordChangeKind::Gone)));
    (changes, n_same)
}

/// The name of a field without the places in its lists: `body.workout.laps[].distance_m`.
pub(super) fn name_of(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut is_place = false;
    for it in path.chars() {
        match it {
            '[' => is_place = true,
            ']' => {
                is_place = false;
                name.push_str("[]");
            }
            it if !is_place => name.push(it),
            _ => {}
        }
    }
    name
}

fn whole(record: &Record, kind: RecordChangeKind) -> RecordChange {
    RecordChange {
        data_type: record.data_type,
        record: record.origin.record.clone(),
        starts_at: record.time.start,
        kind,
        fields: Vec::new(),
        n_more: 0,
    }
}

fn json(record: &Record) -> Value {
    // Records are plain data: every one has a JSON form.
    serde_json::to_value(record).unwrap_or_default()
}

fn fields_of(path: &str, old: &Value, new: &Value, found: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let none = Value::Null;
                fields_of(&below, old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                fields_of(&format!("{path}[{index}]"), old, new, found);
            }
        }
        _ => {
            let said = |it: &Value| (!it.is_null()).then(|| it.clone());
            found.push(FieldChange { path: path.into(), before: said(old), after: said(new) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FieldChange, RecordChangeKind, compare, fields_of, name_of};
    use schemas::{
        data_type::DataType,
        record::{Body, Origin, Policy, Quantity, Record, RecordState, Span},
        time::Instant,
    };
    use serde_json::{Value, json};

    #[track_caller]
    fn check(old: &Value, new: &Value, expected: &[(&str, Value, Value)]) {
        let mut found = Vec::new();
        fields_of("", old, new, &mut found);
        let said = |it: &Option<Value>| it.clone().unwrap_or_default();
        let found: Vec<_> =
            found.iter().map(|it: &FieldChange| (&*it.path, said(&it.before), said(&it.after))).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_field_that_differs_is_told_with_its_path() {
        check(&json!({"a": 1}), &json!({"a": 1}), &[]);
        check(&json!({"a": {"b": 1}}), &json!({"a": {"b": 2}}), &[("a.b", json!(1), json!(2))]);
        check(&json!({"a": 1}), &json!({}), &[("a", json!(1), Value::Null)]);
        check(&json!({"a": [1, 2]}), &json!({"a": [1, 3]}), &[("a[1]", json!(2), json!(3))]);
        check(&json!({"a": []}), &json!({"a": [1]}), &[("a", json!([]), json!([1]))]);
    }

    #[test]
    fn places_in_lists_are_no_part_of_a_name() {
        assert_eq!(name_of("body.workout.laps[12].distance_m"), "body.workout.laps[].distance_m");
        assert_eq!(name_of("time.start"), "time.start");
    }

    fn record(id: &str, value: f64) -> Record {
        Record {
            data_type: DataType::Weight,
            origin: Origin::named("scale", id),
            time: Span::at(Instant(1_000), None),
            is_daily_total: false,
            state: RecordState::Final,
            deleted: false,
            policy: Policy::default(),
            body: Body::Quantity(Quantity { value }),
        }
    }

    #[test]
    fn records_are_created_changed_gone_or_the_same() {
        let old = [record("same", 1.0), record("changed", 2.0), record("gone", 3.0)];
        let new = [record("changed", 2.5), record("same", 1.0), record("new", 4.0)];
        let (changes, n_same) = compare(&old, &new);
        let told: Vec<_> = changes.iter().map(|it| (it.record.as_str(), it.kind)).collect();
        let expected = [
            ("changed", RecordChangeKind::Changed),
            ("new", RecordChangeKind::Created),
            ("gone", RecordChangeKind::Gone),
        ];
        assert_eq!((told.as_slice(), n_same), (expected.as_slice(), 1));
        assert_eq!(changes[0].fields[0].path, "body.quantity.value");
    }
}
