use super::{ConnectionId, Kek, KekError, Subject, Tokens, Vault, VaultError};
use crate::store::{Store, sqlite::SqliteStore};
use std::{collections::HashSet, fs, path::Path};
use uuid::Uuid;

const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(1));

fn kek(text: &str) -> Kek {
    Kek::from_text(text).unwrap()
}

struct Place {
    directory: tempfile::TempDir,
    store: Store,
    vault: Vault,
}

async fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    let vault = Vault::open(store.vault.clone(), kek(TEXT)).await.unwrap();
    Place { directory, store, vault }
}

fn anna() -> Subject {
    Subject("anna".into())
}

fn tokens(access: &str) -> Tokens {
    Tokens { access: access.into(), refresh: Some("refresh".into()), expires_at: None, scope: "read".into() }
}

/// Whether these bytes are in a file of the directory.
fn is_on_disk(directory: &Path, needle: &[u8]) -> bool {
    let files = fs::read_dir(directory).unwrap().map(|it| fs::read(it.unwrap().path()).unwrap());
    files.into_iter().any(|it| it.windows(needle.len()).any(|it| it == needle))
}

#[test]
fn a_key_is_read_from_hex_and_from_base64() {
    let expected = kek(TEXT).0.hash(b"x");
    let standard = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for text in [TEXT, &TEXT.to_uppercase(), &format!(" {TEXT}\n"), standard, standard.trim_end_matches('=')] {
        assert_eq!(kek(text).0.hash(b"x"), expected, "{text}");
    }
    let (plus, minus) = ("+".repeat(42) + "8", "-".repeat(42) + "8");
    assert_eq!(kek(&plus).0.hash(b"x"), kek(&minus).0.hash(b"x"), "both alphabets");
    for text in ["", "secret", &TEXT[2..], &format!("{TEXT}00"), "AAEC"] {
        assert_eq!(Kek::from_text(text).unwrap_err(), KekError, "{text}");
    }
}

#[tokio::test]
async fn only_the_key_that_it_was_made_with_opens_a_vault() {
    let Place { store, vault, directory: _kept } = place().await;
    let open = async |kek: Option<Kek>| Vault::open(store.vault.clone(), kek).await.map(|it| it.subject_of("user"));
    assert_eq!(open(Some(kek(TEXT))).await, Ok(vault.subject_of("user")), "subjects stay the same");
    assert_eq!(open(Some(kek(OTHER))).await, Err(VaultError::WrongKey));
    assert_eq!(open(None).await, Err(VaultError::MissingKey));
    let directory = tempfile::tempdir().unwrap();
    let empty = SqliteStore::open(directory.path()).unwrap();
    assert_eq!(Vault::open(empty.vault.clone(), None).await.unwrap_err(), VaultError::NoKey);
}

#[tokio::test]
async fn a_subject_says_nothing_of_its_user() {
    let (first, second) = (place().await, place().await);
    let subject = first.vault.subject_of("anna@example.org");
    assert!(subject.0.len() == 32 && subject.0.bytes().all(|it| it.is_ascii_hexdigit()), "{subject}");
    assert_eq!(subject, first.vault.subject_of("anna@example.org"));
    assert_ne!(subject, first.vault.subject_of("ben@example.org"));
    assert_ne!(subject, second.vault.subject_of("anna@example.org"), "every vault has a pepper of its own");
}

#[tokio::test]
async fn what_was_sealed_opens_only_where_it_belongs() {
    let Place { vault, store, directory: _kept } = place().await;
    let sealed = vault.seal(&anna(), b"event", b"content").await.unwrap();
    let other = Vault::open(store.vault.clone(), kek(TEXT)).await.unwrap();
    let open = async |subject: &str, aad: &[u8], bytes: &[u8]| {
        other.unseal(&Subject(subject.into()), sealed.key_version, aad, bytes).await
    };
    assert_eq!(open("anna", b"event", &sealed.bytes).await.unwrap().unwrap(), b"content");
    assert_eq!(open("ben", b"event", &sealed.bytes).await.unwrap(), None, "there is no key of that person");
    vault.seal(&Subject("ben".into()), b"event", b"content").await.unwrap();
    let mut altered = sealed.bytes.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (what, subject, aad, bytes) in [
        ("another person's key", "ben", &b"event"[..], &sealed.bytes),
        ("another aad", "anna", b"other", &sealed.bytes),
        ("altered bytes", "anna", b"event", &altered),
        ("no bytes", "anna", b"event", &Vec::new()),
    ] {
        let err = open(subject, aad, bytes).await.unwrap_err();
        assert!(err.0.contains("do not match their seal"), "{what}: {err}");
    }
}

