//! The mapper: Strava's activities as canonical workouts. Pure.

use super::{marker, sport, streams, wire};
use engine::provider::{Issue, MapperError, Normal, RawPage};
use schemas::{
    data_type::DataType,
    record::{Body, Nothing, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::Instant,
    workout::{Lap, Sport, Streams, Workout},
};
use serde_json::Value;
use std::time::Duration;

/// The longest activity that is believed; a longer one is a clock gone wrong.
const ELAPSED_MAX: Duration = Duration::from_secs(100 * 86_400);

/// The greatest offset from UTC that a wall clock has (RFC 3339 allows 23:59; the world uses -12 h to +14 h).
const OFFSET_MAX_SECONDS: f64 = 18.0 * 3600.0;

/// The records of a page: our own page of activities with streams, a bare activity, or a bare listing.
///
/// # Errors
/// When it is neither: says what it is instead.
pub(super) fn normalize(page: &RawPage<'_>) -> Result<Normal, MapperError> {
    let value: Value = serde_json::from_slice(page.body).map_err(|err| {
        MapperError(format!("expected a strava page, but it is no JSON at line {} column {}", err.line(), err.column()))
    })?;
    let mut normal = Normal::default();
    match &value {
        Value::Object(fields) => match fields.get("activities") {
            Some(Value::Array(entries)) => {
                entries.iter().enumerate().for_each(|(index, entry)| add_entry(&mut normal, index, entry));
            }
            Some(_) => {
                return Err(MapperError("expected a strava page, but its activities are no list".into()));
            }
            None if is_activity(&value) => add(&mut normal, &at(&value, 0), &value, None),
            None => {
                return Err(MapperError("expected a strava page or activity, but it is another object".into()));
            }
        },
        Value::Array(entries) => {
            if !entries.is_empty() && !entries.iter().any(is_activity) {
                return Err(MapperError("expected a list of strava activities, but it lists something else".into()));
            }
            entries.iter().enumerate().for_each(|(index, entry)| add(&mut normal, &at(entry, index), entry, None));
        }
        _ => {
            return Err(MapperError("expected a strava page, but it is neither an object nor a list".into()));
        }
    }
    Ok(normal)
}

fn is_activity(value: &Value) -> bool {
    serde_json::from_value::<wire::Activity>(value.clone()).is_ok_and(|it| it.is_one())
}

/// The place of an entry in issues: its id, else where it stands.
fn at(value: &Value, index: usize) -> String {
    value.get("id").and_then(wire::as_id).map_or_else(|| format!("entry {index}"), |it| it.to_string())
}

fn issue(normal: &mut Normal, code: &'static str, at: &str, text: &str) {
    normal.issues.push(Issue { code, at: at.to_owned(), text: text.to_owned() });
}

fn add_entry(normal: &mut Normal, index: usize, entry: &Value) {
    if let Some(activity) = entry.get("activity") {
        return add(normal, &at(activity, index), activity, entry.get("streams").filter(|it| !it.is_null()));
    }
    match entry.get("id").and_then(wire::as_id) {
        Some(id) if entry.get("deleted") == Some(&Value::Bool(true)) => normal.records.push(tombstone(id)),
        _ => issue(normal, "malformed", &at(entry, index), "neither an activity nor a tombstone"),
    }
}

fn add(normal: &mut Normal, at: &str, activity: &Value, measured: Option<&Value>) {
    match serde_json::from_value::<wire::Activity>(activity.clone()) {
        Ok(activity) => {
            if let Some(record) = record(normal, at, &activity, measured) {
                normal.records.push(record);
            }
        }
        Err(_) => issue(normal, "malformed", at, "not an activity"),
    }
}

/// The record of an activity that is gone. Strava does not say when it was, so its time is that of 1970.
fn tombstone(id: u64) -> Record {
    Record {
        data_type: DataType::Workout,
        origin: origin(id),
        time: Span::at(Instant(0), None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: policy(),
        body: Body::Nothing(Nothing::default()),
    }
}

fn origin(id: u64) -> Origin {
    Origin {
        provider: super::ID.into(),
        connection: None,
        record: id.to_string(),
        modified_at: None,
        device: None,
        method: RecordingMethod::Unknown,
        marker: None,
    }
}

/// Strava's API agreement: no use for artificial intelligence, nothing but the person's own data shown to them.
pub(super) fn policy() -> Policy {
    Policy { retention_days: None, no_ai: true, no_combining: true }
}

fn record(normal: &mut Normal, at: &str, activity: &wire::Activity, measured: Option<&Value>) -> Option<Record> {
    let Some(id) = activity.id else {
        issue(normal, "malformed", at, "the activity has no id");
        return None;
    };
    let time = span(normal, at, activity)?;
    let name = activity.sport_type.as_deref().or(activity.kind.as_deref()).unwrap_or("Workout");
    let (sport, sport_detail) =
        sport::from_strava(name, activity.trainer == Some(true), activity.start_latlng.len() == 2);
    if !sport::is_known(name) {
        issue(normal, "unknown_type", at, "the sport is not known here; it is kept as other, with its name");
    }
    let (notes, described) = marker::split(activity.description.as_deref().unwrap_or(""));
    let marker = activity.external_id.as_deref().and_then(marker::of_external_id).or(described);
    let mut workout = summary(normal, at, activity, sport);
    workout.sport_detail = sport_detail;
    workout.notes = notes;
    workout.laps = laps(normal, at, activity, time.start);
    if let Some(measured) = measured {
        let context = streams::Context { at, sport, has_power: activity.device_watts == Some(true) };
        workout.streams = streams::read(&mut normal.issues, &context, measured);
    }
    Some(Record {
        data_type: DataType::Workout,
        origin: Origin {
            device: activity.device_name.clone().filter(|it| !it.is_empty()),
            method: if activity.manual == Some(true) { RecordingMethod::Manual } else { RecordingMethod::Unknown },
            marker,
            ..origin(id)
        },
        time,
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: policy(),
        body: Body::Workout(Box::new(workout)),
    })
}

fn span(normal: &mut Normal, at: &str, activity: &wire::Activity) -> Option<Span> {
    let Some(start) = activity.start_date.as_deref().and_then(Instant::parse) else {
        issue(normal, "no_time", at, "the activity has no readable start");
        return None;
    };
    let Some(elapsed) = activity.elapsed_time.or(activity.moving_time) else {
        issue(normal, "no_time", at, "the activity has no duration");
        return None;
    };
    let Some(elapsed) = duration(elapsed) else {
        issue(normal, "out_of_range", at, "the duration is negative or longer than 100 days");
        return None;
    };
    // Wall time with a false `Z`: the difference to UTC is the offset.
    let local = activity.start_date_local.as_deref().and_then(Instant::parse);
    let offset = activity
        .utc_offset
        .or_else(|| Some(local?.0.saturating_sub(start.0) as f64 / 1000.0))
        .filter(|it| it.abs() <= OFFSET_MAX_SECONDS)
        .map(|it| it.round() as i32);
    if offset.is_none() {
        issue(normal, "no_time_zone", at, "neither an offset nor a local start");
    }
    let zone = activity.timezone.as_deref().and_then(|it| it.split_once(") ")).map(|(_, zone)| zone.trim().to_owned());
    let zone = zone.filter(|it| !it.is_empty());
    Some(Span { start, end: start.plus(elapsed), offset_seconds: offset, zone })
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|it| *it <= ELAPSED_MAX)
}

/// What the activity says as a whole. Strava writes zero where it has nothing, so zero is absent.
fn summary(normal: &mut Normal, at: &str, activity: &wire::Activity, sport: Sport) -> Workout {
    let pace = if sport::is_on_foot(sport) { 2.0 } else { 1.0 };
    let mut within = |value: Option<f64>, (low, high): (f64, f64), what: &str| {
        let value = value?;
        let is_within = (low..=high).contains(&value);
        if !is_within {
            issue(normal, "out_of_range", at, &format!("the {what} is not one that a person can have"));
        }
        is_within.then_some(value)
    };
    let given = |value: Option<f64>| value.filter(|it| *it != 0.0);
    let pulse = DataType::HeartRate.plausible();
    Workout {
        sport,
        title: activity.name.clone().filter(|it| !it.is_empty()),
        moving_ms: activity.moving_time.and_then(duration).map(millis),
        distance_m: within(given(activity.distance), DataType::Distance.plausible(), "distance"),
        energy_kcal: within(given(activity.calories), DataType::ActiveEnergy.plausible(), "energy"),
        // A flat course has an altitude; without one nothing was measured.
        ascent_m: within(
            activity.total_elevation_gain.filter(|it| *it != 0.0 || activity.elev_high.is_some()),
            (0.0, 100_000.0),
            "ascent",
        ),
        heart_rate_mean: within(given(activity.average_heartrate), pulse, "mean heart rate"),
        heart_rate_max: within(given(activity.max_heartrate), pulse, "greatest heart rate"),
        cadence_mean: within(given(activity.average_cadence).map(|it| it * pace), (0.0, 1_000.0), "cadence"),
        // Without a power meter Strava gives an estimate of its own.
        power_mean: within(
            activity.average_watts.filter(|_| activity.device_watts == Some(true)),
            (0.0, 10_000.0),
            "power",
        ),
        sport_detail: None,
        notes: None,
        steps: None,
        laps: Vec::new(),
        streams: Streams::default(),
    }
}

fn laps(normal: &mut Normal, at: &str, activity: &wire::Activity, start: Instant) -> Vec<Lap> {
    let given = |value: Option<f64>| value.filter(|it| *it != 0.0);
    let pulse = |value: Option<f64>| {
        let (low, high) = DataType::HeartRate.plausible();
        value.filter(|it| (low..=high).contains(it))
    };
    let mut laps = Vec::with_capacity(activity.laps.len());
    for value in &activity.laps {
        let lap = serde_json::from_value::<wire::Lap>(value.clone()).unwrap_or_default();
        let begins = lap.start_date.as_deref().and_then(Instant::parse);
        match (begins, lap.elapsed_time.and_then(duration)) {
            (Some(begins), Some(elapsed)) => laps.push(Lap {
                offset_ms: begins.0.saturating_sub(start.0),
                elapsed_ms: millis(elapsed),
                distance_m: given(lap.distance),
                energy_kcal: None,
                heart_rate_mean: pulse(lap.average_heartrate),
                heart_rate_max: pulse(lap.max_heartrate),
            }),
            _ => issue(normal, "no_time", at, "a lap has no readable start or duration"),
        }
    }
    laps
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
