//! Large contents, in pieces.

use super::{Cluster, cql::Way};
use crate::{bus::Unreachable, store::Blobs};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::id::Subject;

/// The size of a piece, bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Pieces in one partition: 16 MiB.
const PART_PIECES: i32 = 64;

/// Pieces under way at a time: 2 MiB.
const PIECES_AT_ONCE: usize = 8;

const HEAD: &str = "SELECT n_pieces FROM blobs WHERE subject = ? AND name = ?";
const PUT_HEAD: &str = "INSERT INTO blobs (subject, name, n_pieces) VALUES (?, ?, ?)";
const PIECE: &str = "SELECT bytes FROM blob_pieces WHERE subject = ? AND name = ? AND part = ? AND place = ?";
const PUT_PIECE: &str = "INSERT INTO blob_pieces (subject, name, part, place, bytes) VALUES (?, ?, ?, ?, ?)";

pub(super) const STATEMENTS: [(&str, Way); 4] =
    [(HEAD, Way::Read), (PUT_HEAD, Way::Write), (PIECE, Way::Read), (PUT_PIECE, Way::Write)];

#[async_trait]
impl Blobs for Cluster {
    async fn put(&self, subject: &Subject, name: &str, content: Bytes) -> Result<(), Unreachable> {
        if self.n_pieces(subject, name).await?.is_some() {
            return Ok(());
        }
        let n_pieces = i32::try_from(content.len().div_ceil(PIECE_BYTES)).unwrap_or(i32::MAX);
        let put = (0..n_pieces).zip((0..content.len()).step_by(PIECE_BYTES)).map(|(place, start)| {
            let piece = content.slice(start..content.len().min(start + PIECE_BYTES));
            self.write(PUT_PIECE, (&subject.0, name, place / PART_PIECES, place, piece))
        });
        let put: Vec<_> = put.collect();
        stream::iter(put).buffer_unordered(PIECES_AT_ONCE).try_collect::<()>().await?;
        // Only with this row is the content there, and then all of it.
        self.write(PUT_HEAD, (&subject.0, name, n_pieces)).await
    }

    async fn get(&self, subject: &Subject, name: &str) -> Result<Option<Bytes>, Unreachable> {
        let Some(n_pieces) = self.n_pieces(subject, name).await? else { return Ok(None) };
        let get = |place: i32| self.read::<(Vec<u8>,)>(PIECE, (&subject.0, name, place / PART_PIECES, place));
        let mut pieces = stream::iter((0..n_pieces).map(get)).buffered(PIECES_AT_ONCE);
        let mut content = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            // The pieces were written before the head, and their time is over before its.
            let Some((bytes,)) = piece?.pop() else { return Ok(None) };
            content.extend_from_slice(&bytes);
        }
        Ok(Some(content.freeze()))
    }
}

impl Cluster {
    async fn n_pieces(&self, subject: &Subject, name: &str) -> Result<Option<i32>, Unreachable> {
        let found: Vec<(i32,)> = self.read(HEAD, (&subject.0, name)).await?;
        Ok(found.first().map(|it| it.0))
    }
}
