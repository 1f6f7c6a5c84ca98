//! Our mark in an activity: `syncwell-<item>.fit` as the external id of an upload, a line `syncwell:<item>` at the end
//! of the description of one made by hand, because `POST /activities` takes no external id.

use schemas::id::ItemId;
use uuid::Uuid;

const LINE: &str = "syncwell:";

/// The external id, and file name, of an item's upload.
pub(super) fn external_id(item: ItemId) -> String {
    format!("syncwell-{item}.fit")
}

/// The item that an external id names, if it is one of ours.
pub(super) fn of_external_id(text: &str) -> Option<String> {
    let name = text.strip_prefix("syncwell-")?;
    item(name.split('.').next()?)
}

/// A description that carries the mark below the person's own notes.
pub(super) fn signed(notes: Option<&str>, item: ItemId) -> String {
    match notes {
        Some(notes) => format!("{notes}\n\n{LINE}{item}"),
        None => format!("{LINE}{item}"),
    }
}

/// A description taken apart: the person's notes, and the item if a line marks it. Notes without a mark stay as they
/// are; empty ones are none.
pub(super) fn split(description: &str) -> (Option<String>, Option<String>) {
    let marker = description.lines().rev().find_map(of_line);
    if marker.is_none() {
        return ((!description.is_empty()).then(|| description.to_owned()), None);
    }
    let rest: Vec<&str> = description.lines().filter(|it| of_line(it).is_none()).collect();
    let notes = rest.join("\n").trim_end().to_owned();
    ((!notes.is_empty()).then_some(notes), marker)
}

fn of_line(line: &str) -> Option<String> {
    item(line.trim().strip_prefix(LINE)?.trim())
}

fn item(text: &str) -> Option<String> {
    // Only the hyphenated form is ours.
    (text.len() == 36).then(|| Uuid::parse_str(text).ok())?.map(|it| it.to_string())
}
