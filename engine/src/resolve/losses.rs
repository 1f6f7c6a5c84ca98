//! What a record loses on its way: field by field and column by column, what of the wanted one is not in the held one.
//!
//! Told in words without values: counts of samples and kinds of precision, never a number or a text of the person. What
//! is held and was not wanted is no loss. Who measured it and what may be done with it are not looked at.

mod figures;
mod rows;

use figures::{Figures, Unit};
use rows::Rows;
use schemas::{
    record::{Body, Entity, Nutrition, Record, Series, Sleep, Span},
    time::Instant,
    workout::{Column, Lap, Streams, Workout},
};
use std::collections::BTreeMap;

/// A quarter of an hour: by such steps differ the zones of the world.
const QUARTER_MS: u64 = 900_000;

/// A field that is not held as it was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The field, as its JSON names it: `distance_m`, `streams.heart_rate`, `time.start`.
    pub field: String,
    /// What is lost of it, in words without values.
    pub why: String,
}

/// What of `wanted` is not in `held`, in the order of the fields. Of a record and itself there is none.
#[must_use]
pub fn losses(wanted: &Record, held: &Record) -> Vec<Loss> {
    let mut found = Found::default();
    if wanted.deleted {
        return found.0;
    }
    if held.deleted {
        found.add("record", "it is not there");
        return found.0;
    }
    if wanted.data_type != held.data_type {
        found.add("data_type", "it is held as another type");
    }
    if wanted.is_daily_total && !held.is_daily_total {
        found.add("is_daily_total", "it is not held");
    }
    time(&mut found, &wanted.time, &held.time);
    let shift_ms = held.time.start.0.saturating_sub(wanted.time.start.0);
    match (&wanted.body, &held.body) {
        (Body::Nothing(_), _) => {}
        (Body::Quantity(a), Body::Quantity(b)) => {
            found.number("value", Unit::Of(wanted.data_type.unit()), Some(a.value), Some(b.value));
        }
        (Body::Series(a), Body::Series(b)) => {
            series(&mut found, Unit::Of(wanted.data_type.unit()), (a, b), shift_ms);
        }
        (Body::Workout(a), Body::Workout(b)) => workout(&mut found, (a, b), shift_ms),
        (Body::Sleep(a), Body::Sleep(b)) => sleep(&mut found, (a, b), shift_ms),
        (Body::BloodPressure(a), Body::BloodPressure(b)) => {
            let unit = Unit::Of("mm[Hg]");
            found.number("systolic", unit, Some(a.systolic), Some(b.systolic));
            found.number("diastolic", unit, Some(a.diastolic), Some(b.diastolic));
            found.number("pulse", Unit::Beats, a.pulse, b.pulse);
        }
        (Body::Nutrition(a), Body::Nutrition(b)) => nutrition(&mut found, a, b),
        (Body::Entity(a), Body::Entity(b)) => entity(&mut found, a, b),
        _ => found.add("body", "it is held as another kind of record"),
    }
    found.0
}

/// Each loss as one text, as outcomes carry it.
#[must_use]
pub fn told(losses: &[Loss]) -> Vec<String> {
    losses.iter().map(|it| format!("{}: {}", it.field, it.why)).collect()
}

/// What was found to be lost.
#[derive(Default)]
struct Found(Vec<Loss>);

impl Found {
    fn add(&mut self, field: &str, why: impl Into<String>) {
        self.0.push(Loss { field: field.to_owned(), why: why.into() });
    }

    fn figures(&mut self, field: &str, figures: &Figures) {
        if let Some(why) = figures.lost() {
            self.add(field, why);
        }
    }

    fn number(&mut self, field: &str, unit: Unit, wanted: Option<f64>, held: Option<f64>) {
        let mut figures = Figures::one(unit);
        figures.add(wanted, held);
        self.figures(field, &figures);
    }

    fn length(&mut self, field: &str, wanted: Option<i64>, held: Option<i64>) {
        let mut figures = Figures::one(Unit::Milliseconds);
        figures.add_ms(wanted, held);
        self.figures(field, &figures);
    }

    fn text(&mut self, field: &str, wanted: Option<&str>, held: Option<&str>) {
        let wanted = wanted.unwrap_or_default();
        match held.unwrap_or_default() {
            held if held == wanted || wanted.is_empty() => {}
            "" => self.add(field, "it is not held"),
            held if wanted.starts_with(held) => self.add(field, "it is held cut short"),
            _ => self.add(field, "it is held in other words"),
        }
    }

