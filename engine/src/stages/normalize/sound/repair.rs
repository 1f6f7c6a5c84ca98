//! What of a record can be put right: order and length of its columns, numbers that are none, a missing end.

use super::{Flaw, columns::Moments, flaw};
use schemas::{
    record::{Body, Nutrition, Record, Series, Sleep},
    time::Instant,
    workout::{Column, Lap, Workout},
};

const UNSORTED: Flaw = flaw("unsorted", "its samples were not in order of time; they were put in order");
const REPEATED_TIME: Flaw =
    flaw("repeated_time", "two samples were of one moment; the later one was taken, its gaps filled from the other");
const UNEVEN: Flaw = flaw("uneven_columns", "a column was not as long as the times of its samples; it was left out");
const NOT_FINITE: Flaw = flaw("not_finite", "a number was NaN or infinite; that field or moment was left out");
const NO_END: Flaw = flaw("no_end", "its end was missing; that of its last sample was taken");

/// Whether there is nothing to put right.
pub(super) fn is_whole(record: &Record) -> bool {
    let is_whole = match &record.body {
        Body::Nothing(_) | Body::Quantity(_) => true,
        Body::Series(it) => is_ascending(&it.offsets_ms) && it.values.iter().all(|it| it.is_finite()),
        Body::Workout(it) => is_whole_workout(it),
        Body::Sleep(it) => is_even(it) && is_ascending(&it.stage_offsets_ms),
        Body::BloodPressure(it) => it.pulse.is_none_or(f64::is_finite),
        Body::Nutrition(it) => {
            it.energy_kcal.is_none_or(f64::is_finite) && it.nutrients_g.values().all(|it| it.is_finite())
        }
        Body::Entity(it) => it.numbers.values().all(|it| it.is_finite()),
    };
    is_whole && !lacks_end(record)
}

/// Puts right what can be, and says what that was, each once.
pub(super) fn repair(record: &mut Record) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    match &mut record.body {
        Body::Nothing(_) | Body::Quantity(_) => {}
        Body::Series(it) => repair_series(it, &mut flaws),
        Body::Workout(it) => repair_workout(it, &mut flaws),
        Body::Sleep(it) => repair_sleep(it, &mut flaws),
        Body::BloodPressure(it) => note(&mut flaws, NOT_FINITE, unset(&mut it.pulse)),
        Body::Nutrition(it) => repair_nutrition(it, &mut flaws),
        Body::Entity(it) => {
            let n_before = it.numbers.len();
            it.numbers.retain(|_, it| it.is_finite());
            note(&mut flaws, NOT_FINITE, it.numbers.len() < n_before);
        }
    }
    if lacks_end(record) {
        record.time.end = Instant(record.time.start.0.saturating_add(last_sample_ms(&record.body)));
        flaws.push(NO_END);
    }
    flaws
}

fn note(flaws: &mut Vec<Flaw>, flaw: Flaw, is_there: bool) {
    if is_there {
        flaws.push(flaw);
    }
}

/// How long after its start the last sample of a session is (of sleep: its last stage ends), ms; 0 without samples.
pub(super) fn last_sample_ms(body: &Body) -> i64 {
    let last = match body {
        Body::Workout(it) => it.streams.offsets_ms.iter().copied().max(),
        Body::Sleep(it) if is_even(it) => {
            let stages = it.stage_offsets_ms.iter().zip(&it.stage_durations_ms);
            stages.map(|(from, length)| from.saturating_add(*length)).max()
        }
        _ => None,
    };
    last.unwrap_or(0)
}

/// Whether a session ends when it begins, though it has later samples.
fn lacks_end(record: &Record) -> bool {
    record.time.end == record.time.start && last_sample_ms(&record.body) > 0
}

/// Strictly: no moment comes twice.
fn is_ascending(offsets_ms: &[i64]) -> bool {
    offsets_ms.is_sorted_by(|earlier, later| earlier < later)
}

fn is_even(it: &Sleep) -> bool {
    let n_stages = it.stages.len();
    it.stage_offsets_ms.len() == n_stages && it.stage_durations_ms.len() == n_stages
}

/// The figures of a workout and of its laps.
fn figures(it: &mut Workout) -> impl Iterator<Item = &mut Option<f64>> {
    let own = [
        &mut it.distance_m,
        &mut it.energy_kcal,
        &mut it.ascent_m,
        &mut it.heart_rate_mean,
        &mut it.heart_rate_max,
        &mut it.cadence_mean,
        &mut it.power_mean,
    ];
    own.into_iter().chain(it.laps.iter_mut().flat_map(|it| {
        let Lap { offset_ms: _, elapsed_ms: _, distance_m, energy_kcal, heart_rate_mean, heart_rate_max } = it;
        [distance_m, energy_kcal, heart_rate_mean, heart_rate_max]
    }))
}

