//! GPX 1.0 and 1.1 (topografix.com/GPX/1/1), with the track point extensions of Garmin and others.

use super::{
    date_time, number, record,
    track::{Point, check_totals, streams},
    xml::{Document, Node, Step, XmlError},
};
use engine::provider::{Issue, MapperError, Normal};
use schemas::{
    data_type::DataType,
    record::{Body, RecordingMethod, Span},
    workout::{Sport, Workout},
};

/// More than any point, name or waypoint needs.
pub(super) const ELEMENT_BYTES_MAX: usize = 64 * 1024;

/// The workouts of a GPX file: one for each track that has times.
///
/// Points without a time are left out (issue `no_time`), and so are waypoints and routes, which are plans rather
/// than recordings (issue `unknown_type`). A file that is cut off gives what is whole.
///
/// # Errors
/// When the bytes are no GPX, or XML that is not safe to read.
pub fn read(bytes: &[u8], name: &str) -> Result<Normal, MapperError> {
    let mut reading = Reading::default();
    let mut document = Document::new(bytes);
    let outcome = reading.run(&mut document);
    let mut normal = Normal::default();
    match outcome {
        Ok(()) => {}
        Err(XmlError::Broken { at }) if reading.is_gpx => {
            let text = "the file is broken or cut off here; the points before that were kept".into();
            normal.issues.push(Issue { code: "truncated", at: format!("byte {at}"), text });
        }
        Err(err) => return Err(MapperError(format!("this cannot be read as GPX: {err}"))),
    }
    if !reading.is_gpx {
        return Err(MapperError("this XML has no gpx element".into()));
    }
    reading.finish_track();
    for (index, track) in reading.tracks.into_iter().enumerate() {
        track.workout(&format!("{name} track {index}"), &mut normal);
    }
    if reading.n_plans > 0 {
        let text = format!("{} waypoints and route points are no recording and were left out", reading.n_plans);
        normal.issues.push(Issue { code: "unknown_type", at: name.to_owned(), text });
    }
    if normal.records.is_empty() && normal.issues.is_empty() {
        let text = "the file has no track with points".into();
        normal.issues.push(Issue { code: "unknown_type", at: name.to_owned(), text });
    }
    Ok(normal)
}

/// The points of all tracks of a GPX file that have a time, for a route that belongs to a workout.
///
/// # Errors
/// As [`read`]; a file that is cut off gives what is whole.
pub fn points(bytes: &[u8]) -> Result<Vec<Point>, MapperError> {
    let mut reading = Reading::default();
    match reading.run(&mut Document::new(bytes)) {
        Err(XmlError::Unsafe(why)) => return Err(MapperError(why)),
        Ok(()) | Err(XmlError::Broken { .. }) => reading.finish_track(),
    }
    Ok(reading.tracks.into_iter().flat_map(|it| it.points).collect())
}

#[derive(Debug, Default)]
struct Track {
    title: Option<String>,
    notes: Option<String>,
    kind: Option<String>,
    points: Vec<Point>,
    offset_seconds: Option<i32>,
    n_untimed: usize,
}

#[derive(Debug, Default)]
struct Reading {
    is_gpx: bool,
    track: Option<Track>,
    tracks: Vec<Track>,
    n_plans: usize,
}

impl Reading {
    fn run(&mut self, document: &mut Document<&[u8]>) -> Result<(), XmlError> {
        loop {
            let node = match document.step()? {
                Step::Open(node) => node,
                Step::Close(name) => {
                    if name == "trk" {
                        self.finish_track();
                    }
                    continue;
                }
                Step::Text(_) => continue,
                Step::End => return Ok(()),
            };
            match (node.name.as_str(), self.track.as_mut()) {
                ("gpx", _) => self.is_gpx = true,
                ("trk", _) => self.track = Some(Track::default()),
                ("trkseg" | "rte", _) => {}
                ("wpt" | "rtept", _) => {
                    self.n_plans += 1;
                    document.subtree(node, ELEMENT_BYTES_MAX)?;
                }
                (_, track) => {
                    let node = document.subtree(node, ELEMENT_BYTES_MAX)?;
                    if let Some((node, track)) = node.zip(track) {
                        track.take(&node);
                    }
                }
            }
        }
    }

    fn finish_track(&mut self) {
        self.tracks.extend(self.track.take());
    }
}

