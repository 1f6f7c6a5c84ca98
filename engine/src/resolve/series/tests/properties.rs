//! What holds for any strands.

use super::{T0, count, of};
use crate::resolve::series::{Merged, Piece, SILENCE_MS, Union, merge_series, rule};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    record::{Body, Quantity, Record},
    time::Instant,
};

/// From 16 h on, so that midnight is among them.
const START: i64 = T0 + 16 * 3_600_000;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        // Knuth's MMIX constants; the upper bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn seconds(&mut self, n: u64) -> i64 {
        i64::try_from(self.below(n)).unwrap_or(0)
    }
}

fn value_of(record: &Record) -> f64 {
    if let Body::Quantity(it) = &record.body { it.value } else { 0.0 }
}

/// Ranks of four sources: all the same, all different, and some of each.
const RANKS: [[u32; 4]; 4] = [[0, 0, 0, 0], [0, 1, 2, 3], [0, 1, 1, 1], [2, 0, 2, 0]];

/// Strands of up to four sources.
fn some(ranks: [u32; 4], data_type: DataType) -> impl Strategy<Value = Vec<(u32, Record)>> {
    let length = prop_oneof![Just(1_i64), Just(5), Just(15), Just(60), Just(95), Just(700)];
    let one = (0..4_u32, 0..800_i64, length, 0..300_u32, any::<bool>());
    prop::collection::vec(one, 0..30).prop_map(move |all| {
        let record = |(source, from, length, value, is_zero): (u32, i64, i64, u32, bool)| {
            let from = Instant(START + from * 60_000);
            let value = if is_zero && value % 2 == 0 { 0.0 } else { f64::from(value) };
            let value = if data_type == DataType::Distance { value * 1.1 } else { value };
            let it = count(&format!("source {source}"), from, Instant(from.0 + length * 60_000), value);
            (ranks[source as usize], Record { data_type, ..it })
        };
        all.into_iter().map(record).collect()
    })
}

fn any_ranks() -> impl Strategy<Value = [u32; 4]> {
    prop::sample::select(RANKS.to_vec())
}

fn types() -> impl Strategy<Value = DataType> {
    prop_oneof![Just(DataType::Steps), Just(DataType::Distance)]
}

/// The pieces as strands of the sources that they are from.
fn as_strands(union: &Union, records: &[(u32, Record)]) -> Vec<(u32, Record)> {
    let strand = |it: &Piece| {
        let (rank, record) = &records[it.strand];
        let mut record = record.clone();
        (record.time.start, record.time.end) = (it.from, it.to);
        record.body = Body::Quantity(Quantity { value: it.value });
        (*rank, record)
    };
    union.pieces.iter().map(strand).collect()
}

fn spans(union: &Union) -> Vec<(Instant, Instant, f64)> {
    union.pieces.iter().map(|it| (it.from, it.to, it.value)).collect()
}

/// What does not depend on where a strand stood.
fn named(union: &Union, records: &[(u32, Record)]) -> Vec<(Instant, Instant, u64, &'static str, String)> {
    let source = |it: &Piece| records[it.strand].1.origin.provider.clone();
    union.pieces.iter().map(|it| (it.from, it.to, it.value.to_bits(), it.rule, source(it))).collect()
}

fn any_strands() -> impl Strategy<Value = Vec<(u32, Record)>> {
    (any_ranks(), types()).prop_flat_map(|(ranks, data_type)| some(ranks, data_type))
}

