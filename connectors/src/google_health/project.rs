//! What Google Health can hold of a record, and the data point that says it.

use super::{
    names,
    points::{self, WallClock},
    profile,
};
use schemas::{
    data_type::DataType,
    record::{Body, Nutrition, Quantity, Record, Sleep, SleepStage, Span},
    time::Instant,
    workout::Workout,
};
use serde_json::{Map, Value, json};

/// Google refuses a session that ends when it begins; half a minute is what its own clients write.
const SESSION_MS_MIN: i64 = 30_000;

/// What Google keeps of `record`: by construction exactly what reading back gives, as it is read back from the very
/// data point that would be written.
///
/// # Errors
/// Why Google can hold nothing of it, and what would work.
pub(super) fn project(record: &Record) -> Result<Record, String> {
    let feed = writable(record)?;
    if record.deleted {
        return Ok(record.clone());
    }
    let point = point(record)?;
    let mapped = points::map(feed, &point, &WallClock::default())
        .map_err(|it| format!("google health would not hold this {}: {}", record.data_type, it.text))?
        .ok_or_else(|| format!("this {} has no value", record.data_type))?;
    Ok(Record {
        origin: record.origin.clone(),
        state: record.state,
        policy: record.policy.clone(),
        body: mapped.record.body,
        time: mapped.record.time,
        ..record.clone()
    })
}

fn writable(record: &Record) -> Result<&'static profile::Feed, String> {
    let data_type = record.data_type;
    let feed = profile::writable(data_type).ok_or_else(|| {
        format!(
            "google health takes no {data_type} from other services; choose a destination that does, such as Apple \
             Health or Health Connect on the person's phone"
        )
    })?;
    if record.is_daily_total {
        return Err(format!("a day's total of {data_type} is no record at google health; sync its parts instead"));
    }
    Ok(feed)
}

/// The data point to be written for a record, without name.
///
/// # Errors
/// Why there is none.
pub(super) fn point(record: &Record) -> Result<Value, String> {
    let feed = writable(record)?;
    let value = match (&record.body, record.data_type) {
        (Body::Quantity(it), DataType::Weight) => sample(record, "weightGrams", json!(grams(it))),
        (Body::Quantity(it), DataType::BodyFat) => sample(record, "percentage", json!(it.value)),
        (Body::Quantity(it), DataType::Height) => sample(record, "heightMillimeters", int(it.value * 10.0)),
        (Body::Quantity(it), DataType::Hydration) => {
            session(record, json!({"amountConsumed": {"milliliters": it.value, "userProvidedUnit": "MILLILITER"}}))
        }
        (Body::Sleep(it), DataType::Sleep) => session(record, sleep(it, &record.time)),
        (Body::Workout(it), DataType::Workout) => session(record, exercise(it)),
        (Body::Nutrition(it), DataType::Nutrition) => session(record, nutrition(it)),
        _ => {
            return Err(format!("the values of this {} are of another kind than its type", record.data_type));
        }
    };
    // `MANUAL` is what Google is known to accept from others; it sets platform and civil times by itself.
    let mut source = json!({"recordingMethod": "MANUAL"});
    if let Some(device) = &record.origin.device {
        source["device"] = json!({"displayName": device});
    }
    let mut point = Map::new();
    point.insert("dataSource".into(), source);
    point.insert(feed.field.into(), value);
    Ok(Value::Object(point))
}

fn grams(it: &Quantity) -> f64 {
    (it.value * 1000.0).round()
}

/// int64 is text in Google's JSON. A number that is none (NaN) becomes null, which reading back then refuses.
fn int(value: f64) -> Value {
    if value.is_finite() { json!(format!("{:.0}", value.round())) } else { Value::Null }
}

fn offset(time: &Span) -> String {
    format!("{}s", time.offset_seconds.unwrap_or(0))
}

fn sample(record: &Record, key: &str, value: Value) -> Value {
    let time = &record.time;
    let mut inner = json!({"sampleTime": {"physicalTime": time.start.to_string(), "utcOffset": offset(time)}});
    inner[key] = value;
    inner
}

