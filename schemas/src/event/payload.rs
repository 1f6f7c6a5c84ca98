//! Content that only the person's key opens.

use crate::id::EventId;
use serde::{Deserialize, Serialize};

/// Content that only the person's key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The event that first carried it: part of what the seal is bound to, so that a replay can open it.
    pub carrier: EventId,
    /// Which of the person's keys sealed it.
    pub key_version: i32,
    /// Media type of the content.
    pub content_type: String,
    /// Size of the content, bytes.
    pub size: i64,
    /// Keyed hash of the content, hex: tells equal contents without opening them.
    pub hash: String,
    /// The sealed content (nonce, then ciphertext), up to 256 KiB; absent if `blob` is set.
    #[serde(with = "optional_bytes")]
    pub sealed: Option<Vec<u8>>,
    /// The name under which the sealed content is stored, for a larger one.
    pub blob: Option<String>,
}

mod optional_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|it| serde_bytes::Bytes::new(it)).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<serde_bytes::ByteBuf>::deserialize(from)?.map(serde_bytes::ByteBuf::into_vec))
    }
}
