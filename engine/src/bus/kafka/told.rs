//! What librdkafka tells: its errors in words with a next step, its statistics as metrics.

use crate::bus::registry::Refused;
use metrics::gauge;
use rdkafka::{
    ClientContext, Statistics,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tracing::{debug, warn};

/// How often the same is said at most: the library tries again, and fails again, many times a second.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Listens to one client.
#[derive(Debug)]
pub(super) struct Told {
    /// Which client, as its metrics are labelled.
    client: String,
    /// The error that says most, so far, of why it cannot connect.
    last: Mutex<Option<(RDKafkaErrorCode, String)>>,
    /// Whether errors are logged; else whoever opens the client says why it cannot.
    is_loud: AtomicBool,
    /// What was said, and when; codes are few.
    said: Mutex<Vec<(RDKafkaErrorCode, Instant)>>,
}

impl Told {
    /// Listens to a client that is being opened: quietly.
    pub(super) fn new(client: &str) -> Arc<Self> {
        let (last, said) = (Mutex::new(None), Mutex::default());
        Arc::new(Self { client: client.to_owned(), last, is_loud: AtomicBool::new(false), said })
    }

    /// From now on errors are logged.
    pub(super) fn be_loud(self: Arc<Self>) -> Arc<Self> {
        self.is_loud.store(true, Ordering::Relaxed);
        self
    }

    /// Whether this is to be said now.
    fn is_news(&self, code: RDKafkaErrorCode) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|it| it.1.elapsed() < SAY_EVERY);
        let is_news = self.is_loud.load(Ordering::Relaxed) && !said.iter().any(|it| it.0 == code);
        if is_news {
            said.push((code, Instant::now()));
        }
        is_news
    }

    pub(super) fn error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let says_why = |it: RDKafkaErrorCode| matches!(it, RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL);
        if last.as_ref().is_none_or(|it| says_why(code) || !says_why(it.0)) {
            *last = Some((code, reason.to_owned()));
        }
        if self.is_news(code) {
            warn!(client = self.client, %code, reason, "Kafka does not answer as it should; it is tried again");
        }
    }

    /// Why Kafka cannot be used, from what was told so far.
    pub(super) fn refused(&self, brokers: &str, err: &KafkaError) -> Refused {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (code, reason) = last.unwrap_or((RDKafkaErrorCode::AllBrokersDown, err.to_string()));
        // The library puts its own place in front and its own advice behind.
        let reason = reason.rsplit_once("]: ").map_or(reason.as_str(), |it| it.1);
        let reason = reason.split(" (after ").next().unwrap_or(reason).replace("; ", ", ");
        match code {
            RDKafkaErrorCode::Authentication => Refused::Wrong(format!(
                "Kafka at {brokers} does not let us in ({reason}); check sasl.username and sasl.password in [kafka]"
            )),
            RDKafkaErrorCode::SSL => Refused::Wrong(format!(
                "no TLS connection to Kafka at {brokers} ({reason}); check the broker's certificate (has it expired?), \
                 ssl.ca.location and security.protocol in [kafka]"
            )),
            _ => Refused::Unreachable(format!(
                "Kafka at {brokers} does not answer ({reason}); start it, or correct `bus` and security.protocol in [kafka]"
            )),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge needs no more precision")]
    pub(super) fn statistics(&self, statistics: &Statistics) {
        let client = self.client.clone();
        gauge!("syncwell_kafka_queue_messages", "client" => client.clone()).set(statistics.msg_cnt as f64);
        gauge!("syncwell_kafka_queue_bytes", "client" => client.clone()).set(statistics.msg_size as f64);
        gauge!("syncwell_kafka_sent_messages", "client" => client.clone()).set(statistics.txmsgs as f64);
        gauge!("syncwell_kafka_received_messages", "client" => client.clone()).set(statistics.rxmsgs as f64);
        for broker in statistics.brokers.values().filter(|it| it.nodeid >= 0) {
            if let Some(rtt) = &broker.rtt {
                let labels = [("client", client.clone()), ("broker", broker.nodeid.to_string())];
                gauge!("syncwell_kafka_rtt_seconds", &labels).set(rtt.p99 as f64 / 1e6);
            }
        }
        for (topic, of_topic) in &statistics.topics {
            let lags = of_topic.partitions.values().map(|it| it.consumer_lag).filter(|it| *it >= 0);
            let labels = [("client", client.clone()), ("topic", topic.clone())];
            if let Some(lag) = lags.reduce(|sum, it| sum + it) {
                gauge!("syncwell_kafka_lag", &labels).set(lag as f64);
            }
        }
    }
}

/// A context that only listens.
#[derive(Debug)]
pub(super) struct Listening(pub(super) Arc<Told>);

impl ClientContext for Listening {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.statistics(&statistics);
    }
}

#[cfg(test)]
mod tests {
    use super::{RDKafkaErrorCode, Told};

    #[test]
    fn each_error_is_said_once_a_minute_and_not_while_the_client_is_opened() {
        let (down, failed) = (RDKafkaErrorCode::AllBrokersDown, RDKafkaErrorCode::BrokerTransportFailure);
        let told = Told::new("test");
        assert!(!told.is_news(down));
        let told = told.be_loud();
        assert_eq!([down, failed, down, failed].map(|it| told.is_news(it)), [true, true, false, false]);
    }
}
