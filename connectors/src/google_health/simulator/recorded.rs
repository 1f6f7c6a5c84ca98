//! Exercises with a recording of what was measured along the way, as Google exports it: TCX within JSON.

use super::api::{Call, error, json_answer, not_found};
use axum::{body::Body, http::Response};
use schemas::time::Instant;
use serde_json::{Value, json};
use std::{f64::consts::TAU, fmt::Write, time::Duration};

/// A run that a device recorded. Two devices that recorded the same run differ in what they measure, and in how their
/// clocks go: where the runner was and how the heart beat follows from `start` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// When it really began.
    pub start: Instant,
    /// How long it lasted, in seconds.
    pub seconds: u32,
    /// How many seconds lie between two points; zero is one.
    pub every_seconds: u32,
    /// Whether the device knows where it is: its points have position, altitude and distance.
    pub has_gps: bool,
    /// Whether the device feels the pulse: its points have a heart rate.
    pub has_heart_rate: bool,
    /// How far the device's clock is ahead of the true time, in milliseconds.
    pub clock_shift_ms: i64,
}

impl RecordedRun {
    /// A run with a point a second, by a device that measures everything and whose clock is right.
    #[must_use]
    pub const fn new(start: Instant, seconds: u32) -> Self {
        Self { start, seconds, every_seconds: 1, has_gps: true, has_heart_rate: true, clock_shift_ms: 0 }
    }

    /// The same as a watch without a pulse sensor records it.
    #[must_use]
    pub const fn by_gps_watch(self) -> Self {
        Self { has_gps: true, has_heart_rate: false, ..self }
    }

    /// The same as a band without GPS records it.
    #[must_use]
    pub const fn by_heart_rate_band(self) -> Self {
        Self { has_gps: false, has_heart_rate: true, ..self }
    }

    /// The same by a device whose clock is ahead by so many milliseconds.
    #[must_use]
    pub const fn ahead_by(self, clock_shift_ms: i64) -> Self {
        Self { clock_shift_ms, ..self }
    }

    /// The device's clock so many seconds into the run.
    fn clock(&self, second: u32) -> Instant {
        Instant(self.start.plus(Duration::from_secs(second.into())).0.saturating_add(self.clock_shift_ms))
    }