    fn names<T: PartialEq>(
        &mut self,
        field: &str,
        what: &str,
        (wanted, held): (&BTreeMap<String, T>, &BTreeMap<String, T>),
        is_same: impl Fn(&T, &T) -> bool,
    ) {
        let n_held = wanted.keys().filter(|it| held.contains_key(*it)).count();
        let n_other = wanted.iter().filter(|(name, it)| held.get(*name).is_some_and(|held| !is_same(it, held))).count();
        if n_held < wanted.len() {
            self.add(field, format!("{n_held} of {} {what} are held", wanted.len()));
        }
        if n_other > 0 {
            self.add(field, format!("{n_other} of {} {what} are held differently", wanted.len()));
        }
    }
}

fn time(found: &mut Found, wanted: &Span, held: &Span) {
    moment(found, "time.start", wanted.start, held.start);
    moment(found, "time.end", wanted.end, held.end);
    match (wanted.offset_seconds, held.offset_seconds) {
        (Some(_), None) => found.add("time.offset_seconds", "it is not held"),
        (Some(a), Some(b)) if a != b => found.add("time.offset_seconds", "it is held as another offset"),
        _ => {}
    }
    match (&wanted.zone, &held.zone) {
        (Some(_), None) => found.add("time.zone", "it is not held"),
        (Some(a), Some(b)) if a != b => found.add("time.zone", "it is held as another zone"),
        _ => {}
    }
}

fn moment(found: &mut Found, field: &str, wanted: Instant, held: Instant) {
    let apart = wanted.0.abs_diff(held.0);
    if apart != 0 && apart.is_multiple_of(QUARTER_MS) {
        found.add(field, "it is shifted by whole quarters of an hour, as a zone would");
    } else {
        found.length(field, Some(wanted.0), Some(held.0));
    }
}

fn series(found: &mut Found, unit: Unit, (wanted, held): (&Series, &Series), shift_ms: i64) {
    let rows = Rows::of(&wanted.offsets_ms, &held.offsets_ms, shift_ms);
    rows.offsets(found, "offsets_ms");
    let mut figures = Figures::many(unit, "samples");
    for (index, value) in wanted.values.iter().enumerate() {
        figures.add(Some(*value), rows.to(index).and_then(|it| held.values.get(it)).copied());
    }
    found.figures("values", &figures);
}

fn workout(found: &mut Found, (wanted, held): (&Workout, &Workout), shift_ms: i64) {
    if wanted.sport != held.sport {
        found.add("sport", "it is held as another sport");
    }
    found.text("sport_detail", wanted.sport_detail.as_deref(), held.sport_detail.as_deref());
    found.text("title", wanted.title.as_deref(), held.title.as_deref());
    found.text("notes", wanted.notes.as_deref(), held.notes.as_deref());
    found.length("moving_ms", wanted.moving_ms, held.moving_ms);
    found.number("distance_m", Unit::Metres, wanted.distance_m, held.distance_m);
    found.number("energy_kcal", Unit::Kilocalories, wanted.energy_kcal, held.energy_kcal);
    found.number("ascent_m", Unit::Metres, wanted.ascent_m, held.ascent_m);
    found.number("heart_rate_mean", Unit::Beats, wanted.heart_rate_mean, held.heart_rate_mean);
    found.number("heart_rate_max", Unit::Beats, wanted.heart_rate_max, held.heart_rate_max);
    found.number("cadence_mean", Unit::Turns, wanted.cadence_mean, held.cadence_mean);
    found.number("power_mean", Unit::Watts, wanted.power_mean, held.power_mean);
    let mut steps = Figures::one(Unit::Of("{steps}"));
    steps.add_ms(wanted.steps, held.steps);
    found.figures("steps", &steps);
    laps(found, &wanted.laps, &held.laps, shift_ms);
    streams(found, (&wanted.streams, &held.streams), shift_ms);
}

