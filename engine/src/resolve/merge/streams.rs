//! What was measured along the way: which source each column comes from, on one clock.

use super::{
    Lineage, MergePolicy,
    lineage::stretches,
    quality::Measure,
    rows::{Laid, NEAR_MS, NONE, Rows, in_short_gap},
    track::{Cursor, GAP_MS_MAX, Group, Name},
    workout::Source,
};
use schemas::workout::{Column, Streams};
use std::cmp::Reverse;

/// The columns, and which sources they are from.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The streams; absent if they are the base's as they are.
    pub(super) streams: Option<Streams>,
    /// By column, each source with how long it is the one, ms; longest first.
    pub(super) owners: [Vec<(usize, i64)>; 9],
    pub(super) lineage: Vec<Lineage>,
}

/// A source that has a column.
#[derive(Debug)]
struct Candidate {
    source: usize,
    is_preferred: bool,
    /// How well it measured the column that its group is judged by.
    measure: Measure,
}

/// The sources of a column, the best first.
#[derive(Debug, Default)]
struct Ranking {
    candidates: Vec<Candidate>,
}

impl Ranking {
    fn leader(&self) -> Option<usize> {
        self.candidates.first().map(|it| it.source)
    }

    /// The sources that may fill its gaps: what they have must be measured, and plausible. A distance counts from
    /// the start, so that another source's does not fit into it.
    fn fillers(&self, name: Name) -> impl Iterator<Item = usize> {
        let fits = move |it: &&Candidate| {
            name != Name::Distance && it.measure.quality.is_plausible && it.measure.quality.grade == 2
        };
        self.candidates.iter().skip(1).filter(fits).map(|it| it.source)
    }
}

