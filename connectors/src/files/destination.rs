//! A folder as a destination: `<data_type>/<start>_<item>.json` for every record, and a FIT file beside them for every
//! workout with streams.
//!
//! The JSON file says which version it holds, and an older one never replaces a newer one; of a deleted record the
//! version alone stays, in `.deleted/`. A file is written whole or not at all: under another name, to the disk, then
//! renamed. Names are made of types, times, sports and item ids only, never of a record's texts.

use super::FOLDER;
use crate::formats::fit;
use engine::{
    provider::{Action, FetchRequest, MapperError, Normal, Page, ProviderError, Receipt, What, WriteOperation},
    session::Session,
};
use schemas::{
    data_type::DataType,
    id::ItemId,
    record::{Body, Nothing, Origin, Policy, Record, RecordState, RecordingMethod, Span},
    time::Instant,
};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// Files on one page of a listing.
const PAGE_FILES_MAX: usize = 500;

/// Bytes of a listing after which its page ends.
const PAGE_BYTES_END: usize = 4 << 20;

/// The longest night: what starts this much before a window may still end in it.
const SLEEP_MS_MAX: i64 = 2 * 86_400_000;

const DELETED: &str = ".deleted";

/// A file of ours.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    item: ItemId,
    version: i64,
    record: Record,
}

/// What stays of a deleted record.
#[derive(Debug, Serialize, Deserialize)]
struct Tombstone {
    item: ItemId,
    version: i64,
}

/// A file in a listing; without `stored` it is not there.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    path: String,
    data_type: DataType,
    stored: Option<Stored>,
}

/// Brings one operation to the folder.
pub(super) async fn write(session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
    let folder = folder(session)?;
    if session.is_late() {
        return Err(ProviderError::Late);
    }
    let (item, version) = (operation.item, operation.version);
    match operation.action {
        Action::Create { record } | Action::Update { record, .. } => {
            let stored = Stored { item, version, record: record.clone() };
            off_thread(move || put(&folder, &stored)).await
        }
        Action::Delete { data_type, external_id } => {
            let external_id = external_id.to_owned();
            off_thread(move || remove(&folder, data_type, &external_id, &Tombstone { item, version })).await
        }
    }
}

/// One page of what is in the folder.
pub(super) async fn fetch(session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
    let folder = folder(session)?;
    let request = request.clone();
    off_thread(move || list(&folder, &request)).await
}

/// The records of a listing. Their ids are the paths; the item is their mark.
pub(super) fn normalize(body: &[u8]) -> Result<Normal, MapperError> {
    let listed: Vec<Listed> = serde_json::from_slice(body).map_err(|err| {
        MapperError(format!("no listing of a folder, at line {} column {}", err.line(), err.column()))
    })?;
    let record = |it: Listed| match it.stored {
        Some(stored) => {
            let mut record = stored.record;
            record.origin = Origin {
                connection: None,
                record: it.path,
                marker: Some(stored.item.to_string()),
                provider: "files".into(),
                ..record.origin
            };
            record
        }
        None => gone(it.path, it.data_type),
    };
    Ok(Normal { records: listed.into_iter().map(record).collect(), issues: Vec::new() })
}

fn gone(path: String, data_type: DataType) -> Record {
    Record {
        data_type,
        origin: Origin {
            provider: "files".into(),
            connection: None,
            record: path,
            modified_at: None,
            device: None,
            method: RecordingMethod::Unknown,
            marker: None,
        },
        time: Span::at(Instant::default(), None),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: true,
        policy: Policy::default(),
        body: Body::Nothing(Nothing {}),
    }
}

fn folder(session: &Session) -> Result<PathBuf, ProviderError> {
    url::Url::parse(&session.base_url)
        .ok()
        .filter(|it| it.scheme() == "file")
        .and_then(|it| it.to_file_path().ok())
        .ok_or_else(|| ProviderError::Refused { reason: "the folder is not given as a file:/// URL".into() })
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ProviderError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ProviderError::Unavailable { what: "the writing was broken off".into() })?.map_err(|err| {
        ProviderError::Unavailable {
            what: match err.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "the disk of the folder is full; make room on it".into()
                }
                io::ErrorKind::PermissionDenied => "the folder may not be written to; change its permissions".into(),
                io::ErrorKind::ReadOnlyFilesystem => "the folder's disk is read-only".into(),
                other => format!("the folder cannot be used: {other}"),
            },
        }
    })
}

