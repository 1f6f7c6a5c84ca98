//! File formats that several connectors read or write. Pure: bytes in, records and issues out.
//!
//! [`sniff`] tells what a file is; [`fit`], [`tcx`], [`gpx`] and [`apple_health`] read it. [`xml`] is the safe way to
//! XML for the latter three, [`track`] what becomes of their points.

pub mod apple_health;
pub mod fit;
pub mod gpx;
pub mod sniff;
pub mod tcx;
#[cfg(test)]
mod tests;
pub mod track;
pub mod xml;

use chrono::{DateTime, NaiveDateTime};
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::Instant,
};

/// A record of a file. `origin.provider` is `files`.
fn record(
    data_type: DataType,
    id: String,
    time: Span,
    method: RecordingMethod,
    device: Option<String>,
    body: Body,
) -> Record {
    Record {
        data_type,
        origin: Origin {
            provider: "files".into(),
            connection: None,
            record: id,
            modified_at: None,
            device,
            method,
            marker: None,
        },
        time,
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

/// An `xsd:dateTime`, and its offset in seconds unless it is written in UTC (`Z` tells nothing of the wall clock).
/// A time without zone is taken as UTC, as all writers of TCX and GPX mean it.
fn date_time(text: &str) -> Option<(Instant, Option<i32>)> {
    let text = text.trim();
    if let Ok(it) = DateTime::parse_from_rfc3339(text) {
        let offset = it.offset().local_minus_utc();
        let is_utc = text.ends_with(['Z', 'z']);
        return Some((Instant(it.timestamp_millis()), (!is_utc).then_some(offset)));
    }
    let plain = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some((Instant(plain.and_utc().timestamp_millis()), None))
}

/// A finite number.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|it: &f64| it.is_finite())
}
