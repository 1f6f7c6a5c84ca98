//! How a thing stands at each connection.

use super::{
    Absence, Cell, Held, Present,
    gather::{Gathered, Made, Place, Said},
    things::{Group, is_deleted},
};
use crate::{
    item::{ItemRow, ItemState},
    people::ConnectionState,
};
use schemas::{
    event::{Action, Reason},
    id::{ConnectionId, ItemId},
};

/// How a thing stands at each connection; `None` if it is nowhere any more.
pub(super) fn cells(gathered: &Gathered, thing: &Group<'_>) -> Option<Vec<Cell>> {
    let there: Vec<Option<Cell>> = gathered.places.iter().map(|it| there(gathered, thing, it.connection.id)).collect();
    if there.iter().all(Option::is_none) && !thing.read.values().any(|is_there| *is_there) {
        return None;
    }
    // Where it can be brought from.
    let has = |(place, cell): (&Place, &Option<Cell>)| {
        let is_original = matches!(cell, Some(Cell::Present(it)) if it.held != Held::Ours);
        is_original.then_some(place.connection.id)
    };
    let from: Vec<ConnectionId> = gathered.places.iter().zip(&there).filter_map(has).collect();
    let cell = |(place, cell): (&Place, Option<Cell>)| cell.unwrap_or_else(|| absent(gathered, thing, place, &from));
    Some(gathered.places.iter().zip(there).map(cell).collect())
}

/// What is there of a thing, or is on its way.
fn there(gathered: &Gathered, thing: &Group<'_>, connection: ConnectionId) -> Option<Cell> {
    let mut held: Vec<&ItemRow> = rows(thing, connection).map(|it| &it.row).filter(|it| holds(it)).collect();
    // Ours before others', and of several always the same one.
    held.sort_by_key(|it| (!it.owned, it.key.item));
    let more = |first: ItemId| held.iter().map(|it| it.key.item).filter(|it| *it != first).collect();
    let is_read = thing.read.iter().any(|(mark, is_there)| mark.0 == connection && *is_there);
    match held.first() {
        Some(row) if row.owned => Some(Cell::Present(Present {
            held: Held::Ours,
            record: Some(row.key.item),
            version: row.version,
            is_current: row.version >= row.planned_version,
            more: more(row.key.item),
            waits: waits(gathered, row).then_some(Absence::Said(Reason::InReview)),
        })),
        first if is_read || first.is_some() => Some(Cell::Present(Present {
            held: if is_read { Held::Source } else { Held::Foreign },
            record: first.map(|it| it.key.item),
            version: 0,
            is_current: true,
            more: first.map(|it| more(it.key.item)).unwrap_or_default(),
            waits: None,
        })),
        _ => {
            let on_its_way = rows(thing, connection).map(|it| &it.row).filter(|it| is_on_its_way(it));
            let row = on_its_way.min_by_key(|it| it.key.item)?;
            Some(Cell::OnItsWay { record: row.key.item, version: row.planned_version })
        }
    }
}

/// Whether the person is asked if what we wrote is to go.
fn waits(gathered: &Gathered, row: &ItemRow) -> bool {
    let here = (row.key.partition.destination, row.key.item);
    gathered.asked.iter().any(|it| it.is_open && (it.destination, it.item) == here)
}

fn rows<'a>(thing: &'a Group<'_>, connection: ConnectionId) -> impl Iterator<Item = &'a Made> {
    thing.rows.iter().copied().filter(move |it| it.row.key.partition.destination == connection)
}

/// Whether the destination has what a row stands for.
fn holds(row: &ItemRow) -> bool {
    if row.planned_version == 0 {
        return !row.seen_hash.is_empty();
    }
    // A destination that gives no id holds what it took.
    !row.external_id.is_empty() || (row.state == ItemState::Applied && row.version > 0 && !row.planned_delete)
}

fn is_on_its_way(row: &ItemRow) -> bool {
    let is_open = matches!(row.state, ItemState::Planned | ItemState::Sent | ItemState::Handed);
    is_open && row.planned_version > row.version && !row.planned_delete
}

/// Why a thing is not at a connection.
fn absent(gathered: &Gathered, thing: &Group<'_>, place: &Place, from: &[ConnectionId]) -> Cell {
    let connection = place.connection.id;
    let said = thing.said.iter().copied().find(|it| it.destination == connection);
    // What was planned last there, or seen.
    let row = rows(thing, connection).min_by_key(|it| (it.row.planned_version == 0, is_deleted(it), it.row.key.item));
    let record = row.map(|it| it.row.key.item).or(said.map(|it| it.item));
    let was_read = thing.read.keys().any(|it| it.0 == connection);
    let why = match (row, said) {
        (Some(made), said) => of_row(made, said),
        (None, _) if was_read => Absence::Gone,
        (None, Some(said)) => match (said.action, said.reason) {
            (Action::Create | Action::Update, None) => {
                return Cell::OnItsWay { record: said.item, version: said.version };
            }
            (Action::Delete, None) => Absence::Gone,
            (_, reason) => Absence::Said(reason.unwrap_or_default()),
        },
        (None, None) => unsaid(gathered, place, from),
    };
    Cell::Absent { why, record }
}

/// Why what a row stands for is not there.
fn of_row(made: &Made, said: Option<&Said>) -> Absence {
    let row = &made.row;
    if row.state == ItemState::Unknown {
        return Absence::Said(Reason::AnswerLost);
    }
    // Later than what became of the row, or the same; that it is unchanged says nothing of why.
    let reason = said.and_then(|it| it.reason).filter(|it| *it != Reason::Unchanged);
    let noted = || serde_json::from_value(serde_json::Value::String(row.reason.clone())).ok();
    match reason.map(Absence::Said) {
        Some(why) => why,
        None if row.planned_version == 0 || row.planned_delete => Absence::Gone,
        None => Absence::Said(noted().unwrap_or_default()),
    }
}

/// Why a thing is not there of which nothing was decided.
fn unsaid(gathered: &Gathered, place: &Place, from: &[ConnectionId]) -> Absence {
    if !place.takes {
        return Absence::Said(Reason::NotWritable);
    }
    match place.connection.state {
        ConnectionState::NeedsReauth => return Absence::Said(Reason::AccessRevoked),
        ConnectionState::Disconnected => return Absence::Said(Reason::Disconnected),
        ConnectionState::Active => {}
    }
    let carries = |it: &&crate::people::Config| it.destination == place.connection.id && from.contains(&it.source);
    let mut configs = gathered.configs.iter().filter(carries).peekable();
    if configs.peek().is_none() {
        Absence::NoConfig
    } else if configs.any(|it| it.enabled) {
        Absence::NotSynced
    } else {
        Absence::ConfigDisabled
    }
}
