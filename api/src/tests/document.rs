//! The OpenAPI document says what there is.

use super::{Method, NOW, World, answer};
use crate::{
    openapi,
    problem::Code,
    routes::routes,
    views::{ExplanationView, JobStatus},
};
use engine::{
    explain::{Explanation, Left, Rederived, Why},
    status::{State, Status},
};
use schemas::{
    data_type::DataType,
    event::{
        Account, Action, Candidate, Count, DestinationCounts, Evidence, Fate, FieldChoice, IssueCount, Reason, Source,
        Stretch, StretchState, Verdict,
    },
    id::{ConnectionId, EventId, ItemId, SyncId},
    time::Interval,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

fn document() -> Value {
    serde_json::to_value(openapi()).unwrap()
}

#[test]
fn the_document_in_docs_is_current() {
    let current = openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("SYNCWELL_REGENERATE").is_some() {
        std::fs::write(PATH, &current).unwrap();
    }
    let written = std::fs::read_to_string(PATH).unwrap();
    assert!(written == current, "docs/openapi.json is not current: run this test with SYNCWELL_REGENERATE=1");
}

#[tokio::test]
async fn every_route_and_method_is_in_the_document_and_none_besides() {
    let (world, document) = (World::new().await, document());
    let documented: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let routed: BTreeSet<_> = routes().into_iter().map(|it| it.0.to_owned()).collect();
    assert_eq!(documented, routed);
    for path in routed {
        let refused = answer(world.request(Method::PATCH, &path.replace(['{', '}'], ""))).await;
        refused.is_problem(405, "method_not_allowed", "Allow");
        let allowed = refused.header("allow").split(',').filter(|it| *it != "HEAD").map(str::to_lowercase);
        let documented: BTreeSet<_> = document["paths"][&path].as_object().unwrap().keys().cloned().collect();
        assert_eq!(documented, allowed.collect::<BTreeSet<_>>(), "{path}");
    }
}

#[test]
fn every_operation_has_a_name_a_description_and_the_shape_of_its_errors() {
    let document = document();
    let (mut names, mut n_operations) = (BTreeSet::new(), 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let name = operation["operationId"].as_str().unwrap();
            names.insert(name.to_owned());
            n_operations += 1;
            let error = &operation["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert!(path == "/healthz" || error == "#/components/schemas/Problem", "{method} {path}");
        }
    }
    assert!(n_operations >= 19);
    assert_eq!(names.len(), n_operations, "{names:?}");
}

#[test]
fn everything_that_the_document_refers_to_is_in_it() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|it| references(it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| references(it, found)),
            _ => {}
        }
    }
    let (document, mut found) = (document(), BTreeSet::new());
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn every_code_is_documented_and_serialises_as_its_name() {
    let document = document();
    let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    let names: Vec<_> = Code::ALL.map(|it| it.facts().0).into();
    assert_eq!(*codes, json!(names));
    assert_eq!(json!(Code::ALL), *codes);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

fn account() -> Account {
    Account { connection: ConnectionId(uuid::Uuid::nil()), provider: "watch".into() }
}

/// A status in which nothing is left out.
fn status() -> Status {
    let count = Count { data_type: DataType::Steps, fate: Fate::Created, reason: None, count: 1 };
    Status {
        state: State::Partial,
        reason: None,
        source: account(),
        data_type: Some(DataType::Steps),
        accepted_at: NOW,
        settled_at: Some(NOW),
        pages: 1,
        read: vec![count.clone()],
        destinations: vec![DestinationCounts { account: account(), counts: vec![count], end: None }],
        issues: vec![IssueCount { code: "bad_unit".into(), count: 1 }],
        stretches: vec![Stretch {
            interval: Interval { from: NOW, to: NOW },
            state: StretchState::Fetched,
            reason: None,
        }],
        checkpoint: Some(NOW),
    }
}

/// An explanation in which nothing is left out.
fn explanation() -> Explanation {
    let item = ItemId(uuid::Uuid::nil());
    let decision = Why {
        sync: SyncId(uuid::Uuid::nil()),
        decided_at: NOW,
        source: account(),
        origin_record: "7".into(),
        source_at: NOW,
        action: Action::Create,
        rule: "prioritise_source".into(),
        rule_version: 1,
        reason: None,
        candidates: vec![Candidate {
            item,
            score: 0.5,
            owned: true,
            verdict: Verdict::Ask,
            evidence: vec![Evidence { feature: "start".into(), weight: 1.0, detail: "they start together".into() }],
        }],
        fields: vec![FieldChoice { field: "steps".into(), provider: "watch".into(), ..FieldChoice::default() }],
        fate: Some(Fate::Created),
        answer: Some("it said so".into()),
        lost: vec!["notes: it has none".into()],
        next_step: Some("nothing"),
        sentence: "so it is".into(),
    };
    Explanation {
        record: item,
        data_type: DataType::Steps,
        starts_at: NOW,
        destination: account().connection,
        state: "applied",
        owned: true,
        planned_version: 1,
        version: 1,
        external_id: Some("8".into()),
        decision: Some(decision),
        sources: vec![Source {
            connection: account().connection,
            provider: "watch".into(),
            record: "7".into(),
            key: String::new(),
            hash: String::new(),
            source_at: NOW,
            sync: SyncId(uuid::Uuid::nil()),
            event: EventId(uuid::Uuid::nil()),
        }],
        rederived: Rederived::Agrees,
        total: Some(engine::explain::DailyTotal { verdict: "differs", by: -120.0, share: Some(0.98) }),
        left: Some(Left {
            review: uuid::Uuid::nil(),
            gone_at: NOW,
            reason: Reason::InReview,
            next_step: "answer",
            sentence: "it stays".into(),
        }),
    }
}

/// That a value has the fields of a schema, and theirs have those of theirs.
#[track_caller]
fn check(document: &Value, schema: &Value, value: &Value) {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(document, document.pointer(reference.trim_start_matches('#')).unwrap(), value);
    }
    if let Some(real) = schema["oneOf"].as_array().and_then(|all| all.iter().find(|it| it["type"] != "null")) {
        return check(document, real, value);
    }
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{value} is no {schema}"));
            assert!(fields.keys().eq(properties.keys()), "{value} is no {schema}");
            fields.iter().for_each(|(name, it)| check(document, &properties[name], it));
        }
        Value::Array(items) => items.iter().for_each(|it| check(document, &schema["items"], it)),
        Value::String(_) => assert!(schema["type"] == "string" || schema["type"][0] == "string", "{value}: {schema}"),
        _ => {}
    }
}

#[test]
fn what_is_told_has_the_fields_that_are_documented() {
    let document = document();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let job = JobStatus::new(SyncId(uuid::Uuid::nil()), status());
    check(&document, &schema("JobStatus"), &json!(job));
    check(&document, &schema("ExplanationView"), &json!(ExplanationView::from(explanation())));
}
