//! A schema gets successors that old readers can read, and that can read what old writers wrote.

use crate::{check_file, file};
use apache_avro::{
    Schema,
    reader::datum::GenericDatumReader,
    schema_compatibility::{Compatibility, SchemaCompatibility},
};
use schemas::codec::{FRAME_BYTES, SCHEMAS};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;

/// Whether each can read all that the other writes.
fn are_compatible(one: &Schema, other: &Schema) -> bool {
    SchemaCompatibility::mutual_read(one, other) == Ok(Compatibility::Full)
}

#[test]
fn every_version_of_a_subject_reads_every_other() {
    for one in SCHEMAS {
        for other in SCHEMAS.iter().filter(|it| it.subject == one.subject) {
            let [a, b] = [one.text, other.text].map(|it| Schema::parse_str(it).unwrap());
            assert!(are_compatible(&a, &b), "{} {} and {}", one.subject, one.version, other.version);
        }
    }
}

#[test]
fn a_published_version_never_changes() {
    let line = |it: &schemas::codec::Published| {
        // The canonical form leaves out docs and defaults, which do not change the bytes.
        let form = Schema::parse_str(it.text).unwrap().canonical_form();
        format!("{} {}.v{} {}\n", it.id, it.subject, it.version, hex::encode(Sha256::digest(form)))
    };
    check_file("tests/golden/fingerprints.txt", &SCHEMAS.iter().map(line).collect::<String>());
}

/// Reads what one version of a schema wrote with another one, as a reader outside of SyncWell does.
fn read_with(writer: &str, reader: &str, bytes: &[u8]) -> Value {
    let [writer, reader] = [writer, reader].map(|name| {
        let found = SCHEMAS.iter().find(|it| format!("{}.v{}", it.subject, it.version) == name).unwrap();
        Schema::parse_str(found.text).unwrap()
    });
    let mut datum = &bytes[FRAME_BYTES..];
    let reading = GenericDatumReader::builder(&writer).reader_schema(&reader).build().unwrap();
    Value::try_from(reading.read_value(&mut datum).unwrap()).unwrap()
}

#[test]
fn a_reader_that_knows_no_question_of_deletions_takes_it_for_keep() {
    let hex = fs::read_to_string(file("tests/golden/requested.v2.full.hex")).unwrap();
    let bytes = hex::decode(hex.split_whitespace().collect::<String>()).unwrap();
    let deletes = |read: &Value| read["body"]["destinations"][0]["deletes"].clone();
    assert_eq!(deletes(&read_with("requested.v2", "requested.v2", &bytes)), json!("ask"));
    assert_eq!(deletes(&read_with("requested.v2", "requested.v1", &bytes)), json!("keep"));
}

/// Whether the schema of sealed records is compatible with itself after a change to one of its named types.
#[track_caller]
fn check(name: &str, change: impl Fn(&mut Value), is_compatible: bool) {
    let text = SCHEMAS.iter().find(|it| it.subject.name() == "records").unwrap().text;
    let mut changed: Value = serde_json::from_str(text).unwrap();
    let before = changed.clone();
    change(named(&mut changed, name).unwrap());
    assert_ne!(before, changed, "the change does nothing");
    let [before, after] = [before, changed].map(|it| Schema::parse(&it).unwrap());
    assert_eq!(are_compatible(&before, &after), is_compatible);
}

/// The definition of a named type.
fn named<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    if value.get("name") == Some(&json!(name)) && (value.get("fields").is_some() || value.get("symbols").is_some()) {
        return Some(value);
    }
    match value {
        Value::Object(map) => map.values_mut().find_map(|it| named(it, name)),
        Value::Array(list) => list.iter_mut().find_map(|it| named(it, name)),
        _ => None,
    }
}

fn list<'a>(value: &'a mut Value, key: &str) -> &'a mut Vec<Value> {
    value[key].as_array_mut().unwrap()
}

#[test]
fn a_field_without_default_cannot_be_removed() {
    check("Quantity", |it| list(it, "fields").clear(), false);
}

#[test]
fn a_field_with_default_can_be_removed() {
    check("Policy", |it| list(it, "fields").retain(|it| it["name"] != "no_ai"), true);
}

#[test]
fn a_field_cannot_be_added_without_default() {
    check("Quantity", |it| list(it, "fields").push(json!({"name": "more", "type": "double"})), false);
}

#[test]
fn a_field_can_be_added_with_default() {
    let more = json!({"name": "more", "type": ["null", "double"], "default": null});
    check("Quantity", |it| list(it, "fields").push(more.clone()), true);
}

#[test]
fn a_type_cannot_be_changed() {
    check("Quantity", |it| it["fields"][0]["type"] = json!("string"), false);
    // A number can be read as a wider one, not the other way.
    check("Quantity", |it| it["fields"][0]["type"] = json!("float"), false);
}

#[test]
fn a_symbol_can_be_removed_only_because_there_is_a_default() {
    let remove = |it: &mut Value| list(it, "symbols").retain(|it| it != "yoga");
    check("Sport", remove, true);
    let strip = |it: &mut Value| {
        remove(it);
        it.as_object_mut().unwrap().remove("default");
    };
    check("Sport", strip, false);
}

#[test]
fn a_kind_of_body_cannot_be_removed() {
    let change = |it: &mut Value| {
        let body = list(it, "fields").iter_mut().find(|it| it["name"] == "body").unwrap();
        list(body, "type").retain(|it| it["name"] != "Sleep");
    };
    check("Record", change, false);
}
