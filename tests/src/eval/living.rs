//! Shapes of lives: gyms, treadmills, tracks, couples, beds, scales, and what is typed in.

use crate::{
    body::{Effort, Heart, Plan, Route, perform},
    device::{Change, Device, passed_on, record, typed},
    dice::Dice,
    moving::{day, outing},
    pair::{Pair, all_different},
};
use schemas::{
    data_type::DataType,
    record::{Body, Entity, Quantity, Record, Sleep, SleepStage, Span},
    time::Instant,
    workout::Sport,
};

/// Two or three workouts of a day, of one sport or of several; some told to the minute.
pub(crate) fn same_day(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let today = day(dice);
    let mut records = Vec::new();
    let is_rough = dice.chance(0.4);
    for hour in [6.5, 12.0, 18.0] {
        let hour = hour + dice.between(-0.5, 2.0);
        let bout = outing(dice, heart, (today + hour * 3_600.0).round());
        let it = Device::watch(dice).record(dice, &bout);
        let rough = [Change::ToTheMinute, Change::NoStreams, Change::TensOfMetres];
        records.push(if is_rough { passed_on(&it, "fitbit", &rough) } else { it });
    }
    all_different(&records)
}

/// Classes of a gym, one after the other: an hour apart, equally long, without distances.
pub(crate) fn classes(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let mut at = day(dice) + dice.whole(16, 18) as f64 * 3_600.0;
    let minutes = dice.one(&[30.0, 45.0, 55.0]);
    let mut records = Vec::new();
    for _ in 0..3 {
        let sport = dice.one(&[Sport::Hiit, Sport::Yoga, Sport::StrengthTraining, Sport::IndoorCycling]);
        let seconds = Some(minutes * 60.0 + dice.around(0.0, 15.0).round());
        let (effort, load) = (Effort::Intervals { hard: 60.0, easy: 60.0 }, dice.between(0.3, 0.7));
        let plan =
            Plan { start: at + dice.around(60.0, 40.0).round(), sport, speed: 0.0, route: None, effort, seconds, load };
        let bout = perform(dice, heart, &plan);
        let late = (0.0, dice.between(0.0, 10.0));
        let it = Device { gps: None, has_distance: false, late, ..Device::watch(dice) }.record(dice, &bout);
        let rough = [Change::NoStreams];
        records.push(if dice.chance(0.3) { passed_on(&it, "fitbit", &rough) } else { it });
        at += 3_600.0;
    }
    let mut pairs = all_different(&records);
    let copy = passed_on(&records[0], "strava", &[Change::NoStreams, Change::OwnEnergy(dice.between(0.8, 1.2))]);
    pairs.push(Pair::same(&records[0], &copy));
    pairs
}

/// A treadmill tells its own distance, a watch another; neither has a track.
pub(crate) fn treadmill(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let (speed, load) = (dice.between(2.4, 3.6), dice.between(0.5, 0.75));
    let seconds = Some(dice.between(1_200.0, 3_600.0));
    let effort = Effort::Steady { stops: false };
    let plan = Plan { start, sport: Sport::TreadmillRunning, speed, route: None, effort, seconds, load };
    let bout = perform(dice, heart, &plan);
    let watch = Device { gps: None, scale: dice.between(0.85, 1.12), ..Device::watch(dice) }.record(dice, &bout);
    let late = (dice.between(-60.0, 30.0), dice.between(-60.0, 60.0));
    let machine = Device { gps: None, heart: None, provider: "technogym", name: "Run", late, ..Device::watch(dice) };
    let machine = passed_on(&machine.record(dice, &bout), "technogym", &[Change::Retyped(Sport::Running)]);
    let bare = passed_on(&machine, "strava", &[Change::NoStreams]);
    vec![Pair::same(&watch, &machine), Pair::same(&watch, &bare)]
}

/// Intervals on a 400 m track, mornings and evenings; hills run up four times and recorded one by one.
pub(crate) fn intervals(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let today = day(dice);
    let oval = Route::oval(dice, 8_000.0);
    let speed = dice.between(3.2, 4.2);
    let mut sessions = Vec::new();
    for hour in [7.0, 17.0] {
        let effort = Effort::Intervals { hard: 90.0, easy: 60.0 };
        let start = (today + hour * 3_600.0 + dice.around(0.0, 200.0)).round();
        let (route, seconds) = (Some(oval.clone()), Some(2_100.0 + dice.around(0.0, 30.0)));
        let bout =
            perform(dice, heart, &Plan { start, sport: Sport::Running, speed, route, effort, seconds, load: 0.7 });
        sessions.push(Device::watch(dice).record(dice, &bout));
    }
    let mut pairs = all_different(&sessions);
    pairs.push(Pair::same(&sessions[0], &passed_on(&sessions[0], "strava", &[Change::NoHeart, Change::Thinned(2)])));
    let hill = Route::wandering(dice, 1_000.0);
    let (mut at, mut repeats) = (today + 43_200.0 + dice.between(0.0, 3_600.0).round(), Vec::new());
    for _ in 0..4 {
        let (route, effort) = (Some(hill.clone()), Effort::Steady { stops: false });
        let plan = Plan { start: at, sport: Sport::Running, speed, route, effort, seconds: None, load: 0.85 };
        let bout = perform(dice, heart, &plan);
        let device = Device { late: (0.0, dice.between(0.0, 5.0)), ..Device::watch(dice) };
        repeats.push(device.record(dice, &bout));
        at += bout.seconds() + dice.between(200.0, 420.0).round();
    }
    pairs.extend(all_different(&repeats));
    pairs
}

