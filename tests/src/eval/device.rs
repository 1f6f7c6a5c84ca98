//! Who saw it, and how they tell it: devices, apps and services.

use crate::{
    body::{Bout, STEP_S},
    dice::Dice,
};
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::Instant,
    workout::{Column, Sport, Streams, Workout},
};

/// A device on a body or a bike.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub provider: &'static str,
    pub name: &'static str,
    /// Seconds after the real start at which it is started, and after the real end at which it is stopped.
    pub late: (f64, f64),
    /// By how much its clock is wrong, s.
    pub clock: f64,
    /// How it measures a heart: spread of a reading; `None` for not at all.
    pub heart: Option<f64>,
    /// How far off its positions are, m; `None` without GPS.
    pub gps: Option<f64>,
    /// By how much it takes distances too long.
    pub scale: f64,
    /// Distances as such, where it has no GPS.
    pub has_distance: bool,
    /// Seconds between samples, a multiple of [`STEP_S`].
    pub every: usize,
    pub energy: f64,
    /// Stops its clock when nobody moves, and tells the moving time.
    pub is_pausing: bool,
}

impl Device {
    /// A watch with everything.
    pub(crate) fn watch(dice: &mut Dice) -> Self {
        Self {
            provider: "garmin",
            name: dice.one(&["Forerunner 265", "Fenix 7", "Edge 530"]),
            late: (dice.between(0.0, 10.0), dice.between(0.0, 25.0)),
            clock: dice.around(0.0, 0.5),
            heart: Some(dice.between(0.5, 2.5)),
            gps: Some(dice.between(2.0, 5.0)),
            scale: dice.around(1.0, 0.006),
            has_distance: true,
            every: 1,
            energy: dice.between(0.9, 1.1),
            is_pausing: dice.chance(0.5),
        }
    }

    /// A phone in a pocket.
    pub(crate) fn phone(dice: &mut Dice) -> Self {
        Self {
            provider: "google_health",
            name: "Pixel 8",
            late: (dice.between(-180.0, 240.0), dice.between(-60.0, 300.0)),
            heart: None,
            gps: Some(dice.between(4.0, 12.0)),
            scale: dice.around(1.01, 0.012),
            energy: dice.between(0.7, 1.3),
            every: dice.whole(1, 2) as usize,
            ..Self::watch(dice)
        }
    }

    /// What it makes of a bout. Where it runs before the start or after the end, nobody moves.
    pub(crate) fn record(&self, dice: &mut Dice, bout: &Bout) -> Record {
        let (from, to) = (self.late.0, bout.seconds() + self.late.1);
        let last = bout.metres.len() - 1;
        let mut streams = Streams::default();
        let (mut latitude, mut longitude, mut heart, mut speed) = (vec![], vec![], vec![], vec![]);
        let (mut drift, mut optics) = ((0.0, 0.0), 0.0);
        let step = STEP_S * self.every as f64;
        let n = ((to - from) / step) as usize;
        let (mut beats, mut locked) = (0.0, 0);
        for sample in 0..=n {
            let second = from + sample as f64 * step;
            let index = ((second / STEP_S).max(0.0) as usize).min(last);
            streams.offsets_ms.push((sample as f64 * step * 1_000.0) as i64);
            drift = (0.9 * drift.0 + dice.around(0.0, 0.4), 0.9 * drift.1 + dice.around(0.0, 0.4));
            if let (Some(noise), Some((east, north)), Some(route)) = (self.gps, bout.position(index), &bout.route) {
                let (lat, lon) = route.degrees((east + noise * drift.0, north + noise * drift.1));
                latitude.push((lat * 1e7).round() / 1e7);
                longitude.push((lon * 1e7).round() / 1e7);
            }
            if let Some(noise) = self.heart {
                optics = 0.8 * optics + dice.around(0.0, 0.6 * noise);
                // A sensor on a wrist takes steps for beats now and then.
                if noise > 2.0 && dice.chance(0.004) {
                    locked = dice.whole(6, 40);
                }
                locked -= 1;
                let value = (bout.heart[index] + optics + if locked > 0 { 25.0 } else { 0.0 }).round();
                beats += value;
                heart.push(value);
            }
            let before = bout.metres[index.saturating_sub(1)];
            speed.push(((bout.metres[index] - before) / STEP_S * 100.0).round() / 100.0);
        }
        let has_speed = self.has_distance && bout.metres[last] > 100.0;
        streams.latitude = Column(latitude);
        streams.longitude = Column(longitude);
        streams.heart_rate = Column(heart.clone());
        streams.speed = if has_speed { Column(speed.clone()) } else { Column::default() };
        let moving = speed.iter().filter(|it| **it > 0.3).count() as f64 * step;
        let metres = bout.metres[last] * self.scale * dice.around(1.0, 0.0015);
        let load = bout.heart.iter().sum::<f64>() / bout.heart.len() as f64;
        let workout = Workout {
            sport: bout.sport,
            moving_ms: (self.is_pausing && has_speed).then_some((moving * 1_000.0) as i64),
            distance_m: (self.has_distance && bout.metres[last] > 100.0).then(|| (metres * 100.0).round() / 100.0),
            energy_kcal: Some((bout.seconds() / 60.0 * load / 14.0 * self.energy).round()),
            heart_rate_mean: (!heart.is_empty()).then(|| (beats / heart.len() as f64).round()),
            heart_rate_max: heart.iter().copied().reduce(f64::max),
            streams,
            ..Workout::default()
        };
        let start = ((bout.start + from + self.clock) * 1_000.0) as i64 / 1_000 * 1_000;
        let end = start + ((to - from) as i64) * 1_000;
        record(self.provider, Some(self.name), start, end, Body::Workout(Box::new(workout)))
    }
}

