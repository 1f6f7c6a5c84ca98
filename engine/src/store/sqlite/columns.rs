//! How values look in columns.

use crate::store::common::topic_of;
use bytes::Bytes;
use rusqlite::{Row, types::Type};
use schemas::{data_type::DataType, time::Instant, topics::TopicName};
use serde::{Serialize, de::DeserializeOwned};
use std::error::Error;
use uuid::Uuid;

/// A value that should not be in this column: a newer version wrote it, or the file is damaged.
pub(super) fn bad(column: usize, wanted: &'static str) -> rusqlite::Error {
    let why: Box<dyn Error + Send + Sync> = format!("not a {wanted}").into();
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, why)
}

pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

pub(super) fn uuid_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(Uuid::from_bytes))
}

pub(super) fn instant(row: &Row<'_>, column: usize) -> rusqlite::Result<Instant> {
    row.get(column).map(Instant)
}

pub(super) fn instant_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Instant>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Instant))
}

/// A number of rows for `LIMIT`.
pub(super) fn limit(count_max: usize) -> i64 {
    i64::try_from(count_max).unwrap_or(i64::MAX)
}

/// A topic from the columns `kind` and `lane`, side by side.
pub(super) fn topic(row: &Row<'_>, column: usize) -> rusqlite::Result<TopicName> {
    topic_of(row.get(column)?, row.get(column + 1)?).ok_or_else(|| bad(column, "topic"))
}

pub(super) fn data_type(row: &Row<'_>, column: usize) -> rusqlite::Result<DataType> {
    let name = row.get_ref(column)?.as_str()?;
    if name == DataType::Unknown.name() {
        return Ok(DataType::Unknown);
    }
    name.parse().map_err(|_| bad(column, "data type"))
}

pub(super) fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    Ok(Bytes::copy_from_slice(row.get_ref(column)?.as_blob()?))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|_| bad(column, "value of this build"))
}

pub(super) fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|err| rusqlite::Error::ToSqlConversionFailure(err.into()))
}
