//! Two workouts: under each reading of the two clocks, what speaks for one bout and what against; the best reading
//! counts.

use super::{
    content::{self, Clock},
    evidence::{Case, Figures, Verdict, grain, line, nearness},
    facts::{Facts, Stretch},
    sport::{Kinship, kinship},
    view::QUARTER_MS,
};

/// Time zones differ by at most this much from UTC, in quarters of an hour.
pub(super) const QUARTERS_MAX: i64 = 14 * 4;
/// How far two starts may be from a shift by whole quarters of an hour, ms.
pub(super) const REST_MAX_MS: i64 = 120_000;
/// How wrong a device's clock may be by itself, ms.
pub(super) const CLOCK_ERROR_MAX_MS: i64 = 1_200_000;
/// How wrong a person's memory of a start may be, ms.
const MEMORY_ERROR_MAX_MS: i64 = 5_400_000;
/// Below this share of the longer one, what lies within another is a part of it.
const PART_MAX: f64 = 0.72;

/// With less in common than this, on clocks that are right, two are different.
const SHARED_MIN: f64 = 0.2;

/// Whether two workouts may be one at all, by their times alone.
pub(super) fn is_candidate(a: Stretch, b: Stretch, is_one_by_hand: bool) -> bool {
    let apart = i64::try_from(a.start.abs_diff(b.start)).unwrap_or(i64::MAX);
    a.common(b) > 0
        || apart <= CLOCK_ERROR_MAX_MS
        || (is_one_by_hand && apart <= MEMORY_ERROR_MAX_MS)
        || quarters(apart).is_some()
}

/// By how many quarters of an hour two starts differ, if it is by whole ones and no more than time zones do.
pub(super) fn quarters(apart: i64) -> Option<i64> {
    let quarters = apart.saturating_add(QUARTER_MS / 2) / QUARTER_MS;
    let rest = apart.abs_diff(quarters.saturating_mul(QUARTER_MS));
    (quarters != 0 && quarters <= QUARTERS_MAX && rest <= REST_MAX_MS.unsigned_abs()).then_some(quarters)
}

/// The best case for two workouts. Symmetric: they are put in an order first.
pub(super) fn compare(a: &Facts<'_>, b: &Facts<'_>) -> Case {
    let (a, b) = if a.order(b).is_gt() { (b, a) } else { (a, b) };
    let mut best = on_one_clock(a, b);
    for case in [in_another_zone(a, b), by_a_wrong_clock(a, b), from_memory(a, b)].into_iter().flatten() {
        if case.total() > best.total() {
            best = case;
        }
    }
    best
}

/// How two stretches lie: the pair of their lengths, pauses in or out, that fits best.
struct Lie {
    /// What is common of what is covered by either.
    shared: f64,
    /// What is common of the shorter one.
    contained: f64,
    /// The shorter one of the longer one.
    shorter: f64,
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
impl Lie {
    fn of(a: &Facts<'_>, b: &Facts<'_>) -> Self {
        let mut best = Self { shared: -1.0, contained: 0.0, shorter: 0.0 };
        for length in a.lengths() {
            for other in b.lengths() {
                let cut = |it: &Facts<'_>, length: i64| Stretch {
                    start: it.stretch.start,
                    end: it.stretch.start.saturating_add(length.max(1)),
                };
                let lie = Self::of_stretches(cut(a, length), cut(b, other));
                if lie.shared > best.shared {
                    best = lie;
                }
            }
        }
        best
    }

    fn of_stretches(a: Stretch, b: Stretch) -> Self {
        let common = a.common(b) as f64;
        let (shorter, longer) = (a.length().min(b.length()) as f64, a.length().max(b.length()) as f64);
        let either = a.length() as f64 + b.length() as f64 - common;
        Self {
            shared: common / either.max(1.0),
            contained: common / shorter.max(1.0),
            shorter: shorter / longer.max(1.0),
        }
    }
}

/// Both clocks are right.
#[expect(clippy::cast_precision_loss, reason = "differences of ms, as figures")]
fn on_one_clock(a: &Facts<'_>, b: &Facts<'_>) -> Case {
    let mut case = Case::new();
    let lie = Lie::of(a, b);
    let starts = a.stretch.start.abs_diff(b.stretch.start) as f64 / 1_000.0;
    let ends = a.stretch.end.abs_diff(b.stretch.end) as f64 / 1_000.0;
    let both = Figures::Starts { apart_s: starts, ends_s: ends };
    let kin = kinship(a.sport, b.sport);
    if kin == Kinship::Leg && lie.shared < 0.95 {
        case.add("sport", -4.0, Figures::Text("one is of several sports, the other may be one of its legs"));
        case.at_most(Verdict::Different);
        return case;
    }
    let whole = Lie::of_stretches(a.stretch, b.stretch);
    if whole.contained >= 0.85 && whole.shorter < PART_MAX && lie.shared < 0.85 {
        case.add(
            "part",
            -0.8,
            Figures::One("one lies within the other and has", whole.shorter * 100.0, "% of its length"),
        );
        case.add("times", line(starts.min(ends), &[(60.0, 0.8), (300.0, 0.3), (900.0, 0.0)]), both);
        content::of_part(&mut case, a, b, kin);
        // Which of the two is to stay is for a person to say: taking them as one would lose the rest of the longer one.
        case.at_most(if kin == Kinship::Other { Verdict::Different } else { Verdict::Ask });
        return case;
    }
    let shared = [(0.0, -6.0), (0.2, -4.0), (0.4, -1.5), (0.6, 0.8), (0.75, 2.2), (0.9, 3.6), (0.97, 4.0)];
    case.add("overlap", line(lie.shared, &shared), Figures::One("", lie.shared * 100.0, "% of the time in common"));
    if lie.shared < SHARED_MIN {
        // A person does one thing at a time: what was before or after is another, however alike.
        case.add("times", -1.0, both);
        case.at_most(Verdict::Different);
        return case;
    }
    let apart = [(0.0, 1.0), (90.0, 0.8), (300.0, 0.0), (900.0, -0.5), (1_800.0, -1.0)];
    // Where a pause was left out, only the starts can agree.
    let apart_s = if lie.shared > 0.9 { starts } else { starts.max(ends) };
    case.add("times", line(apart_s, &apart), both);
    content::of(&mut case, a, b, kin, Clock::Same);
    case
}

