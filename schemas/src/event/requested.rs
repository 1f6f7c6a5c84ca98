//! [`Requested`]: a sync, or its next page, is asked for.

use super::{Event, Kind, Payload};
use crate::{
    data_type::DataType,
    id::{ConfigId, ConnectionId},
    time::{Instant, Interval},
};
use serde::{Deserialize, Serialize};

/// An account of a person at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// The connection.
    pub connection: ConnectionId,
    /// Which provider.
    pub provider: String,
}

/// Where records are to go, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The account.
    pub account: Account,
    /// The config that wants it; absent for an import.
    pub config: Option<ConfigId>,
    /// The version of that config.
    pub config_version: i64,
    /// What happens when both sides have the record.
    pub rule: Rule,
    /// What happens when the source's record is gone.
    pub deletes: Deletes,
}

/// What happens when both sides have changed a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The source's content is written.
    #[default]
    PrioritiseSource,
    /// The destination's content stays.
    PrioritiseDestination,
    /// The one that was changed last.
    Newest,
}

/// What happens at a destination when the source's record is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletes {
    /// Our copy stays.
    #[default]
    Keep,
    /// Our copy is deleted, where the destination can.
    Mirror,
    /// Our copy stays until the person says what is to become of it.
    Ask,
}

/// A sync, or its next page, is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requested {
    /// Where to read.
    pub source: Account,
    /// What to read; absent for a delivered body, which may hold several types.
    pub data_type: Option<DataType>,
    /// Where it is for.
    pub destinations: Vec<Destination>,
    /// What to cover: fixed in the first event of a sync and inherited.
    pub cover: Cover,
    /// How far the reading has come.
    pub reading: Reading,
    /// Who asked.
    pub trigger: Trigger,
    /// Which lane it travels in.
    pub lane: Lane,
    /// When it is no longer wanted.
    pub expires_at: Option<Instant>,
    /// SHA-256 of the command's canonical JSON, hex: tells a repeated command from another under the same key.
    pub fingerprint: String,
}

/// What a sync is to cover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// Everything in a stretch of time.
    Range(Interval),
    /// Named records, from a notification.
    Named(Named),
    /// A body that was delivered to us: a push, a device upload, a file.
    Delivered(Delivered),
}

/// Named records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Their ids at the source: a JSON array of texts.
    pub ids: Payload,
}

/// A body that was delivered to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Its pages, each standing for itself.
    pub parts: Vec<Payload>,
    /// When it was delivered: the age of what it holds, where the records do not say.
    pub delivered_at: Instant,
}

/// How far the reading of a sync has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// How many looks at destinations are complete.
    pub looks_done: i32,
    /// Where to go on with the present look, or with the source.
    pub cursor: Option<Payload>,
    /// Pages read so far in the whole sync.
    pub pages: i32,
    /// Parts of a delivered body published so far.
    pub parts_done: i32,
    /// A source page that was read before the looks that it calls for.
    pub held: Option<Held>,
}

/// A source page that waits for looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The page.
    pub page: Payload,
    /// When the source read it out.
    pub fetched_at: Instant,
    /// Each type in it, with the stretch that its records lie in.
    pub spans: Vec<TypeSpan>,
    /// Where the source said to go on after it, for named records that take several pages.
    pub next: Option<Payload>,
}

/// A type and the stretch that records of it lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSpan {
    /// The type.
    pub data_type: DataType,
    /// The stretch.
    pub span: Interval,
}

/// Who asked for a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or client, by a command.
    #[default]
    Manual,
    /// A schedule.
    Schedule,
    /// A provider's notification.
    Notification,
    /// A file or a device's upload.
    Delivery,
    /// A destination that could not be read was split off another sync.
    Split,
    /// A replay.
    Replay,
}

/// A lane: an instance of the flow with topics and limits of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A person is waiting.
    #[default]
    Hot,
    /// History and daily work.
    Cold,
}

impl Lane {
    /// Both live lanes.
    pub const ALL: [Self; 2] = [Self::Hot, Self::Cold];

    /// Its name in topics and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }
}

impl Event for Requested {
    const KIND: Kind = Kind::Requested;
}