/// Two people who share an account and run together.
pub(crate) fn couples(dice: &mut Dice) -> Vec<Pair> {
    let (hers, his) = (Heart::of(dice), Heart { rest: dice.between(48.0, 60.0), top: dice.between(165.0, 180.0) });
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let bout = outing(dice, hers, start);
    let other = crate::body::Bout { heart: beats_of(dice, his, hers, &bout.heart), ..bout.clone() };
    let (a, b) = (Device::watch(dice).record(dice, &bout), Device::watch(dice).record(dice, &other));
    let bare = passed_on(&b, "strava", &[Change::NoStreams, Change::NoHeart]);
    let is_close = beats_apart(&bout.heart, &other.heart) < 15.0;
    let told = Pair::different(&a, &b);
    vec![if is_close { told.untellable() } else { told }, Pair::different(&a, &bare).untellable()]
}

/// Another heart on the same run: other limits, and its own ups and downs.
fn beats_of(dice: &mut Dice, of: Heart, was: Heart, beats: &[f64]) -> Vec<f64> {
    let (mut mood, other_load) = (0.0, dice.between(0.75, 1.3));
    let share = |it: &f64| (it - was.rest) / (was.top - was.rest) * other_load;
    let beat = |it: &f64| {
        mood = 0.95 * mood + dice.around(0.0, 1.2);
        (of.rest + (of.top - of.rest) * share(it).clamp(0.0, 1.0) + mood).clamp(40.0, 205.0)
    };
    beats.iter().map(beat).collect()
}

fn beats_apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len().max(1) as f64
}

/// What was typed in, beside what was recorded and beside what else was typed in.
pub(crate) fn typed_in(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let today = day(dice);
    let hours = [dice.between(6.0, 9.0), dice.between(16.0, 20.0)];
    let records = hours.map(|hour| {
        let bout = outing(dice, heart, (today + hour * 3_600.0).round());
        Device::watch(dice).record(dice, &bout)
    });
    let precise = typed(dice, &records[0], true);
    let vague = typed(dice, &records[0], false);
    let other = typed(dice, &records[1], true);
    vec![
        Pair::same(&records[0], &precise),
        Pair::same(&records[0], &vague).untellable(),
        Pair::same(&precise, &vague).untellable(),
        Pair::different(&records[1], &precise),
        Pair::different(&records[0], &other),
        Pair::different(&precise, &other),
        Pair::different(&vague, &other),
    ]
}

/// Nights and naps by two trackers, a phone on the table, and a tracker that cuts a night in two.
pub(crate) fn sleepers(dice: &mut Dice) -> Vec<Pair> {
    let from = day(dice) + 86_400.0 - dice.between(0.0, 9_000.0).round();
    let hours = dice.between(6.0, 9.0);
    let long = dice.between(6.0, 9.0) * 3_600.0;
    let short = [dice.between(1_200.0, 5_400.0), dice.between(1_200.0, 5_400.0)];
    let noon = from + (hours + dice.between(4.0, 8.0)) * 3_600.0;
    let tomorrow = from + 86_400.0 + dice.around(0.0, 900.0);
    let night = night_of(dice, "oura", from, hours * 3_600.0);
    let late = (dice.around(0.0, 600.0), dice.around(0.0, 600.0));
    let watch = blurred(dice, &night, "garmin", late, 0.75);
    let early = (-dice.between(600.0, 3_000.0), dice.between(300.0, 2_400.0));
    let mut phone = blurred(dice, &night, "google_health", early, 1.0);
    if let Body::Sleep(it) = &mut phone.body {
        *it = Sleep::default();
    }
    let mut nap = night_of(dice, "oura", noon, short[0]);
    if let Body::Sleep(it) = &mut nap.body {
        it.is_nap = true;
    }
    let second = night_of(dice, "oura", from + (hours + 9.5) * 3_600.0, short[1]);
    let next = night_of(dice, "oura", tomorrow, long);
    let parts = [(0.0, 0.45), (0.5, 1.0)].map(|(head, tail)| {
        let seconds = hours * 3_600.0;
        blurred(dice, &night, "fitbit", (head * seconds, (tail - 1.0) * seconds), 0.9)
    });
    let zone = Change::Later(dice.one(&[-480, -300, -60, 60, 120, 330, 345, 600]));
    vec![
        Pair::same(&night, &watch),
        Pair::same(&night, &phone),
        Pair::same(&watch, &phone),
        Pair::same(&night, &passed_on(&night, "google_health", &[zone])),
        Pair::different(&night, &nap),
        Pair::different(&watch, &nap),
        Pair::different(&nap, &second),
        Pair::different(&night, &next),
        Pair::different(&night, &parts[0]),
        Pair::different(&parts[0], &parts[1]),
    ]
}

