//! How values look in columns.

use super::cql::Value;
use schemas::time::Instant;
use scylla::value::{CqlValue, MaybeUnset};
use uuid::Uuid;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn text(it: &str) -> Value {
    MaybeUnset::Set(Some(CqlValue::Text(it.to_owned())))
}

pub(super) fn blob(it: &[u8]) -> Value {
    MaybeUnset::Set(Some(CqlValue::Blob(it.to_vec())))
}

pub(super) fn id(it: Uuid) -> Value {
    blob(it.as_bytes())
}

pub(super) const fn number(it: i64) -> Value {
    MaybeUnset::Set(Some(CqlValue::BigInt(it)))
}

pub(super) const fn int(it: i32) -> Value {
    MaybeUnset::Set(Some(CqlValue::Int(it)))
}

pub(super) const fn small(it: i8) -> Value {
    MaybeUnset::Set(Some(CqlValue::TinyInt(it)))
}

pub(super) const fn truth(it: bool) -> Value {
    MaybeUnset::Set(Some(CqlValue::Boolean(it)))
}

/// Empties a column.
pub(super) const NULL: Value = MaybeUnset::Set(None);

/// Leaves a column as it is.
pub(super) const LEFT: Value = MaybeUnset::Unset;

/// The id in a column of 16 bytes.
pub(super) fn to_id(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

/// An id that nobody else has: tells one's own change from another's.
pub(super) fn draw() -> Uuid {
    Uuid::from_u128(rand::random())
}

/// The day that a moment is in, counted from 1970.
pub(super) const fn day_of(at: Instant) -> i64 {
    at.0.div_euclid(DAY_MS)
}

/// The number of rows of a `LIMIT`.
pub(super) fn limit(count_max: usize) -> i32 {
    i32::try_from(count_max).unwrap_or(i32::MAX).max(1)
}

/// A moment in microseconds, as write times are counted.
pub(super) const fn micros(at: Instant) -> i64 {
    at.0.saturating_mul(1_000)
}

/// Which of `n` parts a name is in, the same on every machine.
pub(super) fn part_of(name: &str, n: u8) -> i8 {
    // FNV-1a: short, spread well enough, and fixed for ever.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i8::try_from((hash ^ (hash >> 32)) % u64::from(n)).unwrap_or(0)
}
