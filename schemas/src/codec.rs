//! How events look on the wire: Avro with Confluent framing.
//!
//! A framed value is a zero byte, the schema's id as four bytes (big endian), and the Avro datum
//! (Confluent wire format). On `memory://` the ids are those of [`SCHEMAS`]; a registry gives others.

mod foreign;

pub use self::foreign::{Foreign, is_same, schema_id};

use crate::{
    event::{Decisions, Envelope, Event, Kind, Results},
    record::Records,
};
use apache_avro::{
    Schema, reader::datum::GenericDatumReader, schema::Name, util::max_allocation_bytes,
    writer::datum::GenericDatumWriter,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{cell::Cell, fmt, sync::LazyLock};

/// What a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An event of this kind.
    Event(Kind),
    /// Sealed content: canonical records.
    Records,
    /// Sealed content: decisions.
    Decisions,
    /// Sealed content: results.
    Results,
}

impl Subject {
    /// Its name: the file in `avro/` without version.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event(kind) => kind.name(),
            Self::Records => "records",
            Self::Decisions => "decisions",
            Self::Results => "results",
        }
    }
}

/// A published version of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Its id in the framing on `memory://`; never used for another schema.
    pub id: u32,
    /// What it describes.
    pub subject: Subject,
    /// Which version, from 1.
    pub version: u32,
    /// The schema, complete in itself.
    pub text: &'static str,
}

/// Every published version, oldest first; the last of a subject is the one that is written.
pub const SCHEMAS: [Published; 23] = [
    Published {
        id: 1,
        subject: Subject::Event(Kind::Requested),
        version: 1,
        text: include_str!("../avro/requested.v1.avsc"),
    },
    Published {
        id: 2,
        subject: Subject::Event(Kind::Fetched),
        version: 1,
        text: include_str!("../avro/fetched.v1.avsc"),
    },
    Published {
        id: 3,
        subject: Subject::Event(Kind::Normalized),
        version: 1,
        text: include_str!("../avro/normalized.v1.avsc"),
    },
    Published {
        id: 4,
        subject: Subject::Event(Kind::Resolved),
        version: 1,
        text: include_str!("../avro/resolved.v1.avsc"),
    },
    Published {
        id: 5,
        subject: Subject::Event(Kind::Outcome),
        version: 1,
        text: include_str!("../avro/outcome.v1.avsc"),
    },
    Published {
        id: 6,
        subject: Subject::Event(Kind::Settled),
        version: 1,
        text: include_str!("../avro/settled.v1.avsc"),
    },
    Published {
        id: 7,
        subject: Subject::Event(Kind::Rejected),
        version: 1,
        text: include_str!("../avro/rejected.v1.avsc"),
    },
    Published { id: 8, subject: Subject::Records, version: 1, text: include_str!("../avro/records.v1.avsc") },
    Published { id: 9, subject: Subject::Decisions, version: 1, text: include_str!("../avro/decisions.v1.avsc") },
    Published { id: 10, subject: Subject::Results, version: 1, text: include_str!("../avro/results.v1.avsc") },
    Published {
        id: 11,
        subject: Subject::Event(Kind::Analytics),
        version: 1,
        text: include_str!("../avro/analytics.v1.avsc"),
    },
    Published {
        id: 12,
        subject: Subject::Event(Kind::Normalized),
        version: 2,
        text: include_str!("../avro/normalized.v2.avsc"),
    },
    Published {
        id: 13,
        subject: Subject::Event(Kind::Resolved),
        version: 2,
        text: include_str!("../avro/resolved.v2.avsc"),
    },
    Published {
        id: 14,
        subject: Subject::Event(Kind::Outcome),
        version: 2,
        text: include_str!("../avro/outcome.v2.avsc"),
    },
    Published {
        id: 15,
        subject: Subject::Event(Kind::Settled),
        version: 2,
        text: include_str!("../avro/settled.v2.avsc"),
    },
    Published {
        id: 16,
        subject: Subject::Event(Kind::Rejected),
        version: 2,
        text: include_str!("../avro/rejected.v2.avsc"),
    },
    Published { id: 17, subject: Subject::Decisions, version: 2, text: include_str!("../avro/decisions.v2.avsc") },
    Published { id: 18, subject: Subject::Results, version: 2, text: include_str!("../avro/results.v2.avsc") },
    Published {
        id: 19,
        subject: Subject::Event(Kind::Requested),
        version: 2,
        text: include_str!("../avro/requested.v2.avsc"),
    },
    Published {
        id: 20,
        subject: Subject::Event(Kind::Fetched),
        version: 2,
        text: include_str!("../avro/fetched.v2.avsc"),
    },
    Published {
        id: 21,
        subject: Subject::Event(Kind::Normalized),
        version: 3,
        text: include_str!("../avro/normalized.v3.avsc"),
    },
    Published {
        id: 22,
        subject: Subject::Event(Kind::Resolved),
        version: 3,
        text: include_str!("../avro/resolved.v3.avsc"),
    },
    Published {
        id: 23,
        subject: Subject::Event(Kind::Outcome),
        version: 3,
        text: include_str!("../avro/outcome.v3.avsc"),
    },
];

/// A schema, parsed, with its reader and writer. Parsed once a process.
struct Parsed {
    published: Published,
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
}

