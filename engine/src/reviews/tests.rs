use super::{Deletion, Question, Review, Side};
use crate::{
    clock::Clock,
    people::People,
    resolve::OnGone,
    store::sqlite::SqliteStore,
    vault::{Kek, Vault},
};
use schemas::{
    data_type::DataType,
    event::{Evidence, Source, Verdict},
    id::{ConnectionId, EventId, ItemId, Subject, SyncId},
    record::{Body, Origin, Policy, Quantity, Record, RecordState, Span},
    time::Instant,
};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

const T0: Instant = Instant(1_780_000_000_000);
/// A question as it was kept before there were any of deletions.
const STORED: &str = include_str!("stored.json");

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn minutes(n: u64) -> Instant {
    T0.plus(Duration::from_secs(n * 60))
}

fn side(connection: u128, source_at: Instant) -> Side {
    let record = Record {
        data_type: DataType::Weight,
        origin: Origin::named("watch", "a"),
        time: Span::at(T0, Some(7_200)),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body: Body::Quantity(Quantity { value: 70.5 }),
    };
    let source = Source {
        connection: ConnectionId(id(connection)),
        provider: "watch".into(),
        record: "a".into(),
        key: "key of a".into(),
        hash: "hash".into(),
        source_at,
        sync: SyncId(id(4)),
        event: EventId(id(3)),
    };
    Side { source, record }
}

fn review() -> Review {
    Review {
        id: id(8),
        data_type: DataType::Weight,
        destination: ConnectionId(id(2)),
        item: ItemId(id(9)),
        sides: [side(1, T0), side(2, T0)],
        score: 0.5,
        evidence: vec![Evidence { feature: "start".into(), weight: 1.5, detail: "they start together".into() }],
        asked_at: T0,
        verdict: Some(Verdict::Different),
        answered_at: Some(minutes(1)),
    }
}

fn deletion(gone_at: Instant) -> Deletion {
    Deletion {
        id: id(7),
        data_type: DataType::Weight,
        destination: ConnectionId(id(2)),
        item: ItemId(id(9)),
        gone: side(1, gone_at),
        asked_at: gone_at,
        verdict: None,
        answered_at: None,
        over_at: None,
    }
}

async fn people() -> (People, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path()).unwrap();
    let vault = Vault::open(store.vault.clone(), Kek::from_text(&"07".repeat(32)).unwrap()).await.unwrap();
    (People { rows: store.rows.clone(), vault, clock: Clock::manual(T0).0 }, directory)
}

#[tokio::test]
async fn a_question_of_before_is_read_and_kept_as_it_was_and_listed_beside_the_new_ones() {
    let (people, _directory) = people().await;
    let someone = Subject("someone".into());
    let stored: Value = serde_json::from_str(STORED).unwrap();
    assert_eq!(serde_json::to_value(review()).unwrap(), stored, "an older build reads what this one keeps");
    assert!(people.put(&someone, "review", &id(8).to_string(), 0, &stored, &[]).await.unwrap());
    people.ask_of_gone(&someone, &deletion(T0)).await.unwrap();
    assert_eq!(people.reviews(&someone).await.unwrap(), [review()]);
    let expected = [Question::from(review()), deletion(T0).into()];
    assert_eq!(people.questions(&someone).await.unwrap(), expected);
}

#[tokio::test]
async fn a_deletion_is_asked_about_once_until_it_is_over_and_then_only_for_a_later_one() {
    let (people, _directory) = people().await;
    let someone = Subject("someone".into());
    let asked = async || {
        let all = people.questions(&someone).await.unwrap();
        all.iter().map(|it| matches!(it, Question::Delete(it) if it.verdict.is_none())).collect::<Vec<_>>()
    };
    let ask = async |gone_at| people.ask_of_gone(&someone, &deletion(gone_at)).await.unwrap();
    let answered = Deletion { verdict: Some(OnGone::Keep), ..deletion(minutes(1)) };
    people.ask_of_gone(&someone, &answered).await.unwrap();
    ask(minutes(1)).await;
    ask(minutes(2)).await;
    assert_eq!(asked().await, [false], "what was answered stays so");
    people.withdraw(&someone, id(7), minutes(5)).await.unwrap();
    people.withdraw(&someone, id(7), minutes(9)).await.unwrap();
    assert_eq!(asked().await, Vec::<bool>::new());
    ask(minutes(4)).await;
    assert_eq!(asked().await, Vec::<bool>::new(), "it was told late");
    ask(minutes(6)).await;
    assert_eq!(asked().await, [true]);
    people.withdraw(&someone, id(6), minutes(9)).await.unwrap();
    assert_eq!(asked().await, [true], "another question is withdrawn");
}
