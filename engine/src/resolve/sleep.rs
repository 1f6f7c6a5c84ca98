//! Nights out of the sleep sessions of several sources: pure, independent of the order of what is given.
//!
//! Sessions are never joined into one record: a [`Night`] says which belong together. Two sources that saw the same
//! sleep are two readings of one [`Session`]; a night that was broken is two sessions of one night.

mod stages;
#[cfg(test)]
mod tests;

pub use stages::{Phase, merge_stages};

use schemas::{
    data_type::DataType,
    record::{Body, Record, Sleep, SleepStage},
    time::Instant,
};

/// Awake for no longer than that between two sessions, they are one night, ms: 90 minutes.
pub const BROKEN_MAX_MS: i64 = 90 * 60_000;
/// No sleep is longer, ms; what claims to be is left out.
const SLEEP_MAX_MS: i64 = 36 * 3_600_000;
/// A sleep by day that is shorter is a nap although its source does not say so, ms.
const NAP_MAX_MS: i64 = 3 * 3_600_000;
/// By day: it begins in these hours of the wall clock, in ms after midnight.
const DAY_MS: std::ops::Range<i64> = 9 * 3_600_000..20 * 3_600_000;
const MS_A_DAY: i64 = 86_400_000;

/// How sessions came to be one night.
pub mod rule {
    /// One session, no other near.
    pub const ONE_SESSION: &str = "one_session";
    /// Several, with 90 minutes or less between one and the next: one broken night.
    pub const BROKEN_NIGHT: &str = "broken_night";
    /// A source calls it a nap.
    pub const NAP_SAID: &str = "nap_by_source";
    /// Shorter than three hours, begun between 9 and 20 h.
    pub const NAP_BY_DAY: &str = "nap_by_hours";
}

/// A night, or a nap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Night {
    /// The day on the wall clock on which it ended, counted from 1970-01-01: the day that providers show it under.
    pub wake_day: i64,
    /// Whether it is a nap; a nap is always alone.
    pub is_nap: bool,
    /// Its sessions in order of time; two may overlap by less than half of the shorter.
    pub sessions: Vec<Session>,
    /// Why these belong together, a constant of [`rule`].
    pub rule: &'static str,
}

/// One sleep, as one or several records tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its first moment, by the earliest record.
    pub from: Instant,
    /// The first moment after it, by the last record.
    pub to: Instant,
    /// Index of the record that tells most of it: the most time in light, deep, REM and awake, then in any stage,
    /// then the longest.
    pub best: usize,
    /// Indices of all its records, the best one included, ascending.
    pub records: Vec<usize>,
}

/// The sleep of a record that is one.
fn sleep(record: &Record) -> Option<&Sleep> {
    let length = record.time.end.0.saturating_sub(record.time.start.0);
    match &record.body {
        Body::Sleep(it) if record.data_type == DataType::Sleep && !record.deleted && !record.is_daily_total => {
            (1..=SLEEP_MAX_MS).contains(&length).then_some(it)
        }
        _ => None,
    }
}

/// Of a record that lies within a longer one, so much has to.
const WITHIN_MIN: f64 = 0.85;
/// And it has less than so much of the longer one's length: else the two are two readings of one stretch.
const PART_MAX: f64 = 0.6;

/// Whether one of two records is a part of the other's sleep: a night that one source has in two parts is one session of
/// another. A person sleeps once at a time.
#[must_use]
pub fn is_part(a: &Record, b: &Record) -> bool {
    let (Some(of_a), Some(of_b)) = (sleep(a), sleep(b)) else { return false };
    let common = a.time.end.0.min(b.time.end.0).saturating_sub(a.time.start.0.max(b.time.start.0));
    let (shorter, longer) = (length(a).min(length(b)), length(a).max(length(b)));
    of_a.is_nap == of_b.is_nap && is_share(common, shorter, WITHIN_MIN) && !is_share(shorter, longer, PART_MAX)
}

/// Whether `part` is at least that share of `whole`.
#[expect(clippy::cast_precision_loss, reason = "a sleep is far below 2^53 ms")]
fn is_share(part: i64, whole: i64, share: f64) -> bool {
    part as f64 >= share * whole as f64
}

/// Groups sleep records to nights. What is no sleep, deleted, empty or longer than 36 hours is left out.
#[must_use]
pub fn nights(records: &[Record]) -> Vec<Night> {
    let mut order: Vec<usize> = (0..records.len()).filter(|it| sleep(&records[*it]).is_some()).collect();
    order.sort_by_key(|it| identity(&records[*it]));
    // A nap beside a night does not become part of it, even if they overlap: its source tells them apart.
    let (naps, mains): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|it| says_nap(&records[*it]));
    let mut nights = Vec::new();
    let (mut by_day, mut by_night) = (Vec::new(), Vec::new());
    let mut woken = i64::MIN;
    for it in sessions(records, &mains) {
        // Who wakes, and within 90 minutes goes on sleeping, sleeps on, whatever hour it is.
        let is_nap = is_by_day(records, &it) && it.from.0.saturating_sub(woken) > BROKEN_MAX_MS;
        if is_nap {
            by_day.push(it);
        } else {
            woken = woken.max(it.to.0);
            by_night.push(it);
        }
    }
    for it in sessions(records, &naps) {
        // A source that calls the same sleep a nap does not make a second one of it.
        let whole = by_night.iter_mut().chain(&mut by_day).find(|known: &&mut Session| is_same(known, it.from, it.to));
        match whole {
            Some(known) => {
                known.records.extend(&it.records);
                known.records.sort_unstable();
            }
            None => nights.push(night(records, vec![it], true, rule::NAP_SAID)),
        }
    }
    nights.extend(by_day.into_iter().map(|it| night(records, vec![it], true, rule::NAP_BY_DAY)));
    let mut broken: Vec<Session> = Vec::new();
    for it in by_night {
        let is_near = end(&broken).is_none_or(|woken| it.from.0.saturating_sub(woken.0) <= BROKEN_MAX_MS);
        if !is_near {
            nights.push(main_night(records, std::mem::take(&mut broken)));
        }
        broken.push(it);
    }
    if !broken.is_empty() {
        nights.push(main_night(records, broken));
    }
    nights.sort_by_key(|it| (it.sessions.first().map(|it| (it.from, it.to)), it.is_nap));
    nights
}

