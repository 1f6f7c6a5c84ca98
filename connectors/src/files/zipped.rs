//! Zip archives of Apple Health, as if they came from an enemy: entries and bytes are counted as they are unpacked,
//! names are never paths, links and archives in archives are not followed.

use super::split::{Gone, Out, Parts, export, stream};
use crate::formats::{
    gpx,
    sniff::{HEAD_BYTES, Kind},
    track::Point,
};
use engine::provider::{ReadSeek, SplitError};
use std::{
    collections::HashMap,
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, PoisonError},
};
use zip::{ZipArchive, read::read_zipfile_from_stream, result::ZipError};

const ENTRIES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 4 << 30;
const RATIO_MAX: u64 = 200;

/// Below it no ratio is a danger.
const RATIO_BYTES_MIN: u64 = 1 << 20;

/// A route of a day's ride has some ten megabytes.
const ROUTE_BYTES_MAX: u64 = 32 << 20;

/// The parts of the export in an archive.
pub(super) fn split(file: Box<dyn ReadSeek>, name: &str) -> Result<Parts, SplitError> {
    let mut file = Handle { file: Arc::new(Mutex::new(file)), at: 0 };
    let too_many = || SplitError(format!("{name} has more than {ENTRIES_MAX} entries"));
    // The library takes the whole list into memory before it says how long it is.
    if n_entries(&mut file).is_ok_and(|it| it > ENTRIES_MAX as u64) {
        return Err(too_many());
    }
    let mut archive = match ZipArchive::new(file.clone()) {
        Ok(it) => it,
        // The list of entries is at the end; without it the entries themselves may still be read.
        Err(ZipError::InvalidArchive(_) | ZipError::Io(_)) => {
            return salvage(file, name.to_owned());
        }
        Err(err) => return Err(refused(name, &err)),
    };
    if archive.len() > ENTRIES_MAX {
        return Err(too_many());
    }
    let contents = contents(&mut archive, name)?;
    let budget = Budget(Arc::new(Mutex::new(BYTES_MAX)));
    stream(move |out| {
        let mut others = archive.clone();
        let entry = match archive.by_index(contents.export) {
            Ok(it) => it,
            Err(err) => {
                return out(Err(SplitError(format!("the export in the archive cannot be unpacked: {err}"))));
            }
        };
        let n_packed = entry.compressed_size();
        let mut bombs = Bombs::default();
        let counted = Counted::new(entry, n_packed, BYTES_MAX, budget.clone(), &bombs);
        let mut routes =
            |path: &str| route(&mut others, *contents.routes.get(file_name(&path.to_lowercase()))?, &budget);
        forward(BufReader::new(counted), &mut routes, &mut bombs, out)
    })
}

