//! Records become files in a folder.

use crate::files::{FIT, Files};
use engine::{
    provider::{Action, DataProvider, FetchRequest, ProviderError, RawPage, Receipt, What, WriteOperation},
    session::{Client, Session, Unlimited, http_client},
};
use schemas::{
    data_type::DataType,
    id::{ConnectionId, ItemId, OpId, Subject},
    record::{Body, Quantity, Record},
    time::{Instant, Interval},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

fn session(folder: &Path) -> Session {
    Session {
        http: http_client().unwrap(),
        base_url: url::Url::from_file_path(folder).unwrap().to_string(),
        token_url: String::new(),
        access_token: None,
        client: Client::default(),
        call_max: Duration::from_secs(5),
        body_bytes_max: 1 << 20,
        send_by: None,
        clock: engine::clock::Clock::real(),
        permits: Arc::new(Unlimited),
    }
}

fn connection() -> ConnectionId {
    ConnectionId::derived(&Subject("someone".into()), "files", "folder")
}

fn item(record: &str) -> ItemId {
    ItemId::derived(connection(), "x", connection(), record)
}

fn operation<'a>(item: ItemId, version: i64, action: Action<'a>) -> WriteOperation<'a> {
    WriteOperation { op: OpId::derived(connection(), item, version), item, version, action }
}

fn run() -> Record {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/files/fixtures/fit/garmin-fenix-5-run.fit");
    let bytes = fs::read(path).unwrap();
    let page = RawPage { data_type: None, content_type: FIT, body: &bytes, name: "run.fit" };
    Files::default().normalize(&page).unwrap().records.remove(0)
}

fn weight(value: f64, at: i64) -> Record {
    let mut record = run();
    record.data_type = DataType::Weight;
    record.time.start = Instant::from_seconds(at);
    record.time.end = record.time.start;
    record.body = Body::Quantity(Quantity { value });
    record
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

async fn applied(session: &Session, operation: WriteOperation<'_>) -> String {
    match Files::default().write(session, &operation).await.unwrap() {
        Receipt::Applied { external_id } => external_id,
        other => panic!("{other:?}"),
    }
}

async fn find(session: &Session, data_type: DataType, from: i64, to: i64) -> Vec<engine::provider::Found> {
    let window = Interval { from: Instant::from_seconds(from), to: Instant::from_seconds(to) };
    Files::default().find(session, data_type, window).await.unwrap()
}

#[tokio::test]
async fn a_workout_becomes_a_fit_file_and_a_json_file_and_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let (run, item) = (run(), item("run"));
    let external_id = applied(&session, operation(item, 1, Action::Create { record: &run })).await;
    assert_eq!(external_id, format!("workout/20170611T143409Z_{item}.json"));
    let short = item.to_string()[..8].to_owned();
    assert_eq!(files(folder.path()), [format!("2017-06-11_running_{short}.fit"), external_id.clone()]);

    let found = find(&session, DataType::Workout, 1_497_191_649, 1_497_191_650).await;
    assert_eq!((found.len(), &found[0].external_id), (1, &external_id));
    assert_eq!(found[0].marker, Some(item.to_string()));
    assert_eq!(found[0].record.body, run.body);
    assert!(find(&session, DataType::Workout, 1_497_191_650, 1_597_191_650).await.is_empty());

    let bytes = fs::read(folder.path().join(&files(folder.path())[0])).unwrap();
    let page = RawPage { data_type: None, content_type: FIT, body: &bytes, name: "again.fit" };
    let again = Files::default().normalize(&page).unwrap().records.remove(0);
    assert_eq!(again.origin.marker, Some(item.to_string()));
    assert_eq!((again.time.start, again.time.offset_seconds), (run.time.start, run.time.offset_seconds));
    let (Body::Workout(again), Body::Workout(run)) = (&again.body, &run.body) else { panic!() };
    assert_eq!(again.streams, run.streams, "what came from FIT is the same after FIT");
    assert_eq!(
        (again.distance_m, again.energy_kcal, again.moving_ms),
        (run.distance_m, run.energy_kcal, run.moving_ms)
    );
    assert_eq!(again.laps, run.laps);
}

#[tokio::test]
async fn an_older_version_never_replaces_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let item = item("weight");
    let (first, second, third) =
        (weight(70.0, 1_700_000_000), weight(71.0, 1_700_000_060), weight(72.0, 1_700_000_000));
    let old = applied(&session, operation(item, 1, Action::Create { record: &first })).await;
    let new = applied(&session, operation(item, 3, Action::Update { external_id: &old, record: &second })).await;
    assert_ne!(old, new);
    assert_eq!(files(folder.path()), [new.as_str()], "the file under the old start is gone");
    for version in [1, 2, 3] {
        let again = applied(&session, operation(item, version, Action::Create { record: &third })).await;
        assert_eq!(again, new);
    }
    let found = find(&session, DataType::Weight, 1_600_000_000, 1_800_000_000).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].record.body, second.body);
}

#[tokio::test]
async fn a_write_that_was_cut_off_between_two_files_is_finished_by_the_next_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let item = item("weight");
    let (first, second) = (weight(70.0, 1_700_000_000), weight(71.0, 1_700_000_060));
    let old = applied(&session, operation(item, 1, Action::Create { record: &first })).await;
    let left_behind = fs::read(folder.path().join(&old)).unwrap();
    let update = operation(item, 2, Action::Update { external_id: &old, record: &second });
    let new = applied(&session, update).await;
    fs::write(folder.path().join(&old), left_behind).unwrap();
    assert_eq!(applied(&session, update).await, new);
    assert_eq!(files(folder.path()), [new]);
}

