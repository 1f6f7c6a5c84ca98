//! What two workouts say beside when they were: lengths, distances, energy, sport, and streams.

use super::{
    evidence::{Case, Figures, Verdict, grain, line, nearness},
    facts::Facts,
    sport::{Kinship, is_indoors},
    streams::{self, Hearts, Together, Tracks},
};

/// How the clocks of two records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Both are right. A person does one thing at a time: what agrees roughly is the same.
    Same,
    /// The later one is late. Habits agree roughly, too: only what agrees exactly is the same.
    Shifted {
        /// By so many ms.
        by: i64,
        /// Whether the starts agree, then, as exactly as they are told.
        is_tight: bool,
    },
}

/// Over how many moments two hearts must differ, and by how much on average, to be those of two people.
const HEARTS_MIN: usize = 10;
const HEARTS_APART: f64 = 9.0;
/// What it costs to say that a sensor failed at times.
const FAILING: f64 = 1.0;
/// Grains in which lengths are told, s.
const LENGTH_GRAINS: [f64; 3] = [300.0, 60.0, 1.0];
/// Grains in which distances are told, m.
const DISTANCE_GRAINS: [f64; 5] = [1_000.0, 500.0, 100.0, 10.0, 1.0];

/// Adds all that is known of content.
pub(super) fn of(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, kin: Kinship, clock: Clock) {
    sport(case, kin, clock);
    // How much of the content agrees so exactly that habit does not explain it.
    let figures = length(case, a, b, clock) + distance(case, a, b, clock);
    let (counted, has_counts) = counts(case, a, b, clock);
    let told = figures + counted;
    let exact = told + streams(case, a, b, clock);
    match clock {
        Clock::Same => {
            device(case, a, b);
            // Who changed the sport of a copy left the rest as it was.
            if kin == Kinship::Other && exact == 0 {
                case.at_most(Verdict::Ask);
            }
        }
        Clock::Shifted { is_tight, .. } => case.at_most(match exact {
            0 => Verdict::Different,
            // Energy and heart rate may agree by chance; not while neither length nor distance does.
            _ if figures == 0 && exact == told => Verdict::Different,
            // What another device measured starts about then; what a service passed on starts exactly then.
            _ if !is_tight && exact == told => Verdict::Different,
            1 => Verdict::Ask,
            2 if kin == Kinship::Other => Verdict::Ask,
            // A copy without streams has the other's length and distance, and its counts, if it tells any: who rides to
            // work and back has some of these equal now and then.
            _ if exact == told && told < 3 && (figures < 2 || has_counts) => Verdict::Ask,
            _ => Verdict::Same,
        }),
    }
}

/// What speaks for one being a part of the other.
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
pub(super) fn of_part(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, kin: Kinship) {
    sport(case, kin, Clock::Same);
    if let (Some(of_a), Some(of_b)) = (a.distance, b.distance) {
        let a_is_longer = a.stretch.length() > b.stretch.length();
        let (long, short) = if a_is_longer { (of_a, of_b) } else { (of_b, of_a) };
        let speed = |it: &Facts<'_>, distance: f64| distance / it.stretch.length().max(1) as f64;
        let apart = ratio_apart(speed(a, of_a), speed(b, of_b));
        let weight = if short > 1.05 * long { -3.0 } else { line(apart, &[(0.1, 0.6), (0.3, 0.0), (0.6, -1.0)]) };
        case.add("distance", weight, Figures::Two(of_a, of_b, "m"));
    }
    streams(case, a, b, Clock::Same);
    device(case, a, b);
}