/// One clock is in another time zone: the starts differ by whole quarters of an hour. The clock alone is not enough.
#[expect(clippy::cast_precision_loss, reason = "differences of ms, as figures")]
fn in_another_zone(a: &Facts<'_>, b: &Facts<'_>) -> Option<Case> {
    let apart = b.stretch.start.checked_sub(a.stretch.start)?;
    let quarters = quarters(apart)?;
    let shift = quarters * QUARTER_MS;
    if content::lengths_apart(a, b).1 > 0.25 {
        return None;
    }
    let mut case = Case::new();
    let rest_s = apart.abs_diff(shift) as f64 / 1_000.0;
    let is_told = match (a.offset, b.offset) {
        (Some(a), Some(b)) => a != b && a.abs_diff(b) == shift.unsigned_abs(),
        (Some(it), None) | (None, Some(it)) => it.unsigned_abs() == shift.unsigned_abs(),
        (None, None) => false,
    };
    let prior = match quarters.rem_euclid(4) {
        0 => -6.0,
        2 => -7.0,
        _ => -8.0,
    } + if is_told { 2.5 } else { 0.0 };
    let rounded = [a, b].map(|it| grain(it.stretch.start.rem_euclid(3_600_000) as f64 / 1_000.0, &[300.0, 60.0, 1.0]));
    let rest = nearness(rest_s, 450.0, rounded[0].max(rounded[1]), 1.0, 4.0);
    case.add("zone", prior + rest, Figures::Zone { minutes: quarters * 15, rest_s });
    let is_tight = rest_s <= (rounded[0].max(rounded[1]) / 2.0).max(2.0);
    content::of(&mut case, a, b, kinship(a.sport, b.sport), Clock::Shifted { by: shift, is_tight });
    Some(case)
}

/// One device's clock is wrong by some minutes. Again the content must show it.
#[expect(clippy::cast_precision_loss, reason = "differences of ms, as figures")]
fn by_a_wrong_clock(a: &Facts<'_>, b: &Facts<'_>) -> Option<Case> {
    let apart = b.stretch.start.checked_sub(a.stretch.start)?;
    if !(30_000..=CLOCK_ERROR_MAX_MS).contains(&apart) || content::lengths_apart(a, b).1 > 0.25 {
        return None;
    }
    let mut case = Case::new();
    let minutes = apart as f64 / 60_000.0;
    let prior = line(minutes, &[(3.0, -3.5), (10.0, -4.5), (20.0, -5.5)]);
    case.add("clock", prior, Figures::One("a clock that is", minutes, "min wrong would explain it"));
    content::of(&mut case, a, b, kinship(a.sport, b.sport), Clock::Shifted { by: apart, is_tight: true });
    if a.stretch.common(b.stretch) == 0 {
        // One hill, run up again and again, is as likely as a clock that is so wrong.
        case.at_most(Verdict::Ask);
    }
    Some(case)
}

/// One was recorded, the other typed in from memory: near enough to ask, never to decide.
#[expect(clippy::cast_precision_loss, reason = "differences of ms, as figures")]
fn from_memory(a: &Facts<'_>, b: &Facts<'_>) -> Option<Case> {
    let apart = b.stretch.start.checked_sub(a.stretch.start)?;
    let kin = kinship(a.sport, b.sport);
    if a.is_manual == b.is_manual || apart > MEMORY_ERROR_MAX_MS || matches!(kin, Kinship::Other | Kinship::Leg) {
        return None;
    }
    let mut case = Case::new();
    let minutes = apart as f64 / 60_000.0;
    let prior = line(minutes, &[(5.0, 1.0), (15.0, 0.5), (60.0, -1.5), (90.0, -3.0)]);
    case.add("typed", prior, Figures::One("typed in by hand,", minutes, "min from what was recorded"));
    content::of_typed(&mut case, a, b, kin);
    case.at_most(Verdict::Ask);
    Some(case)
}
