//! `syncwell match`: says of pairs of canonical records whether they are the same, and why.

use super::print;
use anyhow::{Context, bail};
use clap::Args;
use engine::resolve::{Match, Verdict, compare};
use schemas::record::Record;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
};

/// `syncwell match`.
#[derive(Debug, Args)]
pub struct Pairs {
    /// JSON lines: {"a": <record>, "b": <record>}, with "label" ("same" or "different") and "shape" where they are known.
    /// `syncwell normalize` prints such records. `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// One JSON document a pair, and the table to stderr.
    #[arg(long)]
    json: bool,
}

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    a: Record,
    b: Record,
    label: Option<Label>,
    #[serde(default)]
    shape: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Label {
    Same,
    Different,
}

/// What became of the pairs of a shape: of one thing, of two, and of those without a label.
#[derive(Default)]
struct Tally([Count; 3]);

#[derive(Clone, Copy, Default)]
struct Count {
    same: u32,
    asked: u32,
    different: u32,
}

impl Pairs {
    /// Compares the pairs one after the other; a line that cannot be read is said and left out.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let lines: Box<dyn BufRead> = if self.pairs.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(BufReader::new(super::developer::open(&self.pairs)?))
        };
        let (mut tallies, mut n_bad) = (BTreeMap::<String, Tally>::new(), 0_u32);
        for (index, line) in lines.split(b'\n').enumerate() {
            let line = line.with_context(|| format!("read {}", self.pairs.display()))?;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice::<Pair>(&line) {
                Ok(pair) => {
                    let it = compare(&pair.a, &pair.b);
                    tallies.entry(pair.shape.clone().unwrap_or_default()).or_default().add(pair.label, it.verdict);
                    self.tell(index + 1, &pair, &it)?;
                }
                Err(err) => {
                    n_bad += 1;
                    print::say(&format!("line {}: {}", index + 1, what_is_wrong(&err)));
                }
            }
        }
        let table = table(&tallies);
        if self.json {
            print::say(&table)
        } else {
            print::data(&table)
        }
        if n_bad > 0 {
            bail!("{n_bad} of the lines could not be read, as said above; the others were compared");
        }
        Ok(())
    }

    fn tell(&self, line: usize, pair: &Pair, it: &Match) -> anyhow::Result<()> {
        let label = pair.label.map(Label::name);
        let verdict = it.verdict.name();
        if self.json {
            let evidence = |it: &engine::resolve::Evidence| json!({"feature": it.feature, "weight": it.weight, "detail": it.detail});
            let evidence: Vec<_> = it.evidence.iter().map(evidence).collect();
            let told = json!({
                "line": line, "verdict": verdict, "score": it.score, "label": label, "shape": pair.shape, "evidence": evidence,
            });
            print::data(&serde_json::to_string(&told)?);
            return Ok(());
        }
        let label = label.map_or(String::new(), |it| format!("  (labelled {it})"));
        print::data(&format!("line {line}: {verdict}  {:.3}{label}", it.score));
        for it in &it.evidence {
            print::data(&format!("  {:+5.1}  {:<16} {}", it.weight, it.feature, it.detail));
        }
        Ok(())
    }
}

/// What serde says, without the column that counts from the start of a long line.
fn what_is_wrong(err: &serde_json::Error) -> String {
    let text = err.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |it| it.0);
    if err.is_data() { format!("no pair of records: {text}") } else { format!("no JSON: {text}") }
}

impl Label {
    const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
        }
    }
}

impl Tally {
    fn add(&mut self, label: Option<Label>, verdict: Verdict) {
        let count = &mut self.0[label.map_or(2, |it| it as usize)];
        match verdict {
            Verdict::Same => count.same += 1,
            Verdict::Ask => count.asked += 1,
            Verdict::Different => count.different += 1,
        }
    }
}

/// One line a shape and label.
fn table(tallies: &BTreeMap<String, Tally>) -> String {
    let labels = ["same", "different", ""];
    let mut rows = Vec::new();
    for (shape, tally) in tallies {
        for (label, it) in labels.iter().zip(&tally.0) {
            let n = it.same + it.asked + it.different;
            if n > 0 {
                let share = |part: u32| format!("{part} ({:.1} %)", 100.0 * f64::from(part) / f64::from(n));
                let or_dash = |it: &str| if it.is_empty() { "–".to_owned() } else { it.to_owned() };
                let figures = [n.to_string(), share(it.same), share(it.asked), share(it.different)];
                rows.push([or_dash(shape), or_dash(label)].into_iter().chain(figures).collect());
            }
        }
    }
    print::table(&["shape", "label", "pairs", "same", "ask", "different"], &rows)
}
