//! What both stores say in the same words: numbers in columns, who answers what, which months a window touches.

use crate::item::{Guard, ItemRow};
use chrono::Datelike;
use schemas::{
    event::{Kind, Lane},
    time::{Instant, Interval},
    topics::TopicName,
};
use std::time::Duration;
use uuid::Uuid;

/// The longest that an item may be and still be found wherever it is.
pub(super) const ITEM_LENGTH_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The years that months are counted out for; no record is from elsewhere.
const YEARS: (i32, i32) = (1900, 2200);

/// The number of a kind in the column `kind`; published numbers never change.
pub(super) const fn kind_number(kind: Kind) -> i8 {
    match kind {
        Kind::Requested => 1,
        Kind::Fetched => 2,
        Kind::Normalized => 3,
        Kind::Resolved => 4,
        Kind::Outcome => 5,
        Kind::Settled => 6,
        Kind::Rejected => 7,
        Kind::Analytics => 8,
    }
}

/// The number of a lane in the column `lane`; published numbers never change.
pub(super) fn lane_number(lane: Option<Lane>) -> Option<i8> {
    lane.map(|lane| match lane {
        Lane::Hot => 1,
        Lane::Cold => 2,
    })
}

/// The topic of these numbers; `None` for numbers of a newer version.
pub(super) const fn topic_of(kind: i64, lane: Option<i64>) -> Option<TopicName> {
    let kind = match kind {
        1 => Kind::Requested,
        2 => Kind::Fetched,
        3 => Kind::Normalized,
        4 => Kind::Resolved,
        5 => Kind::Outcome,
        6 => Kind::Settled,
        7 => Kind::Rejected,
        8 => Kind::Analytics,
        _ => return None,
    };
    let lane = match lane {
        None => None,
        Some(1) => Some(Lane::Hot),
        Some(2) => Some(Lane::Cold),
        Some(_) => return None,
    };
    Some(TopicName { kind, lane })
}

/// The stage that answers events of this kind, for kinds that must be answered before a sync is over.
pub(super) const fn answering(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Requested => Some("fetch"),
        Kind::Fetched => Some("normalize"),
        Kind::Normalized => Some("resolve"),
        Kind::Resolved => Some("write"),
        Kind::Outcome | Kind::Settled | Kind::Rejected | Kind::Analytics => None,
    }
}

/// The kind that a stage answers, if that must be answered before a sync is over.
pub(super) fn answered_by(stage: &str) -> Option<Kind> {
    [Kind::Requested, Kind::Fetched, Kind::Normalized, Kind::Resolved]
        .into_iter()
        .find(|it| answering(*it) == Some(stage))
}

/// The months in which an item that overlaps the window may be kept, ascending: a look at a window begins one month
/// before it.
pub(super) fn months_of(window: Interval) -> Vec<String> {
    let number = |at: Instant| {
        let at = at.utc();
        (at.year().clamp(YEARS.0, YEARS.1) * 12).saturating_add(i32::try_from(at.month0()).unwrap_or(0))
    };
    let name = |number: i32| format!("{:04}-{:02}", number / 12, number % 12 + 1);
    let (first, last) = (number(window.from) - 1, number(window.to));
    (first..=last).map(name).collect()
}

/// Whether what must hold for a change holds.
pub(super) fn holds(guard: &Guard, row: &ItemRow) -> bool {
    let Guard { planned_version, version_below, state_not, claim } = guard;
    let token: Option<Uuid> = row.claim.as_ref().map(|it| it.token);
    planned_version.is_none_or(|it| row.planned_version == it)
        && version_below.is_none_or(|it| row.version < it)
        && state_not.is_none_or(|it| row.state != it)
        && claim.is_none_or(|it| token == it)
}

#[cfg(test)]
mod tests {
    use super::{Instant, Interval, months_of};
    use crate::item::month_of;

    #[track_caller]
    fn check(from: Instant, to: Instant, expected: &[&str]) {
        assert_eq!(months_of(Interval { from, to }), expected);
    }

    #[test]
    fn a_look_at_a_window_begins_one_month_before_it() {
        let at = |text: &str| Instant::parse(text).unwrap();
        check(at("2026-05-03T00:00:00Z"), at("2026-05-04T00:00:00Z"), &["2026-04", "2026-05"]);
        check(at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"), &["2025-12", "2026-01", "2026-02"]);
        check(at("2026-05-04T00:00:00Z"), at("2026-03-01T00:00:00Z"), &[]);
    }

    #[test]
    fn months_are_named_as_everywhere() {
        for month in 1..=12 {
            let at = Instant::parse(&format!("2026-{month:02}-15T00:00:00Z")).unwrap();
            assert_eq!(months_of(Interval { from: at, to: at }).last(), Some(&month_of(at)));
        }
    }

    #[test]
    fn a_window_without_bounds_has_an_end() {
        assert!(months_of(Interval { from: Instant(i64::MIN), to: Instant(i64::MAX) }).len() < 4_000);
        let (first, last) = (Instant::parse("0001-01-01T00:00:00Z"), Instant::parse("9999-12-31T00:00:00Z"));
        let months = months_of(Interval { from: first.unwrap(), to: last.unwrap() });
        assert_eq!((months.len(), months.last().unwrap().as_str()), (3_613, "2200-12"));
    }
}
