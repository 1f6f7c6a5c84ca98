//! What a row keeps of its record: the record without most of its samples, and which sources' records it was made of.

use super::summary;
use schemas::{event::Source, record::Record};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Keep<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(skip_serializing_if = "<[Source]>::is_empty")]
    sources: &'a [Source],
}

#[derive(Deserialize)]
struct Sources {
    #[serde(default)]
    sources: Vec<Source>,
}

/// What a row keeps, as JSON. The form of rows from before sources were kept is the record alone: both are read.
///
/// # Errors
/// Never for a record that came from a mapper: only a number that JSON cannot hold is refused.
pub fn keep(record: &Record, sources: &[Source]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Keep { record: &summary(record), sources })
}

/// What a row keeps, read back; `None` if it is of a version that this build does not know.
#[must_use]
pub fn kept(json: &[u8]) -> Option<(Record, Vec<Source>)> {
    // Two passes are cheaper than one that must hold every field until it knows whose it is.
    let record = serde_json::from_slice(json).ok()?;
    let Sources { sources } = serde_json::from_slice(json).ok()?;
    Some((record, sources))
}
