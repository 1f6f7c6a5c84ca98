//! The documents that are made from the types: `docs/records.md`, `docs/topics.md` and `docs/analytics.md`.

mod analytics;

pub use analytics::analytics_markdown;

use crate::{
    data_type::DataType,
    event::Kind,
    record::{
        BloodPressure, Body, Nothing, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Series, Sleep,
        SleepStage, Span,
    },
    time::Instant,
    topics,
    workout::{Column, Lap, Sport, Streams, Workout},
};
use schemars::SchemaGenerator;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt::Write};

/// `docs/records.md`: every data type, worked examples, and the JSON Schema of a record.
#[must_use]
pub fn records_markdown() -> String {
    let schema = record_schema();
    let mut page = String::from(RECORDS_INTRO);
    page.push_str(
        "| name | what it is | unit | body | plausible | LOINC | Open mHealth |\n|---|---|---|---|---|---|---|\n",
    );
    let descriptions = descriptions(&schema);
    for it in DataType::ALL {
        let loinc = it.loinc().map_or_else(String::new, |it| {
            let mark = if it.is_checked { "" } else { " ?" };
            format!("{}{mark}", it.code)
        });
        let cells = [
            format!("`{it}`"),
            descriptions.get(it.name()).cloned().unwrap_or_default(),
            code(it.unit()),
            it.body_kinds().iter().map(|it| code(it)).collect::<Vec<_>>().join(" or "),
            plausible(it),
            loinc,
            it.omh().map_or_else(String::new, code),
        ];
        line(&mut page, &cells);
    }
    page.push_str("\n## Examples\n");
    for (title, record) in examples() {
        let json = serde_json::to_value(&record).expect("a record has no keys that are not texts");
        append(&mut page, format_args!("\n{title}\n\n```json\n{}\n```\n", canonical_json(&json)));
    }
    append(&mut page, format_args!("\n## JSON Schema\n\n```json\n{}\n```\n", canonical_json(&schema)));
    page
}

const RECORDS_INTRO: &str = "\
# Canonical records

<!-- Made by `schemas::docs::records_markdown`; a test keeps it current. -->

Every provider's data becomes records of this one shape, and every destination takes them in it. This page describes
their JSON form, which the API, exports and files use. On topics the same records are Avro
(`schemas/avro/records.v1.avsc`), where a moment is a number of milliseconds and a gap in a column is NaN.

- A moment is RFC 3339 in UTC; the offset of the person's wall clock stands beside it, in seconds.
- A value is in the unit of its type (UCUM). There is no unit in a record, for a type has one only.
- What the source does not give is `null` or left out, never zero.
- `body` is an object with one key, the kind of values. A tombstone (`deleted`) has the kind `nothing`.
- Columns of a workout's `streams` are empty or as long as `offsets_ms`; `null` is a moment without a measured value.
- A series covers at most one UTC hour.
- A daily total (`is_daily_total`) is the provider's own sum of a day and is not added to the parts of that day.

## Data types

What lies outside of the plausible range is reported as an issue and is no record. A LOINC code with a question mark
was not seen in a source for this very use: check it before you rely on it. Daily totals have codes of their own: steps
41950-7, energy 41979-6 (HL7 Physical Activity).

";

