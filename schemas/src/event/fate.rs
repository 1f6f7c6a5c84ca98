//! What becomes of a record, and why.

use crate::data_type::DataType;
use serde::{Deserialize, Serialize};

/// How many records met which fate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Count {
    /// Their type.
    pub data_type: DataType,
    /// Their fate.
    pub fate: Fate,
    /// Why, where a fate has reasons.
    pub reason: Option<Reason>,
    /// How many.
    pub count: i64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Read at the source.
    #[default]
    Read,
    /// Seen at the destination.
    Seen,
    /// Made at the destination.
    Created,
    /// Changed there.
    Updated,
    /// Deleted there.
    Deleted,
    /// Left alone, with a reason.
    Skipped,
    /// Handed to a device, which will report.
    HandedOver,
    /// Refused for good, with a reason.
    Refused,
    /// Ended without effect, with a reason.
    Ended,
    /// Nobody can know whether the destination has it.
    Unknown,
}

/// Why something was skipped, ended or refused. A closed set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A reason that this build does not know; a newer writer gave it.
    #[default]
    Other,
    /// The destination already holds this content from us.
    Unchanged,
    /// The destination already has this record from elsewhere.
    Foreign,
    /// It is our own copy, read back.
    Echo,
    /// A newer, or a more complete, state of the record was already seen.
    Stale,
    /// The rule lets the destination's content stand.
    DestinationPreferred,
    /// The destination's content was changed later.
    DestinationNewer,
    /// Deletions are not carried over by this config.
    DeletionKept,
    /// The destination cannot hold records of this kind.
    NotWritable,
    /// The destination cannot change a record.
    CannotUpdate,
    /// The destination cannot delete a record.
    CannotDelete,
    /// A newer version of the item is on its way.
    Superseded,
    /// The config was changed, paused or removed.
    Withdrawn,
    /// The account's access was withdrawn; it must be connected again.
    AccessRevoked,
    /// The account was disconnected here.
    Disconnected,
    /// The sync was cancelled.
    Cancelled,
    /// The person was erased.
    Erased,
    /// Another sync covered it.
    Covered,
    /// It was no longer wanted.
    Expired,
    /// It failed too often.
    AttemptsSpent,
    /// The provider's answer could not be read.
    Malformed,
    /// Bytes that are no event.
    Undecodable,
    /// The content's key is gone.
    PayloadExpired,
    /// A scope is missing or the account is not linked.
    Forbidden,
    /// The provider refused it for good.
    ProviderRefused,
    /// The record to change is no longer there.
    NotFound,
    /// More pages than a sync may have.
    TooManyPages,
    /// The answer was lost, and the destination cannot tell.
    AnswerLost,
    /// This build has no such provider or verb.
    Unsupported,
    /// A destination could not be read and was split off as a sync of its own.
    SplitOff,
    /// Another source's record of the same thing is there, and this one adds nothing to it.
    Matched,
    /// It is the same thing as another source's record, and the terms of a source forbid to combine the two.
    CombiningForbidden,
    /// Only the person can tell, and is asked: whether it is the same thing as another record, or, when the source no
    /// longer has it, whether our copy is to go too.
    InReview,
    /// A rule of the config leaves it out.
    Filtered,
    /// A rule of the config puts it off.
    Delayed,
    /// It is from before the day that the config begins at.
    ExcludedBefore,
    /// A rule of the config sends it to another destination only.
    RoutedElsewhere,
}

impl Reason {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 37] = [
        Self::Other,
        Self::Unchanged,
        Self::Foreign,
        Self::Echo,
        Self::Stale,
        Self::DestinationPreferred,
        Self::DestinationNewer,
        Self::DeletionKept,
        Self::NotWritable,
        Self::CannotUpdate,
        Self::CannotDelete,
        Self::Superseded,
        Self::Withdrawn,
        Self::AccessRevoked,
        Self::Disconnected,
        Self::Cancelled,
        Self::Erased,
        Self::Covered,
        Self::Expired,
        Self::AttemptsSpent,
        Self::Malformed,
        Self::Undecodable,
        Self::PayloadExpired,
        Self::Forbidden,
        Self::ProviderRefused,
        Self::NotFound,
        Self::TooManyPages,
        Self::AnswerLost,
        Self::Unsupported,
        Self::SplitOff,
        Self::Matched,
        Self::CombiningForbidden,
        Self::InReview,
        Self::Filtered,
        Self::Delayed,
        Self::ExcludedBefore,
        Self::RoutedElsewhere,
    ];

    /// Its stable code in JSON, tables and metrics.
    #[must_use]
    pub fn code(self) -> String {
        // The serde name is the code: one list, not two.
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(code)) => code,
            _ => String::from("other"),
        }
    }
}
