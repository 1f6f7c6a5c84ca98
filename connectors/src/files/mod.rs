//! Files: recordings that a person hands over, and a folder that we write into.
//!
//! Read in this order: `split` (a file becomes parts), [`Files::normalize`] (a part becomes records), `destination`
//! (records become files), `profile`.

mod destination;
mod profile;
mod split;
#[cfg(test)]
mod tests;
mod zipped;

use crate::formats::{apple_health, fit, gpx, tcx};
use async_trait::async_trait;
use engine::{
    provider::{
        DataProvider, FetchRequest, MapperError, Normal, Page, Part, Profile, ProviderError, RawPage, ReadSeek,
        Receipt, SplitError, WriteOperation,
    },
    session::Session,
};
use schemas::record::RecordState;

/// FIT.
pub const FIT: &str = "application/vnd.ant.fit";
/// TCX.
pub const TCX: &str = "application/vnd.garmin.tcx+xml";
/// GPX.
pub const GPX: &str = "application/gpx+xml";
/// A fragment of an Apple Health export.
pub const APPLE_HEALTH: &str = "application/vnd.apple.health+xml";
/// A list of the records in a folder of ours.
pub const FOLDER: &str = "application/vnd.syncwell.folder+json";

/// A run as a watch recorded it, with its file name: for demonstrations (origin and licence in `fixtures/README.md`).
pub const RECORDED_RUN: (&str, &[u8]) =
    ("2013-02-06-12-11-14.fit", include_bytes!("fixtures/fit/2013-02-06-12-11-14.fit"));

/// The provider `files`. As a source it is given one file at a time; as a destination it is a folder, named by the
/// session's `base_url` as a `file:///` URL.
#[derive(Debug)]
pub struct Files {
    profile: Profile,
}

impl Default for Files {
    fn default() -> Self {
        Self { profile: profile::profile() }
    }
}

#[async_trait]
impl DataProvider for Files {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Lists what is in the folder; for an uploaded file there is nothing to fetch.
    async fn fetch(&self, session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
        destination::fetch(session, request).await
    }

    fn normalize(&self, page: &RawPage<'_>) -> Result<Normal, MapperError> {
        match page.content_type {
            FIT => fit::read(page.body, page.name).map(half_is_open),
            TCX => tcx::read(page.body, page.name).map(half_is_open),
            GPX => gpx::read(page.body, page.name).map(half_is_open),
            APPLE_HEALTH => apple_health::read(page.body, page.name),
            FOLDER => destination::normalize(page.body),
            other => Err(MapperError(format!("no file of type {other:?} is known"))),
        }
    }

    async fn write(&self, session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        destination::write(session, operation).await
    }

    fn split(
        &self,
        file: Box<dyn ReadSeek>,
        name: &str,
    ) -> Result<Box<dyn Iterator<Item = Result<Part, SplitError>> + Send>, SplitError> {
        split::split(file, name)
    }
}

/// What was salvaged of a damaged file may not be all of it: its records are open, so that they never replace those of
/// the whole file.
fn half_is_open(mut normal: Normal) -> Normal {
    if normal.issues.iter().any(|it| matches!(it.code, "truncated" | "bad_checksum" | "malformed")) {
        for record in &mut normal.records {
            record.state = RecordState::Open;
        }
    }
    normal
}
