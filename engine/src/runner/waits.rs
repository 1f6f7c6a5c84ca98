//! What waits because one of our own servers is out of reach: said once when it begins and once when it is over, however
//! many events wait.

use crate::bus::Unreachable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tracing::warn;

/// All that waits in a process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Waits(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    n_now: usize,
    n_waited: u64,
    since: Option<Instant>,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of this stage waits, until what is returned is dropped. The first to wait says why.
    pub(crate) fn begin(&self, stage: &str, err: &Unreachable) -> Wait {
        let mut waiting = self.lock();
        waiting.n_now += 1;
        waiting.n_waited += 1;
        if waiting.since.is_none() {
            waiting.since = Some(Instant::now());
            warn!(stage, %err, "waits for a server, without acknowledging; what waits later waits unsaid");
        }
        Wait(self.clone())
    }
}

/// That something waits.
#[derive(Debug)]
pub(crate) struct Wait(Waits);

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.n_now = waiting.n_now.saturating_sub(1);
        if waiting.n_now > 0 {
            return;
        }
        let seconds = waiting.since.map_or(0, |it| it.elapsed().as_secs());
        // As loud as its beginning: who hears the one waits for the other.
        warn!(n_waited = waiting.n_waited, seconds, "nothing waits for a server any more");
        *waiting = Waiting::default();
    }
}
