//! Google's answers that are no success, as errors named by what happens next.
//!
//! The bodies are google.rpc JSON: `{"error":{"code","message","status","details":[{"reason"}]}}` (AIP-193). Only the
//! stable codes are kept; a message may hold anything.

use engine::{
    provider::{ProviderError, Verb},
    session::Reply,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    error: Status,
}

/// A google.rpc status as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    code: i64,
    status: String,
    details: Vec<Value>,
}

impl Status {
    fn reason(&self) -> &str {
        self.details.iter().find_map(|it| it.get("reason")?.as_str()).unwrap_or("")
    }

    /// Whether it says that a record of that id exists: `ALREADY_EXISTS`, number 6 of google.rpc.Code.
    pub(super) fn is_already_exists(&self) -> bool {
        self.status == "ALREADY_EXISTS" || self.code == 6
    }

    /// Its stable codes, and nothing that a body could smuggle into a log.
    fn codes(&self) -> String {
        let is_code =
            |it: &&str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_uppercase() || it == b'_') && it.len() <= 64;
        let codes: Vec<&str> = [self.status.as_str(), self.reason()].into_iter().filter(is_code).collect();
        codes.join(" ")
    }
}

/// The status in an answer's body, if it is a google.rpc one.
pub(super) fn status_of(reply: &Reply) -> Status {
    serde_json::from_slice::<Envelope>(&reply.body).unwrap_or_default().error
}

/// The answer, if it is a success.
pub(super) fn success(reply: Reply, verb: Verb) -> Result<Reply, ProviderError> {
    if reply.status.is_success() { Ok(reply) } else { Err(error(&reply, verb)) }
}

/// What an answer that is no success stands for.
pub(super) fn error(reply: &Reply, verb: Verb) -> ProviderError {
    let status = status_of(reply);
    match (reply.status.as_u16(), status.status.as_str(), status.reason()) {
        (_, _, "ACCOUNT_NOT_LINKED") => ProviderError::Forbidden {
            reason: "this Google account has no Google Health or Fitbit profile; set one up in the Google Health app, \
                     then connect again (ACCOUNT_NOT_LINKED)"
                .into(),
        },
        (403, _, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => ProviderError::Forbidden {
            reason: "the person did not grant this kind of data; connect again and leave its box ticked \
                     (ACCESS_TOKEN_SCOPE_INSUFFICIENT)"
                .into(),
        },
        (403, _, _) => ProviderError::Forbidden { reason: format!("status 403 {}", status.codes()).trim().into() },
        (429, _, _) | (_, "RESOURCE_EXHAUSTED", _) => {
            ProviderError::Throttled { until: reply.provider_time().and_then(|now| reply.retry_after(now)) }
        }
        (400, _, _) => ProviderError::Refused { reason: format!("status 400 {}", status.codes()).trim().into() },
        _ => reply.error(verb),
    }
}

/// What an error in a finished operation stands for.
pub(super) fn of_operation(status: &Status) -> ProviderError {
    match status.code {
        // google.rpc.Code: INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED.
        3 | 9 | 11 | 12 => ProviderError::Refused { reason: format!("operation code {}", status.code) },
        5 => ProviderError::NotFound,
        7 => ProviderError::Forbidden { reason: "operation code 7 (PERMISSION_DENIED)".into() },
        8 => ProviderError::Throttled { until: None },
        16 => ProviderError::TokenExpired,
        code => ProviderError::Unknown { what: format!("operation code {code}") },
    }
}
