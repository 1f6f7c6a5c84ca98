//! Identity that is derived, not drawn: doing a thing twice arrives at the same id.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};
use uuid::Uuid;

/// The namespace of every id made here (RFC 9562, version 5). It never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x5c1d_77e0_9b1e_5c7a_8a55_3d1f_5e2b_90a1);

fn derive(kind: &str, parts: &[&str]) -> Uuid {
    let mut name = Vec::with_capacity(64);
    for part in std::iter::once(&kind).chain(parts) {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part.as_bytes());
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// One event.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct EventId(
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub Uuid,
);

/// One sync: a job, a chunk of a backfill, a destination split off.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SyncId(
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub Uuid,
);

/// One record of a person at one destination.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ItemId(
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub Uuid,
);

/// One version of one item on its way to its destination.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct OpId(
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub Uuid,
);

/// One account of a person at a provider.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ConnectionId(
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub Uuid,
);

/// One sync config of a person.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ConfigId(
    #[serde(with = "text")]
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub Uuid,
);

/// Text in Avro too: every foreign reader knows the logical type `uuid` on a string.
mod text {
    use super::{Cow, Deserialize, Deserializer, Serializer, Uuid, de};

    pub(super) fn serialize<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
        let text = Cow::<'_, str>::deserialize(from)?;
        Uuid::parse_str(&text).map_err(de::Error::custom)
    }
}

impl EventId {
    /// The id of output `index` that `stage` made of `cause`.
    #[must_use]
    pub fn derived(cause: Self, stage: &str, index: usize) -> Self {
        Self(derive("event", &[&cause.to_string(), stage, &index.to_string()]))
    }

    /// The id of the event that starts a sync.
    #[must_use]
    pub fn root(sync: SyncId) -> Self {
        Self(derive("root", &[&sync.to_string()]))
    }
}

impl SyncId {
    /// The job that a client's key means: the same key on the same route is the same job.
    #[must_use]
    pub fn for_key(subject: &Subject, route: &str, key: &str) -> Self {
        Self(derive("job", &[&subject.0, route, key]))
    }

    /// A sync that another one started, such as a destination that was split off.
    #[must_use]
    pub fn under(parent: Self, what: &str) -> Self {
        Self(derive("under", &[&parent.to_string(), what]))
    }
}

impl ItemId {
    /// The item that the record first seen as `origin` (connection and record id there) is at `destination`.
    #[must_use]
    pub fn derived(
        destination: ConnectionId,
        data_type: &str,
        connection: ConnectionId,
        record: &str,
    ) -> Self {
        Self(derive(
            "item",
            &[&destination.to_string(), data_type, &connection.to_string(), record],
        ))
    }
}

impl OpId {
    /// The operation that brings `version` of `item` to `destination`.
    #[must_use]
    pub fn derived(destination: ConnectionId, item: ItemId, version: i64) -> Self {
        Self(derive("op", &[&destination.to_string(), &item.to_string(), &version.to_string()]))
    }
}

impl ConnectionId {
    /// The connection of a person to an account at a provider; connecting again gives the same one.
    #[must_use]
    pub fn derived(subject: &Subject, provider: &str, account: &str) -> Self {
        Self(derive("connection", &[&subject.0, provider, account]))
    }
}

impl ConfigId {
    /// The config between two connections.
    #[must_use]
    pub fn derived(subject: &Subject, source: ConnectionId, destination: ConnectionId) -> Self {
        Self(derive("config", &[&subject.0, &source.to_string(), &destination.to_string()]))
    }
}

/// A person as events know them: a keyed hash of the user id, never the id itself. The key of every topic.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Subject(pub String);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
