//! Stages and the topics between them, as a value that can be run, drawn and compared.

use crate::stage::{AnyStage, Erased, Stage};
use schemas::{
    event::{Event, Rejected},
    topics::{Topic, TopicName},
};
use std::{fmt, marker::PhantomData, sync::Arc};

/// A finished topology.
#[derive(Clone, Debug)]
pub struct Topology {
    pub(crate) nodes: Vec<Node>,
    pub(crate) rejected: TopicName,
}

/// A stage between two topics.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) from: TopicName,
    pub(crate) stage: Arc<dyn AnyStage>,
    pub(crate) to: TopicName,
}

/// A topology that still grows; `E` is what its last topics carry.
#[derive(Debug)]
pub struct Chain<E> {
    nodes: Vec<Node>,
    ends: Vec<TopicName>,
    carries: PhantomData<fn() -> E>,
}

impl Topology {
    /// Begins with a topic.
    #[must_use]
    pub fn from<E: Event>(topic: Topic<E>) -> Chain<E> {
        Self::from_all([topic])
    }

    /// Begins with several topics, such as one a lane. The first stage reads each of them in a group of its own, so
    /// that none waits for another.
    #[must_use]
    pub fn from_all<E: Event>(topics: impl IntoIterator<Item = Topic<E>>) -> Chain<E> {
        let ends = topics.into_iter().map(|it| it.name).collect();
        Chain { nodes: Vec::new(), ends, carries: PhantomData }
    }

    /// The stages' names, in the order of the flow.
    pub fn stages(&self) -> impl Iterator<Item = &'static str> {
        self.nodes.iter().map(|it| it.stage.name())
    }

    /// Each stage with the topic that it takes from and the one that it gives to.
    pub fn links(&self) -> impl Iterator<Item = (TopicName, &'static str, TopicName)> {
        self.nodes.iter().map(|it| (it.from, it.stage.name(), it.to))
    }

    /// With what follows it, as far as that reads what is made here: to be drawn as one.
    #[must_use]
    pub fn followed_by(mut self, follower: Self) -> Self {
        let made: Vec<TopicName> = self.nodes.iter().map(|it| it.to).collect();
        self.nodes.extend(follower.nodes.into_iter().filter(|it| made.contains(&it.from)));
        self
    }

    /// Only these stages of it (a worker may play some roles and leave others to its peers).
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.nodes.retain(|it| wanted(it.stage.name()));
        self
    }
}

impl<E: Event> Chain<E> {
    /// Goes on with a stage that takes what the last topics carry, and the topic for what it makes.
    #[must_use]
    pub fn then<S: Stage<In = E>>(mut self, stage: S, to: Topic<S::Out>) -> Chain<S::Out> {
        let stage = Arc::new(stage);
        for from in self.ends {
            let erased = Erased { stage: stage.clone(), from, to: to.name };
            self.nodes.push(Node { from, stage: Arc::new(erased), to: to.name });
        }
        Chain { nodes: self.nodes, ends: vec![to.name], carries: PhantomData }
    }

    /// Ends it: what no stage can take goes there.
    #[must_use]
    pub fn rejecting_to(self, topic: Topic<Rejected>) -> Topology {
        Topology { nodes: self.nodes, rejected: topic.name }
    }
}

impl fmt::Display for Topology {
    /// One line a stage: where it reads, what it is called, where it writes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.nodes.iter().map(|it| it.from.to_string().len()).max().unwrap_or(0);
        for node in &self.nodes {
            writeln!(f, "{:width$} -> {:9} -> {}", node.from.to_string(), node.stage.name(), node.to)?;
        }
        write!(f, "{:width$} -> {:9} -> {}", "(any of these)", "rejecting", self.rejected)
    }
}
