//! What every provider simulator shares: a listener, a journal, a fault plan, and a clock that tests can move.
//!
//! A simulator is an axum router over state of its own, wrapped by [`serve`]: faults are looked up before its
//! handlers run, every request is written to the journal with the status that was sent.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode},
    middleware::{self, Next},
};
use chrono::Utc;
use futures::{StreamExt, stream};
use schemas::time::Instant;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};

/// What a simulator shares with the test or person that runs it. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Kit {
    journal: Arc<Mutex<Vec<Entry>>>,
    changed: watch::Sender<usize>,
    faults: Arc<Mutex<Vec<Fault>>>,
    clock_offset_ms: Arc<AtomicI64>,
    keeps_bodies: Arc<AtomicBool>,
}

/// One request that came in.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// The simulator's time.
    pub at: Instant,
    /// HTTP method.
    pub method: String,
    /// Path, without query.
    pub path: String,
    /// Query string, undecoded.
    pub query: String,
    /// Bearer token that it carried, by which a test tells accounts apart.
    pub token: String,
    /// Size of the request's body.
    pub body_bytes: usize,
    /// The status that was sent (499 when the connection was cut instead).
    pub status: u16,
    /// What it did to the simulator's state, as its handlers noted: `create`, `update`, `delete` and the record's id.
    pub effect: Option<String>,
    /// The body of a request that had an effect, if [`Kit::keep_bodies`] asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Bytes>,
}

/// A fault to commit.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Requests with this method; empty for any.
    pub method: String,
    /// Requests whose path contains this; empty for any.
    pub path: String,
    /// Requests with this bearer token; empty for any.
    pub token: String,
    /// How many matching requests to let pass first.
    pub after: u32,
    /// How many times to commit it.
    pub times: u32,
    /// What to do.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault for the next matching request.
    #[must_use]
    pub fn once(method: &str, path: &str, kind: FaultKind) -> Self {
        Self { method: method.into(), path: path.into(), token: String::new(), after: 0, times: 1, kind }
    }
}

/// What a fault does.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// Answers at once with this status, these headers and this body; the handlers do not run.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: String,
    },
    /// Answers this late.
    Slow(Duration),
    /// The handlers run, then half of the body is sent and the connection cut.
    HalfBody,
    /// The handlers run and nothing of the answer is sent: the effect is done, the reply is lost.
    ReplyLost,
    /// The connection is cut before the handlers run.
    Refused,
    /// An endless body.
    Endless,
}

impl Default for Kit {
    fn default() -> Self {
        Self {
            journal: Arc::default(),
            changed: watch::channel(0).0,
            faults: Arc::default(),
            clock_offset_ms: Arc::default(),
            keeps_bodies: Arc::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A note that a handler puts into its response's extensions: what it did to the state.
#[derive(Clone, Debug)]
pub struct Effect(pub String);

impl Kit {
    /// The simulator's time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a simulator is the outside world: it has a clock of its own")]
    pub fn now(&self) -> Instant {
        Instant(Utc::now().timestamp_millis() + self.clock_offset_ms.load(Ordering::Relaxed))
    }

    /// Sets the simulator's time; it runs on from there.
    #[expect(clippy::disallowed_methods, reason = "a simulator is the outside world: it has a clock of its own")]
    pub fn set_now(&self, now: Instant) {
        self.clock_offset_ms.store(now.0 - Utc::now().timestamp_millis(), Ordering::Relaxed);
    }

    /// Every request so far, in the order of their answers.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        lock(&self.journal).clone()
    }

    /// The effects so far (`create 17`, `update 17` …), in order.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        lock(&self.journal).iter().filter_map(|it| it.effect.clone()).collect()
    }

    /// Waits until a journal entry fits, or two minutes have gone by; says whether one did.
    pub async fn until(&self, fits: impl Fn(&Entry) -> bool) -> bool {
        let mut changed = self.changed.subscribe();
        let wait = changed.wait_for(|_| lock(&self.journal).iter().any(&fits));
        tokio::time::timeout(Duration::from_secs(120), wait).await.is_ok_and(|it| it.is_ok())
    }

    /// From now on the journal holds what was written, too: the bodies of requests that had an effect.
    pub fn keep_bodies(&self) {
        self.keeps_bodies.store(true, Ordering::Relaxed);
    }

    /// Forgets the journal.
    pub fn clear_journal(&self) {
        lock(&self.journal).clear();
    }

    /// Adds a fault to the plan.
    pub fn plan(&self, fault: Fault) {
        lock(&self.faults).push(fault);
    }

    /// Drops every planned fault.
    pub fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    fn due(&self, method: &str, path: &str, token: &str) -> Option<FaultKind> {
        let mut faults = lock(&self.faults);
        let index = faults.iter_mut().position(|it| {
            let fits = (it.method.is_empty() || it.method == method)
                && path.contains(&it.path)
                && (it.token.is_empty() || it.token == token);
            if fits && it.after > 0 {
                it.after -= 1;
                return false;
            }
            fits
        })?;
        let kind = faults[index].kind.clone();
        faults[index].times = faults[index].times.saturating_sub(1);
        if faults[index].times == 0 {
            faults.remove(index);
        }
        Some(kind)
    }
}

/// A simulator that runs; dropping it stops it.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Waits for its end, which only an abort brings.
    pub async fn forever(mut self) {
        // An aborted task has nothing to say.
        drop((&mut self.task).await);
    }
}

