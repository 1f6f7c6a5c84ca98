//! Where fields and stretches of streams come from.

use super::{
    Lineage,
    track::{GAP_MS_MAX, Name, Track},
};
use schemas::record::{Body, Record};

/// The lineage of a record that was taken from one part.
pub(super) fn of_whole(record: &Record, part: usize, rule: &'static str, note: &str) -> Vec<Lineage> {
    let mut lineage = Vec::new();
    let length_ms = record.time.interval().to.0.saturating_sub(record.time.start.0);
    for field in fields(record) {
        lineage.push(Lineage { field: field.into(), part, from_ms: 0, to_ms: length_ms, rule, note: note.into() });
    }
    if let Body::Workout(workout) = &record.body {
        let track = Track::new(&workout.streams, 0);
        for name in Name::ALL {
            let moments = track.moments.iter().zip(track.column(name));
            let measured = moments.filter(|it| it.1.is_finite()).map(|it| (*it.0, part));
            for (_, from_ms, to_ms) in stretches(measured) {
                lineage.push(Lineage { field: name.field().into(), part, from_ms, to_ms, rule, note: note.into() });
            }
        }
    }
    lineage
}

/// The stretches of one source each: (source, from, to). `measured` is every measured moment with its source,
/// ascending.
pub(super) fn stretches(measured: impl Iterator<Item = (i64, usize)>) -> Vec<(usize, i64, i64)> {
    let mut stretches: Vec<(usize, i64, i64)> = Vec::new();
    let mut measured = measured.peekable();
    while let Some((at, source)) = measured.next() {
        let next = measured.peek().map(|it| it.0).filter(|it| it.saturating_sub(at) <= GAP_MS_MAX);
        let until = next.unwrap_or(at.saturating_add(1));
        match stretches.last_mut() {
            Some(last) if last.0 == source && last.2 == at => last.2 = until,
            _ if until > at => stretches.push((source, at, until)),
            _ => {}
        }
    }
    stretches
}

/// The fields of a record that are set, without its streams.
fn fields(record: &Record) -> Vec<&'static str> {
    let mut fields = vec!["start", "end"];
    let mut add = |field, is_set| {
        if is_set {
            fields.push(field);
        }
    };
    add("offset_seconds", record.time.offset_seconds.is_some());
    add("zone", record.time.zone.is_some());
    match &record.body {
        Body::Nothing(_) => {}
        Body::Quantity(_) => add("value", true),
        Body::Series(it) => add("values", !it.values.is_empty()),
        Body::Workout(it) => {
            add("sport", true);
            add("sport_detail", it.sport_detail.is_some());
            add("title", it.title.is_some());
            add("notes", it.notes.is_some());
            add("moving_ms", it.moving_ms.is_some());
            add("distance_m", it.distance_m.is_some());
            add("energy_kcal", it.energy_kcal.is_some());
            add("ascent_m", it.ascent_m.is_some());
            add("heart_rate_mean", it.heart_rate_mean.is_some());
            add("heart_rate_max", it.heart_rate_max.is_some());
            add("cadence_mean", it.cadence_mean.is_some());
            add("power_mean", it.power_mean.is_some());
            add("steps", it.steps.is_some());
            add("laps", !it.laps.is_empty());
        }
        Body::Sleep(it) => {
            add("is_nap", true);
            add("stages", !it.stages.is_empty());
        }
        Body::BloodPressure(it) => {
            add("systolic", true);
            add("diastolic", true);
            add("pulse", it.pulse.is_some());
        }
        Body::Nutrition(it) => {
            add("name", it.name.is_some());
            add("meal", it.meal.is_some());
            add("energy_kcal", it.energy_kcal.is_some());
            add("nutrients_g", !it.nutrients_g.is_empty());
        }
        Body::Entity(it) => {
            add("title", true);
            add("numbers", !it.numbers.is_empty());
            add("texts", !it.texts.is_empty());
        }
    }
    fields
}
