//! `syncwell match`, as a person calls it.

use anyhow::Context;
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

/// The command with these lines on stdin.
fn matched(arguments: &[&str], lines: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncwell-under-test"));
    command.args(["match", "--pairs", "-"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("a pipe")?.write_all(lines.join("\n").as_bytes())?;
    Ok(child.wait_with_output()?)
}

fn weighing(at: &str, value: f64) -> Value {
    json!({
        "data_type": "weight", "origin": {"provider": "withings", "record": at}, "time": {"start": at, "end": at},
        "body": {"quantity": {"value": value}},
    })
}

fn pair(value: f64) -> String {
    let (a, b) = (weighing("2026-05-03T06:02:30Z", 81.37), weighing("2026-05-03T06:02:00Z", value));
    json!({"a": a, "b": b, "label": "same", "shape": "weights"}).to_string()
}

#[test]
fn each_pair_is_told_with_its_evidence_and_the_table_comes_last() {
    let told = matched(&[], &[&pair(81.4), &pair(64.0)]).unwrap();
    assert!(told.status.success());
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.contains("line 1: same") && text.contains("line 2: different"), "{text}");
    assert!(text.contains("30 s apart") && text.contains("64 and 81.37"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("weights"), "{text}");
    let told = matched(&["--json"], &[&pair(81.4)]).unwrap();
    let line: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&line["verdict"], &line["label"], &line["line"]), (&json!("same"), &json!("same"), &json!(1)));
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_the_others_go_on() {
    let bad = [r#"{"a": 1}"#, "nonsense", "", &pair(81.4), r#"{"a": {}, "b": {}}"#];
    let told = matched(&[], &bad).unwrap();
    assert_eq!(told.status.code(), Some(1));
    let (text, words) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8(told.stderr).unwrap());
    assert!(text.contains("line 4: same"), "{text}");
    for line in ["line 1: no pair of records", "line 2: no JSON", "line 5: no pair of records: missing field"] {
        assert!(words.contains(line), "{words}");
    }
    assert!(words.contains("3 of the lines"), "{words}");
}
