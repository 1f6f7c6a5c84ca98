//! What is read from a provider, and what a mapper makes of it.

use bytes::Bytes;
use schemas::{
    data_type::DataType,
    record::Record,
    time::{Instant, Interval},
};
use std::io;

/// A file to be cut.
pub trait ReadSeek: io::Read + io::Seek + Send {}

impl<T: io::Read + io::Seek + Send> ReadSeek for T {}

/// One page of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media type, as `normalize` wants it.
    pub content_type: String,
    /// The bytes.
    pub body: Bytes,
}

/// Why a file cannot be cut: says what is wrong with it and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SplitError(pub String);

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Records of this type.
    pub data_type: DataType,
    /// Which of them.
    pub what: What,
    /// Where the last page said to go on; absent for the first.
    pub cursor: Option<String>,
}

/// Which records to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All whose start (for sleep: end) lies in it.
    Window(Interval),
    /// The same, but their samples may be left out where leaving them out saves calls: only what a destination has is
    /// looked at.
    Look(Interval),
    /// The ones of these ids; one that is gone comes back as a tombstone.
    Named(Vec<String>),
}

/// One page, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The bytes of the answer; for a page that takes several calls, a JSON object that holds each answer as it came.
    pub body: Bytes,
    /// Media type of `body`.
    pub content_type: String,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
    /// The provider's own clock (its `Date` header) when it answered, if it said so.
    pub provider_time: Option<Instant>,
}

/// A page to be mapped.
#[derive(Clone, Copy, Debug)]
pub struct RawPage<'a> {
    /// The type asked for; absent for a file, which may hold several.
    pub data_type: Option<DataType>,
    /// Media type of `body`.
    pub content_type: &'a str,
    /// The bytes.
    pub body: &'a [u8],
    /// The file's name, for files; else empty.
    pub name: &'a str,
}

/// What a mapper made of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Normal {
    /// The records. `origin.connection` is not set; the stage sets it.
    pub records: Vec<Record>,
    /// What was left out or repaired, and why.
    pub issues: Vec<Issue>,
}

/// Something that was left out of a page or repaired. Never holds a health value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Issue {
    /// Stable code: one of [`ISSUES`](super::ISSUES).
    pub code: &'static str,
    /// Which record or place in the file it concerns (an id, an element, a byte offset).
    pub at: String,
    /// What it means, for a person.
    pub text: String,
}

/// Why a page could not be mapped at all: says what it is instead, never its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MapperError(pub String);

/// A record found at a destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its id there.
    pub external_id: String,
    /// The mark that we left in it, if it is one of ours.
    pub marker: Option<String>,
    /// The record.
    pub record: Record,
}