#[tokio::test]
async fn what_was_deleted_is_not_brought_back_by_an_older_version() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let (run, item) = (run(), item("run"));
    let id = applied(&session, operation(item, 1, Action::Create { record: &run })).await;
    let delete = |version| operation(item, version, Action::Delete { external_id: &id, data_type: DataType::Workout });
    applied(&session, delete(0)).await;
    assert_eq!(files(folder.path()).len(), 2, "an older delete deletes nothing");
    applied(&session, delete(5)).await;
    applied(&session, delete(5)).await;
    applied(&session, operation(item, 4, Action::Create { record: &run })).await;
    let tombstone = format!(".deleted/{item}.json");
    assert_eq!(files(folder.path()), [tombstone.as_str()]);
    assert!(!fs::read_to_string(folder.path().join(tombstone)).unwrap().contains("heart"));
    let request = FetchRequest { data_type: DataType::Workout, what: What::Named(vec![id.clone()]), cursor: None };
    let page = Files::default().fetch(&session, &request).await.unwrap();
    let raw = RawPage { data_type: None, content_type: &page.content_type, body: &page.body, name: "" };
    let gone = Files::default().normalize(&raw).unwrap().records.remove(0);
    assert!(gone.deleted && gone.origin.record == id);
    applied(&session, operation(item, 6, Action::Create { record: &run })).await;
    assert_eq!(files(folder.path()).len(), 2);
}

#[tokio::test]
async fn every_page_of_a_long_listing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let sample = weight(70.0, 1_700_000_000);
    applied(&session, operation(item("0"), 1, Action::Create { record: &sample })).await;
    let path = folder.path().join("weight");
    let first = files(folder.path())[0].clone();
    let text = fs::read_to_string(folder.path().join(&first)).unwrap();
    for index in 1..1_200 {
        let other = item(&index.to_string());
        let text = text.replace(&item("0").to_string(), &other.to_string());
        fs::write(path.join(format!("20231114T221320Z_{other}.json")), text).unwrap();
    }
    fs::write(path.join("20231114T221320Z_note.json"), "a stranger's file").unwrap();
    assert_eq!(find(&session, DataType::Weight, 1_700_000_000, 1_700_000_001).await.len(), 1_200);
}

#[tokio::test]
async fn no_text_leads_out_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("in");
    fs::create_dir(&folder).unwrap();
    let item = item("x");
    let secret = outer.path().join(format!("secret_{item}.json"));
    let record = weight(70.0, 1_700_000_000);
    let stored = serde_json::json!({"item": item, "version": 1, "record": record});
    fs::write(&secret, stored.to_string()).unwrap();
    let session = session(&folder);
    for id in [
        format!("weight/../../secret_{item}.json"),
        format!("../secret_{item}.json"),
        secret.to_str().unwrap().to_owned(),
    ] {
        applied(&session, operation(item, 9, Action::Delete { external_id: &id, data_type: DataType::Weight })).await;
        assert!(secret.exists(), "{id}");
        let request = FetchRequest { data_type: DataType::Weight, what: What::Named(vec![id]), cursor: None };
        let page = Files::default().fetch(&session, &request).await.unwrap();
        assert!(!String::from_utf8_lossy(&page.body).contains("quantity"));
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_says_so_and_holds_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    let record = weight(70.0, 1_700_000_000);
    let item = item("x");
    // A file where a folder has to be fails for every user, root too.
    fs::write(folder.path().join("weight"), "in the way").unwrap();
    let create = operation(item, 1, Action::Create { record: &record });
    let err = Files::default().write(&session, &create).await.unwrap_err();
    assert!(matches!(&err, ProviderError::Unavailable { what } if what.contains("folder")), "{err}");
    fs::remove_file(folder.path().join("weight")).unwrap();

    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let outcome = Files::default().write(&session, &create).await;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    match outcome {
        // Root may write everywhere.
        Ok(_) => assert_eq!(files(folder.path()).len(), 1),
        Err(err) => {
            assert!(matches!(&err, ProviderError::Unavailable { what } if what.contains("permissions")), "{err}");
            assert_eq!(files(folder.path()), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_session_without_a_folder_or_after_its_time_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let record = weight(70.0, 1_700_000_000);
    let create = operation(item("x"), 1, Action::Create { record: &record });
    let nowhere = Session { base_url: "https://example.org".into(), ..session(folder.path()) };
    assert!(matches!(Files::default().write(&nowhere, &create).await, Err(ProviderError::Refused { .. })));
    let past = tokio::time::Instant::now().checked_sub(Duration::from_millis(1));
    let late = Session { send_by: past, ..session(folder.path()) };
    assert_eq!(Files::default().write(&late, &create).await, Err(ProviderError::Late));
    assert_eq!(files(folder.path()), [""; 0]);
}

#[test]
fn every_type_can_be_read_and_written_with_versions_compared() {
    let files = Files::default();
    for data_type in DataType::ALL {
        let of = files.profile().of(data_type).unwrap();
        assert!(
            of.read
                && !of.look
                && of.create.unwrap().letter() == 'A'
                && of.update == of.create
                && of.delete == of.create
        );
    }
    assert!(crate::catalog().get("files").is_some());
}
