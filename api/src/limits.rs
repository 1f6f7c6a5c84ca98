//! How much of everything one client, and all of them together, may take.

use std::time::Duration;

/// The figures of the edge. What is not counted here is counted in the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest wait for the headers of a request, and for the next request on a kept connection.
    pub header_read_max: Duration,
    /// The longest wait for the next bytes of a body.
    pub body_idle_max: Duration,
    /// The least bytes per second of a body, on average after its first `body_idle_max`.
    pub body_rate_min: u64,
    /// The longest that a request may take, from its headers to those of its answer.
    pub request_max: Duration,
    /// The longest that a request may take which itself calls a provider. The engine's own limit of such a call
    /// (`engine::accounts::CALL_MAX`) must fit into it.
    pub provider_request_max: Duration,
    /// The longest that an import may take.
    pub import_max: Duration,
    /// The longest that a live stream is kept open; a client then opens it again.
    pub stream_max: Duration,
    /// How long connections may go on after a stop.
    pub drain_max: Duration,
    /// The most bytes of a JSON body.
    pub body_bytes_max: usize,
    /// The most bytes of a notification.
    pub webhook_bytes_max: usize,
    /// The most bytes of an imported file.
    pub import_bytes_max: usize,
    /// The most bytes of the pages that an imported file is cut into: an archive may hold far more than its size.
    pub import_pages_bytes_max: usize,
    /// The most requests that are worked on at once; more are answered with 503.
    pub concurrent_max: usize,
    /// The most imports that are worked on at once.
    pub imports_max: usize,
    /// The most live streams of one person.
    pub streams_per_principal_max: usize,
    /// The most requests of one person within [`Limits::principal_window`].
    pub requests_per_principal_max: u32,
    /// The window in which a person's requests are counted.
    pub principal_window: Duration,
    /// The most connections.
    pub connections_max: usize,
    /// The most connections from one address.
    pub connections_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_max: Duration::from_secs(10),
            body_idle_max: Duration::from_secs(10),
            body_rate_min: 1024,
            request_max: Duration::from_secs(10),
            provider_request_max: Duration::from_secs(40),
            import_max: Duration::from_secs(600),
            stream_max: Duration::from_secs(3600),
            drain_max: Duration::from_secs(10),
            body_bytes_max: 1 << 20,
            webhook_bytes_max: 256 << 10,
            import_bytes_max: 200 << 20,
            import_pages_bytes_max: 1 << 30,
            concurrent_max: 256,
            imports_max: 2,
            streams_per_principal_max: 10,
            requests_per_principal_max: 600,
            principal_window: Duration::from_secs(60),
            connections_max: 10_000,
            connections_per_address_max: 100,
        }
    }
}
