//! Named points at which a test kills the process. Nothing of it is in a build without the feature `failpoints`.

/// The point `point` of `stage` is reached. With the feature, a process started with
/// `SYNCWELL_KILL_AT=<stage>.<point>:<n>` ends here, at once and without cleaning up, the n-th time.
#[cfg(feature = "failpoints")]
pub fn reached(stage: &str, point: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };
    static AT: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let text = std::env::var("SYNCWELL_KILL_AT").ok()?;
        let (name, n) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), n.parse().unwrap_or(1)))
    });
    static HITS: AtomicU32 = AtomicU32::new(0);
    if let Some((name, n)) = &*AT
        && name.split_once('.') == Some((stage, point))
        && HITS.fetch_add(1, Ordering::SeqCst) + 1 == *n
    {
        // As a power cut would: no destructor, no flush, no answer.
        std::process::abort();
    }
}

/// The point `point` of `stage` is reached.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reached(_stage: &str, _point: &str) {}
