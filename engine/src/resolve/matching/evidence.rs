//! What speaks for and against, in figures, and the bands that decide.

pub(super) use schemas::event::Verdict;
use std::fmt;

/// From this sum on two records are the same.
pub(super) const SAME_MIN: f64 = 2.5;
/// From this sum on a person is to be asked; below it two records are different.
pub(super) const ASK_MIN: f64 = 0.0;

/// One thing that speaks for or against.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was looked at.
    pub feature: &'static str,
    /// How much it says: positive for the same, negative against; natural logarithms of odds, by their size.
    pub weight: f64,
    /// A short sentence with the figures. No titles, notes or places.
    pub detail: String,
}

/// A comparison of two records.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// What became of it.
    pub verdict: Verdict,
    /// How sure it is that they are the same, 0 to 1. Never NaN.
    pub score: f64,
    /// What was looked at, the clock first.
    pub evidence: Vec<Evidence>,
}

/// Evidence before it is put into words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub feature: &'static str,
    pub weight: f64,
    pub figures: Figures,
}

/// The figures of a finding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Figures {
    Text(&'static str),
    /// Two values, in a unit.
    Two(f64, f64, &'static str),
    /// Text, number, text.
    One(&'static str, f64, &'static str),
    Together {
        correlation: f64,
        apart: f64,
        unit: &'static str,
        n: usize,
    },
    /// Heart rates but for where a sensor failed.
    Failing {
        apart: f64,
        n: usize,
        of: usize,
    },
    Tracks {
        apart_m: f64,
        course_m: Option<f64>,
        n: usize,
    },
    Zone {
        minutes: i64,
        rest_s: f64,
    },
    Starts {
        apart_s: f64,
        ends_s: f64,
    },
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Text(text) => f.write_str(text),
            Self::Two(a, b, "") => write!(f, "{} and {}", Short(a), Short(b)),
            Self::Two(a, b, unit) => write!(f, "{} and {} {unit}", Short(a), Short(b)),
            Self::One("", value, after) => write!(f, "{} {after}", Short(value)),
            Self::One(before, value, after) => write!(f, "{before} {} {after}", Short(value)),
            Self::Together { correlation, apart, unit, n } => {
                write!(f, "correlation {correlation:.2}, {apart:.1} {unit} apart, at {n} moments")
            }
            Self::Failing { apart, n, of } => {
                write!(
                    f,
                    "{apart:.1} /min apart at {n} of {of} moments, far at the others, as if a sensor failed there"
                )
            }
            Self::Tracks { apart_m, course_m, n } => {
                write!(f, "{apart_m:.0} m apart at the same moment")?;
                if let Some(course_m) = course_m {
                    write!(f, ", {course_m:.0} m from the other's course")?;
                }
                write!(f, ", at {n} moments")
            }
            Self::Zone { minutes, rest_s } => {
                write!(f, "clocks {}:{:02} h apart, starts {rest_s:.0} s from that", minutes / 60, minutes % 60)
            }
            Self::Starts { apart_s, ends_s } => write!(f, "starts {} apart, ends {}", Time(apart_s), Time(ends_s)),
        }
    }
}

/// A number with as many decimals as a person wants to read.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value.fract() == 0.0 || value.abs() >= 1_000.0 { write!(f, "{value:.0}") } else { write!(f, "{value:.2}") }
    }
}

/// Seconds, as a person says them.
struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            it if it < 120.0 => write!(f, "{it:.0} s"),
            it if it < 7_200.0 => write!(f, "{:.0} min", it / 60.0),
            it => write!(f, "{:.1} h", it / 3_600.0),
        }
    }
}

/// Findings under one reading of the clocks, and what they come to.
#[derive(Clone, Debug)]
pub(super) struct Case {
    findings: Vec<Finding>,
    /// The most that may come of it, whatever the sum.
    most: Verdict,
}

impl Case {
    pub(super) fn new() -> Self {
        Self { findings: Vec::with_capacity(12), most: Verdict::Same }
    }

    pub(super) fn add(&mut self, feature: &'static str, weight: f64, figures: Figures) {
        self.findings.push(Finding { feature, weight: if weight.is_finite() { weight } else { 0.0 }, figures });
    }

    pub(super) fn at_most(&mut self, most: Verdict) {
        self.most = self.most.min(most);
    }

    /// The sum, held below the band that it may not reach.
    pub(super) fn total(&self) -> f64 {
        let sum: f64 = self.findings.iter().map(|it| it.weight).sum();
        match self.most {
            Verdict::Same => sum,
            Verdict::Ask => sum.min(SAME_MIN - 0.01),
            Verdict::Different => sum.min(ASK_MIN - 0.01),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.total() {
            it if it >= SAME_MIN => Verdict::Same,
            it if it >= ASK_MIN => Verdict::Ask,
            _ => Verdict::Different,
        }
    }

    pub(super) fn into_match(self) -> Match {
        let (total, verdict) = (self.total(), self.verdict());
        let told = |it: &Finding| Evidence { feature: it.feature, weight: it.weight, detail: it.figures.to_string() };
        Match { verdict, score: 1.0 / (1.0 + (-total).exp()), evidence: self.findings.iter().map(told).collect() }
    }
}

/// A value on a line through these points, which are in order; level beyond them.
pub(super) fn line(value: f64, points: &[(f64, f64)]) -> f64 {
    let mut before = match points.first() {
        Some(first) if value > first.0 => *first,
        Some(first) => return first.1,
        None => return 0.0,
    };
    for point in points {
        if value <= point.0 {
            let part = (value - before.0) / (point.0 - before.0).max(f64::MIN_POSITIVE);
            return before.1 + part * (point.1 - before.1);
        }
        before = *point;
    }
    before.1
}

/// How much it says that two values are so near each other, where two of a person's habit would differ by about
/// `habit` and both are told in grains of `grain`: much for an exact figure, nothing for a round one.
pub(super) fn nearness(apart: f64, habit: f64, grain: f64, finest: f64, most: f64) -> f64 {
    let within = grain / 2.0;
    if apart <= within.max(finest) {
        return (habit / within.max(finest)).ln().clamp(0.0, most);
    }
    if apart <= habit {
        return (habit / apart).ln().clamp(0.0, most);
    }
    // A round figure may be off by its grain without saying anything against.
    (-1.5 * ((apart - within).max(0.0) / habit - 1.0)).clamp(-6.0, 0.0)
}

/// The grain in which a value is told: the largest of these that it is a multiple of, else the last.
pub(super) fn grain(value: f64, grains: &[f64]) -> f64 {
    let is_multiple = |it: &&f64| (value / **it - (value / **it).round()).abs() * **it < 1e-6 * value.abs().max(1.0);
    grains.iter().find(is_multiple).or(grains.last()).copied().unwrap_or(1.0)
}
