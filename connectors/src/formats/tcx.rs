//! Garmin's Training Center XML (TrainingCenterDatabase v2, with ActivityExtension v2).

use super::{
    date_time,
    gpx::ELEMENT_BYTES_MAX,
    number, record,
    track::{Point, check_totals, streams},
    xml::{Document, Node, Step, XmlError},
};
use engine::provider::{Issue, MapperError, Normal};
use schemas::{
    data_type::DataType,
    record::{Body, RecordingMethod, Span},
    time::Instant,
    workout::{self, Sport, Workout},
};

/// The workouts of a TCX file: one for each activity. Courses and planned workouts are left out, with an issue.
/// A file that is cut off gives what is whole (issue `truncated`).
///
/// # Errors
/// When the bytes are no TCX, or XML that is not safe to read.
pub fn read(bytes: &[u8], name: &str) -> Result<Normal, MapperError> {
    let mut reading = Reading::default();
    let outcome = reading.run(&mut Document::new(bytes));
    let mut normal = Normal::default();
    match outcome {
        Ok(()) => {}
        Err(XmlError::Broken { at }) if reading.is_tcx => {
            let text = "the file is broken or cut off here; the points before that were kept".into();
            normal.issues.push(Issue { code: "truncated", at: format!("byte {at}"), text });
        }
        Err(err) => return Err(MapperError(format!("this cannot be read as TCX: {err}"))),
    }
    if !reading.is_tcx {
        return Err(MapperError("this XML has no TrainingCenterDatabase element".into()));
    }
    reading.finish();
    for (index, activity) in reading.activities.into_iter().enumerate() {
        activity.workout(&format!("{name} activity {index}"), &mut normal);
    }
    if normal.records.is_empty() && normal.issues.is_empty() {
        let text = "the file has no activity, only courses or plans".into();
        normal.issues.push(Issue { code: "unknown_type", at: name.to_owned(), text });
    }
    Ok(normal)
}

#[derive(Debug, Default)]
struct Reading {
    is_tcx: bool,
    activity: Option<Activity>,
    activities: Vec<Activity>,
}

#[derive(Debug, Default)]
struct Activity {
    sport: String,
    id: Option<String>,
    notes: Option<String>,
    device: Option<String>,
    offset_seconds: Option<i32>,
    laps: Vec<Lap>,
    points: Vec<Point>,
    n_untimed: usize,
    is_in_lap: bool,
}

#[derive(Debug, Default)]
struct Lap {
    start: Option<Instant>,
    seconds: Option<f64>,
    summary: workout::Lap,
}

impl Reading {
    fn run(&mut self, document: &mut Document<&[u8]>) -> Result<(), XmlError> {
        loop {
            let node = match document.step()? {
                Step::Open(node) => node,
                Step::Close(name) => {
                    match (name.as_str(), self.activity.as_mut()) {
                        ("Activity", _) => self.finish(),
                        ("Lap", Some(activity)) => activity.is_in_lap = false,
                        _ => {}
                    }
                    continue;
                }
                Step::Text(_) => continue,
                Step::End => return Ok(()),
            };
            match (node.name.as_str(), self.activity.as_mut()) {
                ("TrainingCenterDatabase", _) => self.is_tcx = true,
                ("Activities" | "MultiSportSession" | "FirstSport" | "NextSport" | "Track", _) => {}
                ("Activity", _) => {
                    let sport = node.attribute("Sport").unwrap_or_default().to_owned();
                    self.activity = Some(Activity { sport, ..Activity::default() });
                }
                ("Lap", Some(activity)) => activity.begin_lap(&node),
                ("Courses" | "Workouts" | "Folders", _) => {
                    document.subtree(node, 0)?;
                }
                (_, activity) => {
                    let node = document.subtree(node, ELEMENT_BYTES_MAX)?;
                    if let Some((node, activity)) = node.zip(activity) {
                        activity.take(&node);
                    }
                }
            }
        }
    }

    fn finish(&mut self) {
        self.activities.extend(self.activity.take());
    }
}

impl Activity {
    fn begin_lap(&mut self, node: &Node) {
        let start = node.attribute("StartTime").and_then(date_time);
        self.offset_seconds = self.offset_seconds.or(start.and_then(|it| it.1));
        self.is_in_lap = true;
        self.laps.push(Lap { start: start.map(|it| it.0), ..Lap::default() });
    }

