//! Events as an operator reads them: decoded, with what is sealed left sealed. They are read from the log, which
//! holds all that was ever published, but for what only others read: that is on the bus alone.

use crate::{
    bus::{Bus, Unreachable},
    store::{Log, Logged, StepKey},
};
use schemas::{
    codec::{self, DecodeError},
    event::{Analytics, Envelope, Event, Fetched, Kind, Normalized, Outcome, Rejected, Requested, Resolved, Settled},
    id::{EventId, Subject, SyncId},
    time::{Instant, Interval},
    topics::TopicName,
};
use serde_json::{Value, json};

/// How many steps are read at once.
const STEPS_MAX: usize = 200;
/// How many messages of a partition are read at once.
const MESSAGES_MAX: i64 = 500;
/// A day, ms.
const DAY_MS: i64 = 24 * 3600 * 1000;

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

/// Where a reader stands.
#[derive(Clone, Debug)]
pub enum Position {
    /// In the log: after this step.
    Log(Option<(Instant, StepKey)>),
    /// On the bus: the next offset of each partition.
    Bus(Vec<i64>),
}

impl Position {
    /// Where a reader begins who wants only news, or also what is there.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    pub async fn first(bus: &dyn Bus, topic: TopicName, only_news: bool) -> Result<Self, Unreachable> {
        if topic.kind != Kind::Analytics {
            return Ok(Self::Log(None));
        }
        let held = bus.held(topic).await?.unwrap_or_default();
        Ok(Self::Bus(held.into_iter().map(|it| if only_news { it.end } else { it.start }).collect()))
    }
}

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
/// When log or bus cannot be reached.
pub async fn next(
    (log, bus): (&dyn Log, &dyn Bus),
    wanted: &Wanted,
    position: &mut Position,
) -> Result<(Vec<Value>, bool), Unreachable> {
    match position {
        Position::Log(after) => in_log(log, wanted, after).await,
        Position::Bus(next) => on_bus(bus, wanted, next).await,
    }
}

async fn in_log(
    log: &dyn Log,
    wanted: &Wanted,
    after: &mut Option<(Instant, StepKey)>,
) -> Result<(Vec<Value>, bool), Unreachable> {
    let span = Interval { from: wanted.from, to: Instant(i64::MAX) };
    let page = log.scan(span, wanted.subject.as_ref(), after.clone(), STEPS_MAX).await?;
    let Some(last) = page.last() else { return Ok((Vec::new(), false)) };
    *after = Some(last.clone());
    let is_full = page.len() == STEPS_MAX;
    let keys: Vec<StepKey> =
        page.into_iter().map(|it| it.1).filter(|it| wanted.sync.is_none_or(|sync| it.sync == sync)).collect();
    let mut told = Vec::new();
    for step in log.recall(&keys).await?.into_iter().flatten() {
        told.extend(step.outputs.iter().filter(|it| it.topic == wanted.topic).map(tell));
    }
    Ok((told, is_full))
}

/// From every partition that has news, a page.
async fn on_bus(bus: &dyn Bus, wanted: &Wanted, next: &mut [i64]) -> Result<(Vec<Value>, bool), Unreachable> {
    let held = bus.held(wanted.topic).await?.unwrap_or_default();
    let (mut told, mut has_more) = (Vec::new(), false);
    for ((partition, held), next) in (0..).zip(held).zip(next) {
        let from = held.start.max(*next);
        let to = held.end.min(from + MESSAGES_MAX);
        if from >= to {
            continue;
        }
        let found = bus.read(wanted.topic, partition, from..to).await?.unwrap_or_default();
        for (_, bytes) in found {
            let event = Logged { id: EventId(uuid::Uuid::nil()), topic: wanted.topic, bytes };
            told.extend(wants(wanted, &event).then(|| tell(&event)));
        }
        *next = to;
        has_more |= to < held.end;
    }
    Ok((told, has_more))
}

/// Whether an event on the bus is wanted. Its time is that of its day, and nothing is said of a time of day.
fn wants(wanted: &Wanted, event: &Logged) -> bool {
    let Ok(event) = codec::decode::<Envelope<Analytics>>(&event.bytes) else { return true };
    let day = Instant(wanted.from.0.saturating_sub(wanted.from.0.rem_euclid(DAY_MS)));
    event.head.at >= day
        && wanted.subject.as_ref().is_none_or(|it| *it == event.head.subject)
        && wanted.sync.is_none_or(|it| it == event.head.sync)
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
