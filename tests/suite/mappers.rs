//! A mapper gives the same bytes for the same page, for ever: another result needs another version.

use crate::documents::root;
use anyhow::{Context, Result};
use engine::provider::RawPage;
use schemas::{codec, record::Records};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const GOLDEN: &str = "tests/suite/mappers.json";

/// The media type of a recorded page; `None` for what is no page.
fn content_type(provider: &str, path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    match (provider, path.extension()?.to_str()?) {
        ("files", "fit") => Some(connectors::files::FIT),
        ("files", "tcx") => Some(connectors::files::TCX),
        ("files", "gpx") => Some(connectors::files::GPX),
        ("files", "xml") if path.parent()?.ends_with("apple_health") => Some(connectors::files::APPLE_HEALTH),
        ("google_health" | "strava", "json") if !name.contains("truth") => Some("application/json"),
        _ => None,
    }
}

fn pages(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            pages(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// SHA-256 of the records of a page, in Avro; why there are none, if there are none.
fn digest(mapper: &dyn engine::provider::DataProvider, page: &RawPage<'_>) -> String {
    let version = mapper.profile().mapper_version;
    let Some(normal) = mapper.normalize_as(version, page) else { return "no such mapper".into() };
    match normal {
        Ok(normal) => hex::encode(Sha256::digest(codec::encode(&Records { records: normal.records }))),
        Err(err) => format!("refused: {err}"),
    }
}

#[test]
fn every_recorded_page_gives_the_bytes_that_it_gave() -> Result<()> {
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    for mapper in connectors::catalog().iter() {
        let (id, version) = (mapper.profile().id, mapper.profile().mapper_version);
        let directory = root().join("connectors/src").join(id).join("fixtures");
        let mut found = Vec::new();
        pages(&directory, &mut found)?;
        for path in found {
            let Some(content_type) = content_type(id, &path) else { continue };
            let body = fs::read(&path)?;
            let page = RawPage { data_type: None, content_type, body: &body, name: "" };
            let digest = [digest(&**mapper, &page), digest(&**mapper, &page)];
            assert_eq!(digest[0], digest[1], "{} gives the same twice", path.display());
            let name = path.strip_prefix(&directory)?.display();
            made.insert(format!("{id} {version} {name}"), digest[0].clone());
        }
    }
    assert!(made.len() > 60, "only {} pages were found", made.len());
    assert!(made.values().filter(|it| it.len() == 64).count() > 40, "most pages have records");
    let path = root().join(GOLDEN);
    if std::env::var_os("SYNCWELL_REGENERATE").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&made)? + "\n")?;
    }
    let stands: BTreeMap<String, String> = serde_json::from_str(&fs::read_to_string(&path)?)?;
    for (page, digest) in &stands {
        let now = made.get(page);
        assert_eq!(now, Some(digest), "{page}: raise `mapper_version`, then run this test with SYNCWELL_REGENERATE=1");
    }
    assert_eq!(made.len(), stands.len(), "a new page: run this test with SYNCWELL_REGENERATE=1");
    Ok(())
}
