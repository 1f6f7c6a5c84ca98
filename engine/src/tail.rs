//! Events as an operator reads them: decoded, with what is sealed left sealed. They are read from the log, which
//! holds all that was ever published.

use crate::{
    bus::Unreachable,
    store::{Log, Logged, StepKey},
};
use schemas::{
    codec::{self, DecodeError},
    event::{Analytics, Envelope, Event, Fetched, Kind, Normalized, Outcome, Rejected, Requested, Resolved, Settled},
    id::{Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use serde_json::{Value, json};

/// How many steps are read at once.
const STEPS_MAX: usize = 200;

/// Which events are told.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of this topic.
    pub topic: TopicName,
    /// Of one person.
    pub subject: Option<Subject>,
    /// Of one sync.
    pub sync: Option<SyncId>,
    /// Said from then on.
    pub from: Instant,
}

/// Where a reader stands in the log.
#[derive(Clone, Debug, Default)]
pub struct Position(Option<(Instant, StepKey)>);

/// The topic of a name.
///
/// # Errors
/// Which there are, when there is none of it.
pub fn topic_of(name: &str) -> Result<TopicName, crate::replay::Refused> {
    crate::replay::topic_of(name)
}

/// The next events, in JSON, and whether there may be more at once.
///
/// # Errors
/// When the log cannot be reached.
pub async fn next(log: &dyn Log, wanted: &Wanted, position: &mut Position) -> Result<(Vec<Value>, bool), Unreachable> {
    let span = Interval { from: wanted.from, to: Instant(i64::MAX) };
    let page = log.scan(span, wanted.subject.as_ref(), position.0.clone(), STEPS_MAX).await?;
    let Some(last) = page.last() else { return Ok((Vec::new(), false)) };
    position.0 = Some(last.clone());
    let is_full = page.len() == STEPS_MAX;
    let keys: Vec<StepKey> =
        page.into_iter().map(|it| it.1).filter(|it| wanted.sync.is_none_or(|sync| it.sync == sync)).collect();
    let mut told = Vec::new();
    for step in log.recall(&keys).await?.into_iter().flatten() {
        told.extend(step.outputs.iter().filter(|it| it.topic == wanted.topic).map(tell));
    }
    Ok((told, is_full))
}

/// An event in JSON; bytes that are no event say so.
#[must_use]
pub fn tell(event: &Logged) -> Value {
    let decoded = match event.topic.kind {
        Kind::Requested => value::<Requested>(&event.bytes),
        Kind::Fetched => value::<Fetched>(&event.bytes),
        Kind::Normalized => value::<Normalized>(&event.bytes),
        Kind::Resolved => value::<Resolved>(&event.bytes),
        Kind::Outcome => value::<Outcome>(&event.bytes),
        Kind::Settled => value::<Settled>(&event.bytes),
        Kind::Rejected => value::<Rejected>(&event.bytes),
        Kind::Analytics => value::<Analytics>(&event.bytes),
    };
    match decoded {
        Ok(mut told) => {
            told["topic"] = json!(event.topic.to_string());
            told
        }
        Err(err) => {
            json!({"topic": event.topic.to_string(), "undecodable": err.to_string(), "bytes": event.bytes.len()})
        }
    }
}

fn value<E: Event>(bytes: &[u8]) -> Result<Value, DecodeError> {
    let event: Envelope<E> = codec::decode(bytes)?;
    let mut value = serde_json::to_value(&event).unwrap_or_default();
    seal(&mut value);
    Ok(value)
}

/// Bytes are told by their number alone.
fn seal(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if let (true, Value::Array(bytes)) = (matches!(name.as_str(), "sealed" | "original"), &*field) {
                    *field = json!(format!("{} bytes", bytes.len()));
                } else {
                    seal(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(seal),
        _ => {}
    }
}