    fn take(&mut self, node: &Node) {
        if node.name == "Trackpoint" {
            match node.child("Time").and_then(|it| date_time(&it.text)) {
                Some((at, _)) => self.points.push(Point { at, ..point(node) }),
                None => self.n_untimed += 1,
            }
            return;
        }
        let value = || number(&node.text);
        match (node.name.as_str(), self.laps.last_mut().filter(|_| self.is_in_lap)) {
            ("Id", None) => self.id = node.words(),
            ("Notes", None) => self.notes = node.words(),
            ("Creator", None) => self.device = node.child("Name").and_then(Node::words),
            ("TotalTimeSeconds", Some(lap)) => lap.seconds = value().filter(|it| (0.0..1e8).contains(it)),
            ("DistanceMeters", Some(lap)) => lap.summary.distance_m = value(),
            ("Calories", Some(lap)) => lap.summary.energy_kcal = value(),
            ("AverageHeartRateBpm", Some(lap)) => lap.summary.heart_rate_mean = node.number("Value"),
            ("MaximumHeartRateBpm", Some(lap)) => lap.summary.heart_rate_max = node.number("Value"),
            _ => {}
        }
    }

    fn workout(mut self, at: &str, normal: &mut Normal) {
        if self.n_untimed > 0 {
            let text = format!("{} points have no time and were left out", self.n_untimed);
            normal.issues.push(Issue { code: "no_time", at: at.to_owned(), text });
        }
        let lap_end = |it: &Lap| it.start.map(|start| Instant(start.0 + milliseconds(it.seconds.unwrap_or(0.0))));
        let points = || self.points.iter().map(|it| it.at);
        let start = self.laps.iter().filter_map(|it| it.start).chain(points()).min();
        let end = self.laps.iter().filter_map(lap_end).chain(points()).max();
        let Some((start, end)) = start.zip(end) else {
            let text = "the activity has no time and was left out".into();
            normal.issues.push(Issue { code: "no_time", at: at.to_owned(), text });
            return;
        };
        let sport = match self.sport.as_str() {
            "Running" => Sport::Running,
            "Biking" => Sport::Cycling,
            _ => Sport::Other,
        };
        if sport == Sport::Running {
            // Cadence counts one foot (ActivityExtension v2, `RunCadence`).
            self.points.iter_mut().for_each(|it| it.cadence = it.cadence.map(|it| it * 2.0));
        }
        let sum = |value: fn(&Lap) -> Option<f64>| {
            self.laps.iter().filter_map(value).fold(None, |sum: Option<f64>, it| Some(sum.unwrap_or(0.0) + it))
        };
        let mut workout = Workout {
            sport,
            notes: self.notes.take(),
            moving_ms: sum(|it| it.seconds).map(milliseconds),
            distance_m: sum(|it| it.summary.distance_m),
            energy_kcal: sum(|it| it.summary.energy_kcal),
            heart_rate_mean: match self.laps.as_slice() {
                [only] => only.summary.heart_rate_mean,
                // Laps do not say how long their means were measured.
                _ => None,
            },
            heart_rate_max: self.laps.iter().filter_map(|it| it.summary.heart_rate_max).reduce(f64::max),
            laps: laps(&self.laps, start),
            streams: streams(self.points, start, at, &mut normal.issues),
            ..Workout::default()
        };
        check_totals(&mut workout, at, &mut normal.issues);
        let id = match &self.id {
            Some(id) => format!("tcx-{id}"),
            None => format!("workout-{}-{}", start.0, end.0),
        };
        let time = Span { start, end, offset_seconds: self.offset_seconds, zone: None };
        let body = Body::Workout(Box::new(workout));
        normal.records.push(record(DataType::Workout, id, time, RecordingMethod::Active, self.device, body));
    }
}

fn laps(laps: &[Lap], start: Instant) -> Vec<workout::Lap> {
    let lap = |it: &Lap| {
        let elapsed_ms = milliseconds(it.seconds.unwrap_or(0.0));
        Some(workout::Lap { offset_ms: it.start?.0 - start.0, elapsed_ms, ..it.summary.clone() })
    };
    laps.iter().filter_map(lap).collect()
}

fn point(node: &Node) -> Point {
    let child = |name| node.child(name).and_then(|it| number(&it.text));
    Point {
        latitude: node.number("LatitudeDegrees"),
        longitude: node.number("LongitudeDegrees"),
        altitude: child("AltitudeMeters"),
        heart_rate: node.child("HeartRateBpm").and_then(|it| it.number("Value")),
        cadence: child("Cadence").or_else(|| node.number("RunCadence")),
        power: node.number("Watts"),
        speed: node.number("Speed"),
        distance: child("DistanceMeters"),
        ..Point::default()
    }
}

/// Seconds of less than 1e8 as milliseconds.
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}
