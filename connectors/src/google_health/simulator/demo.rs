//! Data of demo persons: two whole days from the fixtures, and two weeks made from a seed in the same wire format.

use super::RecordedRun;
use chrono::{Days, NaiveDate};
use schemas::time::Instant;
use serde_json::{Value, json};

const N_DAYS: u64 = 14;
/// Made days are those of a person in Berlin in summer.
const OFFSET_MS: i64 = 7_200_000;
const MINUTE_MS: i64 = 60_000;

/// The fixtures of both scenarios, by type. `total-calories` has no fixture: Google gives only sums of it.
const LISTS: [(&str, [&str; 2]); 8] = [
    (
        "steps",
        [include_str!("../fixtures/berlin/steps.list.json"), include_str!("../fixtures/newyork/steps.list.json")],
    ),
    (
        "sleep",
        [include_str!("../fixtures/berlin/sleep.list.json"), include_str!("../fixtures/newyork/sleep.list.json")],
    ),
    (
        "exercise",
        [include_str!("../fixtures/berlin/exercise.list.json"), include_str!("../fixtures/newyork/exercise.list.json")],
    ),
    (
        "weight",
        [include_str!("../fixtures/berlin/weight.list.json"), include_str!("../fixtures/newyork/weight.list.json")],
    ),
    (
        "heart-rate",
        [
            include_str!("../fixtures/berlin/heart-rate.list.json"),
            include_str!("../fixtures/newyork/heart-rate.list.json"),
        ],
    ),
    (
        "daily-resting-heart-rate",
        [
            include_str!("../fixtures/berlin/daily-resting-heart-rate.list.json"),
            include_str!("../fixtures/newyork/daily-resting-heart-rate.list.json"),
        ],
    ),
    (
        "daily-heart-rate-variability",
        [
            include_str!("../fixtures/berlin/daily-heart-rate-variability.list.json"),
            include_str!("../fixtures/newyork/daily-heart-rate-variability.list.json"),
        ],
    ),
    (
        "daily-oxygen-saturation",
        [
            include_str!("../fixtures/berlin/daily-oxygen-saturation.list.json"),
            include_str!("../fixtures/newyork/daily-oxygen-saturation.list.json"),
        ],
    ),
];

/// Numbers that a seed decides (SplitMix64).
struct Dice(u64);

impl Dice {
    /// A number from `least` to just below `end`.
    fn roll(&mut self, least: i64, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let width = u64::try_from(end - least).unwrap_or(1).max(1);
        least + i64::try_from((it ^ (it >> 31)) % width).unwrap_or(0)
    }
}

/// The data points of a demo person, by type in paths: both days of the fixtures (3 May and 17 June 2026) and the
/// two weeks that end on 1 July 2026. The same seed gives the same points.
#[must_use]
pub fn demo_points(seed: u64) -> Vec<(String, Vec<Value>)> {
    demo_points_until(seed, NaiveDate::from_ymd_opt(2026, 7, 1).unwrap_or_default())
}

/// As [`demo_points`], with the two weeks ending on another day.
#[must_use]
pub fn demo_points_until(seed: u64, last: NaiveDate) -> Vec<(String, Vec<Value>)> {
    let mut all: Vec<(String, Vec<Value>)> =
        LISTS.iter().map(|(data_type, lists)| ((*data_type).to_owned(), fixtures(lists))).collect();
    all.push(("total-calories".into(), Vec::new()));
    let mut dice = Dice(seed);
    let mut grams = dice.roll(55_000, 95_000);
    for back in (0..N_DAYS).rev() {
        let Some(midnight) = last.checked_sub_days(Days::new(back)).and_then(|it| it.and_hms_opt(0, 0, 0)) else {
            continue;
        };
        let day = midnight.date().to_string();
        let midnight = midnight.and_utc().timestamp_millis() - OFFSET_MS;
        grams += dice.roll(-300, 290);
        for (data_type, points) in &mut all {
            match data_type.as_str() {
                "weight" => points.push(weight(&day, midnight, grams)),
                "total-calories" => points.push(energy(midnight, dice.roll(1_700, 3_100))),
                "sleep" => points.push(sleep(&day, midnight, &mut dice)),
                "steps" => {
                    points.extend((7..22).map(|hour| steps(midnight + hour * 60 * MINUTE_MS, dice.roll(0, 1_100))))
                }
                "exercise" if back % 3 == 0 => points.push(exercise(&day, midnight, &mut dice)),
                _ => {}
            }
        }
    }
    all
}

