//! What every store must do with rows.

use super::Names;
use crate::store::{RowKey, Rows, Store};
use bytes::Bytes;
use futures::future::join_all;

pub(super) async fn check(store: &Store, run: &str) {
    rows_change_by_compare_and_set(&*store.rows, run, "rows").await;
    rows_change_by_compare_and_set(&*store.vault, run, "vault").await;
    rows_are_found_by_their_present_names(&*store.rows, run).await;
    rows_and_vault_are_apart(store, run).await;
}

async fn rows_change_by_compare_and_set(rows: &dyn Rows, run: &str, part: &str) {
    let mut names = Names::new(run, part);
    let subject = names.subject().0;
    let key = |id: &str| RowKey { subject: subject.clone(), kind: "contract", id: id.into() };
    let put = async |id: &str, expected: i64, body: &'static str| {
        rows.put(&key(id), expected, Bytes::from_static(body.as_bytes()), &[]).await.expect("put")
    };
    let get = async |id: &str| {
        rows.get(&key(id))
            .await
            .expect("get")
            .map(|it| (it.id, it.version, String::from_utf8_lossy(&it.body).into_owned()))
    };
    let row = |id: &str, version: i64, body: &str| Some((id.to_owned(), version, body.to_owned()));
    assert_eq!(get("b").await, None);
    assert!(!put("b", 1, "no").await, "a row that is not there has no version");
    assert!(put("b", 0, "one").await, "a row that is not there is expected with 0");
    assert!(!put("b", 0, "no").await, "a row that is there is not");
    assert_eq!(get("b").await, row("b", 1, "one"), "versions begin with 1");
    assert!(put("b", 1, "two").await && !put("b", 1, "no").await, "only the present version is expected");
    assert_eq!(get("b").await, row("b", 2, "two"), "the new version is one higher");
    let race = join_all((0..16).map(|_| put("b", 2, "three"))).await;
    assert_eq!(race.iter().filter(|it| **it).count(), 1, "one of many wins");
    assert!(put("a", 0, "first").await);
    let other = RowKey { kind: "other", ..key("c") };
    assert!(rows.put(&other, 0, Bytes::new(), &[]).await.expect("put"));
    let listed = rows.list(&subject, "contract").await.expect("list");
    let ids: Vec<(&str, i64)> = listed.iter().map(|it| (it.id.as_str(), it.version)).collect();
    assert_eq!(ids, [("a", 1), ("b", 3)], "all rows of a kind of a person, by id");
    let delete = async |expected: i64| rows.delete(&key("b"), expected).await.expect("delete");
    assert!(!delete(2).await, "only the present version is deleted");
    assert!(delete(3).await && !delete(3).await, "and only once");
    assert_eq!(get("b").await, None, "a deleted row is gone");
    assert!(put("b", 0, "again").await, "and can be made again");
}

async fn rows_are_found_by_their_present_names(rows: &dyn Rows, run: &str) {
    let mut names = Names::new(run, "index");
    let (first, second) = (names.subject().0, names.subject().0);
    let (red, blue) = (names.id().to_string(), names.id().to_string());
    let key = |subject: &str| RowKey { subject: subject.to_owned(), kind: "contract", id: "x".into() };
    let put = async |subject: &str, expected: i64, index: &[&String]| {
        let index: Vec<String> = index.iter().map(|it| (*it).clone()).collect();
        assert!(rows.put(&key(subject), expected, Bytes::new(), &index).await.expect("put"));
    };
    let find = async |name: &str| {
        let mut found = rows.find("contract", name).await.expect("find");
        found.sort();
        found
    };
    let of = |subject: &str| (subject.to_owned(), "x".to_owned());
    put(&first, 0, &[&red, &blue]).await;
    put(&second, 0, &[&red]).await;
    let mut both = [of(&first), of(&second)];
    both.sort();
    assert_eq!(find(&red).await, both, "all rows of a name");
    assert_eq!(find(&blue).await, [of(&first)]);
    assert_eq!(rows.find("other", &red).await.expect("find"), [], "of that kind only");
    put(&first, 1, &[&blue]).await;
    assert_eq!(find(&red).await, [of(&second)], "new names take the place of earlier ones");
    let lost = rows.put(&key(&second), 7, Bytes::new(), std::slice::from_ref(&blue)).await.expect("put");
    assert!(!lost && find(&blue).await == [of(&first)], "a put that fails names nothing");
    assert!(rows.delete(&key(&first), 2).await.expect("delete"));
    assert_eq!(find(&blue).await, [], "a deleted row is not found");
}

async fn rows_and_vault_are_apart(store: &Store, run: &str) {
    let mut names = Names::new(run, "apart");
    let key = RowKey { subject: names.subject().0, kind: "contract", id: "x".into() };
    assert!(store.rows.put(&key, 0, Bytes::from_static(b"row"), &[]).await.expect("put"));
    assert_eq!(store.vault.get(&key).await.expect("get"), None, "the vault's rows are its own");
}