fn night_of(dice: &mut Dice, provider: &str, from: f64, seconds: f64) -> Record {
    let mut sleep = Sleep::default();
    let (mut at, end) = (0_i64, (seconds / 30.0) as i64 * 30_000);
    while at < end {
        let length = (dice.whole(4, 60) * 30_000).min(end - at);
        let light = SleepStage::Light;
        sleep.stages.push(dice.one(&[light, light, SleepStage::Deep, SleepStage::Rem, SleepStage::Awake]));
        sleep.stage_offsets_ms.push(at);
        sleep.stage_durations_ms.push(length);
        at += length;
    }
    let start = (from / 30.0) as i64 * 30_000 + dice.whole(0, 29) * 1_000;
    record(provider, Some("Ring"), start, start + end, Body::Sleep(sleep))
}

/// The night as another tracker has it: other ends, and stages that agree as often as told.
fn blurred(dice: &mut Dice, of: &Record, provider: &str, late: (f64, f64), agreement: f64) -> Record {
    let Body::Sleep(was) = &of.body else { return of.clone() };
    let (from, to) = ((late.0 as i64) * 1_000, of.time.end.0 - of.time.start.0 + (late.1 as i64) * 1_000);
    let mut sleep = Sleep::default();
    for (index, offset) in was.stage_offsets_ms.iter().enumerate() {
        let (start, end) = ((*offset).max(from), (offset + was.stage_durations_ms[index]).min(to));
        if start < end {
            sleep.stage_offsets_ms.push(start - from);
            sleep.stage_durations_ms.push(end - start);
            let is_equal = dice.chance(agreement);
            sleep.stages.push(if is_equal { was.stages[index] } else { SleepStage::Light });
        }
    }
    record(provider, Some("Other"), of.time.start.0 + from, of.time.start.0 + to, Body::Sleep(sleep))
}

/// Weighings that came on two ways, and weighings that only look like it; medicines and heart rates of one minute.
pub(crate) fn readings(dice: &mut Dice) -> Vec<Pair> {
    let at = (day(dice) + dice.between(18_000.0, 30_000.0)) as i64 * 1_000;
    let kilograms = (dice.between(55.0, 95.0) * 100.0).round() / 100.0;
    let weight = |provider, at, value| reading(provider, DataType::Weight, at, Body::Quantity(Quantity { value }));
    let scale = weight("withings", at, kilograms);
    let minute = weight("google_health", at.div_euclid(60_000) * 60_000, (kilograms * 10.0).round() / 10.0);
    let pounds = (kilograms / 0.453_592_37 * 10.0).round() / 10.0;
    let pounds = weight("fitbit", at + 1_000, pounds * 0.453_592_37);
    let later = dice.whole(15, 50) * 1_000;
    let again = weight("withings", at + later, kilograms + 0.1 + dice.between(0.2, 0.6));
    let partner = weight("withings", at + later, kilograms - dice.between(8.0, 20.0));
    let evening = weight("withings", at + dice.whole(40_000, 50_000) * 1_000, kilograms + dice.between(0.2, 1.2));
    let beat = |at, value| reading("garmin", DataType::HeartRate, at, Body::Quantity(Quantity { value }));
    let first = beat(at.div_euclid(60_000) * 60_000 + 7_000, 72.0);
    let second = beat(at.div_euclid(60_000) * 60_000 + 22_000, 72.0);
    let medicine = |title: &str| {
        let entity = Entity { title: title.into(), ..Entity::default() };
        reading("device", DataType::Medication, at, Body::Entity(entity))
    };
    vec![
        Pair::same(&scale, &minute),
        Pair::same(&scale, &pounds),
        Pair::same(&minute, &pounds),
        Pair::different(&scale, &again),
        Pair::different(&scale, &partner),
        Pair::different(&scale, &evening),
        Pair::different(&first, &second),
        Pair::different(&medicine("Ibuprofen"), &medicine("Vitamin D")),
        Pair::same(&medicine("Ibuprofen"), &medicine("ibuprofen ")),
    ]
}

fn reading(provider: &str, data_type: DataType, at: i64, body: Body) -> Record {
    let it = record(provider, None, at, at, Body::Workout(Box::default()));
    Record { data_type, time: Span::at(Instant(at), None), body, ..it }
}
