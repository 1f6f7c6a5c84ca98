//! Counts who holds how many of something.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many each holder has; nobody has more than the most. Clones count together.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    held: Arc<Mutex<HashMap<K, usize>>>,
    each_max: usize,
}

impl<K> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held), each_max: self.each_max }
    }
}

impl<K: Eq + Hash + Clone> Shares<K> {
    pub(crate) fn new(each_max: usize) -> Self {
        Self { held: Arc::default(), each_max }
    }

    /// One more for this holder until it is dropped; `None` if they have the most already.
    pub(crate) fn take(&self, holder: K) -> Option<Share<K>> {
        let mut held = lock(&self.held);
        let count = held.entry(holder.clone()).or_default();
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Share { held: Arc::clone(&self.held), holder })
    }
}

/// One of what is counted; given back when it is dropped.
pub(crate) struct Share<K: Eq + Hash> {
    held: Arc<Mutex<HashMap<K, usize>>>,
    holder: K,
}

impl<K: Eq + Hash> fmt::Debug for Share<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").finish_non_exhaustive()
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
