//! FIT data messages with their fields by number (Garmin FIT SDK, `Profile.xlsx`).

use super::layout::Frame;
use fitparser::{
    Value,
    de::{FitObject, FitStreamProcessor},
};
use schemas::time::Instant;
use std::collections::HashMap;

pub(super) const FILE_ID: u16 = 0;
pub(super) const SPORT: u16 = 12;
pub(super) const SESSION: u16 = 18;
pub(super) const LAP: u16 = 19;
pub(super) const RECORD: u16 = 20;
pub(super) const DEVICE_INFO: u16 = 23;
pub(super) const WEIGHT_SCALE: u16 = 30;
pub(super) const ACTIVITY: u16 = 34;
pub(super) const MONITORING: u16 = 55;
pub(super) const MONITORING_INFO: u16 = 103;

/// 1989-12-31T00:00:00Z, from which FIT counts seconds.
pub(super) const EPOCH_SECONDS: i64 = 631_065_600;

/// Times below it count from when the device was switched on (Garmin FIT SDK, type `date_time`).
const SYSTEM_TIME_MAX: u32 = 0x1000_0000;

/// One data message. Fields that hold their type's invalid value are not in it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Global message number.
    pub(super) kind: u16,
    /// Its time as written, from field 253 or a compressed header.
    pub(super) time: Option<u32>,
    fields: HashMap<u8, Value>,
}

impl Message {
    /// The number in a field, divided by the profile's scale.
    pub(super) fn scaled(&self, field: u8, scale: f64) -> Option<f64> {
        self.number(field).map(|it| it / scale)
    }

    /// The number in a field.
    pub(super) fn number(&self, field: u8) -> Option<f64> {
        match self.fields.get(&field)? {
            Value::Byte(it) | Value::Enum(it) | Value::UInt8(it) | Value::UInt8z(it) => Some(f64::from(*it)),
            Value::SInt8(it) => Some(f64::from(*it)),
            Value::SInt16(it) => Some(f64::from(*it)),
            Value::UInt16(it) | Value::UInt16z(it) => Some(f64::from(*it)),
            Value::SInt32(it) => Some(f64::from(*it)),
            Value::UInt32(it) | Value::UInt32z(it) => Some(f64::from(*it)),
            Value::Float32(it) => Some(f64::from(*it)).filter(|it| it.is_finite()),
            Value::Float64(it) => Some(*it).filter(|it| it.is_finite()),
            _ => None,
        }
    }

    /// The unsigned integer in a field.
    pub(super) fn integer(&self, field: u8) -> Option<u32> {
        match self.fields.get(&field)? {
            Value::Byte(it) | Value::Enum(it) | Value::UInt8(it) | Value::UInt8z(it) => Some(u32::from(*it)),
            Value::UInt16(it) | Value::UInt16z(it) => Some(u32::from(*it)),
            Value::UInt32(it) | Value::UInt32z(it) => Some(*it),
            _ => None,
        }
    }

    /// The text in a field, if it is not empty.
    pub(super) fn text(&self, field: u8) -> Option<&str> {
        match self.fields.get(&field)? {
            Value::String(it) => Some(it.trim()).filter(|it| !it.is_empty()),
            _ => None,
        }
    }

    /// The three bytes in a field.
    pub(super) fn three_bytes(&self, field: u8) -> Option<[u32; 3]> {
        match self.fields.get(&field)? {
            Value::Array(it) => match it.as_slice() {
                [Value::Byte(a), Value::Byte(b), Value::Byte(c)] => Some([u32::from(*a), u32::from(*b), u32::from(*c)]),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Hands every message of a file to `take`, in order.
pub(super) fn each(frame: &Frame, mut take: impl FnMut(Message)) {
    let mut parser = FitStreamProcessor::new();
    let mut rest = frame.clean.as_slice();
    let mut last_time = 0_u32;
    while !rest.is_empty() {
        // The frame holds whole messages only; should the parser see it otherwise, what it has read counts.
        let Ok((next, object)) = parser.deserialize_next(rest) else { return };
        rest = next;
        let FitObject::DataMessage(mut data) = object else { continue };
        let kind = data.global_message_number();
        let offset = data.time_offset();
        let message = Message { kind, time: None, fields: std::mem::take(data.fields_mut()) };
        let time = match offset {
            Some(offset) => Some(unfold(last_time, offset)),
            None => message.integer(253),
        };
        last_time = time.unwrap_or(last_time);
        take(Message { time, ..message });
    }
}

/// The time that a compressed header means: the next one after `last` whose lowest five bits are `offset`.
fn unfold(last: u32, offset: u8) -> u32 {
    let offset = u32::from(offset & 0x1f);
    last.wrapping_add(offset.wrapping_sub(last) & 0x1f)
}

/// How the times of a file become instants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Seconds to add to a time that counts from when the device was switched on; absent if nobody knows.
    pub(super) system_offset: Option<i64>,
    /// Offset of the person's wall clock, seconds.
    pub(super) offset_seconds: Option<i32>,
}

impl Clock {
    /// The clock that the `activity` or `monitoring_info` message tells: `local` is its local time.
    pub(super) fn told(time: Option<u32>, local: Option<u32>) -> Self {
        let (Some(time), Some(local)) = (time, local.filter(|it| *it >= SYSTEM_TIME_MAX)) else {
            return Self::default();
        };
        let difference = i64::from(local) - i64::from(time);
        if time < SYSTEM_TIME_MAX {
            return Self { system_offset: Some(difference), offset_seconds: None };
        }
        // Watches set the two a second apart; zones are whole quarters of an hour, from -12 to +14 hours.
        let quarters = (difference + 450).div_euclid(900);
        let offset = i32::try_from(quarters * 900).ok().filter(|it| (-43_200..=50_400).contains(it));
        Self { system_offset: None, offset_seconds: offset }
    }

    /// The instant of a time as written.
    pub(super) fn instant(self, time: u32) -> Option<Instant> {
        let shift = if time < SYSTEM_TIME_MAX { self.system_offset? } else { 0 };
        Some(Instant::from_seconds(i64::from(time) + shift + EPOCH_SECONDS))
    }
}
