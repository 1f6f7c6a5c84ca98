//! Wire types of the Strava API v3 (`https://developers.strava.com/swagger/`), read leniently: a field of an
//! unexpected shape is an absent field, because Strava's own traffic has numbers as text, empty lists for missing
//! places and texts where the specification has lists.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// An activity, in its detailed or summary form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Activity {
    /// Its id; 64 bits.
    #[serde(deserialize_with = "id")]
    pub id: Option<u64>,
    /// Id that the uploader gave, or the file's name.
    #[serde(deserialize_with = "text")]
    pub external_id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// Only in the detailed form.
    #[serde(deserialize_with = "text")]
    pub description: Option<String>,
    #[serde(deserialize_with = "text")]
    pub sport_type: Option<String>,
    /// The older field of the same meaning.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    /// UTC.
    #[serde(deserialize_with = "text")]
    pub start_date: Option<String>,
    /// Local wall time with a false `Z`.
    #[serde(deserialize_with = "text")]
    pub start_date_local: Option<String>,
    /// `(GMT-05:00) America/New_York`.
    #[serde(deserialize_with = "text")]
    pub timezone: Option<String>,
    /// Seconds.
    #[serde(deserialize_with = "number")]
    pub utc_offset: Option<f64>,
    /// Seconds.
    #[serde(deserialize_with = "number")]
    pub elapsed_time: Option<f64>,
    /// Seconds.
    #[serde(deserialize_with = "number")]
    pub moving_time: Option<f64>,
    /// Metres; zero where there is none.
    #[serde(deserialize_with = "number")]
    pub distance: Option<f64>,
    /// Metres; zero where there is none.
    #[serde(deserialize_with = "number")]
    pub total_elevation_gain: Option<f64>,
    /// Metres; present only where altitude was recorded.
    #[serde(deserialize_with = "number")]
    pub elev_high: Option<f64>,
    /// Kilocalories; only in the detailed form, zero where there are none.
    #[serde(deserialize_with = "number")]
    pub calories: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub average_heartrate: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub max_heartrate: Option<f64>,
    /// Turns per minute; on foot those of one leg.
    #[serde(deserialize_with = "number")]
    pub average_cadence: Option<f64>,
    /// Watts; an estimate unless `device_watts`.
    #[serde(deserialize_with = "number")]
    pub average_watts: Option<f64>,
    #[serde(deserialize_with = "flag")]
    pub device_watts: Option<bool>,
    #[serde(deserialize_with = "flag")]
    pub trainer: Option<bool>,
    #[serde(deserialize_with = "flag")]
    pub manual: Option<bool>,
    /// Latitude and longitude; an empty list or null where no place was recorded.
    #[serde(deserialize_with = "list")]
    pub start_latlng: Vec<Value>,
    #[serde(deserialize_with = "text")]
    pub device_name: Option<String>,
    #[serde(deserialize_with = "list")]
    pub laps: Vec<Value>,
}

impl Activity {
    /// Whether this is an activity at all and not another object that has an id, such as a lap or an athlete.
    pub(super) fn is_one(&self) -> bool {
        self.id.is_some() && self.start_date.is_some() && (self.sport_type.is_some() || self.kind.is_some())
    }
}

/// A lap.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Lap {
    #[serde(deserialize_with = "text")]
    pub start_date: Option<String>,
    #[serde(deserialize_with = "number")]
    pub elapsed_time: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub distance: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub average_heartrate: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub max_heartrate: Option<f64>,
}

/// An upload and how it fares.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Upload {
    #[serde(deserialize_with = "id")]
    pub id: Option<u64>,
    #[serde(deserialize_with = "text")]
    pub error: Option<String>,
    #[serde(deserialize_with = "text")]
    pub status: Option<String>,
    #[serde(deserialize_with = "id")]
    pub activity_id: Option<u64>,
}

/// Tokens, as the token endpoint gives them.
#[derive(Deserialize)]
pub(super) struct Token {
    pub access_token: String,
    #[serde(default, deserialize_with = "text")]
    pub refresh_token: Option<String>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "number")]
    pub expires_at: Option<f64>,
    /// Not in today's answers; taken if it comes.
    #[serde(default, deserialize_with = "text")]
    pub scope: Option<String>,
    /// Only in the answer to an authorization code.
    #[serde(default)]
    pub athlete: Athlete,
}

/// Whose account it is.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Athlete {
    #[serde(default, deserialize_with = "id")]
    pub id: Option<u64>,
}

/// An error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fault {
    /// A list of [`FaultItem`], or a text.
    #[serde(deserialize_with = "list")]
    pub errors: Vec<Value>,
    /// The OAuth 2.0 code (RFC 6749 section 5.2), should Strava ever use it.
    #[serde(deserialize_with = "text")]
    pub error: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FaultItem {
    #[serde(deserialize_with = "text")]
    pub resource: Option<String>,
    #[serde(deserialize_with = "text")]
    pub field: Option<String>,
    #[serde(deserialize_with = "text")]
    pub code: Option<String>,
}

/// What a push subscription sends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// `activity` or `athlete`.
    #[serde(deserialize_with = "text")]
    pub object_type: Option<String>,
    #[serde(deserialize_with = "id")]
    pub object_id: Option<u64>,
    /// `create`, `update` or `delete`.
    #[serde(deserialize_with = "text")]
    pub aspect_type: Option<String>,
    /// What changed.
    pub updates: Value,
    #[serde(deserialize_with = "id")]
    pub owner_id: Option<u64>,
    #[serde(deserialize_with = "id")]
    pub subscription_id: Option<u64>,
}

/// Where a listing goes on: of our own making, opaque to everyone else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// The page of the listing that `ids` are from; zero for ids that were named.
    pub page: u32,
    /// The first id of that page: a listing that repeats it does not move.
    pub first: u64,
    /// Ids still to be read.
    pub ids: Vec<u64>,
}

/// A finite number, or text that is one.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(as_number(&Value::deserialize(from)?))
}

/// A finite number, or text that is one.
pub(super) fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(it) => it.as_f64(),
        Value::String(it) => it.trim().parse().ok(),
        _ => None,
    }
    .filter(|it: &f64| it.is_finite())
}

fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(as_id(&Value::deserialize(from)?))
}

/// An id: a positive whole number, or text that is one.
pub(super) fn as_id(value: &Value) -> Option<u64> {
    match value {
        Value::Number(it) => it.as_u64(),
        Value::String(it) => parse_id(it),
        _ => None,
    }
}

/// Text that is digits and nothing else: safe in a path.
pub(super) fn parse_id(text: &str) -> Option<u64> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok())?
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(it) => Some(it),
        _ => None,
    })
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(Value::deserialize(from)?.as_bool())
}

fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Value>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Array(it) => it,
        _ => Vec::new(),
    })
}
