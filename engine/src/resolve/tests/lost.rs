//! What another source of the same thing said is no longer kept.

use super::*;
use crate::resolve::{Others, place};
use schemas::event::Source;

fn source(of: &Incoming) -> Source {
    let policy = policy(&ALL);
    Source { connection: of.connection, ..of.source(&policy) }
}

/// The row of `a`, made of these sources.
fn made_of(record: &Record, sources: Vec<Source>) -> Window {
    Window::new(vec![Known { row: ours("a", record, 1, 1), summary: summary(record), sources }])
}

#[track_caller]
fn left(window: &mut Window, incoming: &Incoming) -> Vec<Source> {
    let lost = Incoming { join: Join::Lost, ..incoming.clone() };
    let decided = window.decide(&policy(&ALL), &lost);
    assert_eq!((decided.fate, decided.decision.reason), (Some(Fate::Skipped), Some(Reason::PayloadExpired)));
    assert!(decided.plan.is_none(), "nothing changes");
    decided.noted.expect("the others are to be read again").1
}

#[test]
fn nothing_changes_until_the_other_is_read_again_and_then_unchanged_as_it_is_it_is_news() {
    let record = run(T0, 10_000.0);
    let (watch, band) = (incoming("a", record.clone()), incoming("b", run(minutes(1), 10_050.0)));
    let mut window = made_of(&record, vec![source(&watch)]);
    let again = again("a", record.clone(), &ours("a", &record, 1, 1));
    assert!(window.others(&policy(&ALL), &again).is_none(), "unchanged, it is no news");
    let left = left(&mut window, &band);
    assert_eq!(left.iter().map(|it| (it.key.as_str(), it.hash.as_str())).collect::<Vec<_>>(), [("a", "")]);
    let Some(Others { sources, .. }) = made_of(&record, left).others(&policy(&ALL), &again) else { panic!("no news") };
    assert_eq!(sources, [], "it is put together with itself, and noted where it is");
}

#[test]
fn what_is_read_meanwhile_is_noted_where_it_is_and_the_other_finds_it() {
    let record = run(T0, 10_000.0);
    let (watch, band) = (incoming("a", record.clone()), incoming("b", run(minutes(1), 10_050.0)));
    let mut window = made_of(&record, vec![source(&watch), source(&band)]);
    let edited = again("a", run(T0, 10_010.0), &ours("a", &record, 1, 1));
    let left = left(&mut window, &edited);
    assert!(left.iter().all(|it| it.hash.is_empty()), "either is news: {left:?}");
    assert_eq!(left[0].event, policy(&ALL).by.0);
    let band = Incoming { origin: again("b", record.clone(), &ours("a", &record, 1, 1)).origin, ..band };
    let Some(Others { sources, at }) = made_of(&record, left).others(&policy(&ALL), &band) else { panic!("no news") };
    assert_eq!((sources.iter().map(place).collect::<Vec<_>>(), at), (vec![edited.place()], 1));
}
