//! The five verbs of a sync, and what follows it.

mod anonymize;
mod fetch;
mod normalize;
mod resolve;
mod settle;
mod write;

pub use anonymize::Anonymize;
pub use fetch::Fetch;
pub use normalize::{Believed, Normalize};
pub use resolve::Resolve;
pub use settle::Settle;
pub use write::Write;

pub(crate) use resolve::gone::surely_read;

use crate::{
    bus::Unreachable,
    clock::Clock,
    provider::ProviderError,
    stage::{Answer, Later, Made},
};
use schemas::{
    data_type::DataType,
    event::{Count, Fate, Reason},
    time::Instant,
};
use std::{collections::BTreeMap, time::Duration};

/// The pause after a provider throttled us without saying when to come back.
const THROTTLED_PAUSE: Duration = Duration::from_secs(60);
/// How often an answer that cannot be read is asked for again: it may be a passing error page.
const MALFORMED_TRIES: i32 = 3;
/// How often a provider that is not available is asked again.
const TRIES: i32 = 12;

/// What a failed read means for the event: the one place where a provider's error becomes an answer.
fn after_read_error<I, O>(err: &ProviderError, clock: &Clock) -> Answer<I, O> {
    let later = |at: Option<Instant>, gives_up| Answer::Later(Later { at, gives_up });
    match err {
        ProviderError::Throttled { until } => {
            later(Some(until.unwrap_or_else(|| clock.now().plus(THROTTLED_PAUSE))), None)
        }
        ProviderError::Unavailable { .. } | ProviderError::Unknown { .. } | ProviderError::Late => {
            later(None, Some((TRIES, Reason::AttemptsSpent)))
        }
        ProviderError::Malformed { .. } => later(None, Some((MALFORMED_TRIES, Reason::Malformed))),
        ProviderError::TokenExpired | ProviderError::AccessRevoked => Answer::End(Reason::AccessRevoked),
        ProviderError::Forbidden { .. } => Answer::End(Reason::Forbidden),
        ProviderError::Refused { .. } | ProviderError::NotFound => Answer::End(Reason::ProviderRefused),
        ProviderError::Unsupported { .. } => Answer::End(Reason::Unsupported),
    }
}

/// Counts by type, fate and reason, in a stable order.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(DataType, Fate, Option<Reason>), i64>);

impl Tally {
    pub(crate) fn add(&mut self, data_type: DataType, fate: Fate, reason: Option<Reason>) {
        self.add_many(data_type, fate, reason, 1);
    }

    pub(crate) fn add_many(&mut self, data_type: DataType, fate: Fate, reason: Option<Reason>, count: i64) {
        *self.0.entry((data_type, fate, reason)).or_default() += count;
    }

    pub(crate) fn counts(&self) -> Vec<Count> {
        let count = |((data_type, fate, reason), count): (&(DataType, Fate, Option<Reason>), &i64)| Count {
            data_type: *data_type,
            fate: *fate,
            reason: *reason,
            count: *count,
        };
        self.0.iter().map(count).collect()
    }
}

/// A step with these outputs.
fn made<I, O>(outputs: Vec<schemas::event::Envelope<O>>) -> Result<Answer<I, O>, Unreachable> {
    Ok(Answer::Made(Made::only(outputs)))
}

#[cfg(test)]
mod tests;
