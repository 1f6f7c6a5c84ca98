//! Shapes of lives outdoors: commutes, watches, phones, pauses, parts, races, travel.

use crate::{
    body::{Bout, Effort, Heart, Plan, Route, perform},
    device::{Change, Device, passed_on},
    dice::Dice,
    pair::{Pair, all_different},
};
use schemas::{record::Record, workout::Sport};

/// Midnight UTC of a day of these years, s.
pub(crate) fn day(dice: &mut Dice) -> f64 {
    (dice.whole(19_000, 20_800) * 86_400) as f64
}

/// A run or a ride of some kind.
pub(crate) fn outing(dice: &mut Dice, heart: Heart, start: f64) -> Bout {
    let sport = dice.one(&[Sport::Running, Sport::Cycling, Sport::Running, Sport::Hiking]);
    let (speed, metres) = match sport {
        Sport::Cycling => (dice.between(5.5, 9.0), dice.between(12_000.0, 40_000.0)),
        Sport::Hiking => (dice.between(1.1, 1.5), dice.between(4_000.0, 9_000.0)),
        _ => (dice.between(2.4, 4.0), dice.between(4_000.0, 12_000.0)),
    };
    let route = Some(Route::wandering(dice, metres));
    let effort = Effort::Steady { stops: dice.chance(0.5) };
    let load = dice.between(0.5, 0.8);
    perform(dice, heart, &Plan { start, sport, speed, route, effort, seconds: None, load })
}

/// The same way to work and back, day after day: never one thing.
pub(crate) fn commuters(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let metres = dice.between(3_000.0, 12_000.0);
    let there = Route::wandering(dice, metres);
    let back = if dice.chance(0.5) { there.back() } else { there.clone() };
    let (today, speed, load) = (day(dice), dice.between(4.5, 7.0), dice.between(0.4, 0.65));
    let mut device = Device::watch(dice);
    let leaves = (dice.between(6.0, 9.0) * 12.0).round() * 300.0;
    let hours = dice.whole(7, 10) as f64 * 3_600.0;
    let punctual = dice.chance(0.3);
    let rendering = dice.whole(0, 4);
    let mut rides = Vec::new();
    for (number, route) in [(0, &there), (0, &back), (1, &there), (1, &back)] {
        let is_back = !rides.len().is_multiple_of(2);
        let jitter = if punctual { dice.around(0.0, 20.0) } else { dice.around(0.0, 400.0) };
        let start = today + f64::from(number) * 86_400.0 + leaves + if is_back { hours } else { 0.0 } + jitter;
        let plan = Plan {
            start: start.round(),
            sport: Sport::Cycling,
            speed,
            route: Some(route.clone()),
            effort: Effort::Steady { stops: dice.chance(0.7) },
            seconds: None,
            load,
        };
        device.late = (dice.between(0.0, 8.0), dice.between(0.0, 15.0));
        let bout = perform(dice, heart, &plan);
        let whole = device.record(dice, &bout);
        let own = Change::OwnEnergy(1.0);
        rides.push(match rendering {
            0 | 1 => whole,
            2 => passed_on(&whole, "strava", &[Change::NoStreams, own]),
            3 => passed_on(&whole, "strava", &[Change::NoTrack, Change::TensOfMetres]),
            _ => passed_on(&whole, "fitbit", &[Change::NoStreams, Change::ToTheMinute, Change::TensOfMetres]),
        });
    }
    let mut pairs = all_different(&rides);
    // What a service passes on of one ride is no other ride either.
    let relay = passed_on(&rides[0], "strava", &[Change::NoStreams, Change::OwnEnergy(0.93)]);
    pairs.extend(rides[1..].iter().map(|it| Pair::different(&relay, it)));
    pairs
}

