//! The wire as others see it: bytes, schemas, documents.
//!
//! Golden files and documents are written anew with `SYNCWELL_REGENERATE=1 cargo test -p schemas --test suite`.
//! Whoever does that reads the difference: a published schema's bytes never change, it gets a successor.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod analytics;
mod compatibility;
mod content;
mod docs;
mod golden;
mod hostile;
mod ids;
mod lint;
mod samples;

/// Whether the files that tests compare with are to be written instead.
fn regenerate() -> bool {
    std::env::var_os("SYNCWELL_REGENERATE").is_some()
}

/// A file of this crate, by its path from the manifest.
fn file(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a text with its file, or writes the file.
#[track_caller]
fn check_file(path: &str, text: &str) {
    let file = file(path);
    if regenerate() {
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_else(|err| panic!("{path}: {err}"));
    assert!(kept == text, "{path} is not current; see the head of tests/suite/main.rs");
}
