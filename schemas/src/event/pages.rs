//! [`Fetched`] and [`Normalized`]: a page as it came, and its canonical records.

use super::{Account, Count, Destination, Event, Kind, Lane, Payload};
use crate::{
    data_type::DataType,
    time::{Instant, Interval},
};
use serde::{Deserialize, Serialize};

/// Which side of a sync a page was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The source.
    #[default]
    Source,
    /// A destination, before anything is written there.
    Destination,
}

/// One page of one connection, as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fetched {
    /// Which side it was read from.
    pub side: Side,
    /// Which account it was read from.
    pub account: Account,
    /// The sync's source.
    pub source: Account,
    /// The type that was asked for; absent for a delivered body.
    pub data_type: Option<DataType>,
    /// The destinations it is for; for a destination's page, that destination.
    pub destinations: Vec<Destination>,
    /// The page.
    pub page: Payload,
    /// Its number in the sync, from 0.
    pub number: i32,
    /// When it was read: the provider's clock where it says, else ours.
    pub fetched_at: Instant,
    /// The stretch that the whole reading, of which this is a page, covers; absent for named records and bodies.
    pub window: Option<Interval>,
    /// Whether it is the last page of that reading, so that the window is completely read.
    pub last: bool,
    /// The version of the provider's interface.
    pub api_version: String,
    /// Which lane it travels in.
    pub lane: Lane,
}

/// The canonical records of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalized {
    /// Which side it was read from.
    pub side: Side,
    /// Which account it was read from.
    pub account: Account,
    /// The sync's source.
    pub source: Account,
    /// The type that was asked for; absent for a delivered body.
    pub data_type: Option<DataType>,
    /// The destinations it is for.
    pub destinations: Vec<Destination>,
    /// The records ([`crate::record::Records`] in Avro).
    pub records: Payload,
    /// How many there are, by type.
    pub counts: Vec<Count>,
    /// What was left out or repaired, by code.
    pub issues: Vec<IssueCount>,
    /// When the page was read.
    pub fetched_at: Instant,
    /// The stretch that the reading covers, as in [`Fetched`].
    pub window: Option<Interval>,
    /// Whether it is the last page of that reading.
    pub last: bool,
    /// The mapper that made it.
    pub mapper_version: i32,
    /// Which lane it travels in.
    pub lane: Lane,
}

/// How many issues of a kind a page had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueCount {
    /// The issue's stable code.
    pub code: String,
    /// How many.
    pub count: i32,
}

impl Event for Fetched {
    const KIND: Kind = Kind::Fetched;
}

impl Event for Normalized {
    const KIND: Kind = Kind::Normalized;
}
