//! Stages: verbs that make events of one type out of events of another and hold no state.

use crate::{
    bus::{Message, Unreachable},
    store::Logged,
};
use async_trait::async_trait;
use schemas::{
    codec::{self, DecodeError},
    event::{Envelope, Event, Head, Lane, Reason, Requested},
    id::Subject,
    time::Instant,
    topics::{self, TopicName},
};
use std::{fmt, future::Future, sync::Arc};

/// A verb of the flow.
pub trait Stage: fmt::Debug + Send + Sync + 'static {
    /// What it takes.
    type In: Event;
    /// What it makes.
    type Out: Event;
    /// Its name in the log, metrics and drawings. It never changes: steps are known by it.
    const NAME: &'static str;
    /// How many of a person's events it takes at once: 1, in order, or more, one a lane.
    const AT_ONCE: usize;

    /// Within a person, what must stay in order: inputs of one lane are taken one after the other.
    fn lane(_input: &Envelope<Self::In>) -> String {
        String::new()
    }

    /// What a step of this input is known by, besides the stage: the event, but for stages with one step a sync.
    fn cause(input: &Envelope<Self::In>) -> schemas::id::EventId {
        input.head.id
    }

    /// Whether its step ends the sync.
    const CLOSES: bool = false;

    /// Whether it only follows, and is no part of the sync: what it makes is published before its step is appended,
    /// under the subject in its own head, and the log does not keep it; what it cannot take ends nothing.
    const FOLLOWS: bool = false;

    /// What it makes of an input. Doing it twice arrives at the same ids.
    ///
    /// # Errors
    /// When one of our own servers is out of reach: the input is then neither answered nor acknowledged.
    fn process(
        &self,
        input: &Envelope<Self::In>,
    ) -> impl Future<Output = Result<Answer<Self::In, Self::Out>, Unreachable>> + Send;
}

/// What a stage makes of an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<I, O> {
    /// A step: it is appended, then its outputs are published.
    Made(Made<I, O>),
    /// Not now: a timer is written, nothing is appended, and the event stays open.
    Later(Later),
    /// It ended early, without operations.
    End(Reason),
    /// It can never be taken.
    Reject(Reason),
    /// Nothing is to be said of it (Settle, while its sync has open events): acknowledged without a step.
    Nothing,
}

/// A step's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Made<I, O> {
    /// What it made.
    pub outputs: Vec<Envelope<O>>,
    /// How it goes on: events of its own input type.
    pub again: Vec<Envelope<I>>,
    /// Other syncs that it begins.
    pub roots: Vec<Envelope<Requested>>,
}

impl<I, O> Made<I, O> {
    /// Only outputs.
    #[must_use]
    pub fn only(outputs: Vec<Envelope<O>>) -> Self {
        Self { outputs, again: Vec::new(), roots: Vec::new() }
    }
}

/// When an event is to be delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// When; `None` leaves it to the back-off.
    pub at: Option<Instant>,
    /// The number of failed attempts at which it is given up with this reason; `None` if waiting is no failure.
    pub gives_up: Option<(i32, Reason)>,
}

/// What [`Stage`]s look like to the runner: typed inside, bytes outside.
#[async_trait]
pub(crate) trait AnyStage: fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn at_once(&self) -> usize;
    fn closes(&self) -> bool;
    fn follows(&self) -> bool;
    fn decode(self: Arc<Self>, bytes: &[u8]) -> Result<Box<dyn Work>, DecodeError>;
}

/// One decoded input.
#[async_trait]
pub(crate) trait Work: Send + Sync {
    fn head(&self) -> &Head;
    fn lane(&self) -> String;
    fn cause(&self) -> schemas::id::EventId;
    async fn process(&self) -> Result<AnyAnswer, Unreachable>;
}

/// An [`Answer`] in bytes.
pub(crate) enum AnyAnswer {
    Made {
        outputs: Vec<Logged>,
        roots: Vec<Logged>,
    },
    /// What a follower made: to be published, not to be kept.
    Followed(Vec<Message>),
    Later(Later),
    End(Reason),
    Reject(Reason),
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Erased<S> {
    pub(crate) stage: Arc<S>,
    pub(crate) from: TopicName,
    pub(crate) to: TopicName,
}

struct Decoded<S: Stage> {
    of: Arc<Erased<S>>,
    input: Envelope<S::In>,
}

#[async_trait]
impl<S: Stage> AnyStage for Erased<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn at_once(&self) -> usize {
        S::AT_ONCE
    }

    fn closes(&self) -> bool {
        S::CLOSES
    }

    fn follows(&self) -> bool {
        S::FOLLOWS
    }

    fn decode(self: Arc<Self>, bytes: &[u8]) -> Result<Box<dyn Work>, DecodeError> {
        Ok(Box::new(Decoded { input: codec::decode::<Envelope<S::In>>(bytes)?, of: self }))
    }
}

#[async_trait]
impl<S: Stage> Work for Decoded<S> {
    fn head(&self) -> &Head {
        &self.input.head
    }

    fn lane(&self) -> String {
        S::lane(&self.input)
    }

    fn cause(&self) -> schemas::id::EventId {
        S::cause(&self.input)
    }

    async fn process(&self) -> Result<AnyAnswer, Unreachable> {
        Ok(match self.of.stage.process(&self.input).await? {
            Answer::Made(made) if S::FOLLOWS => {
                let to = self.of.to;
                let followed = made.outputs.iter().map(|it| message(&it.head.subject, &logged(it, to)));
                AnyAnswer::Followed(followed.collect())
            }
            Answer::Made(made) => {
                let again = made.again.iter().map(|it| logged(it, self.of.from));
                let outputs = made.outputs.iter().map(|it| logged(it, self.of.to)).chain(again).collect();
                AnyAnswer::Made { outputs, roots: made.roots.iter().map(root).collect() }
            }
            Answer::Later(later) => AnyAnswer::Later(later),
            Answer::End(reason) => AnyAnswer::End(reason),
            Answer::Reject(reason) => AnyAnswer::Reject(reason),
            Answer::Nothing => AnyAnswer::Nothing,
        })
    }
}

/// A logged event as it is published.
pub(crate) fn message(key: &Subject, event: &Logged) -> Message {
    Message { topic: event.topic, key: key.clone(), id: event.id, bytes: event.bytes.clone() }
}

/// An event as the log keeps it.
pub(crate) fn logged<E: Event>(event: &Envelope<E>, topic: TopicName) -> Logged {
    Logged { id: event.head.id, topic, bytes: codec::encode(event).into() }
}

/// The event that begins a sync, as the log keeps it.
pub(crate) fn root(event: &Envelope<Requested>) -> Logged {
    logged(event, topics::requested(event.body.lane).name)
}

/// The lane of a topic; shared topics are in the hot one's care.
pub(crate) fn lane_of(topic: TopicName) -> Lane {
    topic.lane.unwrap_or_default()
}
