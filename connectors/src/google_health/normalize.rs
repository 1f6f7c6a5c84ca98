//! A page of Google's to records of ours. Pure: no clock, no network.
//!
//! A page is the answer to `list`, `reconcile`, `rollUp` or `dailyRollUp` as it came, a single data point, or what
//! [`super::fetch`] makes of several calls: `{"answers":[…]}`, `{"dataPoints":[…],"gone":[…]}`, each with the
//! account's `settings` beside it where points name a date only. Beside exercises there may be `tcx`, their recordings
//! by id, and `part`, which of the answer's points the page takes.

use super::{
    points::{self, Fault, WallClock, fault},
    profile::{FEEDS, Feed, Where},
    streams,
    wire::{self, Number},
};
use engine::provider::{Issue, MapperError, Normal, RawPage};
use schemas::{
    data_type::DataType,
    record::{Body, Nothing, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Series, Span},
    time::Instant,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

const HOUR_MS: i64 = 3_600_000;

/// How much of a page is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// Exercises without what was measured along the way, as the first version of this mapper did.
    Summaries,
    /// Everything.
    Whole,
}

/// The records of a page.
///
/// # Errors
/// When it is no page of this service.
pub(super) fn normalize(page: &RawPage<'_>, mapping: Mapping) -> Result<Normal, MapperError> {
    let value: Value = serde_json::from_slice(page.body)
        .map_err(|err| MapperError(format!("not JSON at line {} column {}", err.line(), err.column())))?;
    let Value::Object(mut top) = value else {
        return Err(MapperError("not a JSON object, but a page of google_health is one".into()));
    };
    let mut mapper = Mapper { wanted: page.data_type, ..Mapper::default() };
    if let Some(settings) = top.get("settings") {
        mapper.clock = clock(settings);
    }
    match top.remove("tcx") {
        Some(Value::Object(it)) if mapping == Mapping::Whole => mapper.recordings = it,
        None | Some(Value::Object(_)) => {}
        Some(_) => return Err(MapperError("`tcx` is no object".into())),
    }
    mapper.part = top.get("part").map(part);
    match top.get("answers") {
        Some(Value::Array(answers)) => {
            for answer in answers {
                mapper.answer(
                    answer.as_object().ok_or_else(|| MapperError("an answer in it is no JSON object".into()))?,
                )?;
            }
        }
        Some(_) => return Err(MapperError("`answers` is no list".into())),
        None => mapper.answer(&top)?,
    }
    Ok(mapper.finish())
}

/// Which points of an answer the page takes.
fn part(value: &Value) -> Range<usize> {
    let end = |key| value.get(key).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
    end("from").unwrap_or(0)..end("to").unwrap_or(usize::MAX)
}

fn clock(settings: &Value) -> WallClock {
    let settings: wire::Settings = points::parse(settings).unwrap_or_default();
    let zone = settings.time_zone.filter(|it| !it.is_empty());
    WallClock { offset_seconds: wire::offset_seconds(settings.utc_offset), zone }
}

/// One sample of a series.
#[derive(Debug)]
struct Sample {
    time: Span,
    value: f64,
    device: Option<String>,
    method: String,
}

#[derive(Debug, Default)]
struct Mapper {
    wanted: Option<DataType>,
    clock: WallClock,
    /// Answers to the question for an exercise's recording, by its id.
    recordings: Map<String, Value>,
    part: Option<Range<usize>>,
    normal: Normal,
    ids: BTreeSet<(DataType, String)>,
    /// Samples by the hour they are in, then by moment.
    hours: BTreeMap<i64, BTreeMap<i64, Sample>>,
    n_seen: usize,
}

impl Mapper {
    fn answer(&mut self, answer: &Map<String, Value>) -> Result<(), MapperError> {
        if answer.contains_key("error") {
            return Err(MapperError("an error of google_health, not a page".into()));
        }
        let known = ["dataPoints", "rollupDataPoints", "nextPageToken", "gone", "settings"];
        if answer.contains_key("name") || answer.keys().any(|it| FEEDS.iter().any(|feed| feed.field == it)) {
            self.point(&Value::Object(answer.clone()));
            return Ok(());
        }
        if !answer.is_empty() && !answer.keys().any(|it| known.contains(&it.as_str())) {
            return Err(MapperError("none of the keys of a google_health page is in it".into()));
        }
        let points = list(answer, "dataPoints")?;
        let Range { start, end } = self.part.clone().unwrap_or(0..points.len());
        for point in points.iter().take(end).skip(start) {
            self.point(point);
        }
        for point in list(answer, "rollupDataPoints")? {
            self.rollup(point);
        }
        for name in list(answer, "gone")? {
            self.gone(name);
        }
        Ok(())
    }

