//! Activities: sessions with their laps and points.

use super::{Content, Source, message::Message, sport};
use crate::formats::track::{Point, check_totals, streams};
use engine::provider::{Issue, Normal};
use schemas::{
    data_type::DataType,
    record::{Body, RecordingMethod, Span},
    time::Instant,
    workout::{Lap, Workout},
};

/// The `record` messages of a file, as points whose times are still as written.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Points with their times; `Point::at` is set when the file's clock is known.
    points: Vec<(u32, Point)>,
    n_untimed: usize,
    /// The last count of 1/16 m in a compressed distance, and the metres so far.
    compressed: Option<(u32, f64)>,
}

impl Track {
    pub(super) fn push(&mut self, it: &Message) {
        let (packed_speed, packed_distance) = self.unpack(it);
        let Some(time) = it.time else {
            self.n_untimed += 1;
            return;
        };
        let degrees = |field| it.number(field).map(|it| it * (180.0 / 2_147_483_648.0));
        let height = |field| it.scaled(field, 5.0).map(|it| it - 500.0);
        let cadence = it.number(4).map(|whole| whole + it.scaled(53, 128.0).unwrap_or(0.0));
        let point = Point {
            at: Instant::default(),
            latitude: degrees(0),
            longitude: degrees(1),
            altitude: height(78).or_else(|| height(2)),
            heart_rate: it.number(3),
            cadence,
            power: it.number(7),
            speed: it.scaled(73, 1_000.0).or_else(|| it.scaled(6, 1_000.0)).or(packed_speed),
            distance: it.scaled(5, 100.0).or(packed_distance),
            temperature: it.number(13),
        };
        self.points.push((time, point));
    }

    /// Speed (12 bits, 1/100 m/s) and distance (12 bits, 1/16 m, running over) of `compressed_speed_distance`.
    fn unpack(&mut self, it: &Message) -> (Option<f64>, Option<f64>) {
        let Some([a, b, c]) = it.three_bytes(8) else { return (None, None) };
        let (speed, count) = (a | (b & 0xf) << 8, b >> 4 | c << 4);
        let (last, metres) = self.compressed.unwrap_or((0, 0.0));
        let metres = metres + f64::from(count.wrapping_sub(last) & 0xfff) / 16.0;
        self.compressed = Some((count, metres));
        (Some(f64::from(speed) / 100.0), Some(metres))
    }
}

/// A session, or what stands for it in a file that was cut off before one was written.
struct Bout<'a> {
    session: Option<&'a Message>,
    /// Its end as written, by which points and laps are given to sessions.
    until: Option<Instant>,
    points: Vec<Point>,
    laps: Vec<&'a Message>,
}

/// Adds the workouts of a file.
pub(super) fn records(content: &Content, source: &Source, name: &str, normal: &mut Normal) {
    if content.track.n_untimed > 0 {
        let text = format!("{} points have no time and were left out", content.track.n_untimed);
        normal.issues.push(Issue { code: "no_time", at: name.to_owned(), text });
    }
    if content.sessions.is_empty() && content.track.points.is_empty() {
        return;
    }
    if source.clock.offset_seconds.is_none() {
        let text = match source.clock.system_offset {
            Some(_) => "the device did not know the time zone; its wall clock was taken as UTC",
            None => "the file does not say the time zone",
        };
        normal.issues.push(Issue { code: "no_time_zone", at: name.to_owned(), text: text.into() });
    }
    for (index, bout) in bouts(content, source, name, normal).into_iter().enumerate() {
        let at = format!("{name} session {index}");
        match workout(&bout, content, source, &at, &mut normal.issues) {
            Some((time, workout)) => {
                let body = Body::Workout(Box::new(workout));
                let part = index.to_string();
                normal.records.push(source.record(DataType::Workout, &part, time, RecordingMethod::Active, body));
            }
            None => {
                let text = "the session has no time that can be placed; it was left out".into();
                normal.issues.push(Issue { code: "no_time", at, text });
            }
        }
    }
}

