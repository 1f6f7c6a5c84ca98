//! Apple Health's `export.xml`, or fragments of one that hold whole elements.
//!
//! The export has no record ids: they are derived from type, start, end and source. iPhone and Watch both count steps;
//! each record keeps its device and nothing is summed. Times carry the offset of the phone that exported, which is
//! taken as the person's own unless the record has an `HKTimeZone`.

mod quantity;
mod sleep;
#[cfg(test)]
mod tests;
mod workout;

use super::{
    record,
    xml::{Document, Node, Step, XmlError},
};
use chrono::DateTime;
use engine::provider::{Issue, MapperError, Normal};
use quantity::quantity;
use schemas::{
    data_type::DataType,
    record::{BloodPressure, Body, Quantity, Record, RecordingMethod, Series, Span},
    time::Instant,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The greatest element that is read; a workout with its route of many hours fits.
pub const ELEMENT_BYTES_MAX: usize = 6 << 20;

/// Stages of one source that are nearer than this belong to one night.
pub const NIGHT_GAP_MS: i64 = 3 * 3_600_000;

/// Attribute of a fragment's root that says what was lost when the export was cut.
pub const LOST: &str = "lost";

/// Element for one point of a route, put into the `WorkoutRoute` whose file held it: attributes `at` (ms since 1970),
/// `latitude`, `longitude`, `altitude` and `speed`.
pub const ROUTE_POINT: &str = "RoutePoint";

/// The records of an export or fragment.
///
/// # Errors
/// When the bytes are no such XML, or XML that is not safe to read.
pub fn read(bytes: &[u8], name: &str) -> Result<Normal, MapperError> {
    let mut reading = Reading { name, normal: Normal::default(), ..Reading::default() };
    match reading.run(&mut Document::new(bytes)) {
        Ok(()) => {}
        Err(XmlError::Broken { at }) if reading.is_export => {
            let text = "the export is broken or cut off here; the records before that were kept".into();
            reading.issue("truncated", format!("byte {at}"), text);
        }
        Err(err) => {
            return Err(MapperError(format!("this cannot be read as an Apple Health export: {err}")));
        }
    }
    if !reading.is_export {
        return Err(MapperError("this XML has no HealthData element".into()));
    }
    Ok(reading.finish())
}

#[derive(Debug, Default)]
struct Reading<'a> {
    name: &'a str,
    is_export: bool,
    normal: Normal,
    /// Heart rates by source and UTC hour.
    hours: BTreeMap<(String, i64), Vec<Beat>>,
    nights: sleep::Nights,
    ids: BTreeSet<String>,
    n_duplicates: usize,
    n_unknown: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Beat {
    at: Instant,
    value: f64,
    meta: Meta,
}

impl Reading<'_> {
    fn run(&mut self, document: &mut Document<&[u8]>) -> Result<(), XmlError> {
        loop {
            let node = match document.step()? {
                Step::Open(node) => node,
                Step::End => return Ok(()),
                Step::Close(_) | Step::Text(_) => continue,
            };
            if !self.is_export {
                self.is_export = node.name == "HealthData";
                if let Some(lost) = node.attribute(LOST) {
                    self.issue("truncated", self.name.to_owned(), lost.to_owned());
                }
                continue;
            }
            let name = node.name.clone();
            match document.subtree(node, ELEMENT_BYTES_MAX)? {
                Some(node) => self.take(&node),
                None => self.issue("malformed", name, "an element is too large and was left out".into()),
            }
        }
    }

    fn issue(&mut self, code: &'static str, at: String, text: String) {
        self.normal.issues.push(Issue { code, at, text });
    }

    fn take(&mut self, node: &Node) {
        if !matches!(node.name.as_str(), "Record" | "Workout" | "Correlation") {
            return;
        }
        let kind = node.attribute("type").unwrap_or(node.name.as_str());
        let Some(meta) = Meta::of(node) else {
            return self.issue(
                "no_time",
                kind.to_owned(),
                "the record has no time that can be read and was left out".into(),
            );
        };
        match node.name.as_str() {
            "Workout" => {
                let record = workout::workout(node, &meta, &mut self.normal.issues);
                self.push(record);
            }
            "Correlation" if kind == "HKCorrelationTypeIdentifierBloodPressure" => self.pressure(node, meta),
            "Record" => self.sample(node, kind, meta),
            // What else is correlated stands for itself at the top level too.
            _ => {}
        }
    }

    fn sample(&mut self, node: &Node, kind: &str, meta: Meta) {
        match kind {
            "HKCategoryTypeIdentifierSleepAnalysis" => {
                return self.nights.push(node.attribute("value").unwrap_or(""), meta);
            }
            // Their `Correlation` holds the same values together.
            "HKQuantityTypeIdentifierBloodPressureSystolic" | "HKQuantityTypeIdentifierBloodPressureDiastolic" => {
                return;
            }
            _ => {}
        }
        let Some(data_type) = quantity::data_type(kind) else {
            *self.n_unknown.entry(kind.to_owned()).or_default() += 1;
            return;
        };
        let value = match quantity(data_type, node) {
            Ok(value) => value,
            Err((code, text)) => {
                return self.issue(code, format!("{data_type} at {}", meta.start), text);
            }
        };
        if data_type == DataType::HeartRate {
            let hour = meta.start.seconds().div_euclid(3_600);
            self.hours.entry((meta.source.clone(), hour)).or_default().push(Beat { at: meta.start, value, meta });
            return;
        }
        let body = Body::Quantity(Quantity { value });
        self.push(meta.record(data_type, body));
    }

    fn pressure(&mut self, node: &Node, meta: Meta) {
        let part = |kind: &str| {
            let child = node.children.iter().find(|it| it.attribute("type").is_some_and(|it| it.ends_with(kind)));
            child
                .ok_or(("malformed", "one of the two pressures is missing".to_owned()))
                .and_then(|it| quantity(DataType::BloodPressure, it))
        };
        match part("BloodPressureSystolic").and_then(|systolic| Ok((systolic, part("BloodPressureDiastolic")?))) {
            Ok((systolic, diastolic)) => {
                let body = Body::BloodPressure(BloodPressure { systolic, diastolic, pulse: None });
                self.push(meta.record(DataType::BloodPressure, body));
            }
            Err((code, text)) => self.issue(code, format!("blood_pressure at {}", meta.start), text),
        }
    }

    fn push(&mut self, record: Record) {
        if self.ids.insert(record.origin.record.clone()) {
            self.normal.records.push(record);
        } else {
            self.n_duplicates += 1;
        }
    }

    fn finish(mut self) -> Normal {
        for ((_, hour), mut beats) in std::mem::take(&mut self.hours) {
            beats.sort_by_key(|it| it.at);
            beats.dedup_by_key(|it| it.at);
            let (Some(first), Some(last)) = (beats.first(), beats.last()) else { continue };
            let body = Body::Series(Series {
                offsets_ms: beats.iter().map(|it| it.at.0 - first.at.0).collect(),
                values: beats.iter().map(|it| it.value).collect(),
            });
            let mut record = first.meta.record(DataType::HeartRate, body);
            record.time.end = last.at;
            // The hour, not the samples: a later export may have more of them.
            record.origin.record = format!("heart_rate-{}-{}", hour * 3_600_000, first.meta.source_key());
            self.push(record);
        }
        for record in std::mem::take(&mut self.nights).records() {
            self.push(record);
        }
        for (kind, n) in std::mem::take(&mut self.n_unknown) {
            self.issue("unknown_type", kind, format!("{n} records of a type that is not taken"));
        }
        if self.n_duplicates > 0 {
            let text = format!(
                "{} records are there twice, with the same type, time and source; one of each was kept",
                self.n_duplicates
            );
            self.issue("duplicate", self.name.to_owned(), text);
        }
        self.normal
    }
}