/// A recording and what services made of it.
pub(crate) fn relayed(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let bout = outing(dice, heart, start);
    let record = Device::watch(dice).record(dice, &bout);
    let own = Change::OwnEnergy(dice.between(0.75, 1.3));
    let other = dice.one(&[Sport::Other, Sport::Walking, Sport::Cycling, Sport::Hiit, Sport::TrailRunning]);
    let sets: [&[Change]; 7] = [
        &[Change::NoStreams],
        &[Change::NoStreams, own, Change::TensOfMetres],
        &[Change::NoTrack, Change::Thinned(2)],
        &[Change::NoHeart, Change::Thinned(3), own],
        &[Change::ToTheMinute, Change::NoStreams, own],
        &[Change::Retyped(other)],
        &[Change::Retyped(other), Change::NoTrack, own],
    ];
    let copies: Vec<Record> = sets.into_iter().map(|it| passed_on(&record, "strava", it)).collect();
    let mut pairs: Vec<Pair> = copies.iter().map(|it| Pair::same(&record, it)).collect();
    pairs.push(Pair::same(&copies[0], &copies[3]));
    pairs.push(Pair::same(&copies[2], &copies[1]));
    pairs
}

/// Two devices on one wrist or handlebar, or a watch and a phone.
pub(crate) fn two_devices(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let bout = outing(dice, heart, start);
    let watch = Device::watch(dice);
    let other =
        Device { provider: "wahoo", name: "ELEMNT", heart: Some(dice.between(1.0, 5.0)), ..Device::watch(dice) };
    let chest = Device { gps: None, heart: Some(0.5), has_distance: false, provider: "polar", ..Device::watch(dice) };
    let phone = Device::phone(dice);
    let records = [&watch, &other, &chest, &phone].map(|it| it.record(dice, &bout));
    let [watch, other, chest, phone] = &records;
    let bare = passed_on(phone, "strava", &[Change::NoStreams]);
    vec![
        Pair::by_two_sensors(watch, other),
        Pair::same(watch, phone),
        Pair::same(other, phone),
        Pair::by_two_sensors(watch, chest),
        Pair::same(watch, &bare),
    ]
}

/// A clock that is wrong by minutes, on one of two devices or in one of two copies.
pub(crate) fn wrong_clocks(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let bout = outing(dice, heart, start);
    let wrong = dice.between(60.0, 600.0).round() * dice.one(&[1.0, -1.0]);
    let watch = Device::watch(dice);
    let off = Device { clock: wrong, provider: "wahoo", name: "ELEMNT", ..Device::watch(dice) };
    let records = [&watch, &off].map(|it| it.record(dice, &bout));
    let copy = passed_on(&records[0], "strava", &[Change::NoTrack]);
    vec![Pair::by_two_sensors(&records[0], &records[1]), Pair::by_two_sensors(&copy, &records[1])]
}

/// Pauses: told by one, left out by the other.
pub(crate) fn paused(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let mut bout = outing(dice, heart, start);
    let (at, rest) = ((bout.metres.len() as f64 * dice.between(0.3, 0.8)) as usize, dice.whole(60, 500) as usize);
    let (metres, calm) = (bout.metres[at], heart.rest + 25.0);
    bout.metres.splice(at..at, std::iter::repeat_n(metres, rest));
    bout.heart.splice(at..at, std::iter::repeat_n(calm, rest));
    let watch = Device { is_pausing: true, ..Device::watch(dice) };
    let record = watch.record(dice, &bout);
    let without = passed_on(&record, "strava", &[Change::WithoutPauses]);
    let rough = passed_on(&record, "fitbit", &[Change::WithoutPauses, Change::TensOfMetres, Change::OwnEnergy(1.2)]);
    let phone = Device::phone(dice).record(dice, &bout);
    let bare = passed_on(&phone, "fitbit", &[Change::NoStreams]);
    vec![
        Pair::same(&record, &without),
        Pair::same(&record, &rough),
        Pair::same(&record, &phone),
        Pair::same(&record, &bare),
    ]
}

/// A recording, cut at its ends by its owner.
pub(crate) fn trimmed(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let bout = outing(dice, heart, start);
    let record = Device::watch(dice).record(dice, &bout);
    let (head, tail) = (dice.between(0.0, 0.05), dice.between(0.02, 0.15));
    let cut = passed_on(&record, "strava", &[Change::Trimmed(head, tail)]);
    let bare = passed_on(&record, "strava", &[Change::Trimmed(head, tail), Change::NoStreams]);
    vec![Pair::same(&record, &cut), Pair::same(&record, &bare)]
}

