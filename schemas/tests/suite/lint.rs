//! What every schema has to have so that a stranger can read it.

use crate::file;
use schemas::{
    codec::{SCHEMAS, Subject, current},
    data_type::DataType,
    event::{
        Account, Action, Analytics, Candidate, Count, Decision, Decisions, Deletes, Delivered, Destination,
        DestinationCounts, Evidence, Fate, Fetched, FieldChoice, Head, Held, IssueCount, Lane, Mode, Named, Normalized,
        OperationResult, Outcome, PartOfDay, Payload, Reading, Reason, Rejected, Requested, Resolved, Results, Rule,
        Settled, Side, Source, Stretch, StretchState, Trigger, TypeSpan, Verdict,
    },
    record::{
        BloodPressure, Body, Entity, Nothing, Nutrition, Origin, Policy, Quantity, Record, RecordState,
        RecordingMethod, Records, Series, Sleep, SleepStage, Span,
    },
    time::Interval,
    workout::{Lap, Sport, Streams, Workout},
};
use serde::{
    Deserialize, Deserializer,
    de::{Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Whole numbers that measure nothing.
const NO_MEASURE: [&str; 9] = [
    "Payload.key_version",
    "Destination.config_version",
    "FetchedBody.number",
    "NormalizedBody.mapper_version",
    "Decision.version",
    "Decision.rule_version",
    "OperationResult.version",
    "RejectedBody.partition",
    "RejectedBody.offset",
];

/// Every record and enum that is defined in a schema, with the schema's name and version.
fn definitions() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for it in SCHEMAS {
        let schema: Value = serde_json::from_str(it.text).unwrap();
        assert_eq!(schema["namespace"], json!("syncwell"), "{}", it.subject);
        collect(&format!("{}.v{}", it.subject, it.version), &schema, &mut all);
    }
    assert!(all.len() > 100, "the walk finds nothing");
    all
}

fn collect(schema: &str, value: &Value, all: &mut Vec<(String, Value)>) {
    if value.get("fields").is_some() || value.get("symbols").is_some() {
        all.push((schema.into(), value.clone()));
    }
    match value {
        Value::Object(map) => map.values().for_each(|it| collect(schema, it, all)),
        Value::Array(list) => list.iter().for_each(|it| collect(schema, it, all)),
        _ => {}
    }
}

/// Every field, as `Record.field`.
fn fields() -> Vec<(String, Value)> {
    let of = |(_, it): (String, Value)| {
        let fields = it.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
        fields.into_iter().map(move |field| (format!("{}.{}", text(&it, "name"), text(&field, "name")), field))
    };
    definitions().into_iter().flat_map(of).collect()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().into()
}

#[test]
fn everything_has_a_doc() {
    for (schema, it) in definitions() {
        assert!(is_sentence(&text(&it, "doc")), "{schema} {}", it["name"]);
    }
    for (name, field) in fields() {
        assert!(is_sentence(&text(&field, "doc")), "{name}");
    }
}

fn is_sentence(text: &str) -> bool {
    text.starts_with(|it: char| it.is_uppercase()) && text.ends_with('.')
}

#[test]
fn a_number_that_measures_something_names_its_unit() {
    let mut no_measures = BTreeSet::new();
    for (name, field) in fields() {
        let doc = text(&field, "doc");
        let unit = doc.split_once("Unit: ").map(|(_, it)| it.trim_end_matches('.'));
        if !is_number(&field["type"]) {
            assert_eq!(unit, None, "{name} is no number");
        } else if NO_MEASURE.contains(&name.as_str()) {
            assert_eq!(unit, None, "{name} is no measure");
            no_measures.insert(name);
        } else {
            assert!(unit.is_some_and(|it| !it.is_empty()), "{name} has no unit");
        }
    }
    assert_eq!(no_measures.len(), NO_MEASURE.len(), "a field is listed that is no longer there");
}

/// Whether a field holds numbers, be it in a list, a map, or only sometimes.
fn is_number(kind: &Value) -> bool {
    match kind {
        Value::String(name) => ["int", "long", "float", "double"].contains(&name.as_str()),
        Value::Array(variants) => variants.iter().any(is_number),
        Value::Object(it) if it.contains_key("logicalType") || it.contains_key("fields") => false,
        Value::Object(it) => ["type", "items", "values"].iter().filter_map(|key| it.get(*key)).any(is_number),
        _ => false,
    }
}

#[test]
fn what_can_be_absent_is_absent_by_default() {
    for (name, field) in fields() {
        if field["type"].get(0) == Some(&json!("null")) {
            assert_eq!(field.get("default"), Some(&Value::Null), "{name}");
            assert_eq!(field["type"].as_array().unwrap().len(), 2, "{name}");
        }
    }
}

#[test]
fn moments_and_ids_have_logical_types() {
    let moment = json!({"type": "long", "logicalType": "timestamp-millis"});
    let id = json!({"type": "string", "logicalType": "uuid"});
    let ids = ["id", "cause", "sync", "carrier", "connection", "config", "item", "op", "event"];
    for (name, field) in fields() {
        let key = text(&field, "name");
        let kind = if field["type"].get(0) == Some(&json!("null")) { &field["type"][1] } else { &field["type"] };
        let is_moment =
            key.ends_with("_at") || ["at", "start", "end", "from", "to", "checkpoint"].contains(&key.as_str());
        // An end can be a reason, too.
        let is_moment = is_moment && !matches!(text(kind, "name").as_str(), "Reason") && kind != "Reason";
        assert_eq!(is_moment, *kind == moment, "{name}");
        assert_eq!(ids.contains(&key.as_str()), *kind == id, "{name}");
    }
}

/// The last id of each lot of schemas that were published together: version 1 of everything, several sources of one
/// record, deletions that are asked about.
const LOTS: [u32; 3] = [11, 18, 23];

#[test]
fn a_name_means_the_same_in_every_file_that_was_published_together() {
    assert_eq!(SCHEMAS.last().map(|it| it.id), LOTS.last().copied(), "a schema is in no lot");
    let lot_of = |schema: &str| {
        let id = SCHEMAS.iter().find(|it| schema == format!("{}.v{}", it.subject, it.version)).unwrap().id;
        LOTS.iter().position(|last| id <= *last).unwrap()
    };
    let mut known: BTreeMap<(usize, String), Value> = BTreeMap::new();
    for (schema, it) in definitions() {
        let key = (lot_of(&schema), text(&it, "name"));
        // A name is defined at its first use in a file, so what is nested may be a definition here, a name there.
        let mut it = it;
        by_name(&mut it, true);
        let first = known.entry(key).or_insert_with(|| it.clone());
        assert_eq!(*first, it, "{schema}");
    }
}

fn by_name(value: &mut Value, is_outermost: bool) {
    if !is_outermost && (value.get("fields").is_some() || value.get("symbols").is_some()) {
        *value = value["name"].take();
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|it| by_name(it, false)),
        Value::Array(list) => list.iter_mut().for_each(|it| by_name(it, false)),
        _ => {}
    }
}

