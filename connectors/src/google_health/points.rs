//! One data point of Google's to one record of ours.

use super::{
    names,
    profile::{Feed, Shape, Where},
    wire::{self, DataSource, Number},
};
use chrono::{Days, NaiveDateTime};
use schemas::{
    data_type::DataType,
    record::{
        Body, Nutrition, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Sleep, SleepStage, Span,
    },
    time::Instant,
    workout::{Lap, Workout},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use uuid::{Uuid, Variant};

/// Why a point is left out or repaired: an issue's stable code and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) text: &'static str,
}

pub(super) const fn fault(code: &'static str, text: &'static str) -> Fault {
    Fault { code, text }
}

const OUT_OF_RANGE: Fault = fault("out_of_range", "no living person has such a value; it was left out");
const NO_VALUE: Fault = fault("malformed", "the value is missing or no number; the point was left out");
const NO_TIME: Fault = fault("no_time", "the time is missing or no time; the point was left out");
const BACKWARDS: Fault = fault("malformed", "it ends before it begins; the point was left out");
const NO_ZONE: Fault = fault("no_time_zone", "the person's offset from UTC is not known; UTC was taken");

/// The person's wall clock, from the settings of the account, for points that only name a date.
#[derive(Clone, Debug, Default)]
pub(super) struct WallClock {
    pub(super) offset_seconds: Option<i32>,
    pub(super) zone: Option<String>,
}

/// A point made a record, with what was repaired on the way.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) record: Record,
    pub(super) repairs: Vec<Fault>,
}

/// The record of a point; `Ok(None)` if it has no value of this feed's kind.
pub(super) fn map(feed: &Feed, point: &Value, clock: &WallClock) -> Result<Option<Mapped>, Fault> {
    let value = point.get(feed.field).ok_or(NO_VALUE)?;
    let source: DataSource = point.get("dataSource").map_or_else(|| Ok(DataSource::default()), parse)?;
    let mut repairs = Vec::new();
    let time = span(feed.shape, value, clock, &mut repairs)?;
    let id = id_of(point);
    let marker = id.filter(|it| source.platform == "GOOGLE_WEB_API" && is_ours(it)).map(str::to_owned);
    let mut extra = Extra::default();
    let body = match feed.value {
        Where::At(pointer, per) => quantity(feed.data_type, number(value, pointer).ok_or(NO_VALUE)? / per)?,
        Where::Maybe(pointer, per) => match value.pointer(pointer) {
            Some(it) => quantity(feed.data_type, Number::of(it).ok_or(NO_VALUE)?.0 / per)?,
            None => return Ok(None),
        },
        Where::Series(_) => return Err(NO_VALUE),
        Where::TemperatureDelta => match number(value, "/baselineTemperatureCelsius") {
            Some(baseline) => {
                let nightly = number(value, "/nightlyTemperatureCelsius").ok_or(NO_VALUE)?;
                quantity(feed.data_type, nightly - baseline)?
            }
            // The first nights have no baseline yet.
            None => return Ok(None),
        },
        // A nap is Google's own finding, which a writer cannot set: in what we wrote it is not news.
        Where::Sleep => sleep(&parse(value)?, &time, marker.is_some(), &mut extra, &mut repairs)?,
        Where::Exercise => exercise(parse(value)?, &time, &mut extra, &mut repairs)?,
        Where::Nutrition => nutrition(parse(value)?, &mut repairs),
    };
    let record = id.map_or_else(|| derived_id(feed, value, &time, &source), str::to_owned);
    let device = Some(source.device.display_name).filter(|it| !it.is_empty());
    let origin = Origin {
        provider: "google_health".into(),
        connection: None,
        record,
        modified_at: extra.modified_at,
        device,
        method: method(&source.recording_method),
        marker,
    };
    let record = Record {
        data_type: feed.data_type,
        origin,
        time,
        is_daily_total: false,
        state: extra.state,
        deleted: false,
        policy: Policy::default(),
        body,
    };
    Ok(Some(Mapped { record, repairs }))
}

