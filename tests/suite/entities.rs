//! `syncwell entities`, as a person calls it, with the example that the documentation names.

use crate::documents::root;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

/// The command with these lines on stdin.
fn joined(lines: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncwell-under-test"));
    command.args(["entities", "--uploads", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("a pipe")?.write_all(lines.join("\n").as_bytes())?;
    Ok(child.wait_with_output()?)
}

/// What was said of each upload, and what is kept in the end.
fn told(output: &Output) -> Result<(Vec<Value>, Vec<Value>)> {
    let lines: Vec<Value> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<_, _>>()?;
    Ok(lines.into_iter().partition(|it| it.get("told").is_some()))
}

fn example() -> Result<String> {
    std::fs::read_to_string(root().join("docs/examples/uploads.jsonl")).context("read docs/examples/uploads.jsonl")
}

/// The entity of that id and, if there are several, that day, without what is said of writers.
fn data(stored: &[Value], id: &str, day: Option<&str>) -> Value {
    let is_it = |it: &&Value| it["id"] == id && day.is_none_or(|day| it["data"]["date"] == day);
    let it = stored.iter().map(|it| &it["stored"]).find(is_it).cloned().unwrap_or_default();
    if it["deleted_at"].is_null() { it["data"].clone() } else { json!({"deleted_at": it["deleted_at"]}) }
}

/// The fields in conflict that the device of that line is told of: whose each is, and by which rule.
fn conflicts(told: &[Value], line: usize) -> Vec<(String, String, String, String)> {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let details = told[line - 1]["told"]["conflict_details"].as_array().into_iter().flatten();
    let fields = details.flat_map(|it| it["fields"].as_array().into_iter().flatten().map(move |field| (it, field)));
    fields
        .map(|(it, field)| {
            (text(&it["entity_id"]), text(&field["field"]), text(&field["winner"]), text(&field["rule"]))
        })
        .collect()
}

#[test]
fn the_example_shows_every_rule() {
    let example = example().unwrap();
    let output = joined(&example.lines().collect::<Vec<_>>()).unwrap();
    assert!(output.status.success());
    let (told, stored) = told(&output).unwrap();
    let kept = [
        (
            "m1",
            None,
            json!({
                "date": "2026-05-03", "weight": 75.5, "sleepQuality": 7, "energyLevel": 8,
                "bodyMeasurements": [{"waist": 80}, {"hip": 95}, {"chest": 99}],
                "notes": "slept badly\nlate dinner\nran at noon",
            }),
        ),
        ("d1", None, json!({"name": "amoxicillin", "dose": "500 mg", "sideEffects": ["nausea", "headache"]})),
        ("breakfast", Some("2026-05-03"), json!({"date": "2026-05-03", "name": "porridge with berries", "kcal": 350})),
        ("breakfast", Some("2026-05-04"), json!({"date": "2026-05-04", "name": "toast", "kcal": 210})),
        ("e1", None, json!({"name": "squats", "reps": 25})),
        ("e2", None, json!({"name": "rowing", "minutes": 30})),
        ("e3", None, json!({"deleted_at": "2026-05-03T10:29:00Z"})),
        ("p1", None, json!({"week": "2026-W19", "meals": ["dinner"]})),
    ];
    assert_eq!(stored.len(), kept.len());
    for (id, day, expected) in kept {
        assert_eq!(data(&stored, id, day), expected, "{id}");
    }
    let expected = [
        (
            2,
            vec![
                ("m1", "bodyMeasurements", "both", "union"),
                ("m1", "notes", "both", "joined_lines"),
                ("m1", "weight", "server", "last_write"),
                ("d1", "dose", "client", "last_write"),
                ("d1", "sideEffects", "both", "union"),
            ],
        ),
        // It had seen what it overwrote, and the other is a meal of another day.
        (3, vec![]),
        // The phone's clock claimed to be of next year.
        (5, vec![("e1", "reps", "client", "last_write")]),
        // Ties: the server's own, and between devices the name.
        (7, vec![("e2", "minutes", "server", "last_write")]),
        (8, vec![("e3", "minutes", "server", "last_write")]),
        (9, vec![("p1", "deleted_at", "server", "last_write_or_deletion")]),
        (10, vec![("p1", "meals", "client", "last_write"), ("p1", "deleted_at", "client", "last_write_or_deletion")]),
        (11, vec![]),
    ];
    for (line, fields) in expected {
        let own = |it: &(&str, &str, &str, &str)| (it.0.to_owned(), it.1.to_owned(), it.2.to_owned(), it.3.to_owned());
        assert_eq!(conflicts(&told, line), fields.iter().map(own).collect::<Vec<_>>(), "line {line}");
    }
    assert_eq!((&told[1]["node"], &told[1]["told"]["conflicts"]), (&json!("tablet"), &json!(2)));
    let updates: Vec<_> =
        told[8]["told"]["server_updates"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(updates, ["e2", "e3", "p1"], "what the tablet has not seen, and the plan that stays deleted");
}

#[test]
fn the_lines_in_any_order_are_kept_as_the_same_entities() {
    let example = example().unwrap();
    let lines: Vec<&str> = example.lines().collect();
    let kept = |lines: &[&str]| told(&joined(lines).unwrap()).unwrap().1;
    let (first, mut turned) = (kept(&lines), lines.clone());
    turned.reverse();
    assert_eq!(kept(&turned), first);
    turned.rotate_left(4);
    assert_eq!(kept(&turned), first);
    assert_eq!(kept(&[lines.clone(), lines].concat()), first, "and whatever comes twice");
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_the_others_are_taken_in() {
    let upload =
        |entity: &Value| json!({"node": "phone", "received_at": "2026-05-03T08:00:00Z", "meals": [entity]}).to_string();
    let meal = json!({"id": "1", "data": {"date": "2026-05-03"}, "updated_at": "2026-05-03T07:00:00Z"});
    let bad = [
        upload(&json!({"id": 7, "data": [], "updated_at": "yesterday", "name": "soup"})),
        "nonsense".to_owned(),
        json!({"received_at": 5, "steps": []}).to_string(),
        upload(&meal),
        "[]".to_owned(),
    ];
    let output = joined(&bad.each_ref().map(String::as_str)).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (told, stored) = told(&output).unwrap();
    assert_eq!((told.len(), &told[0]["line"], stored.len()), (1, &json!(4), 1));
    let words = String::from_utf8(output.stderr).unwrap();
    for wrong in [
        "line 1: meals[0].id: 7; expected an id",
        "line 1: meals[0].data: a list; expected an object",
        "line 1: meals[0].updated_at: \"yesterday\"; expected an RFC 3339 time such as",
        "line 1: meals[0].name: no field of an entity; known are id, data,",
        "line 2: no JSON",
        "line 3: steps: no type of entities; known are health_metrics, medications, meals, exercises, meal_plans",
        "line 3: node: missing; expected the name of the device",
        "line 3: received_at: 5; expected an RFC 3339 time",
        "line 5: an upload: a list; expected an object",
        "4 of the lines could not be read",
    ] {
        assert!(words.contains(wrong), "{wrong} is not in\n{words}");
    }
}

#[test]
fn a_file_without_an_upload_is_said_to_be_one() {
    for lines in [&[][..], &["", "  "]] {
        let output = joined(lines).unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(words.contains("no upload in -") && words.contains("docs/devices.md"), "{words}");
    }
}
