//! Weighings and daily monitoring.

use super::{
    Source,
    message::{Clock, MONITORING_INFO, Message},
};
use engine::provider::{Issue, Normal};
use schemas::{
    data_type::DataType,
    record::{Body, Quantity, RecordingMethod, Series, Span},
    time::Instant,
};
use std::collections::BTreeMap;

/// Adds what a scale measured. Fields as in message `weight_scale` of the profile.
pub(super) fn weights(messages: &[Message], source: &Source, name: &str, normal: &mut Normal) {
    for (index, it) in messages.iter().enumerate() {
        let at = format!("{name} weighing {index}");
        let Some(time) = it.time.and_then(|it| source.clock.instant(it)) else {
            let text = "the weighing has no time that can be placed; it was left out".into();
            normal.issues.push(Issue { code: "no_time", at, text });
            continue;
        };
        // 0xfffe stands for a weight that was still being calculated.
        let weight = it.integer(0).filter(|it| *it < 0xfffe).map(|it| f64::from(it) / 100.0);
        let water = weight.zip(it.scaled(2, 100.0)).map(|(weight, percent)| weight * percent / 100.0);
        let values = [
            (DataType::Weight, weight),
            (DataType::BodyFat, it.scaled(1, 100.0)),
            (DataType::BodyWater, water),
            (DataType::BoneMass, it.scaled(4, 100.0)),
            (DataType::MuscleMass, it.scaled(5, 100.0)),
            (DataType::Bmi, it.scaled(13, 10.0)),
        ];
        // A scale may serve several people; the file's reader has to tell them apart by this.
        let user = it.integer(12).unwrap_or(0);
        for (data_type, value) in values {
            let Some(value) = value else { continue };
            let (min, max) = data_type.plausible();
            if !(min..=max).contains(&value) {
                let text = format!("the {data_type} is outside of what can be and was left out");
                normal.issues.push(Issue { code: "out_of_range", at: at.clone(), text });
                continue;
            }
            let span = Span::at(time, source.clock.offset_seconds);
            let part = format!("{user}-{}", time.seconds());
            let body = Body::Quantity(Quantity { value });
            normal.records.push(source.record(data_type, &part, span, RecordingMethod::Active, body));
        }
    }
}

const WALKING: u32 = 6;
const RUNNING: u32 = 1;

/// The `monitoring` messages of a file. Counts run up from the start of the file, one for each kind of activity.
#[derive(Debug, Default)]
pub(super) struct Monitoring {
    pub(super) clock: Clock,
    begin: Option<u32>,
    last_time: Option<u32>,
    /// The last count of each kind of activity, and when it was.
    counts: BTreeMap<u32, (u32, f64)>,
    steps: Vec<(u32, u32, f64)>,
    pulses: Vec<(u32, f64)>,
}

impl Monitoring {
    pub(super) fn push(&mut self, it: &Message) {
        if it.kind == MONITORING_INFO {
            self.begin = it.time;
            self.clock = Clock::told(it.time, it.integer(0));
            self.last_time = it.time;
            self.counts.clear();
            return;
        }
        // A short message gives the low sixteen bits of the time only.
        let short =
            it.integer(26).zip(self.last_time).map(|(low, last)| last.wrapping_add(low.wrapping_sub(last) & 0xffff));
        let Some(time) = it.time.or(short) else { return };
        self.last_time = Some(time);
        if let Some(pulse) = it.number(27) {
            self.pulses.push((time, pulse));
        }
        let activity = it.integer(5).or_else(|| it.integer(24).map(|it| it & 0x1f));
        // For walking and running the count is of steps (profile: subfield `steps` of `cycles`).
        if let (Some(kind @ (WALKING | RUNNING)), Some(count)) = (activity, it.number(3)) {
            let (since, before) = self.counts.get(&kind).copied().unwrap_or((self.begin.unwrap_or(time), 0.0));
            // A count that fell began anew, at midnight.
            let taken = if count >= before { count - before } else { count };
            if taken > 0.0 && since < time {
                self.steps.push((since, time, taken));
            }
            self.counts.insert(kind, (time, count));
        }
    }

    pub(super) fn records(&self, source: &Source, normal: &mut Normal) {
        let offset_seconds = source.clock.offset_seconds;
        for (index, (since, until, taken)) in self.steps.iter().enumerate() {
            let Some((start, end)) = source.clock.instant(*since).zip(source.clock.instant(*until)) else {
                continue;
            };
            let span = Span { start, end, offset_seconds, zone: None };
            let body = Body::Quantity(Quantity { value: *taken });
            let part = format!("{}-{index}", start.seconds());
            normal.records.push(source.record(DataType::Steps, &part, span, RecordingMethod::Automatic, body));
        }
        let (min, max) = DataType::HeartRate.plausible();
        let mut hours: BTreeMap<i64, Vec<(Instant, f64)>> = BTreeMap::new();
        for (time, pulse) in &self.pulses {
            if let Some(at) = source.clock.instant(*time).filter(|_| (min..=max).contains(pulse)) {
                hours.entry(at.seconds().div_euclid(3_600)).or_default().push((at, *pulse));
            }
        }
        for (hour, mut pulses) in hours {
            pulses.sort_by_key(|it| it.0);
            let (Some((start, _)), Some((end, _))) = (pulses.first().copied(), pulses.last().copied()) else {
                continue;
            };
            let span = Span { start, end, offset_seconds, zone: None };
            let body = Body::Series(Series {
                offsets_ms: pulses.iter().map(|it| it.0.0 - start.0).collect(),
                values: pulses.iter().map(|it| it.1).collect(),
            });
            let part = hour.to_string();
            normal.records.push(source.record(DataType::HeartRate, &part, span, RecordingMethod::Automatic, body));
        }
    }
}