/// Chooses the columns of a workout. The base is the first of the sources; its time is `until_ms` long.
pub(super) fn choose(sources: &[Source<'_>], policy: &MergePolicy, until_ms: i64) -> Chosen {
    let rankings = Name::ALL.map(|name| ranking(sources, policy, name, until_ms));
    let mut rows = Rows::of_base(&sources[0].track);
    add_moments(&mut rows, sources, &rankings, until_ms);
    let columns = Name::ALL.map(|name| lay(&rows, sources, &rankings[name as usize], name));
    let kept = kept(&rows, &columns);
    let mut chosen = Chosen { streams: None, owners: Default::default(), lineage: Vec::new() };
    let mut is_of_base = true;
    for name in Name::ALL {
        let (column, ranking) = (&columns[name as usize], &rankings[name as usize]);
        let measured = kept.iter().filter(|it| column.values[**it].is_finite());
        is_of_base &= measured.clone().all(|it| column.owners[*it] == 0);
        let measured = measured.map(|it| (rows.moments[*it], column.owners[*it]));
        for (source, from_ms, to_ms) in stretches(measured) {
            chosen.add(name, source, to_ms.saturating_sub(from_ms));
            let (rule, note) = reason(sources, ranking, name, source);
            let part = sources[source].index;
            chosen.lineage.push(Lineage { field: name.field().into(), part, from_ms, to_ms, rule, note });
        }
        chosen.owners[name as usize].sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    if !is_of_base {
        chosen.streams = Some(built(&rows, &columns, &kept));
    }
    chosen
}

impl Chosen {
    fn add(&mut self, name: Name, source: usize, ms: i64) {
        let owners = &mut self.owners[name as usize];
        match owners.iter_mut().find(|it| it.0 == source) {
            Some(it) => it.1 = it.1.saturating_add(ms),
            None => owners.push((source, ms)),
        }
    }
}

fn ranking(sources: &[Source<'_>], policy: &MergePolicy, name: Name, until_ms: i64) -> Ranking {
    let prefer = policy.fields.get(name.field()).or_else(|| {
        let group = if name.group() == Group::Gps { "gps" } else { "" };
        policy.fields.get(group)
    });
    let mut candidates = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        if !source.track.has(name) {
            continue;
        }
        let judged_by =
            if name.group() == Group::Gps && source.track.has(Name::Latitude) { Name::Latitude } else { name };
        let own = source.measure(name, until_ms);
        if own.n == 0 && index != 0 {
            continue;
        }
        let measure = if judged_by == name { own } else { source.measure(judged_by, until_ms) };
        let is_preferred = prefer.is_some_and(|it| it.names(&source.record.origin));
        candidates.push(Candidate { source: index, is_preferred, measure });
    }
    // Stable: of equal ones the first in the order stays first.
    candidates.sort_by_key(|it| Reverse((it.is_preferred, it.measure.quality)));
    Ranking { candidates }
}

/// Adds the moments at which another source measured what it leads, or what fills a gap of the one that leads.
fn add_moments(rows: &mut Rows, sources: &[Source<'_>], rankings: &[Ranking; 9], until_ms: i64) {
    let leads = |source: usize| rankings.iter().any(|it| it.leader() == Some(source));
    let others = 1..sources.len();
    let (leaders, rest): (Vec<usize>, Vec<usize>) = others.partition(|it| leads(*it));
    for source in leaders.into_iter().chain(rest) {
        let track = &sources[source].track;
        let mut wanted = vec![false; track.moments.len()];
        for name in Name::ALL {
            let ranking = &rankings[name as usize];
            if ranking.leader() == Some(source) {
                track.column(name).iter().zip(&mut wanted).for_each(|(value, it)| *it |= value.is_finite());
            } else if ranking.fillers(name).any(|it| it == source)
                && let Some(leader) = ranking.leader()
            {
                want_gaps(&mut wanted, sources, (leader, source), name);
            }
        }
        if wanted.contains(&true) {
            rows.add(track, source, &wanted, until_ms);
        }
    }
}

fn want_gaps(wanted: &mut [bool], sources: &[Source<'_>], (leader, source): (usize, usize), name: Name) {
    let mut cursor = Cursor::new(&sources[leader].track, name);
    let track = &sources[source].track;
    for ((at, value), it) in track.moments.iter().zip(track.column(name)).zip(wanted) {
        if value.is_finite() && !in_short_gap(&mut cursor, *at) {
            let (before, after) = cursor.around(*at);
            let is_near = |it: i64| it.abs_diff(*at) <= NEAR_MS.unsigned_abs();
            *it |= ![before, after].into_iter().flatten().any(|it| is_near(it.at));
        }
    }
}

fn lay(rows: &Rows, sources: &[Source<'_>], ranking: &Ranking, name: Name) -> Laid {
    let mut laid = Laid::new(rows.moments.len());
    let Some(leader) = ranking.leader() else { return laid };
    laid.lay(rows, &sources[leader].track, name, leader);
    for source in ranking.fillers(name) {
        if !laid.is_open() {
            break;
        }
        laid.lay(rows, &sources[source].track, name, source);
    }
    laid
}

/// The moments of the result: the base's, and others at which their own source was chosen for a value; but none
/// without any value.
fn kept(rows: &Rows, columns: &[Laid; 9]) -> Vec<usize> {
    let is_kept = |row: &usize| {
        let from = rows.from[*row];
        columns.iter().any(|it| it.values[*row].is_finite() && (from == 0 || it.owners[*row] == from))
    };
    (0..rows.moments.len()).filter(is_kept).collect()
}

fn built(rows: &Rows, columns: &[Laid; 9], kept: &[usize]) -> Streams {
    let offsets_ms = kept.iter().map(|it| rows.moments[*it]).collect();
    let mut streams = Streams { offsets_ms, ..Streams::default() };
    for name in Name::ALL {
        let laid = &columns[name as usize];
        let values: Vec<f64> = kept.iter().map(|it| laid.values[*it]).collect();
        if values.iter().any(|it| it.is_finite()) {
            *name.of_mut(&mut streams) = Column(values);
        }
    }
    streams
}

/// Why a stretch of a column is from that source.
fn reason(sources: &[Source<'_>], ranking: &Ranking, name: Name, source: usize) -> (&'static str, String) {
    debug_assert_ne!(source, NONE, "a measured value has a source");
    let told = |it: &Candidate| {
        let shift_ms = sources[it.source].shift_ms;
        let clock = if shift_ms == 0 { String::new() } else { format!(", clock moved by {} s", shift_ms / 1_000) };
        format!("{}{clock}", it.measure.told())
    };
    let Some(leader) = ranking.candidates.first() else { return ("only_source", String::new()) };
    let Some(own) = ranking.candidates.iter().find(|it| it.source == source) else {
        return ("only_source", String::new());
    };
    if source != leader.source {
        let note = format!("{}, where the {} has nothing for {} s", told(own), told(leader), GAP_MS_MAX / 1_000);
        return ("fills_gap", note);
    }
    let Some(next) = ranking.candidates.get(1) else { return ("only_source", told(own)) };
    let note = format!("{}, over {}", told(own), told(next));
    let rule = if own.is_preferred {
        "priority"
    } else if own.measure.quality == next.measure.quality {
        if is_equal(sources, own.source, next.source, name) { "agreed" } else { "first_source" }
    } else {
        match name.group() {
            Group::Gps => "best_gps",
            Group::HeartRate => "best_heart_rate",
            Group::Cadence => "best_cadence",
            Group::Power => "best_power",
            Group::Temperature => "best_temperature",
        }
    };
    (rule, note)
}

fn is_equal(sources: &[Source<'_>], a: usize, b: usize, name: Name) -> bool {
    let (a, b) = (&sources[a].track, &sources[b].track);
    let is_same = |it: (&f64, &f64)| it.0 == it.1 || (it.0.is_nan() && it.1.is_nan());
    a.moments == b.moments && a.column(name).iter().zip(b.column(name)).all(is_same)
}