/// Gives every point and lap to the session in which it was recorded: the first that was not over yet. The starts
/// are not used for it, because a watch may set its clock in mid-session.
fn bouts<'a>(content: &'a Content, source: &Source, name: &str, normal: &mut Normal) -> Vec<Bout<'a>> {
    let instant = |it: u32| source.clock.instant(it);
    let mut bouts: Vec<Bout<'_>> = content
        .sessions
        .iter()
        .map(|it| Bout { session: Some(it), until: it.time.and_then(instant), points: Vec::new(), laps: Vec::new() })
        .collect();
    bouts.sort_by_key(|it| it.until);
    if bouts.is_empty() {
        bouts.push(Bout { session: None, until: None, points: Vec::new(), laps: Vec::new() });
    }
    let last = bouts.len() - 1;
    let of = |bouts: &[Bout<'_>], at: Instant| {
        bouts.iter().position(|it| it.until.is_some_and(|end| at <= end)).unwrap_or(last)
    };
    let mut n_unplaced = 0;
    for (time, point) in &content.track.points {
        let Some(at) = instant(*time) else {
            n_unplaced += 1;
            continue;
        };
        let index = of(&bouts, at);
        if let Some(bout) = bouts.get_mut(index) {
            bout.points.push(Point { at, ..*point });
        }
    }
    for lap in &content.laps {
        let Some(at) = lap.integer(2).or(lap.time).and_then(instant) else { continue };
        let index = of(&bouts, at);
        if let Some(bout) = bouts.get_mut(index) {
            bout.laps.push(lap);
        }
    }
    if n_unplaced > 0 {
        let text =
            format!("the times of {n_unplaced} points count from when the device was switched on; they were left out");
        normal.issues.push(Issue { code: "no_time", at: name.to_owned(), text });
    }
    bouts
}

fn workout(
    bout: &Bout<'_>,
    content: &Content,
    source: &Source,
    at: &str,
    issues: &mut Vec<Issue>,
) -> Option<(Span, Workout)> {
    let instant = |it: u32| source.clock.instant(it);
    let first = bout.points.iter().map(|it| it.at).min();
    let last = bout.points.iter().map(|it| it.at).max();
    let told = bout.session.and_then(|it| it.integer(2)).and_then(instant);
    let start = first.map_or(told, |it| Some(told.map_or(it, |told| told.min(it))))?;
    let elapsed = bout.session.and_then(|it| milliseconds(it, 7));
    let end = elapsed.map(|it| Instant(start.0 + it)).or(bout.until).unwrap_or(start).max(last.unwrap_or(start));
    let kind = bout.session.or(content.sport.as_ref());
    let (sport_field, sub_field) = if bout.session.is_some() { (5, 6) } else { (0, 1) };
    let (sport, sport_detail) =
        sport::of(kind.and_then(|it| it.integer(sport_field)), kind.and_then(|it| it.integer(sub_field)));
    let mut points = bout.points.clone();
    if sport::is_on_foot(sport) {
        // FIT counts one foot.
        points.iter_mut().for_each(|it| it.cadence = it.cadence.map(|it| it * 2.0));
    }
    let streams = streams(points, start, at, issues);
    let mut workout = Workout { sport, sport_detail, streams, ..Workout::default() };
    match bout.session {
        Some(it) => summary(it, &mut workout),
        None => workout.distance_m = workout.streams.distance.0.iter().copied().rfind(|it| !it.is_nan()),
    }
    let mut laps_end = start;
    for it in &bout.laps {
        let Some(lap) = lap(it, start, laps_end, source) else { continue };
        laps_end = Instant(start.0 + lap.offset_ms + lap.elapsed_ms);
        workout.laps.push(lap);
    }
    workout.laps.sort_by_key(|it| it.offset_ms);
    check_totals(&mut workout, at, issues);
    let time = Span { start, end, offset_seconds: source.clock.offset_seconds, zone: None };
    Some((time, workout))
}

fn summary(it: &Message, workout: &mut Workout) {
    let feet = if sport::is_on_foot(workout.sport) { 2.0 } else { 1.0 };
    workout.moving_ms = milliseconds(it, 8);
    workout.distance_m = it.scaled(9, 100.0);
    workout.energy_kcal = it.number(11);
    workout.ascent_m = it.number(22);
    workout.heart_rate_mean = it.number(16);
    workout.heart_rate_max = it.number(17);
    workout.cadence_mean = it.number(18).map(|whole| (whole + it.scaled(92, 128.0).unwrap_or(0.0)) * feet);
    workout.power_mean = it.number(20);
    if sport::is_on_foot(workout.sport) {
        workout.steps = it.integer(10).map(|it| i64::from(it) * 2);
    }
}

/// A lap that does not say when it began did so when the one before it, which ended at `before`, was over.
fn lap(it: &Message, start: Instant, before: Instant, source: &Source) -> Option<Lap> {
    let at = it.integer(2).and_then(|it| source.clock.instant(it)).unwrap_or(before);
    let until = it.time.and_then(|it| source.clock.instant(it));
    Some(Lap {
        offset_ms: (at.0 - start.0).max(0),
        elapsed_ms: milliseconds(it, 7).or_else(|| until.map(|it| (it.0 - at.0).max(0)))?,
        distance_m: it.scaled(9, 100.0),
        energy_kcal: it.number(11),
        heart_rate_mean: it.number(15),
        heart_rate_max: it.number(16),
    })
}

/// A time of the profile's scale 1000 s is a count of milliseconds.
fn milliseconds(it: &Message, field: u8) -> Option<i64> {
    it.integer(field).map(i64::from)
}
