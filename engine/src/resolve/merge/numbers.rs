//! Totals and means of a workout.

use super::{
    Combine, MergePolicy, Prefer,
    streams::Chosen,
    track::{GAP_MS_MAX, Name},
    workout::{Draft, Source},
};
use schemas::workout::{Streams, Workout};
use std::cmp::Reverse;

/// A number of a workout.
struct Number {
    field: &'static str,
    get: fn(&Workout) -> Option<f64>,
    /// Takes it over from another workout.
    take: fn(&mut Workout, &Workout),
    /// What it is computed from, if from a column.
    of: Option<(Name, Statistic)>,
}

/// What a number says of a column.
#[derive(Clone, Copy)]
enum Statistic {
    Mean,
    Greatest,
}

#[expect(clippy::cast_precision_loss, reason = "only compared; what is taken over is the whole number itself")]
const NUMBERS: [Number; 9] = [
    Number {
        field: "moving_ms",
        get: |it| it.moving_ms.map(|it| it as f64),
        take: |to, it| to.moving_ms = it.moving_ms,
        of: None,
    },
    Number { field: "distance_m", get: |it| it.distance_m, take: |to, it| to.distance_m = it.distance_m, of: None },
    Number { field: "energy_kcal", get: |it| it.energy_kcal, take: |to, it| to.energy_kcal = it.energy_kcal, of: None },
    Number { field: "ascent_m", get: |it| it.ascent_m, take: |to, it| to.ascent_m = it.ascent_m, of: None },
    Number {
        field: "heart_rate_mean",
        get: |it| it.heart_rate_mean,
        take: |to, it| to.heart_rate_mean = it.heart_rate_mean,
        of: Some((Name::HeartRate, Statistic::Mean)),
    },
    Number {
        field: "heart_rate_max",
        get: |it| it.heart_rate_max,
        take: |to, it| to.heart_rate_max = it.heart_rate_max,
        of: Some((Name::HeartRate, Statistic::Greatest)),
    },
    Number {
        field: "cadence_mean",
        get: |it| it.cadence_mean,
        take: |to, it| to.cadence_mean = it.cadence_mean,
        of: Some((Name::Cadence, Statistic::Mean)),
    },
    Number {
        field: "power_mean",
        get: |it| it.power_mean,
        take: |to, it| to.power_mean = it.power_mean,
        of: Some((Name::Power, Statistic::Mean)),
    },
    Number { field: "steps", get: |it| it.steps.map(|it| it as f64), take: |to, it| to.steps = it.steps, of: None },
];

/// Where a number comes from, and why.
struct Choice {
    source: usize,
    rule: &'static str,
    note: String,
    /// The number, if it was computed anew.
    computed: Option<f64>,
}

/// All that numbers are chosen by.
struct Case<'a> {
    sources: &'a [Source<'a>],
    policy: &'a MergePolicy,
    chosen: &'a Chosen,
    until_ms: i64,
}

