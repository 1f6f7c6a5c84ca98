//! `syncwell entities`: joins uploads of several devices, and says what each device is told.

mod line;

use super::print;
use anyhow::{Context, bail};
use clap::Args;
use engine::resolve::entity::{AHEAD_MAX, Entity, Held, Stamp, Told};
use line::Line;
use schemas::time::Instant;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
};

/// `syncwell entities`.
#[derive(Debug, Args)]
pub struct Entities {
    /// JSON lines, each one upload of one device: {"node": "phone", "received_at": <time>, "last_sync_at": <time>,
    /// "meals": [{"id": …, "data": {…}, "updated_at": <time>}], …}; see docs/devices.md. `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    uploads: PathBuf,
}

/// What is printed of an upload.
#[derive(Serialize)]
struct Answer<'a> {
    /// Which line of the file it is, from 1.
    line: usize,
    node: &'a str,
    told: Told,
}

/// What is printed of an entity in the end.
#[derive(Serialize)]
struct Stored<'a> {
    entity_type: &'static str,
    id: &'a str,
    data: Map<String, Value>,
    updated_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Instant>,
    /// Who wrote each field last, and when.
    written: BTreeMap<&'a str, &'a Stamp>,
}

impl Entities {
    /// Takes in the uploads one after the other; a line that cannot be read is said and left out.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it; when there is none.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let lines: Box<dyn BufRead> = if self.uploads.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(BufReader::new(super::developer::open(&self.uploads)?))
        };
        let (mut held, mut n_lines, mut n_bad, mut n_conflicts) = (Held::default(), 0_u32, 0_u32, 0_usize);
        for (index, text) in lines.split(b'\n').enumerate() {
            let text = text.with_context(|| format!("read {}", self.uploads.display()))?;
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            n_lines += 1;
            match Line::read(&text) {
                Ok(upload) => {
                    let told = held.take(upload.admit(AHEAD_MAX), upload.last_sync_at, upload.received_at);
                    n_conflicts += told.conflicts;
                    let answer = Answer { line: index + 1, node: &upload.node, told };
                    print::data(&serde_json::to_string(&answer)?);
                }
                Err(wrongs) => {
                    n_bad += 1;
                    wrongs.iter().for_each(|it| print::say(&format!("line {}: {it}", index + 1)));
                }
            }
        }
        if n_lines == 0 {
            bail!("no upload in {}; give it JSON lines, as docs/devices.md shows", self.uploads.display());
        }
        for it in held.entities() {
            print::data(&serde_json::to_string(&BTreeMap::from([("stored", stored(it))]))?);
        }
        let (n_kept, n_deleted) = (held.entities().count(), held.entities().filter(|it| it.is_deleted()).count());
        let n_taken = n_lines - n_bad;
        print::say(&format!(
            "uploads taken in: {n_taken}; in conflict: {n_conflicts}; entities kept: {n_kept}, of them deleted: {n_deleted}"
        ));
        if n_bad > 0 {
            bail!("{n_bad} of the lines could not be read, as said above; the others were taken in");
        }
        Ok(())
    }
}

fn stored(it: &Entity) -> Stored<'_> {
    let download = it.download();
    let written = it.fields.iter().filter_map(|(name, field)| Some((name.as_str(), field.written()?)));
    Stored {
        entity_type: it.key.kind.name(),
        id: &it.key.id,
        data: download.data,
        updated_at: download.updated_at,
        deleted_at: download.deleted_at,
        written: written.collect(),
    }
}