/// How many entries the end of the archive promises (PKWARE APPNOTE 4.3.14 to 4.3.16): the most of what any of its
/// records says, so that no reader can find more than were counted here.
fn n_entries(file: &mut Handle) -> io::Result<u64> {
    let n_bytes = file.seek(SeekFrom::End(0))?;
    // The end record is 22 bytes and a comment, a locator of 20 bytes and a long record of 56 may be before it.
    file.seek(SeekFrom::Start(n_bytes.saturating_sub(22 + 20 + 56 + 65_535)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let count = |rest: &[u8]| match rest {
        [b'P', b'K', 5, 6, ..] => rest.get(10..)?.first_chunk().map(|it| u64::from(u16::from_le_bytes(*it))),
        [b'P', b'K', 6, 6, ..] => rest.get(32..)?.first_chunk().map(|it| u64::from_le_bytes(*it)),
        _ => None,
    };
    // A short count of 0xffff refers to the long one.
    let counts = tail.windows(4).enumerate().filter_map(|(at, _)| count(tail.get(at..)?)).filter(|it| *it != 0xffff);
    Ok(counts.max().unwrap_or(0))
}

/// Cuts the export and, where a limit was passed, tells that instead of a broken end.
fn forward(
    from: BufReader<impl Read>,
    routes: &mut dyn FnMut(&str) -> Option<Vec<Point>>,
    bombs: &mut Bombs,
    out: Out<'_>,
) -> Result<(), Gone> {
    let bombs = bombs.clone();
    export(from, routes, &mut |part| match bombs.told() {
        Some(why) => out(Err(SplitError(why))).and(Err(Gone)),
        None => out(part),
    })
}

struct Contents {
    export: usize,
    /// Routes by the last part of their names.
    routes: HashMap<String, usize>,
}

fn contents(archive: &mut ZipArchive<Handle>, name: &str) -> Result<Contents, SplitError> {
    let mut export = None;
    let mut routes = HashMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|err| refused(name, &err))?;
        if entry.is_symlink() {
            return Err(SplitError(format!("{name} holds a symbolic link; pack the files themselves")));
        }
        let entry_name = entry.name().map_err(|err| refused(name, &err))?.to_lowercase();
        if entry_name.ends_with(".gpx") {
            routes.insert(file_name(&entry_name).to_owned(), index);
        } else if entry_name.ends_with(".xml") && export.is_none() {
            let mut head = Vec::new();
            // An entry that cannot be unpacked is not the export.
            let is_read = entry.take(HEAD_BYTES as u64).read_to_end(&mut head).is_ok();
            export = (is_read && Kind::of(&head) == Kind::AppleHealth).then_some(index);
        }
    }
    let export = export.ok_or_else(|| {
        SplitError(format!(
            "{name} is a zip archive without the export.xml of Apple Health; unpack it and give its files one by one"
        ))
    })?;
    Ok(Contents { export, routes })
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn refused(name: &str, err: &ZipError) -> SplitError {
    SplitError(format!("{name} cannot be unpacked: {err}"))
}

fn route(archive: &mut ZipArchive<Handle>, index: usize, budget: &Budget) -> Option<Vec<Point>> {
    let entry = archive.by_index(index).ok()?;
    let n_packed = entry.compressed_size();
    let mut bytes = Vec::new();
    let mut counted = Counted::new(entry, n_packed, ROUTE_BYTES_MAX, budget.clone(), &Bombs::default());
    counted.read_to_end(&mut bytes).ok()?;
    gpx::points(&bytes).ok()
}

/// Reads the entries of an archive without its list, up to the export, which then is cut off somewhere.
fn salvage(mut file: Handle, name: String) -> Result<Parts, SplitError> {
    file.seek(SeekFrom::Start(0)).map_err(|err| SplitError(format!("{name} cannot be read: {}", err.kind())))?;
    stream(move |out| {
        for _ in 0..ENTRIES_MAX {
            let entry = match read_zipfile_from_stream(&mut file) {
                Ok(Some(entry)) => entry,
                // An entry that cannot be told from what follows it ends what can be read.
                Ok(None) | Err(_) => break,
            };
            let n_packed = entry.compressed_size();
            let mut bombs = Bombs::default();
            let mut entry = Counted::new(entry, n_packed, BYTES_MAX, Budget(Arc::new(Mutex::new(BYTES_MAX))), &bombs);
            let mut head = Vec::new();
            let is_read = entry.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).is_ok();
            if Kind::of(&head) == Kind::AppleHealth || (!is_read && !head.is_empty()) {
                let whole = io::Cursor::new(head).chain(entry);
                return forward(BufReader::new(whole), &mut |_| None, &mut bombs, out);
            }
        }
        out(Err(SplitError(format!(
            "{name} is a broken zip archive, and no export of Apple Health is in what is left; make the export again"
        ))))
    })
}

/// How many bytes may still be unpacked, of all entries together.
#[derive(Clone, Debug)]
struct Budget(Arc<Mutex<u64>>);

/// Which limit was passed, if one was: the XML reader only sees an end.
#[derive(Clone, Debug, Default)]
struct Bombs(Arc<Mutex<Option<String>>>);

impl Bombs {
    fn told(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An entry whose bytes are counted as they come out: what its header promises is not believed.
#[derive(Debug)]
struct Counted<R> {
    from: R,
    n_read: u64,
    bytes_max: u64,
    ratio_bytes_max: u64,
    budget: Budget,
    bombs: Bombs,
}

impl<R: Read> Counted<R> {
    fn new(from: R, n_packed: u64, bytes_max: u64, budget: Budget, bombs: &Bombs) -> Self {
        let ratio_bytes_max = n_packed.saturating_mul(RATIO_MAX).max(RATIO_BYTES_MIN);
        Self { from, n_read: 0, bytes_max, ratio_bytes_max, budget, bombs: bombs.clone() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.n_read += n as u64;
        let mut left = self.budget.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(n as u64);
        let why = if self.n_read > self.ratio_bytes_max {
            format!("the archive unpacks to more than {RATIO_MAX} times its size; it is not unpacked further")
        } else if *left == 0 || self.n_read > self.bytes_max {
            format!("the archive unpacks to more than {} bytes; it is not unpacked further", self.bytes_max)
        } else {
            return Ok(n);
        };
        *self.bombs.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        Err(io::Error::other("too large"))
    }
}

/// One of several readers of the same file, each at its own place.
#[derive(Clone)]
struct Handle {
    file: Arc<Mutex<Box<dyn ReadSeek>>>,
    at: u64,
}

impl Read for Handle {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let n = file.read(into)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Handle {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let to = match to {
            SeekFrom::Current(by) => {
                SeekFrom::Start(self.at.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?)
            }
            other => other,
        };
        self.at = file.seek(to)?;
        Ok(self.at)
    }
}