#[tokio::test]
async fn no_nonce_is_used_twice() {
    let Place { vault, directory: _kept, .. } = place().await;
    let mut nonces = HashSet::new();
    for _ in 0..5_000 {
        let sealed = vault.seal(&anna(), b"", b"same").await.unwrap();
        assert!(nonces.insert(sealed.bytes[..24].to_vec()), "a nonce came twice");
    }
}

#[tokio::test]
async fn many_at_once_make_one_key() {
    let Place { vault, store, directory: _kept } = place().await;
    let vaults = futures::future::join_all((0..8).map(|_| Vault::open(store.vault.clone(), kek(TEXT)))).await;
    let subject = anna();
    let hashes = vaults.iter().map(|it| it.as_ref().unwrap().keyed_hash(&subject, "test", b"x"));
    let hashes: HashSet<String> = futures::future::join_all(hashes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(hashes, HashSet::from([vault.keyed_hash(&subject, "test", b"x").await.unwrap()]));
}

#[tokio::test]
async fn a_keyed_hash_is_one_person_s_for_one_purpose() {
    let Place { vault, directory: _kept, .. } = place().await;
    let hash = async |subject: &str, domain: &str, bytes: &[u8]| {
        vault.keyed_hash(&Subject(subject.into()), domain, bytes).await.unwrap()
    };
    let ours = hash("anna", "content", b"x").await;
    assert!(ours.len() == 32 && ours.bytes().all(|it| it.is_ascii_hexdigit()), "{ours}");
    assert_eq!(hash("anna", "content", b"x").await, ours);
    for (subject, domain, bytes) in [("ben", "content", b"x"), ("anna", "origin", b"x"), ("anna", "content", b"y")] {
        assert_ne!(hash(subject, domain, bytes).await, ours);
    }
}

#[tokio::test]
async fn a_destroyed_key_opens_nothing_and_is_nowhere() {
    let Place { vault, store, directory } = place().await;
    let sealed = vault.seal(&anna(), b"event", b"content").await.unwrap();
    assert!(vault.put_tokens(&anna(), CONNECTION, 0, &tokens("access")).await.unwrap());
    let key = super::place(&anna(), super::KEY, super::KEY);
    let wrapped = store.vault.get(&key).await.unwrap().unwrap().body.slice(4..);
    assert!(is_on_disk(directory.path(), &wrapped), "it was there");
    vault.destroy(&anna()).await.unwrap();
    let open = async || vault.unseal(&anna(), sealed.key_version, b"event", &sealed.bytes).await.unwrap();
    assert_eq!(open().await, None);
    assert_eq!(vault.get_tokens(&anna(), CONNECTION).await.unwrap(), None);
    assert!(!is_on_disk(directory.path(), &wrapped), "the wrapped key is in no file any more");
    vault.destroy(&anna()).await.unwrap();
    let again = vault.seal(&anna(), b"event", b"content").await.unwrap();
    assert_eq!(again.key_version, sealed.key_version + 1, "a version is never used again");
    assert_eq!(open().await, None, "a new key does not open what an old one sealed");
}

#[tokio::test]
async fn tokens_change_by_compare_and_set() {
    let Place { vault, directory: _kept, .. } = place().await;
    let put = async |expected: i64, access: &str| {
        vault.put_tokens(&anna(), CONNECTION, expected, &tokens(access)).await.unwrap()
    };
    let get = async || vault.get_tokens(&anna(), CONNECTION).await.unwrap().map(|it| (it.0, it.1.access));
    assert_eq!(get().await, None);
    assert!(put(0, "one").await && !put(0, "no").await);
    assert!(put(1, "two").await && !put(1, "no").await);
    assert_eq!(get().await, Some((2, "two".into())));
    let other = ConnectionId(Uuid::from_u128(2));
    assert_eq!(vault.get_tokens(&anna(), other).await.unwrap(), None, "tokens are one connection's");
    vault.delete_tokens(&anna(), CONNECTION).await.unwrap();
    vault.delete_tokens(&anna(), CONNECTION).await.unwrap();
    assert_eq!(get().await, None);
}

#[tokio::test]
async fn a_canary_is_in_no_debug_and_in_no_file() {
    let Place { vault, directory, .. } = place().await;
    let canary = "canary-4f1b";
    vault.seal(&anna(), b"event", canary.as_bytes()).await.unwrap();
    assert!(vault.put_tokens(&anna(), CONNECTION, 0, &tokens(canary)).await.unwrap());
    let (_, tokens) = vault.get_tokens(&anna(), CONNECTION).await.unwrap().unwrap();
    let shown = format!("{vault:?} {tokens:?} {:?}", kek(TEXT));
    assert!(!shown.contains(canary) && !shown.contains("0102"), "{shown}");
    assert!(!is_on_disk(directory.path(), canary.as_bytes()), "tokens are sealed");
    assert!(!is_on_disk(directory.path(), &hex::decode(TEXT).unwrap()), "the vault does not hold its own key");
}
