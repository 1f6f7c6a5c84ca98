//! Values written with another version of one of our schemas, as a registry knows it.

use super::{DecodeError, FRAME_BYTES, Subject, current, magic_and_id};
use apache_avro::{
    Schema, reader::datum::GenericDatumReader, schema_compatibility::SchemaCompatibility,
    writer::datum::GenericDatumWriter,
};

/// A schema that another build writes with.
#[derive(Debug)]
pub struct Foreign {
    theirs: Schema,
    ours: Schema,
    subject: Subject,
}

impl Foreign {
    /// Takes the text of a schema, to be read as a value of this subject.
    ///
    /// # Errors
    /// When it is no schema, describes something else, or this build cannot read what is written with it.
    pub fn parse(text: &str, subject: Subject) -> Result<Self, DecodeError> {
        let fail = |why: String| DecodeError { wanted: subject.name(), why };
        let theirs = Schema::parse_str(text).map_err(|_| fail("the registry gave no Avro schema".into()))?;
        let ours = Schema::parse_str(current(subject).text).expect("a test parses every published schema");
        if theirs.name() != ours.name() {
            return Err(fail("it is written with a schema of something else".into()));
        }
        SchemaCompatibility::can_read(&theirs, &ours)
            .map_err(|_| fail("it is written with a schema that this build cannot read".into()))?;
        Ok(Self { theirs, ours, subject })
    }

    /// A framed value of theirs, as a framed value of ours.
    ///
    /// # Errors
    /// When it does not fit its schema, or bytes are left over.
    pub fn reframe(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let fail = |why: &str| DecodeError { wanted: self.subject.name(), why: why.into() };
        let mut datum = bytes.get(FRAME_BYTES..).ok_or_else(|| fail("too short to be framed"))?;
        let reader = GenericDatumReader::builder(&self.theirs).reader_schema(&self.ours).build();
        let reader = reader.map_err(|_| fail("its schema cannot be resolved"))?;
        let value = reader.read_value(&mut datum).map_err(|_| fail("the datum does not fit its schema"))?;
        if !datum.is_empty() {
            return Err(fail("bytes are left over"));
        }
        let writer = GenericDatumWriter::builder(&self.ours).build().map_err(|_| fail("our schema cannot be used"))?;
        let mut framed = vec![0];
        framed.extend_from_slice(&current(self.subject).id.to_be_bytes());
        writer.write_value(&mut framed, value).map_err(|_| fail("it cannot be written as ours"))?;
        Ok(framed)
    }
}

/// Whether two texts are the same schema to a reader (Avro's canonical form).
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let canonical = |text: &str| Schema::parse_str(text).ok().map(|it| it.canonical_form());
    canonical(one).is_some_and(|it| canonical(other) == Some(it))
}

/// The schema id of a framed value; none if it is not framed.
#[must_use]
pub fn schema_id(bytes: &[u8]) -> Option<u32> {
    match magic_and_id(bytes)? {
        (0, id) => Some(id),
        _ => None,
    }
}