    /// The recording as TCX: one activity of one lap.
    #[must_use]
    pub fn tcx(&self) -> String {
        let begins = self.clock(0);
        let (seconds, metres, kcal) = (self.seconds, distance(self.seconds), self.kcal());
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
             <TrainingCenterDatabase xmlns=\"http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2\">\n\
             <Activities><Activity Sport=\"Running\"><Id>{begins}</Id>\n\
             <Lap StartTime=\"{begins}\"><TotalTimeSeconds>{seconds}</TotalTimeSeconds>\
             <DistanceMeters>{metres:.1}</DistanceMeters><Calories>{kcal}</Calories><Intensity>Active</Intensity>\
             <TriggerMethod>Manual</TriggerMethod><Track>\n"
        );
        let every = usize::try_from(self.every_seconds.max(1)).unwrap_or(usize::MAX);
        for second in (0..=seconds).step_by(every) {
            self.point(&mut text, second).expect("writing to a string does not fail");
        }
        text.push_str("</Track></Lap></Activity></Activities></TrainingCenterDatabase>\n");
        text
    }

    fn point(&self, text: &mut String, second: u32) -> std::fmt::Result {
        write!(text, "<Trackpoint><Time>{}</Time>", self.clock(second))?;
        if self.has_gps {
            let metres = distance(second);
            let (latitude, longitude) = position(metres);
            write!(
                text,
                "<Position><LatitudeDegrees>{latitude:.7}</LatitudeDegrees>\
                 <LongitudeDegrees>{longitude:.7}</LongitudeDegrees></Position>\
                 <AltitudeMeters>{:.1}</AltitudeMeters><DistanceMeters>{metres:.2}</DistanceMeters>",
                34.0 + 6.0 * (metres / 400.0).sin()
            )?;
        }
        if self.has_heart_rate {
            write!(text, "<HeartRateBpm><Value>{:.0}</Value></HeartRateBpm>", heart_rate(second))?;
        }
        text.push_str("</Trackpoint>\n");
        Ok(())
    }

    /// The exercise of that id, as Google lists it, on a wall clock two hours ahead of UTC.
    #[must_use]
    pub fn exercise(&self, id: &str) -> Value {
        let device =
            if self.has_gps { ("Pixel Watch", "WATCH", "Google") } else { ("Charge 6", "FITNESS_BAND", "Fitbit") };
        let mut metrics =
            json!({"caloriesKcal": self.kcal(), "distanceMillimeters": (distance(self.seconds) * 1e3).round()});
        if self.has_heart_rate {
            let sum: f64 = (0..=self.seconds).map(heart_rate).sum();
            metrics["averageHeartRateBeatsPerMinute"] = json!(format!("{:.0}", sum / f64::from(self.seconds + 1)));
        }
        json!({
            "name": format!("users/me/dataTypes/exercise/dataPoints/{id}"),
            "dataSource": {
                "recordingMethod": "ACTIVELY_MEASURED", "platform": "FITBIT",
                "device": {"displayName": device.0, "formFactor": device.1, "manufacturer": device.2},
            },
            "exercise": {
                "interval": {
                    "startTime": self.clock(0).to_string(), "startUtcOffset": "7200s",
                    "endTime": self.clock(self.seconds).to_string(), "endUtcOffset": "7200s",
                },
                "exerciseType": "RUNNING", "displayName": "Run", "activeDuration": format!("{}s", self.seconds),
                "exerciseMetadata": {"hasGps": self.has_gps}, "metricsSummary": metrics,
            },
        })
    }

    fn kcal(&self) -> u32 {
        self.seconds / 6
    }
}

/// Metres after so many seconds: about 2.8 m/s, faster and slower in turns of five minutes.
fn distance(second: u32) -> f64 {
    let second = f64::from(second);
    2.8 * second + 0.5 * 300.0 / TAU * (1.0 - (TAU * second / 300.0).cos())
}

/// Where the runner is after so many metres: on a winding way along a river.
fn position(metres: f64) -> (f64, f64) {
    let (east, north) = (metres, 120.0 * (metres / 700.0).sin() + 25.0 * (metres / 90.0).sin());
    (52.5 + north / 111_200.0, 13.4 + east * 0.8 / 67_700.0)
}

/// The heart follows the pace by half a minute.
fn heart_rate(second: u32) -> f64 {
    let second = f64::from(second);
    let warm = 30.0 * (1.0 - (-second / 120.0).exp());
    (118.0 + warm + 12.0 * (TAU * (second - 30.0) / 300.0).sin()).round()
}

/// `dataPoints.exportExerciseTcx`: needs the scopes of activity and of location. Without `partialData`, points without
/// a position are not given.
pub(super) fn export(call: &Call<'_>, id: &str) -> Response<Body> {
    let refusals = [("exercise", "readonly"), ("location", "readonly")];
    if let Some(refusal) = refusals.into_iter().find_map(|(what, verb)| call.refusal(what, verb)) {
        return refusal;
    }
    let is_partial = match call.query.get("partialData").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return error(400, "INVALID_ARGUMENT", "", "Invalid value at 'partial_data' (TYPE_BOOL)."),
    };
    let mut state = call.simulator.state();
    if state.find(&call.user, "exercise", id).is_none() {
        return not_found();
    }
    match state.user(&call.user).tcx.get(id) {
        Some(tcx) if is_partial || tcx.contains("<Position>") => json_answer(200, &json!({"tcxData": tcx})),
        // A field that is empty is left out (JSON of protobuf).
        _ => json_answer(200, &json!({})),
    }
}