fn put(folder: &Path, stored: &Stored) -> io::Result<Receipt> {
    let data_type = stored.record.data_type;
    let path = path_of(&stored.record, stored.item);
    if read_json::<Tombstone>(&tombstone_path(folder, stored.item))?.is_some_and(|it| it.version >= stored.version) {
        return Ok(Receipt::Applied { external_id: path });
    }
    let before = held(folder, data_type, &path, stored.item)?;
    if let Some((path, held)) = &before
        && held.version >= stored.version
    {
        // An attempt before this one may have been cut off between its last two steps.
        remove_others(folder, data_type, path, stored.item)?;
        return Ok(Receipt::Applied { external_id: path.clone() });
    }
    let recording = recording(&stored.record, stored.item);
    if let Some((name, bytes)) = &recording {
        write_whole(folder, name, bytes)?;
    }
    // This is the file that counts; the others follow it.
    write_whole(folder, &path, &serde_json::to_vec_pretty(stored)?)?;
    remove_file(&tombstone_path(folder, stored.item))?;
    if let Some((old_path, old)) = before {
        let old_recording = recording_name(&old.record, old.item);
        if recording.is_none_or(|it| it.0 != old_recording) {
            remove_file(&folder.join(old_recording))?;
        }
        if old_path != path {
            remove_file(&folder.join(old_path))?;
        }
    }
    Ok(Receipt::Applied { external_id: path })
}

fn remove(folder: &Path, data_type: DataType, external_id: &str, tombstone: &Tombstone) -> io::Result<Receipt> {
    let receipt = Receipt::Applied { external_id: external_id.to_owned() };
    let Some((path, held)) = held(folder, data_type, external_id, tombstone.item)? else {
        write_whole(folder, &format!("{DELETED}/{}.json", tombstone.item), &serde_json::to_vec(tombstone)?)?;
        return Ok(receipt);
    };
    if held.version >= tombstone.version {
        return Ok(receipt);
    }
    write_whole(folder, &format!("{DELETED}/{}.json", tombstone.item), &serde_json::to_vec(tombstone)?)?;
    remove_file(&folder.join(recording_name(&held.record, held.item)))?;
    remove_file(&folder.join(path))?;
    Ok(receipt)
}

fn tombstone_path(folder: &Path, item: ItemId) -> PathBuf {
    folder.join(DELETED).join(format!("{item}.json"))
}

/// The file of an item, under `likely` or, if its start changed, another name.
fn held(folder: &Path, data_type: DataType, likely: &str, item: ItemId) -> io::Result<Option<(String, Stored)>> {
    let ending = format!("_{item}.json");
    if is_ours(likely)
        && likely.ends_with(&ending)
        && let Some(stored) = read_json(&folder.join(likely))?
    {
        return Ok(Some((likely.to_owned(), stored)));
    }
    for name in names(folder, data_type)?.into_iter().filter(|it| it.ends_with(&ending)) {
        let path = format!("{data_type}/{name}");
        if let Some(stored) = read_json(&folder.join(&path))? {
            return Ok(Some((path, stored)));
        }
    }
    Ok(None)
}

/// Removes what an item left under the names of its former starts.
fn remove_others(folder: &Path, data_type: DataType, path: &str, item: ItemId) -> io::Result<()> {
    let ending = format!("_{item}.json");
    for name in names(folder, data_type)?.into_iter().filter(|it| it.ends_with(&ending)) {
        let other = format!("{data_type}/{name}");
        if other != path {
            remove_file(&folder.join(other))?;
        }
    }
    Ok(())
}

/// Whether a path is one that we give: a type, then a name without any way out of its folder.
fn is_ours(path: &str) -> bool {
    path.split_once('/').is_some_and(|(data_type, name)| {
        data_type.parse::<DataType>().is_ok()
            && name.ends_with(".json")
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.'))
            && !name.starts_with('.')
    })
}

