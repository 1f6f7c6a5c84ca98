//! How exactly numbers are held: how many of them, and by how much they differ.

/// Closer than this, relative to the greater, two numbers are the same: what a decimal text and back may change.
const SAME: f64 = 1e-9;
/// The difference, relative to the wanted number, up to which a number is held less exactly and not as another.
const LESS_EXACT: f64 = 0.01;
/// The same of small numbers, which are cut to a tenth and the like.
const LESS_EXACT_BY: f64 = 0.100_001;
/// The same of coordinates: about a hundred metres.
const LESS_EXACT_DEGREES: f64 = 1e-3;

/// What numbers count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Metres,
    MetresASecond,
    Milliseconds,
    Kilocalories,
    Beats,
    Turns,
    Watts,
    Degrees,
    /// By its UCUM code.
    Of(&'static str),
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Self::Metres => "metres",
            Self::MetresASecond => "metres a second",
            Self::Milliseconds => "ms",
            Self::Kilocalories => "kcal",
            Self::Beats => "beats a minute",
            Self::Turns => "turns a minute",
            Self::Watts => "watts",
            Self::Degrees => "degrees",
            Self::Of(code) => code.trim_matches(['{', '}']),
        }
    }
}

/// Pairs of a wanted and a held number, looked at one after the other.
pub(super) struct Figures {
    unit: Unit,
    /// What is counted; nothing for a single number.
    what: &'static str,
    n_wanted: usize,
    n_held: usize,
    n_differing: usize,
    /// The greatest difference.
    apart: f64,
    /// Whether every held number that differs is whole, by 1, 1,000 and 60,000 of the unit.
    is_whole: [bool; 3],
    /// Whether every one that differs is near enough to be less exact only.
    is_near: bool,
}

impl Figures {
    /// Of one number.
    pub(super) const fn one(unit: Unit) -> Self {
        Self::many(unit, "")
    }

    /// Of many, which are called that.
    pub(super) const fn many(unit: Unit, what: &'static str) -> Self {
        Self { unit, what, n_wanted: 0, n_held: 0, n_differing: 0, apart: 0.0, is_whole: [true; 3], is_near: true }
    }

    pub(super) fn add(&mut self, wanted: Option<f64>, held: Option<f64>) {
        let Some(wanted) = wanted.filter(|it| !it.is_nan()) else { return };
        self.n_wanted += 1;
        let Some(held) = held.filter(|it| !it.is_nan()) else { return };
        self.n_held += 1;
        if is_same(wanted, held) {
            return;
        }
        let apart = (wanted - held).abs();
        self.differs(apart, [1.0, 1_000.0, 60_000.0].map(|step| held % step == 0.0));
        self.is_near &= apart
            <= match self.unit {
                Unit::Degrees => LESS_EXACT_DEGREES,
                _ => LESS_EXACT_BY.max(LESS_EXACT * wanted.abs()),
            };
    }

    /// Whole numbers, milliseconds above all.
    pub(super) fn add_ms(&mut self, wanted: Option<i64>, held: Option<i64>) {
        let Some(wanted) = wanted else { return };
        self.n_wanted += 1;
        let Some(held) = held else { return };
        self.n_held += 1;
        let apart = wanted.abs_diff(held);
        if apart != 0 {
            self.differs(apart as f64, [1, 1_000, 60_000].map(|step| held % step == 0));
            self.is_near = false;
        }
    }

    fn differs(&mut self, apart: f64, is_whole: [bool; 3]) {
        self.n_differing += 1;
        self.apart = self.apart.max(apart);
        for (all, it) in self.is_whole.iter_mut().zip(is_whole) {
            *all &= it;
        }
    }

    /// What is lost, in words; `None` if nothing.
    pub(super) fn lost(&self) -> Option<String> {
        let is_one = self.what.is_empty();
        let missing = (self.n_held < self.n_wanted).then(|| match self.n_held {
            _ if is_one => String::from("it is not held"),
            0 => format!("none of {} {} is held", self.n_wanted, self.what),
            n_held => format!("{n_held} of {} {} are held", self.n_wanted, self.what),
        });
        let less_exact = (self.n_differing > 0).then(|| self.precision(is_one));
        let both: Vec<String> = missing.into_iter().chain(less_exact).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    fn precision(&self, is_one: bool) -> String {
        let unit = self.unit.word();
        let of_time = matches!(self.unit, Unit::Milliseconds);
        let rounded = match self.is_whole {
            [_, _, true] if of_time && self.apart < 60_000.0 && self.apart >= 1_000.0 => Some("minutes"),
            [_, true, _] if of_time && self.apart < 1_000.0 => Some("seconds"),
            [true, _, _] if !of_time && self.apart < 1.0 => Some(unit),
            _ => None,
        };
        match rounded {
            Some(unit) => format!("rounded to whole {unit}"),
            None if of_time && self.apart < 1_000.0 => String::from("held less exactly, by less than a second"),
            None if of_time => String::from("shifted"),
            None if self.is_near => match bound(self.apart) {
                Some(bound) => format!("held less exactly, by less than {bound} {unit}"),
                None => String::from("held less exactly"),
            },
            None if is_one => String::from("held as another number"),
            None => format!("{} of {} {} are held as other numbers", self.n_differing, self.n_wanted, self.what),
        }
    }
}

/// Whether two numbers are the same but for what a decimal text and back may change.
pub(super) fn is_same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= SAME * a.abs().max(b.abs())
}

/// The least power of ten that is above a difference; only of small ones, for a great one would tell of the number.
fn bound(apart: f64) -> Option<&'static str> {
    let powers = [
        (1e-6, "0.000001"),
        (1e-5, "0.00001"),
        (1e-4, "0.0001"),
        (1e-3, "0.001"),
        (1e-2, "0.01"),
        (1e-1, "0.1"),
        (1.0, "1"),
    ];
    powers.into_iter().find(|it| apart < it.0).map(|it| it.1)
}
