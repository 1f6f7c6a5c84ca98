//! When data points were, and the filters that ask for it (AIP-160, as far as Google's discovery document goes).

use super::state::camel;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;

/// When a data point was, in milliseconds since 1970; its wall clock was `offset_ms` ahead of UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) offset_ms: i64,
    end_offset_ms: i64,
}

pub(super) fn physical(value: Option<&Value>) -> Option<i64> {
    DateTime::parse_from_rfc3339(value?.as_str()?).ok().map(|it| it.timestamp_millis())
}

fn offset(value: Option<&Value>) -> Option<i64> {
    let seconds: i64 = value?.as_str()?.strip_suffix('s')?.parse().ok()?;
    Some(seconds * 1000)
}

/// When a point of that type was; `None` if it does not say it as its type must.
pub(super) fn times(data_type: &str, point: &Value) -> Option<Times> {
    let value = point.get(camel(data_type))?;
    if let Some(interval) = value.get("interval") {
        let (start, end) = (physical(interval.get("startTime"))?, physical(interval.get("endTime"))?);
        let offset_ms = offset(interval.get("startUtcOffset"))?;
        return Some(Times { start, end, offset_ms, end_offset_ms: offset(interval.get("endUtcOffset"))? });
    }
    if let Some(sample) = value.get("sampleTime") {
        let at = physical(sample.get("physicalTime"))?;
        let offset_ms = offset(sample.get("utcOffset"))?;
        return Some(Times { start: at, end: at, offset_ms, end_offset_ms: offset_ms });
    }
    let date = value.get("date")?;
    let part = |key| date.get(key).and_then(Value::as_i64);
    let day = NaiveDate::from_ymd_opt(
        i32::try_from(part("year")?).ok()?,
        u32::try_from(part("month")?).ok()?,
        u32::try_from(part("day")?).ok()?,
    )?;
    let at = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
    Some(Times { start: at, end: at + 86_400_000, offset_ms: 0, end_offset_ms: 0 })
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Start,
    CivilStart,
    End,
    CivilEnd,
    Date,
}

/// A filter that was understood: `from <= field < to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    field: Option<Field>,
    from: i64,
    to: i64,
}

impl Filter {
    /// Reads a filter; `None` if Google would not understand it for this type.
    pub(super) fn parse(data_type: &str, text: &str) -> Option<Self> {
        let mut filter = Self { field: None, from: i64::MIN, to: i64::MAX };
        for condition in text.split(" AND ").filter(|it| !it.trim().is_empty()) {
            let mut words = condition.split_whitespace();
            let (name, operator, literal) = (words.next()?, words.next()?, words.next()?);
            let field = field(data_type, name)?;
            if words.next().is_some() || filter.field.is_some_and(|it| it != field) {
                return None;
            }
            filter.field = Some(field);
            let at = literal_ms(field, literal.strip_prefix('"')?.strip_suffix('"')?)?;
            match operator {
                ">=" => filter.from = at,
                "<" => filter.to = at,
                _ => return None,
            }
        }
        Some(filter)
    }

    pub(super) fn takes(&self, times: &Times) -> bool {
        let at = match self.field {
            None => return true,
            Some(Field::Start | Field::Date) => times.start,
            Some(Field::CivilStart) => times.start + times.offset_ms,
            Some(Field::End) => times.end,
            Some(Field::CivilEnd) => times.end + times.end_offset_ms,
        };
        (self.from..self.to).contains(&at)
    }
}

fn field(data_type: &str, name: &str) -> Option<Field> {
    let rest = name.strip_prefix(&data_type.replace('-', "_"))?;
    match (data_type, rest) {
        ("sleep", ".interval.end_time") => Some(Field::End),
        ("sleep", ".interval.civil_end_time") => Some(Field::CivilEnd),
        ("sleep", _) => None,
        ("exercise" | "hydration-log" | "nutrition-log", ".interval.civil_start_time") => Some(Field::CivilStart),
        ("exercise" | "hydration-log" | "nutrition-log", _) => None,
        (_, ".interval.start_time") if is_interval(data_type) => Some(Field::Start),
        (_, ".interval.civil_start_time") if is_interval(data_type) => Some(Field::CivilStart),
        (_, ".date") if data_type.starts_with("daily-") => Some(Field::Date),
        (_, ".sample_time.physical_time") if is_sample(data_type) => Some(Field::Start),
        (_, ".sample_time.civil_time") if is_sample(data_type) => Some(Field::CivilStart),
        _ => None,
    }
}

fn is_interval(data_type: &str) -> bool {
    matches!(
        data_type,
        "steps" | "distance" | "floors" | "altitude" | "active-minutes" | "sedentary-period" | "active-zone-minutes"
    )
}

fn is_sample(data_type: &str) -> bool {
    !is_interval(data_type) && !data_type.starts_with("daily-")
}

fn literal_ms(field: Field, text: &str) -> Option<i64> {
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|it| it.and_utc().timestamp_millis());
    match field {
        Field::Start | Field::End => DateTime::parse_from_rfc3339(text).ok().map(|it| it.timestamp_millis()),
        Field::Date => day(),
        Field::CivilStart | Field::CivilEnd => {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok();
            time.map(|it| it.and_utc().timestamp_millis()).or_else(day)
        }
    }
}
