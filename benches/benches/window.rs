//! Reading one person's window out of the store: hardly slower after thirty years than after some months.
//!
//! A read begins a month before its window, so a history of ten days has fewer rows to look at than any longer one;
//! from the second month on, nothing may grow but the depth of the indexes.

use anyhow::{Context, Result};
use benches::records::{connection, subject};
use bytes::Bytes;
use criterion::{BenchmarkId, Throughput};
use engine::{
    item::{ItemState, Partition, Plan, Planned, month_of},
    store::{Store, sqlite::SqliteStore},
};
use schemas::{
    data_type::DataType,
    id::{EventId, ItemId, SyncId},
    time::{Instant, Interval},
};
use std::{collections::BTreeMap, time::Duration};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// The last day of every history.
const TODAY: Instant = Instant::from_seconds(1_777_766_400);
/// Records of the type that is read, a day; there are as many of another type.
const N_A_DAY: u32 = 4;

fn main() -> Result<()> {
    let mut criterion = benches::criterion();
    let runtime = Runtime::new().context("start the runtime")?;
    let mut group = criterion.benchmark_group("window/three_days");
    // A page of one day is compared with the rows of the day before and the day after, too.
    let window = Interval { from: TODAY.minus(DAY * 2), to: TODAY.plus(DAY) };
    for n_days in [10, 100, 10_000] {
        let (store, _directory) = runtime.block_on(history(n_days))?;
        let read = async || store.items.window(&subject(), connection("files"), DataType::HeartRate, window).await;
        let n_rows = runtime.block_on(read())?.0.len();
        anyhow::ensure!(n_rows == 3 * N_A_DAY as usize, "{n_rows} rows in the window of {n_days} days");
        group.throughput(Throughput::Elements(n_rows as u64));
        group.bench_function(BenchmarkId::new("days", n_days), |it| it.to_async(&runtime).iter(read));
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// A store in which a person has records of that many days.
async fn history(n_days: u32) -> Result<(Store, TempDir)> {
    let directory = tempfile::tempdir()?;
    let store = SqliteStore::open(directory.path())?;
    let mut months: BTreeMap<String, Vec<Planned>> = BTreeMap::new();
    for day in 0..n_days {
        for hour in 0..N_A_DAY {
            let at = TODAY.minus(DAY * day).plus(Duration::from_secs(3_600) * hour);
            let of_month = months.entry(month_of(at)).or_default();
            of_month.extend([DataType::HeartRate, DataType::Steps].map(|data_type| planned(data_type, at)));
        }
    }
    for (month, plans) in months {
        let partition = Partition { subject: subject(), destination: connection("files"), month };
        anyhow::ensure!(store.items.plan(&partition, 0, plans).await?, "a month is planned twice");
    }
    Ok((store, directory))
}

fn planned(data_type: DataType, at: Instant) -> Planned {
    let item = ItemId::derived(connection("files"), data_type.name(), connection("google_health"), &at.to_string());
    let sync = SyncId::for_key(&subject(), "sync-jobs", "history");
    let plan = Plan {
        version: 1,
        hash: "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
        by: (EventId::root(sync), sync),
        state: ItemState::Planned,
        reason: String::new(),
        delete: false,
    };
    Planned {
        item,
        data_type,
        starts_at: at,
        ends_at: at.plus(Duration::from_secs(3_600)),
        // As long as a sealed summary is.
        summary: Some(Bytes::from(vec![7; 600])),
        plan: Some(plan),
        seen: None,
    }
}
