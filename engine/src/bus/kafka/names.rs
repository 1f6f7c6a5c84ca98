//! What topics and groups are called in a namespace.

use schemas::topics::{TopicName, catalogue};
use std::collections::HashMap;

/// The prefix that topics and groups have inside this build.
const OWN: &str = "syncwell.";

/// The names of a namespace: several installations can share one Kafka.
#[derive(Debug)]
pub struct Names {
    namespace: String,
    topics: HashMap<TopicName, String>,
    back: HashMap<String, TopicName>,
}

impl Names {
    /// Those of this namespace.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        let full = |name: TopicName| {
            let text = name.to_string();
            format!("{namespace}.{}", text.strip_prefix(OWN).unwrap_or(&text))
        };
        let topics: HashMap<_, _> = catalogue().into_iter().map(|it| (it.name, full(it.name))).collect();
        let back = topics.iter().map(|(name, text)| (text.clone(), *name)).collect();
        Self { namespace: namespace.to_owned(), topics, back }
    }

    /// A topic's name in Kafka.
    #[must_use]
    pub fn topic(&self, name: TopicName) -> &str {
        self.topics.get(&name).map_or("", String::as_str)
    }

    /// The topic of a name in Kafka.
    #[must_use]
    pub fn back(&self, text: &str) -> Option<TopicName> {
        self.back.get(text).copied()
    }

    /// A group's name in Kafka.
    #[must_use]
    pub fn group(&self, group: &str) -> String {
        format!("{}.{}", self.namespace, group.strip_prefix(OWN).unwrap_or(group))
    }
}
