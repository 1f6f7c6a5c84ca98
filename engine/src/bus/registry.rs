//! The schema registry: which id stands for which of our schemas there.
//!
//! The log and the stages know only the ids of [`schemas::codec::SCHEMAS`]. A registry gives ids of its own; they are
//! put in on the way out and taken off on the way in, and nobody inside ever sees one.

mod client;

pub use self::client::Refused;

use self::client::Client;
use super::{Unreachable, kafka::Names};
use bytes::Bytes;
use schemas::{
    codec::{self, Foreign, Published, SCHEMAS, Subject},
    event::Kind,
    topics::{TopicName, catalogue},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// A registry whose ids of our schemas are known.
pub struct Registry {
    client: Client,
    /// The registry's id of the schema that a topic's events are written with, by topic.
    ids: HashMap<TopicName, HashMap<u32, u32>>,
    known: RwLock<HashMap<(Kind, u32), Arc<Known>>>,
}

/// What an id of the registry stands for.
#[derive(Debug)]
pub enum Known {
    /// One of our own schemas, by our id.
    Ours(u32),
    /// Another version of one, which we can read.
    Other(Box<Foreign>),
    /// Nothing that we can read, and why.
    Unreadable(String),
}

impl Known {
    /// A framed message as if we had written it, without a copy where its bytes are nobody else's.
    ///
    /// # Errors
    /// The message as it came, and why nobody here can read it.
    pub fn reframe(&self, bytes: Bytes) -> Result<Bytes, (Bytes, String)> {
        match self {
            Self::Ours(ours) => {
                let mut bytes = Vec::from(bytes);
                if let Some(place) = bytes.get_mut(1..codec::FRAME_BYTES) {
                    place.copy_from_slice(&ours.to_be_bytes());
                }
                Ok(bytes.into())
            }
            Self::Other(foreign) => foreign.reframe(&bytes).map(Into::into).map_err(|err| (bytes, err.to_string())),
            Self::Unreadable(why) => Err((bytes, why.clone())),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("topics", &self.ids.len()).finish_non_exhaustive()
    }
}

/// The registry's name for the schemas of a topic (its default: topic name strategy).
fn subject_of(names: &Names, topic: TopicName) -> String {
    format!("{}-value", names.topic(topic))
}

/// Our published schemas of a kind of event, oldest first.
fn versions(kind: Kind) -> impl Iterator<Item = &'static Published> {
    SCHEMAS.iter().filter(move |it| it.subject == Subject::Event(kind))
}

impl Registry {
    /// Looks up every schema of every topic. Registers nothing.
    ///
    /// # Errors
    /// When the registry cannot be reached, does not know one of our schemas, or knows other ones in their place.
    pub async fn open(url: &str, names: &Names) -> Result<Self, Refused> {
        let client = Client::new(url)?;
        let (mut ids, mut known) = (HashMap::new(), HashMap::new());
        for name in catalogue().into_iter().map(|it| it.name) {
            let subject = subject_of(names, name);
            let of_topic: &mut HashMap<u32, u32> = ids.entry(name).or_default();
            for published in versions(name.kind) {
                let Some(id) = client.look_up(&subject, published.text).await? else {
                    return Err(Refused::NotYet(format!(
                        "the schema registry does not know version {} of {subject}; run `syncwell schemas push`",
                        published.version
                    )));
                };
                of_topic.insert(published.id, id);
                known.insert((name.kind, id), Arc::new(Known::Ours(published.id)));
            }
            let current = codec::current(Subject::Event(name.kind));
            check(&client, &subject, name.kind, current, of_topic.get(&current.id).copied()).await?;
        }
        Ok(Self { client, ids, known: RwLock::new(known) })
    }

    /// Puts the registry's id of a topic's schema in place of ours.
    pub fn put_in(&self, topic: TopicName, bytes: &mut [u8]) {
        let id = codec::schema_id(bytes).and_then(|ours| self.ids.get(&topic)?.get(&ours));
        if let (Some(id), Some(place)) = (id, bytes.get_mut(1..codec::FRAME_BYTES)) {
            place.copy_from_slice(&id.to_be_bytes());
        }
    }

    /// What an id stands for on topics of a kind, if it is known already.
    #[must_use]
    pub fn known(&self, kind: Kind, id: u32) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&(kind, id)).cloned()
    }

    /// What an id stands for. The registry is asked once.
    ///
    /// # Errors
    /// When it is asked and cannot be reached.
    pub async fn find(&self, kind: Kind, id: u32) -> Result<Arc<Known>, Unreachable> {
        if let Some(known) = self.known(kind, id) {
            return Ok(known);
        }
        let found = match self.client.text(id).await.map_err(|err| Unreachable(err.to_string()))? {
            None => Known::Unreadable(format!("schema id {id} is not known to the registry")),
            Some(text) => match versions(kind).find(|it| codec::is_same(it.text, &text)) {
                Some(published) => Known::Ours(published.id),
                None => match Foreign::parse(&text, Subject::Event(kind)) {
                    Ok(foreign) => Known::Other(Box::new(foreign)),
                    Err(err) => Known::Unreadable(err.to_string()),
                },
            },
        };
        let found = Arc::new(found);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert((kind, id), found.clone());
        Ok(found)
    }
}

/// That the registry's id is really of our schema, and that what others may write by now can be read.
async fn check(
    client: &Client,
    subject: &str,
    kind: Kind,
    current: &Published,
    id: Option<u32>,
) -> Result<(), Refused> {
    if let Some(id) = id
        && !client.text(id).await?.is_some_and(|it| codec::is_same(&it, current.text))
    {
        return Err(Refused::Wrong(format!(
            "the schema registry has another schema under id {id}, which it gave for {subject}; \
             point `registry` at the registry of this cluster, or restore it"
        )));
    }
    if let Some((version, latest)) = client.latest(subject).await?
        && let Err(err) = Foreign::parse(&latest, Subject::Event(kind))
    {
        return Err(Refused::Wrong(format!(
            "version {version} of {subject} in the schema registry is not compatible with this build ({}); \
             use a newer build, or take that version out of the registry",
            err.why
        )));
    }
    Ok(())
}

/// A schema that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The registry's name for it.
    pub subject: String,
    /// Our version of it.
    pub version: u32,
    /// The registry's id.
    pub id: u32,
    /// Whether the registry did not have it before.
    pub is_new: bool,
}

/// Registers every schema of every topic, under the compatibility level `BACKWARD_TRANSITIVE`. Doing it twice changes
/// nothing.
///
/// # Errors
/// When the registry cannot be reached or finds one of them not compatible with what it has.
pub async fn push(url: &str, names: &Names) -> Result<Vec<Pushed>, Refused> {
    let client = Client::new(url)?;
    let mut pushed = Vec::new();
    for name in catalogue().into_iter().map(|it| it.name) {
        let subject = subject_of(names, name);
        client.set_compatibility(&subject).await?;
        for published in versions(name.kind) {
            let before = client.look_up(&subject, published.text).await?;
            let id = match before {
                Some(id) => id,
                None => client.register(&subject, published.text).await?,
            };
            pushed.push(Pushed { subject: subject.clone(), version: published.version, id, is_new: before.is_none() });
        }
    }
    Ok(pushed)
}
