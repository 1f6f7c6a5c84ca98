//! What becomes of a workout's fields.

use super::{
    Lineage, MergePolicy, Merged, Part, clock, length_ms, numbers, order,
    quality::Measure,
    streams,
    track::{Name, Track},
    words,
};
use schemas::{
    record::{Body, Record},
    workout::{Lap, Sport, Workout},
};

/// One source of a workout.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// Its place in the parts.
    pub(super) index: usize,
    pub(super) record: &'a Record,
    pub(super) workout: &'a Workout,
    /// What it measured, on the base's clock.
    pub(super) track: Track<'a>,
    /// How far its clock was moved, ms.
    pub(super) shift_ms: i64,
    /// How much later than the base it begins, its clock moved, ms.
    later_ms: i64,
    pub(super) grade: u8,
}

impl Source<'_> {
    /// How well it measured a column.
    pub(super) fn measure(&self, name: Name, until_ms: i64) -> Measure {
        Measure::new(&self.track, name, &self.record.origin, until_ms)
    }

    /// Whether all that it measured is within the base's time.
    pub(super) fn is_within(&self, until_ms: i64) -> bool {
        let ends = [self.track.moments.first(), self.track.moments.last()];
        ends.into_iter().flatten().all(|it| (0..=until_ms).contains(it))
    }
}

/// A workout that is being put together.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) workout: Workout,
    pub(super) lineage: Vec<Lineage>,
    /// Whether something is not the base's.
    pub(super) is_changed: bool,
    length_ms: i64,
}

impl Draft {
    /// Notes where a field comes from that is no stream.
    pub(super) fn note(&mut self, field: &str, part: usize, rule: &'static str, note: impl Into<String>) {
        let (from_ms, to_ms) = (0, self.length_ms);
        self.lineage.push(Lineage { field: field.into(), part, from_ms, to_ms, rule, note: note.into() });
    }
}

/// Merges workouts, the base first in the order.
pub(super) fn merge(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> Merged {
    let sources = sources(parts, order);
    let Some(base) = sources.first() else { return super::nothing() };
    // The last moment that there is has no time after it that could be covered.
    let until_ms = length_ms(&base.record.time).min(i64::MAX - 1);
    let mut draft = Draft {
        workout: base.workout.clone(),
        lineage: Vec::new(),
        is_changed: false,
        length_ms: base.record.time.interval().to.0.saturating_sub(base.record.time.start.0),
    };
    let (rule, note) = order::reason(parts, order, policy);
    draft.note("start", base.index, rule, note);
    draft.note("end", base.index, rule, note);
    let chosen = streams::choose(&sources, policy, until_ms);
    sport(&sources, policy, &mut draft);
    words::choose(&sources, policy, &mut draft);
    numbers::choose(&sources, policy, &chosen, until_ms, &mut draft);
    laps(&sources, policy, until_ms, &mut draft);
    if let Some(streams) = chosen.streams {
        draft.workout.streams = streams;
        draft.is_changed = true;
    }
    draft.lineage.extend(chosen.lineage);
    finish(&sources, draft)
}

fn finish(sources: &[Source<'_>], mut draft: Draft) -> Merged {
    let base = &sources[0];
    let mut record = base.record.clone();
    if !draft.is_changed {
        note_clock(&mut draft, (base, base));
        return Merged { record, lineage: draft.lineage, same_as: Some(base.index) };
    }
    // Offset and zone are none of what a record says: they are filled only where the record is another anyway.
    let offset = sources.iter().find(|it| it.record.time.offset_seconds.is_some()).unwrap_or(base);
    let zone = sources.iter().find(|it| it.record.time.zone.is_some()).unwrap_or(base);
    note_clock(&mut draft, (offset, zone));
    record.time.offset_seconds = offset.record.time.offset_seconds;
    record.time.zone.clone_from(&zone.record.time.zone);
    record.policy = super::strictest(sources.iter().map(|it| &it.record.policy));
    record.body = Body::Workout(Box::new(draft.workout));
    Merged { record, lineage: draft.lineage, same_as: None }
}

fn note_clock(draft: &mut Draft, (offset, zone): (&Source<'_>, &Source<'_>)) {
    let note = "the first source that says it";
    if offset.record.time.offset_seconds.is_some() {
        draft.note("offset_seconds", offset.index, "first_source", note);
    }
    if zone.record.time.zone.is_some() {
        draft.note("zone", zone.index, "first_source", note);
    }
}

fn sources<'a>(parts: &[Part<'a>], order: &[usize]) -> Vec<Source<'a>> {
    let mut sources: Vec<Source<'a>> = Vec::with_capacity(order.len());
    for index in order {
        let record = parts[*index].record;
        let Body::Workout(workout) = &record.body else { continue };
        let start = sources.first().map_or(record.time.start.0, |it| it.record.time.start.0);
        let later_ms = record.time.start.0.saturating_sub(start);
        let mut track = Track::new(&workout.streams, later_ms);
        let shift_ms = sources.first().map_or(0, |base| clock::shift_ms(&base.track, &track));
        track.shift(shift_ms);
        let grade = order::grade(record.origin.method);
        let later_ms = later_ms.saturating_add(shift_ms);
        sources.push(Source { index: *index, record, workout, track, shift_ms, later_ms, grade });
    }
    sources
}

