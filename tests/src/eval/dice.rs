//! Chance that comes out the same for a seed, on every machine and with every version of every crate.

/// A stream of chance (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A stream of its own for a seed and a name.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), mix))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Between two numbers.
    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.part()
    }

    /// A whole number between two, both included.
    pub(crate) fn whole(&mut self, from: i64, to: i64) -> i64 {
        from + (self.part() * (to - from + 1) as f64) as i64
    }

    /// Around a middle, with a spread (roughly normal).
    pub(crate) fn around(&mut self, middle: f64, spread: f64) -> f64 {
        let sum: f64 = (0..6).map(|_| self.part()).sum();
        middle + spread * (sum - 3.0) * std::f64::consts::SQRT_2
    }

    /// Whether something of this chance happens.
    pub(crate) fn chance(&mut self, of: f64) -> bool {
        self.part() < of
    }

    /// One of these.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[(self.part() * of.len() as f64) as usize % of.len()]
    }
}
