//! `syncwell-eval`: how well records are matched, on lives that are made up from a seed and on real recordings, beside
//! three open systems on the same pairs. `make eval` runs it; `docs/matching.md` shows what it prints.

mod body;
mod device;
mod dice;
mod living;
mod moving;
mod pair;
mod recordings;
mod rivals;
mod table;

use clap::Parser;
use dice::Dice;
use engine::resolve::{Verdict, compare};
use pair::Pair;
use std::io::Write;
use table::Tally;

/// What makes the pairs of a scene.
type Shape = (&'static str, fn(&mut Dice) -> Vec<Pair>);

const SHAPES: [Shape; 17] = [
    ("commuters", moving::commuters),
    ("other workouts of a day", living::same_day),
    ("classes of a gym", living::classes),
    ("copies by a service", moving::relayed),
    ("two devices", moving::two_devices),
    ("wrong clocks", moving::wrong_clocks),
    ("pauses", moving::paused),
    ("trimmed", moving::trimmed),
    ("parts of a recording", moving::split),
    ("triathletes", moving::triathletes),
    ("other time zones", moving::travellers),
    ("treadmills", living::treadmill),
    ("intervals and hills", living::intervals),
    ("couples on one account", living::couples),
    ("typed in", living::typed_in),
    ("nights and naps", living::sleepers),
    ("readings", living::readings),
];

#[derive(Debug, Parser)]
struct Arguments {
    /// Seed of all chance. The figures were found on seed 1.
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// About how many pairs of each shape.
    #[arg(long, default_value_t = 3_000)]
    pairs: usize,
    /// Prints the pairs of this shape that came out wrong, as `syncwell match` reads them, and no table; why goes to
    /// stderr.
    #[arg(long, value_name = "SHAPE")]
    wrong: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut shapes = Vec::new();
    let real = recordings::read()?;
    let mut dice = Dice::new(arguments.seed, "recordings");
    let real = [
        ("real recordings, passed on", recordings::renderings(&real, &mut dice)),
        ("real recordings, others", recordings::strangers(&real, &mut dice)),
    ];
    for (name, make) in SHAPES {
        let mut dice = Dice::new(arguments.seed, name);
        let mut tally = Tally::default();
        let mut n_pairs = 0;
        while n_pairs < arguments.pairs {
            let pairs = make(&mut dice);
            n_pairs += pairs.len();
            count(&arguments, name, &pairs, &mut tally)?;
        }
        shapes.push((name.to_owned(), tally));
    }
    for (name, pairs) in &real {
        let mut tally = Tally::default();
        count(&arguments, name, pairs, &mut tally)?;
        shapes.push(((*name).to_owned(), tally));
    }
    if arguments.wrong.is_none() {
        say(&format!("Seed {}.\n\n{}", arguments.seed, table::table(&shapes)))?;
    }
    Ok(())
}

fn count(arguments: &Arguments, name: &str, pairs: &[Pair], tally: &mut Tally) -> anyhow::Result<()> {
    let Some(wrong) = &arguments.wrong else {
        pairs.iter().for_each(|it| tally.add(it));
        return Ok(());
    };
    for pair in pairs.iter().filter(|it| it.is_tellable && name == wrong) {
        let right = if pair.is_same { Verdict::Same } else { Verdict::Different };
        let it = compare(&pair.a, &pair.b);
        if it.verdict != right {
            let told = it.evidence.iter().map(|it| format!("\n  {:+.1} {}: {}", it.weight, it.feature, it.detail));
            let told = told.collect::<String>();
            writeln!(std::io::stderr().lock(), "{}, not {}: {:.3}{told}", it.verdict.name(), right.name(), it.score)?;
            let line = serde_json::json!({"a": pair.a, "b": pair.b, "label": right.name(), "shape": name});
            say(&line.to_string())?;
        }
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
