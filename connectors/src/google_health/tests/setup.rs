//! One person at a simulated Google Health, and the connector in front of it.

use crate::{
    google_health::{GoogleHealth, simulator::Simulator},
    simulator::{FaultKind, Kit, Running},
};
use engine::{
    provider::{DataProvider, FetchRequest, Normal, Page, ProviderError, RawPage, Tokens, What},
    session::{Client, Session, Unlimited, http_client},
};
use schemas::{
    data_type::DataType,
    record::Record,
    time::{Instant, Interval},
};
use std::{sync::Arc, time::Duration};

/// A fault, and the error that it must be read as.
pub(super) type Case = (FaultKind, fn(&ProviderError) -> bool);

pub(super) const USER: &str = "115500000000000000001";

pub(super) struct Bench {
    pub(super) provider: GoogleHealth,
    pub(super) simulator: Simulator,
    pub(super) session: Session,
    pub(super) tokens: Tokens,
    _running: Running,
}

pub(super) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(super) fn window(from: &str, to: &str) -> Interval {
    Interval { from: at(from), to: at(to) }
}

/// A person with the demo data of seed 1, and a session with every scope.
pub(super) async fn demo() -> Bench {
    let bench = empty().await;
    bench.simulator.seed_demo(USER, 1);
    bench
}

/// A person without data.
pub(super) async fn empty() -> Bench {
    let simulator = Simulator::new(Kit::default());
    simulator.kit().set_now(at("2026-07-02T09:00:00Z"));
    let running = simulator.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    simulator.add_user(USER);
    simulator.set_calls_max(100_000);
    let tokens = simulator.grant(USER, "");
    let session = Session {
        http: http_client().unwrap(),
        base_url: running.url.clone(),
        token_url: running.url.clone(),
        access_token: Some(tokens.access.clone()),
        client: Client { id: "client".into(), secret: "secret".into() },
        call_max: Duration::from_secs(20),
        body_bytes_max: 10 << 20,
        send_by: None,
        clock: engine::clock::Clock::real(),
        permits: Arc::new(Unlimited),
    };
    Bench { provider: GoogleHealth::default(), simulator, session, tokens, _running: running }
}

impl Bench {
    pub(super) async fn page(
        &self,
        data_type: DataType,
        what: What,
        cursor: Option<String>,
    ) -> Result<Page, ProviderError> {
        self.provider.fetch(&self.session, &FetchRequest { data_type, what, cursor }).await
    }

    pub(super) fn normal(&self, data_type: DataType, page: &Page) -> Normal {
        let raw = RawPage { data_type: Some(data_type), content_type: &page.content_type, body: &page.body, name: "" };
        self.provider.normalize(&raw).unwrap()
    }

    /// Every page to the end: its records, and how many pages it took.
    pub(super) async fn all(&self, data_type: DataType, what: What) -> Result<(Vec<Record>, usize), ProviderError> {
        let (mut records, mut n_pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let page = self.page(data_type, what.clone(), cursor).await?;
            n_pages += 1;
            records.extend(self.normal(data_type, &page).records);
            cursor = page.next;
            if cursor.is_none() {
                return Ok((records, n_pages));
            }
        }
    }

    /// The error of reading the weights of two months.
    pub(super) async fn weights(&self) -> Result<Vec<Record>, ProviderError> {
        let what = What::Window(window("2026-05-01T00:00:00Z", "2026-07-10T00:00:00Z"));
        self.all(DataType::Weight, what).await.map(|it| it.0)
    }
}