/// What speaks for one being typed in after the other.
pub(super) fn of_typed(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, kin: Kinship) {
    sport(case, kin, Clock::Same);
    let (apart, share, pair) = lengths_apart(a, b);
    let share = if apart <= 150.0 { 0.0 } else { share };
    let seconds = Figures::Two(pair.0, pair.1, "s");
    case.add("length", line(share, &[(0.0, 0.8), (0.1, 0.3), (0.25, -1.0), (0.5, -3.0)]), seconds);
    if let (Some(of_a), Some(of_b)) = (a.distance, b.distance) {
        let weight = line(ratio_apart(of_a, of_b), &[(0.02, 1.0), (0.06, 0.5), (0.15, -1.0), (0.4, -3.0)]);
        case.add("distance", weight, Figures::Two(of_a, of_b, "m"));
    }
}

/// By how many seconds two lengths differ, which share of the longer one that is, and the two: pauses in or out,
/// whichever fits best.
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
pub(super) fn lengths_apart(a: &Facts<'_>, b: &Facts<'_>) -> (f64, f64, (f64, f64)) {
    let pairs = a.lengths().flat_map(|it| b.lengths().map(move |other| (it, other)));
    let best = pairs.min_by_key(|(it, other)| it.abs_diff(*other)).unwrap_or((0, 0));
    let (of_a, of_b) = (best.0 as f64 / 1_000.0, best.1 as f64 / 1_000.0);
    ((of_a - of_b).abs(), ratio_apart(of_a, of_b), (of_a, of_b))
}

/// By which share of the greater one two numbers differ.
fn ratio_apart(a: f64, b: f64) -> f64 {
    let greater = a.abs().max(b.abs());
    if greater > 0.0 { ((a - b).abs() / greater).clamp(0.0, 1.0) } else { 0.0 }
}

fn sport(case: &mut Case, kin: Kinship, clock: Clock) {
    let (weight, text) = match (kin, clock) {
        (Kinship::Same, Clock::Same) => (0.6, "the same sport"),
        (Kinship::Same, Clock::Shifted { .. }) => (0.3, "the same sport"),
        (Kinship::Family, _) => (0.3, "sports of one family"),
        (Kinship::Unsaid, _) => (0.0, "a sport is not told"),
        (Kinship::Other, Clock::Same) => (-1.5, "different sports"),
        (Kinship::Other, Clock::Shifted { .. }) => (-3.0, "different sports"),
        (Kinship::Leg, _) => (-3.0, "one is of several sports"),
    };
    case.add("sport", weight, Figures::Text(text));
}