/// Serves a simulator's router on `address` (port 0 takes a free one), with faults and journal around it.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(kit: Kit, address: SocketAddr, router: Router) -> std::io::Result<Running> {
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = router.layer(middleware::from_fn_with_state(kit, around));
    let task = tokio::spawn(async move {
        if let Err(err) = axum::serve(listener, app).await {
            tracing::warn!(%err, "simulator ended");
        }
    });
    Ok(Running { url, task })
}

/// The bearer token of a request, or nothing.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> &str {
    headers.get("authorization").and_then(|it| it.to_str().ok()).and_then(|it| it.strip_prefix("Bearer ")).unwrap_or("")
}

const CUT: u16 = 499;

async fn around(State(kit): State<Kit>, request: Request, next: Next) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 256 << 20).await.unwrap_or_default();
    let token = bearer(&parts.headers).to_owned();
    let mut entry = Entry {
        at: kit.now(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        body_bytes: body.len(),
        status: CUT,
        effect: None,
        body: None,
        token,
    };
    let kept = kit.keeps_bodies.load(Ordering::Relaxed).then(|| body.clone());
    let fault = kit.due(&entry.method, &entry.path, &entry.token);
    if let Some(FaultKind::Slow(wait)) = &fault {
        tokio::time::sleep(*wait).await;
    }
    let mut response = match &fault {
        Some(FaultKind::Answer { status, headers, body }) => answer(*status, headers, body.clone()),
        Some(FaultKind::Refused) => cut(Bytes::new()),
        Some(FaultKind::Endless) => Response::new(Body::from_stream(
            stream::repeat(Bytes::from_static(&[b' '; 65_536])).map(Ok::<_, std::io::Error>),
        )),
        _ => next.run(Request::from_parts(parts, Body::from(body))).await,
    };
    entry.effect = response.extensions().get::<Effect>().map(|it| it.0.clone());
    entry.body = kept.filter(|_| entry.effect.is_some());
    match &fault {
        Some(FaultKind::ReplyLost) => response = cut(Bytes::new()),
        Some(FaultKind::HalfBody) => {
            let whole = axum::body::to_bytes(std::mem::take(response.body_mut()), 256 << 20).await.unwrap_or_default();
            response = cut(whole.slice(..whole.len() / 2));
        }
        Some(FaultKind::Refused) => {}
        _ => entry.status = response.status().as_u16(),
    }
    if let Ok(date) =
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_millis(entry.at.0.max(0).unsigned_abs())).parse()
    {
        response.headers_mut().insert("date", date);
    }
    let n_entries = {
        let mut journal = lock(&kit.journal);
        journal.push(entry);
        journal.len()
    };
    kit.changed.send_replace(n_entries);
    response
}

fn answer(status: u16, headers: &[(&'static str, String)], body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// A body that ends in a broken connection after `first`.
fn cut(first: Bytes) -> Response<Body> {
    let broken = stream::iter([Ok(first), Err(std::io::Error::other("cut by a fault"))]).then(|it| async {
        if it.is_err() {
            // The server sends what it has only when the body makes it wait.
            tokio::task::yield_now().await;
        }
        it
    });
    Response::new(Body::from_stream(broken))
}