/// When the last of them ended.
fn end(sessions: &[Session]) -> Option<Instant> {
    sessions.iter().map(|it| it.to).max()
}

/// By what records are told apart, whatever order they are given in.
fn identity(record: &Record) -> (Instant, Instant, &str, Option<&str>, &str) {
    let origin = &record.origin;
    (record.time.start, record.time.end, &origin.provider, origin.device.as_deref(), &origin.record)
}

fn main_night(records: &[Record], sessions: Vec<Session>) -> Night {
    let rule = if sessions.len() > 1 { rule::BROKEN_NIGHT } else { rule::ONE_SESSION };
    night(records, sessions, false, rule)
}

fn night(records: &[Record], sessions: Vec<Session>, is_nap: bool, rule: &'static str) -> Night {
    let last = sessions.iter().max_by_key(|it| it.to);
    let wake_day = last.map_or(0, |it| local(records, it, it.to).div_euclid(MS_A_DAY));
    Night { wake_day, is_nap, sessions, rule }
}

fn says_nap(record: &Record) -> bool {
    sleep(record).is_some_and(|it| it.is_nap)
}

fn is_by_day(records: &[Record], session: &Session) -> bool {
    let hour = local(records, session, session.from).rem_euclid(MS_A_DAY);
    session.to.0.saturating_sub(session.from.0) < NAP_MAX_MS && DAY_MS.contains(&hour)
}

/// A moment on the wall clock of a session, ms; UTC if none of its records knows the offset.
fn local(records: &[Record], session: &Session, at: Instant) -> i64 {
    let known = |it: usize| records.get(it).and_then(|it| it.time.offset_seconds);
    let offset = known(session.best).or_else(|| session.records.iter().find_map(|it| known(*it)));
    at.0.saturating_add(i64::from(offset.unwrap_or(0)).saturating_mul(1000))
}

/// Whether two stretches are one sleep: they have half of the shorter one in common.
///
/// With less than that in common (one source ended late, another began early) they stay two.
fn is_same(known: &Session, from: Instant, to: Instant) -> bool {
    let common = known.to.0.min(to.0).saturating_sub(known.from.0.max(from.0));
    let shorter = known.to.0.saturating_sub(known.from.0).min(to.0.saturating_sub(from.0));
    common > 0 && common.saturating_mul(2) >= shorter
}

/// The sessions of records in order of time.
fn sessions(records: &[Record], order: &[usize]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    // The longest first: a night that one source has in two parts is then two records of the other's one session.
    let mut longest: Vec<usize> = order.to_vec();
    longest.sort_by_key(|it| std::cmp::Reverse(length(&records[*it])));
    for index in longest {
        let time = &records[index].time;
        match sessions.iter_mut().find(|it| is_same(it, time.start, time.end)) {
            Some(known) => {
                known.from = known.from.min(time.start);
                known.to = known.to.max(time.end);
                known.records.push(index);
                if told(&records[index]) > told(&records[known.best]) {
                    known.best = index;
                }
            }
            None => sessions.push(Session { from: time.start, to: time.end, best: index, records: vec![index] }),
        }
    }
    sessions.sort_by_key(|it| (it.from, it.to));
    // What grew by a record may now be one with its neighbour.
    let mut apart: Vec<Session> = Vec::with_capacity(sessions.len());
    for it in sessions {
        match apart.last_mut().filter(|last| is_same(last, it.from, it.to)) {
            Some(last) => {
                last.to = last.to.max(it.to);
                last.records.extend(&it.records);
                if told(&records[it.best]) > told(&records[last.best]) {
                    last.best = it.best;
                }
            }
            None => apart.push(it),
        }
    }
    for it in &mut apart {
        it.records.sort_unstable();
    }
    apart
}

fn length(record: &Record) -> i64 {
    record.time.end.0.saturating_sub(record.time.start.0)
}

/// How much a record tells: ms in stages that are known well, in any stage, and in all.
fn told(record: &Record) -> (i64, i64, i64) {
    let (mut well, mut any) = (0_i64, 0_i64);
    if let Some(it) = sleep(record) {
        for (stage, duration) in it.stages.iter().zip(&it.stage_durations_ms) {
            let duration = (*duration).clamp(0, SLEEP_MAX_MS);
            any = any.saturating_add(if detail(*stage) > 0 { duration } else { 0 });
            well = well.saturating_add(if detail(*stage) == 3 { duration } else { 0 });
        }
    }
    (well, any, length(record))
}

/// How much a stage says.
const fn detail(stage: SleepStage) -> u8 {
    match stage {
        SleepStage::Light | SleepStage::Deep | SleepStage::Rem | SleepStage::Awake => 3,
        SleepStage::Asleep | SleepStage::OutOfBed => 2,
        SleepStage::InBed => 1,
        SleepStage::Unknown => 0,
    }
}
