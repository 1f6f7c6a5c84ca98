//! Documents are current, and what they say of JSON is true.

use crate::{check_file, samples};
use schemas::{
    data_type::DataType,
    docs,
    record::{Body, Record, Span},
    time::Instant,
    topics,
};
use serde_json::{Value, json};

fn validator() -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(&docs::record_schema()).unwrap()
}

#[test]
fn the_page_on_records_is_current() {
    check_file("../docs/records.md", &docs::records_markdown());
}

#[test]
fn the_page_on_topics_is_current() {
    check_file("../docs/topics.md", &docs::topics_markdown());
}

#[test]
fn the_page_on_analytics_is_current() {
    check_file("../docs/analytics.md", &docs::analytics_markdown());
}

#[test]
fn every_data_type_and_topic_is_on_its_page() {
    let page = docs::records_markdown();
    for it in DataType::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{it}` |"))).unwrap();
        let description = row.split(" | ").nth(1).unwrap();
        assert!(description.ends_with('.'), "{it} is not described: {row}");
    }
    let page = docs::topics_markdown();
    for it in topics::catalogue() {
        assert!(page.contains(&format!("| `{}` |", it.name)), "{}", it.name);
    }
}

#[test]
fn records_and_examples_fit_the_json_schema_and_come_back() {
    let validator = validator();
    let examples = docs::examples().into_iter().map(|(_, record)| record);
    for record in samples::records().records.into_iter().chain(examples) {
        let json = serde_json::to_value(&record).unwrap();
        let errors: Vec<_> = validator.iter_errors(&json).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(serde_json::from_value::<Record>(json).unwrap(), record);
    }
}

#[test]
fn examples_have_a_body_that_their_type_may_have() {
    for (title, record) in docs::examples() {
        let json = serde_json::to_value(&record).unwrap();
        let kind = json["body"].as_object().unwrap().keys().next().unwrap();
        let may_have = record.data_type.body_kinds().contains(&kind.as_str());
        assert!(may_have || (record.deleted && kind == "nothing"), "{title}");
    }
}

#[test]
fn what_is_no_record_does_not_fit_the_json_schema() {
    #[track_caller]
    fn check(change: impl Fn(&mut Value)) {
        let mut json = serde_json::to_value(samples::record(DataType::Weight, samples::tombstone().body)).unwrap();
        let validator = validator();
        assert!(validator.is_valid(&json));
        change(&mut json);
        assert!(!validator.is_valid(&json), "{json}");
        assert!(serde_json::from_value::<Record>(json).is_err());
    }
    check(|it| it["data_type"] = json!("mood"));
    check(|it| it["time"]["start"] = json!("yesterday"));
    check(|it| it["body"] = json!({"quantity": {"value": "71"}}));
    check(|it| it["body"] = json!({"quantity": {}}));
    check(|it| it["body"] = json!({"number": {"value": 71}}));
    check(|it| it["origin"]["connection"] = json!("me"));
    check(|it| drop(it.as_object_mut().unwrap().remove("origin")));
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let json = json!({
        "data_type": "weight",
        "origin": {"provider": "files", "record": "1"},
        "time": {"start": "2026-05-03T08:00:00+02:00", "end": "2026-05-03T06:00:00Z"},
        "body": {"quantity": {"value": 71}},
    });
    assert!(validator().is_valid(&json));
    let record: Record = serde_json::from_value(json).unwrap();
    assert_eq!(record.time, Span::at(Instant::parse("2026-05-03T06:00:00Z").unwrap(), None));
    assert!(matches!(record.body, Body::Quantity(it) if it.value == 71.0));
}

#[test]
fn units_ranges_and_kinds_of_body_go_together() {
    for it in DataType::ALL {
        let (min, max) = it.plausible();
        assert!(min < max, "{it}");
        assert!(!it.body_kinds().is_empty(), "{it}");
        let has_number = it.body_kinds().iter().any(|it| ["quantity", "series", "blood_pressure"].contains(it));
        assert_eq!(has_number, !it.unit().is_empty(), "{it}");
        assert_eq!(has_number, max < f64::MAX, "{it}");
        assert_eq!(it.name().parse::<DataType>().unwrap(), it);
        assert_eq!(serde_json::to_value(it).unwrap(), json!(it.name()));
    }
}

#[test]
fn the_list_of_reasons_is_that_of_the_schema() {
    let schema = include_str!("../../avro/resolved.v3.avsc");
    let all: Vec<String> = schemas::event::Reason::ALL.map(|it| format!("\"{}\"", it.code())).into();
    let squeezed: String = schema.split_whitespace().collect();
    assert!(squeezed.contains(&format!("[{}]", all.join(","))), "{all:?}");
}
