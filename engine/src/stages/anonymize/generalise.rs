//! A record, made coarse: pure. Only what is named here is taken from a record.

use chrono::{Datelike, Timelike, Weekday};
use schemas::{
    analytics::{ASCENT_M, DIASTOLIC, DISTANCE_KM, ENERGY_KCAL, HEART_RATE, MINUTES, STEPS, SYSTOLIC, value_bin},
    event::{Analytics, PartOfDay},
    record::{BloodPressure, Body, Record, Series, Sleep, SleepStage},
    time::Instant,
    workout::Workout,
};

/// What is left of a record, added to what is said of any.
pub(super) fn generalise(record: &Record, bare: Analytics) -> Analytics {
    let Record { data_type, origin, time, is_daily_total, body, .. } = record;
    let offset_ms = i64::from(time.offset_seconds.unwrap_or(0)).saturating_mul(1000);
    let local = Instant(time.start.0.saturating_add(offset_ms)).utc();
    let is_of_a_time = time.offset_seconds.is_some() && !is_daily_total;
    let lasts_ms = time.end.0.saturating_sub(time.start.0);
    let mut it = Analytics {
        method: origin.method,
        week: local.format("%G-W%V").to_string(),
        is_weekend: matches!(local.weekday(), Weekday::Sat | Weekday::Sun),
        part_of_day: if is_of_a_time { part_of_day(local.hour()) } else { PartOfDay::Unknown },
        is_daily_total: *is_daily_total,
        duration_min: (lasts_ms > 0 && !is_daily_total).then(|| minutes(lasts_ms)).flatten(),
        ..bare
    };
    match body {
        Body::Quantity(quantity) => it.value = value_bin(*data_type).and_then(|bin| bin.of(quantity.value)),
        Body::Series(series) => it.value = value_bin(*data_type).and_then(|bin| bin.of(mean(series)?)),
        Body::Workout(workout) => add_workout(&mut it, workout),
        Body::Sleep(sleep) => add_sleep(&mut it, sleep),
        Body::BloodPressure(BloodPressure { systolic, diastolic, pulse }) => {
            it.systolic = SYSTOLIC.whole(*systolic);
            it.diastolic = DIASTOLIC.whole(*diastolic);
            it.heart_rate_mean = pulse.and_then(|pulse| HEART_RATE.whole(pulse));
        }
        // What was eaten is in the person's words.
        Body::Nutrition(food) => it.energy_kcal = food.energy_kcal.and_then(|energy| ENERGY_KCAL.whole(energy)),
        Body::Entity(_) | Body::Nothing(_) => {}
    }
    it
}

fn part_of_day(hour: u32) -> PartOfDay {
    match hour {
        0..6 => PartOfDay::Night,
        6..12 => PartOfDay::Morning,
        12..18 => PartOfDay::Afternoon,
        _ => PartOfDay::Evening,
    }
}

#[expect(clippy::cast_precision_loss, reason = "bins are minutes")]
fn minutes(ms: i64) -> Option<i32> {
    MINUTES.whole(ms as f64 / 60_000.0)
}

#[expect(clippy::cast_precision_loss, reason = "a series has at most an hour of values")]
fn mean(series: &Series) -> Option<f64> {
    let measured: Vec<f64> = series.values.iter().copied().filter(|it| it.is_finite()).collect();
    (!measured.is_empty()).then(|| measured.iter().sum::<f64>() / measured.len() as f64)
}

fn add_workout(to: &mut Analytics, it: &Workout) {
    to.sport = Some(it.sport);
    to.moving_min = it.moving_ms.and_then(minutes);
    to.distance_km = it.distance_m.and_then(|metres| DISTANCE_KM.of(metres / 1000.0));
    to.energy_kcal = it.energy_kcal.and_then(|energy| ENERGY_KCAL.whole(energy));
    to.ascent_m = it.ascent_m.and_then(|metres| ASCENT_M.whole(metres));
    to.heart_rate_mean = it.heart_rate_mean.and_then(|rate| HEART_RATE.whole(rate));
    to.heart_rate_max = it.heart_rate_max.and_then(|rate| HEART_RATE.whole(rate));
    #[expect(clippy::cast_precision_loss, reason = "bins are hundreds of steps")]
    let steps = it.steps.and_then(|steps| STEPS.whole(steps as f64));
    to.steps = steps;
}

fn add_sleep(to: &mut Analytics, it: &Sleep) {
    to.is_nap = Some(it.is_nap);
    if it.stages.is_empty() {
        return;
    }
    let time_in = |wanted: &[SleepStage]| {
        let stages = it.stages.iter().zip(&it.stage_durations_ms).filter(|(stage, _)| wanted.contains(stage));
        minutes(stages.fold(0_i64, |sum, (_, ms)| sum.saturating_add(*ms)))
    };
    to.asleep_min = time_in(&[SleepStage::Asleep, SleepStage::Light, SleepStage::Deep, SleepStage::Rem]);
    to.deep_min = time_in(&[SleepStage::Deep]);
    to.rem_min = time_in(&[SleepStage::Rem]);
}
