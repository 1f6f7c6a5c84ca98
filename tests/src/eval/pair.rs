//! Pairs of records of which it is known whether they are one thing.

use schemas::record::Record;

/// Two records and the truth about them.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub a: Record,
    pub b: Record,
    /// Whether they are renderings of one thing.
    pub is_same: bool,
    /// Whether a person who sees only these two could tell.
    pub is_tellable: bool,
}

impl Pair {
    pub(crate) fn same(a: &Record, b: &Record) -> Self {
        Self { a: a.clone(), b: b.clone(), is_same: true, is_tellable: true }
    }

    pub(crate) fn different(a: &Record, b: &Record) -> Self {
        Self { is_same: false, ..Self::same(a, b) }
    }

    /// Nobody could tell.
    pub(crate) fn untellable(self) -> Self {
        Self { is_tellable: false, ..self }
    }
}

/// All pairs of these records, which are of different things.
pub(crate) fn all_different(records: &[Record]) -> Vec<Pair> {
    let of = |(index, a)| records[index + 1..].iter().map(move |b| Pair::different(a, b));
    records.iter().enumerate().flat_map(of).collect()
}