impl Track {
    fn take(&mut self, node: &Node) {
        match node.name.as_str() {
            "name" => self.title = node.words(),
            "desc" | "cmt" => self.notes = node.words(),
            "type" => self.kind = node.words(),
            "trkpt" => match node.child("time").and_then(|it| date_time(&it.text)) {
                Some((at, offset_seconds)) => {
                    self.offset_seconds = self.offset_seconds.or(offset_seconds);
                    self.points.push(Point { at, ..point(node) });
                }
                None => self.n_untimed += 1,
            },
            _ => {}
        }
    }

    fn workout(self, at: &str, normal: &mut Normal) {
        if self.n_untimed > 0 {
            let text = format!("{} points have no time and were left out", self.n_untimed);
            normal.issues.push(Issue { code: "no_time", at: at.to_owned(), text });
        }
        let times = || self.points.iter().map(|it| it.at);
        let Some((start, end)) = times().min().zip(times().max()) else { return };
        let (sport, sport_detail) = self.kind.as_deref().map_or((Sport::Other, None), sport);
        let mut points = self.points;
        if matches!(sport, Sport::Running | Sport::Walking | Sport::Hiking | Sport::TrailRunning) {
            // The extension counts one foot (Garmin TrackPointExtension v2, `cad`).
            points.iter_mut().for_each(|it| it.cadence = it.cadence.map(|it| it * 2.0));
        }
        let streams = streams(points, start, at, &mut normal.issues);
        let distance_m = streams.distance.0.iter().copied().rfind(|it| !it.is_nan());
        let (title, notes) = (self.title, self.notes);
        let mut workout = Workout { sport, sport_detail, title, notes, distance_m, streams, ..Workout::default() };
        check_totals(&mut workout, at, &mut normal.issues);
        let time = Span { start, end, offset_seconds: self.offset_seconds, zone: None };
        let id = format!("workout-{}-{}", start.0, end.0);
        let body = Body::Workout(Box::new(workout));
        normal.records.push(record(DataType::Workout, id, time, RecordingMethod::Active, None, body));
    }
}

fn point(node: &Node) -> Point {
    let attribute = |name| node.attribute(name).and_then(number);
    Point {
        latitude: attribute("lat"),
        longitude: attribute("lon"),
        altitude: node.child("ele").and_then(|it| number(&it.text)),
        heart_rate: node.number("hr").or_else(|| node.number("heartrate")),
        cadence: node.number("cad").or_else(|| node.number("cadence")),
        power: node.number("power").or_else(|| node.number("PowerInWatts")),
        speed: node.number("speed"),
        distance: node.number("distance"),
        temperature: node.number("atemp").or_else(|| node.number("temp")),
        ..Point::default()
    }
}

/// GPX does not say which words a `type` may be: these are what Garmin, Strava, Komoot and Suunto write.
fn sport(kind: &str) -> (Sport, Option<String>) {
    let sport = match kind.to_lowercase().replace([' ', '-'], "_").as_str() {
        "running" | "run" | "9" | "track_running" | "street_running" => Sport::Running,
        "trail_running" | "trail_run" => Sport::TrailRunning,
        "treadmill_running" => Sport::TreadmillRunning,
        "walking" | "walk" | "10" => Sport::Walking,
        "hiking" | "hike" | "4" => Sport::Hiking,
        "cycling" | "biking" | "ride" | "road_biking" | "1" => Sport::Cycling,
        "mountain_biking" | "mtb" => Sport::MountainBiking,
        "gravel_cycling" | "gravel_ride" => Sport::GravelCycling,
        "open_water_swimming" | "swimming" | "swim" => Sport::OpenWaterSwimming,
        "rowing" => Sport::Rowing,
        "kayaking" | "canoeing" => Sport::Paddling,
        "stand_up_paddleboarding" | "stand_up_paddling" => Sport::StandUpPaddling,
        "cross_country_skiing" | "nordic_ski" => Sport::CrossCountrySkiing,
        "alpine_skiing" | "resort_skiing" => Sport::AlpineSkiing,
        "snowboarding" => Sport::Snowboarding,
        "inline_skating" | "ice_skating" => Sport::Skating,
        "golf" => Sport::Golf,
        _ => return (Sport::Other, Some(kind.to_owned())),
    };
    (sport, None)
}