fn sport(sources: &[Source<'_>], policy: &MergePolicy, draft: &mut Draft) {
    let named = |it: &Source<'_>| policy.fields.get("sport").is_some_and(|prefer| prefer.names(&it.record.origin));
    let is_known = |it: &Source<'_>| it.workout.sport != Sport::Other;
    let (place, rule, note) = if let Some(it) = sources.iter().position(named) {
        (it, "priority", "named in the person's policy")
    } else {
        match sources.iter().position(is_known).unwrap_or(0) {
            0 => (0, "first_source", "the base's sport"),
            it => (it, "only_source", "the sources before it do not say which sport"),
        }
    };
    let source = &sources[place];
    draft.is_changed |= draft.workout.sport != source.workout.sport;
    draft.workout.sport = source.workout.sport;
    draft.note("sport", source.index, rule, note);
    // Its own name goes with it.
    if place != 0 {
        draft.is_changed |= draft.workout.sport_detail != source.workout.sport_detail;
        draft.workout.sport_detail.clone_from(&source.workout.sport_detail);
    }
    if draft.workout.sport_detail.is_some() {
        draft.note("sport_detail", source.index, rule, note);
    }
}

/// The base's laps; if it has none, the first source's that has some, cut to the base's time.
fn laps(sources: &[Source<'_>], policy: &MergePolicy, until_ms: i64, draft: &mut Draft) {
    let of = |it: &Source<'_>| cut(&it.workout.laps, it.later_ms, until_ms);
    let named = |it: &&Source<'_>| policy.fields.get("laps").is_some_and(|prefer| prefer.names(&it.record.origin));
    let with_laps = |it: &&Source<'_>| !it.workout.laps.is_empty();
    let preferred = sources.iter().filter(with_laps).find(named);
    let base = &sources[0];
    let (source, rule) = match preferred {
        Some(it) => (it, "priority"),
        None if with_laps(&base) => (base, "first_source"),
        None => match sources.iter().find(|it| !of(it).is_empty()) {
            Some(it) => (it, "only_source"),
            None => return,
        },
    };
    if source.index != base.index {
        let laps = of(source);
        draft.is_changed |= laps != draft.workout.laps;
        draft.workout.laps = laps;
    }
    if !draft.workout.laps.is_empty() {
        let note = format!("{} laps", draft.workout.laps.len());
        draft.note("laps", source.index, rule, note);
    }
}

/// Laps on the base's clock: what is outside of its time is cut off.
fn cut(laps: &[Lap], later_ms: i64, until_ms: i64) -> Vec<Lap> {
    let on_clock = |it: &Lap| {
        let from = it.offset_ms.saturating_add(later_ms);
        let to = from.saturating_add(it.elapsed_ms).min(until_ms);
        let from = from.max(0);
        (from < to).then(|| Lap { offset_ms: from, elapsed_ms: to - from, ..it.clone() })
    };
    laps.iter().filter_map(on_clock).collect()
}
