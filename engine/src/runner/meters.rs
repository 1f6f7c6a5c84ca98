//! What the worker of a stage counts, in meters that are looked up once: an event counts in three of them.

use crate::{stage::lane_of, topology::Node};
use metrics::{Counter, Histogram, counter, histogram};
use std::time::Duration;

/// What can become of an event.
const RESULTS: [&str; 9] = ["in", "out", "recalled", "later", "rejected", "ended", "nothing", "unreachable", "dropped"];

/// The meters of a stage in a lane.
#[derive(Debug)]
pub(super) struct Meters {
    seconds: Histogram,
    results: [(&'static str, Counter); RESULTS.len()],
    stopped: Counter,
}

impl Meters {
    pub(super) fn of(node: &Node) -> Self {
        let (stage, lane) = (node.stage.name(), lane_of(node.from).name());
        let of = |result| counter!("syncwell_stage_events_total", "stage" => stage, "lane" => lane, "result" => result);
        Self {
            seconds: histogram!("syncwell_stage_seconds", "stage" => stage, "lane" => lane),
            results: RESULTS.map(|it| (it, of(it))),
            stopped: counter!("syncwell_stage_stopped_total", "stage" => stage),
        }
    }

    /// An event met this result.
    pub(super) fn count(&self, result: &str) {
        if let Some((_, counter)) = self.results.iter().find(|it| it.0 == result) {
            counter.increment(1);
        }
    }

    /// An event came in, took so long, and met this result.
    pub(super) fn took(&self, took: Duration, result: &str) {
        self.seconds.record(took.as_secs_f64());
        self.count("in");
        self.count(result);
    }

    /// The worker stopped without acknowledging.
    pub(super) fn stopped(&self) {
        self.stopped.increment(1);
    }
}
