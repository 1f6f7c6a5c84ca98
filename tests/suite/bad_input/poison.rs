//! What is not ours, on a topic of a running worker.

use super::site::Site;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;

/// A run without points.
const RUN: &str = r#"<?xml version="1.0"?>
<TrainingCenterDatabase><Activities>
<Activity Sport="Running"><Id>2026-06-21T06:00:00Z</Id><Lap StartTime="2026-06-21T08:00:00+02:00">
<TotalTimeSeconds>1800</TotalTimeSeconds><DistanceMeters>5200</DistanceMeters></Lap></Activity>
</Activities></TrainingCenterDatabase>"#;

fn list(json: &str) -> Result<Vec<Value>> {
    serde_json::from_str::<Value>(json)?.as_array().cloned().context("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_rejected_where_it_lies_and_what_follows_goes_on() -> Result<()> {
    let Some(site) = Site::new().await? else { return Ok(()) };
    let topic = site.topic("hot.fetched");
    site.allow(&topic, 25_000_000).await?;
    let _worker = site.working().await?;
    let large = vec![1; 20_000_000];
    let poisons: [Option<&[u8]>; 5] =
        [Some(b"{\"not\": \"ours\"}"), Some(&[0, 0x7f, 0xff, 0xff, 0xff, 1, 2]), Some(&[0, 0, 0]), None, Some(&large)];
    let n_partitions = i32::try_from(schemas::topics::PARTITIONS)?;
    for partition in 0..n_partitions {
        for poison in &poisons {
            // One large one is enough for a test.
            if poison.is_none_or(|it| it.len() < 1_000_000 || partition == 0) {
                site.send(&topic, partition, *poison)?;
            }
        }
    }
    let n_poisons = usize::try_from(n_partitions)? * 4 + 1;

    // Whichever partition the person is on, the page is behind them.
    let (file, library) = (site.directory.path().join("run.tcx"), site.directory.path().join("library/"));
    fs::write(&file, RUN)?;
    let import = ["import", &file.display().to_string(), "--to", &library.display().to_string()];
    let told = site.done(&import)?;
    assert!(told.contains("done") && told.contains("1 created"), "{told}");

    let all = async || {
        let found = list(&site.done(&["rejects", "list", "--reason", "undecodable", "--json"])?)?;
        Ok((found.len() >= n_poisons).then_some(found))
    };
    let rejects = tests::until_every("all are rejected", std::time::Duration::from_millis(500), all).await?;
    assert_eq!(rejects.len(), n_poisons, "each once");
    let id = rejects[0]["id"].as_str().context("an id")?;
    let shown: Value = serde_json::from_str(&site.done(&["rejects", "show", id])?)?;
    assert_eq!((&shown["reason"], &shown["stage"]), (&"undecodable".into(), &"normalize".into()), "{shown}");
    assert!(shown["place"].as_str().is_some_and(|it| it.contains("hot.fetched/")), "{shown}");
    let (code, given, said) = site.run(&["rejects", "redrive", id, "--name", "again"])?;
    assert!(code == 0 && given.contains("cannot read it") && said.contains("0 of 1"), "{code}: {given} {said}");
    let (code, _, said) = site.run(&["rejects", "show", "00000000-0000-0000-0000-000000000000"])?;
    assert!(code == 1 && said.contains("rejects list"), "{code}: {said}");

    replay_by_offsets(&site, &topic)
}

/// `replay shadow --offsets` finds the one page among the poison; the ends of a partition are told.
fn replay_by_offsets(site: &Site, topic: &str) -> Result<()> {
    let ends = site.ends(topic)?;
    let mut n_found = 0;
    for (partition, end) in ends.iter().enumerate() {
        let (name, partition, offsets) = (format!("at-{partition}"), partition.to_string(), format!("0..{end}"));
        let place = ["--topic", "hot.fetched", "--partition", &partition, "--offsets", &offsets];
        let told = site.done(&[&["replay", "shadow", "--name", &name][..], &place].concat())?;
        let is_here = told.contains("1 syncs of 1 people, 1 pages");
        assert!(is_here || told.contains("0 syncs of 0 people, 0 pages"), "{told}");
        n_found += usize::from(is_here);
    }
    assert_eq!(n_found, 1, "the page is on one partition");
    let (code, _, said) = site.run(&[
        "replay",
        "shadow",
        "--name",
        "bad",
        "--topic",
        "hot.fetched",
        "--partition",
        "0",
        "--offsets",
        "7",
    ])?;
    assert!(code == 1 && said.contains("100..200"), "{code}: {said}");
    let (code, _, said) = site.run(&[
        "replay",
        "shadow",
        "--name",
        "other",
        "--topic",
        "settled",
        "--partition",
        "0",
        "--offsets",
        "0..1",
    ])?;
    assert!(code == 1 && said.contains("fetched"), "{code}: {said}");
    Ok(())
}