fn plausible(data_type: DataType) -> String {
    match data_type.plausible() {
        (f64::MIN, f64::MAX) => String::new(),
        (min, max) => format!("{min} to {max}"),
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn line(page: &mut String, cells: &[String]) {
    append(page, format_args!("| {} |\n", cells.join(" | ")));
}

fn append(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes any text");
}

/// What each data type is, from its own documentation.
fn descriptions(schema: &Value) -> BTreeMap<String, String> {
    let variants = schema.pointer("/$defs/DataType/oneOf").and_then(Value::as_array);
    let text = |it: &Value, key: &str| it.get(key).and_then(Value::as_str).map(String::from);
    variants.into_iter().flatten().filter_map(|it| Some((text(it, "const")?, text(it, "description")?))).collect()
}

/// The JSON Schema of a [`Record`].
#[must_use]
pub fn record_schema() -> Value {
    SchemaGenerator::default().into_root_schema_for::<Record>().to_value()
}

/// JSON with sorted keys, indented by two: the same text from the same value in every build.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    serde_json::to_string_pretty(&sorted(value)).expect("a value of JSON can be written")
}

fn sorted(value: &Value) -> Value {
    match value {
        // Whether the library keeps keys sorted depends on who else is in the build.
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), self::sorted(value))).collect();
            Value::Object(sorted.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Worked examples, each with what it shows.
#[must_use]
pub fn examples() -> Vec<(&'static str, Record)> {
    let series = Series { offsets_ms: vec![0, 60_000, 120_000], values: vec![61.0, 64.0, 63.0] };
    let sleep = Sleep {
        stage_offsets_ms: vec![0, 1_200_000, 4_800_000],
        stage_durations_ms: vec![1_200_000, 3_600_000, 2_400_000],
        stages: vec![SleepStage::Light, SleepStage::Deep, SleepStage::Rem],
        is_nap: false,
    };
    let pressure = BloodPressure { systolic: 118.0, diastolic: 76.0, pulse: Some(61.0) };
    let tombstone = Record { deleted: true, ..example(DataType::Weight, "w-17", 0, Body::Nothing(Nothing {})) };
    let steps = example(DataType::Steps, "day-2026-05-03", 86_400, Body::Quantity(Quantity { value: 11_482.0 }));
    vec![
        (
            "A weighing: one number, kilograms.",
            example(DataType::Weight, "w-17", 0, Body::Quantity(Quantity { value: 71.3 })),
        ),
        ("A day's steps, as the provider sums them up.", Record { is_daily_total: true, ..steps }),
        ("Heart rate over two minutes, as columns.", example(DataType::HeartRate, "hr-06", 121, Body::Series(series))),
        (
            "A ride with one lap; at its second moment the heart rate was not measured.",
            example(DataType::Workout, "a-9001", 1_800, Body::Workout(Box::new(ride()))),
        ),
        ("A night with its stages.", example(DataType::Sleep, "n-3", 7_200, Body::Sleep(sleep))),
        ("A blood pressure.", example(DataType::BloodPressure, "bp-1", 0, Body::BloodPressure(pressure))),
        ("The weighing, deleted at its origin.", tombstone),
    ]
}

fn ride() -> Workout {
    Workout {
        sport: Sport::Cycling,
        title: Some("Along the river".into()),
        moving_ms: Some(1_740_000),
        distance_m: Some(12_400.0),
        heart_rate_mean: Some(138.0),
        laps: vec![Lap {
            offset_ms: 0,
            elapsed_ms: 1_800_000,
            distance_m: Some(12_400.0),
            heart_rate_mean: Some(138.0),
            ..Lap::default()
        }],
        streams: Streams {
            offsets_ms: vec![0, 900_000, 1_799_000],
            heart_rate: Column(vec![121.0, f64::NAN, 149.0]),
            distance: Column(vec![0.0, 6_150.0, 12_400.0]),
            ..Streams::default()
        },
        ..Workout::default()
    }
}

fn example(data_type: DataType, record: &str, seconds: i64, body: Body) -> Record {
    let start = Instant::from_seconds(EXAMPLE_START);
    let end = Instant::from_seconds(EXAMPLE_START.saturating_add(seconds));
    Record {
        data_type,
        origin: Origin {
            provider: "withings".into(),
            connection: None,
            record: record.into(),
            modified_at: None,
            device: None,
            method: RecordingMethod::Automatic,
            marker: None,
        },
        time: Span { start, end, offset_seconds: Some(7_200), zone: Some("Europe/Berlin".into()) },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

/// 2026-05-02T22:00:00Z, which is midnight in Berlin.
const EXAMPLE_START: i64 = 1_777_759_200;

/// `docs/topics.md`: what an operator or a consumer needs to know of every topic.
#[must_use]
pub fn topics_markdown() -> String {
    let mut page = String::from(TOPICS_INTRO);
    page.push_str("| topic | what is on it | key | value | compatibility | retention | cleanup | partitions |\n|---|---|---|---|---|---|---|---|\n");
    for it in topics::catalogue() {
        let cells = [
            format!("`{}`", it.name),
            about(it.name.kind).into(),
            code(it.key),
            code(it.schema),
            code(COMPATIBILITY),
            format!("{} days", it.retention_days),
            code(it.cleanup),
            it.partitions.to_string(),
        ];
        line(&mut page, &cells);
    }
    page.push_str(TOPICS_PROMISE);
    page
}

/// What the registry is asked to keep for every schema.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

const fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::Requested => "syncs asked for, and their next pages",
        Kind::Fetched => "pages as they came, sealed",
        Kind::Normalized => "canonical records, sealed",
        Kind::Resolved => "decisions, sealed, one event a page and destination",
        Kind::Outcome => "what became of the operations",
        Kind::Settled => "syncs that are over, with counts",
        Kind::Rejected => "what no stage could take, sealed as it came",
        Kind::Analytics => "what analysts may see, in the clear ([analytics.md](analytics.md))",
    }
}

const TOPICS_INTRO: &str = "\
# Topics

<!-- Made by `schemas::docs::topics_markdown`; a test keeps it current. -->

An event's key is its subject: a keyed hash of the person's id, the same along the whole flow, so that a person's
events stay in order in one partition. On `syncwell.analytics` alone it is a pseudonym, which no other topic has. The
value is Avro in Confluent framing: a zero byte, the schema's id as four bytes (big endian), and the datum. The column
*value* names the schema: `schemas/avro/<value>.v<version>.avsc`.

";

const TOPICS_PROMISE: &str = "
## What stays

- **Compatibility** of every schema is `FULL_TRANSITIVE`: each published version reads what every other one wrote.
  A published version never changes; a change is a new version, in which fields that come or go have defaults.
- An enum's symbol that a reader does not know reads as the enum's default, which is always the choice that does the
  least: `unknown`, `other`, or nothing done.
- **Partitions** are the same number on every topic and never change: another number needs a new generation of topics.
- **Values of a person** are sealed under the person's key (`Payload`). Consumers without the key see who (as a hash),
  when, how many and what became of them; the sealed content is an Avro value too, framed with the schema `records`,
  `decisions` or `results`.
- Delivery is at least once. `head.id` is derived from its cause, so a repeated event has the same id.
- **Retention** is at least what the table says. It may be made longer, never shorter, without a new generation of
  topics; `syncwell.analytics` is the exception, where 30 days are also the most.
- **Who may rely on it:** readers outside of SyncWell on `syncwell.settled` and `syncwell.analytics`, whose fields keep
  their meaning; [examples](examples/analytics) of both in Python and Java are run against every build. The topics of the
  lanes are SyncWell's own: their schemas are as compatible, but when and how many events come is not promised.
";
