//! What every store must do with origins.

use super::Place;
use crate::{
    contract::at,
    item::{Origin, month_of},
    store::Store,
};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId},
    time::Interval,
};
use uuid::Uuid;

pub(super) async fn check(store: &Store, run: &str) {
    origins_only_go_up(store, run).await;
    origins_are_found_by_time(store, run).await;
}

fn origin(place: &mut Place<'_>, record: &str, starts_at: &str) -> Origin {
    let starts_at = at(starts_at);
    Origin {
        connection: ConnectionId(Uuid::from_u128(7)),
        record: record.into(),
        destination: place.destination,
        item: ItemId(place.names.id()),
        month: month_of(starts_at),
        data_type: DataType::Workout,
        starts_at,
        source_at: at("2026-05-10T00:00:00Z"),
        seen_by: place.names.sync(),
    }
}

async fn origins_only_go_up(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "origins");
    let first = origin(&mut place, "a", "2026-05-03T06:00:00Z");
    let other = origin(&mut place, "b", "2026-05-03T08:00:00Z");
    let (subject, destination) = (place.subject.clone(), place.destination);
    let note = async |it: &Origin| store.items.note_origins(&subject, vec![it.clone()]).await.expect("note origins");
    let get = async |records: &[&str]| {
        let records: Vec<String> = records.iter().map(|it| (*it).to_owned()).collect();
        store.items.origins(&subject, first.connection, destination, &records).await.expect("origins")
    };
    assert_eq!(get(&["a"]).await, [None]);
    store.items.note_origins(&subject, vec![first.clone(), other.clone()]).await.expect("note origins");
    let expected = [Some(other.clone()), None, Some(first.clone())];
    assert_eq!(get(&["b", "c", "a"]).await, expected, "in the order asked for");
    let newer = Origin { source_at: at("2026-05-11T00:00:00Z"), ..origin(&mut place, "a", "2026-05-04T06:00:00Z") };
    note(&newer).await;
    assert_eq!(get(&["a"]).await, [Some(newer.clone())], "a newer state of the record stands");
    let older = Origin { seen_by: place.names.sync(), ..first.clone() };
    note(&older).await;
    let expected = Origin { seen_by: older.seen_by, ..newer };
    assert_eq!(get(&["a"]).await, [Some(expected)], "an older one is only noted as seen");
    let there = store.items.origins(&subject, first.connection, place.names.connection(), &["a".into()]).await;
    assert_eq!(there.expect("origins"), [None], "a record leads to an item at each destination by itself");
}

async fn origins_are_found_by_time(store: &Store, run: &str) {
    let mut place = Place::new(store, run, "origins within");
    let from_to = ("2026-05-03T00:00:00Z", "2026-05-04T00:00:00Z");
    let inside = [origin(&mut place, "a", from_to.0), origin(&mut place, "b", "2026-05-03T23:59:59Z")];
    let asleep = Origin { data_type: DataType::Sleep, ..origin(&mut place, "e", "2026-05-03T01:00:00Z") };
    let outside = [origin(&mut place, "c", "2026-05-02T23:59:59Z"), origin(&mut place, "d", from_to.1), asleep];
    let all = inside.iter().chain(&outside).cloned().collect();
    store.items.note_origins(&place.subject, all).await.expect("note origins");
    let window = Interval { from: at(from_to.0), to: at(from_to.1) };
    let (connection, items) = (inside[0].connection, &store.items);
    let found = items.origins_within(&place.subject, connection, place.destination, DataType::Workout, window).await;
    let mut found = found.expect("origins within");
    found.sort_by_key(|it| it.starts_at);
    assert_eq!(found, inside, "records of this type that start in the window");
}
