use super::SqliteStore;
use crate::{contract, store::Store};

fn open(directory: &tempfile::TempDir) -> Store {
    SqliteStore::open(directory.path()).unwrap()
}

#[tokio::test]
async fn it_does_what_every_store_does() {
    let directory = tempfile::tempdir().unwrap();
    contract::store::check(&open(&directory), "run").await;
}

#[tokio::test]
async fn it_holds_what_was_acknowledged_after_it_was_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    contract::store::check_survives(open(&directory), async || open(&directory), "run").await;
}