/// Chooses every number.
pub(super) fn choose(sources: &[Source<'_>], policy: &MergePolicy, chosen: &Chosen, until_ms: i64, draft: &mut Draft) {
    let case = Case { sources, policy, chosen, until_ms };
    for number in &NUMBERS {
        let Some(choice) = case.choose(number) else { continue };
        let before = (number.get)(&draft.workout);
        if let Some(it) = choice.computed {
            set(&mut draft.workout, number.field, it);
        } else if choice.source != 0 {
            (number.take)(&mut draft.workout, sources[choice.source].workout);
        }
        draft.is_changed |= before.map(f64::to_bits) != (number.get)(&draft.workout).map(f64::to_bits);
        draft.note(number.field, sources[choice.source].index, choice.rule, choice.note);
    }
}

/// Only means and greatest values of columns are computed.
fn set(workout: &mut Workout, field: &str, value: f64) {
    match field {
        "heart_rate_mean" => workout.heart_rate_mean = Some(value),
        "heart_rate_max" => workout.heart_rate_max = Some(value),
        "cadence_mean" => workout.cadence_mean = Some(value),
        "power_mean" => workout.power_mean = Some(value),
        _ => {}
    }
}

impl Case<'_> {
    fn choose(&self, number: &Number) -> Option<Choice> {
        let candidates = self.candidates(number);
        if let Some(it) = self.preferred(number, &candidates) {
            return Some(it);
        }
        if let Some((name, statistic)) = number.of
            && let Some(it) = self.of_column(&candidates, name, statistic)
        {
            return Some(it);
        }
        let key = |it: &(usize, f64)| {
            let source = &self.sources[it.0];
            (Reverse(source.grade), Reverse(self.has_ground(number, it.0)), it.0)
        };
        let Some(best) = candidates.iter().min_by_key(|it| key(it)) else {
            // What cannot be used is not taken away.
            let is_set = (number.get)(self.sources.first()?.workout).is_some();
            return is_set.then(|| choice(0, "only_source", "no source has a better one"));
        };
        let others = || candidates.iter().filter(|it| it.0 != best.0);
        if others().next().is_none() {
            return Some(choice(best.0, "only_source", "no other source has it"));
        }
        if candidates.iter().all(|it| it.1.to_bits() == best.1.to_bits()) {
            // Of those that say the same the first in the order.
            let first = candidates.first().map_or(best.0, |it| it.0);
            return Some(choice(first, "agreed", "all sources that have it say the same"));
        }
        let grade = self.sources[best.0].grade;
        let rule = if others().all(|it| self.sources[it.0].grade < grade) {
            "measured"
        } else if self.has_ground(number, best.0) && !others().any(|it| self.has_ground(number, it.0)) {
            if number.field == "energy_kcal" { "with_heart_rate" } else { "best_gps" }
        } else {
            "first_source"
        };
        let told: Vec<String> = others().map(|it| figure(it.1)).collect();
        Some(choice(best.0, rule, format!("{} over {}", figure(best.1), told.join(", "))))
    }

    /// The sources with a usable value, in order.
    fn candidates(&self, number: &Number) -> Vec<(usize, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "a duration far below 2^53 ms")]
        let longest = self.until_ms as f64;
        let fits = |source: usize, value: f64| {
            let is_too_long = number.field == "moving_ms" && source != 0 && value > longest;
            value.is_finite() && value >= 0.0 && !is_too_long
        };
        let values = self.sources.iter().enumerate();
        let values = values.filter_map(|(source, it)| Some((source, (number.get)(it.workout)?)));
        values.filter(|it| fits(it.0, it.1)).collect()
    }

    /// What the person's policy says.
    fn preferred(&self, number: &Number, candidates: &[(usize, f64)]) -> Option<Choice> {
        let is_total = matches!(number.field, "distance_m" | "energy_kcal");
        let highest = (self.policy.combine == Combine::HighestTotals && is_total).then_some(&Prefer::Highest);
        let prefer = self.policy.fields.get(number.field).or(highest)?;
        // Of equal values the first in the order.
        let extreme = |is_better: fn(f64, f64) -> bool| {
            candidates.iter().copied().reduce(|best, it| if is_better(it.1, best.1) { it } else { best })
        };
        let (found, rule) = match prefer {
            Prefer::Highest => (extreme(|a, b| a > b), "highest"),
            Prefer::Lowest => (extreme(|a, b| a < b), "lowest"),
            Prefer::Provider(_) | Prefer::Device(_) => {
                let is_named = |it: &&(usize, f64)| prefer.names(&self.sources[it.0].record.origin);
                (candidates.iter().find(is_named).copied(), "priority")
            }
        };
        let (source, value) = found?;
        let note = format!("{} of {} values, as the policy wants", figure(value), candidates.len());
        Some(choice(source, rule, note))
    }

    /// Whether the source has what the number should rest on: the track for a distance and a climb, a heart rate for
    /// energy.
    fn has_ground(&self, number: &Number, source: usize) -> bool {
        let leads = |name: Name| self.chosen.owners[name as usize].first().is_some_and(|it| it.0 == source);
        match number.field {
            "distance_m" | "ascent_m" => leads(Name::Latitude),
            "energy_kcal" => {
                let it = &self.sources[source];
                it.track.has(Name::HeartRate) || it.workout.heart_rate_mean.is_some()
            }
            _ => false,
        }
    }

    /// The mean or greatest value of a column that does not come from the base alone.
    fn of_column(&self, candidates: &[(usize, f64)], name: Name, statistic: Statistic) -> Option<Choice> {
        let owners = &self.chosen.owners[name as usize];
        let owner = owners.first()?.0;
        let has_it = candidates.iter().any(|it| it.0 == owner);
        let is_whole = owners.len() == 1 && (owner == 0 || self.sources[owner].is_within(self.until_ms));
        if is_whole && has_it {
            return Some(choice(owner, "with_stream", "the source of the column says it of the whole of it"));
        }
        if is_whole && owner == 0 && candidates.is_empty() {
            return None;
        }
        let streams = self.chosen.streams.as_ref().unwrap_or(&self.sources[0].workout.streams);
        let computed = computed(streams, name, statistic)?;
        let note = "computed from the merged column".to_owned();
        Some(Choice { source: owner, rule: "from_stream", note, computed: Some(computed) })
    }
}

fn choice(source: usize, rule: &'static str, note: impl Into<String>) -> Choice {
    Choice { source, rule, note: note.into(), computed: None }
}

/// A mean weighs a value by the time to the next one, at most a gap; it is rounded to tenths.
fn computed(streams: &Streams, name: Name, statistic: Statistic) -> Option<f64> {
    let column = name.of(streams);
    let moments = streams.offsets_ms.iter().zip(&column.0);
    let measured: Vec<(i64, f64)> = moments.filter(|it| it.1.is_finite()).map(|it| (*it.0, *it.1)).collect();
    match statistic {
        Statistic::Greatest => measured.iter().map(|it| it.1).max_by(f64::total_cmp),
        Statistic::Mean => {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (index, (at, value)) in measured.iter().enumerate() {
                let next = measured.get(index + 1).map_or(0, |it| it.0.saturating_sub(*at));
                #[expect(clippy::cast_precision_loss, reason = "at most a gap")]
                let weight = next.clamp(1, GAP_MS_MAX) as f64;
                sum += value * weight;
                weights += weight;
            }
            let mean = sum / weights;
            (mean.is_finite()).then(|| (mean * 10.0).round() / 10.0)
        }
    }
}

/// A number in notes: at most one decimal.
fn figure(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
