//! Times of the day and days of the week, by a wall clock.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use schemas::record::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// How many milliseconds a day has on a wall clock.
const DAY_MS: i64 = 24 * MINUTES_OF_HOUR * MINUTE_MS;
const MINUTES_OF_HOUR: i64 = 60;
const MINUTE_MS: i64 = 60_000;

/// A stretch of the day, `from` included, `to` excluded. It may reach over midnight: from 22:00 to 06:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeOfDay {
    /// Its first minute.
    pub from: ClockTime,
    /// The first minute after it.
    pub to: ClockTime,
}

impl TimeOfDay {
    /// Whether a minute of the day is in it.
    #[must_use]
    pub fn has(&self, minute: ClockTime) -> bool {
        if self.from <= self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

/// A minute of the day: 0 to 1439 after midnight; in JSON a text such as `06:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(u16);

impl ClockTime {
    /// Reads hours and minutes, two digits each: `00:00` to `23:59`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str, below: u16| {
            let is_plain = text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
            text.parse().ok().filter(|it: &u16| is_plain && *it < below)
        };
        Some(Self(number(hours, 24)? * 60 + number(minutes, 60)?))
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected a time of the day such as 06:30"))
    }
}

impl JsonSchema for ClockTime {
    fn schema_name() -> Cow<'static, str> {
        "ClockTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "description": "Hours and minutes of a day by a wall clock, such as `06:30`."
        })
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// From Thursday on, as 1970-01-01 was one.
const WEEK: [Weekday; 7] = [
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
];

/// What the person's wall clock shows when a record begins: milliseconds since 1970 as if it were UTC; `None` if its
/// offset is not known.
fn wall_ms(time: &Span) -> Option<i64> {
    Some(time.start.0.saturating_add(i64::from(time.offset_seconds?) * 1000))
}

/// The minute of the day at which a record begins.
pub(super) fn minute_of(time: &Span) -> Option<ClockTime> {
    let minute = wall_ms(time)?.rem_euclid(DAY_MS) / MINUTE_MS;
    u16::try_from(minute).ok().map(ClockTime)
}

/// The day of the week on which a record begins.
pub(super) fn weekday_of(time: &Span) -> Option<Weekday> {
    let day = wall_ms(time)?.div_euclid(DAY_MS).rem_euclid(7);
    usize::try_from(day).ok().and_then(|it| WEEK.get(it).copied())
}

/// The day on which a record begins, such as `2026-05-03`: by the wall clock, else in UTC.
pub(super) fn date_of(time: &Span) -> String {
    let day = schemas::time::Instant(wall_ms(time).unwrap_or(time.start.0));
    day.utc().format("%Y-%m-%d").to_string()
}