fn session(record: &Record, mut inner: Value) -> Value {
    let (time, offset) = (&record.time, offset(&record.time));
    let end = if time.end > time.start { time.end } else { Instant(time.start.0.saturating_add(SESSION_MS_MIN)) };
    inner["interval"] = json!({
        "startTime": time.start.to_string(), "startUtcOffset": offset,
        "endTime": end.to_string(), "endUtcOffset": offset,
    });
    inner
}

fn sleep(it: &Sleep, time: &Span) -> Value {
    let offset = offset(time);
    let at = |ms: i64| Instant(time.start.0.saturating_add(ms));
    let columns = it.stage_offsets_ms.iter().zip(&it.stage_durations_ms).zip(&it.stages);
    let stages: Vec<Value> = columns
        .filter_map(|((from, length), stage)| {
            let kind = stage_to_google(*stage)?;
            let (start, end) = (at(*from), at(from.saturating_add(*length)));
            Some(json!({
                "type": kind,
                "startTime": start.to_string(), "startUtcOffset": offset,
                "endTime": end.to_string(), "endUtcOffset": offset,
            }))
        })
        .collect();
    let is_staged = it.stages.iter().any(|it| matches!(it, SleepStage::Light | SleepStage::Deep | SleepStage::Rem));
    json!({"type": if is_staged { "STAGES" } else { "CLASSIC" }, "stages": stages})
}

/// Google has no word for lying in bed; being out of it is being awake.
const fn stage_to_google(stage: SleepStage) -> Option<&'static str> {
    match stage {
        SleepStage::Awake | SleepStage::OutOfBed => Some("AWAKE"),
        SleepStage::Asleep => Some("ASLEEP"),
        SleepStage::Light => Some("LIGHT"),
        SleepStage::Deep => Some("DEEP"),
        SleepStage::Rem => Some("REM"),
        SleepStage::InBed | SleepStage::Unknown => None,
    }
}

/// A summary only: Google takes neither streams nor laps of others (they are read from its own devices).
fn exercise(it: &Workout) -> Value {
    let kind = names::sport_to_google(it.sport);
    // A title is required; the sport's own name stands in for one.
    let title = it.title.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| names::sport_title(it.sport));
    let mut metrics = Map::new();
    let mut set = |key: &str, value: Option<Value>| value.map(|it| metrics.insert(key.into(), it));
    set("caloriesKcal", it.energy_kcal.map(|it| json!(it)));
    set("distanceMillimeters", it.distance_m.map(|it| json!((it * 1000.0).round())));
    set("elevationGainMillimeters", it.ascent_m.map(|it| json!((it * 1000.0).round())));
    set("averageHeartRateBeatsPerMinute", it.heart_rate_mean.map(int));
    set("steps", it.steps.map(|it| json!(it.to_string())));
    let mut exercise = json!({"exerciseType": kind, "displayName": title, "metricsSummary": metrics});
    if let Some(moving) = it.moving_ms {
        exercise["activeDuration"] = json!(duration(moving));
    }
    if let Some(notes) = it.notes.as_deref().filter(|it| !it.is_empty()) {
        exercise["notes"] = json!(notes);
    }
    exercise
}

fn duration(ms: i64) -> String {
    let (seconds, rest) = (ms.max(0) / 1000, ms.max(0) % 1000);
    if rest == 0 { format!("{seconds}s") } else { format!("{seconds}.{rest:03}s") }
}

fn nutrition(it: &Nutrition) -> Value {
    let mut food = Map::new();
    let mut set = |key: &str, value: Option<Value>| value.map(|it| food.insert(key.into(), it));
    set("foodDisplayName", it.name.as_ref().map(|it| json!(it)));
    set("mealType", it.meal.as_ref().map(|it| json!(it.to_uppercase())));
    set("energy", it.energy_kcal.map(|it| json!({"kcal": it})));
    set("totalFat", it.nutrients_g.get("fat").map(|it| json!({"grams": it})));
    set("totalCarbohydrate", it.nutrients_g.get("carbohydrate").map(|it| json!({"grams": it})));
    let others = it.nutrients_g.iter().filter(|it| it.0 != "fat" && it.0 != "carbohydrate");
    let nutrients =
        others.map(|(name, grams)| json!({"nutrient": names::nutrient_to_google(name), "quantity": {"grams": grams}}));
    let nutrients: Vec<Value> = nutrients.collect();
    set("nutrients", (!nutrients.is_empty()).then(|| json!(nutrients)));
    Value::Object(food)
}