proptest! {
    #[test]
    fn pieces_are_in_order_overlap_nowhere_and_sum_up_to_the_total(records in any_strands()) {
        let union = of(&records);
        prop_assert!(union.pieces.iter().all(|it| it.from < it.to && it.value >= 0.0));
        prop_assert!(union.pieces.windows(2).all(|it| it[0].to <= it[1].from));
        prop_assert_eq!(union.total, union.pieces.iter().map(|it| it.value).sum::<f64>());
        let midnight = Instant(T0 + 86_400_000);
        prop_assert!(!union.pieces.iter().any(|it| it.from < midnight && midnight < it.to));
    }

    #[test]
    fn the_total_is_at_most_the_sum_and_no_strand_counts_more_than_it_said(records in any_strands()) {
        let union = of(&records);
        let sum: f64 = records.iter().map(|it| value_of(&it.1)).sum();
        prop_assert!(0.0 <= union.total && union.total <= sum + 1e-6);
        for (index, (_, record)) in records.iter().enumerate() {
            let of_it: f64 = union.pieces.iter().filter(|it| it.strand == index).map(|it| it.value).sum();
            prop_assert!(of_it <= value_of(record) + 1e-9);
        }
    }

    #[test]
    fn with_equal_priorities_the_total_is_no_less_than_any_strand(
        records in types().prop_flat_map(|it| some(RANKS[0], it)),
    ) {
        let greatest = records.iter().map(|it| value_of(&it.1)).fold(0.0, f64::max);
        prop_assert!(of(&records).total >= greatest - 1e-6);
    }

    #[test]
    fn steps_stay_whole(records in some(RANKS[1], DataType::Steps)) {
        prop_assert!(of(&records).pieces.iter().all(|it| it.value.fract() == 0.0));
    }

    #[test]
    fn the_union_of_its_own_pieces_is_itself(records in any_strands()) {
        let union = of(&records);
        prop_assert_eq!(spans(&of(&as_strands(&union, &records))), spans(&union));
    }

    #[test]
    fn the_order_of_strands_does_not_matter(records in any_strands(), seed in any::<u64>()) {
        let mut shuffled = records.clone();
        let mut dice = Dice(seed);
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, usize::try_from(dice.below(at as u64 + 1)).unwrap_or(0));
        }
        prop_assert_eq!(named(&of(&shuffled), &shuffled), named(&of(&records), &records));
    }

    #[test]
    fn a_lower_priority_within_what_is_covered_changes_nothing(records in any_strands(), value in 1..900_u32) {
        let union = of(&records);
        for it in union.pieces.iter().filter(|it| it.rule == rule::FIRST && it.value > 0.0).take(3) {
            let again = count("duplicate", it.from, it.to, f64::from(value));
            let again = Record { data_type: records[it.strand].1.data_type, ..again };
            let with: Vec<_> = records.iter().cloned().chain([(9, again)]).collect();
            prop_assert_eq!(spans(&of(&with)), spans(&union));
        }
    }

    #[test]
    fn samples_are_merged_without_doubles_in_any_order_and_once_for_all(
        records in any_ranks().prop_flat_map(|it| some(it, DataType::HeartRate)),
    ) {
        let strands = super::strands(&records);
        let merged = merge_series(&strands);
        prop_assert!(merged.samples.windows(2).all(|it| it[0].at < it[1].at));
        let reversed: Vec<_> = strands.iter().rev().copied().collect();
        let plain = |it: &Merged| -> Vec<_> { it.samples.iter().map(|it| (it.at, it.value)).collect() };
        prop_assert_eq!(plain(&merge_series(&reversed)), plain(&merged));
        let again: Vec<_> = merged.samples.iter().map(|it| records[it.strand].clone()).collect();
        prop_assert_eq!(plain(&merge_series(&super::strands(&again))), plain(&merged));
    }

    #[test]
    fn nothing_panics_whatever_the_numbers(
        start in any::<i64>(), end in any::<i64>(), offset in any::<i32>(), value in any::<f64>(),
        column in any::<Vec<i64>>(),
    ) {
        let mut record = count("a", Instant(start), Instant(end), value);
        record.time.offset_seconds = Some(offset);
        let mut other = record.clone();
        other.time.end = Instant(start.saturating_add(40 * 3_600_000));
        let values = vec![value; column.len() / 2 + 1];
        other.body = Body::Series(schemas::record::Series { offsets_ms: column, values });
        let near = count("b", Instant(start), Instant(start.saturating_add(90_000_000)), 7.0);
        let all = [(0, record), (0, other), (1, near)];
        let union = of(&all);
        prop_assert!(union.total >= 0.0);
        let pulse = |it: &(u32, Record)| (it.0, Record { data_type: DataType::HeartRate, ..it.1.clone() });
        prop_assert!(merge_series(&super::strands(&all.each_ref().map(pulse))).samples.len() < 500);
    }
}

/// Whose second it is, by the rule read word for word: the first source that counted in it, or that is silent there
/// for less than an hour between two counts.
fn owners(counts: &[Vec<bool>]) -> Vec<Option<usize>> {
    let hour = usize::try_from(SILENCE_MS / 1000).unwrap_or(0);
    let n_seconds = counts.first().map_or(0, Vec::len);
    let mut owners = vec![None; n_seconds];
    for (source, counted) in counts.iter().enumerate().rev() {
        let mut before: Option<usize> = None;
        for second in (0..n_seconds).filter(|it| counted[*it]) {
            let from = before.filter(|it| second - it - 1 < hour).map_or(second, |it| it + 1);
            owners[from..=second].fill(Some(source));
            before = Some(second);
        }
    }
    owners
}

#[test]
fn second_by_second_the_source_that_is_due_is_counted_and_no_other() {
    const SECONDS: usize = 4 * 3600;
    let mut dice = Dice(1);
    for round in 0..60 {
        let mut records = Vec::new();
        for source in 0..3_u32 {
            let mut at = dice.seconds(3000);
            while at < 13_000 {
                let longest = [60, 600, 3000][usize::try_from(dice.below(3)).unwrap_or(0)];
                let length = 1 + dice.seconds(longest);
                let value =
                    if dice.below(3) == 0 { 0.0 } else { f64::from(u32::try_from(dice.below(500)).unwrap_or(0)) };
                let (from, to) = (Instant(T0 + at * 1000), Instant(T0 + (at + length).min(14_000) * 1000));
                records.push((source, count(&format!("source {source}"), from, to, value)));
                at += length + if dice.below(2) == 0 { 0 } else { dice.seconds(5000) };
            }
        }
        let second = |at: Instant| usize::try_from((at.0 - T0) / 1000).unwrap_or(0);
        let mut counts = vec![vec![false; SECONDS]; 3];
        for (rank, record) in records.iter().filter(|it| value_of(&it.1) > 0.0) {
            counts[*rank as usize][second(record.time.start)..second(record.time.end)].fill(true);
        }
        let union = of(&records);
        let mut counted: Vec<Option<usize>> = vec![None; SECONDS];
        for it in union.pieces.iter().filter(|it| it.rule != rule::ZERO) {
            let seconds = &mut counted[second(it.from)..second(it.to)];
            assert!(seconds.iter().all(Option::is_none), "round {round}: a second is counted twice");
            seconds.fill(Some(records[it.strand].0 as usize));
        }
        for ((at, counted), due) in counted.iter().enumerate().zip(owners(&counts)) {
            // Who is due and silent is not replaced; its zeros may stand.
            let is_counting = due.is_some_and(|it| counts[it][at]);
            assert!(
                *counted == due || (counted.is_none() && !is_counting),
                "round {round}, second {at}: {counted:?} {due:?}"
            );
        }
    }
}