fn laps(found: &mut Found, wanted: &[Lap], held: &[Lap], shift_ms: i64) {
    if held.len() < wanted.len() {
        let why = if held.is_empty() {
            format!("none of {} laps is held", wanted.len())
        } else {
            format!("{} of {} laps are held", held.len(), wanted.len())
        };
        found.add("laps", why);
    }
    let pairs = || wanted.iter().zip(held);
    let mut offsets = Figures::many(Unit::Milliseconds, "laps");
    let mut lengths = Figures::many(Unit::Milliseconds, "laps");
    for (a, b) in pairs() {
        offsets.add_ms(Some(a.offset_ms), Some(b.offset_ms.saturating_add(shift_ms)));
        lengths.add_ms(Some(a.elapsed_ms), Some(b.elapsed_ms));
    }
    found.figures("laps.offset_ms", &offsets);
    found.figures("laps.elapsed_ms", &lengths);
    type Get = fn(&Lap) -> Option<f64>;
    let numbers: [(&str, Unit, Get); 4] = [
        ("laps.distance_m", Unit::Metres, |it| it.distance_m),
        ("laps.energy_kcal", Unit::Kilocalories, |it| it.energy_kcal),
        ("laps.heart_rate_mean", Unit::Beats, |it| it.heart_rate_mean),
        ("laps.heart_rate_max", Unit::Beats, |it| it.heart_rate_max),
    ];
    for (field, unit, get) in numbers {
        let mut figures = Figures::many(unit, "laps");
        pairs().for_each(|(a, b)| figures.add(get(a), get(b)));
        found.figures(field, &figures);
    }
}

fn streams(found: &mut Found, (wanted, held): (&Streams, &Streams), shift_ms: i64) {
    let rows = Rows::of(&wanted.offsets_ms, &held.offsets_ms, shift_ms);
    rows.offsets(found, "streams.offsets_ms");
    type Get = fn(&Streams) -> &Column;
    let columns: [(&str, Unit, Get); 9] = [
        ("streams.latitude", Unit::Degrees, |it| &it.latitude),
        ("streams.longitude", Unit::Degrees, |it| &it.longitude),
        ("streams.altitude", Unit::Metres, |it| &it.altitude),
        ("streams.heart_rate", Unit::Beats, |it| &it.heart_rate),
        ("streams.cadence", Unit::Turns, |it| &it.cadence),
        ("streams.power", Unit::Watts, |it| &it.power),
        ("streams.speed", Unit::MetresASecond, |it| &it.speed),
        ("streams.distance", Unit::Metres, |it| &it.distance),
        ("streams.temperature", Unit::Of("Cel"), |it| &it.temperature),
    ];
    for (field, unit, get) in columns {
        let (wanted, held) = (get(wanted), get(held));
        let mut figures = Figures::many(unit, "samples");
        for index in 0..wanted.0.len() {
            figures.add(wanted.get(index), rows.to(index).and_then(|it| held.get(it)));
        }
        found.figures(field, &figures);
    }
}

fn sleep(found: &mut Found, (wanted, held): (&Sleep, &Sleep), shift_ms: i64) {
    let rows = Rows::of(&wanted.stage_offsets_ms, &held.stage_offsets_ms, shift_ms);
    rows.offsets(found, "stage_offsets_ms");
    let n_wanted = wanted.stages.len();
    let there = |index| rows.to(index).and_then(|it| held.stages.get(it));
    let n_held = (0..n_wanted).filter(|it| there(*it).is_some()).count();
    let n_other =
        wanted.stages.iter().enumerate().filter(|(at, it)| there(*at).is_some_and(|held| held != *it)).count();
    if n_held < n_wanted {
        found.add("stages", format!("{n_held} of {n_wanted} stages are held"));
    }
    if n_other > 0 {
        found.add("stages", format!("{n_other} of {n_wanted} stages are held as others"));
    }
    let mut lengths = Figures::many(Unit::Milliseconds, "stages");
    for (index, length) in wanted.stage_durations_ms.iter().enumerate() {
        if let Some(held) = rows.to(index).and_then(|it| held.stage_durations_ms.get(it)) {
            lengths.add_ms(Some(*length), Some(*held));
        }
    }
    found.figures("stage_durations_ms", &lengths);
    if wanted.is_nap && !held.is_nap {
        found.add("is_nap", "it is not held");
    }
}

fn nutrition(found: &mut Found, wanted: &Nutrition, held: &Nutrition) {
    found.text("name", wanted.name.as_deref(), held.name.as_deref());
    found.text("meal", wanted.meal.as_deref(), held.meal.as_deref());
    found.number("energy_kcal", Unit::Kilocalories, wanted.energy_kcal, held.energy_kcal);
    let both = (&wanted.nutrients_g, &held.nutrients_g);
    found.names("nutrients_g", "nutrients", both, |a, b| figures::is_same(*a, *b));
}

fn entity(found: &mut Found, wanted: &Entity, held: &Entity) {
    found.text("title", Some(&wanted.title), Some(&held.title));
    found.names("numbers", "numbers", (&wanted.numbers, &held.numbers), |a, b| figures::is_same(*a, *b));
    found.names("texts", "texts", (&wanted.texts, &held.texts), |a, b| a == b);
}

#[cfg(test)]
mod tests;
