//! Sleep: the export has one record a stage; a session is what one source measured without a gap of three hours.

use super::{Meta, NIGHT_GAP_MS};
use schemas::{
    data_type::DataType,
    record::{Body, Record, Sleep, SleepStage},
};
use std::collections::BTreeMap;

/// The stages of a file, by source.
#[derive(Debug, Default)]
pub(super) struct Nights(BTreeMap<String, Vec<(SleepStage, Meta)>>);

impl Nights {
    /// Takes one stage; `value` is HealthKit's name of it (`HKCategoryValueSleepAnalysis…`).
    pub(super) fn push(&mut self, value: &str, meta: Meta) {
        let stage = match value.strip_prefix("HKCategoryValueSleepAnalysis").unwrap_or(value) {
            "InBed" => SleepStage::InBed,
            "Asleep" | "AsleepUnspecified" => SleepStage::Asleep,
            "AsleepCore" => SleepStage::Light,
            "AsleepDeep" => SleepStage::Deep,
            "AsleepREM" => SleepStage::Rem,
            "Awake" => SleepStage::Awake,
            _ => SleepStage::Unknown,
        };
        self.0.entry(meta.source.clone()).or_default().push((stage, meta));
    }

    /// The sessions.
    pub(super) fn records(self) -> Vec<Record> {
        let mut records = Vec::new();
        for mut stages in self.0.into_values() {
            stages.sort_by_key(|it| (it.1.start, it.1.end));
            let mut night: Vec<(SleepStage, Meta)> = Vec::new();
            let mut end = i64::MIN;
            for stage in stages {
                if !night.is_empty() && stage.1.start.0.saturating_sub(end) >= NIGHT_GAP_MS {
                    records.extend(session(&std::mem::take(&mut night)));
                }
                end = if night.is_empty() { stage.1.end.0 } else { end.max(stage.1.end.0) };
                night.push(stage);
            }
            records.extend(session(&night));
        }
        records
    }
}

fn session(night: &[(SleepStage, Meta)]) -> Option<Record> {
    let mut meta = night.first()?.1.clone();
    meta.end = night.iter().map(|it| it.1.end).max()?;
    meta.created = night.iter().filter_map(|it| it.1.created).max();
    // `InBed` lies over the other stages; where there are others it only widens the session.
    let is_staged = night.iter().any(|it| it.0 != SleepStage::InBed);
    let mut sleep = Sleep::default();
    for (stage, it) in night.iter().filter(|it| !is_staged || it.0 != SleepStage::InBed) {
        sleep.stage_offsets_ms.push(it.start.0 - meta.start.0);
        sleep.stage_durations_ms.push(it.end.0 - it.start.0);
        sleep.stages.push(*stage);
    }
    Some(meta.record(DataType::Sleep, Body::Sleep(sleep)))
}
