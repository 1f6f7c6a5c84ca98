//! What is brought to a provider, and what it answers.

use schemas::{
    data_type::DataType,
    id::{ItemId, OpId},
    record::Record,
    time::Instant,
};
use std::time::Duration;

/// An operation to be brought to a provider.
#[derive(Clone, Copy, Debug)]
pub struct WriteOperation<'a> {
    /// Its id; the same on every attempt.
    pub op: OpId,
    /// The item: the mark to leave in the record, and its id there where we may choose it.
    pub item: ItemId,
    /// The item's version that this brings.
    pub version: i64,
    /// What to do.
    pub action: Action<'a>,
}

/// What to do at a provider.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Make a new record.
    Create {
        /// What it is to be, as [`project`](super::DataProvider::project) gave it.
        record: &'a Record,
    },
    /// Change one of ours.
    Update {
        /// Its id there.
        external_id: &'a str,
        /// What it is to be.
        record: &'a Record,
    },
    /// Delete one of ours.
    Delete {
        /// Its id there.
        external_id: &'a str,
        /// Of which type it is.
        data_type: DataType,
    },
}

/// What a provider said to a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It holds the record now, under this id.
    Applied {
        /// The record's id there.
        external_id: String,
    },
    /// It took the record and works on it (class B); ask later with the handle.
    Pending {
        /// What to ask with.
        handle: String,
        /// How long to wait before asking.
        wait: Duration,
    },
    /// It already holds such a record.
    Duplicate {
        /// The record's id there.
        external_id: String,
        /// Whether that record carries our mark.
        ours: bool,
    },
}

/// Why a call gave no result, named by what happens next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Too many calls: nothing was done; again at that time. Not an attempt.
    #[error("throttled by the provider's rate limit")]
    Throttled {
        /// When to try again; `None` if the provider did not say.
        until: Option<Instant>,
    },
    /// The access token is no longer good: refresh it once and call again.
    #[error("the access token was not accepted")]
    TokenExpired,
    /// The person or the provider withdrew our access: the person must connect again.
    #[error("access was withdrawn; the account must be connected again")]
    AccessRevoked,
    /// Access is good but this is not allowed with it: a scope was not granted, an account is not linked.
    #[error("not allowed: {reason}")]
    Forbidden {
        /// Which scope, which account.
        reason: String,
    },
    /// The send window had passed before the first byte: nothing was sent; claim again.
    #[error("the send window had passed")]
    Late,
    /// Nothing was done, and it may work later.
    #[error("the provider is not available: {what}")]
    Unavailable {
        /// What was seen (a status, a failed connection), never a body.
        what: String,
    },
    /// It may have been done or not: only a look at the destination can tell.
    #[error("the provider's answer was lost: {what}")]
    Unknown {
        /// What was seen.
        what: String,
    },
    /// This will never be accepted as it is.
    #[error("refused by the provider: {reason}")]
    Refused {
        /// The provider's stable code or our own words, never a body or a value.
        reason: String,
    },
    /// The thing to be changed or deleted is not there.
    #[error("the record is not there")]
    NotFound,
    /// The answer is not what this service is known to give.
    #[error("the provider's answer cannot be read: {what}")]
    Malformed {
        /// What is wrong with it, never its values.
        what: String,
    },
    /// This provider has no such verb.
    #[error("the provider cannot do this: {what}")]
    Unsupported {
        /// What it cannot do.
        what: String,
    },
}
