//! `syncwell-drill`: loses all of the bus, the rows of the store, and a day's worth of the store, and prints how long
//! each took to be put right. `SYNCWELL_TEST_BUS` and `SYNCWELL_TEST_REGISTRY` name the servers; with
//! `SYNCWELL_TEST_WORLD=cluster` the store is on servers, too.

use ::tests::{ATHLETE, Repair, START, World, at, told, until};
use anyhow::{Context, Result, ensure};
use clap::Parser;
use schemas::data_type::DataType;
use serde_json::json;
use std::time::{Duration, Instant};
use topology::cli::print::{data, say, table};

/// How far the starts of two runs are apart.
const APART: Duration = Duration::from_secs(2 * 3600);
/// Where to.
const TO: [&str; 2] = ["google_health", "files"];

/// Loses systems and puts them right, and prints how long that took.
#[derive(Debug, Parser)]
#[command(name = "syncwell-drill")]
struct Options {
    /// How many records the store holds before the losses, and how many more are brought after its snapshot.
    #[arg(long, default_value_t = 500)]
    records: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { records } = Options::parse();
    let missing = "no bus; name one in SYNCWELL_TEST_BUS, as tests/stack/stack.py does";
    let mut world = Box::pin(World::with_lasting_bus()).await?.context(missing)?;
    for destination in TO {
        world.route("strava", destination, DataType::Workout).await?;
    }
    let mut rows = Vec::new();
    seed(&world, 0..records);
    let begun = Instant::now();
    world.sync("strava", &TO, DataType::Workout).await?;
    say(&format!("{records} records brought to two destinations in {:.1?}", begun.elapsed()));

    let (next, repair) = Box::pin(world.rebuilt(true)).await?;
    rows.push(row("rows of the store", &repair, "steps read"));
    world = next;

    let (next, snapshot) = Box::pin(world.snapshot()).await?;
    world = next;
    seed(&world, records..2 * records);
    let sync = world.ask("strava", &TO, DataType::Workout, Some(at("2010-01-01T00:00:00Z"))).await?;
    let half = usize::try_from(records + records / 2)?;
    let is_half = async || Ok((world.effects()[1].len() >= half).then_some(()));
    until("half of them have arrived", is_half).await?;
    let (next, repair) = Box::pin(world.put_back(&snapshot)).await?;
    rows.push(row("the store, restored from a snapshot", &repair, "events read"));
    world = next;

    // What was cut off has only just gone on.
    let begun = Instant::now();
    world = Box::pin(world.without_bus()).await?;
    let took = begun.elapsed();
    rows.push(vec!["all of Kafka".into(), String::new(), format!("{took:.1?}"), "topics made again, included".into()]);
    say(&format!("the sync that was cut off twice: {}", told(&world.settled(sync).await?)));
    let again = world.sync("strava", &TO, DataType::Workout).await?;
    say(&format!("a sync over everything: {}", told(&again)));
    data(&table(&["lost", "events", "took", ""], &rows));

    let mut creates: Vec<String> = world.effects()[1].iter().filter(|it| it.starts_with("create")).cloned().collect();
    let n_creates = creates.len();
    creates.sort();
    creates.dedup();
    let n_records = usize::try_from(2 * records)?;
    let (lost, doubled) = (n_records.saturating_sub(creates.len()), n_creates - creates.len());
    data(&format!("lost {lost}, doubled {doubled}"));
    ensure!((lost, doubled) == (0, 0), "records were lost or doubled; see above");
    Ok(())
}

fn row(lost: &str, repair: &Repair, unit: &'static str) -> Vec<String> {
    let n_events = repair.restored.counts.get(unit).copied().unwrap_or(0);
    let all: Vec<String> = repair.restored.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    vec![lost.into(), n_events.to_string(), format!("{:.1?}", repair.took), all.join(", ")]
}

/// Runs, one every two hours back from the world's beginning.
fn seed(world: &World, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let start = at(START).minus(APART * (number + 2));
        let detail = json!({
            "resource_state": 3, "name": format!("Run {number}"), "distance": 5_200.0, "moving_time": 1_800,
            "elapsed_time": 1_800, "type": "Run", "sport_type": "Run", "start_date": start.to_string(),
            "start_date_local": start.to_string(), "timezone": "(GMT+00:00) Europe/London", "utc_offset": 0.0,
            "start_latlng": [], "manual": false, "trainer": false, "commute": false, "private": false,
            "visibility": "everyone", "external_id": format!("watch-{number}.fit"),
        });
        world.strava.seed_activity(ATHLETE, detail, None);
    }
}
