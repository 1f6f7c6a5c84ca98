//! Streams of an activity, as columns.

use super::{sport, wire};
use engine::provider::Issue;
use schemas::{
    data_type::DataType,
    workout::{Column, Sport, Streams},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The streams that are asked for.
pub(super) const KEYS: &str = "time,distance,latlng,altitude,velocity_smooth,heartrate,cadence,watts,temp,moving";

/// The last second of a stream that is believed (100 days).
const SECONDS_MAX: f64 = 8_640_000.0;

/// What is known of the activity.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// Its place in issues.
    pub at: &'a str,
    /// Its sport.
    pub sport: Sport,
    /// Whether a power meter was there; without one Strava's watts are an estimate.
    pub has_power: bool,
}

/// Reads `key_by_type` streams (an object), or the older list of `{type, data}`.
pub(super) fn read(issues: &mut Vec<Issue>, context: &Context<'_>, streams: &Value) -> Streams {
    let by_key: BTreeMap<&str, &Vec<Value>> = match streams {
        Value::Object(it) => {
            it.iter().filter_map(|(key, it)| Some((key.as_str(), it.get("data")?.as_array()?))).collect()
        }
        Value::Array(it) => {
            it.iter().filter_map(|it| Some((it.get("type")?.as_str()?, it.get("data")?.as_array()?))).collect()
        }
        _ => BTreeMap::new(),
    };
    let mut tell = |code: &'static str, text: String| issues.push(Issue { code, at: context.at.to_owned(), text });
    let Some(times) = by_key.get("time").filter(|it| !it.is_empty()) else {
        if by_key.values().any(|it| !it.is_empty()) {
            tell("no_time", "there are streams but none of time; they are left out".into());
        }
        return Streams::default();
    };
    let (kept, offsets_ms) = ascending(times);
    if kept.len() < times.len() {
        tell("no_time", "some moments of the streams have no time of their own; they are left out".into());
    }
    let mut column = |key: &str, (low, high): (f64, f64), read: &dyn Fn(&Value) -> Option<f64>| {
        let Some(values) = by_key.get(key) else { return Column::default() };
        if values.len() != times.len() {
            tell("malformed", format!("the stream {key} is not as long as that of time; it is left out"));
            return Column::default();
        }
        let mut n_outside = 0_usize;
        let values = kept.iter().map(|index| {
            let value = values.get(*index).and_then(read)?;
            let is_within = (low..=high).contains(&value);
            n_outside += usize::from(!is_within);
            is_within.then_some(value)
        });
        let column = Column::from_options(values.collect());
        if n_outside > 0 {
            tell("out_of_range", format!("{n_outside} values of the stream {key} are left out"));
        }
        column
    };
    let plain: &dyn Fn(&Value) -> Option<f64> = &wire::as_number;
    let pace = if sport::is_on_foot(context.sport) { 2.0 } else { 1.0 };
    Streams {
        latitude: column("latlng", (-90.0, 90.0), &|it| wire::as_number(it.get(0)?)),
        longitude: column("latlng", (-180.0, 180.0), &|it| wire::as_number(it.get(1)?)),
        altitude: column("altitude", (-1_000.0, 20_000.0), plain),
        heart_rate: column("heartrate", DataType::HeartRate.plausible(), plain),
        cadence: column("cadence", (0.0, 1_000.0), &|it| Some(wire::as_number(it)? * pace)),
        power: if context.has_power { column("watts", (0.0, 10_000.0), plain) } else { Column::default() },
        speed: column("velocity_smooth", (0.0, 200.0), plain),
        distance: column("distance", DataType::Distance.plausible(), plain),
        temperature: column("temp", (-80.0, 80.0), plain),
        offsets_ms,
    }
}

/// The moments whose time is later than every one before, and those times in milliseconds.
fn ascending(times: &[Value]) -> (Vec<usize>, Vec<i64>) {
    let mut kept = Vec::with_capacity(times.len());
    let mut offsets_ms: Vec<i64> = Vec::with_capacity(times.len());
    for (index, time) in times.iter().enumerate() {
        let Some(seconds) = wire::as_number(time).filter(|it| (0.0..=SECONDS_MAX).contains(it)) else {
            continue;
        };
        let offset_ms = (seconds * 1000.0).round() as i64;
        if offsets_ms.last().is_none_or(|last| *last < offset_ms) {
            kept.push(index);
            offsets_ms.push(offset_ms);
        }
    }
    (kept, offsets_ms)
}