#[test]
fn the_files_are_the_published_versions() {
    let files: BTreeSet<_> =
        fs::read_dir(file("avro")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    let published: Vec<_> =
        SCHEMAS.iter().map(|it| (format!("{}.v{}.avsc", it.subject, it.version), it.text)).collect();
    assert_eq!(files, published.iter().map(|(name, _)| name.clone()).collect());
    for (name, text) in published {
        assert_eq!(fs::read_to_string(file("avro").join(&name)).unwrap(), text, "{name} is published as another one");
    }
}

#[test]
fn ids_are_unique_and_versions_count_up_from_one() {
    let ids: BTreeSet<_> = SCHEMAS.iter().map(|it| it.id).collect();
    assert_eq!(ids.len(), SCHEMAS.len());
    let mut versions: BTreeMap<&str, u32> = BTreeMap::new();
    for it in SCHEMAS {
        let last = versions.entry(it.subject.name()).or_default();
        assert_eq!(it.version, *last + 1, "{}", it.subject);
        *last = it.version;
        let name = match it.subject {
            Subject::Event(kind) => format!("{kind:?}"),
            Subject::Records => "Records".into(),
            Subject::Decisions => "Decisions".into(),
            Subject::Results => "Results".into(),
        };
        assert_eq!(serde_json::from_str::<Value>(it.text).unwrap()["name"], json!(name));
    }
}

/// Asks a type what serde calls it and its fields or variants.
struct Ask<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("only structs and enums can be asked"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend_from_slice(fields);
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend_from_slice(variants);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A type's name with the names of its fields or variants.
fn rust<T: for<'de> Deserialize<'de>>() -> (String, Vec<&'static str>) {
    let mut names = Vec::new();
    assert!(T::deserialize(Ask(&mut names)).is_err());
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
    let is_event = kinds().contains(&name.into());
    (if is_event { format!("{name}Body") } else { name.into() }, names)
}

fn kinds() -> Vec<String> {
    let kind = |it: &schemas::codec::Published| match it.subject {
        Subject::Event(kind) => Some(format!("{kind:?}")),
        _ => None,
    };
    SCHEMAS.iter().filter_map(kind).collect()
}

#[test]
fn records_and_enums_are_those_of_the_rust_types() {
    let rust: BTreeMap<_, _> = [
        rust::<Account>(),
        rust::<Action>(),
        rust::<Analytics>(),
        rust::<BloodPressure>(),
        rust::<Candidate>(),
        rust::<Count>(),
        rust::<DataType>(),
        rust::<Decision>(),
        rust::<Decisions>(),
        rust::<Deletes>(),
        rust::<Delivered>(),
        rust::<Destination>(),
        rust::<DestinationCounts>(),
        rust::<Entity>(),
        rust::<Evidence>(),
        rust::<Fate>(),
        rust::<Fetched>(),
        rust::<FieldChoice>(),
        rust::<Head>(),
        rust::<Held>(),
        rust::<Interval>(),
        rust::<IssueCount>(),
        rust::<Lane>(),
        rust::<Lap>(),
        rust::<Mode>(),
        rust::<Named>(),
        rust::<Normalized>(),
        rust::<Nothing>(),
        rust::<Nutrition>(),
        rust::<OperationResult>(),
        rust::<Origin>(),
        rust::<Outcome>(),
        rust::<PartOfDay>(),
        rust::<Payload>(),
        rust::<Policy>(),
        rust::<Quantity>(),
        rust::<Reading>(),
        rust::<Reason>(),
        rust::<Record>(),
        rust::<RecordState>(),
        rust::<RecordingMethod>(),
        rust::<Records>(),
        rust::<Rejected>(),
        rust::<Requested>(),
        rust::<Resolved>(),
        rust::<Results>(),
        rust::<Rule>(),
        rust::<Series>(),
        rust::<Settled>(),
        rust::<Side>(),
        rust::<Sleep>(),
        rust::<SleepStage>(),
        rust::<Source>(),
        rust::<Span>(),
        rust::<Sport>(),
        rust::<Streams>(),
        rust::<Stretch>(),
        rust::<StretchState>(),
        rust::<Trigger>(),
        rust::<TypeSpan>(),
        rust::<Verdict>(),
        rust::<Workout>(),
    ]
    .into();
    let mut seen = BTreeSet::new();
    for (schema, it) in definitions() {
        let name = text(&it, "name");
        // What is written is all of it; an older version may lack what was added at the end.
        let is_written = SCHEMAS
            .iter()
            .any(|it| schema == format!("{}.v{}", it.subject, it.version) && current(it.subject).version == it.version);
        let list = |key: &str| it[key].as_array().cloned().unwrap_or_default();
        let symbols: Vec<_> = list("symbols").iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect();
        let fields: Vec<_> = list("fields").iter().map(|it| text(it, "name")).collect();
        let has = if symbols.is_empty() { fields } else { symbols };
        let all = if kinds().contains(&name) { vec!["head", "body"] } else { rust[&name].clone() };
        assert!(has.len() == all.len() || !is_written, "{schema} {name} lacks {:?}", &all[has.len()..]);
        assert_eq!(has, all[..has.len()], "{schema} {name}");
        seen.insert(name);
    }
    assert!(rust.keys().all(|it| seen.contains(it)), "a type is in no schema");
    let data_types: Vec<_> = std::iter::once(DataType::Unknown).chain(DataType::ALL).map(DataType::name).collect();
    assert_eq!(rust["DataType"], data_types);
}

#[test]
fn kinds_of_body_are_those_of_the_rust_type_in_its_order() {
    let (_, variants) = rust::<Body>();
    let (_, record) = fields().into_iter().find(|(name, _)| name == "Record.body").unwrap();
    let union: Vec<_> = record["type"].as_array().unwrap().iter().map(|it| snake(&text(it, "name"))).collect();
    assert_eq!(union, variants);
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, it) in name.chars().enumerate() {
        if it.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(it.to_lowercase());
    }
    snake
}

#[test]
fn what_a_reader_does_not_know_has_the_least_effect() {
    let expected = BTreeMap::from([
        ("Action", "skip"),
        ("DataType", "unknown"),
        ("Deletes", "keep"),
        ("Fate", "unknown"),
        ("Lane", "cold"),
        ("Mode", "shadow"),
        ("PartOfDay", "unknown"),
        ("Reason", "other"),
        ("RecordState", "open"),
        ("RecordingMethod", "unknown"),
        ("Rule", "prioritise_destination"),
        ("Side", "destination"),
        ("SleepStage", "unknown"),
        ("Sport", "other"),
        ("StretchState", "unread"),
        ("Trigger", "manual"),
        ("Verdict", "different"),
    ]);
    let mut defaults = BTreeMap::new();
    let definitions = definitions();
    for (_, it) in definitions.iter().filter(|(_, it)| it.get("symbols").is_some()) {
        defaults.insert(it["name"].as_str().unwrap(), it["default"].as_str().unwrap());
    }
    assert_eq!(defaults, expected);
}