/// What some points say of themselves beside their values.
#[derive(Debug, Default)]
struct Extra {
    modified_at: Option<Instant>,
    state: RecordState,
}

pub(super) fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    T::deserialize(value)
        .map_err(|_| fault("malformed", "a field has another form than documented; the point was left out"))
}

fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Number::of).map(|it| it.0)
}

/// A value in the unit of its type, unless no living person could have it.
pub(super) fn checked(data_type: DataType, value: f64) -> Result<f64, Fault> {
    let (least, greatest) = data_type.plausible();
    if (least..=greatest).contains(&value) { Ok(value) } else { Err(OUT_OF_RANGE) }
}

fn quantity(data_type: DataType, value: f64) -> Result<Body, Fault> {
    Ok(Body::Quantity(Quantity { value: checked(data_type, value)? }))
}

pub(super) fn method(text: &str) -> RecordingMethod {
    match text {
        "MANUAL" => RecordingMethod::Manual,
        "PASSIVELY_MEASURED" => RecordingMethod::Automatic,
        "ACTIVELY_MEASURED" => RecordingMethod::Active,
        "DERIVED" => RecordingMethod::Derived,
        _ => RecordingMethod::Unknown,
    }
}

/// The last part of a point's name; few types have names, and reconciled points call them `dataPointName`.
fn id_of(point: &Value) -> Option<&str> {
    let name = point.get("name").or_else(|| point.get("dataPointName"))?.as_str()?;
    name.rsplit('/').next().filter(|it| !it.is_empty())
}

/// Whether an id is one that we could have chosen: the derived id of an item, hyphenated in lower case.
fn is_ours(id: &str) -> bool {
    Uuid::try_parse(id).is_ok_and(|it| {
        it.get_version_num() == 5 && it.get_variant() == Variant::RFC4122 && it.hyphenated().to_string() == id
    })
}

