//! Workouts as activity files (Garmin FIT SDK, "Activity File").

use super::{
    message::EPOCH_SECONDS,
    sport::{is_on_foot, to_fit},
};
use embedded_io_adapters::std::FromStd;
use rustyfit::{
    Encoder,
    profile::{
        mesgdef::{Activity, Event, FileId, Lap, Record as Moment, Session},
        typedef::{self, DateTime, LocalDateTime},
    },
    proto::{FIT, Message},
    semconv::to_semicircles,
};
use schemas::{
    record::{Body, Record, Span},
    time::Instant,
    workout::{self, Streams, Workout},
};
use sha2::{Digest, Sha256};
use std::io::Cursor;

const PRODUCT: &str = "SyncWell ";

/// A text field of FIT holds at most 255 bytes.
const MARKER_BYTES_MAX: usize = 200;

/// The mark that [`write()`] left in a product name.
pub(super) fn marker_of(product_name: &str) -> Option<String> {
    product_name.strip_prefix(PRODUCT).map(str::to_owned)
}

/// A workout as the bytes of an activity file; the same record and marker give the same bytes.
///
/// FIT keeps whole seconds, whole beats and kilocalories, centimetres of distance, a fifth of a metre of height and
/// 8e-8 degrees of position. An absent moving time is written as the elapsed one, and a workout without laps gets
/// one, because uploaders refuse files without them. Title, notes and `sport_detail` have no place in it. `marker`
/// goes into the product name of the file, where [`super::read`] finds it.
///
/// # Errors
/// When the record is no workout, or begins before FIT's time does (1989-12-31).
pub fn write(record: &Record, marker: &str) -> Result<Vec<u8>, String> {
    let Body::Workout(workout) = &record.body else {
        return Err(format!("only a workout can be written as FIT, not a record of type {}", record.data_type));
    };
    if marker.len() > MARKER_BYTES_MAX {
        return Err(format!("a mark may have {MARKER_BYTES_MAX} bytes, this one has {}", marker.len()));
    }
    let (start, end) = (fit_time(record.time.start)?, fit_time(record.time.end)?);
    let mut messages = vec![file_id(start, marker), timer(start, typedef::EventType::START)];
    let is_foot = is_on_foot(workout.sport);
    for (index, offset_ms) in workout.streams.offsets_ms.iter().enumerate() {
        let at = fit_time(Instant(record.time.start.0.saturating_add(*offset_ms)))?;
        messages.push(moment(at, index, &workout.streams, is_foot));
    }
    messages.push(timer(end, typedef::EventType::STOP_ALL));
    let whole = [workout::Lap {
        offset_ms: 0,
        elapsed_ms: record.time.end.0.saturating_sub(record.time.start.0),
        distance_m: workout.distance_m,
        energy_kcal: workout.energy_kcal,
        heart_rate_mean: workout.heart_rate_mean,
        heart_rate_max: workout.heart_rate_max,
    }];
    let laps = if workout.laps.is_empty() { &whole[..] } else { &workout.laps };
    for (index, it) in laps.iter().enumerate() {
        messages.push(lap(it, index, record, workout)?);
    }
    messages.push(session(&record.time, workout, laps.len(), (start, end)));
    messages.push(activity(&record.time, workout, end));
    let mut bytes = Cursor::new(Vec::new());
    let mut fit = FIT { messages, ..FIT::default() };
    Encoder::new()
        .encode(FromStd::new(&mut bytes), &mut fit)
        .map_err(|err| format!("the workout does not fit into a FIT file: {err:?}"))?;
    Ok(bytes.into_inner())
}

/// A moment in FIT's seconds, fractions cut off. Times below 2^28 would read as seconds since power-on.
fn fit_time(at: Instant) -> Result<DateTime, String> {
    u32::try_from(at.seconds() - EPOCH_SECONDS)
        .ok()
        .filter(|it| (DateTime::MIN.0..u32::MAX).contains(it))
        .map(DateTime)
        .ok_or_else(|| "a FIT file has no times before July 1998 or after 2126".to_owned())
}

fn file_id(start: DateTime, marker: &str) -> Message {
    let digest = Sha256::digest(marker.as_bytes());
    let serial = digest.iter().take(4).fold(0_u32, |sum, it| sum << 8 | u32::from(*it));
    Message::from(FileId {
        r#type: typedef::File::ACTIVITY,
        manufacturer: typedef::Manufacturer::DEVELOPMENT,
        product: 1,
        // A serial number of zero is none.
        serial_number: serial.max(1),
        time_created: start,
        product_name: format!("{PRODUCT}{marker}").into(),
        ..FileId::new()
    })
}

fn timer(at: DateTime, kind: typedef::EventType) -> Message {
    let mut event = Event::new();
    event.timestamp = at;
    event.event = typedef::Event::TIMER;
    event.event_type = kind;
    Message::from(event)
}

/// Rounds to a count that leaves the type's invalid value free; `None` where it does not fit.
fn count(value: f64, max: u32) -> Option<u32> {
    let rounded = value.round();
    // The comparison is false for NaN.
    (rounded >= 0.0 && rounded < f64::from(max)).then_some(rounded as u32)
}

fn byte(value: Option<f64>) -> u8 {
    value.and_then(|it| count(it, u8::MAX.into())).and_then(|it| u8::try_from(it).ok()).unwrap_or(u8::MAX)
}

fn short(value: Option<f64>) -> u16 {
    value.and_then(|it| count(it, u16::MAX.into())).and_then(|it| u16::try_from(it).ok()).unwrap_or(u16::MAX)
}