/// A recording that was stopped and started again, beside one that was not: parts, which are not the whole.
pub(crate) fn split(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(18_000.0, 75_000.0).round();
    let bout = outing(dice, heart, start);
    let whole = Device::watch(dice).record(dice, &bout);
    let at = dice.between(0.35, 0.65);
    let parts = [(0.0, 1.0 - at), (at + dice.between(0.0, 0.02), 0.0)];
    let parts = parts.map(|(head, tail)| passed_on(&whole, "strava", &[Change::Trimmed(head, tail)]));
    let bare = parts.clone().map(|it| passed_on(&it, "fitbit", &[Change::NoStreams]));
    let mut pairs = vec![Pair::different(&parts[0], &parts[1]), Pair::different(&bare[0], &bare[1])];
    pairs.extend(parts.iter().chain(&bare).map(|it| Pair::different(&whole, it)));
    pairs
}

/// Swim, change, ride, change, run; and the whole of it.
pub(crate) fn triathletes(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let mut at = day(dice) + dice.between(18_000.0, 30_000.0).round();
    let legs = [
        (Sport::OpenWaterSwimming, 0.8, 1_500.0),
        (Sport::Transition, 1.0, 200.0),
        (Sport::Cycling, 9.0, 40_000.0),
        (Sport::Transition, 1.2, 150.0),
        (Sport::Running, 3.4, 10_000.0),
    ];
    let scale = dice.between(0.5, 1.0);
    let (mut records, mut others, mut metres) = (Vec::new(), Vec::new(), 0.0);
    let from = at;
    for (sport, speed, length) in legs {
        let route = Some(Route::wandering(dice, length * scale));
        let effort = Effort::Steady { stops: false };
        let bout = perform(dice, heart, &Plan { start: at, sport, speed, route, effort, seconds: None, load: 0.75 });
        let exact = Device { late: (0.0, 0.0), clock: 0.0, ..Device::watch(dice) };
        records.push(exact.record(dice, &bout));
        let other = Device { late: (dice.between(-8.0, 8.0), dice.between(-8.0, 8.0)), provider: "coros", ..exact };
        others.push(other.record(dice, &bout));
        (at, metres) = (at + bout.seconds(), metres + bout.metres.last().copied().unwrap_or(0.0));
    }
    let body = schemas::workout::Workout { sport: Sport::Multisport, distance_m: Some(metres), ..Default::default() };
    let body = schemas::record::Body::Workout(Box::new(body));
    let whole = crate::device::record("garmin", Some("Fenix 7"), from as i64 * 1_000, at as i64 * 1_000, body);
    let copy = passed_on(&whole, "strava", &[Change::TensOfMetres]);
    let mut pairs = all_different(&records);
    for (index, leg) in records.iter().enumerate() {
        pairs.push(Pair::different(&whole, leg));
        pairs.push(Pair::by_two_sensors(leg, &others[index]));
        pairs.extend((0..others.len()).filter(|it| *it != index).map(|it| Pair::different(leg, &others[it])));
    }
    pairs.push(Pair::same(&whole, &copy));
    pairs
}

/// A copy in another time zone: whole hours, parts of hours, across midnight, one hour at a change of summer time.
pub(crate) fn travellers(dice: &mut Dice) -> Vec<Pair> {
    let heart = Heart::of(dice);
    let start = day(dice) + dice.between(0.0, 86_399.0).round();
    let bout = outing(dice, heart, start);
    let record = Device::watch(dice).record(dice, &bout);
    let minutes = dice.one(&[
        -720, -600, -480, -420, -360, -300, -240, -180, -120, -60, 60, 120, 180, 330, 345, 480, 525, 570, 630, 660,
        765, 840,
    ]);
    let later = Change::Later(minutes);
    let own = Change::OwnEnergy(dice.between(0.8, 1.2));
    let sets: [&[Change]; 5] = [
        &[later],
        &[later, Change::NoStreams],
        &[later, Change::NoStreams, own],
        &[later, Change::NoTrack, own, Change::TensOfMetres],
        &[later, Change::NoHeart, Change::Thinned(2), Change::TensOfMetres],
    ];
    let mut pairs: Vec<Pair> =
        sets.into_iter().map(|it| Pair::same(&record, &passed_on(&record, "strava", it))).collect();
    let mut second = Device::watch(dice);
    second.provider = "wahoo";
    let second = passed_on(&second.record(dice, &bout), "wahoo", &[later]);
    pairs.push(Pair::by_two_sensors(&record, &second));
    pairs
}