/// What every element of an export says.
#[derive(Clone, Debug)]
struct Meta {
    start: Instant,
    end: Instant,
    offset_seconds: Option<i32>,
    zone: Option<String>,
    source: String,
    device: Option<String>,
    created: Option<Instant>,
    is_entered: bool,
}

impl Meta {
    fn of(node: &Node) -> Option<Self> {
        let (start, offset) = time(node.attribute("startDate")?)?;
        let end = node.attribute("endDate").and_then(time).map_or(start, |it| it.0).max(start);
        let zone = entry(node, "HKTimeZone").map(str::to_owned);
        let source = node.attribute("sourceName").unwrap_or_default().to_owned();
        let named = node.attribute("device").and_then(device);
        Some(Self {
            start,
            end,
            // The phone's offset says nothing of a record that was made in another zone.
            offset_seconds: if zone.is_some() { None } else { Some(offset) },
            zone,
            device: named.or_else(|| Some(source.clone()).filter(|it| !it.is_empty())),
            source,
            created: node.attribute("creationDate").and_then(time).map(|it| it.0),
            is_entered: entry(node, "HKWasUserEntered") == Some("1"),
        })
    }

    fn source_key(&self) -> String {
        let digest = Sha256::digest(self.source.as_bytes());
        hex::encode(digest.get(..4).unwrap_or_default())
    }

    fn record(&self, data_type: DataType, body: Body) -> Record {
        let id = format!("{data_type}-{}-{}-{}", self.start.0, self.end.0, self.source_key());
        let time =
            Span { start: self.start, end: self.end, offset_seconds: self.offset_seconds, zone: self.zone.clone() };
        let method = match data_type {
            _ if self.is_entered => RecordingMethod::Manual,
            DataType::Workout => RecordingMethod::Active,
            _ => RecordingMethod::Automatic,
        };
        let mut record = record(data_type, id, time, method, self.device.clone(), body);
        record.origin.modified_at = self.created;
        record
    }
}

/// The value of a `MetadataEntry`.
fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let entry = node.children.iter().find(|it| it.name == "MetadataEntry" && it.attribute("key") == Some(key));
    entry?.attribute("value")
}

/// A time such as `2024-01-02 07:30:00 +0100`, and its offset.
fn time(text: &str) -> Option<(Instant, i32)> {
    let it = DateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S %z").ok()?;
    Some((Instant(it.timestamp_millis()), it.offset().local_minus_utc()))
}

/// The name and model in `<<HKDevice: 0x…>, name:Apple Watch, manufacturer:Apple, hardware:Watch2,4, software:…>`.
fn device(text: &str) -> Option<String> {
    let part = |key: &str| {
        let rest = text.split(key).nth(1)?;
        // A model has a comma in it, so a part ends at the comma before a blank.
        rest.split(", ").next().map(|it| it.trim_end_matches('>').trim()).filter(|it| !it.is_empty())
    };
    match (part("name:"), part("hardware:")) {
        (Some(name), Some(model)) => Some(format!("{name} ({model})")),
        (name, model) => name.or(model).map(str::to_owned),
    }
}