/// The same point has the same id whenever and on whatever page it is read: type, time and source.
fn derived_id(feed: &Feed, value: &Value, time: &Span, source: &DataSource) -> String {
    let mut id = format!("{}:", feed.name);
    let day = value.get("date").and_then(|it| parse::<wire::Date>(it).ok()).and_then(wire::Date::civil);
    // A day is that day wherever its midnight turns out to be. Writing to a string does not fail.
    let written = match day {
        Some(day) => write!(id, "{day}"),
        None if time.start == time.end => write!(id, "{}", time.start),
        None => write!(id, "{}/{}", time.start, time.end),
    };
    let what = [
        &source.platform,
        &source.device.manufacturer,
        &source.device.display_name,
        &source.device.form_factor,
        &source.application.package_name,
        &source.application.web_client_id,
        &source.application.google_web_client_id,
    ];
    if written.is_ok() && what.iter().any(|it| !it.is_empty()) {
        // Hashed, as a person may have put a name into that of the device.
        let mut hash = Sha256::new();
        for part in what {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        id.push(':');
        id.push_str(&hex::encode(hash.finalize().get(..4).unwrap_or_default()));
    }
    id
}

fn span(shape: Shape, value: &Value, clock: &WallClock, repairs: &mut Vec<Fault>) -> Result<Span, Fault> {
    match shape {
        Shape::Interval | Shape::Session | Shape::Sleep => {
            let it: wire::Interval = parse(value.get("interval").ok_or(NO_TIME)?)?;
            let offset_seconds = wire::offset_seconds(it.start_utc_offset);
            let civil_start = it.civil_start_time.and_then(wire::Civil::date_time);
            let civil_end = it.civil_end_time.and_then(wire::Civil::date_time);
            let end_offset = wire::offset_seconds(it.end_utc_offset).or(offset_seconds);
            let start = moment(it.start_time.as_deref(), civil_start, offset_seconds, repairs)?;
            let end = moment(it.end_time.as_deref(), civil_end, end_offset, repairs)?;
            if end < start {
                return Err(BACKWARDS);
            }
            Ok(Span { start, end, offset_seconds, zone: None })
        }
        Shape::Sample => sample_time(value, repairs),
        Shape::Daily => {
            let date: wire::Date = parse(value.get("date").ok_or(NO_TIME)?)?;
            let midnight = date.civil().ok_or(NO_TIME)?.and_hms_opt(0, 0, 0).ok_or(NO_TIME)?;
            day(midnight, clock, repairs)
        }
    }
}

/// When a sample was taken.
pub(super) fn sample_time(value: &Value, repairs: &mut Vec<Fault>) -> Result<Span, Fault> {
    let it: wire::SampleTime = parse(value.get("sampleTime").ok_or(NO_TIME)?)?;
    let offset_seconds = wire::offset_seconds(it.utc_offset);
    let civil = it.civil_time.and_then(wire::Civil::date_time);
    let at = moment(it.physical_time.as_deref(), civil, offset_seconds, repairs)?;
    Ok(Span::at(at, offset_seconds))
}

/// A civil day from `midnight` to the next, on the person's wall clock as far as it is known.
pub(super) fn day(midnight: NaiveDateTime, clock: &WallClock, repairs: &mut Vec<Fault>) -> Result<Span, Fault> {
    let next = midnight.checked_add_days(Days::new(1)).ok_or(NO_TIME)?;
    if clock.offset_seconds.is_none() {
        repairs.push(NO_ZONE);
    }
    let offset = clock.offset_seconds.unwrap_or(0);
    let (start, end) = (wire::instant(midnight, offset), wire::instant(next, offset));
    Ok(Span { start, end, offset_seconds: clock.offset_seconds, zone: clock.zone.clone() })
}

/// The physical time if there is one, else the civil one with its offset, else with UTC and a note.
fn moment(
    physical: Option<&str>,
    civil: Option<NaiveDateTime>,
    offset_seconds: Option<i32>,
    repairs: &mut Vec<Fault>,
) -> Result<Instant, Fault> {
    if let Some(text) = physical {
        return Instant::parse(text).ok_or(NO_TIME);
    }
    let civil = civil.ok_or(NO_TIME)?;
    if offset_seconds.is_none() {
        repairs.push(NO_ZONE);
    }
    Ok(wire::instant(civil, offset_seconds.unwrap_or(0)))
}

fn instant(text: Option<&str>) -> Option<Instant> {
    text.and_then(Instant::parse)
}

fn sleep(
    it: &wire::Sleep,
    time: &Span,
    is_ours: bool,
    extra: &mut Extra,
    repairs: &mut Vec<Fault>,
) -> Result<Body, Fault> {
    if time.end == time.start {
        return Err(BACKWARDS);
    }
    extra.modified_at = instant(it.update_time.as_deref());
    if it.metadata.processed == Some(false) {
        extra.state = RecordState::Open;
    }
    let mut stages = Vec::with_capacity(it.stages.len());
    for stage in &it.stages {
        match (Instant::parse(&stage.start_time), Instant::parse(&stage.end_time)) {
            (Some(start), Some(end)) if time.start <= start && start < end && end <= time.end => {
                stages.push((start, end, sleep_stage(&stage.kind)));
            }
            _ => repairs.push(fault("malformed", "a stage lies outside of its sleep session; the stage was left out")),
        }
    }
    stages.sort_by_key(|it| (it.0, it.1));
    Ok(Body::Sleep(Sleep {
        stage_offsets_ms: stages.iter().map(|it| it.0.0 - time.start.0).collect(),
        stage_durations_ms: stages.iter().map(|it| it.1.0 - it.0.0).collect(),
        stages: stages.into_iter().map(|it| it.2).collect(),
        is_nap: it.metadata.nap && !is_ours,
    }))
}

fn sleep_stage(text: &str) -> SleepStage {
    match text {
        // Restless is not counted as asleep (discovery document, `SleepSummary.minutesAsleep`).
        "AWAKE" | "RESTLESS" => SleepStage::Awake,
        "LIGHT" => SleepStage::Light,
        "DEEP" => SleepStage::Deep,
        "REM" => SleepStage::Rem,
        "ASLEEP" => SleepStage::Asleep,
        _ => SleepStage::Unknown,
    }
}

fn exercise(it: wire::Exercise, time: &Span, extra: &mut Extra, repairs: &mut Vec<Fault>) -> Result<Body, Fault> {
    if time.end == time.start {
        return Err(BACKWARDS);
    }
    extra.modified_at = instant(it.update_time.as_deref());
    let (sport, sport_detail) = names::sport_of_google(&it.exercise_type);
    let laps = it.split_summaries.iter().filter_map(|split| lap(split, time, repairs)).collect();
    let metrics = &it.metrics_summary;
    Ok(Body::Workout(Box::new(Workout {
        sport,
        sport_detail,
        title: it.display_name.filter(|it| !it.is_empty()),
        notes: it.notes.filter(|it| !it.is_empty()),
        moving_ms: it.active_duration.map(|it| it.0).filter(|it| *it >= 0),
        distance_m: figure(DataType::Distance, metrics.distance_millimeters, 1000.0, repairs),
        energy_kcal: figure(DataType::TotalEnergy, metrics.calories_kcal, 1.0, repairs),
        // Nobody climbs further than they go.
        ascent_m: figure(DataType::Distance, metrics.elevation_gain_millimeters, 1000.0, repairs),
        heart_rate_mean: heart_rate(metrics, repairs),
        cadence_mean: metrics.mobility_metrics.avg_cadence_steps_per_minute.map(|it| it.0),
        steps: figure(DataType::Steps, metrics.steps, 1.0, repairs).map(|it| Number(it).whole()),
        laps,
        ..Workout::default()
    })))
}

/// A figure of a summary in our unit; without it the rest of the summary is still good.
fn figure(data_type: DataType, value: Option<Number>, per: f64, repairs: &mut Vec<Fault>) -> Option<f64> {
    let checked = checked(data_type, value?.0 / per);
    checked.map_err(|fault| repairs.push(fault)).ok()
}

fn heart_rate(metrics: &wire::Metrics, repairs: &mut Vec<Fault>) -> Option<f64> {
    figure(DataType::HeartRate, metrics.average_heart_rate_beats_per_minute, 1.0, repairs)
}

fn lap(split: &wire::Split, time: &Span, repairs: &mut Vec<Fault>) -> Option<Lap> {
    let (start, end) = (Instant::parse(&split.start_time)?, Instant::parse(&split.end_time)?);
    if !(time.start <= start && start < end && end <= time.end) {
        repairs.push(fault("malformed", "a lap lies outside of its exercise; the lap was left out"));
        return None;
    }
    let metrics = &split.metrics_summary;
    Some(Lap {
        offset_ms: start.0 - time.start.0,
        elapsed_ms: end.0 - start.0,
        distance_m: figure(DataType::Distance, metrics.distance_millimeters, 1000.0, repairs),
        energy_kcal: figure(DataType::TotalEnergy, metrics.calories_kcal, 1.0, repairs),
        heart_rate_mean: heart_rate(metrics, repairs),
        heart_rate_max: None,
    })
}

fn nutrition(it: wire::Nutrition, repairs: &mut Vec<Fault>) -> Body {
    let totals = [("fat", it.total_fat.grams), ("carbohydrate", it.total_carbohydrate.grams)];
    let totals = totals.into_iter().filter_map(|(name, grams)| Some((name.to_owned(), grams?.0)));
    let named =
        it.nutrients.into_iter().filter_map(|it| Some((names::nutrient_of_google(&it.nutrient), it.quantity.grams?.0)));
    Body::Nutrition(Nutrition {
        name: it.food_display_name.filter(|it| !it.is_empty()),
        meal: it.meal_type.filter(|it| !it.is_empty() && !it.ends_with("UNSPECIFIED")).map(|it| it.to_lowercase()),
        energy_kcal: figure(DataType::TotalEnergy, it.energy.kcal, 1.0, repairs),
        nutrients_g: totals.chain(named).collect(),
    })
}
