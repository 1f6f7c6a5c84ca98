//! Cuts a file into parts: FIT, TCX and GPX are one, an Apple Health export many.
//!
//! An export has no end of records, sorted by type and time. It is cut between elements, and where it can be between types,
//! hours of heart rate and nights, so that a series or a night is not two records. A limit remains: a single night or
//! hour that is itself larger than what lies between [`CUT_BYTES_MIN`] and [`FRAGMENT_BYTES_MAX`] is cut nevertheless,
//! and so is one whose records lie far apart in an export that is not sorted.

use super::{APPLE_HEALTH, FIT, GPX, TCX, zipped};
use crate::formats::{
    apple_health::{self, ROUTE_POINT},
    sniff::{HEAD_BYTES, Kind},
    track::Point,
    xml::{Document, Node, Step, XmlError},
};
use bytes::Bytes;
use chrono::DateTime;
use engine::provider::{PAGE_BYTES_MAX, Part, ReadSeek, SplitError};
use std::{
    io::{self, BufRead, BufReader, Cursor, Read, SeekFrom},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// From here on a fragment ends at the next good place.
const CUT_BYTES_MIN: usize = 5 << 19;

/// A fragment is never larger.
const FRAGMENT_BYTES_MAX: usize = 4 << 20;

pub(super) type Parts = Box<dyn Iterator<Item = Result<Part, SplitError>> + Send>;

/// The parts of a file, known by its content.
pub(super) fn split(mut file: Box<dyn ReadSeek>, name: &str) -> Result<Parts, SplitError> {
    let failed = |err: io::Error| SplitError(format!("{name} cannot be read: {}", err.kind()));
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let content_type = match Kind::of(&head) {
        Kind::Fit => FIT,
        Kind::Tcx => TCX,
        Kind::Gpx => GPX,
        Kind::AppleHealth => {
            return stream(move |out| export(BufReader::new(file), &mut |_| None, out));
        }
        Kind::Zip => return zipped::split(file, name),
        kind => {
            let known = "FIT, TCX, GPX and exports of Apple Health (zip or XML) can be read";
            return Err(SplitError(format!("{name} is {kind}; {known}")));
        }
    };
    let mut body = Vec::new();
    file.take(PAGE_BYTES_MAX as u64 + 1).read_to_end(&mut body).map_err(failed)?;
    if body.len() > PAGE_BYTES_MAX {
        return Err(SplitError(format!(
            "{name} is larger than the {PAGE_BYTES_MAX} bytes that one recording may have"
        )));
    }
    Ok(Box::new(std::iter::once(Ok(Part { content_type: content_type.to_owned(), body: body.into() }))))
}

/// Where parts go. It fails when nobody takes them any more.
pub(super) type Out<'a> = &'a mut dyn FnMut(Result<Part, SplitError>) -> Result<(), Gone>;

/// Nobody takes parts any more.
#[derive(Debug)]
pub(super) struct Gone;

/// Runs `work` beside the reader of its parts, at most one part ahead of it: an archive lends its entries out, so an
/// iterator cannot hold both. Dropping the iterator ends the work.
pub(super) fn stream(work: impl FnOnce(Out<'_>) -> Result<(), Gone> + Send + 'static) -> Result<Parts, SplitError> {
    let (to, from): (SyncSender<_>, Receiver<_>) = sync_channel(1);
    thread::Builder::new()
        .name("split".into())
        .spawn(move || work(&mut |part| to.send(part).map_err(|_| Gone)).is_ok())
        .map_err(|err| SplitError(format!("no thread to read the file with: {}", err.kind())))?;
    Ok(Box::new(from.into_iter()))
}

/// Finds the points of a route by the path in its `FileReference`.
pub(super) type Routes<'a> = &'a mut dyn FnMut(&str) -> Option<Vec<Point>>;

/// Cuts an `export.xml`.
pub(super) fn export(mut from: impl BufRead, routes: Routes<'_>, out: Out<'_>) -> Result<(), Gone> {
    let head = without_doctype(&mut from);
    let mut document = Document::new(BufReader::new(Cursor::new(head).chain(from)));
    let mut cutter = Cutter::default();
    let lost = loop {
        let node = match document.step() {
            Ok(Step::Open(node)) => node,
            Ok(Step::End) => break None,
            Ok(_) => continue,
            Err(err) => break Some(err),
        };
        if !cutter.is_inside {
            cutter.is_inside = node.name == "HealthData";
            continue;
        }
        let is_ours = matches!(node.name.as_str(), "Record" | "Workout" | "Correlation");
        match document.subtree(node, if is_ours { apple_health::ELEMENT_BYTES_MAX } else { 0 }) {
            Ok(Some(node)) if is_ours => cutter.push(node, routes, out)?,
            Ok(None) if is_ours => cutter.n_too_large += 1,
            Ok(_) => {}
            Err(err) => break Some(err),
        }
    };
    match lost {
        Some(XmlError::Unsafe(why)) => {
            return out(Err(SplitError(format!("the export is not safe to read: {why}"))));
        }
        Some(XmlError::Broken { at }) => {
            let n = cutter.n_elements;
            cutter.lost =
                Some(format!("the export is broken or cut off at byte {at}; {n} elements before that were kept"));
        }
        None => {}
    }
    cutter.finish(out)
}

/// The start of the document without its DOCTYPE: some versions of iOS write one that is not well formed.
fn without_doctype(from: &mut impl BufRead) -> Vec<u8> {
    let mut head = Vec::new();
    // What cannot be read now cannot be read later either, and is told then.
    drop(from.take(HEAD_BYTES as u64).read_to_end(&mut head));
    let find = |what: &[u8], after: usize| {
        let rest = head.get(after..).unwrap_or_default();
        rest.windows(what.len()).position(|it| it == what).map(|it| it + after)
    };
    let start = find(b"<!DOCTYPE", 0);
    let end = start.and_then(|it| find(b"]>", it)).map(|it| it + 2);
    if let Some((start, end)) = start.zip(end).filter(|it| find(b"<HealthData", 0).is_none_or(|root| it.1 <= root)) {
        head.drain(start..end);
    }
    head
}

#[derive(Debug, Default)]
struct Cutter {
    is_inside: bool,
    fragment: String,
    /// Type, source, hour of the start, and the end of all that is in the run so far.
    last: Option<Place>,
    n_elements: usize,
    n_too_large: usize,
    lost: Option<String>,
}

/// What tells whether two elements may be cut apart.
#[derive(Clone, Debug)]
struct Place {
    kind: String,
    source: String,
    start_ms: i64,
    end_ms: i64,
}

impl Place {
    fn of(node: &Node) -> Self {
        let attribute = |name| node.attribute(name).unwrap_or_default().to_owned();
        let time = |name| {
            let it = node.attribute(name).and_then(|it| DateTime::parse_from_str(it, "%Y-%m-%d %H:%M:%S %z").ok());
            it.map_or(0, |it| it.timestamp_millis())
        };
        let kind = if node.name == "Record" { attribute("type") } else { node.name.clone() };
        Self { kind, source: attribute("sourceName"), start_ms: time("startDate"), end_ms: time("endDate") }
    }

    /// Whether nothing that becomes one record lies on both sides.
    fn is_apart(&self, next: &Self) -> bool {
        if self.kind != next.kind {
            return true;
        }
        match self.kind.as_str() {
            "HKQuantityTypeIdentifierHeartRate" => {
                self.start_ms.div_euclid(3_600_000) != next.start_ms.div_euclid(3_600_000)
            }
            "HKCategoryTypeIdentifierSleepAnalysis" => {
                let is_next_night = next.start_ms - self.end_ms >= apple_health::NIGHT_GAP_MS;
                let is_next_source = next.source != self.source && next.start_ms < self.start_ms;
                is_next_night || is_next_source
            }
            _ => true,
        }
    }
}

impl Cutter {
    fn push(&mut self, mut node: Node, routes: Routes<'_>, out: Out<'_>) -> Result<(), Gone> {
        embed(&mut node, routes);
        let mut text = String::new();
        node.write(&mut text);
        if text.len() > FRAGMENT_BYTES_MAX - 1_024 {
            self.n_too_large += 1;
            return Ok(());
        }
        let mut place = Place::of(&node);
        let is_apart = self.last.as_ref().is_none_or(|it| it.is_apart(&place));
        let n_bytes = self.fragment.len() + text.len();
        if n_bytes > FRAGMENT_BYTES_MAX - 1_024 || (self.fragment.len() > CUT_BYTES_MIN && is_apart) {
            self.cut(out)?;
        }
        if let Some(last) = self.last.take().filter(|_| !is_apart) {
            place.end_ms = place.end_ms.max(last.end_ms);
        }
        self.last = Some(place);
        self.n_elements += 1;
        self.fragment.push_str(&text);
        Ok(())
    }

    fn cut(&mut self, out: Out<'_>) -> Result<(), Gone> {
        let mut root = Node { name: "HealthData".into(), ..Node::default() };
        if let Some(lost) = self.lost.take() {
            root.attributes.push((apple_health::LOST.into(), lost));
        }
        let mut text = String::with_capacity(self.fragment.len() + 512);
        root.write(&mut text);
        if let Some(open) = text.strip_suffix("/>") {
            text = format!("{open}>{}</HealthData>", std::mem::take(&mut self.fragment));
        }
        out(Ok(Part { content_type: APPLE_HEALTH.to_owned(), body: Bytes::from(text) }))
    }

    fn finish(mut self, out: Out<'_>) -> Result<(), Gone> {
        if self.n_too_large > 0 {
            let told = format!("{} elements were too large and left out", self.n_too_large);
            self.lost = Some(self.lost.take().map_or(told.clone(), |it| format!("{it}; {told}")));
        }
        self.cut(out)
    }
}

/// Puts the points of a workout's route where the reference to their file is.
fn embed(node: &mut Node, routes: Routes<'_>) {
    for route in node.children.iter_mut().filter(|it| it.name == "WorkoutRoute") {
        let path = route.child("FileReference").and_then(|it| it.attribute("path")).map(str::to_owned);
        let Some(points) = path.and_then(|it| routes(&it)) else { continue };
        route.children.extend(points.iter().map(|it| {
            let value = |name: &str, value: Option<f64>| value.map(|it| (name.to_owned(), it.to_string()));
            let values = [
                Some(("at".to_owned(), it.at.0.to_string())),
                value("latitude", it.latitude),
                value("longitude", it.longitude),
                value("altitude", it.altitude),
                value("speed", it.speed),
            ];
            Node { name: ROUTE_POINT.into(), attributes: values.into_iter().flatten().collect(), ..Node::default() }
        }));
    }
}