/// The names of the records of a type, in order of time.
fn names(folder: &Path, data_type: DataType) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder.join(data_type.name())) {
        Ok(it) => it,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(err),
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && is_ours(&format!("{data_type}/{name}"))
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn stamp(at: Instant) -> String {
    at.utc().format("%Y%m%dT%H%M%SZ").to_string()
}

fn path_of(record: &Record, item: ItemId) -> String {
    format!("{}/{}_{item}.json", record.data_type, stamp(record.time.start))
}

/// The name of a workout's FIT file: its day and sport for the eye, eight digits of the item against a second one.
fn recording_name(record: &Record, item: ItemId) -> String {
    let sport = match &record.body {
        Body::Workout(it) => serde_json::to_value(it.sport).ok().and_then(|it| it.as_str().map(str::to_owned)),
        _ => None,
    };
    let short: String = item.to_string().chars().take(8).collect();
    format!("{}_{}_{short}.fit", record.time.start.utc().format("%Y-%m-%d"), sport.unwrap_or_default())
}

/// A workout's FIT file, if it has streams and FIT can hold it.
fn recording(record: &Record, item: ItemId) -> Option<(String, Vec<u8>)> {
    match &record.body {
        Body::Workout(it) if !it.streams.offsets_ms.is_empty() => {
            Some((recording_name(record, item), fit::write(record, &item.to_string()).ok()?))
        }
        _ => None,
    }
}

/// `None` where there is no such file, or one that is not ours.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// Writes a file so that it is there whole, after a power cut too, or not at all.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(name);
    let directory = path.parent().unwrap_or(folder);
    fs::create_dir_all(directory)?;
    let draft = path.with_extension("draft");
    let written = (|| {
        let mut file = fs::File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        // The new name is on the disk when its directory is.
        fs::File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        // The first error is the one to tell.
        drop(fs::remove_file(&draft));
    }
    written
}

fn list(folder: &Path, request: &FetchRequest) -> io::Result<Page> {
    let data_type = request.data_type;
    let after = request.cursor.as_deref().unwrap_or("");
    let mut paths: Vec<String> = match &request.what {
        What::Named(ids) => ids.clone(),
        What::Window(window) | What::Look(window) => {
            let (from, to) = (stamp(Instant(window.from.0.saturating_sub(SLEEP_MS_MAX))), stamp(window.to));
            let is_near =
                |it: &String| it.as_str() >= from.as_str() && it.get(..to.len()).is_some_and(|it| it <= to.as_str());
            names(folder, data_type)?.into_iter().filter(is_near).map(|it| format!("{data_type}/{it}")).collect()
        }
    };
    // The cursor is the last path of the page before, so what comes or goes meanwhile shifts nothing.
    paths.sort();
    paths.dedup();
    let mut body = b"[".to_vec();
    let mut next = None;
    for (n_files, path) in paths.into_iter().filter(|it| it.as_str() > after).enumerate() {
        if n_files >= PAGE_FILES_MAX || body.len() > PAGE_BYTES_END {
            return Ok(page(body, next));
        }
        let stored: Option<Stored> = if is_ours(&path) { read_json(&folder.join(&path))? } else { None };
        if is_wanted(&request.what, stored.as_ref()) {
            if body.len() > 1 {
                body.push(b',');
            }
            serde_json::to_writer(&mut body, &Listed { path: path.clone(), data_type, stored })?;
        }
        next = Some(path);
    }
    Ok(page(body, None))
}

fn page(mut body: Vec<u8>, next: Option<String>) -> Page {
    body.push(b']');
    Page { body: body.into(), content_type: FOLDER.into(), next, provider_time: None }
}

/// A named record that is gone is wanted too, as a tombstone.
fn is_wanted(what: &What, stored: Option<&Stored>) -> bool {
    match (what, stored) {
        (What::Named(_), _) => true,
        (What::Window(_) | What::Look(_), None) => false,
        (What::Window(window) | What::Look(window), Some(it)) => {
            let is_sleep = it.record.data_type == DataType::Sleep;
            let at = if is_sleep { it.record.time.end } else { it.record.time.start };
            (window.from..window.to).contains(&at)
        }
    }
}
