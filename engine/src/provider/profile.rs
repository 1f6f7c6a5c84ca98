//! What a provider can do, as data.

use schemas::{data_type::DataType, record::Policy};
use std::time::Duration;

/// What a provider can do, as data.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name in events, configuration, the API and on the command line.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How its data come to us.
    pub access: Access,
    /// How a person grants access.
    pub auth: Auth,
    /// What can be read and written, per type. A type that is not listed can do nothing.
    pub types: Vec<TypeProfile>,
    /// Its rate limits.
    pub limits: Vec<Limit>,
    /// The greatest answer that is read, in bytes.
    pub body_bytes_max: usize,
    /// L of the quarantine: how long after a write a read may not yet see it.
    pub read_after_write: Duration,
    /// Whether what was written is read back at once and compared: not where its limits are too tight for that.
    pub reads_back: bool,
    /// How far back a range is read again, because records may appear behind the checkpoint.
    pub overlap: Duration,
    /// How far back its data go at all; `None` where there is no limit.
    pub history_max: Option<Duration>,
    /// Where its service is; a simulator's address in tests and demos.
    pub base_url: &'static str,
    /// Where its authorization server is, when it is another host.
    pub auth_url: &'static str,
    /// Where its tokens are given, when it is another host.
    pub token_url: &'static str,
    /// What its terms allow to be done with its records, whatever a single record says.
    pub policy: Policy,
    /// Version of the mapper; raised whenever `normalize` gives another result for some page.
    pub mapper_version: i32,
    /// Version of the service's interface that this connector speaks.
    pub api_version: &'static str,
}

impl Profile {
    /// What can be done with a type; `None` if nothing.
    #[must_use]
    pub fn of(&self, data_type: DataType) -> Option<&TypeProfile> {
        self.types.iter().find(|it| it.data_type == data_type)
    }
}

/// How a provider's data come to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// We ask.
    Pull,
    /// It says that there is something, then we ask.
    NotifyThenPull,
    /// A file is given to us, or written by us.
    File,
}

/// How a person grants access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing to grant.
    None,
    /// OAuth 2.0 authorization code.
    OAuth2 {
        /// Whether the service takes PKCE (RFC 7636, S256).
        pkce: bool,
        /// Whether an old refresh token still works after its answer was lost.
        refresh_reusable: bool,
    },
}

/// What can be done with one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeProfile {
    /// The type.
    pub data_type: DataType,
    /// Whether it can be read.
    pub read: bool,
    /// How new records are written; `None` if they cannot be.
    pub create: Option<Delivery>,
    /// How records of ours are changed.
    pub update: Option<Delivery>,
    /// How records of ours are deleted.
    pub delete: Option<Delivery>,
    /// Whether others write there too, so that a look is needed before a write.
    pub look: bool,
}

/// How far a destination keeps a repeated write from being a second record (delivery classes A to D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A: the destination compares versions itself.
    Versioned,
    /// B: the destination detects duplicates.
    Deduplicated,
    /// C: it does neither, but what it holds can be listed. `keyed`: we choose the record's id, so that a second
    /// create is refused or replaces, and no listing is needed.
    Listable {
        /// Whether we choose the record's id there.
        keyed: bool,
    },
    /// D: neither; a write is tried at most once.
    Once,
}

impl Delivery {
    /// The letter of the class.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Versioned => 'A',
            Self::Deduplicated => 'B',
            Self::Listable { .. } => 'C',
            Self::Once => 'D',
        }
    }
}

/// A rate limit: at most `calls_max` calls per window, windows beginning at whole multiples of `window` since 1970
/// (Strava's quarter-hours and UTC days are such multiples).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name, the last part of the bucket's name.
    pub name: &'static str,
    /// Whose calls it counts.
    pub scope: Scope,
    /// Which calls it counts.
    pub verbs: Verbs,
    /// How long a window is.
    pub window: Duration,
    /// The most calls in a window.
    pub calls_max: u32,
}

impl Limit {
    /// Whether it counts such calls.
    #[must_use]
    pub fn counts(&self, verb: Verb) -> bool {
        self.verbs == Verbs::All || verb == Verb::Read
    }
}

/// Whose calls a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the whole application.
    App,
    /// Those of one connection.
    Connection,
}

/// Which calls a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// All of them.
    All,
    /// Those that read.
    Reads,
}

/// What a call does at the provider, for limits and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Asks for, renews or withdraws tokens; not counted by limits.
    Auth,
}

impl Verb {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Auth => "auth",
        }
    }
}

/// What a provider's headers say of a limit: `used` of `limit` in the running window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The [`Limit::name`] it speaks of.
    pub name: &'static str,
    /// Calls made in the running window.
    pub used: u32,
    /// Calls allowed in it.
    pub limit: u32,
}