    fn issue(&mut self, fault: Fault) {
        let at = format!("point {}", self.n_seen);
        self.normal.issues.push(Issue { code: fault.code, at, text: fault.text.into() });
    }

    fn point(&mut self, point: &Value) {
        self.n_seen += 1;
        let (mut is_known, wanted) = (false, self.wanted);
        let is_wanted = |it: &&Feed| wanted.is_none_or(|wanted| wanted == it.data_type);
        for feed in FEEDS.iter().filter(is_wanted).filter(|it| point.get(it.field).is_some()) {
            is_known = true;
            self.map(feed, point);
        }
        if !is_known {
            self.issue(fault("unknown_type", "a point of a type that was not asked for; it was left out"));
        }
    }

    fn map(&mut self, feed: &Feed, point: &Value) {
        if let Where::Series(pointer) = feed.value {
            if let Err(fault) = self.sample(feed, pointer, point) {
                self.issue(fault);
            }
            return;
        }
        match points::map(feed, point, &self.clock) {
            Ok(Some(mut mapped)) => {
                for repair in mapped.repairs {
                    self.issue(repair);
                }
                if feed.value == Where::Exercise
                    && let Some(answer) = self.recordings.get(&mapped.record.origin.record)
                {
                    let at = format!("point {}", self.n_seen);
                    streams::add(&mut mapped.record, answer, &at, &mut self.normal.issues);
                }
                self.push(mapped.record);
            }
            Ok(None) => {}
            Err(fault) => self.issue(fault),
        }
    }

    fn push(&mut self, record: Record) {
        if self.ids.insert((record.data_type, record.origin.record.clone())) {
            self.normal.records.push(record);
        } else {
            self.issue(fault("duplicate", "the page has this record twice; the first was taken"));
        }
    }

    fn sample(&mut self, feed: &Feed, pointer: &str, point: &Value) -> Result<(), Fault> {
        let missing = fault("malformed", "the value is missing or no number; the sample was left out");
        let inner = point.get(feed.field).ok_or(missing)?;
        let mut repairs = Vec::new();
        let time = points::sample_time(inner, &mut repairs)?;
        let value = inner.pointer(pointer).and_then(Number::of).ok_or(missing)?;
        let value = points::checked(feed.data_type, value.0)?;
        let source: wire::DataSource = point.get("dataSource").map(points::parse).transpose()?.unwrap_or_default();
        for repair in repairs {
            self.issue(repair);
        }
        let hour = self.hours.entry(time.start.0.div_euclid(HOUR_MS)).or_default();
        let at = time.start.0;
        let device = Some(source.device.display_name).filter(|it| !it.is_empty());
        let sample = Sample { time, value, device, method: source.recording_method };
        if hour.contains_key(&at) {
            return Err(fault("duplicate", "two samples at one moment; the first was taken"));
        }
        hour.insert(at, sample);
        Ok(())
    }

    fn rollup(&mut self, point: &Value) {
        self.n_seen += 1;
        match rollup(point, self.wanted, &self.clock) {
            Ok((record, repairs)) => {
                for repair in repairs {
                    self.issue(repair);
                }
                self.push(record);
            }
            Err(fault) => self.issue(fault),
        }
    }

    fn gone(&mut self, id: &Value) {
        self.n_seen += 1;
        match (id.as_str(), self.wanted) {
            (Some(id), Some(data_type)) => self.push(tombstone(data_type, id)),
            _ => self.issue(fault("malformed", "a record that is gone has no id or no type")),
        }
    }

    fn finish(mut self) -> Normal {
        for (hour, samples) in std::mem::take(&mut self.hours) {
            if let Some(record) = series(hour, samples) {
                self.push(record);
            }
        }
        self.normal
    }
}

fn list<'a>(answer: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], MapperError> {
    match answer.get(key) {
        None => Ok(&[]),
        Some(Value::Array(it)) => Ok(it),
        Some(_) => Err(MapperError(format!("`{key}` is no list"))),
    }
}

