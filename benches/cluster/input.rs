//! What everybody is given: Google's pages of heart rates, as they come, each in an event of about 2.5 KB.

use anyhow::{Context, Result};
use benches::{events, records::at};
use engine::{
    bus::{Bus, Message},
    contents::Contents,
};
use schemas::{
    codec,
    data_type::DataType,
    event::{Envelope, Fetched, Head, Payload},
    id::{ConnectionId, EventId, Subject, SyncId},
};
use serde_json::{Value, json};

/// Samples on a page: a small one, so that what surrounds them counts.
const N_SAMPLES: usize = 4;
/// People that the events are of.
pub(crate) const N_SUBJECTS: usize = 1_000;
/// Events that are handed over at once.
const BATCH: usize = 5_000;
const JSON: &str = "application/json";

/// Makes events.
pub(crate) struct Input {
    pages: Vec<String>,
    like: Fetched,
    /// What seals their pages; in the clear without it.
    contents: Option<Contents>,
}

impl Input {
    /// From recorded pages.
    pub(crate) fn new(contents: Option<Contents>) -> Result<Self> {
        let recorded = include_str!("../../connectors/src/google_health/fixtures/berlin/heart-rate.list.json");
        let recorded: Value = serde_json::from_str(recorded).context("read the recorded page")?;
        let points = recorded.get("dataPoints").and_then(Value::as_array).context("the recorded page has no points")?;
        let pages = points.chunks_exact(N_SAMPLES).map(|it| json!({ "dataPoints": it }).to_string()).collect();
        let like = Fetched {
            account: events::account("google_health"),
            source: events::account("google_health"),
            data_type: Some(DataType::HeartRate),
            api_version: "v4".into(),
            ..events::fetched(0).body
        };
        Ok(Self { pages, like, contents })
    }

    /// The event of that number. The same number gives the same event but for its seal.
    pub(crate) async fn event(&self, number: usize) -> Result<Envelope<Fetched>> {
        let subject = Subject(format!("{:020x}", (number % N_SUBJECTS) * 0x9e37_79b9));
        let sync = SyncId::for_key(&subject, "sync-jobs", &number.to_string());
        let root = Head::root(sync, subject.clone(), at(0));
        let head = root.derive("fetch", 0, root.at);
        let page = self.pages[number % self.pages.len()].as_bytes();
        let page = match &self.contents {
            Some(contents) => contents.seal(&head, JSON, page).await?,
            None => in_the_clear(head.id, JSON, page.to_vec()),
        };
        let mut body = Fetched { page, ..self.like.clone() };
        body.account.connection = ConnectionId::derived(&subject, "google_health", "account");
        body.source.connection = body.account.connection;
        Ok(Envelope { head, body })
    }

    /// Publishes that many events, from this number on.
    pub(crate) async fn publish(&self, bus: &dyn Bus, from: usize, n_events: usize) -> Result<()> {
        let mut number = from;
        while number < from + n_events {
            let until = (number + BATCH).min(from + n_events);
            let mut messages = Vec::with_capacity(BATCH);
            for number in number..until {
                messages.push(message(&self.event(number).await?));
            }
            bus.publish(messages).await?;
            number = until;
        }
        Ok(())
    }
}

/// An event on its way to Normalize.
pub(crate) fn message(event: &Envelope<Fetched>) -> Message {
    let bytes = codec::encode(event).into();
    Message { topic: super::FETCHED, key: event.head.subject.clone(), id: event.head.id, bytes }
}

/// A content that is not sealed, in the place of a sealed one.
pub(crate) fn in_the_clear(carrier: EventId, content_type: &str, content: Vec<u8>) -> Payload {
    Payload {
        carrier,
        key_version: 0,
        content_type: content_type.into(),
        size: i64::try_from(content.len()).unwrap_or(i64::MAX),
        hash: String::new(),
        sealed: Some(content),
        blob: None,
    }
}
