//! A provider's own total of a day beside what is counted of that day.

use crate::resolve::series::{DailyCheck, Strand, check_daily_total, union};
use schemas::record::Record;
use serde::Serialize;

/// A provider's own total of a day beside the counts of that day. It is never added to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DailyTotal {
    /// `agrees` (within one per cent, or one unit), `differs`, or `not_covered`: they are less, and do not cover the day.
    pub verdict: &'static str,
    /// The counts less the total, in the unit of the type.
    pub by: f64,
    /// The share of the day in which a source was counting, 0 to 1; absent where they agree.
    pub share: Option<f64>,
}

/// The total beside these counts, as the destination holds them; `None` if nothing of its type is counted.
pub(super) fn beside<'a>(total: &Record, counts: impl Iterator<Item = &'a Record>) -> Option<DailyTotal> {
    let strands: Vec<Strand<'_>> = counts.map(|record| Strand { record, rank: 0 }).collect();
    let (verdict, by, share) = match check_daily_total(total, &union(&strands)) {
        DailyCheck::Agrees { by } => ("agrees", by, None),
        DailyCheck::Differs { by, share } => ("differs", by, Some(share)),
        DailyCheck::NotCovered { by, share } => ("not_covered", by, Some(share)),
        DailyCheck::NotComparable => return None,
    };
    Some(DailyTotal { verdict, by, share })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{
        data_type::DataType,
        record::{Body, Origin, Policy, Quantity, RecordState, Span},
        time::Instant,
    };

    fn counted(hours: (i64, i64), value: f64) -> Record {
        let [start, end] = [hours.0, hours.1].map(|it| Instant(it * 3_600_000));
        Record {
            data_type: DataType::Steps,
            origin: Origin::named("band", format!("{}", hours.0)),
            time: Span { start, end, offset_seconds: Some(0), zone: None },
            is_daily_total: false,
            state: RecordState::Final,
            deleted: false,
            policy: Policy::default(),
            body: Body::Quantity(Quantity { value }),
        }
    }

    #[test]
    fn a_total_of_a_day_is_held_against_what_was_counted_and_not_added_to_it() {
        let total = |value| Record { is_daily_total: true, ..counted((0, 24), value) };
        let day: Vec<Record> = (0..24).map(|it| counted((it, it + 1), 100.0)).collect();
        let said = |value, counts: &[Record]| beside(&total(value), counts.iter());
        assert_eq!(said(2_400.0, &day), Some(DailyTotal { verdict: "agrees", by: 0.0, share: None }));
        assert_eq!(said(2_000.0, &day), Some(DailyTotal { verdict: "differs", by: 400.0, share: Some(1.0) }));
        let morning = Some(DailyTotal { verdict: "not_covered", by: -1_200.0, share: Some(0.5) });
        assert_eq!(said(2_400.0, &day[..12]), morning);
        assert_eq!(said(2_400.0, &[]), None);
        assert_eq!(beside(&day[0], day.iter()), None, "no total");
    }
}
