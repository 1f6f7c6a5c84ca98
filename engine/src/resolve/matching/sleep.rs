//! Two sleep sessions: a person sleeps once at a time, so overlap says most; a zone error must show in the stages.

use super::{
    evidence::{Case, Figures, Verdict, grain, line, nearness},
    facts::Stretch,
    view::QUARTER_MS,
    workout::quarters,
};
use schemas::record::{Record, Sleep, SleepStage};
use std::cmp::Ordering;

/// At how many moments stages are compared.
const MOMENTS: i64 = 128;
/// How many kinds of stage are told apart.
const KINDS: usize = 4;

/// What is compared of a sleep session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Night<'a> {
    stretch: Stretch,
    sleep: &'a Sleep,
}

impl<'a> Night<'a> {
    pub(super) fn of(record: &Record, sleep: &'a Sleep) -> Self {
        Self { stretch: Stretch::of(record), sleep }
    }

    fn order(&self, other: &Self) -> Ordering {
        let columns = |it: &Self| (it.stretch, it.sleep.is_nap);
        let stages = |it: &Self| it.sleep.stages.iter().map(|stage| *stage as u8).collect::<Vec<_>>();
        columns(self)
            .cmp(&columns(other))
            .then_with(|| self.sleep.stage_offsets_ms.cmp(&other.sleep.stage_offsets_ms))
            .then_with(|| self.sleep.stage_durations_ms.cmp(&other.sleep.stage_durations_ms))
            .then_with(|| stages(self).cmp(&stages(other)))
    }
}

