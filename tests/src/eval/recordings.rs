//! Real recordings, and what services would make of them.

use crate::{
    device::{Change, passed_on},
    dice::Dice,
    pair::Pair,
};
use anyhow::Context;
use schemas::{
    record::{Body, Record},
    workout::Sport,
};
use std::path::Path;

/// Shorter than this nothing is told of a recording, ms.
const LENGTH_MIN_MS: i64 = 300_000;

/// The workouts of the FIT files that the connectors are tested with, in the order of their names.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn read() -> anyhow::Result<Vec<Record>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/src/files/fixtures/fit");
    let entries = std::fs::read_dir(&directory).with_context(|| format!("read {}", directory.display()))?;
    let mut paths: Vec<_> = entries.map(|it| it.map(|it| it.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        // A damaged file has the records that could be salvaged.
        let Ok(normal) = connectors::formats::fit::read(&bytes, "recording") else { continue };
        records.extend(normal.records.into_iter().filter(is_told));
    }
    Ok(records)
}

fn is_told(record: &Record) -> bool {
    let length = record.time.end.0 - record.time.start.0;
    matches!(&record.body, Body::Workout(_)) && (LENGTH_MIN_MS..86_400_000).contains(&length)
}

/// Each recording beside what a service passes on of it.
pub(crate) fn renderings(records: &[Record], dice: &mut Dice) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for record in records {
        let own = Change::OwnEnergy(dice.between(0.75, 1.3));
        let minutes = dice.one(&[-480, -300, -60, 60, 120, 330, 345, 600]);
        let later = Change::Later(minutes);
        let sets: [&[Change]; 12] = [
            &[Change::NoStreams],
            &[Change::NoStreams, own, Change::TensOfMetres],
            &[Change::NoTrack, Change::Thinned(5)],
            &[Change::NoHeart, Change::Thinned(10), own],
            &[Change::Thinned(30)],
            &[Change::ToTheMinute, own],
            &[Change::Retyped(Sport::Other), Change::NoTrack],
            &[Change::Trimmed(0.03, 0.08)],
            &[Change::WithoutPauses, own],
            &[later],
            &[later, Change::NoStreams],
            &[later, Change::NoTrack, Change::Thinned(5), own],
        ];
        pairs.extend(sets.into_iter().map(|it| Pair::same(record, &passed_on(record, "strava", it))));
    }
    pairs
}

/// Different recordings, as they are, set to the same start, and set to the same minute and second some hours apart.
pub(crate) fn strangers(records: &[Record], dice: &mut Dice) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (index, a) in records.iter().enumerate() {
        for b in &records[index + 1..] {
            pairs.push(Pair::different(a, b));
            let hours = dice.one(&[-9, -5, -1, 1, 2, 8]);
            for seconds in [dice.whole(0, 60), hours * 3_600] {
                pairs.push(Pair::different(a, &moved(b, a.time.start.0 + seconds * 1_000)));
            }
        }
    }
    pairs
}

fn moved(record: &Record, start: i64) -> Record {
    let mut it = record.clone();
    (it.time.start.0, it.time.end.0) = (start, start + record.time.end.0 - record.time.start.0);
    it
}
