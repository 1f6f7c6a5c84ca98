use super::{AVRO, Contents, RIDING_BYTES_MAX};
use crate::{
    store::sqlite::SqliteStore,
    vault::{Kek, Vault},
};
use schemas::{
    data_type::DataType,
    event::{Action, Decisions, Fate, Head, OperationResult, Results},
    id::{EventId, ItemId, OpId, Subject, SyncId},
    time::Instant,
};
use std::fs;
use uuid::Uuid;

struct Place {
    directory: tempfile::TempDir,
    contents: Contents,
    head: Head,
}

async fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    let vault = Vault::open(store.vault.clone(), Kek::from_text(&"11".repeat(32)).unwrap()).await.unwrap();
    let head = Head::root(SyncId(Uuid::from_u128(1)), Subject("anna".into()), Instant(0));
    Place { directory, contents: Contents { vault, blobs: store.blobs }, head }
}

#[tokio::test]
async fn a_content_comes_back_whatever_its_size() {
    let Place { contents, head, directory: _kept } = place().await;
    // Nonce and tag take 40 bytes of what rides.
    let largest = RIDING_BYTES_MAX - 40;
    for (size, rides) in [(0, true), (1, true), (largest, true), (largest + 1, false), (3 << 20, false)] {
        let content = vec![7; size];
        let payload = contents.seal(&head, "application/json", &content).await.unwrap();
        assert_eq!((payload.sealed.is_some(), payload.blob.is_none()), (rides, rides), "{size} bytes");
        assert_eq!((payload.size, payload.carrier), (i64::try_from(size).unwrap(), head.id));
        assert_eq!(payload.content_type, "application/json");
        assert_eq!(contents.open(&head.subject, &payload).await.unwrap(), Some(content), "{size} bytes");
    }
}

#[tokio::test]
async fn equal_contents_have_equal_hashes_and_other_bytes() {
    let Place { contents, head, directory: _kept } = place().await;
    let seal = async |content: &[u8]| contents.seal(&head, "text/plain", content).await.unwrap();
    let (first, second, other) = (seal(b"a").await, seal(b"a").await, seal(b"b").await);
    assert_eq!(first.hash, second.hash);
    assert_ne!(first.sealed, second.sealed);
    assert_ne!(first.hash, other.hash);
}

#[tokio::test]
async fn a_payload_opens_under_its_carrier_and_person_only() {
    let Place { contents, head, directory: _kept } = place().await;
    let payload = contents.seal(&head, "text/plain", b"content").await.unwrap();
    let moved = schemas::event::Payload { carrier: EventId(Uuid::nil()), ..payload.clone() };
    assert_eq!(contents.open(&head.subject, &moved).await.unwrap(), None, "another event cannot carry it as its own");
    let mut altered = payload.clone();
    altered.sealed.as_mut().unwrap()[30] ^= 1;
    assert_eq!(contents.open(&head.subject, &altered).await.unwrap(), None, "nor was it altered");
    assert_eq!(contents.open(&Subject("ben".into()), &payload).await.unwrap(), None);
}

#[tokio::test]
async fn a_payload_whose_key_or_blob_is_gone_is_none() {
    let Place { contents, head, directory: _kept } = place().await;
    let payload = contents.seal(&head, "text/plain", &vec![7; 1 << 20]).await.unwrap();
    let lost = schemas::event::Payload { blob: Some("00".repeat(32)), ..payload.clone() };
    assert_eq!(contents.open(&head.subject, &lost).await.unwrap(), None, "its blob is gone");
    contents.vault.destroy(&head.subject).await.unwrap();
    assert_eq!(contents.open(&head.subject, &payload).await.unwrap(), None, "its key is gone");
}

#[tokio::test]
async fn a_value_comes_back_as_what_it_was_and_as_nothing_else() {
    let Place { contents, head, directory: _kept } = place().await;
    let result = OperationResult {
        op: OpId(Uuid::from_u128(2)),
        item: ItemId(Uuid::from_u128(3)),
        month: "2026-05".into(),
        data_type: DataType::Weight,
        action: Action::Create,
        fate: Fate::Created,
        reason: None,
        detail: None,
        version: 1,
        hash: None,
        external_id: Some("external".into()),
        owned: true,
        lost: Vec::new(),
    };
    let value = Results { results: vec![result] };
    let payload = contents.seal_value(&head, &value).await.unwrap();
    assert_eq!(payload.content_type, AVRO);
    assert_eq!(contents.open_value::<Results>(&head.subject, &payload).await.unwrap(), Some(value));
    let err = contents.open_value::<Decisions>(&head.subject, &payload).await.unwrap_err();
    assert!(err.0.contains("not a decisions"), "{err}");
    contents.vault.destroy(&head.subject).await.unwrap();
    assert_eq!(contents.open_value::<Results>(&head.subject, &payload).await.unwrap(), None);
}

#[tokio::test]
async fn a_canary_is_in_no_file_and_no_debug() {
    let Place { contents, head, directory } = place().await;
    let canary = b"canary-93c2".repeat(40_000);
    let payload = contents.seal(&head, "text/plain", &canary).await.unwrap();
    assert!(payload.blob.is_some());
    assert!(!format!("{contents:?} {payload:?}").contains("canary"));
    for file in fs::read_dir(directory.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(11).any(|it| it == b"canary-93c2"));
    }
}
