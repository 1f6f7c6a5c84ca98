use super::{Database, OpenError, SqliteStore, blobs, items, log, origins, rows, timers};
use crate::{
    contract,
    store::{Bearing, Blobs, Log, Logged, RowKey, Step, StepKey, Store},
};
use bytes::Bytes;
use futures::future::join_all;
use rusqlite::Connection;
use schemas::{
    event::{Kind, Lane},
    id::{EventId, Subject, SyncId},
    time::Instant,
    topics::TopicName,
};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};
use tempfile::{TempDir, tempdir};
use uuid::Uuid;

fn open(directory: &TempDir) -> Store {
    SqliteStore::open(directory.path()).unwrap()
}

/// A step that is told by its number, with one output of so many bytes.
fn step(number: u64, size: usize) -> Step {
    let id = |space: u64| Uuid::from_u64_pair(space, number);
    let topic = TopicName { kind: Kind::Fetched, lane: Some(Lane::Hot) };
    Step {
        key: StepKey {
            subject: Subject("anna".into()),
            sync: SyncId(id(1)),
            stage: "fetch".into(),
            cause: EventId(id(2)),
        },
        at: Instant(0),
        bearing: Bearing::Opens,
        outputs: vec![Logged { id: EventId(id(3)), topic, bytes: Bytes::from(vec![7; size]) }],
        roots: Vec::new(),
    }
}

#[tokio::test]
async fn it_does_what_every_store_does() {
    let directory = tempdir().unwrap();
    contract::store::check(&open(&directory), "run").await;
}

#[tokio::test]
async fn it_holds_what_was_acknowledged_after_it_was_opened_again() {
    let directory = tempdir().unwrap();
    contract::store::check_survives(open(&directory), async || open(&directory), "run").await;
}

#[tokio::test]
async fn a_store_that_was_closed_is_one_file_and_its_lock() {
    let directory = tempdir().unwrap();
    let store = open(&directory);
    store.log.append(step(1, 10)).await.unwrap();
    drop(store);
    let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [super::DATABASE, super::LOCK]);
}