/// The recording of a demo exercise: by a band without GPS for those of the fixtures, by a watch for those that are made.
pub(super) fn recorded(point: &Value) -> Option<(String, RecordedRun)> {
    let at = |key| Instant::parse(point.pointer("/exercise/interval")?.get(key)?.as_str()?);
    let (start, end) = (at("startTime")?, at("endTime")?);
    let id = point.get("name")?.as_str()?.rsplit('/').next()?.to_owned();
    let seconds = u32::try_from(end.since(start).as_secs()).ok()?;
    let has_gps = id.starts_with("e-");
    Some((id, RecordedRun { every_seconds: 5, has_gps, ..RecordedRun::new(start, seconds) }))
}

/// Both scenarios' points; their names differ by scenario, as one person is to have them all.
fn fixtures(lists: &[&str]) -> Vec<Value> {
    let mut all = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let list: Value = serde_json::from_str(list).unwrap_or_default();
        for point in list.get("dataPoints").and_then(Value::as_array).into_iter().flatten() {
            let mut point = point.clone();
            if let Some(name) = point.get("name").and_then(Value::as_str) {
                point["name"] = json!(format!("{name}{index}"));
            }
            all.push(point);
        }
    }
    all
}

fn band(method: &str) -> Value {
    json!({
        "recordingMethod": method, "platform": "FITBIT",
        "device": {"displayName": "Charge 6", "formFactor": "FITNESS_BAND", "manufacturer": "Fitbit"},
    })
}

fn interval(start: i64, end: i64) -> Value {
    let offset = format!("{}s", OFFSET_MS / 1000);
    json!({
        "startTime": Instant(start).to_string(), "startUtcOffset": offset, "civilStartTime": super::api::civil(start + OFFSET_MS),
        "endTime": Instant(end).to_string(), "endUtcOffset": offset, "civilEndTime": super::api::civil(end + OFFSET_MS),
    })
}

fn weight(day: &str, midnight: i64, grams: i64) -> Value {
    let at = midnight + 425 * MINUTE_MS;
    json!({
        "name": format!("users/me/dataTypes/weight/dataPoints/w-{day}"),
        "dataSource": {"recordingMethod": "MANUAL", "platform": "FITBIT"},
        "weight": {
            "sampleTime": {"physicalTime": Instant(at).to_string(), "utcOffset": "7200s", "civilTime": super::api::civil(at + OFFSET_MS)},
            "weightGrams": grams,
        },
    })
}

fn steps(start: i64, count: i64) -> Value {
    json!({
        "dataSource": band("PASSIVELY_MEASURED"),
        "steps": {"interval": interval(start, start + 60 * MINUTE_MS), "count": count.to_string()},
    })
}

fn energy(midnight: i64, kcal: i64) -> Value {
    let value = json!({"interval": interval(midnight, midnight + 1_440 * MINUTE_MS), "kcal": kcal});
    json!({"dataSource": band("DERIVED"), "totalCalories": value})
}

fn sleep(day: &str, midnight: i64, dice: &mut Dice) -> Value {
    let start = midnight - dice.roll(10, 90) * MINUTE_MS;
    let mut at = start;
    let mut stages = Vec::new();
    for cycle in 0..5 {
        for kind in ["LIGHT", "DEEP", "LIGHT", if cycle == 2 { "AWAKE" } else { "REM" }] {
            let end = at + dice.roll(8, 40) * MINUTE_MS;
            stages.push(json!({
                "type": kind, "startTime": Instant(at).to_string(), "startUtcOffset": "7200s",
                "endTime": Instant(end).to_string(), "endUtcOffset": "7200s",
            }));
            at = end;
        }
    }
    json!({
        "name": format!("users/me/dataTypes/sleep/dataPoints/s-{day}"),
        "dataSource": band("DERIVED"),
        "sleep": {
            "interval": interval(start, at), "type": "STAGES", "stages": stages,
            "metadata": {"processed": true, "nap": false, "stagesStatus": "SUCCEEDED"},
        },
    })
}

fn exercise(day: &str, midnight: i64, dice: &mut Dice) -> Value {
    let (start, minutes) = (midnight + dice.roll(1_000, 1_140) * MINUTE_MS, dice.roll(25, 75));
    let kind = ["RUNNING", "BIKING", "WALKING"]
        .get(usize::try_from(dice.roll(0, 3)).unwrap_or(0))
        .copied()
        .unwrap_or("RUNNING");
    json!({
        "name": format!("users/me/dataTypes/exercise/dataPoints/e-{day}"),
        "dataSource": band("ACTIVELY_MEASURED"),
        "exercise": {
            "interval": interval(start, start + minutes * MINUTE_MS),
            "exerciseType": kind, "displayName": kind, "activeDuration": format!("{}s", minutes * 60),
            "exerciseMetadata": {"hasGps": true},
            "metricsSummary": {
                "caloriesKcal": minutes * 9, "distanceMillimeters": minutes * 160_000,
                "averageHeartRateBeatsPerMinute": dice.roll(115, 165).to_string(),
            },
        },
    })
}
