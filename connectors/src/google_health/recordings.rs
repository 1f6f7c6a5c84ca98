//! Reading what was measured along exercises: one further call for each, whose answer (TCX within JSON) goes into the
//! page beside the exercises.

use super::{errors, profile::Feed, write};
use engine::{
    provider::{PAGE_BYTES_MAX, ProviderError, Verb},
    session::Session,
};
use reqwest::Method;
use serde_json::Value;

/// What a page has of the recordings of its exercises.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    /// The members of a JSON object: an exercise's id, and the answer as it came or the code of why there is none.
    members: Vec<u8>,
    /// The person did not grant this: there is no use in asking for the next one.
    is_forbidden: bool,
}

impl Recordings {
    /// Asks for the recording of an exercise, if there may be one. `n_bytes` is how much the page holds beside
    /// recordings. Says whether the page has room for it: without, the exercise belongs on the next page.
    ///
    /// # Errors
    /// What the whole page is to be asked for again for: throttling, an answer that was lost.
    pub(super) async fn add(
        &mut self,
        session: &Session,
        feed: &Feed,
        point: &Value,
        n_bytes: usize,
    ) -> Result<bool, ProviderError> {
        let Some(id) = id(point).filter(|_| is_measured(point)) else { return Ok(true) };
        let Ok(name) = write::name(feed, id) else { return Ok(true) };
        let answer = if self.is_forbidden { Err("forbidden") } else { export(session, &name).await? };
        self.is_forbidden |= answer == Err("forbidden");
        let mut value = answer.unwrap_or_else(|code| format!("\"{code}\"").into());
        // What frames them is counted generously.
        let taken = n_bytes.saturating_add(self.members.len()).saturating_add(1_024);
        if taken.saturating_add(value.len()) > PAGE_BYTES_MAX {
            if !self.members.is_empty() {
                return Ok(false);
            }
            value = b"\"too_large\"".to_vec();
        }
        if !self.members.is_empty() {
            self.members.push(b',');
        }
        // An id that may stand in a path needs no escapes.
        self.members.extend_from_slice(format!("\"{id}\":").as_bytes());
        self.members.extend_from_slice(&value);
        Ok(true)
    }

    /// The member of a page that holds them, with a comma before it; empty if there are none.
    pub(super) fn member(&self) -> Vec<u8> {
        if self.members.is_empty() { Vec::new() } else { [b",\"tcx\":{", self.members.as_slice(), b"}"].concat() }
    }
}

/// The id of a point, which is the last part of its name.
pub(super) fn id(point: &Value) -> Option<&str> {
    point.get("name")?.as_str()?.rsplit('/').next().filter(|it| !it.is_empty())
}

/// Whether a device measured along the way: it had GPS, or it felt a pulse. What a person typed in and what a service
/// wrote through this API have summaries alone.
fn is_measured(point: &Value) -> bool {
    let at = |pointer: &str| point.pointer(pointer);
    let is_summary = at("/dataSource/recordingMethod").is_some_and(|it| it == "MANUAL")
        || at("/dataSource/platform").is_some_and(|it| it == "GOOGLE_WEB_API");
    let has_gps = at("/exercise/exerciseMetadata/hasGps").is_some_and(|it| *it == Value::Bool(true));
    let has_pulse = at("/exercise/metricsSummary/averageHeartRateBeatsPerMinute").is_some();
    !is_summary && (has_gps || has_pulse)
}

/// The answer as it came, or the code of why there is none and never will be.
async fn export(session: &Session, name: &str) -> Result<Result<Vec<u8>, &'static str>, ProviderError> {
    // Partial: a heart-rate band has no GPS, and its points are wanted all the same.
    let request = session.api(Method::GET, &format!("/v4/{name}:exportExerciseTcx")).query(&[("partialData", "true")]);
    let reply = match session.send(Verb::Read, request).await {
        Ok(reply) => reply,
        // Before it is looked at, an answer can only be too large.
        Err(ProviderError::Malformed { .. }) => return Ok(Err("too_large")),
        Err(err) => return Err(err),
    };
    match errors::success(reply, Verb::Read) {
        Ok(reply) => {
            let _: Value = reply.json()?;
            Ok(Ok(reply.body.to_vec()))
        }
        Err(ProviderError::Forbidden { reason }) if !reason.contains("ACCOUNT_NOT_LINKED") => Ok(Err("forbidden")),
        Err(ProviderError::NotFound) => Ok(Err("not_found")),
        Err(ProviderError::Refused { .. }) => Ok(Err("refused")),
        Err(err) => Err(err),
    }
}