fn long(value: Option<f64>) -> u32 {
    value.and_then(|it| count(it, u32::MAX)).unwrap_or(u32::MAX)
}

/// Whole and 1/128 turns.
fn turns(value: Option<f64>, is_foot: bool) -> (u8, u8) {
    let Some(value) = value.map(|it| if is_foot { it / 2.0 } else { it }) else {
        return (u8::MAX, u8::MAX);
    };
    let Some(parts) = count(value * 128.0, 254 * 128) else { return (u8::MAX, u8::MAX) };
    (u8::try_from(parts / 128).unwrap_or(u8::MAX), u8::try_from(parts % 128).unwrap_or(u8::MAX))
}

fn moment(at: DateTime, index: usize, streams: &Streams, is_foot: bool) -> Message {
    let position = streams.latitude.get(index).zip(streams.longitude.get(index));
    let (latitude, longitude) = position.map_or((i32::MAX, i32::MAX), |(latitude, longitude)| {
        (to_semicircles(latitude).unwrap_or(i32::MAX), to_semicircles(longitude).unwrap_or(i32::MAX))
    });
    let (cadence, fractional_cadence) = turns(streams.cadence.get(index), is_foot);
    let temperature = streams.temperature.get(index).map(f64::round).filter(|it| it.abs() < 127.0);
    let mut moment = Moment::new();
    moment.timestamp = at;
    moment.position_lat = latitude;
    moment.position_long = longitude;
    moment.enhanced_altitude = long(streams.altitude.get(index).map(|it| (it + 500.0) * 5.0));
    moment.heart_rate = byte(streams.heart_rate.get(index));
    moment.cadence = cadence;
    moment.fractional_cadence = fractional_cadence;
    moment.power = short(streams.power.get(index));
    moment.enhanced_speed = long(streams.speed.get(index).map(|it| it * 1_000.0));
    moment.distance = long(streams.distance.get(index).map(|it| it * 100.0));
    moment.temperature = temperature.map_or(i8::MAX, |it| it as i8);
    Message::from(moment)
}

fn lap(it: &workout::Lap, index: usize, record: &Record, workout: &Workout) -> Result<Message, String> {
    let start = record.time.start.0.saturating_add(it.offset_ms);
    let (sport, sub_sport) = to_fit(workout.sport);
    let elapsed = u32::try_from(it.elapsed_ms).unwrap_or(u32::MAX);
    let mut lap = Lap::new();
    lap.message_index = typedef::MessageIndex(u16::try_from(index).unwrap_or(u16::MAX));
    lap.timestamp = fit_time(Instant(start.saturating_add(it.elapsed_ms)))?;
    lap.start_time = fit_time(Instant(start))?;
    lap.event = typedef::Event::LAP;
    lap.event_type = typedef::EventType::STOP;
    lap.total_elapsed_time = elapsed;
    lap.total_timer_time = elapsed;
    lap.total_distance = long(it.distance_m.map(|it| it * 100.0));
    lap.total_calories = short(it.energy_kcal);
    lap.avg_heart_rate = byte(it.heart_rate_mean);
    lap.max_heart_rate = byte(it.heart_rate_max);
    lap.sport = sport;
    lap.sub_sport = sub_sport;
    Ok(Message::from(lap))
}

fn session(time: &Span, workout: &Workout, n_laps: usize, (start, end): (DateTime, DateTime)) -> Message {
    let (sport, sub_sport) = to_fit(workout.sport);
    let is_foot = is_on_foot(workout.sport);
    let elapsed = u32::try_from(time.end.0.saturating_sub(time.start.0)).unwrap_or(u32::MAX);
    let (avg_cadence, avg_fractional_cadence) = turns(workout.cadence_mean, is_foot);
    let strides = workout.steps.filter(|_| is_foot).and_then(|it| u32::try_from(it / 2).ok());
    let mut session = Session::new();
    session.message_index = typedef::MessageIndex(0);
    session.timestamp = end;
    session.start_time = start;
    session.event = typedef::Event::SESSION;
    session.event_type = typedef::EventType::STOP;
    session.sport = sport;
    session.sub_sport = sub_sport;
    session.total_elapsed_time = elapsed;
    session.total_timer_time = workout.moving_ms.and_then(|it| u32::try_from(it).ok()).unwrap_or(elapsed);
    session.total_distance = long(workout.distance_m.map(|it| it * 100.0));
    session.total_calories = short(workout.energy_kcal);
    session.total_ascent = short(workout.ascent_m);
    session.avg_heart_rate = byte(workout.heart_rate_mean);
    session.max_heart_rate = byte(workout.heart_rate_max);
    session.avg_cadence = avg_cadence;
    session.avg_fractional_cadence = avg_fractional_cadence;
    session.avg_power = short(workout.power_mean);
    session.total_cycles = strides.unwrap_or(u32::MAX);
    session.first_lap_index = 0;
    session.num_laps = u16::try_from(n_laps).unwrap_or(u16::MAX);
    Message::from(session)
}

fn activity(time: &Span, workout: &Workout, end: DateTime) -> Message {
    let elapsed = time.end.0.saturating_sub(time.start.0);
    let local = time.offset_seconds.and_then(|it| end.0.checked_add_signed(it));
    Message::from(Activity {
        timestamp: end,
        total_timer_time: u32::try_from(workout.moving_ms.unwrap_or(elapsed)).unwrap_or(u32::MAX),
        num_sessions: 1,
        r#type: typedef::Activity::MANUAL,
        event: typedef::Event::ACTIVITY,
        event_type: typedef::EventType::STOP,
        local_timestamp: LocalDateTime(local.unwrap_or(u32::MAX)),
        ..Activity::new()
    })
}
