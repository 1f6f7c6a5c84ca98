//! Large contents, in pieces.

use super::Database;
use crate::{bus::Unreachable, store::Blobs};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use rusqlite::{OptionalExtension, params};
use schemas::id::Subject;

/// The size of a piece, bytes: other changes get their turn in between.
const PIECE_BYTES: usize = 1024 * 1024;

pub(super) const HEAD: &str = "SELECT n_pieces FROM blobs WHERE subject = ?1 AND name = ?2";
pub(super) const PIECES: &str =
    "SELECT bytes FROM blob_pieces WHERE subject = ?1 AND name = ?2 AND place < ?3 ORDER BY place";

#[async_trait]
impl Blobs for Database {
    async fn put(&self, subject: &Subject, name: &str, content: Bytes) -> Result<(), Unreachable> {
        if self.n_pieces(subject, name).await?.is_some() {
            return Ok(());
        }
        let mut n_pieces: i64 = 0;
        let mut rest = content;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let (subject, name, place) = (subject.0.clone(), name.to_owned(), n_pieces);
            self.write(move |connection| {
                // A put that was cut short has left the same bytes here: the name is their hash.
                connection
                    .prepare_cached(
                        "INSERT OR IGNORE INTO blob_pieces (subject, name, place, bytes) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![subject, name, place, &piece[..]])
            })
            .await?;
            n_pieces += 1;
        }
        // Only with this row is the content there, and then all of it.
        let (subject, name) = (subject.0.clone(), name.to_owned());
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT OR IGNORE INTO blobs (subject, name, n_pieces) VALUES (?1, ?2, ?3)")?
                .execute(params![subject, name, n_pieces])
                .map(drop)
        })
        .await
    }

    async fn get(&self, subject: &Subject, name: &str) -> Result<Option<Bytes>, Unreachable> {
        let Some(n_pieces) = self.n_pieces(subject, name).await? else { return Ok(None) };
        let (subject, name) = (subject.0.clone(), name.to_owned());
        let content = self.read(move |connection| {
            let mut statement = connection.prepare_cached(PIECES)?;
            let mut pieces = statement.query(params![subject, name, n_pieces])?;
            let mut content = BytesMut::new();
            while let Some(piece) = pieces.next()? {
                content.extend_from_slice(piece.get_ref(0)?.as_blob()?);
            }
            Ok(content.freeze())
        });
        content.await.map(Some)
    }
}

impl Database {
    async fn n_pieces(&self, subject: &Subject, name: &str) -> Result<Option<i64>, Unreachable> {
        let (subject, name) = (subject.0.clone(), name.to_owned());
        self.read(move |connection| {
            connection.prepare_cached(HEAD)?.query_row(params![subject, name], |row| row.get(0)).optional()
        })
        .await
    }
}
