//! Activities in Strava's form, from a form or a file.

use super::Athlete;
use crate::strava::sport;
use schemas::{
    record::{Body, Record},
    time::Instant,
    workout::{Column, Lap, Streams, Workout},
};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, time::Duration};

/// To so many decimals.
fn to(value: f64, decimals: i32) -> f64 {
    let per_unit = 10_f64.powi(decimals);
    (value * per_unit).round() / per_unit
}

/// Local wall time, with Strava's false `Z`.
fn local(start: Instant, offset_seconds: i32) -> String {
    let offset = Duration::from_secs(offset_seconds.unsigned_abs().into());
    (if offset_seconds < 0 { start.minus(offset) } else { start.plus(offset) }).to_string()
}

fn timezone(athlete: &Athlete, offset_seconds: i32) -> String {
    let minutes = offset_seconds.unsigned_abs() / 60;
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    format!("(GMT{sign}{:02}:{:02}) {}", minutes / 60, minutes % 60, athlete.zone)
}

fn flag(form: &HashMap<String, String>, name: &str) -> bool {
    form.get(name).is_some_and(|it| it == "1" || it == "true")
}

/// The start of a hand-made activity: with an offset that moment, without one (or with `Z`) on the athlete's clock.
fn start_of(text: &str, athlete: &Athlete) -> Option<(Instant, i32)> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).ok();
    if let Some(at) = parsed.filter(|_| !text.ends_with('Z')) {
        return Some((Instant::from_seconds(at.timestamp()), at.offset().local_minus_utc()));
    }
    let naive = chrono::NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S").ok()?;
    Some((
        Instant::from_seconds(naive.and_utc().timestamp() - i64::from(athlete.offset_seconds)),
        athlete.offset_seconds,
    ))
}

/// An activity made by hand; an error names the field that is not good.
pub(super) fn by_hand(form: &HashMap<String, String>, athlete: &Athlete) -> Result<Value, &'static str> {
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let sport_type = Some(get("sport_type")).filter(|it| sport::is_known(it)).ok_or("sport_type")?;
    let (start, offset_seconds) = start_of(get("start_date_local"), athlete).ok_or("start_date_local")?;
    let elapsed: u32 = get("elapsed_time").parse().ok().filter(|it| *it > 0).ok_or("elapsed_time")?;
    let distance: f64 = form.get("distance").map_or(Ok(0.0), |it| it.parse()).map_err(|_| "distance")?;
    Ok(json!({
        "resource_state": 3,
        "name": get("name"),
        "description": form.get("description"),
        "distance": to(distance, 1),
        "moving_time": elapsed,
        "elapsed_time": elapsed,
        "total_elevation_gain": 0,
        "type": sport_type,
        "sport_type": sport_type,
        "start_date": start.to_string(),
        "start_date_local": local(start, offset_seconds),
        "timezone": timezone(athlete, offset_seconds),
        "utc_offset": f64::from(offset_seconds),
        "trainer": flag(form, "trainer"),
        "commute": flag(form, "commute"),
        "manual": true,
        "private": false,
        "visibility": "everyone",
        "start_latlng": [],
        "end_latlng": [],
        "average_speed": to(distance / f64::from(elapsed), 2),
        "max_speed": 0,
        "has_heartrate": false,
        "upload_id": null,
        "external_id": null,
        "calories": 0.0,
        "laps": [],
    }))
}

