//! Garmin's FIT: activities, weight scales and daily monitoring, read and written (Garmin FIT SDK, `Profile.xlsx`).
//!
//! Read in this order: [`read`], then `layout` (what can be trusted), `message` (fields by number), `activity` and
//! `measure` (records), `sport`, and `writer` for the way back.

mod activity;
mod layout;
mod measure;
#[cfg(test)]
mod merged;
mod message;
mod sport;
#[cfg(test)]
mod tests;
mod writer;

use super::sniff::Kind;
use engine::provider::{Issue, MapperError, Normal};
use layout::Damage;
use message::{Clock, Message};
use rustyfit::profile::typedef;
use schemas::{
    data_type::DataType,
    record::{Body, Origin, Policy, Record, RecordState, RecordingMethod, Span},
};

pub use writer::write;

/// The records of a FIT file, or of several that follow each other in one.
///
/// What is whole in a damaged file is kept, with an issue `truncated`, `malformed` or `bad_checksum` that says how
/// much that is. A file of settings or plans has no record and an issue. `origin.provider` is `files`; a connector
/// that reads FIT for its own provider sets its own. `name` is the file's name, for the issues.
///
/// # Errors
/// When the bytes are no FIT file at all: says what they look like instead.
pub fn read(bytes: &[u8], name: &str) -> Result<Normal, MapperError> {
    if !layout::is_header(bytes) {
        return Err(MapperError(format!("this is {}, not a FIT file", Kind::of(bytes))));
    }
    let mut normal = Normal::default();
    let mut kind = None;
    let (frames, rest) = layout::frames(bytes);
    for frame in frames {
        let content = Content::of(&frame);
        kind = kind.or_else(|| content.kind());
        content.records(name, &mut normal);
        if let Some(damage) = frame.damage {
            normal.issues.push(told(damage, frame.n_messages, name));
        }
    }
    if normal.records.is_empty() && normal.issues.is_empty() {
        let kind = kind.map_or("no type".to_owned(), |it| format!("type {it}"));
        let text = format!("a FIT file of {kind} without an activity, a weighing or daily steps; nothing was read");
        normal.issues.push(Issue { code: "unknown_type", at: name.to_owned(), text });
    }
    if let Some(at) = rest {
        let text = format!("{} bytes behind the end are no FIT file and were left out", bytes.len() - at);
        normal.issues.push(Issue { code: "malformed", at: format!("byte {at}"), text });
    }
    Ok(normal)
}

fn told(damage: Damage, n_messages: usize, name: &str) -> Issue {
    let kept = format!("{n_messages} messages before that were kept");
    let (code, at, text) = match damage {
        Damage::Truncated { at } => {
            ("truncated", format!("byte {at}"), format!("the file ends before its data do; {kept}"))
        }
        Damage::Malformed { at } => ("malformed", format!("byte {at}"), format!("what is here cannot be read; {kept}")),
        Damage::TooLong => ("truncated", name.to_owned(), format!("the file has more messages than are read; {kept}")),
        Damage::BadChecksum => (
            "bad_checksum",
            name.to_owned(),
            format!("the checksum is wrong, so values may be too; {n_messages} messages were kept"),
        ),
    };
    Issue { code, at, text }
}

/// The messages of one file that we know.
#[derive(Debug, Default)]
struct Content {
    file_id: Option<Message>,
    device: Option<String>,
    sport: Option<Message>,
    activity: Option<Message>,
    sessions: Vec<Message>,
    laps: Vec<Message>,
    track: activity::Track,
    weights: Vec<Message>,
    monitoring: measure::Monitoring,
}

impl Content {
    fn of(frame: &layout::Frame) -> Self {
        let mut content = Self::default();
        message::each(frame, |it| match it.kind {
            message::FILE_ID => content.file_id = content.file_id.take().or(Some(it)),
            message::DEVICE_INFO => content.device = content.device.take().or_else(|| creator(&it)),
            message::SPORT => content.sport = Some(it),
            message::ACTIVITY => content.activity = Some(it),
            message::SESSION => content.sessions.push(it),
            message::LAP => content.laps.push(it),
            message::RECORD => content.track.push(&it),
            message::WEIGHT_SCALE => content.weights.push(it),
            message::MONITORING | message::MONITORING_INFO => content.monitoring.push(&it),
            _ => {}
        });
        content
    }

    fn records(&self, name: &str, normal: &mut Normal) {
        let source = self.source();
        activity::records(self, &source, name, normal);
        measure::weights(&self.weights, &source, name, normal);
        self.monitoring.records(&source, normal);
    }

    fn kind(&self) -> Option<typedef::File> {
        self.file_id.as_ref()?.integer(0).and_then(|it| u8::try_from(it).ok()).map(typedef::File)
    }

    fn source(&self) -> Source {
        let clock = self.activity.as_ref().map_or(self.monitoring.clock, |it| Clock::told(it.time, it.integer(5)));
        let Some(id) = &self.file_id else {
            return Source { key: None, device: self.device.clone(), marker: None, clock };
        };
        // A time that counts from power-on is not unique, and neither is a file without one.
        let created = id.integer(4).filter(|it| *it >= 0x1000_0000);
        let maker = id.integer(1).unwrap_or(0);
        let key = created.map(|it| format!("fit-{maker}-{}-{it}", id.integer(3).unwrap_or(0)));
        let named = id.text(8).map(str::to_owned);
        let marker = named.as_deref().and_then(writer::marker_of);
        let device =
            if marker.is_some() { None } else { named.or_else(|| self.device.clone()).or_else(|| product(id, 1, 2)) };
        Source { key, device, marker, clock }
    }
}

/// The recording device, by the `device_info` message with index 0 (Garmin FIT SDK: `creator`).
fn creator(info: &Message) -> Option<String> {
    if info.integer(0) != Some(0) {
        return None;
    }
    info.text(27).map(str::to_owned).or_else(|| product(info, 2, 4))
}

fn product(message: &Message, maker_field: u8, product_field: u8) -> Option<String> {
    let maker = typedef::Manufacturer(u16::try_from(message.integer(maker_field)?).ok()?);
    let product = message.integer(product_field).and_then(|it| u16::try_from(it).ok());
    Some(match product {
        Some(it) if maker == typedef::Manufacturer::GARMIN => {
            format!("{maker} {}", typedef::GarminProduct(it))
        }
        Some(it) => format!("{maker} {it}"),
        None => maker.to_string(),
    })
}

/// What the records of a file have in common.
#[derive(Debug)]
struct Source {
    /// Begins the id of every record; absent where the file has no identity of its own.
    key: Option<String>,
    device: Option<String>,
    marker: Option<String>,
    clock: Clock,
}

impl Source {
    /// A record of this file. `part` tells it from the others of its type.
    fn record(&self, data_type: DataType, part: &str, time: Span, method: RecordingMethod, body: Body) -> Record {
        let id = match &self.key {
            Some(key) => format!("{key}-{data_type}-{part}"),
            None => format!("{data_type}-{}-{}", time.start.0, time.end.0),
        };
        Record {
            data_type,
            origin: Origin {
                provider: "files".into(),
                connection: None,
                record: id,
                modified_at: None,
                device: self.device.clone(),
                method,
                marker: self.marker.clone(),
            },
            time,
            is_daily_total: false,
            state: RecordState::Final,
            deleted: false,
            policy: Policy::default(),
            body,
        }
    }
}