/// Tells the process that is to be killed from the one that kills it.
const CHILD: &str = "SYNCWELL_TEST_STORE_TO_WRITE";

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    if let Ok(directory) = env::var(CHILD) {
        return append_until_killed(Path::new(&directory)).await;
    }
    let directory = tempdir().unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::a_killed_process_loses_nothing_that_was_acknowledged", "--nocapture"])
        .env(CHILD, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut acknowledged = Vec::new();
    for line in lines {
        acknowledged.extend(line.strip_prefix("acknowledged ").and_then(|it| it.parse::<u64>().ok()));
        if acknowledged.len() == 300 {
            // On Unix this is SIGKILL. What was said before it is still read.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= 300, "only {} steps were acknowledged", acknowledged.len());
    let store = open(&directory);
    for number in acknowledged {
        let expected = step(number, 5_000);
        let recalled = store.log.recall(std::slice::from_ref(&expected.key)).await.unwrap();
        assert_eq!(recalled, [Some(expected)], "step {number} was acknowledged");
    }
}

async fn append_until_killed(directory: &Path) {
    let store = SqliteStore::open(directory).unwrap();
    for first in (0..).step_by(16) {
        let append = async |number: u64| {
            store.log.append(step(number, 5_000)).await.unwrap();
            writeln!(std::io::stdout(), "acknowledged {number}").unwrap();
        };
        join_all((first..first + 16).map(append)).await;
    }
}

#[tokio::test]
async fn a_directory_is_one_process_s() {
    let directory = tempdir().unwrap();
    let store = open(&directory);
    let err = SqliteStore::open(directory.path()).unwrap_err();
    assert!(matches!(err, OpenError::InUse(_)), "{err}");
    assert!(err.to_string().contains(&directory.path().display().to_string()), "it names the directory: {err}");
    let part = store.timers.clone();
    drop(store);
    SqliteStore::open(directory.path()).expect_err("a part of it is still held");
    drop(part);
    open(&directory);
}

#[test]
fn a_newer_or_foreign_database_is_refused_and_left_alone() {
    let newer = tempdir().unwrap();
    drop(open(&newer));
    let sql = |directory: &TempDir, sql: &str| {
        Connection::open(directory.path().join(super::DATABASE)).unwrap().execute_batch(sql).unwrap();
    };
    sql(&newer, "PRAGMA user_version = 99");
    let err = SqliteStore::open(newer.path()).unwrap_err();
    assert!(matches!(err, OpenError::Newer { found: 99, known: 2, .. }), "{err}");
    let foreign = tempdir().unwrap();
    sql(&foreign, "CREATE TABLE theirs (x)");
    let err = SqliteStore::open(foreign.path()).unwrap_err();
    assert!(matches!(err, OpenError::Foreign(_)), "{err}");
    let text = tempdir().unwrap();
    let path = text.path().join(super::DATABASE);
    fs::write(&path, "no database at all, but long enough to be looked at ".repeat(99)).unwrap();
    let before = fs::read(&path).unwrap();
    let err = SqliteStore::open(text.path()).unwrap_err();
    assert!(matches!(err, OpenError::Foreign(_)), "{err}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_directory_that_is_a_file_is_said_to_be_one() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "").unwrap();
    let err = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(err, OpenError::Directory { .. }) && err.to_string().contains("file"), "{err}");
}

async fn set_pages_max(database: &Database, pages: u32) {
    let set = move |it: &Connection| it.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
    database.write(set).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let directory = tempdir().unwrap();
    let database = Database::open(directory.path()).unwrap();
    set_pages_max(&database, 400).await;
    let steps: Vec<Step> = (0..64).map(|number| step(number, 100_000)).collect();
    let answers = join_all(steps.iter().map(|it| database.append(it.clone()))).await;
    assert!(answers.iter().any(Result::is_err), "400 pages do not hold it all");
    let err = answers.iter().find_map(|it| it.as_ref().err()).unwrap();
    assert!(err.0.contains("is full") && err.0.contains(&directory.path().display().to_string()), "{err}");
    let mut n_held = 0;
    for (step, answer) in steps.iter().zip(&answers) {
        let recalled = database.recall(std::slice::from_ref(&step.key)).await.unwrap();
        if answer.is_ok() {
            assert_eq!(recalled, [Some(step.clone())], "what was acknowledged is there");
        }
        n_held += recalled.iter().flatten().count();
    }
    let blob = database.put(&Subject("anna".into()), "name", Bytes::from(vec![1; 4 << 20])).await;
    assert!(blob.unwrap_err().0.contains("is full"));
    assert_eq!(Blobs::get(&database, &Subject("anna".into()), "name").await.unwrap(), None, "no half of a content");
    set_pages_max(&database, 1_000_000).await;
    for step in &steps {
        assert_eq!(database.append(step.clone()).await.unwrap(), *step, "it works again when there is space");
    }
    assert!(n_held < steps.len());
}

#[tokio::test]
async fn a_change_that_fails_does_not_take_others_along() {
    let directory = tempdir().unwrap();
    let database = Database::open(directory.path()).unwrap();
    let fail = || database.write(|it| it.execute_batch("INSERT INTO timers (stage) VALUES ('half'); "));
    let append = |number: u64| database.append(step(number, 10));
    let (first, failed, second) = futures::join!(append(1), fail(), append(2));
    assert!(failed.is_err() && first.is_ok() && second.is_ok());
    let keys = [step(1, 10).key, step(2, 10).key];
    assert!(database.recall(&keys).await.unwrap().iter().all(Option::is_some));
}

#[tokio::test]
async fn what_a_read_holds_up_is_wiped_by_the_next_change() {
    let directory = tempdir().unwrap();
    let store = open(&directory);
    let key = RowKey { subject: "anna".into(), kind: "key", id: "key".into() };
    let secret = Bytes::from_static(b"secret-77d0");
    assert!(store.vault.put(&key, 0, secret.clone(), &[]).await.unwrap());
    let is_there = || {
        let mut files = fs::read_dir(directory.path()).unwrap().map(|it| fs::read(it.unwrap().path()).unwrap());
        files.any(|it| it.windows(secret.len()).any(|it| it == secret))
    };
    let reader = Connection::open(directory.path().join(super::DATABASE)).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM vault").unwrap();
    assert!(store.vault.delete(&key, 1).await.unwrap());
    assert!(is_there(), "the read holds it up");
    reader.execute_batch("ROLLBACK").unwrap();
    store.log.append(step(1, 10)).await.unwrap();
    assert!(!is_there());
}

#[test]
fn no_read_grows_with_what_it_does_not_give() {
    let directory = tempdir().unwrap();
    drop(open(&directory));
    let connection = Connection::open(directory.path().join(super::DATABASE)).unwrap();
    let check = |sql: &str, expected: &[&str]| {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan = statement.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(plan, expected, "{sql}");
    };
    // What is sorted is only what is given.
    let sort = "USE TEMP B-TREE FOR ORDER BY";
    let of_sync = "SEARCH syncs USING COVERING INDEX syncs_key (subject=? AND sync=?)";
    check(log::SYNC, &[of_sync]);
    check(log::STEP, &["SEARCH steps USING INDEX steps_key (sync=? AND stage=? AND cause=?)"]);
    check(log::OUTPUTS, &["SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]);
    check(log::OPEN, &["SEARCH waiting USING PRIMARY KEY (sync=?)", sort]);
    check(log::EVENTS, &["SEARCH events USING INDEX events_of (sync=?)"]);
    check(log::EVENT, &["SEARCH events USING INDEX events_key (sync=? AND id=?)"]);
    check(log::UNSETTLED, &["SEARCH syncs USING INDEX syncs_open (sync>?)"]);
    let of_num = "SEARCH syncs USING INTEGER PRIMARY KEY (rowid=?)";
    let of_time = "SEARCH steps USING INDEX steps_at (at>? AND at<?)";
    check(log::SCAN, &[of_time, of_num]);
    check(log::SCAN_OF, &[of_time, of_num]);
    check(log::SYNCS, &["SEARCH syncs USING INDEX syncs_begun (subject=? AND began_at>?)"]);
    check(timers::GET, &["SEARCH timers USING PRIMARY KEY (stage=? AND event=?)"]);
    check(timers::DUE, &["SEARCH timers USING INDEX timers_at (at<?)"]);
    // In the order of the index, and only its first entry.
    check(timers::NEXT, &["SCAN timers USING COVERING INDEX timers_at"]);
    check(timers::HASTEN, &["SEARCH timers USING INDEX timers_sync (sync=?)"]);
    let of_month = "SEARCH p USING COVERING INDEX partitions_key (subject=? AND destination=? AND month=?)";
    check(items::GET, &[of_month, "SEARCH i USING INDEX items_key (partition=? AND item=?)"]);
    let of_item = "SEARCH i USING INDEX items_id (item=?)";
    check(items::FIND, &[of_item, "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)", sort]);
    let of_months = "partitions_key (subject=? AND destination=? AND month>? AND month<?)";
    let of_time = "SEARCH i USING INDEX items_window (partition=? AND data_type=? AND starts_at>? AND starts_at<?)";
    check(items::WINDOW, &[&format!("SEARCH p USING COVERING INDEX {of_months}"), of_time, sort]);
    check(items::MONTHS, &[&format!("SEARCH partitions USING INDEX {of_months}")]);
    let of_month = "SEARCH partitions USING INDEX partitions_key (subject=? AND destination=? AND month=?)";
    check(items::PARTITION, &[of_month]);
    let of_record = "(subject=? AND connection=? AND destination=? AND record=?)";
    check(origins::GET, &[&format!("SEARCH origins USING PRIMARY KEY {of_record}")]);
    let of_time = "(subject=? AND connection=? AND destination=? AND data_type=? AND starts_at>? AND starts_at<?)";
    check(origins::WITHIN, &[&format!("SEARCH origins USING INDEX origins_within {of_time}")]);
    check(blobs::HEAD, &["SEARCH blobs USING PRIMARY KEY (subject=? AND name=?)"]);
    check(blobs::PIECES, &["SEARCH blob_pieces USING INDEX blob_pieces_key (subject=? AND name=? AND place<?)"]);
    for (table, sql) in [("rows", &rows::ROWS), ("vault", &rows::VAULT)] {
        check(sql.get, &[&format!("SEARCH {table} USING PRIMARY KEY (subject=? AND kind=? AND id=?)")]);
        check(sql.list, &[&format!("SEARCH {table} USING PRIMARY KEY (subject=? AND kind=?)")]);
        check(sql.find, &[&format!("SEARCH {table}_index USING PRIMARY KEY (kind=? AND name=?)")]);
    }
}
