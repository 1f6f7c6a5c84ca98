//! Pairs of records of which it is known whether they are one thing.

use schemas::{
    record::{Body, Record},
    workout::Workout,
};

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

    /// One bout by two sensors. Where one of them took steps for beats for most of it, the two look as two people do who
    /// run side by side: nobody could tell.
    pub(crate) fn by_two_sensors(a: &Record, b: &Record) -> Self {
        let pair = Self::same(a, b);
        if is_mostly_another_heart(a, b) { pair.untellable() } else { pair }
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

/// Whether the heart rates are far apart at most of the moments, the starts laid on each other.
fn is_mostly_another_heart(a: &Record, b: &Record) -> bool {
    const FAR: f64 = 12.0;
    let (Some(a), Some(b)) = (workout(a), workout(b)) else { return false };
    let heart = |it: &Workout, at: i64| {
        let index = it.streams.offsets_ms.partition_point(|offset| *offset < at);
        it.streams.heart_rate.0.get(index).copied()
    };
    let both = a.streams.offsets_ms.iter().filter_map(|at| heart(a, *at).zip(heart(b, *at)));
    let (mut n_moments, mut n_far) = (0_usize, 0_usize);
    for (one, other) in both {
        n_moments += 1;
        n_far += usize::from((one - other).abs() > FAR);
    }
    2 * n_far > n_moments
}

fn workout(record: &Record) -> Option<&Workout> {
    if let Body::Workout(it) = &record.body { Some(it) } else { None }
}