fn is_whole_workout(it: &Workout) -> bool {
    let own = [
        it.distance_m,
        it.energy_kcal,
        it.ascent_m,
        it.heart_rate_mean,
        it.heart_rate_max,
        it.cadence_mean,
        it.power_mean,
    ];
    let of_laps = it.laps.iter().flat_map(|it| [it.distance_m, it.energy_kcal, it.heart_rate_mean, it.heart_rate_max]);
    let n_moments = it.streams.offsets_ms.len();
    // NaN is how a column says that nothing was measured.
    let is_whole_column =
        |it: &Column| (it.is_empty() || it.0.len() == n_moments) && it.0.iter().all(|it| !it.is_infinite());
    own.into_iter().chain(of_laps).flatten().all(f64::is_finite)
        && is_ascending(&it.streams.offsets_ms)
        && it.streams.columns().into_iter().all(is_whole_column)
}

/// Takes away a number that is none; says whether it did.
fn unset(value: &mut Option<f64>) -> bool {
    value.take_if(|it| !it.is_finite()).is_some()
}

fn repair_series(it: &mut Series, flaws: &mut Vec<Flaw>) {
    if it.offsets_ms.len() != it.values.len() {
        // Nobody knows which value is of which time: it is left out.
        return;
    }
    if it.values.iter().any(|it| !it.is_finite()) {
        let numbers = it.offsets_ms.iter().zip(&it.values).filter(|it| it.1.is_finite());
        (it.offsets_ms, it.values) = numbers.unzip();
        flaws.push(NOT_FINITE);
    }
    if let Some(moments) = in_order(&it.offsets_ms, flaws) {
        it.values = moments.last(&it.values);
        it.offsets_ms = moments.last(&it.offsets_ms);
    }
}

fn repair_sleep(it: &mut Sleep, flaws: &mut Vec<Flaw>) {
    if !is_even(it) {
        (it.stage_offsets_ms, it.stage_durations_ms, it.stages) = Default::default();
        flaws.push(UNEVEN);
    }
    if let Some(moments) = in_order(&it.stage_offsets_ms, flaws) {
        it.stages = moments.last(&it.stages);
        it.stage_durations_ms = moments.last(&it.stage_durations_ms);
        it.stage_offsets_ms = moments.last(&it.stage_offsets_ms);
    }
}

fn repair_nutrition(it: &mut Nutrition, flaws: &mut Vec<Flaw>) {
    let n_before = it.nutrients_g.len();
    it.nutrients_g.retain(|_, it| it.is_finite());
    let is_unset = unset(&mut it.energy_kcal);
    note(flaws, NOT_FINITE, is_unset || it.nutrients_g.len() < n_before);
}

fn repair_workout(it: &mut Workout, flaws: &mut Vec<Flaw>) {
    let mut is_unset = false;
    figures(it).for_each(|it| is_unset |= unset(it));
    let streams = &mut it.streams;
    let n_moments = streams.offsets_ms.len();
    let is_uneven = |it: &Column| !it.is_empty() && it.0.len() != n_moments;
    let has_uneven = streams.columns().into_iter().any(is_uneven);
    // Half a position is none.
    if is_uneven(&streams.latitude) || is_uneven(&streams.longitude) {
        (streams.latitude, streams.longitude) = Default::default();
    }
    streams.columns_mut().into_iter().filter(|it| is_uneven(it)).for_each(|it| it.0 = Vec::new());
    for value in streams.columns_mut().into_iter().flat_map(|it| &mut it.0).filter(|it| it.is_infinite()) {
        *value = f64::NAN;
        is_unset = true;
    }
    note(flaws, NOT_FINITE, is_unset);
    note(flaws, UNEVEN, has_uneven);
    if let Some(moments) = in_order(&streams.offsets_ms, flaws) {
        // A position is of one sample, never half of another.
        moments.pair(&mut streams.latitude.0, &mut streams.longitude.0);
        let [_, _, others @ ..] = streams.columns_mut();
        others.into_iter().for_each(|it| it.0 = moments.filled(&it.0));
        streams.offsets_ms = moments.last(&streams.offsets_ms);
    }
}

/// How to put times in order that are not, with an issue for each way in which they are not.
fn in_order(offsets_ms: &[i64], flaws: &mut Vec<Flaw>) -> Option<Moments> {
    if is_ascending(offsets_ms) {
        return None;
    }
    let moments = Moments::of(offsets_ms);
    note(flaws, UNSORTED, !offsets_ms.is_sorted());
    note(flaws, REPEATED_TIME, moments.n_moments() < offsets_ms.len());
    Some(moments)
}