/// An activity made of a file, and its streams.
pub(super) fn recorded(
    record: &Record,
    form: &HashMap<String, String>,
    athlete: &Athlete,
    external_id: &str,
    upload: u64,
) -> (Value, Value) {
    let nothing = Workout::default();
    let workout = if let Body::Workout(it) = &record.body { it.as_ref() } else { &nothing };
    let (told, is_trainer) = sport::to_strava(workout.sport, None);
    // What the file does not tell apart, the form may.
    let named = form.get("sport_type").map(String::as_str).filter(|it| told == "Workout" && sport::is_known(it));
    let sport_type = named.unwrap_or(told);
    let streams = &workout.streams;
    let start = record.time.start;
    let offset_seconds = record.time.offset_seconds.unwrap_or(athlete.offset_seconds);
    let elapsed = record.time.end.since(start).as_secs();
    let distance = to(workout.distance_m.unwrap_or(0.0), 1);
    let place = |index: usize| match (streams.latitude.get(index), streams.longitude.get(index)) {
        (Some(latitude), Some(longitude)) => json!([to(latitude, 6), to(longitude, 6)]),
        _ => json!([]),
    };
    let last = streams.offsets_ms.len().saturating_sub(1);
    let mut detail = json!({
        "resource_state": 3,
        "name": form.get("name").map_or("Workout", String::as_str),
        "description": form.get("description"),
        "distance": distance,
        "moving_time": workout.moving_ms.map_or(elapsed as i64, |it| it / 1000),
        "elapsed_time": elapsed,
        "total_elevation_gain": to(workout.ascent_m.unwrap_or(0.0), 1),
        "type": sport_type,
        "sport_type": sport_type,
        "start_date": start.to_string(),
        "start_date_local": local(start, offset_seconds),
        "timezone": timezone(athlete, offset_seconds),
        "utc_offset": f64::from(offset_seconds),
        "trainer": is_trainer || flag(form, "trainer"),
        "commute": flag(form, "commute"),
        "manual": false,
        "private": false,
        "visibility": "everyone",
        "start_latlng": place(0),
        "end_latlng": place(last),
        "average_speed": to(distance / (elapsed.max(1) as f64), 3),
        "max_speed": extremes(&streams.speed).map_or(0.0, |(_, max)| to(max, 3)),
        "has_heartrate": !streams.heart_rate.is_empty(),
        "device_watts": !streams.power.is_empty(),
        "upload_id": upload,
        "upload_id_str": upload.to_string(),
        "external_id": external_id,
        "calories": workout.energy_kcal.unwrap_or(0.0).round(),
        "device_name": "SyncWell",
        "laps": laps(start, &workout.laps),
    });
    if let Some((mean, max)) = extremes(&streams.heart_rate) {
        detail["average_heartrate"] = json!(to(mean, 1));
        detail["max_heartrate"] = json!(max);
    }
    if let Some((mean, _)) = extremes(&streams.power) {
        detail["average_watts"] = json!(to(mean, 1));
    }
    (detail, by_type(streams, if sport::is_on_foot(workout.sport) { 2.0 } else { 1.0 }))
}

/// Mean and greatest of what was measured.
fn extremes(column: &Column) -> Option<(f64, f64)> {
    let measured: Vec<f64> = column.0.iter().copied().filter(|it| !it.is_nan()).collect();
    let max = measured.iter().copied().reduce(f64::max)?;
    Some((measured.iter().sum::<f64>() / measured.len() as f64, max))
}

fn laps(start: Instant, laps: &[Lap]) -> Vec<Value> {
    let render = |(index, it): (usize, &Lap)| {
        let begins = Instant(start.0.saturating_add(it.offset_ms));
        let mut lap = json!({
            "resource_state": 2,
            "name": format!("Lap {}", index + 1),
            "lap_index": index + 1,
            "elapsed_time": it.elapsed_ms / 1000,
            "moving_time": it.elapsed_ms / 1000,
            "start_date": begins.to_string(),
            "distance": to(it.distance_m.unwrap_or(0.0), 1),
        });
        if let Some(mean) = it.heart_rate_mean {
            lap["average_heartrate"] = json!(mean);
        }
        if let Some(max) = it.heart_rate_max {
            lap["max_heartrate"] = json!(max);
        }
        lap
    };
    laps.iter().enumerate().map(render).collect()
}

/// Streams in the `key_by_type` form; `legs` is by how much cadence counts more here than there.
fn by_type(streams: &Streams, legs: f64) -> Value {
    let n = streams.offsets_ms.len();
    let mut by_type = Map::new();
    let mut put = |key: &str, data: Vec<Value>| {
        let stream = json!({ "data": data, "series_type": "distance", "original_size": n, "resolution": "high" });
        by_type.insert(key.to_owned(), stream);
    };
    put("time", streams.offsets_ms.iter().map(|it| json!(it / 1000)).collect());
    put("moving", vec![json!(true); n]);
    if !streams.latitude.is_empty() {
        let place = |index| match (streams.latitude.get(index), streams.longitude.get(index)) {
            (Some(latitude), Some(longitude)) => json!([to(latitude, 6), to(longitude, 6)]),
            _ => Value::Null,
        };
        put("latlng", (0..n).map(place).collect());
    }
    let columns: [(&str, &Column, i32, f64); 7] = [
        ("altitude", &streams.altitude, 1, 1.0),
        ("heartrate", &streams.heart_rate, 0, 1.0),
        ("cadence", &streams.cadence, 0, legs),
        ("watts", &streams.power, 0, 1.0),
        ("velocity_smooth", &streams.speed, 3, 1.0),
        ("distance", &streams.distance, 1, 1.0),
        ("temp", &streams.temperature, 0, 1.0),
    ];
    for (key, column, decimals, divisor) in columns.into_iter().filter(|it| !it.1.is_empty()) {
        put(key, (0..n).map(|index| json!(column.get(index).map(|it| to(it / divisor, decimals)))).collect());
    }
    Value::Object(by_type)
}
