//! What Strava keeps of a workout.

use super::{marker, sport};
use schemas::{
    record::{Body, Record},
    time::Instant,
    workout::{Column, Lap, Sport, Streams, Workout},
};

/// What of a record Strava can hold, in the precision in which it gives it back: whole seconds, tenths of a metre
/// of distance, fifths of a metre of height (FIT), 1e-6 degrees, whole beats, turns and watts.
///
/// Left out is what Strava computes by itself (moving time, ascent, means and maxima), what it has no field for
/// (steps, energy of a lap, the zone's name), and of a workout without streams the energy and the laps. Applied to
/// its own result it changes nothing.
///
/// # Errors
/// Why Strava can hold nothing of it.
pub(super) fn project(record: &Record) -> Result<Record, String> {
    if record.deleted {
        return Err("strava deletes no activities for other applications; the person can delete it there".into());
    }
    let Body::Workout(workout) = &record.body else {
        return Err(format!(
            "strava keeps workouts, not records of type {}; google_health or a device agent may take them",
            record.data_type
        ));
    };
    let start = Instant::from_seconds(record.time.start.seconds());
    let end = Instant::from_seconds(record.time.end.seconds()).max(start);
    let shift_ms = record.time.start.0.saturating_sub(start.0);
    let streams = streams(&workout.streams, workout.sport, shift_ms);
    let is_manual = streams.offsets_ms.is_empty();
    if is_manual && record.time.offset_seconds.is_none() {
        return Err(
            "strava takes the local start of a workout without streams, and its offset from UTC is not known; \
                    give its offset or its streams"
                .into(),
        );
    }
    // A file names the sport more coarsely than a form does.
    let detail = workout.sport_detail.as_deref().filter(|_| is_manual);
    let (name, is_trainer) = sport::to_strava(workout.sport, detail);
    let (sport, sport_detail) = sport::from_strava(name, is_trainer, !streams.latitude.is_empty());
    let laps = laps(&workout.laps, shift_ms);
    let mut projected = record.clone();
    projected.time.start = start;
    projected.time.end = end;
    projected.time.zone = None;
    projected.body = Body::Workout(Box::new(Workout {
        sport,
        sport_detail,
        title: Some(workout.title.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| "Workout".into())),
        notes: workout.notes.as_deref().and_then(plain),
        distance_m: workout.distance_m.map(|it| to(it, 0.1)).filter(|it| *it != 0.0),
        energy_kcal: workout.energy_kcal.filter(|_| !is_manual).map(f64::round).filter(|it| *it != 0.0),
        // One lap is the whole, which Strava makes by itself.
        laps: if is_manual || laps.len() < 2 { Vec::new() } else { laps },
        streams,
        ..Workout::default()
    }));
    Ok(projected)
}

/// Notes as they come back: without a mark, without blanks at the end.
fn plain(notes: &str) -> Option<String> {
    let lines: Vec<&str> = notes.lines().collect();
    let (notes, _) = marker::split(lines.join("\n").trim_end());
    notes
}

/// The nearest multiple of `step` (a tenth, a thousandth …), the same number that reading its decimal text gives.
fn to(value: f64, step: f64) -> f64 {
    let per_unit = (1.0 / step).round();
    (value * per_unit).round() / per_unit
}

fn laps(laps: &[Lap], shift_ms: i64) -> Vec<Lap> {
    let whole = |ms: i64| ms.div_euclid(1000).max(0) * 1000;
    let kept = laps.iter().map(|it| Lap {
        offset_ms: whole(it.offset_ms.saturating_add(shift_ms)),
        elapsed_ms: whole(it.elapsed_ms),
        distance_m: it.distance_m.map(|it| to(it, 0.1)).filter(|it| *it != 0.0),
        energy_kcal: None,
        heart_rate_mean: it.heart_rate_mean.map(f64::round),
        heart_rate_max: it.heart_rate_max.map(f64::round),
    });
    kept.collect()
}

fn streams(streams: &Streams, sport: Sport, shift_ms: i64) -> Streams {
    // One moment a second, the first of each.
    let mut kept = Vec::with_capacity(streams.offsets_ms.len());
    let mut offsets_ms: Vec<i64> = Vec::with_capacity(streams.offsets_ms.len());
    for (index, offset_ms) in streams.offsets_ms.iter().enumerate() {
        let second_ms = offset_ms.saturating_add(shift_ms).div_euclid(1000).saturating_mul(1000);
        if second_ms >= 0 && offsets_ms.last().is_none_or(|last| *last < second_ms) {
            kept.push(index);
            offsets_ms.push(second_ms);
        }
    }
    let column = |column: &Column, round: &dyn Fn(f64) -> f64| {
        Column::from_options(kept.iter().map(|index| column.get(*index).map(round)).collect())
    };
    // A place has both coordinates or none.
    let place = |wanted: &Column, other: &Column| {
        let both = kept.iter().map(|index| other.get(*index).and(wanted.get(*index)).map(|it| to(it, 1e-6)));
        Column::from_options(both.collect())
    };
    // Of one leg, whole turns.
    let turns: &dyn Fn(f64) -> f64 =
        if sport::is_on_foot(sport) { &|it| (it / 2.0).round() * 2.0 } else { &f64::round };
    Streams {
        latitude: place(&streams.latitude, &streams.longitude),
        longitude: place(&streams.longitude, &streams.latitude),
        altitude: column(&streams.altitude, &|it| to(it, 0.2)),
        heart_rate: column(&streams.heart_rate, &f64::round),
        cadence: column(&streams.cadence, turns),
        power: column(&streams.power, &f64::round),
        speed: column(&streams.speed, &|it| to(it, 0.001)),
        distance: column(&streams.distance, &|it| to(it, 0.1)),
        temperature: column(&streams.temperature, &f64::round),
        offsets_ms,
    }
}
