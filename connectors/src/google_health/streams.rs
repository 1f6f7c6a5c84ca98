//! What was measured along an exercise, from Google's TCX of it. Pure.

use crate::formats::tcx;
use engine::provider::Issue;
use schemas::{
    record::{Body, Record},
    workout::{Column, Lap, Workout},
};
use serde_json::Value;

/// Puts streams, and laps where Google's summary has none, into the workout of `record`. Google's own figures stay.
/// `answer` is what the page has of the recording: Google's answer, or the code of why there is none.
pub(super) fn add(record: &mut Record, answer: &Value, at: &str, issues: &mut Vec<Issue>) {
    let Body::Workout(workout) = &mut record.body else { return };
    let mut issue = |code, text: String| issues.push(Issue { code, at: at.to_owned(), text });
    let text = match answer {
        Value::String(code) => return issue("no_streams", reason(code).into()),
        answer => answer.get("tcxData").and_then(Value::as_str).unwrap_or_default(),
    };
    if text.is_empty() {
        return issue("no_streams", "google has no recording of this exercise".into());
    }
    let Ok(normal) = tcx::read(text.as_bytes(), at) else {
        return issue("no_streams", "the recording of this exercise cannot be read; its summary was taken".into());
    };
    let bouts = normal.records.into_iter().filter_map(|it| match it.body {
        Body::Workout(bout) => Some((it.time.start, bout)),
        _ => None,
    });
    // Google writes one; of several the one with the most in it is meant.
    let found = bouts.max_by_key(|(_, bout)| bout.streams.offsets_ms.len());
    let length_ms = record.time.end.0.saturating_sub(record.time.start.0);
    let n_outside = match found {
        Some((start, bout)) => take(workout, *bout, start.0.saturating_sub(record.time.start.0), length_ms),
        None => 0,
    };
    if n_outside > 0 {
        issue("malformed", format!("{n_outside} moments lie outside of the exercise and were left out"));
    }
    if workout.streams.offsets_ms.is_empty() {
        issue("no_streams", "the recording of this exercise has no points within it".into());
    }
    issues.extend(normal.issues);
}

fn reason(code: &str) -> &'static str {
    match code {
        "forbidden" => "the person did not grant reading of recordings (activity and location); connect again",
        "too_large" => "the recording of this exercise is larger than a page may be",
        "refused" => "google refuses to give a recording of this exercise",
        _ => "google has no recording of this exercise",
    }
}

/// Moves what a recording has by `shift_ms` into a workout of that length; says how many moments lie outside of it.
fn take(workout: &mut Workout, recorded: Workout, shift_ms: i64, length_ms: i64) -> usize {
    if workout.laps.is_empty() {
        let moved = |it: Lap| Lap { offset_ms: it.offset_ms.saturating_add(shift_ms), ..it };
        let is_within = |it: &Lap| {
            it.offset_ms >= 0 && it.elapsed_ms > 0 && it.offset_ms.saturating_add(it.elapsed_ms) <= length_ms
        };
        workout.laps = recorded.laps.into_iter().map(moved).filter(is_within).collect();
    }
    let mut streams = recorded.streams;
    let n_moments = streams.offsets_ms.len();
    streams.offsets_ms.iter_mut().for_each(|it| *it = it.saturating_add(shift_ms));
    let from = streams.offsets_ms.partition_point(|it| *it < 0);
    let to = streams.offsets_ms.partition_point(|it| *it <= length_ms).max(from);
    streams.offsets_ms.truncate(to);
    streams.offsets_ms.drain(..from);
    streams.columns_mut().into_iter().for_each(|it| cut(it, from, to));
    workout.streams = streams;
    n_moments - (to - from)
}

/// Keeps these moments of a column; one in which nothing was measured at any of them becomes an empty one.
fn cut(column: &mut Column, from: usize, to: usize) {
    column.0.truncate(to);
    column.0.drain(..from.min(column.0.len()));
    if column.n_measured() == 0 {
        column.0 = Vec::new();
    }
}
