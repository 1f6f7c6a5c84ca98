//! Series of what is measured at moments: heart rate and the like.

use super::{
    Issue, Strand,
    cover::{Cover, Span},
    cut::Part,
    is_additive,
    read::{self, Key},
    rule,
};
use schemas::{data_type::DataType, time::Instant};
use std::collections::BTreeMap;

/// Within that of two of its samples a source was measuring, ms. Watches at rest measure every five or ten minutes.
const MEASURING_MS: i64 = 600_000;
/// Of sources of equal priority the denser one is taken stretch by stretch of that length, ms, on the UTC clock, so
/// that it divides the hour that a series may cover.
const STRETCH_MS: i64 = 900_000;

/// A value at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The moment.
    pub at: Instant,
    /// The value, in the unit of the type.
    pub value: f64,
    /// Index of the strand it is from.
    pub strand: usize,
}

/// Neighbouring samples of one strand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The moment of its first sample.
    pub from: Instant,
    /// The moment of its last sample.
    pub last: Instant,
    /// Index of the strand they are from.
    pub strand: usize,
    /// How many they are.
    pub n_samples: usize,
    /// Why they are taken, a constant of [`rule`].
    pub rule: &'static str,
}

/// One series of samples out of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// What it is about: the type of the first usable strand by priority; absent if there is none.
    pub data_type: Option<DataType>,
    /// In order of time, no two at one moment.
    pub samples: Vec<Sample>,
    /// Where they come from; in order, all samples are in one.
    pub stretches: Vec<Stretch>,
    /// What was left out, and why; in order of strands.
    pub issues: Vec<Issue>,
}

/// A source's samples, one a moment, and the time in which it was measuring.
struct Source<'a> {
    key: Key<'a>,
    rank: u32,
    cover: Cover,
}

/// The strands of one type that is measured (not counted) as one series.
///
/// A source hides those after it between two of its samples that are ten minutes apart or less. By priority; of equal
/// ones, quarter of an hour by quarter of an hour, the one with most samples. Values are never averaged. Types are
/// never mixed: RMSSD beside SDNN is an issue, not a series.
#[must_use]
pub fn merge_series(strands: &[Strand<'_>]) -> Merged {
    let read = read::read(strands, |it| !is_additive(it), read::Shape::Samples);
    let mut sources = Vec::with_capacity(read.sources.len());
    let mut buckets: BTreeMap<i64, BTreeMap<usize, Vec<Part>>> = BTreeMap::new();
    for (index, mut it) in read.sources.into_iter().enumerate() {
        // One a moment: what was changed last, then the greater.
        it.parts.sort_by(|a, b| {
            let last = a.part.from.cmp(&b.part.from).then(b.modified_at.cmp(&a.modified_at));
            last.then(b.part.value.total_cmp(&a.part.value))
        });
        it.parts.dedup_by_key(|it| it.part.from);
        let cover = Cover::of(it.parts.iter().map(|it| it.part.span())).closed(MEASURING_MS);
        sources.push(Source { key: it.key, rank: it.rank, cover });
        for told in it.parts {
            let bucket = buckets.entry(told.part.from.div_euclid(STRETCH_MS)).or_default();
            bucket.entry(index).or_default().push(told.part);
        }
    }
    let mut parts: Vec<Part> = buckets.into_values().flat_map(|it| densest(&sources, it)).collect();
    parts.sort_by_key(|it| it.from);
    let samples = parts.iter().map(|it| Sample { at: Instant(it.from), value: it.value, strand: it.strand }).collect();
    Merged { data_type: read.data_type, samples, stretches: stretches(&parts), issues: read.issues }
}

/// The samples of one quarter of an hour, source after source.
fn densest(sources: &[Source<'_>], bucket: BTreeMap<usize, Vec<Part>>) -> Vec<Part> {
    let times = || bucket.values().flatten().map(|it| it.from);
    let within = Span { from: times().min().unwrap_or(0), to: times().max().unwrap_or(0).saturating_add(1) };
    let mut waiting: Vec<(usize, Vec<Part>)> = bucket.into_iter().collect();
    waiting.sort_by_key(|it| (sources[it.0].rank, sources[it.0].key));
    let (mut taken, mut cover, mut is_first) = (Vec::new(), Cover::default(), true);
    while let Some(rank) = waiting.first().map(|it| sources[it.0].rank) {
        for (_, parts) in &mut waiting {
            parts.retain(|it| !cover.touches(it.span()));
        }
        let n_equal = waiting.iter().take_while(|it| sources[it.0].rank == rank).count();
        // Of equal counts the first: `max_by_key` would take the last.
        let index = (0..n_equal).rev().max_by_key(|it| waiting[*it].1.len()).unwrap_or(0);
        let (source, parts) = waiting.remove(index);
        let rule = match (is_first, n_equal) {
            (true, 1) => rule::FIRST,
            (true, _) => rule::DENSEST,
            (false, _) => rule::FILLS_GAP,
        };
        taken.extend(parts.into_iter().map(|it| Part { rule, ..it }));
        cover.join(&sources[source].cover, within);
        is_first = false;
    }
    taken
}

fn stretches(parts: &[Part]) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for it in parts {
        match all.last_mut() {
            Some(last) if last.strand == it.strand && last.rule == it.rule => {
                last.last = Instant(it.from);
                last.n_samples += 1;
            }
            _ => all.push(Stretch {
                from: Instant(it.from),
                last: Instant(it.from),
                strand: it.strand,
                n_samples: 1,
                rule: it.rule,
            }),
        }
    }
    all
}