/// A record with these times, ms.
pub(crate) fn record(provider: &str, device: Option<&str>, start: i64, end: i64, body: Body) -> Record {
    let data_type = if matches!(body, Body::Sleep(_)) { DataType::Sleep } else { DataType::Workout };
    Record {
        data_type,
        origin: Origin { device: device.map(Into::into), ..Origin::named(provider, format!("{provider}-{start}")) },
        time: Span { start: Instant(start), end: Instant(end), offset_seconds: None, zone: None },
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

/// A change that a service makes to what it passes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// No streams at all.
    NoStreams,
    /// No track.
    NoTrack,
    /// No heart rate.
    NoHeart,
    /// Every so-many-eth sample.
    Thinned(usize),
    /// Distances in tens of metres.
    TensOfMetres,
    /// Start and end to the minute.
    ToTheMinute,
    /// Energy guessed anew.
    OwnEnergy(f64),
    /// Another sport.
    Retyped(Sport),
    /// Another zone: later by so many minutes.
    Later(i64),
    /// Only the time moving is told, as if without pauses.
    WithoutPauses,
    /// Cut at the start and the end, shares of the whole.
    Trimmed(f64, f64),
}

/// The record as another service passes it on.
pub(crate) fn passed_on(record: &Record, provider: &str, changes: &[Change]) -> Record {
    let mut it = record.clone();
    it.origin.provider = provider.into();
    it.origin.record = format!("{provider}-of-{}", record.origin.record);
    for change in changes {
        apply(&mut it, *change);
    }
    it
}

fn apply(record: &mut Record, change: Change) {
    let time = &mut record.time;
    let Body::Workout(workout) = &mut record.body else {
        if let Change::Later(minutes) = change {
            (time.start.0, time.end.0) = (time.start.0 + minutes * 60_000, time.end.0 + minutes * 60_000);
        }
        return;
    };
    match change {
        Change::NoStreams => workout.streams = Streams::default(),
        Change::NoTrack => {
            workout.streams.latitude = Column::default();
            workout.streams.longitude = Column::default();
        }
        Change::NoHeart => {
            workout.streams.heart_rate = Column::default();
            (workout.heart_rate_mean, workout.heart_rate_max) = (None, None);
        }
        Change::Thinned(every) => retain(&mut workout.streams, |index, _| index % every == 0),
        Change::TensOfMetres => workout.distance_m = workout.distance_m.map(|it| (it / 10.0).round() * 10.0),
        Change::ToTheMinute => {
            time.start.0 = (time.start.0 + 30_000).div_euclid(60_000) * 60_000;
            time.end.0 = (time.end.0 + 30_000).div_euclid(60_000) * 60_000;
        }
        Change::OwnEnergy(factor) => workout.energy_kcal = workout.energy_kcal.map(|it| (it * factor).round()),
        Change::Retyped(sport) => workout.sport = sport,
        Change::Later(minutes) => {
            (time.start.0, time.end.0) = (time.start.0 + minutes * 60_000, time.end.0 + minutes * 60_000);
        }
        Change::WithoutPauses => {
            if let Some(moving) = workout.moving_ms.take() {
                time.end.0 = time.start.0 + moving;
                workout.streams = Streams::default();
            }
        }
        Change::Trimmed(head, tail) => {
            let length = (time.end.0 - time.start.0) as f64;
            let (from, to) = ((length * head / 1e3) as i64 * 1_000, (length * (1.0 - tail) / 1e3) as i64 * 1_000);
            retain(&mut workout.streams, |_, offset| (from..=to).contains(&offset));
            workout.streams.offsets_ms.iter_mut().for_each(|it| *it -= from);
            workout.distance_m = workout.distance_m.map(|it| (it * (1.0 - head - tail)).round());
            workout.energy_kcal = workout.energy_kcal.map(|it| (it * (1.0 - head - tail)).round());
            workout.moving_ms = None;
            (time.start.0, time.end.0) = (time.start.0 + from, time.start.0 + to);
        }
    }
}

fn retain(streams: &mut Streams, keep: impl Fn(usize, i64) -> bool) {
    let kept: Vec<bool> = streams.offsets_ms.iter().enumerate().map(|(index, it)| keep(index, *it)).collect();
    let of = |column: &mut Column| {
        let mut flags = kept.iter();
        column.0.retain(|_| flags.next().copied().unwrap_or(false));
    };
    let mut flags = kept.iter();
    streams.offsets_ms.retain(|_| flags.next().copied().unwrap_or(false));
    for column in [
        &mut streams.latitude,
        &mut streams.longitude,
        &mut streams.altitude,
        &mut streams.heart_rate,
        &mut streams.cadence,
        &mut streams.power,
        &mut streams.speed,
        &mut streams.distance,
        &mut streams.temperature,
    ] {
        of(column);
    }
}

/// The record as typed in from memory: rounded, without anything measured.
pub(crate) fn typed(dice: &mut Dice, of: &Record, is_precise: bool) -> Record {
    let grain = if is_precise { 300_000 } else { 900_000 };
    let length = (of.time.end.0 - of.time.start.0 + 150_000) / 300_000 * 300_000;
    let start = (of.time.start.0 + grain / 2).div_euclid(grain) * grain;
    let Body::Workout(was) = &of.body else { return of.clone() };
    let distance_m = was.distance_m.filter(|_| dice.chance(0.5)).map(|it| (it / 500.0).round() * 500.0);
    let body = Workout { sport: was.sport, distance_m, ..Workout::default() };
    let mut it = record("manual", None, start, start + length.max(300_000), Body::Workout(Box::new(body)));
    it.origin.method = RecordingMethod::Manual;
    it
}