fn length(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, clock: Clock) -> u32 {
    let (apart, share, pair) = lengths_apart(a, b);
    let weight = match clock {
        Clock::Same => line(share, &[(0.0, 1.0), (0.01, 0.9), (0.05, 0.3), (0.15, 0.0), (0.3, -0.7), (0.5, -1.5)]),
        Clock::Shifted { .. } => {
            let grain = grain(pair.0, &LENGTH_GRAINS).max(grain(pair.1, &LENGTH_GRAINS));
            nearness(apart, (0.03 * pair.0.max(pair.1)).max(20.0), grain, 0.5, 4.0)
        }
    };
    case.add("length", weight, Figures::Two(pair.0, pair.1, "s"));
    let grain = grain(pair.0, &LENGTH_GRAINS).max(grain(pair.1, &LENGTH_GRAINS));
    u32::from(apart <= 1.0 && grain < 60.0)
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
fn distance(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, clock: Clock) -> u32 {
    let (Some(of_a), Some(of_b)) = (a.distance, b.distance) else { return 0 };
    let (apart, greater) = ((of_a - of_b).abs(), of_a.max(of_b));
    let grain = grain(of_a, &DISTANCE_GRAINS).max(grain(of_b, &DISTANCE_GRAINS));
    let exact = nearness(apart, (0.01 * greater).max(20.0), grain, 0.5, 4.0);
    let weight = match clock {
        Clock::Shifted { .. } => exact,
        Clock::Same => {
            // A guess may be far off; and where one was cut, its distance went with its time.
            let is_guess = [a, b].iter().any(|it| is_indoors(it.sport) || !it.has_track());
            let speed = |it: &Facts<'_>, distance: f64| distance / it.stretch.length().max(1) as f64;
            let share = ratio_apart(of_a, of_b);
            let of_speed = ratio_apart(speed(a, of_a), speed(b, of_b)).max(0.03);
            let rough = if is_guess {
                line(share.min(of_speed), &[(0.02, 1.2), (0.1, 0.3), (0.3, -0.7), (0.6, -2.5)])
            } else {
                line(share.min(of_speed), &[(0.01, 1.3), (0.03, 0.7), (0.06, 0.0), (0.12, -1.5), (0.25, -3.0)])
            };
            rough + if exact >= 2.5 { 1.0 } else { 0.0 }
        }
    };
    case.add("distance", weight, Figures::Two(of_a, of_b, "m"));
    u32::from(exact >= 2.0 && apart <= (grain / 2.0).max(1.0))
}

/// Energy, steps, and heart rates told as one number: devices guess them differently, copies tell them exactly.
///
/// How many agree exactly, and whether there are any to compare.
fn counts(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, clock: Clock) -> (u32, bool) {
    let (mut exact, mut has_any) = (0, false);
    if let (Some(of_a), Some(of_b)) = (a.energy, b.energy) {
        let (apart, greater) = ((of_a - of_b).abs(), of_a.max(of_b));
        let near = nearness(apart, (0.08 * greater).max(5.0), 1.0, 0.5, 2.5).max(-0.5);
        let weight = if clock == Clock::Same { near.min(0.8) } else { near };
        case.add("energy", weight, Figures::Two(of_a, of_b, "kcal"));
        exact += u32::from(near >= 2.0 && apart <= 1.0);
        has_any = true;
    }
    if let (Some(of_a), Some(of_b)) = (a.steps, b.steps) {
        let near = nearness((of_a - of_b).abs(), (0.03 * of_a.max(of_b)).max(20.0), 1.0, 0.5, 3.0);
        let weight = if clock == Clock::Same { near.clamp(-0.5, 0.8) } else { near.max(-2.0) };
        case.add("steps", weight, Figures::Two(of_a, of_b, ""));
        exact += u32::from(near >= 2.0 && (of_a - of_b).abs() <= 1.0);
        has_any = true;
    }
    let have_streams = !a.view.heart_rate.is_empty() && !b.view.heart_rate.is_empty();
    if let (Some(of_a), Some(of_b), false) = (a.heart_rate_mean, b.heart_rate_mean, have_streams) {
        let apart = (of_a - of_b).abs();
        let weight = match clock {
            Clock::Same => line(apart, &[(1.0, 0.5), (5.0, 0.0), (10.0, -1.5), (20.0, -3.0)]),
            Clock::Shifted { .. } => nearness(apart, 5.0, 1.0, 0.5, 2.0).max(-3.0),
        };
        case.add("heart_rate_mean", weight, Figures::Two(of_a, of_b, "/min"));
        if let (Some(of_a), Some(of_b), Clock::Shifted { .. }) = (a.heart_rate_max, b.heart_rate_max, clock) {
            // Both the mean and the greatest to the beat: seldom by chance.
            let weight = nearness((of_a - of_b).abs(), 6.0, 1.0, 0.5, 1.8).max(-1.5);
            case.add("heart_rate_max", weight, Figures::Two(of_a, of_b, "/min"));
            exact += u32::from(apart <= 0.5 && (of_a - of_b).abs() <= 0.5);
            has_any = true;
        }
    }
    (exact, has_any)
}

/// Streams, on the clock as it is read and with the starts laid on each other; whichever fits better counts.
fn streams(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>, clock: Clock) -> u32 {
    let of_clock = if let Clock::Shifted { by, .. } = clock { by } else { 0 };
    let of_starts = b.stretch.start.saturating_sub(a.stretch.start);
    let shifts = [of_clock, of_starts];
    let shifts = if of_clock == of_starts { &shifts[..1] } else { &shifts[..] };
    let mut exact = 0;
    let (mut is_other_heart, mut is_same_way) = (false, false);
    let tracks = shifts.iter().filter_map(|it| streams::tracks(a.view, b.view, *it, clock == Clock::Same));
    let tracks = best(tracks, |it| track(it, clock)).map(|(it, weight)| {
        let figures = Figures::Tracks { apart_m: it.apart_m, course_m: it.course_m, n: it.n };
        (it, weight, figures)
    });
    if let Some((_, weight, figures)) = tracks.filter(|it| clock != Clock::Same && it.1 <= -3.0) {
        // No clock error moves a place: nothing else can make the two one.
        case.add("track", weight, figures);
        case.at_most(Verdict::Different);
        return exact;
    }
    let hearts = shifts.iter().filter_map(|it| streams::heart_rates(a.view, b.view, *it));
    if let Some((it, weight)) = best(hearts, |it| heart_rate(it, clock)) {
        case.add("heart_rate", weight, hearts_told(&it, clock));
        exact += if weight >= 3.0 { 2 } else { 0 };
        let is_another = it.all.n >= HEARTS_MIN && it.all.apart > HEARTS_APART;
        if clock == Clock::Same && is_another && but_for_failures(&it, clock).is_none() {
            // Another heart, or a sensor that failed for most of it: two people may run side by side and share an
            // account.
            case.at_most(Verdict::Ask);
        }
        is_other_heart = clock != Clock::Same && it.all.n >= HEARTS_MIN && weight < -1.0;
    }
    if let Some((it, weight, figures)) = tracks {
        case.add("track", weight, figures);
        // Up one hill at one pace is no rare course.
        let is_long = it.spread_m > 400.0 && it.n >= 20;
        exact += if weight < 2.5 { 0 } else { 1 + u32::from(is_long) };
        if weight <= -3.0 {
            // On clocks that are right it may be a track with errors of its own.
            case.at_most(Verdict::Ask);
        }
        is_same_way = is_long && weight >= 2.5;
        // A sensor may fail: who was at the same places at the same moments all along is one person, or two together.
        is_other_heart &= !(is_long && weight >= 4.0);
    }
    let speeds = shifts.iter().filter_map(|it| streams::speeds(a.view, b.view, *it));
    if let Some((it, weight)) = best(speeds, |it| speed(it, clock)) {
        case.add("speed", weight, told(it, "m/s"));
        exact += u32::from(weight >= 1.4);
    }
    if is_other_heart {
        // The same bout has the same beats, whatever the clock said.
        case.at_most(if is_same_way { Verdict::Ask } else { Verdict::Different });
    }
    exact
}

fn told(it: Together, unit: &'static str) -> Figures {
    Figures::Together { correlation: it.correlation, apart: it.apart, unit, n: it.n }
}

fn best<T: Copy>(all: impl Iterator<Item = T>, weight: impl Fn(&T) -> f64) -> Option<(T, f64)> {
    all.map(|it| (it, weight(&it))).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Where both sensors work, if one of them fails at times: on a wrist it takes steps for beats for some minutes, and is
/// far off then, and right before and after. Another heart is another all along, and near this one by chance only: then
/// it is near seldom, and not very.
#[expect(clippy::cast_precision_loss, reason = "at most as many as a view has moments")]
fn but_for_failures(it: &Hearts, clock: Clock) -> Option<Together> {
    let (share_min, apart_max) = match clock {
        Clock::Same => (0.5, 3.2),
        Clock::Shifted { .. } => (0.7, 2.3),
    };
    let is_one = |near: &Together| near.n >= HEARTS_MIN && near.n < it.all.n && near.apart <= apart_max;
    it.near.filter(|near| is_one(near) && near.n as f64 >= share_min * it.all.n as f64)
}

/// The heart rates as they are, or but for where a sensor failed, which is seldom.
fn heart_rate(it: &Hearts, clock: Clock) -> f64 {
    let failing = but_for_failures(it, clock).map_or(f64::NEG_INFINITY, |near| of_heart(&near, clock) - FAILING);
    failing.max(of_heart(&it.all, clock))
}

fn hearts_told(it: &Hearts, clock: Clock) -> Figures {
    match but_for_failures(it, clock).filter(|near| of_heart(near, clock) - FAILING > of_heart(&it.all, clock)) {
        Some(near) => Figures::Failing { apart: near.apart, n: near.n, of: it.all.n },
        None => told(it.all, "/min"),
    }
}

fn of_heart(it: &Together, clock: Clock) -> f64 {
    // A level line correlates with nothing.
    let changes = it.spread >= 3.0;
    match clock {
        Clock::Same => {
            let course = [(-1.0, -2.0), (0.0, -1.5), (0.4, -0.3), (0.7, 0.8), (0.9, 1.8), (0.97, 2.3)];
            let level = [(0.0, 1.2), (2.0, 1.0), (5.0, 0.3), (8.0, -0.7), (12.0, -2.2), (20.0, -4.0)];
            line(it.apart, &level) + if changes { line(it.correlation, &course) } else { 0.0 }
        }
        Clock::Shifted { .. } => {
            let level = [(0.0, 5.0), (1.0, 4.5), (2.0, 2.5), (3.5, 0.5), (6.0, -3.0), (10.0, -5.0)];
            let course = [(0.0, -4.0), (0.6, -3.0), (0.85, -1.0), (0.95, 0.3), (1.0, 0.5)];
            (line(it.apart, &level) + if changes { line(it.correlation, &course) } else { -1.0 }).max(-5.0)
        }
    }
}

fn speed(it: &Together, clock: Clock) -> f64 {
    if it.apart > 0.4 * it.level {
        return -2.5;
    }
    if it.spread < 0.2 {
        return 0.0;
    }
    match clock {
        Clock::Same => line(it.correlation, &[(0.0, -0.7), (0.3, -0.2), (0.6, 0.4), (0.9, 1.3)]),
        Clock::Shifted { .. } => {
            line(it.correlation, &[(0.0, -3.0), (0.5, -2.0), (0.8, -0.3), (0.95, 1.5), (0.99, 2.5)])
        }
    }
}

fn track(it: &Tracks, clock: Clock) -> f64 {
    let share = it.apart_m / it.spread_m.max(1.0);
    if it.spread_m < 30.0 {
        // Both stayed where they were.
        let elsewhere = line(it.apart_m, &[(100.0, 0.0), (300.0, -2.0), (1_000.0, -5.0)]);
        return if clock == Clock::Same { elsewhere + 0.5 } else { elsewhere };
    }
    match clock {
        Clock::Same => {
            let apart = [(25.0, 2.5), (100.0, 1.0), (300.0, -0.5), (1_000.0, -3.0), (3_000.0, -6.0)];
            let near = if share <= 0.05 { 1.0 } else { f64::NEG_INFINITY };
            let on_course = if it.course_m.is_some_and(|it| it < 50.0) { -1.0 } else { f64::NEG_INFINITY };
            line(it.apart_m, &apart).max(near).max(on_course)
        }
        Clock::Shifted { .. } => {
            let weight = line(share, &[(0.002, 5.0), (0.01, 3.0), (0.03, 1.0), (0.06, -1.5), (0.12, -6.0)]);
            let near = line(share, &[(0.1, 4.0), (0.3, 0.0), (0.5, -3.0)]);
            if it.apart_m <= 5.0 { weight.max(near) } else { weight }
        }
    }
}

fn device(case: &mut Case, a: &Facts<'_>, b: &Facts<'_>) {
    if let (Some(of_a), Some(of_b)) = (a.device, b.device)
        && of_a.eq_ignore_ascii_case(of_b)
    {
        case.add("device", 0.4, Figures::Text("the same device"));
    }
}
