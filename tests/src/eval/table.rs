//! What came of it, counted.

use crate::{pair::Pair, rivals::RIVALS};
use engine::resolve::{Verdict, compare};

/// What became of the pairs of one shape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Pairs of one thing that a person could tell, then those that nobody could.
    same: [Count; 2],
    /// Pairs of two things, likewise.
    different: [Count; 2],
}

/// How often something was taken as one thing.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    pairs: u32,
    merged: u32,
    asked: u32,
    by_rivals: [u32; RIVALS.len()],
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.merged += other.merged;
        self.asked += other.asked;
        self.by_rivals.iter_mut().zip(other.by_rivals).for_each(|(it, by)| *it += by);
    }
}

impl Tally {
    /// Compares a pair by all systems.
    pub(crate) fn add(&mut self, pair: &Pair) {
        let counts = if pair.is_same { &mut self.same } else { &mut self.different };
        let count = &mut counts[usize::from(!pair.is_tellable)];
        let verdict = compare(&pair.a, &pair.b).verdict;
        count.pairs += 1;
        count.merged += u32::from(verdict == Verdict::Same);
        count.asked += u32::from(verdict == Verdict::Ask);
        for ((_, rule), merged) in RIVALS.iter().zip(&mut count.by_rivals) {
            *merged += u32::from(rule(&pair.a, &pair.b));
        }
    }

    /// Adds another shape's.
    pub(crate) fn merge(&mut self, other: &Self) {
        for index in 0..2 {
            self.same[index].add(&other.same[index]);
            self.different[index].add(&other.different[index]);
        }
    }
}

/// A table in Markdown: for each shape how many pairs were found to be the same of those that are, and how many of
/// those that are not.
pub(crate) fn table(shapes: &[(String, Tally)]) -> String {
    let mut text = String::from("| shape | same | found | asked | different | merged | asked |");
    RIVALS.iter().for_each(|(name, _)| text.push_str(&format!(" {name}: found | merged |")));
    text.push_str("\n|---|---|---|---|---|---|---|");
    RIVALS.iter().for_each(|_| text.push_str("---|---|"));
    for (name, tally) in shapes {
        row(&mut text, name, &tally.same[0], &tally.different[0]);
    }
    let mut total = Tally::default();
    shapes.iter().for_each(|(_, tally)| total.merge(tally));
    row(&mut text, "**all that a person could tell**", &total.same[0], &total.different[0]);
    row(&mut text, "what nobody could tell", &total.same[1], &total.different[1]);
    text.push_str("\n\n");
    text.push_str(&summary(&total));
    text
}

fn row(text: &mut String, name: &str, same: &Count, different: &Count) {
    let (of_same, of_different) = (|n: u32| share(n, same.pairs), |n: u32| share(n, different.pairs));
    let ours = [of_same(same.merged), of_same(same.asked)];
    let others = [of_different(different.merged), of_different(different.asked)];
    text.push_str(&format!(
        "\n| {name} | {} | {} | {} | {} | {} | {} |",
        same.pairs, ours[0], ours[1], different.pairs, others[0], others[1]
    ));
    for (found, merged) in same.by_rivals.iter().zip(different.by_rivals) {
        text.push_str(&format!(" {} | {} |", of_same(*found), of_different(merged)));
    }
}

fn summary(total: &Tally) -> String {
    let (same, different) = (total.same[0], total.different[0]);
    let recall = |found: u32| share(found, same.pairs);
    let recalls: Vec<String> = [same.merged].into_iter().chain(same.by_rivals).map(recall).collect();
    // Of so many, one matters.
    let exactly = |part: u32, whole: u32| format!("{:.3} %", 100.0 * f64::from(part) / f64::from(whole.max(1)));
    let precision = |found: u32, wrong: u32| exactly(found, found + wrong);
    let found = [same.merged].into_iter().chain(same.by_rivals);
    let wrong = [different.merged].into_iter().chain(different.by_rivals);
    let mut text =
        String::from("| system, where a person could tell | precision | recall | wrongly merged | asked |\n");
    text.push_str("|---|---|---|---|---|");
    let names = ["SyncWell"].into_iter().chain(RIVALS.iter().map(|it| it.0));
    let asked = share(same.asked + different.asked, same.pairs + different.pairs);
    for (((name, found), wrong), recall) in names.zip(found).zip(wrong).zip(recalls) {
        let asked = if name == "SyncWell" { asked.as_str() } else { "never" };
        let wrongly = format!("{wrong} of {} ({})", different.pairs, exactly(wrong, different.pairs));
        text.push_str(&format!("\n| {name} | {} | {recall} | {wrongly} | {asked} |", precision(found, wrong)));
    }
    text
}

fn share(part: u32, whole: u32) -> String {
    if whole == 0 { "–".into() } else { format!("{:.2} %", 100.0 * f64::from(part) / f64::from(whole)) }
}