/// The longest text or byte field that is read. Above every field that is written (a sealed payload has at most
/// 256 KiB, a record's texts less), far below what would hurt when a broken length asks for it.
pub const FIELD_BYTES_MAX: usize = 64 * 1024 * 1024;

static PARSED_SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    // The library has one limit a process, which the first call sets; nothing is decoded before this.
    max_allocation_bytes(FIELD_BYTES_MAX);
    SCHEMAS.iter().map(parse).collect()
});

fn parse(published: &Published) -> Schema {
    let mut schema = Schema::parse_str(published.text).expect("a test parses every published schema");
    if let (Subject::Event(_), Schema::Record(event)) = (published.subject, &mut schema) {
        // The library wants a record to be named as its Rust type. On the wire names do not appear, and a foreign
        // reader is better served with one name an event than with seven that are all called Envelope.
        event.name = Name::new("syncwell.Envelope").expect("it is a valid name");
        for field in &mut event.fields {
            if let Schema::Record(body) = &mut field.schema
                && let Some(kind) = body.name.name().strip_suffix("Body")
            {
                body.name = Name::new(format!("syncwell.{kind}")).expect("a part of a valid name is one");
            }
        }
    }
    schema
}

static PARSED: LazyLock<Vec<Parsed>> = LazyLock::new(|| {
    let parse = |(published, schema): (&Published, &'static Schema)| Parsed {
        published: *published,
        // Not human readable: instants are numbers, as their logical type says.
        reader: GenericDatumReader::builder(schema).human_readable(false).build().expect("a test builds every reader"),
        writer: GenericDatumWriter::builder(schema).human_readable(false).build().expect("a test builds every writer"),
    };
    SCHEMAS.iter().zip(PARSED_SCHEMAS.iter()).map(parse).collect()
});

/// The schema that values of this subject are written with.
#[must_use]
pub fn current(subject: Subject) -> &'static Published {
    &parsed(subject).published
}

fn parsed(subject: Subject) -> &'static Parsed {
    PARSED.iter().rfind(|it| it.published.subject == subject).expect("every subject has a published schema")
}

/// What can be written and read with a schema of its own.
pub trait Framed: Serialize + DeserializeOwned {
    /// Which schema.
    const SUBJECT: Subject;
}

impl<E: Event> Framed for Envelope<E> {
    const SUBJECT: Subject = Subject::Event(E::KIND);
}
impl Framed for Records {
    const SUBJECT: Subject = Subject::Records;
}
impl Framed for Decisions {
    const SUBJECT: Subject = Subject::Decisions;
}
impl Framed for Results {
    const SUBJECT: Subject = Subject::Results;
}

/// Bytes that are no value of the wanted kind. Says where it fails, never what was there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {wanted}: {why}")]
pub struct DecodeError {
    /// What was wanted.
    pub wanted: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Length of the framing: magic byte and schema id.
pub const FRAME_BYTES: usize = 5;

/// A value, framed, as it goes on a topic or into the log.
///
/// # Panics
/// If a type and its schema disagree, which the golden tests exclude.
#[must_use]
pub fn encode<T: Framed>(value: &T) -> Vec<u8> {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let parsed = parsed(T::SUBJECT);
    // How long it will be, nobody knows before: it is written where there is room, and taken from there as it is.
    let mut scratch = SCRATCH.take();
    scratch.clear();
    scratch.push(0);
    scratch.extend_from_slice(&parsed.published.id.to_be_bytes());
    parsed.writer.write_ser(&mut scratch, value).expect("a golden test writes every type with its schema");
    if scratch.capacity() > SCRATCH_BYTES_MAX {
        return scratch;
    }
    let bytes = scratch.as_slice().to_vec();
    SCRATCH.set(scratch);
    bytes
}

/// The most that a thread keeps at hand for what it writes next.
const SCRATCH_BYTES_MAX: usize = 256 << 10;

/// Reads a framed value with the schema it was written with.
///
/// # Errors
/// When the framing, the schema id or the datum is not one of a `T`, or bytes are left over.
pub fn decode<T: Framed>(bytes: &[u8]) -> Result<T, DecodeError> {
    let fail = |why: String| DecodeError { wanted: T::SUBJECT.name(), why };
    let (magic, id) = magic_and_id(bytes).ok_or_else(|| fail("too short to be framed".into()))?;
    if magic != 0 {
        return Err(fail("no magic byte".into()));
    }
    let mut datum = bytes.get(FRAME_BYTES..).unwrap_or_default();
    let parsed =
        PARSED.iter().find(|it| it.published.id == id).ok_or_else(|| fail(format!("schema id {id} is not known")))?;
    if parsed.published.subject != T::SUBJECT {
        return Err(fail(format!("it is a {}", parsed.published.subject.name())));
    }
    let value = parsed.reader.read_deser(&mut datum).map_err(|_| fail("the datum does not fit its schema".into()))?;
    if datum.is_empty() { Ok(value) } else { Err(fail(format!("{} bytes are left over", datum.len()))) }
}

/// What a framed value begins with.
fn magic_and_id(bytes: &[u8]) -> Option<(u8, u32)> {
    let [magic, id @ ..] = bytes.first_chunk::<FRAME_BYTES>()?;
    Some((*magic, u32::from_be_bytes(*id)))
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