/// The best case for two sleep sessions. Symmetric.
pub(super) fn compare(a: &Night<'_>, b: &Night<'_>) -> Case {
    let (a, b) = if a.order(b).is_gt() { (b, a) } else { (a, b) };
    let best = on_one_clock(a, b);
    match in_another_zone(a, b) {
        Some(case) if case.total() > best.total() => case,
        _ => best,
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
fn on_one_clock(a: &Night<'_>, b: &Night<'_>) -> Case {
    let mut case = Case::new();
    let (of_a, of_b) = (a.stretch.length().max(1) as f64, b.stretch.length().max(1) as f64);
    let is_one_moment = a.stretch == b.stretch && a.stretch.length() == 0;
    let common = if is_one_moment { 1.0 } else { a.stretch.common(b.stretch) as f64 };
    let (shared, contained) = (common / (of_a + of_b - common), common / of_a.min(of_b));
    let starts = a.stretch.start.abs_diff(b.stretch.start) as f64 / 1_000.0;
    let ends = a.stretch.end.abs_diff(b.stretch.end) as f64 / 1_000.0;
    let both = Figures::Starts { apart_s: starts, ends_s: ends };
    let shorter = of_a.min(of_b) / of_a.max(of_b);
    if contained >= 0.85 && shorter < 0.6 {
        case.add("part", 0.3, Figures::One("one lies within the other and has", shorter * 100.0, "% of its length"));
        case.add("times", line(starts.min(ends), &[(300.0, 0.8), (1_800.0, 0.0), (7_200.0, -0.5)]), both);
        stages(&mut case, a, b, 0);
        case.at_most(Verdict::Ask);
        return case;
    }
    let weights = [(0.0, -6.0), (0.2, -3.0), (0.4, -0.5), (0.55, 1.2), (0.7, 2.8), (0.9, 4.0), (1.0, 4.5)];
    case.add("overlap", line(shared, &weights), Figures::One("", shared * 100.0, "% of the time in common"));
    let apart = [(60.0, 1.0), (900.0, 0.5), (2_700.0, 0.0), (7_200.0, -0.7)];
    case.add("times", line(starts.max(ends), &apart), both);
    if a.sleep.is_nap != b.sleep.is_nap {
        case.add("nap", -0.5, Figures::Text("one is a nap, the other is not"));
    }
    stages(&mut case, a, b, 0);
    case
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 ms")]
fn in_another_zone(a: &Night<'_>, b: &Night<'_>) -> Option<Case> {
    let apart = b.stretch.start.checked_sub(a.stretch.start)?;
    let quarters = quarters(apart)?;
    let shift = quarters * QUARTER_MS;
    let (of_a, of_b) = (a.stretch.length() as f64 / 1_000.0, b.stretch.length() as f64 / 1_000.0);
    if (of_a - of_b).abs() > 600.0 {
        return None;
    }
    let mut case = Case::new();
    let prior = if quarters.rem_euclid(4) == 0 { -6.0 } else { -7.5 };
    let rest_s = apart.abs_diff(shift) as f64 / 1_000.0;
    let rounded = [a, b].map(|it| grain(it.stretch.start.rem_euclid(3_600_000) as f64 / 1_000.0, &[300.0, 60.0, 1.0]));
    let rest = nearness(rest_s, 450.0, rounded[0].max(rounded[1]), 1.0, 4.0);
    case.add("zone", prior + rest, Figures::Zone { minutes: quarters * 15, rest_s });
    let grains = [300.0, 60.0, 30.0, 1.0];
    let grain = grain(of_a, &grains).max(grain(of_b, &grains));
    let length = nearness((of_a - of_b).abs(), 1_800.0, grain, 1.0, 4.0);
    case.add("length", length, Figures::Two(of_a, of_b, "s"));
    let agreement = stages(&mut case, a, b, shift);
    // Two naps of an hour on one day are not one: the stages must tell.
    case.at_most(match agreement {
        Some(it) if it >= 0.9 => Verdict::Same,
        None if length >= 2.0 => Verdict::Ask,
        _ => Verdict::Different,
    });
    Some(case)
}

/// Adds how far the stages agree beyond chance (Cohen's kappa), where both tell enough of them.
fn stages(case: &mut Case, a: &Night<'_>, b: &Night<'_>, shift: i64) -> Option<f64> {
    let moved = b.stretch.later(shift.saturating_neg());
    let from = a.stretch.start.max(moved.start);
    let common = a.stretch.common(moved);
    let step = (common / MOMENTS).max(1);
    let mut table = [[0_u32; KINDS]; KINDS];
    let (mut of_a, mut of_b) = (Cursor::new(a.sleep), Cursor::new(b.sleep));
    for moment in 0..common.min(MOMENTS) {
        let at = from.saturating_add(moment.saturating_mul(step));
        let kind = of_a.at(at.saturating_sub(a.stretch.start));
        let other = of_b.at(at.saturating_sub(moved.start));
        if let (Some(kind), Some(other)) = (kind, other) {
            table[kind][other] += 1;
        }
    }
    let n = f64::from(table.iter().flatten().sum::<u32>());
    let row = |kind: usize| f64::from(table[kind].iter().sum::<u32>());
    let column = |kind: usize| f64::from(table.iter().map(|it| it[kind]).sum::<u32>());
    let n_kinds = |of: &dyn Fn(usize) -> f64| (0..KINDS).filter(|it| of(*it) > 0.0).count();
    if n < 30.0 || n_kinds(&row) < 3 || n_kinds(&column) < 3 {
        return None;
    }
    let equal = (0..KINDS).map(|it| f64::from(table[it][it])).sum::<f64>() / n;
    let chance = (0..KINDS).map(|it| row(it) * column(it)).sum::<f64>() / (n * n);
    let kappa = (equal - chance) / (1.0 - chance).max(0.01);
    let weight = if shift == 0 {
        line(kappa, &[(0.0, -0.3), (0.3, 0.4), (0.6, 1.2), (0.95, 2.5)])
    } else {
        line(kappa, &[(0.3, -5.0), (0.7, -2.0), (0.9, 2.0), (0.98, 5.0)])
    };
    case.add("stages", weight, Figures::One("stages agree by", kappa, "beyond chance (kappa)"));
    Some(kappa)
}

/// Walks through stages in order of time.
struct Cursor<'a> {
    sleep: &'a Sleep,
    index: usize,
}

impl<'a> Cursor<'a> {
    fn new(sleep: &'a Sleep) -> Self {
        Self { sleep, index: 0 }
    }

    /// The kind of the stage at an offset; offsets are asked for in order.
    fn at(&mut self, offset: i64) -> Option<usize> {
        while self.sleep.stage_offsets_ms.get(self.index + 1).is_some_and(|next| *next <= offset) {
            self.index += 1;
        }
        let start = *self.sleep.stage_offsets_ms.get(self.index)?;
        let length = *self.sleep.stage_durations_ms.get(self.index)?;
        let is_within = start <= offset && offset < start.saturating_add(length);
        match self.sleep.stages.get(self.index).filter(|_| is_within)? {
            SleepStage::Awake | SleepStage::OutOfBed => Some(0),
            SleepStage::Light | SleepStage::Asleep => Some(1),
            SleepStage::Deep => Some(2),
            SleepStage::Rem => Some(3),
            SleepStage::Unknown | SleepStage::InBed => None,
        }
    }
}
