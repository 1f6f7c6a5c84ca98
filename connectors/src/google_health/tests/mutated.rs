//! No body makes the connector panic, and no value it gives is one that cannot be.

use crate::google_health::GoogleHealth;
use engine::provider::{DataProvider, RawPage, WebhookRequest, WebhookSecrets};
use proptest::prelude::*;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use schemas::{data_type::DataType, record::Body};

const BODIES: [&str; 10] = [
    include_str!("../fixtures/berlin/sleep.list.json"),
    include_str!("../fixtures/berlin/exercise.list.json"),
    include_str!("../fixtures/berlin/exercise.recorded.json"),
    include_str!("../fixtures/berlin/weight.list.json"),
    include_str!("../fixtures/berlin/daily-resting-heart-rate.list.json"),
    include_str!("../fixtures/berlin/daily-heart-rate-variability.list.json"),
    include_str!("../fixtures/newyork/daily-oxygen-saturation.list.json"),
    include_str!("../fixtures/newyork/steps.dailyRollUp.response.json"),
    include_str!("../fixtures/berlin/webhook.notification.json"),
    include_str!("../fixtures/recorded/webhook_keyset_shape.json"),
];

/// What takes the place of a value: the far ends of what a parser may meet.
const STRANGE: [&str; 14] = [
    "null",
    "-1",
    "1e308",
    "9223372036854775807",
    "-9223372036854775808",
    "\"\"",
    "\"NaN\"",
    "\"1e999\"",
    "[]",
    "{}",
    "\"9999-12-31T23:59:59Z\"",
    "\"-9999999999999s\"",
    "\"+262142-12-31T23:59:59Z\"",
    "[[[[]]]]",
];

fn look(body: &[u8]) {
    let provider = GoogleHealth::default();
    for data_type in [None].into_iter().chain(DataType::ALL.map(Some)) {
        let page = RawPage { data_type, content_type: "application/json", body, name: "" };
        let Ok(normal) = provider.normalize(&page) else { continue };
        for record in normal.records {
            assert!(record.time.start <= record.time.end || record.deleted);
            if let Body::Quantity(it) = &record.body {
                let (least, greatest) = record.data_type.plausible();
                assert!((least..=greatest).contains(&it.value));
            }
            // What was read can be projected or is refused; neither panics.
            drop(provider.project(&record));
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("s"));
    headers.insert("x-healthapi-signature", HeaderValue::from_static("AQAAMDkwBgIBAQIBAQ=="));
    for keyset in [body.to_vec(), Vec::new()] {
        let secrets = WebhookSecrets { verify_token: "s".into(), keyset, ..WebhookSecrets::default() };
        drop(provider.verify(&secrets, &WebhookRequest { method: "POST", query: "", headers: &headers, body }));
    }
}

/// The places of a body's values: after each colon, to the next end of a value.
fn values(body: &str) -> Vec<(usize, usize)> {
    body.match_indices(": ")
        .map(|(at, _)| {
            let from = at + 2;
            let end = body[from..].find([',', '\n']).map_or(body.len(), |it| from + it);
            (from, end)
        })
        .collect()
}

#[test]
fn a_strange_value_in_any_place_is_left_out() {
    for body in BODIES {
        for (from, end) in values(body) {
            for strange in STRANGE {
                look([&body[..from], strange, &body[end..]].concat().as_bytes());
            }
        }
    }
}

proptest! {
    #[test]
    fn a_broken_body_never_panics(which in 0..BODIES.len(), cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), end in any::<prop::sample::Index>()) {
        let mut body = BODIES[which].as_bytes().to_vec();
        for (at, byte) in cuts {
            let at = at.index(body.len());
            body[at] = byte;
        }
        look(&body);
        body.truncate(end.index(body.len()));
        look(&body);
    }

    #[test]
    fn any_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        look(&body);
    }
}