/// All samples of an hour are one record, whatever pages they came on.
fn series(hour: i64, samples: BTreeMap<i64, Sample>) -> Option<Record> {
    let start = Instant(hour.checked_mul(HOUR_MS)?);
    let end = Instant(start.0.checked_add(HOUR_MS)?);
    let first = samples.values().next()?;
    let origin = Origin {
        provider: "google_health".into(),
        connection: None,
        record: format!("heart_rate:{start}"),
        modified_at: None,
        device: samples.values().find_map(|it| it.device.clone()),
        method: points::method(&first.method),
        marker: None,
    };
    Some(Record {
        data_type: DataType::HeartRate,
        time: Span { start, end, offset_seconds: first.time.offset_seconds, zone: None },
        origin,
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body: Body::Series(Series {
            offsets_ms: samples.keys().map(|at| at - start.0).collect(),
            values: samples.values().map(|it| it.value).collect(),
        }),
    })
}

/// What is rolled up to sums, where the sum is, and by what to divide it for our unit.
const SUMS: [(&str, DataType, &str, f64); 5] = [
    ("steps", DataType::Steps, "/countSum", 1.0),
    ("distance", DataType::Distance, "/millimetersSum", 1000.0),
    ("floors", DataType::Floors, "/countSum", 1.0),
    ("totalCalories", DataType::TotalEnergy, "/kcalSum", 1.0),
    ("hydrationLog", DataType::Hydration, "/amountConsumed/millilitersSum", 1.0),
];

fn rollup(point: &Value, wanted: Option<DataType>, clock: &WallClock) -> Result<(Record, Vec<Fault>), Fault> {
    let (field, data_type, pointer, per) = SUMS
        .into_iter()
        .find(|it| point.get(it.0).is_some() && wanted.is_none_or(|wanted| wanted == it.1))
        .ok_or(fault("unknown_type", "a rollup that is no sum of the type asked for; it was left out"))?;
    let sum = point.get(field).and_then(|it| it.pointer(pointer)).and_then(Number::of);
    let sum = sum.ok_or(fault("malformed", "the sum is missing or no number; the rollup was left out"))?;
    let value = points::checked(data_type, sum.0 / per)?;
    let mut repairs = Vec::new();
    let (time, id, is_daily_total) = match point.get("civilStartTime") {
        Some(civil) => {
            let (time, day) = civil_day(civil, point.get("civilEndTime"), clock, &mut repairs)?;
            (time, format!("{field}:day:{day}"), true)
        }
        None => {
            let time = window(point)?;
            let id = format!("{field}:sum:{}/{}", time.start, time.end);
            (time, id, false)
        }
    };
    let origin = Origin {
        provider: "google_health".into(),
        connection: None,
        record: id,
        modified_at: None,
        device: None,
        method: RecordingMethod::Derived,
        marker: None,
    };
    let body = Body::Quantity(Quantity { value });
    let record = Record {
        data_type,
        origin,
        time,
        is_daily_total,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    };
    Ok((record, repairs))
}

/// The one civil day that a daily rollup is of.
fn civil_day(
    start: &Value,
    end: Option<&Value>,
    clock: &WallClock,
    repairs: &mut Vec<Fault>,
) -> Result<(Span, chrono::NaiveDate), Fault> {
    let bad = fault("no_time", "a daily sum without its day; it was left out");
    let start: wire::Civil = points::parse(start)?;
    let start = start.date_time().ok_or(bad)?;
    let end: wire::Civil = points::parse(end.ok_or(bad)?)?;
    let end = end.date_time().ok_or(bad)?;
    let midnight = start.date().and_hms_opt(0, 0, 0).ok_or(bad)?;
    if start != midnight || Some(end) != midnight.checked_add_days(chrono::Days::new(1)) {
        return Err(fault("malformed", "a daily sum of another stretch than one day; it was left out"));
    }
    Ok((points::day(midnight, clock, repairs)?, start.date()))
}

fn window(point: &Value) -> Result<Span, Fault> {
    let at = |key| point.get(key).and_then(Value::as_str).and_then(Instant::parse);
    match (at("startTime"), at("endTime")) {
        (Some(start), Some(end)) if start < end => Ok(Span { start, end, offset_seconds: None, zone: None }),
        _ => Err(fault("no_time", "a sum without its window; it was left out")),
    }
}

fn tombstone(data_type: DataType, id: &str) -> Record {
    let origin = Origin {
        provider: "google_health".into(),
        connection: None,
        record: id.into(),
        modified_at: None,
        device: None,
        method: RecordingMethod::Unknown,
        marker: None,
    };
    Record {
        data_type,
        origin,
        time: Span::at(Instant::default(), None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: Policy::default(),
        body: Body::Nothing(Nothing {}),
    }
}
